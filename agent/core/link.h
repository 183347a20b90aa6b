/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * link.h - the lanes between this node and one member: which are missing,
 * who dials, when again, which one stays of two, and what a member's state
 * does to them.
 */
#ifndef SKERRY_LINK_H
#define SKERRY_LINK_H

#include "conntab.h"
#include "event.h"
#include "members.h"

struct core;

/* Said about the other side's own name, beside the details of a handshake. */
struct link_tell {
	uint64_t incarnation; /* 0: nothing */
	bool removed;
};

struct link_offer {
	const char *channel;
	uint8_t index;
	uint64_t generation;
	const char *expect; /* NULL: any name */
	uint64_t meant; /* by a newcomer: their incarnation; else 0 */
	bool pending, takeover;
	struct link_tell tell;
	const char *told; /* by the dialler: whom `tell` is about; NULL */
	bool left; /* we are not what the dialler takes us for */
};

/* Handshake details in the update's memory; empty: no space. */
struct core_bytes link_details(struct core *core,
			       const struct link_offer *offer);

/* The lane that serves (channel, index), or would: not closing. NULL. */
struct lane *link_at(const struct core *core, const struct member *member,
		     uint8_t channel, uint8_t index);
/* The routed membership lane; NULL. */
struct lane *link_membership(const struct core *core,
			     const struct member *member);
/* Lanes wanted and up over all stream channels. */
void link_count(const struct core *core, const struct member *member,
		uint32_t *ret_wanted, uint32_t *ret_up);
bool link_complete(const struct core *core, const struct member *member);
/* Generations seen at a place. */
uint64_t *link_seen(const struct core *core, struct member *member,
		    uint8_t channel, uint8_t index);
/* Which of two lanes of one place stays? */
bool link_beats(const struct core *core, const struct member *member,
		uint64_t generation, bool dialled, const struct lane *old);

/* Close or refuse one lane; its EV_LANE_DOWN is awaited. */
void link_close(struct core *core, struct lane *lane, bool drain,
		const char *why);
/*
 * None of the member's lanes is one any more; they are closed as there is
 * room. Those that are not up yet are spared unless `all`: they are what
 * shall replace the others.
 */
void link_doom(struct core *core, struct member *member, enum lane_doom how,
	       bool all);
void link_up(struct core *core, struct lane *lane);
/* The lane is gone; everything about it but the dial's back-off. */
void link_gone(struct core *core, struct lane *lane, const char *why);
/* A dial failed: wait longer before the next. */
void link_backoff(struct core *core, struct member *member, bool grow);
/* A delay of about delay_ms: 25 % more or less by chance. */
uint64_t link_jitter_ns(struct core *core, uint32_t delay_ms);

/* Everything due for one member, as far as it fits into the update. */
void link_scan(struct core *core, struct member *member);

#endif
