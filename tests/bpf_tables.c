// SPDX-License-Identifier: GPL-2.0-only
/* What people read: pinned tables, bpftool, and the agent's rows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_node.h"
#include "codec.h"
#include "kselftest_harness.h"
#include "netns.h"
#include "netsock.h"

#define BASE 17280

FIXTURE(tables)
{
	struct kernel *k;
	char text[16384];
};

/* A node with one of everything. */
FIXTURE_SETUP(tables)
{
	struct skerry_addr self_addr = netns_addr(0, false, BASE);
	struct skerry_addr peer = netns_addr(1, true, BASE);
	struct skerry_addr socket = netns_addr(0, false, BASE + 3);
	struct skerry_fast fast = { .peer = 2,
				    .program_port = BASE + 9,
				    .sender_port = 4711,
				    .channel = "video" };
	struct skerry_conn_key key = { .local_port = BASE,
				       .remote_port = 4712,
				       .protocol = 6 };
	struct skerry_conn conn = { .peer = 2,
				    .lane = 3,
				    .channel = "default",
				    .sent_bytes = 12345,
				    .round_trip_us = 678 };
	struct core_cut nets = { .handle = 3,
				 .reference = { 0xfc },
				 .peer = CORE_PEER_ADDRESS,
				 .direction = DIRECTION_IN,
				 .visibility = VISIBILITY_REJECT,
				 .loss_ppm = 250000,
				 .seed = 77,
				 .prefix_bits = 96 + 24,
				 .protocol = 6 };
	int net, fd;

	bpf_node_wipe();
	self->k = NULL;
	net = netns_make();
	ASSERT_GE(net, 0);
	ASSERT_EQ(0, netns_run(net, "ip addr add 10.77.0.1/32 dev lo"));
	ASSERT_EQ(0, netns_enter(net));
	ASSERT_EQ(0, bpf_node_open(&self->k, "north", BASE, NULL));
	ASSERT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
	ASSERT_EQ(0,
		  kernel_peer(self->k, 0, "north", &self_addr, 1, PEER_SELF));
	ASSERT_EQ(0, kernel_peer(self->k, 1, "south", &peer, 1, PEER_DOWN));
	memcpy(fast.sender_ip, peer.ip, 16);
	ASSERT_EQ(0, kernel_fast(self->k, 0xabcdef, &fast));
	memcpy(key.local_ip, self_addr.ip, 16);
	memcpy(key.remote_ip, peer.ip, 16);
	ASSERT_EQ(0, kernel_conn(self->k, &key, &conn));
	ASSERT_EQ(0, bpf_node_cut(self->k, 1, 0xfe, 1, DIRECTION_OUT,
				  VISIBILITY_LOCAL, 60000));
	ASSERT_EQ(0, bpf_node_cut(self->k, 2, 0xfd, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, 0));
	nets.address = netns_addr(1, false, 8080);
	memcpy(nets.address.ip + 12, (uint8_t[]) { 192, 0, 2, 9 }, 4);
	ASSERT_EQ(0, kernel_cut_add(self->k, &nets, 1));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	fd = netsock_udp(-1, &socket);
	ASSERT_GE(fd, 0);
	socket.port = 9;
	EXPECT_EQ(3, netsock_burst(fd, &socket, 3));
	close(fd);
}

FIXTURE_TEARDOWN(tables)
{
	kernel_close(self->k, false);
	bpf_node_wipe();
}

static const char *table(FIXTURE_DATA(tables) * self, const char *name)
{
	self->text[0] = 0;
	netns_read(self->text, sizeof(self->text), "cat %s/north/v1/tables/%s",
		   bpf_node_root(), name);
	return self->text;
}

#define EXPECT_IN(text, part)                            \
	EXPECT_NE(NULL, strstr(text, part))              \
	{                                                \
		TH_LOG("no \"%s\" in:\n%s", part, text); \
	}

