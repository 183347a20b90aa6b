// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow.c - the flow table's memory, time and programs; see flow.h. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

/* ---- memory --------------------------------------------------------------- */

static size_t rounded(size_t size_bytes)
{
	return (size_bytes + 63) & ~(size_t)63;
}

static uint64_t bucket_count(uint32_t objects)
{
	uint64_t count = 16;

	while (count < objects)
		count *= 2;
	return count;
}

static void *take(uint8_t *base, size_t *used, size_t size_bytes)
{
	void *at = base ? base + *used : NULL;

	*used += rounded(size_bytes);
	return at;
}

static void pool_lay(struct flow_pool *pool, uint8_t *base, size_t *used,
		     size_t object_bytes, uint32_t max)
{
	pool->object_bytes = object_bytes;
	pool->max = max;
	pool->base = take(base, used, object_bytes * max);
}

static void hash_lay(struct flow_hash *table, uint8_t *base, size_t *used,
		     uint32_t objects)
{
	uint64_t count = bucket_count(objects);

	table->buckets = take(base, used, count * sizeof(*table->buckets));
	table->mask = count - 1;
}

/* Where everything lies; with base NULL only how much it is. */
static size_t lay(struct flowtab *tab, uint8_t *base,
		  const struct flow_limits *limits)
{
	uint32_t flows = limits->flows_max < SKERRY_FLOWS_MAX
				 ? limits->flows_max
				 : SKERRY_FLOWS_MAX;
	uint32_t lanes = limits->lanes_max + 1;
	size_t used = rounded(sizeof(*tab));

	pool_lay(&tab->lanes, base, &used, sizeof(struct flow_lane), lanes);
	pool_lay(&tab->places, base, &used, sizeof(struct flow_place),
		 2 * lanes);
	pool_lay(&tab->endpoints, base, &used, sizeof(struct flow_endpoint),
		 limits->endpoints_max + limits->programs_max);
	pool_lay(&tab->outs, base, &used, sizeof(struct flow_out), flows);
	pool_lay(&tab->ins, base, &used, sizeof(struct flow_in), flows);
	pool_lay(&tab->pages, base, &used, sizeof(struct flow_page), flows);
	tab->programs = take(base, &used,
			     sizeof(*tab->programs) * limits->programs_max);
	hash_lay(&tab->lane_ids, base, &used, lanes);
	hash_lay(&tab->place_ids, base, &used, 2 * lanes);
	hash_lay(&tab->names, base, &used, limits->endpoints_max);
	hash_lay(&tab->keys, base, &used, flows);
	hash_lay(&tab->fast_ids, base, &used, flows / 16);
	return used;
}

size_t flowtab_size(const struct flow_limits *limits)
{
	struct flowtab tab;

	return lay(&tab, NULL, limits);
}

struct flowtab *flowtab_init(void *memory, const struct flow_limits *limits,
			     const struct flow_ops *ops, void *ops_data)
{
	struct flowtab *tab = memory;

	lay(tab, memory, limits);
	tab->limits = *limits;
	tab->ops = ops;
	tab->ops_data = ops_data;
	tab->wake_ns = UINT64_MAX;
	tab->seed = ops->random(ops_data);
	list_init(&tab->dirty_lanes);
	list_init(&tab->dirty_rings);
	list_init(&tab->starved_lanes);
	list_init(&tab->starved_rings);
	list_init(&tab->starved_programs);
	list_init(&tab->revoking);
	list_init(&tab->parked);
	list_init(&tab->routeless);
	list_init(&tab->waiting);
	list_init(&tab->kept);
	flow_lane_setup(&tab->self);
	tab->self.self = true;
	tab->self.peer = FLOW_PEER_SELF;
	return tab;
}

void *flow_pool_get(struct flow_pool *pool)
{
	void *object = pool->free;

	if (object)
		memcpy(&pool->free, object, sizeof(pool->free));
	else if (pool->touched < pool->max)
		object = pool->base + pool->object_bytes * pool->touched++;
	else
		return NULL;
	pool->used++;
	return object;
}

void flow_pool_put(struct flow_pool *pool, void *object)
{
	memcpy(object, &pool->free, sizeof(pool->free));
	pool->free = object;
	pool->used--;
}

void flow_hash_add(struct flow_hash *table, struct flow_chain *chain,
		   uint64_t hash)
{
	struct flow_chain **bucket = &table->buckets[hash & table->mask];

	chain->hash = hash;
	chain->next = *bucket;
	*bucket = chain;
}

void flow_hash_del(struct flow_hash *table, struct flow_chain *chain)
{
	struct flow_chain **at = &table->buckets[chain->hash & table->mask];

	while (*at && *at != chain)
		at = &(*at)->next;
	if (*at)
		*at = chain->next;
}

struct flow_chain *flow_hash_next(struct flow_chain *chain, uint64_t hash)
{
	while (chain && chain->hash != hash)
		chain = chain->next;
	return chain;
}

