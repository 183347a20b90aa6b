// SPDX-License-Identifier: GPL-2.0-only
/* Cuts between two hosts, as the programs on them see it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_node.h"
#include "kselftest_harness.h"
#include "needless.h"
#include "netns.h"
#include "netsock.h"

#define BASE 17280
#define OTHER_BASE (BASE + 128)
#define QUIET_MS 60
#define A 0
#define B 1

FIXTURE(cut)
{
	struct netns_lan lan;
	struct kernel *a; /* on host 0 */
	struct kernel *b; /* on host 1 */
	bool six;
	struct skerry_addr from, to; /* a's and b's programs */
	int sender, receiver; /* UDP */
};

FIXTURE_VARIANT(cut)
{
	bool six;
	const char *disabled;
};

FIXTURE_VARIANT_ADD(cut, tcx_ipv4) { .six = false, .disabled = NULL };
FIXTURE_VARIANT_ADD(cut, tcx_ipv6) { .six = true, .disabled = NULL };
FIXTURE_VARIANT_ADD(cut, clsact_ipv4) { .six = false, .disabled = "tcx" };

static int start(struct kernel **k, const char *name, int netns,
		 const char *disabled)
{
	int ret = netns_enter(netns);

	if (!ret)
		ret = bpf_node_open(k, name, BASE, disabled);
	if (!ret)
		ret = kernel_attach(*k, 1, "lo", DEV_JUDGE_BOTH);
	if (!ret)
		ret = kernel_attach(*k, 2, "eth0", DEV_JUDGE_BOTH);
	netns_home();
	return ret;
}

/* Peer 1 is the other one. */
static int acquaint(struct kernel *k, const char *self, int host,
		    const char *peer, int peer_host)
{
	struct skerry_addr own[2] = { netns_addr(host, false, BASE),
				      netns_addr(host, true, BASE) };
	struct skerry_addr its[2] = { netns_addr(peer_host, false, BASE),
				      netns_addr(peer_host, true, BASE) };
	int ret = kernel_peer(k, 0, self, own, 2, PEER_SELF);

	return ret ? ret : kernel_peer(k, 1, peer, its, 2, PEER_UP);
}

FIXTURE_SETUP(cut)
{
	NEEDLESS_VARIANT(variant->six, variant->disabled);
	bpf_node_wipe();
	self->a = self->b = NULL;
	self->six = variant->six;
	ASSERT_EQ(0, netns_lan_make(&self->lan, 2));
	ASSERT_EQ(0,
		  start(&self->a, "a", self->lan.host[A], variant->disabled));
	ASSERT_EQ(0,
		  start(&self->b, "b", self->lan.host[B], variant->disabled));
	ASSERT_EQ(0, acquaint(self->a, "a", A, "b", B));
	ASSERT_EQ(0, acquaint(self->b, "b", B, "a", A));
	self->from = netns_addr(A, self->six, BASE + 10);
	self->to = netns_addr(B, self->six, BASE + 20);
	self->sender = netsock_udp(self->lan.host[A], &self->from);
	self->receiver = netsock_udp(self->lan.host[B], &self->to);
	ASSERT_GE(self->sender, 0);
	ASSERT_GE(self->receiver, 0);
	/* Also makes both hosts know each other's link addresses. */
	ASSERT_EQ(5, netsock_burst(self->sender, &self->to, 5));
	ASSERT_TRUE(netsock_arrived(self->receiver, 5, 500));
}

FIXTURE_TEARDOWN(cut)
{
	kernel_close(self->a, false);
	kernel_close(self->b, false);
	bpf_node_wipe();
	netns_lan_free(&self->lan);
}

static int cut(struct kernel *k, enum skerry_direction direction,
	       enum skerry_visibility visibility)
{
	int ret = bpf_node_cut(k, 1, 1, 1, direction, visibility, 60000);

	return ret ? ret : bpf_node_commit(k);
}

static int lift(struct kernel *k)
{
	int ret = kernel_cut_del(k, 1);

	return ret ? ret : bpf_node_commit(k);
}

