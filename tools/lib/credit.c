/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Writing to a flow: epochs, credit, the busy section. The rules are those
 * at the head of ring.h; the agent detaches who breaks them.
 */
#include <errno.h>

#include "outgoing.h"

/* Asked for ahead: little at first, for there may be many flows that send
 * little; twice as much each time it was used up soon. */
#define WINDOW_MIN_BYTES 8192U
#define WINDOW_IDLE_NS 500000000ULL

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
	uint32_t receives = skerry_load_relaxed(&f->slot->receives);

	skerry_fence();
	if (skerry_load_relaxed(&f->slot->epoch) != epoch)
		return -EAGAIN;
	/* Datagrams get lost without anybody counting. */
	if (!f->fast_id && (f->epoch || expected != f->next_number)) {
		if (write_sync(f, epoch))
			return -EAGAIN;
		if (expected < f->settled)
			expected = f->settled;
		lib_asking_lost(f, expected, -ENOTCONN);
		lib_lost_add(f, expected, f->next_number, false);
	}
	lib_place_learn(f);
	f->epoch = epoch;
	f->receives = receives;
	f->settled = f->next_number;
	f->wanted = f->large_asked = f->granted_seen = f->gate = 0;
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
		if (granted < f->gate)
			f->gate = granted;
	}
	f->granted_seen = granted;
	return granted;
}

static void write_want(struct lib_flow *f, uint64_t position,
		       uint64_t total_bytes)
{
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
	if (total_bytes) {
		f->large_asked = f->next_number;
		f->large_total = total_bytes;
	}
	ringbuf_publish(&f->channel->out);
	lib_kick(f->handle);
}

/* Where `granted` must be for a record of that cost. A value needs a grant of
 * its own, beyond what the last one was sent with. */
static uint64_t needed(const struct lib_flow *f, uint64_t cost)
{
	uint64_t position = f->written + cost;

	if (f->value && !f->sent_bytes && f->gate &&
	    position < f->gate + SKERRY_ALIGN)
		position = f->gate + SKERRY_ALIGN;
	return position;
}

static uint64_t next_window(struct lib_flow *f)
{
	uint64_t now_ns = lib_coarse_ns();

	if (!f->window || now_ns - f->window_ns > WINDOW_IDLE_NS)
		f->window = WINDOW_MIN_BYTES;
	else if (f->window < SKERRY_FLOW_CREDIT_BYTES)
		f->window *= 2;
	f->window_ns = now_ns;
	return f->window;
}

/* Ask ahead of time, so that a steady stream never waits for an answer; but
 * for values one by one. */
static void want(struct lib_flow *f, uint64_t total_bytes, uint64_t cost)
{
	uint64_t position = needed(f, cost), ahead;

	if (total_bytes) {
		if (f->large_asked != f->next_number)
			write_want(f,
				   f->value ? position
					    : f->written +
						      SKERRY_FLOW_CREDIT_BYTES,
				   total_bytes);
		if (!f->value)
			return;
	}
	if (f->value) {
		if (f->wanted < position && f->granted_seen < position)
			write_want(f, position, 0);
		return;
	}
	if (room_below(f->granted_seen, f->written) >= f->window / 2 &&
	    position <= f->granted_seen)
		return;
	if (f->wanted > f->granted_seen && f->wanted >= position &&
	    f->wanted >= f->written + f->window / 2)
		return;
	ahead = f->written + next_window(f);
	write_want(f, ahead > position ? ahead : position, 0);
}

/* ---- writing ---------------------------------------------------------------------- */

uint64_t lib_piece_cost(const struct lib_piece *piece)
{
	const size_t number_bytes = sizeof(struct skerry_tlv) + 8;
	size_t own = (piece->total_bytes ? number_bytes : 0) +
		     (piece->plain_bytes ? number_bytes : 0);

	return SKERRY_COST(sizeof(struct skerry_frame) + own +
			   piece->extension_bytes + piece->payload_bytes);
}

