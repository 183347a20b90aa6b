// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* gossip.c - entries about nodes, and what follows from them; see gossip.h
 * and overlay.h. */
#include "gossip.h"

#include <errno.h>
#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "identity.h"
#include "link.h"

/* Another process under that name: nothing known of the old one counts. */
static void forget_process(struct core *core, struct member *member)
{
	memset(member->seen, 0, sizeof(member->seen));
	member->reached = false;
	member->tries = 0;
	member->backoff_ms = 0;
	member->dial_at_ns = core->now_ns;
	link_doom(core, member, DOOM_ABORT, true);
}

static bool has_address(const struct spec *spec, const struct skerry_addr *addr)
{
	uint32_t i;

	for (i = 0; i < spec->address_count; i++) {
		if (addr_same_host(&spec->addresses[i], addr))
			return true;
	}
	return false;
}

static void take_spec(struct core *core, struct member *member,
		      const struct spec *spec, struct core_bytes raw)
{
	bool other = member->boot_nonce != spec->boot_nonce;
	bool newer = member->incarnation != spec->incarnation;

	if (other || newer)
		forget_process(core, member);
	if (other)
		pulse_reset(&member->pulse, core->now_ns);
	/* What it no longer names must not be dialled again. */
	if (spec->address_count && !has_address(spec, &member->reach))
		member->reached = false;
	members_set_spec(&core->members, member, spec, raw);
	stale_spec(core, spec);
	dgram_peer_reset(&member->heartbeat, spec->incarnation,
			 spec->boot_nonce);
	dgram_peer_reset(&member->partition, spec->incarnation,
			 spec->boot_nonce);
	spec_parallelism(&core->config, spec, member->parallelism);
	if (!member->parallelism[0])
		member->parallelism[0] = 1;
	if (!member->missing_ns && !link_complete(core, member))
		member->missing_ns = core->now_ns;
	member->peer_due = true;
	if (member->status != MEMBER_GUEST)
		core->persist_due = true;
	core_due(core, core->now_ns);
}

/* A ghost's slot serves its name again; its lanes are closing by then. */
static void revive(struct core *core, struct member *member,
		   enum member_status status)
{
	members_set_status(&core->members, member, status);
	member->state = DETECTOR_DOWN;
	strncpy(member->reason, "not connected yet",
		sizeof(member->reason) - 1);
	member->since_us = core->wall_us;
	member->known_ns = core->now_ns;
	member->complete_ns = 0;
	forget_process(core, member);
	pulse_reset(&member->pulse, core->now_ns);
	member->missing_ns = core->now_ns;
}

static struct member *slot_of(struct core *core, const char *name,
			      enum member_status status)
{
	struct member *member = members_find(&core->members, name);

	if (member && member->status == MEMBER_GHOST)
		revive(core, member, status);
	if (member)
		return member;
	member = members_add(&core->members, name, status, core->now_ns);
	if (!member)
		return NULL;
	watch_forget(core, members_slot(&core->members, member));
	strncpy(member->reason, "not connected yet",
		sizeof(member->reason) - 1);
	member->since_us = core->wall_us;
	member->missing_ns = core->now_ns;
	member->dial_at_ns = core->now_ns;
	return member;
}

struct member *gossip_claim(struct core *core, const struct spec *spec,
			    struct core_bytes raw)
{
	struct member *member = slot_of(core, spec->name, MEMBER_GUEST);
	bool news;

	if (!member)
		return NULL;
	news = spec->incarnation > member->incarnation ||
	       spec->version > member->version || !member->boot_nonce;
	if (spec->incarnation < member->incarnation || !news)
		return member;
	take_spec(core, member, spec, raw);
	if (member->status == MEMBER_LIVE)
		core->overlay->join(core, member);
	return member;
}

void gossip_rejoined(struct core *core, const struct member *member)
{
	struct removed *removed = removed_find(&core->members, member->name);

	if (removed && removed->incarnation < member->incarnation)
		removed_del(&core->members, removed);
}

void gossip_reached(struct member *member, const struct skerry_addr *remote)
{
	member->reach = *remote;
	member->reach.port = member->port_block;
	member->reached = true;
}

static void say_full(struct core *core)
{
	notice_once(core, CORE_LOG_WARNING, "full", NULL,
		    "the member table is full; larger clusters need overlay "
		    "hyparview");
}

static int about_self(struct core *core, const struct spec *spec)
{
	if (spec->incarnation > core->incarnation) {
		identity_depose(core, spec->incarnation, false,
				"a newer incarnation took this name over");
		return 0;
	}
	if (spec->incarnation < core->incarnation)
		return 0;
	if (spec->boot_nonce != core->boot_nonce) {
		notice_once(core, CORE_LOG_ERROR, "clone", spec->name,
			    "another node has our name and incarnation");
		return -EEXIST;
	}
	return 0;
}

