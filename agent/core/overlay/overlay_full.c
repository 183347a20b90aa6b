// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * overlay_full.c - the full mesh: everybody is everybody's neighbour, and
 * everybody has the whole table.
 *
 * MEMBER frames, TLVs:
 *   kind "delta"   members*, stale*  what changed at the sender
 *   kind "digest"  digest, overlay_digest
 *                                    of live entries; of removed ones and
 *                                    who knows of them, and stale ones
 *   kind "table"   members*, stale*, and in the last part digest,
 *                  overlay_digest, wait
 *                                    everything; wait: send yours, if it
 *                                    still differs then
 *   kind "notice"  error, reason     for the log
 * members is a nest: spec for a live entry, else name, incarnation, removed,
 * knows*, why?. A change is told to everybody once it has been collected for
 * a moment by the node where it first came in by a handshake, a table or a
 * command; what came by a delta is not told again. Digests find what was
 * lost.
 */
#include "overlay.h"

#include <errno.h>
#include <string.h>

#include "core_state.h"
#include "gossip.h"
#include "identity.h"
#include "link.h"
#include "overlay_full.h"

#define PART_BYTES (40U << 10)
#define DIGEST_TARGETS 3U
/* Between two tables for the same member. */
#define TABLE_EVERY_NS (200 * CORE_MS)
/* A removed entry stays at least so long, for those who were not there. */
#define REMOVED_KEEP_NS (3600 * CORE_SECOND)

const struct overlay *overlay_find(const char *name)
{
	return strcmp(name, overlay_full.name) ? NULL : &overlay_full;
}

/* ---- writing -------------------------------------------------------------- */

static void write_live(struct core *core, const struct member *member,
		       struct tlv_writer *w)
{
	struct core_bytes spec = members_spec(&core->members, member);
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);

	tlv_put(w, SKERRY_K_SPEC, spec.data, spec.size_bytes);
	tlv_end(w, mark);
}

static void write_removed(struct core *core, const struct removed *removed,
			  struct tlv_writer *w)
{
	struct members *m = &core->members;
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);
	uint32_t i;

	tlv_put_str(w, SKERRY_K_NAME, removed->name);
	tlv_put_u64(w, SKERRY_K_INCARNATION, removed->incarnation);
	tlv_put_bool(w, SKERRY_K_REMOVED, true);
	for (i = 0; i < m->touched; i++) {
		if (m->slots[i].status == MEMBER_LIVE &&
		    removed_known_by(m, removed, i))
			tlv_put_str(w, SKERRY_K_KNOWS, m->slots[i].name);
	}
	tlv_end(w, mark);
}

/* Entries are numbered: slots first, then removed ones, then stale ones. */
static bool write_entry(struct core *core, uint32_t entry, bool delta,
			struct tlv_writer *w)
{
	struct members *m = &core->members;

	if (entry < m->max) {
		const struct member *member = &m->slots[entry];

		if (member->status != MEMBER_LIVE ||
		    (delta && !member->in_delta))
			return false;
		write_live(core, member, w);
	} else if (entry < m->max + m->removed_count) {
		const struct removed *removed = &m->removed[entry - m->max];

		if (delta && !removed->in_delta)
			return false;
		write_removed(core, removed, w);
	} else {
		const struct stale *stale =
			&core->stales.list[entry - m->max - m->removed_count];

		if (delta && !stale->in_delta)
			return false;
		stale_write(stale, w);
	}
	return true;
}

static uint32_t entries_end(const struct core *core)
{
	return core->members.max + core->members.removed_count +
	       core->stales.count;
}

/*
 * A part of the table, or of the delta, from *entry on; moves *entry behind
 * what is in it. Empty bytes: nothing left to say, or no space (*entry tells).
 */
