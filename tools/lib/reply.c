/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Replies. They go to the endpoint that every program has; a flow to each
 * program that asks, so those that are gone or ask no more are let go.
 */
#include <errno.h>

#include "asking.h"

#define LOOK_EVERY 64U

static bool is_reply_flow(const struct lib_flow *f)
{
	return f->endpoint[0] == '#' && f->turn && !f->monitor;
}

/* Nothing of it is on its way, and nothing to be reported. */
static bool idle(const struct lib_flow *f)
{
	return !f->pending && !f->again && !f->letter && !f->sent_bytes;
}

static void let_go(struct lib_flow *f)
{
	if (f->state == LIB_FLOW_OPEN)
		lib_flow_abandon(f);
	lib_flow_drop(f);
}

/* Nobody is at work on a flow: replies are not sent in the midst of one. */
static void look_after_flows(struct skerry *h)
{
	uint64_t turn = h->asking->turn;

	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++) {
		struct lib_flow *f = h->flows[i], *after;

		for (; f; f = after) {
			bool old = turn - f->turn > LIB_REPLY_FLOWS;

			after = f->next;
			if (!is_reply_flow(f) || !idle(f))
				continue;
			if (f->state == LIB_FLOW_NEW ||
			    (f->state == LIB_FLOW_OPEN && old))
				let_go(f);
		}
	}
}

static int send_reply(struct skerry *h, const struct skerry_message *request,
		      const void *data, size_t size_bytes, int error)
{
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = request->channel,
	};
	char endpoint[LIB_OWN_ENDPOINT_BYTES];
	const char *node = request->node;
	uint8_t extensions[32];
	struct tlv_writer w;
	struct lib_flow *flow = NULL;
	struct lib_message message = {
		.data = data,
		.size_bytes = size_bytes,
		.extensions = extensions,
		.ret_flow = &flow,
	};
	int r = -EAGAIN;

	if (!strcmp(node, h->node))
		node = "";
	tlv_writer_init(&w, extensions, sizeof(extensions));
	tlv_put_u64(&w, SKERRY_K_REPLY | SKERRY_TLV_CRITICAL, request->call);
	if (error)
		tlv_put_u64(&w, SKERRY_K_REPLY_ERROR | SKERRY_TLV_CRITICAL,
			    (uint64_t)-error);
	message.extension_bytes = w.used_bytes;
	lib_ref_program(request->program, endpoint);
	if (!lib_letter_waits(h, node, endpoint, opts.channel))
		r = lib_forward(h, node, endpoint, &message, &opts);
	if (!r)
		flow->turn = ++h->asking->turn;
	if (!lib_letter_better(h, r))
		return r;
	r = lib_letter_keep(h, node, endpoint, &message, &opts, 0);
	lib_asking_progress(h);
	lib_arm(h, LIB_WAIT_CREDIT);
	return r;
}

static int reply(struct skerry *h, const struct skerry_message *request,
		 const void *data, size_t size_bytes, int error)
{
	if (!(request->flags & SKERRY_MESSAGE_CALL) || !request->node ||
	    !request->channel)
		return lib_fail_fast(h, -EINVAL,
				     "only a request can be replied to; see "
				     "SKERRY_MESSAGE_CALL");
	if (!lib_asking_get(h))
		return -ENOMEM;
	/* What is written for an agent that is gone is lost. */
	lib_attach_check(h, false);
	if (h->asking->turn % LOOK_EVERY == 0)
		look_after_flows(h);
	return send_reply(h, request, data, size_bytes, error);
}

SKERRY_API int skerry_reply(struct skerry *h,
			    const struct skerry_message *request,
			    const void *data, size_t size_bytes)
{
	return reply(h, request, data, size_bytes, 0);
}

SKERRY_API int skerry_reply_error(struct skerry *h,
				  const struct skerry_message *request,
				  int error)
{
	if (error >= 0 || error < -4095)
		return lib_fail(h, -EINVAL,
				"skerry_reply_error: %d; give a negative errno",
				error);
	return reply(h, request, NULL, 0, error);
}