TEST_F(tables, are_files)
{
	/* They read the kernel's own types. Where those are told, tables that
	 * do not load are our fault and no lack of the kernel's. */
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		SKIP(return, "this kernel does not tell its types");
	ASSERT_TRUE(kernel_supported(self->k, KERNEL_ITERATORS));
	EXPECT_IN(table(self, "meta"), "\nnorth 7 9 17280 3 ");
	EXPECT_IN(table(self, "addrs"), "1 17280 10.77.0.1\n");
	EXPECT_IN(table(self, "addrs"), "2 17280 fd77:0000:0000:");
	EXPECT_IN(table(self, "peers"), "1 north self 17280 10.77.0.1\n");
	EXPECT_IN(table(self, "peers"), "2 south down 17280 fd77:");
	EXPECT_IN(table(self, "conns"), "2 default 3 10.77.0.1 17280 fd77:");
	EXPECT_IN(table(self, "conns"), " 12345 0 678 0\n");
	EXPECT_IN(table(self, "rules"),
		  "1 fe000000000000000000000000000000 node 2 out local "
		  "1000000 0 0 0 5");
	EXPECT_IN(table(self, "rules"),
		  "2 fd000000000000000000000000000000 node 0 both wire "
		  "1000000 0 0 0 lease -\n");
	EXPECT_IN(table(self, "rules"),
		  "3 fc000000000000000000000000000000 host 0 in reject "
		  "250000 77 6 8080 lease 192.0.2.0/24\n");
	EXPECT_IN(table(self, "drops"), "\n2 3 3 384 0 0 0 ");
	EXPECT_IN(table(self, "drops"), "\n1 0 0 0 0 0 0 0 0 0 0 0 0\n");
	EXPECT_IN(table(self, "open"), "protocol port passed\n");
	EXPECT_IN(table(self, "fast"), "0000000000abcdef 2 video 17289 fd77:");
	EXPECT_IN(table(self, "exempt"), "2 0 0\n");
	EXPECT_STREQ(kernel_supported(self->k, KERNEL_TCX)
			     ? "ifindex device judges hook\n1 lo both tcx\n"
			     : "ifindex device judges hook\n1 lo both clsact\n",
		     table(self, "devs"));
	EXPECT_IN(table(self, "reasons"), "cut 3\n");
	EXPECT_IN(table(self, "reasons"), "fast-malformed 0\n");
}

TEST_F(tables, an_empty_one_has_its_header)
{
	kernel_fast_gone(self->k, 0xabcdef);
	EXPECT_STREQ("lane peer channel program_port sender sender_port "
		     "packets bytes refused\n",
		     table(self, "fast"));
}

static const char *dump(FIXTURE_DATA(tables) * self, const char *map)
{
	self->text[0] = 0;
	netns_read(self->text, sizeof(self->text),
		   "bpftool map dump pinned %s/north/v1/%s", bpf_node_root(),
		   map);
	return self->text;
}

TEST_F(tables, bpftool_speaks_in_words)
{
	EXPECT_IN(dump(self, "skerry_rules"), "VISIBILITY_WIRE");
	EXPECT_IN(dump(self, "skerry_rules"), "VISIBILITY_LOCAL");
	EXPECT_IN(dump(self, "skerry_rules"), "DIRECTION_OUT");
	EXPECT_IN(dump(self, "skerry_rules"), "SCOPE_NODE");
	EXPECT_IN(dump(self, "skerry_rules"), "SCOPE_HOST");
	EXPECT_IN(dump(self, "skerry_rules"), "VISIBILITY_REJECT");
	EXPECT_IN(dump(self, "skerry_rules"), "\"loss_ppm\": 250000");
	EXPECT_IN(dump(self, "skerry_peers"), "\"south\"");
	EXPECT_IN(dump(self, "skerry_peers"), "PEER_DOWN");
	EXPECT_IN(dump(self, "skerry_meta"), "\"active_rules\": 3");
	EXPECT_IN(dump(self, "skerry_drops"), "\"dropped\": 3");
	EXPECT_IN(dump(self, "skerry_devs"), "DEV_JUDGE_BOTH");
	EXPECT_IN(dump(self, "skerry_devs"),
		  kernel_supported(self->k, KERNEL_TCX) ? "HOOK_TCX"
							: "HOOK_CLSACT_OURS");
}

TEST_F(tables, programs_have_our_names)
{
	if (kernel_supported(self->k, KERNEL_TCX))
		netns_read(self->text, sizeof(self->text),
			   "for l in %s/north/v1/links/*; do bpftool prog "
			   "show id $(bpftool link show pinned $l | "
			   "sed -n 's/.* prog \\([0-9]*\\).*/\\1/p'); done",
			   bpf_node_root());
	else
		netns_read(self->text, sizeof(self->text),
			   "for p in in out; do "
			   "bpftool prog show pinned %s/north/v1/skerry_$p; "
			   "done",
			   bpf_node_root());
	EXPECT_IN(self->text, "name skerry_in ");
	EXPECT_IN(self->text, "name skerry_out ");
}

