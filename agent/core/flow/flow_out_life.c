// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_out_life.c - outgoing flows from FLOW_OPEN to CLOSE; see flow.h. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

void flow_out_show(struct flowtab *tab, struct flow_out *out)
{
	struct skerry_flow_slot value = {
		.epoch = out->epoch,
		.state = out->shown,
		.error = out->error,
		.lane = out->index < SKERRY_PARALLELISM_MAX ? out->index : 0,
		.lanes = out->place ? out->place->parallelism : 1,
		.granted = out->taken + out->unspent,
		.base = out->base,
		.expected = out->expected,
		.large = out->large,
		.flags = out->uncertain ? SKERRY_SLOT_UNCERTAIN : 0,
		.receives = out->receives,
		.arrived = out->acked,
	};

	tab->ops->slot(tab->ops_data, out->program->number, out->slot, &value);
}

/* ---- opening ---------------------------------------------------------------- */

static struct flow_out *out_at(struct flowtab *tab, uint32_t index)
{
	return (struct flow_out *)(void *)(tab->outs.base +
					   tab->outs.object_bytes * index);
}

struct flow_out *flow_out_find(struct flowtab *tab,
			       const struct flow_lane *lane, uint32_t number)
{
	uint32_t index = number & 0xffffU;
	struct flow_out *out;

	if (index >= tab->outs.touched)
		return NULL;
	out = out_at(tab, index);
	return out->lane == lane && out->number == number ? out : NULL;
}

/* The same index, another generation: what is still under way for the old
 * number can be told apart. */
static void out_renumber(struct flowtab *tab, struct flow_out *out)
{
	uint32_t index = (uint32_t)(((uint8_t *)out - tab->outs.base) /
				    tab->outs.object_bytes);

	out->number = index | ((out->number & 0xffff0000U) + 0x10000U);
}

static struct flow_out *out_new(struct flowtab *tab)
{
	struct flow_out *out = flow_pool_get(&tab->outs);
	uint32_t number;

	if (!out)
		return NULL;
	number = out->number;
	memset(out, 0, sizeof(*out));
	out->number = number;
	list_init(&out->due_link);
	list_init(&out->lane_link);
	list_init(&out->place_link);
	list_init(&out->hungry_link);
	list_init(&out->revoke_link);
	list_init(&out->parked_link);
	list_init(&out->routeless_link);
	return out;
}

static void out_free(struct flowtab *tab, struct flow_out *out)
{
	struct flow_place *place = out->place;

	flow_out_unbind(tab, out);
	list_del(&out->place_link);
	list_del(&out->routeless_link);
	flow_pool_put(&tab->outs, out);
	flow_place_release(tab, place);
}

/* A new flow that has no lane soon is answered so. */
static void out_routeless(struct flowtab *tab, struct flow_out *out)
{
	out->deadline_ns = tab->now_ns + FLOW_ROUTE_NS;
	list_del(&out->routeless_link);
	list_add_tail(&tab->routeless, &out->routeless_link);
	flow_wake_by(tab, out->deadline_ns);
}

/* From the one that it would have, the first that is there; without any it
 * stays undecided. */
static void choose_any(struct flow_out *out, const struct flow_place *place)
{
	uint32_t i, at;

	for (i = 0; i < place->parallelism; i++) {
		at = (uint32_t)((out->lane_hash + i) % place->parallelism);
		if (place->lanes[at] && !place->lanes[at]->leaving) {
			out->index = (uint8_t)at;
			return;
		}
	}
}

static struct flow_lane *out_lane(struct flowtab *tab, struct flow_out *out)
{
	struct flow_place *place = out->place;

	if (!place)
		return &tab->self;
	if (!place->parallelism)
		return NULL;
	if (out->datagram)
		out->index = 0;
	else if (out->index >= place->parallelism && out->any_lane)
		choose_any(out, place);
	else if (out->index >= place->parallelism)
		out->index = (uint8_t)(out->lane_hash % place->parallelism);
	return out->index < place->parallelism ? place->lanes[out->index]
					       : NULL;
}

