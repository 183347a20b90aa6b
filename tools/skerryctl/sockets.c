// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* sockets.c - see sockets.h. The tables are those of proc(5). */
#include "sockets.h"

#include <stdio.h>
#include <string.h>

#include "run/netaddr.h"

static bool parse_line(const char *line, bool v6, struct skerry_addr *ret_addr)
{
	struct skerry_addr addr = { .port = 0 };
	unsigned int word[4], port;

	if (v6) {
		if (sscanf(line, "%*s %*32[0-9A-Fa-f]:%*x %8x%8x%8x%8x:%x",
			   &word[0], &word[1], &word[2], &word[3], &port) != 5)
			return false;
		memcpy(addr.ip, word, sizeof(addr.ip));
	} else {
		if (sscanf(line, "%*s %*8[0-9A-Fa-f]:%*x %8x:%x", &word[0],
			   &port) != 2)
			return false;
		addr.ip[10] = addr.ip[11] = 0xff;
		memcpy(addr.ip + 12, word, 4);
	}
	addr.port = (uint16_t)port;
	*ret_addr = addr;
	return port != 0; /* 0: connected to nobody */
}

static bool matches(const struct lib_target *target,
		    const struct skerry_addr *addr)
{
	return netaddr_common_bits(&target->address, addr) >=
		       target->prefix_bits &&
	       (!target->address.port || target->address.port == addr->port);
}

static unsigned long count_file(const char *path, bool v6,
				const struct lib_target *target)
{
	FILE *file = fopen(path, "re");
	unsigned long count = 0;
	struct skerry_addr addr;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		count += parse_line(line, v6, &addr) && matches(target, &addr);
	fclose(file);
	return count;
}

unsigned long sockets_count(const struct lib_target *target,
			    const char *protocol)
{
	unsigned long count = 0;

	if (!protocol || strcmp(protocol, "tcp") == 0)
		count += count_file("/proc/net/tcp", false, target) +
			 count_file("/proc/net/tcp6", true, target);
	if (!protocol || strcmp(protocol, "udp") == 0)
		count += count_file("/proc/net/udp", false, target) +
			 count_file("/proc/net/udp6", true, target);
	return count;
}
