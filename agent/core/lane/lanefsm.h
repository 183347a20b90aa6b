/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * lanefsm.h - one end of a lane: bytes in, frames out, and back. Handshake
 * with the cluster key, framing, liveness echo (PING), drain. No system
 * call, no clock: the driver moves the bytes, the core gives the verdicts.
 *
 * dialler                                acceptor
 *   preamble HELLO          ->
 *                           <-   preamble CHALLENGE
 *   PROOF(details)          ->             event hello, verdict awaited
 *                           <-   WELCOME(details) | REFUSE | DUPLICATE
 *   event hello, verdict
 *   READY | REFUSE          ->             up
 *   up
 *
 * Each proof is HMAC-SHA-256 with the cluster key over a role label
 * ("skerry dialler 1", "skerry acceptor 1") and every byte both sides have
 * sent so far, in the order of the picture, up to the proof's own field.
 * Before the dialler's proof is verified the only reasons given are
 * `version` and `key`; malformed bytes are answered by nothing at all, and an
 * acceptor says its preamble only after the dialler's. A proof is the last
 * field of its frame; handshake frames have no flags, flow, sequence or
 * extensions. skerry-wire(7) is the prose.
 */
#ifndef SKERRY_LANEFSM_H
#define SKERRY_LANEFSM_H

#include <sys/types.h>

#include "core.h"
#include "skerry/wire.h"

/*
 * Bytes waiting to be written: a ring in the caller's memory (size a power
 * of two). The driver reads what lane_queue_peek() shows and then calls
 * lane_queue_consume(). An empty queue starts again at its first byte, so
 * that an idle lane touches one page.
 */
struct lane_queue {
	uint8_t *data;
	size_t size_bytes;
	uint64_t head, tail;
};

void lane_queue_init(struct lane_queue *q, void *data, size_t size_bytes);
size_t lane_queue_used(const struct lane_queue *q);
size_t lane_queue_room(const struct lane_queue *q);
/* False, and nothing written, when the parts do not fit all together. */
bool lane_queue_put(struct lane_queue *q, const struct core_bytes *parts,
		    size_t count);
/* Up to two pieces; returns how many. */
size_t lane_queue_peek(const struct lane_queue *q,
		       struct core_bytes ret_pieces[2]);
void lane_queue_consume(struct lane_queue *q, size_t size_bytes);

enum lanefsm_state {
	LANEFSM_HANDSHAKE,
	LANEFSM_VERDICT, /* peer has proved itself; we must answer */
	LANEFSM_WAITING, /* we have answered; READY is awaited */
	LANEFSM_UP,
	LANEFSM_DRAINING, /* DRAIN sent or received */
	LANEFSM_CLOSED,
};

struct lanefsm;

/*
 * What lanefsm_receive() tells its owner. All bytes are borrowed. A handler
 * must not call lanefsm_receive() again; sending is allowed.
 */
struct lanefsm_handler {
	/* The peer proved itself; answer with lanefsm_admit(), _refuse() or
	 * _duplicate(), now or later. */
	void (*hello)(void *data, struct core_bytes details);
	void (*up)(void *data);
	/*
	 * A frame of an established lane, header checked: length and header
	 * length consistent, extensions well formed, no unknown critical one
	 * (but on DATA), known type. PING, PONG answers, DRAIN, DRAINED, ERROR and handshake
	 * frames are handled inside; PONG is also shown here. The header is a
	 * copy in host order with correlation 0; extensions and payload lie
	 * in what lanefsm_receive() was given, aligned to nothing.
	 */
	void (*frame)(void *data, const struct skerry_frame *frame,
		      struct core_bytes extensions, struct core_bytes payload);
	/*
	 * The peer began to drain: neither side sends DATA any more. DRAINED
	 * is queued when this returns; the peer closes when it has read it.
	 */
	void (*draining)(void *data);
	/* Everything the peer sent before its DRAINED is handled, and it has
	 * handled all of ours: the lane may be closed. */
	void (*drained)(void *data);
	/*
	 * The handshake or the lane is over; nothing more will come. Called
	 * once, also from within lanefsm_refuse(), lanefsm_duplicate() and
	 * lanefsm_error(). What is in the queue (a REFUSE, DUPLICATE or ERROR
	 * perhaps) is still to be written; the fsm must not be freed in here.
	 * text is one line without control characters.
	 *   LANE_END_REFUSED    error and text of the REFUSE, theirs or ours:
	 *                       -EPROTONOSUPPORT "version", -EKEYREJECTED
	 *                       "key", or what lanefsm_refuse() was given
	 *   LANE_END_DUPLICATE  -EEXIST, generation_seen
	 *   LANE_END_PROTOCOL   -EPROTO, what was wrong; or lanefsm_error()
	 *   LANE_END_PEER       the peer sent ERROR: its error and text
	 *   LANE_END_LOCAL      -ENOBUFS: the queue was too small
	 */
	void (*closed)(void *data, enum lane_end end, int error,
		       uint64_t generation_seen, const char *text);
};

