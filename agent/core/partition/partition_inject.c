// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_inject.c - the command that makes an entry, and the one that says
 * what it would make; see partition.h. */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "skerry/ring.h"

static uint16_t find_name(const struct partition *p, const char *name,
			  uint16_t except)
{
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (e != except && p->entries[e].used &&
		    !p->entries[e].resolved &&
		    strcmp(p->entries[e].name, name) == 0)
			return e;
	return PARTITION_NONE;
}

static void make_reference(struct partition *p, uint8_t reference[16])
{
	uint64_t half;

	do {
		half = rng_u64(&p->rng);
		memcpy(reference, &half, 8);
		half = rng_u64(&p->rng);
		memcpy(reference + 8, &half, 8);
	} while (partition_entry_find(p, reference) != PARTITION_NONE);
}

/* The same again: 0 and its entry; -ENOENT: the name is free. */
static int same_again(struct partition *p, struct partition_order *in,
		      uint16_t entry, uint16_t *ret_entry)
{
	uint16_t other;

	if (!in->name[0])
		return -ENOENT;
	other = find_name(p, in->name, entry);
	if (other == PARTITION_NONE)
		return -ENOENT;
	/* What was drawn is compared by what it was drawn from. */
	p->entries[entry].has_seed = in->has_seed;
	if (!partition_same_spec(p, other, entry))
		return partition_order_refuse(
			in, -EEXIST, "name", in->name,
			"is another partition; resolve it first, or take"
			" another name");
	*ret_entry = other;
	return 0;
}

static void start(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	uint8_t reference[16];

	make_reference(p, reference);
	memcpy(e->reference, reference, sizeof(reference));
	if (e->duration_ms)
		e->deadline_ns = p->now_ns + e->duration_ms * PARTITION_MS;
	if (partition_form(e) == FORM_ADDRESS)
		p->kept_changed = true;
	partition_dirty(p, entry);
	partition_owe_all(p, entry);
	partition_audit(p, CORE_LOG_INFO, "partition_injected", entry, &e->by,
			"");
}

/*
 * Lifting it here alone is undone by the same injection again; else nothing
 * changes.
 */
static void again(struct partition *p, uint16_t entry)
{
	if (!p->entries[entry].lifted)
		return;
	p->entries[entry].lifted = false;
	partition_dirty(p, entry);
}

/* Others may be able to what this node is not; then they are told. */
static int able(struct partition *p, struct partition_order *in, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	const char *what = "";
	int error = partition_able(p, e, &what);

	if (!error || !partition_participant(p, entry, p->self))
		return 0;
	if (partition_form(e) == FORM_ADDRESS ||
	    partition_known_count(p) == 1) {
		snprintf(in->text, sizeof(in->text),
			 "partition: %s: this kernel is not able to: %s",
			 in->shape, what);
		return error;
	}
	e->error = error;
	return 0;
}

/* The slot becomes an entry, or is free again. */
static int inject_into(struct partition *p, struct partition_order *in,
		       uint16_t entry, const struct core_event *event,
		       uint16_t *ret_entry)
{
	bool has_seed;
	uint32_t index = 0;
	int error;

	error = partition_build(p, in, entry, event);
	if (error)
		goto refused;
	has_seed = p->entries[entry].has_seed;
	error = same_again(p, in, entry, ret_entry);
	if (!error) {
		partition_entry_clear(p, entry);
		again(p, *ret_entry);
		return 0;
	}
	if (error != -ENOENT)
		goto refused;
	p->entries[entry].has_seed = has_seed;
	error = in->force ? 0 : partition_guard(p, in, entry, &index);
	if (!error)
		error = able(p, in, entry);
	if (error)
		goto refused;
	if (partition_cuts_fit(p, entry) || partition_blob_encode(p, entry)) {
		error = partition_order_refuse(
			in, -ENOSPC, "partition", in->shape,
			"too many cuts, or too many of one node");
		goto refused;
	}
	start(p, entry);
	*ret_entry = entry;
	return 0;
refused:
	partition_entry_clear(p, entry);
	return error;
}

