// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * lanefsm_handshake.c - from the first byte to READY; see lanefsm.h.
 *
 * A handshake frame has no flags, flow, sequence or extensions, and its
 * proof is its last field, so that every byte of the handshake is either
 * under a proof or has one value only.
 */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "lanefsm_private.h"

#define HEADER_BYTES sizeof(struct skerry_frame)
/* All but the last byte, which is the version. */
#define PREAMBLE_MAGIC_BYTES (SKERRY_PREAMBLE_BYTES - 1)

/* ---- reading ---------------------------------------------------------- */

/* The fields of a handshake frame; NULL value: absent. */
struct fields {
	struct core_bytes nonce, details, proof;
	uint64_t version, version_min, version_max, generation;
	uint32_t seen; /* which, by the bits below */
	size_t proof_at; /* where its field begins in the frame */
};

enum {
	SEEN_VERSION = 1 << 0,
	SEEN_VERSION_MIN = 1 << 1,
	SEEN_VERSION_MAX = 1 << 2,
	SEEN_NONCE = 1 << 3,
	SEEN_DETAILS = 1 << 4,
	SEEN_PROOF = 1 << 5,
	SEEN_GENERATION = 1 << 6,
};

static uint32_t read_field(const struct tlv_reader *r, struct fields *f)
{
	struct core_bytes bytes = { r->value, r->length };

	switch (r->key) {
	case SKERRY_K_VERSION:
		return tlv_u64(r, &f->version) ? 0 : SEEN_VERSION;
	case SKERRY_K_VERSION_MIN:
		return tlv_u64(r, &f->version_min) ? 0 : SEEN_VERSION_MIN;
	case SKERRY_K_VERSION_MAX:
		return tlv_u64(r, &f->version_max) ? 0 : SEEN_VERSION_MAX;
	case SKERRY_K_GENERATION:
		return tlv_u64(r, &f->generation) ? 0 : SEEN_GENERATION;
	case SKERRY_K_NONCE:
		f->nonce = bytes;
		return r->length == NONCE_BYTES ? SEEN_NONCE : 0;
	case SKERRY_K_DETAILS:
		f->details = bytes;
		return r->length <= DETAILS_MAX_BYTES ? SEEN_DETAILS : 0;
	case SKERRY_K_PROOF:
		f->proof = bytes;
		/* No proof covers this bit, so it has one value only. */
		return r->critical ? 0 : SEEN_PROOF;
	default:
		return 0;
	}
}

static bool is_field(uint16_t key)
{
	return key <= SKERRY_K_DETAILS || key == SKERRY_K_GENERATION;
}

/* All of `wanted`, each once, nothing after the proof, nothing critical that
 * is unknown. */
static bool read_fields(const uint8_t *frame, uint32_t length, uint32_t wanted,
			struct fields *ret_fields)
{
	struct fields f = { 0 };
	struct tlv_reader r;
	uint32_t bit;

	tlv_reader_init(&r, frame + HEADER_BYTES, length - HEADER_BYTES);
	while (tlv_next(&r)) {
		if (f.seen & SEEN_PROOF)
			return false;
		if (!is_field(r.key)) {
			if (r.critical)
				return false;
			continue;
		}
		bit = read_field(&r, &f);
		if (!bit || f.seen & bit)
			return false;
		f.seen |= bit;
		f.proof_at =
			(size_t)(r.value - frame) - sizeof(struct skerry_tlv);
	}
	if (r.bad || f.seen != wanted)
		return false;
	*ret_fields = f;
	return true;
}

/* While the handshake lasts the queue is as good as empty. */
static int no_room(struct lanefsm *fsm)
{
	lanefsm_end(fsm, LANE_END_LOCAL, -ENOBUFS, 0,
		    "no room for the handshake");
	return 0;
}

/* An acceptor that refuses at once has not said its preamble yet. */
static void say_preamble(struct lanefsm *fsm)
{
	struct core_bytes preamble = { SKERRY_PREAMBLE, SKERRY_PREAMBLE_BYTES };

	if (!fsm->dialler)
		lane_queue_put(fsm->queue, &preamble, 1);
}

static int wrong_version(struct lanefsm *fsm)
{
	return lanefsm_turn_away(fsm, -EPROTONOSUPPORT, "version");
}

static int wrong_key(struct lanefsm *fsm)
{
	return lanefsm_turn_away(fsm, -EKEYREJECTED, "key");
}

