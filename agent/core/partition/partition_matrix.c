// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_matrix.c - grudges that no components describe: a bit for each
 * ordered pair of nodes. There are SKERRY_PARTITION_MATRICES_MAX of them, for
 * active entries alone: with 592 nodes (512 members and those on their way)
 * 43,808 bytes each, 685 KiB together.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

static size_t bytes_of(const struct partition *p)
{
	return ((size_t)p->nodes_max * p->nodes_max + 7) / 8;
}

static uint8_t *bits_of(const struct partition *p, size_t entry)
{
	return p->matrices + (p->entries[entry].matrix - 1) * bytes_of(p);
}

int partition_matrix_new(struct partition *p, uint16_t entry)
{
	uint32_t i;

	for (i = 0; i < p->matrices_max; i++)
		if (!(p->matrices_used >> i & 1))
			break;
	if (i == p->matrices_max)
		return -ENOSPC;
	p->matrices_used |= 1U << i;
	p->entries[entry].matrix = (uint8_t)(i + 1);
	memset(bits_of(p, entry), 0, bytes_of(p));
	return 0;
}

void partition_matrix_free(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];

	if (e->matrix)
		p->matrices_used &= ~(1U << (e->matrix - 1));
	e->matrix = 0;
}

bool partition_matrix_get(const struct partition *p, size_t entry, size_t from,
			  size_t to)
{
	size_t bit = from * p->nodes_max + to;

	if (!p->entries[entry].matrix)
		return false;
	return bits_of(p, entry)[bit / 8] >> bit % 8 & 1;
}

void partition_matrix_set(struct partition *p, uint16_t entry, size_t from,
			  size_t to)
{
	size_t bit = from * p->nodes_max + to;

	bits_of(p, entry)[bit / 8] |= (uint8_t)(1U << bit % 8);
}

void partition_matrix_put(struct partition *p, struct tlv_writer *w,
			  uint16_t entry)
{
	uint32_t n = p->place_count;
	size_t size = ((size_t)n * n + 7) / 8;
	size_t mark = tlv_begin(w, SKERRY_K_MATRIX);
	uint8_t *out = w->data + w->used_bytes;
	size_t bit = 0;
	uint32_t i, k;

	if (w->full || w->size_bytes - w->used_bytes < size) {
		w->full = true;
		return;
	}
	memset(out, 0, size);
	w->used_bytes += size;
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++, bit++)
			if (partition_matrix_get(p, entry, p->places[i],
						 p->places[k]))
				out[bit / 8] |= (uint8_t)(1U << bit % 8);
	tlv_end(w, mark);
}

int partition_matrix_take(struct partition *p, uint16_t entry,
			  struct core_bytes bits)
{
	const uint8_t *at = bits.data;
	uint32_t n = p->place_count;
	size_t bit = 0;
	bool any = false;
	uint32_t i, k;

	if (bits.size_bytes != ((size_t)n * n + 7) / 8)
		return -EPROTO;
	if (partition_matrix_new(p, entry))
		return -ENOSPC;
	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++, bit++) {
			if (!(at[bit / 8] >> bit % 8 & 1))
				continue;
			if (i == k)
				return -EPROTO;
			any = true;
			partition_matrix_set(p, entry, p->places[i],
					     p->places[k]);
		}
	}
	return any ? 0 : -EPROTO;
}

uint32_t partition_matrix_isolated(const struct partition *p, uint16_t entry,
				   uint32_t known)
{
	uint32_t isolated = 0;
	size_t i, k;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];
		uint32_t lost = 0;

		if (!partition_participant(p, entry, node))
			continue;
		for (k = 0; k < p->node_count; k++) {
			uint16_t other = p->order[k];

			lost += p->nodes[other].known &&
				(partition_matrix_get(p, entry, node, other) ||
				 partition_matrix_get(p, entry, other, node));
		}
		isolated += (known - lost) * 2 <= known;
	}
	return isolated;
}
