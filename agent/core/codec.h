/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * codec.h - writing and reading type-length-value fields (wire.h, keys.h)
 * in memory somebody else owns. No allocation, no system call. Used by the
 * core, the library and the tools alike.
 */
#ifndef SKERRY_CODEC_H
#define SKERRY_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skerry/keys.h"
#include "skerry/wire.h"

/*
 * A writer over a caller's buffer. Writing past the end sets `full` and
 * writes nothing more; check once at the end.
 */
struct tlv_writer {
	uint8_t *data;
	size_t size_bytes;
	size_t used_bytes;
	bool full;
};

void tlv_writer_init(struct tlv_writer *w, void *data, size_t size_bytes);
void tlv_put(struct tlv_writer *w, uint16_t key, const void *value,
	     size_t size_bytes);
void tlv_put_u64(struct tlv_writer *w, uint16_t key, uint64_t value);
void tlv_put_s64(struct tlv_writer *w, uint16_t key, int64_t value);
void tlv_put_bool(struct tlv_writer *w, uint16_t key, bool value);
/* NULL is written as "". */
void tlv_put_str(struct tlv_writer *w, uint16_t key, const char *value);
void tlv_put_addr(struct tlv_writer *w, uint16_t key,
		  const struct skerry_addr *value);
/* Open a NEST; returns a mark for tlv_end(). */
size_t tlv_begin(struct tlv_writer *w, uint16_t key);
void tlv_end(struct tlv_writer *w, size_t mark);

/*
 * A reader. Start with tlv_reader_init(), then tlv_next() until false; `bad`
 * tells whether the bytes ended in the middle of a field.
 */
struct tlv_reader {
	const uint8_t *at;
	const uint8_t *end;
	uint16_t key; /* without the critical bit */
	bool critical;
	bool bad;
	const uint8_t *value;
	uint16_t length;
};

void tlv_reader_init(struct tlv_reader *r, const void *data, size_t size_bytes);
bool tlv_next(struct tlv_reader *r);

/*
 * The value of the current field. Each returns 0, or -EPROTO when the length
 * does not fit the type; ret_ is untouched then.
 */
int tlv_u64(const struct tlv_reader *r, uint64_t *ret_value);
int tlv_s64(const struct tlv_reader *r, int64_t *ret_value);
int tlv_bool(const struct tlv_reader *r, bool *ret_value);
int tlv_id(const struct tlv_reader *r, uint8_t ret_value[16]);
int tlv_addr(const struct tlv_reader *r, struct skerry_addr *ret_value);
/* Copies and terminates; -EPROTO too long for size_bytes, or holds a NUL. */
int tlv_str(const struct tlv_reader *r, char *ret_value, size_t size_bytes);

/*
 * First field with that key anywhere at the top level of data. False when
 * there is none or the bytes are bad.
 */
bool tlv_find(const void *data, size_t size_bytes, uint16_t key,
	      struct tlv_reader *ret_field);
/* Shorthands: the value, or fallback when absent or of the wrong length. */
uint64_t tlv_find_u64(const void *data, size_t size_bytes, uint16_t key,
		      uint64_t fallback);
bool tlv_find_bool(const void *data, size_t size_bytes, uint16_t key);
/* 0, -ENOENT absent, -EPROTO. */
int tlv_find_str(const void *data, size_t size_bytes, uint16_t key,
		 char *ret_value, size_t room_bytes);

/* The JSON name, type and list flag of a key; NULL for an unknown one. */
const char *skerry_key_name(uint16_t key, enum skerry_key_type *ret_type,
			    bool *ret_list);

/* 0-15, or -1. */
int skerry_hex_digit(int c);
/* Exactly 2 * size_bytes digits into size_bytes bytes; false otherwise, and
 * ret_bytes may be half written. */
bool skerry_hex_decode(const char *text, size_t length, void *ret_bytes,
		       size_t size_bytes);

/* A node or cluster name: 1-63 of A-Z a-z 0-9 . _ - : @ */
bool skerry_name_valid(const char *name);

#endif
