/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * trace.h - events and operations as bytes and as text: what `skerryd
 * --record` writes, `skerry-replay` feeds to a core again, and tests
 * compare.
 *
 * A file is an 8-byte magic "SKTRACE\1", then records: u32 length, u8 kind
 * (0 limits and hmac key digest, 1 event, 2 operation, 3 step result), TLVs.
 */
#ifndef SKERRY_TRACE_H
#define SKERRY_TRACE_H

#include "codec.h"
#include "event.h"

#define TRACE_MAGIC "SKTRACE\1"

enum trace_kind {
	TRACE_SETUP = 0,
	TRACE_EVENT = 1,
	TRACE_OP = 2,
	TRACE_RESULT = 3,
};

/* Append the encoding; the writer's `full` tells when it did not fit. */
void trace_event(struct tlv_writer *w, const struct core_event *event);
void trace_op(struct tlv_writer *w, const struct core_op *op);
/*
 * Decode an event; bytes and strings point into data, lists into `scratch`
 * (caller's, at least sizeof(struct core_config) + 64 KiB). -EPROTO.
 */
int trace_event_decode(struct core_bytes data, void *scratch,
		       size_t scratch_bytes, struct core_event *ret_event);
/* One line of text, for people and for expected traces in tests. */
int trace_event_text(const struct core_event *event, char *out, size_t room);
int trace_op_text(const struct core_op *op, char *out, size_t room);

#endif
