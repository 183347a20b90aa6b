/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Cutting and healing. */
#include <errno.h>
#include <stdlib.h>

#include "grudge.h"
#include "internal.h"

#define TIMEOUT_MS 5000U
/* The agent answers at its time-out; it gets this much longer to do so. */
#define GRACE_NS 2000000000ULL
#define COMMAND_BYTES 60000U

/* "A,B" as one component. */
static int put_component(struct skerry *h, struct tlv_writer *w,
			 const char *names)
{
	size_t mark = tlv_begin(w, SKERRY_K_COMPONENT);

	while (*names) {
		size_t bytes = strcspn(names, ",");

		if (!bytes || bytes > SKERRY_NAME_MAX_BYTES)
			return lib_fail(h, -EINVAL,
					"component %.80s: a list of node "
					"names A,B is wanted",
					names);
		tlv_put(w, SKERRY_K_NAME, names, bytes);
		names += bytes;
		names += *names == ',';
	}
	tlv_end(w, mark);
	return 0;
}

static int take_opts(struct skerry *h,
		     const struct skerry_partition_opts *given,
		     struct skerry_partition_opts *opts)
{
	size_t size = given ? given->size : 0;

	*opts = (struct skerry_partition_opts) { .size = sizeof(*opts) };
	if (given && size < sizeof(size))
		return lib_fail(h, -EINVAL,
				"partition options: size is %zu; set it to "
				"sizeof(struct skerry_partition_opts)",
				size);
	if (given)
		memcpy(opts, given,
		       size < sizeof(*opts) ? size : sizeof(*opts));
	if (opts->flags & ~(SKERRY_PARTITION_FORCE | SKERRY_PARTITION_ONE_WAY |
			    SKERRY_PARTITION_SEED))
		return lib_fail(h, -EINVAL,
				"partition options: flags 0x%x unknown",
				opts->flags);
	if (!opts->shape)
		opts->shape = "around";
	if (!opts->timeout_ms)
		opts->timeout_ms = TIMEOUT_MS;
	return 0;
}

static int put_target(struct skerry *h, struct tlv_writer *w,
		      const struct skerry_partition_opts *opts)
{
	struct lib_target target;

	if (!opts->target)
		return 0;
	if (lib_target_parse(opts->target, &target))
		return lib_fail(h, -EINVAL,
				"target %.80s: ADDRESS[/PREFIX][:PORT] is "
				"wanted, in digits",
				opts->target);
	lib_target_put(w, &target);
	return 0;
}

static int put_inject(struct skerry *h, struct tlv_writer *w,
		      const char *origin, uint32_t ttl,
		      const struct skerry_partition_opts *opts)
{
	int r;

	tlv_put_str(w, SKERRY_K_SHAPE, opts->shape);
	if (origin && *origin)
		tlv_put_str(w, SKERRY_K_ORIGIN, origin);
	tlv_put_u64(w, SKERRY_K_TTL, ttl);
	for (const char *const *c = opts->components; c && *c; c++) {
		r = put_component(h, w, *c);
		if (r)
			return r;
	}
	if (opts->name)
		tlv_put_str(w, SKERRY_K_NAME, opts->name);
	if (opts->visibility)
		tlv_put_str(w, SKERRY_K_VISIBILITY, opts->visibility);
	if (opts->reason)
		tlv_put_str(w, SKERRY_K_WHY, opts->reason);
	if (opts->duration_ms)
		tlv_put_u64(w, SKERRY_K_DURATION_MS, opts->duration_ms);
	if (opts->flags & SKERRY_PARTITION_FORCE)
		tlv_put_bool(w, SKERRY_K_FORCE, true);
	if (opts->flags & SKERRY_PARTITION_ONE_WAY)
		tlv_put_bool(w, SKERRY_K_ONE_WAY, true);
	if (opts->flags & SKERRY_PARTITION_SEED)
		tlv_put_u64(w, SKERRY_K_SEED, opts->seed);
	if (opts->loss_ppm)
		tlv_put_u64(w, SKERRY_K_LOSS_PPM, opts->loss_ppm);
	if (opts->matrix)
		tlv_put(w, SKERRY_K_MATRIX, opts->matrix, opts->matrix_bytes);
	if (opts->protocol)
		tlv_put_str(w, SKERRY_K_PROTOCOL, opts->protocol);
	if (opts->host)
		tlv_put_str(w, SKERRY_K_HOST, opts->host);
	tlv_put_u64(w, SKERRY_K_TIMEOUT_MS, opts->timeout_ms);
	return put_target(h, w, opts);
}

