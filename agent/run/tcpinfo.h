/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* tcpinfo.h - what the kernel knows of a connection. Apart because the
 * kernel's header and the C library's do not go together. */
#ifndef SKERRY_TCPINFO_H
#define SKERRY_TCPINFO_H

#include <stdint.h>

struct tcpinfo {
	uint32_t round_trip_us;
	uint32_t retransmits;
	uint64_t sent_packets, received_packets;
};

/* -errno. */
int tcpinfo_read(int fd, struct tcpinfo *ret_info);

#endif
