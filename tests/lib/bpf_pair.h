/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bpf_pair.h - two hosts, a node "a" on the first, its peer "b" (number 1) on
 * the second, and a datagram socket in the block of each.
 */
#ifndef TEST_BPF_PAIR_H
#define TEST_BPF_PAIR_H

#include "bpf_node.h"
#include "netns.h"

#define BPF_PAIR_BASE 17280
#define BPF_PAIR_QUIET_MS 60

struct bpf_pair {
	struct netns_lan lan;
	struct kernel *k; /* NULL before bpf_pair_begin() */
	struct skerry_addr from, to;
	int sender, receiver;
};

/* 0 or -errno. Datagrams pass from sender to receiver. */
int bpf_pair_make(struct bpf_pair *pair);
void bpf_pair_free(struct bpf_pair *pair);
/* Open the node and attach it to lo and eth0. */
int bpf_pair_begin(struct bpf_pair *pair, const char *disabled);
/* A node there, attached likewise. */
int bpf_pair_start(struct kernel **k, const char *name, uint16_t base,
		   int netns, const char *disabled);
/* Take it off again, for hosts that another test goes on with: filters of
 * clsact stay when their pins go. NULL: nothing. */
void bpf_pair_stop(struct kernel *k, int netns);
/* Of so many datagrams sent, how many arrive. */
int bpf_pair_arrive(struct bpf_pair *pair, int count);
/* How many rules that node's map holds. */
int bpf_pair_rules(const char *node);
/* Change what the agent does not set yet but the map's layout has. */
int bpf_pair_narrow(const char *node, uint64_t id, uint32_t protocol,
		    uint16_t port, uint32_t loss_ppm);

#endif
