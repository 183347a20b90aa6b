/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * SKERRY_FORWARD_ANY_LANE: a flow for each lane of the channel, and each
 * message goes to the next of them that can take it. One whose lane is down
 * waits for that lane, for its report of what was lost, and is passed over.
 */
#include <errno.h>
#include <stdlib.h>

#include "outgoing.h"

#define DOWN_WAIT_NS 1000000000ULL

struct spread {
	struct skerry *handle;
	const char *node, *endpoint;
	const struct skerry_forward_opts *opts;
	struct lib_flow *first; /* flow 0: knows how many, and whose turn */
	struct lib_outgoing message;
};

static int flow_at(const struct spread *s, uint32_t index,
		   struct lib_flow **ret_flow)
{
	return lib_flow_get_any(s->handle, s->node, s->endpoint, s->opts, index,
				ret_flow);
}

static uint32_t lanes(struct spread *s)
{
	struct lib_flow *f = s->first;
	uint32_t n;

	if (f->state == LIB_FLOW_OPEN && !f->fast_id) {
		n = skerry_load_relaxed(&f->slot->lanes);
		if (n && n <= SKERRY_PARALLELISM_MAX)
			f->any_lanes = n;
	}
	return f->any_lanes ? f->any_lanes : 1;
}

/* Neither gone for good nor waiting for its lane. */
static bool is_down(int error)
{
	return error == -ENOTCONN || error == -ENETUNREACH;
}

/*
 * Try each once. 0: sent; -EAGAIN: none can take it now, or with *ret_flow
 * set that one has begun, or is to have it; else why none can.
 */
static int try_all(struct spread *s, struct lib_flow **ret_flow)
{
	bool large = s->message.size_bytes > SKERRY_FRAGMENT_BYTES;
	uint32_t count = lanes(s), turn = s->first->any_turn;
	int r, result = -ENOTCONN;

	*ret_flow = NULL;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (turn + i) % count;
		struct lib_flow *f;

		r = flow_at(s, at, &f);
		if (r)
			return r;
		if (f->pending)
			lib_forward_pump(f);
		s->message.flow = f;
		if (f->pending)
			r = -EAGAIN;
		else if (large)
			r = lib_flow_step(f);
		else
			r = lib_outgoing_send(&s->message);
		if (large && !r) {
			/* Room is asked for it: of one of them alone. */
			s->first->any_turn = at + 1;
			*ret_flow = f;
			return -EAGAIN;
		}
		if (!r) {
			s->first->any_turn = at + 1;
			return 0;
		}
		if (r != -EAGAIN && !is_down(r))
			return r;
		if (r == -EAGAIN)
			result = r;
	}
	return result;
}

static bool moved(struct skerry *h, void *data)
{
	struct spread *s = data;
	struct lib_piece piece = {
		.payload_bytes = s->message.size_bytes,
		.extension_bytes = s->message.extension_bytes,
	};
	uint32_t count = lanes(s);

	if (piece.payload_bytes > SKERRY_FRAGMENT_BYTES)
		piece.payload_bytes = SKERRY_FRAGMENT_BYTES;
	for (uint32_t i = 0; i < count; i++) {
		struct lib_flow *f;

		if (!flow_at(s, i, &f) && !f->pending &&
		    lib_flow_moved(f, &piece))
			return true;
	}
	return false;
}

static int none_now(struct spread *s, bool cast)
{
	struct skerry *h = s->handle;

	if (cast) {
		lib_cast_dropped(h, s->first->channel_name);
		return 0;
	}
	h->blocked = s->message.flow;
	h->blocked_total_bytes = h->blocked_plain_bytes = 0;
	h->blocked_bytes = s->message.size_bytes;
	h->blocked_extension_bytes = s->message.extension_bytes;
	lib_arm(h, LIB_WAIT_CREDIT);
	return lib_fail_fast(h, -EAGAIN,
			     "no credit on any lane now; try again when "
			     "skerry_fd() is readable");
}

static int send_spread(struct spread *s, bool cast, uint64_t deadline_ns)
{
	struct skerry *h = s->handle;
	bool nowait =
		cast || s->message.nowait || lib_nonblock(h) || h->in_callback;
	uint64_t down_ns = 0, until_ns;
	struct lib_flow *one;
	int r;

	for (;;) {
		r = h->state == LIB_ATTACHED
			    ? 0
			    : lib_attach_wait(h, nowait ? 0 : deadline_ns);
		if (r)
			return r;
		r = try_all(s, &one);
		if (one) {
			s->message.flow = one;
			return lib_outgoing_wait(&s->message, cast,
						 deadline_ns);
		}
		if (!r || (r != -EAGAIN && (nowait || !is_down(r))))
			return r;
		if (nowait)
			return none_now(s, cast);
		until_ns = deadline_ns;
		if (r != -EAGAIN) {
			if (!down_ns)
				down_ns = lib_now_ns() + DOWN_WAIT_NS;
			until_ns =
				down_ns < deadline_ns ? down_ns : deadline_ns;
		}
		if (lib_wait(h, moved, s, until_ns, LIB_WAIT_CREDIT))
			return r == -EAGAIN
				       ? lib_fail(
						 h, -ETIMEDOUT,
						 "%s/%s: no credit on any lane "
						 "in time",
						 s->first->node,
						 s->first->endpoint)
				       : r;
	}
}

int lib_spread_forward(struct skerry *h, const char *node, const char *endpoint,
		       const struct lib_message *message,
		       const struct skerry_forward_opts *opts)
{
	struct lib_packed packed = { .state = LIB_PACK_UNTRIED };
	struct spread s = {
		.handle = h,
		.node = node,
		.endpoint = endpoint,
		.opts = opts,
		.message = {
			.data = message->data,
			.size_bytes = message->size_bytes,
			.flags = message->cast ? SKERRY_DATA_CAST : 0,
			.extensions = message->extensions,
			.extension_bytes = message->extension_bytes,
			.nowait = message->nowait,
			.packed = &packed,
		},
	};
	struct lib_flow *f;
	int r;

	r = flow_at(&s, 0, &s.first);
	if (r)
		return r;
	if (lib_value_is(s.first))
		return lib_fail(h, -EINVAL,
				"channel %s is monotonic: values keep to their "
				"lane",
				s.first->channel_name);
	s.message.flow = s.first;
	lib_progress(h);
	r = send_spread(&s, message->cast, lib_deadline(h, opts->timeout_ms));
	free(packed.bytes);
	f = s.message.flow;
	if (h->blocked == f && !r)
		h->blocked = NULL;
	if (!r && opts->ret_number)
		*opts->ret_number = f->next_number - !f->pending;
	if (message->ret_flow && (!r || r == -EAGAIN))
		*message->ret_flow = f;
	return r;
}
