// SPDX-License-Identifier: GPL-2.0-only
/* Devices of every kind, and packets of every shape. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "netsock.h"

#define BASE BPF_PAIR_BASE
#define OTHER_BASE (BASE + 128)
#define QUIET_MS BPF_PAIR_QUIET_MS
#define MINUTE_MS 60000

FIXTURE(devices)
{
	struct bpf_pair pair;
	struct kernel *other;
};

FIXTURE_SETUP(devices)
{
	self->other = NULL;
	ASSERT_EQ(0, bpf_pair_make(&self->pair));
}

FIXTURE_TEARDOWN(devices)
{
	kernel_close(self->other, false);
	bpf_pair_free(&self->pair);
}

TEST_F(devices, nodes_on_one_host_meet_on_lo)
{
	struct skerry_addr a = netns_addr(0, false, BASE + 30);
	struct skerry_addr b = netns_addr(0, false, OTHER_BASE + 30);
	struct skerry_addr outside = netns_addr(0, false, 9000);
	struct skerry_addr peer = netns_addr(0, false, OTHER_BASE);
	struct skerry_drop drop;
	int sa, sb, so;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, bpf_pair_start(&self->other, "c", OTHER_BASE,
				    self->pair.lan.host[0], NULL));
	ASSERT_EQ(0, kernel_peer(self->pair.k, 2, "c", &peer, 1, PEER_UP));
	peer = netns_addr(0, false, BASE);
	ASSERT_EQ(0, kernel_peer(self->other, 2, "a", &peer, 1, PEER_UP));
	sa = netsock_udp(self->pair.lan.host[0], &a);
	sb = netsock_udp(self->pair.lan.host[0], &b);
	so = netsock_udp(self->pair.lan.host[0], &outside);
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 2, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	netsock_burst(sa, &b, 10); /* cut at a's egress */
	netsock_burst(sb, &a, 10); /* cut at a's ingress */
	netsock_burst(so, &a, 10);
	EXPECT_EQ(0, netsock_drain(sb, QUIET_MS));
	EXPECT_EQ(10, netsock_drain(sa, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_EQ(20, drop.dropped); /* each packet judged once */
	EXPECT_EQ(10, bpf_pair_arrive(&self->pair, 10));
}

TEST_F(devices, forwarded_packets_are_nobodys_business)
{
	struct skerry_addr far = netns_addr(0, false, BASE + 5);
	struct skerry_addr near = netns_addr(1, false, BASE + 5);
	int here = self->pair.lan.host[0], there, receiver, sender;

	/* Behind host 0 a container with a node on the same ports. */
	there = netns_make();
	ASSERT_GE(there, 0);
	ASSERT_EQ(0,
		  netns_run(here,
			    "ip link add inner type veth peer name eth0 "
			    "netns /proc/%d/fd/%d && ip link set inner up && "
			    "ip addr add 10.78.0.1/24 dev inner && "
			    "echo 1 >/proc/sys/net/ipv4/ip_forward",
			    getpid(), there));
	ASSERT_EQ(0, netns_run(there, "ip link set eth0 up && "
				      "ip addr add 10.78.0.2/24 dev eth0 && "
				      "ip route add default via 10.78.0.1"));
	ASSERT_EQ(0, netns_run(self->pair.lan.host[1],
			       "ip route add 10.78.0.0/24 via 10.77.0.1"));
	memcpy(far.ip + 12, (uint8_t[]) { 10, 78, 0, 2 }, 4);
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, netns_enter(here));
	ASSERT_EQ(0, kernel_attach(self->pair.k, if_nametoindex("inner"),
				   "inner", DEV_JUDGE_BOTH));
	netns_home();
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	receiver = netsock_udp(there, &far);
	sender = netsock_udp(self->pair.lan.host[1], &near);
	ASSERT_GE(receiver, 0);
	ASSERT_GE(sender, 0);
	netsock_burst(sender, &far, 10);
	EXPECT_EQ(10, netsock_drain(receiver, QUIET_MS));
	netsock_burst(receiver, &near, 10);
	EXPECT_EQ(10, netsock_drain(sender, QUIET_MS));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	close(there);
}

