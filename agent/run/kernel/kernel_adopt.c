// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* What the maps hold at start: nothing, or what an earlier agent left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

#define WRITE_TRIES 50
#define WRITE_PAUSE_US 500

void kernel_meta_flush(struct kernel *k)
{
	uint32_t zero = 0;

	if (k->meta == &k->meta_copy)
		bpf_map_update_elem(k->fd[KMAP_META], &zero, k->meta, BPF_ANY);
}

int kernel_map_write(int fd, const void *key, const void *value, uint64_t flags)
{
	int tries, ret = -ENOMEM;

	for (tries = 0; ret == -ENOMEM && tries < WRITE_TRIES; tries++) {
		if (tries)
			usleep(WRITE_PAUSE_US);
		ret = bpf_map_update_elem(fd, key, value, flags);
	}
	return ret == -E2BIG ? -ENOSPC : ret;
}

int kernel_map_clear(int fd, size_t key_bytes)
{
	uint8_t key[64];
	int ret;

	if (key_bytes > sizeof(key))
		return -EINVAL;
	while (!(ret = bpf_map_get_next_key(fd, NULL, key))) {
		ret = bpf_map_delete_elem(fd, key);
		if (ret && ret != -ENOENT)
			return ret;
	}
	return ret == -ENOENT ? 0 : ret;
}

static void meta_identity(struct skerry_meta *meta,
			  const struct kernel_config *config)
{
	meta->port_base = config->port_base;
	meta->incarnation = config->incarnation;
	meta->boot_nonce = config->boot_nonce;
	memset(meta->node, 0, sizeof(meta->node));
	strncpy(meta->node, config->node, sizeof(meta->node) - 1);
}

static int adopt_peers(struct kernel *k)
{
	struct kernel_peer_entry *peer;
	uint32_t id, *last = NULL;
	int ret;

	while (!bpf_map_get_next_key(k->fd[KMAP_PEERS], last, &id)) {
		ret = kernel_room((void **)&k->peers, k->peer_count,
				  &k->peer_room, sizeof(*k->peers));
		if (ret)
			return ret;
		peer = &k->peers[k->peer_count];
		memset(peer, 0, sizeof(*peer));
		peer->id = id;
		ret = bpf_map_lookup_elem(k->fd[KMAP_PEERS], &id, &peer->value);
		if (ret)
			return ret;
		peer->value.node[sizeof(peer->value.node) - 1] = 0;
		k->peer_count++;
		/* The counter may lag behind if the agent died in between. */
		if (id >= k->meta->next_peer)
			k->meta->next_peer = id + 1;
		last = &id;
	}
	return 0;
}

static int adopt_addrs(struct kernel *k)
{
	struct skerry_addr_key key, *last = NULL;
	struct skerry_addr_value value;
	struct kernel_peer_entry *peer;
	int fd = k->fd[KMAP_ADDRS];

	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(fd, &key, &value))
			continue;
		peer = kernel_peer_by_id(k, value.peer);
		if (peer && peer->addr_count < SKERRY_ADDRS_MAX)
			peer->addrs[peer->addr_count++] = key;
	}
	return 0;
}

/* A rule in the maps, in force or written for a swap that did not happen. */
static int adopt_rule(struct kernel *k, uint64_t id, bool in_force,
		      uint64_t end)
{
	struct kernel_rule_entry *rule;
	int ret;

	ret = kernel_room((void **)&k->rules, k->rule_count, &k->rule_room,
			  sizeof(*k->rules));
	if (ret)
		return ret;
	rule = &k->rules[k->rule_count];
	memset(rule, 0, sizeof(*rule));
	rule->id = id;
	ret = bpf_map_lookup_elem(k->fd[KMAP_RULES], &id, &rule->value);
	if (ret == -ENOENT)
		return 0;
	if (ret)
		return ret;
	if (id >= k->meta->next_rule)
		k->meta->next_rule = id + 1;
	memset(&rule->value.timer, 0, sizeof(rule->value.timer));
	if (!in_force) {
		bpf_map_delete_elem(k->fd[KMAP_RULES], &id);
		kernel_ledger_retire(k, id);
		return 0;
	}
	rule->wanted = rule->written = rule->listed = true;
	k->rule_count++;
	if (!rule->value.deadline_ns)
		rule->value.deadline_ns = end;
	/* Also when nothing changed: the timer may not have been started. */
	return kernel_rule_write(k, rule);
}

static bool gen_lists(const struct kernel *k, uint64_t id, uint32_t peer)
{
	int fd = k->fd[KMAP_GEN0 + k->meta->generation];
	struct skerry_ruleset set;
	int i;

	if (bpf_map_lookup_elem(fd, &peer, &set))
		return false;
	for (i = 0; i < (int)SKERRY_RULES_PER_PEER_MAX; i++) {
		if (set.rule[i] == id)
			return true;
	}
	return false;
}

bool kernel_rule_judges(const struct kernel *k, uint64_t id,
			const struct skerry_rule *rule)
{
	return kernel_rule_is_address(rule) ? kernel_address_lists(k, id, rule)
					    : gen_lists(k, id, rule->peer);
}

