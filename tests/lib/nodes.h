/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nodes.h - real agents for tests of the library: on loopback in a network
 * namespace of their own, without the kernel's part. They end with the test
 * process, however it ends.
 */
#ifndef TEST_NODES_H
#define TEST_NODES_H

#include <sys/types.h>

#include "skerry/skerry.h"

#define NODES_MAX 3

struct nodes {
	char directory[64];
	pid_t pid[NODES_MAX]; /* 0: does not run */
	int count;
};

/* Further flags of agents started from now on, a list that ends with NULL and
 * stays where it is; NULL: none. */
void nodes_flags(const char *const *flags);
/* Enter a new namespace and start so many agents, n0, n1, .... Not joined.
 * 0 or -errno. */
int nodes_start(struct nodes *nodes, int count);
/* Every node joins the first; returns when all are up. */
int nodes_join(struct nodes *nodes);
/* The one, then the other. */
int nodes_start_joined(struct nodes *nodes, int count);
void nodes_stop(struct nodes *nodes);
const char *nodes_name(int node);
const char *nodes_run_dir(const struct nodes *nodes);

/* Start one that was killed. */
int nodes_start_one(struct nodes *nodes, int node);
/* Send a signal; after SIGKILL it is waited for. */
void nodes_signal(struct nodes *nodes, int node, int signal);

/* A handle on that node. NULL: it went wrong, and was printed. */
struct skerry *nodes_open(const struct nodes *nodes, int node, unsigned flags);
/* Two nodes that have joined: a handle with those flags on the first, one
 * without on the second. 0 or -errno. */
int nodes_pair(struct nodes *nodes, unsigned flags, struct skerry **ret_a,
	       struct skerry **ret_b);

#endif
