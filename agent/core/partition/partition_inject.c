// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_inject.c - the command that makes an entry; see partition.h. */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "skerry/ring.h"

struct inject {
	char shape[32];
	char origin[SKERRY_NAME_MAX_BYTES + 1];
	char name[SKERRY_NAME_MAX_BYTES + 1];
	char visibility[16];
	char scope[16];
	uint64_t ttl;
	uint64_t duration_ms;
	uint64_t timeout_ms;
	bool force;
	bool one_way;
	char why[SKERRY_REASON_MAX_BYTES + 1];
	char text[320]; /* of a refusal */
};

static int refuse(struct inject *in, int error, const char *what,
		  const char *value, const char *why)
{
	snprintf(in->text, sizeof(in->text), "%s: %.64s: %s", what, value, why);
	return error;
}

static int parse_field(struct inject *in, const struct tlv_reader *r)
{
	switch (r->key) {
	case SKERRY_K_SHAPE:
		return tlv_str(r, in->shape, sizeof(in->shape));
	case SKERRY_K_ORIGIN:
		return tlv_str(r, in->origin, sizeof(in->origin));
	case SKERRY_K_NAME:
		return tlv_str(r, in->name, sizeof(in->name));
	case SKERRY_K_VISIBILITY:
		return tlv_str(r, in->visibility, sizeof(in->visibility));
	case SKERRY_K_SCOPE:
		return tlv_str(r, in->scope, sizeof(in->scope));
	case SKERRY_K_WHY:
		return tlv_str(r, in->why, sizeof(in->why));
	case SKERRY_K_TTL:
		return tlv_u64(r, &in->ttl);
	case SKERRY_K_DURATION_MS:
		return tlv_u64(r, &in->duration_ms);
	case SKERRY_K_TIMEOUT_MS:
		return tlv_u64(r, &in->timeout_ms);
	case SKERRY_K_FORCE:
		return tlv_bool(r, &in->force);
	case SKERRY_K_ONE_WAY:
		return tlv_bool(r, &in->one_way);
	default:
		return 0;
	}
}

static int parse(struct inject *in, struct core_bytes tlvs)
{
	struct tlv_reader r;

	memset(in, 0, sizeof(*in));
	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (parse_field(in, &r)) {
			return refuse(in, -EPROTO, "inject",
				      skerry_key_name(r.key, NULL, NULL),
				      "malformed value");
		}
	}
	if (r.bad) {
		snprintf(in->text, sizeof(in->text),
			 "the command's fields are cut off");
		return -EPROTO;
	}
	if (!in->shape[0])
		memcpy(in->shape, "around", sizeof("around"));
	if (!in->visibility[0])
		memcpy(in->visibility, "wire", sizeof("wire"));
	if (!in->scope[0])
		memcpy(in->scope, "node", sizeof("node"));
	return 0;
}

/* What can be said without looking at anybody. */
static int check(struct inject *in, struct partition_entry *e)
{
	if (partition_shape_parse(in->shape, &e->shape))
		return refuse(in, -EINVAL, "shape", in->shape,
			      "unknown; one of around, isolate, split");
	if (strcmp(in->visibility, "wire") == 0)
		e->visibility = PARTITION_WIRE;
	else if (strcmp(in->visibility, "local") == 0)
		e->visibility = PARTITION_LOCAL;
	else
		return refuse(in, -EOPNOTSUPP, "visibility", in->visibility,
			      "not supported; wire or local");
	if (strcmp(in->scope, "node") != 0)
		return refuse(in, -EOPNOTSUPP, "scope", in->scope,
			      "not supported; node");
	if (!partition_text_valid(in->name))
		return refuse(in, -EINVAL, "name", "",
			      "holds control characters");
	if (in->ttl > UINT32_MAX)
		return refuse(in, -EINVAL, "ttl", "", "too large");
	if (in->duration_ms > PARTITION_DURATION_MAX_MS)
		return refuse(in, -EINVAL, "duration", "",
			      "more than ten years");
	if (in->one_way && e->shape == PARTITION_AROUND)
		return refuse(in, -EINVAL, "one_way", "around",
			      "has no direction; use isolate or split");
	if (e->shape != PARTITION_SPLIT && !in->origin[0])
		return refuse(in, -EINVAL, "origin", in->shape, "needs a node");
	return 0;
}

