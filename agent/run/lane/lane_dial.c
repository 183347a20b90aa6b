// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * lane_dial.c - the way out: each address of a peer in turn, from a port of
 * our block, so that the first packet already says whose it is.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/agent.h"
#include "run/driver.h"
#include "lane.h"
#include "run/netaddr.h"

int lane_set_options(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	return 0;
}

/* Bound, not connected. */
static int bound_socket(const struct skerry_addr *from)
{
	struct sockaddr_storage sockaddr;
	socklen_t length = netaddr_to_sockaddr(from, &sockaddr);
	int one = 1, fd, err;

	fd = socket(sockaddr.ss_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&sockaddr, length)) {
		err = -errno;
		close(fd);
		return err;
	}
	err = lane_set_options(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/*
 * The first port from which this address can be reached. Lanes to several
 * peers share one; two to the same peer do not (-EADDRNOTAVAIL), so the next
 * is tried.
 */
static int connect_from_block(const struct agent *agent,
			      const struct skerry_addr *to)
{
	struct skerry_addr from = devices_source(agent, to);
	struct sockaddr_storage sockaddr;
	socklen_t length = netaddr_to_sockaddr(to, &sockaddr);
	int err = -EADDRNOTAVAIL;
	unsigned int i;
	int fd;

	for (i = SKERRY_PORT_FIRST_FREE; i < SKERRY_PORT_BLOCK; i++) {
		from.port = (uint16_t)(agent->settings.port_base + i);
		fd = bound_socket(&from);
		if (fd == -EADDRINUSE)
			continue;
		if (fd < 0)
			return fd;
		if (!connect(fd, (struct sockaddr *)&sockaddr, length) ||
		    errno == EINPROGRESS)
			return fd;
		err = -errno;
		close(fd);
		if (err != -EADDRNOTAVAIL && err != -EADDRINUSE)
			return err;
	}
	return err;
}

void lane_dial_next(struct lane *lane)
{
	struct agent *agent = lane->agent;
	uint64_t now_ns = agent_now_ns();
	uint32_t left;

	lane_poll_close(lane);
	if (lane->fd >= 0) {
		close(lane->fd);
		lane->fd = -1;
		lane->error = -ETIMEDOUT;
	}
	while (lane->address_next < lane->address_count &&
	       now_ns < lane->dial_end_ns) {
		left = lane->address_count - lane->address_next;
		lane->remote = lane->addresses[lane->address_next++];
		lane_deadline(lane,
			      now_ns + (lane->dial_end_ns - now_ns) / left);
		/* Behind a cut nothing answers, and nothing says so. */
		if (cuts_hold_address(agent, &lane->remote, CUT_TO_PEER) ||
		    cuts_hold_address(agent, &lane->remote, CUT_FROM_PEER)) {
			lane->error = -ETIMEDOUT;
			return;
		}
		lane->fd = connect_from_block(agent, &lane->remote);
		if (lane->fd >= 0) {
			lane_poll_open(lane);
			lane_interest(lane);
			return;
		}
		lane->error = lane->fd;
		lane->fd = -1;
	}
	lane_end(lane, LANE_END_TIMEOUT, lane->error ? lane->error : -ETIMEDOUT,
		 0, "no address answers");
}

void lane_dial_ready(struct lane *lane)
{
	socklen_t length = sizeof(int);
	int err = 0;

	if (getsockopt(lane->fd, SOL_SOCKET, SO_ERROR, &err, &length))
		err = errno;
	if (!err) {
		lane_connected(lane);
		return;
	}
	lane_poll_close(lane);
	close(lane->fd);
	lane->fd = -1;
	lane->error = -err;
	lane_dial_next(lane);
}

void lane_dial(struct agent *agent, const struct core_op *op)
{
	uint32_t count = op->dial.address_count;
	struct lane *lane = lane_new(agent, op->lane, false, op->bytes);

	if (!lane) {
		struct core_event event = { .type = EV_DIAL_FAILED,
					    .lane = op->lane,
					    .error = -ENOMEM };

		driver_later(agent, &event);
		return;
	}
	if (count > SKERRY_ADDRS_MAX)
		count = SKERRY_ADDRS_MAX;
	if (count)
		memcpy(lane->addresses, op->dial.addresses,
		       count * sizeof(lane->addresses[0]));
	lane->address_count = count;
	lane->dial_end_ns = agent_now_ns() + op->dial.timeout_ms * 1000000ULL;
	lane_dial_next(lane);
}
