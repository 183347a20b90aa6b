/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* sockets.h - this host's sockets whose other end is behind an address. */
#ifndef SKERRYCTL_SOCKETS_H
#define SKERRYCTL_SOCKETS_H

#include "../lib/grudge.h"

/* Of /proc/net of this network namespace; protocol NULL: tcp and udp. */
unsigned long sockets_count(const struct lib_target *target,
			    const char *protocol);

#endif
