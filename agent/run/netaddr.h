/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * netaddr.h - struct skerry_addr and what sockets take. An IPv4 address is
 * ::ffff:a.b.c.d in ours and a sockaddr_in in theirs.
 */
#ifndef SKERRY_NETADDR_H
#define SKERRY_NETADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "skerry/keys.h"

#define NETADDR_TEXT_BYTES 64

bool netaddr_is_v4(const struct skerry_addr *addr);
bool netaddr_is_loopback(const struct skerry_addr *addr);
bool netaddr_same_ip(const struct skerry_addr *a, const struct skerry_addr *b);
/* :: or 0.0.0.0 */
struct skerry_addr netaddr_any(bool v4, uint16_t port);

socklen_t netaddr_to_sockaddr(const struct skerry_addr *addr,
			      struct sockaddr_storage *ret_sockaddr);
/* False for another family than the two. */
bool netaddr_from_sockaddr(const struct sockaddr_storage *sockaddr,
			   struct skerry_addr *ret_addr);
/* HOST:PORT or [HOST]:PORT into a buffer of NETADDR_TEXT_BYTES. */
const char *netaddr_text(const struct skerry_addr *addr,
			 char text[NETADDR_TEXT_BYTES]);
/* How many leading bits two addresses share. */
unsigned int netaddr_common_bits(const struct skerry_addr *a,
				 const struct skerry_addr *b);
/* Which of our addresses this host would use towards `to`, and the path MTU
 * as known now. Sends nothing. */
int netaddr_route(const struct skerry_addr *to, struct skerry_addr *ret_from,
		  uint32_t *ret_mtu_bytes);

#endif
