// SPDX-License-Identifier: GPL-2.0-only
/* Rejecting: whoever sends across such a cut is told at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "needless.h"
#include "netsock.h"

#define BASE BPF_PAIR_BASE
#define OTHER_BASE (BASE + 128)
#define QUIET_MS BPF_PAIR_QUIET_MS
#define SOON_MS 500

/* The hosts are made once: every test inherits them. */
static struct netns_lan hosts;

static __attribute__((constructor)) void make_hosts(void)
{
	if (netns_lan_make(&hosts, 2))
		hosts.count = 0;
}

FIXTURE(reject)
{
	struct netns_lan lan;
	struct kernel *k;
	bool six;
};

FIXTURE_VARIANT(reject)
{
	bool six;
	const char *disabled;
	uint16_t port; /* the first of the client's: no connection twice */
};

FIXTURE_VARIANT_ADD(reject, tcx_ipv4) { .six = false,
					.disabled = NULL,
					.port = BASE + 10 };
FIXTURE_VARIANT_ADD(reject, tcx_ipv6) { .six = true,
					.disabled = NULL,
					.port = BASE + 30 };
FIXTURE_VARIANT_ADD(reject, clsact_ipv4) { .six = false,
					   .disabled = "tcx",
					   .port = BASE + 50 };

FIXTURE_SETUP(reject)
{
	struct skerry_addr peer = netns_addr(1, variant->six, BASE);
	struct skerry_addr twin = netns_addr(0, variant->six, OTHER_BASE);

	NEEDLESS_VARIANT(variant->six, variant->disabled);
	bpf_node_wipe();
	self->k = NULL;
	self->six = variant->six;
	self->lan = hosts;
	ASSERT_EQ(2, self->lan.count);
	ASSERT_EQ(0, bpf_pair_start(&self->k, "a", BASE, self->lan.host[0],
				    variant->disabled));
	ASSERT_TRUE(kernel_supported(self->k, KERNEL_REJECT));
	ASSERT_EQ(0, kernel_peer(self->k, 1, "b", &peer, 1, PEER_UP));
	/* On the same host, and at its loopback address. */
	ASSERT_EQ(0, kernel_peer(self->k, 2, "c", &twin, 1, PEER_UP));
	memset(twin.ip, 0, 16);
	if (self->six)
		twin.ip[15] = 1;
	else
		memcpy(twin.ip + 10, (uint8_t[]) { 255, 255, 127, 0, 0, 1 }, 6);
	ASSERT_EQ(0, kernel_peer(self->k, 3, "d", &twin, 1, PEER_UP));
}

FIXTURE_TEARDOWN(reject)
{
	/* Filters would stay with a device that is shared. */
	kernel_cut_del(self->k, 1);
	kernel_cut_del(self->k, 2);
	bpf_node_commit(self->k);
	kernel_close(self->k, true);
	bpf_node_wipe();
}

static int cut(struct kernel *k, uint32_t peer, enum skerry_direction direction)
{
	struct core_cut cut = { .peer = peer,
				.direction = direction,
				.visibility = VISIBILITY_REJECT };

	return bpf_node_cut_now(k, 1, cut);
}

static void refused(struct __test_metadata *_metadata,
		    FIXTURE_DATA(reject) * self, const struct skerry_addr *from,
		    const struct skerry_addr *to)
{
	int client = netsock_connect(self->lan.host[0], from, to);

	ASSERT_GE(client, 0);
	EXPECT_EQ(-ECONNREFUSED, netsock_connected(client, SOON_MS));
	close(client);
}

/* A connection from one to the other, before the cut. */
static int establish(struct __test_metadata *_metadata,
		     FIXTURE_DATA(reject) * self,
		     const struct skerry_addr *from, int listener,
		     const struct skerry_addr *to, int *ret_server)
{
	int client = netsock_connect(self->lan.host[0], from, to);

	EXPECT_GE(client, 0);
	EXPECT_EQ(1, netsock_connected(client, 1000));
	*ret_server = netsock_accept(listener, 1000);
	EXPECT_GE(*ret_server, 0);
	return client;
}

