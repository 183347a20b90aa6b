// SPDX-License-Identifier: GPL-2.0-only
/* The registry of partitions: how entries, nodes and kernels come and go. */
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

TEST_F(five, overlapping_entries)
{
	struct partnet *net = &self->net;
	uint8_t reference[16];

	begin("isolate", "n001");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	memcpy(reference, net->nodes[0].answers[1].reference, 16);
	begin("isolate", "n001");
	ASSERT_EQ(0, inject(net, 2, 1)->error);
	ASSERT_STREQ("n001:both:wire n001:both:wire", cuts(net, 0));
	ASSERT_EQ(0, resolve(net, 3, 1, reference)->error);
	ASSERT_STREQ("n001:both:wire", cuts(net, 0));
	ASSERT_STREQ("everybody:both:wire", cuts(net, 1));
}

TEST_F(five, ends_by_itself)
{
	struct partnet *net = &self->net;
	int i;

	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_DURATION_MS, 10000);
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	partnet_run(net, 9800);
	/* Each node by itself: nothing is said any more. */
	net->cut_links = true;
	for (i = 0; i < 5; i++)
		ASSERT_STRNE("", cuts(net, i));
	partnet_run(net, 300);
	for (i = 0; i < 5; i++) {
		ASSERT_STREQ("", cuts(net, i));
		ASSERT_STREQ("", rows(net, i));
	}
	partnet_run(net, 40000);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(UINT64_MAX, net->nodes[i].wake_ns);
}

TEST_F(five, a_dead_participant_is_missing_and_told_later)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	uint64_t start;

	net->nodes[3].stopped = true;
	begin("isolate", "n003");
	tlv_put_u64(&command, SKERRY_K_TIMEOUT_MS, 1500);
	start = net->now_ns;
	answer = inject(net, 0, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(1, answer->missing);
	ASSERT_STREQ("n003", answer->first_missing);
	ASSERT_EQ(start + 1500 * PARTNET_MS, answer->at_ns);
	ASSERT_STREQ("n003:both:wire", cuts(net, 1));
	ASSERT_NE(NULL, strstr(rows(net, 0), "/n003=pending"));

	net->nodes[3].stopped = false;
	partnet_run(net, 2500);
	ASSERT_STREQ("everybody:both:wire", cuts(net, 3));
	ASSERT_NE(NULL, strstr(rows(net, 0), "/n003=active"));

	/* The same with resolve: it is kept until that node knows too. */
	net->nodes[3].stopped = true;
	answer = resolve(net, 0, 1, NULL);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(1, answer->missing);
	partnet_run(net, 600000);
	ASSERT_NE(NULL, strstr(rows(net, 0), "/n003=pending"));
	ASSERT_STREQ("everybody:both:wire", cuts(net, 3));
	net->nodes[3].stopped = false;
	partnet_run(net, 2500);
	ASSERT_STREQ("", cuts(net, 3));
	ASSERT_STREQ("", rows(net, 0));
}

TEST_F(five, a_late_comer_and_one_that_goes)
{
	struct partnet *net = &self->net;
	int i;

	/* n004 is not known to anybody, and knows nobody. */
	for (i = 0; i < 4; i++) {
		net->nodes[i].unknown[4] = true;
		net->nodes[4].unknown[i] = true;
		partition_node_gone(net->nodes[i].p, "n004", net->now_ns);
	}
	partnet_start(net, 4);
	begin("isolate", "n001");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	ASSERT_EQ(4, net->nodes[0].answers[1].participants);
	ASSERT_STREQ("", cuts(net, 4));
	/* It and n000 hear of each other. */
	net->nodes[0].unknown[4] = net->nodes[4].unknown[0] = false;
	partnet_meet(net, 0, 4);
	partnet_run(net, 500);
	/* It cannot cut whom it does not know; but as soon as it does. */
	ASSERT_STREQ("", cuts(net, 4));
	ASSERT_NE(NULL, strstr(rows(net, 0), "n004=active"));
	net->nodes[1].unknown[4] = net->nodes[4].unknown[1] = false;
	partnet_meet(net, 1, 4);
	partnet_run(net, 500);
	ASSERT_STREQ("n001:both:wire", cuts(net, 4));
	/* Who is gone needs no cut, and is no participant. */
	net->nodes[2].unknown[1] = true;
	partition_node_gone(net->nodes[2].p, "n001", net->now_ns);
	partnet_run(net, 500);
	partition_tick(net->nodes[2].p, net->now_ns, 0);
	partnet_run(net, 500);
	ASSERT_STREQ("", cuts(net, 2));
	ASSERT_EQ(NULL, strstr(rows(net, 2), "n001"));
	/* And back again. */
	net->nodes[2].unknown[1] = false;
	partnet_meet(net, 2, 1);
	partnet_run(net, 500);
	ASSERT_STREQ("n001:both:wire", cuts(net, 2));
}