/* The upper device carries 10.79.0.x; on the lower one the same packets are
 * seen once more. */
static void stacked(struct __test_metadata *_metadata,
		    FIXTURE_DATA(devices) * self, const char *upper)
{
	struct skerry_addr from = netns_addr(0, false, BASE + 11);
	struct skerry_addr to = netns_addr(1, false, BASE + 21);
	struct skerry_addr peer = netns_addr(1, false, BASE);
	struct skerry_drop drop;
	int sender, receiver;

	from.ip[13] = to.ip[13] = peer.ip[13] = 79;
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, kernel_peer(self->pair.k, 2, "v", &peer, 1, PEER_UP));
	ASSERT_EQ(0, netns_enter(self->pair.lan.host[0]));
	ASSERT_EQ(0, kernel_attach(self->pair.k, 2, "eth0", DEV_IGNORE));
	ASSERT_EQ(0, kernel_attach(self->pair.k, if_nametoindex(upper), upper,
				   DEV_JUDGE_BOTH));
	netns_home();
	sender = netsock_udp(self->pair.lan.host[0], &from);
	receiver = netsock_udp(self->pair.lan.host[1], &to);
	ASSERT_GE(sender, 0);
	ASSERT_GE(receiver, 0);
	netsock_burst(sender, &to, 1);
	ASSERT_TRUE(netsock_arrived(receiver, 1, 500));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 2, DIRECTION_IN,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 2, 2, 2, DIRECTION_OUT,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	ASSERT_EQ(0, bpf_pair_narrow("a", 2, 0, 0, 0));
	/* Neither drops any: so each is met at every device that judges. */
	ASSERT_EQ(0, bpf_pair_narrow("a", 1, 0, 0, 0));
	netsock_burst(sender, &to, 10);
	EXPECT_EQ(10, netsock_drain(receiver, QUIET_MS));
	netsock_burst(receiver, &from, 10);
	EXPECT_EQ(10, netsock_drain(sender, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_EQ(10, drop.seen);
	ASSERT_EQ(0, kernel_drops(self->pair.k, 2, &drop));
	EXPECT_EQ(10, drop.seen);
	/* Judged where it was ignored, and not judged where it was. */
	ASSERT_EQ(0, bpf_pair_narrow("a", 2, 0, 0, 1000000));
	ASSERT_EQ(0, netns_enter(self->pair.lan.host[0]));
	ASSERT_EQ(0, kernel_attach(self->pair.k, 2, "eth0", DEV_JUDGE_OUT));
	ASSERT_EQ(0, kernel_attach(self->pair.k, if_nametoindex(upper), upper,
				   DEV_JUDGE_IN));
	netns_home();
	netsock_burst(sender, &to, 10);
	EXPECT_EQ(0, netsock_drain(receiver, QUIET_MS));
	netsock_burst(receiver, &from, 10);
	EXPECT_EQ(10, netsock_drain(sender, QUIET_MS));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_EQ(20, drop.seen);
	ASSERT_EQ(0, kernel_drops(self->pair.k, 2, &drop));
	EXPECT_EQ(20, drop.seen);
	EXPECT_EQ(10, drop.dropped);
}

TEST_F(devices, over_a_bridge_each_packet_is_judged_once)
{
	ASSERT_EQ(0, netns_run(self->pair.lan.host[0],
			       "ip link add br1 type bridge && "
			       "ip link set eth0 master br1 && "
			       "ip link set br1 up && "
			       "ip addr add 10.79.0.1/24 dev br1"));
	ASSERT_EQ(0, netns_run(self->pair.lan.host[1],
			       "ip addr add 10.79.0.2/24 dev eth0"));
	stacked(_metadata, self, "br1");
}

TEST_F(devices, over_a_vlan_each_packet_is_judged_once)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (netns_run(self->pair.lan.host[i],
			      "ip link add link eth0 name v5 type vlan id 5"))
			SKIP(return, "no VLAN devices in this kernel");
		ASSERT_EQ(0, netns_run(self->pair.lan.host[i],
				       "ip link set v5 up && "
				       "ip addr add 10.79.0.%d/24 dev v5",
				       i + 1));
	}
	stacked(_metadata, self, "v5");
}

