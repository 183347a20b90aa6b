// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* connect.c - CONNECT and what comes of it; see connect.h. */
#include "connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "link.h"

/* A dial, its handshake and the answer to it. */
#define CONNECT_WAIT_NS (10 * CORE_SECOND)

static void answer(struct core *core, const struct core_event *event, int error,
		   const char *reason)
{
	core_answer(core, event->command.program, event->command.correlation,
		    error, reason);
}

static struct member *find(struct core *core, const char *name)
{
	struct member *member = members_find(&core->members, name);

	return member && member_counts(member) ? member : NULL;
}

static bool is_connected(const struct core *core, const struct member *member)
{
	return member && link_membership(core, member) &&
	       detector_state_up(member->state);
}

static bool owns(const struct member *member, const struct skerry_addr *address)
{
	struct skerry_addr reach = member->reach;
	uint32_t i;

	reach.port = member->port_block;
	if (member->reached && addr_equal(&reach, address))
		return true;
	for (i = 0; i < member->address_count; i++) {
		if (addr_equal(&member->addresses[i], address))
			return true;
	}
	return false;
}

/* ---- the command ---------------------------------------------------------- */

static void add_try(struct connect *connect, const struct skerry_addr *address,
		    uint8_t spec)
{
	uint32_t i;

	for (i = 0; i < connect->count; i++) {
		if (addr_equal(&connect->tries[i].address, address))
			return;
	}
	if (connect->count == CONNECT_TRIES_MAX)
		return;
	connect->tries[connect->count].address = *address;
	connect->tries[connect->count].spec = spec;
	connect->tries[connect->count].state = TRY_DUE;
	connect->count++;
}

/* The addresses given. One that the member has makes the spec a good one. */
static int read_given(struct core_bytes tlvs, const struct member *member,
		      struct connect *connect)
{
	struct skerry_addr address;
	struct tlv_reader r;
	bool good = false;

	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_ADDRESS)
			continue;
		if (tlv_addr(&r, &address) || !address.port ||
		    connect->count == SKERRY_ADDRS_MAX)
			return -EINVAL;
		if (member && owns(member, &address))
			good = true;
		else
			add_try(connect, &address, 0);
	}
	if (good)
		connect->count = 0;
	return r.bad ? -EINVAL : 0;
}

/* Joins of that name are specs of it as well. */
static void add_joins(struct core *core, const struct member *member,
		      struct connect *connect)
{
	uint8_t spec = 0;
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		const struct join *join = &core->joins.list[i];

		if (join->used && !strcmp(join->name, connect->name) &&
		    !owns(member, &join->address))
			add_try(connect, &join->address, ++spec);
	}
}

/* Its spec's addresses are dialled the usual way, without delay. */
static void hurry(struct core *core, struct member *member)
{
	member->hold_until_ns = 0;
	member->backoff_ms = 0;
	member->dial_at_ns = core->now_ns;
	member->eager = true;
	core_due(core, core->now_ns);
}

static struct connect *slot_for(struct core *core)
{
	uint32_t i;

	for (i = 0; i < CONNECTS_MAX; i++) {
		if (!core->connects.list[i].used)
			return &core->connects.list[i];
	}
	return NULL;
}

static int begin(struct core *core, const struct core_event *event,
		 const struct connect *fresh)
{
	struct connect *connect = slot_for(core);

	if (!connect)
		return -EAGAIN;
	*connect = *fresh;
	connect->used = true;
	connect->program = event->command.program;
	connect->correlation = event->command.correlation;
	connect->until_ns = core->now_ns + CONNECT_WAIT_NS;
	core_due(core, core->now_ns);
	return 0;
}

