/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Being told. Events are kept until skerry_dispatch() runs the callbacks; a
 * watch's later state of a node replaces the earlier one that still waits.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

static struct lib_watch *find(struct skerry *h, uint32_t id)
{
	for (struct lib_watch *w = h->watches; w; w = w->next)
		if ((uint32_t)w->id == id && !w->gone)
			return w;
	return NULL;
}

/* ---- events come in ------------------------------------------------------ */

static bool same_field(const struct lib_event *e, const void *tlvs,
		       size_t size_bytes, uint16_t key)
{
	struct tlv_reader a, b;
	bool has_a = tlv_find(e->tlvs, e->size_bytes, key, &a);
	bool has_b = tlv_find(tlvs, size_bytes, key, &b);

	return has_a == has_b &&
	       (!has_a ||
		(a.length == b.length && !memcmp(a.value, b.value, a.length)));
}

static void remove_event(struct skerry *h, struct lib_event **p)
{
	struct lib_event *e = *p;

	*p = e->next;
	if (!*p)
		h->events_tail = p;
	h->event_count--;
	free(e);
}

/* The newest state of (watch, node, channel) is all that matters. */
static void supersede(struct skerry *h, uint32_t watch, const void *tlvs,
		      size_t size_bytes)
{
	for (struct lib_event **p = &h->events; *p; p = &(*p)->next)
		if ((*p)->watch == watch &&
		    same_field(*p, tlvs, size_bytes, SKERRY_K_NODE) &&
		    same_field(*p, tlvs, size_bytes, SKERRY_K_CHANNEL)) {
			remove_event(h, p);
			return;
		}
}

static void acknowledge(struct skerry *h, uint32_t watch, const void *tlvs,
			size_t size_bytes)
{
	struct tlv_reader node, channel;
	uint8_t bytes[512];
	struct tlv_writer w;

	if (h->state != LIB_ATTACHED)
		return;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_WATCH, watch);
	tlv_put_u64(&w, SKERRY_K_COUNT,
		    tlv_find_u64(tlvs, size_bytes, SKERRY_K_COUNT, 0));
	if (tlv_find(tlvs, size_bytes, SKERRY_K_NODE, &node))
		tlv_put(&w, SKERRY_K_NODE, node.value, node.length);
	if (tlv_find(tlvs, size_bytes, SKERRY_K_CHANNEL, &channel))
		tlv_put(&w, SKERRY_K_CHANNEL, channel.value, channel.length);
	lib_command_unanswered(h, SKERRY_CMD_WATCH_ACK, &w);
}

void lib_watch_event(struct skerry *h, uint32_t watch, const void *tlvs,
		     size_t size_bytes)
{
	struct lib_watch *w = find(h, watch);
	struct lib_event *e;

	if (!w)
		return;
	if (w->own) {
		w->own(h, w->data, tlvs, size_bytes);
		acknowledge(h, watch, tlvs, size_bytes);
		return;
	}
	if (!w->follow)
		supersede(h, watch, tlvs, size_bytes);
	/* What does not fit shows as a gap in the events' counts. */
	if (h->event_count >= LIB_EVENTS_MAX)
		return;
	e = malloc(sizeof(*e) + size_bytes);
	if (!e)
		return;
	e->next = NULL;
	e->watch = watch;
	e->size_bytes = (uint32_t)size_bytes;
	memcpy(e->tlvs, tlvs, size_bytes);
	*h->events_tail = e;
	h->events_tail = &e->next;
	h->event_count++;
}

/* ---- and are handed over -------------------------------------------------- */

static void run_change(struct lib_watch *w, const struct lib_event *e)
{
	char node[SKERRY_NAME_MAX_BYTES + 1] = "";
	char channel[SKERRY_CHANNEL_MAX_BYTES + 1] = "";
	char reason[SKERRY_REASON_MAX_BYTES + 1] = "";
	char source[SKERRY_NAME_MAX_BYTES + 1] = "";
	struct skerry_change change = {
		.node = node,
		.channel = NULL,
		.reason = reason,
		.source = source,
	};

	tlv_find_str(e->tlvs, e->size_bytes, SKERRY_K_NODE, node, sizeof(node));
	if (!tlv_find_str(e->tlvs, e->size_bytes, SKERRY_K_CHANNEL, channel,
			  sizeof(channel)) &&
	    *channel)
		change.channel = channel;
	tlv_find_str(e->tlvs, e->size_bytes, SKERRY_K_REASON, reason,
		     sizeof(reason));
	tlv_find_str(e->tlvs, e->size_bytes, SKERRY_K_SOURCE, source,
		     sizeof(source));
	change.up = tlv_find_bool(e->tlvs, e->size_bytes, SKERRY_K_UP);
	change.transitions =
		tlv_find_u64(e->tlvs, e->size_bytes, SKERRY_K_COUNT, 0);
	if (change.up == w->up)
		w->function(w->data, &change);
}

static void sweep_watches(struct skerry *h)
{
	struct lib_watch **p = &h->watches;

	while (*p) {
		struct lib_watch *w = *p;

		if (w->gone) {
			*p = w->next;
			free(w);
		} else {
			p = &w->next;
		}
	}
}

int lib_watch_run(struct skerry *h)
{
	/* What callbacks cause to come in is for the next dispatch. */
	uint32_t left = h->event_count;
	int n = 0;

	while (left-- && h->events) {
		struct lib_event *e = h->events;
		struct lib_watch *w = find(h, e->watch);

		h->events = e->next;
		if (!h->events)
			h->events_tail = &h->events;
		h->event_count--;
		if (w) {
			h->in_callback = true;
			if (w->follow)
				w->row_function(w->data, e->tlvs,
						e->size_bytes);
			else
				run_change(w, e);
			h->in_callback = false;
			if (!w->follow)
				acknowledge(h, e->watch, e->tlvs,
					    e->size_bytes);
			n++;
		}
		free(e);
	}
	sweep_watches(h);
	return n;
}