TEST_F(cut, wire_looks_like_a_pulled_cable)
{
	struct skerry_drop drop;

	ASSERT_EQ(0, netsock_recverr(self->sender, self->six));
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_WIRE));
	EXPECT_EQ(50, netsock_burst(self->sender, &self->to, 50));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	EXPECT_EQ(0, netsock_error(self->sender));
	ASSERT_EQ(0, kernel_drops(self->a, 1, &drop));
	EXPECT_EQ(50, drop.seen);
	EXPECT_EQ(50, drop.dropped);
	EXPECT_EQ(50 * (self->six ? 148 : 128), drop.dropped_bytes);
	EXPECT_EQ(0, drop.leaked);
	EXPECT_LE(drop.first_ns, drop.last_ns);
	ASSERT_EQ(0, lift(self->a));
	EXPECT_EQ(50, netsock_burst(self->sender, &self->to, 50));
	EXPECT_EQ(50, netsock_drain(self->receiver, QUIET_MS));
}

TEST_F(cut, local_is_seen_by_the_sender)
{
	struct skerry_drop drop;

	ASSERT_EQ(0, netsock_recverr(self->sender, self->six));
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_LOCAL));
	EXPECT_EQ(-ENOBUFS, netsock_send(self->sender, &self->to, "x", 1));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->a, 1, &drop));
	EXPECT_EQ(1, drop.dropped);
}

TEST_F(cut, at_the_receiver)
{
	struct skerry_drop drop;

	ASSERT_EQ(0, netsock_recverr(self->sender, self->six));
	ASSERT_EQ(0, cut(self->b, DIRECTION_IN, VISIBILITY_WIRE));
	EXPECT_EQ(20, netsock_burst(self->sender, &self->to, 20));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	EXPECT_EQ(0, netsock_error(self->sender));
	ASSERT_EQ(0, kernel_drops(self->b, 1, &drop));
	EXPECT_EQ(20, drop.dropped);
	/* The other way is open. */
	EXPECT_EQ(7, netsock_burst(self->receiver, &self->from, 7));
	EXPECT_EQ(7, netsock_drain(self->sender, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->b, 1, &drop));
	EXPECT_EQ(20, drop.seen);
}

TEST_F(cut, one_way_out)
{
	ASSERT_EQ(0, cut(self->a, DIRECTION_OUT, VISIBILITY_WIRE));
	EXPECT_EQ(7, netsock_burst(self->receiver, &self->from, 7));
	EXPECT_EQ(7, netsock_drain(self->sender, QUIET_MS));
	netsock_burst(self->sender, &self->to, 7);
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
}

TEST_F(cut, both_ledgers_make_up_what_is_missing)
{
	struct skerry_drop out, in;
	int i, sent = 0, got;

	/* In the middle of a stream first the receiver, then the sender. */
	for (i = 0; i < 300; i++) {
		if (i == 100)
			ASSERT_EQ(0, cut(self->b, DIRECTION_BOTH,
					 VISIBILITY_WIRE));
		if (i == 200)
			ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH,
					 VISIBILITY_WIRE));
		sent += netsock_burst(self->sender, &self->to, 1);
	}
	got = netsock_drain(self->receiver, QUIET_MS);
	ASSERT_EQ(0, kernel_drops(self->a, 1, &out));
	ASSERT_EQ(0, kernel_drops(self->b, 1, &in));
	EXPECT_EQ(100, got);
	EXPECT_EQ(100, in.dropped);
	EXPECT_EQ(100, out.dropped);
	EXPECT_EQ(sent - got, (int)(in.dropped + out.dropped));
}

TEST_F(cut, segments_are_counted_one_by_one)
{
	struct skerry_drop drop;
	char data[1000] = {};

	ASSERT_EQ(0, netsock_recverr(self->sender, self->six));
	ASSERT_EQ(0, netsock_send_segments(self->sender, &self->to, data, 1000,
					   100));
	EXPECT_EQ(10, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, netsock_send_segments(self->sender, &self->to, data, 1000,
					   100));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	EXPECT_EQ(0, netsock_error(self->sender));
	ASSERT_EQ(0, kernel_drops(self->a, 1, &drop));
	EXPECT_EQ(10, drop.dropped);
	ASSERT_EQ(0, lift(self->a));
	ASSERT_EQ(0, cut(self->b, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, netsock_send_segments(self->sender, &self->to, data, 1000,
					   100));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->b, 1, &drop));
	EXPECT_EQ(10, drop.dropped);
}

