// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lane.c - the life of a lane on this host; see lane.h. */
#include "lane.h"

#include <assert.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/agent.h"
#include "run/driver.h"
#include "run/log.h"
#include "run/netaddr.h"

#define MS 1000000ULL
#define HANDSHAKE_NS (5000 * MS)
#define DRAIN_NS (2000 * MS)

static struct lane **hash_slot(struct lanes *lanes, uint64_t id)
{
	return &lanes->hash[(id ^ (id >> 10)) & (LANES_HASH - 1)];
}

struct lane *lane_find(struct lanes *lanes, uint64_t id)
{
	struct lane *lane = lanes->last_found;

	if (lane && lane->id == id)
		return lane;
	for (lane = *hash_slot(lanes, id); lane; lane = lane->hash_next) {
		if (lane->id == id) {
			lanes->last_found = lane;
			return lane;
		}
	}
	return NULL;
}

const char *lane_channel_name(const struct lane *lane)
{
	return lane->routed ? lane->agent->settings.channels[lane->channel].name
			    : "";
}

/* ---- what the state machine tells --------------------------------------- */

static void on_hello(void *data, struct core_bytes details)
{
	struct lane *lane = data;

	if (lane->proving) {
		lane->proving = false;
		lane->agent->lanes.proving--;
	}
	driver_lane_hello(lane, details);
}

static void on_up(void *data)
{
	struct lane *lane = data;

	lane->deadline_ns = 0;
	driver_lane_up(lane);
}

static void on_frame(void *data, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	driver_lane_frame(data, frame, extensions, payload);
}

static void on_draining(void *data)
{
	struct lane *lane = data;

	lane->peer_draining = true;
	driver_lane_draining(lane);
	lanefsm_drain(lane->fsm);
	lane_deadline(lane, agent_now_ns() + DRAIN_NS);
	lane_mark_dirty(lane);
}

static void on_drained(void *data)
{
	struct lane *lane = data;

	lane->drained = true;
	lane_mark_dirty(lane);
}

/* A stranger's ports vary: its address is who it is. */
static const char *stranger(const struct lane *lane,
			    char address[NETADDR_TEXT_BYTES])
{
	netaddr_text(&lane->remote, address);
	*strrchr(address, ':') = 0;
	return address;
}

static void tell_garbage(struct lane *lane, const char *text)
{
	char address[NETADDR_TEXT_BYTES];

	lane->agent->lanes.garbage++;
	if (log_once("lane_garbage", stranger(lane, address), agent_now_ns()))
		log_text(CORE_LOG_WARNING, "lane_garbage", "%s: closed: %s",
			 address, text);
}

/* By the peer, or here for its key or version. */
static void tell_refused(struct lane *lane, const char *text)
{
	char address[NETADDR_TEXT_BYTES];

	lane->agent->lanes.refused++;
	if (lane->refused)
		return;
	if (lane->accepted)
		stranger(lane, address);
	else
		netaddr_text(&lane->remote, address);
	if (log_once("lane_refused", address, agent_now_ns()))
		log_text(CORE_LOG_WARNING, "lane_refused", "%s %s: %s", address,
			 lane->accepted ? "is refused" : "refuses this node",
			 text);
}

static void on_closed(void *data, enum lane_end end, int error,
		      uint64_t generation_seen, const char *text)
{
	struct lane *lane = data;

	if (end == LANE_END_PROTOCOL)
		tell_garbage(lane, text);
	else if (end == LANE_END_REFUSED)
		tell_refused(lane, text);
	lane_end(lane, end, error, generation_seen, text);
}

static const struct lanefsm_handler handler = {
	.hello = on_hello,
	.up = on_up,
	.frame = on_frame,
	.draining = on_draining,
	.drained = on_drained,
	.closed = on_closed,
};

/* ---- birth and end -------------------------------------------------------- */

static size_t lane_bytes(void)
{
	return (sizeof(struct lane) + 15) & ~(size_t)15;
}

struct lane *lane_new(struct agent *agent, uint64_t id, bool accepted,
		      struct core_bytes details)
{
	struct lanes *lanes = &agent->lanes;
	struct lanefsm_config config = { .dialler = !accepted,
					 .hmac = agent->hmac,
					 .details = details };
	struct lane **slot = hash_slot(lanes, id);
	struct lane *lane;

