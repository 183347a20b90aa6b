/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Fast channels: the program's own UDP socket, which the agent made and the
 * kernel fills. Datagrams are received in batches into buffers that are made
 * once; a message is a view into one of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outgoing.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* With GRO one buffer can hold many datagrams in a row. Pages that no
 * datagram reaches are never touched. */
#define BUFFERS 32U
#define BUFFER_BYTES 65536U

struct fast_buffer {
	uint32_t used_bytes; /* received */
	uint32_t next_byte; /* first not looked at */
	uint32_t segment_bytes;
	uint32_t held; /* messages not yet released */
	bool waiting; /* has bytes not looked at */
};

struct lib_fast {
	struct lib_fast *next; /* in handle->early */
	const char *name;
	int fd;
	struct skerry *handle;
	uint8_t *memory;
	struct fast_buffer buffers[BUFFERS];
	uint32_t order[BUFFERS]; /* buffers with datagrams, oldest first */
	uint32_t order_first, order_count;
	uint64_t refused; /* not for us, or malformed */
};

int lib_fast_add(struct skerry *h, uint32_t index, const char *name,
		 int socket_fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = socket_fd };
	struct lib_channel *c = lib_channel_find(h, name);
	const char *copy = lib_intern(h, name);
	struct lib_fast *fast = NULL;
	int on = 1;

	if (!copy || (c && c->fast))
		goto fail;
	fast = calloc(1, sizeof(*fast));
	if (!fast)
		goto fail;
	fast->memory = mmap(NULL, (size_t)BUFFERS * BUFFER_BYTES,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fast->memory == MAP_FAILED)
		goto fail;
	if (epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, socket_fd, &event)) {
		munmap(fast->memory, (size_t)BUFFERS * BUFFER_BYTES);
		goto fail;
	}
	/* Without it each datagram comes alone: slower, no less right. */
	setsockopt(socket_fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	fast->fd = socket_fd;
	fast->handle = h;
	fast->name = copy;
	if (c) {
		c->fast = fast;
	} else {
		fast->next = h->early;
		h->early = fast;
	}
	return 0;
fail:
	free(fast);
	close(socket_fd);
	return -ENOMEM;
}

struct lib_fast *lib_fast_claim(struct skerry *h, const char *name)
{
	struct lib_fast **p = &h->early, *fast;

	while (*p && (*p)->name != name)
		p = &(*p)->next;
	fast = *p;
	if (fast)
		*p = fast->next;
	return fast;
}

void lib_fast_forget(struct skerry *h)
{
	while (h->early) {
		struct lib_fast *fast = h->early;

		h->early = fast->next;
		lib_fast_free(fast);
	}
}

void lib_fast_free(struct lib_fast *fast)
{
	if (!fast)
		return;
	if (fast->fd >= 0)
		close(fast->fd);
	munmap(fast->memory, (size_t)BUFFERS * BUFFER_BYTES);
	free(fast);
}

uint32_t lib_fast_retire(struct lib_fast *fast)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < BUFFERS; i++)
		held += fast->buffers[i].held;
	/* What nobody looked at is gone, as datagrams may be. */
	fast->order_count = 0;
	close(fast->fd);
	fast->fd = -1;
	return held;
}

bool lib_fast_waiting(const struct lib_fast *fast)
{
	return fast->order_count > 0;
}

/* ---- sending -------------------------------------------------------------- */

void lib_fast_opened(struct lib_flow *f, const void *tlvs, size_t size_bytes)
{
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&f->fast_target;
	struct skerry_addr target;
	struct tlv_reader field;

	f->fast_id = tlv_find_u64(tlvs, size_bytes, SKERRY_K_FAST_ID, 0);
	if (!f->fast_id)
		return;
	f->fast_inflow =
		(uint32_t)tlv_find_u64(tlvs, size_bytes, SKERRY_K_COUNT, 0);
	f->mtu_bytes =
		(uint32_t)tlv_find_u64(tlvs, size_bytes, SKERRY_K_MTU_BYTES,
				       SKERRY_FAST_MAX_BYTES);
	memset(&f->fast_target, 0, sizeof(f->fast_target));
	f->fast_target_bytes = 0;
	f->fast_matched = false;
	if (!tlv_find(tlvs, size_bytes, SKERRY_K_FAST_TARGET, &field) ||
	    tlv_addr(&field, &target))
		return;
	to->sin6_family = AF_INET6;
	to->sin6_port = htons(target.port);
	memcpy(&to->sin6_addr, target.ip, sizeof(target.ip));
	f->fast_target_bytes = sizeof(*to);
}

