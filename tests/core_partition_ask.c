// SPDX-License-Identifier: GPL-2.0-only
/* The registry of partitions: verify, explain, what a kernel cannot, cuts from
 * an address, safeguards, audit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "partcmd.h"

FIXTURE(five)
{
	struct partnet net;
};

FIXTURE_SETUP(five)
{
	partnet_open(&self->net, 5, 1, 0);
}

FIXTURE_TEARDOWN(five)
{
	partnet_close(&self->net);
}

static struct partnet_answer *ask(struct partnet *net, int i, uint32_t number,
				  uint32_t correlation)
{
	partnet_command(net, i, number, correlation, &command);
	partnet_wait(net, i, correlation, 20000);
	return &net->nodes[i].answers[correlation];
}

static struct partnet_answer *verify(struct partnet *net, int i,
				     const uint8_t reference[16])
{
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	tlv_put(&command, SKERRY_K_REFERENCE, reference, 16);
	tlv_put_u64(&command, SKERRY_K_TIMEOUT_MS, 2000);
	return ask(net, i, SKERRY_CMD_VERIFY, 9);
}

/* "NODE>PEER", a "-" where the rule is gone, for each row, as they came. */
static const char *ledger(const struct partnet_answer *answer)
{
	static char line[4096];
	char node[64] = "?", peer[64];
	struct tlv_reader r;
	size_t used = 0;

	line[0] = 0;
	tlv_reader_init(&r, answer->parts, answer->parts_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_NODE)
			tlv_str(&r, node, sizeof(node));
		if (r.key != SKERRY_K_ROW)
			continue;
		strcpy(peer, tlv_find_bool(r.value, r.length, SKERRY_K_ALL)
				     ? "all"
				     : "address");
		tlv_find_str(r.value, r.length, SKERRY_K_NODE, peer,
			     sizeof(peer));
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 "%s%s>%s%s", used ? " " : "", node,
					 peer,
					 tlv_find_bool(r.value, r.length,
						       SKERRY_K_IN_FORCE)
						 ? ""
						 : "-");
	}
	return line;
}

static bool has(const char *line, const char *what)
{
	return strstr(line, what) != NULL;
}

static uint64_t number_in(const struct partnet_answer *answer, uint16_t key)
{
	return tlv_find_u64(answer->parts, answer->parts_bytes, key, 0);
}

TEST_F(five, verify_asks_everybody)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	uint8_t reference[16];
	int i;

	begin("isolate", "n002");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	memcpy(reference, net->nodes[0].answers[1].reference, 16);
	net->nodes[1].counters.out_dropped = 17;
	answer = verify(net, 4, reference);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(5, answer->participants);
	ASSERT_EQ(0, answer->missing);
	ASSERT_TRUE(has(ledger(answer), "n000>n002"));
	ASSERT_TRUE(has(ledger(answer), "n001>n002"));
	ASSERT_TRUE(has(ledger(answer), "n002>all"));
	ASSERT_TRUE(has(ledger(answer), "n004>n002"));
	ASSERT_FALSE(has(ledger(answer), "-"));
	ASSERT_STREQ("isolate",
		     (tlv_find_str(answer->parts, answer->parts_bytes,
				   SKERRY_K_SHAPE, text, sizeof(text)),
		      text));
	/* A rule that somebody has taken away. */
	net->nodes[3].hidden = 1;
	answer = verify(net, 4, reference);
	ASSERT_TRUE(has(ledger(answer), "n003>n002-"));
	/* One that does not answer, and all are asked until the time is over;
	 * what loses datagrams loses nothing else. */
	net->nodes[1].stopped = true;
	net->loss_percent = 30;
	answer = verify(net, 4, reference);
	ASSERT_EQ(1, answer->missing);
	ASSERT_STREQ("n001", answer->first_missing);
	ASSERT_TRUE(has(ledger(answer), "n000>n002"));
	net->nodes[1].stopped = false;
	net->loss_percent = 0;
	/* Over: nobody has a row, whether it is remembered or not. */
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->missing);
	answer = verify(net, 4, reference);
	ASSERT_STREQ("", ledger(answer));
	ASSERT_TRUE(tlv_find_bool(answer->parts, answer->parts_bytes,
				  SKERRY_K_RESOLVED));
	partnet_run(net, 60000);
	for (i = 0; i < 5; i++) {
		answer = verify(net, i, reference);
		ASSERT_EQ(0, answer->error);
		ASSERT_EQ(5, answer->participants);
		ASSERT_EQ(0, answer->missing);
		ASSERT_STREQ("", ledger(answer));
	}
}

