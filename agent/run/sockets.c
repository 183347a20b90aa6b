// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* sockets.c - see sockets.h. The kernel's headers for this do not go together
 * with the C library's, hence a file of its own. */
#include "sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#define ANSWER_BYTES 32768
/* enum of <netinet/tcp.h>: 1 established, 2 to 6 on the way to or from it, 8
 * and 9, 11 being closed; not time-wait (6), closed (7), listening (10). */
#define STATES_TCP                                                             \
	(1U << 1 | 1U << 2 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 8 | 1U << 9 | \
	 1U << 11)
#define STATES_UDP (1U << 1) /* connected */
/* What is ended in one listing; there is another when there were more. */
#define LIST_MAX 4096U
#define ROUNDS_MAX 16

struct request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 diag;
};

struct found {
	uint8_t family, protocol;
	struct inet_diag_sockid id;
};

struct listing {
	sockets_match_fn *match;
	void *data;
	uint8_t protocol;
	struct found *list;
	uint32_t count;
};

static int diag_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			NETLINK_SOCK_DIAG);

	return fd < 0 ? -errno : fd;
}

static int diag_send(int fd, struct request *request)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	request->head.nlmsg_len = sizeof(*request);
	if (sendto(fd, request, sizeof(*request), 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

/* The kernel's answer to a request that is acknowledged. */
static int diag_error(int fd)
{
	char bytes[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *head = (const void *)bytes;
	const struct nlmsgerr *error = NLMSG_DATA(head);
	ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

	if (got < 0)
		return -errno;
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*error)) ||
	    head->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return error->error;
}

static int destroy(int fd, const struct found *socket)
{
	struct request request = {
		.head = { .nlmsg_type = SOCK_DESTROY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.diag = { .sdiag_family = socket->family,
			  .sdiag_protocol = socket->protocol,
			  .idiag_states = ~0U,
			  .id = socket->id },
	};
	int err = diag_send(fd, &request);

	return err ? err : diag_error(fd);
}

int sockets_probe(void)
{
	struct found nobody = { .family = AF_INET, .protocol = IPPROTO_TCP };
	int fd = diag_open(), err;

	if (fd < 0)
		return fd;
	/* A connection that cannot be: the kernel looks for it if it can end
	 * any at all. */
	nobody.id.idiag_cookie[0] = nobody.id.idiag_cookie[1] = 1;
	nobody.id.idiag_sport = htons(1);
	nobody.id.idiag_dport = htons(1);
	err = destroy(fd, &nobody);
	close(fd);
	return err == -ENOENT || err == -ESTALE ? 0 : err;
}

static void unify(const struct found *socket, uint8_t ip[16])
{
	if (socket->family == AF_INET6) {
		memcpy(ip, socket->id.idiag_dst, 16);
		return;
	}
	memset(ip, 0, 10);
	memset(ip + 10, 0xff, 2);
	memcpy(ip + 12, socket->id.idiag_dst, 4);
}

static void take(struct listing *l, const struct inet_diag_msg *message)
{
	struct found found = { .family = message->idiag_family,
			       .protocol = l->protocol,
			       .id = message->id };
	uint8_t ip[16];

	unify(&found, ip);
	if (l->count == LIST_MAX || !found.id.idiag_dport ||
	    !l->match(l->data, found.protocol, ntohs(found.id.idiag_sport), ip,
		      ntohs(found.id.idiag_dport)))
		return;
	l->list[l->count++] = found;
}

/* One piece of the listing: 1 when there are more, 0 at its end. */
static int read_piece(int fd, struct listing *l, char *bytes)
{
	ssize_t got = recv(fd, bytes, ANSWER_BYTES, 0);
	const struct nlmsghdr *head = (const void *)bytes;
	const struct nlmsgerr *error;
	uint32_t left;

	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	for (left = (uint32_t)got; NLMSG_OK(head, left);
	     head = NLMSG_NEXT(head, left)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == NLMSG_ERROR) {
			error = NLMSG_DATA(head);
			return error->error ? error->error : -EPROTO;
		}
		if (head->nlmsg_len >=
		    NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			take(l, NLMSG_DATA(head));
	}
	return 1;
}

static int list(int fd, struct listing *l, uint8_t family)
{
	struct request request = {
		.head = { .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.diag = { .sdiag_family = family,
			  .sdiag_protocol = l->protocol,
			  .idiag_states = l->protocol == IPPROTO_TCP
						  ? STATES_TCP
						  : STATES_UDP },
	};
	char *bytes = malloc(ANSWER_BYTES);
	int ret;

	if (!bytes)
		return -ENOMEM;
	ret = diag_send(fd, &request);
	if (!ret) {
		do {
			ret = read_piece(fd, l, bytes);
		} while (ret > 0);
	}
	free(bytes);
	return ret;
}

/* One family and protocol, once: how many were ended, or -errno. */
static int destroy_round(struct listing *l, uint8_t family)
{
	int fd = diag_open(), ret, ended = 0;
	uint32_t i;

	if (fd < 0)
		return fd;
	l->count = 0;
	ret = list(fd, l, family);
	/* A kernel without IPv6, or without UDP there, has nothing to end. */
	if (ret == -ENOENT)
		ret = 0;
	for (i = 0; !ret && i < l->count; i++) {
		ret = destroy(fd, &l->list[i]);
		if (!ret)
			ended++;
		else if (ret == -ENOENT || ret == -ESTALE)
			ret = 0;
	}
	close(fd);
	return ret ? ret : ended;
}

int sockets_destroy(sockets_match_fn *match, void *data)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct listing l = { .match = match, .data = data };
	int i, round, ret = 0, ended = 0;

	l.list = malloc(LIST_MAX * sizeof(*l.list));
	if (!l.list)
		return -ENOMEM;
	for (i = 0; ret >= 0 && i < 4; i++) {
		l.protocol = protocols[i / 2];
		for (round = 0; round < ROUNDS_MAX; round++) {
			ret = destroy_round(&l, families[i % 2]);
			if (ret < 0)
				break;
			ended += ret;
			if (l.count < LIST_MAX)
				break;
		}
	}
	free(l.list);
	return ret < 0 ? ret : ended;
}