/* Looked at before all else: another version may mean other fields. */
static bool version_fits(const uint8_t *frame, uint32_t length, uint16_t min,
			 uint16_t max)
{
	const uint8_t *payload = frame + HEADER_BYTES;
	size_t size_bytes = length - HEADER_BYTES;
	uint64_t us = SKERRY_WIRE_VERSION;

	return tlv_find_u64(payload, size_bytes, min, us) <= us &&
	       tlv_find_u64(payload, size_bytes, max, us) >= us;
}

static int receive_hello(struct lanefsm *fsm, const struct skerry_frame *frame,
			 const uint8_t *bytes)
{
	struct fields f;

	if (!version_fits(bytes, frame->length, SKERRY_K_VERSION_MIN,
			  SKERRY_K_VERSION_MAX)) {
		say_preamble(fsm);
		return wrong_version(fsm);
	}
	if (!read_fields(bytes, frame->length,
			 SEEN_VERSION_MIN | SEEN_VERSION_MAX | SEEN_NONCE, &f))
		return lanefsm_malformed(fsm, "malformed HELLO");
	lanefsm_remember(fsm, bytes, frame->length);
	if (lanefsm_challenge(fsm))
		return no_room(fsm);
	fsm->step = STEP_PROOF;
	return 0;
}

static int receive_challenge(struct lanefsm *fsm,
			     const struct skerry_frame *frame,
			     const uint8_t *bytes)
{
	struct core_bytes details = { fsm->details, fsm->details_bytes };
	struct fields f;

	if (!version_fits(bytes, frame->length, SKERRY_K_VERSION,
			  SKERRY_K_VERSION))
		return wrong_version(fsm);
	if (!read_fields(bytes, frame->length,
			 SEEN_VERSION | SEEN_NONCE | SEEN_PROOF, &f))
		return lanefsm_malformed(fsm, "malformed CHALLENGE");
	if (!lanefsm_proof_holds(fsm, bytes, f.proof_at, f.proof))
		return wrong_key(fsm);
	fsm->proved = true;
	lanefsm_remember(fsm, bytes, frame->length);
	if (lanefsm_details(fsm, SKERRY_FRAME_PROOF, details))
		return no_room(fsm);
	fsm->step = STEP_WELCOME;
	return 0;
}

/* The peer's details are vouched for: the owner decides. */
static void ask_owner(struct lanefsm *fsm, struct core_bytes details)
{
	fsm->step = STEP_DONE;
	fsm->state = LANEFSM_VERDICT;
	fsm->handler->hello(fsm->handler_data, details);
}

static int receive_proof(struct lanefsm *fsm, const struct skerry_frame *frame,
			 const uint8_t *bytes)
{
	struct fields f;

	if (!read_fields(bytes, frame->length, SEEN_DETAILS | SEEN_PROOF, &f))
		return lanefsm_malformed(fsm, "malformed PROOF");
	if (!lanefsm_proof_holds(fsm, bytes, f.proof_at, f.proof))
		return wrong_key(fsm);
	fsm->proved = true;
	lanefsm_remember(fsm, bytes, frame->length);
	ask_owner(fsm, f.details);
	return 0;
}

static int receive_welcome(struct lanefsm *fsm,
			   const struct skerry_frame *frame,
			   const uint8_t *bytes)
{
	struct fields f;

	if (!read_fields(bytes, frame->length, SEEN_DETAILS | SEEN_PROOF, &f))
		return lanefsm_malformed(fsm, "malformed WELCOME");
	if (!lanefsm_proof_holds(fsm, bytes, f.proof_at, f.proof))
		return wrong_key(fsm);
	ask_owner(fsm, f.details);
	return 0;
}

static int receive_duplicate(struct lanefsm *fsm,
			     const struct skerry_frame *frame,
			     const uint8_t *bytes)
{
	struct fields f;

	if (!read_fields(bytes, frame->length, SEEN_GENERATION, &f))
		return lanefsm_malformed(fsm, "malformed DUPLICATE");
	lanefsm_end(fsm, LANE_END_DUPLICATE, -EEXIST, f.generation,
		    "duplicate");
	return 0;
}

static int receive_ready(struct lanefsm *fsm, const struct skerry_frame *frame)
{
	if (frame->length != HEADER_BYTES)
		return lanefsm_malformed(fsm, "malformed READY");
	fsm->state = LANEFSM_UP;
	if (fsm->handler->up)
		fsm->handler->up(fsm->handler_data);
	return 0;
}

