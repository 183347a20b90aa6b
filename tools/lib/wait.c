/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Waiting without a thread: look a few times, say that one sleeps, look once
 * more, sleep. The flag protocol is the one of ring.h: each side publishes,
 * fences and reads the other's flag; each side sets its flag, which is a full
 * barrier, and looks at the rings. One of the two always sees the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "outgoing.h"

#define EVENTS_MAX 16

uint64_t lib_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void lib_wake_agent(struct skerry *h)
{
	if (skerry_exchange(&h->control->agent_sleeps, 0))
		eventfd_write(h->wake_agent_fd, 1);
}

void lib_timer_set(struct skerry *h, uint64_t at_ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(at_ns / 1000000000),
		.it_value.tv_nsec = (long)(at_ns % 1000000000),
	};

	timerfd_settime(h->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	h->timer_armed = true;
}

static bool control_waiting(struct skerry *h)
{
	return h->state == LIB_ATTACHED && !ringbuf_empty(&h->control_in);
}

bool lib_incoming(struct skerry *h)
{
	if (h->fast_readable || lib_ahead_has(h))
		return true;
	for (struct lib_channel *c = h->retired; c; c = c->next)
		if (c->backlog_next < c->backlog_count)
			return true;
	for (struct lib_channel *c = h->channels; c; c = c->next) {
		if (skerry_load_relaxed(&c->in.positions->tail) !=
		    c->in.own + c->read_bytes)
			return true;
		if (c->fast && lib_fast_waiting(c->fast))
			return true;
	}
	return false;
}

static void say_again(struct skerry *h)
{
	/* Frontiers before endpoints: a flow that opens again must find what
	 * we already have. */
	if (lib_inflow_again(h) || lib_endpoint_again(h) ||
	    lib_watch_again(h) || lib_reserve_again(h) || lib_flows_again(h))
		return;
	h->reattached = false;
}

int lib_progress(struct skerry *h)
{
	int n = 0;

	if (h->state != LIB_ATTACHED)
		lib_attach_step(h);
	lib_attach_check(h, false);
	if (h->state == LIB_ATTACHED)
		n += lib_control_read(h);
	if (h->state == LIB_ATTACHED && h->reattached)
		say_again(h);
	if (h->state == LIB_ATTACHED)
		n += lib_flows_pump(h);
	if (h->asking)
		lib_asking_progress(h);
	return n;
}

/* ---- sleeping inside a call -------------------------------------------- */

static int sleep_ms(uint64_t now_ns, uint64_t deadline_ns)
{
	uint64_t left_ms;

	if (deadline_ns == LIB_NEVER)
		return -1;
	/* It may have passed since it was looked at. */
	if (deadline_ns <= now_ns)
		return 0;
	left_ms = (deadline_ns - now_ns + 999999) / 1000000;
	return left_ms > 60000 ? 60000 : (int)left_ms;
}

static void look_at_events(struct skerry *h, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t count;
	int n;

	n = epoll_wait(h->epoll_fd, events, EVENTS_MAX, timeout_ms);
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		/* The agent may have moved any slot. */
		h->looked_ns = 0;
		if (fd == h->wake_program_fd || fd == h->timer_fd ||
		    lib_asking_timer(h, fd)) {
			eventfd_read(fd, &count);
		} else if (fd == h->self_fd) {
			eventfd_read(fd, &count);
			h->self_signalled = false;
		} else if (fd == h->socket_fd) {
			h->checked_ns = 0; /* look now */
		} else {
			h->fast_readable = true;
		}
	}
}

static void doze(struct skerry *h, lib_ready_fn *ready, void *data,
		 uint64_t deadline_ns, unsigned int flags)
{
	struct skerry_mapping *m = h->control;

	if (m) {
		if (flags & LIB_WAIT_CREDIT)
			skerry_exchange(&m->program_wants_credit, 1);
		skerry_exchange(&m->program_sleeps, 1);
	}
	if (lib_asking_news(h))
		h->looked_ns = 0; /* do, at the next look */
	else if (!control_waiting(h) && !ready(h, data))
		look_at_events(h, sleep_ms(lib_now_ns(), deadline_ns));
	if (m) {
		skerry_exchange(&m->program_sleeps, 0);
		if (flags & LIB_WAIT_CREDIT)
			skerry_store_relaxed(&m->program_wants_credit, 0);
	}
}

