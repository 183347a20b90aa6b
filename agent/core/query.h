/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * query.h - the tables people ask for, as rows of TLVs, in parts of at most
 * QUERY_PART_BYTES. A table is read where it is when its part is made: a
 * long one may change between two parts, but no row that stays is left out.
 */
#ifndef SKERRY_QUERY_H
#define SKERRY_QUERY_H

#include "event.h"

#define QUERIES_MAX 64U
#define QUERY_PART_BYTES (32U << 10)

struct core;
struct tlv_writer;

struct query {
	bool used;
	uint32_t program, correlation;
	uint8_t kind;
	size_t cursor;
	char after[SKERRY_NAME_MAX_BYTES + 1]; /* last name shown */
};

struct queries {
	struct query list[QUERIES_MAX];
	uint32_t used;
};

/* -ENOENT no such table, -EAGAIN too many questions at once. */
int query_command(struct core *core, const struct core_event *event);
/* The STATE command: parts of state.h. -EAGAIN. */
int query_state(struct core *core, const struct core_event *event);
void query_program_gone(struct core *core, uint32_t program);
void queries_flush(struct core *core);

#endif