static struct core_bytes write_part(struct core *core, const char *kind,
				    bool delta, uint32_t *entry)
{
	struct update *u = &core->update;
	struct core_bytes bytes = { 0 };
	struct tlv_writer w, before;
	uint32_t end = entries_end(core);
	bool any = false;
	void *at = update_alloc(u, PART_BYTES);

	if (!at)
		return bytes;
	/* Room is kept for the digests of a last part. */
	tlv_writer_init(&w, at, PART_BYTES - 64);
	tlv_put_str(&w, SKERRY_K_KIND, kind);
	while (*entry < end) {
		if (*entry == core->members.touched)
			*entry = core->members.max;
		if (*entry >= end)
			break;
		before = w;
		if (write_entry(core, *entry, delta, &w))
			any = true;
		if (w.full) {
			w = before;
			break;
		}
		++*entry;
	}
	update_trim(u, at, any || !delta ? w.used_bytes : 0);
	if (any || !delta) {
		bytes.data = at;
		bytes.size_bytes = w.used_bytes;
	}
	return bytes;
}

static void send(struct core *core, const struct lane *lane,
		 struct core_bytes bytes)
{
	struct core_op *op = update_op(&core->update, OP_SEND);

	op->lane = lane->id;
	op->frame.type = SKERRY_FRAME_MEMBER;
	op->bytes = bytes;
}

/* ---- the delta --------------------------------------------------------------- */

void full_collect(struct core *core)
{
	struct overlay_full *full = &core->full;

	if (!full->collect_ns)
		full->collect_ns =
			core->now_ns + core->config.gossip_collect_ms * CORE_MS;
	core_due(core, full->collect_ns);
}

uint64_t full_gone_digest(const struct core *core)
{
	return removed_digest(&core->members) + stale_digest(core);
}

static void full_join(struct core *core, struct member *member)
{
	member->dirty = true;
	full_collect(core);
}

static void begin_delta(struct core *core)
{
	struct members *m = &core->members;
	struct overlay_full *full = &core->full;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		m->slots[i].in_delta = m->slots[i].dirty;
		m->slots[i].dirty = false;
	}
	for (i = 0; i < m->removed_count; i++) {
		m->removed[i].in_delta = m->removed[i].dirty;
		m->removed[i].dirty = false;
	}
	for (i = 0; i < core->stales.count; i++) {
		core->stales.list[i].in_delta = core->stales.list[i].dirty;
		core->stales.list[i].dirty = false;
	}
	full->collect_ns = 0;
	full->sending = true;
	full->entry = 0;
	full->target = 0;
}

/* False: the update is full; go on with the next. */
static bool send_part(struct core *core, struct core_bytes part)
{
	struct members *m = &core->members;
	struct overlay_full *full = &core->full;

	for (; full->target < m->touched; full->target++) {
		struct member *member = &m->slots[full->target];
		struct lane *lane;

		if (member->self || member->status != MEMBER_LIVE)
			continue;
		lane = link_membership(core, member);
		/* Who has none now gets a digest when it has one. */
		if (!lane)
			continue;
		if (!update_fits(&core->update, 1, 0)) {
			core->update.more = true;
			return false;
		}
		send(core, lane, part);
	}
	full->target = 0;
	return true;
}

static void send_delta(struct core *core)
{
	struct overlay_full *full = &core->full;

	while (full->sending) {
		uint32_t next = full->entry;
		struct core_bytes part;

		if (!update_fits(&core->update, 1, PART_BYTES)) {
			core->update.more = true;
			return;
		}
		part = write_part(core, "delta", true, &next);
		if (!part.size_bytes) {
			full->sending = false;
		} else {
			if (!send_part(core, part))
				return;
			full->entry = next;
		}
	}
}

/* ---- tables and digests ---------------------------------------------------- */

static void put_digests(struct core *core, struct tlv_writer *w)
{
	tlv_put_u64(w, SKERRY_K_DIGEST, members_digest(&core->members));
	tlv_put_u64(w, SKERRY_K_OVERLAY_DIGEST, full_gone_digest(core));
}