struct lanefsm_config {
	bool dialler;
	const struct core_hmac *hmac; /* NULL: no key, proofs are empty */
	uint8_t nonce[32]; /* fresh, unpredictable */
	/* Dialler: sent in PROOF; copied. At most SKERRY_SPEC_MAX_BYTES and
	 * 512 for what belongs to the lane. */
	struct core_bytes details;
};

/* How many bytes to give to lanefsm_init(); aligned to 16. */
size_t lanefsm_size(void);
/*
 * queue, hmac and handler stay the caller's and must outlive the fsm. A
 * dialler writes preamble and HELLO into the queue, which has at least 4 KiB.
 */
struct lanefsm *lanefsm_init(void *memory, const struct lanefsm_config *config,
			     struct lane_queue *queue,
			     const struct lanefsm_handler *handler,
			     void *handler_data);

enum lanefsm_state lanefsm_state(const struct lanefsm *fsm);

/*
 * Bytes from the peer, in any split. Consumes whole frames and returns how
 * many bytes; the rest (less than SKERRY_FRAME_MAX_BYTES) must be given
 * again in front of what comes next. -EPROTO: malformed, or of a wrong
 * version or key; `closed` has been called and an ERROR or REFUSE frame is in
 * the queue where one is allowed. A closed lane takes all and ignores it.
 */
ssize_t lanefsm_receive(struct lanefsm *fsm, const void *data,
			size_t size_bytes);

/*
 * The verdicts. details as in lanefsm_config; the dialler gives none.
 * -EINVAL: not asked for one now; -ENOTCONN: closed meanwhile; -EMSGSIZE;
 * -ENOBUFS. lanefsm_refuse() also ends a handshake that has not come so far
 * (silently) or that waits for READY; error is a -errno.
 */
int lanefsm_admit(struct lanefsm *fsm, struct core_bytes details);
int lanefsm_refuse(struct lanefsm *fsm, int error, const char *text);
int lanefsm_duplicate(struct lanefsm *fsm, uint64_t generation_seen);

/*
 * What a frame held was malformed to its reader (or the owner gives up):
 * ERROR and closed(LANE_END_PROTOCOL). Allowed inside `frame`: the rest of
 * what was received is then ignored. -ENOTCONN: closed already; -EINVAL.
 */
int lanefsm_error(struct lanefsm *fsm, int error, const char *text);

/*
 * Queue a frame. length and header_length are computed here. -ENOBUFS: it
 * does not fit now (the last LANEFSM_RESERVE_BYTES of the queue belong to
 * DRAIN, DRAINED, PONG and ERROR); -ENOTCONN: not up, or DATA while draining;
 * -EMSGSIZE; -EINVAL: a type that is not the owner's to send.
 */
#define LANEFSM_RESERVE_BYTES 512U

int lanefsm_send(struct lanefsm *fsm, const struct skerry_frame *frame,
		 struct core_bytes extensions, struct core_bytes payload);

/* The queue became shorter: answers to PINGs that had no room go now, at most
 * the last 8. Costs nothing when there are none. */
void lanefsm_room(struct lanefsm *fsm);

/*
 * Close on purpose: DRAIN now, no more DATA from here; `drained` when the
 * peer has answered. 0 also when it was sent before; -ENOTCONN: not up.
 */
int lanefsm_drain(struct lanefsm *fsm);

/*
 * The header a frame gets on the wire, for a driver that writes a large
 * payload straight from where it lies: fills length and header_length.
 */
void lanefsm_header(struct skerry_frame *frame, size_t extension_bytes,
		    size_t payload_bytes);

#endif
