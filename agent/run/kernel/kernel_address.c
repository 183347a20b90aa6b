// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * Rules about addresses. The kernel finds the longest prefix that an address
 * lies in, and no other: so each entry holds every rule that covers it.
 *
 * Three ranges lie inside others by notation alone: IPv4 in IPv6, and the
 * loopback addresses of either. A rule covers what is of its own range only,
 * so that a cut from everywhere does not cut a host from itself, nor one from
 * IPv6 everywhere IPv4 as well; where a wider prefix reaches into such a range
 * an entry of its own shields it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

#define MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff

/* Inner ones first. */
static const struct skerry_cidr_key ranges[] = {
	{ 104, { MAPPED, 127 } }, /* 127.0.0.0/8 */
	{ 96, { MAPPED } }, /* 0.0.0.0/0 */
	{ 128, { [15] = 1 } }, /* ::1 */
};

#define RANGES (sizeof(ranges) / sizeof(ranges[0]))

void kernel_address_mask(uint8_t ip[16], uint32_t prefix_bits)
{
	uint32_t i, kept;

	for (i = 0; i < 16; i++) {
		kept = prefix_bits > 8 * i ? prefix_bits - 8 * i : 0;
		if (kept < 8)
			ip[i] &= (uint8_t)(0xff00 >> kept);
	}
}

static bool lies_in(const struct skerry_cidr_key *inner,
		    const struct skerry_cidr_key *outer)
{
	uint8_t ip[16];

	if (outer->prefix_bits > inner->prefix_bits)
		return false;
	memcpy(ip, inner->ip, sizeof(ip));
	kernel_address_mask(ip, outer->prefix_bits);
	return memcmp(ip, outer->ip, sizeof(ip)) == 0;
}

static size_t range_of(const struct skerry_cidr_key *key)
{
	size_t i;

	for (i = 0; i < RANGES; i++) {
		if (lies_in(key, &ranges[i]))
			break;
	}
	return i;
}

static bool covers(const struct skerry_cidr_key *outer,
		   const struct skerry_cidr_key *inner)
{
	return lies_in(inner, outer) && range_of(inner) == range_of(outer);
}

bool kernel_address_covers(const uint8_t ip[16], uint32_t prefix_bits,
			   const uint8_t address[16])
{
	struct skerry_cidr_key outer = { .prefix_bits = prefix_bits };
	struct skerry_cidr_key inner = { .prefix_bits = 128 };

	memcpy(outer.ip, ip, sizeof(outer.ip));
	memcpy(inner.ip, address, sizeof(inner.ip));
	kernel_address_mask(outer.ip, prefix_bits);
	return covers(&outer, &inner);
}

static struct skerry_cidr_key key_of(const struct skerry_rule *rule)
{
	struct skerry_cidr_key key = { .prefix_bits = rule->prefix_bits };

	memcpy(key.ip, rule->ip, sizeof(key.ip));
	return key;
}

/* ---- room ------------------------------------------------------------------ */

static uint32_t cover_count(const struct kernel *k,
			    const struct skerry_cidr_key *key)
{
	struct skerry_cidr_key outer;
	uint32_t i, count = 0;

	for (i = 0; i < k->rule_count; i++) {
		if (!k->rules[i].wanted ||
		    !kernel_rule_is_address(&k->rules[i].value))
			continue;
		outer = key_of(&k->rules[i].value);
		count += covers(&outer, key);
	}
	return count;
}

int kernel_address_fits(const struct kernel *k, const uint8_t ip[16],
			uint32_t prefix_bits)
{
	struct skerry_cidr_key key = { .prefix_bits = prefix_bits }, inner;
	uint32_t i, count = 0;

	memcpy(key.ip, ip, sizeof(key.ip));
	if (cover_count(k, &key) >= SKERRY_RULES_PER_PEER_MAX)
		return -ENOSPC;
	for (i = 0; i < k->rule_count; i++) {
		if (!k->rules[i].wanted ||
		    !kernel_rule_is_address(&k->rules[i].value))
			continue;
		inner = key_of(&k->rules[i].value);
		if (covers(&key, &inner) &&
		    cover_count(k, &inner) >= SKERRY_RULES_PER_PEER_MAX)
			return -ENOSPC;
		count++;
	}
	return count >= SKERRY_ADDRESS_RULES_MAX ? -ENOSPC : 0;
}

