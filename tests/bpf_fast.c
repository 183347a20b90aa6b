// SPDX-License-Identifier: GPL-2.0-only
/* Fast channels: who gets which datagram. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_node.h"
#include "kselftest_harness.h"
#include "needless.h"
#include "netns.h"
#include "netsock.h"
#include "skerry/wire.h"

#define BASE 17280
#define OTHER_BASE (BASE + 128)
#define QUIET_MS 60
#define LANE_1 0x1111222233334444ULL
#define LANE_2 0x5555666677778888ULL
#define BYTES 64

FIXTURE(fast)
{
	struct netns_lan lan;
	struct kernel *k; /* node "b", on host 1 */
	bool six;
	struct skerry_addr from[2], node;
	int sender[2]; /* programs on host 0 */
	int agent, program[2]; /* on host 1 */
};

FIXTURE_VARIANT(fast)
{
	bool six;
	const char *disabled;
};

FIXTURE_VARIANT_ADD(fast, ipv4) { .six = false };
FIXTURE_VARIANT_ADD(fast, ipv6) { .six = true };
FIXTURE_VARIANT_ADD(fast, clsact) { .six = false, .disabled = "tcx" };

static int lane(struct kernel *k, uint64_t id, int program,
		const struct skerry_addr *from)
{
	struct skerry_fast value = {
		.peer = 1,
		.program_port = BASE + 50 + program,
		.sender_port = from->port,
		.channel = "fast",
	};

	memcpy(value.sender_ip, from->ip, 16);
	return kernel_fast(k, id, &value);
}

FIXTURE_SETUP(fast)
{
	struct skerry_addr addr, peer;
	int i;

	NEEDLESS_VARIANT(variant->six, variant->disabled);
	bpf_node_wipe();
	self->k = NULL;
	self->six = variant->six;
	ASSERT_EQ(0, netns_lan_make(&self->lan, 2));
	self->node = netns_addr(1, self->six, BASE);
	for (i = 0; i < 2; i++) {
		self->from[i] = netns_addr(0, self->six, BASE + 40 + i);
		addr = netns_addr(1, self->six, BASE + 50 + i);
		self->sender[i] =
			netsock_udp(self->lan.host[0], &self->from[i]);
		self->program[i] = netsock_udp(self->lan.host[1], &addr);
		ASSERT_GE(self->sender[i], 0);
		ASSERT_GE(self->program[i], 0);
	}
	self->agent = netsock_udp(self->lan.host[1], &self->node);
	ASSERT_GE(self->agent, 0);
	ASSERT_EQ(0, netns_enter(self->lan.host[1]));
	ASSERT_EQ(0, bpf_node_open(&self->k, "b", BASE, variant->disabled));
	ASSERT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
	ASSERT_EQ(0, kernel_attach(self->k, 2, "eth0", DEV_JUDGE_BOTH));
	netns_home();
	peer = netns_addr(0, self->six, BASE);
	ASSERT_EQ(0, kernel_peer(self->k, 1, "a", &peer, 1, PEER_UP));
	netsock_burst(self->sender[0], &self->node, 1);
	ASSERT_TRUE(netsock_arrived(self->agent, 1, 500));
	ASSERT_EQ(0, lane(self->k, LANE_1, 0, &self->from[0]));
	ASSERT_EQ(0, lane(self->k, LANE_2, 1, &self->from[1]));
}

FIXTURE_TEARDOWN(fast)
{
	kernel_close(self->k, false);
	bpf_node_wipe();
	netns_lan_free(&self->lan);
}

/* BYTES of a datagram of that lane. */
static void datagram(void *out, uint64_t id)
{
	struct skerry_dgram header = {
		.magic = SKERRY_DGRAM_MAGIC,
		.version = SKERRY_WIRE_VERSION,
		.type = SKERRY_DGRAM_FAST,
		.header_length = sizeof(header),
		.id = id,
	};

	memset(out, 0x5a, BYTES);
	memcpy(out, &header, sizeof(header));
}

static int send_lane(FIXTURE_DATA(fast) * self, int sender, uint64_t id,
		     int count)
{
	uint8_t data[BYTES];
	int i, sent = 0;

	datagram(data, id);
	for (i = 0; i < count; i++)
		sent += !netsock_send(self->sender[sender], &self->node, data,
				      BYTES);
	return sent;
}

/* How many datagrams of that lane; another lane's is -1000. */
static int own(int fd, uint64_t id)
{
	struct skerry_dgram header;
	int got, count = 0;

	while ((got = netsock_receive(fd, &header, sizeof(header), QUIET_MS)) >
	       0) {
		if (got != sizeof(header) || header.id != id)
			return -1000;
		count++;
	}
	return count;
}