/* Two rounds of one entry, neither of which fits into one tick. */
TEST(forgotten_while_a_newcomer_is_owed)
{
	struct partnet net;
	uint8_t reference[16];
	int i, last = 39;

	/* More nodes than one tick has datagrams. */
	partnet_open(&net, last + 1, 1, 0);
	begin("isolate", "n002");
	ASSERT_EQ(0, inject(&net, 0, 2)->error);
	begin("isolate", "n001");
	ASSERT_EQ(0, inject(&net, 0, 1)->error);
	memcpy(reference, net.nodes[0].answers[1].reference, 16);
	ASSERT_EQ(0, resolve(&net, 0, 3, reference)->error);
	/* All know, and are told to forget; one asks for all there is, and
	 * is silent then. */
	for (i = 1; i < last; i++)
		net.nodes[last].unknown[i] = true;
	partnet_start(&net, last);
	partnet_run(&net, 1);
	net.nodes[last].stopped = true;
	partnet_run(&net, 5000);
	for (i = 3; i < last; i++)
		EXPECT_STREQ("n002:both:wire", cuts(&net, i));
	partnet_close(&net);
}

TEST_F(five, a_restarted_node_asks_first)
{
	struct partnet *net = &self->net;
	uint64_t start;

	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_DURATION_MS, 60000);
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	begin("isolate", "n001");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	partnet_kill(net, 2);
	partnet_run(net, 1000);
	start = net->now_ns;
	partnet_start(net, 2);
	ASSERT_FALSE(partition_settled(net->nodes[2].p));
	while (!partition_settled(net->nodes[2].p))
		partnet_run(net, 1);
	/* What was cut is cut when the first lane may open. */
	ASSERT_STREQ("everybody:both:wire n001:both:wire", cuts(net, 2));
	ASSERT_GT(200, (net->now_ns - start) / PARTNET_MS);
	/* The remaining time is kept, not begun anew. */
	partnet_run(net, 58000);
	ASSERT_STREQ("everybody:both:wire n001:both:wire", cuts(net, 2));
	partnet_run(net, 1000);
	ASSERT_STREQ("n001:both:wire", cuts(net, 2));
}

TEST_F(five, nobody_answers_a_restarted_node)
{
	struct partnet *net = &self->net;
	uint64_t start;

	ASSERT_TRUE(partition_settled(net->nodes[0].p));
	net->cut_links = true;
	start = net->now_ns;
	partnet_start(net, 2);
	while (!partition_settled(net->nodes[2].p))
		partnet_run(net, 1);
	ASSERT_EQ(2000, (net->now_ns - start) / PARTNET_MS);
}

TEST_F(five, alone_is_settled_at_once)
{
	struct partnet *net = &self->net;
	int i;

	for (i = 0; i < 5; i++)
		net->nodes[2].unknown[i] = true;
	partnet_start(net, 2);
	ASSERT_TRUE(partition_settled(net->nodes[2].p));
	begin("isolate", "n002");
	ASSERT_EQ(0, inject(net, 2, 1)->error);
	ASSERT_EQ(1, net->nodes[2].answers[1].participants);
	ASSERT_STREQ("everybody:both:wire", cuts(net, 2));
}

