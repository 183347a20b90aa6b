/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * loop.h - one turn of the agent: sockets and timers first, then everything
 * that batches: rings, the core's leftovers, one write for each lane, one
 * wake-up for each program. It sleeps only when each ring has been looked at
 * once more after its program was told so.
 */
#ifndef SKERRY_LOOP_H
#define SKERRY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

struct agent;

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle; /* running while there is work left */
	uv_timer_t timer; /* the next thing that is due */
	uv_timer_t lease;
	uv_signal_t term, interrupt;
	uv_poll_t kernel_events, links;
	bool has_kernel_events, has_links;
	uint64_t timer_ns; /* when the timer goes; UINT64_MAX: it rests */
	uint64_t stop_ns; /* give up waiting for a clean end */
	bool draining; /* the lanes, before the end */
	bool ended;
};

int loop_open(struct agent *agent);
/* After everything is open: until the agent ends. */
void loop_run(struct agent *agent);
/* Handles that are closing get their turn to be gone. */
void loop_close(struct agent *agent);

#endif
