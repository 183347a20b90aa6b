/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Compression of messages, by zstd: before the ring here, behind the ring
 * there. What is small or does not shrink goes as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "outgoing.h"

#define SMALL_BYTES 512U /* not worth a header */
#define WORTH_PERCENT 5U /* saved at least, or it stays raw */
#define LEVEL 1

static size_t most_bytes(size_t size_bytes)
{
	return size_bytes - size_bytes / 100 * WORTH_PERCENT;
}

static ZSTD_CCtx *context(struct skerry *h)
{
	ZSTD_CCtx *c = h->pack;

	if (c)
		return c;
	c = ZSTD_createCCtx();
	if (c)
		ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL);
	h->pack = c;
	return c;
}

/* Bytes in `room`, or 0: it takes more. */
static size_t compress(ZSTD_CCtx *c, void *to, size_t room, const void *data,
		       size_t size_bytes)
{
	size_t n = ZSTD_compress2(c, to, room, data, size_bytes);

	return ZSTD_isError(n) ? 0 : n;
}

/* The first fragment tells of the rest. */
static bool looks_worth(ZSTD_CCtx *c, void *to, const void *data,
			size_t size_bytes)
{
	if (size_bytes <= SKERRY_FRAGMENT_BYTES)
		return true;
	return compress(c, to, most_bytes(SKERRY_FRAGMENT_BYTES), data,
			SKERRY_FRAGMENT_BYTES) != 0;
}

void lib_pack(struct skerry *h, const void *data, size_t size_bytes,
	      struct lib_packed *packed)
{
	ZSTD_CCtx *c;
	uint8_t *to, *less;
	size_t n = 0;

	if (packed->state != LIB_PACK_UNTRIED)
		return;
	packed->state = LIB_PACK_RAW;
	if (size_bytes < SMALL_BYTES)
		return;
	c = context(h);
	to = c ? malloc(most_bytes(size_bytes)) : NULL;
	if (!to)
		return;
	if (looks_worth(c, to, data, size_bytes))
		n = compress(c, to, most_bytes(size_bytes), data, size_bytes);
	if (!n) {
		free(to);
		return;
	}
	less = realloc(to, n);
	packed->bytes = less ? less : to;
	packed->size_bytes = n;
	packed->state = LIB_PACK_DONE;
}

int lib_unpack(struct skerry *h, const void *data, size_t size_bytes,
	       uint64_t plain_bytes, uint8_t **ret_plain)
{
	uint8_t *plain;
	size_t n;

	if (!plain_bytes || plain_bytes > SKERRY_MESSAGE_MAX_BYTES)
		return -EPROTO;
	if (!h->unpack)
		h->unpack = ZSTD_createDCtx();
	plain = h->unpack ? malloc(plain_bytes) : NULL;
	if (!plain)
		return -ENOMEM;
	/* It writes within the room it is given, whatever the bytes say. */
	n = ZSTD_decompressDCtx(h->unpack, plain, plain_bytes, data,
				size_bytes);
	if (ZSTD_isError(n) || n != plain_bytes) {
		free(plain);
		return -EPROTO;
	}
	*ret_plain = plain;
	return 0;
}

void lib_pack_free(struct skerry *h)
{
	ZSTD_freeCCtx(h->pack);
	ZSTD_freeDCtx(h->unpack);
	h->pack = h->unpack = NULL;
}
