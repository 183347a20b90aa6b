// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_grudge.c - who is cut from whom.
 *
 * A node has in each entry the number of its component, 0 for none. In
 * `around` and `isolate`, 0 is the component "everybody else"; in `around`
 * each named node is a component of its own, and all have the number 1. With
 * a matrix, all it is about have the number 1; with an address, this node.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	enum partition_form form;
	bool drawn;
} shapes[PARTITION_SHAPES] = {
	[PARTITION_AROUND] = { "around", FORM_REGION, false },
	[PARTITION_ISOLATE] = { "isolate", FORM_ISOLATE, false },
	[PARTITION_SPLIT] = { "split", FORM_COMPONENTS, false },
	[PARTITION_HALVES] = { "halves", FORM_COMPONENTS, true },
	[PARTITION_MAJORITY] = { "majority", FORM_COMPONENTS, true },
	[PARTITION_MINORITY_THIRD] = { "minority-third", FORM_COMPONENTS,
				       true },
	[PARTITION_RANDOM] = { "random", FORM_COMPONENTS, true },
	[PARTITION_BRIDGE] = { "bridge", FORM_COMPONENTS, true },
	[PARTITION_ONE_WAY] = { "one-way", FORM_COMPONENTS, false },
	[PARTITION_MAJORITIES_RING] = { "majorities-ring", FORM_MATRIX, true },
	[PARTITION_MATRIX] = { "matrix", FORM_MATRIX, false },
	[PARTITION_TO] = { "to", FORM_ADDRESS, false },
};

static const char *const visibilities[PARTITION_VISIBILITIES] = {
	[PARTITION_WIRE] = "wire",
	[PARTITION_LOCAL] = "local",
	[PARTITION_REJECT] = "reject",
	[PARTITION_SEVER] = "sever",
};

const char *partition_shape_name(uint8_t shape)
{
	return shape < PARTITION_SHAPES ? shapes[shape].name : "?";
}

const char *partition_visibility_name(uint8_t visibility)
{
	return visibility < PARTITION_VISIBILITIES ? visibilities[visibility]
						   : "?";
}

int partition_shape_parse(const char *name, uint8_t *ret_shape)
{
	uint8_t i;

	for (i = 0; i < PARTITION_SHAPES; i++) {
		if (strcmp(name, shapes[i].name) == 0) {
			*ret_shape = i;
			return 0;
		}
	}
	return -EINVAL;
}

