// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_out.c - what programs write: DATA on its way, SYNC, WANT, CLOSE. */
#include "flow_tab.h"

#include <errno.h>

static int lie(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EPROTO;
}

static struct core_bytes none(void)
{
	return (struct core_bytes) { NULL, 0 };
}

/* ---- DATA ------------------------------------------------------------------ */

/* The message's own pass unread; *ret_total is 0 when there is none. */
static int check_extensions(struct core_bytes extensions, uint64_t *ret_total,
			    const char **ret_why)
{
	struct tlv_reader r;
	size_t own_bytes = 0;
	uint64_t total = 0;

	tlv_reader_init(&r, extensions.data, extensions.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_TOTAL_BYTES)
			own_bytes += sizeof(struct skerry_tlv) + r.length;
		else if (total || r.critical || tlv_u64(&r, &total) || !total)
			return lie(ret_why, "a total_bytes that is wrong");
	}
	if (r.bad || own_bytes > SKERRY_MESSAGE_EXT_MAX_BYTES)
		return lie(ret_why, "extensions malformed or too long");
	*ret_total = total;
	return 0;
}

static int check_first_fragment(struct flow_out *out,
				const struct skerry_frame *record,
				uint64_t total, struct core_bytes payload,
				const char **ret_why)
{
	if (!total)
		return lie(ret_why, "a first fragment without total_bytes");
	if (out->large != record->sequence || out->large_total != total)
		return lie(ret_why, "a large message that was not allowed");
	if (!payload.size_bytes || payload.size_bytes >= total)
		return lie(ret_why, "a first fragment of a wrong size");
	out->open_message = true;
	out->left_bytes = total - payload.size_bytes;
	out->large = 0;
	out->large_total = 0;
	return 0;
}

static int check_next_fragment(struct flow_out *out,
			       const struct skerry_frame *record,
			       struct core_bytes payload, const char **ret_why)
{
	bool more = record->flags & SKERRY_DATA_MORE;

	if (!out->open_message)
		return lie(ret_why, "a fragment of no message");
	if (!payload.size_bytes || payload.size_bytes > out->left_bytes ||
	    more == (payload.size_bytes == out->left_bytes))
		return lie(ret_why, "fragments that do not make their total");
	out->left_bytes -= payload.size_bytes;
	out->open_message = more;
	return 0;
}

/* Advances `next` when this completes a message. */
static int check_message(struct flow_out *out,
			 const struct skerry_frame *record,
			 struct core_bytes extensions,
			 struct core_bytes payload, const char **ret_why)
{
	uint64_t total = 0;
	int r = 0;

	if (record->flags & ~SKERRY_DATA_FLAGS)
		return lie(ret_why, "DATA with unknown flags");
	if (record->sequence != out->next)
		return lie(ret_why, "DATA with a number out of turn");
	if (payload.size_bytes > SKERRY_FRAGMENT_BYTES)
		return lie(ret_why, "DATA larger than a fragment");
	if (record->flags & SKERRY_DATA_CONT && extensions.size_bytes)
		return lie(ret_why, "extensions in the middle of a message");
	if (extensions.size_bytes)
		r = check_extensions(extensions, &total, ret_why);
	if (r)
		return r;
	if (record->flags & SKERRY_DATA_CONT)
		r = check_next_fragment(out, record, payload, ret_why);
	else if (out->open_message)
		return lie(ret_why, "a message inside another");
	else if (record->flags & SKERRY_DATA_MORE)
		return check_first_fragment(out, record, total, payload,
					    ret_why);
	else if (total)
		return lie(ret_why, "a whole message with total_bytes");
	if (!r && !(record->flags & SKERRY_DATA_MORE))
		out->next++;
	return r;
}

