// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* loop.c - one turn after another; see loop.h. */
#include "loop.h"

#include <assert.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "agent.h"
#include "driver.h"
#include "log.h"

#define LEASE_MS 2000
/* A clean end that takes longer than this is none. */
#define STOP_NS 5000000000ULL

/* ---- the end --------------------------------------------------------------- */

static void on_signal(uv_signal_t *signal, int number)
{
	struct agent *agent = signal->data;
	struct core_event event = { .type = EV_STOP };

	/* A second one does not wait. */
	if (agent->stopping) {
		agent->loop.ended = true;
		return;
	}
	agent->stopping = true;
	agent->loop.stop_ns = agent_now_ns() + STOP_NS;
	log_text(CORE_LOG_INFO, "stopping", "asked by signal %d", number);
	driver_event(agent, &event);
}

/* Lanes that were closed on purpose get the time to drain. */
static bool lanes_are_draining(const struct agent *agent)
{
	const struct lane *lane;

	for (lane = agent->lanes.first; lane; lane = lane->next) {
		if (lane->state == LANE_CONNECTED &&
		    (lanefsm_state(lane->fsm) == LANEFSM_DRAINING ||
		     (lane->writable == false &&
		      lane_queue_used(&lane->queue))))
			return true;
	}
	return false;
}

static bool is_over(struct agent *agent)
{
	if (agent->loop.ended)
		return true;
	if (!agent->stopping)
		return false;
	if (agent_now_ns() >= agent->loop.stop_ns)
		return true;
	if (agent->stopped && !agent->loop.draining) {
		agent->loop.draining = true;
		lanes_drain(agent);
		lanes_flush(agent);
	}
	return agent->stopped && !lanes_are_draining(agent);
}

/* ---- turns ------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	/* What is due is found out before the loop sleeps. */
	agent->loop.timer_ns = UINT64_MAX;
}

static void set_timer(struct agent *agent, uint64_t at_ns)
{
	struct loop *loop = &agent->loop;
	uint64_t now_ns, ms;

	if (at_ns == loop->timer_ns)
		return;
	loop->timer_ns = at_ns;
	if (at_ns == UINT64_MAX) {
		uv_timer_stop(&loop->timer);
		return;
	}
	now_ns = agent_now_ns();
	ms = at_ns <= now_ns ? 0 : (at_ns - now_ns + 999999) / 1000000;
	uv_update_time(&loop->uv);
	uv_timer_start(&loop->timer, on_timer, ms, 0);
}

static void on_idle(uv_idle_t *idle)
{
	/* Its being active is what keeps the loop from sleeping. */
}

static void stay_awake(struct loop *loop, bool awake)
{
	if (awake && !uv_is_active((uv_handle_t *)&loop->idle))
		uv_idle_start(&loop->idle, on_idle);
	else if (!awake && uv_is_active((uv_handle_t *)&loop->idle))
		uv_idle_stop(&loop->idle);
}

/* Everything that batches. True when there is more to do at once. */
static bool turn(struct agent *agent)
{
	bool more;
	uint64_t due_ns;

	lanes_read(agent);
	programs_publish(agent); /* what the lanes have brought */
	more = programs_serve(agent);
	driver_settle(agent);
	driver_tick(agent);
	lanes_flush(agent);
	driver_settle(agent);
	programs_publish(agent);
	due_ns = driver_due(agent);
	if (agent->stopping && agent->loop.stop_ns < due_ns)
		due_ns = agent->loop.stop_ns;
	set_timer(agent, due_ns);
	return more || agent->lanes.dirty || agent->lanes.ended ||
	       agent->programs.doomed;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct agent *agent = prepare->data;
	struct loop *loop = &agent->loop;
	bool more = turn(agent);

	if (is_over(agent)) {
		uv_stop(&loop->uv);
		return;
	}
	if (!more)
		more = programs_sleep(agent);
	stay_awake(loop, more);
}

static void on_check(uv_check_t *check)
{
	programs_awake(check->data);
}

/* ---- what else is waited for ----------------------------------------------------- */

