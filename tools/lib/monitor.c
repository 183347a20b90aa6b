/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Monitors. Of an endpoint, or the one every program has: a flow that carries
 * nothing and is closed by the receiving agent when its receiver goes; it
 * survives lost lanes and agents that restart, but no change of receiver. Of
 * a node: a watch.
 */
#include <errno.h>
#include <stdlib.h>

#include "asking.h"

/* The sentence may be a peer's; it is cut where there is no room. */
static void due(struct lib_monitor *m, int error, const char *reason)
{
	size_t bytes = strnlen(reason, sizeof(m->reason) - 1);

	if (m->due || m->gone)
		return;
	m->due = true;
	m->error = error;
	memmove(m->reason, reason, bytes); /* it may be its own */
	m->reason[bytes] = '\0';
}

static struct lib_monitor *find(const struct lib_asking *a, int id)
{
	struct lib_monitor *m = a ? a->monitors : NULL;

	while (m && (m->id != id || m->gone))
		m = m->next;
	return m;
}

/* ---- nodes ----------------------------------------------------------------- */

static void on_node(struct skerry *h, void *data, const void *tlvs,
		    size_t size_bytes)
{
	char reason[SKERRY_REASON_MAX_BYTES + 1] = "the node is down";
	struct lib_monitor *m = data;
	struct tlv_reader field;
	int error = lib_node_error(tlvs, size_bytes);

	if (tlv_find_bool(tlvs, size_bytes, SKERRY_K_UP)) {
		m->up_seen = true;
		m->doubt_ns = 0;
		return;
	}
	tlv_find_str(tlvs, size_bytes, SKERRY_K_REASON, reason, sizeof(reason));
	if (m->up_seen &&
	    !tlv_find(tlvs, size_bytes, SKERRY_K_HEARD_AGE_MS, &field)) {
		m->doubt_ns = lib_now_ns() + LIB_DOUBT_NS;
		m->error = error;
		memcpy(m->reason, reason, sizeof(m->reason));
		return;
	}
	due(m, error, reason);
}

static int watch_node(struct skerry *h, struct lib_monitor *m)
{
	struct lib_watch w = {
		.both = true,
		.own = on_node,
		.data = m,
	};
	int r;

	/* This one is there as long as anybody can be told. */
	m->watch = -1;
	if (!strcmp(m->ref.node, h->node))
		return 0;
	w.node = lib_intern(h, m->ref.node);
	if (!w.node)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	r = lib_watch_own(h, &w, true);
	if (r < 0)
		return r;
	m->watch = r;
	return 0;
}

/* Endpoints and programs there; our own flows say it later, or never. */
void lib_monitors_node_down(struct skerry *h, const char *node, int error,
			    const char *reason)
{
	struct lib_monitor *m = h->asking->monitors;

	for (; m; m = m->next)
		if (!m->watch && !strcmp(m->ref.node, node))
			due(m, error, reason);
}

/* ---- endpoints ---------------------------------------------------------------- */

static const char *closed_reason(int error)
{
	switch (-error) {
	case ENOENT:
		return "the endpoint was given up";
	case ECONNRESET:
		return "its program ended";
	case EHOSTUNREACH:
		return "the node is no member any more";
	case ENOTCONN:
		return "the node went";
	case ENOSPC:
		return "there is no place for another flow";
	}
	return strerror(-error);
}

void lib_asking_closed(struct lib_flow *f, int error)
{
	struct lib_monitor *m = find(f->handle->asking, (int)f->monitor);

	if (m)
		due(m, error, closed_reason(error));
}

/* Its slot is given back; an answer that is under way is awaited first. */
static bool end_flow(struct lib_monitor *m)
{
	struct lib_flow *f = m->flow;

	if (!f)
		return true;
	if (f->state == LIB_FLOW_OPENING)
		return false;
	if (f->state == LIB_FLOW_OPEN)
		lib_flow_abandon(f);
	lib_flow_drop(f);
	m->flow = NULL;
	return true;
}

static void step_flow(struct skerry *h, struct lib_monitor *m)
{
	const char *node = m->ref.node;
	int r = 0;

	if (!m->flow)
		r = lib_flow_get_as(h, strcmp(node, h->node) ? node : "",
				    m->ref.endpoint, NULL, NULL,
				    (uint32_t)m->id, &m->flow);
	/* An open one is looked at with all other flows. */
	if (!r && m->flow->state != LIB_FLOW_OPEN)
		r = lib_flow_step(m->flow);
	if (r && r != -EAGAIN)
		due(m, r, skerry_last_error(h));
}

/* ---- all of them ---------------------------------------------------------------- */

