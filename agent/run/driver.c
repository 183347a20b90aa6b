// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* driver.c - updates carried out, in order; see driver.h. */
#include "driver.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../core/codec.h"
#include "agent.h"
#include "ledger.h"
#include "log.h"
#include "state.h"

/* Events that came up inside an operation; each lane and each commit can
 * have a few, and they are gone when the update is done. */
#define LATER_MAX (4 * CORE_OPS_MAX)

struct later {
	struct core_event events[LATER_MAX]; /* a ring */
	uint32_t first, count;
};

static struct later later;

/* ---- operations ------------------------------------------------------------ */

static int persist_work(void *data, const void *bytes, size_t size_bytes)
{
	struct agent *agent = data;

	return state_write(agent->state_fd, bytes, size_bytes);
}

static void persist_done(void *data, uint64_t token, int error)
{
	struct core_event event = { .type = EV_PERSISTED,
				    .token = token,
				    .error = error };

	if (error && log_once("state_not_written", "", agent_now_ns()))
		log_text(CORE_LOG_WARNING, "state_not_written",
			 "%s; the old state is kept", strerror(-error));
	driver_event(data, &event);
}

static void op_persist(struct agent *agent, const struct core_op *op)
{
	struct core_event event = { .type = EV_PERSISTED, .token = op->token };
	int err;

	err = helper_submit(agent->helper, persist_work, persist_done, agent,
			    op->token, op->bytes.data, op->bytes.size_bytes);
	if (!err)
		return;
	event.error = err;
	driver_later(agent, &event);
}

static void op_peer(struct agent *agent, const struct core_op *op)
{
	int err = 0;

	if (op->peer.number != CORE_PEER_SELF)
		err = peers_set(&agent->peers, op);
	if (!err)
		err = kernel_peer(agent->kernel, op->peer.number, op->peer.name,
				  op->peer.addresses, op->peer.address_count,
				  op->peer.state);
	if (err)
		log_text(CORE_LOG_ERROR, "peer_not_stored", "%s: %s",
			 op->peer.name, strerror(-err));
}

static void op_peer_gone(struct agent *agent, const struct core_op *op)
{
	struct lane *lane;

	flow_peer_gone(agent->flows, op->peer.number, -EHOSTUNREACH,
		       agent_now_ns());
	for (lane = agent->lanes.first; lane; lane = lane->next) {
		if (lane->routed && lane->peer == op->peer.number)
			lane->routed = false;
	}
	kernel_peer_gone(agent->kernel, op->peer.number);
	peers_drop(&agent->peers, op->peer.number);
}

static bool valid_place(const struct core_op *op)
{
	return op->route.channel < SKERRY_CHANNELS_MAX &&
	       op->route.index < SKERRY_PARALLELISM_MAX;
}

static void op_route(struct agent *agent, const struct core_op *op)
{
	struct peer *peer = peers_find(&agent->peers, op->route.peer);
	struct lane *lane = lane_find(&agent->lanes, op->lane);
	int err;

	if (!peer || !lane || lane->state == LANE_ENDED || !valid_place(op))
		return;
	lane->routed = true;
	lane->peer = op->route.peer;
	lane->channel = op->route.channel;
	lane->index = op->route.index;
	lane->generation = op->route.generation;
	peer->lanes[op->route.channel][op->route.index] = lane->id;
	peer->was_up = true;
	lane_routed(lane);
	err = flow_route(agent->flows, peer->number, peer->incarnation,
			 lane->channel, lane->index,
			 peer->parallelism[lane->channel], lane->id,
			 agent_now_ns());
	if (err)
		log_text(CORE_LOG_ERROR, "route_failed",
			 "%s: flows cannot use lane %llu: %s", peer->name,
			 (unsigned long long)lane->id, strerror(-err));
	lane_interest(lane);
}

static void op_route_gone(struct agent *agent, const struct core_op *op)
{
	struct peer *peer = peers_find(&agent->peers, op->route.peer);
	uint64_t *id;

	if (!peer || !valid_place(op))
		return;
	id = &peer->lanes[op->route.channel][op->route.index];
	if (*id)
		flow_lane_gone(agent->flows, *id, agent_now_ns());
	*id = 0;
}

static void op_log(const struct core_op *op)
{
	char event[64];

	if (tlv_find_str(op->bytes.data, op->bytes.size_bytes, SKERRY_K_EVENT,
			 event, sizeof(event)))
		strcpy(event, "core");
	log_event(op->level, event, op->text, op->bytes);
}

static void op_frame(struct agent *agent, const struct core_op *op)
{
	lane_send(agent, op->lane, op->frame.type, op->frame.sequence,
		  op->bytes);
}

