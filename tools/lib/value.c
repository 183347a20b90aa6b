/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Monotonic channels: of each key, and of each place without key, the latest
 * value counts. One that cannot go yet gives way to a newer one; the last is
 * kept until it is known to have arrived, and sent again when it has not. A
 * flow sends one value for each grant, and the receiver grants the next when
 * its program has read the one before: so what a slow reader gets is fresh.
 */
#include <errno.h>

#include "outgoing.h"

#define RETRY_NS 200000000ULL

bool lib_value_is(struct lib_flow *f)
{
	struct lib_channel *c = f->channel;

	if (!c)
		c = lib_channel_find(f->handle, f->channel_name);
	/* Without its agent it stays what it was. */
	if (c)
		f->value = c->options & SKERRY_CHANNEL_MONOTONIC && !c->fast &&
			   !f->monitor && !*f->source;
	return f->value;
}

static void superseded(struct lib_flow *f, uint64_t count)
{
	struct lib_channel *c = lib_channel_find(f->handle, f->channel_name);
	struct skerry_mapping *m = c ? c->mapping : NULL;

	if (m)
		skerry_store_relaxed(&m->superseded_messages,
				     m->superseded_messages + count);
}

static void let_go(struct lib_flow *f, struct lib_copy **copy)
{
	if (!*copy)
		return;
	lib_copy_free(f->handle, *copy);
	f->handle->value_count--;
	*copy = NULL;
}

static void set_pending(struct lib_flow *f, struct lib_copy **copy)
{
	f->pending = *copy;
	*copy = NULL;
	f->handle->pending_count++;
}

void lib_value_drop(struct lib_flow *f)
{
	if (f->value && f->pending)
		f->handle->value_count--;
	lib_forward_drop_copy(f);
	let_go(f, &f->newest);
	let_go(f, &f->last);
}

static void put(struct lib_flow *f, struct lib_copy *copy)
{
	/* What has begun, or been promised its room, goes on to its end. */
	bool begun = f->sent_bytes || f->large_asked;

	f->handle->value_count++;
	if (f->pending && begun) {
		superseded(f, f->newest != NULL);
		let_go(f, &f->newest);
		f->newest = copy;
		return;
	}
	superseded(f, (f->pending != NULL) + (f->newest != NULL));
	let_go(f, &f->newest);
	if (f->pending) {
		f->handle->value_count--;
		lib_forward_drop_copy(f);
	}
	set_pending(f, &copy);
}

int lib_value_forward(const struct lib_outgoing *o)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;
	bool known = f->pending || f->last;
	struct lib_copy *copy;
	int r;

	if (f->state == LIB_FLOW_REFUSED) {
		r = lib_value_refused(f);
		if (r)
			return lib_fail(h, r, "%s", f->error_text);
	}
	r = known || h->value_count < SKERRY_VALUES_MAX ? lib_copy_new(o, &copy)
							: -EAGAIN;
	if (r == -EAGAIN)
		return lib_fail(h, -ENOSPC,
				"channel %s: too many values wait, or too many "
				"bytes of them",
				f->channel_name);
	if (r)
		return lib_fail_fast(h, r, "no memory");
	put(f, copy);
	while (f->pending && lib_forward_pump(f))
		;
	lib_arm(h, LIB_WAIT_CREDIT);
	return 0;
}

void lib_value_sent(struct lib_flow *f)
{
	let_go(f, &f->last);
	f->last = f->pending;
	f->last->number = f->next_number - 1;
	f->pending = NULL;
	f->handle->pending_count--;
	if (f->newest)
		set_pending(f, &f->newest);
}

void lib_value_lost(struct lib_flow *f, uint64_t from)
{
	uint64_t lost = f->next_number - from;

	if (!f->value || from > f->next_number)
		return;
	if (f->last && f->last->number >= from && !f->pending) {
		set_pending(f, &f->last);
		lost--;
	}
	let_go(f, &f->last);
	superseded(f, lost);
}

void lib_value_look(struct lib_flow *f)
{
	if (!f->last || f->state != LIB_FLOW_OPEN ||
	    skerry_load_acquire(&f->slot->epoch) != f->epoch)
		return;
	if (skerry_load_relaxed(&f->slot->arrived) > f->last->number)
		let_go(f, &f->last);
}

/* A lane or a receiver that is not there now may be there soon. */
int lib_value_refused(struct lib_flow *f)
{
	switch (f->error) {
	case -ENOTCONN:
	case -ENETUNREACH:
	case -ETIMEDOUT:
	case -ECONNRESET:
	case -EAGAIN:
	case -ENOBUFS:
		f->state = LIB_FLOW_NEW;
		f->retry_ns = lib_now_ns() + RETRY_NS;
		lib_timer_set(f->handle, f->retry_ns);
		return 0;
	}
	f->state = LIB_FLOW_NEW;
	lib_value_drop(f);
	f->sent_bytes = 0;
	return f->error;
}
