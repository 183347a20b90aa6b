/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netns.h - hosts for tests: network namespaces joined by veths and a
 * bridge. They have no name and nothing to clean up: they live as long as a
 * descriptor, a process or a socket of theirs.
 *
 * Host i (from 0) has the device eth0 with 10.77.0.(i+1)/24 and
 * fd77::(i+1)/64, MTU 1500, and lo up.
 */
#ifndef TEST_NETNS_H
#define TEST_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "skerry/keys.h"

#define NETNS_HOSTS_MAX 8

struct netns_lan {
	int bridge; /* descriptor of the namespace with the bridge */
	int host[NETNS_HOSTS_MAX];
	int count;
};

/* A new namespace with lo up: its descriptor, or -errno. */
int netns_make(void);
/* 0 or -errno. */
int netns_lan_make(struct netns_lan *lan, int count);
void netns_lan_free(struct netns_lan *lan);

/* This thread goes there. netns_home() leads back to where it started. */
int netns_enter(int netns);
int netns_home(void);
/* A shell command there; its exit code, or -1. Output is thrown away unless
 * it fails. */
int netns_run(int netns, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same here, with its output in out. */
int netns_read(char *out, int room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The address of a host; six: IPv6. */
struct skerry_addr netns_addr(int host, bool six, uint16_t port);

#endif