TEST_F(fast, each_lane_to_its_program)
{
	struct skerry_fast value;

	EXPECT_EQ(10, send_lane(self, 0, LANE_1, 10));
	EXPECT_EQ(5, send_lane(self, 1, LANE_2, 5));
	EXPECT_EQ(10, own(self->program[0], LANE_1));
	EXPECT_EQ(5, own(self->program[1], LANE_2));
	EXPECT_EQ(0, netsock_drain(self->agent, 0));
	ASSERT_EQ(0, kernel_fast_read(self->k, LANE_1, &value));
	EXPECT_EQ(10, value.packets);
	EXPECT_EQ(10 * BYTES, value.bytes);
	EXPECT_EQ(0, value.refused);
	EXPECT_EQ(15, bpf_node_reason("b", REASON_FAST_ASSIGNED));
	/* The source is the sender's, for the program to answer to. */
}

TEST_F(fast, from_nobody_else)
{
	struct skerry_fast value;

	send_lane(self, 1, LANE_1, 7);
	EXPECT_EQ(0, own(self->program[0], LANE_1));
	EXPECT_EQ(0, netsock_drain(self->program[1], 0));
	EXPECT_EQ(0, netsock_drain(self->agent, 0));
	EXPECT_EQ(7, bpf_node_reason("b", REASON_FAST_SENDER));
	ASSERT_EQ(0, kernel_fast_read(self->k, LANE_1, &value));
	EXPECT_EQ(7, value.refused);
	EXPECT_EQ(0, value.packets);
}

TEST_F(fast, to_another_of_our_addresses)
{
	struct skerry_fast value;

	ASSERT_EQ(0, kernel_fast_read(self->k, LANE_1, &value));
	memcpy(value.local_ip, self->node.ip, 16);
	ASSERT_EQ(0, kernel_fast(self->k, LANE_1, &value));
	send_lane(self, 0, LANE_1, 2);
	EXPECT_EQ(2, own(self->program[0], LANE_1));
	value.local_ip[15]++;
	ASSERT_EQ(0, kernel_fast(self->k, LANE_1, &value));
	send_lane(self, 0, LANE_1, 2);
	EXPECT_EQ(0, own(self->program[0], LANE_1));
	EXPECT_EQ(2, bpf_node_reason("b", REASON_FAST_SENDER));
}

TEST_F(fast, what_is_not_known_is_dropped_and_counted)
{
	uint8_t data[BYTES];

	send_lane(self, 0, 4711, 3);
	EXPECT_EQ(3, bpf_node_reason("b", REASON_FAST_UNKNOWN));
	datagram(data, LANE_1);
	netsock_send(self->sender[0], &self->node, data, 31);
	data[0]++;
	netsock_send(self->sender[0], &self->node, data, BYTES);
	datagram(data, LANE_1);
	data[4] = BYTES + 1; /* header_length */
	netsock_send(self->sender[0], &self->node, data, BYTES);
	EXPECT_EQ(0, netsock_drain(self->program[0], QUIET_MS));
	EXPECT_EQ(0, netsock_drain(self->agent, 0));
	EXPECT_EQ(3, bpf_node_reason("b", REASON_FAST_MALFORMED));
	/* A lane that is gone is not known any more; the last one takes the
	 * demultiplexer with it, and the agent gets what comes. */
	kernel_fast_gone(self->k, LANE_1);
	send_lane(self, 0, LANE_1, 2);
	EXPECT_EQ(5, bpf_node_reason("b", REASON_FAST_UNKNOWN));
	kernel_fast_gone(self->k, LANE_2);
	kernel_fast_gone(self->k, LANE_2);
	send_lane(self, 0, LANE_1, 2);
	EXPECT_EQ(2, own(self->agent, LANE_1));
}

TEST_F(fast, many_segments_of_one_lane)
{
	uint8_t data[20 * BYTES];
	struct skerry_fast value;
	int i;

	for (i = 0; i < 20; i++)
		datagram(data + i * BYTES, LANE_1);
	ASSERT_EQ(0, netsock_send_segments(self->sender[0], &self->node, data,
					   sizeof(data), BYTES));
	EXPECT_EQ(20, own(self->program[0], LANE_1));
	/* The last one shorter. */
	ASSERT_EQ(0, netsock_send_segments(self->sender[0], &self->node, data,
					   sizeof(data) - 20, BYTES));
	EXPECT_EQ(20, own(self->program[0], LANE_1));
	ASSERT_EQ(0, kernel_fast_read(self->k, LANE_1, &value));
	EXPECT_EQ(40, value.packets);
	EXPECT_EQ(40 * BYTES - 20, value.bytes);
	EXPECT_EQ(0, netsock_drain(self->agent, 0));
}

