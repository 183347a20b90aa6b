/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * guard.h - before this host is cut from an address: what of this host lies
 * behind it. The core has the safeguards, and no eyes.
 */
#ifndef SKERRY_GUARD_H
#define SKERRY_GUARD_H

#include "../core/event.h"

/*
 * Bits of enum core_guard for a command of struct core_event, as this
 * network namespace is now: the next hops of default routes, and the other
 * ends of TCP connections to port 22 here (/proc/net of proc(5)). 0 for a
 * command without a target. What cannot be read guards nothing.
 */
uint32_t guard_look(uint32_t command, struct core_bytes tlvs);
/* One line of /proc/net/route, ipv6_route, tcp or tcp6: the address it
 * guards; false for none. */
bool guard_route_line(const char *line, bool v6, struct skerry_addr *ret_addr);
bool guard_tcp_line(const char *line, bool v6, struct skerry_addr *ret_addr);

#endif
