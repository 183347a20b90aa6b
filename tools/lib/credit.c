/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Writing to a flow: epochs, credit, the busy section. The rules are those
 * at the head of ring.h; the agent detaches who breaks them.
 */
#include <errno.h>

#include "outgoing.h"

#define HALF (SKERRY_FLOW_CREDIT_BYTES / 2)

static uint64_t room_below(uint64_t limit, uint64_t position)
{
	return limit > position ? limit - position : 0;
}

/* ---- epochs ------------------------------------------------------------------- */

static int write_sync(struct lib_flow *f, uint32_t epoch)
{
	struct skerry_frame record = {
		.type = SKERRY_REC_SYNC,
		.flow = f->slot_index,
		.correlation = epoch,
		.sequence = f->next_number,
	};

	if (ringbuf_write(&f->channel->out, &record, NULL, 0, NULL, 0))
		return -EAGAIN;
	ringbuf_publish(&f->channel->out);
	lib_kick(f->handle);
	return 0;
}

/*
 * The agent opened the flow again: say where we go on, report what did not
 * arrive. A large message under way is sent once more from its beginning:
 * the other side has dropped what it had of it.
 */
int lib_flow_epoch(struct lib_flow *f)
{
	uint32_t epoch = skerry_load_acquire(&f->slot->epoch);
	uint64_t expected = skerry_load_relaxed(&f->slot->expected);

	skerry_fence();
	if (skerry_load_relaxed(&f->slot->epoch) != epoch)
		return -EAGAIN;
	/* Datagrams get lost without anybody counting. */
	if (!f->fast_id && (f->epoch || expected != f->next_number)) {
		if (write_sync(f, epoch))
			return -EAGAIN;
		if (expected < f->settled)
			expected = f->settled;
		lib_lost_add(f, expected, f->next_number, false);
	}
	f->epoch = epoch;
	f->settled = f->next_number;
	f->wanted = f->large_asked = f->granted_seen = 0;
	f->sent_bytes = 0;
	return 0;
}

/* ---- credit --------------------------------------------------------------------- */

static uint64_t look_at_granted(struct lib_flow *f)
{
	/* Pairs with the agent's store of it behind the other fields. */
	uint64_t granted = skerry_load_acquire(&f->slot->granted);

	/* Taken back: what was asked for before is forgotten. */
	if (granted < f->granted_seen) {
		f->wanted = 0;
		if (!f->sent_bytes)
			f->large_asked = 0;
	}
	f->granted_seen = granted;
	return granted;
}

static void write_want(struct lib_flow *f, uint64_t total_bytes)
{
	uint64_t position = f->written + SKERRY_FLOW_CREDIT_BYTES;
	struct skerry_frame record = {
		.type = SKERRY_REC_WANT,
		.flow = f->slot_index,
		.correlation = f->epoch,
		.sequence = position,
	};
	struct tlv_writer w;
	uint8_t bytes[16];

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (total_bytes)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total_bytes);
	f->want_due = ringbuf_write(&f->channel->out, &record, bytes,
				    w.used_bytes, NULL, 0) != 0;
	if (f->want_due)
		return;
	f->wanted = position;
	if (total_bytes)
		f->large_asked = f->next_number;
	ringbuf_publish(&f->channel->out);
	lib_kick(f->handle);
}

/* Ask ahead of time, so that a steady stream never waits for an answer. */
static void want(struct lib_flow *f, uint64_t total_bytes)
{
	if (total_bytes) {
		if (f->large_asked != f->next_number)
			write_want(f, total_bytes);
		return;
	}
	if (room_below(f->granted_seen, f->written) >= HALF)
		return;
	if (f->wanted <= f->granted_seen || f->wanted < f->written + HALF)
		write_want(f, 0);
}

/* ---- writing ---------------------------------------------------------------------- */