TEST_F(fast, two_lanes_in_one_packet_are_left_to_the_agent)
{
	uint8_t data[6 * BYTES];
	int i;

	for (i = 0; i < 6; i++)
		datagram(data + i * BYTES, i < 5 ? LANE_1 : LANE_2);
	ASSERT_EQ(0, netsock_send_segments(self->sender[0], &self->node, data,
					   sizeof(data), BYTES));
	EXPECT_EQ(0, netsock_drain(self->program[0], QUIET_MS));
	EXPECT_EQ(0, netsock_drain(self->program[1], 0));
	EXPECT_EQ(6, netsock_drain(self->agent, QUIET_MS)); /* one by one */
	/* A last segment too short for a header is not of this lane. */
	datagram(data + 5 * BYTES, LANE_1);
	ASSERT_EQ(0, netsock_send_segments(self->sender[0], &self->node, data,
					   5 * BYTES + 20, BYTES));
	EXPECT_EQ(0, netsock_drain(self->program[0], QUIET_MS));
	EXPECT_EQ(6, netsock_drain(self->agent, 0));
	EXPECT_EQ(2, bpf_node_reason("b", REASON_FAST_MIXED));
}

/* As a program that is in a hurry would: in batches. id 0: of any lane. */
static int receive_batches(int fd, uint64_t id)
{
	char data[65536], control[64];
	struct skerry_dgram header;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int got, at, size, count = 0;
	struct cmsghdr *cmsg;

	usleep(QUIET_MS * 1000);
	for (;;) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		got = recvmsg(fd, &message, 0);
		if (got < 0)
			return count;
		size = got;
		cmsg = CMSG_FIRSTHDR(&message);
		if (cmsg && cmsg->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(cmsg), sizeof(size));
		for (at = 0; at < got; at += size) {
			memcpy(&header, data + at, sizeof(header));
			if (id && header.id != id)
				return -1000;
			count++;
		}
	}
}

static void merged(struct __test_metadata *_metadata, FIXTURE_DATA(fast) * self)
{
	uint64_t packets = bpf_node_reason("b", REASON_FAST_ASSIGNED);
	int i, got[3];

	for (i = 0; i < 200; i++) {
		send_lane(self, 0, LANE_1, 1);
		send_lane(self, 1, LANE_2, 1);
	}
	EXPECT_EQ(200, receive_batches(self->program[0], LANE_1));
	EXPECT_EQ(200, receive_batches(self->program[1], LANE_2));
	EXPECT_EQ(0, netsock_drain(self->agent, 0));
	/* It was merged, or the test has tested nothing. */
	packets = bpf_node_reason("b", REASON_FAST_ASSIGNED) - packets;
	EXPECT_LT(packets, 200);
	/* A sender that mixes its lanes in one stream. */
	ASSERT_EQ(0, lane(self->k, LANE_2, 1, &self->from[0]));
	for (i = 0; i < 200; i++)
		send_lane(self, 0, i % 7 ? LANE_1 : LANE_2, 1);
	got[0] = receive_batches(self->agent, 0);
	got[1] = receive_batches(self->program[0], LANE_1);
	got[2] = receive_batches(self->program[1], LANE_2);
	EXPECT_GE(got[1], 0);
	EXPECT_GE(got[2], 0);
	EXPECT_EQ(200, got[0] + got[1] + got[2]);
	EXPECT_GE(bpf_node_reason("b", REASON_FAST_MIXED), 1);
	ASSERT_EQ(0, lane(self->k, LANE_2, 1, &self->from[1]));
}

TEST_F(fast, with_gro_forced_nothing_is_mixed_up)
{
	int bytes = 1 << 20, one = 1, i;
	struct sockaddr_storage address;
	size_t length = netsock_address(&self->node, &address);

	ASSERT_EQ(0, setsockopt(self->agent, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
				sizeof(bytes)));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, setsockopt(self->program[i], SOL_SOCKET,
					SO_RCVBUFFORCE, &bytes, sizeof(bytes)));
		/* A connected sender counts its IPv4 packets, else none of
		 * them is merged. */
		ASSERT_EQ(0, connect(self->sender[i],
				     (struct sockaddr *)&address, length));
	}
	/* What crosses a veth is merged at the other end only if it was not
	 * worth sending it whole; and only what comes together. */
	if (netns_run(self->lan.bridge, "ethtool -K port1 tso off") ||
	    netns_run(self->lan.host[1], "ethtool -K eth0 gro on"))
		SKIP(return, "no ethtool");
	ASSERT_EQ(0, netns_run(self->lan.host[1],
			       "unshare -m sh -c 'mount -t sysfs none /sys && "
			       "cd /sys/class/net/eth0 && "
			       "echo 5000000 >gro_flush_timeout'"));
	ASSERT_EQ(0, netns_run(self->lan.host[1],
			       "ethtool -K eth0 rx-gro-list on"));
	merged(_metadata, self);
	/* The other way of merging asks the socket it finds by port, the
	 * agent's. */
	ASSERT_EQ(0, netns_run(self->lan.host[1],
			       "ethtool -K eth0 rx-gro-list off "
			       "rx-udp-gro-forwarding on"));
	ASSERT_EQ(0,
		  setsockopt(self->agent, SOL_UDP, UDP_GRO, &one, sizeof(one)));
	merged(_metadata, self);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, setsockopt(self->program[i], SOL_UDP, UDP_GRO,
					&one, sizeof(one)));
	merged(_metadata, self);
}

