// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lanefsm_proof.c - who has the key: transcript, proofs, and the frames of
 * the handshake that we write; see lanefsm_private.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "lanefsm_private.h"

#define HEADER_BYTES sizeof(struct skerry_frame)

static const char role_dialler[] = "skerry dialler 1";
static const char role_acceptor[] = "skerry acceptor 1";

/* ---- transcript and proofs -------------------------------------------- */

void lanefsm_remember(struct lanefsm *fsm, const void *bytes, size_t size_bytes)
{
	assert(size_bytes <= sizeof(fsm->transcript) - fsm->transcript_bytes);
	memcpy(fsm->transcript + fsm->transcript_bytes, bytes, size_bytes);
	fsm->transcript_bytes += size_bytes;
}

static size_t proof_bytes(const struct lanefsm *fsm)
{
	return fsm->hmac ? PROOF_BYTES : 0;
}

/* What one side proves: its role, all bytes so far, and the frame in which
 * the proof stands up to where it stands. */
static void make_proof(const struct lanefsm *fsm, bool dialler,
		       const void *frame, size_t frame_bytes,
		       uint8_t ret_proof[PROOF_BYTES])
{
	const char *role = dialler ? role_dialler : role_acceptor;
	struct core_bytes parts[3] = {
		{ role, strlen(role) },
		{ fsm->transcript, fsm->transcript_bytes },
		{ frame, frame_bytes },
	};

	fsm->hmac->function(fsm->hmac->data, parts, 3, ret_proof);
}

/* In constant time: how many bytes agree must not be measurable. */
static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t size_bytes)
{
	volatile uint8_t differ = 0;
	size_t i;

	for (i = 0; i < size_bytes; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

bool lanefsm_proof_holds(const struct lanefsm *fsm, const uint8_t *frame,
			 size_t proof_at, struct core_bytes proof)
{
	uint8_t ours[PROOF_BYTES];

	if (proof.size_bytes != proof_bytes(fsm))
		return false;
	if (!fsm->hmac)
		return true;
	make_proof(fsm, !fsm->dialler, frame, proof_at, ours);
	return same_bytes(ours, proof.data, PROOF_BYTES);
}

/* ---- writing ---------------------------------------------------------- */

/* A frame that is being written. */
struct draft {
	struct tlv_writer w;
	uint8_t bytes[HANDSHAKE_MAX_BYTES];
};

static void draft_begin(struct draft *d, uint8_t type)
{
	struct skerry_frame header = { .type = type };

	memcpy(d->bytes, &header, HEADER_BYTES);
	tlv_writer_init(&d->w, d->bytes + HEADER_BYTES,
			sizeof(d->bytes) - HEADER_BYTES);
}

static void draft_lengths(struct draft *d, size_t more_bytes)
{
	struct skerry_frame header;

	memcpy(&header, d->bytes, HEADER_BYTES);
	lanefsm_header(&header, 0, d->w.used_bytes + more_bytes);
	memcpy(d->bytes, &header, HEADER_BYTES);
}

/* The proof comes last; it covers the frame's final length. */
static void draft_prove(struct draft *d, const struct lanefsm *fsm)
{
	size_t size_bytes = proof_bytes(fsm);
	uint8_t proof[PROOF_BYTES];

	draft_lengths(d, sizeof(struct skerry_tlv) + size_bytes);
	if (fsm->hmac)
		make_proof(fsm, fsm->dialler, d->bytes,
			   HEADER_BYTES + d->w.used_bytes, proof);
	tlv_put(&d->w, SKERRY_K_PROOF, proof, size_bytes);
}

/* Into the queue and, when later proofs cover it, into the transcript. */
static int draft_send(struct draft *d, struct lanefsm *fsm, bool preamble,
		      bool covered)
{
	struct core_bytes parts[2] = {
		{ SKERRY_PREAMBLE, preamble ? SKERRY_PREAMBLE_BYTES : 0 },
		{ d->bytes, HEADER_BYTES + d->w.used_bytes },
	};
	size_t i;

	assert(!d->w.full);
	if (!lane_queue_put(fsm->queue, parts, 2))
		return -ENOBUFS;
	for (i = 0; covered && i < 2; i++)
		lanefsm_remember(fsm, parts[i].data, parts[i].size_bytes);
	return 0;
}

void lanefsm_hello(struct lanefsm *fsm)
{
	struct draft d;
	int err;

	draft_begin(&d, SKERRY_FRAME_HELLO);
	tlv_put_u64(&d.w, SKERRY_K_VERSION_MIN, SKERRY_WIRE_VERSION);
	tlv_put_u64(&d.w, SKERRY_K_VERSION_MAX, SKERRY_WIRE_VERSION);
	tlv_put(&d.w, SKERRY_K_NONCE, fsm->nonce, NONCE_BYTES);
	draft_lengths(&d, 0);
	err = draft_send(&d, fsm, true, true);
	assert(!err);
}

int lanefsm_challenge(struct lanefsm *fsm)
{
	struct draft d;

	draft_begin(&d, SKERRY_FRAME_CHALLENGE);
	tlv_put_u64(&d.w, SKERRY_K_VERSION, SKERRY_WIRE_VERSION);
	tlv_put(&d.w, SKERRY_K_NONCE, fsm->nonce, NONCE_BYTES);
	/* The preamble goes out with the frame and is under its proof. */
	lanefsm_remember(fsm, SKERRY_PREAMBLE, SKERRY_PREAMBLE_BYTES);
	draft_prove(&d, fsm);
	fsm->transcript_bytes -= SKERRY_PREAMBLE_BYTES;
	return draft_send(&d, fsm, true, true);
}

int lanefsm_details(struct lanefsm *fsm, uint8_t type,
		    struct core_bytes details)
{
	struct draft d;

	draft_begin(&d, type);
	tlv_put(&d.w, SKERRY_K_DETAILS, details.data, details.size_bytes);
	draft_prove(&d, fsm);
	return draft_send(&d, fsm, false, type == SKERRY_FRAME_PROOF);
}
