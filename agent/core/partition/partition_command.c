// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_command.c - commands, and who waits for their end. */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "skerry/ring.h"

void partition_refuse(struct partition *p, const struct core_event *event,
		      int error, const char *text)
{
	p->env.answer(p->env.data, event->command.program,
		      event->command.correlation, error, text,
		      (struct core_bytes) { 0 });
}

/* ---- waiting ------------------------------------------------------------ */

int partition_wait_begin(struct partition *p, const struct core_event *event,
			 uint64_t timeout_ms)
{
	struct partition_waiter *w;
	int i;

	for (i = 0; i < (int)PARTITION_WAITERS_MAX; i++)
		if (!p->waiters[i].used)
			break;
	if (i == (int)PARTITION_WAITERS_MAX)
		return -ENOSPC;
	if (!timeout_ms)
		timeout_ms = PARTITION_TIMEOUT_MS;
	if (timeout_ms > PARTITION_TIMEOUT_MAX_MS)
		timeout_ms = PARTITION_TIMEOUT_MAX_MS;
	w = &p->waiters[i];
	memset(w, 0, sizeof(*w));
	w->used = true;
	w->program = event->command.program;
	w->correlation = event->command.correlation;
	w->deadline_ns = p->now_ns + timeout_ms * PARTITION_MS;
	p->waiters_dirty = true;
	return i;
}

static bool counts(const struct partition *p, const struct partition_waiter *w,
		   uint16_t entry, uint16_t node)
{
	if (w->local)
		return node == p->self;
	return partition_participant(p, entry, node);
}

/* It has not answered yet. */
static bool outstanding(const struct partition *p, uint16_t entry,
			uint16_t node)
{
	if (node == p->self)
		return !p->entries[entry].applied;
	return partition_told(p, entry, node) == TOLD_OWED;
}

static bool missing(const struct partition *p, uint16_t entry, uint16_t node)
{
	if (node == p->self && p->entries[entry].error)
		return true;
	return outstanding(p, entry, node) ||
	       partition_told(p, entry, node) == TOLD_FAILED;
}

static bool waits(const struct partition *p, size_t waiter)
{
	uint16_t e;
	size_t i;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!(p->entries[e].waiters >> waiter & 1))
			continue;
		for (i = 0; i < p->node_count; i++)
			if (counts(p, &p->waiters[waiter], e, p->order[i]) &&
			    outstanding(p, e, p->order[i]))
				return true;
	}
	return false;
}

/* In any entry it waits for: is the node a participant, is it missing? */
static void look_at(const struct partition *p, size_t waiter, uint16_t node,
		    bool *ret_counts, bool *ret_missing)
{
	uint16_t e;

	*ret_counts = false;
	*ret_missing = false;
	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!(p->entries[e].waiters >> waiter & 1) ||
		    !counts(p, &p->waiters[waiter], e, node))
			continue;
		*ret_counts = true;
		if (missing(p, e, node))
			*ret_missing = true;
	}
}

static void put_nodes(const struct partition *p, struct tlv_writer *w,
		      size_t waiter, bool want_missing)
{
	bool is_participant, is_missing;
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		struct tlv_writer before = *w;

		look_at(p, waiter, p->order[i], &is_participant, &is_missing);
		if (!is_participant || (want_missing && !is_missing))
			continue;
		tlv_put_str(w,
			    want_missing ? SKERRY_K_MISSING
					 : SKERRY_K_PARTICIPANT,
			    p->nodes[p->order[i]].name);
		if (w->full) {
			*w = before;
			return;
		}
	}
}

static bool failed(const struct partition *p, uint16_t entry, uint16_t node)
{
	return node == p->self ? p->entries[entry].error != 0
			       : partition_told(p, entry, node) == TOLD_FAILED;
}

/* Of the missing, those that will stay so. */
static void put_unable(const struct partition *p, struct tlv_writer *w,
		       size_t waiter)
{
	struct tlv_writer before;
	uint16_t e;
	size_t i;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!(p->entries[e].waiters >> waiter & 1))
			continue;
		for (i = 0; i < p->node_count; i++) {
			if (!counts(p, &p->waiters[waiter], e, p->order[i]) ||
			    !failed(p, e, p->order[i]))
				continue;
			before = *w;
			tlv_put_str(w, SKERRY_K_UNABLE,
				    p->nodes[p->order[i]].name);
			if (w->full)
				*w = before;
		}
	}
}

