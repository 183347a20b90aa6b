/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What requests and monitors have in common: time, nodes that go, and where
 * the rest of the library looks in on them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "asking.h"

/* Room in a ring for what a flow says of itself. */
#define FLOW_RECORDS_BYTES 128U

static int open_timer(struct skerry *h, struct lib_asking *a)
{
	struct epoll_event event = { .events = EPOLLIN };

	a->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (a->timer_fd < 0)
		return -errno;
	event.data.fd = a->timer_fd;
	if (epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, a->timer_fd, &event)) {
		close(a->timer_fd);
		return -errno;
	}
	return 0;
}

struct lib_asking *lib_asking_get(struct skerry *h)
{
	struct lib_asking *a = h->asking;

	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a) {
		lib_fail_fast(h, -ENOMEM, "no memory");
		return NULL;
	}
	if (open_timer(h, a)) {
		free(a);
		lib_fail_fast(h, -EMFILE, "no descriptor for a timer");
		return NULL;
	}
	a->done_tail = &a->done;
	a->letters_tail = &a->letters;
	a->next_ns = a->armed_ns = LIB_NEVER;
	h->asking = a;
	return a;
}

static struct lib_doubt *take_doubt(struct lib_doubt **p)
{
	struct lib_doubt *d = *p;

	*p = d->next;
	return d;
}

void lib_asking_free(struct skerry *h)
{
	if (!h->asking)
		return;
	lib_requests_free(h);
	lib_letters_free(h);
	lib_monitors_free(h);
	lib_ahead_free(h);
	while (h->asking->doubts)
		free(take_doubt(&h->asking->doubts));
	close(h->asking->timer_fd);
	free(h->asking);
	h->asking = NULL;
}

/* ---- time ------------------------------------------------------------------ */

void lib_asking_by(struct lib_asking *a, uint64_t at_ns)
{
	if (at_ns < a->next_ns)
		a->next_ns = at_ns;
}

