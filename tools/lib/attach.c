/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Coming to the agent, losing it, coming back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "outgoing.h"

#define CHECK_PERIOD_NS 1000000U
#define FDS_MAX 3

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int watch_fd(struct skerry *h, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void retry_later(struct skerry *h)
{
	if (!h->backoff_ms)
		h->backoff_ms = LIB_BACKOFF_MIN_MS;
	h->retry_ns = lib_now_ns() + (uint64_t)h->backoff_ms * 1000000;
	lib_timer_set(h, h->retry_ns);
	h->backoff_ms *= 2;
	if (h->backoff_ms > LIB_BACKOFF_MAX_MS)
		h->backoff_ms = LIB_BACKOFF_MAX_MS;
}

/* error is this attempt's; the sentence is set already. */
static void attempt_failed(struct skerry *h, int error)
{
	close_fd(&h->socket_fd);
	h->state = LIB_DETACHED;
	h->attach_error = error;
	retry_later(h);
}

/* ---- asking ----------------------------------------------------------- */

/* A path in sun_path holds 107 bytes; through a descriptor of the directory
 * any depth will do. */
static int connect_to(struct skerry *h, int fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int dir_fd, r = 0;

	dir_fd = open(h->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/api.sock",
		 dir_fd);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		r = -errno;
	close(dir_fd);
	return r;
}

static int explain_connect(struct skerry *h, int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
		return lib_fail(h, -ENOENT,
				"%s: this agent does not run (%s/api.sock); "
				"start skerryd",
				h->node, h->directory);
	case -EACCES:
	case -EPERM:
		return lib_fail(h, -EACCES,
				"%s: %s/api.sock is not open to this user; "
				"join the group that owns it",
				h->node, h->directory);
	}
	return lib_fail(h, error, "%s: connect to %s/api.sock: %s", h->node,
			h->directory, strerror(-error));
}

static int ask(struct skerry *h)
{
	struct skerry_attach hello = {
		.magic = SKERRY_RING_MAGIC,
		.abi = SKERRY_RING_ABI,
		.features = SKERRY_RECEIVES_EXTENSIONS | SKERRY_RECEIVES_PACKED,
	};
	int r;

	if (h->flags & SKERRY_OPEN_ADMIN)
		hello.flags |= SKERRY_ATTACH_ADMIN;
	if (h->was_attached)
		hello.flags |= SKERRY_ATTACH_AGAIN;
	memcpy(hello.instance, h->instance, sizeof(hello.instance));
	memcpy(hello.program, h->program, sizeof(hello.program));

	h->socket_fd = socket(AF_UNIX,
			      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->socket_fd < 0)
		return lib_fail(h, -errno, "socket: %s", strerror(errno));
	r = connect_to(h, h->socket_fd);
	if (r)
		return explain_connect(h, r);
	/* Turned away at the door: the answer is there already. */
	if (send(h->socket_fd, &hello, sizeof(hello), MSG_NOSIGNAL) !=
		    sizeof(hello) &&
	    errno != EPIPE)
		return lib_fail(h, -errno, "%s: send: %s", h->node,
				strerror(errno));
	return watch_fd(h, h->socket_fd);
}

/* ---- being answered ---------------------------------------------------- */

/* One datagram and its descriptors; unused ones are -1. Size, 0 when the
 * agent has closed, -errno. */
static ssize_t receive(int fd, void *data, size_t size_bytes, int fds[FDS_MAX])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size_bytes };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c;
	ssize_t n;

	for (int i = 0; i < FDS_MAX; i++)
		fds[i] = -1;
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
	return n;
}

static int take_mapping(struct skerry *h, const struct skerry_attached *reply,
			int fds[FDS_MAX])
{
	struct lib_map map;
	int r;

	if (fds[2] < 0)
		return lib_fail(h, -EPROTO,
				"%s: the agent gave no rings; it is of "
				"another version",
				h->node);
	r = lib_map(fds[0], reply->mapping_bytes, 0, &map);
	if (r)
		return lib_fail(h, r, "%s: cannot map its control rings: %s",
				h->node, strerror(-r));
	r = watch_fd(h, fds[2]);
	if (r) {
		lib_unmap(map.mapping, map.out_data, map.in_data);
		return lib_fail(h, r, "epoll: %s", strerror(-r));
	}
	h->control = map.mapping;
	h->control_out_data = map.out_data;
	h->control_in_data = map.in_data;
	h->control_out = map.out;
	h->control_in = map.in;
	h->slots = (void *)((uint8_t *)map.mapping + map.mapping->slots_offset);
	h->slot_count = map.mapping->slots;
	h->wake_agent_fd = fds[1];
	h->wake_program_fd = fds[2];
	fds[1] = fds[2] = -1;
	return 0;
}

static int take_reply(struct skerry *h, struct skerry_attached *reply,
		      ssize_t size, int fds[FDS_MAX])
{
	if (size != sizeof(*reply) || reply->magic != SKERRY_RING_MAGIC)
		return lib_fail(h, -EPROTO,
				"%s: its answer is no skerryd's; check %s",
				h->node, h->directory);
	reply->text[sizeof(reply->text) - 1] = '\0';
	if (reply->error)
		return lib_fail(h, reply->error < 0 ? reply->error : -EPROTO,
				"%s", reply->text);
	if (reply->abi != SKERRY_RING_ABI)
		return lib_fail(h, -EPROTO,
				"%s: speaks ring version %u, this library %u; "
				"update the older",
				h->node, reply->abi, SKERRY_RING_ABI);
	if (h->flags & SKERRY_OPEN_ADMIN &&
	    !(reply->flags & SKERRY_ATTACH_ADMIN))
		return lib_fail(h, -EACCES,
				"%s: this user is no administrator; be root "
				"or join its admin_group",
				h->node);
	return take_mapping(h, reply, fds);
}

