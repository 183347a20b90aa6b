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

/* ---- one record after the other ------------------------------------------------ */

/* Decided when its first record goes, for all of it. */
static bool is_packed(const struct lib_outgoing *o)
{
	const struct lib_flow *f = o->flow;

	if (f->sent_bytes)
		return f->sent_packed;
	if (f->state != LIB_FLOW_OPEN || f->fast_id || !o->packed ||
	    !(f->channel->options & SKERRY_CHANNEL_COMPRESSION) ||
	    !(f->receives & SKERRY_RECEIVES_PACKED))
		return false;
	lib_pack(f->handle, o->data, o->size_bytes, o->packed);
	return o->packed->state == LIB_PACK_DONE;
}

/* What comes next of it. */
static struct lib_piece next_piece(const struct lib_outgoing *o)
{
	bool packed = is_packed(o);
	size_t size = packed ? o->packed->size_bytes : o->size_bytes;
	const uint8_t *data = packed ? o->packed->bytes : o->data;
	uint64_t sent = o->flow->sent_bytes;
	size_t left = size - sent;
	struct lib_piece piece = {
		.flags = o->flags | (packed ? SKERRY_DATA_PACKED : 0),
		.payload_bytes = left,
	};

	if (size)
		piece.payload = data + sent;
	if (left > SKERRY_FRAGMENT_BYTES) {
		piece.payload_bytes = SKERRY_FRAGMENT_BYTES;
		piece.flags |= SKERRY_DATA_MORE;
	}
	if (sent) {
		piece.flags |= SKERRY_DATA_CONT;
		return piece;
	}
	if (size > SKERRY_FRAGMENT_BYTES)
		piece.total_bytes = size;
	piece.plain_bytes = packed ? o->size_bytes : 0;
	piece.extensions = o->extensions;
	piece.extension_bytes = o->extension_bytes;
	return piece;
}

static void count_packed(const struct lib_outgoing *o)
{
	struct skerry_mapping *m = o->flow->channel->mapping;

	skerry_store_relaxed(&m->plain_bytes, m->plain_bytes + o->size_bytes);
	skerry_store_relaxed(&m->packed_bytes,
			     m->packed_bytes + o->packed->size_bytes);
}

/* 1: that was the last of it. */
static int send_piece(const struct lib_outgoing *o)
{
	struct lib_piece piece = next_piece(o);
	struct lib_flow *f = o->flow;
	int r;

	/* Room was asked for another that was given up: it is for no other. */
	if (f->large_asked && !f->sent_bytes &&
	    piece.total_bytes != f->large_total) {
		lib_flow_abandon(f);
		return -EAGAIN;
	}
	r = lib_flow_put(f, &piece);
	if (r)
		return r;
	f->sent_packed = is_packed(o);
	if (piece.flags & SKERRY_DATA_MORE) {
		f->sent_bytes += piece.payload_bytes;
		return 0;
	}
	if (f->sent_packed)
		count_packed(o);
	return 1;
}

static int send_datagram(const struct lib_outgoing *o)
{
	if (o->extension_bytes)
		return lib_fail(o->flow->handle, -EOPNOTSUPP,
				"channel %s: datagrams carry no extensions; "
				"use a stream channel",
				o->flow->channel_name);
	return lib_fast_send(o->flow, o->data, o->size_bytes, o->flags);
}

int lib_outgoing_send(const struct lib_outgoing *o)
{
	struct lib_flow *f = o->flow;
	int r;

	do {
		r = lib_flow_step(f);
		if (r)
			return r;
		if (f->fast_id) {
			r = send_datagram(o);
			r = r ? r : 1;
		} else {
			r = send_piece(o);
		}
		if (r < 0)
			return r;
	} while (!r);
	lib_flow_sent(f);
	return 0;
}

/* ---- copies ------------------------------------------------------------------- */

int lib_copy_new(const struct lib_outgoing *o, struct lib_copy **ret_copy)
{
	struct skerry *h = o->flow->handle;
	uint64_t bytes = o->size_bytes ? o->size_bytes : 1;
	struct lib_copy *copy;

	if (h->pending_bytes + bytes > SKERRY_PENDING_BYTES)
		return -EAGAIN;
	copy = malloc(sizeof(*copy) + o->size_bytes);
	if (!copy)
		return -ENOMEM;
	memset(copy, 0, sizeof(*copy));
	copy->counted_bytes = bytes;
	copy->size_bytes = o->size_bytes;
	if (o->size_bytes)
		memcpy(copy->data, o->data, o->size_bytes);
	copy->flags = o->flags;
	copy->extension_bytes = o->extension_bytes;
	if (o->extension_bytes)
		memcpy(copy->extensions, o->extensions, o->extension_bytes);
	if (o->packed) {
		copy->packed = *o->packed;
		*o->packed = (struct lib_packed) { .state = LIB_PACK_UNTRIED };
	}
	h->pending_bytes += bytes;
	*ret_copy = copy;
	return 0;
}