TEST_F(cut, established_connections_stall_and_recover)
{
	struct skerry_addr from = netns_addr(A, self->six, BASE + 11);
	struct skerry_addr to = netns_addr(B, self->six, BASE);
	int listener, client, server;
	char data[64];

	listener = netsock_listen(self->lan.host[B], &to);
	ASSERT_GE(listener, 0);
	client = netsock_connect(self->lan.host[A], &from, &to);
	ASSERT_GE(client, 0);
	ASSERT_EQ(1, netsock_connected(client, 1000));
	server = netsock_accept(listener, 1000);
	ASSERT_GE(server, 0);
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(5, send(client, "hello", 5, 0));
	EXPECT_EQ(-ETIMEDOUT, netsock_receive(server, data, 64, 700));
	/* Lost on the way, not held up: the sender backs off. */
	EXPECT_GE(netsock_retransmits(client), 1);
	ASSERT_EQ(0, lift(self->a));
	EXPECT_EQ(5, netsock_receive(server, data, 64, 3000));
}

TEST_F(cut, new_connections_are_not_refused_but_lost)
{
	struct skerry_addr from = netns_addr(A, self->six, BASE + 12);
	struct skerry_addr to = netns_addr(B, self->six, BASE);
	struct skerry_drop drop;
	int listener, client;

	listener = netsock_listen(self->lan.host[B], &to);
	ASSERT_GE(listener, 0);
	ASSERT_EQ(0, cut(self->b, DIRECTION_BOTH, VISIBILITY_WIRE));
	client = netsock_connect(self->lan.host[A], &from, &to);
	ASSERT_GE(client, 0);
	EXPECT_EQ(0, netsock_connected(client, 300));
	ASSERT_EQ(0, kernel_drops(self->b, 1, &drop));
	EXPECT_GE(drop.dropped, 1);
	ASSERT_EQ(0, lift(self->b));
	EXPECT_EQ(1, netsock_connected(client, 3000));
}

TEST_F(cut, others_lose_nothing)
{
	struct skerry_addr other = netns_addr(B, self->six, OTHER_BASE + 20);
	struct skerry_addr outside = netns_addr(A, self->six, 9999);
	int other_node, stranger;

	other_node = netsock_udp(self->lan.host[B], &other);
	stranger = netsock_udp(self->lan.host[A], &outside);
	ASSERT_GE(other_node, 0);
	ASSERT_GE(stranger, 0);
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, cut(self->b, DIRECTION_BOTH, VISIBILITY_WIRE));
	/* Another node on the same address. */
	netsock_burst(self->sender, &other, 30);
	EXPECT_EQ(30, netsock_drain(other_node, QUIET_MS));
	netsock_burst(other_node, &self->from, 30);
	EXPECT_EQ(30, netsock_drain(self->sender, QUIET_MS));
	/* What is no node at all. */
	netsock_burst(stranger, &self->to, 30);
	EXPECT_EQ(30, netsock_drain(self->receiver, QUIET_MS));
	EXPECT_EQ(0, netns_run(self->lan.host[A], "ping -c 1 -W 1 %s",
			       self->six ? "fd77::2" : "10.77.0.2"));
	/* And the cut holds. */
	netsock_burst(self->sender, &self->to, 30);
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
}

TEST_F(cut, isolated_from_everybody)
{
	struct skerry_addr outside = netns_addr(A, self->six, 9999);
	struct skerry_addr beyond = netns_addr(B, self->six, 9999);
	int stranger, free_port, own;
	struct skerry_addr self_addr = netns_addr(B, self->six, BASE + 21);

	stranger = netsock_udp(self->lan.host[A], &outside);
	free_port = netsock_udp(self->lan.host[B], &beyond);
	own = netsock_udp(self->lan.host[B], &self_addr);
	ASSERT_GE(own, 0);
	ASSERT_EQ(0, bpf_node_cut(self->b, 1, 1, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, 60000));
	ASSERT_EQ(0, bpf_node_commit(self->b));
	netsock_burst(self->sender, &self->to, 5);
	netsock_burst(stranger, &self->to, 5);
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	netsock_burst(self->receiver, &outside, 5);
	EXPECT_EQ(0, netsock_drain(stranger, QUIET_MS));
	/* Outside the block the host is as free as before. */
	netsock_burst(stranger, &beyond, 5);
	EXPECT_EQ(5, netsock_drain(free_port, QUIET_MS));
	/* And the node still speaks to itself. */
	netsock_burst(self->receiver, &self_addr, 5);
	EXPECT_EQ(5, netsock_drain(own, QUIET_MS));
}