	if (getrandom(config.nonce, sizeof(config.nonce), 0) !=
	    sizeof(config.nonce))
		return NULL;
	lane = aligned_alloc(16, lane_bytes() + lanefsm_size());
	if (!lane)
		return NULL;
	memset(lane, 0, sizeof(*lane));
	lane->agent = agent;
	lane->id = id;
	lane->accepted = accepted;
	lane->fd = -1;
	lane->level = LANE_LEVEL_CONTROL;
	if (lane_buffers_open(lane)) {
		free(lane);
		return NULL;
	}
	lane->fsm = lanefsm_init((uint8_t *)lane + lane_bytes(), &config,
				 &lane->queue, &handler, lane);
	lane->hash_next = *slot;
	*slot = lane;
	lane->next = lanes->first;
	if (lane->next)
		lane->next->prev = lane;
	lanes->first = lane;
	lanes->count++;
	/* Strangers are counted; whom we dial ourselves is none. */
	lane->proving = accepted;
	lanes->proving += accepted;
	return lane;
}

static void lane_free(struct lane *lane)
{
	struct lanes *lanes = &lane->agent->lanes;
	struct lane **slot = hash_slot(lanes, lane->id);

	while (*slot != lane)
		slot = &(*slot)->hash_next;
	*slot = lane->hash_next;
	if (lane->prev)
		lane->prev->next = lane->next;
	else
		lanes->first = lane->next;
	if (lane->next)
		lane->next->prev = lane->prev;
	if (lanes->last_found == lane)
		lanes->last_found = NULL;
	if (lane->proving)
		lanes->proving--;
	lanes->count--;
	lane_buffers_free(lane);
	free(lane);
}

void lane_deadline(struct lane *lane, uint64_t at_ns)
{
	lane->deadline_ns = at_ns;
	if (at_ns && at_ns < lane->agent->lanes.tick_at_ns)
		lane->agent->lanes.tick_at_ns = at_ns;
}

void lane_connected(struct lane *lane)
{
	struct sockaddr_storage sockaddr;
	socklen_t length = sizeof(sockaddr);

	if (!getsockname(lane->fd, (struct sockaddr *)&sockaddr, &length))
		netaddr_from_sockaddr(&sockaddr, &lane->local);
	lane->state = LANE_CONNECTED;
	lane->writable = true;
	lane_deadline(lane, agent_now_ns() + HANDSHAKE_NS);
	lane_mark_dirty(lane);
	lane_interest(lane);
}

void lane_end(struct lane *lane, enum lane_end end, int error,
	      uint64_t generation_seen, const char *text)
{
	struct lanes *lanes = &lane->agent->lanes;

	if (lane->state == LANE_ENDED)
		return;
	/* A dial that never connected has no bytes to write. */
	if (lane->state == LANE_DIALLING)
		lane->abort = true;
	lane->state = LANE_ENDED;
	lane->end = end;
	lane->error = error;
	lane->generation_seen = generation_seen;
	strncpy(lane->text, text ? text : "", sizeof(lane->text) - 1);
	lane->ended_next = lanes->ended;
	lanes->ended = lane;
}

/* The dialler resets: its port in the block is free again at once. */
static void close_socket(struct lane *lane)
{
	struct linger linger = { .l_onoff = 1 };

	lane_poll_close(lane);
	if (lane->fd < 0)
		return;
	if (!lane->accepted || lane->abort)
		setsockopt(lane->fd, SOL_SOCKET, SO_LINGER, &linger,
			   sizeof(linger));
	close(lane->fd);
	lane->fd = -1;
}

static void flush_all(struct lane *lane)
{
	size_t used;

	do {
		used = lane_queue_used(&lane->queue);
		lane_flush(lane);
	} while (lane_queue_used(&lane->queue) < used && lane->writable);
}

bool lanes_settle(struct agent *agent)
{
	struct lane *lane = agent->lanes.ended;

	if (!lane)
		return false;
	agent->lanes.ended = NULL;
	while (lane) {
		struct lane *next = lane->ended_next;

		/* A last REFUSE or ERROR, if the socket takes it. */
		if (!lane->abort && lane->fd >= 0)
			flush_all(lane);
		lane_unlist(lane);
		close_socket(lane);
		driver_lane_ended(lane);
		lane_free(lane);
		lane = next;
	}
	return true;
}

/* ---- what the core wants --------------------------------------------------- */

