// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* netaddr.c - addresses as sockets take them; see netaddr.h. */
#include "netaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool netaddr_is_v4(const struct skerry_addr *addr)
{
	return !memcmp(addr->ip, v4_prefix, sizeof(v4_prefix));
}

bool netaddr_is_loopback(const struct skerry_addr *addr)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (netaddr_is_v4(addr))
		return addr->ip[12] == 127;
	return !memcmp(addr->ip, loopback, sizeof(loopback));
}

bool netaddr_same_ip(const struct skerry_addr *a, const struct skerry_addr *b)
{
	return !memcmp(a->ip, b->ip, sizeof(a->ip));
}

struct skerry_addr netaddr_any(bool v4, uint16_t port)
{
	struct skerry_addr any = { .port = port };

	if (v4)
		memcpy(any.ip, v4_prefix, sizeof(v4_prefix));
	return any;
}

socklen_t netaddr_to_sockaddr(const struct skerry_addr *addr,
			      struct sockaddr_storage *ret_sockaddr)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_sockaddr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sockaddr;

	if (netaddr_is_v4(addr)) {
		memset(in, 0, sizeof(*in));
		in->sin_family = AF_INET;
		in->sin_port = htons(addr->port);
		memcpy(&in->sin_addr, addr->ip + 12, 4);
		return sizeof(*in);
	}
	memset(in6, 0, sizeof(*in6));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(addr->port);
	memcpy(&in6->sin6_addr, addr->ip, 16);
	return sizeof(*in6);
}

bool netaddr_from_sockaddr(const struct sockaddr_storage *sockaddr,
			   struct skerry_addr *ret_addr)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sockaddr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sockaddr;

	if (sockaddr->ss_family == AF_INET) {
		memcpy(ret_addr->ip, v4_prefix, sizeof(v4_prefix));
		memcpy(ret_addr->ip + 12, &in->sin_addr, 4);
		ret_addr->port = ntohs(in->sin_port);
		return true;
	}
	if (sockaddr->ss_family == AF_INET6) {
		memcpy(ret_addr->ip, &in6->sin6_addr, 16);
		ret_addr->port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

const char *netaddr_text(const struct skerry_addr *addr,
			 char text[NETADDR_TEXT_BYTES])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (netaddr_is_v4(addr)) {
		inet_ntop(AF_INET, addr->ip + 12, ip, sizeof(ip));
		snprintf(text, NETADDR_TEXT_BYTES, "%s:%u", ip, addr->port);
	} else {
		inet_ntop(AF_INET6, addr->ip, ip, sizeof(ip));
		snprintf(text, NETADDR_TEXT_BYTES, "[%s]:%u", ip, addr->port);
	}
	return text;
}

unsigned int netaddr_common_bits(const struct skerry_addr *a,
				 const struct skerry_addr *b)
{
	unsigned int i;

	for (i = 0; i < 128; i++) {
		uint8_t mask = (uint8_t)(0x80 >> (i % 8));

		if ((a->ip[i / 8] ^ b->ip[i / 8]) & mask)
			break;
	}
	return i;
}

int netaddr_route(const struct skerry_addr *to, struct skerry_addr *ret_from,
		  uint32_t *ret_mtu_bytes)
{
	bool v4 = netaddr_is_v4(to);
	struct sockaddr_storage sockaddr;
	struct skerry_addr from;
	socklen_t length;
	int fd, mtu = 0, err = 0;

	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	length = netaddr_to_sockaddr(to, &sockaddr);
	if (connect(fd, (struct sockaddr *)&sockaddr, length) < 0) {
		err = -errno;
		goto out;
	}
	length = sizeof(sockaddr);
	if (getsockname(fd, (struct sockaddr *)&sockaddr, &length) < 0) {
		err = -errno;
		goto out;
	}
	if (!netaddr_from_sockaddr(&sockaddr, &from)) {
		err = -EAFNOSUPPORT;
		goto out;
	}
	length = sizeof(mtu);
	if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
		       v4 ? IP_MTU : IPV6_MTU, &mtu, &length) < 0)
		mtu = 0;
	from.port = 0;
	*ret_from = from;
	*ret_mtu_bytes = (uint32_t)mtu;
out:
	close(fd);
	return err;
}