static int tun_open(int netns)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = -1;

	strcpy(request.ifr_name, "tun0");
	netns_enter(netns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request)) {
		close(fd);
		fd = -1;
	}
	netns_home();
	return fd;
}

TEST_F(devices, devices_without_a_link_header)
{
	/* IPv4, UDP, 10.80.0.2:17290 to 10.80.0.1:17310, one byte. */
	uint8_t packet[29] = { 0x45, 0,	   0,	 29,   0, 0, 0,	 0,  64, 17,
			       0,    0,	   10,	 80,   0, 2, 10, 80, 0,	 1,
			       0x43, 0x8a, 0x43, 0x9e, 0, 9, 0,	 0,  'x' };
	struct skerry_addr from = netns_addr(0, false, BASE + 30);
	struct skerry_addr to = netns_addr(1, false, BASE + 10);
	uint32_t sum = 0;
	char data[2048];
	int tun, fd, i;

	tun = tun_open(self->pair.lan.host[0]);
	if (tun < 0)
		SKIP(return, "no /dev/net/tun here");
	ASSERT_EQ(0, netns_run(self->pair.lan.host[0],
			       "ip addr add 10.80.0.1 peer 10.80.0.2/32 dev "
			       "tun0 && ip link set tun0 up"));
	from.ip[13] = to.ip[13] = 80;
	for (i = 0; i < 20; i += 2)
		sum += packet[i] << 8 | packet[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	packet[10] = sum >> 8;
	packet[11] = sum;
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, netns_enter(self->pair.lan.host[0]));
	ASSERT_EQ(0, kernel_attach(self->pair.k, if_nametoindex("tun0"), "tun0",
				   DEV_JUDGE_BOTH));
	netns_home();
	fd = netsock_udp(self->pair.lan.host[0], &from);
	ASSERT_EQ(29, write(tun, packet, 29));
	EXPECT_EQ(1, netsock_drain(fd, QUIET_MS));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	ASSERT_EQ(29, write(tun, packet, 29));
	EXPECT_EQ(0, netsock_drain(fd, QUIET_MS));
	while (read(tun, data, sizeof(data)) > 0)
		;
	ASSERT_EQ(1, netsock_burst(fd, &to, 1));
	while ((i = read(tun, data, sizeof(data))) > 0)
		EXPECT_NE(128, i); /* nothing of ours */
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	ASSERT_EQ(1, netsock_burst(fd, &to, 1));
	EXPECT_EQ(128, read(tun, data, sizeof(data)));
}

TEST_F(devices, extension_headers_hide_nothing)
{
	struct skerry_addr from = netns_addr(0, true, BASE + 10);
	struct skerry_addr to = netns_addr(1, true, BASE + 20);
	struct skerry_addr peer = netns_addr(1, true, BASE);
	/* Destination options and hop-by-hop: six bytes of padding each. */
	uint8_t options[8] = { 0, 0, 1, 4, 0, 0, 0, 0 };
	int sender, receiver;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, kernel_peer(self->pair.k, 2, "six", &peer, 1, PEER_UP));
	sender = netsock_udp(self->pair.lan.host[0], &from);
	receiver = netsock_udp(self->pair.lan.host[1], &to);
	ASSERT_EQ(0,
		  setsockopt(sender, IPPROTO_IPV6, IPV6_DSTOPTS, options, 8));
	ASSERT_EQ(0,
		  setsockopt(sender, IPPROTO_IPV6, IPV6_HOPOPTS, options, 8));
	netsock_burst(sender, &to, 3);
	ASSERT_TRUE(netsock_arrived(receiver, 3, 500));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 2, DIRECTION_BOTH,
				  VISIBILITY_WIRE, MINUTE_MS));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	netsock_burst(sender, &to, 3);
	EXPECT_EQ(0, netsock_drain(receiver, QUIET_MS));
}

TEST_HARNESS_MAIN
