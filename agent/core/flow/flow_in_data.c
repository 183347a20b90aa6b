// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_in_data.c - messages on their way to a program's ring; see flow.h. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

/* The message's own, and total_bytes. */
#define EXTENSIONS_MAX_BYTES                                        \
	(SKERRY_MESSAGE_EXT_MAX_BYTES + sizeof(struct skerry_tlv) + \
	 sizeof(uint64_t))

static int wrong(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EPROTO;
}

/*
 * Whether the frame continues what came before. 0; 1: the flow was refused,
 * which is its sender's own affair; -EPROTO: the sending agent is broken.
 */
static int check_message(struct flowtab *tab, struct flow_in *in,
			 const struct skerry_frame *frame,
			 struct core_bytes extensions, uint64_t bytes,
			 const char **ret_why)
{
	bool more = frame->flags & SKERRY_DATA_MORE;
	bool cont = frame->flags & SKERRY_DATA_CONT;
	uint64_t total;

	if (frame->sequence != in->expected)
		return wrong(ret_why, "DATA with a number out of turn");
	if (bytes > SKERRY_FRAGMENT_BYTES)
		return wrong(ret_why, "DATA larger than a fragment");
	if (cont != in->partial)
		return wrong(ret_why, "DATA that does not continue a message");
	if (extensions.size_bytes > (cont ? 0 : EXTENSIONS_MAX_BYTES))
		return wrong(ret_why, "DATA with extensions out of bounds");
	if (cont) {
		if (!bytes || bytes > in->left_bytes ||
		    more == (bytes == in->left_bytes))
			return wrong(ret_why, "fragments beyond their total");
		in->left_bytes -= bytes;
	} else if (more) {
		total = tlv_find_u64(extensions.data, extensions.size_bytes,
				     SKERRY_K_TOTAL_BYTES, 0);
		if (!in->large || total != in->large || !bytes ||
		    bytes >= total) {
			flow_in_end(tab, in,
				    total > SKERRY_MESSAGE_MAX_BYTES ? -EMSGSIZE
								     : -EPROTO);
			return 1;
		}
		in->program->large_allowed_bytes -= total;
		in->program->large_begun_bytes += total;
		in->large = 0;
		in->left_bytes = total - bytes;
	}
	in->partial = more;
	return 0;
}

int flow_in_data(struct flowtab *tab, struct flow_in *in,
		 const struct skerry_frame *frame, struct core_bytes extensions,
		 struct core_bytes payload, const char **ret_why)
{
	uint64_t cost = SKERRY_COST(sizeof(*frame) + extensions.size_bytes +
				    payload.size_bytes);
	struct skerry_frame record = {
		.type = SKERRY_FRAME_DATA,
		.flags = frame->flags & SKERRY_DATA_FLAGS,
		.flow = in->index,
		.sequence = frame->sequence,
	};
	int r;

	if (in->state == IN_ENDING) {
		tab->counters.late_frames++;
		return 0;
	}
	if (in->state != IN_LIVE || !in->resumed || in->datagram)
		return wrong(ret_why, "DATA before RESUME");
	if (cost > in->granted - in->received)
		return wrong(ret_why, "DATA beyond the credit");
	r = check_message(tab, in, frame, extensions, payload.size_bytes,
			  ret_why);
	if (r)
		return r < 0 ? r : 0;
	if (in->records) {
		/* A SKIP that has no room; nothing may overtake it. */
		flow_in_end(tab, in, -ENOBUFS);
		return 0;
	}
	r = tab->ops->deliver(tab->ops_data, in->program->number, in->channel,
			      &record, extensions, payload);
	if (r) {
		flow_in_end(tab, in, -ECONNRESET);
		return 0;
	}
	in->received += cost;
	in->ring->outstanding_bytes -= cost;
	in->ring->delivered_bytes += cost;
	in->read_at = in->ring->delivered_bytes;
	in->active_ns = tab->now_ns;
	/* The rest of a WANT that was more than one flow may have. */
	if (in->want > in->granted &&
	    in->granted - in->received <= tab->limits.credit_bytes / 2)
		flow_in_serve(tab, in);
	if (!in->partial) {
		in->expected++;
		tab->counters.received_messages++;
		in->endpoint->received_messages++;
	}
	return 0;
}

int flow_in_skip(struct flowtab *tab, struct flow_in *in, uint64_t sequence,
		 const char **ret_why)
{
	if (in->state == IN_ENDING) {
		tab->counters.late_frames++;
		return 0;
	}
	if (in->state != IN_LIVE || !in->resumed || in->datagram ||
	    sequence < in->expected || sequence > FLOW_SEQUENCE_MAX)
		return wrong(ret_why, "SKIP out of turn");
	in->expected = sequence;
	in->partial = false;
	flow_in_record(tab, in, IN_REC_SKIP);
	return 0;
}

/* ---- records about the inflow ------------------------------------------------ */