static void send_digest(struct core *core, struct member *member,
			const struct lane *lane)
{
	uint8_t bytes[64];
	struct tlv_writer w;

	if (!update_fits(&core->update, 1, sizeof(bytes))) {
		core->update.more = true;
		return;
	}
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_KIND, "digest");
	put_digests(core, &w);
	send(core, lane, update_copy(&core->update, bytes, w.used_bytes));
	member->digest_due = false;
}

static void send_table(struct core *core, struct member *member,
		       const struct lane *lane)
{
	while (member->table_due) {
		struct core_bytes part;
		struct tlv_writer w;

		if (!update_fits(&core->update, 1, PART_BYTES)) {
			core->update.more = true;
			return;
		}
		part = write_part(core, "table", false, &member->table_at);
		if (member->table_at >= entries_end(core)) {
			/* write_part() kept the room for this. */
			void *end = (void *)(uintptr_t)part.data;

			tlv_writer_init(&w, end, part.size_bytes + 64);
			w.used_bytes = part.size_bytes;
			put_digests(core, &w);
			tlv_put_bool(&w, SKERRY_K_WAIT, member->table_reply);
			update_trim(&core->update, end, w.used_bytes);
			part.size_bytes = w.used_bytes;
			member->table_due = false;
			member->table_ns = core->now_ns;
		}
		send(core, lane, part);
	}
}

/* from: the first entry that may differ. */
void full_table_to(struct core *core, struct member *member, uint32_t from,
		   bool reply)
{
	if (member->table_due)
		return;
	if (member->table_ns &&
	    core->now_ns < member->table_ns + TABLE_EVERY_NS) {
		/* Ask again later instead. */
		member->digest_due = true;
		return;
	}
	member->table_due = true;
	member->table_reply = reply;
	member->table_at = from;
	core_due(core, core->now_ns);
}

static void choose_targets(struct core *core)
{
	struct members *m = &core->members;
	uint32_t count = 0, chosen, i;

	for (i = 0; i < m->touched; i++)
		count += m->slots[i].status == MEMBER_LIVE &&
			 !m->slots[i].self && m->slots[i].channels_up & 1;
	/* Each is taken with the chance that leaves the rest enough. */
	chosen = DIGEST_TARGETS;
	for (i = 0; i < m->touched && count && chosen; i++) {
		struct member *member = &m->slots[i];

		if (member->status != MEMBER_LIVE || member->self ||
		    !(member->channels_up & 1))
			continue;
		if (rng_below(&core->rng_gossip, count) < chosen) {
			member->digest_due = true;
			chosen--;
		}
		count--;
	}
}

static void forget_removed(struct core *core)
{
	struct members *m = &core->members;
	uint32_t i = 0;

	while (i < m->removed_count) {
		struct removed *removed = &m->removed[i];

		if (!removed->dirty && !removed->in_delta &&
		    core->now_ns - removed->since_ns >= REMOVED_KEEP_NS &&
		    removed_all_know(m, removed))
			removed_del(m, removed);
		else
			i++;
	}
}

static void full_tick(struct core *core)
{
	struct overlay_full *full = &core->full;
	struct members *m = &core->members;
	uint32_t i;

	if (full->collect_ns && !full->sending) {
		if (core->now_ns >= full->collect_ns)
			begin_delta(core);
		else
			core_due(core, full->collect_ns);
	}
	send_delta(core);
	if (core->now_ns >= full->digest_ns) {
		full->digest_ns =
			core->now_ns + core->config.gossip_period_ms * CORE_MS;
		choose_targets(core);
		forget_removed(core);
	}
	core_due(core, full->digest_ns);
	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];
		struct lane *lane;

		if (member->status != MEMBER_LIVE || member->self ||
		    (!member->digest_due && !member->table_due))
			continue;
		lane = link_membership(core, member);
		if (!lane || lane->blocked)
			continue;
		if (member->table_due)
			send_table(core, member, lane);
		if (member->digest_due &&
		    core->now_ns >= member->table_ns + TABLE_EVERY_NS)
			send_digest(core, member, lane);
		else if (member->digest_due)
			core_due(core, member->table_ns + TABLE_EVERY_NS);
	}
}

