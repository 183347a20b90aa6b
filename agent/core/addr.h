/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * addr.h - addresses as text: "192.0.2.1:17280", "[2001:db8::1]:17280",
 * numeric only. Without a port SKERRY_PORT_BASE is meant.
 */
#ifndef SKERRY_ADDR_H
#define SKERRY_ADDR_H

#include "event.h"

#define ADDR_TEXT_BYTES 64

/* -EINVAL: not an address of that form, or port 0. */
int addr_parse(const char *text, struct skerry_addr *ret_addr);
/* Into room_bytes (ADDR_TEXT_BYTES suffices); returns `out`. */
const char *addr_text(const struct skerry_addr *addr, char *out,
		      size_t room_bytes);
bool addr_equal(const struct skerry_addr *a, const struct skerry_addr *b);
bool addr_same_host(const struct skerry_addr *a, const struct skerry_addr *b);

#endif
