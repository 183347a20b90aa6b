/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Letters: requests and replies of programs that may not wait, kept until
 * there is credit, in order for each place.
 */
#include <errno.h>
#include <stdlib.h>

#include "asking.h"

static uint64_t cost_of(const struct lib_letter *l)
{
	return sizeof(*l) + l->size_bytes;
}

bool lib_letter_better(const struct skerry *h, int error)
{
	return error == -EAGAIN || error == -EDEADLK ||
	       (error == -ECONNRESET && h->state != LIB_ATTACHED);
}

/* Two places that are taken for one only wait for each other. */
static uint32_t place_of(const char *node, const char *endpoint,
			 const char *channel)
{
	const char *const parts[] = { node, endpoint,
				      channel ? channel : "default" };
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < 3; i++) {
		const char *p = parts[i];

		do
			hash = (hash ^ (uint8_t)*p) * 16777619U;
		while (*p++);
	}
	return hash;
}

int lib_letter_keep(struct skerry *h, const char *node, const char *endpoint,
		    const struct lib_message *message,
		    const struct skerry_forward_opts *opts, uint64_t request)
{
	const char *channel = opts && opts->channel ? opts->channel : "default";
	struct lib_asking *a = h->asking;
	struct lib_letter *l;

	if (h->pending_bytes + sizeof(*l) + message->size_bytes >
	    SKERRY_PENDING_BYTES)
		return lib_fail_fast(h, -EAGAIN,
				     "too much waits for credit already; try "
				     "again when some of it is gone");
	l = malloc(sizeof(*l) + message->size_bytes);
	if (!l)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	memset(l, 0, sizeof(*l));
	if (opts)
		l->opts = *opts;
	l->opts.size = sizeof(l->opts);
	l->opts.ret_number = NULL;
	l->request = request;
	l->place = place_of(node, endpoint, channel);
	strncpy(l->node, node, sizeof(l->node) - 1);
	strncpy(l->endpoint, endpoint, sizeof(l->endpoint) - 1);
	strncpy(l->channel, channel, sizeof(l->channel) - 1);
	l->opts.channel = l->channel;
	l->extension_bytes = message->extension_bytes;
	memcpy(l->extensions, message->extensions, message->extension_bytes);
	l->size_bytes = message->size_bytes;
	if (l->size_bytes)
		memcpy(l->data, message->data, l->size_bytes);
	*a->letters_tail = l;
	a->letters_tail = &l->next;
	h->pending_bytes += cost_of(l);
	h->pending_count++;
	return 0;
}

bool lib_letter_waits(const struct skerry *h, const char *node,
		      const char *endpoint, const char *channel)
{
	const struct lib_letter *l = h->asking->letters;
	uint32_t place = place_of(node, endpoint, channel);

	while (l && l->place != place)
		l = l->next;
	return l;
}

static void remove_letter(struct skerry *h, struct lib_letter **p)
{
	struct lib_letter *l = *p;

	*p = l->next;
	if (!*p)
		h->asking->letters_tail = p;
	h->pending_bytes -= cost_of(l);
	h->pending_count--;
	free(l);
}

/* 0, -EAGAIN, or why it never will. */
static int send_letter(struct skerry *h, const struct lib_letter *l)
{
	struct lib_flow *flow = NULL;
	struct lib_message message = {
		.data = l->data,
		.size_bytes = l->size_bytes,
		.extensions = l->extensions,
		.extension_bytes = l->extension_bytes,
		.nowait = true,
		.ret_flow = &flow,
	};
	struct skerry_forward_opts opts = l->opts;
	struct lib_request *request;
	uint64_t number = 0;
	int r;

	/* Nobody waits for it any more. */
	if (l->request && !lib_request_find(h->asking, l->request))
		return 0;
	opts.ret_number = &number;
	r = lib_forward(h, l->node, l->endpoint, &message, &opts);
	if (flow && r == -EAGAIN)
		flow->letter = true;
	if (lib_letter_better(h, r))
		return -EAGAIN;
	request = l->request ? lib_request_find(h->asking, l->request) : NULL;
	if (r && request)
		lib_request_done(h, request, r);
	else if (r && !l->request)
		h->asking->replies_lost++;
	if (!r)
		flow->letter = false;
	if (!r && request) {
		request->flow_id = flow->flow_id;
		request->number = number;
	}
	return r;
}

static bool listed(const uint32_t *places, uint32_t count, uint32_t place)
{
	while (count)
		if (places[--count] == place)
			return true;
	return false;
}

/* Behind one that waits, those to the same place wait too. */
void lib_letters_send(struct skerry *h)
{
	struct lib_asking *a = h->asking;
	struct lib_letter **p = &a->letters;
	uint32_t waiting[LIB_PLACES], count = 0;

	/* Forwarding makes progress, and progress comes here. */
	a->sending = true;
	while (*p && count < LIB_PLACES) {
		if (listed(waiting, count, (*p)->place)) {
			p = &(*p)->next;
		} else if (send_letter(h, *p) == -EAGAIN) {
			waiting[count++] = (*p)->place;
			p = &(*p)->next;
		} else {
			remove_letter(h, p);
		}
	}
	a->sending = false;
}

void lib_letter_drop(struct skerry *h, uint64_t request)
{
	struct lib_letter **p = &h->asking->letters;

	while (*p && (*p)->request != request)
		p = &(*p)->next;
	/* Not while it is being sent. */
	if (*p && !h->asking->sending)
		remove_letter(h, p);
}

void lib_letters_free(struct skerry *h)
{
	while (h->asking->letters)
		remove_letter(h, &h->asking->letters);
}