/* Every participant has said that it cannot: then there is no partition. */
static bool nobody_can(struct partition *p, size_t waiter)
{
	uint16_t e;
	size_t i;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (p->entries[e].waiters >> waiter & 1)
			break;
	if (!p->waiters[waiter].inject || e == p->limits.partitions_max ||
	    p->entries[e].resolved ||
	    (p->entries[e].error != -EOPNOTSUPP &&
	     p->entries[e].told_error != -EOPNOTSUPP))
		return false;
	for (i = 0; i < p->node_count; i++)
		if (counts(p, &p->waiters[waiter], e, p->order[i]) &&
		    !failed(p, e, p->order[i]))
			return false;
	partition_resolve(p, e, true);
	return true;
}

static void put_entries(const struct partition *p, struct tlv_writer *w,
			size_t waiter)
{
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!(p->entries[e].waiters >> waiter & 1))
			continue;
		tlv_put(w, SKERRY_K_REFERENCE, p->entries[e].reference, 16);
		if (p->waiters[waiter].inject && p->entries[e].has_seed)
			tlv_put_u64(w, SKERRY_K_SEED, p->entries[e].seed);
	}
}

static void finish(struct partition *p, size_t waiter)
{
	struct partition_waiter done = p->waiters[waiter];
	const char *why = NULL;
	struct tlv_writer w;
	int error = 0;
	uint16_t e;

	tlv_writer_init(&w, p->scratch, p->scratch_bytes);
	put_entries(p, &w, waiter);
	put_nodes(p, &w, waiter, true);
	put_unable(p, &w, waiter);
	put_nodes(p, &w, waiter, false);
	if (nobody_can(p, waiter)) {
		error = -EOPNOTSUPP;
		why = "partition: no participant's kernel is able to make "
		      "such cuts; skerryctl partition explain tells which "
		      "could";
		w.used_bytes = 0;
	}
	p->waiters[waiter].used = false;
	for (e = 0; e < p->limits.partitions_max; e++)
		p->entries[e].waiters &= ~(1ULL << waiter);
	p->env.answer(p->env.data, done.program, done.correlation, error, why,
		      (struct core_bytes) { p->scratch, w.used_bytes });
}

bool partition_waiters_work(struct partition *p)
{
	uint32_t left = PARTITION_ANSWERS_PER_TICK;
	size_t i;

	for (i = 0; i < PARTITION_WAITERS_MAX; i++) {
		if (!p->waiters[i].used)
			continue;
		if (p->waiters[i].deadline_ns > p->now_ns &&
		    (!p->waiters_dirty || waits(p, i)))
			continue;
		if (!left--)
			return true;
		finish(p, i);
	}
	p->waiters_dirty = false;
	return false;
}

uint64_t partition_waiters_next(const struct partition *p)
{
	uint64_t next = PARTITION_NEVER;
	size_t i;

	for (i = 0; i < PARTITION_WAITERS_MAX; i++)
		if (p->waiters[i].used && p->waiters[i].deadline_ns < next)
			next = p->waiters[i].deadline_ns;
	return next;
}

/* ---- resolve ------------------------------------------------------------ */

static int parse_field(struct partition_which *in, const struct tlv_reader *r)
{
	switch (r->key) {
	case SKERRY_K_REFERENCE:
		in->by_reference = true;
		return tlv_id(r, in->reference);
	case SKERRY_K_NAME:
		return tlv_str(r, in->name, sizeof(in->name));
	case SKERRY_K_ALL:
		return tlv_bool(r, &in->all);
	case SKERRY_K_LOCAL_ONLY:
		return tlv_bool(r, &in->local_only);
	case SKERRY_K_TIMEOUT_MS:
		return tlv_u64(r, &in->timeout_ms);
	case SKERRY_K_WHY:
		if (tlv_str(r, in->why, sizeof(in->why)) ||
		    !partition_text_valid(in->why))
			return -EPROTO;
		return 0;
	default:
		return 0;
	}
}

