// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * flow_ring.c - credit of receiving programs: out of the free space of their
 * rings, and for large messages out of their reassembly memory.
 *
 * For each ring: outstanding + what is kept back <= free at each grant, and
 * only deliveries make it less free, which lower outstanding as much.
 */
#include "flow_tab.h"

#include <errno.h>

static uint64_t ring_reserve(const struct flowtab *tab)
{
	return flow_min(FLOW_RING_RESERVE, tab->limits.ring_bytes / 8);
}

static uint64_t ring_room(struct flowtab *tab, const struct flow_ring *ring)
{
	return tab->ops->ring_room(tab->ops_data, ring->program->number,
				   ring->channel);
}

void flow_ring_dirty(struct flowtab *tab, struct flow_ring *ring)
{
	if (list_empty(&ring->dirty) && ring->program->used)
		list_add_tail(&tab->dirty_rings, &ring->dirty);
}

static uint64_t in_target(const struct flowtab *tab, const struct flow_in *in)
{
	uint64_t most = flow_max(tab->limits.credit_bytes, FLOW_UNIT_BYTES);

	if (flow_monotonic(tab, in->channel))
		most = FLOW_UNIT_BYTES;
	return flow_min(in->want, in->received + most);
}

/* Of a monotonic flow one value at a time lies in the ring: the next is to be
 * as new as can be when the program comes to take it. */
static bool is_unread(struct flowtab *tab, const struct flow_ring *ring,
		      const struct flow_in *in)
{
	uint64_t used, read_bytes;

	if (in->partial || !flow_monotonic(tab, ring->channel))
		return false;
	used = tab->limits.ring_bytes -
	       flow_min(ring_room(tab, ring), tab->limits.ring_bytes);
	read_bytes =
		ring->delivered_bytes - flow_min(used, ring->delivered_bytes);
	return in->read_at > read_bytes;
}

static void in_grant(struct flowtab *tab, struct flow_in *in, uint64_t bytes)
{
	in->granted += bytes;
	in->ring->outstanding_bytes += bytes;
	in->active_ns = tab->now_ns;
	flow_in_due(tab, in, IN_DUE_GRANT);
}

/* Join those that wait for ring space, if there is something to wait for. */
void flow_in_serve(struct flowtab *tab, struct flow_in *in)
{
	if (in->state != IN_LIVE || !in->resumed || in->revoking ||
	    in->datagram || in->large_want || !list_empty(&in->wait_link) ||
	    in_target(tab, in) <= in->granted)
		return;
	list_add_tail(&in->ring->waiters, &in->wait_link);
	in->ring->waiter_count++;
	flow_ring_dirty(tab, in->ring);
}

void flow_in_unwait(struct flow_in *in)
{
	if (list_empty(&in->wait_link))
		return;
	list_del(&in->wait_link);
	if (in->large_want)
		in->large_want = 0;
	else
		in->ring->waiter_count--;
}

void flow_in_release(struct flowtab *tab, struct flow_in *in)
{
	if (!in->ring)
		return;
	in->ring->outstanding_bytes -= in->granted - in->received;
	in->granted = in->received;
	in->want = in->received;
	if (in->large) {
		in->program->large_allowed_bytes -= in->large;
		in->large = 0;
		flow_large_serve(tab, in->program);
	}
	in->allow_due = false;
	if (!list_empty(&in->ring->waiters) || !list_empty(&in->ring->due))
		flow_ring_dirty(tab, in->ring);
}

/* ---- ring space ------------------------------------------------------------- */

/* False when the next record has no room. */
static bool serve_records(struct flowtab *tab, struct flow_ring *ring)
{
	uint64_t room = ring_room(tab, ring);
	uint64_t cost, keep;
	struct flow_in *in;

	while (!list_empty(&ring->due)) {
		in = list_object(ring->due.next, struct flow_in, record_link);
		cost = flow_in_record_cost(tab, in);
		keep = in->records & IN_REC_INFLOW ? ring_reserve(tab) / 2 : 0;
		if (ring->outstanding_bytes + cost + keep > room)
			return false;
		room -= cost;
		if (flow_in_deliver(tab, in))
			return false;
	}
	return true;
}

uint64_t flow_ring_free(struct flowtab *tab, const struct flow_ring *ring)
{
	uint64_t room = ring_room(tab, ring);
	uint64_t used = ring->outstanding_bytes + ring_reserve(tab);

	return room > used ? room - used : 0;
}

