/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading ahead. A reply may lie in a ring behind messages that the program
 * does not take now: they are set aside, in order, for skerry_next(). Who
 * waits in skerry_call() takes none at all, so there they are copied, or a
 * ring full of them would keep the reply out.
 */
#include <errno.h>
#include <stdlib.h>

#include "asking.h"

/* What a copy costs beside its bytes. */
#define COPY_BYTES 64U

static bool make_room(struct lib_asking *a)
{
	uint32_t room = a->ahead_room ? 2 * a->ahead_room : 64;
	struct skerry_message *list;

	if (a->ahead_count < a->ahead_room)
		return true;
	list = malloc(room * sizeof(*list));
	if (!list)
		return false;
	for (uint32_t i = 0; i < a->ahead_count; i++)
		list[i] = a->ahead[(a->ahead_first + i) % a->ahead_room];
	free(a->ahead);
	a->ahead = list;
	a->ahead_room = room;
	a->ahead_first = 0;
	return true;
}

/* Instead of the view; when it cannot be done the view does as well. */
static void copy_out(struct skerry *h, struct skerry_message *m)
{
	struct lib_asking *a = h->asking;
	uint64_t cost = m->size_bytes + COPY_BYTES;
	struct skerry_message copy = *m;
	uint8_t *bytes;

	if ((m->internal[LIB_MSG_KIND] & 0xff) != LIB_MSG_RING ||
	    a->ahead_bytes + cost > LIB_AHEAD_BYTES)
		return;
	bytes = malloc(m->size_bytes ? m->size_bytes : 1);
	if (!bytes)
		return;
	if (m->size_bytes)
		memcpy(bytes, m->data, m->size_bytes);
	skerry_release(h, m);
	copy.data = bytes;
	copy.internal[LIB_MSG_BUFFER] = (uintptr_t)bytes;
	copy.internal[LIB_MSG_KIND] = LIB_MSG_COPY;
	a->ahead_bytes += cost;
	*m = copy;
}

void lib_ahead_release(struct skerry *h, const struct skerry_message *m)
{
	h->asking->ahead_bytes -= m->size_bytes + COPY_BYTES;
	free((void *)(uintptr_t)m->internal[LIB_MSG_BUFFER]);
}

void lib_ahead_read(struct skerry *h, bool copy)
{
	struct lib_asking *a = h->asking;
	struct skerry_message m;

	while (make_room(a) && lib_message_take(h, &m) == 1) {
		if (m.reserved) {
			lib_reply_take(h, &m);
			continue;
		}
		if (copy)
			copy_out(h, &m);
		a->ahead[(a->ahead_first + a->ahead_count++) % a->ahead_room] =
			m;
	}
}

bool lib_ahead_more(const struct skerry *h)
{
	if (h->fast_readable)
		return true;
	for (const struct lib_channel *c = h->retired; c; c = c->next)
		if (c->backlog_next < c->backlog_count)
			return true;
	for (const struct lib_channel *c = h->channels; c; c = c->next)
		if (c->view_next - c->view_first < LIB_VIEWS &&
		    skerry_load_relaxed(&c->in.positions->tail) !=
			    c->in.own + c->read_bytes)
			return true;
	return false;
}

bool lib_ahead_pop(struct skerry *h, struct skerry_message *m)
{
	struct lib_asking *a = h->asking;

	if (!a || !a->ahead_count)
		return false;
	*m = a->ahead[a->ahead_first];
	a->ahead_first = (a->ahead_first + 1) % a->ahead_room;
	a->ahead_count--;
	return true;
}

bool lib_ahead_has(const struct skerry *h)
{
	return h->asking && h->asking->ahead_count;
}

void lib_ahead_free(struct skerry *h)
{
	struct skerry_message m;

	while (lib_ahead_pop(h, &m))
		skerry_release(h, &m);
	free(h->asking->ahead);
}
