/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lane_pair.h - two ends of a lane in memory, with a pipe between them that
 * moves as many bytes as a test says; and a real HMAC for them.
 */
#ifndef TESTS_LANE_PAIR_H
#define TESTS_LANE_PAIR_H

#include "lane/lanefsm.h"

struct lane_key {
	uint8_t bytes[32];
	struct core_hmac hmac;
};

/* HMAC-SHA-256 with 32 times that byte as key. */
void lane_key_init(struct lane_key *key, uint8_t fill);

enum lane_verdict {
	VERDICT_ADMIT,
	VERDICT_REFUSE, /* -ENODEV, "another name" */
	VERDICT_DUPLICATE, /* generation 41 */
	VERDICT_LATER, /* the test gives it */
};

struct lane_side;
typedef void lane_side_frame_fn(struct lane_side *side,
				const struct skerry_frame *frame,
				struct core_bytes extensions,
				struct core_bytes payload);

struct lane_side {
	struct lanefsm *fsm;
	struct lane_queue queue;
	enum lane_verdict verdict;
	struct core_bytes details;
	lane_side_frame_fn *on_frame; /* may be NULL */
	void *data; /* of on_frame */
	/* Received and not yet consumed. */
	uint8_t *inbox;
	size_t inbox_bytes;
	/* All that this side has ever received. */
	uint8_t *heard;
	size_t heard_bytes;
	/* What the handlers were told. */
	uint32_t hellos, ups, frames, drainings, draineds, closeds;
	char peer_details[64];
	uint8_t last_type;
	uint64_t last_sequence;
	enum lane_end end;
	int error;
	uint64_t generation;
	char text[256];
	/* The last return of lanefsm_receive(). */
	ssize_t received;
};

struct lane_pair {
	struct lane_side dialler, acceptor;
};

#define LANE_PAIR_QUEUE_BYTES (256U << 10)

/* NULL: no key. Free with lane_pair_free(). */
void lane_pair_init(struct lane_pair *pair, const struct lane_key *dialler,
		    const struct lane_key *acceptor);
/* The same, with these details on both sides. */
void lane_pair_init_details(struct lane_pair *pair,
			    const struct lane_key *dialler,
			    const struct lane_key *acceptor,
			    struct core_bytes details);
void lane_pair_free(struct lane_pair *pair);

/* Hand bytes to one side, as if they had come from the other. */
void lane_side_feed(struct lane_side *side, const void *data,
		    size_t size_bytes);
/* Move at most that many bytes from one side's queue to the other side;
 * returns how many there were. */
size_t lane_side_move(struct lane_side *from, struct lane_side *to,
		      size_t most_bytes);
/* Until nothing is in the queues. */
void lane_pair_settle(struct lane_pair *pair);
/* Handshake done, nothing in the queues. */
void lane_pair_up(struct lane_pair *pair, const struct lane_key *key);

/* Take all that waits in a side's queue: returns its size. */
size_t lane_side_take(struct lane_side *side, uint8_t *out, size_t room_bytes);

/* A frame as bytes, with whatever header the test wants. */
size_t lane_frame(uint8_t *out, uint8_t type, const void *extensions,
		  size_t extension_bytes, const void *payload,
		  size_t payload_bytes);

#endif