/* ---- subscribing ------------------------------------------------------------ */

static void put_watch(struct tlv_writer *writer, const struct lib_watch *w)
{
	tlv_put_u64(writer, SKERRY_K_WATCH, (uint64_t)w->id);
	if (w->follow)
		return;
	if (!w->both)
		tlv_put_bool(writer, SKERRY_K_UP, w->up);
	if (w->node)
		tlv_put_str(writer, SKERRY_K_NODE, w->node);
	if (w->channel)
		tlv_put_str(writer, SKERRY_K_CHANNEL, w->channel);
}

static uint32_t command_of(const struct lib_watch *w)
{
	return w->follow ? SKERRY_CMD_FOLLOW : SKERRY_CMD_WATCH;
}

static int add(struct skerry *h, const struct lib_watch *given)
{
	struct tlv_writer writer;
	struct lib_watch *w;
	uint8_t bytes[256];
	int r;

	w = malloc(sizeof(*w));
	if (!w)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	*w = *given;
	w->id = ++h->next_watch;
	w->next = h->watches;
	h->watches = w;
	tlv_writer_init(&writer, bytes, sizeof(bytes));
	put_watch(&writer, w);
	/* Listed before it is asked for: the first event may come with the
	 * answer. */
	r = lib_call(h, command_of(w), &writer, lib_deadline(h, 0), NULL, NULL);
	if (r) {
		w->gone = true;
		return r;
	}
	w->told = h->generation;
	return w->id;
}

int lib_watch_own(struct skerry *h, const struct lib_watch *given, bool wait)
{
	struct lib_watch *w;

	if (wait)
		return add(h, given);
	w = malloc(sizeof(*w));
	if (!w)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	*w = *given;
	w->id = ++h->next_watch;
	w->next = h->watches;
	h->watches = w;
	/* Told as if the agent were a new one. */
	w->told = h->generation - 1;
	h->reattached = h->state == LIB_ATTACHED;
	return w->id;
}

static int add_change(struct skerry *h, bool up, const char *node,
		      const char *channel, skerry_change_fn *function,
		      void *data)
{
	struct lib_watch w = {
		.up = up,
		.function = function,
		.data = data,
	};

	if (!function)
		return lib_fail_fast(h, -EINVAL, "a watch needs a function");
	if (node) {
		if (!skerry_name_valid(node))
			return lib_fail(h, -EINVAL, "%.80s: not a node name",
					node);
		w.node = lib_intern(h, node);
	}
	if (channel) {
		if (strlen(channel) > SKERRY_CHANNEL_MAX_BYTES)
			return lib_fail(h, -ENOENT,
					"%.80s: no such channel; names have "
					"at most %u bytes",
					channel, SKERRY_CHANNEL_MAX_BYTES);
		w.channel = lib_intern(h, channel);
	}
	if ((node && !w.node) || (channel && !w.channel))
		return lib_fail_fast(h, -ENOMEM, "no memory");
	return add(h, &w);
}

SKERRY_API int skerry_on_up(struct skerry *h, const char *node,
			    const char *channel, skerry_change_fn *function,
			    void *data)
{
	return add_change(h, true, node, channel, function, data);
}

SKERRY_API int skerry_on_down(struct skerry *h, const char *node,
			      const char *channel, skerry_change_fn *function,
			      void *data)
{
	return add_change(h, false, node, channel, function, data);
}

SKERRY_API int skerry_follow(struct skerry *h, skerry_row_fn *function,
			     void *data)
{
	struct lib_watch w = {
		.follow = true,
		.row_function = function,
		.data = data,
	};

	if (!function)
		return lib_fail_fast(h, -EINVAL, "a watch needs a function");
	return add(h, &w);
}

/* Allowed in callbacks: it waits for nothing. */
SKERRY_API int skerry_unwatch(struct skerry *h, int watch)
{
	struct lib_watch *w = watch > 0 ? find(h, (uint32_t)watch) : NULL;
	struct tlv_writer writer;
	uint8_t bytes[32];

	if (!w)
		return lib_fail(h, -ENOENT, "watch %d: there is none", watch);
	w->gone = true;
	if (h->state == LIB_ATTACHED && w->told == h->generation) {
		tlv_writer_init(&writer, bytes, sizeof(bytes));
		tlv_put_u64(&writer, SKERRY_K_WATCH, (uint64_t)watch);
		lib_command(h, SKERRY_CMD_UNWATCH, bytes, writer.used_bytes,
			    LIB_CALL_QUIET, NULL, NULL);
	}
	return 0;
}

int lib_watch_again(struct skerry *h)
{
	for (struct lib_watch *w = h->watches; w; w = w->next) {
		struct tlv_writer writer;
		uint8_t bytes[256];
		int r;

		if (w->gone || w->told == h->generation)
			continue;
		tlv_writer_init(&writer, bytes, sizeof(bytes));
		put_watch(&writer, w);
		r = lib_command(h, command_of(w), bytes, writer.used_bytes,
				LIB_CALL_QUIET, NULL, NULL);
		if (r)
			return r;
		w->told = h->generation;
	}
	return 0;
}

void lib_watch_free(struct skerry *h)
{
	while (h->watches) {
		struct lib_watch *w = h->watches;

		h->watches = w->next;
		free(w);
	}
	while (h->events) {
		struct lib_event *e = h->events;

		h->events = e->next;
		free(e);
	}
}