struct outcome {
	struct skerry_reference reference;
	bool referenced;
	uint64_t seed;
	int missing;
	char names[200]; /* of the missing */
};

static void outcome_part(void *data, const void *tlvs, size_t size_bytes)
{
	struct outcome *o = data;
	struct tlv_reader r;

	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r)) {
		char name[SKERRY_NAME_MAX_BYTES + 1];

		if (r.key == SKERRY_K_REFERENCE && !tlv_id(&r, o->reference.id))
			o->referenced = true;
		if (r.key == SKERRY_K_SEED)
			tlv_u64(&r, &o->seed);
		if (r.key != SKERRY_K_MISSING ||
		    tlv_str(&r, name, sizeof(name)))
			continue;
		o->missing++;
		if (strlen(o->names) + strlen(name) + 3 < sizeof(o->names)) {
			strcat(o->names, *o->names ? ", " : "");
			strcat(o->names, name);
		}
	}
}

static int missing(struct skerry *h, const struct outcome *o, const char *what)
{
	if (o->missing)
		lib_fail(h, o->missing, "%d did not answer in time: %s; %s",
			 o->missing, o->names, what);
	return o->missing;
}

/* The command for that, and its answer's parts. */
static int command(struct skerry *h, uint32_t number, const char *origin,
		   uint32_t ttl, const struct skerry_partition_opts *opts,
		   skerry_row_fn *function, void *data)
{
	struct tlv_writer w;
	uint8_t *bytes;
	int r;

	bytes = malloc(COMMAND_BYTES);
	if (!bytes)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	tlv_writer_init(&w, bytes, COMMAND_BYTES);
	r = put_inject(h, &w, origin, ttl, opts);
	if (!r && w.full)
		r = lib_fail_fast(h, -EMSGSIZE, "too many nodes for one call");
	if (!r)
		r = lib_call(h, number, &w,
			     lib_deadline(h, opts->timeout_ms) + GRACE_NS,
			     function, data);
	free(bytes);
	return r;
}

SKERRY_API int
skerry_inject_partition(struct skerry *h, const char *origin, uint32_t ttl,
			const struct skerry_partition_opts *given,
			struct skerry_reference *ret_reference)
{
	struct skerry_partition_opts opts;
	struct outcome outcome = { .missing = 0 };
	int r;

	r = take_opts(h, given, &opts);
	if (r)
		return r;
	r = command(h, SKERRY_CMD_INJECT, origin, ttl, &opts, outcome_part,
		    &outcome);
	if (r)
		return r;
	if (!outcome.referenced)
		return lib_fail_fast(h, -EPROTO, "the agent gave no reference");
	if (ret_reference)
		*ret_reference = outcome.reference;
	if (opts.ret_seed)
		*opts.ret_seed = outcome.seed;
	return missing(h, &outcome, "the others are cut");
}

SKERRY_API int
skerry_explain_partition(struct skerry *h, const char *origin, uint32_t ttl,
			 const struct skerry_partition_opts *given,
			 skerry_row_fn *function, void *data)
{
	struct skerry_partition_opts opts;
	int r;

	r = take_opts(h, given, &opts);
	if (r)
		return r;
	return command(h, SKERRY_CMD_EXPLAIN, origin, ttl, &opts, function,
		       data);
}

