// SPDX-License-Identifier: GPL-2.0-only
/* The registry of partitions on a network that misbehaves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "partcmd.h"

TEST(bad_network)
{
	uint64_t seed;

	for (seed = 1; seed <= 30; seed++) {
		struct partnet net;
		struct partnet_answer *answer;
		int i;

		partnet_open(&net, 8, seed, 0);
		net.loss_percent = 30;
		net.repeat_percent = 20;
		net.delay_max_ms = 300;
		begin("isolate", "n005");
		tlv_put_u64(&command, SKERRY_K_TIMEOUT_MS, 20000);
		answer = inject(&net, (int)(seed % 8), 1);
		ASSERT_EQ(0, answer->missing);
		for (i = 0; i < 8; i++)
			ASSERT_STREQ(i == 5 ? "everybody:both:wire"
					    : "n005:both:wire",
				     cuts(&net, i));
		answer = resolve(&net, (int)(seed % 7), 1, NULL);
		for (i = 0; i < 8; i++) {
			if (answer->missing)
				partnet_run(&net, 10000);
			ASSERT_STREQ("", cuts(&net, i));
		}
		/* Nothing comes back, however late. */
		partnet_run(&net, 60000);
		for (i = 0; i < 8; i++) {
			ASSERT_STREQ("", cuts(&net, i));
			ASSERT_STREQ("", rows(&net, i));
		}
		partnet_close(&net);
	}
}

/* An entry that names 120 nodes of 60 bytes takes a handful of chunks. */
TEST(entries_in_chunks)
{
	struct partnet net;
	struct partnet_answer *answer;
	int i;

	partnet_open(&net, 120, 3, 60);
	net.loss_percent = 20;
	net.delay_max_ms = 20;
	tlv_put_u64(begin("around", net.nodes[7].name), SKERRY_K_TTL, 1);
	tlv_put_bool(&command, SKERRY_K_FORCE, true);
	answer = inject(&net, 7, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(0, answer->missing);
	ASSERT_EQ(120, answer->participants);
	for (i = 0; i < 120; i++) {
		ASSERT_STREQ("everybody:both:wire", cuts(&net, i));
		ASSERT_GE(PARTITION_BODY_MAX_BYTES, net.nodes[i].largest_body);
	}
	/* A restarted node learns it from all at once. */
	partnet_start(&net, 50);
	partnet_run(&net, 3000);
	ASSERT_STREQ("everybody:both:wire", cuts(&net, 50));
	net.loss_percent = 0;
	answer = resolve(&net, 50, 1, NULL);
	ASSERT_EQ(0, answer->missing);
	for (i = 0; i < 120; i++)
		ASSERT_STREQ("", cuts(&net, i));
	partnet_close(&net);
}

static void random_step(struct partnet *net, struct rng *rng)
{
	int i = (int)rng_below(rng, (uint64_t)net->count);
	int n = (int)rng_below(rng, (uint64_t)net->count);

	switch (rng_below(rng, 8)) {
	case 0:
	case 1:
		if (!net->nodes[i].p)
			break;
		begin("isolate", net->nodes[n].name);
		tlv_put_bool(&command, SKERRY_K_FORCE, true);
		partnet_command(net, i, SKERRY_CMD_INJECT, 1, &command);
		net->nodes[i].answers[1].given = false;
		partition_program_gone(net->nodes[i].p, 7);
		break;
	case 2:
		if (!net->nodes[i].p)
			break;
		tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
		tlv_put_bool(&command, SKERRY_K_ALL, true);
		partnet_command(net, i, SKERRY_CMD_RESOLVE, 2, &command);
		net->nodes[i].answers[2].given = false;
		partition_program_gone(net->nodes[i].p, 7);
		break;
	case 3:
		partnet_kill(net, i);
		break;
	case 4:
		if (!net->nodes[i].p)
			partnet_start(net, i);
		break;
	case 5:
		net->nodes[i].stopped = !net->nodes[i].stopped;
		break;
	default:
		partnet_run(net, rng_below(rng, 2000));
		break;
	}
}

static int count_text(const char *in, const char *what)
{
	int count = 0;

	while ((in = strstr(in, what))) {
		count++;
		in += strlen(what);
	}
	return count;
}

/* Whatever happened: once the network is whole, all agree, and a last
 * resolve leaves nothing anywhere. */
TEST(random_lives)
{
	int cut_pairs = 0;
	uint64_t seed;

	for (seed = 1; seed <= 60; seed++) {
		struct partnet net;
		struct rng rng;
		char first[sizeof(text)];
		int i, k;

		partnet_open(&net, 5, seed, 0);
		rng_init(&rng, seed, 2);
		net.loss_percent = 25;
		net.repeat_percent = 10;
		net.delay_max_ms = 150;
		for (i = 0; i < 60; i++)
			random_step(&net, &rng);
		net.loss_percent = 0;
		for (i = 0; i < 5; i++) {
			net.nodes[i].stopped = false;
			if (!net.nodes[i].p)
				partnet_start(&net, i);
		}
		partnet_run(&net, 3000);
		for (i = 0; i < 5; i++)
			for (k = 0; k < i; k++)
				partnet_meet(&net, i, k);
		partnet_run(&net, 6000);
		strcpy(first, rows(&net, 0));
		for (i = 1; i < 5; i++) {
			ASSERT_STREQ(first, rows(&net, i))
			{
				TH_LOG("seed %d node %d", (int)seed, i);
			}
		}
		/* What n000 has against a node, that node has against all. */
		for (i = 1; i < 5; i++) {
			char name[24];

			snprintf(name, sizeof(name), "n%03d:both", i);
			k = count_text(cuts(&net, 0), name);
			cut_pairs += k;
			ASSERT_EQ(k, count_text(cuts(&net, i), "everybody"));
		}
		ASSERT_EQ(0, resolve(&net, 2, 3, NULL)->missing)
		{
			TH_LOG("seed %d", (int)seed);
		}
		for (i = 0; i < 5; i++)
			ASSERT_STREQ("", cuts(&net, i));
		partnet_run(&net, 40000);
		for (i = 0; i < 5; i++) {
			ASSERT_STREQ("", cuts(&net, i));
			ASSERT_STREQ("", rows(&net, i));
		}
		partnet_close(&net);
	}
	ASSERT_LT(60, cut_pairs);
}

TEST_HARNESS_MAIN
