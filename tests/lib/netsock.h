/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netsock.h - sockets on the hosts of netns.h, short to write in tests. Every
 * wait_ms is SKERRY_TIME_SCALE times as long, for slow machines.
 */
#ifndef TEST_NETSOCK_H
#define TEST_NETSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "netns.h"

/* A UDP socket bound to that address and port, made on that host (-1: here):
 * its descriptor or -errno. Non-blocking. */
int netsock_udp(int netns, const struct skerry_addr *bound);
/* 0 or -errno. */
int netsock_send(int fd, const struct skerry_addr *to, const void *data,
		 size_t bytes);
/* The same as segments of segment_bytes, in one send. */
int netsock_send_segments(int fd, const struct skerry_addr *to,
			  const void *data, size_t bytes,
			  uint16_t segment_bytes);
/* Send that many datagrams of 100 bytes; how many sends succeeded. */
int netsock_burst(int fd, const struct skerry_addr *to, int count);
/* How many datagrams come until none comes for wait_ms. */
int netsock_drain(int fd, int wait_ms);
/* Whether count datagrams come, each within wait_ms; does not wait longer. */
bool netsock_arrived(int fd, int count, int wait_ms);
/* One datagram within wait_ms: its size, or -errno. */
int netsock_receive(int fd, void *data, size_t bytes, int wait_ms);
/* The errno waiting in the error queue of an IP_RECVERR socket; 0: none. */
int netsock_error(int fd);
int netsock_recverr(int fd, bool six);

/* TCP: a listening socket; a socket bound and connecting (non-blocking). */
int netsock_listen(int netns, const struct skerry_addr *bound);
int netsock_connect(int netns, const struct skerry_addr *bound,
		    const struct skerry_addr *to);
/* Wait for a connection: 1, 0 not within wait_ms, or -errno. */
int netsock_connected(int fd, int wait_ms);
int netsock_accept(int fd, int wait_ms);
/* From TCP_INFO. */
uint32_t netsock_retransmits(int fd);

size_t netsock_address(const struct skerry_addr *addr,
		       struct sockaddr_storage *ret_address);

#endif
