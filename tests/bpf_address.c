// SPDX-License-Identifier: GPL-2.0-only
/* Cuts from addresses: of a whole host, whatever process it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "needless.h"
#include "netns.h"
#include "netsock.h"

#define BASE 17280
#define QUIET_MS 60
#define A 0
#define B 1
#define C 2

/* The hosts are made once: every test inherits them. */
static struct netns_lan hosts;

static __attribute__((constructor)) void make_hosts(void)
{
	if (netns_lan_make(&hosts, 3))
		hosts.count = 0;
}

FIXTURE(address)
{
	struct netns_lan lan;
	struct kernel *k; /* on host A */
	bool six;
	/* Of nobody's block. */
	struct skerry_addr from, to, third;
	int sender, receiver, other;
};

FIXTURE_VARIANT(address)
{
	bool six;
};

FIXTURE_VARIANT_ADD(address, ipv4) { .six = false };
FIXTURE_VARIANT_ADD(address, ipv6) { .six = true };

static int start(FIXTURE_DATA(address) * self, const char *disabled)
{
	int ret = netns_enter(self->lan.host[A]);

	if (!ret)
		ret = bpf_node_open(&self->k, "a", BASE, disabled);
	if (!ret)
		ret = kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH);
	if (!ret)
		ret = kernel_attach(self->k, 2, "eth0", DEV_JUDGE_BOTH);
	netns_home();
	return ret;
}

FIXTURE_SETUP(address)
{
	NEEDLESS_VARIANT(variant->six, NULL);
	bpf_node_wipe();
	self->k = NULL;
	self->six = variant->six;
	self->lan = hosts;
	ASSERT_EQ(3, self->lan.count);
	ASSERT_EQ(0, start(self, NULL));
	ASSERT_TRUE(kernel_supported(self->k, KERNEL_ADDRESS));
	self->from = netns_addr(A, self->six, 9001);
	self->to = netns_addr(B, self->six, 9002);
	self->third = netns_addr(C, self->six, 9002);
	self->sender = netsock_udp(self->lan.host[A], &self->from);
	self->receiver = netsock_udp(self->lan.host[B], &self->to);
	self->other = netsock_udp(self->lan.host[C], &self->third);
	ASSERT_GE(self->sender, 0);
	ASSERT_GE(self->receiver, 0);
	ASSERT_GE(self->other, 0);
	netsock_burst(self->sender, &self->to, 5);
	netsock_burst(self->sender, &self->third, 5);
	ASSERT_TRUE(netsock_arrived(self->receiver, 5, 500));
	ASSERT_TRUE(netsock_arrived(self->other, 5, 500));
}

FIXTURE_TEARDOWN(address)
{
	bpf_pair_stop(self->k, self->lan.host[A]);
	bpf_node_wipe();
}

/* bits: of the family's own notation. */
static struct core_cut net_of(const struct skerry_addr *address, bool six,
			      uint8_t bits)
{
	struct core_cut cut = { .peer = CORE_PEER_ADDRESS,
				.address = *address,
				.prefix_bits = six ? bits : 96 + bits };

	cut.address.port = 0;
	return cut;
}

static struct core_cut only(FIXTURE_DATA(address) * self)
{
	return net_of(&self->to, self->six, self->six ? 128 : 32);
}

static struct core_cut network(FIXTURE_DATA(address) * self)
{
	return net_of(&self->to, self->six, self->six ? 64 : 24);
}

static int lift(struct kernel *k, uint32_t handle)
{
	int ret = kernel_cut_del(k, handle);

	return ret ? ret : bpf_node_commit(k);
}

static int arrive(FIXTURE_DATA(address) * self, int count)
{
	netsock_burst(self->sender, &self->to, count);
	return netsock_drain(self->receiver, QUIET_MS);
}

/* Whether pings to that host go as they should: 0. */
static int ping(FIXTURE_DATA(address) * self, int host, bool lost)
{
	return netns_run(self->lan.host[A],
			 "%s ping -c 1 -W %d.3 %s%d >/dev/null",
			 lost ? "!" : "", time_scaled(1) - 1,
			 self->six ? "fd77::" : "10.77.0.", host + 1);
}

