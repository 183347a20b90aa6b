// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* target.c - what a host is to be cut from: an address, a network, or a name
 * that is looked up once and shown. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cut.h"
#include "run/netaddr.h"
#include "../lib/grudge.h"

#define HOST_BYTES 254 /* RFC 1035, and a NUL */

static int split_host(struct cut_shape *shape, const char *text,
		      char host[HOST_BYTES], unsigned int *ret_port)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	char end;

	*ret_port = 0;
	if (!length || length >= HOST_BYTES || strchr(text, '/') ||
	    strpbrk(text, "[] ,") ||
	    (colon && (sscanf(colon + 1, "%5u%c", ret_port, &end) != 1 ||
		       !*ret_port || *ret_port > 65535)))
		return ctl_usage(shape->what, text,
				 "is no address; ADDRESS[/PREFIX][:PORT] or "
				 "HOST[:PORT] is wanted, of version 6 "
				 "[ADDRESS]:PORT");
	memcpy(host, text, length);
	host[length] = 0;
	return 0;
}

static void show(const char *host, const struct skerry_addr *addr)
{
	const struct lib_target target = { *addr, 128 };
	char text[LIB_TARGET_TEXT_BYTES];

	fprintf(stderr, "%s is %s\n", host, lib_target_text(&target, text));
}

static void add(struct cut_shape *shape, const char *host,
		const struct addrinfo *info, unsigned int port)
{
	struct sockaddr_storage storage = { 0 };
	struct skerry_addr addr;

	if (info->ai_addrlen > sizeof(storage) ||
	    shape->target_count == CUT_TARGETS_MAX)
		return;
	memcpy(&storage, info->ai_addr, info->ai_addrlen);
	if (!netaddr_from_sockaddr(&storage, &addr))
		return;
	addr.port = (uint16_t)port;
	show(host, &addr);
	shape->targets[shape->target_count++] = addr;
}

static int look_up(struct cut_shape *shape, const char *host, unsigned int port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL, *info;
	int error = getaddrinfo(host, NULL, &hints, &list);

	if (error)
		return ctl_error_text(-EHOSTUNREACH, shape->what, host,
				      error == EAI_SYSTEM
					      ? strerror(errno)
					      : gai_strerror(error));
	for (info = list; info; info = info->ai_next)
		add(shape, host, info, port);
	freeaddrinfo(list);
	shape->prefix_bits = 128;
	tlv_put(&shape->w, SKERRY_K_HOST, host,
		strlen(host) < 63 ? strlen(host) : 63);
	return 0;
}

int cut_target(struct cut_shape *shape, const char *text)
{
	struct lib_target target;
	char host[HOST_BYTES];
	unsigned int port;
	int code;

	if (lib_target_parse(text, &target) == 0) {
		shape->targets[0] = target.address;
		shape->prefix_bits = target.prefix_bits;
		shape->target_count = 1;
		return 0;
	}
	code = split_host(shape, text, host, &port);
	return code ? code : look_up(shape, host, port);
}