static void carry_out(struct agent *agent, const struct core_op *op)
{
	switch (op->type) {
	case OP_PERSIST:
		op_persist(agent, op);
		break;
	case OP_PEER:
		op_peer(agent, op);
		break;
	case OP_PEER_GONE:
		op_peer_gone(agent, op);
		break;
	case OP_CUT_ADD:
		cuts_add(agent, &op->cut);
		break;
	case OP_CUT_DEL:
		cuts_del(agent, op->cut.handle);
		break;
	case OP_CUT_COMMIT:
		cuts_commit(agent, op->token);
		break;
	case OP_DIAL:
		lane_dial(agent, op);
		break;
	case OP_ADMIT:
		lane_admit(agent, op->lane, op->bytes);
		break;
	case OP_REFUSE:
		lane_refuse(agent, op->lane, op->error, op->text);
		break;
	case OP_DUPLICATE:
		lane_duplicate(agent, op->lane, op->generation);
		break;
	case OP_CLOSE:
		/* What programs have written goes out first. */
		if (op->drain)
			flow_lane_drain(agent->flows, op->lane, agent_now_ns());
		lane_close(agent, op->lane, op->drain, op->text);
		break;
	case OP_ROUTE:
		op_route(agent, op);
		break;
	case OP_ROUTE_GONE:
		op_route_gone(agent, op);
		break;
	case OP_SEND:
		op_frame(agent, op);
		break;
	case OP_DATAGRAM:
		udp_send(agent, op->datagram.port, &op->datagram.to, op->bytes);
		break;
	case OP_ANSWER:
		/* Error and sentence, if any, are in the bytes. */
		program_answer(agent, op->answer.program,
			       op->answer.correlation, op->answer.more, 0, NULL,
			       op->bytes);
		break;
	case OP_EVENT:
		program_event(agent, op->answer.program, op->answer.watch,
			      op->bytes);
		break;
	case OP_LOG:
		op_log(op);
		break;
	case OP_WAKE_AT:
		agent->wake_at_ns = op->at_ns;
		break;
	case OP_STOPPED:
		agent->stopped = true;
		break;
	case OP_LEDGER:
		ledger_read(agent, op);
		break;
	case OP_MAX:
		break;
	}
}

/* ---- steps ------------------------------------------------------------------ */

static int step(struct agent *agent, struct core_event *event)
{
	struct core_event tick = { .type = EV_TICK };
	struct core_update update;
	int err, first = 0;
	bool again = false;
	size_t i;

	do {
		event->now_ns = agent_now_ns();
		event->wall_us = agent_wall_us();
		memset(&update, 0, sizeof(update));
		err = core_step(agent->core, event, &update);
		record_step(agent->record, event, err, &update);
		if (!again)
			first = err;
		for (i = 0; i < update.count; i++)
			carry_out(agent, &update.ops[i]);
		event = &tick;
		again = true;
	} while (update.more);
	return first;
}

int driver_event(struct agent *agent, struct core_event *event)
{
	struct core_event next;
	int err;

	assert(!agent->stepping);
	/* At the end nothing is begun any more. */
	if (agent->closing)
		return 0;
	agent->stepping = true;
	err = step(agent, event);
	while (later.count) {
		next = later.events[later.first];
		later.first = (later.first + 1) % LATER_MAX;
		later.count--;
		step(agent, &next);
	}
	agent->stepping = false;
	return err;
}

void driver_later(struct agent *agent, const struct core_event *event)
{
	if (!agent->stepping) {
		struct core_event copy = *event;

		driver_event(agent, &copy);
		return;
	}
	assert(later.count < LATER_MAX);
	later.events[(later.first + later.count) % LATER_MAX] = *event;
	later.count++;
}

void driver_settle(struct agent *agent)
{
	bool again;

	do {
		again = lanes_settle(agent);
		again |= programs_settle(agent);
	} while (again);
	cuts_settle(agent);
}

void driver_tick(struct agent *agent)
{
	struct core_event event = { .type = EV_TICK };
	uint64_t now_ns = agent_now_ns();

	if (agent->wake_at_ns <= now_ns) {
		agent->wake_at_ns = UINT64_MAX;
		driver_event(agent, &event);
	}
	if (flow_wake(agent->flows) <= now_ns)
		flow_tick(agent->flows, now_ns);
	lanes_tick(agent, now_ns);
	log_tick(now_ns);
}

uint64_t driver_due(const struct agent *agent)
{
	uint64_t next = flow_wake(agent->flows);

	if (agent->wake_at_ns < next)
		next = agent->wake_at_ns;
	if (agent->lanes.tick_at_ns < next)
		next = agent->lanes.tick_at_ns;
	if (agent->cuts.count && agent->cuts.next_deadline_ns < next)
		next = agent->cuts.next_deadline_ns;
	return next;
}