TEST_F(fast, a_rogue_program_harms_itself_alone)
{
	struct skerry_addr away = netns_addr(0, self->six, 9999);
	struct sockaddr_storage address;
	size_t bytes = netsock_address(&away, &address);
	int one = 1;

	/* Connected elsewhere: its own lane is refused. */
	ASSERT_EQ(0, connect(self->program[0], (struct sockaddr *)&address,
			     bytes));
	send_lane(self, 0, LANE_1, 5);
	send_lane(self, 1, LANE_2, 5);
	EXPECT_EQ(5, own(self->program[1], LANE_2));
	EXPECT_EQ(0, netsock_drain(self->program[0], 0));
	EXPECT_EQ(5, bpf_node_reason("b", REASON_FAST_NO_SOCKET));
	/* Connected to the other lane's sender: that lane is not its own. */
	bytes = netsock_address(&self->from[1], &address);
	ASSERT_EQ(0, connect(self->program[0], (struct sockaddr *)&address,
			     bytes));
	send_lane(self, 1, LANE_2, 5);
	EXPECT_EQ(5, own(self->program[1], LANE_2));
	EXPECT_EQ(0, netsock_drain(self->program[0], 0));
	/* Options that change who is looked up. */
	setsockopt(self->program[0], SOL_SOCKET, SO_REUSEPORT, &one,
		   sizeof(one));
	setsockopt(self->program[0], SOL_SOCKET, SO_REUSEADDR, &one,
		   sizeof(one));
	send_lane(self, 1, LANE_2, 5);
	EXPECT_EQ(5, own(self->program[1], LANE_2));
	/* Gone. */
	close(self->program[0]);
	send_lane(self, 0, LANE_1, 5);
	EXPECT_EQ(10, bpf_node_reason("b", REASON_FAST_NO_SOCKET));
	EXPECT_EQ(0, netsock_drain(self->agent, QUIET_MS));
}

TEST_F(fast, a_cut_is_a_cut)
{
	ASSERT_EQ(0, bpf_node_cut(self->k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 60000));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	send_lane(self, 0, LANE_1, 5);
	EXPECT_EQ(0, own(self->program[0], LANE_1));
	ASSERT_EQ(0, kernel_cut_del(self->k, 1));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	send_lane(self, 0, LANE_1, 5);
	EXPECT_EQ(5, own(self->program[0], LANE_1));
}

TEST_F(fast, between_two_nodes_on_lo)
{
	struct skerry_addr from = netns_addr(1, self->six, OTHER_BASE + 40);
	int sender = netsock_udp(self->lan.host[1], &from), i;
	uint8_t data[8 * BYTES];

	ASSERT_GE(sender, 0);
	ASSERT_EQ(0, lane(self->k, 99, 0, &from));
	for (i = 0; i < 8; i++)
		datagram(data + i * BYTES, 99);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, netsock_send(sender, &self->node, data, BYTES));
	EXPECT_EQ(5, own(self->program[0], 99));
	ASSERT_EQ(0, netsock_send_segments(sender, &self->node, data,
					   sizeof(data), BYTES));
	EXPECT_EQ(8, own(self->program[0], 99));
	EXPECT_EQ(0, netsock_drain(self->agent, 0));
}

TEST_F(fast, without_the_kernels_help_the_agent_receives)
{
	ASSERT_EQ(0, netns_enter(self->lan.host[1]));
	kernel_close(self->k, true);
	ASSERT_EQ(0, bpf_node_open(&self->k, "b", BASE, "sk_assign"));
	ASSERT_EQ(0, kernel_attach(self->k, 2, "eth0", DEV_JUDGE_BOTH));
	netns_home();
	EXPECT_FALSE(kernel_supported(self->k, KERNEL_SK_ASSIGN));
	ASSERT_EQ(0, lane(self->k, LANE_1, 0, &self->from[0]));
	send_lane(self, 0, LANE_1, 5);
	EXPECT_EQ(5, own(self->agent, LANE_1));
	EXPECT_EQ(0, netsock_drain(self->program[0], 0));
}

TEST_HARNESS_MAIN