static void everything(struct __test_metadata *_metadata,
		       FIXTURE_DATA(address) * self)
{
	struct skerry_addr any = netns_addr(A, self->six, 9100);
	struct skerry_addr to = netns_addr(B, self->six, 9100);
	int listener = netsock_listen(self->lan.host[B], &to), client;
	struct skerry_drop drop;

	ASSERT_GE(listener, 0);
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, only(self)));
	EXPECT_EQ(0, arrive(self, 10));
	client = netsock_connect(self->lan.host[A], &any, &to);
	EXPECT_EQ(0, netsock_connected(client, 200));
	EXPECT_EQ(0, ping(self, B, true));
	netsock_burst(self->receiver, &self->from, 7);
	EXPECT_EQ(0, netsock_drain(self->sender, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->k, 1, &drop));
	EXPECT_GE(drop.dropped, 19);
	EXPECT_EQ(7, drop.dropped_in);
	EXPECT_EQ(drop.seen, drop.dropped);
	/* And nobody else. */
	netsock_burst(self->sender, &self->third, 10);
	EXPECT_EQ(10, netsock_drain(self->other, QUIET_MS));
	EXPECT_EQ(0, ping(self, C, false));
	ASSERT_EQ(0, lift(self->k, 1));
	EXPECT_EQ(10, arrive(self, 10));
	EXPECT_EQ(0, ping(self, B, false));
}

TEST_F(address, everything_of_the_host)
{
	everything(_metadata, self);
}

TEST_F(address, everything_of_the_host_on_clsact)
{
	kernel_close(self->k, true);
	self->k = NULL;
	ASSERT_EQ(0, start(self, "tcx"));
	everything(_metadata, self);
	/* Filters stay with a device that is shared. */
	kernel_close(self->k, true);
	self->k = NULL;
}

TEST_F(address, one_way)
{
	struct core_cut cut = only(self);

	cut.direction = DIRECTION_OUT;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	EXPECT_EQ(0, arrive(self, 5));
	netsock_burst(self->receiver, &self->from, 5);
	EXPECT_EQ(5, netsock_drain(self->sender, QUIET_MS));
	ASSERT_EQ(0, lift(self->k, 1));
	cut.direction = DIRECTION_IN;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 2, cut));
	EXPECT_EQ(5, arrive(self, 5));
	netsock_burst(self->receiver, &self->from, 5);
	EXPECT_EQ(0, netsock_drain(self->sender, QUIET_MS));
}

TEST_F(address, prefixes_within_each_other)
{
	struct skerry_drop inner, outer;

	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, only(self)));
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 2, network(self)));
	EXPECT_EQ(0, arrive(self, 10));
	netsock_burst(self->sender, &self->third, 3);
	EXPECT_EQ(0, netsock_drain(self->other, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->k, 1, &inner));
	ASSERT_EQ(0, kernel_drops(self->k, 2, &outer));
	EXPECT_EQ(10, inner.dropped);
	EXPECT_EQ(13, outer.dropped);
	ASSERT_EQ(0, lift(self->k, 1));
	EXPECT_EQ(0, arrive(self, 10));
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 3, only(self)));
	ASSERT_EQ(0, lift(self->k, 2));
	EXPECT_EQ(0, arrive(self, 10));
	netsock_burst(self->sender, &self->third, 3);
	EXPECT_EQ(3, netsock_drain(self->other, QUIET_MS));
	ASSERT_EQ(0, lift(self->k, 3));
	EXPECT_EQ(10, arrive(self, 10));
}