static void reset(struct __test_metadata *_metadata,
		  FIXTURE_DATA(reject) * self, int host,
		  const struct skerry_addr *from, const struct skerry_addr *to,
		  uint32_t peer)
{
	static char data[60000];
	struct skerry_addr again = *from;
	int listener = netsock_listen(self->lan.host[host], to);
	int small, large, servers[2];

	ASSERT_GE(listener, 0);
	again.port++;
	small = establish(_metadata, self, from, listener, to, &servers[0]);
	large = establish(_metadata, self, &again, listener, to, &servers[1]);
	ASSERT_EQ(0, cut(self->k, peer, DIRECTION_BOTH));
	ASSERT_EQ(1, send(small, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(-ECONNRESET, netsock_receive(small, data, 64, SOON_MS));
	/* What is to be segmented later is answered likewise. */
	ASSERT_LT(0, send(large, data, sizeof(data), MSG_NOSIGNAL));
	EXPECT_EQ(-ECONNRESET, netsock_receive(large, data, 64, SOON_MS));
	/* Nobody else has heard anything. */
	EXPECT_EQ(-ETIMEDOUT, netsock_receive(servers[0], data, 64, QUIET_MS));
	again.port++;
	refused(_metadata, self, &again, to);
}

TEST_F(reject, connections_of_a_peer)
{
	struct skerry_addr from = netns_addr(0, self->six, variant->port);
	struct skerry_addr to = netns_addr(1, self->six, BASE);
	struct skerry_drop drop;

	reset(_metadata, self, 1, &from, &to, 1);
	ASSERT_EQ(0, kernel_drops(self->k, 1, &drop));
	EXPECT_GE(drop.dropped, 3);
	EXPECT_EQ(0, drop.dropped_in);
	EXPECT_LE(3, bpf_node_reason("a", REASON_REJECTED));
}

TEST_F(reject, connections_within_a_host)
{
	struct skerry_addr from = netns_addr(0, self->six, variant->port);
	struct skerry_addr to = netns_addr(0, self->six, OTHER_BASE);

	reset(_metadata, self, 0, &from, &to, 2);
}

TEST_F(reject, connections_of_loopback_addresses)
{
	struct skerry_addr from = { .port = variant->port }, to;

	if (self->six)
		from.ip[15] = 1;
	else
		memcpy(from.ip + 10, (uint8_t[]) { 255, 255, 127, 0, 0, 1 }, 6);
	to = from;
	to.port = OTHER_BASE;
	reset(_metadata, self, 0, &from, &to, 3);
}

static int connected_udp(FIXTURE_DATA(reject) * self,
			 const struct skerry_addr *from,
			 const struct skerry_addr *to)
{
	struct sockaddr_storage address;
	int fd = netsock_udp(self->lan.host[0], from);
	size_t bytes = netsock_address(to, &address);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, bytes))
		return -errno;
	return fd;
}

static void unreachable(struct __test_metadata *_metadata,
			FIXTURE_DATA(reject) * self,
			const struct skerry_addr *from,
			const struct skerry_addr *to)
{
	int fd = connected_udp(self, from, to);
	char data[4000] = {};

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, send(fd, "", 0, 0));
	EXPECT_EQ(-ECONNREFUSED, netsock_receive(fd, data, 64, SOON_MS));
	ASSERT_EQ(900, send(fd, data, 900, 0));
	EXPECT_EQ(-ECONNREFUSED, netsock_receive(fd, data, 64, SOON_MS));
	close(fd);
}

TEST_F(reject, datagrams)
{
	struct skerry_addr from = netns_addr(0, self->six, BASE + 10);
	struct skerry_addr to = netns_addr(1, self->six, BASE + 20);
	struct skerry_addr twin = netns_addr(0, self->six, OTHER_BASE + 20);
	int receiver = netsock_udp(self->lan.host[1], &to);
	int fd;
	char data[1000] = {};

	ASSERT_GE(receiver, 0);
	ASSERT_EQ(0, cut(self->k, 1, DIRECTION_BOTH));
	unreachable(_metadata, self, &from, &to);
	fd = connected_udp(self, &from, &to);
	ASSERT_EQ(0, netsock_send_segments(fd, &to, data, 1000, 100));
	EXPECT_EQ(-ECONNREFUSED, netsock_receive(fd, data, 64, SOON_MS));
	EXPECT_EQ(0, netsock_drain(receiver, QUIET_MS));
	close(fd);
	ASSERT_EQ(0, kernel_cut_del(self->k, 1));
	ASSERT_EQ(0, cut(self->k, 2, DIRECTION_OUT));
	unreachable(_metadata, self, &from, &twin);
}

