// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* state.c - the overlay's state, written; see state.h. */
#include "state.h"

#include <string.h>

#include "core_state.h"

/* Where a part goes on: the heading, members by name, then the others. */
#define AT_MEMBERS 1U
#define AT_REST 2U

static void write_heading(struct core *core, struct tlv_writer *w)
{
	tlv_put_u64(w, SKERRY_K_STATE_FORMAT, STATE_FORMAT);
	tlv_put_str(w, SKERRY_K_CLUSTER, core->config.cluster);
	tlv_put_str(w, SKERRY_K_OVERLAY, core->config.overlay);
	tlv_put_str(w, SKERRY_K_NAME, core->config.name);
}

static void write_member(struct core *core, const struct member *member,
			 struct tlv_writer *w)
{
	struct core_bytes raw = members_spec(&core->members, member);
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);
	uint32_t i;

	if (raw.size_bytes) {
		tlv_put(w, SKERRY_K_SPEC, raw.data, raw.size_bytes);
	} else {
		tlv_put_str(w, SKERRY_K_NAME, member->name);
		tlv_put_u64(w, SKERRY_K_INCARNATION, member->incarnation);
		tlv_put_u64(w, SKERRY_K_PORT_BLOCK, member->port_block);
		for (i = 0; i < member->address_count; i++)
			tlv_put_addr(w, SKERRY_K_ADDRESS,
				     &member->addresses[i]);
	}
	tlv_end(w, mark);
}

static void write_removed(const struct removed *removed, struct tlv_writer *w)
{
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);

	tlv_put_str(w, SKERRY_K_NAME, removed->name);
	tlv_put_u64(w, SKERRY_K_INCARNATION, removed->incarnation);
	tlv_put_bool(w, SKERRY_K_REMOVED, true);
	tlv_end(w, mark);
}

static const struct member *next_member(struct core *core, const char *after)
{
	struct members *m = &core->members;
	const struct member *member;
	size_t i = after[0] ? members_after(m, after) : 0;

	while ((member = members_at(m, i++))) {
		if (member->self || member_counts(member))
			return member;
	}
	return NULL;
}

/* False: there is nothing more. */
static bool write_entry(struct core *core, size_t *cursor, char *after,
			struct tlv_writer *w)
{
	struct members *m = &core->members;
	const struct member *member;
	size_t i;

	if (!*cursor) {
		write_heading(core, w);
		*cursor = AT_MEMBERS;
		return true;
	}
	if (*cursor == AT_MEMBERS) {
		member = next_member(core, after);
		if (member) {
			memcpy(after, member->name, sizeof(member->name));
			write_member(core, member, w);
			return true;
		}
		*cursor = AT_REST;
	}
	i = *cursor - AT_REST;
	if (i >= m->removed_count + core->stales.count)
		return false;
	if (i < m->removed_count)
		write_removed(&m->removed[i], w);
	else
		stale_write(&core->stales.list[i - m->removed_count], w);
	++*cursor;
	return true;
}

bool state_part(struct core *core, struct tlv_writer *w, size_t *cursor,
		char after[SKERRY_NAME_MAX_BYTES + 1])
{
	size_t mark = tlv_begin(w, SKERRY_K_BLOB);
	bool last = false;

	while (!last) {
		char was[SKERRY_NAME_MAX_BYTES + 1];
		struct tlv_writer before = *w;
		size_t from = *cursor;

		memcpy(was, after, sizeof(was));
		last = !write_entry(core, cursor, after, w);
		if (w->full) {
			*w = before;
			*cursor = from;
			memcpy(after, was, sizeof(was));
			break;
		}
	}
	tlv_end(w, mark);
	return last;
}
