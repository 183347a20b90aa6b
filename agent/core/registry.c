// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* registry.c - see registry.h. */
#include "registry.h"

#include <errno.h>
#include <string.h>

#include "beat.h"
#include "core_state.h"
#include "partition/partition.h"

/* What one partition_tick() may ask for; with less room it waits. */
#define REGISTRY_OPS 96U
/* Of the state file; the rest is for members. */
#define REGISTRY_KEPT_BYTES (24U << 10)

static bool env_node(void *data, size_t i, const char **ret_name,
		     uint32_t *ret_peer)
{
	struct core *core = data;
	struct member *member;
	size_t at;

	for (at = 0; (member = members_at(&core->members, at)); at++) {
		if (!member->self && !member_counts(member))
			continue;
		if (i--)
			continue;
		*ret_name = member->name;
		*ret_peer = member->self ? CORE_PEER_SELF
					 : members_slot(&core->members, member);
		return true;
	}
	return false;
}

static bool env_within(void *data, const char *origin, uint32_t ttl,
		       const char *name)
{
	struct core *core = data;

	if (!strcmp(origin, name))
		return true;
	/* Every member is a neighbour of every other one. */
	return ttl >= 1 && core->overlay->distance(core, origin) >= 0 &&
	       core->overlay->distance(core, name) >= 0;
}

static int env_datagram(void *data, const char *name, struct core_bytes body)
{
	struct core *core = data;
	struct member *member = members_find(&core->members, name);

	if (!member || !member_counts(member))
		return -EHOSTUNREACH;
	return datagram_send(core, member, SKERRY_PORT_PARTITION, body, NULL);
}

static void env_cut_add(void *data, const struct core_cut *cut)
{
	struct core *core = data;

	update_op(&core->update, OP_CUT_ADD)->cut = *cut;
}

static void env_cut_del(void *data, uint32_t handle)
{
	struct core *core = data;

	update_op(&core->update, OP_CUT_DEL)->cut.handle = handle;
}

static void env_cut_commit(void *data, uint64_t generation)
{
	struct core *core = data;

	update_op(&core->update, OP_CUT_COMMIT)->token = generation;
}

static void env_answer(void *data, uint32_t program, uint32_t correlation,
		       int error, const char *reason, struct core_bytes tlvs)
{
	core_answer_tlvs(data, program, correlation, error, reason, tlvs);
}

static void env_part(void *data, uint32_t program, uint32_t correlation,
		     struct core_bytes tlvs)
{
	struct core *core = data;
	struct core_op *op = update_op(&core->update, OP_ANSWER);

	op->answer.program = program;
	op->answer.correlation = correlation;
	op->answer.more = true;
	op->bytes = update_copy(&core->update, tlvs.data, tlvs.size_bytes);
}

static void env_ledger(void *data, uint64_t token, const uint8_t reference[16])
{
	struct core *core = data;
	struct core_op *op = update_op(&core->update, OP_LEDGER);

	op->token = token;
	op->bytes = update_copy(&core->update, reference, 16);
}

static void env_log(void *data, enum core_log_level level, const char *event,
		    const char *text, struct core_bytes tlvs)
{
	notice_tlvs(data, level, event, text, tlvs);
}

static struct partition_limits limits_of(const struct core_limits *limits)
{
	return (struct partition_limits) {
		.partitions_max = limits->partitions_max,
		.members_max = limits->members_max,
		.rules_max = limits->rules_max,
	};
}

size_t registry_size(const struct core_limits *limits)
{
	struct partition_limits own = limits_of(limits);

	return partition_size(&own);
}

void registry_init(struct core *core, uint64_t seed)
{
	struct partition_limits limits = limits_of(&core->limits);
	const struct partition_env env = {
		.data = core,
		.node = env_node,
		.within = env_within,
		.datagram = env_datagram,
		.cut_add = env_cut_add,
		.cut_del = env_cut_del,
		.cut_commit = env_cut_commit,
		.answer = env_answer,
		.part = env_part,
		.ledger = env_ledger,
		.log = env_log,
	};

	core->partition = partition_init(core->partition_memory, &limits, &env,
					 &core->config, seed);
}

/* Everything is done in partition_tick(), as its header asks. */
static void touch(struct core *core)
{
	core->partition_at_ns = core->now_ns;
	core_due(core, core->now_ns);
}