/* More rows than a datagram takes come one body after the other. */
TEST(many_rows)
{
	struct partnet_answer *answer;
	struct partnet net;
	char want[64];
	size_t mark;
	int i;

	partnet_open(&net, 100, 1, 50);
	net.loss_percent = 15;
	net.config.cut_share_percent = 100;
	begin("split", NULL);
	mark = tlv_begin(&command, SKERRY_K_COMPONENT);
	tlv_put_str(&command, SKERRY_K_NAME, net.nodes[0].name);
	tlv_end(&command, mark);
	mark = tlv_begin(&command, SKERRY_K_COMPONENT);
	for (i = 1; i < 100; i++)
		tlv_put_str(&command, SKERRY_K_NAME, net.nodes[i].name);
	tlv_end(&command, mark);
	tlv_put_bool(&command, SKERRY_K_FORCE, true);
	tlv_put_u64(&command, SKERRY_K_TIMEOUT_MS, 20000);
	ASSERT_EQ(0, inject(&net, 7, 1)->missing);
	memset(&net.nodes[0].counters, 0x11, sizeof(net.nodes[0].counters));
	net.nodes[0].counters.user_space = net.nodes[0].counters.in_force =
		true;
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	tlv_put(&command, SKERRY_K_REFERENCE, net.nodes[7].answers[1].reference,
		16);
	tlv_put_u64(&command, SKERRY_K_TIMEOUT_MS, 20000);
	answer = ask(&net, 7, SKERRY_CMD_VERIFY, 9);
	ASSERT_EQ(0, answer->missing);
	for (i = 1; i < 100; i++) {
		struct tlv_reader r;
		char node[64], peer[64];
		int count = 0;

		/* n000's row of each, once and whole. */
		tlv_reader_init(&r, answer->parts, answer->parts_bytes);
		while (tlv_next(&r)) {
			if (r.key == SKERRY_K_NODE)
				tlv_str(&r, node, sizeof(node));
			if (r.key == SKERRY_K_ROW &&
			    strcmp(node, net.nodes[0].name) == 0 &&
			    !tlv_find_str(r.value, r.length, SKERRY_K_NODE,
					  peer, sizeof(peer)) &&
			    strcmp(peer, net.nodes[i].name) == 0) {
				count++;
				ASSERT_EQ(0x1111111111111111ULL,
					  tlv_find_u64(r.value, r.length,
						       SKERRY_K_IN_LEAKED, 0));
			}
		}
		ASSERT_EQ(1, count);
		snprintf(want, sizeof(want), "%s", net.nodes[i].name);
		ASSERT_GE(PARTITION_BODY_MAX_BYTES, net.nodes[i].largest_body);
	}
	partnet_close(&net);
}

TEST_F(five, verify_refuses)
{
	struct partnet *net = &self->net;
	int i;

	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	ASSERT_EQ(-EINVAL, ask(net, 0, SKERRY_CMD_VERIFY, 9)->error);
	tlv_put_str(&command, SKERRY_K_NAME, "nobody");
	ASSERT_EQ(-ENOENT, ask(net, 0, SKERRY_CMD_VERIFY, 9)->error);
	/* So many at once, and the program that goes leaves room. */
	begin("isolate", "n001");
	tlv_put_str(&command, SKERRY_K_NAME, "x");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	net->nodes[4].stopped = true;
	for (i = 0; i <= (int)SKERRY_INQUIRIES_MAX; i++) {
		tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
		tlv_put_str(&command, SKERRY_K_NAME, "x");
		partnet_command(net, 0, SKERRY_CMD_VERIFY, (uint32_t)(20 + i),
				&command);
	}
	ASSERT_EQ(-ENOSPC, net->nodes[0].answers[20 + i - 1].error);
	ASSERT_FALSE(net->nodes[0].answers[20].given);
	partition_program_gone(net->nodes[0].p, 7);
	partnet_run(net, 10000);
	ASSERT_FALSE(net->nodes[0].answers[20].given);
	net->nodes[4].stopped = false;
	ASSERT_EQ(0, ask(net, 0, SKERRY_CMD_VERIFY, 9)->error);
}