static struct lane *live(struct agent *agent, uint64_t id)
{
	struct lane *lane = lane_find(&agent->lanes, id);

	return lane && lane->state != LANE_ENDED ? lane : NULL;
}

void lane_admit(struct agent *agent, uint64_t id, struct core_bytes details)
{
	struct lane *lane = live(agent, id);
	int err;

	if (!lane)
		return;
	err = lanefsm_admit(lane->fsm, details);
	if (err)
		lane_end(lane, LANE_END_PROTOCOL, err, 0,
			 "admitted too early or too late");
	lane_mark_dirty(lane);
}

/* The kernel's queues on the way, too, may know urgent from not. */
void lane_routed(struct lane *lane)
{
	const struct core_channel *channel =
		&lane->agent->settings.channels[lane->channel];
	uint8_t level = lane->channel ? channel->priority : LANE_LEVEL_CONTROL;
	int priority = level ? TC_PRIO_INTERACTIVE : TC_PRIO_BESTEFFORT;
	bool dirty = lane->dirty;

	if (level > LANE_LEVEL_CONTROL)
		level = LANE_LEVEL_CONTROL;
	lane_unlist(lane);
	lane->level = level;
	if (dirty)
		lane_mark_dirty(lane);
	if (lane->fd >= 0)
		setsockopt(lane->fd, SOL_SOCKET, SO_PRIORITY, &priority,
			   sizeof(priority));
}

void lane_refuse(struct agent *agent, uint64_t id, int error, const char *text)
{
	struct lane *lane = live(agent, id);

	if (!lane)
		return;
	lane->refused = true;
	if (lanefsm_refuse(lane->fsm, error, text ? text : ""))
		lane_end(lane, LANE_END_REFUSED, error, 0, text);
}

void lane_duplicate(struct agent *agent, uint64_t id, uint64_t generation)
{
	struct lane *lane = live(agent, id);

	if (!lane)
		return;
	if (lanefsm_duplicate(lane->fsm, generation))
		lane_end(lane, LANE_END_DUPLICATE, -EEXIST, generation, "");
}

void lane_close(struct agent *agent, uint64_t id, bool drain, const char *text)
{
	struct lane *lane = live(agent, id);

	if (!lane)
		return;
	if (drain && lane->state == LANE_CONNECTED &&
	    !lanefsm_drain(lane->fsm)) {
		lane_deadline(lane, agent_now_ns() + DRAIN_NS);
		lane_mark_dirty(lane);
		return;
	}
	lane->abort = true;
	lane_end(lane, LANE_END_LOCAL, 0, 0, text);
}

void lane_send(struct agent *agent, uint64_t id, uint8_t type,
	       uint64_t sequence, struct core_bytes payload)
{
	struct lane *lane = live(agent, id);
	struct skerry_frame frame = { .type = type, .sequence = sequence };
	int err;

	if (!lane)
		return;
	err = lanefsm_send(lane->fsm, &frame, (struct core_bytes) { 0 },
			   payload);
	if (err == -ENOBUFS)
		lane_end(lane, LANE_END_TIMEOUT, err, 0,
			 "the peer reads too slowly");
	else if (err)
		log_text(CORE_LOG_DEBUG, "frame_not_sent",
			 "type %#x on lane %llu: %s", type,
			 (unsigned long long)id, strerror(-err));
	else
		lane_count_held(lane, payload.size_bytes);
	lane_mark_dirty(lane);
}

void lane_reject(struct lane *lane, int error, const char *text)
{
	lanefsm_error(lane->fsm, error, text);
	lane_mark_dirty(lane);
}

/* ---- all of them ------------------------------------------------------------ */

void lanes_drain(struct agent *agent)
{
	struct lane *lane;

	lanes_unlisten(agent);
	for (lane = agent->lanes.first; lane; lane = lane->next) {
		if (lane->state != LANE_CONNECTED ||
		    lanefsm_state(lane->fsm) != LANEFSM_UP)
			continue;
		flow_lane_drain(agent->flows, lane->id, agent_now_ns());
		lane_close(agent, lane->id, true, "the node ends");
	}
}

void lanes_cuts_changed(struct agent *agent)
{
	struct lane *lane;

	for (lane = agent->lanes.first; lane; lane = lane->next) {
		if (lane->state == LANE_CONNECTED) {
			lane_interest(lane);
			lane_mark_dirty(lane);
		}
	}
}
