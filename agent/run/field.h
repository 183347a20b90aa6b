/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * field.h - how the value of a field (keys.h) reads: the one rule for log
 * lines, tables and JSON. Bytes are hexadecimal, addresses HOST:PORT, times
 * RFC 3339; a value whose length does not fit its type is shown as bytes.
 *
 * Numbers that only name something (nonces, flow ids) are hexadecimal
 * strings: they use all 64 bits, and readers of JSON keep 53.
 */
#ifndef SKERRY_FIELD_H
#define SKERRY_FIELD_H

#include "../core/codec.h"

#define FIELD_TEXT_BYTES 1200 /* longer bytes end in "..." */

enum field_kind {
	FIELD_NUMBER, /* digits, maybe with a sign: no quotes in JSON */
	FIELD_TRUTH, /* true or false */
	FIELD_TEXT,
};

/* `field` must not be a NEST. */
enum field_kind field_text(const struct tlv_reader *field,
			   enum skerry_key_type type,
			   char out[FIELD_TEXT_BYTES]);
/* What a peer chose may hold anything: control characters (also those of two
 * bytes in UTF-8), which a terminal would obey, become "?". */
void field_printable(char *text);
/* 2026-01-31T23:59:59.000042Z */
void field_time_text(uint64_t wall_us, char *out, size_t room);

#endif