static void on_lease(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	if (kernel_lease(agent->kernel))
		log_text(CORE_LOG_WARNING, "lease_gap",
			 "the lease had run out: cuts without a duration were "
			 "not in force for a while; they are again");
	if (kernel_pins_gone(agent->kernel))
		log_text(CORE_LOG_WARNING, "bpffs_unmounted",
			 "the pins are gone: cuts go on, but end with this "
			 "agent; restart it when bpffs is mounted again");
	programs_tick(agent, agent_now_ns());
	/* For WatchdogSec= of the unit; nothing elsewhere. */
	sd_notify(0, "WATCHDOG=1");
	record_flush(agent->record);
}

static void on_kernel_event(void *data, const struct skerry_kernel_event *event)
{
	switch (event->kind) {
	case EVENT_FIRST_DROP:
		log_text(CORE_LOG_INFO, "first_drop",
			 "rule %llu drops its first packet",
			 (unsigned long long)event->rule);
		break;
	case EVENT_RULE_EXPIRED:
		log_text(CORE_LOG_INFO, "rule_expired", "rule %llu is over",
			 (unsigned long long)event->rule);
		break;
	case EVENT_LEASE_OUT:
		log_text(CORE_LOG_WARNING, "lease_out",
			 "rule %llu was met with the lease run out",
			 (unsigned long long)event->rule);
		break;
	}
}

static void on_kernel_events(uv_poll_t *poll, int status, int events)
{
	struct agent *agent = poll->data;

	kernel_events(agent->kernel, on_kernel_event, agent);
}

static void on_links(uv_poll_t *poll, int status, int events)
{
	devices_read(poll->data);
}

static void poll_fd(struct agent *agent, uv_poll_t *poll, bool *ret_open,
		    int fd, uv_poll_cb callback)
{
	if (fd < 0 || uv_poll_init(&agent->loop.uv, poll, fd))
		return;
	poll->data = agent;
	uv_poll_start(poll, UV_READABLE, callback);
	*ret_open = true;
}

/* ---- opening, running, closing ------------------------------------------------------- */

int loop_open(struct agent *agent)
{
	struct loop *loop = &agent->loop;
	int err = uv_loop_init(&loop->uv);

	if (err)
		return err;
	loop->timer_ns = UINT64_MAX;
	loop->prepare.data = agent;
	loop->check.data = agent;
	loop->idle.data = agent;
	loop->timer.data = agent;
	loop->lease.data = agent;
	loop->term.data = agent;
	loop->interrupt.data = agent;
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_check_init(&loop->uv, &loop->check);
	uv_idle_init(&loop->uv, &loop->idle);
	uv_timer_init(&loop->uv, &loop->timer);
	uv_timer_init(&loop->uv, &loop->lease);
	err = uv_signal_init(&loop->uv, &loop->term);
	if (err)
		return err;
	return uv_signal_init(&loop->uv, &loop->interrupt);
}

void loop_run(struct agent *agent)
{
	struct loop *loop = &agent->loop;

	uv_signal_start(&loop->term, on_signal, SIGTERM);
	uv_signal_start(&loop->interrupt, on_signal, SIGINT);
	uv_timer_start(&loop->lease, on_lease, 0, LEASE_MS);
	poll_fd(agent, &loop->kernel_events, &loop->has_kernel_events,
		kernel_event_fd(agent->kernel), on_kernel_events);
	poll_fd(agent, &loop->links, &loop->has_links,
		links_fd(agent->devices.links), on_links);
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_check_start(&loop->check, on_check);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_close(struct agent *agent)
{
	struct loop *loop = &agent->loop;

	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->check, NULL);
	uv_close((uv_handle_t *)&loop->idle, NULL);
	uv_close((uv_handle_t *)&loop->timer, NULL);
	uv_close((uv_handle_t *)&loop->lease, NULL);
	uv_close((uv_handle_t *)&loop->term, NULL);
	uv_close((uv_handle_t *)&loop->interrupt, NULL);
	if (loop->has_kernel_events)
		uv_close((uv_handle_t *)&loop->kernel_events, NULL);
	if (loop->has_links)
		uv_close((uv_handle_t *)&loop->links, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
}