/* ---- the rest of the table ------------------------------------------------ */

static struct core_bytes removal(struct core *core, const char *name,
				 uint64_t incarnation, const char *why)
{
	uint8_t payload[256];
	struct tlv_writer w;
	size_t mark;

	tlv_writer_init(&w, payload, sizeof(payload));
	tlv_put_str(&w, SKERRY_K_KIND, "delta");
	mark = tlv_begin(&w, SKERRY_K_MEMBER);
	tlv_put_str(&w, SKERRY_K_NAME, name);
	tlv_put_u64(&w, SKERRY_K_INCARNATION, incarnation);
	tlv_put_bool(&w, SKERRY_K_REMOVED, true);
	tlv_put_str(&w, SKERRY_K_WHY, why);
	tlv_end(&w, mark);
	return update_copy(&core->update, payload, w.used_bytes);
}

static void full_removed(struct core *core, const char *name,
			 uint64_t incarnation, const char *source,
			 const char *why)
{
	struct removed *removed;
	bool news;

	removed = gossip_removed(core, name, incarnation, source, why, &news);
	if (removed)
		removed->dirty = true;
	full_collect(core);
}

static void full_remove(struct core *core, struct member *member)
{
	/* Any number may be removed in one step: each is told as its lanes
	 * are closed. */
	member->tell_removed = link_membership(core, member) != NULL;
	full_removed(core, member->name, member->incarnation, core->config.name,
		     "removed");
}

static void full_parting(struct core *core, struct member *member,
			 const struct lane *lane)
{
	send(core, lane,
	     removal(core, member->name, member->incarnation, "removed"));
}

static void full_stale(struct core *core, const struct stale *stale)
{
	struct stale *entry = stale_add(core, stale);

	if (!entry)
		return;
	entry->dirty = true;
	full_collect(core);
}

static bool full_leave(struct core *core)
{
	struct members *m = &core->members;
	struct overlay_full *full = &core->full;
	struct core_bytes bytes = { 0 };

	for (; full->leave_target < m->touched; full->leave_target++) {
		struct member *member = &m->slots[full->leave_target];
		struct lane *lane;

		if (member->self || member->status != MEMBER_LIVE)
			continue;
		lane = link_membership(core, member);
		if (!lane)
			continue;
		if (!update_fits(&core->update, 1, 512))
			return false;
		if (!bytes.size_bytes)
			bytes = removal(core, core->config.name,
					core->incarnation, "it left");
		send(core, lane, bytes);
	}
	full->leave_target = 0;
	return true;
}

static void full_lane_up(struct core *core, struct member *member)
{
	member->digest_due = true;
	member->table_ns = 0;
	core_due(core, core->now_ns);
}

static void full_lane_down(struct core *core, struct member *member)
{
	member->table_due = false;
	member->digest_due = false;
}

static bool full_neighbour(const struct core *core, const struct member *member)
{
	return true;
}

static int full_distance(const struct core *core, const char *name)
{
	const struct member *member = members_find(&core->members, name);

	if (!member)
		return -1;
	if (member->self)
		return 0;
	return member_counts(member) ? 1 : -1;
}

const struct overlay overlay_full = {
	.name = "full",
	.join = full_join,
	.remove = full_remove,
	.removed = full_removed,
	.stale = full_stale,
	.parting = full_parting,
	.leave = full_leave,
	.receive = full_receive,
	.tick = full_tick,
	.lane_up = full_lane_up,
	.lane_down = full_lane_down,
	.neighbour = full_neighbour,
	.distance = full_distance,
};
