// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Peers: the core's numbers, the kernel's ids, and their blocks of ports. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

struct kernel_peer_entry *kernel_peer_by_number(const struct kernel *k,
						uint32_t number)
{
	uint32_t i;

	for (i = 0; i < k->peer_count; i++) {
		if (k->peers[i].bound && k->peers[i].number == number)
			return &k->peers[i];
	}
	return NULL;
}

struct kernel_peer_entry *kernel_peer_by_id(const struct kernel *k, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < k->peer_count; i++) {
		if (k->peers[i].id == id)
			return &k->peers[i];
	}
	return NULL;
}

static struct kernel_peer_entry *peer_by_name(const struct kernel *k,
					      const char *name)
{
	uint32_t i;

	for (i = 0; i < k->peer_count; i++) {
		if (strcmp(k->peers[i].value.node, name) == 0)
			return &k->peers[i];
	}
	return NULL;
}

uint32_t kernel_peer_id(const struct kernel *k, uint32_t number)
{
	struct kernel_peer_entry *peer = kernel_peer_by_number(k, number);

	return peer ? peer->id : 0;
}

static bool has_key(const struct skerry_addr_key *list, uint32_t count,
		    const struct skerry_addr_key *key)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (memcmp(&list[i], key, sizeof(*key)) == 0)
			return true;
	}
	return false;
}

/* Another peer may own it by now. */
static void addr_delete(struct kernel *k, const struct skerry_addr_key *key,
			uint32_t id)
{
	struct skerry_addr_value value;

	if (!bpf_map_lookup_elem(k->fd[KMAP_ADDRS], key, &value) &&
	    value.peer == id)
		bpf_map_delete_elem(k->fd[KMAP_ADDRS], key);
}

/* New addresses first: a peer that moves is known at each moment. */
static int peer_addresses(struct kernel *k, struct kernel_peer_entry *peer,
			  const struct skerry_addr_key *list, uint32_t count)
{
	struct skerry_addr_value value = { .peer = peer->id };
	uint32_t i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = kernel_map_write(k->fd[KMAP_ADDRS], &list[i], &value,
				       BPF_ANY);
		if (ret)
			return ret;
	}
	for (i = 0; i < peer->addr_count; i++) {
		if (!has_key(list, count, &peer->addrs[i]))
			addr_delete(k, &peer->addrs[i], peer->id);
	}
	memcpy(peer->addrs, list, count * sizeof(*list));
	peer->addr_count = count;
	return 0;
}

static int bucket_make(struct kernel *k, uint32_t id)
{
	uint64_t now = kernel_boot_ns();
	struct skerry_exempt full = {
		.in_ns = KERNEL_SECOND_NS,
		.in_refilled_ns = now,
		.out_ns = KERNEL_SECOND_NS,
		.out_refilled_ns = now,
	};
	int ret = kernel_map_write(k->fd[KMAP_EXEMPT], &id, &full, BPF_NOEXIST);

	return ret == -EEXIST ? 0 : ret;
}

static void peer_forget(struct kernel *k, struct kernel_peer_entry *peer)
{
	uint32_t i;

	for (i = 0; i < peer->addr_count; i++)
		addr_delete(k, &peer->addrs[i], peer->id);
	bpf_map_delete_elem(k->fd[KMAP_PEERS], &peer->id);
	bpf_map_delete_elem(k->fd[KMAP_EXEMPT], &peer->id);
	*peer = k->peers[--k->peer_count];
}

static bool unwanted(const struct kernel *k,
		     const struct kernel_peer_entry *peer)
{
	uint32_t i;

	if (peer->bound)
		return false;
	for (i = 0; i < k->rule_count; i++) {
		if (k->rules[i].value.peer == peer->id)
			return false;
	}
	return true;
}

void kernel_peer_tidy(struct kernel *k, uint32_t id)
{
	struct kernel_peer_entry *peer = kernel_peer_by_id(k, id);

	/* One adopted and not asked for yet keeps its id. */
	if (peer && peer->value.state == PEER_LEFT && unwanted(k, peer))
		peer_forget(k, peer);
}

/* The table is full: one that only an earlier agent knew makes room. */
static bool evict(struct kernel *k)
{
	uint32_t i;

	for (i = 0; i < k->peer_count; i++) {
		if (unwanted(k, &k->peers[i])) {
			peer_forget(k, &k->peers[i]);
			return true;
		}
	}
	return false;
}

static int peer_make(struct kernel *k, const char *name,
		     struct kernel_peer_entry **ret_peer)
{
	struct kernel_peer_entry *peer;
	int ret;

	if (k->peer_count >= SKERRY_PEERS_MAX && !evict(k))
		return -ENOSPC;
	ret = kernel_room((void **)&k->peers, k->peer_count, &k->peer_room,
			  sizeof(*k->peers));
	if (ret)
		return ret;
	ret = bucket_make(k, k->meta->next_peer);
	if (ret)
		return ret;
	peer = &k->peers[k->peer_count++];
	memset(peer, 0, sizeof(*peer));
	peer->id = k->meta->next_peer++;
	kernel_meta_flush(k);
	strncpy(peer->value.node, name, sizeof(peer->value.node) - 1);
	*ret_peer = peer;
	return 0;
}

void kernel_peer_gone(struct kernel *k, uint32_t number)
{
	struct kernel_peer_entry *peer = kernel_peer_by_number(k, number);

	if (!peer)
		return;
	peer->bound = false;
	peer->value.state = PEER_LEFT;
	kernel_map_write(k->fd[KMAP_PEERS], &peer->id, &peer->value, BPF_ANY);
	kernel_peer_tidy(k, peer->id);
}

static uint32_t keys_of(const struct skerry_addr *addresses, uint32_t count,
			struct skerry_addr_key *ret_keys)
{
	uint32_t i, n = 0;

	for (i = 0; i < count && n < SKERRY_ADDRS_MAX; i++) {
		memset(&ret_keys[n], 0, sizeof(ret_keys[n]));
		memcpy(ret_keys[n].ip, addresses[i].ip, 16);
		ret_keys[n].block =
			addresses[i].port & ~(SKERRY_PORT_BLOCK - 1);
		n++;
	}
	return n;
}

int kernel_peer(struct kernel *k, uint32_t number, const char *name,
		const struct skerry_addr *addresses, uint32_t address_count,
		enum skerry_peer_state state)
{
	struct skerry_addr_key keys[SKERRY_ADDRS_MAX];
	struct kernel_peer_entry *peer;
	uint32_t count;
	int ret;

	if (k->none)
		return 0;
	if (number == CORE_PEER_EVERYBODY)
		return -EINVAL;
	if (number == CORE_PEER_SELF)
		state = PEER_SELF;
	peer = kernel_peer_by_number(k, number);
	if (peer && strcmp(peer->value.node, name) != 0)
		kernel_peer_gone(k, number);
	peer = peer_by_name(k, name);
	if (!peer) {
		ret = peer_make(k, name, &peer);
		if (ret)
			return ret;
	}
	count = keys_of(addresses, address_count, keys);
	ret = peer_addresses(k, peer, keys, count);
	if (ret)
		return ret;
	peer->bound = true;
	peer->number = number;
	peer->value.state = state;
	if (count) {
		memcpy(peer->value.ip, keys[0].ip, 16);
		peer->value.block = keys[0].block;
	}
	if (state == PEER_SELF) {
		k->meta->self_peer = peer->id;
		kernel_meta_flush(k);
	}
	ret = kernel_map_write(k->fd[KMAP_PEERS], &peer->id, &peer->value,
			       BPF_ANY);
	return ret;
}