static int known_node(struct partition *p, struct inject *in, const char *name,
		      uint16_t *ret_node)
{
	uint16_t node = partition_node_find(p, name);

	if (node == PARTITION_NONE || !p->nodes[node].known)
		return refuse(in, -EHOSTUNREACH, "node", name, "not known");
	*ret_node = node;
	return 0;
}

static int build_component(struct partition *p, struct inject *in,
			   uint16_t entry, const struct tlv_reader *field)
{
	struct partition_entry *e = &p->entries[entry];
	char name[SKERRY_NAME_MAX_BYTES + 1];
	bool named = false;
	struct tlv_reader r;
	uint16_t node;
	int error;

	if (e->components == PARTITION_COMPONENTS_MAX)
		return refuse(in, -EINVAL, "components", "",
			      "more than 64 of them");
	e->components++;
	tlv_reader_init(&r, field->value, field->length);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_NAME || tlv_str(&r, name, sizeof(name)))
			return refuse(in, -EPROTO, "components", "",
				      "malformed");
		error = known_node(p, in, name, &node);
		if (error)
			return error;
		if (*partition_component(p, entry, node))
			return refuse(in, -EINVAL, "components", name,
				      "named twice");
		*partition_component(p, entry, node) = e->components;
		named = true;
	}
	if (r.bad)
		return refuse(in, -EPROTO, "components", "", "malformed");
	if (!named)
		return refuse(in, -EINVAL, "components", "", "one is empty");
	return 0;
}

static int build_split(struct partition *p, struct inject *in, uint16_t entry,
		       struct core_bytes tlvs)
{
	struct tlv_reader r;
	int error;

	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_COMPONENT)
			continue;
		error = build_component(p, in, entry, &r);
		if (error)
			return error;
	}
	if (p->entries[entry].components < 2)
		return refuse(in, -EINVAL, "components", "split",
			      "needs two or more");
	return 0;
}

static int build_region(struct partition *p, struct inject *in, uint16_t entry)
{
	uint16_t origin;
	int error;
	size_t i;

	error = known_node(p, in, in->origin, &origin);
	if (error)
		return error;
	p->entries[entry].has_else = true;
	p->entries[entry].components = 1;
	*partition_component(p, entry, origin) = 1;
	if (p->entries[entry].shape == PARTITION_ISOLATE)
		return 0;
	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (p->nodes[node].known &&
		    p->env.within(p->env.data, in->origin, (uint32_t)in->ttl,
				  p->nodes[node].name))
			*partition_component(p, entry, node) = 1;
	}
	return 0;
}

static int build(struct partition *p, struct inject *in, uint16_t entry,
		 struct core_bytes tlvs)
{
	struct partition_entry *e = &p->entries[entry];
	const char *origin =
		in->origin[0] ? in->origin : p->nodes[p->self].name;
	int error;

	error = check(in, e);
	if (error)
		return error;
	e->one_way = in->one_way;
	e->ttl = (uint32_t)in->ttl;
	e->duration_ms = in->duration_ms;
	memcpy(e->name, in->name, sizeof(e->name));
	memcpy(e->origin, origin, strlen(origin));
	if (e->shape == PARTITION_SPLIT)
		return build_split(p, in, entry, tlvs);
	return build_region(p, in, entry);
}

static uint16_t find_name(const struct partition *p, const char *name,
			  uint16_t except)
{
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (e != except && p->entries[e].used &&
		    !p->entries[e].resolved &&
		    strcmp(p->entries[e].name, name) == 0)
			return e;
	return PARTITION_NONE;
}

static int safeguard(struct partition *p, struct inject *in, uint16_t entry)
{
	uint64_t isolated = partition_isolated(p, entry);
	uint64_t known = partition_known_count(p);

	if (in->force)
		return 0;
	if (in->duration_ms > p->cut_max_ms) {
		snprintf(in->text, sizeof(in->text),
			 "duration: %llu ms: longer than max_for, %u ms; "
			 "shorten it or force it",
			 (unsigned long long)in->duration_ms, p->cut_max_ms);
		return -EDQUOT;
	}
	if (isolated * 100 > known * p->cut_share_percent) {
		snprintf(in->text, sizeof(in->text),
			 "partition: %s: would part %llu of %llu nodes from the"
			 " majority, more than %u %%; force it",
			 in->shape, (unsigned long long)isolated,
			 (unsigned long long)known, p->cut_share_percent);
		return -EDQUOT;
	}
	return 0;
}

