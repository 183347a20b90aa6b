/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * links.h - the host's devices and addresses through libnl: a list at
 * start, then changes as they come.
 */
#ifndef SKERRY_LINKS_H
#define SKERRY_LINKS_H

#include <stdbool.h>

#include "../core/event.h"

struct links;

struct links_device {
	uint32_t ifindex;
	char name[16];
	char kind[16]; /* "", "veth", "vlan", "bridge", "bond", … */
	uint32_t master; /* ifindex of its bridge or bond, else 0 */
	/* ifindex of the device that carries its packets, else 0: none, or one
	 * of another namespace */
	uint32_t lower;
	uint8_t mac[6]; /* zero: no Ethernet */
	bool up;
	bool loopback;
};

struct links_handler {
	void (*device)(void *data, const struct links_device *device);
	void (*device_gone)(void *data, uint32_t ifindex);
	/* The set of addresses changed; links_addresses() has it. */
	void (*addresses)(void *data);
};

/* Tells every device there is before it returns; addresses are asked for. */
int links_open(const struct links_handler *handler, void *data,
	       struct links **ret_links);
void links_close(struct links *links);
/* The device of that number, until the next links_read(); NULL: none. */
const struct links_device *links_device(const struct links *links,
					uint32_t ifindex);
/* The i-th device, in no order; NULL: there are no more. */
const struct links_device *links_nth(const struct links *links, size_t i);
/* To poll for reading; then links_read(). */
int links_fd(const struct links *links);
int links_read(struct links *links);
/*
 * Addresses of devices that are up, without link-local and (unless wanted)
 * loopback ones, in a stable order. port is left 0. Returns how many.
 */
uint32_t links_addresses(const struct links *links, bool loopback,
			 struct skerry_addr *ret_list, uint32_t room);
/* ip_local_port_range: -errno when it cannot be read. */
int links_port_range(uint16_t *ret_low, uint16_t *ret_high);

#endif
