// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_node.c - the nodes the registry has heard of, by name. */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

/* Where the name is in `order`, or would be. */
static size_t order_place(const struct partition *p, const char *name,
			  bool *ret_found)
{
	size_t low = 0;
	size_t high = p->node_count;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = strcmp(p->nodes[p->order[middle]].name, name);

		if (c == 0) {
			*ret_found = true;
			return middle;
		}
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint16_t partition_node_find(const struct partition *p, const char *name)
{
	bool found;
	size_t place = order_place(p, name, &found);

	return found ? p->order[place] : PARTITION_NONE;
}

static bool referenced(const struct partition *p, size_t node)
{
	size_t e, i;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!p->entries[e].used)
			continue;
		if (*partition_component(p, e, node) ||
		    (*partition_flags(p, e, node) & FLAG_CUT))
			return true;
	}
	for (i = 0; i < PARTITION_REASSEMBLIES; i++)
		if (p->reassembly[i].used && p->reassembly[i].from == node)
			return true;
	return false;
}

static void forget_node(struct partition *p, size_t place)
{
	uint16_t node = p->order[place];
	size_t e, i;

	for (e = 0; e < p->limits.partitions_max; e++) {
		struct partition_entry *entry = &p->entries[e];

		*partition_component(p, e, node) = 0;
		*partition_flags(p, e, node) = 0;
		for (i = 0; i < entry->acks;) {
			if (entry->ack_to[i] == node)
				entry->ack_to[i] = entry->ack_to[--entry->acks];
			else
				i++;
		}
	}
	memset(&p->nodes[node], 0, sizeof(p->nodes[node]));
	p->node_count--;
	memmove(&p->order[place], &p->order[place + 1],
		(p->node_count - place) * sizeof(p->order[0]));
}

/* Room for one more: who is neither known nor named gives way. */
static bool make_room(struct partition *p)
{
	size_t place;

	if (p->node_count < p->nodes_max)
		return true;
	for (place = 0; place < p->node_count; place++) {
		uint16_t node = p->order[place];

		if (p->nodes[node].known || referenced(p, node))
			continue;
		forget_node(p, place);
		return true;
	}
	return false;
}

uint16_t partition_node_intern(struct partition *p, const char *name)
{
	struct partition_node *node;
	uint16_t index;
	size_t place;
	bool found;

	place = order_place(p, name, &found);
	if (found)
		return p->order[place];
	if (!make_room(p))
		return PARTITION_NONE;
	place = order_place(p, name, &found);
	for (index = 0; p->nodes[index].used; index++)
		continue;
	node = &p->nodes[index];
	memset(node, 0, sizeof(*node));
	memcpy(node->name, name, strlen(name));
	node->used = true;
	node->chunk_entry = PARTITION_NONE;
	memmove(&p->order[place + 1], &p->order[place],
		(p->node_count - place) * sizeof(p->order[0]));
	p->order[place] = index;
	p->node_count++;
	return index;
}

uint32_t partition_known_count(const struct partition *p)
{
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < p->node_count; i++)
		count += p->nodes[p->order[i]].known;
	return count;
}

/* Entries that have something to do with that node are looked at again. */
static void touch_entries(struct partition *p, uint16_t node)
{
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!p->entries[e].used || p->entries[e].resolved)
			continue;
		if (p->entries[e].has_else || *partition_component(p, e, node))
			partition_dirty(p, e);
	}
}

static void set_known(struct partition *p, uint16_t index, uint32_t peer)
{
	struct partition_node *node = &p->nodes[index];
	bool changed = node->peer != peer;
	size_t e;

	if (node->known && !changed)
		return;
	for (e = 0; changed && e < p->limits.partitions_max; e++)
		if (*partition_flags(p, e, index) & FLAG_CUT)
			*partition_flags(p, e, index) |= FLAG_STALE;
	node->known = true;
	node->peer = peer;
	touch_entries(p, index);
	p->waiters_dirty = true;
}

int partition_node_sync(struct partition *p)
{
	const char *name;
	uint32_t peer;
	uint16_t index;
	size_t i;

	for (i = 0; p->env.node(p->env.data, i, &name, &peer); i++) {
		index = partition_node_intern(p, name);
		if (index == PARTITION_NONE)
			return -ENOSPC;
		if (index != p->self)
			set_known(p, index, peer);
	}
	return 0;
}

void partition_node_ask(struct partition *p, uint16_t node)
{
	p->nodes[node].ask = ASK_WANTED;
	p->nodes[node].ask_tries = 0;
	p->nodes[node].ask_ns = p->now_ns;
}

void partition_node(struct partition *p, const char *name, uint64_t now_ns)
{
	const char *other;
	uint32_t peer;
	uint16_t index;
	size_t i;

	partition_now(p, now_ns);
	for (i = 0; p->env.node(p->env.data, i, &other, &peer); i++)
		if (strcmp(other, name) == 0)
			break;
	if (!p->env.node(p->env.data, i, &other, &peer) ||
	    peer == CORE_PEER_SELF)
		return;
	index = partition_node_intern(p, name);
	if (index == PARTITION_NONE || index == p->self) {
		if (index == PARTITION_NONE)
			partition_log(p, CORE_LOG_WARNING, "partition_nodes",
				      NULL, "too many nodes to remember");
		return;
	}
	set_known(p, index, peer);
	partition_node_ask(p, index);
	for (i = 0; i < p->limits.partitions_max; i++) {
		if (!p->entries[i].used || !p->entries[i].owed ||
		    partition_told(p, i, index) != TOLD_OWED)
			continue;
		p->entries[i].round_ns = now_ns;
		p->entries[i].round_at = 0;
	}
}

void partition_node_gone(struct partition *p, const char *name, uint64_t now_ns)
{
	uint16_t index = partition_node_find(p, name);
	size_t e;

	partition_now(p, now_ns);
	if (index == PARTITION_NONE || index == p->self)
		return;
	p->nodes[index].known = false;
	p->nodes[index].ask = ASK_NONE;
	p->nodes[index].answer_due = false;
	p->nodes[index].chunk_entry = PARTITION_NONE;
	p->waiters_dirty = true;
	touch_entries(p, index);
	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!p->entries[e].used)
			continue;
		partition_set_told(p, e, index, TOLD_NOTHING);
		partition_check_told(p, (uint16_t)e);
	}
}
