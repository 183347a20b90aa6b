// SPDX-License-Identifier: GPL-2.0-only
/* lane_pair.c - two ends of a lane in memory; see lane_pair.h. */
#include "lane_pair.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define INBOX_BYTES (160U << 10)
#define HEARD_BYTES 16384U

static void key_function(void *data, const struct core_bytes *parts,
			 size_t count, uint8_t ret_mac[32])
{
	const struct lane_key *key = data;
	uint8_t all[16384];
	size_t used = 0, i;

	for (i = 0; i < count; i++) {
		assert(parts[i].size_bytes <= sizeof(all) - used);
		memcpy(all + used, parts[i].data, parts[i].size_bytes);
		used += parts[i].size_bytes;
	}
	HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), all, used, ret_mac,
	     NULL);
}

void lane_key_init(struct lane_key *key, uint8_t fill)
{
	memset(key->bytes, fill, sizeof(key->bytes));
	key->hmac.data = key;
	key->hmac.function = key_function;
}

static void on_hello(void *data, struct core_bytes details)
{
	struct lane_side *side = data;
	size_t length = details.size_bytes;

	side->hellos++;
	if (length >= sizeof(side->peer_details))
		length = sizeof(side->peer_details) - 1;
	memcpy(side->peer_details, details.data, length);
	side->peer_details[length] = 0;
	switch (side->verdict) {
	case VERDICT_ADMIT:
		lanefsm_admit(side->fsm, side->details);
		break;
	case VERDICT_REFUSE:
		lanefsm_refuse(side->fsm, -ENODEV, "another name");
		break;
	case VERDICT_DUPLICATE:
		lanefsm_duplicate(side->fsm, 41);
		break;
	case VERDICT_LATER:
		break;
	}
}

static void on_up(void *data)
{
	((struct lane_side *)data)->ups++;
}

static void on_frame(void *data, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	struct lane_side *side = data;

	side->frames++;
	side->last_type = frame->type;
	side->last_sequence = frame->sequence;
	if (side->on_frame)
		side->on_frame(side, frame, extensions, payload);
}

static void on_draining(void *data)
{
	((struct lane_side *)data)->drainings++;
}

static void on_drained(void *data)
{
	((struct lane_side *)data)->draineds++;
}

static void on_closed(void *data, enum lane_end end, int error,
		      uint64_t generation_seen, const char *text)
{
	struct lane_side *side = data;

	side->closeds++;
	side->end = end;
	side->error = error;
	side->generation = generation_seen;
	snprintf(side->text, sizeof(side->text), "%s", text);
}

static const struct lanefsm_handler handler = {
	.hello = on_hello,
	.up = on_up,
	.frame = on_frame,
	.draining = on_draining,
	.drained = on_drained,
	.closed = on_closed,
};

static void *must_alloc(size_t size_bytes)
{
	void *memory = aligned_alloc(16, size_bytes);

	assert(memory);
	return memory;
}

static void side_init(struct lane_side *side, bool dialler,
		      const struct lane_key *key, struct core_bytes details)
{
	struct lanefsm_config config = {
		.dialler = dialler,
		.hmac = key ? &key->hmac : NULL,
		.details = details,
	};

	memset(side, 0, sizeof(*side));
	side->details = details;
	side->inbox = must_alloc(INBOX_BYTES);
	side->heard = must_alloc(HEARD_BYTES);
	memset(config.nonce, dialler ? 0xd1 : 0xac, sizeof(config.nonce));
	lane_queue_init(&side->queue, must_alloc(LANE_PAIR_QUEUE_BYTES),
			LANE_PAIR_QUEUE_BYTES);
	side->fsm = lanefsm_init(must_alloc(lanefsm_size()), &config,
				 &side->queue, &handler, side);
}

static void side_free(struct lane_side *side)
{
	free(side->fsm);
	free(side->queue.data);
	free(side->inbox);
	free(side->heard);
}

static struct core_bytes text_bytes(const char *text)
{
	return (struct core_bytes) { text, strlen(text) };
}

void lane_pair_init(struct lane_pair *pair, const struct lane_key *dialler,
		    const struct lane_key *acceptor)
{
	side_init(&pair->dialler, true, dialler,
		  text_bytes("details of the dialler"));
	side_init(&pair->acceptor, false, acceptor,
		  text_bytes("details of the acceptor"));
}

