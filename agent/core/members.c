// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* members.c - see members.h. */
#include "members.h"

#include <assert.h>
#include <string.h>

#include "hash.h"

static size_t rounded(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

size_t members_size(uint32_t members_max)
{
	return rounded(members_max * sizeof(struct member)) +
	       rounded(members_max * (size_t)SKERRY_SPEC_MAX_BYTES) +
	       rounded(members_max * sizeof(uint16_t)) +
	       removed_size(members_max);
}

void members_init(struct members *m, void *memory, uint32_t members_max)
{
	uint8_t *at = memory;

	assert(members_max && members_max <= SKERRY_MEMBERS_MAX);
	memset(m, 0, sizeof(*m));
	m->max = members_max;
	m->slots = (void *)at;
	at += rounded(members_max * sizeof(struct member));
	m->specs = at;
	at += rounded(members_max * (size_t)SKERRY_SPEC_MAX_BYTES);
	m->order = (void *)at;
	at += rounded(members_max * sizeof(uint16_t));
	removed_init(m, at, members_max);
}

/* Where the name is, or would be. */
static uint32_t place(const struct members *m, const char *name,
		      bool *ret_there)
{
	uint32_t low = 0, high = m->count;

	*ret_there = false;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int cmp = strcmp(m->slots[m->order[middle]].name, name);

		if (!cmp) {
			*ret_there = true;
			return middle;
		}
		if (cmp < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct member *members_find(const struct members *m, const char *name)
{
	bool there;
	uint32_t at = place(m, name, &there);

	return there ? &m->slots[m->order[at]] : NULL;
}

uint32_t members_slot(const struct members *m, const struct member *member)
{
	return (uint32_t)(member - m->slots);
}

struct member *members_at(const struct members *m, size_t i)
{
	return i < m->count ? &m->slots[m->order[i]] : NULL;
}

size_t members_after(const struct members *m, const char *name)
{
	bool there;
	uint32_t at = place(m, name, &there);

	return there ? at + 1 : at;
}

struct core_bytes members_spec(const struct members *m,
			       const struct member *member)
{
	struct core_bytes bytes = {
		m->specs +
			(size_t)members_slot(m, member) * SKERRY_SPEC_MAX_BYTES,
		member->spec_bytes,
	};

	return bytes;
}

bool member_counts(const struct member *member)
{
	return !member->self && (member->status == MEMBER_LIVE ||
				 member->status == MEMBER_CONTACT);
}

/* Slots that nobody would miss much: ghosts, then unconfirmed contacts. */
static struct member *give_way(struct members *m)
{
	struct member *best = NULL;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];

		if (!list_empty(&member->lanes) || member->peer_told)
			continue;
		if (member->status == MEMBER_GHOST)
			return member;
		if (member->status == MEMBER_CONTACT && !best)
			best = member;
	}
	return best;
}

static struct member *slot_for(struct members *m)
{
	struct member *member;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		if (m->slots[i].status == MEMBER_FREE)
			return &m->slots[i];
	}
	if (m->touched < m->max)
		return &m->slots[m->touched++];
	member = give_way(m);
	if (member)
		members_free(m, member);
	return member;
}

struct member *members_add(struct members *m, const char *name,
			   enum member_status status, uint64_t now_ns)
{
	struct member *member = slot_for(m);
	uint32_t at;
	bool there;

	if (!member)
		return NULL;
	at = place(m, name, &there);
	assert(!there);
	memset(member, 0, sizeof(*member));
	member->status = (uint8_t)status;
	strncpy(member->name, name, sizeof(member->name) - 1);
	list_init(&member->lanes);
	member->known_ns = now_ns;
	member->state = DETECTOR_DOWN;
	pulse_reset(&member->pulse, now_ns);
	memmove(&m->order[at + 1], &m->order[at],
		(m->count - at) * sizeof(m->order[0]));
	m->order[at] = (uint16_t)members_slot(m, member);
	m->count++;
	if (status == MEMBER_LIVE)
		m->live++;
	return member;
}

void members_free(struct members *m, struct member *member)
{
	uint32_t at;
	bool there;

	assert(list_empty(&member->lanes));
	at = place(m, member->name, &there);
	assert(there);
	m->count--;
	memmove(&m->order[at], &m->order[at + 1],
		(m->count - at) * sizeof(m->order[0]));
	members_set_status(m, member, MEMBER_FREE);
	removed_forget(m, members_slot(m, member));
}

void members_set_status(struct members *m, struct member *member,
			enum member_status status)
{
	if (member->status == MEMBER_LIVE)
		m->live--;
	member->status = (uint8_t)status;
	if (status == MEMBER_LIVE)
		m->live++;
}

void members_set_spec(struct members *m, struct member *member,
		      const struct spec *spec, struct core_bytes raw)
{
	uint8_t *at = m->specs +
		      (size_t)members_slot(m, member) * SKERRY_SPEC_MAX_BYTES;

	assert(raw.size_bytes <= SKERRY_SPEC_MAX_BYTES);
	member->incarnation = spec->incarnation;
	member->boot_nonce = spec->boot_nonce;
	member->version = spec->version;
	member->port_block = spec->port_block;
	member->address_count = spec->address_count;
	memcpy(member->addresses, spec->addresses, sizeof(spec->addresses));
	/* The bytes may be the entry's own. */
	memmove(at, raw.data, raw.size_bytes);
	member->spec_bytes = (uint32_t)raw.size_bytes;
}

uint64_t members_digest(const struct members *m)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		const struct member *member = &m->slots[i];
		uint64_t hash;

		if (member->status != MEMBER_LIVE)
			continue;
		hash = hash_str(HASH_START, member->name);
		hash = hash_u64(hash, member->incarnation);
		/* A sum does not depend on the order of the slots. */
		sum += hash_mix(hash_u64(hash, member->version));
	}
	return sum;
}
