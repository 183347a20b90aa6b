// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* disconnect.c - DISCONNECT; see connect.h. */
#include <errno.h>
#include <string.h>

#include "connect.h"
#include "core_state.h"
#include "link.h"

static struct member *find(struct core *core, const char *name)
{
	struct member *member = members_find(&core->members, name);

	return member && member_counts(member) ? member : NULL;
}

static void put_row(struct tlv_writer *w, const char *name, int error,
		    const char *reason)
{
	size_t mark = tlv_begin(w, SKERRY_K_ROW);

	tlv_put_str(w, SKERRY_K_NODE, name);
	if (error) {
		tlv_put_s64(w, SKERRY_K_ERROR, error);
		tlv_put_str(w, SKERRY_K_REASON, reason);
	}
	tlv_end(w, mark);
}

static uint32_t ends_free(const struct core *core)
{
	uint32_t count = 0, i;

	for (i = 0; i < DISCONNECTS_MAX; i++)
		count += !core->connects.ends[i].used;
	return count;
}

static void add_end(struct core *core, const struct core_event *event,
		    struct member *member)
{
	uint32_t i;

	for (i = 0; core->connects.ends[i].used; i++)
		;
	core->connects.ends[i] = (struct disconnect) {
		.used = true,
		.program = event->command.program,
		.correlation = event->command.correlation,
		.slot = members_slot(&core->members, member),
	};
	memcpy(core->connects.ends[i].name, member->name, sizeof(member->name));
}

/* Its lanes go; those that are being made, too. */
static void part(struct core *core, struct member *member)
{
	member->hold_until_ns = core->now_ns + CONNECT_HOLD_NS;
	member->eager = false;
	link_doom(core, member, DOOM_DRAIN, true);
	core_due(core, core->now_ns);
}

static int check_nodes(struct core_bytes tlvs, uint32_t *ret_count)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_reader r;
	uint32_t count = 0;

	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_NODE &&
		    (tlv_str(&r, name, sizeof(name)) ||
		     ++count > DISCONNECT_NODES_MAX))
			return -EINVAL;
	}
	*ret_count = count;
	return r.bad || !count ? -EINVAL : 0;
}

void disconnect_command(struct core *core, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	uint8_t bytes[DISCONNECT_NODES_MAX * (SKERRY_NAME_MAX_BYTES + 64)];
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_writer w;
	struct tlv_reader r;
	uint32_t count, waiting = 0;

	if (check_nodes(tlvs, &count)) {
		core_answer(core, event->command.program,
			    event->command.correlation, -EINVAL,
			    "which nodes? 1 to 64 names");
		return;
	}
	if (ends_free(core) < count) {
		core_answer(core, event->command.program,
			    event->command.correlation, -EAGAIN,
			    "too many are being closed");
		return;
	}
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		struct member *member;

		if (r.key != SKERRY_K_NODE || tlv_str(&r, name, sizeof(name)))
			continue;
		member = find(core, name);
		if (!strcmp(name, core->config.name)) {
			put_row(&w, name, -ELOOP, "this is the node itself");
		} else if (!member) {
			put_row(&w, name, -EHOSTUNREACH, "no such member");
		} else {
			part(core, member);
			add_end(core, event, member);
			waiting++;
		}
	}
	core_answer_tlvs(core, event->command.program,
			 event->command.correlation, 0, NULL,
			 (struct core_bytes) { bytes, w.used_bytes });
	core->update.ops[core->update.count - 1].answer.more = waiting != 0;
}

static bool others_wait(const struct core *core, const struct disconnect *end)
{
	uint32_t i;

	for (i = 0; i < DISCONNECTS_MAX; i++) {
		const struct disconnect *other = &core->connects.ends[i];

		if (other->used && other != end &&
		    other->program == end->program &&
		    other->correlation == end->correlation)
			return true;
	}
	return false;
}

/* The slot may be another node's by now: then the lanes are closed. */
static bool has_lanes(const struct core *core, const struct disconnect *end)
{
	const struct member *member = &core->members.slots[end->slot];

	return member->status != MEMBER_FREE &&
	       !strcmp(member->name, end->name) && !list_empty(&member->lanes);
}

static void flush_end(struct core *core, struct disconnect *end)
{
	uint8_t bytes[SKERRY_NAME_MAX_BYTES + 32];
	struct tlv_writer w;

	if (has_lanes(core, end))
		return;
	if (!update_fits(&core->update, 1, 512)) {
		core->update.more = true;
		return;
	}
	tlv_writer_init(&w, bytes, sizeof(bytes));
	put_row(&w, end->name, 0, NULL);
	core_answer_tlvs(core, end->program, end->correlation, 0, NULL,
			 (struct core_bytes) { bytes, w.used_bytes });
	core->update.ops[core->update.count - 1].answer.more =
		others_wait(core, end);
	end->used = false;
}

void disconnect_program_gone(struct core *core, uint32_t program)
{
	uint32_t i;

	for (i = 0; i < DISCONNECTS_MAX; i++) {
		if (core->connects.ends[i].program == program)
			core->connects.ends[i].used = false;
	}
}

void disconnects_flush(struct core *core)
{
	uint32_t i;

	for (i = 0; i < DISCONNECTS_MAX; i++) {
		if (core->connects.ends[i].used)
			flush_end(core, &core->connects.ends[i]);
	}
}