void connect_command(struct core *core, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	struct connect fresh = { .used = false };
	struct member *member;
	char why[160];
	bool joining;

	if (tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_NODE, fresh.name,
			 sizeof(fresh.name)) ||
	    !skerry_name_valid(fresh.name)) {
		answer(core, event, -EINVAL, "which node?");
		return;
	}
	if (!strcmp(fresh.name, core->config.name)) {
		answer(core, event, -ELOOP, "this is the node itself");
		return;
	}
	fresh.prune = tlv_find_bool(tlvs.data, tlvs.size_bytes, SKERRY_K_PRUNE);
	member = find(core, fresh.name);
	joining = join_hurry(core, fresh.name);
	if (!member && !joining) {
		snprintf(why, sizeof(why),
			 "%s: no such member or join; it may join", fresh.name);
		answer(core, event, -EHOSTUNREACH, why);
		return;
	}
	if (read_given(tlvs, member, &fresh)) {
		answer(core, event, -EINVAL,
		       "at most 8 addresses, each with a port");
		return;
	}
	core_due(core, core->now_ns);
	if (member)
		hurry(core, member);
	if (!member || (!fresh.prune && is_connected(core, member)))
		fresh.count = 0;
	else if (fresh.prune)
		add_joins(core, member, &fresh);
	if (!fresh.count) {
		answer(core, event, 0, NULL);
		return;
	}
	if (begin(core, event, &fresh))
		answer(core, event, -EAGAIN, "too many connects at once");
	else if (!fresh.prune)
		answer(core, event, 0, NULL);
}

void connect_program_gone(struct core *core, uint32_t program)
{
	uint32_t i;

	for (i = 0; i < CONNECTS_MAX; i++) {
		if (core->connects.list[i].program == program)
			core->connects.list[i].prune = false;
	}
	disconnect_program_gone(core, program);
}

/* ---- attempts --------------------------------------------------------------- */

static uint8_t *state_of(struct core *core, const struct lane *lane)
{
	struct connect *connect =
		&core->connects.list[lane->attempt / CONNECT_TRIES_MAX];

	return &connect->tries[lane->attempt % CONNECT_TRIES_MAX].state;
}

const char *connect_expects(const struct core *core, const struct lane *lane)
{
	if (lane->attempt == CONNTAB_NONE)
		return NULL;
	return core->connects.list[lane->attempt / CONNECT_TRIES_MAX].name;
}

void connect_met(struct core *core, struct lane *lane, bool itself)
{
	if (lane->attempt == CONNTAB_NONE)
		return;
	*state_of(core, lane) = itself ? TRY_OTHER : TRY_FAILED;
	lane->attempt = CONNTAB_NONE;
	core_due(core, core->now_ns);
}

void connect_failed(struct core *core, struct lane *lane, enum lane_end end,
		    int error)
{
	bool itself = false;

	/* Only who is asked for by name says that a lane is there already;
	 * another name or cluster says that it is another one. */
	if (end == LANE_END_DUPLICATE)
		itself = true;
	else if (end == LANE_END_REFUSED)
		itself = error != -ENODEV && error != -EACCES;
	connect_met(core, lane, itself);
}

static void dial(struct core *core, uint32_t slot, uint32_t try)
{
	struct connect *connect = &core->connects.list[slot];
	struct member *member = find(core, connect->name);
	struct skerry_addr address = connect->tries[try].address;
	struct update *u = &core->update;
	struct link_offer offer = {
		.channel = core->config.channels[0].name,
		.expect = connect->name,
	};
	struct lane *lane;
	struct core_op *op;

	lane = conntab_add(&core->lanes, conntab_next_id(&core->lanes));
	if (!lane) {
		connect->tries[try].state = TRY_OTHER;
		return;
	}
	/* Beside a lane that is up this one shall lose. */
	if (member && !is_connected(core, member))
		offer.generation = *link_seen(core, member, 0, 0) + 1;
	lane->attempt = slot * CONNECT_TRIES_MAX + try;
	lane->dialled = true;
	lane->generation = offer.generation;
	lane->since_ns = core->now_ns;
	connect->tries[try].state = TRY_DIALLING;
	address.port = (uint16_t)(address.port + SKERRY_PORT_LANES);
	op = update_op(u, OP_DIAL);
	op->lane = lane->id;
	op->dial.addresses = update_copy(u, &address, sizeof(address)).data;
	op->dial.address_count = 1;
	op->dial.timeout_ms = CORE_DIAL_MS;
	op->bytes = link_details(core, &offer);
}

