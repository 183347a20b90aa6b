// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lanefsm.c - the established lane: frames in, frames out; see lanefsm.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "lanefsm_private.h"

#define HEADER_BYTES sizeof(struct skerry_frame)

size_t lanefsm_size(void)
{
	return (sizeof(struct lanefsm) + 15) & ~(size_t)15;
}

struct lanefsm *lanefsm_init(void *memory, const struct lanefsm_config *config,
			     struct lane_queue *queue,
			     const struct lanefsm_handler *handler,
			     void *handler_data)
{
	struct lanefsm *fsm = memory;

	assert(config->details.size_bytes <= DETAILS_MAX_BYTES);
	/* The rest is written before it is read. */
	memset(fsm, 0, offsetof(struct lanefsm, details));
	fsm->state = LANEFSM_HANDSHAKE;
	fsm->step = STEP_PREAMBLE;
	fsm->dialler = config->dialler;
	fsm->queue = queue;
	fsm->handler = handler;
	fsm->handler_data = handler_data;
	fsm->hmac = config->hmac;
	memcpy(fsm->nonce, config->nonce, NONCE_BYTES);
	if (fsm->dialler) {
		fsm->details_bytes = config->details.size_bytes;
		if (fsm->details_bytes)
			memcpy(fsm->details, config->details.data,
			       fsm->details_bytes);
		lanefsm_hello(fsm);
	}
	return fsm;
}

enum lanefsm_state lanefsm_state(const struct lanefsm *fsm)
{
	return fsm->state;
}

static bool established(const struct lanefsm *fsm)
{
	return fsm->state == LANEFSM_UP || fsm->state == LANEFSM_DRAINING;
}

/* ---- sending ---------------------------------------------------------- */

void lanefsm_header(struct skerry_frame *frame, size_t extension_bytes,
		    size_t payload_bytes)
{
	frame->header_length = (uint16_t)(HEADER_BYTES + extension_bytes);
	frame->length =
		(uint32_t)(HEADER_BYTES + extension_bytes + payload_bytes);
}

/* The others are this module's own to write. */
static bool may_send(uint8_t type)
{
	switch (type) {
	case SKERRY_FRAME_FLOW_OPEN ... SKERRY_FRAME_SKIP:
	case SKERRY_FRAME_PING:
	case SKERRY_FRAME_OVERLAY ... SKERRY_FRAME_BCAST:
	case 0x80 ... 0xff:
		return true;
	default:
		return false;
	}
}

int lanefsm_send(struct lanefsm *fsm, const struct skerry_frame *frame,
		 struct core_bytes extensions, struct core_bytes payload)
{
	struct skerry_frame header = *frame;
	struct core_bytes parts[3];
	size_t total;

	if (fsm->state != LANEFSM_UP && (fsm->state != LANEFSM_DRAINING ||
					 frame->type == SKERRY_FRAME_DATA))
		return -ENOTCONN;
	if (!may_send(frame->type))
		return -EINVAL;
	if (extensions.size_bytes > UINT16_MAX - HEADER_BYTES ||
	    payload.size_bytes > SKERRY_FRAME_MAX_BYTES)
		return -EMSGSIZE;
	total = HEADER_BYTES + extensions.size_bytes + payload.size_bytes;
	if (total > SKERRY_FRAME_MAX_BYTES)
		return -EMSGSIZE;
	if (lane_queue_room(fsm->queue) < total + LANEFSM_RESERVE_BYTES)
		return -ENOBUFS;
	lanefsm_header(&header, extensions.size_bytes, payload.size_bytes);
	header.correlation = 0;
	parts[0] = (struct core_bytes) { &header, HEADER_BYTES };
	parts[1] = extensions;
	parts[2] = payload;
	lane_queue_put(fsm->queue, parts, 3);
	return 0;
}

/* A bare header. */
static int send_bare(struct lanefsm *fsm, uint8_t type, uint64_t sequence)
{
	struct skerry_frame frame = { .type = type, .sequence = sequence };
	struct core_bytes part = { &frame, HEADER_BYTES };

	lanefsm_header(&frame, 0, 0);
	return lane_queue_put(fsm->queue, &part, 1) ? 0 : -ENOBUFS;
}