int flow_out_data(struct flowtab *tab, struct flow_out *out,
		  const struct skerry_frame *record,
		  struct core_bytes extensions, struct core_bytes payload,
		  const char **ret_why)
{
	uint64_t cost = SKERRY_COST(sizeof(*record) + extensions.size_bytes +
				    payload.size_bytes);
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_DATA,
		.flags = record->flags,
		.flow = out->number,
		.sequence = record->sequence,
	};
	int r;

	if (record->correlation != out->epoch || out->state != OUT_OPEN) {
		if ((int32_t)(record->correlation - out->epoch) > 0)
			return lie(ret_why, "DATA of an epoch to come");
		out->taken += cost;
		return 0;
	}
	if (!out->synced)
		return lie(ret_why, "DATA before SYNC");
	if (cost > out->unspent)
		return lie(ret_why, "DATA beyond the credit");
	r = check_message(out, record, extensions, payload, ret_why);
	if (r)
		return r;
	if (out->due & OUT_DUE_SKIP) {
		/* The lane had no room for it, and nothing may overtake it. */
		out->taken += cost;
		flow_out_down(tab, out);
		return 0;
	}
	out->taken += cost;
	out->unspent -= cost;
	out->lane->unspent_bytes -= cost;
	out->sent += cost;
	out->active_ns = tab->now_ns;
	out->parked_for_ns = 0;
	r = flow_lane_send(tab, out->lane, &frame, extensions, payload);
	if (r) {
		/* The lane is closing under us: this one is lost. */
		if (r == -ENOTCONN)
			flow_lane_leave(tab, out->lane);
		flow_out_down(tab, out);
		return 0;
	}
	if (!(record->flags & SKERRY_DATA_MORE))
		tab->counters.sent_messages++;
	return 0;
}

/* ---- SYNC, WANT, CLOSE ------------------------------------------------------ */

int flow_out_sync(struct flowtab *tab, struct flow_out *out,
		  const struct skerry_frame *record, const char **ret_why)
{
	if (record->correlation != out->epoch || out->state != OUT_OPEN) {
		if ((int32_t)(record->correlation - out->epoch) > 0)
			return lie(ret_why, "SYNC of an epoch to come");
		return 0;
	}
	if (out->sent)
		return lie(ret_why, "SYNC in the middle of an epoch");
	if (record->sequence < out->expected ||
	    record->sequence > FLOW_SEQUENCE_MAX)
		return lie(ret_why, "SYNC to a number that has arrived");
	tab->counters.lost_reported += record->sequence - out->expected;
	out->next = record->sequence;
	out->synced = true;
	if (out->next != out->expected)
		flow_out_due(tab, out, OUT_DUE_SKIP);
	if (out->unspent) /* what was thrown away has moved it */
		flow_out_show(tab, out);
	flow_out_serve(tab, out);
	return 0;
}

int flow_out_want(struct flowtab *tab, struct flow_out *out,
		  const struct skerry_frame *record,
		  struct core_bytes extensions, struct core_bytes payload,
		  const char **ret_why)
{
	uint64_t most = 2 * tab->limits.credit_bytes;
	struct tlv_reader r;
	uint64_t total = 0;

	if (record->correlation != out->epoch || out->state != OUT_OPEN)
		return 0;
	if ((tlv_find(extensions.data, extensions.size_bytes,
		      SKERRY_K_TOTAL_BYTES, &r) ||
	     tlv_find(payload.data, payload.size_bytes, SKERRY_K_TOTAL_BYTES,
		      &r)) &&
	    (tlv_u64(&r, &total) || !total || total > SKERRY_MESSAGE_MAX_BYTES))
		return lie(ret_why, "WANT of an impossible total");
	if (total && out->open_message)
		return lie(ret_why, "WANT of a message inside another");
	list_del(&out->parked_link);
	if (record->sequence > out->taken)
		out->want = flow_max(out->want,
				     out->sent + flow_min(record->sequence -
								  out->taken,
							  most));
	if (total && (out->large != out->next || out->large_total != total)) {
		out->large_total = total;
		out->large_number = out->next;
		out->large = 0;
	} else if (total) {
		total = 0; /* allowed already */
	}
	/* What is being given back makes a WANT void; it follows the KEPT. */
	if (!out->revoke && (total || out->want > out->remote))
		flow_out_due(tab, out, OUT_DUE_WANT);
	flow_out_serve(tab, out);
	return 0;
}

int flow_record(struct flowtab *tab, uint32_t program, uint32_t channel,
		const struct skerry_frame *record, struct core_bytes extensions,
		struct core_bytes payload, uint64_t now_ns,
		const char **ret_why)
{
	struct flow_program *p = flow_program_find(tab, program);
	struct flow_out *out;
	int r = 0;

	if (!p)
		return lie(ret_why, "no such program");
	flow_time(tab, now_ns);
	out = record->flow < SKERRY_FLOWS_PER_PROGRAM_MAX
		      ? p->slots[record->flow]
		      : NULL;
	if (!out || out->channel != channel)
		return lie(ret_why, "a record of no flow");
	switch (record->type) {
	case SKERRY_FRAME_DATA:
		if (out->datagram)
			return lie(ret_why, "DATA of a fast flow in a ring");
		r = flow_out_data(tab, out, record, extensions, payload,
				  ret_why);
		break;
	case SKERRY_REC_WANT:
		r = flow_out_want(tab, out, record, extensions, payload,
				  ret_why);
		break;
	case SKERRY_REC_SYNC:
		r = flow_out_sync(tab, out, record, ret_why);
		break;
	case SKERRY_REC_CLOSE:
		flow_out_end(tab, out);
		break;
	default:
		return lie(ret_why, "a record of an unknown type");
	}
	if (flow_unsettled(tab))
		flow_settle(tab);
	return r;
}

