// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_out_credit.c - what a library may write, and taking it back. */
#include "flow_tab.h"

#include <errno.h>

uint64_t flow_out_target(const struct flow_out *out)
{
	return flow_min(out->remote, out->want);
}

void flow_out_serve(struct flowtab *tab, struct flow_out *out)
{
	struct flow_lane *lane = out->lane;

	if (out->state != OUT_OPEN || !out->synced || out->revoke || !lane ||
	    lane->leaving || out->due & (OUT_DUE_SKIP | OUT_DUE_KEPT) ||
	    flow_out_target(out) <= out->sent + out->unspent)
		return;
	if (list_empty(&out->hungry_link)) {
		list_add_tail(&lane->hungry, &out->hungry_link);
		lane->hungry_count++;
	}
	flow_lane_dirty(tab, lane);
}

void flow_out_sated(struct flow_out *out)
{
	if (list_empty(&out->hungry_link))
		return;
	list_del(&out->hungry_link);
	out->lane->hungry_count--;
}

/* What was shown and not used is the lane's again. */
void flow_out_release(struct flow_out *out)
{
	if (out->lane)
		out->lane->unspent_bytes -= out->unspent;
	out->unspent = 0;
}

int flow_out_granted(struct flowtab *tab, struct flow_out *out,
		     uint64_t position, uint64_t total, const char **ret_why)
{
	if (out->state != OUT_OPEN) {
		tab->counters.late_frames++;
		return 0;
	}
	if (position < out->remote || position > FLOW_SEQUENCE_MAX) {
		*ret_why = "GRANT of an impossible position";
		return -EPROTO;
	}
	out->remote = position;
	if (total && total == out->large_total && !out->large) {
		out->large = out->large_number;
		flow_out_show(tab, out);
	}
	flow_out_serve(tab, out);
	return 0;
}

int flow_out_acked(struct flowtab *tab, struct flow_out *out, uint64_t sequence,
		   const char **ret_why)
{
	if (out->state != OUT_OPEN)
		return 0;
	if (sequence > out->next) {
		*ret_why = "ACK of what was not sent";
		return -EPROTO;
	}
	if (sequence <= out->acked)
		return 0;
	out->acked = sequence;
	if (flow_monotonic(tab, out->channel))
		flow_out_show(tab, out);
	return 0;
}

/* ---- taking back ------------------------------------------------------------ */

void flow_out_revoke(struct flowtab *tab, struct flow_out *out, uint8_t why)
{
	if (out->state != OUT_OPEN || out->datagram ||
	    (why == OUT_REVOKE_SHARE && !out->unspent))
		return;
	if (!out->revoke) {
		/* A WANT from before is void; one that comes while `granted`
		 * is being lowered may have seen it lowered, and counts. */
		out->want_before = flow_max(out->want_before, out->want);
		out->want = 0;
		out->revoke_ns = tab->now_ns;
		out->retry_ns = tab->now_ns;
		flow_out_sated(out);
		list_add_tail(&tab->revoking, &out->revoke_link);
	}
	out->revoke |= why;
}

/*
 * A library sees that its WANT is void when it sees `granted` lowered. One
 * that looked neither before nor after would wait for ever; so the WANT comes
 * into force again by itself, ever more rarely while nothing comes of it.
 */
static void want_park(struct flowtab *tab, struct flow_out *out)
{
	out->parked_for_ns =
		flow_min(2 * out->parked_for_ns, FLOW_PARKED_MAX_NS);
	out->parked_for_ns = flow_max(out->parked_for_ns, FLOW_PARKED_NS);
	out->parked_ns = tab->now_ns + out->parked_for_ns;
	list_del(&out->parked_link);
	list_add_tail(&tab->parked, &out->parked_link);
	flow_wake_by(tab, out->parked_ns);
}

void flow_out_parked_tick(struct flowtab *tab)
{
	struct list *at, *after;

	list_for_each_safe (at, after, &tab->parked) {
		struct flow_out *out =
			list_object(at, struct flow_out, parked_link);

		if (out->parked_ns > tab->now_ns) {
			flow_wake_by(tab, out->parked_ns);
			continue;
		}
		list_del(&out->parked_link);
		out->want = flow_max(out->want, out->want_before);
		if (!out->revoke && out->want > out->remote)
			flow_out_due(tab, out, OUT_DUE_WANT);
		flow_out_serve(tab, out);
	}
}

static void revoke_done(struct flowtab *tab, struct flow_out *out)
{
	uint8_t why = out->revoke;

	out->revoke = 0;
	list_del(&out->revoke_link);
	if (!out->unspent) /* taken back from nobody */
		out->want = flow_max(out->want, out->want_before);
	else if (!out->want && out->want_before > out->sent)
		want_park(tab, out);
	flow_out_release(out);
	if (why & OUT_REVOKE_REMOTE) {
		/* A large message is asked for again, behind the others. */
		out->remote = out->sent;
		out->large = 0;
		flow_out_due(tab, out, OUT_DUE_KEPT);
	}
	if (out->want > out->remote || (out->large_total && !out->large))
		flow_out_due(tab, out, OUT_DUE_WANT);
	flow_out_show(tab, out);
	flow_out_serve(tab, out);
}

static void revoke_one(struct flowtab *tab, struct flow_out *out)
{
	uint32_t program = out->program->number;
	int r;

	r = tab->ops->revoke(tab->ops_data, program, out->slot, out->taken);
	/* Records were handled in there: it may be over. */
	if (list_empty(&out->revoke_link))
		return;
	if (r && tab->now_ns - out->revoke_ns >= FLOW_BUSY_MAX_NS) {
		/* Whatever it writes when it goes on is of an old epoch. */
		flow_out_down(tab, out);
		return;
	}
	if (!r) {
		revoke_done(tab, out);
		return;
	}
	out->retry_ns = tab->now_ns + FLOW_BUSY_NS;
	list_del(&out->revoke_link);
	list_add_tail(&tab->revoking, &out->revoke_link);
}

void flow_out_revoke_run(struct flowtab *tab)
{
	struct flow_out *out;
	struct list *at;

again:
	list_for_each (at, &tab->revoking) {
		out = list_object(at, struct flow_out, revoke_link);
		if (out->retry_ns <= tab->now_ns) {
			revoke_one(tab, out);
			goto again;
		}
		flow_wake_by(tab, out->retry_ns);
	}
}

/* The hungry of this lane wait: who does not use what it was shown, loses
 * it. Of a lane that is left everything is taken. */
void flow_out_share(struct flowtab *tab, struct flow_lane *lane)
{
	struct list *at;

	list_for_each (at, &lane->outs) {
		struct flow_out *out =
			list_object(at, struct flow_out, lane_link);

		if (out->unspent && !out->revoke &&
		    tab->now_ns - out->active_ns >= FLOW_SHARE_IDLE_NS)
			flow_out_revoke(tab, out, OUT_REVOKE_SHARE);
	}
}
