/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * udp.h - the node's three UDP ports: fast channels (what the kernel left to
 * us), the partition port, heartbeats. Received in batches.
 */
#ifndef SKERRY_UDP_H
#define SKERRY_UDP_H

#include <uv.h>

#include "../core/event.h"

struct agent;

#define UDP_PORTS 3U
#define UDP_SOCKETS_MAX (UDP_PORTS * SKERRY_ADDRS_MAX)

struct udp_socket {
	struct agent *agent;
	uv_poll_t poll;
	int fd;
	uint8_t port; /* SKERRY_PORT_* */
	struct skerry_addr local; /* where it is bound */
};

struct udp {
	struct udp_socket sockets[UDP_SOCKETS_MAX];
	uint32_t count;
	void *buffers; /* for a batch, touched as needed */
	uint64_t received, sent, not_sent;
	uint64_t garbage; /* not ours, or malformed */
	uint64_t cut; /* held back by a cut of ours */
};

/* -errno with a sentence in text. */
int udp_open(struct agent *agent, char text[256]);
void udp_close(struct agent *agent);
/* From our port of that kind. Losses are counted: a datagram may be lost. */
void udp_send(struct agent *agent, uint8_t port, const struct skerry_addr *to,
	      struct core_bytes bytes);

#endif
