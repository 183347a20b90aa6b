// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* tcpinfo.c - see tcpinfo.h. */
#include "tcpinfo.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int tcpinfo_read(int fd, struct tcpinfo *ret_info)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		return -errno;
	ret_info->round_trip_us = info.tcpi_rtt;
	ret_info->retransmits = info.tcpi_total_retrans;
	ret_info->sent_packets = info.tcpi_segs_out;
	ret_info->received_packets = info.tcpi_segs_in;
	return 0;
}