static void arm(struct lib_asking *a)
{
	struct itimerspec when = { 0 };

	if (a->armed_ns == a->next_ns)
		return;
	a->armed_ns = a->next_ns;
	if (a->next_ns != LIB_NEVER) {
		when.it_value.tv_sec = (time_t)(a->next_ns / 1000000000);
		when.it_value.tv_nsec = (long)(a->next_ns % 1000000000);
	}
	/* Setting it takes back what it has signalled. */
	timerfd_settime(a->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ---- nodes that go ----------------------------------------------------------- */

int lib_node_error(const void *tlvs, size_t size_bytes)
{
	char state[32] = "";

	tlv_find_str(tlvs, size_bytes, SKERRY_K_STATE, state, sizeof(state));
	if (!strcmp(state, "unknown") || !strcmp(state, "leaving"))
		return -EHOSTUNREACH;
	return -ENOTCONN;
}

static void node_down(struct skerry *h, const char *node, int error,
		      const char *reason)
{
	lib_requests_fail_node(h, node, error);
	lib_monitors_node_down(h, node, error, reason);
}

static struct lib_doubt **find_doubt(struct lib_asking *a, const char *node)
{
	struct lib_doubt **p = &a->doubts;

	while (*p && strcmp((*p)->node, node))
		p = &(*p)->next;
	return p;
}

static void doubt(struct skerry *h, const char *node)
{
	struct lib_asking *a = h->asking;
	struct lib_doubt *d = *find_doubt(a, node);

	if (d)
		return;
	d = calloc(1, sizeof(*d));
	if (!d)
		return;
	d->node = lib_intern(h, node);
	if (!d->node) {
		free(d);
		return;
	}
	d->until_ns = lib_now_ns() + LIB_DOUBT_NS;
	d->next = a->doubts;
	a->doubts = d;
	lib_asking_by(a, d->until_ns);
}

static void tick_doubts(struct skerry *h, uint64_t now_ns)
{
	struct lib_doubt **p = &h->asking->doubts;

	while (*p) {
		struct lib_doubt *d = *p;

		if (now_ns < d->until_ns) {
			lib_asking_by(h->asking, d->until_ns);
			p = &d->next;
			continue;
		}
		node_down(h, d->node, -ENOTCONN,
			  "it restarted, and is not back");
		free(take_doubt(p));
	}
}

static void on_node(struct skerry *h, void *data, const void *tlvs,
		    size_t size_bytes)
{
	char node[SKERRY_NAME_MAX_BYTES + 1] = "";
	char reason[SKERRY_REASON_MAX_BYTES + 1] = "";
	struct tlv_reader field;
	struct lib_doubt **p;

	if (tlv_find_str(tlvs, size_bytes, SKERRY_K_NODE, node, sizeof(node)))
		return;
	p = find_doubt(h->asking, node);
	if (tlv_find_bool(tlvs, size_bytes, SKERRY_K_UP)) {
		if (*p)
			free(take_doubt(p));
		return;
	}
	tlv_find_str(tlvs, size_bytes, SKERRY_K_REASON, reason, sizeof(reason));
	if (tlv_find(tlvs, size_bytes, SKERRY_K_HEARD_AGE_MS, &field))
		node_down(h, node, lib_node_error(tlvs, size_bytes), reason);
	else
		doubt(h, node);
}

int lib_asking_watch(struct skerry *h)
{
	struct lib_watch w = { .both = true, .own = on_node };
	struct lib_asking *a = h->asking;
	int r;

	if (a->watch)
		return 0;
	r = lib_watch_own(h, &w, false);
	if (r < 0)
		return r;
	a->watch = r;
	return 0;
}

/* ---- where the library looks in ------------------------------------------------ */

void lib_asking_progress(struct skerry *h)
{
	struct lib_asking *a = h->asking;
	uint64_t now_ns;

	if (!a)
		return;
	if (!a->request_count && !a->monitors && !a->letters) {
		a->next_ns = LIB_NEVER;
		arm(a);
		return;
	}
	now_ns = lib_now_ns();
	if (a->letters && !a->sending)
		lib_letters_send(h);
	if (now_ns >= a->next_ns) {
		a->next_ns = LIB_NEVER;
		lib_requests_tick(h, now_ns);
		tick_doubts(h, now_ns);
	}
	if (a->monitors)
		lib_monitors_step(h, now_ns);
	arm(a);
}

bool lib_asking_due(const struct skerry *h)
{
	const struct lib_asking *a = h->asking;

	if (!a)
		return false;
	if (a->done)
		return true;
	for (const struct lib_monitor *m = a->monitors; m; m = m->next)
		if (m->due)
			return true;
	return false;
}

bool lib_asking_wants(const struct skerry *h)
{
	const struct lib_asking *a = h->asking;

	return a && (a->request_count || a->monitor_count);
}

static bool slot_news(const struct lib_flow *f)
{
	uint32_t state = skerry_load_acquire(&f->slot->state);

	if (state == SKERRY_SLOT_CLOSED)
		return true;
	if (state != SKERRY_SLOT_OPEN || f->fast_id ||
	    ringbuf_room(&f->channel->out) < (int64_t)FLOW_RECORDS_BYTES)
		return false;
	if (skerry_load_acquire(&f->slot->epoch) != f->epoch)
		return true;
	return f->letter &&
	       skerry_load_acquire(&f->slot->granted) != f->granted_seen;
}

bool lib_asking_news(const struct skerry *h)
{
	const struct lib_asking *a = h->asking;

	if (h->state != LIB_ATTACHED || !a ||
	    !(lib_asking_wants(h) || a->letters))
		return false;
	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++)
		for (struct lib_flow *f = h->flows[i]; f; f = f->next)
			if (f->state == LIB_FLOW_OPEN && slot_news(f))
				return true;
	return false;
}

bool lib_asking_timer(const struct skerry *h, int fd)
{
	return h->asking && fd == h->asking->timer_fd;
}

int lib_asking_run(struct skerry *h)
{
	int n;

	if (!h->asking)
		return 0;
	if (h->asking->request_count)
		lib_ahead_read(h, false);
	n = lib_requests_run(h);
	return n + lib_monitors_run(h);
}

SKERRY_API int skerry_counters(struct skerry *h,
			       struct skerry_counters *ret_counters)
{
	struct skerry_counters counters = {
		.size = ret_counters->size,
		.casts_dropped = h->casts_dropped,
	};

	if (counters.size < sizeof(counters.size))
		return lib_fail(h, -EINVAL,
				"skerry_counters: size is %zu; set it to "
				"sizeof(struct skerry_counters)",
				counters.size);
	if (h->asking) {
		counters.replies_dropped = h->asking->replies_dropped;
		counters.replies_lost = h->asking->replies_lost;
	}
	memcpy(ret_counters, &counters,
	       counters.size < sizeof(counters) ? counters.size
						: sizeof(counters));
	return 0;
}
