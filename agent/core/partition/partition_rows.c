// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_rows.c - the table "partitions"; see partition.h. */
#include "partition_private.h"

static const char *state_of(const struct partition *p, size_t entry,
			    uint16_t node)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t told = partition_told(p, entry, node);

	if (node == p->self) {
		if (e->lifted && !e->resolved)
			return "resolved";
		if (!e->applied || e->error)
			return "pending";
	} else if (told == TOLD_OWED || told == TOLD_FAILED) {
		return "pending";
	}
	return e->resolved ? "resolved" : "active";
}

static void put_rare(struct tlv_writer *w, const struct partition_entry *e)
{
	if (e->loss_ppm)
		tlv_put_u64(w, SKERRY_K_LOSS_PPM, e->loss_ppm);
	if (e->has_seed)
		tlv_put_u64(w, SKERRY_K_SEED, e->seed);
	if (partition_form(e) != FORM_ADDRESS)
		return;
	tlv_put_addr(w, SKERRY_K_TARGET, &e->target);
	tlv_put_u64(w, SKERRY_K_PREFIX_BITS, e->prefix_bits);
	if (e->protocol)
		tlv_put_str(w, SKERRY_K_PROTOCOL,
			    e->protocol == PARTITION_TCP ? "tcp" : "udp");
	if (e->host[0])
		tlv_put_str(w, SKERRY_K_HOST, e->host);
}

static void put_row(const struct partition *p, struct tlv_writer *w,
		    uint16_t entry, uint16_t node, uint64_t now_ns)
{
	const struct partition_entry *e = &p->entries[entry];
	size_t mark = tlv_begin(w, SKERRY_K_ROW);

	tlv_put(w, SKERRY_K_REFERENCE, e->reference, sizeof(e->reference));
	tlv_put_str(w, SKERRY_K_NAME, e->name);
	tlv_put_str(w, SKERRY_K_ORIGIN, e->origin);
	tlv_put_str(w, SKERRY_K_SHAPE, partition_shape_name(e->shape));
	tlv_put_str(w, SKERRY_K_NODE, p->nodes[node].name);
	tlv_put_str(w, SKERRY_K_STATE, state_of(p, entry, node));
	tlv_put_bool(w, SKERRY_K_BY_LEASE, !e->deadline_ns);
	if (e->deadline_ns)
		tlv_put_u64(w, SKERRY_K_REMAINING_MS,
			    partition_remaining_ms(p, entry, now_ns));
	tlv_put_str(w, SKERRY_K_VISIBILITY,
		    partition_visibility_name(e->visibility));
	tlv_put_str(w, SKERRY_K_SCOPE, partition_scope_name(e));
	if (e->one_way)
		tlv_put_bool(w, SKERRY_K_ONE_WAY, true);
	put_rare(w, e);
	partition_by_put(w, &e->by);
	tlv_end(w, mark);
}

/* What is resolved and lifted here interests only where others are told. */
static bool shown(const struct partition_entry *e)
{
	if (!e->used || e->bare || e->settled)
		return false;
	return !e->resolved || e->resolver || !e->applied;
}

bool partition_rows(const struct partition *p, struct tlv_writer *w,
		    size_t *cursor, uint64_t now_ns)
{
	size_t row = 0;
	uint16_t e;
	size_t i;

	for (e = 0; e < p->limits.partitions_max; e++) {
		if (!shown(&p->entries[e]))
			continue;
		for (i = 0; i < p->node_count; i++) {
			struct tlv_writer before = *w;

			if (!partition_participant(p, e, p->order[i]))
				continue;
			if (row++ < *cursor)
				continue;
			put_row(p, w, e, p->order[i], now_ns);
			if (w->full) {
				*w = before;
				return false;
			}
			++*cursor;
		}
	}
	return true;
}
