// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition.c - the registry of partitions; see partition.h. */
#include "partition_private.h"

#include <assert.h>
#include <string.h>

#define RNG_STREAM 0x706172746974696fULL

/* Nodes that are known, and names that entries speak of. */
static uint32_t nodes_max_of(const struct partition_limits *limits)
{
	return limits->members_max + limits->members_max / 8 + 16;
}

static size_t blob_max_of(const struct partition_limits *limits)
{
	size_t names = (size_t)nodes_max_of(limits) *
		       (SKERRY_NAME_MAX_BYTES + 2 * sizeof(struct skerry_tlv));

	names += (size_t)nodes_max_of(limits) * nodes_max_of(limits) / 8 + 1024;
	return names < PARTITION_BLOB_MAX_BYTES ? names
						: PARTITION_BLOB_MAX_BYTES;
}

static size_t answer_max_of(const struct partition_limits *limits)
{
	size_t names = (size_t)nodes_max_of(limits) * 2 *
		       (SKERRY_NAME_MAX_BYTES + sizeof(struct skerry_tlv));

	names += 1024;
	return names < PARTITION_ANSWER_MAX_BYTES ? names
						  : PARTITION_ANSWER_MAX_BYTES;
}

static uint32_t matrices_max_of(const struct partition_limits *limits)
{
	return limits->partitions_max < SKERRY_PARTITION_MATRICES_MAX
		       ? limits->partitions_max
		       : SKERRY_PARTITION_MATRICES_MAX;
}

/* Cut the block into pieces; with memory NULL only count. */
static void *carve(uint8_t *memory, size_t *used, size_t size_bytes)
{
	void *piece = memory ? memory + *used : NULL;

	*used += (size_bytes + 15) & ~(size_t)15;
	return piece;
}

static size_t lay_out(uint8_t *memory, const struct partition_limits *limits,
		      struct partition **ret_p)
{
	struct partition *p, scratch;
	uint32_t nodes_max = nodes_max_of(limits);
	uint32_t entries_max = limits->partitions_max;
	size_t blob_max = blob_max_of(limits);
	size_t used = 0;
	size_t i;

	p = carve(memory, &used, sizeof(*p));
	if (!p)
		p = &scratch;
	p->nodes = carve(memory, &used, nodes_max * sizeof(*p->nodes));
	p->order = carve(memory, &used, nodes_max * sizeof(*p->order));
	p->entries = carve(memory, &used, entries_max * sizeof(*p->entries));
	p->component = carve(memory, &used, (size_t)entries_max * nodes_max);
	p->flags = carve(memory, &used, (size_t)entries_max * (nodes_max + 1));
	p->places = carve(memory, &used, nodes_max * sizeof(*p->places));
	p->matrices = carve(memory, &used,
			    matrices_max_of(limits) *
				    (((size_t)nodes_max * nodes_max + 7) / 8));
	for (i = 0; i < SKERRY_INQUIRIES_MAX; i++) {
		p->inquiries[i].asked = carve(memory, &used, nodes_max);
		p->inquiries[i].cursor =
			carve(memory, &used,
			      nodes_max * sizeof(*p->inquiries[i].cursor));
	}
	p->blob = carve(memory, &used, blob_max);
	p->scratch = carve(memory, &used, answer_max_of(limits));
	for (i = 0; i < PARTITION_REASSEMBLIES; i++)
		p->reassembly[i].data = carve(memory, &used, blob_max);
	*ret_p = p;
	return used;
}

size_t partition_size(const struct partition_limits *limits)
{
	struct partition *p;

	return lay_out(NULL, limits, &p);
}

struct partition *partition_init(void *memory,
				 const struct partition_limits *limits,
				 const struct partition_env *env,
				 const struct core_config *config,
				 uint64_t seed)
{
	struct partition *p;
	size_t size = partition_size(limits);

	assert(limits->partitions_max > 0 &&
	       limits->partitions_max < PARTITION_NONE &&
	       nodes_max_of(limits) < PARTITION_NONE);
	memset(memory, 0, size);
	lay_out(memory, limits, &p);
	p->limits = *limits;
	p->env = *env;
	p->nodes_max = nodes_max_of(limits);
	p->matrices_max = matrices_max_of(limits);
	p->blob_max_bytes = blob_max_of(limits);
	p->scratch_bytes = answer_max_of(limits);
	p->blob_entry = PARTITION_NONE;
	p->adding = PARTITION_NONE;
	rng_init(&p->rng, seed, RNG_STREAM);
	p->self = partition_node_intern(p, config->name);
	p->nodes[p->self].known = true;
	p->nodes[p->self].peer = CORE_PEER_SELF;
	partition_configure(p, config);
	return p;
}

void partition_configure(struct partition *p, const struct core_config *config)
{
	p->cut_max_ms = config->cut_max_ms;
	p->cut_share_percent = config->cut_share_percent;
	p->cut_loss = config->cut_loss;
	p->cut_reject = config->cut_reject;
	p->cut_address = config->cut_address;
	p->port_base = config->port_base;
	p->address_count = config->address_count;
	memcpy(p->addresses, config->addresses, sizeof(p->addresses));
}

