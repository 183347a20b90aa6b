// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* rng.c - seeded streams of chance; see rng.h. */
#include "rng.h"

#include <assert.h>

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z;

	*state += 0x9e3779b97f4a7c15ULL;
	z = *state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *rng, uint64_t seed, uint64_t stream)
{
	uint64_t state = seed;
	uint64_t mixed;
	int i;

	mixed = splitmix64(&state);
	state = mixed ^ (stream * 0xd1342543de82ef95ULL);
	for (i = 0; i < 4; i++)
		rng->s[i] = splitmix64(&state);
}

uint64_t rng_u64(struct rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	uint64_t limit, value;

	assert(bound > 0);
	/* Reject the uneven rest, so that every value is equally likely. */
	limit = UINT64_MAX - UINT64_MAX % bound;
	do {
		value = rng_u64(rng);
	} while (value >= limit);
	return value % bound;
}
