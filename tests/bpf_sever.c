// SPDX-License-Identifier: GPL-2.0-only
/* Severing: connections end at both ends when the cut comes into force. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "needless.h"
#include "netsock.h"
#include "run/sockets.h"

#define BASE BPF_PAIR_BASE
#define SOON_MS 500
#define QUIET_MS BPF_PAIR_QUIET_MS

FIXTURE(sever)
{
	struct netns_lan lan;
	struct kernel *k;
	bool six;
	int listener;
	int client, server; /* across the cut */
	int other, other_server; /* to another port */
	int udp;
};

FIXTURE_VARIANT(sever)
{
	bool six;
};

FIXTURE_VARIANT_ADD(sever, ipv4) { .six = false };
FIXTURE_VARIANT_ADD(sever, ipv6) { .six = true };

static int connect_to(FIXTURE_DATA(sever) * self, uint16_t from_port,
		      uint16_t to_port, int *ret_server)
{
	struct skerry_addr from = netns_addr(0, self->six, from_port);
	struct skerry_addr to = netns_addr(1, self->six, to_port);
	int listener = netsock_listen(self->lan.host[1], &to);
	int client = netsock_connect(self->lan.host[0], &from, &to);

	if (client < 0 || netsock_connected(client, 1000) != 1)
		return -ENOTCONN;
	*ret_server = netsock_accept(listener, 1000);
	close(listener);
	return client;
}

FIXTURE_SETUP(sever)
{
	struct skerry_addr from = netns_addr(0, variant->six, 9005);
	struct skerry_addr to = netns_addr(1, variant->six, 9002);
	struct sockaddr_storage address;

	NEEDLESS_VARIANT(variant->six, NULL);
	bpf_node_wipe();
	self->k = NULL;
	self->six = variant->six;
	ASSERT_EQ(0, netns_lan_make(&self->lan, 2));
	ASSERT_EQ(0,
		  bpf_pair_start(&self->k, "a", BASE, self->lan.host[0], NULL));
	self->client = connect_to(self, 9001, 9002, &self->server);
	ASSERT_GE(self->client, 0);
	self->other = connect_to(self, 9003, 9004, &self->other_server);
	ASSERT_GE(self->other, 0);
	self->udp = netsock_udp(self->lan.host[0], &from);
	ASSERT_EQ(0, connect(self->udp, (struct sockaddr *)&address,
			     netsock_address(&to, &address)));
}

FIXTURE_TEARDOWN(sever)
{
	kernel_close(self->k, false);
	bpf_node_wipe();
	netns_lan_free(&self->lan);
}

struct looked {
	struct skerry_addr remote;
	int count;
};

/* What the agent would ask, and that it is asked about connections alone. */
static bool match(void *data, uint8_t protocol, uint16_t local_port,
		  const uint8_t remote_ip[16], uint16_t remote_port)
{
	struct looked *looked = data;

	looked->count++;
	return remote_port == looked->remote.port &&
	       kernel_address_covers(looked->remote.ip, 128, remote_ip);
}

static int cut(FIXTURE_DATA(sever) * self, enum skerry_visibility visibility)
{
	struct core_cut cut = { .peer = CORE_PEER_ADDRESS,
				.visibility = visibility,
				.address = netns_addr(1, self->six, 9002),
				.prefix_bits = 128 };

	return bpf_node_cut_now(self->k, 1, cut);
}

static int destroy(FIXTURE_DATA(sever) * self)
{
	struct looked looked = { .remote = netns_addr(1, self->six, 9002) };
	int ret = netns_enter(self->lan.host[0]);

	if (!ret)
		ret = sockets_destroy(match, &looked);
	netns_home();
	return looked.count || ret < 0 ? ret : -ENODATA;
}

TEST_F(sever, both_ends_hear_of_it_and_nobody_else)
{
	char data[8];

	ASSERT_TRUE(kernel_supported(self->k, KERNEL_SOCK_DESTROY));
	ASSERT_EQ(0, cut(self, VISIBILITY_SEVER));
	/* TCP and connected UDP. */
	EXPECT_EQ(2, destroy(self));
	EXPECT_EQ(-ECONNABORTED,
		  netsock_receive(self->client, data, 8, SOON_MS));
	EXPECT_EQ(-ECONNRESET, netsock_receive(self->server, data, 8, SOON_MS));
	EXPECT_EQ(-ECONNABORTED, netsock_receive(self->udp, data, 8, SOON_MS));
	ASSERT_EQ(2, send(self->other, "hi", 2, 0));
	EXPECT_EQ(2, netsock_receive(self->other_server, data, 8, SOON_MS));
	/* There is nothing left to end. */
	EXPECT_EQ(0, destroy(self));
}

/* Else it is the reset alone that passes. */
TEST_F(sever, is_a_pulled_cable_to_all_else)
{
	struct skerry_addr from = netns_addr(0, self->six, 9006);
	struct skerry_addr to = netns_addr(1, self->six, 9002);
	int listener = netsock_listen(self->lan.host[1], &to), client;
	struct skerry_drop drop;
	char data[8];

	ASSERT_GE(listener, 0);
	ASSERT_EQ(0, cut(self, VISIBILITY_SEVER));
	ASSERT_EQ(2, send(self->client, "hi", 2, 0));
	EXPECT_EQ(-ETIMEDOUT, netsock_receive(self->server, data, 8, QUIET_MS));
	client = netsock_connect(self->lan.host[0], &from, &to);
	EXPECT_EQ(0, netsock_connected(client, 200));
	ASSERT_EQ(0, kernel_drops(self->k, 1, &drop));
	EXPECT_GE(drop.dropped, 2);
	EXPECT_EQ(drop.seen, drop.dropped);
}

TEST_F(sever, with_wire_no_reset_comes_through)
{
	char data[8];

	ASSERT_EQ(0, cut(self, VISIBILITY_WIRE));
	EXPECT_EQ(2, destroy(self));
	EXPECT_EQ(-ECONNABORTED,
		  netsock_receive(self->client, data, 8, SOON_MS));
	EXPECT_EQ(-ETIMEDOUT, netsock_receive(self->server, data, 8, QUIET_MS));
}

TEST_F(sever, can_be_done_without)
{
	struct kernel *without = NULL;
	struct core_cut cut = { .handle = 1,
				.peer = CORE_PEER_ADDRESS,
				.visibility = VISIBILITY_SEVER,
				.prefix_bits = 128 };

	ASSERT_EQ(0, netns_enter(self->lan.host[0]));
	ASSERT_EQ(0, bpf_node_open(&without, "n", BASE + 256, "sock_destroy"));
	netns_home();
	EXPECT_FALSE(kernel_supported(without, KERNEL_SOCK_DESTROY));
	EXPECT_EQ(-EOPNOTSUPP, kernel_cut_add(without, &cut, 1));
	/* The agent's own lanes need no help. */
	cut.peer = CORE_PEER_EVERYBODY;
	EXPECT_EQ(0, kernel_cut_add(without, &cut, 1));
	kernel_close(without, true);
}

TEST_HARNESS_MAIN
