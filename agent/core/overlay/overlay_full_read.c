// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* overlay_full_read.c - MEMBER frames of the full mesh, read; their form is
 * described in overlay_full.c. */
#include <errno.h>
#include <string.h>

#include "core_state.h"
#include "gossip.h"
#include "overlay_full.h"

struct entry {
	bool removed;
	struct core_bytes raw;
	struct spec spec; /* live */
	char name[SKERRY_NAME_MAX_BYTES + 1]; /* removed */
	uint64_t incarnation;
	char why[64];
};

static int read_entry(const struct tlv_reader *nest, struct entry *entry)
{
	struct tlv_reader r;
	char knows[SKERRY_NAME_MAX_BYTES + 1];
	int rv = 0;

	entry->removed = false;
	entry->raw.size_bytes = 0;
	entry->name[0] = 0;
	entry->incarnation = 0;
	entry->why[0] = 0;
	tlv_reader_init(&r, nest->value, nest->length);
	while (!rv && tlv_next(&r)) {
		switch (r.key) {
		case SKERRY_K_SPEC:
			entry->raw.data = r.value;
			entry->raw.size_bytes = r.length;
			rv = spec_parse(r.value, r.length, &entry->spec);
			break;
		case SKERRY_K_NAME:
			rv = tlv_str(&r, entry->name, sizeof(entry->name));
			break;
		case SKERRY_K_INCARNATION:
			rv = tlv_u64(&r, &entry->incarnation);
			break;
		case SKERRY_K_REMOVED:
			rv = tlv_bool(&r, &entry->removed);
			break;
		case SKERRY_K_KNOWS:
			rv = tlv_str(&r, knows, sizeof(knows));
			break;
		case SKERRY_K_WHY:
			rv = tlv_str(&r, entry->why, sizeof(entry->why));
			break;
		}
	}
	if (rv || r.bad)
		return -EPROTO;
	if (!entry->removed)
		return entry->raw.size_bytes ? 0 : -EPROTO;
	if (!skerry_name_valid(entry->name) || !entry->incarnation ||
	    entry->incarnation > SPEC_INCARNATION_MAX)
		return -EPROTO;
	return 0;
}

/* First look at all of it: a malformed frame changes nothing. */
static int check(struct core_bytes payload)
{
	struct entry entry;
	struct stale stale;
	struct tlv_reader r;

	tlv_reader_init(&r, payload.data, payload.size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_MEMBER && read_entry(&r, &entry))
			return -EPROTO;
		if (r.key == SKERRY_K_STALE && stale_read(&r, &stale))
			return -EPROTO;
		if (r.critical)
			return -EPROTO;
	}
	return r.bad ? -EPROTO : 0;
}

static void note_knowers(struct core *core, const struct tlv_reader *nest,
			 struct removed *removed, struct member *from)
{
	struct members *m = &core->members;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_reader r;

	removed_knows(m, removed, members_slot(m, from));
	tlv_reader_init(&r, nest->value, nest->length);
	while (tlv_next(&r)) {
		struct member *member;

		if (r.key != SKERRY_K_KNOWS || tlv_str(&r, name, sizeof(name)))
			continue;
		member = members_find(m, name);
		if (member)
			removed_knows(m, removed, members_slot(m, member));
	}
}

static void apply(struct core *core, struct member *from,
		  const struct tlv_reader *nest, bool retell)
{
	struct entry entry;
	struct member *member;
	struct removed *removed;
	bool news;

	if (read_entry(nest, &entry))
		return;
	if (entry.removed) {
		removed = gossip_removed(core, entry.name, entry.incarnation,
					 from->name,
					 entry.why[0] ? entry.why : "removed",
					 &news);
		if (removed && removed->incarnation == entry.incarnation) {
			note_knowers(core, nest, removed, from);
			removed->dirty |= news && retell;
		}
	} else {
		if (gossip_live(core, &entry.spec, entry.raw, from->name,
				&news))
			return;
		member = members_find(&core->members, entry.spec.name);
		if (!member)
			return;
		if (news && retell)
			member->dirty = true;
		else if (!retell && !member->self &&
			 member->version == entry.spec.version &&
			 member->incarnation == entry.spec.incarnation)
			member->dirty = false; /* somebody told everybody */
		/* What others have of us is old: tell them. */
		if (member->self &&
		    (entry.spec.incarnation < core->incarnation ||
		     entry.spec.version < core->version))
			member->dirty = news = retell = true;
	}
	if (news && retell)
		full_collect(core);
}

static void apply_stale(struct core *core, const struct tlv_reader *nest,
			bool retell)
{
	struct stale read, *entry;

	if (stale_read(nest, &read))
		return;
	entry = stale_add(core, &read);
	if (!entry)
		return;
	entry->dirty = retell;
	if (retell)
		full_collect(core);
}

static void compare(struct core *core, struct member *from,
		    struct core_bytes payload, bool reply)
{
	uint64_t live, removed;

	live = tlv_find_u64(payload.data, payload.size_bytes, SKERRY_K_DIGEST,
			    0);
	removed = tlv_find_u64(payload.data, payload.size_bytes,
			       SKERRY_K_OVERLAY_DIGEST, 0);
	if (live != members_digest(&core->members))
		full_table_to(core, from, 0, reply);
	else if (removed != full_gone_digest(core))
		full_table_to(core, from, core->members.max, reply);
}

static void read_notice(struct core *core, struct member *from,
			struct core_bytes payload)
{
	char reason[NOTICE_TEXT_BYTES];

	if (!tlv_find_str(payload.data, payload.size_bytes, SKERRY_K_REASON,
			  reason, sizeof(reason)))
		notice_once(core, CORE_LOG_WARNING, "notice", from->name,
			    reason);
}

int full_receive(struct core *core, struct member *from,
		 struct core_bytes payload)
{
	char kind[16];
	struct tlv_reader r;
	bool table, wait;

	if (check(payload) || tlv_find_str(payload.data, payload.size_bytes,
					   SKERRY_K_KIND, kind, sizeof(kind)))
		return -EPROTO;
	if (!strcmp(kind, "digest")) {
		compare(core, from, payload, true);
		return 0;
	}
	if (!strcmp(kind, "notice")) {
		read_notice(core, from, payload);
		return 0;
	}
	table = !strcmp(kind, "table");
	if (!table && strcmp(kind, "delta"))
		return -EPROTO;
	tlv_reader_init(&r, payload.data, payload.size_bytes);
	while (tlv_next(&r) && from->status == MEMBER_LIVE) {
		if (r.key == SKERRY_K_MEMBER)
			apply(core, from, &r, table);
		else if (r.key == SKERRY_K_STALE)
			apply_stale(core, &r, table);
	}
	wait = tlv_find_bool(payload.data, payload.size_bytes, SKERRY_K_WAIT);
	if (table && wait && from->status == MEMBER_LIVE)
		compare(core, from, payload, false);
	return 0;
}