TEST_F(five, a_kernel_that_refuses)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;

	net->nodes[3].fail_commits = 1;
	begin("isolate", "n002");
	answer = inject(net, 0, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(1, answer->missing);
	ASSERT_STREQ("n003", answer->first_missing);
	ASSERT_EQ(1, net->nodes[3].errors_logged);
	/* Nothing of it is left half done. */
	ASSERT_STREQ("", cuts(net, 3));
	ASSERT_STREQ("n002:both:wire", cuts(net, 1));
	ASSERT_NE(NULL, strstr(rows(net, 3), "n003=pending"));
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->error);
	ASSERT_EQ(0, net->nodes[0].answers[1].missing);

	/* Want of memory is not for ever. */
	net->nodes[3].fail_commits = 3;
	net->nodes[3].fail_error = -ENOMEM;
	begin("isolate", "n002");
	answer = inject(net, 0, 1);
	ASSERT_EQ(0, answer->missing);
	ASSERT_STREQ("n002:both:wire", cuts(net, 3));
	ASSERT_EQ(1, net->nodes[3].errors_logged);
	net->nodes[3].fail_commits = 6;
	begin("isolate", "n004");
	answer = inject(net, 0, 1);
	ASSERT_EQ(1, answer->missing);
	ASSERT_STREQ("n002:both:wire", cuts(net, 3));
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->missing);
	net->nodes[3].fail_error = 0;

	/* Lifting that fails is tried until it succeeds. */
	begin("isolate", "n002");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	net->nodes[3].fail_commits = 2;
	answer = resolve(net, 0, 1, NULL);
	ASSERT_EQ(0, answer->missing);
	ASSERT_STREQ("", cuts(net, 3));
}

TEST_F(five, rules_are_bounded)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	int i;

	for (i = 0; i < (int)SKERRY_RULES_PER_PEER_MAX; i++) {
		begin("isolate", "n002");
		ASSERT_EQ(0, inject(net, 0, 1)->error);
	}
	begin("isolate", "n002");
	answer = inject(net, 0, 1);
	ASSERT_EQ(-ENOSPC, answer->error);
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->error);
	ASSERT_EQ(0, net->nodes[0].answers[1].missing);
	for (i = 0; i < 5; i++)
		ASSERT_STREQ("", cuts(net, i));
}

TEST_F(five, lifted_here_alone)
{
	struct partnet *net = &self->net;

	tlv_put_str(begin("isolate", "n002"), SKERRY_K_NAME, "x");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	tlv_put_bool(&command, SKERRY_K_ALL, true);
	tlv_put_bool(&command, SKERRY_K_LOCAL_ONLY, true);
	partnet_command(net, 1, SKERRY_CMD_RESOLVE, 1, &command);
	ASSERT_TRUE(partnet_wait(net, 1, 1, 100));
	ASSERT_EQ(1, net->nodes[1].answers[1].participants);
	ASSERT_STREQ("", cuts(net, 1));
	ASSERT_STREQ("n002:both:wire", cuts(net, 0));
	ASSERT_NE(NULL, strstr(rows(net, 1), "n001=resolved"));
	partnet_run(net, 10000);
	ASSERT_STREQ("", cuts(net, 1));
	/* Asked for again it is there again. */
	tlv_put_str(begin("isolate", "n002"), SKERRY_K_NAME, "x");
	ASSERT_EQ(0, inject(net, 1, 2)->error);
	ASSERT_STREQ("n002:both:wire", cuts(net, 1));
}

TEST_F(five, a_program_that_goes_gets_no_answer)
{
	struct partnet *net = &self->net;

	net->nodes[3].stopped = true;
	begin("isolate", "n003");
	partnet_command(net, 0, SKERRY_CMD_INJECT, 1, &command);
	partition_program_gone(net->nodes[0].p, 7);
	partnet_run(net, 10000);
	ASSERT_FALSE(net->nodes[0].answers[1].given);
	ASSERT_STREQ("n003:both:wire", cuts(net, 0));
}

/* The table has 32 places: what is over makes room. */
TEST_F(five, hundreds_in_a_row)
{
	struct partnet *net = &self->net;
	int i, n;

	for (i = 0; i < 300; i++) {
		begin("isolate", net->nodes[i % 5].name);
		ASSERT_EQ(0, inject(net, i % 3, 1)->error);
		ASSERT_EQ(0, net->nodes[i % 3].answers[1].missing);
		ASSERT_EQ(0, resolve(net, i % 4, 2, NULL)->error);
		ASSERT_EQ(0, net->nodes[i % 4].answers[2].missing);
	}
	for (n = 0; n < 5; n++)
		ASSERT_STREQ("", cuts(net, n));
	/* Full of active ones is full. */
	for (i = 0; i < 32; i++) {
		begin("split", NULL);
		component("n000");
		component(i < 8	   ? "n001"
			  : i < 16 ? "n002"
			  : i < 24 ? "n003"
				   : "n004");
		ASSERT_EQ(0, inject(net, 0, 1)->error);
	}
	begin("isolate", "n000");
	ASSERT_EQ(-ENOSPC, inject(net, 0, 1)->error);
}

TEST_HARNESS_MAIN