static bool spin(struct skerry *h, lib_ready_fn *ready, void *data)
{
	for (unsigned int i = 0; i < LIB_SPIN; i++) {
		if (control_waiting(h) || ready(h, data))
			return true;
		skerry_cpu_relax();
	}
	return false;
}

int lib_wait(struct skerry *h, lib_ready_fn *ready, void *data,
	     uint64_t deadline_ns, unsigned int flags)
{
	int r = 0;

	for (;;) {
		lib_progress(h);
		if (ready(h, data))
			break;
		if (lib_now_ns() >= deadline_ns) {
			r = -ETIMEDOUT;
			break;
		}
		if (!spin(h, ready, data))
			doze(h, ready, data, deadline_ns, flags);
	}
	lib_arm(h, 0);
	return r;
}

/* ---- sleeping outside: skerry_fd() --------------------------------------- */

static bool something(struct skerry *h, void *data)
{
	return h->events || (h->lost && h->lost_function) || lib_incoming(h) ||
	       lib_forward_unblocked(h) || lib_asking_due(h);
}

static void signal_self(struct skerry *h, bool on)
{
	uint64_t count;

	if (on == h->self_signalled)
		return;
	if (on)
		eventfd_write(h->self_fd, 1);
	else
		eventfd_read(h->self_fd, &count);
	h->self_signalled = on;
}

void lib_arm(struct skerry *h, unsigned int flags)
{
	struct skerry_mapping *m = h->control;
	uint64_t count;

	if (!h->outside)
		return;
	if (m) {
		bool woken = h->credit_armed &&
			     !skerry_load_relaxed(&m->program_wants_credit);

		if (flags & LIB_WAIT_CREDIT || h->pending_count || h->blocked ||
		    h->value_count || lib_asking_wants(h)) {
			skerry_exchange(&m->program_wants_credit, 1);
			h->credit_armed = true;
		}
		/* Cleared: woken since, or never armed. */
		if (!skerry_exchange(&m->program_sleeps, 1) || woken)
			eventfd_read(h->wake_program_fd, &count);
	}
	if (h->timer_armed && !eventfd_read(h->timer_fd, &count))
		h->timer_armed = false;
	if (lib_asking_news(h))
		h->looked_ns = 0;
	signal_self(h, something(h, NULL) || control_waiting(h) ||
			       lib_asking_news(h));
}

SKERRY_API int skerry_fd(struct skerry *h)
{
	h->outside = true;
	lib_progress(h);
	lib_arm(h, 0);
	return h->epoll_fd;
}

/* ---- skerry_dispatch ------------------------------------------------------- */

static int handle_all(struct skerry *h)
{
	int n;

	n = lib_progress(h);
	n += lib_watch_run(h);
	n += lib_lost_run(h);
	n += lib_asking_run(h);
	return n;
}

SKERRY_API int skerry_dispatch(struct skerry *h, int timeout_ms)
{
	uint64_t deadline_ns = LIB_NEVER;
	int n;

	if (h->in_callback)
		return lib_fail_fast(h, -EDEADLK,
				     "skerry_dispatch: called in a callback");
	n = handle_all(h);
	if (!n && timeout_ms && !something(h, NULL)) {
		if (timeout_ms > 0)
			deadline_ns =
				lib_now_ns() + (uint64_t)timeout_ms * 1000000;
		if (lib_wait(h, something, NULL, deadline_ns,
			     h->blocked || h->pending_count || h->value_count ||
					     lib_asking_wants(h)
				     ? LIB_WAIT_CREDIT
				     : 0) == 0)
			n = handle_all(h);
	}
	lib_arm(h, 0);
	return n;
}
