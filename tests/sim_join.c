// SPDX-License-Identifier: GPL-2.0-only
/* Nodes that join, at once and one by one, find one complete mesh. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simnet.h"
#include "skerry/ring.h"
#include "kselftest_harness.h"

TEST(two_nodes)
{
	struct simnet net;
	uint64_t took_ns;

	sim_boot(&net, 1, 2);
	took_ns = sim_until(&net, sim_complete, NULL, 5 * SIM_SECOND);
	EXPECT_NE(0, took_ns);
	TH_LOG("complete after %u ms", (unsigned int)(took_ns / SIM_MS));
	sim_free(&net);
}

TEST(eight_at_the_same_instant)
{
	uint64_t seed, worst_ns = 0, dials = 0;

	for (seed = 1; seed <= 20; seed++) {
		struct simnet net;
		uint64_t took_ns;
		int i;

		sim_cluster(&net, seed, 8);
		for (i = 7; i >= 0; i--)
			sim_start(&net.nodes[i]);
		took_ns = sim_until(&net, sim_complete, NULL, 5 * SIM_SECOND);
		EXPECT_NE(0, took_ns)
		{
			TH_LOG("seed %u", (unsigned int)seed);
		}
		if (took_ns > worst_ns)
			worst_ns = took_ns;
		for (i = 0; i < 8; i++)
			dials += net.nodes[i].dials;
		/* It stays. */
		sim_run(&net, 15 * SIM_SECOND);
		EXPECT_TRUE(sim_complete(&net, NULL));
		sim_free(&net);
	}
	TH_LOG("worst %u ms, %u dials for 84 lanes",
	       (unsigned int)(worst_ns / SIM_MS), (unsigned int)(dials / 20));
}

TEST_HARNESS_MAIN
