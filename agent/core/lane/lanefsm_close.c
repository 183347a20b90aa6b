// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lanefsm_close.c - every way a lane ends; see lanefsm_private.h. */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "lanefsm_private.h"

/* The longest -errno there is. */
#define ERRNO_MAX 4095

void lanefsm_end(struct lanefsm *fsm, enum lane_end end, int error,
		 uint64_t generation_seen, const char *text)
{
	if (fsm->state == LANEFSM_CLOSED)
		return;
	fsm->state = LANEFSM_CLOSED;
	if (fsm->handler->closed)
		fsm->handler->closed(fsm->handler_data, end, error,
				     generation_seen, text);
}

/* A last frame: left out when the queue has no room for it. */
static void say(struct lanefsm *fsm, uint8_t type, int error, const char *text)
{
	uint8_t payload[SKERRY_REASON_MAX_BYTES + 64];
	struct skerry_frame frame = { .type = type };
	struct core_bytes parts[2];
	struct tlv_writer w;
	size_t length = strlen(text);

	if (length > SKERRY_REASON_MAX_BYTES)
		length = SKERRY_REASON_MAX_BYTES;
	tlv_writer_init(&w, payload, sizeof(payload));
	tlv_put_s64(&w, SKERRY_K_ERROR, error);
	tlv_put(&w, SKERRY_K_REASON, text, length);
	lanefsm_header(&frame, 0, w.used_bytes);
	parts[0] = (struct core_bytes) { &frame, sizeof(frame) };
	parts[1] = (struct core_bytes) { payload, w.used_bytes };
	lane_queue_put(fsm->queue, parts, 2);
}

int lanefsm_malformed(struct lanefsm *fsm, const char *text)
{
	/* A stranger is told nothing, not even that it made a mistake. */
	if (fsm->proved)
		say(fsm, SKERRY_FRAME_ERROR, -EPROTO, text);
	lanefsm_end(fsm, LANE_END_PROTOCOL, -EPROTO, 0, text);
	return -EPROTO;
}

int lanefsm_turn_away(struct lanefsm *fsm, int error, const char *text)
{
	say(fsm, SKERRY_FRAME_REFUSE, error, text);
	lanefsm_end(fsm, LANE_END_REFUSED, error, 0, text);
	return -EPROTO;
}

/* A peer's sentence ends up in logs and on terminals: no control bytes. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((uint8_t)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

/* A sentence of ours may quote the peer. */
static const char *quoted(char out[SKERRY_REASON_MAX_BYTES + 1],
			  const char *text)
{
	size_t length = strlen(text);

	if (length > SKERRY_REASON_MAX_BYTES)
		length = SKERRY_REASON_MAX_BYTES;
	memcpy(out, text, length);
	out[length] = 0;
	make_printable(out);
	return out;
}

int lanefsm_refuse(struct lanefsm *fsm, int error, const char *text)
{
	char copy[SKERRY_REASON_MAX_BYTES + 1];

	if (error >= 0 || error < -ERRNO_MAX || !text)
		return -EINVAL;
	text = quoted(copy, text);
	switch (fsm->state) {
	case LANEFSM_HANDSHAKE:
		lanefsm_end(fsm, LANE_END_REFUSED, error, 0, text);
		return 0;
	case LANEFSM_VERDICT:
	case LANEFSM_WAITING:
		lanefsm_turn_away(fsm, error, text);
		return 0;
	default:
		return -ENOTCONN;
	}
}

int lanefsm_error(struct lanefsm *fsm, int error, const char *text)
{
	char copy[SKERRY_REASON_MAX_BYTES + 1];

	if (error >= 0 || error < -ERRNO_MAX || !text)
		return -EINVAL;
	text = quoted(copy, text);
	if (fsm->state == LANEFSM_CLOSED)
		return -ENOTCONN;
	if (fsm->proved)
		say(fsm, SKERRY_FRAME_ERROR, error, text);
	lanefsm_end(fsm, LANE_END_PROTOCOL, error, 0, text);
	return 0;
}

int lanefsm_duplicate(struct lanefsm *fsm, uint64_t generation_seen)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DUPLICATE };
	uint8_t payload[16];
	struct core_bytes parts[2];
	struct tlv_writer w;

	if (fsm->state == LANEFSM_CLOSED)
		return -ENOTCONN;
	if (fsm->dialler || fsm->state != LANEFSM_VERDICT)
		return -EINVAL;
	tlv_writer_init(&w, payload, sizeof(payload));
	tlv_put_u64(&w, SKERRY_K_GENERATION, generation_seen);
	lanefsm_header(&frame, 0, w.used_bytes);
	parts[0] = (struct core_bytes) { &frame, sizeof(frame) };
	parts[1] = (struct core_bytes) { payload, w.used_bytes };
	lane_queue_put(fsm->queue, parts, 2);
	lanefsm_end(fsm, LANE_END_DUPLICATE, -EEXIST, generation_seen,
		    "duplicate");
	return 0;
}

int lanefsm_farewell(struct lanefsm *fsm, enum lane_end end,
		     struct core_bytes payload)
{
	char text[SKERRY_REASON_MAX_BYTES + 1] = "";
	struct tlv_reader r;
	int64_t error = 0;

	tlv_reader_init(&r, payload.data, payload.size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_ERROR) {
			if (tlv_s64(&r, &error))
				goto malformed;
		} else if (r.key == SKERRY_K_REASON) {
			if (tlv_str(&r, text, sizeof(text)))
				goto malformed;
		}
	}
	if (r.bad || error >= 0 || error < -ERRNO_MAX)
		goto malformed;
	/* Who has not proved itself puts no words into anybody's log. */
	if (!fsm->proved && strcmp(text, "version") && strcmp(text, "key"))
		goto malformed;
	make_printable(text);
	lanefsm_end(fsm, end, (int)error, 0, text);
	return 0;
malformed:
	return lanefsm_malformed(fsm, "malformed REFUSE or ERROR");
}
