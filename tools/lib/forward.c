/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Sending. A message is written from the caller's memory, fragment by
 * fragment as credit comes; only who may not wait has it copied.
 */
#include <errno.h>
#include <stdlib.h>

#include "outgoing.h"

/* A lane that was lost may come back at once. */
#define DOWN_WAIT_NS 1000000000ULL

struct outgoing {
	struct lib_flow *flow;
	const void *data;
	size_t size_bytes;
	uint8_t flags; /* of DATA */
};

static uint64_t total_of(const struct outgoing *o)
{
	return o->size_bytes > SKERRY_FRAGMENT_BYTES && !o->flow->sent_bytes
		       ? o->size_bytes
		       : 0;
}

static size_t next_bytes(const struct outgoing *o)
{
	size_t left = o->size_bytes - o->flow->sent_bytes;

	return left > SKERRY_FRAGMENT_BYTES ? SKERRY_FRAGMENT_BYTES : left;
}

static int send_fragment(const struct outgoing *o)
{
	struct lib_flow *f = o->flow;
	size_t bytes = next_bytes(o);
	uint8_t flags = o->flags;
	int r;

	if (f->sent_bytes)
		flags |= SKERRY_DATA_CONT;
	if (f->sent_bytes + bytes < o->size_bytes)
		flags |= SKERRY_DATA_MORE;
	r = lib_flow_put(f, flags, total_of(o),
			 (const uint8_t *)o->data + f->sent_bytes, bytes);
	if (!r)
		f->sent_bytes += bytes;
	return r;
}

/* As far as it goes. 0: all of it is written. */
static int send_now(const struct outgoing *o)
{
	struct lib_flow *f = o->flow;
	int r;

	do {
		r = lib_flow_step(f);
		if (r)
			return r;
		if (f->fast_id)
			r = lib_fast_send(f, o->data, o->size_bytes, o->flags);
		else if (o->size_bytes <= SKERRY_FRAGMENT_BYTES)
			r = lib_flow_put(f, o->flags, 0, o->data,
					 o->size_bytes);
		else
			r = send_fragment(o);
		if (r)
			return r;
	} while (f->sent_bytes && f->sent_bytes < o->size_bytes);
	lib_flow_sent(f);
	return 0;
}

/* ---- copies ------------------------------------------------------------------- */

static int keep_copy(const struct outgoing *o)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;
	size_t bytes = o->size_bytes ? o->size_bytes : 1;

	if (f->pending || h->pending_bytes + bytes > SKERRY_PENDING_BYTES)
		return -EAGAIN;
	f->pending = malloc(bytes);
	if (!f->pending)
		return -ENOMEM;
	if (o->size_bytes)
		memcpy(f->pending, o->data, o->size_bytes);
	f->pending_size = o->size_bytes;
	f->pending_flags = o->flags;
	h->pending_bytes += bytes;
	h->pending_count++;
	return 0;
}

void lib_forward_drop_copy(struct lib_flow *f)
{
	if (!f->pending)
		return;
	free(f->pending);
	f->pending = NULL;
	f->handle->pending_bytes -= f->pending_size ? f->pending_size : 1;
	f->handle->pending_count--;
}

static struct outgoing copy_of(struct lib_flow *f)
{
	return (struct outgoing) {
		.flow = f,
		.data = f->pending,
		.size_bytes = f->pending_size,
		.flags = f->pending_flags,
	};
}

bool lib_forward_pump(struct lib_flow *f)
{
	struct outgoing o = copy_of(f);
	uint64_t before = f->sent_bytes;

	if (f->state == LIB_FLOW_REFUSED)
		return false;
	if (send_now(&o))
		return f->sent_bytes != before;
	lib_forward_drop_copy(f);
	return true;
}

/* ---- when it does not go at once ------------------------------------------------ */

static bool moved(struct skerry *h, void *data)
{
	const struct outgoing *o = data;
	struct outgoing copy;

	if (o->flow->pending) {
		copy = copy_of(o->flow);
		o = &copy;
	}
	return lib_flow_moved(o->flow, total_of(o), next_bytes(o));
}

/* What skerry_dispatch() and skerry_fd() wake for, until it is sent. */
static void remember_blocked(const struct outgoing *o)
{
	struct skerry *h = o->flow->handle;

	h->blocked = o->flow;
	h->blocked_total = total_of(o);
	h->blocked_bytes = next_bytes(o);
	lib_arm(h, LIB_WAIT_CREDIT);
}

bool lib_forward_unblocked(struct skerry *h)
{
	return h->blocked &&
	       lib_flow_moved(h->blocked, h->blocked_total, h->blocked_bytes);
}

static int would_wait(const struct outgoing *o, bool cast)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;
	bool large = o->size_bytes > SKERRY_FRAGMENT_BYTES;
	bool open = f->state == LIB_FLOW_OPEN;

	/* What has begun or cannot go in one piece is copied. So is the cast
	 * that opens its flow: there is no credit it could lack yet. */
	if (!f->fast_id && (cast ? large || !open : large && open) &&
	    !keep_copy(o))
		return 0;
	if (cast) {
		h->casts_dropped++;
		return 0;
	}
	remember_blocked(o);
	if (h->in_callback && !lib_nonblock(h))
		return lib_fail_fast(h, -EDEADLK,
				     "skerry_forward: would wait in a "
				     "callback");
	return lib_fail_fast(h, -EAGAIN,
			     "no credit now; try again when "
			     "skerry_fd() is readable");
}

