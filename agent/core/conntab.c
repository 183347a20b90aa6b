// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* conntab.c - see conntab.h. */
#include "conntab.h"

#include <assert.h>
#include <string.h>

#include "hash.h"

static uint32_t bucket_count(uint32_t lanes_max)
{
	uint32_t count = 64;

	while (count < lanes_max)
		count *= 2;
	return count;
}

static size_t lanes_bytes(uint32_t lanes_max)
{
	return (lanes_max * sizeof(struct lane) + 15) & ~(size_t)15;
}

size_t conntab_size(uint32_t lanes_max)
{
	return lanes_bytes(lanes_max) +
	       bucket_count(lanes_max) * sizeof(uint32_t);
}

void conntab_init(struct conntab *tab, void *memory, uint32_t lanes_max)
{
	uint8_t *at = memory;

	memset(tab, 0, sizeof(*tab));
	tab->lanes = memory;
	tab->buckets = (void *)(at + lanes_bytes(lanes_max));
	tab->max = lanes_max;
	tab->mask = bucket_count(lanes_max) - 1;
	tab->free = CONNTAB_NONE;
	tab->next_id = 2;
	memset(tab->buckets, 0xff, (tab->mask + 1) * sizeof(uint32_t));
}

static uint32_t *bucket(const struct conntab *tab, uint64_t id)
{
	return &tab->buckets[hash_mix(id) & tab->mask];
}

struct lane *conntab_find(const struct conntab *tab, uint64_t id)
{
	uint32_t slot = *bucket(tab, id);

	while (slot != CONNTAB_NONE) {
		struct lane *lane = &tab->lanes[slot];

		if (lane->id == id)
			return lane;
		slot = lane->next;
	}
	return NULL;
}

struct lane *conntab_add(struct conntab *tab, uint64_t id)
{
	uint32_t slot = tab->free;
	uint32_t *head = bucket(tab, id);
	struct lane *lane;

	assert(!conntab_find(tab, id));
	if (slot != CONNTAB_NONE)
		tab->free = tab->lanes[slot].next;
	else if (tab->touched < tab->max)
		slot = tab->touched++;
	else
		return NULL;
	lane = &tab->lanes[slot];
	memset(lane, 0, sizeof(*lane));
	list_init(&lane->link);
	lane->id = id;
	lane->member = CONNTAB_NONE;
	lane->join = CONNTAB_NONE;
	lane->attempt = CONNTAB_NONE;
	lane->used = true;
	lane->next = *head;
	*head = slot;
	tab->count++;
	return lane;
}

void conntab_del(struct conntab *tab, struct lane *lane)
{
	uint32_t slot = (uint32_t)(lane - tab->lanes);
	uint32_t *at = bucket(tab, lane->id);

	while (*at != slot) {
		assert(*at != CONNTAB_NONE);
		at = &tab->lanes[*at].next;
	}
	*at = lane->next;
	list_del(&lane->link);
	lane->used = false;
	lane->next = tab->free;
	tab->free = slot;
	tab->count--;
}

uint64_t conntab_next_id(struct conntab *tab)
{
	uint64_t id = tab->next_id;

	tab->next_id += 2;
	return id;
}