TEST_F(address, narrowed_to_a_protocol_and_a_port)
{
	struct core_cut cut = only(self);

	cut.protocol = IPPROTO_TCP;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	EXPECT_EQ(5, arrive(self, 5));
	EXPECT_EQ(0, ping(self, B, false));
	ASSERT_EQ(0, lift(self->k, 1));
	cut.protocol = 0;
	cut.address.port = 9003;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 2, cut));
	EXPECT_EQ(5, arrive(self, 5));
	EXPECT_EQ(0, ping(self, B, false));
	ASSERT_EQ(0, lift(self->k, 2));
	cut.address.port = 9002;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 3, cut));
	EXPECT_EQ(0, arrive(self, 5));
	netsock_burst(self->receiver, &self->from, 5);
	EXPECT_EQ(0, netsock_drain(self->sender, QUIET_MS));
	EXPECT_EQ(0, ping(self, B, false));
}

/* The port of this host is no reason to cut. */
TEST_F(address, the_port_is_the_far_ends)
{
	struct core_cut cut = only(self);

	cut.address.port = 9001;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	EXPECT_EQ(5, arrive(self, 5));
}

TEST_F(address, everywhere_is_not_here)
{
	struct core_cut everywhere = net_of(&self->to, self->six, 0);
	struct skerry_addr own = netns_addr(A, self->six, 9010);
	struct skerry_addr loop = { .port = 9011 };
	struct skerry_addr from = loop, foreign = netns_addr(B, !self->six, 0);
	int own_fd = netsock_udp(self->lan.host[A], &own), fd, loop_fd;

	if (self->six)
		loop.ip[15] = 1;
	else
		memcpy(loop.ip + 10, (uint8_t[]) { 255, 255, 127, 0, 0, 1 }, 6);
	from = loop;
	from.port++;
	loop_fd = netsock_udp(self->lan.host[A], &loop);
	fd = netsock_udp(self->lan.host[A], &from);
	ASSERT_GE(own_fd, 0);
	ASSERT_GE(loop_fd, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, everywhere));
	EXPECT_EQ(0, arrive(self, 5));
	netsock_burst(self->sender, &own, 5);
	EXPECT_EQ(5, netsock_drain(own_fd, QUIET_MS));
	netsock_burst(fd, &loop, 5);
	EXPECT_EQ(5, netsock_drain(loop_fd, QUIET_MS));
	/* The other family is not meant. */
	foreign.port = 9020;
	own = netns_addr(A, !self->six, 9021);
	fd = netsock_udp(self->lan.host[A], &own);
	own_fd = netsock_udp(self->lan.host[B], &foreign);
	netsock_burst(fd, &foreign, 5);
	EXPECT_EQ(5, netsock_drain(own_fd, 500));
}

TEST_F(address, of_this_host_itself_when_it_is_named)
{
	struct skerry_addr loop = { .port = 9011 }, from;
	struct core_cut cut;
	struct skerry_drop drop;
	int fd, loop_fd, got;

	if (self->six)
		loop.ip[15] = 1;
	else
		memcpy(loop.ip + 10, (uint8_t[]) { 255, 255, 127, 0, 0, 1 }, 6);
	from = loop;
	from.port++;
	loop_fd = netsock_udp(self->lan.host[A], &loop);
	fd = netsock_udp(self->lan.host[A], &from);
	ASSERT_GE(loop_fd, 0);
	ASSERT_GE(fd, 0);
	cut = net_of(&loop, self->six, self->six ? 128 : 32);
	cut.loss_ppm = 500000;
	cut.seed = 1;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	netsock_burst(fd, &loop, 100);
	got = netsock_drain(loop_fd, QUIET_MS);
	/* Judged once, though it goes out and comes in. */
	EXPECT_GE(got, 25);
	EXPECT_LE(got, 75);
	ASSERT_EQ(0, kernel_drops(self->k, 1, &drop));
	EXPECT_EQ(100, drop.seen);
	EXPECT_EQ(100 - got, drop.dropped);
}

static int raw(FIXTURE_DATA(address) * self, int host)
{
	int fd;

	if (netns_enter(self->lan.host[host]))
		return -1;
	fd = self->six ? socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
		       : socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	netns_home();
	return fd;
}

