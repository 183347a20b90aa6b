// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_value.c - values with units, words, addresses; see config_impl.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/codec.h"
#include "config_impl.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
};

/* Digits only: no sign, no space, no octal. *ret_rest is what follows. */
static int read_number(const char *text, uint64_t *ret_value,
		       const char **ret_rest)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (value > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*ret_value = value;
	*ret_rest = text;
	return 0;
}

static int read_unit(const char *text, const struct unit *units, size_t count,
		     const char *examples, uint64_t *ret_value,
		     char why[CONFIG_WHY_BYTES])
{
	const char *rest;
	uint64_t number;
	size_t i;

	if (read_number(text, &number, &rest) != 0) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "not a number with a unit; write %s", examples);
		return -EINVAL;
	}
	if (!*rest) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "a number without a unit; write %s", examples);
		return -EINVAL;
	}
	for (i = 0; i < count; i++)
		if (strcmp(rest, units[i].name) == 0)
			break;
	if (i == count || number > UINT64_MAX / units[i].factor) {
		snprintf(why, CONFIG_WHY_BYTES, "%s; write %s",
			 i == count ? "unknown unit" : "too large", examples);
		return -EINVAL;
	}
	*ret_value = number * units[i].factor;
	return 0;
}

int config_duration(const char *text, uint64_t min_ms, uint64_t max_ms,
		    uint32_t *ret_ms, char why[CONFIG_WHY_BYTES])
{
	uint64_t value;

	if (read_unit(text, durations, 4, "200ms, 30s, 5m or 1h", &value, why))
		return -EINVAL;
	if (value < min_ms || value > max_ms) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "out of range; %llums to %llus are allowed",
			 (unsigned long long)min_ms,
			 (unsigned long long)(max_ms / 1000));
		return -EINVAL;
	}
	*ret_ms = (uint32_t)value;
	return 0;
}

int config_count(const char *text, uint64_t min, uint64_t max,
		 uint64_t *ret_value, char why[CONFIG_WHY_BYTES])
{
	const char *rest;
	uint64_t value;

	if (read_number(text, &value, &rest) != 0 || *rest || value < min ||
	    value > max) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "not a number from %llu to %llu",
			 (unsigned long long)min, (unsigned long long)max);
		return -EINVAL;
	}
	*ret_value = value;
	return 0;
}

int config_bool(const char *text, bool *ret_value, char why[CONFIG_WHY_BYTES])
{
	static const char *const words[] = { "no",  "yes", "false", "true",
					     "off", "on",  NULL };
	uint32_t i;

	for (i = 0; words[i]; i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret_value = i & 1;
			return 0;
		}
	}
	snprintf(why, CONFIG_WHY_BYTES, "neither yes nor no");
	return -EINVAL;
}

int config_word(const char *text, const char *const *words, uint32_t *ret_index,
		char why[CONFIG_WHY_BYTES])
{
	uint32_t i;

	for (i = 0; words[i]; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	snprintf(why, CONFIG_WHY_BYTES, "no such word");
	return -EINVAL;
}

int config_string(const char *text, char *out, size_t room,
		  char why[CONFIG_WHY_BYTES])
{
	size_t length = strlen(text);

	if (!length || length >= room) {
		snprintf(why, CONFIG_WHY_BYTES, "%s; 1 to %zu bytes",
			 length ? "too long" : "empty", room - 1);
		return -EINVAL;
	}
	memcpy(out, text, length + 1);
	return 0;
}

static void map_v4(uint8_t ret_ip[16], const struct in_addr *v4)
{
	memset(ret_ip, 0, 10);
	ret_ip[10] = ret_ip[11] = 0xff;
	memcpy(ret_ip + 12, v4, 4);
}

static int parse_ip(const char *text, uint8_t ret_ip[16])
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		map_v4(ret_ip, &v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		memcpy(ret_ip, &v6, 16);
		return 0;
	}
	return -EINVAL;
}

static bool is_v4(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(ip, prefix, 12) == 0;
}

bool config_ip_loopback(const uint8_t ip[16])
{
	static const uint8_t one[16] = { [15] = 1 };

	return is_v4(ip) ? ip[12] == 127 : memcmp(ip, one, 16) == 0;
}