int lanefsm_drain(struct lanefsm *fsm)
{
	int err;

	if (!established(fsm))
		return -ENOTCONN;
	if (fsm->drain_sent)
		return 0;
	err = send_bare(fsm, SKERRY_FRAME_DRAIN, 0);
	if (err)
		return err;
	fsm->drain_sent = true;
	fsm->state = LANEFSM_DRAINING;
	return 0;
}

/* ---- receiving -------------------------------------------------------- */

static bool room_for_pong(const struct lanefsm *fsm)
{
	return lane_queue_room(fsm->queue) >=
	       CLOSING_RESERVE_BYTES + HEADER_BYTES;
}

void lanefsm_room(struct lanefsm *fsm)
{
	uint8_t said = 0;

	if (!fsm->pong_count || !established(fsm))
		return;
	while (said < fsm->pong_count && room_for_pong(fsm))
		send_bare(fsm, SKERRY_FRAME_PONG, fsm->pongs[said++]);
	fsm->pong_count -= said;
	memmove(fsm->pongs, fsm->pongs + said,
		fsm->pong_count * sizeof(fsm->pongs[0]));
}

/* A full lane must not look like a dead one: the answer follows when there
 * is room again. */
static int receive_ping(struct lanefsm *fsm, uint64_t sequence)
{
	if (!fsm->pong_count && room_for_pong(fsm)) {
		send_bare(fsm, SKERRY_FRAME_PONG, sequence);
		return 0;
	}
	if (fsm->pong_count == PONGS_MAX) {
		fsm->pong_count--;
		memmove(fsm->pongs, fsm->pongs + 1,
			fsm->pong_count * sizeof(fsm->pongs[0]));
	}
	fsm->pongs[fsm->pong_count++] = sequence;
	lanefsm_room(fsm);
	return 0;
}

static int receive_drain(struct lanefsm *fsm)
{
	if (fsm->drain_received)
		return lanefsm_malformed(fsm, "second DRAIN");
	fsm->drain_received = true;
	fsm->state = LANEFSM_DRAINING;
	if (fsm->handler->draining)
		fsm->handler->draining(fsm->handler_data);
	if (!established(fsm))
		return 0;
	/*
	 * All frames before the DRAIN have been given to the owner, and what
	 * the owner has sent so far lies before this in the queue. The peer
	 * closes when it reads it, so no DATA follows from here either.
	 */
	if (send_bare(fsm, SKERRY_FRAME_DRAINED, 0))
		lanefsm_end(fsm, LANE_END_LOCAL, -ENOBUFS, 0,
			    "no room to answer DRAIN");
	return 0;
}

static int receive_drained(struct lanefsm *fsm)
{
	if (!fsm->drain_sent)
		return lanefsm_malformed(fsm, "DRAINED without DRAIN");
	if (fsm->drained_received)
		return lanefsm_malformed(fsm, "second DRAINED");
	fsm->drained_received = true;
	if (fsm->handler->drained)
		fsm->handler->drained(fsm->handler_data);
	return 0;
}

/* NULL: good. What lies in a frame that may be ignored may be unknown, and
 * so may what belongs to a message: that is for the program it reaches. */
static const char *extensions_problem(const uint8_t *data, size_t size_bytes,
				      bool ignorable)
{
	struct tlv_reader r;

	tlv_reader_init(&r, data, size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_TOTAL_BYTES) {
			if (r.length != sizeof(uint64_t))
				return "extension total_bytes malformed";
		} else if (r.critical && !ignorable) {
			return "unknown critical extension";
		}
	}
	return r.bad ? "malformed extensions" : NULL;
}

static const char *length_problem(const struct skerry_frame *frame)
{
	if (frame->length < HEADER_BYTES)
		return "frame shorter than its header";
	if (frame->length > SKERRY_FRAME_MAX_BYTES)
		return "frame too long";
	if (frame->header_length < HEADER_BYTES ||
	    frame->header_length > frame->length)
		return "header length out of bounds";
	return NULL;
}

