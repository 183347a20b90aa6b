/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Places to send to are many, slots are few: who needs one gets that of the
 * flow that was idle for longest.
 */
#include <time.h>

#include "asking.h"

/* So long after its last message nothing of it is under way; what would be
 * lost of it then would not be reported any more. */
#define IDLE_NS 1000000000ULL

uint64_t lib_coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A request that went through it: its end would be the request's. */
static bool is_asked(const struct lib_flow *f)
{
	const struct lib_asking *a = f->handle->asking;

	for (uint32_t i = 0; a && a->request_count && i < LIB_REQUEST_BUCKETS;
	     i++)
		for (const struct lib_request *r = a->requests[i]; r;
		     r = r->next)
			if (r->flow_id == f->flow_id)
				return true;
	return false;
}

static bool is_idle(const struct lib_flow *f, uint64_t now_ns)
{
	return f->state == LIB_FLOW_OPEN && !f->monitor && !f->letter &&
	       !f->pending && !f->last && !f->sent_bytes && !f->fast_id &&
	       !f->large_asked && f != f->handle->blocked &&
	       now_ns - f->used_ns >= IDLE_NS &&
	       skerry_load_acquire(&f->slot->epoch) == f->epoch &&
	       skerry_load_relaxed(&f->slot->state) == SKERRY_SLOT_OPEN &&
	       !is_asked(f);
}

bool lib_idle_close(struct skerry *h)
{
	uint64_t now_ns = lib_coarse_ns();
	struct lib_flow *oldest = NULL;

	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++)
		for (struct lib_flow *f = h->flows[i]; f; f = f->next)
			if (is_idle(f, now_ns) &&
			    (!oldest || f->used_ns < oldest->used_ns))
				oldest = f;
	if (!oldest)
		return false;
	/* It stays in the table, closed: others may hold on to it. */
	lib_flow_abandon(oldest);
	return true;
}

uint32_t lib_slots_used(const struct skerry *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++)
		for (const struct lib_flow *f = h->flows[i]; f; f = f->next)
			n += f->state == LIB_FLOW_OPEN ||
			     f->state == LIB_FLOW_OPENING;
	return n;
}
