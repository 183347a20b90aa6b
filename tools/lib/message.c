/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Endpoints, and the messages that come to them. */
#include <errno.h>
#include <stdlib.h>

#include "asking.h"

/* A channel's share of the turns before the next one is looked at. */
#define TURN_MESSAGES 64U

/* ---- endpoints ------------------------------------------------------------ */

static struct lib_endpoint **find(struct skerry *h, const char *name)
{
	struct lib_endpoint **p = &h->endpoints;

	while (*p && strcmp((*p)->name, name))
		p = &(*p)->next;
	return p;
}

static int check_name(struct skerry *h, const char *endpoint)
{
	size_t bytes = endpoint ? strlen(endpoint) : 0;

	if (bytes < 1 || bytes > SKERRY_ENDPOINT_MAX_BYTES)
		return lib_fail(h, -EINVAL,
				"endpoint %.80s: %zu bytes; give 1 to %u",
				endpoint ? endpoint : "(none)", bytes,
				SKERRY_ENDPOINT_MAX_BYTES);
	return 0;
}

static int command(struct skerry *h, uint32_t which, const char *endpoint)
{
	struct tlv_writer w;
	uint8_t bytes[SKERRY_ENDPOINT_MAX_BYTES + 16];

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_ENDPOINT, endpoint);
	return lib_call(h, which, &w, lib_deadline(h, 0), NULL, NULL);
}

SKERRY_API int skerry_register(struct skerry *h, const char *endpoint)
{
	struct lib_endpoint *e, **p;
	int r;

	r = check_name(h, endpoint);
	if (r)
		return r;
	if (*find(h, endpoint))
		return lib_fail(h, -EADDRINUSE,
				"endpoint %s: this program has it already",
				endpoint);
	e = calloc(1, sizeof(*e));
	if (!e)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	r = command(h, SKERRY_CMD_REGISTER, endpoint);
	if (r) {
		free(e);
		return r;
	}
	strcpy(e->name, endpoint);
	e->told = h->generation;
	p = find(h, endpoint);
	*p = e;
	return 0;
}

SKERRY_API int skerry_unregister(struct skerry *h, const char *endpoint)
{
	struct lib_endpoint **p, *e;
	int r;

	r = check_name(h, endpoint);
	if (r)
		return r;
	p = find(h, endpoint);
	if (!*p)
		return lib_fail(h, -ENOENT,
				"endpoint %s: this program does not own it",
				endpoint);
	r = command(h, SKERRY_CMD_UNREGISTER, endpoint);
	if (r)
		return r;
	p = find(h, endpoint);
	e = *p;
	if (e) {
		*p = e->next;
		lib_control_forget(h, e);
		free(e);
	}
	return 0;
}

/* The one that every program has: a new agent waits for us to have told what
 * came to it. */
static int own_again(struct skerry *h)
{
	char name[LIB_OWN_ENDPOINT_BYTES];
	uint8_t bytes[64];
	struct tlv_writer w;
	int r;

	if (h->own_told == h->generation)
		return 0;
	lib_ref_program(h->instance, name);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_ENDPOINT, name);
	r = lib_command(h, SKERRY_CMD_REGISTER, bytes, w.used_bytes,
			LIB_CALL_QUIET, NULL, NULL);
	if (!r)
		h->own_told = h->generation;
	return r;
}

int lib_endpoint_again(struct skerry *h)
{
	int r = own_again(h);

	if (r)
		return r;
	for (struct lib_endpoint *e = h->endpoints; e; e = e->next) {
		uint8_t bytes[SKERRY_ENDPOINT_MAX_BYTES + 16];
		struct tlv_writer w;
		int r;

		if (e->told == h->generation)
			continue;
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_ENDPOINT, e->name);
		r = lib_command(h, SKERRY_CMD_REGISTER, bytes, w.used_bytes,
				LIB_CALL_REGISTER, e, NULL);
		if (r)
			return r;
		e->told = h->generation;
	}
	return 0;
}

/* Somebody else was faster: it is not ours any more. */
void lib_endpoint_answer(struct skerry *h, struct lib_endpoint *e, int error,
			 const char *reason)
{
	struct lib_endpoint **p;

	if (!error)
		return;
	lib_fail(h, error, "endpoint %s: lost with the old agent: %s", e->name,
		 reason);
	p = find(h, e->name);
	*p = e->next;
	free(e);
}

void lib_endpoint_free(struct skerry *h)
{
	while (h->endpoints) {
		struct lib_endpoint *e = h->endpoints;

		h->endpoints = e->next;
		free(e);
	}
}

/* ---- messages ---------------------------------------------------------------- */

/* What an agent that is gone has left. */
static int take_left_over(struct skerry *h, struct skerry_message *m)
{
	for (struct lib_channel *c = h->retired; c; c = c->next)
		if (c->backlog_next < c->backlog_count) {
			*m = c->backlog[c->backlog_next];
			c->backlog[c->backlog_next++].internal[LIB_MSG_BUFFER] =
				0;
			return 1;
		}
	return 0;
}