void flow_out_bind(struct flowtab *tab, struct flow_out *out)
{
	struct flow_lane *lane;

	if (out->lane || out->state != OUT_OPENING)
		return;
	lane = out_lane(tab, out);
	if (!lane || lane->leaving)
		return;
	out->lane = lane;
	list_add_tail(&lane->outs, &out->lane_link);
	list_del(&out->routeless_link);
	out_renumber(tab, out);
	out->told = false;
	out->sent = 0;
	out->remote = 0;
	out->want = flow_monotonic(tab, out->channel) ? 0 : FLOW_INITIAL_BYTES;
	out->want_before = 0;
	out->parked_for_ns = 0;
	flow_out_due(tab, out, OUT_DUE_OPEN);
	if (out->answered && !out->datagram) {
		out->shown = SKERRY_SLOT_OPENING;
		flow_out_show(tab, out);
	}
}

void flow_out_unbind(struct flowtab *tab, struct flow_out *out)
{
	if (!out->lane)
		return;
	flow_out_sated(out);
	flow_out_release(out);
	list_del(&out->revoke_link);
	list_del(&out->parked_link);
	list_del(&out->due_link);
	list_del(&out->lane_link);
	out->revoke = 0;
	out->due = 0;
	out->told = false;
	out->lane = NULL;
}

static bool open_valid(struct flowtab *tab, const struct flow_open *open)
{
	size_t length = strlen(open->endpoint);

	return flow_program_find(tab, open->program) && length &&
	       length <= SKERRY_ENDPOINT_MAX_BYTES &&
	       open->channel < SKERRY_CHANNELS_MAX && open->next_sequence &&
	       open->next_sequence <= FLOW_SEQUENCE_MAX &&
	       (!open->source ||
		(open->peer == FLOW_PEER_SELF &&
		 strlen(open->source) <= SKERRY_NAME_MAX_BYTES));
}

static int slot_take(struct flow_program *p, struct flow_out *out)
{
	uint32_t i, slot;

	for (i = 0; i < SKERRY_FLOWS_PER_PROGRAM_MAX; i++) {
		slot = (p->slot_hint + i) % SKERRY_FLOWS_PER_PROGRAM_MAX;
		if (p->slots[slot])
			continue;
		p->slots[slot] = out;
		p->out_count++;
		p->slot_hint = slot + 1;
		out->slot = slot;
		out->epoch = p->epochs[slot];
		return 0;
	}
	return -ENOSPC;
}

int flow_open(struct flowtab *tab, const struct flow_open *open,
	      uint64_t now_ns, uint32_t *ret_slot)
{
	struct flow_program *p;
	struct flow_out *out;

	flow_time(tab, now_ns);
	if (!open_valid(tab, open))
		return -EINVAL;
	p = flow_program_find(tab, open->program);
	if (flow_share_out(tab, p))
		return -ENOSPC;
	out = out_new(tab);
	if (!out)
		return -ENOSPC;
	if (open->peer != FLOW_PEER_SELF) {
		out->place = flow_place_get(tab, open->peer,
					    open->datagram ? 0 : open->channel);
		if (!out->place)
			goto full;
	}
	if (slot_take(p, out))
		goto full;
	if (out->place)
		list_add_tail(&out->place->outs, &out->place_link);
	out->state = OUT_OPENING;
	out->shown = SKERRY_SLOT_OPENING;
	out->program = p;
	out->channel = open->channel;
	out->datagram = open->datagram;
	out->any_lane = open->any_lane;
	out->index = SKERRY_PARALLELISM_MAX;
	out->flow_id = open->flow_id;
	out->correlation = open->correlation;
	out->next = open->next_sequence;
	out->expected = open->next_sequence;
	out->acked = open->next_sequence == 1;
	out->fast_source = open->fast_source;
	out->monitor = open->monitor;
	out->monitored = open->monitored;
	memcpy(out->endpoint, open->endpoint, strlen(open->endpoint) + 1);
	if (open->source)
		memcpy(out->source, open->source, strlen(open->source) + 1);
	out->lane_hash = open->partition_key;
	if (!open->keyed)
		out->lane_hash = hash_mix(
			hash_str(hash_bytes(HASH_START, p->instance, 16),
				 open->endpoint));
	*ret_slot = out->slot;
	flow_out_show(tab, out);
	flow_out_bind(tab, out);
	if (!out->lane)
		out_routeless(tab, out);
	flow_settle(tab);
	return 0;
full:
	out_free(tab, out);
	return -ENOSPC;
}