static void send_icmp(int fd, const struct skerry_addr *to, uint8_t type,
		      uint8_t code)
{
	unsigned char bytes[64] = { type, code };
	struct sockaddr_storage address;
	struct skerry_addr host = *to;
	size_t length;
	uint32_t sum, i;

	host.port = 0;
	length = netsock_address(&host, &address);
	for (sum = 0, i = 0; i < sizeof(bytes); i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	bytes[2] = sum >> 8;
	bytes[3] = sum;
	sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&address,
	       length);
}

static bool reason_grows(uint32_t reason, uint64_t before)
{
	int i;

	for (i = 0; i < 50; i++) {
		if (bpf_node_reason("a", reason) > before)
			return true;
		bpf_node_sleep_ms(10);
	}
	return false;
}

TEST_F(address, what_the_network_needs_passes)
{
	uint64_t before;
	int fd = raw(self, B);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, only(self)));
	/* Neighbours find each other anew. */
	ASSERT_EQ(0, netns_run(self->lan.host[A], "ip neigh flush dev eth0"));
	EXPECT_EQ(0, ping(self, B, true));
	EXPECT_EQ(0, netns_run(self->lan.host[A],
			       "ip neigh show %s | grep -q lladdr",
			       self->six ? "fd77::2" : "10.77.0.2"));
	/* A packet was too big; an echo request is none of the network's. */
	before = bpf_node_reason("a", REASON_ALWAYS_OPEN);
	send_icmp(fd, &self->from, self->six ? 2 : 3, self->six ? 0 : 4);
	EXPECT_TRUE(reason_grows(REASON_ALWAYS_OPEN, before));
	before = bpf_node_reason("a", REASON_CUT);
	send_icmp(fd, &self->from, self->six ? 128 : 8, 0);
	EXPECT_TRUE(reason_grows(REASON_CUT, before));
	before = bpf_node_reason("a", REASON_CUT);
	send_icmp(fd, &self->from, self->six ? 1 : 3, 1);
	EXPECT_TRUE(reason_grows(REASON_CUT, before));
	close(fd);
}

TEST_F(address, what_is_always_open_passes)
{
	struct skerry_addr open = netns_addr(A, self->six, 7022);
	struct skerry_addr shut = netns_addr(A, self->six, 7023);
	struct skerry_addr from = netns_addr(B, self->six, 9200);
	int listener = netsock_listen(self->lan.host[A], &open);
	int closed = netsock_listen(self->lan.host[A], &shut);
	struct skerry_open_key key = { .protocol = IPPROTO_TCP, .port = 7022 };
	struct skerry_open value = {};
	int client, server, fd;
	char data[8];

	/* As the agent does from [partition] always_open. */
	fd = bpf_node_map("a", "skerry_open");
	ASSERT_EQ(0, bpf_map_update_elem(fd, &key, &value, BPF_ANY));
	ASSERT_GE(listener, 0);
	ASSERT_GE(closed, 0);
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, only(self)));
	client = netsock_connect(self->lan.host[B], &from, &open);
	ASSERT_GE(client, 0);
	ASSERT_EQ(1, netsock_connected(client, 1000));
	server = netsock_accept(listener, 1000);
	ASSERT_EQ(2, send(client, "ls", 2, 0));
	EXPECT_EQ(2, netsock_receive(server, data, 8, 1000));
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &key, &value));
	EXPECT_GE(value.passed, 4);
	close(fd);
	from.port++;
	client = netsock_connect(self->lan.host[B], &from, &shut);
	EXPECT_EQ(0, netsock_connected(client, 200));
	/* Open is a service of this host, not one of the other's. */
	from = netns_addr(A, self->six, 9201);
	open = netns_addr(B, self->six, 7022);
	listener = netsock_listen(self->lan.host[B], &open);
	client = netsock_connect(self->lan.host[A], &from, &open);
	EXPECT_EQ(0, netsock_connected(client, 200));
}