static int take_from(struct lib_channel *c, struct skerry_message *m)
{
	int r;

	r = lib_channel_next(c, m);
	if (r == 0 && c->fast)
		r = lib_fast_next(c, m);
	if (r == -EPROTO)
		lib_attach_lost(c->handle, r, "a message ring is damaged");
	return r;
}

/* 1, 0, or -ENOBUFS when the only messages cannot be shown. */
static int take_any(struct skerry *h, struct skerry_message *m)
{
	struct lib_channel *c = h->turn;
	int r, result = 0;

	h->fast_readable = false;
	/* Who is never idle must hear of new channels all the same. */
	if (c && !h->turn_left) {
		lib_progress(h);
		c = h->turn;
	}
	if (c && h->turn_left) {
		r = take_from(c, m);
		if (r == 1) {
			h->turn_left--;
			return 1;
		}
	}
	if (h->retired && take_left_over(h, m))
		return 1;
	/* From the one behind whose turn it was, once around. */
	c = h->turn && h->turn->next ? h->turn->next : h->channels;
	for (struct lib_channel *first = c; c;) {
		r = take_from(c, m);
		if (h->state != LIB_ATTACHED)
			return take_left_over(h, m);
		if (r == 1) {
			h->turn = c;
			h->turn_left = TURN_MESSAGES - 1;
			return 1;
		}
		if (r)
			result = r;
		c = c->next ? c->next : h->channels;
		if (c == first)
			break;
	}
	return result;
}

int lib_message_take(struct skerry *h, struct skerry_message *m)
{
	return take_any(h, m);
}

/* The next that is the program's own affair. */
static int take_next(struct skerry *h, struct skerry_message *m)
{
	int r;

	if (lib_ahead_pop(h, m))
		return 1;
	do {
		r = take_any(h, m);
		if (r != 1 || !m->reserved)
			return r;
		lib_reply_take(h, m);
	} while (!lib_ahead_pop(h, m));
	return 1;
}

static bool any(struct skerry *h, void *data)
{
	return lib_incoming(h);
}

SKERRY_API int skerry_next(struct skerry *h, struct skerry_message *ret_message,
			   int timeout_ms)
{
	uint64_t deadline_ns = LIB_NEVER;
	int r;

	r = take_next(h, ret_message);
	if (r == 1)
		return 0;
	if (timeout_ms >= 0)
		deadline_ns = lib_now_ns() + (uint64_t)timeout_ms * 1000000;
	if (lib_nonblock(h) || !timeout_ms)
		deadline_ns = 0;
	else if (h->in_callback)
		return lib_fail_fast(h, -EDEADLK,
				     "skerry_next: would wait in a callback");
	while (r == 0) {
		lib_progress(h);
		r = take_next(h, ret_message);
		if (r || !deadline_ns)
			break;
		/* Something came: look; it may have been no message. */
		if (lib_wait(h, any, NULL, deadline_ns, 0))
			deadline_ns = 0;
	}
	if (r == 1)
		return 0;
	lib_arm(h, 0);
	if (r)
		return lib_fail(h, r,
				"skerry_next: %u messages of a channel are "
				"held; release some",
				LIB_VIEWS);
	return lib_fail_fast(h, -EAGAIN, "no message");
}

SKERRY_API void skerry_release(struct skerry *h, struct skerry_message *message)
{
	uint64_t *internal = message->internal;
	struct lib_channel *c;

	c = (struct lib_channel *)(uintptr_t)internal[LIB_MSG_CHANNEL];
	switch (internal[LIB_MSG_KIND] & 0xff) {
	case LIB_MSG_RING:
		lib_channel_release(c, internal[LIB_MSG_VIEW]);
		break;
	case LIB_MSG_HEAP:
		lib_buffer_put(h,
			       (uint8_t *)(uintptr_t)internal[LIB_MSG_BUFFER],
			       message->size_bytes,
			       (uint32_t)(internal[LIB_MSG_KIND] >> 8));
		/* Kept with a retired channel's backlog. */
		if (internal[LIB_MSG_VIEW])
			lib_channel_release(c, 0);
		break;
	case LIB_MSG_PLAIN:
		h->plain_bytes -= message->size_bytes;
		free((void *)(uintptr_t)internal[LIB_MSG_BUFFER]);
		if (internal[LIB_MSG_VIEW])
			lib_channel_release(c, 0);
		break;
	case LIB_MSG_FAST:
		lib_fast_release(c, internal[LIB_MSG_VIEW]);
		break;
	case LIB_MSG_COPY:
		lib_ahead_release(h, message);
		break;
	}
	internal[LIB_MSG_KIND] = LIB_MSG_NONE;
	message->data = NULL;
	message->size_bytes = 0;
}
