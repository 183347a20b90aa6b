/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * cuts.h - the cuts the core has asked for. With the kernel's help they are
 * handed on, and the swap waits on the helper thread; without it they are
 * kept here, and lanes and datagrams ask before they move a byte.
 *
 * The answer to a commit comes back as EV_CUTS_APPLIED with its token.
 */
#ifndef SKERRY_CUTS_H
#define SKERRY_CUTS_H

#include "../core/event.h"

struct agent;

struct cut {
	struct core_cut cut;
	bool active; /* committed */
	bool gone; /* to go at the next commit */
};

/* A cut that programs are told of: its visibility is `local`. */
struct cut_told {
	uint32_t handle;
	uint32_t peer;
	uint64_t deadline_ns;
};

#define CUTS_TOLD_MAX 1024U

struct cuts {
	struct cut *list; /* user-space cuts */
	uint32_t count, room;
	struct cut_told told[CUTS_TOLD_MAX];
	uint32_t told_count;
	uint64_t next_deadline_ns; /* UINT64_MAX: none */
	/* Commits waiting for their answer, oldest first. */
	uint64_t *tokens;
	uint32_t token_count, token_room;
	uint32_t swapping; /* how many of them the swap under way covers */
	int staged_error; /* of an add or a delete since the last commit */
};

enum cut_way {
	CUT_FROM_PEER, /* what the peer sends to us */
	CUT_TO_PEER,
};

void cuts_free(struct cuts *cuts);
void cuts_add(struct agent *agent, const struct core_cut *cut);
void cuts_del(struct agent *agent, uint32_t handle);
void cuts_commit(struct agent *agent, uint64_t token);
/* Answer what can be answered; drop what has run out. */
void cuts_settle(struct agent *agent);
/* Whether user space has to hold this back. channel: a name, or "". Always
 * false when the kernel does it. */
bool cuts_hold(const struct agent *agent, uint32_t peer, enum cut_way way,
	       const char *channel);
/* Whether a program is to be told that this peer is cut off (-ENETUNREACH),
 * instead of seeing only what a pulled cable shows. */
bool cuts_told(const struct agent *agent, uint32_t peer);
/* The same as cuts_hold for an address, also of nobody known. */
bool cuts_hold_address(const struct agent *agent,
		       const struct skerry_addr *addr, enum cut_way way);

#endif
