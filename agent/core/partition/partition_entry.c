// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_entry.c - the table of entries and their life. */
#include "partition_private.h"

#include <string.h>

uint8_t *partition_component(const struct partition *p, size_t entry,
			     size_t node)
{
	return &p->component[entry * p->nodes_max + node];
}

uint8_t *partition_flags(const struct partition *p, size_t entry, size_t node)
{
	return &p->flags[entry * (p->nodes_max + 1) + node];
}

uint8_t partition_told(const struct partition *p, size_t entry, size_t node)
{
	return *partition_flags(p, entry, node) & FLAG_TOLD;
}

void partition_set_told(struct partition *p, size_t entry, size_t node,
			uint8_t told)
{
	uint8_t *flags = partition_flags(p, entry, node);

	*flags = (uint8_t)((*flags & ~FLAG_TOLD) | told);
}

uint16_t partition_entry_find(const struct partition *p,
			      const uint8_t reference[16])
{
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (p->entries[e].used &&
		    memcmp(p->entries[e].reference, reference, 16) == 0)
			return e;
	return PARTITION_NONE;
}

void partition_entry_clear(struct partition *p, uint16_t entry)
{
	size_t n;

	for (n = 0; n < p->nodes_max; n++)
		if (p->nodes[n].chunk_entry == entry)
			p->nodes[n].chunk_entry = PARTITION_NONE;
	if (p->blob_entry == entry)
		p->blob_entry = PARTITION_NONE;
	if (p->entries[entry].waiters)
		p->waiters_dirty = true;
	partition_matrix_free(p, entry);
	memset(&p->entries[entry], 0, sizeof(p->entries[entry]));
	memset(partition_component(p, entry, 0), 0, p->nodes_max);
	memset(partition_flags(p, entry, 0), 0, p->nodes_max + 1);
}

/* Nothing of it is in the kernel or on the way there, and nobody waits. */
static bool may_drop(const struct partition *p, uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];

	return e->resolved && !e->dirty && e->applied && !e->waiters &&
	       p->adding != entry;
}

uint16_t partition_entry_slot(struct partition *p)
{
	uint16_t oldest = PARTITION_NONE;
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!p->entries[e].used) {
			partition_entry_clear(p, e);
			return e;
		}
		if (!may_drop(p, e))
			continue;
		if (oldest == PARTITION_NONE ||
		    p->entries[e].drop_ns < p->entries[oldest].drop_ns)
			oldest = e;
	}
	if (oldest != PARTITION_NONE)
		partition_entry_clear(p, oldest);
	return oldest;
}

bool partition_participant(const struct partition *p, size_t entry, size_t node)
{
	const struct partition_entry *e = &p->entries[entry];

	if (!p->nodes[node].used || !p->nodes[node].known)
		return false;
	return e->has_else || *partition_component(p, entry, node) != 0;
}

void partition_owe(struct partition *p, uint16_t entry, uint16_t node)
{
	struct partition_entry *e = &p->entries[entry];

	if (node == p->self || !p->nodes[node].known ||
	    partition_form(e) == FORM_ADDRESS)
		return;
	partition_set_told(p, entry, node, TOLD_OWED);
	if (p->nodes[node].chunk_entry == entry)
		p->nodes[node].chunk_entry = PARTITION_NONE;
	e->owed = true;
	e->round_ns = p->now_ns;
	e->round_wait_ns = 0;
	e->round_at = 0;
}

void partition_owe_all(struct partition *p, uint16_t entry)
{
	size_t i;

	for (i = 0; i < p->node_count; i++)
		partition_owe(p, entry, p->order[i]);
}

void partition_dirty(struct partition *p, uint16_t entry)
{
	p->entries[entry].dirty = true;
	p->entries[entry].applied = false;
	p->cuts_dirty = true;
}

void partition_settle(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];

	e->settled = true;
	e->drop_ns = p->now_ns + PARTITION_LINGER_NS;
}

void partition_resolve(struct partition *p, uint16_t entry, bool resolver)
{
	struct partition_entry *e = &p->entries[entry];
	size_t i;

	if (partition_form(e) == FORM_ADDRESS && !e->bare)
		p->kept_changed = true;
	partition_matrix_free(p, entry);
	e->resolved = true;
	e->resolver = resolver;
	e->error = 0;
	e->drop_ns = p->now_ns + PARTITION_KEEP_NS;
	e->owed = false;
	for (i = 0; i < p->node_count; i++)
		partition_set_told(p, entry, p->order[i], TOLD_NOTHING);
	for (i = 0; i < p->nodes_max; i++)
		if (p->nodes[i].chunk_entry == entry)
			p->nodes[i].chunk_entry = PARTITION_NONE;
	partition_dirty(p, entry);
	p->waiters_dirty = true;
	if (resolver) {
		partition_owe_all(p, entry);
		partition_check_told(p, entry);
	}
}

void partition_check_told(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (node != p->self && p->nodes[node].known &&
		    partition_told(p, entry, node) == TOLD_OWED)
			return;
	}
	e->owed = false;
	if (!e->resolved || !e->resolver || e->settled)
		return;
	partition_settle(p, entry);
	if (partition_form(e) == FORM_ADDRESS && !e->bare)
		return;
	e->forget_rounds = PARTITION_FORGET_ROUNDS;
	e->forget_ns = p->now_ns;
}

/* Of active entries alone, in whatever order they lie. */
uint64_t partition_digest(const struct partition *p)
{
	uint64_t digest = 0;
	size_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (p->entries[e].used && !p->entries[e].resolved &&
		    partition_form(&p->entries[e]) != FORM_ADDRESS)
			digest += partition_hash(p->entries[e].reference, 16);
	return digest;
}

uint64_t partition_remaining_ms(const struct partition *p, uint16_t entry,
				uint64_t now_ns)
{
	uint64_t deadline = p->entries[entry].deadline_ns;

	if (deadline <= now_ns)
		return 0;
	return (deadline - now_ns + PARTITION_MS - 1) / PARTITION_MS;
}
