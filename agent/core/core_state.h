/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * core_state.h - the whole state of a core, for the files that make it up.
 *
 * A step has two halves. The event's handler changes the state and says what
 * must be said at once; then core_flush() looks at everything that is due
 * and adds operations for as long as they fit. What is due is remembered in
 * the state, never in the update, so that a full update loses nothing.
 */
#ifndef SKERRY_CORE_STATE_H
#define SKERRY_CORE_STATE_H

#include "connect.h"
#include "conntab.h"
#include "core.h"
#include "detector.h"
#include "join.h"
#include "members.h"
#include "notice.h"
#include "overlay/overlay.h"
#include "query.h"
#include "reserve.h"
#include "rng.h"
#include "stale.h"
#include "update.h"
#include "watch.h"

#define CORE_MS 1000000ULL
#define CORE_SECOND 1000000000ULL
#define CORE_NEVER UINT64_MAX

/* A node that is not told of by now tells nobody: the ring of an inquiry. */
#define CORE_SETTLE_NS (2 * CORE_SECOND)
/* A dial, handshake included; and when we stop believing in an answer. */
#define CORE_DIAL_MS 3000U
#define CORE_LANE_LOST_NS (15 * CORE_SECOND)
/* The other side dials first; then we try too. */
#define CORE_DIAL_TURN_NS (2 * CORE_SECOND)
/* How long after a join others may not have heard of us. */
#define CORE_NEWCOMER_NS (60 * CORE_SECOND)
/* An older incarnation that counts as up has this long to answer. */
#define CORE_PROBE_NS (500 * CORE_MS)

enum core_phase {
	CORE_NEW, /* before EV_START */
	CORE_STARTING, /* the incarnation is being stored */
	CORE_SETTLING, /* partitions are asked for; no lane yet */
	CORE_RUNNING,
	CORE_STOPPED,
};

enum core_leave {
	LEAVE_NO,
	LEAVE_DRAINING, /* the others are told; lanes drain */
	LEAVE_STORING, /* single again; the state is being stored */
};

struct partition;

struct core {
	struct core_limits limits;
	struct core_hmac hmac;
	struct core_config config;
	enum core_phase phase;
	uint64_t now_ns, wall_us, started_ns;
	uint64_t scan_ns; /* when something is due */
	uint64_t told_wake_ns;

	/* Identity. */
	uint64_t boot_nonce;
	uint64_t incarnation;
	uint64_t version;
	struct dgram_self dgram_self;
	struct member *self;
	bool belongs; /* was one of a cluster when it started */
	bool met; /* had a lane up under this incarnation */
	bool left; /* [join] is ignored until asked */
	uint64_t newcomer_until_ns;

	/* Learned from others, acted on when the event is done with. */
	uint64_t deposed_incarnation; /* 0: not deposed */
	bool deposed_removed;
	char deposed_why[128];
	uint64_t adopt_incarnation; /* 0: ours is the highest known */

	/* State file. */
	uint64_t persist_token; /* last given out */
	bool persisting;
	bool persist_due;
	uint64_t persist_at_ns;
	uint64_t persisting_incarnation;
	uint64_t stored_incarnation;

	/* Leaving. */
	enum core_leave leave;
	uint64_t leave_data_ns, leave_until_ns;
	uint32_t leave_program, leave_correlation;
	bool leave_asked; /* somebody waits for the answer */
	bool stopping;
	bool stopped_due;

	struct members members;
	struct conntab lanes;
	struct detector detector;
	struct joins joins;
	struct connects connects;
	struct stales stales;
	struct reserves reserves;
	struct watches watches;
	struct notices notices;
	struct queries queries;
	const struct overlay *overlay;
	struct overlay_full full;
	struct partition *partition;
	void *partition_memory;
	uint64_t partition_at_ns;
	uint64_t settle_until_ns;

	uint64_t beat_ns; /* when heartbeats are sent next */
	uint64_t ping_sequence;
	struct rng rng_dial, rng_gossip, rng_identity;
	uint8_t channel_place[SKERRY_CHANNELS_MAX]; /* first place */

	uint64_t malformed; /* bytes refused */
	uint64_t strangers; /* datagrams of nodes we do not know */
	struct update update;
};

/* Something is due at that time. */
static inline void core_due(struct core *core, uint64_t at_ns)
{
	if (at_ns < core->scan_ns)
		core->scan_ns = at_ns;
}

/* The incarnation is stored: others may see us. */
static inline bool core_visible(const struct core *core)
{
	return core->phase >= CORE_SETTLING && core->phase != CORE_STOPPED &&
	       core->stored_incarnation == core->incarnation;
}

/* Lanes may be opened and accepted. */
static inline bool core_open(const struct core *core)
{
	return core->phase == CORE_RUNNING && core_visible(core) &&
	       core->leave == LEAVE_NO && !core->stopping;
}

/* OP_ANSWER with an error and its sentence, or without. */
void core_answer(struct core *core, uint32_t program, uint32_t correlation,
		 int error, const char *reason);
/* The same, with fields behind; they are copied. */
void core_answer_tlvs(struct core *core, uint32_t program, uint32_t correlation,
		      int error, const char *reason, struct core_bytes tlvs);

#endif
