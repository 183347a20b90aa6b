// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* udp.c - datagrams in and out; see udp.h. */
#define _GNU_SOURCE
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "driver.h"
#include "netaddr.h"

#define BATCH 32
#define DATAGRAM_BYTES 65536U
/* Batches from one socket before others have their turn. */
#define ROUNDS 8
/* A fast channel without the kernel's help comes through here. */
#define RECEIVE_BUFFER_BYTES (4 << 20)

static uint8_t *buffer(const struct udp *udp, int i)
{
	return (uint8_t *)udp->buffers + (size_t)i * DATAGRAM_BYTES;
}

static int receive_batch(struct udp_socket *s)
{
	struct udp *udp = &s->agent->udp;
	struct sockaddr_storage from[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct skerry_addr addr;
	int i, count;

	memset(messages, 0, sizeof(messages));
	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = buffer(udp, i);
		iov[i].iov_len = DATAGRAM_BYTES;
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &from[i];
		messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	count = recvmmsg(s->fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (i = 0; i < count; i++) {
		struct core_bytes bytes = { buffer(udp, i),
					    messages[i].msg_len };

		udp->received++;
		if (netaddr_from_sockaddr(&from[i], &addr))
			driver_datagram(s->agent, s->port, &addr, bytes);
	}
	return count;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct udp_socket *s = poll->data;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (receive_batch(s) < BATCH)
			break;
	}
}

static int open_socket(struct agent *agent, const struct skerry_addr *addr,
		       uint8_t port)
{
	struct udp *udp = &agent->udp;
	struct udp_socket *s = &udp->sockets[udp->count];
	struct sockaddr_storage sockaddr;
	int one = 1, size = RECEIVE_BUFFER_BYTES, fd, err;
	socklen_t length;

	s->local = *addr;
	s->local.port = (uint16_t)(agent->settings.port_base + port);
	length = netaddr_to_sockaddr(&s->local, &sockaddr);
	fd = socket(sockaddr.ss_family,
		    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sockaddr.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		goto err;
	if (port == SKERRY_PORT_FAST &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&sockaddr, length))
		goto err;
	s->agent = agent;
	s->port = port;
	s->fd = fd;
	s->poll.data = s;
	err = uv_poll_init(&agent->loop.uv, &s->poll, fd);
	if (err) {
		close(fd);
		return err;
	}
	uv_poll_start(&s->poll, UV_READABLE, on_readable);
	udp->count++;
	return 0;
err:
	err = -errno;
	close(fd);
	return err;
}

static int open_ports(struct agent *agent, const struct skerry_addr *addr,
		      char text[256])
{
	static const uint8_t ports[UDP_PORTS] = { SKERRY_PORT_FAST,
						  SKERRY_PORT_PARTITION,
						  SKERRY_PORT_HEARTBEAT };
	struct skerry_addr local = *addr;
	char where[NETADDR_TEXT_BYTES];
	uint32_t i;
	int err;

	for (i = 0; i < UDP_PORTS; i++) {
		err = open_socket(agent, addr, ports[i]);
		if (err) {
			local.port = (uint16_t)(agent->settings.port_base +
						ports[i]);
			snprintf(text, 256, "UDP %s: %s",
				 netaddr_text(&local, where), strerror(-err));
			return err;
		}
	}
	return 0;
}

int udp_open(struct agent *agent, char text[256])
{
	struct skerry_addr list[SKERRY_ADDRS_MAX];
	struct udp *udp = &agent->udp;
	uint32_t count, i;
	int err;

	udp->buffers = mmap(NULL, (size_t)BATCH * DATAGRAM_BYTES,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (udp->buffers == MAP_FAILED) {
		udp->buffers = NULL;
		snprintf(text, 256, "no memory");
		return -ENOMEM;
	}
	count = devices_listen(agent, list);
	for (i = 0; i < count; i++) {
		err = open_ports(agent, &list[i], text);
		if (err && err != -EAFNOSUPPORT)
			return err;
	}
	return 0;
}

void udp_close(struct agent *agent)
{
	struct udp *udp = &agent->udp;
	uint32_t i;

	for (i = 0; i < udp->count; i++) {
		uv_close((uv_handle_t *)&udp->sockets[i].poll, NULL);
		close(udp->sockets[i].fd);
	}
	udp->count = 0;
	if (udp->buffers)
		munmap(udp->buffers, (size_t)BATCH * DATAGRAM_BYTES);
	udp->buffers = NULL;
}

/* The one whose own address is nearest to where it goes. */
static const struct udp_socket *find_socket(const struct agent *agent,
					    uint8_t port,
					    const struct skerry_addr *to)
{
	const struct udp_socket *best = NULL;
	unsigned int bits, best_bits = 0;
	uint32_t i;

	for (i = 0; i < agent->udp.count; i++) {
		const struct udp_socket *s = &agent->udp.sockets[i];

		if (s->port != port ||
		    netaddr_is_v4(&s->local) != netaddr_is_v4(to))
			continue;
		bits = netaddr_common_bits(&s->local, to);
		if (!best || bits > best_bits) {
			best = s;
			best_bits = bits;
		}
	}
	return best;
}

void udp_send(struct agent *agent, uint8_t port, const struct skerry_addr *to,
	      struct core_bytes bytes)
{
	const struct udp_socket *s = find_socket(agent, port, to);
	struct sockaddr_storage sockaddr;
	socklen_t length;

	if (port != SKERRY_PORT_PARTITION &&
	    cuts_hold_address(agent, to, CUT_TO_PEER)) {
		cuts_held_address(agent, to, CUT_TO_PEER, bytes.size_bytes);
		agent->udp.cut++;
		return;
	}
	if (!s) {
		agent->udp.not_sent++;
		return;
	}
	length = netaddr_to_sockaddr(to, &sockaddr);
	/* An old ICMP error is not this datagram's: the second try goes out. */
	if (sendto(s->fd, bytes.data, bytes.size_bytes,
		   MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sockaddr,
		   length) < 0 &&
	    (errno != ECONNREFUSED ||
	     sendto(s->fd, bytes.data, bytes.size_bytes,
		    MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sockaddr,
		    length) < 0)) {
		agent->udp.not_sent++;
		return;
	}
	agent->udp.sent++;
}
