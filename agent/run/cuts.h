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
	/* What was held back, by enum cut_way. */
	uint64_t held[2], held_bytes[2];
};

/* A cut that programs are told of: its visibility is `local` or `reject`. */
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
	/* Cuts that sever, not in force yet, oldest first. */
	struct core_cut *severs;
	uint32_t sever_count, sever_room;
	uint32_t severing; /* how many of them the swap under way covers */
	int staged_error; /* of an add or a delete since the last commit */
};

enum cut_way {
	CUT_FROM_PEER, /* what the peer sends to us */
	CUT_TO_PEER,
};

/* What a ledger counts: packets where the kernel cuts; else what the agent
 * itself held back, frames of lanes and datagrams together. */
enum cut_unit {
	CUT_PACKETS,
	CUT_FRAMES,
};

/* One way of one cut. */
struct cut_count {
	uint32_t peer; /* a number, CORE_PEER_EVERYBODY or _ADDRESS */
	enum cut_way way;
	enum cut_unit unit;
	bool in_force; /* else somebody has taken the rule away */
	uint64_t seen; /* that the cut named while it was in force */
	uint64_t dropped, dropped_bytes;
	uint64_t leaked; /* passed with the lease out */
	/* With CORE_PEER_ADDRESS. */
	struct skerry_addr address;
	uint8_t prefix_bits;
};
typedef void cut_count_fn(void *data, const struct cut_count *count);

/*
 * What the cuts of a reference have done here: called once for each cut and
 * each way it has, in no order. Of a peer the kernel has forgotten the number
 * is CORE_PEER_SELF. Returns how many calls there were; 0: no such cut is in
 * force.
 */
int cuts_ledger(const struct agent *agent, const uint8_t reference[16],
		cut_count_fn *function, void *data);

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
/* A frame or datagram that one of these two held back: into the ledger of
 * each cut that did. */
void cuts_held(struct agent *agent, uint32_t peer, enum cut_way way,
	       const char *channel, size_t size_bytes);
void cuts_held_address(struct agent *agent, const struct skerry_addr *addr,
		       enum cut_way way, size_t size_bytes);

/* cuts_sever.c: what a cut of visibility `sever` does beyond cutting. */
int cuts_sever_stage(struct cuts *cuts, const struct core_cut *cut);
void cuts_sever_forget(struct cuts *cuts, uint32_t handle);
/* Those among the first `count` staged that are about addresses, as bytes for
 * cuts_sever_sockets(), to be freed. *ret_bytes is NULL when there is none. */
int cuts_sever_targets(const struct agent *agent, uint32_t count,
		       void **ret_bytes, size_t *ret_size_bytes);
/* On the helper thread: end those connections. -errno. */
int cuts_sever_sockets(const void *bytes, size_t size_bytes);
/* The first `count` staged are in force: lanes to those peers end. They are
 * staged no more. */
void cuts_sever_lanes(struct agent *agent, uint32_t count);

#endif
