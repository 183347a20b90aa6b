/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * overlay.h - the strategy that decides who is whose neighbour and how the
 * membership spreads: one table of functions, one file each.
 */
#ifndef SKERRY_OVERLAY_H
#define SKERRY_OVERLAY_H

#include "event.h"
#include "spec.h"

struct core;
struct lane;
struct member;
struct removed;
struct stale;

struct overlay {
	const char *name;
	/* A node was admitted here: tell the others. */
	void (*join)(struct core *core, struct member *member);
	/* A node is removed on demand: it and the others learn of it. */
	void (*remove)(struct core *core, struct member *member);
	/* The last chance to tell a removed node, over its membership lane. */
	void (*parting)(struct core *core, struct member *member,
			const struct lane *lane);
	/* That incarnation is history, says source: the others learn of it. */
	void (*removed)(struct core *core, const char *name,
			uint64_t incarnation, const char *source,
			const char *why);
	/* An address leads to its node no more: the others learn of it. */
	void (*stale)(struct core *core, const struct stale *stale);
	/* We leave: what the others must hear, lane by lane. False: call
	 * again with the next step. */
	bool (*leave)(struct core *core);
	/* A MEMBER frame. -EPROTO: malformed, nothing changed. */
	int (*receive)(struct core *core, struct member *from,
		       struct core_bytes payload);
	/* Send what is due. Adds core_due() for later. */
	void (*tick)(struct core *core);
	/* The membership lane to that member. */
	void (*lane_up)(struct core *core, struct member *member);
	void (*lane_down)(struct core *core, struct member *member);
	/* Does this node keep lanes to it? */
	bool (*neighbour)(const struct core *core, const struct member *member);
	/* Overlay hops to a known node; 0 for ourselves, -1 unknown. */
	int (*distance)(const struct core *core, const char *name);
};

/* What the full mesh remembers beside the members. */
struct overlay_full {
	uint64_t collect_ns; /* when the collected delta goes out; 0: none */
	bool sending; /* a delta is on its way */
	uint32_t entry; /* first of the part being sent */
	uint32_t target; /* next slot to send it to */
	uint64_t digest_ns; /* next digest round */
	uint64_t full_ns; /* when "no room" was said last */
	uint32_t leave_target;
};

extern const struct overlay overlay_full;

/* NULL: no such overlay. */
const struct overlay *overlay_find(const char *name);

/* ---- what an overlay uses of the membership (gossip.c) ----------------- */

/*
 * A live entry another node told of (or, direct, itself). 0 taken over or
 * nothing new; -ENOSPC above the limit; -EEXIST a clone. *ret_news: it
 * changed something here.
 */
int gossip_live(struct core *core, const struct spec *spec,
		struct core_bytes raw, const char *source, bool *ret_news);
/* A removed entry. Returns it when it is kept, else NULL. */
struct removed *gossip_removed(struct core *core, const char *name,
			       uint64_t incarnation, const char *source,
			       const char *why, bool *ret_news);
/* Forget a member: lanes drain or are cut, watchers learn of it. */
void gossip_drop(struct core *core, struct member *member, bool drain,
		 const char *why, const char *source);

#endif
