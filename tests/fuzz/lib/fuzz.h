/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - what the fuzz targets share. A target is one file of tests/fuzz:
 * LLVMFuzzerTestOneInput() and a struct fuzz_format that says what its
 * inputs look like, so that the mutator changes fields instead of bytes.
 *
 * Most inputs are records in a row, each a struct skerry_frame with
 * extensions and payload: what lies on a lane or in a ring as it is, and a
 * script of events where the type says which.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "skerry/wire.h"

/* What must hold, or the input is a finding. */
#define FUZZ_CHECK(condition)                                             \
	do {                                                              \
		if (!(condition))                                         \
			fuzz_wrong(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

void fuzz_wrong(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- inputs ------------------------------------------------------------- */

enum fuzz_kind {
	FUZZ_RECORDS, /* struct skerry_frame, extensions, payload; again */
	FUZZ_TLVS,
	FUZZ_TRACE, /* of trace.h: u32 length, u8 kind, TLVs; again */
	FUZZ_TEXT, /* nothing that we know of */
};

struct fuzz_format {
	enum fuzz_kind kind;
	size_t prefix_bytes; /* before the first record; left alone mostly */
	const uint8_t *types; /* of records that are made up */
	size_t type_count;
	const char *const *words; /* for strings */
	size_t word_count;
	bool payload_is_data; /* no TLVs in it, for that type */
	uint8_t data_type;
};

extern const struct fuzz_format fuzz_format; /* the target's */

struct fuzz_record {
	struct skerry_frame frame;
	struct core_bytes extensions;
	struct core_bytes payload;
};

/*
 * The record at the front, lengths made to fit what is there; *left is moved
 * behind it. False: nothing more. Extensions and payload are in one piece of
 * memory of exactly their size (fuzz_free() it), so that a read beyond them
 * is seen.
 */
bool fuzz_next(struct core_bytes *left, struct fuzz_record *ret_record);
void fuzz_free(struct fuzz_record *record);

/* ---- helpers ------------------------------------------------------------ */

/* A keyed hash in place of HMAC-SHA-256: what is behind a proof is looked
 * at here, not the proof's strength. `data` points to a u64 key. */
void fuzz_hmac(void *data, const struct core_bytes *parts, size_t count,
	       uint8_t ret_mac[32]);

/* Fields are whole, and those in NESTs but specs as well. */
bool fuzz_tlvs_whole(struct core_bytes tlvs);

#endif