int partition_which_parse(struct partition_which *in, struct core_bytes tlvs)
{
	struct tlv_reader r;

	memset(in, 0, sizeof(*in));
	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r))
		if (parse_field(in, &r))
			return -EPROTO;
	return r.bad ? -EPROTO : 0;
}

bool partition_which_meant(const struct partition_which *in,
			   const struct partition_entry *e)
{
	if (!e->used)
		return false;
	if (in->by_reference)
		return memcmp(in->reference, e->reference, 16) == 0;
	if (in->name[0])
		return !e->bare && strcmp(in->name, e->name) == 0;
	return in->all;
}

static void resolve_entry(struct partition *p, const struct partition_which *in,
			  const struct partition_by *by, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];

	if (e->resolved || (in->local_only && e->lifted))
		return;
	e->ended_by = *by;
	if (in->local_only) {
		e->lifted = true;
		p->kept_changed =
			p->kept_changed || partition_form(e) == FORM_ADDRESS;
		partition_dirty(p, entry);
		partition_audit(p, CORE_LOG_WARNING, "partition_lifted", entry,
				by, "on this node alone");
		return;
	}
	partition_audit(p, CORE_LOG_INFO, "partition_resolved", entry, by, "");
	partition_resolve(p, entry, true);
}

void partition_refuse_unknown(struct partition *p,
			      const struct core_event *event,
			      const struct partition_which *in)
{
	char text[160];
	size_t used;
	int i;

	if (in->name[0]) {
		snprintf(text, sizeof(text), "partition: %s: not known here",
			 in->name);
	} else {
		used = (size_t)snprintf(text, sizeof(text), "partition: ");
		for (i = 0; i < 16; i++)
			used += (size_t)snprintf(text + used,
						 sizeof(text) - used, "%02x",
						 in->reference[i]);
		snprintf(text + used, sizeof(text) - used, ": not known here");
	}
	partition_refuse(p, event, -ENOENT, text);
}

static void resolve(struct partition *p, const struct core_event *event)
{
	struct partition_which in;
	struct partition_by by;
	bool found = false;
	uint16_t e;
	int waiter;

	if (partition_which_parse(&in, event->command.tlvs)) {
		partition_refuse(p, event, -EPROTO,
				 "resolve: malformed fields");
		return;
	}
	if (!in.by_reference && !in.name[0] && !in.all) {
		partition_refuse(p, event, -EINVAL,
				 "resolve: needs a reference, a name or all");
		return;
	}
	for (e = 0; e < p->limits.partitions_max; e++)
		found = found || partition_which_meant(&in, &p->entries[e]);
	if (!found && !(in.all && !in.by_reference && !in.name[0])) {
		partition_refuse_unknown(p, event, &in);
		return;
	}
	waiter = partition_wait_begin(p, event, in.timeout_ms);
	if (waiter < 0) {
		partition_refuse(p, event, waiter,
				 "resolve: too many commands wait");
		return;
	}
	p->waiters[waiter].local = in.local_only;
	partition_by_command(p, &by, event, in.why);
	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!partition_which_meant(&in, &p->entries[e]))
			continue;
		p->entries[e].waiters |= 1ULL << waiter;
		resolve_entry(p, &in, &by, e);
	}
}

void partition_command(struct partition *p, const struct core_event *event)
{
	partition_now(p, event->now_ns);
	if (!event->command.admin)
		partition_refuse(p, event, -EACCES,
				 "partition: only administrators may");
	else if (event->command.command == SKERRY_CMD_INJECT)
		partition_inject(p, event);
	else if (event->command.command == SKERRY_CMD_RESOLVE)
		resolve(p, event);
	else if (event->command.command == SKERRY_CMD_VERIFY)
		partition_verify(p, event);
	else if (event->command.command == SKERRY_CMD_EXPLAIN)
		partition_explain(p, event);
	else
		partition_refuse(p, event, -EINVAL,
				 "partition: no such command");
}
