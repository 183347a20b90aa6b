/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "ringbuf.h"

#include <errno.h>
#include <string.h>

#include "skerry/barrier.h"

#define HEADER_BYTES sizeof(struct skerry_frame)

void ringbuf_init(struct ringbuf *rb, struct skerry_ring_positions *positions,
		  void *data, uint32_t size_bytes, uint64_t position)
{
	rb->positions = positions;
	rb->data = data;
	rb->size_bytes = size_bytes;
	rb->own = position;
	rb->other = position;
}

static uint8_t *place(const struct ringbuf *rb, uint64_t position)
{
	return rb->data + (position & (rb->size_bytes - 1));
}

/* ---- producer --------------------------------------------------------- */

/*
 * The consumer's position lies between where it was and our own. Anything
 * else would make us overwrite what it has not read, or never write again.
 */
static int look_at_head(struct ringbuf *rb)
{
	/* Pairs with the store-release in ringbuf_advance(): what the
	 * consumer read, it read before we write there again. */
	uint64_t head = skerry_load_acquire(&rb->positions->head);

	if (head - rb->other > rb->own - rb->other || head % SKERRY_ALIGN)
		return -EPROTO;
	rb->other = head;
	return 0;
}

static uint64_t free_bytes(const struct ringbuf *rb)
{
	return rb->size_bytes - (rb->own - rb->other);
}

int64_t ringbuf_room(struct ringbuf *rb)
{
	int r = look_at_head(rb);

	return r ? r : (int64_t)free_bytes(rb);
}

int ringbuf_write(struct ringbuf *rb, const struct skerry_frame *record,
		  const void *extensions, size_t extension_bytes,
		  const void *payload, size_t payload_bytes)
{
	struct skerry_frame header = *record;
	uint64_t length, cost;
	uint8_t *out;
	int r;

	if (extension_bytes > UINT16_MAX - HEADER_BYTES ||
	    payload_bytes > rb->size_bytes)
		return -EMSGSIZE;
	length = HEADER_BYTES + extension_bytes + payload_bytes;
	cost = SKERRY_COST(length);
	if (cost > rb->size_bytes)
		return -EMSGSIZE;
	/* Their cache line is touched only when what we remember is not
	 * enough. */
	if (cost > free_bytes(rb)) {
		r = look_at_head(rb);
		if (r)
			return r;
		if (cost > free_bytes(rb))
			return -ENOSPC;
	}

	header.length = (uint32_t)length;
	header.header_length = (uint16_t)(HEADER_BYTES + extension_bytes);
	out = place(rb, rb->own);
	memcpy(out, &header, HEADER_BYTES);
	if (extension_bytes)
		memcpy(out + HEADER_BYTES, extensions, extension_bytes);
	if (payload_bytes)
		memcpy(out + header.header_length, payload, payload_bytes);
	rb->own += cost;
	return 0;
}

void ringbuf_publish(struct ringbuf *rb)
{
	/* Pairs with the load-acquire in look_at_tail(). */
	skerry_store_release(&rb->positions->tail, rb->own);
}

/* ---- consumer --------------------------------------------------------- */

/* The producer's position never goes back, and is at most a ring ahead. */
static int look_at_tail(struct ringbuf *rb)
{
	/* Pairs with the store-release in ringbuf_publish(). */
	uint64_t tail = skerry_load_acquire(&rb->positions->tail);

	if (tail - rb->own > rb->size_bytes ||
	    tail - rb->own < rb->other - rb->own || tail % SKERRY_ALIGN)
		return -EPROTO;
	rb->other = tail;
	return 0;
}

int ringbuf_read(struct ringbuf *rb, uint64_t *offset_bytes,
		 struct ringbuf_record *ret_record)
{
	uint64_t position = rb->own + *offset_bytes;
	struct skerry_frame frame;
	uint64_t available;
	const uint8_t *in;
	int r;

	if (position == rb->other) {
		r = look_at_tail(rb);
		if (r)
			return r;
		if (position == rb->other)
			return 0;
	}
	available = rb->other - position;
	if (available > rb->size_bytes || available < HEADER_BYTES)
		return -EPROTO;

	in = place(rb, position);
	memcpy(&frame, in, HEADER_BYTES);
	/* The copy stays a copy: the compiler may not look there again after
	 * the checks below. */
	__asm__ __volatile__("" ::: "memory");
	if (frame.header_length < HEADER_BYTES ||
	    frame.length < frame.header_length ||
	    SKERRY_COST(frame.length) > available)
		return -EPROTO;

	ret_record->frame = frame;
	ret_record->extensions = in + HEADER_BYTES;
	ret_record->extension_bytes = frame.header_length - HEADER_BYTES;
	ret_record->payload = in + frame.header_length;
	ret_record->payload_bytes = frame.length - frame.header_length;
	ret_record->cost_bytes = (uint32_t)SKERRY_COST(frame.length);
	*offset_bytes += ret_record->cost_bytes;
	return 1;
}

void ringbuf_advance(struct ringbuf *rb, uint64_t bytes)
{
	rb->own += bytes;
	/* Pairs with the load-acquire in look_at_head(). */
	skerry_store_release(&rb->positions->head, rb->own);
}

bool ringbuf_empty(struct ringbuf *rb)
{
	/* Relaxed: nothing is read on the strength of this answer. */
	return skerry_load_relaxed(&rb->positions->tail) == rb->own;
}
