// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* addr.c - see addr.h. */
#include "addr.h"
#include "codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* Decimal up to max; -1 on anything else. Moves *text behind it. */
static long number(const char **text, long max)
{
	const char *at = *text;
	long value = 0;

	if (*at < '0' || *at > '9')
		return -1;
	while (*at >= '0' && *at <= '9') {
		value = value * 10 + (*at++ - '0');
		if (value > max)
			return -1;
	}
	*text = at;
	return value;
}

static int parse_v4(const char **text, uint8_t ip[4])
{
	const char *at = *text;
	int i;

	for (i = 0; i < 4; i++) {
		long part;

		if (i && *at++ != '.')
			return -EINVAL;
		part = number(&at, 255);
		if (part < 0)
			return -EINVAL;
		ip[i] = (uint8_t)part;
	}
	*text = at;
	return 0;
}

/* A group of an IPv6 address, or, at the end, an IPv4 address in two. */
static int parse_group(const char **text, uint8_t *ip, int room)
{
	const char *at = *text, *dotted = *text;
	unsigned int value = 0;
	int digits = 0;

	if (room >= 4 && !parse_v4(&dotted, ip)) {
		*text = dotted;
		return 4;
	}
	while (skerry_hex_digit(*at) >= 0 && digits < 4) {
		value = value * 16 + (unsigned int)skerry_hex_digit(*at++);
		digits++;
	}
	if (!digits || room < 2)
		return -EINVAL;
	ip[0] = (uint8_t)(value >> 8);
	ip[1] = (uint8_t)value;
	*text = at;
	return 2;
}

static int parse_v6(const char **text, uint8_t ip[16])
{
	uint8_t bytes[16];
	const char *at = *text;
	int used = 0, gap = -1;

	if (at[0] == ':') {
		if (at[1] != ':')
			return -EINVAL;
		at += 2;
		gap = 0;
	}
	while (used < 16 && *at && *at != ']') {
		int n = parse_group(&at, bytes + used, 16 - used);

		if (n < 0)
			return n;
		used += n;
		if (at[0] == ':' && at[1] == ':') {
			if (gap >= 0)
				return -EINVAL;
			gap = used;
			at += 2;
		} else if (at[0] == ':') {
			at++;
			if (skerry_hex_digit(*at) < 0)
				return -EINVAL;
		} else {
			break;
		}
	}
	if ((gap < 0 && used != 16) || (gap >= 0 && used > 14))
		return -EINVAL;
	memset(ip, 0, 16);
	if (gap < 0)
		gap = 16;
	memcpy(ip, bytes, (size_t)(gap < used ? gap : used));
	if (gap < used)
		memcpy(ip + 16 - (used - gap), bytes + gap,
		       (size_t)(used - gap));
	*text = at;
	return 0;
}

int addr_parse(const char *text, struct skerry_addr *ret_addr)
{
	struct skerry_addr addr = { .port = SKERRY_PORT_BASE };
	int rv;

	if (*text == '[') {
		text++;
		rv = parse_v6(&text, addr.ip);
		if (!rv && *text++ != ']')
			rv = -EINVAL;
	} else {
		memcpy(addr.ip, v4_prefix, sizeof(v4_prefix));
		rv = parse_v4(&text, addr.ip + 12);
	}
	if (rv)
		return rv;
	if (*text == ':') {
		long port;

		text++;
		port = number(&text, 65535);
		if (port <= 0)
			return -EINVAL;
		addr.port = (uint16_t)port;
	}
	if (*text)
		return -EINVAL;
	*ret_addr = addr;
	return 0;
}

/* The longest run of two or more zero groups is written "::" (RFC 5952). */
static void longest_gap(const uint8_t ip[16], int *ret_at, int *ret_length)
{
	int i, run = 0;

	*ret_at = -1;
	*ret_length = 1;
	for (i = 0; i < 8; i++) {
		run = ip[2 * i] || ip[2 * i + 1] ? 0 : run + 1;
		if (run > *ret_length) {
			*ret_length = run;
			*ret_at = i - run + 1;
		}
	}
}

const char *addr_text(const struct skerry_addr *addr, char *out,
		      size_t room_bytes)
{
	const uint8_t *ip = addr->ip;
	char groups[48];
	size_t used = 0;
	int i, gap, length;

	if (!memcmp(ip, v4_prefix, sizeof(v4_prefix))) {
		snprintf(out, room_bytes, "%u.%u.%u.%u:%u", ip[12], ip[13],
			 ip[14], ip[15], addr->port);
		return out;
	}
	longest_gap(ip, &gap, &length);
	groups[0] = 0;
	for (i = 0; i < 8; i++) {
		if (i == gap) {
			used += (size_t)snprintf(groups + used,
						 sizeof(groups) - used, "::");
			i += length - 1;
			continue;
		}
		used += (size_t)snprintf(groups + used, sizeof(groups) - used,
					 "%s%x",
					 i && i != gap + length ? ":" : "",
					 (unsigned int)(ip[2 * i] << 8 |
							ip[2 * i + 1]));
	}
	snprintf(out, room_bytes, "[%s]:%u", groups, addr->port);
	return out;
}

bool addr_equal(const struct skerry_addr *a, const struct skerry_addr *b)
{
	return a->port == b->port && addr_same_host(a, b);
}

bool addr_same_host(const struct skerry_addr *a, const struct skerry_addr *b)
{
	return !memcmp(a->ip, b->ip, sizeof(a->ip));
}
