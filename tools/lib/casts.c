/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Casts that were dropped, counted where people can see them. */
#include "outgoing.h"

static void publish(struct lib_channel *c, uint64_t count)
{
	uint64_t before = skerry_load_relaxed(&c->mapping->casts_dropped);

	skerry_store_relaxed(&c->mapping->casts_dropped, before + count);
}

static struct lib_casts *find(struct skerry *h, const char *channel)
{
	for (uint32_t i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		struct lib_casts *casts = &h->casts[i];

		if (!casts->channel)
			casts->channel = channel;
		if (casts->channel == channel)
			return casts;
	}
	return NULL;
}

void lib_cast_dropped(struct skerry *h, const char *channel)
{
	struct lib_channel *c = lib_channel_find(h, channel);
	struct lib_casts *casts;

	h->casts_dropped++;
	if (c) {
		publish(c, 1);
		return;
	}
	/* Its rings are not there (yet): it is said when they are. */
	casts = find(h, channel);
	if (casts)
		casts->dropped++;
}

void lib_casts_publish(struct lib_channel *c)
{
	struct lib_casts *casts = find(c->handle, c->name);

	if (!casts)
		return;
	publish(c, casts->dropped);
	casts->dropped = 0;
}

void lib_casts_given_up(struct skerry *h)
{
	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++)
		for (struct lib_flow *f = h->flows[i]; f; f = f->next)
			if (f->pending && f->pending->flags & SKERRY_DATA_CAST)
				lib_cast_dropped(h, f->channel_name);
}
