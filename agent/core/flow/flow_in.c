// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_in.c - incoming flows from their first frame to their end; flow.h. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

/* ---- memory and numbers ------------------------------------------------------ */

struct flow_in *flow_in_new(struct flowtab *tab)
{
	struct flow_in *in = flow_pool_get(&tab->ins);

	/* Who has no lane has waited long enough. */
	if (!in && !list_empty(&tab->kept)) {
		flow_in_end(tab,
			    list_object(tab->kept.next, struct flow_in,
					time_link),
			    0);
		in = flow_pool_get(&tab->ins);
	}
	if (!in)
		return NULL;
	memset(in, 0, sizeof(*in));
	in->state = IN_ENDING;
	in->peer = FLOW_PEER_NONE;
	list_init(&in->due_link);
	list_init(&in->lane_link);
	list_init(&in->program_link);
	list_init(&in->wait_link);
	list_init(&in->record_link);
	list_init(&in->time_link);
	return in;
}

/*
 * A number that was used goes back to the ring it was used in: there the
 * program has read GONE before it reads the next INFLOW with that number.
 */
int flow_in_index(struct flow_in *in)
{
	struct flow_program *p = in->program;
	struct flow_ring *ring = in->ring;

	if (ring->free_head) {
		in->index = ring->free_head - 1U;
		ring->free_head = p->index_next[in->index];
		if (!ring->free_head)
			ring->free_tail = 0;
	} else if (p->index_high < SKERRY_FLOWS_PER_PROGRAM_MAX) {
		in->index = p->index_high++;
	} else {
		return -ENOSPC;
	}
	in->has_index = true;
	return 0;
}

static void index_return(struct flow_in *in)
{
	struct flow_program *p = in->program;
	struct flow_ring *ring = in->ring;
	uint16_t entry = (uint16_t)(in->index + 1);

	in->has_index = false;
	p->index_next[in->index] = 0;
	if (ring->free_tail)
		p->index_next[ring->free_tail - 1] = entry;
	else
		ring->free_head = entry;
	ring->free_tail = entry;
}

void flow_in_unkey(struct flowtab *tab, struct flow_in *in)
{
	if (in->keyed)
		flow_hash_del(&tab->keys, &in->key_chain);
	in->keyed = false;
	if (in->fast_id) {
		flow_hash_del(&tab->fast_ids, &in->fast_chain);
		tab->ops->fast_close(tab->ops_data, in->fast_id);
	}
	in->fast_id = 0;
}

void flow_in_free(struct flowtab *tab, struct flow_in *in)
{
	/* One that never became live may still be found by its key. */
	flow_in_unkey(tab, in);
	if (in->lane)
		flow_lane_unmap(tab, in);
	if (in->has_index)
		index_return(in);
	if (in->program)
		in->program->in_count--;
	in->program = NULL;
	list_del(&in->program_link);
	list_del(&in->record_link);
	list_del(&in->time_link);
	in->state = IN_ENDING;
	in->peer = FLOW_PEER_NONE;
	flow_pool_put(&tab->ins, in);
}

void flow_in_settled(struct flowtab *tab, struct flow_in *in)
{
	if (in->state == IN_ENDING && !in->lane && !in->records)
		flow_in_free(tab, in);
}

/* ---- ends -------------------------------------------------------------------- */

void flow_in_detach(struct flowtab *tab, struct flow_in *in)
{
	flow_in_unwait(in);
	flow_in_release(tab, in);
	if (in->partial && in->announced)
		flow_in_record(tab, in, IN_REC_SKIP);
	in->partial = false;
	in->resumed = false;
	in->revoking = false;
	if (in->lane)
		flow_lane_unmap(tab, in);
}

void flow_in_keep(struct flowtab *tab, struct flow_in *in)
{
	if (in->state != IN_LIVE) {
		flow_lane_unmap(tab, in);
		flow_in_end(tab, in, 0);
		return;
	}
	flow_in_detach(tab, in);
	in->state = IN_KEPT;
	if (!in->announced) { /* its peer's name may be gone by then */
		in->records = 0;
		list_del(&in->record_link);
	}
	if (in->datagram)
		return;
	in->deadline_ns = tab->now_ns + FLOW_KEEP_NS;
	list_add_tail(&tab->kept, &in->time_link);
	flow_wake_by(tab, in->deadline_ns);
}

/* The program is gone, or this was never its: no records any more. */
static void forget_program(struct flow_in *in)
{
	list_del(&in->record_link);
	list_del(&in->program_link);
	in->program->in_count--;
	in->records = 0;
	in->has_index = false;
	in->announced = false;
	in->program = NULL;
	in->ring = NULL;
}

void flow_in_end(struct flowtab *tab, struct flow_in *in, int error)
{
	if (in->state != IN_ENDING) {
		if (in->state == IN_WAITING)
			tab->waiting_count--;
		list_del(&in->time_link);
		flow_in_unwait(in);
		flow_in_release(tab, in);
		flow_in_unkey(tab, in);
		if (in->endpoint)
			in->endpoint->flows--;
		in->endpoint = NULL;
		in->expected_known = in->state != IN_WAITING;
		in->state = IN_ENDING;
		in->revoking = false;
		in->records = 0;
		if (in->announced)
			flow_in_record(tab, in, IN_REC_GONE);
		else
			list_del(&in->record_link);
		if (in->lane && error) {
			in->error = error;
			in->due = 0;
			flow_in_due(tab, in, IN_DUE_REFUSE);
			tab->counters.refused++;
		} else if (in->lane) {
			flow_lane_unmap(tab, in);
		}
	}
	if (in->program && !in->program->used)
		forget_program(in);
	flow_in_settled(tab, in);
}