TEST_F(address, the_partition_port_of_a_peer_passes)
{
	struct skerry_addr peer = netns_addr(B, self->six, BASE);
	struct skerry_addr from = netns_addr(A, self->six, BASE + 1);
	struct skerry_addr to = netns_addr(B, self->six, BASE + 1);
	struct skerry_addr stranger = netns_addr(C, self->six, BASE + 1);
	int sender = netsock_udp(self->lan.host[A], &from);
	int receiver = netsock_udp(self->lan.host[B], &to);
	int other = netsock_udp(self->lan.host[C], &stranger);

	ASSERT_EQ(0, kernel_peer(self->k, 1, "b", &peer, 1, PEER_UP));
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, network(self)));
	netsock_burst(sender, &to, 5);
	EXPECT_EQ(5, netsock_drain(receiver, QUIET_MS));
	netsock_burst(receiver, &from, 5);
	EXPECT_EQ(5, netsock_drain(sender, QUIET_MS));
	netsock_burst(sender, &stranger, 5);
	EXPECT_EQ(0, netsock_drain(other, QUIET_MS));
}

TEST_F(address, fragments)
{
	struct core_cut cut = only(self);
	struct skerry_drop drop;
	char data[4000] = {};

	cut.address.port = 9002;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	ASSERT_EQ(0, netsock_send(self->sender, &self->to, data, 4000));
	EXPECT_EQ(0, netsock_drain(self->receiver, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->k, 1, &drop));
	EXPECT_EQ(1, drop.dropped);
	EXPECT_EQ(2, drop.late_fragments);
}

/* Both a node's rule and an address's name the packet: each counts it. */
TEST_F(address, beside_a_cut_from_the_node)
{
	struct skerry_addr peer = netns_addr(B, self->six, BASE);
	struct skerry_addr from = netns_addr(A, self->six, BASE + 10);
	struct skerry_addr to = netns_addr(B, self->six, BASE + 20);
	int sender = netsock_udp(self->lan.host[A], &from);
	int receiver = netsock_udp(self->lan.host[B], &to);
	struct core_cut node = { .peer = 1 };
	struct skerry_drop one, two;

	ASSERT_EQ(0, kernel_peer(self->k, 1, "b", &peer, 1, PEER_UP));
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, node));
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 2, only(self)));
	netsock_burst(sender, &to, 5);
	ASSERT_EQ(0, kernel_drops(self->k, 1, &one));
	ASSERT_EQ(0, kernel_drops(self->k, 2, &two));
	EXPECT_EQ(5, one.dropped);
	EXPECT_EQ(5, two.dropped);
	ASSERT_EQ(0, lift(self->k, 2));
	netsock_burst(sender, &to, 5);
	EXPECT_EQ(0, netsock_drain(receiver, QUIET_MS));
	EXPECT_EQ(5, arrive(self, 5));
}

TEST_F(address, at_most_eight_of_them)
{
	uint8_t i, widest = self->six ? 127 : 31;
	struct core_cut cut;

	for (i = 0; i < SKERRY_RULES_PER_PEER_MAX; i++) {
		cut = net_of(&self->to, self->six, widest - i);
		ASSERT_EQ(0, bpf_node_cut_now(self->k, i, cut));
	}
	EXPECT_EQ(0, arrive(self, 3));
	/* A wider one would cover the eight as a ninth, and so would a
	 * narrower one be covered. */
	EXPECT_EQ(-ENOSPC, bpf_node_cut_now(self->k, 20, only(self)));
	cut = net_of(&self->to, self->six, 2);
	EXPECT_EQ(-ENOSPC, bpf_node_cut_now(self->k, 21, cut));
	/* Elsewhere there is room. */
	cut = net_of(&self->third, self->six, self->six ? 128 : 32);
	cut.address.ip[0] ^= self->six ? 2 : 0;
	cut.address.ip[12] ^= self->six ? 0 : 3;
	EXPECT_EQ(0, bpf_node_cut_now(self->k, 22, cut));
	ASSERT_EQ(0, lift(self->k, 3));
	EXPECT_EQ(0, bpf_node_cut_now(self->k, 20, only(self)));
}

static int entries(const char *map, size_t key_bytes)
{
	int fd = bpf_node_map("a", map), count = 0;
	char key[64], *last = NULL;

	while (!bpf_map_get_next_key(fd, last, key)) {
		last = key;
		count++;
	}
	close(fd);
	return fd < 0 ? fd : count;
}

