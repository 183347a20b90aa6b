// SPDX-License-Identifier: GPL-2.0-only
/* Rules among each other: overlapping, staged, narrowed, lifted. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "netsock.h"

#define BASE BPF_PAIR_BASE
#define QUIET_MS BPF_PAIR_QUIET_MS
#define MINUTE_MS 60000

FIXTURE(rules)
{
	struct bpf_pair pair;
};

FIXTURE_SETUP(rules)
{
	ASSERT_EQ(0, bpf_pair_make(&self->pair));
}

FIXTURE_TEARDOWN(rules)
{
	bpf_pair_free(&self->pair);
}

TEST_F(rules, overlap_freely)
{
	struct skerry_drop first, second, all;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 2, 2, 1, DIRECTION_OUT,
				  VISIBILITY_LOCAL, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 3, 3, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	/* Wire and local together: wire. */
	EXPECT_EQ(10, netsock_burst(self->pair.sender, &self->pair.to, 10));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &first));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 2, &second));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 3, &all));
	EXPECT_EQ(10, first.dropped);
	EXPECT_EQ(10, second.dropped);
	EXPECT_EQ(10, all.dropped);
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 3));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	ASSERT_EQ(0, netsock_recverr(self->pair.sender, false));
	EXPECT_EQ(-ENOBUFS,
		  netsock_send(self->pair.sender, &self->pair.to, "x", 1));
	EXPECT_EQ(0, netsock_drain(self->pair.receiver, QUIET_MS));
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 2));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_EQ(10, bpf_pair_arrive(&self->pair, 10));
}

TEST_F(rules, eight_for_a_peer_all_judge)
{
	struct skerry_drop drop;
	uint32_t i;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	for (i = 0; i < SKERRY_RULES_PER_PEER_MAX; i++)
		ASSERT_EQ(0, bpf_node_cut(self->pair.k, i, i, 1, DIRECTION_BOTH,
					  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 10));
	for (i = 0; i < SKERRY_RULES_PER_PEER_MAX; i++) {
		ASSERT_EQ(0, kernel_drops(self->pair.k, i, &drop));
		EXPECT_EQ(10, drop.dropped);
	}
}

TEST_F(rules, staged_is_not_in_force_before_the_swap)
{
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, kernel_prepare(self->pair.k));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, kernel_swap(self->pair.k));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	/* Staged while the swap is under way: for the next one. */
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
	kernel_settled(self->pair.k, 0);
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
}

TEST_F(rules, a_swap_that_failed_leaves_all_as_it_was)
{
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, kernel_prepare(self->pair.k));
	kernel_settled(self->pair.k, -ENOMEM);
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
}

TEST_F(rules, narrower_than_a_peer)
{
	struct skerry_drop drop;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, IPPROTO_TCP, 0, 1000000));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, IPPROTO_UDP, 0, 1000000));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, 0, BASE + 21, 1000000));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, 0, BASE + 20, 1000000));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, 0, 0, 0));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, 0, 0, 500000));
	/* A thousand fair coins stay within 400 to 600 but once in a
	 * billion runs. */
	netsock_burst(self->pair.sender, &self->pair.to, 1000);
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_GE(drop.dropped, 410);
	EXPECT_LE(drop.dropped, 610);
}

TEST_F(rules, by_address)
{
	struct skerry_cidr_key key = { .prefix_bits = 96 + 24 };
	struct skerry_ruleset set = {};
	struct skerry_meta meta;
	uint32_t zero = 0;
	int rules, cidr, fd;

	/* Cut from a peer that is not there; then by its network. */
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, kernel_peer(self->pair.k, 9, "gone", NULL, 0, PEER_DOWN));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 9, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	rules = bpf_node_map("a", "skerry_rules");
	ASSERT_EQ(0, bpf_map_get_next_key(rules, NULL, &set.rule[0]));
	cidr = bpf_node_map("a", "skerry_cidr0");
	memcpy(key.ip, self->pair.to.ip, 16);
	key.ip[15] = 0;
	ASSERT_EQ(0, bpf_map_update_elem(cidr, &key, &set, BPF_ANY));
	fd = bpf_node_map("a", "skerry_meta");
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &zero, &meta));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	meta.cidr_rules = 1;
	ASSERT_EQ(0, bpf_map_update_elem(fd, &zero, &meta, BPF_ANY));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
}

static void snapshot(char out[16384])
{
	netns_read(out, 16384,
		   "for l in %s/a/v1/links/* %s/a/v1/tables/*; do "
		   "test -e $l && bpftool link show pinned $l; done; "
		   "ls %s/a/v1; tc qdisc; tc filter show dev eth0 ingress; "
		   "tc filter show dev eth0 egress",
		   bpf_node_root(), bpf_node_root(), bpf_node_root());
}

static void rounds(struct __test_metadata *_metadata,
		   FIXTURE_DATA(rules) * self)
{
	static char before[16384], after[16384];
	int i;

	ASSERT_EQ(0, netns_enter(self->pair.lan.host[0]));
	snapshot(before);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, i, 1, DIRECTION_BOTH,
					  VISIBILITY_WIRE, i % 2 * MINUTE_MS));
		ASSERT_EQ(0, bpf_node_commit(self->pair.k));
		ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
		ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	}
	EXPECT_EQ(0, bpf_pair_rules("a"));
	snapshot(after);
	netns_home();
	EXPECT_STREQ(before, after);
	EXPECT_NE(NULL, strstr(before, "iter"));
	EXPECT_NE(NULL, strstr(before, "skerry_meta"));
}

TEST_F(rules, a_hundred_rounds_leave_no_trace)
{
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	rounds(_metadata, self);
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
}

TEST_F(rules, a_hundred_rounds_leave_no_trace_on_clsact)
{
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, "tcx"));
	rounds(_metadata, self);
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
}

TEST_HARNESS_MAIN