/* ---- the answer --------------------------------------------------------------- */

/* Every address of that spec leads nowhere? */
static bool all_failed(const struct connect *connect, uint8_t spec)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < connect->count; i++) {
		if (connect->tries[i].spec != spec)
			continue;
		if (connect->tries[i].state != TRY_FAILED)
			return false;
		any = true;
	}
	return any;
}

static void drop_stale(struct core *core, const struct connect *connect,
		       uint8_t spec, struct tlv_writer *w)
{
	size_t mark = tlv_begin(w, SKERRY_K_ROW);
	uint32_t i;

	tlv_put_str(w, SKERRY_K_NAME, connect->name);
	for (i = 0; i < connect->count; i++) {
		struct stale stale = { .stamp_us = core->wall_us };
		char text[ADDR_TEXT_BYTES];

		if (connect->tries[i].spec != spec)
			continue;
		stale.address = connect->tries[i].address;
		memcpy(stale.name, connect->name, sizeof(stale.name));
		tlv_put_addr(w, SKERRY_K_ADDRESS, &stale.address);
		core->overlay->stale(core, &stale);
		notice_format(core, CORE_LOG_INFO, "stale", stale.name,
			      "it is not at %s any more",
			      addr_text(&stale.address, text, sizeof(text)));
	}
	tlv_end(w, mark);
}

static void finish(struct core *core, struct connect *connect)
{
	struct member *member = find(core, connect->name);
	uint8_t bytes[CONNECT_TRIES_MAX * (SKERRY_NAME_MAX_BYTES + 48)];
	struct tlv_writer w;
	uint32_t i;
	uint8_t spec, specs = 0;

	connect->used = false;
	if (!connect->prune)
		return;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	for (i = 0; i < connect->count; i++) {
		/* It may have gone there in the meantime. */
		if (member && owns(member, &connect->tries[i].address))
			connect->tries[i].state = TRY_OTHER;
		if (connect->tries[i].spec >= specs)
			specs = connect->tries[i].spec + 1;
	}
	for (spec = 0; is_connected(core, member) && spec < specs; spec++) {
		if (all_failed(connect, spec))
			drop_stale(core, connect, spec, &w);
	}
	core_answer_tlvs(core, connect->program, connect->correlation, 0, NULL,
			 (struct core_bytes) { bytes, w.used_bytes });
}

/* True: every attempt has ended. */
static bool try_all(struct core *core, uint32_t slot)
{
	struct connect *connect = &core->connects.list[slot];
	bool ended = true;
	uint32_t i;

	for (i = 0; i < connect->count; i++) {
		if (connect->tries[i].state == TRY_DUE && core_open(core)) {
			if (!update_fits(&core->update, 1,
					 SKERRY_SPEC_MAX_BYTES + 1024)) {
				core->update.more = true;
				return false;
			}
			dial(core, slot, i);
		}
		ended &= connect->tries[i].state >= TRY_FAILED;
	}
	return ended;
}

static void forget_lanes(struct core *core, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < core->lanes.touched; i++) {
		struct lane *lane = &core->lanes.lanes[i];

		if (lane->used && lane->attempt != CONNTAB_NONE &&
		    lane->attempt / CONNECT_TRIES_MAX == slot)
			lane->attempt = CONNTAB_NONE;
	}
}

static void flush_connect(struct core *core, uint32_t slot)
{
	struct connect *connect = &core->connects.list[slot];

	if (!try_all(core, slot) && core->now_ns < connect->until_ns) {
		core_due(core, connect->until_ns);
		return;
	}
	if (!update_fits(&core->update, 1, 4096)) {
		core->update.more = true;
		return;
	}
	forget_lanes(core, slot);
	finish(core, connect);
}

void connects_flush(struct core *core)
{
	uint32_t i;

	for (i = 0; i < CONNECTS_MAX; i++) {
		if (core->connects.list[i].used)
			flush_connect(core, i);
	}
	disconnects_flush(core);
}
