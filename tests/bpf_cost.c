// SPDX-License-Identifier: GPL-2.0-only
/* What a packet costs: nothing without a rule, and with rules the same
 * however many there are. Numbers are printed; only proportions are judged. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_node.h"
#include "kselftest_harness.h"
#include "netns.h"

#define BASE 17280
#define REPEAT 20000
#define ROUNDS 7
#define MANY 1000

FIXTURE(cost)
{
	struct kernel *k;
	int out;
};

/* The program at the egress of lo, as attached. */
static int attached_program(void)
{
	struct bpf_link_info info = {};
	uint32_t bytes = sizeof(info);
	char path[128];
	int link, ret;

	snprintf(path, sizeof(path), "%s/a/v1/links/1-out", bpf_node_root());
	link = bpf_obj_get(path);
	if (link < 0) {
		snprintf(path, sizeof(path), "%s/a/v1/skerry_out",
			 bpf_node_root());
		return bpf_obj_get(path);
	}
	ret = bpf_obj_get_info_by_fd(link, &info, &bytes);
	close(link);
	return ret ? ret : bpf_prog_get_fd_by_id(info.prog_id);
}

FIXTURE_SETUP(cost)
{
	struct skerry_addr peer = netns_addr(1, false, BASE);
	int net = netns_make();

	bpf_node_wipe();
	self->k = NULL;
	ASSERT_GE(net, 0);
	ASSERT_EQ(0, netns_enter(net));
	ASSERT_EQ(0, bpf_node_open(&self->k, "a", BASE, NULL));
	ASSERT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
	ASSERT_EQ(0, kernel_peer(self->k, 1, "p1", &peer, 1, PEER_UP));
	self->out = attached_program();
	ASSERT_GE(self->out, 0);
}

FIXTURE_TEARDOWN(cost)
{
	kernel_close(self->k, false);
	bpf_node_wipe();
}

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	char payload[64];
} __attribute__((packed));

/* To a peer's block, or to nobody's: nanoseconds, the best of some rounds. */
static uint32_t cost(int program, uint16_t from_port, uint16_t to_port)
{
	struct frame frame = {
		.ethernet = { .h_proto = htons(ETH_P_IP) },
		.ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_UDP,
			.tot_len = htons(sizeof(frame) - 14),
			.saddr = inet_addr("10.77.0.1"),
			.daddr = inet_addr("10.77.0.2") },
		.udp = { .source = htons(from_port),
			 .dest = htons(to_port),
			 .len = htons(72) },
	};
	uint32_t best = UINT32_MAX;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &frame,
			    .data_size_in = sizeof(frame), .repeat = REPEAT);

		if (bpf_prog_test_run_opts(program, &opts))
			return 0;
		if (opts.duration < best)
			best = opts.duration;
	}
	return best ? best : 1;
}

static int cut(struct kernel *k, uint32_t handle, uint32_t peer, uint32_t ppm)
{
	uint64_t now = bpf_node_mono_ns();
	struct core_cut cut = { .handle = handle,
				.reference = { handle, handle >> 8 },
				.peer = peer,
				.deadline_ns = now + 60000000000ULL,
				.loss_ppm = ppm };

	return kernel_cut_add(k, &cut, now);
}

static int cut_address(struct kernel *k, uint32_t handle, uint8_t a, uint8_t b)
{
	uint64_t now = bpf_node_mono_ns();
	struct core_cut cut = {
		.handle = handle,
		.reference = { handle, handle >> 8, 1 },
		.peer = CORE_PEER_ADDRESS,
		.deadline_ns = now + 60000000000ULL,
		.prefix_bits = 128,
		.address = { .ip = { [10] = 255, 255, 198, 18, a, b } }
	};

	return kernel_cut_add(k, &cut, now);
}

TEST_F(cost, grows_with_no_number)
{
	uint32_t none, one, many, lost, addresses, stranger, i;
	struct skerry_addr peer;
	char name[16];

	none = cost(self->out, BASE + 3, BASE + 4);
	ASSERT_NE(0, none);
	ASSERT_EQ(0, cut(self->k, 1, 1, 1));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	one = cost(self->out, BASE + 3, BASE + 4);
	stranger = cost(self->out, 9999, 9998);
	for (i = 2; i <= MANY; i++) {
		peer = netns_addr(1, false, BASE);
		peer.ip[14] = i >> 8;
		peer.ip[15] = i;
		peer.ip[13] = 78;
		snprintf(name, sizeof(name), "p%u", i);
		ASSERT_EQ(0, kernel_peer(self->k, i, name, &peer, 1, PEER_UP));
		ASSERT_EQ(0, cut(self->k, i, i, 0));
	}
	ASSERT_EQ(0, bpf_node_commit(self->k));
	many = cost(self->out, BASE + 3, BASE + 4);
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, cut_address(self->k, MANY + 1 + i, 0, i));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	addresses = cost(self->out, 9999, 9998);
	ASSERT_EQ(0, kernel_cut_del(self->k, 1));
	ASSERT_EQ(0, cut(self->k, 1, 1, 500000));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	lost = cost(self->out, BASE + 3, BASE + 4);
	printf("# ns a packet: no rule %u, one rule %u, %u rules %u, "
	       "loss %u; of no node %u, with 200 addresses %u\n",
	       none, one, MANY, many, lost, stranger, addresses);
	fflush(stdout);
	/* Caches and neighbours on the machine aside. */
	EXPECT_LE(none, one);
	EXPECT_LE(many, 4 * one + 200);
	EXPECT_LE(addresses, 4 * one + 400);
}

TEST_HARNESS_MAIN
