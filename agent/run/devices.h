/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * devices.h - the host's devices and addresses at work: where the kernel
 * judges packets, where the node listens, and from where it speaks.
 */
#ifndef SKERRY_DEVICES_H
#define SKERRY_DEVICES_H

#include <stdbool.h>

#include "../core/event.h"
#include "links.h"

struct agent;

struct devices {
	struct links *links;
	bool told; /* the core has been started: changes are events */
};

/* Lists devices and addresses, attaches to the kernel, and fills
 * settings.addresses. -errno. */
int devices_open(struct agent *agent);
void devices_close(struct agent *agent);
/* Tell the kernel which packets are this node's. */
void devices_tell_kernel(const struct agent *agent);
/* links_fd() is readable. */
void devices_read(struct agent *agent);

/* The node listens on all addresses of the host, not on some. */
bool devices_everywhere(const struct agent *agent);
/* Where to listen: each configured address, or any of both families.
 * Returns how many. */
uint32_t devices_listen(const struct agent *agent,
			struct skerry_addr list[SKERRY_ADDRS_MAX]);
/* From which address (port 0) `to` is reached: the nearest one the node
 * listens on, or any when it listens on all. */
struct skerry_addr devices_source(const struct agent *agent,
				  const struct skerry_addr *to);
/* Sockets of others inside our block, each named in a warning. */
void devices_warn_foreign(const struct agent *agent);

#endif
