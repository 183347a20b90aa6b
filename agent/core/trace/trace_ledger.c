// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace_ledger.c - the rows of EV_LEDGER as bytes, and back. */
#include <errno.h>
#include <string.h>

#include "trace_private.h"

/* Six counters in a row. */
static void put_counters(struct tlv_writer *w, const struct core_ledger *row)
{
	const uint64_t counters[6] = { row->out_seen,	row->out_dropped,
				       row->out_leaked, row->in_seen,
				       row->in_dropped, row->in_leaked };

	tlv_put(w, TK_COUNTERS, counters, sizeof(counters));
}

void trace_ledger_put(struct tlv_writer *w, const struct core_ledger *list,
		      uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		size_t mark = tlv_begin(w, TK_LEDGER);

		tlv_put_u64(w, TK_PEER, list[i].peer);
		tlv_put_bool(w, TK_IN_FORCE, list[i].in_force);
		tlv_put_bool(w, TK_USER_SPACE, list[i].user_space);
		put_counters(w, &list[i]);
		tlv_end(w, mark);
	}
}

static int take_counters(const struct tlv_reader *r, struct core_ledger *row)
{
	uint64_t counters[6];

	if (r->length != sizeof(counters))
		return -EPROTO;
	memcpy(counters, r->value, sizeof(counters));
	row->out_seen = counters[0];
	row->out_dropped = counters[1];
	row->out_leaked = counters[2];
	row->in_seen = counters[3];
	row->in_dropped = counters[4];
	row->in_leaked = counters[5];
	return 0;
}

static int take_row(const struct tlv_reader *field, struct core_ledger *row)
{
	struct tlv_reader r;
	int error = 0;

	memset(row, 0, sizeof(*row));
	tlv_reader_init(&r, field->value, field->length);
	while (!error && tlv_next(&r)) {
		if (r.key == TK_PEER)
			error = trace_u32(&r, &row->peer);
		else if (r.key == TK_IN_FORCE)
			error = tlv_bool(&r, &row->in_force);
		else if (r.key == TK_USER_SPACE)
			error = tlv_bool(&r, &row->user_space);
		else if (r.key == TK_COUNTERS)
			error = take_counters(&r, row);
		else
			error = -EPROTO;
	}
	return error || r.bad ? -EPROTO : 0;
}

int trace_ledger_take(const struct tlv_reader *field, struct core_bytes data,
		      struct trace_scratch *scratch, struct core_event *event)
{
	struct core_ledger *list = (struct core_ledger *)event->ledger.list;
	size_t bytes;

	if (event->type != EV_LEDGER)
		return -EPROTO;
	if (!list) {
		list = trace_scratch_take(scratch,
					  trace_count(data, TK_LEDGER, &bytes) *
						  sizeof(*list));
		if (!list)
			return -ENOSPC;
		event->ledger.list = list;
	}
	return take_row(field, &list[event->ledger.count++]);
}
