// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_blob.c - an entry as bytes; see partition.h. */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

static void put_component(struct partition *p, struct tlv_writer *w,
			  uint16_t entry, uint8_t number)
{
	size_t mark = tlv_begin(w, SKERRY_K_COMPONENT);
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (*partition_component(p, entry, node) == number)
			tlv_put_str(w, SKERRY_K_NAME, p->nodes[node].name);
	}
	tlv_end(w, mark);
}

/* A region: each of its nodes alone. */
static void put_singles(struct partition *p, struct tlv_writer *w,
			uint16_t entry)
{
	size_t i, mark;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (!*partition_component(p, entry, node))
			continue;
		mark = tlv_begin(w, SKERRY_K_COMPONENT);
		tlv_put_str(w, SKERRY_K_NAME, p->nodes[node].name);
		tlv_end(w, mark);
	}
}

static void put_components(struct partition *p, struct tlv_writer *w,
			   uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t number;
	size_t mark;

	if (e->shape == PARTITION_AROUND)
		put_singles(p, w, entry);
	else
		for (number = 1; number <= e->components; number++)
			put_component(p, w, entry, number);
	if (!e->has_else)
		return;
	mark = tlv_begin(w, SKERRY_K_COMPONENT);
	tlv_put_bool(w, SKERRY_K_ALL, true);
	tlv_end(w, mark);
}

/* In the order in which put_component() names them. */
static void put_matrix(struct partition *p, struct tlv_writer *w,
		       uint16_t entry)
{
	size_t i;

	p->place_count = 0;
	for (i = 0; i < p->node_count; i++)
		if (*partition_component(p, entry, p->order[i]))
			p->places[p->place_count++] = p->order[i];
	partition_matrix_put(p, w, entry);
}

static void put_target(struct tlv_writer *w, const struct partition_entry *e)
{
	tlv_put_addr(w, SKERRY_K_TARGET, &e->target);
	tlv_put_u64(w, SKERRY_K_PREFIX_BITS, e->prefix_bits);
	if (e->protocol)
		tlv_put_str(w, SKERRY_K_PROTOCOL,
			    e->protocol == PARTITION_TCP ? "tcp" : "udp");
	if (e->host[0])
		tlv_put_str(w, SKERRY_K_HOST, e->host);
}

static void put_head(struct tlv_writer *w, const struct partition_entry *e)
{
	tlv_put_str(w, SKERRY_K_NAME, e->name);
	tlv_put_str(w, SKERRY_K_ORIGIN, e->origin);
	tlv_put_str(w, SKERRY_K_SHAPE, partition_shape_name(e->shape));
	tlv_put_u64(w, SKERRY_K_TTL, e->ttl);
	tlv_put_u64(w, SKERRY_K_DURATION_MS, e->duration_ms);
	tlv_put_str(w, SKERRY_K_VISIBILITY,
		    partition_visibility_name(e->visibility));
	tlv_put_str(w, SKERRY_K_SCOPE, partition_scope_name(e));
	tlv_put_bool(w, SKERRY_K_ONE_WAY, e->one_way);
	if (e->has_seed)
		tlv_put_u64(w, SKERRY_K_SEED, e->seed);
	if (e->loss_ppm)
		tlv_put_u64(w, SKERRY_K_LOSS_PPM, e->loss_ppm);
	partition_by_put(w, &e->by);
}

int partition_blob_encode(struct partition *p, uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];
	struct tlv_writer w;

	if (p->blob_entry == entry)
		return 0;
	p->blob_entry = PARTITION_NONE;
	tlv_writer_init(&w, p->blob, p->blob_max_bytes);
	put_head(&w, e);
	if (partition_form(e) == FORM_ADDRESS)
		put_target(&w, e);
	else
		put_components(p, &w, entry);
	if (e->matrix)
		put_matrix(p, &w, entry);
	if (w.full)
		return -EMSGSIZE;
	p->blob_bytes = w.used_bytes;
	p->blob_entry = entry;
	return 0;
}