void lib_copy_free(struct skerry *h, struct lib_copy *copy)
{
	if (!copy)
		return;
	h->pending_bytes -= copy->counted_bytes;
	free(copy->packed.bytes);
	free(copy);
}

struct lib_outgoing lib_copy_outgoing(struct lib_flow *f, struct lib_copy *copy)
{
	return (struct lib_outgoing) {
		.flow = f,
		.data = copy->data,
		.size_bytes = copy->size_bytes,
		.flags = copy->flags,
		.extensions = copy->extensions,
		.extension_bytes = copy->extension_bytes,
		.packed = &copy->packed,
	};
}

/* What was packed since is memory, too. */
static void count_copy(struct skerry *h, struct lib_copy *copy)
{
	uint64_t bytes = (copy->size_bytes ? copy->size_bytes : 1) +
			 copy->packed.size_bytes;

	h->pending_bytes += bytes - copy->counted_bytes;
	copy->counted_bytes = bytes;
}

static int keep_copy(const struct lib_outgoing *o)
{
	int r;

	if (o->flow->pending)
		return -EAGAIN;
	r = lib_copy_new(o, &o->flow->pending);
	if (!r)
		o->flow->handle->pending_count++;
	return r;
}

void lib_forward_drop_copy(struct lib_flow *f)
{
	if (!f->pending)
		return;
	lib_copy_free(f->handle, f->pending);
	f->pending = NULL;
	f->handle->pending_count--;
}

bool lib_forward_pump(struct lib_flow *f)
{
	struct lib_outgoing o = lib_copy_outgoing(f, f->pending);
	uint64_t before = f->sent_bytes;
	int r;

	if (f->state == LIB_FLOW_REFUSED)
		return false;
	r = lib_outgoing_send(&o);
	count_copy(f->handle, f->pending);
	if (r)
		return f->sent_bytes != before;
	if (lib_value_is(f))
		lib_value_sent(f);
	else
		lib_forward_drop_copy(f);
	return true;
}

/* ---- when it does not go at once ------------------------------------------------ */

static bool moved(struct skerry *h, void *data)
{
	const struct lib_outgoing *o = data;
	struct lib_outgoing copy;
	struct lib_piece piece;

	if (o->flow->pending) {
		copy = lib_copy_outgoing(o->flow, o->flow->pending);
		o = &copy;
	}
	piece = next_piece(o);
	return lib_flow_moved(o->flow, &piece);
}

/* What skerry_dispatch() and skerry_fd() wake for, until it is sent. */
static void remember_blocked(const struct lib_outgoing *o)
{
	struct skerry *h = o->flow->handle;
	struct lib_piece piece = next_piece(o);

	h->blocked = o->flow;
	h->blocked_total_bytes = piece.total_bytes;
	h->blocked_bytes = piece.payload_bytes;
	h->blocked_extension_bytes = piece.extension_bytes;
	h->blocked_plain_bytes = piece.plain_bytes;
	lib_arm(h, LIB_WAIT_CREDIT);
}

bool lib_forward_unblocked(struct skerry *h)
{
	struct lib_piece piece = {
		.total_bytes = h->blocked_total_bytes,
		.payload_bytes = h->blocked_bytes,
		.extension_bytes = h->blocked_extension_bytes,
		.plain_bytes = h->blocked_plain_bytes,
	};

	return h->blocked && lib_flow_moved(h->blocked, &piece);
}

static int would_wait(const struct lib_outgoing *o, bool cast)
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
		lib_cast_dropped(h, f->channel_name);
		return 0;
	}
	remember_blocked(o);
	if (h->in_callback && !o->nowait && !lib_nonblock(h))
		return lib_fail_fast(h, -EDEADLK,
				     "skerry_forward: would wait in a "
				     "callback");
	return lib_fail_fast(h, -EAGAIN,
			     "no credit now; try again when "
			     "skerry_fd() is readable");
}

