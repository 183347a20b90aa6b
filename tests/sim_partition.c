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
	sim_boot(&self->net, 31, 4);
	self->node = self->net.nodes;
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

/* A cut of this node from that one, either way, as its core has asked for. */
static bool cut_from(const struct sim_node *node, const char *name)
{
	uint32_t i;

	for (i = 0; i < node->cut_count; i++) {
		uint32_t peer = node->cuts[i].peer;

		if (peer == CORE_PEER_EVERYBODY ||
		    (peer < SKERRY_MEMBERS_MAX &&
		     !strcmp(node->peers[peer], name)))
			return true;
	}
	return false;
}

static void inject_shape(struct sim_node *by, const char *shape,
			 const char *origin, uint64_t seed)
{
	uint8_t bytes[256];
	struct tlv_writer w;

	sim_clear_said(by);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_SHAPE, shape);
	if (origin)
		tlv_put_str(&w, SKERRY_K_ORIGIN, origin);
	tlv_put_u64(&w, SKERRY_K_SEED, seed);
	tlv_put_bool(&w, SKERRY_K_FORCE, true);
	sim_command(by, SKERRY_CMD_INJECT, 1, &w);
}

static void resolve_all(struct sim_node *by)
{
	uint8_t bytes[64];
	struct tlv_writer w;

	sim_clear_said(by);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_bool(&w, SKERRY_K_ALL, true);
	sim_command(by, SKERRY_CMD_RESOLVE, 2, &w);
}

/* Those who are cut feel it, and nobody else does; whatever the shape. */
TEST_F(mesh, every_shape_is_felt)
{
	static const struct {
		const char *shape, *origin;
		int pairs; /* cut, of the 6 there are */
	} shapes[] = {
		{ "halves", NULL, 4 },		{ "majority", NULL, 3 },
		{ "minority-third", NULL, 3 },	{ "bridge", "node-b", 2 },
		{ "majorities-ring", NULL, 2 },
	};
	size_t s;
	int i, k;

	for (s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		int pairs = 0;

		inject_shape(&self->node[s % 4], shapes[s].shape,
			     shapes[s].origin, 5 + s);
		sim_run(&self->net, 6 * SIM_SECOND);
		ASSERT_NE(NULL, sim_answer(&self->node[s % 4], 1));
		ASSERT_EQ(0, sim_answer(&self->node[s % 4], 1)->error);
		for (i = 0; i < 4; i++) {
			for (k = 0; k < 4; k++) {
				const char *other = self->node[k].config.name;

				if (i == k)
					continue;
				pairs += cut_from(&self->node[i], other);
				EXPECT_STREQ(cut_from(&self->node[i], other)
						     ? "down"
						     : "up",
					     sim_state(&self->node[i], other))
				{
					TH_LOG("%s %d %d", shapes[s].shape, i,
					       k);
				}
			}
		}
		EXPECT_EQ(2 * shapes[s].pairs, pairs);
		resolve_all(&self->node[(s + 1) % 4]);
		ASSERT_NE(0, sim_until(&self->net, sim_complete, NULL,
				       12 * SIM_SECOND));
	}
}

/* Both ends' ledgers come over the partition port, which a cut lets pass. */
TEST_F(mesh, ledgers_are_asked_for)
{
	struct tlv_writer w;
	uint8_t bytes[64];
	int rows = 0;
	size_t i;

	isolate(&self->node[0], "node-c", 0);
	sim_run(&self->net, 6 * SIM_SECOND);
	sim_clear_said(&self->node[1]);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_REFERENCE, self->node[0].cuts[0].reference, 16);
	sim_command(&self->node[1], SKERRY_CMD_VERIFY, 5, &w);
	sim_run(&self->net, 2 * SIM_SECOND);
	for (i = 0; i < self->node[1].said_count; i++) {
		const struct sim_said *said = &self->node[1].said[i];
		struct tlv_reader r;

		tlv_reader_init(&r, said->bytes, said->size_bytes);
		while (!said->event && tlv_next(&r))
			rows += r.key == SKERRY_K_ROW;
	}
	EXPECT_EQ(4, rows);
	ASSERT_NE(NULL, sim_answer(&self->node[1], 5));
	EXPECT_FALSE(sim_answer(&self->node[1], 5)->more);
}

/* A cut from an address is this node's alone, and in its state file. */
TEST_F(mesh, an_address_is_cut_over_a_restart)
{
	const struct skerry_addr addr = { .ip = { [15] = 9 }, .port = 5432 };
	uint8_t bytes[128], reference[16];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_SHAPE, "to");
	tlv_put_addr(&w, SKERRY_K_TARGET, &addr);
	sim_command(&self->node[0], SKERRY_CMD_INJECT, 1, &w);
	sim_run(&self->net, 2 * SIM_SECOND);
	ASSERT_EQ(0, sim_answer(&self->node[0], 1)->error);
	ASSERT_EQ(1, self->node[0].cut_count);
	ASSERT_EQ(CORE_PEER_ADDRESS, self->node[0].cuts[0].peer);
	memcpy(reference, self->node[0].cuts[0].reference, 16);
	sim_crash(&self->node[0], false);
	sim_run(&self->net, 3 * SIM_SECOND);
	sim_start(&self->node[0]);
	sim_run(&self->net, SIM_SECOND);
	ASSERT_EQ(1, self->node[0].cut_count);
	EXPECT_EQ(0, memcmp(reference, self->node[0].cuts[0].reference, 16));
	EXPECT_EQ(0,
		  memcmp(&addr, &self->node[0].cuts[0].address, sizeof(addr)));
	EXPECT_EQ(0, self->node[1].cut_count);
	sim_run(&self->net, 60 * SIM_SECOND);
	EXPECT_EQ(0, self->node[0].cut_count);
	/* Over is over. */
	sim_run(&self->net, 3 * SIM_SECOND);
	sim_crash(&self->node[0], false);
	sim_start(&self->node[0]);
	sim_run(&self->net, SIM_SECOND);
	EXPECT_EQ(0, self->node[0].cut_count);
}

TEST_HARNESS_MAIN