void lane_pair_init_details(struct lane_pair *pair,
			    const struct lane_key *dialler,
			    const struct lane_key *acceptor,
			    struct core_bytes details)
{
	side_init(&pair->dialler, true, dialler, details);
	side_init(&pair->acceptor, false, acceptor, details);
}

void lane_pair_free(struct lane_pair *pair)
{
	side_free(&pair->dialler);
	side_free(&pair->acceptor);
}

/*
 * The bytes are given from a copy of exactly their size, so that a sanitizer
 * sees a read beyond them.
 */
static ssize_t receive_exact(struct lane_side *side)
{
	uint8_t *copy;
	ssize_t taken;

#ifdef SKERRY_SANITIZE
	copy = malloc(side->inbox_bytes ? side->inbox_bytes : 1);
	assert(copy);
	memcpy(copy, side->inbox, side->inbox_bytes);
	taken = lanefsm_receive(side->fsm, copy, side->inbox_bytes);
	free(copy);
#else
	copy = side->inbox;
	taken = lanefsm_receive(side->fsm, copy, side->inbox_bytes);
#endif
	return taken;
}

void lane_side_feed(struct lane_side *side, const void *data, size_t size_bytes)
{
	size_t remember = size_bytes;

	assert(size_bytes <= INBOX_BYTES - side->inbox_bytes);
	if (remember > HEARD_BYTES - side->heard_bytes)
		remember = HEARD_BYTES - side->heard_bytes;
	memcpy(side->heard + side->heard_bytes, data, remember);
	side->heard_bytes += remember;
	memcpy(side->inbox + side->inbox_bytes, data, size_bytes);
	side->inbox_bytes += size_bytes;
	side->received = receive_exact(side);
	if (side->received < 0) {
		side->inbox_bytes = 0;
		return;
	}
	assert((size_t)side->received <= side->inbox_bytes);
	side->inbox_bytes -= (size_t)side->received;
	memmove(side->inbox, side->inbox + side->received, side->inbox_bytes);
}

size_t lane_side_move(struct lane_side *from, struct lane_side *to,
		      size_t most_bytes)
{
	struct core_bytes pieces[2];
	uint8_t bytes[65536];
	size_t moved;

	if (!lane_queue_peek(&from->queue, pieces))
		return 0;
	moved = pieces[0].size_bytes;
	if (moved > most_bytes)
		moved = most_bytes;
	if (moved > sizeof(bytes))
		moved = sizeof(bytes);
	memcpy(bytes, pieces[0].data, moved);
	lane_queue_consume(&from->queue, moved);
	lane_side_feed(to, bytes, moved);
	return moved;
}

void lane_pair_settle(struct lane_pair *pair)
{
	while (lane_side_move(&pair->dialler, &pair->acceptor, SIZE_MAX) ||
	       lane_side_move(&pair->acceptor, &pair->dialler, SIZE_MAX))
		;
}

void lane_pair_up(struct lane_pair *pair, const struct lane_key *key)
{
	lane_pair_init(pair, key, key);
	lane_pair_settle(pair);
	assert(lanefsm_state(pair->dialler.fsm) == LANEFSM_UP);
	assert(lanefsm_state(pair->acceptor.fsm) == LANEFSM_UP);
}

size_t lane_side_take(struct lane_side *side, uint8_t *out, size_t room_bytes)
{
	struct core_bytes pieces[2];
	size_t used = 0;

	while (lane_queue_peek(&side->queue, pieces)) {
		assert(pieces[0].size_bytes <= room_bytes - used);
		memcpy(out + used, pieces[0].data, pieces[0].size_bytes);
		used += pieces[0].size_bytes;
		lane_queue_consume(&side->queue, pieces[0].size_bytes);
	}
	return used;
}

size_t lane_frame(uint8_t *out, uint8_t type, const void *extensions,
		  size_t extension_bytes, const void *payload,
		  size_t payload_bytes)
{
	struct skerry_frame frame = { .type = type };

	lanefsm_header(&frame, extension_bytes, payload_bytes);
	memcpy(out, &frame, sizeof(frame));
	if (extension_bytes)
		memcpy(out + sizeof(frame), extensions, extension_bytes);
	if (payload_bytes)
		memcpy(out + sizeof(frame) + extension_bytes, payload,
		       payload_bytes);
	return frame.length;
}
