// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* target.c - addresses to be cut from, as people write them; see grudge.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "grudge.h"

#define V4_BITS 96U

static bool is_v4(const struct skerry_addr *addr)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr->ip, prefix, sizeof(prefix)) == 0;
}

/* Digits alone, up to the end. */
static bool number(const char *text, unsigned int max, unsigned int *ret)
{
	unsigned int value = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned int)(*text - '0');
	}
	if (value > max)
		return false;
	*ret = value;
	return true;
}

static bool parse_host(const char *host, struct skerry_addr *addr)
{
	struct in_addr v4;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, host, &v4) == 1) {
		addr->ip[10] = addr->ip[11] = 0xff;
		memcpy(addr->ip + 12, &v4, sizeof(v4));
		return true;
	}
	return inet_pton(AF_INET6, host, addr->ip) == 1;
}

/*
 * Takes "[/PREFIX][:PORT]" off the end. Of an address with colons and no
 * brackets only the prefix: all else is address.
 */
static int take_tail(char *host, char *tail, struct lib_target *target,
		     bool port_allowed)
{
	unsigned int bits = 0, port = 0;
	char *colon = port_allowed ? strrchr(tail, ':') : NULL;
	char *slash;

	if (colon) {
		*colon = 0;
		if (!number(colon + 1, 65535, &port) || !port)
			return -EINVAL;
	}
	slash = strchr(tail, '/');
	if (slash) {
		*slash = 0;
		if (!number(slash + 1, 128, &bits))
			return -EINVAL;
	}
	if (!parse_host(host, &target->address))
		return -EINVAL;
	if (slash && is_v4(&target->address) && bits > 32)
		return -EINVAL;
	if (slash)
		target->prefix_bits =
			(uint8_t)(is_v4(&target->address) ? bits + V4_BITS
							  : bits);
	target->address.port = (uint16_t)port;
	return 0;
}

int lib_target_parse(const char *text, struct lib_target *ret_target)
{
	struct lib_target target = { .prefix_bits = 128 };
	char copy[LIB_TARGET_TEXT_BYTES], *close;
	const char *colon = strchr(text, ':');
	bool many = colon && strchr(colon + 1, ':');
	int r;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	if (copy[0] == '[') {
		close = strchr(copy, ']');
		if (!close || (close[1] && close[1] != '/' && close[1] != ':'))
			return -EINVAL;
		*close = 0;
		r = take_tail(copy + 1, close + 1, &target, true);
		/* What is in brackets is of version 6. */
		if (!r && is_v4(&target.address) && !strchr(copy + 1, ':'))
			r = -EINVAL;
	} else {
		r = take_tail(copy, copy, &target, !many);
	}
	if (!r)
		*ret_target = target;
	return r;
}

void lib_target_put(struct tlv_writer *w, const struct lib_target *target)
{
	tlv_put_addr(w, SKERRY_K_TARGET, &target->address);
	tlv_put_u64(w, SKERRY_K_PREFIX_BITS, target->prefix_bits);
}

const char *lib_target_text(const struct lib_target *target,
			    char out[LIB_TARGET_TEXT_BYTES])
{
	const struct skerry_addr *addr = &target->address;
	bool v4 = is_v4(addr), port = addr->port != 0;
	char host[INET6_ADDRSTRLEN] = "";
	int used;

	if (v4)
		inet_ntop(AF_INET, addr->ip + 12, host, sizeof(host));
	else
		inet_ntop(AF_INET6, addr->ip, host, sizeof(host));
	used = snprintf(out, LIB_TARGET_TEXT_BYTES, "%s%s%s",
			!v4 && port ? "[" : "", host, !v4 && port ? "]" : "");
	if (target->prefix_bits < 128)
		used += snprintf(out + used,
				 LIB_TARGET_TEXT_BYTES - (size_t)used, "/%u",
				 v4 ? target->prefix_bits - V4_BITS
				    : target->prefix_bits);
	if (port)
		snprintf(out + used, LIB_TARGET_TEXT_BYTES - (size_t)used,
			 ":%u", addr->port);
	return out;
}
