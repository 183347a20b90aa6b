// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lane_listen.c - the way in; see lane.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/agent.h"
#include "run/driver.h"
#include "lane.h"
#include "run/log.h"
#include "run/netaddr.h"

#define ACCEPT_BATCH 64
/* Strangers shaking hands at the same time. */
#define PROVING_MAX 512U
#define BACKLOG 512

static void adopt(struct agent *agent, int fd, const struct skerry_addr *remote)
{
	struct lanes *lanes = &agent->lanes;
	struct lane *lane;

	if (lanes->proving >= PROVING_MAX) {
		lanes->refused++;
		if (log_once("lanes_full", "", agent_now_ns()))
			log_text(CORE_LOG_WARNING, "lanes_full",
				 "%u connections have not proved themselves; "
				 "new ones are closed",
				 lanes->proving);
		goto close;
	}
	if (cuts_hold_address(agent, remote, CUT_FROM_PEER) ||
	    cuts_hold_address(agent, remote, CUT_TO_PEER))
		goto close;
	if (lane_set_options(fd))
		goto close;
	lane = lane_new(agent, lanes->next_accepted, true,
			(struct core_bytes) { 0 });
	if (!lane)
		goto close;
	lanes->next_accepted += 2;
	lane->fd = fd;
	lane->remote = *remote;
	lane_poll_open(lane);
	if (lane->state == LANE_DIALLING)
		lane_connected(lane);
	return;
close:
	close(fd);
}

/* Out of descriptors: take the connection with the spare one and drop it,
 * or it would keep the loop awake. */
static void drop_one(struct lanes *lanes, int listener)
{
	int fd;

	close(lanes->spare_fd);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	lanes->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	lanes->refused++;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct lanes_listener *listener = poll->data;
	struct agent *agent = listener->agent;
	struct sockaddr_storage sockaddr;
	struct skerry_addr remote;
	socklen_t length;
	int i, fd;

	for (i = 0; i < ACCEPT_BATCH; i++) {
		length = sizeof(sockaddr);
		fd = accept4(listener->fd, (struct sockaddr *)&sockaddr,
			     &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			drop_one(&agent->lanes, listener->fd);
		if (fd < 0)
			return;
		if (netaddr_from_sockaddr(&sockaddr, &remote))
			adopt(agent, fd, &remote);
		else
			close(fd);
	}
}

static int listen_at(struct agent *agent, const struct skerry_addr *addr)
{
	struct lanes *lanes = &agent->lanes;
	struct lanes_listener *listener =
		&lanes->listeners[lanes->listener_count];
	struct sockaddr_storage sockaddr;
	socklen_t length = netaddr_to_sockaddr(addr, &sockaddr);
	int one = 1, fd, err;

	fd = socket(sockaddr.ss_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		goto err;
	if (sockaddr.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		goto err;
	if (bind(fd, (struct sockaddr *)&sockaddr, length) ||
	    listen(fd, BACKLOG))
		goto err;
	listener->agent = agent;
	listener->fd = fd;
	listener->poll.data = listener;
	err = uv_poll_init(&agent->loop.uv, &listener->poll, fd);
	if (err) {
		close(fd);
		return err;
	}
	uv_poll_start(&listener->poll, UV_READABLE, on_listener);
	lanes->listener_count++;
	return 0;
err:
	err = -errno;
	close(fd);
	return err;
}

int lanes_open(struct agent *agent, char text[256])
{
	struct skerry_addr list[LANES_LISTEN_MAX];
	uint32_t count, i;
	char where[NETADDR_TEXT_BYTES];
	int err;

	agent->lanes.next_accepted = 1;
	agent->lanes.spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	count = devices_listen(agent, list);
	for (i = 0; i < count; i++) {
		list[i].port = (uint16_t)(agent->settings.port_base +
					  SKERRY_PORT_LANES);
		err = listen_at(agent, &list[i]);
		/* A host without IPv6 is a host all the same. */
		if (err == -EAFNOSUPPORT)
			continue;
		if (err) {
			snprintf(text, 256, "%s: %s",
				 netaddr_text(&list[i], where), strerror(-err));
			return err;
		}
	}
	if (!agent->lanes.listener_count) {
		snprintf(text, 256, "no address to listen on");
		return -EADDRNOTAVAIL;
	}
	return 0;
}

void lanes_unlisten(struct agent *agent)
{
	struct lanes *lanes = &agent->lanes;
	uint32_t i;

	for (i = 0; i < lanes->listener_count; i++) {
		uv_close((uv_handle_t *)&lanes->listeners[i].poll, NULL);
		close(lanes->listeners[i].fd);
	}
	lanes->listener_count = 0;
}

void lanes_close(struct agent *agent)
{
	struct lanes *lanes = &agent->lanes;
	struct lane *lane;

	lanes_unlisten(agent);
	for (lane = lanes->first; lane; lane = lane->next)
		lane_end(lane, LANE_END_LOCAL, 0, 0, "the agent ends");
	lanes_settle(agent);
	close(lanes->spare_fd);
}
