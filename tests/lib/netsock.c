// SPDX-License-Identifier: GPL-2.0-only
/* Sockets for tests. */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "netsock.h"
#include "scale.h"

static bool is_ipv4(const struct skerry_addr *addr)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr->ip, prefix, sizeof(prefix)) == 0;
}

size_t netsock_address(const struct skerry_addr *addr,
		       struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret_address;
	struct sockaddr_in *four = (struct sockaddr_in *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (is_ipv4(addr)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(addr->port);
		memcpy(&four->sin_addr, addr->ip + 12, 4);
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(addr->port);
	memcpy(&six->sin6_addr, addr->ip, 16);
	return sizeof(*six);
}

static int bound_socket(int netns, const struct skerry_addr *bound, int type)
{
	struct sockaddr_storage address;
	size_t bytes = netsock_address(bound, &address);
	int one = 1, fd, ret = 0;

	if (netns >= 0 && netns_enter(netns))
		return -EINVAL;
	fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		ret = -errno;
	if (netns >= 0)
		netns_home();
	if (ret)
		return ret;
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, bytes)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

int netsock_udp(int netns, const struct skerry_addr *bound)
{
	return bound_socket(netns, bound, SOCK_DGRAM);
}

int netsock_send(int fd, const struct skerry_addr *to, const void *data,
		 size_t bytes)
{
	struct sockaddr_storage address;
	size_t length = netsock_address(to, &address);

	if (sendto(fd, data, bytes, 0, (struct sockaddr *)&address, length) < 0)
		return -errno;
	return 0;
}

int netsock_send_segments(int fd, const struct skerry_addr *to,
			  const void *data, size_t bytes,
			  uint16_t segment_bytes)
{
	char control[CMSG_SPACE(sizeof(uint16_t))] = {};
	struct sockaddr_storage address;
	struct iovec iov = { (void *)data, bytes };
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = netsock_address(to, &address),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_UDP;
	header->cmsg_type = UDP_SEGMENT;
	header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
	memcpy(CMSG_DATA(header), &segment_bytes, sizeof(segment_bytes));
	return sendmsg(fd, &message, 0) < 0 ? -errno : 0;
}

int netsock_burst(int fd, const struct skerry_addr *to, int count)
{
	char data[100] = "burst";
	int i, sent = 0;

	for (i = 0; i < count; i++)
		sent += netsock_send(fd, to, data, sizeof(data)) == 0;
	return sent;
}

int netsock_receive(int fd, void *data, size_t bytes, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t got;

	if (poll(&p, 1, time_scaled(wait_ms)) <= 0)
		return -ETIMEDOUT;
	got = recv(fd, data, bytes, 0);
	return got < 0 ? -errno : got;
}

int netsock_drain(int fd, int wait_ms)
{
	char data[2048];
	int count = 0;

	while (netsock_receive(fd, data, sizeof(data), wait_ms) >= 0)
		count++;
	return count;
}

bool netsock_arrived(int fd, int count, int wait_ms)
{
	char data[2048];

	while (count && netsock_receive(fd, data, sizeof(data), wait_ms) >= 0)
		count--;
	return !count;
}

int netsock_recverr(int fd, bool six)
{
	int one = 1;

	return six ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one,
				sizeof(one))
		   : setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
}

int netsock_error(int fd)
{
	char control[512], data[64];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct sock_extended_err error;
	struct cmsghdr *header;

	if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
		return 0;
	header = CMSG_FIRSTHDR(&message);
	if (!header)
		return EBADMSG;
	memcpy(&error, CMSG_DATA(header), sizeof(error));
	return error.ee_errno;
}

int netsock_listen(int netns, const struct skerry_addr *bound)
{
	int fd = bound_socket(netns, bound, SOCK_STREAM);

	if (fd >= 0 && listen(fd, 8)) {
		close(fd);
		return -errno;
	}
	return fd;
}

int netsock_connect(int netns, const struct skerry_addr *bound,
		    const struct skerry_addr *to)
{
	int fd = bound_socket(netns, bound, SOCK_STREAM);
	struct sockaddr_storage address;
	size_t bytes = netsock_address(to, &address);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, bytes) &&
	    errno != EINPROGRESS) {
		close(fd);
		return -errno;
	}
	return fd;
}

int netsock_connected(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t bytes = sizeof(int);
	int error = 0;

	if (poll(&p, 1, time_scaled(wait_ms)) <= 0)
		return 0;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	return error ? -error : 1;
}

int netsock_accept(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int got;

	if (poll(&p, 1, time_scaled(wait_ms)) <= 0)
		return -ETIMEDOUT;
	got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return got < 0 ? -errno : got;
}

uint32_t netsock_retransmits(int fd)
{
	struct tcp_info info = {};
	socklen_t bytes = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
	return info.tcpi_total_retrans;
}