/* An IPv4 socket takes the mapped address as what it stands for. */
static void match_family(struct lib_flow *f, int fd)
{
	struct sockaddr_in6 six = *(struct sockaddr_in6 *)&f->fast_target;
	struct sockaddr_in *four = (struct sockaddr_in *)&f->fast_target;
	int family = AF_INET6;
	socklen_t bytes = sizeof(family);

	if (f->fast_matched)
		return;
	f->fast_matched = true;
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &bytes);
	if (family != AF_INET || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return;
	memset(four, 0, sizeof(*four));
	four->sin_family = AF_INET;
	four->sin_port = six.sin6_port;
	memcpy(&four->sin_addr, &six.sin6_addr.s6_addr[12], 4);
	f->fast_target_bytes = sizeof(*four);
}

static int explain(struct lib_flow *f, int error, size_t size_bytes)
{
	struct skerry *h = f->handle;

	switch (error) {
	case EAGAIN:
	case ENOBUFS:
		return -EAGAIN;
	case EMSGSIZE:
		return lib_fail(h, -EMSGSIZE,
				"message of %zu bytes: above the path MTU to "
				"%s; use a stream channel",
				size_bytes, f->node);
	case ENETUNREACH:
	case EHOSTUNREACH:
		return lib_fail(h, -EHOSTUNREACH, "%s: no route to its host",
				f->node);
	}
	return lib_fail(h, -error, "%s: fast channel %s: %s", f->node,
			f->channel_name, strerror(error));
}

int lib_fast_send(struct lib_flow *f, const void *data, size_t size_bytes,
		  uint8_t flags)
{
	struct skerry_dgram header = {
		.magic = SKERRY_DGRAM_MAGIC,
		.version = SKERRY_WIRE_VERSION,
		.type = SKERRY_DGRAM_FAST,
		.header_length = sizeof(header),
		.flags = flags,
		.id = f->fast_id,
		.flow = f->fast_inflow,
		.sequence = f->next_number,
	};
	struct iovec iov[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = size_bytes },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct lib_fast *fast = f->channel->fast;

	if (size_bytes > f->mtu_bytes)
		return lib_fail(f->handle, -EMSGSIZE,
				"message of %zu bytes: %s takes %u on channel "
				"%s; use a stream channel",
				size_bytes, f->node, f->mtu_bytes,
				f->channel_name);
	/* The socket is offered beside the answer, maybe behind it. */
	if (!fast)
		return -EAGAIN;
	match_family(f, fast->fd);
	msg.msg_name = &f->fast_target;
	msg.msg_namelen = f->fast_target_bytes;
	/* Once more: the first may return what an earlier one has met. */
	for (int i = 0; i < 2; i++)
		if (sendmsg(fast->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
	return explain(f, errno, size_bytes);
}

bool lib_fast_sendable(const struct lib_flow *f)
{
	struct pollfd p = { .events = POLLOUT };

	if (!f->channel->fast)
		return false;
	p.fd = f->channel->fast->fd;
	return poll(&p, 1, 0) > 0;
}

/* ---- receiving -------------------------------------------------------------- */

static uint8_t *bytes_of(struct lib_fast *fast, uint32_t buffer)
{
	return fast->memory + (size_t)buffer * BUFFER_BYTES;
}

static uint32_t segment_size(struct msghdr *msg, uint32_t received)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, CMSG_DATA(c), sizeof(size));
			return size > 0 ? (uint32_t)size : received;
		}
	return received;
}

