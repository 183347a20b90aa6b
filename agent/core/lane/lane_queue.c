// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lane_queue.c - bytes that wait to be written to a lane; see lanefsm.h. */
#include <assert.h>
#include <string.h>

#include "lanefsm.h"

void lane_queue_init(struct lane_queue *q, void *data, size_t size_bytes)
{
	assert(size_bytes && !(size_bytes & (size_bytes - 1)));
	q->data = data;
	q->size_bytes = size_bytes;
	q->head = 0;
	q->tail = 0;
}

size_t lane_queue_used(const struct lane_queue *q)
{
	return (size_t)(q->tail - q->head);
}

size_t lane_queue_room(const struct lane_queue *q)
{
	return q->size_bytes - (size_t)(q->tail - q->head);
}

static inline void put_bytes(struct lane_queue *q, const void *data,
			     size_t size_bytes)
{
	size_t at = (size_t)q->tail & (q->size_bytes - 1);
	size_t to_end = q->size_bytes - at;

	if (size_bytes <= to_end) {
		memcpy(q->data + at, data, size_bytes);
	} else {
		memcpy(q->data + at, data, to_end);
		memcpy(q->data, (const uint8_t *)data + to_end,
		       size_bytes - to_end);
	}
	q->tail += size_bytes;
}

bool lane_queue_put(struct lane_queue *q, const struct core_bytes *parts,
		    size_t count)
{
	size_t left = lane_queue_room(q);
	size_t i;

	for (i = 0; i < count; i++) {
		if (parts[i].size_bytes > left)
			return false;
		left -= parts[i].size_bytes;
	}
	for (i = 0; i < count; i++) {
		if (parts[i].size_bytes)
			put_bytes(q, parts[i].data, parts[i].size_bytes);
	}
	return true;
}

size_t lane_queue_peek(const struct lane_queue *q,
		       struct core_bytes ret_pieces[2])
{
	size_t used = lane_queue_used(q);
	size_t at = (size_t)q->head & (q->size_bytes - 1);
	size_t to_end = q->size_bytes - at;

	if (!used)
		return 0;
	ret_pieces[0].data = q->data + at;
	if (used <= to_end) {
		ret_pieces[0].size_bytes = used;
		return 1;
	}
	ret_pieces[0].size_bytes = to_end;
	ret_pieces[1].data = q->data;
	ret_pieces[1].size_bytes = used - to_end;
	return 2;
}

void lane_queue_consume(struct lane_queue *q, size_t size_bytes)
{
	assert(size_bytes <= lane_queue_used(q));
	q->head += size_bytes;
	if (q->head == q->tail) {
		q->head = 0;
		q->tail = 0;
	}
}