/* What nobody can be reached at, or what means another thing elsewhere. */
const char *config_ip_unusable(const uint8_t ip[16])
{
	static const uint8_t zero[16];

	if (is_v4(ip)) {
		if (memcmp(ip + 12, zero, 4) == 0)
			return "stands for every address";
		if (ip[12] >= 224)
			return "a multicast or reserved address";
		return NULL;
	}
	if (memcmp(ip, zero, 16) == 0)
		return "stands for every address";
	if (ip[0] == 0xff)
		return "a multicast address";
	if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
		return "a link-local address, which needs a device to be clear";
	return NULL;
}

int config_ip(const char *text, uint8_t ret_ip[16], char why[CONFIG_WHY_BYTES])
{
	char copy[64];
	size_t length = strlen(text);
	const char *unusable;
	uint8_t ip[16];

	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length >= sizeof(copy))
		goto bad;
	memcpy(copy, text, length);
	copy[length] = 0;
	if (parse_ip(copy, ip) != 0)
		goto bad;
	unusable = config_ip_unusable(ip);
	if (unusable) {
		snprintf(why, CONFIG_WHY_BYTES, "%s", unusable);
		return -EINVAL;
	}
	memcpy(ret_ip, ip, 16);
	return 0;
bad:
	snprintf(why, CONFIG_WHY_BYTES, "not an IPv4 or IPv6 address");
	return -EINVAL;
}

/* HOST:PORT into its parts, cutting `text`; *ret_port is NULL without one. */
static int split_port(char *text, char **ret_host, char **ret_port)
{
	char *end = strrchr(text, ':');

	if (text[0] == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		*ret_port = close[1] ? close + 2 : NULL;
		*close = 0;
		*ret_host = text + 1;
		return 0;
	}
	*ret_host = text;
	*ret_port = NULL;
	/* More than one colon without brackets: an IPv6 address alone. */
	if (end && strchr(text, ':') == end) {
		*end = 0;
		*ret_port = end + 1;
	}
	return 0;
}

static int look_up(const char *host, uint8_t ret_ip[16],
		   char why[CONFIG_WHY_BYTES])
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int error;

	error = getaddrinfo(host, NULL, &hints, &list);
	if (error) {
		snprintf(why, CONFIG_WHY_BYTES, "%s: %s", host,
			 gai_strerror(error));
		return -EINVAL;
	}
	if (list->ai_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)list->ai_addr;

		map_v4(ret_ip, &in->sin_addr);
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)list->ai_addr;

		memcpy(ret_ip, &in->sin6_addr, 16);
	}
	freeaddrinfo(list);
	return 0;
}

int config_contact(const char *text, struct core_contact *ret_contact,
		   char why[CONFIG_WHY_BYTES])
{
	struct core_contact contact = { .address.port = SKERRY_PORT_BASE };
	char copy[CONFIG_LINE_BYTES + 1];
	char *at = copy, *equals, *host, *port;
	const char *unusable;
	uint64_t number;

	if (config_string(text, copy, sizeof(copy), why))
		return -EINVAL;
	equals = strchr(copy, '=');
	if (equals) {
		*equals = 0;
		if (!skerry_name_valid(copy)) {
			snprintf(why, CONFIG_WHY_BYTES,
				 "no node name before the =");
			return -EINVAL;
		}
		memcpy(contact.name, copy, strlen(copy) + 1);
		at = equals + 1;
	}
	if (split_port(at, &host, &port) != 0 || !*host) {
		snprintf(why, CONFIG_WHY_BYTES, "not [NAME=]HOST[:PORT]");
		return -EINVAL;
	}
	if (port) {
		if (config_count(port, 1024, 65535 - SKERRY_PORT_BLOCK + 1,
				 &number, why))
			return -EINVAL;
		if (number % SKERRY_PORT_BLOCK) {
			snprintf(
				why, CONFIG_WHY_BYTES,
				"port %s is not the first of a block of %u; "
				"the nearest is %llu",
				port, SKERRY_PORT_BLOCK,
				(unsigned long long)(number -
						     number %
							     SKERRY_PORT_BLOCK));
			return -EINVAL;
		}
		contact.address.port = (uint16_t)number;
	}
	if (parse_ip(host, contact.address.ip) != 0 &&
	    look_up(host, contact.address.ip, why) != 0)
		return -EINVAL;
	unusable = config_ip_unusable(contact.address.ip);
	if (unusable) {
		snprintf(why, CONFIG_WHY_BYTES, "%s", unusable);
		return -EINVAL;
	}
	*ret_contact = contact;
	return 0;
}