/* ---- the map --------------------------------------------------------------- */

struct next_rules {
	const struct kernel_rule_entry **list;
	uint32_t count;
};

static int write_entry(struct kernel *k, const struct next_rules *next,
		       const struct skerry_cidr_key *key)
{
	struct skerry_ruleset set = {};
	struct skerry_cidr_key outer;
	uint32_t i, n = 0;

	for (i = 0; i < next->count; i++) {
		outer = key_of(&next->list[i]->value);
		if (covers(&outer, key) && n < SKERRY_RULES_PER_PEER_MAX)
			set.rule[n++] = next->list[i]->id;
	}
	return kernel_map_write(k->fd[KMAP_CIDR0 + k->cidr_idle], key, &set,
				BPF_ANY);
}

static bool reached_into(const struct next_rules *next,
			 const struct skerry_cidr_key *range)
{
	struct skerry_cidr_key outer;
	uint32_t i;

	for (i = 0; i < next->count; i++) {
		outer = key_of(&next->list[i]->value);
		if (lies_in(range, &outer))
			return true;
	}
	return false;
}

static int fill(struct kernel *k, const struct next_rules *next)
{
	struct skerry_cidr_key key;
	uint32_t i;
	int ret;

	k->cidr_entries = 0;
	ret = kernel_map_clear(k->fd[KMAP_CIDR0 + k->cidr_idle], sizeof(key));
	for (i = 0; !ret && i < next->count; i++) {
		key = key_of(&next->list[i]->value);
		ret = write_entry(k, next, &key);
		k->cidr_entries++;
	}
	for (i = 0; !ret && i < RANGES; i++) {
		if (reached_into(next, &ranges[i]))
			ret = write_entry(k, next, &ranges[i]);
	}
	return ret;
}

int kernel_address_prepare(struct kernel *k)
{
	struct next_rules next = {};
	const struct kernel_rule_entry *rule;
	bool changed = false;
	uint32_t i;
	int ret = 0;

	k->cidr_swap = false;
	next.list = malloc((k->rule_count + 1) * sizeof(*next.list));
	if (!next.list)
		return -ENOMEM;
	for (i = 0; i < k->rule_count; i++) {
		rule = &k->rules[i];
		if (!kernel_rule_is_address(&rule->value))
			continue;
		changed |= rule->next != rule->listed;
		if (rule->next)
			next.list[next.count++] = rule;
	}
	if (changed) {
		ret = fill(k, &next);
		k->cidr_swap = !ret;
	}
	free(next.list);
	return ret;
}

/* A rule that is listed is so in the entry of its own prefix. */
bool kernel_address_lists(const struct kernel *k, uint64_t id,
			  const struct skerry_rule *rule)
{
	struct skerry_cidr_key key = key_of(rule);
	struct skerry_ruleset set;
	uint32_t i;

	if (bpf_map_lookup_elem(k->fd[KMAP_CIDR0 + !k->cidr_idle], &key, &set))
		return false;
	for (i = 0; i < SKERRY_RULES_PER_PEER_MAX; i++) {
		if (set.rule[i] == id)
			return true;
	}
	return false;
}

/* ---- what always passes ---------------------------------------------------- */

int kernel_open_write(struct kernel *k, const struct kernel_config *config)
{
	struct skerry_open nothing = {};
	int fd = k->fd[KMAP_OPEN], ret;
	uint32_t i;

	ret = kernel_map_clear(fd, sizeof(config->always_open[0]));
	for (i = 0; !ret && i < config->always_open_count; i++)
		ret = kernel_map_write(fd, &config->always_open[i], &nothing,
				       BPF_ANY);
	return ret;
}
