// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* identity.c - see identity.h. */
#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core_state.h"
#include "gossip.h"
#include "link.h"
#include "reserve.h"

/* DRAIN and DRAINED take at most 2 s; then the lanes are cut. */
#define LEAVE_DRAIN_NS (2500 * CORE_MS)
/* Of these so long for messages, before the others are told. */
#define LEAVE_DATA_NS (1500 * CORE_MS)
/* Room for what a handshake says beside the spec. */
#define SPEC_OWN_MAX_BYTES (SKERRY_SPEC_MAX_BYTES - 64)

int identity_respec(struct core *core)
{
	uint8_t bytes[SPEC_OWN_MAX_BYTES];
	struct tlv_writer w;
	struct spec spec;
	int rv;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	spec_write(&w, &core->config, core->incarnation, core->boot_nonce,
		   core->version);
	reserve_write(core, &w);
	if (w.full)
		return -ENOSPC;
	rv = spec_parse(bytes, w.used_bytes, &spec);
	if (rv)
		return -EINVAL;
	members_set_spec(&core->members, core->self, &spec,
			 (struct core_bytes) { bytes, w.used_bytes });
	core->dgram_self.incarnation = core->incarnation;
	return 0;
}

int identity_changed(struct core *core)
{
	int rv;

	core->version++;
	rv = identity_respec(core);
	if (rv) {
		core->version--;
		return rv;
	}
	core->overlay->join(core, core->self);
	return 0;
}

void identity_told(struct core *core, const struct link_tell *tell,
		   const char *source, bool pending)
{
	char why[128];

	if (tell->incarnation < core->incarnation &&
	    (!tell->removed || core->now_ns < core->newcomer_until_ns))
		return; /* old news */
	if (tell->removed ? pending : !core->met) {
		if (tell->incarnation > core->adopt_incarnation)
			core->adopt_incarnation = tell->incarnation;
		core_due(core, core->now_ns);
		return;
	}
	snprintf(why, sizeof(why), "%s, says %s",
		 tell->removed ? "removed" : "a newer incarnation is known",
		 source);
	identity_depose(core, tell->incarnation, tell->removed, why);
}

void identity_depose(struct core *core, uint64_t incarnation, bool removed,
		     const char *why)
{
	if (incarnation < core->deposed_incarnation)
		return;
	core->deposed_incarnation = incarnation;
	core->deposed_removed = removed;
	snprintf(core->deposed_why, sizeof(core->deposed_why), "%s", why);
	core_due(core, core->now_ns);
}

static void raise_incarnation(struct core *core, uint64_t above)
{
	uint64_t incarnation = core->incarnation;

	if (above > incarnation)
		incarnation = above;
	incarnation++;
	if (core->wall_us > incarnation)
		incarnation = core->wall_us;
	core->incarnation = incarnation;
	core->version = 1;
	core->met = false;
	identity_respec(core);
	core->persist_due = true;
	core->persist_at_ns = core->now_ns;
}

/* Nobody but us: the table, the joins and the past are gone. */
static void become_single(struct core *core, uint64_t above, const char *why)
{
	struct members *m = &core->members;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];

		if (!member->self && member->status != MEMBER_FREE)
			gossip_drop(core, member, true, why, core->config.name);
	}
	removed_clear(m);
	stale_clear(core);
	join_withdraw_all(core, true);
	core->belongs = false;
	core->newcomer_until_ns = 0;
	core->left = true;
	raise_incarnation(core, above);
	notice(core, CORE_LOG_WARNING, "single", core->config.name, why);
}

void identity_leave(struct core *core)
{
	core->leave = LEAVE_DRAINING;
	core->leave_data_ns = core->now_ns + LEAVE_DATA_NS;
	core->leave_until_ns = core->now_ns + LEAVE_DRAIN_NS;
	core_due(core, core->now_ns);
}

/*
 * Who hears that we leave lets go of our lanes at once, so what programs have
 * sent goes first: all but the membership lanes drain. True: they are gone,
 * or the time for it is over.
 */
static bool drain_messages(struct core *core)
{
	struct members *m = &core->members;
	bool any = false;
	struct list *at;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];

		if (member->self || member->status == MEMBER_FREE)
			continue;
		list_for_each (at, &member->lanes) {
			struct lane *lane = list_object(at, struct lane, link);

			if (!lane->channel)
				continue;
			any = true;
			if (lane->state == LANE_UP && !lane->doom)
				lane->doom = DOOM_DRAIN;
		}
	}
	if (!any || core->now_ns >= core->leave_data_ns)
		return true;
	core_due(core, core->leave_data_ns);
	return false;
}

/* Everybody has been told; what is left is to wait for the lanes. */
static void drain_all(struct core *core)
{
	struct members *m = &core->members;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];

		if (!member->self && member->status != MEMBER_FREE)
			gossip_drop(core, member, true, "this node leaves",
				    core->config.name);
	}
}

void identity_scan(struct core *core)
{
	if (core->deposed_incarnation && core->leave == LEAVE_NO) {
		uint64_t above = core->deposed_incarnation;

		core->deposed_incarnation = 0;
		core->adopt_incarnation = 0;
		become_single(core, above, core->deposed_why);
	}
	if (core->adopt_incarnation) {
		uint64_t above = core->adopt_incarnation;

		core->adopt_incarnation = 0;
		if (above >= core->incarnation)
			raise_incarnation(core, above);
	}
	if (core->leave != LEAVE_DRAINING)
		return;
	if (!drain_messages(core))
		return;
	if (!core->overlay->leave(core)) {
		core->update.more = true;
		return;
	}
	drain_all(core);
	if (core->lanes.count && core->now_ns < core->leave_until_ns) {
		core_due(core, core->leave_until_ns);
		return;
	}
	core->deposed_incarnation = 0;
	become_single(core, core->incarnation, "this node left");
	core->leave = LEAVE_STORING;
}