/* ---- answers of the receiver -------------------------------------------------- */

static int wrong(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EPROTO;
}

static void out_answer(struct flowtab *tab, struct flow_out *out)
{
	if (out->answered)
		return;
	out->answered = true;
	tab->ops->opened(tab->ops_data, out->program->number, out->correlation,
			 out->slot, 0, "", out->fast_id, out->fast_inflow);
}

int flow_out_resumed(struct flowtab *tab, struct flow_out *out,
		     const struct skerry_frame *frame,
		     struct core_bytes payload, const char **ret_why)
{
	uint64_t fast_id = tlv_find_u64(payload.data, payload.size_bytes,
					SKERRY_K_FAST_ID, 0);
	uint64_t inflow = tlv_find_u64(payload.data, payload.size_bytes,
				       SKERRY_K_SLOT, UINT64_MAX);

	if (out->state == OUT_OPEN || !out->told)
		return wrong(ret_why, "RESUME of an open flow");
	if (out->state != OUT_OPENING) {
		tab->counters.late_frames++;
		return 0;
	}
	if (!frame->sequence || frame->sequence > out->next)
		return wrong(ret_why, "RESUME beyond what was sent");
	if (out->datagram && (!fast_id || inflow > UINT32_MAX))
		return wrong(ret_why, "RESUME of a fast flow without its id");
	if (out->datagram && out->answered && out->fast_id != fast_id) {
		flow_out_closed(tab, out, -ECONNRESET,
				"the receiver does not know the flow any more",
				true, false);
		return 0;
	}
	out->fast_id = fast_id;
	out->fast_inflow = (uint32_t)inflow;
	out->receives = (uint32_t)tlv_find_u64(payload.data, payload.size_bytes,
					       SKERRY_K_RECEIVER, 0);
	out->state = OUT_OPEN;
	out->monitored = out->monitor;
	out->shown = SKERRY_SLOT_OPEN;
	out->error = 0;
	out->expected = frame->sequence;
	out->acked = frame->sequence;
	out->base = out->taken;
	/* A library that has written nothing may not know an earlier epoch,
	 * and then sees no reason to write SYNC. */
	out->synced = !out->taken && frame->sequence == out->next;
	if (!out->datagram || !out->answered) {
		out->epoch++;
		out->program->epochs[out->slot] = out->epoch;
		flow_out_show(tab, out);
	}
	out_answer(tab, out);
	return 0;
}

int flow_out_refused(struct flowtab *tab, struct flow_out *out,
		     const struct skerry_frame *frame,
		     struct core_bytes payload, const char **ret_why)
{
	char text[SKERRY_REASON_MAX_BYTES + 1] = "";
	struct tlv_reader r;
	int64_t error = 0;

	if (tlv_find(payload.data, payload.size_bytes, SKERRY_K_ERROR, &r))
		tlv_s64(&r, &error);
	if (error >= 0 || error < -4095)
		return wrong(ret_why, "FLOW_REFUSE without an error");
	if (tlv_find_str(payload.data, payload.size_bytes, SKERRY_K_REASON,
			 text, sizeof(text)))
		text[0] = 0;
	if (frame->sequence > out->next)
		return wrong(ret_why, "FLOW_REFUSE beyond what was sent");
	if (frame->sequence)
		out->acked = frame->sequence;
	if (out->state == OUT_ENDING)
		flow_out_end(tab, out);
	else if (out->state == OUT_CLOSED)
		flow_out_unbind(tab, out);
	else
		flow_out_closed(tab, out, (int)error, text, false,
				frame->sequence != 0);
	return 0;
}