void partition_now(struct partition *p, uint64_t now_ns)
{
	p->now_ns = now_ns;
	if (p->started)
		return;
	p->started = true;
	p->start_ns = now_ns;
}

uint64_t partition_backoff(uint64_t wait_ns)
{
	if (!wait_ns)
		return PARTITION_RETRY_MIN_NS;
	if (wait_ns * 2 > PARTITION_RETRY_MAX_NS)
		return PARTITION_RETRY_MAX_NS;
	return wait_ns * 2;
}

/* FNV-1a, its high bits stirred in once more. */
uint64_t partition_hash(const void *data, size_t size_bytes)
{
	const uint8_t *at = data;
	uint64_t hash = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < size_bytes; i++)
		hash = (hash ^ at[i]) * 0x100000001b3ULL;
	hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

void partition_log(struct partition *p, enum core_log_level level,
		   const char *event, const struct partition_entry *e,
		   const char *text)
{
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (e) {
		tlv_put(&w, SKERRY_K_REFERENCE, e->reference, 16);
		if (e->name[0])
			tlv_put_str(&w, SKERRY_K_NAME, e->name);
		if (e->origin[0])
			tlv_put_str(&w, SKERRY_K_ORIGIN, e->origin);
		if (e->error)
			tlv_put_s64(&w, SKERRY_K_ERROR, e->error);
	}
	p->env.log(p->env.data, level, event, text,
		   (struct core_bytes) { bytes, w.used_bytes });
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Entries whose time is over; returns when the next one's is. */
static uint64_t expire(struct partition *p)
{
	uint64_t next = PARTITION_NEVER;
	uint16_t i;

	for (i = 0; i < p->limits.partitions_max; i++) {
		struct partition_entry *e = &p->entries[i];

		if (!e->used)
			continue;
		if (!e->resolved && e->deadline_ns &&
		    e->deadline_ns <= p->now_ns) {
			partition_audit(p, CORE_LOG_INFO, "partition_expired",
					i, &e->by, "its time is over");
			partition_resolve(p, i, false);
			partition_settle(p, i);
		}
		if (!e->resolved) {
			if (e->deadline_ns)
				next = earlier(next, e->deadline_ns);
		} else if (e->drop_ns > p->now_ns) {
			next = earlier(next, e->drop_ns);
		} else if (e->applied && !e->dirty && p->adding != i) {
			partition_entry_clear(p, i);
		}
	}
	return next;
}

static bool asking(const struct partition *p)
{
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		const struct partition_node *node = &p->nodes[p->order[i]];

		if (node->known && node->ask != ASK_NONE)
			return true;
	}
	return false;
}

/* What the peers told us is in the kernel as well. */
static bool quiet(const struct partition *p)
{
	return !p->cuts_dirty && !p->committing && !asking(p);
}

bool partition_settled(const struct partition *p)
{
	return p->settled || (p->ticked && quiet(p));
}

static void check_settled(struct partition *p)
{
	if (p->settled)
		return;
	/* Peers of the first instant have all been named after it. */
	if (p->now_ns - p->start_ns >= PARTITION_SETTLE_NS ||
	    (p->now_ns > p->start_ns && quiet(p)))
		p->settled = true;
}

uint64_t partition_tick(struct partition *p, uint64_t now_ns, uint64_t wall_us)
{
	uint64_t next;
	bool more;

	partition_now(p, now_ns);
	next = expire(p);
	more = partition_cuts_work(p);
	if (p->recommit)
		next = earlier(next, p->recommit_ns);
	p->budget = PARTITION_DATAGRAMS_PER_TICK;
	if (partition_send_work(p))
		more = true;
	partition_ledger_work(p);
	if (partition_inquiries_work(p))
		more = true;
	if (partition_waiters_work(p))
		more = true;
	/* Peers named in this first step are asked before anybody looks
	 * whether we are settled. */
	if (!p->ticked)
		more = true;
	p->ticked = true;
	check_settled(p);
	if (!p->settled)
		next = earlier(next, p->start_ns + PARTITION_SETTLE_NS);
	next = earlier(next, partition_waiters_next(p));
	next = earlier(next, partition_inquiries_next(p));
	next = earlier(next, partition_ledger_next(p));
	next = earlier(next, partition_send_next(p));
	return more ? now_ns : next;
}

void partition_program_gone(struct partition *p, uint32_t program)
{
	uint16_t e;
	size_t i;

	partition_inquiries_gone(p, program);
	for (i = 0; i < PARTITION_WAITERS_MAX; i++) {
		if (!p->waiters[i].used || p->waiters[i].program != program)
			continue;
		p->waiters[i].used = false;
		for (e = 0; e < p->limits.partitions_max; e++)
			p->entries[e].waiters &= ~(1ULL << i);
	}
}