TEST_F(address, taken_over_by_the_next_agent)
{
	struct core_cut cut = only(self);
	struct skerry_rule rule;
	uint64_t id;
	int fd;

	cut.visibility = VISIBILITY_REJECT;
	cut.loss_ppm = 999999;
	cut.seed = 99;
	cut.protocol = IPPROTO_UDP;
	cut.address.port = 9002;
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	kernel_close(self->k, false);
	self->k = NULL;
	EXPECT_EQ(0, arrive(self, 5));
	ASSERT_EQ(0, start(self, NULL));
	EXPECT_EQ(0, arrive(self, 5));
	fd = bpf_node_map("a", "skerry_rules");
	ASSERT_EQ(0, bpf_map_get_next_key(fd, NULL, &id));
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &id, &rule));
	EXPECT_EQ(SCOPE_HOST, rule.scope);
	EXPECT_EQ(VISIBILITY_REJECT, rule.visibility);
	EXPECT_EQ(999999, rule.loss_ppm);
	EXPECT_EQ(99, rule.seed);
	EXPECT_EQ(128, rule.prefix_bits);
	EXPECT_EQ(9002, rule.port_low);
	EXPECT_EQ(0, memcmp(rule.ip, self->to.ip, 16));
	/* Asked for again it is the same rule; lifted it is gone. */
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, cut));
	EXPECT_EQ(1, entries("skerry_rules", sizeof(id)));
	EXPECT_EQ(0, bpf_map_lookup_elem(fd, &id, &rule));
	EXPECT_EQ(0, arrive(self, 5));
	ASSERT_EQ(0, lift(self->k, 1));
	EXPECT_EQ(5, arrive(self, 5));
	close(fd);
}

TEST_F(address, a_hundred_rounds_leave_nothing)
{
	struct core_cut one = only(self), two = network(self);
	struct skerry_meta meta;
	uint32_t zero = 0;
	int i, fd;

	if (self->six)
		SKIP(return, "once is enough");
	for (i = 0; i < 50; i++) {
		one.handle = 1;
		two.handle = 2;
		two.reference[0] = one.reference[1] = i;
		ASSERT_EQ(0, kernel_cut_add(self->k, &one, 1));
		ASSERT_EQ(0, kernel_cut_add(self->k, &two, 1));
		ASSERT_EQ(0, bpf_node_commit(self->k));
		ASSERT_EQ(0, kernel_cut_del(self->k, 1));
		ASSERT_EQ(0, lift(self->k, 2));
	}
	EXPECT_EQ(0, entries("skerry_rules", sizeof(uint64_t)));
	EXPECT_EQ(100, entries("skerry_drops", sizeof(uint64_t)));
	fd = bpf_node_map("a", "skerry_meta");
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &zero, &meta));
	close(fd);
	EXPECT_EQ(0, meta.active_rules);
	EXPECT_EQ(0, meta.cidr_rules);
	EXPECT_EQ(101, meta.next_rule);
	EXPECT_EQ(5, arrive(self, 5));
	/* Which of the two is in force does not matter: what is left in the
	 * other is cleared before it is filled. */
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, only(self)));
	EXPECT_EQ(1, entries("skerry_rules", sizeof(uint64_t)));
	EXPECT_LE(entries("skerry_cidr0", 20) + entries("skerry_cidr1", 20), 2);
}

TEST_F(address, can_be_done_without)
{
	struct kernel *without = NULL;
	struct core_cut cut = only(self);

	ASSERT_EQ(0, netns_enter(self->lan.host[A]));
	ASSERT_EQ(0, bpf_node_open(&without, "n", BASE + 256, "address"));
	netns_home();
	EXPECT_FALSE(kernel_supported(without, KERNEL_ADDRESS));
	EXPECT_EQ(-EOPNOTSUPP, kernel_cut_add(without, &cut, 1));
	kernel_close(without, true);
}

TEST_HARNESS_MAIN
