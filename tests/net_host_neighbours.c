// SPDX-License-Identifier: GPL-2.0-only
/*
 * Others at work on the same devices: tcx programs before and behind ours,
 * and nftables. All go on working, in their order, and nothing of theirs is
 * touched, whatever we attach, cut, heal and take away.
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "needless.h"
#include "netsock.h"
#include "run/kernel/kernel_hooks.h"

#define TCX_AFTER (1U << 4) /* BPF_F_AFTER */
#define MINUTE_MS 60000
#define RULES                                                    \
	"table inet theirs { chain in { type filter hook input " \
	"priority 0; udp dport 17300 counter; }; }"

struct other {
	int program, link;
	uint32_t id;
};

FIXTURE(neighbours)
{
	struct bpf_pair pair;
	struct other first, last; /* on host 1's eth0, ingress */
	int stats;
};

/* A program that leaves every packet to the next one. */
static int other_attach(struct other *other, int netns, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_info info = {};
	uint32_t bytes = sizeof(info);

	other->program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "theirs", "GPL",
				       code, 2, NULL);
	if (other->program < 0 || netns_enter(netns))
		return -1;
	other->link = bpf_link_create(other->program, 2, TCX_INGRESS, &opts);
	netns_home();
	if (bpf_obj_get_info_by_fd(other->program, &info, &bytes))
		return -1;
	other->id = info.id;
	return other->link < 0 ? other->link : 0;
}

static uint64_t runs(const struct other *other)
{
	struct bpf_prog_info info = {};
	uint32_t bytes = sizeof(info);

	bpf_obj_get_info_by_fd(other->program, &info, &bytes);
	return info.run_cnt;
}

/* The chain at host 1's eth0, ingress. */
static int chain(const struct bpf_pair *pair, uint32_t ids[64])
{
	uint32_t count = 64;
	int ret;

	if (netns_enter(pair->lan.host[0]))
		return -1;
	ret = bpf_prog_query(2, TCX_INGRESS, 0, NULL, ids, &count);
	netns_home();
	return ret ? ret : (int)count;
}

/* The rules without the counters' numbers, or the numbers. */
static void nft(const struct bpf_pair *pair, char out[1024], bool numbers)
{
	netns_read(out, 1024,
		   "nsenter --net=/proc/%d/fd/%d nft list ruleset | sed '%s'",
		   getpid(), pair->lan.host[0],
		   numbers ? "s/.*counter packets \\([0-9]*\\).*/\\1/p;d"
			   : "s/packets [0-9]* bytes [0-9]*//");
}

FIXTURE_SETUP(neighbours)
{
	uint32_t ids[64], count = 64;

	memset(&self->first, -1, sizeof(self->first));
	self->last = self->first;
	self->pair.k = NULL;
	if (bpf_prog_query(1, TCX_INGRESS, 0, NULL, ids, &count))
		NEEDLESS("no tcx in this kernel");
	ASSERT_EQ(0, bpf_pair_make(&self->pair));
	self->stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	ASSERT_GE(self->stats, 0);
}

FIXTURE_TEARDOWN(neighbours)
{
	close(self->stats);
	bpf_pair_free(&self->pair);
}

/* From host 2 to host 1, where theirs are. */
static int comes(FIXTURE_DATA(neighbours) * self, int count)
{
	netsock_burst(self->pair.receiver, &self->pair.from, count);
	return netsock_drain(self->pair.sender, BPF_PAIR_QUIET_MS);
}

TEST_F(neighbours, before_and_behind)
{
	uint64_t first, last;
	uint32_t ids[64];
	int ours, tries;

	ASSERT_EQ(0, other_attach(&self->last, self->pair.lan.host[0], 0));
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, other_attach(&self->first, self->pair.lan.host[0],
				  TCX_BEFORE));
	ASSERT_EQ(3, chain(&self->pair, ids));
	EXPECT_EQ(self->first.id, ids[0]);
	ours = ids[1];
	EXPECT_EQ(self->last.id, ids[2]);

	first = runs(&self->first);
	last = runs(&self->last);
	EXPECT_EQ(10, comes(self, 10));
	EXPECT_LE(10, runs(&self->first) - first);
	EXPECT_LE(10, runs(&self->last) - last);

	/* What is cut does not come to those behind; all else does. */
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	first = runs(&self->first);
	last = runs(&self->last);
	EXPECT_EQ(0, comes(self, 100));
	EXPECT_LE(100, runs(&self->first) - first);
	EXPECT_GT(100, runs(&self->last) - last);
	last = runs(&self->last);
	ASSERT_EQ(0, netns_run(self->pair.lan.host[1],
			       "ping -qc 5 -i 0.05 10.77.0.1"));
	EXPECT_LE(5, runs(&self->last) - last);

	/* Attaching again and another binary change nothing of the order. */
	kernel_close(self->pair.k, false);
	self->pair.k = NULL;
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(3, chain(&self->pair, ids));
	EXPECT_EQ(self->first.id, ids[0]);
	EXPECT_NE(ours, ids[1]);
	EXPECT_EQ(self->last.id, ids[2]);
	EXPECT_EQ(0, comes(self, 10));

	/* Away with ours. */
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	kernel_close(self->pair.k, true);
	self->pair.k = NULL;
	/* The kernel lets go of a link a moment later. */
	for (tries = 0; tries < 200 && chain(&self->pair, ids) == 3; tries++)
		bpf_node_sleep_ms(10);
	ASSERT_EQ(2, chain(&self->pair, ids));
	EXPECT_EQ(self->first.id, ids[0]);
	EXPECT_EQ(self->last.id, ids[1]);
	first = runs(&self->first);
	last = runs(&self->last);
	EXPECT_EQ(10, comes(self, 10));
	EXPECT_LE(10, runs(&self->first) - first);
	EXPECT_LE(10, runs(&self->last) - last);
}

TEST_F(neighbours, nftables)
{
	char before[1024], after[1024], packets[1024];
	struct skerry_addr outside = netns_addr(0, false, 17300 + 1024);
	struct skerry_addr inside = self->pair.from;
	int fd;

	if (netns_run(self->pair.lan.host[0], "nft '%s'", RULES))
		SKIP(return, "no nftables here");
	nft(&self->pair, before, false);
	ASSERT_NE(NULL, strstr(before, "17300"));
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	inside.port = 17300;
	fd = netsock_udp(self->pair.lan.host[0], &inside);
	ASSERT_GE(fd, 0);
	netsock_burst(self->pair.receiver, &inside, 10);
	EXPECT_EQ(10, netsock_drain(fd, BPF_PAIR_QUIET_MS));
	nft(&self->pair, packets, true);
	EXPECT_STREQ("10\n", packets);
	/* A cut packet does not come so far; one of others does. */
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	netsock_burst(self->pair.receiver, &inside, 10);
	EXPECT_EQ(0, netsock_drain(fd, BPF_PAIR_QUIET_MS));
	nft(&self->pair, packets, true);
	EXPECT_STREQ("10\n", packets);
	close(fd);
	outside.ip[15] = 2;
	fd = netsock_udp(self->pair.lan.host[1], &outside);
	ASSERT_GE(fd, 0);
	netsock_burst(fd, &inside, 3);
	nft(&self->pair, packets, true);
	EXPECT_STREQ("13\n", packets);
	close(fd);
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	kernel_close(self->pair.k, true);
	self->pair.k = NULL;
	nft(&self->pair, after, false);
	EXPECT_STREQ(before, after);
}

TEST_HARNESS_MAIN