TEST_F(cut, the_partition_port_passes_at_its_rate)
{
	struct skerry_addr from = netns_addr(A, self->six, BASE + 1);
	struct skerry_addr to = netns_addr(B, self->six, BASE + 1);
	int sender, receiver, got, most;
	char data[1400] = {};
	uint64_t began;

	sender = netsock_udp(self->lan.host[A], &from);
	receiver = netsock_udp(self->lan.host[B], &to);
	ASSERT_GE(sender, 0);
	ASSERT_GE(receiver, 0);
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, cut(self->b, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, netsock_send(sender, &to, data, 1200));
	EXPECT_EQ(1, netsock_drain(receiver, QUIET_MS));
	/* Too long, and from another port of ours. */
	ASSERT_EQ(0, netsock_send(sender, &to, data, 1201));
	netsock_burst(self->sender, &to, 5);
	EXPECT_EQ(0, netsock_drain(receiver, QUIET_MS));
	/* Both ways, 64 at once and 64 a second. */
	began = bpf_node_mono_ns();
	netsock_burst(sender, &to, 200);
	most = 64 + (bpf_node_mono_ns() - began) * 64 / 1000000000;
	got = netsock_drain(receiver, QUIET_MS);
	EXPECT_GE(got, 60);
	EXPECT_LE(got, most + 2);
	EXPECT_LE(100, bpf_node_reason("a", REASON_EXEMPT_REFUSED));
	netsock_burst(receiver, &from, 10);
	EXPECT_EQ(10, netsock_drain(sender, QUIET_MS));
	bpf_node_sleep_ms(500);
	netsock_burst(sender, &to, 200);
	most = (bpf_node_mono_ns() - began) * 64 / 1000000000;
	got = netsock_drain(receiver, QUIET_MS);
	EXPECT_GE(got, 25);
	EXPECT_LE(got, most + 2);
}

TEST_F(cut, the_deadline_needs_no_agent)
{
	ASSERT_EQ(0, bpf_node_cut(self->a, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 600));
	ASSERT_EQ(0, bpf_node_commit(self->a));
	kernel_close(self->a, false);
	self->a = NULL;
	netsock_burst(self->sender, &self->to, 5);
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	bpf_node_sleep_ms(600);
	netsock_burst(self->sender, &self->to, 5);
	EXPECT_EQ(5, netsock_drain(self->receiver, QUIET_MS));
}

TEST_F(cut, fragments)
{
	struct skerry_drop drop;
	char data[4000] = {};

	ASSERT_EQ(0, netsock_recverr(self->sender, self->six));
	/* Else the kernel forbids fragments on a socket with RECVERR. */
	ASSERT_EQ(0, netns_run(self->lan.host[A], "ip link set eth0 mtu 1400"));
	ASSERT_EQ(0, netsock_send(self->sender, &self->to, data, 4000));
	EXPECT_EQ(1, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, cut(self->b, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, netsock_send(self->sender, &self->to, data, 4000));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->b, 1, &drop));
	EXPECT_EQ(1, drop.dropped);
	EXPECT_EQ(2, drop.late_fragments);
	ASSERT_EQ(0, lift(self->b));
	ASSERT_EQ(0, cut(self->a, DIRECTION_BOTH, VISIBILITY_WIRE));
	ASSERT_EQ(0, netsock_send(self->sender, &self->to, data, 4000));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->a, 1, &drop));
	EXPECT_EQ(1, drop.dropped);
	EXPECT_EQ(2, drop.late_fragments);
}

TEST_HARNESS_MAIN