static void make_reference(struct partition *p, uint8_t reference[16])
{
	uint64_t half;

	do {
		half = rng_u64(&p->rng);
		memcpy(reference, &half, 8);
		half = rng_u64(&p->rng);
		memcpy(reference + 8, &half, 8);
	} while (partition_entry_find(p, reference) != PARTITION_NONE);
}

/* The same again: 0 and its entry; -ENOENT: the name is free. */
static int same_again(struct partition *p, struct inject *in, uint16_t entry,
		      uint16_t *ret_entry)
{
	uint16_t other;

	if (!in->name[0])
		return -ENOENT;
	other = find_name(p, in->name, entry);
	if (other == PARTITION_NONE)
		return -ENOENT;
	if (!partition_same_spec(p, other, entry))
		return refuse(in, -EEXIST, "name", in->name,
			      "is another partition; resolve it first, or take"
			      " another name");
	*ret_entry = other;
	return 0;
}

static void start(struct partition *p, struct inject *in, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	uint8_t reference[16];

	make_reference(p, reference);
	memcpy(e->reference, reference, sizeof(reference));
	if (e->duration_ms)
		e->deadline_ns = p->now_ns + e->duration_ms * PARTITION_MS;
	partition_dirty(p, entry);
	partition_owe_all(p, entry);
	partition_log(p, CORE_LOG_INFO, "partition_injected", e,
		      in->why[0] ? in->why : in->shape);
}

/*
 * Lifting it here alone is undone by the same injection again; else nothing
 * changes.
 */
static void again(struct partition *p, uint16_t entry)
{
	if (!p->entries[entry].lifted)
		return;
	p->entries[entry].lifted = false;
	partition_dirty(p, entry);
}

/* The slot becomes an entry, or is free again. */
static int inject_into(struct partition *p, struct inject *in, uint16_t entry,
		       struct core_bytes tlvs, uint16_t *ret_entry)
{
	int error;

	error = build(p, in, entry, tlvs);
	if (error)
		goto refused;
	error = same_again(p, in, entry, ret_entry);
	if (!error) {
		partition_entry_clear(p, entry);
		again(p, *ret_entry);
		return 0;
	}
	if (error != -ENOENT)
		goto refused;
	error = safeguard(p, in, entry);
	if (error)
		goto refused;
	if (partition_cuts_fit(p, entry) || partition_blob_encode(p, entry)) {
		error = refuse(in, -ENOSPC, "partition", in->shape,
			       "too many cuts, or too many of one node");
		goto refused;
	}
	start(p, in, entry);
	*ret_entry = entry;
	return 0;
refused:
	partition_entry_clear(p, entry);
	return error;
}

void partition_inject(struct partition *p, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	struct inject in;
	uint16_t entry;
	int waiter;
	int error;

	error = parse(&in, tlvs);
	if (error)
		goto refused;
	if (partition_node_sync(p)) {
		error = refuse(&in, -ENOSPC, "partition", in.shape,
			       "too many nodes to remember");
		goto refused;
	}
	entry = partition_entry_slot(p);
	if (entry == PARTITION_NONE) {
		error = refuse(&in, -ENOSPC, "partition", in.shape,
			       "too many are active; resolve some");
		goto refused;
	}
	waiter = partition_wait_begin(p, event, in.timeout_ms);
	if (waiter < 0) {
		error = refuse(&in, waiter, "partition", in.shape,
			       "too many commands wait");
		goto refused;
	}
	p->entries[entry].used = true;
	error = inject_into(p, &in, entry, tlvs, &entry);
	if (error) {
		p->waiters[waiter].used = false;
		goto refused;
	}
	p->entries[entry].waiters |= 1ULL << waiter;
	return;
refused:
	partition_refuse(p, event, error, in.text);
}