int gossip_live(struct core *core, const struct spec *spec,
		struct core_bytes raw, const char *source, bool *ret_news)
{
	struct removed *removed = removed_find(&core->members, spec->name);
	struct member *member;

	*ret_news = false;
	if (!strcmp(spec->name, core->config.name))
		return about_self(core, spec);
	if (removed && spec->incarnation <= removed->incarnation)
		return 0;
	member = members_find(&core->members, spec->name);
	if (member && member->status == MEMBER_GHOST &&
	    spec->incarnation <= member->incarnation)
		return 0;
	if (member && member->status == MEMBER_LIVE) {
		if (spec->incarnation < member->incarnation)
			return 0;
		if (spec->incarnation == member->incarnation &&
		    spec->boot_nonce != member->boot_nonce) {
			notice_once(core, CORE_LOG_ERROR, "clone", spec->name,
				    "two nodes share name and incarnation");
			return -EEXIST;
		}
		if (spec->incarnation == member->incarnation &&
		    spec->version <= member->version)
			return 0;
		take_spec(core, member, spec, raw);
		*ret_news = true;
		return 0;
	}
	if (member && member->status != MEMBER_GHOST &&
	    spec->incarnation < member->incarnation)
		return 0;
	if (!member || member->status == MEMBER_GHOST)
		member = slot_of(core, spec->name, MEMBER_LIVE);
	if (!member) {
		say_full(core);
		return -ENOSPC;
	}
	take_spec(core, member, spec, raw);
	members_set_status(&core->members, member, MEMBER_LIVE);
	member->greet = true;
	gossip_rejoined(core, member);
	core->persist_due = true;
	notice_format(core, CORE_LOG_INFO, "joined", member->name,
		      "it is a member, says %s", source);
	*ret_news = true;
	return 0;
}

void gossip_drop(struct core *core, struct member *member, bool drain,
		 const char *why, const char *source)
{
	bool was_up = detector_state_up(member->state);
	bool counted = member_counts(member);

	if (member->status == MEMBER_GHOST)
		return;
	members_set_status(&core->members, member, MEMBER_GHOST);
	member->state = DETECTOR_LEAVING;
	strncpy(member->reason, why, sizeof(member->reason) - 1);
	member->since_us = core->wall_us;
	link_doom(core, member, drain ? DOOM_DRAIN : DOOM_ABORT, true);
	member->greet = false;
	member->farewell = counted;
	member->dirty = member->in_delta = false;
	member->table_due = member->digest_due = false;
	if (was_up)
		watch_changed(core, member, -1, false);
	if (counted)
		notice_format(core, CORE_LOG_INFO, "left", member->name,
			      "%s, says %s", why, source);
	core->persist_due = true;
	core_due(core, core->now_ns);
}

struct removed *gossip_removed(struct core *core, const char *name,
			       uint64_t incarnation, const char *source,
			       const char *why, bool *ret_news)
{
	struct members *m = &core->members;
	struct member *member = members_find(m, name);
	struct removed *removed;

	*ret_news = false;
	if (!strcmp(name, core->config.name)) {
		if (incarnation >= core->incarnation)
			identity_depose(core, incarnation, true, why);
		return NULL;
	}
	if (member && !member->self && member->status != MEMBER_GHOST &&
	    member->incarnation <= incarnation)
		gossip_drop(core, member, true, why, source);
	else if (member && member_counts(member))
		return NULL; /* it came back since */
	removed = removed_add(m, name, incarnation, core->now_ns);
	*ret_news = removed != NULL;
	if (removed) {
		core->persist_due = true;
		join_withdraw_name(core, name);
	} else {
		removed = removed_find(m, name);
	}
	if (removed && removed->incarnation == incarnation)
		removed_knows(m, removed, members_slot(m, core->self));
	return removed;
}

void gossip_notice(struct core *core, struct member *member, int error,
		   const char *reason)
{
	struct lane *lane = link_membership(core, member);
	uint8_t bytes[256];
	struct tlv_writer w;
	struct core_op *op;

	if (!lane)
		return;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_KIND, "notice");
	tlv_put_s64(&w, SKERRY_K_ERROR, error);
	tlv_put_str(&w, SKERRY_K_REASON, reason);
	op = update_op(&core->update, OP_SEND);
	op->lane = lane->id;
	op->frame.type = SKERRY_FRAME_MEMBER;
	op->bytes = update_copy(&core->update, bytes, w.used_bytes);
}
