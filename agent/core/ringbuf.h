/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * ringbuf.h - one single-producer single-consumer ring of records (ring.h)
 * in memory that is shared with somebody hostile. The data area is mapped
 * twice in a row, so a record is always contiguous.
 *
 * Each side keeps its own position here and believes nothing it reads back:
 * a position of the other side that cannot be true is -EPROTO.
 */
#ifndef SKERRY_RINGBUF_H
#define SKERRY_RINGBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "skerry/ring.h"

struct ringbuf {
	struct skerry_ring_positions *positions;
	uint8_t *data;
	uint32_t size_bytes; /* a power of two */
	uint64_t own; /* our position: tail as producer, head as consumer */
	uint64_t other; /* theirs, as last read */
};

/* own starts at `position` (0 for a new ring). */
void ringbuf_init(struct ringbuf *rb, struct skerry_ring_positions *positions,
		  void *data, uint32_t size_bytes, uint64_t position);

/* ---- producer --------------------------------------------------------- */

/* Free bytes; -EPROTO when the consumer's position cannot be true. */
int64_t ringbuf_room(struct ringbuf *rb);
/*
 * Write one record: length and header_length of `record` are computed here.
 * Not visible before ringbuf_publish(). -ENOSPC, -EPROTO, -EMSGSIZE (could
 * never fit).
 */
int ringbuf_write(struct ringbuf *rb, const struct skerry_frame *record,
		  const void *extensions, size_t extension_bytes,
		  const void *payload, size_t payload_bytes);
/* Make all written records visible (store-release; pairs with the
 * load-acquire in ringbuf_read). */
void ringbuf_publish(struct ringbuf *rb);

/* ---- consumer --------------------------------------------------------- */

struct ringbuf_record {
	struct skerry_frame frame; /* a copy: read once */
	const uint8_t *extensions; /* in the ring */
	size_t extension_bytes;
	const uint8_t *payload;
	size_t payload_bytes;
	uint32_t cost_bytes; /* what to pass to ringbuf_advance */
};

/*
 * The record at our position + *offset_bytes, which is moved past it: so
 * several can be looked at before any is given back. 1: there is one; 0: no
 * more; -EPROTO: lengths that do not fit what was published.
 */
int ringbuf_read(struct ringbuf *rb, uint64_t *offset_bytes,
		 struct ringbuf_record *ret_record);
/* Give back bytes from our position on (store-release). */
void ringbuf_advance(struct ringbuf *rb, uint64_t bytes);
/* True when nothing is published beyond our position. */
bool ringbuf_empty(struct ringbuf *rb);

#endif
