/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * sockets.h - connections of any process of this host, ended by the kernel
 * (SOCK_DESTROY of sock_diag(7)): whoever holds the socket gets ECONNABORTED,
 * the far end a reset.
 */
#ifndef SKERRY_SOCKETS_H
#define SKERRY_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the far end of a connection is meant; data as given. */
typedef bool sockets_match_fn(void *data, uint8_t protocol, uint16_t local_port,
			      const uint8_t remote_ip[16],
			      uint16_t remote_port);

/* 0 when this kernel can, -EOPNOTSUPP, -EPERM. */
int sockets_probe(void);
/*
 * End every TCP connection, also one being made, and every connected UDP
 * socket that `match` says yes to. One that has gone meanwhile is no error.
 * Returns how many were ended, or the first -errno. Blocks for as long as
 * the kernel takes to list its sockets.
 */
int sockets_destroy(sockets_match_fn *match, void *data);

#endif