TEST_F(five, explain_changes_nothing)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	uint64_t sent[5];
	int i;

	for (i = 0; i < 5; i++)
		sent[i] = net->nodes[i].sent;
	begin("halves", NULL);
	tlv_put_u64(&command, SKERRY_K_SEED, 12);
	answer = ask(net, 1, SKERRY_CMD_EXPLAIN, 3);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(5, answer->participants);
	ASSERT_EQ(12, number_in(answer, SKERRY_K_SEED));
	for (i = 0; i < 5; i++) {
		ASSERT_STREQ("", cuts(net, i));
		ASSERT_STREQ("", rows(net, i));
	}
	/* A question to each and an answer from each, and no entry. */
	ASSERT_EQ(sent[1] + 4, net->nodes[1].sent);
	ASSERT_EQ(sent[0] + 1, net->nodes[0].sent);

	/* What would refuse it is told, all of it. */
	tlv_put_u64(begin("around", "n000"), SKERRY_K_TTL, 1);
	tlv_put_u64(&command, SKERRY_K_DURATION_MS, 3600001);
	answer = ask(net, 1, SKERRY_CMD_EXPLAIN, 3);
	ASSERT_EQ(0, answer->error);
	ASSERT_TRUE(tlv_find_str(answer->parts, answer->parts_bytes,
				 SKERRY_K_SAFEGUARD, text, sizeof(text)) == 0);
	ASSERT_TRUE(has(text, "3600001 ms: longer than max_for, 3600000 ms"));
	ASSERT_EQ(-EHOSTUNREACH, (begin("isolate", "nowhere"),
				  ask(net, 1, SKERRY_CMD_EXPLAIN, 3))
					 ->error);
	ASSERT_STREQ("", rows(net, 1));
}

static void unable(struct partnet *net, int i)
{
	struct core_config config = net->config;

	config.cut_loss = config.cut_reject = config.cut_address = false;
	partition_configure(net->nodes[i].p, &config);
}

TEST_F(five, a_kernel_that_cannot)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	int i;

	unable(net, 3);
	tlv_put_str(begin("isolate", "n001"), SKERRY_K_VISIBILITY, "reject");
	answer = ask(net, 0, SKERRY_CMD_EXPLAIN, 3);
	ASSERT_EQ(1, answer->unable);
	answer = inject(net, 0, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(1, answer->missing);
	ASSERT_EQ(1, answer->unable);
	ASSERT_STREQ("n003", answer->first_missing);
	ASSERT_STREQ("", cuts(net, 3));
	ASSERT_STREQ("n001:both:reject", cuts(net, 2));
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->missing);
	/* The injector is one that cannot; the others do. */
	tlv_put_u64(begin("isolate", "n001"), SKERRY_K_LOSS_PPM, 5);
	answer = inject(net, 3, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(1, answer->unable);
	ASSERT_STREQ("n001:out:wire:5", cuts(net, 2));
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->missing);
	/* Nobody can: an error, and nothing is left of it. */
	for (i = 0; i < 5; i++)
		unable(net, i);
	tlv_put_u64(begin("isolate", "n001"), SKERRY_K_LOSS_PPM, 5);
	answer = inject(net, 3, 1);
	ASSERT_EQ(-EOPNOTSUPP, answer->error);
	partnet_run(net, 3000);
	for (i = 0; i < 5; i++) {
		ASSERT_STREQ("", cuts(net, i));
		ASSERT_STREQ("", rows(net, i));
	}
	/* Participants that are not the injector. */
	begin("split", NULL);
	component("n000");
	component("n001");
	tlv_put_str(&command, SKERRY_K_VISIBILITY, "reject");
	ASSERT_EQ(-EOPNOTSUPP, inject(net, 4, 1)->error);
	/* What needs nothing special is made by all. */
	tlv_put_str(begin("isolate", "n001"), SKERRY_K_VISIBILITY, "sever");
	ASSERT_EQ(0, inject(net, 3, 1)->missing);
}

static struct tlv_writer *to(const uint8_t last, uint16_t port, uint8_t bits)
{
	struct skerry_addr addr = {
		.ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, last },
		.port = port,
	};

	begin("to", NULL);
	tlv_put_addr(&command, SKERRY_K_TARGET, &addr);
	if (bits != 128)
		tlv_put_u64(&command, SKERRY_K_PREFIX_BITS, bits);
	return &command;
}

