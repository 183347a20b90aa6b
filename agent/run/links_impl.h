/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* links_impl.h - the tables behind links.h. */
#ifndef SKERRY_LINKS_IMPL_H
#define SKERRY_LINKS_IMPL_H

#include <stddef.h>

#include "links.h"

#define LINKS_ENTRIES_MAX 65536

struct nlmsghdr;
struct nl_sock;

struct links_entry {
	struct links_device device;
	unsigned int round; /* of the dump that showed it last */
};

struct links_address {
	uint32_t ifindex;
	uint32_t flags; /* IFA_F_* */
	bool v4;
	uint8_t prefix_bits;
	uint8_t ip[16];
	unsigned int round;
};

struct links {
	struct nl_sock *event_sock;
	struct nl_sock *dump_sock;
	struct links_handler handler;
	void *data;
	struct links_entry *devices;
	size_t device_count, device_room;
	struct links_address *addresses;
	size_t address_count, address_room;
	unsigned int round;
	bool addresses_changed;
};

/* One more element at the end of a table; NULL: no memory, or too many. */
void *links_grow(void **table, size_t *count, size_t *room,
		 size_t element_bytes);
void links_on_address(struct links *links, struct nlmsghdr *message);
/* Forget the addresses that the last dump did not show. */
void links_sweep_addresses(struct links *links);

#endif
