// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* guard.c - see guard.h. */
#include "guard.h"

#include <linux/ipv6_route.h>
#include <linux/route.h>
#include <stdio.h>
#include <string.h>

#include "../core/codec.h"
#include "netaddr.h"
#include "skerry/ring.h"

#define SSH_PORT 22U
#define TCP_STATE_ESTABLISHED 1U

struct target {
	struct skerry_addr address;
	unsigned int bits;
};

typedef bool line_fn(const char *line, bool v6, struct skerry_addr *ret_addr);

static void set_v4(struct skerry_addr *addr, uint32_t network_order)
{
	memset(addr, 0, sizeof(*addr));
	addr->ip[10] = addr->ip[11] = 0xff;
	memcpy(addr->ip + 12, &network_order, sizeof(network_order));
}

/* Interface, destination, gateway, flags, ...: words as they lie in memory. */
static bool route_line4(const char *line, struct skerry_addr *ret_addr)
{
	unsigned int destination, gateway, flags;

	if (sscanf(line, "%*s %x %x %x", &destination, &gateway, &flags) != 3)
		return false;
	if (destination || !gateway || !(flags & RTF_GATEWAY))
		return false;
	set_v4(ret_addr, gateway);
	return true;
}

static bool route_line6(const char *line, struct skerry_addr *ret_addr)
{
	char gateway[33], destination[33];
	struct skerry_addr addr = { .port = 0 };
	unsigned int bits, flags;

	if (sscanf(line, "%32s %x %*s %*x %32s %*x %*x %*x %x", destination,
		   &bits, gateway, &flags) != 4)
		return false;
	if (bits || !(flags & RTF_GATEWAY) ||
	    !skerry_hex_decode(gateway, strlen(gateway), addr.ip, 16))
		return false;
	*ret_addr = addr;
	return true;
}

bool guard_route_line(const char *line, bool v6, struct skerry_addr *ret_addr)
{
	return v6 ? route_line6(line, ret_addr) : route_line4(line, ret_addr);
}

bool guard_tcp_line(const char *line, bool v6, struct skerry_addr *ret_addr)
{
	struct skerry_addr addr = { .port = 0 };
	unsigned int word[4], port, state;

	if (v6) {
		if (sscanf(line, "%*s %*32[0-9A-Fa-f]:%x %8x%8x%8x%8x:%*x %x",
			   &port, &word[0], &word[1], &word[2], &word[3],
			   &state) != 6)
			return false;
		memcpy(addr.ip, word, sizeof(addr.ip));
	} else {
		if (sscanf(line, "%*s %*8[0-9A-Fa-f]:%x %8x:%*x %x", &port,
			   &word[0], &state) != 3)
			return false;
		set_v4(&addr, word[0]);
	}
	if (port != SSH_PORT || state != TCP_STATE_ESTABLISHED)
		return false;
	*ret_addr = addr;
	return true;
}

static bool covers(const struct target *target, const struct skerry_addr *addr)
{
	return netaddr_common_bits(&target->address, addr) >= target->bits;
}

static bool any_line(const char *path, bool v6, line_fn *function,
		     const struct target *target)
{
	FILE *file = fopen(path, "re");
	struct skerry_addr addr;
	bool found = false;
	char line[512];

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = function(line, v6, &addr) && covers(target, &addr);
	fclose(file);
	return found;
}

uint32_t guard_look(uint32_t command, struct core_bytes tlvs)
{
	struct target target;
	struct tlv_reader r;
	uint32_t guards = 0;

	if ((command != SKERRY_CMD_INJECT && command != SKERRY_CMD_EXPLAIN) ||
	    !tlv_find(tlvs.data, tlvs.size_bytes, SKERRY_K_TARGET, &r) ||
	    tlv_addr(&r, &target.address))
		return 0;
	target.bits = (unsigned int)tlv_find_u64(tlvs.data, tlvs.size_bytes,
						 SKERRY_K_PREFIX_BITS, 128);
	if (any_line("/proc/net/route", false, guard_route_line, &target) ||
	    any_line("/proc/net/ipv6_route", true, guard_route_line, &target))
		guards |= CORE_GUARD_GATEWAY;
	if (any_line("/proc/net/tcp", false, guard_tcp_line, &target) ||
	    any_line("/proc/net/tcp6", true, guard_tcp_line, &target))
		guards |= CORE_GUARD_SSH;
	return guards;
}
