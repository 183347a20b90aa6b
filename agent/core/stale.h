/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * stale.h - addresses that were a node's once and lead to it no more, found
 * so by a connect with prune. Every member learns of them and keeps the
 * SKERRY_STALE_MAX newest. At the moment one is learned, joins of that name,
 * or of no name, at that address are withdrawn; later the configuration and
 * discovery do not bring a join of that name there back. A program may still
 * ask for one, and a spec in which the node itself names the address again
 * ends it.
 */
#ifndef SKERRY_STALE_H
#define SKERRY_STALE_H

#include "event.h"
#include "spec.h"

struct core;

struct stale {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct skerry_addr address;
	uint64_t stamp_us; /* wall clock of who found it */
	bool dirty, in_delta;
};

struct stales {
	struct stale list[SKERRY_STALE_MAX];
	uint32_t count;
};

/* Returns the entry when it is news, and then joins are withdrawn; else
 * NULL. It may move with the next addition. */
struct stale *stale_add(struct core *core, const struct stale *stale);
/* Not to be tried unless somebody asks. */
bool stale_blocks(const struct core *core, const struct core_contact *contact);
/* The node says itself where it is. */
void stale_spec(struct core *core, const struct spec *spec);
void stale_clear(struct core *core);
/* The same for two nodes exactly when they have the same entries. */
uint64_t stale_digest(const struct core *core);

/* One SKERRY_K_STALE. */
void stale_write(const struct stale *stale, struct tlv_writer *w);
int stale_read(const struct tlv_reader *nest, struct stale *ret_stale);

#endif