static int adopt_rules(struct kernel *k)
{
	uint64_t now = kernel_boot_ns();
	uint64_t lease = k->meta->lease_end_ns;
	uint64_t end = lease > now ? now + KERNEL_ADOPTED_NS : lease;
	int fd = k->fd[KMAP_RULES];
	uint64_t *ids = NULL, *more;
	uint32_t count = 0, i;
	struct skerry_rule value;
	uint64_t id;
	int ret = 0;

	/* Keys first: writing while walking a hash may start it over. */
	ids = malloc(SKERRY_RULES_MAX * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	more = NULL;
	while (count < SKERRY_RULES_MAX &&
	       !bpf_map_get_next_key(fd, more, &id)) {
		ids[count++] = id;
		more = &id;
	}
	for (i = 0; !ret && i < count; i++) {
		if (bpf_map_lookup_elem(fd, &ids[i], &value))
			continue;
		ret = adopt_rule(k, ids[i],
				 kernel_rule_judges(k, ids[i], &value),
				 end ? end : 1);
	}
	free(ids);
	return ret;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Ledgers without a rule: the newest are kept. */
static int adopt_ledgers(struct kernel *k)
{
	size_t room = SKERRY_RULES_MAX + SKERRY_LEDGERS_KEPT;
	int fd = k->fd[KMAP_DROPS];
	uint64_t id, *ids, *last = NULL;
	struct skerry_rule value;
	size_t count = 0, i;

	ids = malloc(room * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	while (count < room && !bpf_map_get_next_key(fd, last, &id)) {
		if (bpf_map_lookup_elem(k->fd[KMAP_RULES], &id, &value))
			ids[count++] = id;
		last = &id;
	}
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (i = 0; i < count; i++)
		kernel_ledger_retire(k, ids[i]);
	free(ids);
	return 0;
}

static int fresh(struct kernel *k)
{
	uint32_t zero = 0;
	int ret;

	k->meta->next_rule = 1;
	k->meta->next_peer = 1;
	ret = bpf_map_update_elem(k->fd[KMAP_GEN], &zero, &k->fd[KMAP_GEN0],
				  BPF_ANY);
	if (!ret)
		ret = bpf_map_update_elem(k->fd[KMAP_CIDR], &zero,
					  &k->fd[KMAP_CIDR0], BPF_ANY);
	if (!ret)
		k->meta->abi = SKERRY_MAPS_ABI;
	return ret;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {};
	uint32_t bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &bytes) ? 0 : info.id;
}

/* Which of two inner maps is in force: the outer one knows, whatever the meta
 * map says, should the agent have died between the two. */
static int find_in_force(struct kernel *k, enum kernel_map outer,
			 enum kernel_map first, uint32_t *ret_which)
{
	uint32_t zero = 0, id;
	int ret;

	ret = bpf_map_lookup_elem(k->fd[outer], &zero, &id);
	if (ret)
		return ret;
	if (id == map_id(k->fd[first]))
		*ret_which = 0;
	else if (id == map_id(k->fd[first + 1]))
		*ret_which = 1;
	else
		return -EPROTO;
	return 0;
}

static int find_generation(struct kernel *k)
{
	uint32_t which;
	int ret;

	ret = find_in_force(k, KMAP_CIDR, KMAP_CIDR0, &which);
	if (ret)
		return ret;
	k->cidr_idle = !which;
	ret = find_in_force(k, KMAP_GEN, KMAP_GEN0, &which);
	if (ret)
		return ret;
	k->meta->generation = which;
	k->idle = !which;
	return 0;
}

static uint32_t count_addresses(const struct kernel *k)
{
	uint32_t i, count = 0;

	for (i = 0; i < k->rule_count; i++)
		count += kernel_rule_is_address(&k->rules[i].value);
	return count;
}

int kernel_adopt(struct kernel *k, const struct kernel_config *config)
{
	int ret = 0;

	if (!k->meta->abi)
		ret = fresh(k);
	else if (k->meta->abi != SKERRY_MAPS_ABI)
		ret = -EPROTO;
	if (!ret)
		ret = find_generation(k);
	if (ret)
		return ret;
	meta_identity(k->meta, config);
	ret = adopt_peers(k);
	if (!ret)
		ret = adopt_addrs(k);
	if (!ret)
		ret = adopt_rules(k);
	if (!ret)
		ret = adopt_ledgers(k);
	if (!ret)
		ret = kernel_open_write(k, config);
	/* Lanes and connections die with the agent that had them. */
	if (!ret)
		ret = kernel_map_clear(k->fd[KMAP_FAST], sizeof(uint64_t));
	if (!ret)
		ret = kernel_map_clear(k->fd[KMAP_CONNS],
				       sizeof(struct skerry_conn_key));
	if (ret)
		return ret;
	k->meta->fast_lanes = 0;
	k->meta->active_rules = k->rule_count;
	k->meta->cidr_rules = count_addresses(k);
	skerry_store_release(&k->meta->lease_end_ns,
			     kernel_boot_ns() + k->lease_ms * 1000000ULL);
	kernel_meta_flush(k);
	return 0;
}