/* Fill the free buffers. -ENOBUFS: there is none. */
static int receive(struct lib_fast *fast)
{
	char control[BUFFERS][CMSG_SPACE(sizeof(int))];
	struct mmsghdr msgs[BUFFERS];
	struct iovec iovs[BUFFERS];
	uint32_t which[BUFFERS];
	uint32_t room = 0;
	int n;

	for (uint32_t i = 0; i < BUFFERS; i++) {
		if (fast->buffers[i].held)
			continue;
		iovs[room].iov_base = bytes_of(fast, i);
		iovs[room].iov_len = BUFFER_BYTES;
		memset(&msgs[room], 0, sizeof(msgs[room]));
		msgs[room].msg_hdr.msg_iov = &iovs[room];
		msgs[room].msg_hdr.msg_iovlen = 1;
		msgs[room].msg_hdr.msg_control = control[room];
		msgs[room].msg_hdr.msg_controllen = sizeof(control[room]);
		which[room++] = i;
	}
	if (!room)
		return -ENOBUFS;
	n = recvmmsg(fast->fd, msgs, room, MSG_DONTWAIT, NULL);
	/* An error is what an earlier datagram has met; ours go on. */
	for (int i = 0; i < n; i++) {
		struct fast_buffer *b = &fast->buffers[which[i]];

		b->used_bytes = msgs[i].msg_len;
		b->next_byte = 0;
		b->segment_bytes =
			segment_size(&msgs[i].msg_hdr, msgs[i].msg_len);
		fast->order[i] = which[i];
	}
	fast->order_first = 0;
	fast->order_count = n > 0 ? (uint32_t)n : 0;
	return 0;
}

static bool acceptable(const struct lib_inflow *inflow,
		       const struct skerry_dgram *header, uint32_t size)
{
	return inflow && header->magic == SKERRY_DGRAM_MAGIC &&
	       header->type == SKERRY_DGRAM_FAST &&
	       header->header_length >= sizeof(*header) &&
	       header->header_length <= size &&
	       (!inflow->fast_id || inflow->fast_id == header->id);
}

/* The next datagram of the oldest buffer. 1: it is a message. */
static int take(struct lib_channel *c, struct skerry_message *m)
{
	struct lib_fast *fast = c->fast;
	uint32_t which = fast->order[fast->order_first];
	struct fast_buffer *b = &fast->buffers[which];
	uint8_t *at = bytes_of(fast, which) + b->next_byte;
	uint32_t size = b->used_bytes - b->next_byte;
	struct lib_inflow *inflow = NULL;
	struct skerry_dgram header;

	if (size > b->segment_bytes)
		size = b->segment_bytes;
	b->next_byte += size;
	if (b->next_byte >= b->used_bytes) {
		fast->order_first++;
		fast->order_count--;
	}
	if (size >= sizeof(header)) {
		memcpy(&header, at, sizeof(header));
		inflow = lib_inflow_at(c, header.flow);
	}
	if (size < sizeof(header) || !acceptable(inflow, &header, size)) {
		fast->refused++;
		return 0;
	}
	b->held++;
	m->data = at + header.header_length;
	m->size_bytes = size - header.header_length;
	m->endpoint = inflow->endpoint;
	m->node = inflow->node;
	m->channel = c->name;
	m->number = header.sequence;
	m->flags = header.flags & SKERRY_DATA_CAST ? SKERRY_MESSAGE_CAST : 0;
	m->reserved = 0;
	m->call = 0;
	memcpy(m->program, inflow->program, sizeof(m->program));
	m->internal[LIB_MSG_CHANNEL] = (uintptr_t)c;
	m->internal[LIB_MSG_VIEW] = which;
	m->internal[LIB_MSG_BUFFER] = 0;
	m->internal[LIB_MSG_KIND] = LIB_MSG_FAST;
	return 1;
}

int lib_fast_next(struct lib_channel *c, struct skerry_message *m)
{
	struct lib_fast *fast = c->fast;
	int r;

	for (;;) {
		while (fast->order_count)
			if (take(c, m))
				return 1;
		r = receive(fast);
		if (!r && !fast->order_count)
			lib_inflow_settle(c);
		if (r || !fast->order_count)
			return r;
	}
}

void lib_fast_release(struct lib_channel *c, uint64_t buffer)
{
	c->fast->buffers[buffer].held--;
	if (c->retired)
		lib_channel_release(c, 0);
}