TEST_F(five, to_an_address)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	const struct core_cut *cut = &net->nodes[2].cuts[0].cut;
	uint64_t sent = net->nodes[2].sent;
	int i;

	tlv_put_str(to(7, 5432, 128), SKERRY_K_PROTOCOL, "tcp");
	answer = inject(net, 2, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(1, answer->participants);
	for (i = 0; i < 5; i++)
		ASSERT_STREQ(i == 2 ? "address:both:wire" : "", cuts(net, i));
	ASSERT_EQ(5432, cut->address.port);
	ASSERT_EQ(7, cut->address.ip[15]);
	ASSERT_EQ(128, cut->prefix_bits);
	ASSERT_EQ(6, cut->protocol);
	/* A minute when nothing is said; no other node hears of it. */
	ASSERT_GE(net->now_ns + 60000 * PARTNET_MS, cut->deadline_ns);
	ASSERT_LT(net->now_ns + 59900 * PARTNET_MS, cut->deadline_ns);
	partnet_run(net, 5000);
	ASSERT_EQ(sent, net->nodes[2].sent);
	ASSERT_TRUE(
		has(ledger(verify(net, 2, answer->reference)), "n002>address"));
	answer = resolve(net, 2, 1, NULL);
	ASSERT_EQ(0, answer->missing);
	ASSERT_STREQ("", cuts(net, 2));
	partnet_run(net, 5000);
	ASSERT_EQ(sent, net->nodes[2].sent);

	/* A network: host bits do not matter, and loss is judged here both
	 * ways, as nobody else judges it. */
	tlv_put_u64(to(7, 0, 120), SKERRY_K_LOSS_PPM, 9);
	ASSERT_EQ(0, inject(net, 2, 1)->error);
	ASSERT_STREQ("address:both:wire:9", cuts(net, 2));
	ASSERT_EQ(0, cut->address.ip[15]);
	ASSERT_EQ(120, cut->prefix_bits);
	ASSERT_EQ(0, resolve(net, 2, 1, NULL)->missing);
	tlv_put_bool(to(7, 0, 128), SKERRY_K_ONE_WAY, true);
	ASSERT_EQ(0, inject(net, 2, 1)->error);
	ASSERT_STREQ("address:out:wire", cuts(net, 2));
	partnet_run(net, 59000);
	ASSERT_STREQ("address:out:wire", cuts(net, 2));
	partnet_run(net, 2000);
	ASSERT_STREQ("", cuts(net, 2));

	/* More than a peer may have rules. */
	for (i = 0; i < 12; i++) {
		to((uint8_t)i, 0, 128);
		ASSERT_EQ(0, inject(net, 2, 1)->error);
	}
	ASSERT_EQ(0, resolve(net, 2, 1, NULL)->missing);
	ASSERT_STREQ("", cuts(net, 2));
	begin("isolate", "n002");
	ASSERT_EQ(0, inject(net, 2, 1)->missing);
}

TEST_F(five, to_refuses)
{
	static const struct {
		uint32_t guard;
		const char *says;
	} guards[] = {
		{ CORE_GUARD_GATEWAY, "next hop" },
		{ CORE_GUARD_SSH, "SSH" },
	};
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	size_t i;

	ASSERT_EQ(-EINVAL, (begin("to", NULL), inject(net, 2, 1))->error);
	ASSERT_EQ(-EINVAL, (to(7, 0, 95), inject(net, 2, 1))->error);
	tlv_put_str(to(7, 0, 128), SKERRY_K_PROTOCOL, "icmp");
	ASSERT_EQ(-EINVAL, inject(net, 2, 1)->error);
	/* An address with any other shape. */
	to(7, 0, 128);
	tlv_put_str(&command, SKERRY_K_SHAPE, "isolate");
	tlv_put_str(&command, SKERRY_K_ORIGIN, "n001");
	ASSERT_EQ(-EINVAL, inject(net, 2, 1)->error);

	for (i = 0; i < 2; i++) {
		net->guards = guards[i].guard;
		answer = (to(1, 0, 128), inject(net, 2, 1));
		ASSERT_EQ(-EDQUOT, answer->error);
		ASSERT_TRUE(has(answer->reason, guards[i].says));
		tlv_put_bool(&command, SKERRY_K_FORCE, true);
		ASSERT_EQ(0, inject(net, 2, 1)->error);
		ASSERT_EQ(0, resolve(net, 2, 1, NULL)->missing);
	}
	net->guards = 0;
	net->config.address_count = 1;
	net->config.addresses[0] = (struct skerry_addr) {
		.ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 9 }
	};
	partition_configure(net->nodes[2].p, &net->config);
	answer = (to(9, 80, 128), inject(net, 2, 1));
	ASSERT_EQ(-EDQUOT, answer->error);
	ASSERT_TRUE(has(answer->reason, "an address of this host"));
	answer = (to(1, 0, 104), inject(net, 2, 1)); /* 10.0.0.0/8 */
	ASSERT_EQ(-EDQUOT, answer->error);
	answer = (to(8, SKERRY_PORT_BASE + 1, 128), inject(net, 2, 1));
	ASSERT_EQ(-EDQUOT, answer->error);
	ASSERT_TRUE(has(answer->reason, "partition port"));
	/* This kernel cannot: said at once. */
	unable(net, 2);
	ASSERT_EQ(-EOPNOTSUPP, (to(7, 0, 128), inject(net, 2, 1))->error);
	ASSERT_STREQ("", rows(net, 2));
}

