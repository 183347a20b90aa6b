// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* grudge.c - see grudge.h. */
#include "grudge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long lib_grudge_find(const struct lib_grudge *g, const char *name)
{
	size_t i;

	for (i = 0; i < g->count; i++)
		if (strcmp(g->nodes[i].name, name) == 0)
			return (long)i;
	return -1;
}

/* Component 0: as a participant. */
static void add_node(struct lib_grudge *g, const char *name, uint32_t component)
{
	long at = lib_grudge_find(g, name);
	struct lib_grudge_node *grown;

	if (at < 0 && g->count == g->room) {
		size_t room = g->room ? 2 * g->room : 16;

		grown = realloc(g->nodes, room * sizeof(*grown));
		if (!grown) {
			g->no_memory = true;
			return;
		}
		g->nodes = grown;
		g->room = room;
	}
	if (at < 0) {
		at = (long)g->count++;
		memset(&g->nodes[at], 0, sizeof(g->nodes[at]));
		snprintf(g->nodes[at].name, sizeof(g->nodes[at].name), "%s",
			 name);
	}
	if (component)
		g->nodes[at].component = component;
	else
		g->nodes[at].participant = true;
}

/* The order in which the bits of a matrix are. */
static void list_node(struct lib_grudge *g, const char *name)
{
	void *grown;

	grown = realloc(g->listed, (g->listed_count + 1) * sizeof(*g->listed));
	if (!grown) {
		g->no_memory = true;
		return;
	}
	g->listed = grown;
	memset(g->listed[g->listed_count], 0, sizeof(*g->listed));
	snprintf(g->listed[g->listed_count++], sizeof(*g->listed), "%s", name);
}

static void take_component(struct lib_grudge *g, const struct tlv_reader *field)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_reader r;
	bool all;

	g->components++;
	tlv_reader_init(&r, field->value, field->length);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_ALL && !tlv_bool(&r, &all) && all) {
			g->has_else = true;
			g->components--;
		} else if (r.key == SKERRY_K_NAME &&
			   !tlv_str(&r, name, sizeof(name))) {
			add_node(g, name, g->components);
			list_node(g, name);
		}
	}
}

static void take_matrix(struct lib_grudge *g, const struct tlv_reader *r)
{
	free(g->matrix);
	g->matrix = malloc(r->length + 1U);
	if (!g->matrix) {
		g->no_memory = true;
		return;
	}
	memcpy(g->matrix, r->value, r->length);
	g->matrix_bytes = r->length;
}

static void take_target(struct lib_grudge *g, const void *tlvs,
			size_t size_bytes)
{
	struct lib_target target = { .prefix_bits = 128 };
	char text[LIB_TARGET_TEXT_BYTES];
	struct tlv_reader r;

	if (!tlv_find(tlvs, size_bytes, SKERRY_K_TARGET, &r) ||
	    tlv_addr(&r, &target.address))
		return;
	target.prefix_bits = (uint8_t)tlv_find_u64(tlvs, size_bytes,
						   SKERRY_K_PREFIX_BITS, 128);
	strcpy(g->target, lib_target_text(&target, text));
}

void lib_grudge_part(struct lib_grudge *g, const void *tlvs, size_t size_bytes)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_reader r;
	uint64_t value;

	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r)) {
		switch (r.key) {
		case SKERRY_K_SHAPE:
			tlv_str(&r, g->shape, sizeof(g->shape));
			break;
		case SKERRY_K_ONE_WAY:
			tlv_bool(&r, &g->one_way);
			break;
		case SKERRY_K_LOSS_PPM:
			if (!tlv_u64(&r, &value))
				g->loss_ppm = (uint32_t)value;
			break;
		case SKERRY_K_COMPONENT:
			take_component(g, &r);
			break;
		case SKERRY_K_MATRIX:
			take_matrix(g, &r);
			break;
		case SKERRY_K_TARGET:
			take_target(g, tlvs, size_bytes);
			break;
		case SKERRY_K_PARTICIPANT:
			if (!tlv_str(&r, name, sizeof(name)))
				add_node(g, name, 0);
			break;
		default:
			break;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct lib_grudge_node *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool by_component(const struct lib_grudge *g,
			 const struct lib_grudge_node *from,
			 const struct lib_grudge_node *to)
{
	bool apart = from->component != to->component;

	if (!g->has_else && (!from->component || !to->component))
		return false;
	/* In a region each named node is alone. */
	if (strcmp(g->shape, "around") == 0)
		apart = from->component || to->component;
	if (g->one_way)
		return apart && from->component == 1;
	return apart;
}

static int by_matrix(struct lib_grudge *g)
{
	size_t n = g->listed_count, bit = 0, i, k;
	size_t *place;

	if (g->matrix_bytes != (n * n + 7) / 8)
		return -EPROTO;
	place = calloc(n + 1, sizeof(*place));
	if (!place)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		place[i] = (size_t)lib_grudge_find(g, g->listed[i]);
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++, bit++)
			if (g->matrix[bit / 8] >> bit % 8 & 1)
				g->edges[place[i] * g->count + place[k]] = 1;
	free(place);
	return 0;
}

int lib_grudge_done(struct lib_grudge *g)
{
	size_t i, k;

	if (g->no_memory)
		return -ENOMEM;
	if (g->count)
		qsort(g->nodes, g->count, sizeof(*g->nodes), compare);
	g->edges = calloc(g->count * g->count + 1, 1);
	if (!g->edges)
		return -ENOMEM;
	if (g->matrix)
		return by_matrix(g);
	for (i = 0; i < g->count; i++)
		for (k = 0; k < g->count; k++)
			if (i != k)
				g->edges[i * g->count + k] =
					by_component(g, &g->nodes[i],
						     &g->nodes[k]);
	return 0;
}

bool lib_grudge_cut(const struct lib_grudge *g, size_t from, size_t to)
{
	return g->edges && g->edges[from * g->count + to];
}

void lib_grudge_free(struct lib_grudge *g)
{
	free(g->nodes);
	free(g->matrix);
	free(g->listed);
	free(g->edges);
	memset(g, 0, sizeof(*g));
}
