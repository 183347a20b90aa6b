/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * trace.h - events and operations as bytes and as text: what `skerryd
 * --record` writes, `skerry-replay` feeds to a core again, and tests
 * compare.
 *
 * A file is an 8-byte magic "SKTRACE\1", then records: u32 length of what
 * follows, u8 kind, and TLVs. The first record is TRACE_SETUP; then, for each
 * step, one TRACE_EVENT, the TRACE_OPs it gave, in order, and one
 * TRACE_RESULT. The keys of the TLVs are the trace's own (trace_private.h), and
 * a value above 60,000 bytes is several fields of the same key in a row.
 *
 * Everything an operation says is encoded, so two cores that give the same
 * bytes did the same. The file holds no secret but what the events hold:
 * messages of the control plane, never the cluster key.
 */
#ifndef SKERRY_TRACE_H
#define SKERRY_TRACE_H

#include "codec.h"
#include "core.h"
#include "event.h"

#define TRACE_MAGIC "SKTRACE\1"
#define TRACE_MAGIC_BYTES 8
#define TRACE_HEADER_BYTES 5 /* of a record */
/* A record is at most this; a larger persisted state cannot be recorded. */
#define TRACE_RECORD_MAX_BYTES (4U << 20)

enum trace_kind {
	TRACE_SETUP = 0,
	TRACE_EVENT = 1,
	TRACE_OP = 2,
	TRACE_RESULT = 3,
};

/*
 * Recording. Append to a caller's buffer; the writer's `full` tells when it
 * did not fit. A record is
 *	mark = trace_record_begin(w, kind);
 *	trace_event(w, event) or trace_op(w, op) or ...
 *	trace_record_end(w, mark);
 */
size_t trace_record_begin(struct tlv_writer *w, enum trace_kind kind);
void trace_record_end(struct tlv_writer *w, size_t mark);

/* What core_init() was given. hmac NULL: no key. The key itself is not
 * written, but a digest by which another key is recognised. */
void trace_setup(struct tlv_writer *w, const struct core_limits *limits,
		 const struct core_hmac *hmac);
void trace_event(struct tlv_writer *w, const struct core_event *event);
void trace_op(struct tlv_writer *w, const struct core_op *op);
/* What core_step() returned, and how many operations there were. */
void trace_result(struct tlv_writer *w, int error,
		  const struct core_update *update);
/* The whole of one step: event, operations and result, as records. */
void trace_step(struct tlv_writer *w, const struct core_event *event, int error,
		const struct core_update *update);

/* ---- reading ----------------------------------------------------------- */

/*
 * The record at the front of data. Returns 1 and moves data past it, 0 at
 * the end, -EPROTO when the bytes end inside of it or it is no record.
 */
int trace_record_next(struct core_bytes *data, enum trace_kind *ret_kind,
		      struct core_bytes *ret_tlvs);

struct trace_setup {
	struct core_limits limits;
	bool keyed;
	uint8_t key_digest[8];
};
int trace_setup_decode(struct core_bytes data, struct trace_setup *ret_setup);
/* The digest of a key as SETUP has it. */
void trace_key_digest(const struct core_hmac *hmac, uint8_t ret_digest[8]);

struct trace_result {
	int error;
	uint64_t ops;
	bool more;
};
int trace_result_decode(struct core_bytes data,
			struct trace_result *ret_result);

/* Room for the lists of any event, and for its bytes when they are in
 * several fields: what `scratch` needs on top of the record's own size. */
#define TRACE_SCRATCH_BYTES (sizeof(struct core_config) + (64U << 10))
/*
 * Decode an event; bytes and strings point into data, lists into `scratch`
 * (caller's, aligned to 16, at least TRACE_SCRATCH_BYTES; when bytes above
 * 60,000 are to be read, that plus data.size_bytes). -EPROTO; -ENOSPC when
 * scratch is too small.
 */
int trace_event_decode(struct core_bytes data, void *scratch,
		       size_t scratch_bytes, struct core_event *ret_event);

/* The same for an operation; its strings are in scratch as well. */
int trace_op_decode(struct core_bytes data, void *scratch, size_t scratch_bytes,
		    struct core_op *ret_op);

/* ---- text -------------------------------------------------------------- */

/*
 * One line of text, for people and for expected traces in tests. Like
 * snprintf: returns the length it would have had; out is always terminated
 * when room is not 0. Bytes of TLVs are not shown but for their size and a
 * digest.
 */
int trace_event_text(const struct core_event *event, char *out, size_t room);
int trace_op_text(const struct core_op *op, char *out, size_t room);
/* The word for a type, "?" for an unknown one. */
const char *trace_event_name(enum core_event_type type);
const char *trace_op_name(enum core_op_type type);

#endif
