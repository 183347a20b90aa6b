// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * removed.c - the names that were removed; see members.h. Entries lie one
 * after the other; buckets find them by name and a list keeps them by age,
 * so that no number of removals makes the next one slow.
 */
#include <string.h>

#include "hash.h"
#include "members.h"

#define NOWHERE UINT16_MAX

static size_t rounded(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

static uint32_t entries_max(uint32_t members_max)
{
	uint32_t max = members_max * 8;

	return max > SKERRY_REMOVED_MAX ? SKERRY_REMOVED_MAX : max;
}

static uint32_t buckets(uint32_t max)
{
	uint32_t count = 16;

	while (count < 2 * max)
		count *= 2;
	return count;
}

size_t removed_size(uint32_t members_max)
{
	uint32_t max = entries_max(members_max);

	return rounded(max * sizeof(struct removed)) +
	       rounded(max * MEMBERS_WORDS * sizeof(uint64_t)) +
	       rounded(buckets(max) * sizeof(uint16_t));
}

void removed_init(struct members *m, void *memory, uint32_t members_max)
{
	uint32_t max = entries_max(members_max);
	uint8_t *at = memory;

	m->removed_max = max;
	m->removed = (void *)at;
	at += rounded(max * sizeof(struct removed));
	m->removed_knows = (void *)at;
	at += rounded(max * MEMBERS_WORDS * sizeof(uint64_t));
	m->removed_buckets = (void *)at;
	m->removed_mask = buckets(max) - 1;
	removed_clear(m);
}

void removed_clear(struct members *m)
{
	m->removed_count = 0;
	m->removed_oldest = m->removed_newest = NOWHERE;
	memset(m->removed_buckets, 0xff,
	       (m->removed_mask + 1) * sizeof(m->removed_buckets[0]));
}

static uint16_t index_of(const struct members *m, const struct removed *removed)
{
	return (uint16_t)(removed - m->removed);
}

static uint16_t *bucket(const struct members *m, uint64_t hash)
{
	return &m->removed_buckets[hash_mix(hash) & m->removed_mask];
}

struct removed *removed_find(const struct members *m, const char *name)
{
	uint64_t hash = hash_str(HASH_START, name);
	uint16_t at;

	for (at = *bucket(m, hash); at != NOWHERE; at = m->removed[at].next) {
		if (m->removed[at].hash == hash &&
		    !strcmp(m->removed[at].name, name))
			return &m->removed[at];
	}
	return NULL;
}

/* ---- by age -------------------------------------------------------------- */

static void age_out(struct members *m, const struct removed *removed)
{
	if (removed->older == NOWHERE)
		m->removed_oldest = removed->newer;
	else
		m->removed[removed->older].newer = removed->newer;
	if (removed->newer == NOWHERE)
		m->removed_newest = removed->older;
	else
		m->removed[removed->newer].older = removed->older;
}

static void age_in(struct members *m, struct removed *removed)
{
	uint16_t at = index_of(m, removed);

	removed->newer = NOWHERE;
	removed->older = m->removed_newest;
	if (m->removed_newest == NOWHERE)
		m->removed_oldest = at;
	else
		m->removed[m->removed_newest].newer = at;
	m->removed_newest = at;
}

struct removed *removed_before(const struct members *m,
			       const struct removed *removed)
{
	uint16_t at = removed ? removed->older : m->removed_newest;

	return at == NOWHERE ? NULL : &m->removed[at];
}

/* ---- coming and going ----------------------------------------------------- */

static void unlink_bucket(struct members *m, uint16_t at)
{
	uint16_t *p = bucket(m, m->removed[at].hash);

	while (*p != at)
		p = &m->removed[*p].next;
	*p = m->removed[at].next;
}

static void link_bucket(struct members *m, uint16_t at)
{
	uint16_t *head = bucket(m, m->removed[at].hash);

	m->removed[at].next = *head;
	*head = at;
}

static uint64_t *knows(const struct members *m, uint32_t at)
{
	return &m->removed_knows[(size_t)at * MEMBERS_WORDS];
}

/* The last entry takes the place of the one that went. */
static void move_last(struct members *m, uint16_t to)
{
	uint16_t from = (uint16_t)m->removed_count;
	struct removed *moved = &m->removed[to];

	if (from == to)
		return;
	unlink_bucket(m, from);
	*moved = m->removed[from];
	memcpy(knows(m, to), knows(m, from), MEMBERS_WORDS * sizeof(uint64_t));
	link_bucket(m, to);
	if (moved->older == NOWHERE)
		m->removed_oldest = to;
	else
		m->removed[moved->older].newer = to;
	if (moved->newer == NOWHERE)
		m->removed_newest = to;
	else
		m->removed[moved->newer].older = to;
}

void removed_del(struct members *m, struct removed *removed)
{
	uint16_t at = index_of(m, removed);

	unlink_bucket(m, at);
	age_out(m, removed);
	m->removed_count--;
	move_last(m, at);
}

struct removed *removed_add(struct members *m, const char *name,
			    uint64_t incarnation, uint64_t now_ns)
{
	struct removed *removed = removed_find(m, name);
	uint16_t at;

	if (removed && removed->incarnation >= incarnation)
		return NULL;
	if (removed)
		removed_del(m, removed);
	else if (m->removed_count == m->removed_max)
		removed_del(m, &m->removed[m->removed_oldest]);
	at = (uint16_t)m->removed_count++;
	removed = &m->removed[at];
	memset(removed, 0, sizeof(*removed));
	strncpy(removed->name, name, sizeof(removed->name) - 1);
	removed->hash = hash_str(HASH_START, name);
	removed->incarnation = incarnation;
	removed->since_ns = now_ns;
	memset(knows(m, at), 0, MEMBERS_WORDS * sizeof(uint64_t));
	link_bucket(m, at);
	age_in(m, removed);
	return removed;
}

/* ---- who knows ------------------------------------------------------------ */

void removed_knows(struct members *m, const struct removed *removed,
		   uint32_t slot)
{
	knows(m, index_of(m, removed))[slot / 64] |= 1ULL << slot % 64;
}

bool removed_known_by(const struct members *m, const struct removed *removed,
		      uint32_t slot)
{
	return knows(m, index_of(m, removed))[slot / 64] >> slot % 64 & 1;
}

void removed_forget(struct members *m, uint32_t slot)
{
	uint64_t *word = &m->removed_knows[slot / 64];
	uint64_t others = ~(1ULL << slot % 64);
	uint32_t i;

	for (i = 0; i < m->removed_count; i++, word += MEMBERS_WORDS)
		*word &= others;
}

bool removed_all_know(const struct members *m, const struct removed *removed)
{
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		if (m->slots[i].status == MEMBER_LIVE &&
		    !removed_known_by(m, removed, i))
			return false;
	}
	return true;
}

uint64_t removed_digest(const struct members *m)
{
	uint64_t names[SKERRY_MEMBERS_MAX], sum = 0;
	uint32_t i, j;

	for (j = 0; m->removed_count && j < m->touched; j++) {
		names[j] = 0;
		if (m->slots[j].status == MEMBER_LIVE)
			names[j] = hash_mix(
				hash_str(HASH_START, m->slots[j].name));
	}
	for (i = 0; i < m->removed_count; i++) {
		const struct removed *removed = &m->removed[i];
		uint64_t hash = hash_u64(removed->hash, removed->incarnation);
		uint64_t who = 0;

		for (j = 0; j < m->touched; j++) {
			if (names[j] && removed_known_by(m, removed, j))
				who += names[j];
		}
		sum += hash_mix(hash_u64(hash, who));
	}
	return sum;
}