struct rows {
	int count;
	bool cut_reason, device, tcx, pins;
	uint64_t rules, dropped;
	bool south, everybody, lease, deadline, address;
};

static void on_row(void *data, const void *row, size_t size_bytes)
{
	struct rows *rows = data;
	uint64_t left;
	char text[128];

	rows->count++;
	if (!tlv_find_str(row, size_bytes, SKERRY_K_REASON, text, 128) &&
	    strcmp(text, "cut") == 0)
		rows->cut_reason =
			tlv_find_u64(row, size_bytes, SKERRY_K_COUNT, 0) == 3;
	if (!tlv_find_str(row, size_bytes, SKERRY_K_DEVICE, text, 128))
		rows->device = strcmp(text, "lo") == 0;
	if (!tlv_find_str(row, size_bytes, SKERRY_K_FEATURE, text, 128) &&
	    strcmp(text, "tcx") == 0)
		rows->tcx = tlv_find_bool(row, size_bytes, SKERRY_K_SUPPORTED);
	if (!tlv_find_str(row, size_bytes, SKERRY_K_PINS, text, 128))
		rows->pins = strstr(text, "/north/v1");
	if (!tlv_find_u64(row, size_bytes, SKERRY_K_RULE, 0))
		return;
	rows->rules++;
	rows->dropped +=
		tlv_find_u64(row, size_bytes, SKERRY_K_DROPPED_PACKETS, 0);
	if (!tlv_find_str(row, size_bytes, SKERRY_K_NODE, text, 128) &&
	    strcmp(text, "south") == 0)
		rows->south = true;
	if (!tlv_find_str(row, size_bytes, SKERRY_K_SCOPE, text, 128) &&
	    strcmp(text, "host") == 0)
		rows->address = tlv_find_u64(row, size_bytes,
					     SKERRY_K_PREFIX_BITS, 0) == 120 &&
				tlv_find_u64(row, size_bytes, SKERRY_K_LOSS_PPM,
					     0) == 250000 &&
				!tlv_find_bool(row, size_bytes, SKERRY_K_ALL);
	if (tlv_find_bool(row, size_bytes, SKERRY_K_ALL))
		rows->everybody = true;
	if (tlv_find_bool(row, size_bytes, SKERRY_K_BY_LEASE))
		rows->lease = true;
	left = tlv_find_u64(row, size_bytes, SKERRY_K_REMAINING_MS, 0);
	if (left > 50000 && left <= 60000)
		rows->deadline = true;
}

TEST_F(tables, rows_for_the_command_line)
{
	struct rows rows = {};

	kernel_rows(self->k, on_row, &rows);
	EXPECT_EQ(KERNEL_FEATURE_MAX + 1 + 1 + REASON_MAX, rows.count);
	EXPECT_TRUE(rows.cut_reason);
	EXPECT_TRUE(rows.device);
	EXPECT_EQ(kernel_supported(self->k, KERNEL_TCX), rows.tcx);
	EXPECT_TRUE(rows.pins);
	EXPECT_EQ(0, rows.rules);
	kernel_rule_rows(self->k, on_row, &rows);
	EXPECT_EQ(3, rows.rules);
	EXPECT_EQ(3, rows.dropped);
	EXPECT_TRUE(rows.south);
	EXPECT_TRUE(rows.everybody);
	EXPECT_TRUE(rows.lease);
	EXPECT_TRUE(rows.deadline);
	EXPECT_TRUE(rows.address);
}

TEST_F(tables, connections_come_and_go)
{
	struct skerry_conn_key key = { .local_port = 1 };
	struct skerry_conn conn = { .lane = 77 };
	int fd = bpf_node_map("north", "skerry_conns");

	ASSERT_EQ(0, kernel_conn(self->k, &key, &conn));
	conn.lane = 0;
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &key, &conn));
	EXPECT_EQ(77, conn.lane);
	kernel_conn_gone(self->k, &key);
	EXPECT_EQ(-ENOENT, bpf_map_lookup_elem(fd, &key, &conn));
	close(fd);
}

TEST_HARNESS_MAIN