static void sweep(struct skerry *h)
{
	struct lib_monitor **p = &h->asking->monitors;

	while (*p) {
		struct lib_monitor *m = *p;

		if (m->gone && end_flow(m)) {
			*p = m->next;
			free(m);
		} else {
			p = &m->next;
		}
	}
}

static void step_node(struct skerry *h, struct lib_monitor *m, uint64_t now_ns)
{
	if (!m->doubt_ns)
		return;
	if (now_ns < m->doubt_ns)
		lib_asking_by(h->asking, m->doubt_ns);
	else
		due(m, m->error, m->reason);
}

void lib_monitors_step(struct skerry *h, uint64_t now_ns)
{
	struct lib_monitor *m;

	for (m = h->asking->monitors; m; m = m->next) {
		if (m->due || m->gone)
			continue;
		if (m->watch)
			step_node(h, m, now_ns);
		else
			step_flow(h, m);
	}
	/* lib_monitors_run() has its hand on one of them. */
	if (!h->in_callback)
		sweep(h);
}

static void end(struct skerry *h, struct lib_monitor *m)
{
	m->gone = true;
	m->due = false;
	h->asking->monitor_count--;
	if (m->watch > 0)
		skerry_unwatch(h, m->watch);
}

int lib_monitors_run(struct skerry *h)
{
	struct lib_monitor *m;
	int n = 0;

	/* Functions may end monitors: those are swept later, not here. */
	for (m = h->asking->monitors; m; m = m->next) {
		struct skerry_gone gone = {
			.monitor = m->id,
			.node = m->ref.node,
			.endpoint = m->ref.endpoint[0] ? m->ref.endpoint : NULL,
			.error = m->error,
			.reason = m->reason,
		};

		if (!m->due)
			continue;
		end(h, m);
		h->in_callback = true;
		m->function(m->data, &gone);
		h->in_callback = false;
		n++;
	}
	return n;
}

void lib_monitors_free(struct skerry *h)
{
	struct lib_asking *a = h->asking;

	while (a->monitors) {
		struct lib_monitor *m = a->monitors;

		a->monitors = m->next;
		free(m);
	}
}

/* ---- asking for one --------------------------------------------------------------- */

static int parse(struct skerry *h, const char *reference,
		 struct skerry_ref *ret_ref)
{
	size_t bytes = reference ? strlen(reference) : 0;

	if (!reference || lib_ref_is(reference))
		return skerry_ref_parse(h, reference, ret_ref);
	if (bytes < 1 || bytes > SKERRY_ENDPOINT_MAX_BYTES)
		return lib_fail(h, -EINVAL,
				"endpoint %.80s: %zu bytes; give 1 to %u",
				reference, bytes, SKERRY_ENDPOINT_MAX_BYTES);
	memset(ret_ref, 0, sizeof(*ret_ref));
	strcpy(ret_ref->node, h->node);
	memcpy(ret_ref->endpoint, reference, bytes);
	return 0;
}

static int start(struct skerry *h, struct lib_monitor *m)
{
	if (!m->ref.endpoint[0])
		return watch_node(h, m);
	return strcmp(m->ref.node, h->node) ? lib_asking_watch(h) : 0;
}

SKERRY_API int skerry_monitor(struct skerry *h, const char *reference,
			      skerry_gone_fn *function, void *data)
{
	struct lib_asking *a = lib_asking_get(h);
	struct lib_monitor *m;
	struct skerry_ref ref;
	int r;

	if (!a)
		return -ENOMEM;
	if (!function)
		return lib_fail_fast(h, -EINVAL, "a monitor needs a function");
	r = parse(h, reference, &ref);
	if (r)
		return r;
	if (a->monitor_count >= SKERRY_MONITORS_PER_PROGRAM_MAX)
		return lib_fail(h, -ENOSPC,
				"this program has %u monitors already",
				SKERRY_MONITORS_PER_PROGRAM_MAX);
	m = calloc(1, sizeof(*m));
	if (!m)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	m->id = ++a->next_monitor;
	m->ref = ref;
	m->function = function;
	m->data = data;
	r = start(h, m);
	if (r) {
		free(m);
		return r;
	}
	m->next = a->monitors;
	a->monitors = m;
	a->monitor_count++;
	lib_asking_progress(h);
	lib_arm(h, LIB_WAIT_CREDIT);
	return m->id;
}

SKERRY_API int skerry_demonitor(struct skerry *h, int monitor)
{
	struct lib_monitor *m = find(h->asking, monitor);

	if (!m)
		return lib_fail(h, -ENOENT, "monitor %d: there is none",
				monitor);
	end(h, m);
	return 0;
}
