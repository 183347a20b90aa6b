// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* stale.c - see stale.h. */
#include "stale.h"

#include <errno.h>
#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "hash.h"

void stale_write(const struct stale *stale, struct tlv_writer *w)
{
	size_t mark = tlv_begin(w, SKERRY_K_STALE);

	tlv_put_str(w, SKERRY_K_NAME, stale->name);
	tlv_put_addr(w, SKERRY_K_ADDRESS, &stale->address);
	tlv_put_u64(w, SKERRY_K_STAMP, stale->stamp_us);
	tlv_end(w, mark);
}

int stale_read(const struct tlv_reader *nest, struct stale *ret_stale)
{
	struct stale stale = { .stamp_us = 0 };
	struct tlv_reader r;
	int rv = 0;

	tlv_reader_init(&r, nest->value, nest->length);
	while (!rv && tlv_next(&r)) {
		if (r.key == SKERRY_K_NAME)
			rv = tlv_str(&r, stale.name, sizeof(stale.name));
		else if (r.key == SKERRY_K_ADDRESS)
			rv = tlv_addr(&r, &stale.address);
		else if (r.key == SKERRY_K_STAMP)
			rv = tlv_u64(&r, &stale.stamp_us);
	}
	if (rv || r.bad || !skerry_name_valid(stale.name) ||
	    !stale.address.port || stale.stamp_us > SPEC_INCARNATION_MAX)
		return -EPROTO;
	*ret_stale = stale;
	return 0;
}

/* An order that every node agrees on: the largest are kept. */
static int compare(const struct stale *a, const struct stale *b)
{
	int order;

	if (a->stamp_us != b->stamp_us)
		return a->stamp_us < b->stamp_us ? -1 : 1;
	order = strcmp(a->name, b->name);
	if (!order)
		order = memcmp(a->address.ip, b->address.ip, 16);
	return order ? order : (int)a->address.port - (int)b->address.port;
}

static bool owns(const struct core *core, const struct stale *stale)
{
	const struct member *member = members_find(&core->members, stale->name);
	uint32_t i;

	if (!member || member->status != MEMBER_LIVE)
		return false;
	for (i = 0; i < member->address_count; i++) {
		if (addr_equal(&member->addresses[i], &stale->address))
			return true;
	}
	return false;
}

static struct stale *place_for(struct core *core, const struct stale *stale)
{
	struct stales *stales = &core->stales;
	struct stale *least = &stales->list[0];
	uint32_t i;

	for (i = 0; i < stales->count; i++) {
		struct stale *at = &stales->list[i];

		if (addr_equal(&at->address, &stale->address) &&
		    !strcmp(at->name, stale->name))
			return at;
		if (compare(at, least) < 0)
			least = at;
	}
	if (stales->count < SKERRY_STALE_MAX)
		return &stales->list[stales->count];
	return least;
}

struct stale *stale_add(struct core *core, const struct stale *stale)
{
	struct stales *stales = &core->stales;
	struct stale *at;

	if (owns(core, stale))
		return NULL;
	at = place_for(core, stale);
	if (at < stales->list + stales->count && compare(at, stale) >= 0)
		return NULL;
	if (at == stales->list + stales->count)
		stales->count++;
	*at = *stale;
	at->dirty = at->in_delta = false;
	core->persist_due = true;
	join_withdraw_at(core, stale->name, &stale->address);
	core_due(core, core->now_ns);
	return at;
}

bool stale_blocks(const struct core *core, const struct core_contact *contact)
{
	const struct stales *stales = &core->stales;
	uint32_t i;

	for (i = 0; contact->name[0] && i < stales->count; i++) {
		if (addr_equal(&stales->list[i].address, &contact->address) &&
		    !strcmp(stales->list[i].name, contact->name))
			return true;
	}
	return false;
}

void stale_spec(struct core *core, const struct spec *spec)
{
	struct stales *stales = &core->stales;
	uint32_t i = 0, j;

	while (i < stales->count) {
		struct stale *at = &stales->list[i];
		bool named = false;

		for (j = 0; j < spec->address_count; j++)
			named |= addr_equal(&spec->addresses[j], &at->address);
		if (named && !strcmp(at->name, spec->name))
			*at = stales->list[--stales->count];
		else
			i++;
	}
}

void stale_clear(struct core *core)
{
	core->stales.count = 0;
}

uint64_t stale_digest(const struct core *core)
{
	const struct stales *stales = &core->stales;
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < stales->count; i++) {
		const struct stale *at = &stales->list[i];
		uint64_t hash = hash_str(HASH_START, at->name);

		hash = hash_bytes(hash, at->address.ip, 16);
		hash = hash_u64(hash, at->address.port);
		sum += hash_mix(hash_u64(hash, at->stamp_us));
	}
	return sum;
}
