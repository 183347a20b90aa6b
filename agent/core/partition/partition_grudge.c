// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_grudge.c - who is cut from whom.
 *
 * A node has in each entry the number of its component, 0 for none. In
 * `around` and `isolate`, 0 is the component "everybody else"; in `around`
 * each named node is a component of its own, and all have the number 1.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

static const char *const shape_names[PARTITION_SHAPES] = {
	[PARTITION_AROUND] = "around",
	[PARTITION_ISOLATE] = "isolate",
	[PARTITION_SPLIT] = "split",
};

const char *partition_shape_name(uint8_t shape)
{
	return shape < PARTITION_SHAPES ? shape_names[shape] : "?";
}

const char *partition_visibility_name(uint8_t visibility)
{
	return visibility == PARTITION_WIRE ? "wire" : "local";
}

int partition_shape_parse(const char *name, uint8_t *ret_shape)
{
	uint8_t i;

	for (i = 0; i < PARTITION_SHAPES; i++) {
		if (strcmp(name, shape_names[i]) == 0) {
			*ret_shape = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Our cut when our component is `own` and the other's is `other`. */
static bool between(const struct partition_entry *e, uint8_t own, uint8_t other,
		    uint8_t *ret_direction)
{
	if (!e->one_way) {
		*ret_direction = PARTITION_BOTH;
		return true;
	}
	if (own == 1)
		*ret_direction = PARTITION_OUT;
	else if (other == 1)
		*ret_direction = PARTITION_IN;
	else
		return false;
	return true;
}

bool partition_wanted(const struct partition *p, size_t entry, size_t node,
		      uint8_t *ret_direction)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t own = *partition_component(p, entry, p->self);
	uint8_t other;

	if (!e->used || e->resolved || e->lifted || e->error)
		return false;
	if (node == p->nodes_max)
		return e->has_else && own && between(e, own, 0, ret_direction);
	if (node == p->self || !p->nodes[node].used || !p->nodes[node].known)
		return false;
	/* One cut from everybody is all an isolated node needs. */
	if (e->has_else && own)
		return false;
	other = *partition_component(p, entry, node);
	if (own == other || !other || (!own && !e->has_else))
		return false;
	return between(e, own, other, ret_direction);
}

uint32_t partition_isolated(const struct partition *p, uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];
	uint32_t size[PARTITION_COMPONENTS_MAX + 1] = { 0 };
	uint32_t total = 0;
	uint32_t largest = 0;
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (partition_participant(p, entry, node))
			size[*partition_component(p, entry, node)]++;
	}
	if (e->shape == PARTITION_AROUND)
		return size[1]; /* each is alone */
	for (i = 0; i <= PARTITION_COMPONENTS_MAX; i++) {
		total += size[i];
		if (size[i] > largest)
			largest = size[i];
	}
	return total - largest;
}

bool partition_same_spec(const struct partition *p, uint16_t a, uint16_t b)
{
	const struct partition_entry *x = &p->entries[a];
	const struct partition_entry *y = &p->entries[b];

	if (x->shape != y->shape || x->visibility != y->visibility ||
	    x->one_way != y->one_way || x->duration_ms != y->duration_ms)
		return false;
	/* A region is what was around then, and may have changed since. */
	if (x->shape == PARTITION_AROUND)
		return x->ttl == y->ttl && strcmp(x->origin, y->origin) == 0;
	return memcmp(partition_component(p, a, 0),
		      partition_component(p, b, 0), p->nodes_max) == 0;
}
