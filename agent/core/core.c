// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* core.c - see core.h and core_state.h. */
#include "core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "beat.h"
#include "command.h"
#include "core_state.h"
#include "discover.h"
#include "gossip.h"
#include "hello.h"
#include "identity.h"
#include "link.h"
#include "registry.h"
#include "start.h"

static size_t rounded(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

/* Every pair's lanes, and as many again while they are replaced. */
static uint32_t lanes_max(const struct core_limits *limits)
{
	return limits->members_max * SKERRY_LANES_PER_PAIR_MAX + 256;
}

size_t core_size(const struct core_limits *limits)
{
	return rounded(sizeof(struct core)) +
	       rounded(members_size(limits->members_max)) +
	       rounded(conntab_size(lanes_max(limits))) +
	       rounded(watches_size(limits->watches_max)) +
	       rounded(registry_size(limits));
}

struct core *core_init(void *memory, const struct core_limits *limits,
		       const struct core_hmac *hmac)
{
	struct core *core = memory;
	uint8_t *at = memory;

	assert((uintptr_t)memory % 16 == 0);
	memset(core, 0, sizeof(*core));
	core->limits = *limits;
	if (hmac)
		core->hmac = *hmac;
	at += rounded(sizeof(*core));
	members_init(&core->members, at, limits->members_max);
	at += rounded(members_size(limits->members_max));
	conntab_init(&core->lanes, at, lanes_max(limits));
	at += rounded(conntab_size(lanes_max(limits)));
	watches_init(&core->watches, at, limits->watches_max);
	at += rounded(watches_size(limits->watches_max));
	core->partition_memory = at;
	core->scan_ns = CORE_NEVER;
	return core;
}

struct core_bytes core_spec(const struct core *core)
{
	return members_spec(&core->members, core->self);
}

void core_answer_tlvs(struct core *core, uint32_t program, uint32_t correlation,
		      int error, const char *reason, struct core_bytes tlvs)
{
	struct update *u = &core->update;
	uint8_t head[SKERRY_REASON_MAX_BYTES + 64];
	struct tlv_writer w;
	struct core_op *op;
	uint8_t *at;

	tlv_writer_init(&w, head, sizeof(head));
	if (error) {
		tlv_put_s64(&w, SKERRY_K_ERROR, error);
		if (reason)
			tlv_put(&w, SKERRY_K_REASON, reason,
				strnlen(reason, SKERRY_REASON_MAX_BYTES));
	}
	op = update_op(u, OP_ANSWER);
	op->answer.program = program;
	op->answer.correlation = correlation;
	op->error = error;
	at = update_alloc(u, w.used_bytes + tlvs.size_bytes);
	if (!at)
		return;
	memcpy(at, head, w.used_bytes);
	if (tlvs.size_bytes)
		memcpy(at + w.used_bytes, tlvs.data, tlvs.size_bytes);
	op->bytes.data = at;
	op->bytes.size_bytes = w.used_bytes + tlvs.size_bytes;
}

void core_answer(struct core *core, uint32_t program, uint32_t correlation,
		 int error, const char *reason)
{
	core_answer_tlvs(core, program, correlation, error, reason,
			 (struct core_bytes) { 0 });
}

/* ---- lanes ------------------------------------------------------------------ */

static int lane_up(struct core *core, const struct core_event *event)
{
	struct lane *lane = conntab_find(&core->lanes, event->lane);

	if (!lane)
		return -EINVAL;
	/* It came up while its end was already decided. */
	if (lane->state == LANE_CLOSING)
		return 0;
	if (lane->state != LANE_ADMITTED)
		return -EINVAL;
	core_due(core, core->now_ns);
	if (lane->tells || lane->doom || !core_open(core) ||
	    lane->member == CONNTAB_NONE)
		link_close(core, lane, false, "not wanted any more");
	else
		link_up(core, lane);
	return 0;
}

/* A place of our own dial, when its peer has another lane there. */
static void learn_generation(struct core *core, struct lane *lane,
			     uint64_t seen)
{
	struct member *member;
	uint64_t *known;

	if (seen >= UINT64_MAX / 2)
		return;
	if (lane->member == CONNTAB_NONE) {
		if (lane->join != CONNTAB_NONE)
			core->joins.list[lane->join].generation = seen + 1;
		return;
	}
	member = &core->members.slots[lane->member];
	known = link_seen(core, member, lane->channel, lane->index);
	if (seen > *known)
		*known = seen;
}

/* Before the lane goes: what its end says about the next dial. */
static void lane_failed(struct core *core, struct lane *lane, int error,
			const char *why)
{
	struct member *member;

	if (!lane->dialled)
		return;
	/* Who answers there will not become another node by waiting. */
	if (lane->join != CONNTAB_NONE && (error == -ELOOP || error == -ENODEV))
		join_refused(core, lane->join, error, why);
	else if (lane->join != CONNTAB_NONE)
		join_failed(core, lane->join, error, why);
	if (lane->member == CONNTAB_NONE)
		return;
	member = &core->members.slots[lane->member];
	link_backoff(core, member, error != -EAGAIN && error != -EALREADY);
	if (error == -EEXIST || error == -EACCES || error == -ESTALE ||
	    error == -EINVAL || error == -ENODEV || error == -ENOSPC)
		notice_once(core, CORE_LOG_WARNING, "refused", member->name,
			    why);
}

static int lane_down(struct core *core, const struct core_event *event)
{
	struct lane *lane = conntab_find(&core->lanes, event->lane);
	const char *text = event->lane_down.text;
	int error = event->error;

	/* Refused ones and duplicates were never lanes to us. */
	if (!lane)
		return 0;
	core_due(core, core->now_ns);
	connect_failed(core, lane, event->lane_down.end, error);
	switch (event->lane_down.end) {
	case LANE_END_DUPLICATE:
		learn_generation(core, lane, event->lane_down.generation_seen);
		error = -EALREADY;
		text = "another lane is there";
		break;
	case LANE_END_TIMEOUT:
		error = error ? error : -ETIMEDOUT;
		break;
	default:
		error = error ? error : -ECONNRESET;
	}
	if (!text[0])
		text = "the lane was closed";
	if (lane->state == LANE_DIALLING || lane->state == LANE_ADMITTED ||
	    (lane->state == LANE_CLOSING && lane->join != CONNTAB_NONE))
		lane_failed(core, lane, error, text);
	else if (lane->state == LANE_UP && lane->dialled &&
		 core->now_ns < lane->since_ns + CORE_DIAL_TURN_NS)
		/* One that never lasts must not be dialled in a circle. */
		link_backoff(core, &core->members.slots[lane->member], true);
	else if (lane->state == LANE_CLOSING && lane->dialled &&
		 lane->member != CONNTAB_NONE && !lane->doom)
		link_backoff(core, &core->members.slots[lane->member], false);
	link_gone(core, lane, text);
	return 0;
}

static int dial_failed(struct core *core, const struct core_event *event)
{
	struct lane *lane = conntab_find(&core->lanes, event->lane);

	if (!lane || lane->state == LANE_UP)
		return -EINVAL;
	core_due(core, core->now_ns);
	connect_failed(core, lane, LANE_END_TIMEOUT, event->error);
	lane_failed(core, lane, event->error,
		    event->error == -ECONNREFUSED   ? "nobody listens there"
		    : event->error == -ETIMEDOUT    ? "no answer"
		    : event->error == -EHOSTUNREACH ? "no route to the host"
		    : event->error == -ENETUNREACH  ? "no route to the network"
						    : "the dial failed");
	link_gone(core, lane, "the dial failed");
	return 0;
}

/* A lane that is in use, or NULL. */
static struct lane *lane_in_use(struct core *core,
				const struct core_event *event)
{
	struct lane *lane = conntab_find(&core->lanes, event->lane);

	return lane && lane->state == LANE_UP && !lane->doom ? lane : NULL;
}

/* Any byte is life. */
static void heard(struct core *core, struct lane *lane)
{
	struct member *member = &core->members.slots[lane->member];

	lane->heard_ns = core->now_ns;
	pulse_heard(&member->pulse, core->now_ns);
	if (member->state != DETECTOR_UP)
		core_due(core, core->now_ns);
}

static int frame(struct core *core, const struct core_event *event)
{
	struct lane *lane = lane_in_use(core, event);
	struct member *member;
	int rv = 0;

	if (!lane)
		return 0; /* said before it learned of the end */
	member = &core->members.slots[lane->member];
	switch (event->frame.type) {
	case SKERRY_FRAME_PONG:
		/* An answer shows that it hears us. */
		pulse_lane(&member->pulse,
			   link_membership(core, member) != NULL, core->now_ns);
		if (event->frame.sequence == member->probe_sequence)
			member->probe_answered = true;
		break;
	case SKERRY_FRAME_MEMBER:
		rv = core->overlay->receive(core, member, event->frame.payload);
		core_due(core, core->now_ns);
		break;
	}
	/* Nonsense is refused, and the lane closed for it: no life in it. */
	if (rv) {
		core->malformed++;
		return rv;
	}
	/* What it said may have ended it. */
	lane = lane_in_use(core, event);
	if (lane)
		heard(core, lane);
	return 0;
}

static int lane_blocked(struct core *core, const struct core_event *event)
{
	struct lane *lane = conntab_find(&core->lanes, event->lane);

	if (!lane)
		return 0;
	lane->blocked = event->type == EV_LANE_BLOCKED;
	core_due(core, core->now_ns);
	return 0;
}

/* ---- the rest ----------------------------------------------------------------- */

static int program_gone(struct core *core, const struct core_event *event)
{
	uint32_t program = event->program.program;

	watch_program_gone(core, program);
	query_program_gone(core, program);
	join_program_gone(core, program);
	connect_program_gone(core, program);
	reserve_program_gone(core, program);
	registry_program_gone(core, program);
	if (core->leave_asked && core->leave_program == program)
		core->leave_asked = false;
	return 0;
}

static int addresses(struct core *core, const struct core_event *event)
{
	struct core_config before = core->config;
	uint32_t count = event->addresses.count, i;
	int rv;

	if (count > SKERRY_ADDRS_MAX)
		count = SKERRY_ADDRS_MAX;
	core->config.address_count = count;
	for (i = 0; i < count; i++)
		core->config.addresses[i] = event->addresses.list[i];
	if (count == before.address_count &&
	    !memcmp(core->config.addresses, before.addresses,
		    count * sizeof(before.addresses[0])))
		return 0;
	rv = identity_changed(core);
	if (rv)
		core->config = before;
	return rv;
}

static int persisted(struct core *core, const struct core_event *event)
{
	persist_done(core, event->token, event->error);
	if (core->phase == CORE_STARTING && !core->persisting) {
		core->phase = CORE_SETTLING;
		core->settle_until_ns = core->now_ns + CORE_SETTLE_NS;
	}
	if (core->leave == LEAVE_STORING &&
	    core->stored_incarnation == core->incarnation) {
		core->leave = LEAVE_NO;
		if (core->leave_asked)
			core_answer(core, core->leave_program,
				    core->leave_correlation, 0, NULL);
		core->leave_asked = false;
		core->stopped_due = core->stopping;
	}
	core_due(core, core->now_ns);
	return 0;
}

static int stop(struct core *core)
{
	if (core->stopping)
		return 0;
	core->stopping = true;
	core_due(core, core->now_ns);
	if (core->config.leave_on_stop && core->members.live > 1) {
		if (core->leave == LEAVE_NO)
			identity_leave(core);
	} else if (core->leave == LEAVE_NO) {
		core->stopped_due = true;
	}
	return 0;
}

static int handle(struct core *core, const struct core_event *event)
{
	struct lane *lane;

	switch (event->type) {
	case EV_START:
		return start_event(core, event);
	case EV_TICK:
	case EV_PROGRAM_UP:
		return 0;
	case EV_DIAL_FAILED:
		return dial_failed(core, event);
	case EV_LANE_HELLO:
		return hello_event(core, event);
	case EV_LANE_UP:
		return lane_up(core, event);
	case EV_LANE_DOWN:
		return lane_down(core, event);
	case EV_HEARD:
		lane = lane_in_use(core, event);
		if (lane)
			heard(core, lane);
		return 0;
	case EV_FRAME:
		return frame(core, event);
	case EV_DATAGRAM:
		return datagram_event(core, event);
	case EV_LANE_BLOCKED:
	case EV_LANE_WRITABLE:
		return lane_blocked(core, event);
	case EV_COMMAND:
		command_event(core, event);
		return 0;
	case EV_PROGRAM_GONE:
		return program_gone(core, event);
	case EV_ADDRESSES:
		return addresses(core, event);
	case EV_DISCOVERED:
		discover_event(core, event);
		return 0;
	case EV_PERSISTED:
		return persisted(core, event);
	case EV_CUTS_APPLIED:
		registry_cuts_applied(core, event->token, event->error);
		return 0;
	case EV_LEDGER:
		registry_ledger(core, event);
		return 0;
	case EV_CONFIGURED:
		return start_configured(core, event);
	case EV_STOP:
		return stop(core);
	default:
		return -EINVAL;
	}
}

static void scan_members(struct core *core)
{
	uint32_t i;

	for (i = 0; i < core->members.touched; i++) {
		link_scan(core, &core->members.slots[i]);
		beat_scan(core, &core->members.slots[i]);
	}
}

/* Lanes only once it is known what is to be cut. */
static void settle(struct core *core)
{
	if (core->phase != CORE_SETTLING)
		return;
	if (registry_settled(core) || core->now_ns >= core->settle_until_ns) {
		core->phase = CORE_RUNNING;
		core_due(core, core->now_ns);
	} else {
		core_due(core, core->settle_until_ns);
	}
}

/* Everything that is due, for as long as it fits. */
static void flush(struct core *core)
{
	struct update *u = &core->update;

	core->scan_ns = CORE_NEVER;
	persist_flush(core);
	if (core->phase > CORE_STARTING) {
		identity_scan(core);
		persist_flush(core);
		beat_clock(core);
		settle(core);
		scan_members(core);
		joins_flush(core);
		connects_flush(core);
		if (core_open(core))
			core->overlay->tick(core);
		registry_flush(core);
	}
	queries_flush(core);
	watch_flush(core);
	notices_flush(core);
	if (core->stopped_due && !u->more && update_room(u) > 1) {
		update_op(u, OP_STOPPED);
		core->stopped_due = false;
		core->phase = CORE_STOPPED;
	}
	if (u->more)
		core->scan_ns = core->now_ns;
}

static void wake(struct core *core, bool ticked)
{
	struct update *u = &core->update;

	if (core->scan_ns == CORE_NEVER)
		core->told_wake_ns = 0; /* nothing can be late */
	if (core->scan_ns == CORE_NEVER || u->more ||
	    (core->scan_ns == core->told_wake_ns && !ticked))
		return;
	update_op(u, OP_WAKE_AT)->at_ns = core->scan_ns;
	core->told_wake_ns = core->scan_ns;
}

/* How late are we? Others' silence meanwhile is no evidence. */
static void look_at_clock(struct core *core, const struct core_event *event)
{
	uint64_t wanted_ns = core->told_wake_ns;
	uint64_t blind_ns;
	uint32_t i;

	if (core->phase < CORE_SETTLING || !wanted_ns)
		return;
	if (wanted_ns > core->now_ns)
		wanted_ns = core->now_ns;
	blind_ns = detector_woken(&core->detector, wanted_ns, core->now_ns);
	if (!blind_ns)
		return;
	for (i = 0; i < core->members.touched; i++)
		pulse_excuse(&core->members.slots[i].pulse, blind_ns,
			     core->now_ns);
	/* Said once; what else is late is not late again. */
	core->told_wake_ns = core->now_ns;
}

int core_step(struct core *core, const struct core_event *event,
	      struct core_update *ret_update)
{
	struct update *u = &core->update;
	uint64_t scan_ns = core->scan_ns;
	int rv;

	update_reset(u);
	ret_update->ops = u->ops;
	ret_update->count = 0;
	ret_update->more = false;
	if (event->type < EV_START || event->type >= EV_MAX)
		return -EINVAL;
	if ((event->type == EV_START) != (core->phase == CORE_NEW) ||
	    core->phase == CORE_STOPPED)
		return -EINVAL;
	core->now_ns =
		event->now_ns > core->now_ns ? event->now_ns : core->now_ns;
	core->wall_us = event->wall_us;
	look_at_clock(core, event);
	rv = handle(core, event);
	if (rv) {
		update_reset(u);
		core->scan_ns = scan_ns;
		return rv;
	}
	if (core->now_ns >= core->scan_ns)
		flush(core);
	wake(core, event->type == EV_TICK);
	ret_update->count = u->count;
	ret_update->more = u->more;
	return 0;
}