static uint64_t cost_of(uint64_t total_bytes, size_t payload_bytes)
{
	size_t extension = total_bytes ? sizeof(struct skerry_tlv) + 8 : 0;

	return SKERRY_COST(sizeof(struct skerry_frame) + extension +
			   payload_bytes);
}

/* Inside the busy section only is the answer good for a record. */
static bool may_write(struct lib_flow *f, uint64_t cost, uint64_t total_bytes)
{
	if (skerry_load_acquire(&f->slot->epoch) != f->epoch ||
	    skerry_load_relaxed(&f->slot->state) != SKERRY_SLOT_OPEN)
		return false;
	if (f->written + cost > look_at_granted(f))
		return false;
	return !total_bytes ||
	       (f->large_asked == f->next_number &&
		skerry_load_relaxed(&f->slot->large) == f->next_number);
}

int lib_flow_put(struct lib_flow *f, uint8_t flags, uint64_t total_bytes,
		 const void *payload, size_t payload_bytes)
{
	struct skerry_frame record = {
		.type = SKERRY_FRAME_DATA,
		.flags = flags,
		.flow = f->slot_index,
		.correlation = f->epoch,
		.sequence = f->next_number,
	};
	uint64_t cost = cost_of(total_bytes, payload_bytes);
	struct skerry_mapping *m = f->handle->control;
	struct tlv_writer w;
	uint8_t bytes[16];
	int r = -EAGAIN;

	w.used_bytes = 0;
	if (total_bytes) {
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total_bytes);
	}
	skerry_store_relaxed(&m->busy, 1);
	/* Busy before the look; pairs with the agent's fence between
	 * lowering `granted` and reading busy. */
	skerry_fence();
	if (may_write(f, cost, total_bytes)) {
		r = ringbuf_write(&f->channel->out, &record, bytes,
				  w.used_bytes, payload, payload_bytes);
		if (!r)
			ringbuf_publish(&f->channel->out);
	}
	/* After the publishing; pairs with the agent's load of busy. */
	skerry_store_release(&m->busy, 0);
	if (!r) {
		f->written += cost;
		want(f, 0);
		lib_kick(f->handle);
		return 0;
	}
	if (r == -EPROTO) {
		lib_attach_lost(f->handle, r, "a message ring is damaged");
		return -EAGAIN;
	}
	want(f, total_bytes);
	return -EAGAIN;
}

bool lib_flow_moved(struct lib_flow *f, uint64_t total_bytes,
		    size_t payload_bytes)
{
	uint64_t cost = cost_of(total_bytes, payload_bytes);
	uint64_t granted;
	int64_t room;

	switch (f->state) {
	case LIB_FLOW_NEW:
		return f->handle->state == LIB_ATTACHED &&
		       (!f->retry_ns || lib_now_ns() >= f->retry_ns);
	case LIB_FLOW_RINGS:
	case LIB_FLOW_OPENING:
		return false;
	case LIB_FLOW_REFUSED:
		return true;
	case LIB_FLOW_OPEN:
		break;
	}
	switch (skerry_load_acquire(&f->slot->state)) {
	case SKERRY_SLOT_OPEN:
		break;
	case SKERRY_SLOT_CLOSED:
		return true;
	default:
		return false;
	}
	if (f->fast_id)
		return lib_fast_sendable(f);
	room = ringbuf_room(&f->channel->out);
	if (room < (int64_t)cost)
		return room < 0;
	granted = skerry_load_acquire(&f->slot->granted);
	if (f->want_due || granted < f->granted_seen ||
	    skerry_load_relaxed(&f->slot->epoch) != f->epoch)
		return true;
	if (f->written + cost <= granted &&
	    (!total_bytes ||
	     skerry_load_relaxed(&f->slot->large) == f->next_number))
		return true;
	/* Nothing will come that has not been asked for. */
	return total_bytes ? f->large_asked != f->next_number
			   : f->wanted < f->written + cost;
}

void lib_flow_sent(struct lib_flow *f)
{
	f->next_number++;
	f->sent_bytes = 0;
	f->large_asked = 0;
}