static void finish(struct skerry *h)
{
	struct skerry_attached reply;
	int fds[FDS_MAX];
	ssize_t size;
	int r;

	size = receive(h->socket_fd, &reply, sizeof(reply), fds);
	if (size == -EAGAIN || size == -EINTR)
		return;
	if (size == 0)
		r = lib_fail(h, -ECONNRESET,
			     "%s: the agent closed the connection", h->node);
	else if (size < 0)
		r = lib_fail(h, (int)size, "%s: %s", h->node,
			     strerror((int)-size));
	else
		r = take_reply(h, &reply, size, fds);
	for (int i = 0; i < FDS_MAX; i++)
		close_fd(&fds[i]);
	if (r) {
		attempt_failed(h, r);
		return;
	}
	h->boot_nonce = reply.boot_nonce;
	h->state = LIB_ATTACHED;
	h->attach_error = 0;
	h->backoff_ms = 0;
	h->generation++;
	h->freed_bytes = 0;
	h->reattached = h->was_attached;
	h->was_attached = true;
}

void lib_attach_step(struct skerry *h)
{
	int r;

	if (h->state == LIB_ATTACHING) {
		finish(h);
		return;
	}
	if (h->state != LIB_DETACHED || lib_now_ns() < h->retry_ns)
		return;
	r = ask(h);
	if (r) {
		attempt_failed(h, r);
		return;
	}
	h->state = LIB_ATTACHING;
	finish(h);
}

/* ---- being attached ----------------------------------------------------- */

static void take_offer(struct skerry *h, struct skerry_offer *offer, int *fd)
{
	struct lib_map map;

	offer->name[sizeof(offer->name) - 1] = '\0';
	switch (offer->kind) {
	case SKERRY_OFFER_CHANNEL:
		if (lib_map(*fd, offer->mapping_bytes, 1, &map) == 0)
			lib_channel_add(h, offer->channel, offer->name,
					offer->flags, &map);
		break;
	case SKERRY_OFFER_FAST:
		lib_fast_add(h, offer->channel, offer->name, *fd);
		*fd = -1;
		break;
	}
}

/* 1: something was there; 0: nothing; < 0: the agent is gone. */
static int read_socket(struct skerry *h)
{
	struct skerry_offer offer;
	int fds[FDS_MAX];
	ssize_t n;

	n = receive(h->socket_fd, &offer, sizeof(offer), fds);
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return -ECONNRESET;
	if (n == sizeof(offer) && offer.magic == SKERRY_RING_MAGIC &&
	    fds[0] >= 0)
		take_offer(h, &offer, &fds[0]);
	for (int i = 0; i < FDS_MAX; i++)
		close_fd(&fds[i]);
	return 1;
}

void lib_attach_offer(struct skerry *h)
{
	int r;

	do
		r = read_socket(h);
	while (r == 1);
	if (r < 0)
		lib_attach_lost(h, r, "the agent went away");
}

void lib_attach_check(struct skerry *h, bool now)
{
	uint64_t time_ns;

	if (h->state != LIB_ATTACHED)
		return;
	time_ns = lib_now_ns();
	if (!now && time_ns - h->checked_ns < CHECK_PERIOD_NS)
		return;
	h->checked_ns = time_ns;
	lib_attach_offer(h);
}

static bool not_detached(struct skerry *h, void *data)
{
	return h->state == LIB_ATTACHED;
}

int lib_attach_wait(struct skerry *h, uint64_t deadline_ns)
{
	uint64_t latest_ns;

	lib_attach_check(h, false);
	if (h->state == LIB_ATTACHED)
		return 0;
	latest_ns = lib_now_ns() + LIB_ATTACH_WAIT_MS * 1000000ULL;
	if (lib_nonblock(h) || h->in_callback)
		latest_ns = 0;
	if (latest_ns > deadline_ns)
		latest_ns = deadline_ns;
	if (lib_wait(h, not_detached, NULL, latest_ns, 0))
		return -ECONNRESET;
	return 0;
}

/* ---- losing it ------------------------------------------------------------ */

static void drop_attachment(struct skerry *h)
{
	struct lib_channel *c;

	while ((c = h->channels)) {
		h->channels = c->next;
		lib_channel_retire(c);
	}
	h->turn = NULL;
	lib_fast_forget(h);
	lib_unmap(h->control, h->control_out_data, h->control_in_data);
	h->control = NULL;
	h->slots = NULL;
	h->slot_count = 0;
	close_fd(&h->socket_fd);
	close_fd(&h->wake_agent_fd);
	close_fd(&h->wake_program_fd);
}

void lib_attach_lost(struct skerry *h, int error, const char *why)
{
	if (h->state != LIB_ATTACHED)
		return;
	/* First, so that nothing below looks at the agent again. */
	h->state = LIB_DETACHED;
	h->attach_error = error;
	h->reattached = false;
	lib_fail(h, error, "%s: %s", h->node, why);
	/* Flows before channels: they point into them. */
	lib_flows_lost(h);
	drop_attachment(h);
	lib_control_lost(h);
	retry_later(h);
}

void lib_attach_free(struct skerry *h)
{
	struct lib_channel *c;

	h->state = LIB_DETACHED;
	lib_flows_lost(h);
	drop_attachment(h);
	lib_control_lost(h);
	while ((c = h->retired)) {
		h->retired = c->next;
		lib_channel_free(c);
	}
}
