/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * rng.h - the core's only source of chance: xoshiro256** (Blackman, Vigna,
 * "Scrambled linear pseudorandom number generators", 2018), seeded through
 * splitmix64. One stream for each purpose, so that a new draw in one leaves
 * the others as they were. Not for secrets.
 */
#ifndef SKERRY_RNG_H
#define SKERRY_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* Same seed and stream: same numbers, everywhere. */
void rng_init(struct rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

#endif
