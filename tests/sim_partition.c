// SPDX-License-Identifier: GPL-2.0-only
/* Partitions through whole cores: cut, seen by the detector, lifted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simnet.h"
#include "skerry/ring.h"
#include "kselftest_harness.h"

FIXTURE(mesh)
{
	struct simnet net;
	struct sim_node *node;
};

FIXTURE_SETUP(mesh)
{
	char name[16];
	int i;

	sim_init(&self->net, 31);
	self->net.verbose = getenv("VERBOSE") != NULL;
	self->node = self->net.nodes;
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "node-%c", 'a' + i);
		sim_add(&self->net, name);
		if (i)
			sim_contact(&self->node[i], &self->node[0]);
	}
	for (i = 0; i < 4; i++)
		sim_start(&self->node[i]);
	ASSERT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
	sim_run(&self->net, 3 * SIM_SECOND);
}

FIXTURE_TEARDOWN(mesh)
{
	sim_free(&self->net);
}

static void isolate(struct sim_node *by, const char *whom, uint64_t for_ms)
{
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_SHAPE, "isolate");
	tlv_put_str(&w, SKERRY_K_ORIGIN, whom);
	if (for_ms)
		tlv_put_u64(&w, SKERRY_K_DURATION_MS, for_ms);
	sim_command(by, SKERRY_CMD_INJECT, 1, &w);
}

TEST_F(mesh, isolate_is_felt_and_lifted)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	int i;

	isolate(&self->node[0], "node-c", 0);
	sim_run(&self->net, SIM_SECOND);
	ASSERT_NE(NULL, sim_answer(&self->node[0], 1));
	EXPECT_EQ(0, sim_answer(&self->node[0], 1)->error);
	sim_run(&self->net, 4 * SIM_SECOND);
	for (i = 0; i < 4; i++) {
		if (i != 2)
			EXPECT_STREQ("down",
				     sim_state(&self->node[i], "node-c"));
	}
	EXPECT_STREQ("down", sim_state(&self->node[2], "node-a"));
	EXPECT_STREQ("up", sim_state(&self->node[0], "node-b"));
	EXPECT_EQ(4, sim_members(&self->node[2]));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_bool(&w, SKERRY_K_ALL, true);
	sim_command(&self->node[1], SKERRY_CMD_RESOLVE, 2, &w);
	sim_run(&self->net, SIM_SECOND);
	ASSERT_NE(NULL, sim_answer(&self->node[1], 2));
	EXPECT_EQ(0, sim_answer(&self->node[1], 2)->error);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 12 * SIM_SECOND));
}

TEST_F(mesh, time_ends_a_cut)
{
	isolate(&self->node[0], "node-c", 10000);
	sim_run(&self->net, 9 * SIM_SECOND);
	EXPECT_STREQ("down", sim_state(&self->node[0], "node-c"));
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 12 * SIM_SECOND));
}

TEST_F(mesh, who_restarts_asks_before_it_opens_lanes)
{
	uint64_t routes;

	isolate(&self->node[0], "node-c", 0);
	sim_run(&self->net, 6 * SIM_SECOND);
	sim_crash(&self->node[2], true);
	sim_run(&self->net, SIM_SECOND);
	routes = self->node[2].routes;
	sim_start(&self->node[2]);
	sim_run(&self->net, 20 * SIM_SECOND);
	EXPECT_LT(0, self->node[2].cut_count);
	EXPECT_EQ(routes, self->node[2].routes);
	EXPECT_STREQ("down", sim_state(&self->node[0], "node-c"));
}

TEST_F(mesh, who_joins_later_is_cut_too)
{
	struct sim_node *late;

	isolate(&self->node[0], "node-c", 0);
	sim_run(&self->net, 6 * SIM_SECOND);
	late = sim_add(&self->net, "node-e");
	sim_contact(late, &self->node[1]);
	sim_start(late);
	sim_run(&self->net, 10 * SIM_SECOND);
	EXPECT_STREQ("up", sim_state(late, "node-a"));
	EXPECT_STREQ("down", sim_state(late, "node-c"));
	EXPECT_LT(0, late->cut_count);
}

TEST_F(mesh, the_table_shows_it)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	const struct sim_said *said;
	struct tlv_reader r;
	int rows = 0;

	isolate(&self->node[0], "node-c", 0);
	sim_run(&self->net, SIM_SECOND);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, "partitions");
	sim_command(&self->node[3], SKERRY_CMD_QUERY, 3, &w);
	said = sim_answer(&self->node[3], 3);
	ASSERT_NE(NULL, said);
	tlv_reader_init(&r, said->bytes, said->size_bytes);
	while (tlv_next(&r))
		rows += r.key == SKERRY_K_ROW;
	EXPECT_LE(1, rows);
}

TEST_HARNESS_MAIN
