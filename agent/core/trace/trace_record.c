// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace_record.c - the records of a trace file; see trace.h. */
#include "trace.h"

#include <errno.h>
#include <string.h>

#include "trace_private.h"

size_t trace_record_begin(struct tlv_writer *w, enum trace_kind kind)
{
	size_t mark = w->used_bytes;

	if (w->full || w->size_bytes - w->used_bytes < TRACE_HEADER_BYTES) {
		w->full = true;
		return mark;
	}
	memset(w->data + mark, 0, TRACE_HEADER_BYTES);
	w->data[mark + 4] = (uint8_t)kind;
	w->used_bytes += TRACE_HEADER_BYTES;
	return mark;
}

void trace_record_end(struct tlv_writer *w, size_t mark)
{
	uint32_t length;

	if (w->full)
		return;
	if (w->used_bytes - mark > TRACE_RECORD_MAX_BYTES) {
		w->full = true;
		return;
	}
	length = (uint32_t)(w->used_bytes - mark - sizeof(length));
	memcpy(w->data + mark, &length, sizeof(length));
}

void trace_step(struct tlv_writer *w, const struct core_event *event, int error,
		const struct core_update *update)
{
	size_t mark, i;

	mark = trace_record_begin(w, TRACE_EVENT);
	trace_event(w, event);
	trace_record_end(w, mark);
	for (i = 0; i < update->count; i++) {
		mark = trace_record_begin(w, TRACE_OP);
		trace_op(w, &update->ops[i]);
		trace_record_end(w, mark);
	}
	mark = trace_record_begin(w, TRACE_RESULT);
	trace_result(w, error, update);
	trace_record_end(w, mark);
}

int trace_record_next(struct core_bytes *data, enum trace_kind *ret_kind,
		      struct core_bytes *ret_tlvs)
{
	const uint8_t *at = data->data;
	uint32_t length;

	if (!data->size_bytes)
		return 0;
	if (data->size_bytes < TRACE_HEADER_BYTES)
		return -EPROTO;
	memcpy(&length, at, sizeof(length));
	if (at[4] > TRACE_RESULT || !length ||
	    length > TRACE_RECORD_MAX_BYTES ||
	    length > data->size_bytes - sizeof(length))
		return -EPROTO;
	*ret_kind = (enum trace_kind)at[4];
	ret_tlvs->data = at + TRACE_HEADER_BYTES;
	ret_tlvs->size_bytes = length - 1;
	data->data = at + sizeof(length) + length;
	data->size_bytes -= sizeof(length) + length;
	return 1;
}

static int take_u32(const struct tlv_reader *r, uint32_t *ret_value)
{
	uint64_t value;
	int error = tlv_u64(r, &value);

	if (error)
		return error;
	if (value > UINT32_MAX)
		return -EPROTO;
	*ret_value = (uint32_t)value;
	return 0;
}

static int take_setup(const struct tlv_reader *r, struct trace_setup *setup)
{
	switch (r->key) {
	case TK_MEMBERS_MAX:
		return take_u32(r, &setup->limits.members_max);
	case TK_PROGRAMS_MAX:
		return take_u32(r, &setup->limits.programs_max);
	case TK_WATCHES_MAX:
		return take_u32(r, &setup->limits.watches_max);
	case TK_PARTITIONS_MAX:
		return take_u32(r, &setup->limits.partitions_max);
	case TK_RULES_MAX:
		return take_u32(r, &setup->limits.rules_max);
	case TK_KEYED:
		return tlv_bool(r, &setup->keyed);
	case TK_KEY_DIGEST:
		if (r->length != sizeof(setup->key_digest))
			return -EPROTO;
		memcpy(setup->key_digest, r->value, r->length);
		return 0;
	default:
		return -EPROTO;
	}
}

int trace_setup_decode(struct core_bytes data, struct trace_setup *ret_setup)
{
	struct trace_setup setup;
	struct tlv_reader r;
	int error;

	memset(&setup, 0, sizeof(setup));
	tlv_reader_init(&r, data.data, data.size_bytes);
	while (tlv_next(&r)) {
		error = take_setup(&r, &setup);
		if (error)
			return error;
	}
	if (r.bad)
		return -EPROTO;
	*ret_setup = setup;
	return 0;
}

int trace_result_decode(struct core_bytes data, struct trace_result *ret_result)
{
	struct trace_result result = { 0 };
	struct tlv_reader r;
	int64_t number;
	int error;

	tlv_reader_init(&r, data.data, data.size_bytes);
	while (tlv_next(&r)) {
		switch (r.key) {
		case TK_ERROR:
			error = tlv_s64(&r, &number);
			if (!error && (number > 0 || number < -4095))
				error = -EPROTO;
			result.error = error ? 0 : (int)number;
			break;
		case TK_OPS:
			error = tlv_u64(&r, &result.ops);
			break;
		case TK_MORE:
			error = tlv_bool(&r, &result.more);
			break;
		default:
			error = -EPROTO;
		}
		if (error)
			return error;
	}
	if (r.bad)
		return -EPROTO;
	*ret_result = result;
	return 0;
}
