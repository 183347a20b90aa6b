/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * update.h - what a step hands out: operations in order, and the memory
 * their bytes and sentences lie in until the next step.
 *
 * Whoever adds operations first looks whether there is room; what does not
 * fit stays due and comes with the next step (`more`).
 */
#ifndef SKERRY_UPDATE_H
#define SKERRY_UPDATE_H

#include "event.h"

#define UPDATE_ARENA_BYTES (256U << 10)
/* Kept free by work that can wait, for what must be said at once. */
#define UPDATE_RESERVE 32U

struct update {
	struct core_op ops[CORE_OPS_MAX];
	size_t count;
	bool more;
	size_t used_bytes;
	uint8_t arena[UPDATE_ARENA_BYTES] __attribute__((aligned(8)));
};

void update_reset(struct update *u);
size_t update_room(const struct update *u);
size_t update_space(const struct update *u);
/* True when `ops` more and `bytes` more fit beside the reserve. */
bool update_fits(const struct update *u, size_t ops, size_t bytes);

/* The next operation, zeroed but for its type. There must be room. */
struct core_op *update_op(struct update *u, enum core_op_type type);
/* Memory that lives as long as the update; NULL when there is none left. */
void *update_alloc(struct update *u, size_t size_bytes);
/* Give back the end of what update_alloc() returned last. */
void update_trim(struct update *u, const void *last, size_t used_bytes);
/* Copies; empty when there is no space (for sentences, that is bearable). */
struct core_bytes update_copy(struct update *u, const void *data,
			      size_t size_bytes);
const char *update_text(struct update *u, const char *text);

#endif
