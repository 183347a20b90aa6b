/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * conntab.h - the lanes the core knows, found by id. A lane belongs to a
 * member's list, or, while nobody knows who answers, to its join.
 */
#ifndef SKERRY_CONNTAB_H
#define SKERRY_CONNTAB_H

#include "event.h"
#include "list.h"

#define CONNTAB_NONE UINT32_MAX

enum lane_state {
	LANE_DIALLING, /* OP_DIAL given */
	LANE_ADMITTED, /* both proofs are good; EV_LANE_UP is awaited */
	LANE_UP,
	LANE_CLOSING, /* OP_CLOSE or OP_REFUSE given; EV_LANE_DOWN awaited */
};

/* How a lane that is not wanted any more shall go. */
enum lane_doom {
	DOOM_NO,
	DOOM_DRAIN,
	DOOM_ABORT,
};

struct lane {
	struct list link; /* in member->lanes, or by itself */
	uint64_t id;
	uint64_t generation;
	uint64_t since_ns; /* when it came into this state */
	uint64_t heard_ns; /* last bytes */
	uint64_t pinged_ns; /* last PING that has no answer yet; else 0 */
	uint32_t member; /* slot, or CONNTAB_NONE */
	uint32_t join; /* slot, or CONNTAB_NONE */
	uint32_t attempt; /* of a connect, or CONNTAB_NONE */
	uint32_t next; /* in its bucket, or in the free list */
	uint8_t state; /* enum lane_state */
	uint8_t doom; /* enum lane_doom: to be closed when there is room */
	uint8_t channel;
	uint8_t index;
	bool dialled; /* by us */
	bool routed; /* OP_ROUTE names it */
	bool blocked; /* its queue is above half */
	bool tells; /* admitted only to tell: never a route */
	bool used;
};

struct conntab {
	struct lane *lanes;
	uint32_t *buckets;
	uint32_t max, mask;
	uint32_t touched; /* slots ever used; those above are untouched */
	uint32_t free; /* list of slots given back */
	uint32_t count;
	uint64_t next_id; /* of our next dial: even */
};

size_t conntab_size(uint32_t lanes_max);
void conntab_init(struct conntab *tab, void *memory, uint32_t lanes_max);
struct lane *conntab_find(const struct conntab *tab, uint64_t id);
/* A new lane; NULL when the table is full. The id must be new. */
struct lane *conntab_add(struct conntab *tab, uint64_t id);
void conntab_del(struct conntab *tab, struct lane *lane);
/* An id for a lane we dial. */
uint64_t conntab_next_id(struct conntab *tab);

#endif
