/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * core.h - the control plane: overlay, membership, detection, partitions
 * registry, watches. A state machine without system calls, clock or chance
 * of its own: it runs in the agent, in the simulator and in tests unchanged.
 */
#ifndef SKERRY_CORE_H
#define SKERRY_CORE_H

#include "event.h"

struct core;

/*
 * HMAC-SHA-256 with the cluster key over the parts in a row. The simulator
 * gives a keyed hash instead. Never fails.
 */
struct core_hmac {
	void *data;
	void (*function)(void *data, const struct core_bytes *parts,
			 size_t count, uint8_t ret_mac[32]);
};

struct core_limits {
	uint32_t members_max;
	uint32_t programs_max;
	uint32_t watches_max; /* all programs together */
	uint32_t partitions_max;
	uint32_t rules_max;
};

/* How many bytes a core with these limits needs, and how to place it there.
 * The memory stays the caller's; aligned to 16; there is nothing to free. */
size_t core_size(const struct core_limits *limits);
struct core *core_init(void *memory, const struct core_limits *limits,
		       const struct core_hmac *hmac);

/*
 * One event in, operations out. 0, or -errno with the core as it was:
 * -EINVAL an event of a type or lane that makes no sense now, -ENOSPC a
 * limit, -EPROTO bytes malformed (counted). The update is valid until the
 * next step, also on failure (then it is empty).
 */
int core_step(struct core *core, const struct core_event *event,
	      struct core_update *ret_update);

/* The node's own spec as TLVs (the inside of SKERRY_K_SPEC). */
struct core_bytes core_spec(const struct core *core);

#endif
