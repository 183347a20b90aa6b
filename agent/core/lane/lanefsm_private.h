/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * lanefsm_private.h - what the files of lanefsm share: the object, and who
 * does what. lanefsm.c is the established lane, lanefsm_handshake.c the way
 * there, lanefsm_proof.c the key, lanefsm_close.c every way out.
 */
#ifndef SKERRY_LANEFSM_PRIVATE_H
#define SKERRY_LANEFSM_PRIVATE_H

#include "lanefsm.h"

#define NONCE_BYTES 32U
#define PROOF_BYTES 32U
/* The details are a spec and what belongs to this lane. */
#define DETAILS_MAX_BYTES (SKERRY_SPEC_MAX_BYTES + 512U)
/* Frames before the dialler's proof; the longest then. */
#define HELLO_MAX_BYTES 512U
#define HANDSHAKE_MAX_BYTES (DETAILS_MAX_BYTES + 256U)
/* Both preambles, HELLO, CHALLENGE and PROOF: WELCOME is the last frame with
 * a proof, so its bytes need not be kept. */
#define TRANSCRIPT_MAX_BYTES \
	(2 * SKERRY_PREAMBLE_BYTES + 2 * HELLO_MAX_BYTES + HANDSHAKE_MAX_BYTES)

/*
 * Room in the queue that only frames of our own may use, so that a lane can
 * always be closed in order: DRAIN, DRAINED and one ERROR go down to the
 * last byte, a PONG leaves room for those, all else leaves room for PONGs.
 */
#define CLOSING_RESERVE_BYTES 384U
/* Answers owed to PINGs; of more than that the oldest are forgotten. */
#define PONGS_MAX 8U

/* What the handshake waits for. */
enum lanefsm_step {
	STEP_PREAMBLE,
	STEP_HELLO,
	STEP_CHALLENGE,
	STEP_PROOF,
	STEP_WELCOME,
	STEP_DONE,
};

struct lanefsm {
	enum lanefsm_state state;
	enum lanefsm_step step;
	bool dialler;
	bool proved; /* the peer has proved that it has the key */
	bool drain_sent;
	bool drain_received;
	bool drained_received;
	uint8_t pong_count;
	uint64_t pongs[PONGS_MAX]; /* owed: no room for them yet */
	struct lane_queue *queue;
	const struct lanefsm_handler *handler;
	void *handler_data;

	/* The handshake alone. */
	const struct core_hmac *hmac;
	uint8_t nonce[NONCE_BYTES];
	size_t details_bytes;
	size_t transcript_bytes;
	uint8_t details[DETAILS_MAX_BYTES];
	uint8_t transcript[TRANSCRIPT_MAX_BYTES];
};

/* ---- lanefsm_proof.c -------------------------------------------------- */

/* Bytes of the handshake that later proofs cover. */
void lanefsm_remember(struct lanefsm *fsm, const void *bytes,
		      size_t size_bytes);
/*
 * Whether the peer has the key that we have. Without one on either side both
 * proofs are empty; with one on one side only, neither fits. proof_at: where
 * the field of the proof begins in the frame.
 */
bool lanefsm_proof_holds(const struct lanefsm *fsm, const uint8_t *frame,
			 size_t proof_at, struct core_bytes proof);
/* The dialler's preamble and HELLO. */
void lanefsm_hello(struct lanefsm *fsm);
/* The acceptor's preamble and CHALLENGE. -ENOBUFS. */
int lanefsm_challenge(struct lanefsm *fsm);
/* PROOF of the dialler, WELCOME of the acceptor. -ENOBUFS. */
int lanefsm_details(struct lanefsm *fsm, uint8_t type,
		    struct core_bytes details);

/* ---- lanefsm_handshake.c ---------------------------------------------- */

/* Bytes of the peer's preamble: how many were taken, or -EPROTO. */
ssize_t lanefsm_preamble(struct lanefsm *fsm, const uint8_t *data,
			 size_t size_bytes);
/* Whether this header can be the next frame's: 0, or -EPROTO when closed. */
int lanefsm_handshake_header(struct lanefsm *fsm,
			     const struct skerry_frame *frame);
/* A whole frame, its header checked by the above. */
int lanefsm_handshake_frame(struct lanefsm *fsm,
			    const struct skerry_frame *frame,
			    const uint8_t *bytes);

/* ---- lanefsm_close.c -------------------------------------------------- */

/* End without a word to the peer. Calls `closed`. */
void lanefsm_end(struct lanefsm *fsm, enum lane_end end, int error,
		 uint64_t generation_seen, const char *text);
/* The peer broke the rules: ERROR where one may be sent. Returns -EPROTO. */
int lanefsm_malformed(struct lanefsm *fsm, const char *text);
/* REFUSE and end. Returns -EPROTO. */
int lanefsm_turn_away(struct lanefsm *fsm, int error, const char *text);
/* A REFUSE or ERROR of the peer. 0, or -EPROTO when it is malformed. */
int lanefsm_farewell(struct lanefsm *fsm, enum lane_end end,
		     struct core_bytes payload);

#endif