void registry_configure(struct core *core)
{
	partition_configure(core->partition, &core->config);
	touch(core);
}

bool registry_settled(const struct core *core)
{
	return partition_settled(core->partition);
}

int registry_datagram(struct core *core, const char *from,
		      struct core_bytes body)
{
	int rv = partition_datagram(core->partition, from, body, core->now_ns,
				    core->wall_us);

	touch(core);
	return rv;
}

void registry_cuts_applied(struct core *core, uint64_t generation, int error)
{
	partition_cuts_applied(core->partition, generation, error,
			       core->now_ns);
	touch(core);
}

void registry_ledger(struct core *core, const struct core_event *event)
{
	partition_ledger(core->partition, event);
	touch(core);
}

void registry_program_gone(struct core *core, uint32_t program)
{
	partition_program_gone(core->partition, program);
	touch(core);
}

static void tell_members(struct core *core)
{
	struct members *m = &core->members;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];

		/* The number must be known outside before a cut names it. */
		if (member->greet && member_counts(member) &&
		    member->peer_told) {
			member->greet = false;
			partition_node(core->partition, member->name,
				       core->now_ns);
			touch(core);
		}
		if (member->farewell && member->status == MEMBER_GHOST) {
			member->farewell = false;
			partition_node_gone(core->partition, member->name,
					    core->now_ns);
			touch(core);
		}
	}
}

/* ---- the state file ------------------------------------------------------- */

void registry_write(struct core *core, struct tlv_writer *w)
{
	struct core_bytes blob;
	struct tlv_writer before;
	uint8_t reference[16];
	uint64_t left_ms;
	size_t cursor = 0, mark;

	if (!core->partition)
		return;
	while (w->used_bytes < REGISTRY_KEPT_BYTES &&
	       partition_kept(core->partition, &cursor, core->now_ns, reference,
			      &left_ms, &blob)) {
		before = *w;
		mark = tlv_begin(w, SKERRY_K_ENTRY);
		tlv_put(w, SKERRY_K_REFERENCE, reference, sizeof(reference));
		tlv_put_u64(w, SKERRY_K_UNTIL, core->wall_us + left_ms * 1000);
		tlv_put(w, SKERRY_K_BLOB, blob.data, blob.size_bytes);
		tlv_end(w, mark);
		if (w->full)
			*w = before;
	}
}

static int read_entry(struct core *core, const struct tlv_reader *nest)
{
	struct tlv_reader blob, r;
	uint8_t reference[16];
	uint64_t until_us;

	until_us = tlv_find_u64(nest->value, nest->length, SKERRY_K_UNTIL, 0);
	if (!tlv_find(nest->value, nest->length, SKERRY_K_REFERENCE, &r) ||
	    tlv_id(&r, reference) ||
	    !tlv_find(nest->value, nest->length, SKERRY_K_BLOB, &blob))
		return -EPROTO;
	/* Its time was over while nobody looked. */
	if (until_us / 1000 <= core->wall_us / 1000)
		return 0;
	return partition_restore(core->partition, reference,
				 (struct core_bytes) { blob.value,
						       blob.length },
				 (until_us - core->wall_us) / 1000,
				 core->now_ns);
}

int registry_read(struct core *core, struct core_bytes persisted)
{
	struct tlv_reader r;
	int rv = 0, error;

	tlv_reader_init(&r, persisted.data, persisted.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_ENTRY)
			continue;
		error = read_entry(core, &r);
		if (error)
			rv = error;
	}
	touch(core);
	return rv;
}

void registry_flush(struct core *core)
{
	struct update *u = &core->update;

	tell_members(core);
	if (core->now_ns >= core->partition_at_ns) {
		if (update_room(u) < REGISTRY_OPS) {
			u->more = true;
			return;
		}
		core->partition_at_ns =
			partition_tick(core->partition, core->now_ns,
				       core->wall_us);
	}
	if (partition_kept_changed(core->partition)) {
		core->persist_due = true;
		core_due(core, core->now_ns);
	}
	if (core->partition_at_ns <= core->now_ns)
		u->more = true;
	else if (core->partition_at_ns != CORE_NEVER)
		core_due(core, core->partition_at_ns);
}