int partition_visibility_parse(const char *name, uint8_t *ret_visibility)
{
	uint8_t i;

	for (i = 0; i < PARTITION_VISIBILITIES; i++) {
		if (strcmp(name, visibilities[i]) == 0) {
			*ret_visibility = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *partition_scope_name(const struct partition_entry *e)
{
	return partition_form(e) == FORM_ADDRESS ? "host" : "node";
}

enum partition_form partition_form(const struct partition_entry *e)
{
	return shapes[e->shape].form;
}

bool partition_drawn(const struct partition_entry *e)
{
	return shapes[e->shape].drawn;
}

int partition_able(const struct partition *p, const struct partition_entry *e,
		   const char **ret_what)
{
	if (partition_form(e) == FORM_ADDRESS && !p->cut_address)
		*ret_what = "cuts from an address";
	else if (e->loss_ppm && !p->cut_loss)
		*ret_what = "cuts that drop some packets and not others";
	else if (e->visibility == PARTITION_REJECT && !p->cut_reject)
		*ret_what = "visibility reject";
	else
		return 0;
	return -EOPNOTSUPP;
}

void partition_check_able(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	const char *what = "";

	if (!partition_participant(p, entry, p->self))
		return;
	e->error = partition_able(p, e, &what);
	if (e->error)
		partition_audit(p, CORE_LOG_WARNING, "partition_failed", entry,
				&e->by, "this kernel is not able to");
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

static bool by_matrix(const struct partition *p, size_t entry, size_t node,
		      uint8_t *ret_direction)
{
	bool out = partition_matrix_get(p, entry, p->self, node);
	bool in = partition_matrix_get(p, entry, node, p->self);

	*ret_direction = !in	? PARTITION_OUT
			 : !out ? PARTITION_IN
				: PARTITION_BOTH;
	return in || out;
}

static bool by_component(const struct partition *p, size_t entry, size_t node,
			 uint8_t *ret_direction)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t own = *partition_component(p, entry, p->self);
	uint8_t other;

	/* One cut from everybody is all an isolated node needs. */
	if (e->has_else && own)
		return false;
	other = *partition_component(p, entry, node);
	if (own == other || !other || (!own && !e->has_else))
		return false;
	return between(e, own, other, ret_direction);
}

/* The slot that is for everybody, or for the address. */
static bool by_slot(const struct partition *p, size_t entry,
		    uint8_t *ret_direction)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t own = *partition_component(p, entry, p->self);

	if (partition_form(e) != FORM_ADDRESS)
		return e->has_else && own && between(e, own, 0, ret_direction);
	*ret_direction = e->one_way ? PARTITION_OUT : PARTITION_BOTH;
	return true;
}

/* What leaves a node is judged there, and what arrives not once more. */
static bool once(const struct partition_entry *e, uint8_t *ret_direction)
{
	if (!e->loss_ppm || partition_form(e) == FORM_ADDRESS)
		return true;
	if (*ret_direction == PARTITION_IN)
		return false;
	*ret_direction = PARTITION_OUT;
	return true;
}

bool partition_wanted(const struct partition *p, size_t entry, size_t node,
		      uint8_t *ret_direction)
{
	const struct partition_entry *e = &p->entries[entry];
	bool wanted;

	if (!e->used || e->resolved || e->lifted || e->error)
		return false;
	if (node == p->nodes_max)
		wanted = by_slot(p, entry, ret_direction);
	else if (node == p->self || !p->nodes[node].used ||
		 !p->nodes[node].known)
		return false;
	else if (partition_form(e) == FORM_MATRIX)
		wanted = by_matrix(p, entry, node, ret_direction);
	else
		wanted = by_component(p, entry, node, ret_direction);
	return wanted && once(e, ret_direction);
}

uint32_t partition_isolated(const struct partition *p, uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];
	uint32_t size[PARTITION_COMPONENTS_MAX + 1] = { 0 };
	uint32_t total = 0;
	uint32_t largest = 0;
	size_t i;

	if (partition_form(e) == FORM_ADDRESS)
		return 0;
	if (partition_form(e) == FORM_MATRIX)
		return partition_matrix_isolated(p, entry,
						 partition_known_count(p));
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

static bool same_target(const struct partition_entry *x,
			const struct partition_entry *y)
{
	return memcmp(x->target.ip, y->target.ip, sizeof(x->target.ip)) == 0 &&
	       x->target.port == y->target.port &&
	       x->prefix_bits == y->prefix_bits && x->protocol == y->protocol;
}

/* Another draw over the same nodes is the same spec; another seed is not. */
static bool same_draw(const struct partition *p, uint16_t a, uint16_t b)
{
	const struct partition_entry *x = &p->entries[a];
	const struct partition_entry *y = &p->entries[b];
	size_t i;

	if (x->shape == PARTITION_BRIDGE && strcmp(x->origin, y->origin))
		return false;
	for (i = 0; i < p->nodes_max; i++)
		if (!*partition_component(p, a, i) !=
		    !*partition_component(p, b, i))
			return false;
	return !y->has_seed || x->seed == y->seed;
}

static bool same_matrix(const struct partition *p, uint16_t a, uint16_t b)
{
	size_t i, k;

	for (i = 0; i < p->nodes_max; i++)
		for (k = 0; k < p->nodes_max; k++)
			if (partition_matrix_get(p, a, i, k) !=
			    partition_matrix_get(p, b, i, k))
				return false;
	return true;
}

bool partition_same_spec(const struct partition *p, uint16_t a, uint16_t b)
{
	const struct partition_entry *x = &p->entries[a];
	const struct partition_entry *y = &p->entries[b];

	if (x->shape != y->shape || x->visibility != y->visibility ||
	    x->one_way != y->one_way || x->duration_ms != y->duration_ms ||
	    x->loss_ppm != y->loss_ppm)
		return false;
	if (partition_drawn(x))
		return same_draw(p, a, b);
	if (y->has_seed && x->seed != y->seed)
		return false;
	/* A region is what was around then, and may have changed since. */
	if (x->shape == PARTITION_AROUND)
		return x->ttl == y->ttl && strcmp(x->origin, y->origin) == 0;
	if (partition_form(x) == FORM_ADDRESS)
		return same_target(x, y);
	if (partition_form(x) == FORM_MATRIX && !same_matrix(p, a, b))
		return false;
	return memcmp(partition_component(p, a, 0),
		      partition_component(p, b, 0), p->nodes_max) == 0;
}