static int timed_out(const struct outgoing *o)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;

	/* Half a message cannot be taken back: it goes on from a copy. */
	if (f->sent_bytes && !f->pending && !keep_copy(o))
		return 0;
	/* Nor can the room that was asked for it. */
	if (!f->pending && (f->sent_bytes || f->large_asked))
		lib_flow_abandon(f);
	if (f->state != LIB_FLOW_OPEN)
		return lib_fail(h, -ETIMEDOUT,
				"%s/%s: no answer from there in time", f->node,
				f->endpoint);
	return lib_fail(h, -ETIMEDOUT,
			"%s/%s: no credit in time; does its program take its "
			"messages?",
			f->node, f->endpoint);
}

/* A lane that is down may come back; everything else is final. */
static int wait_while_down(const struct outgoing *o, int error,
			   uint64_t *down_until_ns, uint64_t deadline_ns)
{
	struct skerry *h = o->flow->handle;
	uint64_t now_ns = lib_now_ns();
	char text[256];
	int r;

	if (!*down_until_ns) {
		*down_until_ns = now_ns + DOWN_WAIT_NS;
		if (*down_until_ns > deadline_ns)
			*down_until_ns = deadline_ns;
	}
	strcpy(text, "");
	strncat(text, skerry_last_error(h), sizeof(text) - 1);
	r = lib_wait(h, moved, (void *)(uintptr_t)o, *down_until_ns,
		     LIB_WAIT_CREDIT);
	return r ? lib_fail(h, error, "%s", text) : 0;
}

static int attached(struct skerry *h, uint64_t deadline_ns)
{
	return h->state == LIB_ATTACHED ? 0 : lib_attach_wait(h, deadline_ns);
}

static int send_slowly(const struct outgoing *o, bool cast,
		       uint64_t deadline_ns)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;
	bool nowait = cast || lib_nonblock(h) || h->in_callback;
	uint64_t down_until_ns = 0;
	int r;

	lib_progress(h);
	for (;;) {
		r = attached(h, nowait ? 0 : deadline_ns);
		if (r)
			return r;
		if (f->pending)
			lib_forward_pump(f);
		r = f->pending ? -EAGAIN : send_now(o);
		if (r == 0)
			return 0;
		if (r != -EAGAIN && (nowait || !lib_flow_down(f)))
			return r;
		if (r != -EAGAIN)
			r = wait_while_down(o, r, &down_until_ns, deadline_ns);
		else if (nowait)
			return would_wait(o, cast);
		else if (lib_wait(h, moved, (void *)(uintptr_t)o, deadline_ns,
				  LIB_WAIT_CREDIT))
			return timed_out(o);
		else
			r = 0;
		if (r)
			return r;
	}
}

static int check(struct skerry *h, const void *data, size_t size_bytes,
		 const struct skerry_forward_opts *opts)
{
	if (opts && opts->size < sizeof(*opts))
		return lib_fail(h, -EINVAL,
				"forward options: size is %zu; set it to "
				"sizeof(struct skerry_forward_opts)",
				opts->size);
	if (opts && opts->flags & ~SKERRY_FORWARD_KEY)
		return lib_fail(h, -EINVAL,
				"forward options: flags 0x%x "
				"unknown",
				opts->flags);
	if (!data && size_bytes)
		return lib_fail_fast(h, -EINVAL, "no data, but a size");
	if (size_bytes > SKERRY_MESSAGE_MAX_BYTES)
		return lib_fail(h, -EMSGSIZE,
				"message of %zu bytes; at most %u", size_bytes,
				SKERRY_MESSAGE_MAX_BYTES);
	return 0;
}

static int forward(struct skerry *h, const char *node, const char *endpoint,
		   const void *data, size_t size_bytes,
		   const struct skerry_forward_opts *opts, bool cast)
{
	struct outgoing o = {
		.data = data,
		.size_bytes = size_bytes,
		.flags = cast ? SKERRY_DATA_CAST : 0,
	};
	uint64_t number;
	int r;

	r = check(h, data, size_bytes, opts);
	if (!r)
		r = lib_flow_get(h, node, endpoint, opts, &o.flow);
	if (r)
		return r;
	r = o.flow->pending ? -EAGAIN : send_now(&o);
	if (r)
		r = send_slowly(&o, cast,
				lib_deadline(h, opts ? opts->timeout_ms : 0));
	if (h->blocked == o.flow && !r)
		h->blocked = NULL;
	if (!r && opts && opts->ret_number) {
		/* Already counted, unless its copy is still to be sent. */
		number = o.flow->next_number - !o.flow->pending;
		*opts->ret_number = number;
	}
	/* A flow that was never open is not worth remembering. */
	if (r && r != -EAGAIN && o.flow->state == LIB_FLOW_NEW &&
	    !o.flow->again && !o.flow->pending)
		lib_flow_drop(o.flow);
	return r;
}

SKERRY_API int skerry_forward(struct skerry *h, const char *node,
			      const char *endpoint, const void *data,
			      size_t size_bytes,
			      const struct skerry_forward_opts *opts)
{
	return forward(h, node, endpoint, data, size_bytes, opts, false);
}

SKERRY_API int skerry_cast(struct skerry *h, const char *node,
			   const char *endpoint, const void *data,
			   size_t size_bytes,
			   const struct skerry_forward_opts *opts)
{
	return forward(h, node, endpoint, data, size_bytes, opts, true);
}