/* What it gets out of so much; 0: nothing more is wanted. */
static uint64_t share_of(struct flowtab *tab, const struct flow_ring *ring,
			 const struct flow_in *in, uint64_t free_bytes)
{
	uint64_t target = in_target(tab, in);
	uint64_t unspent, least, need;

	if (target <= in->granted)
		return 0;
	need = target - in->granted;
	unspent = in->granted - in->received;
	least = unspent < FLOW_UNIT_BYTES ? FLOW_UNIT_BYTES - unspent
					  : FLOW_UNIT_BYTES / 2;
	least = flow_min(least, need);
	return flow_min(flow_max(least, free_bytes / ring->waiter_count), need);
}

/* One after the other; the first that cannot have a whole record waits, and
 * the others behind it. But who waits for its reader holds up nobody. */
static bool serve_waiters(struct flowtab *tab, struct flow_ring *ring)
{
	uint64_t free_bytes = flow_ring_free(tab, ring);
	struct list *at, *after;
	struct flow_in *in;
	uint64_t give;
	bool all, again;

	do {
		all = true;
		again = false;
		list_for_each_safe (at, after, &ring->waiters) {
			in = list_object(at, struct flow_in, wait_link);
			give = share_of(tab, ring, in, free_bytes);
			if (give && is_unread(tab, ring, in)) {
				all = false;
				continue;
			}
			if (give > free_bytes)
				return false;
			flow_in_unwait(in);
			if (!give)
				continue;
			free_bytes -= give;
			in_grant(tab, in, give);
			flow_in_serve(tab, in);
			again |= !list_empty(&in->wait_link);
		}
	} while (again);
	return all;
}

void flow_ring_serve(struct flowtab *tab, struct flow_ring *ring)
{
	uint32_t program = ring->program->number;
	int pass;

	list_del(&ring->starved);
	/* Twice: space may be freed just before the flag is seen. */
	for (pass = 0; pass < 2; pass++) {
		if (serve_records(tab, ring) && serve_waiters(tab, ring)) {
			list_del(&ring->dirty);
			return;
		}
		if (!pass)
			tab->ops->want_space(tab->ops_data, program,
					     ring->channel);
	}
	list_del(&ring->dirty);
	list_add_tail(&tab->starved_rings, &ring->starved);
	flow_wake_by(tab, tab->now_ns + FLOW_SCAN_NS);
}

void flow_ring_space(struct flowtab *tab, uint32_t program, uint32_t channel,
		     uint64_t now_ns)
{
	struct flow_program *p = flow_program_find(tab, program);

	if (!p || channel >= SKERRY_CHANNELS_MAX)
		return;
	flow_time(tab, now_ns);
	flow_large_serve(tab, p);
	if (!list_empty(&p->rings[channel].waiters) ||
	    !list_empty(&p->rings[channel].due))
		flow_ring_dirty(tab, &p->rings[channel]);
	flow_settle(tab);
}

/* Nothing is asked of a new flow's first small messages, if there is plenty. */
void flow_in_initial(struct flowtab *tab, struct flow_in *in, uint64_t want)
{
	uint64_t give = flow_min(want, FLOW_INITIAL_BYTES);

	give = flow_min(give, flow_ring_free(tab, in->ring) / 16);
	give &= ~(uint64_t)(SKERRY_ALIGN - 1);
	if (give && list_empty(&in->ring->waiters)) {
		in->want = give;
		in_grant(tab, in, give);
	}
}

/* ---- taking back ------------------------------------------------------------ */

static void in_revoke(struct flowtab *tab, struct flow_in *in)
{
	flow_in_unwait(in);
	in->revoking = true;
	in->deadline_ns = tab->now_ns + FLOW_KEPT_NS;
	flow_in_due(tab, in, IN_DUE_REVOKE);
}

/* Others wait for what this one holds and does not use. */
static void in_scan(struct flowtab *tab, struct flow_in *in)
{
	uint64_t idle_ns = tab->now_ns - in->active_ns;

	if (in->state != IN_LIVE || !in->resumed || in->datagram)
		return;
	if (in->revoking && tab->now_ns >= in->deadline_ns)
		flow_in_end(tab, in, -ETIMEDOUT);
	else if (in->partial && in->granted > in->received &&
		 idle_ns >= FLOW_STALLED_NS &&
		 !list_empty(&in->program->large_waiters))
		flow_in_end(tab, in, -ETIMEDOUT);
	else if (!in->revoking && idle_ns >= FLOW_IDLE_NS &&
		 (in->granted > in->received || in->large) &&
		 in->ring->waiters.next != &in->wait_link)
		in_revoke(tab, in);
}

