// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_cuts.c - bringing the kernel's cuts to what the entries want.
 *
 * One commit is on its way at a time. Cuts to be taken away go together and
 * first; then the cuts of one entry, so that a failure tells whose they
 * were. A cut's handle is made of entry and node: a slot is used again only
 * when nothing of it is in force.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

#define COMMIT_TRIES 5U
#define COMMIT_RETRY_NS (100 * PARTITION_MS)

static uint32_t handle_of(const struct partition *p, size_t entry, size_t node)
{
	return (uint32_t)(entry * (p->nodes_max + 1) + node + 1);
}

static uint32_t rules_of_node(const struct partition *p, size_t node)
{
	uint32_t count = 0;
	size_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if ((*partition_flags(p, e, node) & FLAG_CUT) &&
		    partition_form(&p->entries[e]) != FORM_ADDRESS)
			count++;
	return count;
}

int partition_cuts_fit(const struct partition *p, uint16_t entry)
{
	uint32_t more = 0;
	uint8_t direction;
	size_t n;

	for (n = 0; n <= p->nodes_max; n++) {
		if ((*partition_flags(p, entry, n) & FLAG_CUT) ||
		    !partition_wanted(p, entry, n, &direction))
			continue;
		more++;
		/* An address is no peer; the kernel counts those itself. */
		if (partition_form(&p->entries[entry]) == FORM_ADDRESS)
			continue;
		if (rules_of_node(p, n) >= SKERRY_RULES_PER_PEER_MAX)
			return -ENOSPC;
	}
	return p->cut_count + more > p->limits.rules_max ? -ENOSPC : 0;
}

static void commit(struct partition *p)
{
	p->staged = false;
	p->committing = true;
	p->generation++;
	p->env.cut_commit(p->env.data, p->generation);
}

static void take_away(struct partition *p, size_t entry, size_t node)
{
	*partition_flags(p, entry, node) &= (uint8_t) ~(FLAG_CUT | FLAG_STALE);
	p->env.cut_del(p->env.data, handle_of(p, entry, node));
	p->cut_count--;
	p->staged = true;
}

/* Each edge has its own chance, the same wherever it is drawn. */
static uint64_t seed_of(const struct partition *p,
			const struct partition_entry *e, size_t node)
{
	const char *to = node == p->nodes_max ? "" : p->nodes[node].name;
	const char *from = p->nodes[p->self].name;

	if (!e->loss_ppm || partition_form(e) == FORM_ADDRESS)
		return e->seed;
	return e->seed ^ partition_hash(from, strlen(from)) ^
	       partition_hash(to, strlen(to)) << 1;
}

static void add(struct partition *p, size_t entry, size_t node,
		uint8_t direction)
{
	const struct partition_entry *e = &p->entries[entry];
	struct core_cut cut;

	memset(&cut, 0, sizeof(cut));
	cut.handle = handle_of(p, entry, node);
	memcpy(cut.reference, e->reference, sizeof(cut.reference));
	cut.peer = node == p->nodes_max ? CORE_PEER_EVERYBODY
					: p->nodes[node].peer;
	if (partition_form(e) == FORM_ADDRESS) {
		cut.peer = CORE_PEER_ADDRESS;
		cut.address = e->target;
		cut.prefix_bits = e->prefix_bits;
		cut.protocol = e->protocol;
	}
	cut.loss_ppm = e->loss_ppm;
	cut.seed = seed_of(p, e, node);
	cut.direction = direction;
	cut.visibility = e->visibility;
	cut.deadline_ns = e->deadline_ns;
	*partition_flags(p, entry, node) |= FLAG_CUT;
	p->cut_count++;
	p->staged = true;
	p->env.cut_add(p->env.data, &cut);
}

/* False when the budget ended it. */
static bool take_away_entry(struct partition *p, size_t entry, uint32_t *budget)
{
	uint8_t direction;
	uint8_t flags;
	size_t n;

	for (n = 0; n <= p->nodes_max; n++) {
		flags = *partition_flags(p, entry, n);
		if (!(flags & FLAG_CUT))
			continue;
		if (!(flags & FLAG_STALE) &&
		    partition_wanted(p, entry, n, &direction))
			continue;
		if (!*budget)
			return false;
		--*budget;
		take_away(p, entry, n);
	}
	return true;
}

static bool add_entry(struct partition *p, size_t entry, uint32_t *budget)
{
	uint8_t direction;
	size_t n;

	for (n = 0; n <= p->nodes_max; n++) {
		if ((*partition_flags(p, entry, n) & FLAG_CUT) ||
		    !partition_wanted(p, entry, n, &direction))
			continue;
		if (!*budget)
			return false;
		--*budget;
		add(p, entry, n, direction);
		p->adding = (uint16_t)entry;
	}
	return true;
}

static void entry_done(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];

	e->dirty = false;
	e->applied = true;
	p->waiters_dirty = true;
}

static void entry_failed(struct partition *p, uint16_t entry, int error,
			 const char *text)
{
	p->entries[entry].error = error;
	partition_dirty(p, entry);
	partition_log(p, CORE_LOG_ERROR, "partition_failed", &p->entries[entry],
		      text);
}

/* Everything that should not be there: true when nothing is left of it. */
static bool take_away_all(struct partition *p, uint32_t *budget)
{
	size_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (p->entries[e].used && p->entries[e].dirty &&
		    !take_away_entry(p, e, budget))
			return false;
	return true;
}

bool partition_cuts_work(struct partition *p)
{
	uint32_t budget = PARTITION_CUTS_PER_TICK;
	uint16_t e;

	if (p->committing)
		return false;
	if (p->recommit) {
		if (p->now_ns < p->recommit_ns)
			return false;
		p->recommit = false;
		commit(p);
		return false;
	}
	if (!p->cuts_dirty)
		return false;
	if (!take_away_all(p, &budget))
		return true;
	if (p->staged && p->adding == PARTITION_NONE) {
		commit(p);
		return false;
	}
	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!p->entries[e].used || !p->entries[e].dirty)
			continue;
		if (p->adding != PARTITION_NONE && p->adding != e)
			continue;
		if (partition_cuts_fit(p, e)) {
			entry_failed(p, e, -ENOSPC,
				     "too many cuts, or too many of one node");
			return true;
		}
		if (!add_entry(p, e, &budget))
			return true;
		if (p->staged) {
			commit(p);
			return false;
		}
		entry_done(p, e);
	}
	p->cuts_dirty = false;
	return false;
}

/* The kernel is short of something for a moment. */
static bool may_pass(int error)
{
	return error == -ENOMEM || error == -EBUSY || error == -EAGAIN ||
	       error == -EINTR;
}

void partition_cuts_applied(struct partition *p, uint64_t generation, int error,
			    uint64_t now_ns)
{
	uint16_t adding = p->adding;

	partition_now(p, now_ns);
	if (!p->committing || generation != p->generation)
		return;
	p->committing = false;
	if (error && may_pass(error) && p->commit_tries < COMMIT_TRIES) {
		p->commit_tries++;
		p->recommit = true;
		p->recommit_ns = now_ns + COMMIT_RETRY_NS;
		return;
	}
	p->commit_tries = 0;
	p->adding = PARTITION_NONE;
	if (!error)
		return;
	if (adding != PARTITION_NONE) {
		entry_failed(p, adding, error,
			     "the kernel did not take its cuts");
		return;
	}
	partition_log(p, CORE_LOG_ERROR, "partition_failed", NULL,
		      "the kernel did not lift cuts; will be tried again");
	p->recommit = true;
	p->recommit_ns = now_ns + PARTITION_RETRY_MAX_NS;
}
