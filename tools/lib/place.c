/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How many lanes lead where. A key's lane is the key modulo that number, and
 * one flow for each lane serves all its keys. Before the first flow there is
 * open nobody knows: that one is opened with the key itself.
 */
#include <stdlib.h>

#include "outgoing.h"

uint32_t lib_place_lanes(const struct skerry *h, const char *node,
			 const char *channel)
{
	for (const struct lib_place *p = h->places; p; p = p->next)
		if (!strcmp(p->node, node) && !strcmp(p->channel, channel))
			return p->lanes;
	return 0;
}

static struct lib_place *place_of(struct lib_flow *f)
{
	struct skerry *h = f->handle;
	struct lib_place *p = h->places;

	/* Kept names are the same when they are equal. */
	while (p && !(p->node == f->node && p->channel == f->channel_name))
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->node = f->node;
	p->channel = f->channel_name;
	p->next = h->places;
	h->places = p;
	return p;
}

void lib_place_learn(struct lib_flow *f)
{
	uint32_t lanes = skerry_load_relaxed(&f->slot->lanes);
	uint32_t lane = skerry_load_relaxed(&f->slot->lane);
	struct lib_place *p;

	if (!f->keyed || f->fast_id || !lanes ||
	    lanes > SKERRY_PARALLELISM_MAX || lane >= lanes)
		return;
	p = place_of(f);
	if (!p)
		return;
	p->lanes = lanes;
	if (!lib_value_is(f))
		lib_flow_rekey(f, lane);
}

void lib_places_free(struct skerry *h)
{
	while (h->places) {
		struct lib_place *p = h->places;

		h->places = p->next;
		free(p);
	}
}