/* A free slot, and everybody known. */
static int prepare(struct partition *p, struct partition_order *in,
		   const struct core_event *event, uint16_t *ret_entry)
{
	int error = partition_order_parse(in, event->command.tlvs);

	if (error)
		return error;
	in->guards = event->command.guards;
	if (partition_node_sync(p))
		return partition_order_refuse(in, -ENOSPC, "partition",
					      in->shape,
					      "too many nodes to remember");
	*ret_entry = partition_entry_slot(p);
	if (*ret_entry == PARTITION_NONE)
		return partition_order_refuse(
			in, -ENOSPC, "partition", in->shape,
			"too many are active; resolve some");
	p->entries[*ret_entry].used = true;
	return 0;
}

static int inject(struct partition *p, struct partition_order *in,
		  const struct core_event *event)
{
	uint16_t entry;
	int waiter;
	int error;

	error = prepare(p, in, event, &entry);
	if (error)
		return error;
	waiter = partition_wait_begin(p, event, in->timeout_ms);
	if (waiter < 0) {
		partition_entry_clear(p, entry);
		return partition_order_refuse(in, waiter, "partition",
					      in->shape,
					      "too many commands wait");
	}
	error = inject_into(p, in, entry, event, &entry);
	if (error) {
		p->waiters[waiter].used = false;
		return error;
	}
	p->waiters[waiter].inject = true;
	p->entries[entry].waiters |= 1ULL << waiter;
	return 0;
}

void partition_inject(struct partition *p, const struct core_event *event)
{
	struct partition_order in;
	int error = inject(p, &in, event);

	if (error)
		partition_refuse(p, event, error, in.text);
}

/* ---- explain ------------------------------------------------------------ */

static void put_safeguards(struct partition *p, struct partition_order *in,
			   uint16_t entry, struct tlv_writer *w)
{
	uint32_t index;

	for (index = 0; partition_guard(p, in, entry, &index); index++)
		tlv_put_str(w, SKERRY_K_SAFEGUARD, in->text);
}

/* The entry as it would be, and what would be against it. */
static void tell(struct partition *p, struct partition_order *in,
		 const struct core_event *event, uint16_t entry)
{
	struct tlv_writer w;

	tlv_writer_init(&w, p->scratch, p->scratch_bytes);
	put_safeguards(p, in, entry, &w);
	if (partition_cuts_fit(p, entry))
		tlv_put_str(&w, SKERRY_K_SAFEGUARD,
			    "partition: too many cuts, or too many of one "
			    "node");
	p->env.part(p->env.data, event->command.program,
		    event->command.correlation,
		    (struct core_bytes) { p->blob, p->blob_bytes });
	if (w.used_bytes)
		p->env.part(p->env.data, event->command.program,
			    event->command.correlation,
			    (struct core_bytes) { w.data, w.used_bytes });
}

static int explain(struct partition *p, struct partition_order *in,
		   const struct core_event *event, uint16_t entry)
{
	int error = partition_build(p, in, entry, event);

	if (error)
		return error;
	if (partition_blob_encode(p, entry))
		return partition_order_refuse(in, -ENOSPC, "partition",
					      in->shape,
					      "too large for an entry");
	error = partition_inquire_able(p, event, entry, in->timeout_ms);
	if (error)
		return partition_order_refuse(
			in, error, "explain", in->shape,
			"too many questions are under way");
	tell(p, in, event, entry);
	return 0;
}

void partition_explain(struct partition *p, const struct core_event *event)
{
	struct partition_order in;
	uint16_t entry;
	int error;

	error = prepare(p, &in, event, &entry);
	if (!error) {
		error = explain(p, &in, event, entry);
		/* Nothing of it was ever in force or told. */
		partition_entry_clear(p, entry);
	}
	if (error)
		partition_refuse(p, event, error, in.text);
}