void flow_ring_tick(struct flowtab *tab)
{
	struct list *at, *after, *i, *next;

	list_for_each_safe (at, after, &tab->starved_rings) {
		struct flow_ring *ring =
			list_object(at, struct flow_ring, starved);

		flow_wake_by(tab, tab->now_ns + FLOW_SCAN_NS);
		flow_ring_dirty(tab, ring);
		/* Nobody takes room away from others that wait for readers. */
		if (list_empty(&ring->waiters) ||
		    (flow_monotonic(tab, ring->channel) &&
		     flow_ring_free(tab, ring) >= FLOW_UNIT_BYTES))
			continue;
		list_for_each_safe (i, next, &ring->program->ins) {
			struct flow_in *in =
				list_object(i, struct flow_in, program_link);

			if (in->ring == ring)
				in_scan(tab, in);
		}
	}
	list_for_each_safe (at, after, &tab->starved_programs) {
		struct flow_program *p =
			list_object(at, struct flow_program, starved);

		flow_wake_by(tab, tab->now_ns + FLOW_SCAN_NS);
		list_for_each_safe (i, next, &p->ins) {
			struct flow_in *in =
				list_object(i, struct flow_in, program_link);

			if (in->large || in->partial || in->revoking)
				in_scan(tab, in);
		}
		flow_large_serve(tab, p);
	}
}

int flow_in_kept(struct flowtab *tab, struct flow_in *in, uint64_t position,
		 const char **ret_why)
{
	if (in->state != IN_LIVE || !in->revoking) {
		tab->counters.late_frames++;
		return 0;
	}
	if (position != in->received) {
		*ret_why = "KEPT of what was not sent";
		return -EPROTO;
	}
	in->revoking = false;
	flow_in_release(tab, in);
	return 0;
}

/* ---- asking ----------------------------------------------------------------- */

static int want_large(struct flowtab *tab, struct flow_in *in, uint64_t total)
{
	if (total > SKERRY_MESSAGE_MAX_BYTES) {
		flow_in_end(tab, in, -EMSGSIZE);
		return 0;
	}
	if (in->large_want == total)
		return 0;
	if (in->large == total) {
		in->allow_due = true;
		flow_in_due(tab, in, IN_DUE_GRANT);
		return 0;
	}
	flow_in_unwait(in);
	in->program->large_allowed_bytes -= in->large;
	in->large = 0;
	in->large_want = total;
	list_add_tail(&in->program->large_waiters, &in->wait_link);
	flow_large_serve(tab, in->program);
	return 0;
}

int flow_in_want(struct flowtab *tab, struct flow_in *in, uint64_t position,
		 uint64_t total, const char **ret_why)
{
	if (in->state != IN_LIVE) {
		tab->counters.late_frames++;
		return 0;
	}
	if (!in->resumed || in->datagram || position > FLOW_SEQUENCE_MAX ||
	    (total && in->partial)) {
		*ret_why = "WANT out of turn";
		return -EPROTO;
	}
	/* Void: it was written before the KEPT that is awaited. */
	if (in->revoking)
		return 0;
	in->want = flow_max(in->want, position);
	if (total)
		want_large(tab, in, total);
	flow_in_serve(tab, in);
	return 0;
}

void flow_large_serve(struct flowtab *tab, struct flow_program *program)
{
	uint64_t freed, used;
	struct flow_in *in;

	list_del(&program->starved);
	if (list_empty(&program->large_waiters) || !program->used)
		return;
	freed = tab->ops->reassembly_freed(tab->ops_data, program->number);
	freed = flow_min(freed, program->large_begun_bytes);
	used = program->large_begun_bytes - freed +
	       program->large_allowed_bytes;
	while (!list_empty(&program->large_waiters)) {
		in = list_object(program->large_waiters.next, struct flow_in,
				 wait_link);
		if (used + in->large_want > SKERRY_REASSEMBLY_BYTES) {
			tab->ops->want_space(tab->ops_data, program->number,
					     in->channel);
			list_add_tail(&tab->starved_programs,
				      &program->starved);
			flow_wake_by(tab, tab->now_ns + FLOW_SCAN_NS);
			return;
		}
		used += in->large_want;
		program->large_allowed_bytes += in->large_want;
		in->large = in->large_want;
		list_del(&in->wait_link);
		in->large_want = 0;
		in->allow_due = true;
		in->active_ns = tab->now_ns;
		flow_in_due(tab, in, IN_DUE_GRANT);
		flow_in_serve(tab, in);
	}
}
