/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A handle: opening, closing, its errors and names. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "outgoing.h"

#ifndef SKERRY_VERSION_STRING
#define SKERRY_VERSION_STRING "0"
#endif

/* How long skerry_close() waits for copies it promised to send. */
#define CLOSE_WAIT_MS 1000U

static _Thread_local char open_error[512];

int lib_fail(struct skerry *h, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(h->error_text, sizeof(h->error_text), format, args);
	va_end(args);
	h->error = h->error_text;
	return error;
}

SKERRY_API const char *skerry_last_error(const struct skerry *handle)
{
	if (!handle)
		return open_error;
	return handle->error ? handle->error : "";
}

SKERRY_API const char *skerry_version(void)
{
	return SKERRY_VERSION_STRING;
}

SKERRY_API const char *skerry_mynode(struct skerry *handle)
{
	return handle->node;
}

bool lib_nonblock(const struct skerry *h)
{
	return h->flags & SKERRY_OPEN_NONBLOCK;
}

uint64_t lib_deadline(const struct skerry *h, uint32_t timeout_ms)
{
	if (!timeout_ms)
		timeout_ms = h->timeout_ms;
	return lib_now_ns() + (uint64_t)timeout_ms * 1000000;
}

const char *lib_intern(struct skerry *h, const char *text)
{
	uint32_t hash = 2166136261U;
	struct lib_name **bucket, *name;
	size_t size = strlen(text) + 1;

	for (const char *p = text; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619U;
	bucket = &h->names[hash % LIB_NAME_BUCKETS];
	for (name = *bucket; name; name = name->next)
		if (!strcmp(name->text, text))
			return name->text;
	name = malloc(sizeof(*name) + size);
	if (!name)
		return NULL;
	memcpy(name->text, text, size);
	name->next = *bucket;
	*bucket = name;
	return name->text;
}

static void names_free(struct skerry *h)
{
	for (size_t i = 0; i < LIB_NAME_BUCKETS; i++) {
		struct lib_name *name = h->names[i];

		while (name) {
			struct lib_name *next = name->next;

			free(name);
			name = next;
		}
	}
}

/* ---- opening ---------------------------------------------------------- */

/* Callers of an older or newer header know fewer or more fields. */
static int take_opts(struct skerry *h, const struct skerry_open_opts *given,
		     struct skerry_open_opts *opts)
{
	*opts = (struct skerry_open_opts) { .size = sizeof(*opts) };

	if (given) {
		size_t size = given->size;

		if (size < sizeof(size))
			return lib_fail(h, -EINVAL,
					"skerry_open: size is %zu; set it to "
					"sizeof(struct skerry_open_opts)",
					size);
		if (size > sizeof(*opts))
			size = sizeof(*opts);
		memcpy(opts, given, size);
	}
	if (opts->flags & ~(SKERRY_OPEN_NONBLOCK | SKERRY_OPEN_ADMIN))
		return lib_fail(h, -EINVAL, "skerry_open: flags 0x%x unknown",
				opts->flags);
	return 0;
}

static int make_descriptors(struct skerry *h)
{
	struct epoll_event event = { .events = EPOLLIN };

	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	h->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	h->self_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->epoll_fd < 0 || h->timer_fd < 0 || h->self_fd < 0)
		return lib_fail(h, -errno, "no descriptors: %s",
				strerror(errno));
	event.data.fd = h->timer_fd;
	if (epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->timer_fd, &event))
		return lib_fail(h, -errno, "epoll: %s", strerror(errno));
	event.data.fd = h->self_fd;
	if (epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->self_fd, &event))
		return lib_fail(h, -errno, "epoll: %s", strerror(errno));
	return 0;
}

/* An agent with too many at its door has fewer a moment later. */
static bool settled(struct skerry *h, void *data)
{
	return h->state == LIB_ATTACHED ||
	       (h->state == LIB_DETACHED && h->attach_error != -EAGAIN);
}

static int first_attach(struct skerry *h)
{
	int r;

	lib_attach_step(h);
	r = lib_wait(h, settled, NULL, lib_deadline(h, 0), 0);
	if (r && h->state == LIB_DETACHED)
		return h->attach_error;
	if (r)
		return lib_fail(h, r,
				"%s: the agent does not answer; is it "
				"stopped?",
				h->node);
	/* The sentence is the one of the attempt. */
	return h->state == LIB_ATTACHED ? 0 : h->attach_error;
}

SKERRY_API int skerry_open(const struct skerry_open_opts *given,
			   struct skerry **ret_handle)
{
	struct skerry_open_opts opts;
	struct skerry *h;
	int r;

	h = calloc(1, sizeof(*h));
	if (!h) {
		strcpy(open_error, "no memory");
		return -ENOMEM;
	}
	h->epoll_fd = h->timer_fd = h->self_fd = h->socket_fd = -1;
	h->wake_agent_fd = h->wake_program_fd = -1;
	h->events_tail = &h->events;
	h->lost_tail = &h->lost;
	h->timeout_ms = LIB_TIMEOUT_MS;
	r = take_opts(h, given, &opts);
	if (r)
		goto fail;
	h->flags = opts.flags;
	if (opts.timeout_ms)
		h->timeout_ms = opts.timeout_ms;
	snprintf(h->program, sizeof(h->program), "%s",
		 opts.program ? opts.program : program_invocation_short_name);
	if (getrandom(h->instance, sizeof(h->instance), 0) !=
	    sizeof(h->instance)) {
		r = lib_fail(h, -EIO, "no random numbers");
		goto fail;
	}
	r = lib_find(h, opts.run_dir, opts.node);
	if (!r)
		r = make_descriptors(h);
	if (!r)
		r = first_attach(h);
	if (r)
		goto fail;
	*ret_handle = h;
	return 0;
fail:
	snprintf(open_error, sizeof(open_error), "%s", skerry_last_error(h));
	skerry_close(h);
	return r;
}

/* The agent has taken what was written: it stops reading when we go. */
static bool all_taken(struct skerry *h, void *data)
{
	if (h->state != LIB_ATTACHED)
		return true;
	for (struct lib_channel *c = h->channels; c; c = c->next)
		if (ringbuf_room(&c->out) < (int64_t)c->out.size_bytes)
			return false;
	return !h->pending_count;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

SKERRY_API void skerry_close(struct skerry *h)
{
	if (!h)
		return;
	h->outside = false;
	if (h->state == LIB_ATTACHED)
		lib_wait(h, all_taken, NULL, lib_deadline(h, CLOSE_WAIT_MS),
			 LIB_WAIT_CREDIT);
	lib_casts_given_up(h);
	/* Messages set aside before the rings they may lie in. */
	lib_asking_free(h);
	lib_attach_free(h);
	lib_flows_free(h);
	lib_pack_free(h);
	lib_places_free(h);
	lib_inflow_free(h);
	lib_endpoint_free(h);
	lib_watch_free(h);
	lib_reserve_free(h);
	lib_lost_free(h);
	names_free(h);
	close_fd(h->timer_fd);
	close_fd(h->self_fd);
	close_fd(h->epoll_fd);
	free(h->directory);
	free(h);
}