void flow_in_record(struct flowtab *tab, struct flow_in *in, uint8_t bits)
{
	in->records |= bits;
	if (list_empty(&in->record_link))
		list_add_tail(&in->ring->due, &in->record_link);
	flow_ring_dirty(tab, in->ring);
}

static size_t announcement(struct flowtab *tab, struct flow_in *in,
			   uint8_t *tlvs, size_t room)
{
	struct tlv_writer w;

	tlv_writer_init(&w, tlvs, room);
	tlv_put_str(&w, SKERRY_K_NODE,
		    in->source[0]
			    ? in->source
			    : tab->ops->peer_name(tab->ops_data, in->peer));
	tlv_put_str(&w, SKERRY_K_ENDPOINT, in->name);
	tlv_put(&w, SKERRY_K_PROGRAM, in->instance, 16);
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, in->flow_id);
	if (in->fast_id)
		tlv_put_u64(&w, SKERRY_K_FAST_ID, in->fast_id);
	return w.used_bytes;
}

uint64_t flow_in_record_cost(struct flowtab *tab, struct flow_in *in)
{
	uint8_t tlvs[512];
	size_t bytes = 0;

	if (in->records & IN_REC_INFLOW)
		bytes = announcement(tab, in, tlvs, sizeof(tlvs));
	return SKERRY_COST(sizeof(struct skerry_frame) + bytes);
}

/* The first record due. -errno: the ring does not take it. */
int flow_in_deliver(struct flowtab *tab, struct flow_in *in)
{
	uint8_t bit = in->records & (uint8_t)-in->records; /* lowest first */
	uint8_t tlvs[512];
	struct core_bytes payload = { tlvs, 0 };
	struct skerry_frame record = {
		.type = SKERRY_REC_INFLOW_GONE,
		.flow = in->index,
		.sequence = in->expected,
	};
	int r;

	if (bit == IN_REC_INFLOW) {
		record.type = SKERRY_REC_INFLOW;
		payload.size_bytes = announcement(tab, in, tlvs, sizeof(tlvs));
	} else if (bit == IN_REC_SKIP) {
		record.type = SKERRY_REC_INFLOW_SKIP;
	}
	r = tab->ops->deliver(tab->ops_data, in->program->number, in->channel,
			      &record, (struct core_bytes) { NULL, 0 },
			      payload);
	if (r)
		return r;
	in->ring->delivered_bytes +=
		SKERRY_COST(sizeof(record) + payload.size_bytes);
	in->announced = bit != IN_REC_GONE;
	in->records &= (uint8_t)~bit;
	if (in->records)
		return 0;
	list_del(&in->record_link);
	if (in->state == IN_LIVE)
		flow_in_resume(tab, in);
	else
		flow_in_settled(tab, in);
	return 0;
}

/* ---- fast channels, through the agent ---------------------------------------- */

static bool same_source(const struct skerry_addr *bound,
			const struct skerry_addr *sender)
{
	static const uint8_t any[16];

	return bound->port == sender->port &&
	       (!memcmp(bound->ip, any, sizeof(any)) ||
		!memcmp(bound->ip, sender->ip, sizeof(any)));
}

static struct flow_in *fast_find(struct flowtab *tab, uint64_t fast_id)
{
	uint64_t hash = hash_mix(fast_id);
	struct flow_chain *at = flow_hash_first(&tab->fast_ids, hash);
	struct flow_in *in;

	for (; at; at = flow_hash_next(at->next, hash)) {
		in = list_object(at, struct flow_in, fast_chain);
		if (in->fast_id == fast_id)
			return in;
	}
	return NULL;
}

int flow_fast(struct flowtab *tab, uint64_t fast_id, uint64_t sequence,
	      uint16_t flags, const struct skerry_addr *sender,
	      struct core_bytes payload, uint64_t now_ns)
{
	struct flow_in *in = fast_find(tab, fast_id);
	uint64_t cost =
		SKERRY_COST(sizeof(struct skerry_frame) + payload.size_bytes);
	struct skerry_frame record = {
		.type = SKERRY_FRAME_DATA,
		.flags = flags & SKERRY_DATA_CAST,
		.sequence = sequence,
	};
	int r = -ENOENT;

	flow_time(tab, now_ns);
	if (!in || !same_source(&in->fast_source, sender))
		goto dropped;
	r = -EMSGSIZE;
	if (payload.size_bytes > SKERRY_FRAGMENT_BYTES)
		goto dropped;
	r = -ENOBUFS;
	if (!in->announced || cost > flow_ring_free(tab, in->ring))
		goto dropped;
	record.flow = in->index;
	r = tab->ops->deliver(tab->ops_data, in->program->number, in->channel,
			      &record, (struct core_bytes) { NULL, 0 },
			      payload);
	if (r)
		goto dropped;
	in->ring->delivered_bytes += cost;
	in->endpoint->received_messages++;
	tab->counters.received_messages++;
	return 0;
dropped:
	tab->counters.fast_dropped++;
	return r;
}
