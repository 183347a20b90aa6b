// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * program_fast.c - sockets of fast channels: made and bound in our block by
 * the agent, which alone may, and handed over for good. Our copy is closed,
 * so the socket dies with the program.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/agent.h"
#include "run/netaddr.h"
#include "program.h"

#define BUFFER_BYTES (4 << 20)
/* IP and UDP, then our own. */
#define HEADERS_V4_BYTES (20U + 8U + 32U)
#define HEADERS_V6_BYTES (40U + 8U + 32U)

/* An address this socket can use for every peer, if there is one. */
static struct skerry_addr bind_address(const struct agent *agent,
				       const struct skerry_addr *to)
{
	/* One socket for both families. */
	if (devices_everywhere(agent))
		return netaddr_any(false, 0);
	return devices_source(agent, to);
}

static int make_socket(bool v4)
{
	int fd = socket(v4 ? AF_INET : AF_INET6,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int do_not_fragment = IP_PMTUDISC_DO, zero = 0, size = BUFFER_BYTES;

	if (fd < 0)
		return -errno;
	if (!v4) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			   &do_not_fragment, sizeof(do_not_fragment));
	}
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &do_not_fragment,
		   sizeof(do_not_fragment));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static int bind_in_block(const struct agent *agent, int fd, bool v4,
			 struct skerry_addr *addr)
{
	struct sockaddr_storage sockaddr;
	socklen_t length;
	uint32_t i;

	for (i = SKERRY_PORT_FIRST_FREE; i < SKERRY_PORT_BLOCK; i++) {
		addr->port = (uint16_t)(agent->settings.port_base + i);
		length = netaddr_to_sockaddr(addr, &sockaddr);
		if (!bind(fd, (struct sockaddr *)&sockaddr, length))
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -ENOSPC;
}

int program_fast_socket(struct program *program, uint32_t channel,
			const struct skerry_addr *to)
{
	struct agent *agent = program->agent;
	struct skerry_addr addr = bind_address(agent, to);
	bool v4 = netaddr_is_v4(&addr);
	int fd, err;

	if (program->fast_ports[channel])
		return program->fast_ports[channel];
	if (agent->programs.fast_sockets >= SKERRY_FAST_SOCKETS_MAX)
		return -ENOSPC;
	fd = make_socket(v4);
	if (fd == -EAFNOSUPPORT && !v4) {
		/* A host without IPv6. */
		v4 = true;
		addr = netaddr_any(true, 0);
		fd = make_socket(v4);
	}
	if (fd < 0)
		return fd;
	err = bind_in_block(agent, fd, v4, &addr);
	if (!err)
		err = program_offer(program, SKERRY_OFFER_FAST, channel, 0, fd);
	close(fd);
	if (err)
		return err;
	program->fast_ports[channel] = addr.port;
	agent->programs.fast_sockets++;
	return addr.port;
}

/* Where that peer's lanes are: that address is known to work. */
static int peer_address(const struct agent *agent, uint32_t number,
			struct skerry_addr *ret_to)
{
	const struct peer *peer;
	struct lane *lane;

	if (number == CORE_PEER_SELF) {
		if (!agent->settings.address_count)
			return -EADDRNOTAVAIL;
		*ret_to = agent->settings.addresses[0];
		ret_to->port = (uint16_t)(agent->settings.port_base +
					  SKERRY_PORT_FAST);
		return 0;
	}
	peer = peers_find(&agent->peers, number);
	if (!peer || !peer->address_count)
		return -EHOSTUNREACH;
	*ret_to = peer->addresses[0];
	lane = lane_find((struct lanes *)&agent->lanes, peer->lanes[0][0]);
	if (lane)
		memcpy(ret_to->ip, lane->remote.ip, sizeof(ret_to->ip));
	ret_to->port = (uint16_t)(peer->addresses[0].port + SKERRY_PORT_FAST);
	return 0;
}

int program_fast_way(const struct agent *agent, uint32_t peer,
		     struct skerry_addr *ret_to, struct skerry_addr *ret_from,
		     uint32_t *ret_payload_max_bytes)
{
	struct skerry_addr to, from;
	uint32_t mtu, headers;
	int err = peer_address(agent, peer, &to);

	if (err)
		return err;
	err = netaddr_route(&to, &from, &mtu);
	if (err)
		return err;
	/* Bound to one of ours it comes from there. */
	if (!devices_everywhere(agent))
		from = devices_source(agent, &to);
	headers = netaddr_is_v4(&to) ? HEADERS_V4_BYTES : HEADERS_V6_BYTES;
	*ret_payload_max_bytes =
		mtu > headers ? mtu - headers : SKERRY_FAST_MAX_BYTES;
	/* One UDP datagram's length is 16 bits. */
	if (*ret_payload_max_bytes > 65535 - headers)
		*ret_payload_max_bytes = 65535 - headers;
	*ret_to = to;
	*ret_from = from;
	return 0;
}