void flow_in_returned(struct flowtab *tab, uint32_t peer)
{
	uint32_t i;

	for (i = 0; i < tab->ins.touched; i++) {
		struct flow_in *in =
			(struct flow_in *)(void *)(tab->ins.base +
						   tab->ins.object_bytes * i);

		if (in->peer != peer || in->state != IN_KEPT || !in->datagram ||
		    !list_empty(&in->time_link))
			continue;
		in->deadline_ns = tab->now_ns + FLOW_KEEP_NS;
		list_add_tail(&tab->kept, &in->time_link);
		flow_wake_by(tab, in->deadline_ns);
	}
}

void flow_in_tick(struct flowtab *tab)
{
	struct flow_in *in;

	while (!list_empty(&tab->waiting)) {
		in = list_object(tab->waiting.next, struct flow_in, time_link);
		if (in->deadline_ns > tab->now_ns) {
			flow_wake_by(tab, in->deadline_ns);
			break;
		}
		flow_in_end(tab, in, -ENOENT);
	}
	while (!list_empty(&tab->kept)) {
		in = list_object(tab->kept.next, struct flow_in, time_link);
		if (in->deadline_ns > tab->now_ns) {
			flow_wake_by(tab, in->deadline_ns);
			break;
		}
		flow_in_end(tab, in, 0);
	}
}

/* ---- what is due on the lane -------------------------------------------------- */

void flow_in_due(struct flowtab *tab, struct flow_in *in, uint8_t bits)
{
	in->due |= bits;
	if (list_empty(&in->due_link))
		list_add_tail(&in->lane->due_ins, &in->due_link);
	flow_lane_dirty(tab, in->lane);
}

static int send_tlvs(struct flowtab *tab, struct flow_in *in, uint8_t type,
		     uint64_t sequence, const struct tlv_writer *w)
{
	struct skerry_frame frame = {
		.type = type,
		.flow = in->number,
		.sequence = sequence,
	};

	return flow_lane_send(tab, in->lane, &frame,
			      (struct core_bytes) { NULL, 0 },
			      (struct core_bytes) { w->data, w->used_bytes });
}

static const char *reason(int error)
{
	switch (-error) {
	case ENOENT:
		return "no such endpoint or channel there";
	case ECONNRESET:
		return "the receiving program is gone";
	case ENOSPC:
		return "the receiver has no place for another flow";
	case ENOBUFS:
		return "the receiver's ring is full";
	case EMSGSIZE:
		return "the message is too large";
	case EPROTO:
		return "the flow's sender broke its rules";
	case ETIMEDOUT:
		return "the flow's sender stopped in between";
	}
	return "refused by the receiver";
}

static int send_refuse(struct flowtab *tab, struct flow_in *in)
{
	uint8_t tlvs[128];
	struct tlv_writer w;

	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	tlv_put_s64(&w, SKERRY_K_ERROR, in->error);
	tlv_put_str(&w, SKERRY_K_REASON, reason(in->error));
	return send_tlvs(tab, in, SKERRY_FRAME_FLOW_REFUSE,
			 in->expected_known ? in->expected : 0, &w);
}

static int send_resume(struct flowtab *tab, struct flow_in *in)
{
	uint8_t tlvs[64];
	struct tlv_writer w;

	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	if (in->datagram) {
		tlv_put_u64(&w, SKERRY_K_FAST_ID, in->fast_id);
		tlv_put_u64(&w, SKERRY_K_SLOT, in->index);
	}
	if (in->program->receives)
		tlv_put_u64(&w, SKERRY_K_RECEIVER, in->program->receives);
	in->acked = in->expected;
	return send_tlvs(tab, in, SKERRY_FRAME_RESUME, in->expected, &w);
}

static int send_grant(struct flowtab *tab, struct flow_in *in)
{
	uint8_t tlvs[16];
	struct tlv_writer w;
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_ACK,
		.flow = in->number,
		.sequence = in->expected,
	};
	struct core_bytes none = { NULL, 0 };
	int r;

	if (in->expected > in->acked) {
		r = flow_lane_send(tab, in->lane, &frame, none, none);
		if (r)
			return r;
		in->acked = in->expected;
	}
	frame.type = SKERRY_FRAME_CREDIT;
	frame.flags = SKERRY_CREDIT_GRANT;
	frame.sequence = in->granted;
	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	if (in->allow_due)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, in->large);
	r = flow_lane_send(tab, in->lane, &frame,
			   (struct core_bytes) { tlvs, w.used_bytes }, none);
	if (!r)
		in->allow_due = false;
	return r;
}

static int send_revoke(struct flowtab *tab, struct flow_in *in)
{
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_CREDIT,
		.flags = SKERRY_CREDIT_REVOKE,
		.flow = in->number,
		.sequence = in->granted,
	};
	struct core_bytes none = { NULL, 0 };

	return flow_lane_send(tab, in->lane, &frame, none, none);
}

int flow_in_flush(struct flowtab *tab, struct flow_in *in)
{
	uint8_t bit = in->due & (uint8_t)-in->due; /* lowest first */
	int r = 0;

	switch (bit) {
	case IN_DUE_REFUSE:
		r = send_refuse(tab, in);
		if (r)
			return r;
		flow_lane_unmap(tab, in);
		flow_in_settled(tab, in);
		return 0;
	case IN_DUE_RESUME:
		r = send_resume(tab, in);
		break;
	case IN_DUE_GRANT:
		r = send_grant(tab, in);
		break;
	case IN_DUE_REVOKE:
		r = send_revoke(tab, in);
		break;
	}
	if (r)
		return r;
	in->due &= (uint8_t)~bit;
	if (!in->due)
		list_del(&in->due_link);
	return 0;
}