/* Whether a frame of this type may come now. */
static bool is_due(const struct lanefsm *fsm, uint8_t type)
{
	switch (type) {
	case SKERRY_FRAME_HELLO:
		return fsm->step == STEP_HELLO;
	case SKERRY_FRAME_CHALLENGE:
		return fsm->step == STEP_CHALLENGE;
	case SKERRY_FRAME_PROOF:
		return fsm->step == STEP_PROOF;
	case SKERRY_FRAME_WELCOME:
	case SKERRY_FRAME_DUPLICATE:
		return fsm->step == STEP_WELCOME;
	case SKERRY_FRAME_READY:
		return fsm->state == LANEFSM_WAITING;
	case SKERRY_FRAME_REFUSE:
		/* The dialler speaks first, and not to refuse. */
		return fsm->step != STEP_HELLO;
	case SKERRY_FRAME_ERROR:
		return fsm->proved;
	default:
		return false;
	}
}

int lanefsm_handshake_header(struct lanefsm *fsm,
			     const struct skerry_frame *frame)
{
	size_t longest = HELLO_MAX_BYTES;

	if (fsm->step == STEP_PROOF || fsm->step == STEP_WELCOME)
		longest = HANDSHAKE_MAX_BYTES;
	if (!is_due(fsm, frame->type))
		return lanefsm_malformed(fsm, "frame out of turn");
	if (frame->length > longest)
		return lanefsm_malformed(fsm, "handshake frame too long");
	if (frame->header_length != HEADER_BYTES || frame->flags ||
	    frame->flow || frame->correlation || frame->sequence)
		return lanefsm_malformed(fsm, "malformed handshake frame");
	return 0;
}

int lanefsm_handshake_frame(struct lanefsm *fsm,
			    const struct skerry_frame *frame,
			    const uint8_t *bytes)
{
	struct core_bytes payload = { bytes + HEADER_BYTES,
				      frame->length - HEADER_BYTES };

	switch (frame->type) {
	case SKERRY_FRAME_HELLO:
		return receive_hello(fsm, frame, bytes);
	case SKERRY_FRAME_CHALLENGE:
		return receive_challenge(fsm, frame, bytes);
	case SKERRY_FRAME_PROOF:
		return receive_proof(fsm, frame, bytes);
	case SKERRY_FRAME_WELCOME:
		return receive_welcome(fsm, frame, bytes);
	case SKERRY_FRAME_DUPLICATE:
		return receive_duplicate(fsm, frame, bytes);
	case SKERRY_FRAME_READY:
		return receive_ready(fsm, frame);
	case SKERRY_FRAME_REFUSE:
		return lanefsm_farewell(fsm, LANE_END_REFUSED, payload);
	default:
		return lanefsm_farewell(fsm, LANE_END_PEER, payload);
	}
}

ssize_t lanefsm_preamble(struct lanefsm *fsm, const uint8_t *data,
			 size_t size_bytes)
{
	size_t compare = size_bytes;

	if (!size_bytes)
		return 0;
	/* Not one of us: seen at the first byte that differs. */
	if (compare > PREAMBLE_MAGIC_BYTES)
		compare = PREAMBLE_MAGIC_BYTES;
	if (memcmp(data, SKERRY_PREAMBLE, compare))
		return lanefsm_malformed(fsm, "not a skerry lane");
	if (size_bytes < SKERRY_PREAMBLE_BYTES)
		return 0;
	if (data[PREAMBLE_MAGIC_BYTES] !=
	    (uint8_t)SKERRY_PREAMBLE[PREAMBLE_MAGIC_BYTES]) {
		say_preamble(fsm);
		return wrong_version(fsm);
	}
	lanefsm_remember(fsm, data, SKERRY_PREAMBLE_BYTES);
	fsm->step = fsm->dialler ? STEP_CHALLENGE : STEP_HELLO;
	return SKERRY_PREAMBLE_BYTES;
}

/* ---- verdicts --------------------------------------------------------- */

int lanefsm_admit(struct lanefsm *fsm, struct core_bytes details)
{
	struct skerry_frame ready = { .type = SKERRY_FRAME_READY };
	struct core_bytes part = { &ready, HEADER_BYTES };

	if (fsm->state == LANEFSM_CLOSED)
		return -ENOTCONN;
	if (fsm->state != LANEFSM_VERDICT)
		return -EINVAL;
	if (!fsm->dialler) {
		if (details.size_bytes > DETAILS_MAX_BYTES)
			return -EMSGSIZE;
		if (lanefsm_details(fsm, SKERRY_FRAME_WELCOME, details))
			return -ENOBUFS;
		fsm->state = LANEFSM_WAITING;
		return 0;
	}
	lanefsm_header(&ready, 0, 0);
	if (!lane_queue_put(fsm->queue, &part, 1))
		return -ENOBUFS;
	fsm->state = LANEFSM_UP;
	if (fsm->handler->up)
		fsm->handler->up(fsm->handler_data);
	return 0;
}