static void pass_on(struct lanefsm *fsm, const struct skerry_frame *frame,
		    const uint8_t *bytes)
{
	struct core_bytes extensions = { bytes + HEADER_BYTES,
					 frame->header_length - HEADER_BYTES };
	struct core_bytes payload = { bytes + frame->header_length,
				      frame->length - frame->header_length };

	fsm->handler->frame(fsm->handler_data, frame, extensions, payload);
}

static int receive_control(struct lanefsm *fsm,
			   const struct skerry_frame *frame,
			   const uint8_t *bytes)
{
	switch (frame->type) {
	case SKERRY_FRAME_DRAIN:
		return receive_drain(fsm);
	case SKERRY_FRAME_DRAINED:
		return receive_drained(fsm);
	case SKERRY_FRAME_PING:
		return receive_ping(fsm, frame->sequence);
	case SKERRY_FRAME_ERROR:
		return lanefsm_farewell(fsm, LANE_END_PEER,
					(struct core_bytes) {
						bytes + frame->header_length,
						frame->length -
							frame->header_length });
	case SKERRY_FRAME_HELLO ... SKERRY_FRAME_READY:
		return lanefsm_malformed(fsm, "handshake frame on a lane");
	default:
		return lanefsm_malformed(fsm, "unknown frame type");
	}
}

/* A whole frame of an established lane, lengths checked. */
static int receive_frame(struct lanefsm *fsm, const struct skerry_frame *frame,
			 const uint8_t *bytes)
{
	const char *problem;

	if (frame->header_length > HEADER_BYTES) {
		problem =
			extensions_problem(bytes + HEADER_BYTES,
					   frame->header_length - HEADER_BYTES,
					   frame->type >= 0x80 ||
						   frame->type ==
							   SKERRY_FRAME_DATA);
		if (problem)
			return lanefsm_malformed(fsm, problem);
	}
	switch (frame->type) {
	case SKERRY_FRAME_DATA:
		if (fsm->drain_received || fsm->drained_received)
			return lanefsm_malformed(fsm, "DATA after DRAIN");
		pass_on(fsm, frame, bytes);
		return 0;
	case SKERRY_FRAME_FLOW_OPEN ... SKERRY_FRAME_FLOW_CLOSE:
	case SKERRY_FRAME_CREDIT ... SKERRY_FRAME_SKIP:
	case SKERRY_FRAME_PONG:
	case SKERRY_FRAME_OVERLAY ... SKERRY_FRAME_BCAST:
		pass_on(fsm, frame, bytes);
		return 0;
	case 0x80 ... 0xff:
		return 0;
	default:
		return receive_control(fsm, frame, bytes);
	}
}

ssize_t lanefsm_receive(struct lanefsm *fsm, const void *data,
			size_t size_bytes)
{
	const uint8_t *at = data;
	size_t left = size_bytes;
	struct skerry_frame frame;
	const char *problem;
	ssize_t taken;
	int err;

	if (fsm->step == STEP_PREAMBLE && fsm->state != LANEFSM_CLOSED) {
		taken = lanefsm_preamble(fsm, at, left);
		if (taken <= 0)
			return taken;
		at += taken;
		left -= (size_t)taken;
	}
	while (left >= HEADER_BYTES && fsm->state != LANEFSM_CLOSED) {
		memcpy(&frame, at, HEADER_BYTES);
		problem = length_problem(&frame);
		if (problem)
			return lanefsm_malformed(fsm, problem);
		if (!established(fsm)) {
			err = lanefsm_handshake_header(fsm, &frame);
			if (err)
				return err;
		}
		if (left < frame.length)
			break;
		frame.correlation = 0;
		if (established(fsm))
			err = receive_frame(fsm, &frame, at);
		else
			err = lanefsm_handshake_frame(fsm, &frame, at);
		if (err)
			return err;
		at += frame.length;
		left -= frame.length;
	}
	/* Nothing is kept for a lane that has ended. */
	if (fsm->state == LANEFSM_CLOSED)
		return (ssize_t)size_bytes;
	return (ssize_t)(size_bytes - left);
}
