/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * peers.h - the nodes the core has told the driver of, by its number: names
 * for programs that ask for them, addresses to know a stranger by, and which
 * lane serves which place.
 */
#ifndef SKERRY_PEERS_H
#define SKERRY_PEERS_H

#include "../core/event.h"

struct peer {
	uint32_t number;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation;
	uint8_t state; /* enum skerry_peer_state of maps.h */
	bool was_up; /* it has had a lane */
	uint32_t address_count;
	struct skerry_addr addresses[SKERRY_ADDRS_MAX]; /* port: its block */
	uint8_t parallelism[SKERRY_CHANNELS_MAX];
	/* Lane ids; 0: none. */
	uint64_t lanes[SKERRY_CHANNELS_MAX][SKERRY_PARALLELISM_MAX];
};

struct peers {
	struct peer **list; /* by number; NULL: unused */
	uint32_t room;
};

void peers_free(struct peers *peers);
/* NULL: no such peer. */
struct peer *peers_find(const struct peers *peers, uint32_t number);
struct peer *peers_find_name(const struct peers *peers, const char *name);
/* By an address of its own and any port of its block. */
struct peer *peers_find_address(const struct peers *peers,
				const struct skerry_addr *addr);
/* New or changed, from OP_PEER. -ENOMEM, -ENOSPC. */
int peers_set(struct peers *peers, const struct core_op *op);
void peers_drop(struct peers *peers, uint32_t number);

#endif