/* ---- ends --------------------------------------------------------------------- */

void flow_out_down(struct flowtab *tab, struct flow_out *out)
{
	flow_out_unbind(tab, out);
	if (out->state == OUT_ENDING) {
		out_free(tab, out);
		return;
	}
	if (out->state == OUT_CLOSED)
		return;
	out->state = OUT_OPENING;
	out->synced = false;
	out->open_message = false;
	out->large = 0;
	out->large_total = 0;
	flow_out_bind(tab, out);
	if (out->lane)
		return;
	if (!out->answered) {
		out_routeless(tab, out);
	} else if (!out->datagram) {
		out->shown = SKERRY_SLOT_DOWN;
		out->error = -ENOTCONN;
		flow_out_show(tab, out);
	}
}

void flow_out_closed(struct flowtab *tab, struct flow_out *out, int error,
		     const char *text, bool tell, bool exact)
{
	if (out->state == OUT_ENDING || out->state == OUT_CLOSED)
		return;
	tab->counters.refused++;
	if (!tell)
		out->told = false;
	if (!out->answered) {
		tab->ops->opened(tab->ops_data, out->program->number,
				 out->correlation, out->slot, error, text, 0,
				 0);
		flow_out_end(tab, out);
		return;
	}
	out->state = OUT_CLOSED;
	out->shown = SKERRY_SLOT_CLOSED;
	out->error = error;
	out->uncertain =
		!exact && (out->acked < out->next || out->open_message);
	out->expected = out->acked;
	out->large = 0;
	if (out->lane && out->told) {
		flow_out_sated(out);
		flow_out_release(out);
		list_del(&out->revoke_link);
		list_del(&out->parked_link);
		out->revoke = 0;
		out->due = 0;
		flow_out_due(tab, out, OUT_DUE_CLOSE);
	} else {
		flow_out_unbind(tab, out);
	}
	flow_out_show(tab, out);
}

void flow_out_end(struct flowtab *tab, struct flow_out *out)
{
	if (out->state == OUT_ENDING) {
		out_free(tab, out);
		return;
	}
	flow_out_sated(out);
	flow_out_release(out);
	list_del(&out->revoke_link);
	list_del(&out->parked_link);
	out->revoke = 0;
	out->program->slots[out->slot] = NULL;
	out->program->out_count--;
	if (out->program->used) {
		out->shown = SKERRY_SLOT_FREE;
		flow_out_show(tab, out);
	}
	if (!out->lane || !out->told) {
		out_free(tab, out);
		return;
	}
	out->state = OUT_ENDING;
	out->due = 0;
	flow_out_due(tab, out, OUT_DUE_CLOSE);
}

int flow_close(struct flowtab *tab, uint32_t program, uint32_t slot,
	       uint64_t now_ns)
{
	struct flow_program *p = flow_program_find(tab, program);
	struct flow_out *out = NULL;

	if (p && slot < SKERRY_FLOWS_PER_PROGRAM_MAX)
		out = p->slots[slot];
	if (!out)
		return -ENOENT;
	flow_time(tab, now_ns);
	if (out->state == OUT_OPEN && !out->datagram) {
		tab->ops->revoke(tab->ops_data, program, slot, out->taken);
		out = p->slots[slot];
	}
	if (out)
		flow_out_end(tab, out);
	flow_settle(tab);
	return 0;
}

void flow_out_tick(struct flowtab *tab)
{
	struct flow_out *out;

	flow_out_parked_tick(tab);
	while (!list_empty(&tab->routeless)) {
		out = list_object(tab->routeless.next, struct flow_out,
				  routeless_link);
		if (out->deadline_ns > tab->now_ns) {
			flow_wake_by(tab, out->deadline_ns);
			break;
		}
		list_del(&out->routeless_link);
		flow_out_closed(tab, out, -ENOTCONN, "no lane to that node",
				false, false);
	}
}