static int timed_out(const struct lib_outgoing *o)
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
static int wait_while_down(const struct lib_outgoing *o, int error,
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

int lib_outgoing_wait(const struct lib_outgoing *o, bool cast,
		      uint64_t deadline_ns)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;
	bool nowait = cast || o->nowait || lib_nonblock(h) || h->in_callback;
	uint64_t down_until_ns = 0;
	int r;

	lib_progress(h);
	for (;;) {
		r = attached(h, nowait ? 0 : deadline_ns);
		if (r)
			return r;
		if (lib_value_is(f))
			return lib_value_forward(o);
		if (f->pending)
			lib_forward_pump(f);
		r = f->pending ? -EAGAIN : lib_outgoing_send(o);
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

static int check(struct skerry *h, const struct lib_message *m,
		 const struct skerry_forward_opts *opts)
{
	if (opts && opts->size < sizeof(*opts))
		return lib_fail(h, -EINVAL,
				"forward options: size is %zu; set it to "
				"sizeof(struct skerry_forward_opts)",
				opts->size);
	if (opts &&
	    opts->flags & ~(SKERRY_FORWARD_KEY | SKERRY_FORWARD_ANY_LANE))
		return lib_fail(h, -EINVAL,
				"forward options: flags 0x%x "
				"unknown",
				opts->flags);
	if (opts &&
	    opts->flags == (SKERRY_FORWARD_KEY | SKERRY_FORWARD_ANY_LANE))
		return lib_fail_fast(
			h, -EINVAL,
			"forward options: a key keeps to its lane; "
			"any_lane does not");
	if (!m->data && m->size_bytes)
		return lib_fail_fast(h, -EINVAL, "no data, but a size");
	if (m->extension_bytes >
	    SKERRY_MESSAGE_EXT_MAX_BYTES - LIB_EXTENSIONS_OWN_BYTES)
		return lib_fail_fast(h, -EINVAL, "extensions too long");
	if (m->size_bytes > SKERRY_MESSAGE_MAX_BYTES)
		return lib_fail(h, -EMSGSIZE,
				"message of %zu bytes; at most %u",
				m->size_bytes, SKERRY_MESSAGE_MAX_BYTES);
	return 0;
}

static int forward(struct lib_outgoing *o, const struct lib_message *message,
		   const struct skerry_forward_opts *opts)
{
	struct lib_flow *f = o->flow;
	struct skerry *h = f->handle;
	int r;

	f->used_ns = lib_coarse_ns();
	if (lib_value_is(f) && h->state == LIB_ATTACHED) {
		if (message->extension_bytes)
			return lib_fail(h, -EOPNOTSUPP,
					"channel %s is monotonic: newer values "
					"replace older ones; ask on another",
					f->channel_name);
		return lib_value_forward(o);
	}
	r = f->pending ? -EAGAIN : lib_outgoing_send(o);
	if (r)
		r = lib_outgoing_wait(o, message->cast,
				      lib_deadline(h, opts ? opts->timeout_ms
							   : 0));
	return r;
}

int lib_forward(struct skerry *h, const char *node, const char *endpoint,
		const struct lib_message *message,
		const struct skerry_forward_opts *opts)
{
	struct lib_packed packed = { .state = LIB_PACK_UNTRIED };
	struct lib_outgoing o = {
		.data = message->data,
		.size_bytes = message->size_bytes,
		.flags = message->cast ? SKERRY_DATA_CAST : 0,
		.extensions = message->extensions,
		.extension_bytes = message->extension_bytes,
		.nowait = message->nowait,
		.packed = &packed,
	};
	uint64_t number;
	int r;

	r = check(h, message, opts);
	if (!r && opts && opts->flags & SKERRY_FORWARD_ANY_LANE)
		return lib_spread_forward(h, node, endpoint, message, opts);
	if (!r)
		r = lib_flow_get_as(h, node, endpoint, opts, message->source, 0,
				    &o.flow);
	if (r)
		return r;
	r = forward(&o, message, opts);
	free(packed.bytes);
	if (h->blocked == o.flow && !r)
		h->blocked = NULL;
	if (!r && opts && opts->ret_number) {
		/* Already counted, unless its copy is still to be sent. */
		number = o.flow->next_number - !o.flow->pending;
		*opts->ret_number = number;
	}
	if (message->ret_flow && (!r || r == -EAGAIN))
		*message->ret_flow = o.flow;
	/* A flow that was never open is not worth remembering. */
	if (r && r != -EAGAIN && o.flow->state == LIB_FLOW_NEW &&
	    !o.flow->again && !o.flow->pending && !o.flow->last)
		lib_flow_drop(o.flow);
	return r;
}

SKERRY_API int skerry_forward(struct skerry *h, const char *node,
			      const char *endpoint, const void *data,
			      size_t size_bytes,
			      const struct skerry_forward_opts *opts)
{
	struct lib_message message = { .data = data, .size_bytes = size_bytes };

	return lib_forward(h, node, endpoint, &message, opts);
}

SKERRY_API int skerry_cast(struct skerry *h, const char *node,
			   const char *endpoint, const void *data,
			   size_t size_bytes,
			   const struct skerry_forward_opts *opts)
{
	struct lib_message message = {
		.data = data,
		.size_bytes = size_bytes,
		.cast = true,
	};

	return lib_forward(h, node, endpoint, &message, opts);
}