/* Inside the busy section only is the answer good for a record. */
static bool may_write(struct lib_flow *f, uint64_t cost, uint64_t total_bytes)
{
	if (skerry_load_acquire(&f->slot->epoch) != f->epoch ||
	    skerry_load_relaxed(&f->slot->state) != SKERRY_SLOT_OPEN)
		return false;
	if (look_at_granted(f) < needed(f, cost))
		return false;
	return !total_bytes ||
	       (f->large_asked == f->next_number &&
		skerry_load_relaxed(&f->slot->large) == f->next_number);
}

/* total_bytes first, then what is the message's own. */
static size_t extensions_of(const struct lib_piece *piece, uint8_t *bytes,
			    size_t room)
{
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, room);
	if (piece->total_bytes)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, piece->total_bytes);
	/* Critical: without it the bytes mean nothing. */
	if (piece->plain_bytes)
		tlv_put_u64(&w, SKERRY_K_PLAIN_BYTES | SKERRY_TLV_CRITICAL,
			    piece->plain_bytes);
	if (piece->extension_bytes)
		memcpy(bytes + w.used_bytes, piece->extensions,
		       piece->extension_bytes);
	return w.used_bytes + piece->extension_bytes;
}

int lib_flow_put(struct lib_flow *f, const struct lib_piece *piece)
{
	struct skerry_frame record = {
		.type = SKERRY_FRAME_DATA,
		.flags = piece->flags,
		.flow = f->slot_index,
		.correlation = f->epoch,
		.sequence = f->next_number,
	};
	uint64_t cost = lib_piece_cost(piece);
	struct skerry_mapping *m = f->handle->control;
	uint8_t bytes[16 + SKERRY_MESSAGE_EXT_MAX_BYTES];
	size_t extension_bytes = 0;
	int r = -EAGAIN;

	if (piece->total_bytes || piece->plain_bytes || piece->extension_bytes)
		extension_bytes = extensions_of(piece, bytes, sizeof(bytes));
	skerry_store_relaxed(&m->busy, 1);
	/* Busy before the look; pairs with the agent's fence between
	 * lowering `granted` and reading busy. */
	skerry_fence();
	if (may_write(f, cost, piece->total_bytes)) {
		r = ringbuf_write(&f->channel->out, &record, bytes,
				  extension_bytes, piece->payload,
				  piece->payload_bytes);
		if (!r)
			ringbuf_publish(&f->channel->out);
	}
	/* After the publishing; pairs with the agent's load of busy. */
	skerry_store_release(&m->busy, 0);
	if (!r) {
		f->written += cost;
		f->last_cost = cost;
		if (!f->value)
			want(f, 0, 0);
		lib_kick(f->handle);
		return 0;
	}
	if (r == -EPROTO) {
		lib_attach_lost(f->handle, r, "a message ring is damaged");
		return -EAGAIN;
	}
	want(f, piece->total_bytes, cost);
	return -EAGAIN;
}

bool lib_flow_moved(struct lib_flow *f, const struct lib_piece *piece)
{
	uint64_t cost = lib_piece_cost(piece);
	uint64_t total_bytes = piece->total_bytes;
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
	if (needed(f, cost) <= granted &&
	    (!total_bytes ||
	     skerry_load_relaxed(&f->slot->large) == f->next_number))
		return true;
	/* Nothing will come that has not been asked for. */
	return total_bytes ? f->large_asked != f->next_number
			   : f->wanted < needed(f, cost);
}

void lib_flow_sent(struct lib_flow *f)
{
	f->next_number++;
	f->sent_bytes = 0;
	f->large_asked = 0;
	if (!f->value || f->fast_id)
		return;
	/* The answer to this tells, too, that the value has arrived. */
	f->gate = f->granted_seen;
	want(f, 0, f->last_cost);
}