SKERRY_API int
skerry_resolve_partition(struct skerry *h,
			 const struct skerry_reference *reference)
{
	struct outcome outcome = { .missing = 0 };
	struct tlv_writer w;
	uint8_t bytes[64];
	int r;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (reference)
		tlv_put(&w, SKERRY_K_REFERENCE, reference->id,
			sizeof(reference->id));
	else
		tlv_put_bool(&w, SKERRY_K_ALL, true);
	tlv_put_u64(&w, SKERRY_K_TIMEOUT_MS, TIMEOUT_MS);
	r = lib_call(h, SKERRY_CMD_RESOLVE, &w,
		     lib_deadline(h, TIMEOUT_MS) + GRACE_NS, outcome_part,
		     &outcome);
	return r ? r : missing(h, &outcome, "they are told again and again");
}

/* ---- the list ------------------------------------------------------------------ */

struct list {
	struct skerry_partition *partitions;
	size_t room;
	size_t count;
};

static void partition_row(void *data, const void *row, size_t size_bytes)
{
	struct list *list = data;
	struct skerry_partition p;
	struct tlv_reader r;
	bool by_lease;

	if (list->count++ >= list->room)
		return;
	memset(&p, 0, sizeof(p));
	if (tlv_find(row, size_bytes, SKERRY_K_REFERENCE, &r))
		tlv_id(&r, p.reference.id);
	tlv_find_str(row, size_bytes, SKERRY_K_NAME, p.name, sizeof(p.name));
	tlv_find_str(row, size_bytes, SKERRY_K_NODE, p.spec.name,
		     sizeof(p.spec.name));
	tlv_find_str(row, size_bytes, SKERRY_K_ORIGIN, p.origin,
		     sizeof(p.origin));
	tlv_find_str(row, size_bytes, SKERRY_K_SHAPE, p.shape, sizeof(p.shape));
	tlv_find_str(row, size_bytes, SKERRY_K_SCOPE, p.scope, sizeof(p.scope));
	tlv_find_str(row, size_bytes, SKERRY_K_VISIBILITY, p.visibility,
		     sizeof(p.visibility));
	by_lease = tlv_find_bool(row, size_bytes, SKERRY_K_BY_LEASE);
	p.remaining_ms =
		by_lease ? -1
			 : (int64_t)tlv_find_u64(row, size_bytes,
						 SKERRY_K_REMAINING_MS, 0);
	list->partitions[list->count - 1] = p;
}

/* A participant's spec, where this node knows it. */
static void known_row(void *data, const void *row, size_t size_bytes)
{
	struct list *list = data;
	struct skerry_spec spec;

	lib_spec_read(row, size_bytes, &spec);
	for (size_t i = 0; i < list->count && i < list->room; i++)
		if (!strcmp(list->partitions[i].spec.name, spec.name))
			list->partitions[i].spec = spec;
}

/* What this node's kernel did for a reference. */
static void rule_row(void *data, const void *row, size_t size_bytes)
{
	struct list *list = data;
	struct tlv_reader r;

	if (!tlv_find(row, size_bytes, SKERRY_K_REFERENCE, &r) ||
	    r.length != sizeof(struct skerry_reference))
		return;
	for (size_t i = 0; i < list->count && i < list->room; i++) {
		struct skerry_partition *p = &list->partitions[i];

		if (memcmp(p->reference.id, r.value, sizeof(p->reference.id)))
			continue;
		p->seen_packets +=
			tlv_find_u64(row, size_bytes, SKERRY_K_SEEN_PACKETS, 0);
		p->dropped_packets += tlv_find_u64(row, size_bytes,
						   SKERRY_K_DROPPED_PACKETS, 0);
		p->leaked_packets += tlv_find_u64(row, size_bytes,
						  SKERRY_K_LEAKED_PACKETS, 0);
	}
}

SKERRY_API int skerry_partitions(struct skerry *h,
				 struct skerry_partition *ret_partitions,
				 size_t room)
{
	struct list list = { .partitions = ret_partitions, .room = room };
	int r;

	r = skerry_query(h, "partitions", partition_row, &list);
	if (r < 0)
		return r;
	if (list.count && room) {
		r = skerry_query(h, "known", known_row, &list);
		if (r >= 0)
			r = skerry_query(h, "rules", rule_row, &list);
		if (r < 0)
			return r;
	}
	return (int)list.count;
}