/* Checksums are made by the sender then, and looked at by the receiver. */
static int checksums_by_hand(int netns)
{
	struct ethtool_value off = { .cmd = ETHTOOL_STXCSUM };
	struct ifreq request = { .ifr_name = "eth0", .ifr_data = (void *)&off };
	int ret = netns_enter(netns), fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!ret && ioctl(fd, SIOCETHTOOL, &request))
		ret = -errno;
	close(fd);
	netns_home();
	return ret;
}

/* A sender that has no rule of its own, or no agent at all. */
static void comes_in(struct __test_metadata *_metadata,
		     FIXTURE_DATA(reject) * self)
{
	struct skerry_addr from = netns_addr(1, self->six, 9999);
	struct skerry_addr to = netns_addr(0, self->six, BASE);
	int listener = netsock_listen(self->lan.host[0], &to);
	int udp = netsock_udp(self->lan.host[0], &to), client, fd;
	struct sockaddr_storage address;
	struct skerry_drop drop;
	char data[64];

	ASSERT_GE(listener, 0);
	ASSERT_GE(udp, 0);
	ASSERT_EQ(0, cut(self->k, CORE_PEER_EVERYBODY, DIRECTION_IN));
	client = netsock_connect(self->lan.host[1], &from, &to);
	ASSERT_GE(client, 0);
	EXPECT_EQ(-ECONNREFUSED, netsock_connected(client, SOON_MS));
	fd = netsock_udp(self->lan.host[1], &from);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, connect(fd, (struct sockaddr *)&address,
			     netsock_address(&to, &address)));
	ASSERT_EQ(5, send(fd, "hello", 5, 0));
	EXPECT_EQ(-ECONNREFUSED, netsock_receive(fd, data, 64, SOON_MS));
	EXPECT_EQ(0, netsock_drain(udp, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->k, 1, &drop));
	EXPECT_EQ(2, drop.dropped_in);
	EXPECT_EQ(2, drop.dropped);
}

TEST_F(reject, what_comes_in)
{
	comes_in(_metadata, self);
}

TEST_F(reject, what_comes_in_with_checksums_of_its_own)
{
	ASSERT_EQ(0, checksums_by_hand(self->lan.host[0]));
	ASSERT_EQ(0, checksums_by_hand(self->lan.host[1]));
	comes_in(_metadata, self);
}

TEST_F(reject, is_outdone_by_what_betrays_less)
{
	struct skerry_addr from = netns_addr(0, self->six, variant->port + 8);
	struct skerry_addr to = netns_addr(1, self->six, BASE);
	struct core_cut wire = { .peer = CORE_PEER_EVERYBODY };
	int client;

	ASSERT_EQ(0, cut(self->k, 1, DIRECTION_BOTH));
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 2, wire));
	client = netsock_connect(self->lan.host[0], &from, &to);
	ASSERT_GE(client, 0);
	EXPECT_EQ(0, netsock_connected(client, 200));
}

TEST_F(reject, without_an_answer_is_as_local)
{
	struct skerry_addr to = netns_addr(1, self->six, 0);
	struct core_cut address = { .peer = CORE_PEER_ADDRESS,
				    .visibility = VISIBILITY_REJECT,
				    .address = to,
				    .prefix_bits = 128 };

	/* There is none to a ping. */
	ASSERT_EQ(0, bpf_node_cut_now(self->k, 1, address));
	EXPECT_EQ(0, netns_run(self->lan.host[0], "! ping -c 1 -W 0.3 %s",
			       self->six ? "fd77::2" : "10.77.0.2"));
	EXPECT_EQ(1, bpf_node_reason("a", REASON_REJECTED_MUTE));
}

TEST_F(reject, can_be_done_without)
{
	struct kernel *without = NULL;
	struct core_cut cut = { .handle = 1,
				.peer = CORE_PEER_EVERYBODY,
				.visibility = VISIBILITY_REJECT };

	ASSERT_EQ(0, netns_enter(self->lan.host[0]));
	ASSERT_EQ(0, bpf_node_open(&without, "n", BASE + 256, "reject"));
	netns_home();
	EXPECT_FALSE(kernel_supported(without, KERNEL_REJECT));
	EXPECT_EQ(-EOPNOTSUPP, kernel_cut_add(without, &cut, 1));
	kernel_close(without, true);
}

TEST_HARNESS_MAIN