/* Over a restart, from what was kept; and only that. */
TEST_F(five, to_is_kept)
{
	struct partnet *net = &self->net;
	struct partition *p = net->nodes[2].p;
	uint8_t reference[16], kept[16], bytes[1024];
	struct core_bytes blob;
	uint64_t left_ms;
	size_t cursor = 0;

	ASSERT_FALSE(partition_kept_changed(p));
	tlv_put_str(to(7, 5432, 128), SKERRY_K_NAME, "db");
	ASSERT_EQ(0, inject(net, 2, 1)->error);
	memcpy(reference, net->nodes[2].answers[1].reference, 16);
	begin("isolate", "n001");
	ASSERT_EQ(0, inject(net, 2, 1)->error);
	ASSERT_TRUE(partition_kept_changed(p));
	ASSERT_FALSE(partition_kept_changed(p));
	partnet_run(net, 10000);
	ASSERT_TRUE(
		partition_kept(p, &cursor, net->now_ns, kept, &left_ms, &blob));
	ASSERT_EQ(0, memcmp(reference, kept, 16));
	ASSERT_LE(49900, left_ms);
	ASSERT_GE(50000, left_ms);
	memcpy(bytes, blob.data, blob.size_bytes);
	blob.data = bytes;
	ASSERT_FALSE(
		partition_kept(p, &cursor, net->now_ns, kept, &left_ms, &blob));

	partnet_start(net, 2);
	p = net->nodes[2].p;
	ASSERT_EQ(-EPROTO,
		  partition_restore(p, reference, blob, 0, net->now_ns));
	ASSERT_EQ(-EPROTO,
		  partition_restore(p, reference, blob, 60001, net->now_ns));
	ASSERT_EQ(0,
		  partition_restore(p, reference, blob, left_ms, net->now_ns));
	partition_node(p, "n001", net->now_ns);
	partnet_meet(net, 2, 1);
	partnet_run(net, 3000);
	ASSERT_TRUE(has(cuts(net, 2), "address:both:wire"));
	ASSERT_TRUE(has(rows(net, 2), "db/n002=active"));
	partnet_run(net, 45000);
	ASSERT_TRUE(has(cuts(net, 2), "address:both:wire"));
	partnet_run(net, 3000);
	ASSERT_FALSE(has(cuts(net, 2), "address:both:wire"));
	ASSERT_TRUE(partition_kept_changed(p));
}

TEST_F(five, who_did_it_is_told_everywhere)
{
	struct partnet *net = &self->net;
	int i;

	tlv_put_str(begin("isolate", "n001"), SKERRY_K_WHY, "a drill");
	tlv_put_u64(&command, SKERRY_K_DURATION_MS, 30000);
	ASSERT_EQ(0, inject(net, 3, 1)->error);
	ASSERT_STREQ("partition_injected isolate of 5 nodes for 30 s, by "
		     "tester on n003 (uid 1000, pid 4711): a drill",
		     net->nodes[3].logged);
	for (i = 0; i < 5; i++)
		if (i != 3)
			ASSERT_STREQ("partition_learned told by n003: isolate "
				     "of 5 nodes for 30 s, by tester on n003 "
				     "(uid 1000, pid 4711): a drill",
				     net->nodes[i].logged);
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	tlv_put_bool(&command, SKERRY_K_ALL, true);
	tlv_put_str(&command, SKERRY_K_WHY, "enough");
	ASSERT_EQ(0, ask(net, 0, SKERRY_CMD_RESOLVE, 2)->missing);
	ASSERT_STREQ("partition_resolved isolate of 5 nodes for 30 s, by "
		     "tester on n000 (uid 1000, pid 4711): enough",
		     net->nodes[0].logged);
	ASSERT_STREQ("partition_resolved told by n000: isolate of 5 nodes for "
		     "30 s, by tester on n000 (uid 1000, pid 4711): enough",
		     net->nodes[4].logged);
	tlv_put_u64(begin("isolate", "n001"), SKERRY_K_DURATION_MS, 1000);
	ASSERT_EQ(0, inject(net, 3, 1)->error);
	partnet_run(net, 2000);
	ASSERT_TRUE(has(net->nodes[4].logged,
			"partition_expired its time is over: isolate of 5"));
	ASSERT_TRUE(has(net->nodes[4].logged, "by tester on n003"));
}

TEST_HARNESS_MAIN
