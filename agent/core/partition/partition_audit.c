// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_audit.c - who did what to the network, in a line each. */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUDIT_TLVS_BYTES 600U

void partition_by_command(const struct partition *p, struct partition_by *by,
			  const struct core_event *event, const char *why)
{
	const char *program = event->command.name ? event->command.name : "";

	memset(by, 0, sizeof(*by));
	memcpy(by->node, p->nodes[p->self].name, sizeof(by->node));
	by->uid = event->command.uid;
	by->pid = event->command.pid;
	snprintf(by->program, sizeof(by->program), "%s",
		 partition_text_valid(program) ? program : "?");
	snprintf(by->why, sizeof(by->why), "%s", why);
}

void partition_by_put(struct tlv_writer *w, const struct partition_by *by)
{
	if (!by->node[0])
		return;
	tlv_put_str(w, SKERRY_K_SOURCE, by->node);
	tlv_put_u64(w, SKERRY_K_UID, by->uid);
	tlv_put_u64(w, SKERRY_K_PID, by->pid);
	if (by->program[0])
		tlv_put_str(w, SKERRY_K_PROGRAM_NAME, by->program);
	if (by->why[0])
		tlv_put_str(w, SKERRY_K_WHY, by->why);
}

static int take_text(const struct tlv_reader *r, char *ret_text,
		     size_t room_bytes)
{
	if (tlv_str(r, ret_text, room_bytes) || !partition_text_valid(ret_text))
		return -EPROTO;
	return 0;
}

static int take_u32(const struct tlv_reader *r, uint32_t *ret_value)
{
	uint64_t value;

	if (tlv_u64(r, &value) || value > UINT32_MAX)
		return -EPROTO;
	*ret_value = (uint32_t)value;
	return 0;
}

int partition_by_take(struct partition_by *by, const struct tlv_reader *r)
{
	switch (r->key) {
	case SKERRY_K_SOURCE:
		return take_text(r, by->node, sizeof(by->node));
	case SKERRY_K_UID:
		return take_u32(r, &by->uid);
	case SKERRY_K_PID:
		return take_u32(r, &by->pid);
	case SKERRY_K_PROGRAM_NAME:
		return take_text(r, by->program, sizeof(by->program));
	case SKERRY_K_WHY:
		return take_text(r, by->why, sizeof(by->why));
	default:
		return -ENOENT;
	}
}

static uint64_t put_participants(const struct partition *p,
				 struct tlv_writer *w, uint16_t entry)
{
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		struct tlv_writer before = *w;

		if (!partition_participant(p, entry, p->order[i]))
			continue;
		count++;
		tlv_put_str(w, SKERRY_K_PARTICIPANT,
			    p->nodes[p->order[i]].name);
		/* A large cluster is only counted. */
		if (w->full)
			*w = before;
	}
	return count;
}

static uint64_t put_fields(const struct partition *p, struct tlv_writer *w,
			   uint16_t entry, const struct partition_by *by)
{
	const struct partition_entry *e = &p->entries[entry];
	struct tlv_writer before;

	tlv_put(w, SKERRY_K_REFERENCE, e->reference, 16);
	if (e->name[0])
		tlv_put_str(w, SKERRY_K_NAME, e->name);
	if (!e->bare) {
		tlv_put_str(w, SKERRY_K_SHAPE, partition_shape_name(e->shape));
		tlv_put_str(w, SKERRY_K_ORIGIN, e->origin);
		tlv_put_u64(w, SKERRY_K_DURATION_MS, e->duration_ms);
	}
	if (e->has_seed)
		tlv_put_u64(w, SKERRY_K_SEED, e->seed);
	if (e->error)
		tlv_put_s64(w, SKERRY_K_ERROR, e->error);
	before = *w;
	if (by)
		partition_by_put(w, by);
	if (w->full)
		*w = before;
	return put_participants(p, w, entry);
}

static int put_time(char *text, size_t room, const struct partition_entry *e)
{
	uint64_t ms = e->duration_ms;

	if (e->bare)
		return snprintf(text, room, "%s", "");
	if (!ms)
		return snprintf(text, room, " by lease");
	if (ms % 1000)
		return snprintf(text, room, " for %llu ms",
				(unsigned long long)ms);
	return snprintf(text, room, " for %llu s",
			(unsigned long long)(ms / 1000));
}

void partition_audit(struct partition *p, enum core_log_level level,
		     const char *event, uint16_t entry,
		     const struct partition_by *by, const char *how)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t bytes[AUDIT_TLVS_BYTES];
	char text[320], time[48];
	struct tlv_writer w;
	uint64_t nodes;
	int used;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	nodes = put_fields(p, &w, entry, by);
	put_time(time, sizeof(time), e);
	used = snprintf(text, sizeof(text), "%s%s%s%s%s of %llu node%s%s", how,
			how[0] ? ": " : "",
			e->bare ? "a partition"
				: partition_shape_name(e->shape),
			partition_form(e) == FORM_ADDRESS ? " " : "",
			partition_form(e) == FORM_ADDRESS ? e->origin : "",
			(unsigned long long)nodes, nodes == 1 ? "" : "s", time);
	if (by && by->node[0])
		snprintf(text + used, sizeof(text) - (size_t)used,
			 ", by %s on %s (uid %u, pid %u)%s%s",
			 by->program[0] ? by->program : "a program", by->node,
			 by->uid, by->pid, by->why[0] ? ": " : "", by->why);
	p->env.log(p->env.data, level, event, text,
		   (struct core_bytes) { bytes, w.used_bytes });
}
