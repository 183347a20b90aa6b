// SPDX-License-Identifier: GPL-2.0-only
/* fuzz.c - see fuzz.h. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "hash.h"

#define NEST_MAX 4

void fuzz_wrong(const char *file, int line, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s:%d: does not hold: ", file, line);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	abort();
}

bool fuzz_next(struct core_bytes *left, struct fuzz_record *ret_record)
{
	struct fuzz_record r;
	const uint8_t *at = left->data;
	size_t length, header, body;
	uint8_t *copy;

	if (left->size_bytes < sizeof(r.frame))
		return false;
	memcpy(&r.frame, at, sizeof(r.frame));
	length = r.frame.length;
	if (length < sizeof(r.frame))
		length = sizeof(r.frame);
	if (length > left->size_bytes)
		length = left->size_bytes;
	header = r.frame.header_length;
	if (header < sizeof(r.frame))
		header = sizeof(r.frame);
	if (header > length)
		header = length;
	r.frame.length = (uint32_t)length;
	r.frame.header_length = (uint16_t)header;
	body = length - sizeof(r.frame);
	copy = malloc(body);
	if (body && !copy)
		abort();
	if (body)
		memcpy(copy, at + sizeof(r.frame), body);
	r.extensions.data = copy;
	r.extensions.size_bytes = header - sizeof(r.frame);
	r.payload.data = copy + r.extensions.size_bytes;
	r.payload.size_bytes = length - header;
	left->data = at + length;
	left->size_bytes -= length;
	*ret_record = r;
	return true;
}

void fuzz_free(struct fuzz_record *record)
{
	free((void *)record->extensions.data);
}

void fuzz_hmac(void *data, const struct core_bytes *parts, size_t count,
	       uint8_t ret_mac[32])
{
	uint64_t hash = hash_u64(HASH_START, *(const uint64_t *)data);
	size_t i;

	for (i = 0; i < count; i++)
		if (parts[i].size_bytes)
			hash = hash_bytes(hash, parts[i].data,
					  parts[i].size_bytes);
	for (i = 0; i < 4; i++) {
		hash = hash_mix(hash_u64(hash, i));
		memcpy(ret_mac + 8 * i, &hash, sizeof(hash));
	}
}

static bool whole(struct core_bytes tlvs, int depth)
{
	enum skerry_key_type type;
	struct tlv_reader r;
	bool list;

	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		/* What is new to us is passed on, and so is a spec: byte for
		 * byte as its owner wrote it. */
		if (!skerry_key_name(r.key, &type, &list) ||
		    r.key == SKERRY_K_SPEC)
			continue;
		if (type == SKERRY_T_NEST && depth < NEST_MAX &&
		    !whole((struct core_bytes) { r.value, r.length },
			   depth + 1))
			return false;
	}
	return !r.bad;
}

bool fuzz_tlvs_whole(struct core_bytes tlvs)
{
	return whole(tlvs, 0);
}