struct flow_chain *flow_hash_first(const struct flow_hash *table, uint64_t hash)
{
	return flow_hash_next(table->buckets[hash & table->mask], hash);
}

/* ---- time ----------------------------------------------------------------- */

void flow_time(struct flowtab *tab, uint64_t now_ns)
{
	if (!tab->started) {
		tab->started = true;
		tab->start_ns = now_ns;
	}
	if (now_ns > tab->now_ns)
		tab->now_ns = now_ns;
}

void flow_wake_by(struct flowtab *tab, uint64_t at_ns)
{
	if (at_ns < tab->wake_ns)
		tab->wake_ns = at_ns;
}

uint64_t flow_wake(const struct flowtab *tab)
{
	return tab->wake_ns;
}

/* Each turn takes one thing off a list; what cannot be done now leaves the
 * dirty lists for the starved ones, so this ends. */
void flow_settle(struct flowtab *tab)
{
	struct list *at;

	if (tab->settling)
		return;
	tab->settling = true;
	for (;;) {
		if (!list_empty(&tab->dirty_rings)) {
			at = tab->dirty_rings.next;
			list_del(at);
			flow_ring_serve(tab, list_object(at, struct flow_ring,
							 dirty));
		} else if (!list_empty(&tab->dirty_lanes)) {
			at = tab->dirty_lanes.next;
			list_del(at);
			flow_lane_flush(tab, list_object(at, struct flow_lane,
							 dirty));
		} else {
			flow_out_revoke_run(tab);
			if (list_empty(&tab->dirty_rings) &&
			    list_empty(&tab->dirty_lanes))
				break;
		}
	}
	tab->settling = false;
}

uint64_t flow_tick(struct flowtab *tab, uint64_t now_ns)
{
	flow_time(tab, now_ns);
	tab->wake_ns = UINT64_MAX;
	flow_in_tick(tab);
	flow_out_tick(tab);
	flow_ring_tick(tab);
	flow_lane_tick(tab);
	flow_settle(tab);
	return tab->wake_ns;
}

/* ---- programs ------------------------------------------------------------- */

struct flow_program *flow_program_find(struct flowtab *tab, uint32_t program)
{
	if (program >= tab->limits.programs_max || !tab->programs[program].used)
		return NULL;
	return &tab->programs[program];
}

int flow_program(struct flowtab *tab, uint32_t program,
		 const uint8_t instance[16])
{
	struct flow_program *p;
	uint32_t i;

	if (program >= tab->limits.programs_max)
		return -ENOSPC;
	p = &tab->programs[program];
	if (p->used)
		return -EEXIST;
	memset(p, 0, sizeof(*p));
	p->used = true;
	p->number = program;
	memcpy(p->instance, instance, sizeof(p->instance));
	list_init(&p->endpoints);
	list_init(&p->ins);
	list_init(&p->large_waiters);
	list_init(&p->starved);
	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		struct flow_ring *ring = &p->rings[i];

		ring->program = p;
		ring->channel = (uint8_t)i;
		list_init(&ring->waiters);
		list_init(&ring->due);
		list_init(&ring->dirty);
		list_init(&ring->starved);
	}
	return 0;
}

void flow_program_receives(struct flowtab *tab, uint32_t program,
			   uint32_t receives)
{
	struct flow_program *p = flow_program_find(tab, program);

	if (p)
		p->receives = receives;
}

void flow_channel_monotonic(struct flowtab *tab, uint8_t channel)
{
	if (channel < SKERRY_CHANNELS_MAX)
		tab->monotonic_channels |= 1U << channel;
}

void flow_program_gone(struct flowtab *tab, uint32_t program, uint64_t now_ns)
{
	struct flow_program *p = flow_program_find(tab, program);
	struct list *at, *after;
	uint32_t i;

	if (!p)
		return;
	flow_time(tab, now_ns);
	/* From here on nothing is shown or delivered to it any more. */
	p->used = false;
	for (i = 0; i < SKERRY_FLOWS_PER_PROGRAM_MAX; i++) {
		if (p->slots[i])
			flow_out_end(tab, p->slots[i]);
	}
	list_for_each_safe (at, after, &p->endpoints)
		flow_endpoint_free(tab,
				   list_object(at, struct flow_endpoint, link));
	list_for_each_safe (at, after, &p->ins)
		flow_in_end(tab, list_object(at, struct flow_in, program_link),
			    -ECONNRESET);
	list_del(&p->starved);
	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		list_del(&p->rings[i].dirty);
		list_del(&p->rings[i].starved);
	}
	flow_settle(tab);
}

void flow_counters(const struct flowtab *tab, struct flow_counters *ret)
{
	*ret = tab->counters;
	ret->flows_out = tab->outs.used;
	ret->flows_in = tab->ins.used;
	ret->endpoints = tab->endpoints.used - tab->own_endpoints;
}
