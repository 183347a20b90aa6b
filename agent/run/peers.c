// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* peers.c - the nodes by number, name and address; see peers.h. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16U

void peers_free(struct peers *peers)
{
	uint32_t i;

	for (i = 0; i < peers->room; i++)
		free(peers->list[i]);
	free(peers->list);
	memset(peers, 0, sizeof(*peers));
}

struct peer *peers_find(const struct peers *peers, uint32_t number)
{
	return number < peers->room ? peers->list[number] : NULL;
}

struct peer *peers_find_name(const struct peers *peers, const char *name)
{
	uint32_t i;

	for (i = 0; i < peers->room; i++) {
		if (peers->list[i] && !strcmp(peers->list[i]->name, name))
			return peers->list[i];
	}
	return NULL;
}

struct peer *peers_find_address(const struct peers *peers,
				const struct skerry_addr *addr)
{
	uint16_t block = (uint16_t)(addr->port & ~(SKERRY_PORT_BLOCK - 1));
	const struct peer *peer;
	uint32_t i, k;

	for (i = 0; i < peers->room; i++) {
		peer = peers->list[i];
		if (!peer)
			continue;
		for (k = 0; k < peer->address_count; k++) {
			if (peer->addresses[k].port == block &&
			    !memcmp(peer->addresses[k].ip, addr->ip, 16))
				return peers->list[i];
		}
	}
	return NULL;
}

static int peers_grow(struct peers *peers, uint32_t number)
{
	uint32_t room = peers->room ? peers->room : FIRST_ROOM;
	struct peer **list;

	if (number >= SKERRY_PEERS_MAX)
		return -ENOSPC;
	while (room <= number)
		room *= 2;
	list = realloc(peers->list, room * sizeof(*list));
	if (!list)
		return -ENOMEM;
	memset(list + peers->room, 0, (room - peers->room) * sizeof(*list));
	peers->list = list;
	peers->room = room;
	return 0;
}

int peers_set(struct peers *peers, const struct core_op *op)
{
	uint32_t number = op->peer.number;
	struct peer *peer;
	int err;

	if (number >= peers->room) {
		err = peers_grow(peers, number);
		if (err)
			return err;
	}
	peer = peers->list[number];
	if (!peer) {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return -ENOMEM;
		peers->list[number] = peer;
	}
	peer->number = number;
	strncpy(peer->name, op->peer.name, sizeof(peer->name) - 1);
	peer->incarnation = op->peer.incarnation;
	peer->state = op->peer.state;
	peer->address_count = op->peer.address_count < SKERRY_ADDRS_MAX
				      ? op->peer.address_count
				      : SKERRY_ADDRS_MAX;
	if (peer->address_count)
		memcpy(peer->addresses, op->peer.addresses,
		       peer->address_count * sizeof(peer->addresses[0]));
	memcpy(peer->parallelism, op->peer.parallelism,
	       sizeof(peer->parallelism));
	return 0;
}

void peers_drop(struct peers *peers, uint32_t number)
{
	if (number >= peers->room)
		return;
	free(peers->list[number]);
	peers->list[number] = NULL;
}