/* ---- what is due on the lane ------------------------------------------------ */

void flow_out_due(struct flowtab *tab, struct flow_out *out, uint8_t bits)
{
	out->due |= bits;
	if (list_empty(&out->due_link))
		list_add_tail(&out->lane->due_outs, &out->due_link);
	flow_lane_dirty(tab, out->lane);
}

static int send_open(struct flowtab *tab, struct flow_out *out)
{
	uint8_t tlvs[512];
	struct tlv_writer w;
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_FLOW_OPEN,
		.flow = out->number,
		.sequence = out->next,
	};

	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	tlv_put(&w, SKERRY_K_PROGRAM, out->program->instance, 16);
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, out->flow_id);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, out->endpoint);
	tlv_put_u64(&w, SKERRY_K_WANT_BYTES,
		    out->datagram || out->monitor ||
				    flow_monotonic(tab, out->channel)
			    ? 0
			    : FLOW_INITIAL_BYTES);
	tlv_put_u64(&w, SKERRY_K_FROM_SEQUENCE,
		    out->monitored ? 0 : out->acked);
	if (out->lane->self)
		tlv_put_u64(&w, SKERRY_K_SLOT, out->channel);
	if (out->source[0])
		tlv_put_str(&w, SKERRY_K_SOURCE, out->source);
	if (out->datagram) {
		tlv_put_str(&w, SKERRY_K_CHANNEL,
			    tab->ops->channel_name(tab->ops_data,
						   out->channel));
		tlv_put_addr(&w, SKERRY_K_FAST_SOURCE, &out->fast_source);
	}
	return flow_lane_send(tab, out->lane, &frame, none(),
			      (struct core_bytes) { tlvs, w.used_bytes });
}

static int send_want(struct flowtab *tab, struct flow_out *out)
{
	uint8_t tlvs[16];
	struct tlv_writer w;
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_CREDIT,
		.flags = SKERRY_CREDIT_WANT,
		.flow = out->number,
		.sequence = out->want,
	};

	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	if (out->large_total && !out->large)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, out->large_total);
	return flow_lane_send(tab, out->lane, &frame,
			      (struct core_bytes) { tlvs, w.used_bytes },
			      none());
}

static int send_short(struct flowtab *tab, struct flow_out *out, uint8_t type,
		      uint8_t flags, uint64_t sequence)
{
	struct skerry_frame frame = {
		.type = type,
		.flags = flags,
		.flow = out->number,
		.sequence = sequence,
	};

	return flow_lane_send(tab, out->lane, &frame, none(), none());
}

static int flush_close(struct flowtab *tab, struct flow_out *out)
{
	int r = send_short(tab, out, SKERRY_FRAME_FLOW_CLOSE, 0, out->next);

	if (!r && out->state == OUT_ENDING)
		flow_out_end(tab, out);
	else if (!r)
		flow_out_unbind(tab, out);
	return r;
}

int flow_out_flush(struct flowtab *tab, struct flow_out *out)
{
	uint8_t bit = out->due & (uint8_t)-out->due; /* lowest first */
	int r = 0;

	switch (bit) {
	case OUT_DUE_CLOSE:
		return flush_close(tab, out);
	case OUT_DUE_OPEN:
		r = send_open(tab, out);
		break;
	case OUT_DUE_SKIP:
		r = send_short(tab, out, SKERRY_FRAME_SKIP, 0, out->next);
		break;
	case OUT_DUE_KEPT:
		r = send_short(tab, out, SKERRY_FRAME_CREDIT,
			       SKERRY_CREDIT_KEPT, out->sent);
		break;
	case OUT_DUE_WANT:
		r = send_want(tab, out);
		break;
	}
	if (r)
		return r;
	if (bit == OUT_DUE_OPEN)
		out->told = true;
	out->due &= (uint8_t)~bit;
	if (!out->due)
		list_del(&out->due_link);
	if (bit & (OUT_DUE_SKIP | OUT_DUE_KEPT))
		flow_out_serve(tab, out);
	return 0;
}
