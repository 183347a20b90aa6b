// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_shapes.c - grudges drawn by chance, in the words of Jepsen's
 * nemesis. The nodes in name order and the seed are all that decides.
 *
 * halves           two groups, the smaller one first
 * majority         a minority, as large as it can be, and the others
 * minority-third   as many as are less than a third, and the others
 * random           each node in one of two groups; none is empty
 * bridge           halves of all but one node, which is in neither
 * majorities-ring  each sees a majority, no two see the same one
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

#define SHAPE_STREAM 0x736861706573ULL
#define RANDOM_TRIES 64U

static void shuffle(struct partition *p, struct rng *rng)
{
	uint32_t i;

	for (i = p->place_count; i > 1; i--) {
		uint32_t k = (uint32_t)rng_below(rng, i);
		uint16_t node = p->places[i - 1];

		p->places[i - 1] = p->places[k];
		p->places[k] = node;
	}
}

/* The first so many against the others. */
static int two_groups(struct partition *p, uint16_t entry, uint32_t first)
{
	uint32_t i;

	p->entries[entry].components = 2;
	for (i = 0; i < p->place_count; i++)
		*partition_component(p, entry, p->places[i]) =
			i < first ? 1 : 2;
	return 0;
}

static int draw_random(struct partition *p, uint16_t entry, struct rng *rng)
{
	uint32_t tries, i, first = 0;

	p->entries[entry].components = 2;
	for (tries = 0; tries < RANDOM_TRIES; tries++) {
		for (first = 0, i = 0; i < p->place_count; i++) {
			bool here = rng_below(rng, 2) == 0;

			first += here;
			*partition_component(p, entry, p->places[i]) =
				here ? 1 : 2;
		}
		if (first && first < p->place_count)
			return 0;
	}
	/* Heads 64 times in a row. */
	return two_groups(p, entry, 1);
}

/*
 * The nodes in a ring, by chance; a majority is m of n. With m odd each sees
 * (m - 1) / 2 neighbours on either side. With m even it is one less on either
 * side, and the node opposite; where n is odd as well there is no such pairing
 * of all, and one node sees one more. A window tells which node it is of, so
 * no two see the same.
 */
static bool sees(uint32_t n, uint32_t a, uint32_t b)
{
	uint32_t m = n / 2 + 1;
	uint32_t reach = m % 2 ? (m - 1) / 2 : (m - 2) / 2;
	uint32_t low = a < b ? a : b;
	uint32_t apart = a < b ? b - a : a - b;

	if (apart <= reach || n - apart <= reach)
		return true;
	if (m % 2)
		return false;
	return apart == n / 2 && low + n / 2 < n;
}

static int draw_ring(struct partition *p, uint16_t entry)
{
	uint32_t n = p->place_count;
	uint32_t i, k;

	if (partition_matrix_new(p, entry))
		return -ENOSPC;
	p->entries[entry].components = 1;
	for (i = 0; i < n; i++) {
		*partition_component(p, entry, p->places[i]) = 1;
		for (k = 0; k < n; k++)
			if (i != k && !sees(n, i, k))
				partition_matrix_set(p, entry, p->places[i],
						     p->places[k]);
	}
	return 0;
}

static uint32_t least(uint8_t shape)
{
	switch (shape) {
	case PARTITION_MINORITY_THIRD:
		return 4;
	case PARTITION_MAJORITY:
	case PARTITION_MAJORITIES_RING:
		return 3;
	default:
		return 2;
	}
}

int partition_draw(struct partition *p, uint16_t entry, uint32_t *ret_least)
{
	struct partition_entry *e = &p->entries[entry];
	uint32_t n = p->place_count;
	struct rng rng;

	if (n < least(e->shape)) {
		*ret_least = least(e->shape);
		return -EINVAL;
	}
	rng_init(&rng, e->seed, SHAPE_STREAM);
	if (e->shape == PARTITION_RANDOM)
		return draw_random(p, entry, &rng);
	shuffle(p, &rng);
	switch (e->shape) {
	case PARTITION_MAJORITY:
		return two_groups(p, entry, (n - 1) / 2);
	case PARTITION_MINORITY_THIRD:
		return two_groups(p, entry, (n - 1) / 3);
	case PARTITION_MAJORITIES_RING:
		return draw_ring(p, entry);
	default:
		return two_groups(p, entry, n / 2);
	}
}
