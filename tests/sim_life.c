// SPDX-License-Identifier: GPL-2.0-only
/* Nodes die, come back, move, freeze and lose their links. */
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
	sim_boot(&self->net, 42, 4);
	self->node = self->net.nodes;
	ASSERT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
	sim_run(&self->net, 3 * SIM_SECOND);
}

FIXTURE_TEARDOWN(mesh)
{
	sim_free(&self->net);
}

struct seen {
	int by;
	const char *name, *state;
};

static bool sees(struct simnet *net, void *data)
{
	struct seen *seen = data;
	const char *state = sim_state(&net->nodes[seen->by], seen->name);

	if (!seen->state || !state)
		return seen->state == state;
	return !strcmp(state, seen->state);
}

static uint64_t until(struct simnet *net, int by, const char *name,
		      const char *state, uint64_t limit_ns)
{
	struct seen seen = { by, name, state };

	return sim_until(net, sees, &seen, limit_ns);
}

TEST_F(mesh, a_dead_host_is_down_within_4500_ms)
{
	int i;

	sim_crash(&self->node[3], true);
	for (i = 0; i < 3; i++) {
		uint64_t took_ns =
			until(&self->net, i, "node-d", "down", 4500 * SIM_MS);

		EXPECT_NE(0, took_ns);
	}
	/* Membership is not liveness. */
	EXPECT_EQ(4, sim_members(&self->node[0]));
	EXPECT_STREQ("up", sim_state(&self->node[0], "node-b"));
}

TEST_F(mesh, a_killed_agent_is_suspect_then_down)
{
	uint64_t at_ns = self->net.now_ns;

	sim_crash(&self->node[3], false);
	EXPECT_NE(0, until(&self->net, 0, "node-d", "suspect", 100 * SIM_MS));
	EXPECT_NE(0, until(&self->net, 0, "node-d", "down", 4500 * SIM_MS));
	EXPECT_LE(2900 * SIM_MS, self->net.now_ns - at_ns + 500 * SIM_MS);
}

TEST_F(mesh, a_quick_restart_is_never_down)
{
	int i;

	sim_crash(&self->node[3], false);
	sim_run(&self->net, 300 * SIM_MS);
	sim_start(&self->node[3]);
	for (i = 0; i < 500; i++) {
		sim_run(&self->net, 10 * SIM_MS);
		EXPECT_STRNE("down", sim_state(&self->node[0], "node-d"));
	}
	EXPECT_TRUE(sim_complete(&self->net, NULL));
}

TEST_F(mesh, restart_with_state_needs_no_contact)
{
	sim_crash(&self->node[3], true);
	sim_run(&self->net, 20 * SIM_SECOND);
	self->node[3].config.contact_count = 0;
	sim_start(&self->node[3]);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 12 * SIM_SECOND));
}

TEST_F(mesh, restart_without_state_is_taken_back)
{
	sim_crash(&self->node[3], true);
	sim_run(&self->net, 20 * SIM_SECOND);
	sim_forget_state(&self->node[3]);
	sim_start(&self->node[3]);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 12 * SIM_SECOND));
}

TEST_F(mesh, everybody_restarts)
{
	int i;

	for (i = 0; i < 4; i++) {
		sim_crash(&self->node[i], true);
		self->node[i].config.contact_count = 0;
	}
	sim_run(&self->net, 5 * SIM_SECOND);
	for (i = 0; i < 4; i++)
		sim_start(&self->node[i]);
	EXPECT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
}

static bool has_address(const struct sim_node *node, const char *of,
			uint8_t last)
{
	/* The spec of a member as query "members" shows it. */
	struct tlv_writer w;
	uint8_t bytes[64];
	struct sim_node *asked = (struct sim_node *)(uintptr_t)node;
	const struct sim_said *said;
	struct tlv_reader r, field;
	bool found = false;

	sim_clear_said(asked);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, "members");
	sim_command(asked, SKERRY_CMD_QUERY, 5, &w);
	said = sim_answer(asked, 5);
	if (!said)
		return false;
	tlv_reader_init(&r, said->bytes, said->size_bytes);
	while (tlv_next(&r)) {
		char name[64] = "";

		tlv_find_str(r.value, r.length, SKERRY_K_NAME, name,
			     sizeof(name));
		if (strcmp(name, of))
			continue;
		tlv_reader_init(&field, r.value, r.length);
		while (tlv_next(&field)) {
			if (field.key == SKERRY_K_ADDRESS &&
			    field.value[15] == last)
				found = true;
		}
	}
	return found;
}

TEST(return_at_another_address)
{
	uint64_t seed;

	for (seed = 1; seed <= 10; seed++) {
		struct simnet net;
		uint64_t settled_ns = 0, i;
		int n;

		sim_boot(&net, seed, 5);
		ASSERT_NE(0,
			  sim_until(&net, sim_complete, NULL, 5 * SIM_SECOND));
		sim_crash(&net.nodes[2], true);
		sim_run(&net, sim_random(&net, 20 * SIM_SECOND));
		sim_move(&net.nodes[2], 99);
		sim_start(&net.nodes[2]);
		settled_ns =
			sim_until(&net, sim_complete, NULL, 20 * SIM_SECOND);
		EXPECT_NE(0, settled_ns);
		for (i = 0; i < 60; i++) {
			sim_run(&net, SIM_SECOND);
			for (n = 0; n < 5; n++) {
				EXPECT_TRUE(has_address(&net.nodes[n], "node-c",
							99));
				EXPECT_FALSE(has_address(&net.nodes[n],
							 "node-c", 3));
			}
		}
		EXPECT_TRUE(sim_complete(&net, NULL));
		sim_free(&net);
	}
}

TEST_F(mesh, an_address_change_while_running)
{
	struct core_event event = { .type = EV_ADDRESSES };
	struct skerry_addr list[2];
	int n;

	list[0] = list[1] = self->node[1].config.addresses[0];
	list[1].ip[15] = 77;
	event.addresses.list = list;
	event.addresses.count = 2;
	EXPECT_EQ(0, sim_event(&self->node[1], &event));
	sim_run(&self->net, SIM_SECOND);
	for (n = 0; n < 4; n++)
		EXPECT_TRUE(has_address(&self->node[n], "node-b", 77));
	EXPECT_TRUE(sim_complete(&self->net, NULL));
}

TEST_F(mesh, one_way_is_told_from_down)
{
	/* What a sends to b is lost; what b sends arrives. */
	sim_cut(&self->net, 0, 1, true);
	EXPECT_NE(0, until(&self->net, 0, "node-b", "one-way", 6 * SIM_SECOND));
	EXPECT_NE(0, until(&self->net, 1, "node-a", "down", SIM_SECOND));
	EXPECT_STREQ("up", sim_state(&self->node[0], "node-c"));
	sim_cut(&self->net, 0, 1, false);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 15 * SIM_SECOND));
}

TEST_F(mesh, a_cut_is_seen_and_healed)
{
	int i;

	sim_isolate(&self->net, 1, true);
	for (i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		EXPECT_NE(0, until(&self->net, i, "node-b", "down",
				   4500 * SIM_MS));
	}
	EXPECT_NE(0, until(&self->net, 1, "node-a", "down", 4500 * SIM_MS));
	sim_run(&self->net, 60 * SIM_SECOND);
	EXPECT_EQ(4, sim_members(&self->node[1]));
	sim_isolate(&self->net, 1, false);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 15 * SIM_SECOND));
}

TEST_F(mesh, lanes_alone_keep_it_up)
{
	int i, j;

	for (i = 0; i < 4; i++) {
		for (j = 0; j < 4; j++)
			self->net.links[i][j].dead_udp = true;
	}
	for (i = 0; i < 300; i++) {
		sim_run(&self->net, 100 * SIM_MS);
		EXPECT_STRNE("down", sim_state(&self->node[0], "node-b"));
		EXPECT_STRNE("one-way", sim_state(&self->node[0], "node-b"));
	}
}

TEST_F(mesh, heavy_datagram_loss_is_no_death)
{
	int i;

	self->net.loss_ppm = 600000;
	for (i = 0; i < 600; i++) {
		sim_run(&self->net, 100 * SIM_MS);
		EXPECT_STRNE("down", sim_state(&self->node[0], "node-b"));
	}
}

TEST_F(mesh, who_slept_does_not_blame_the_others)
{
	int i;

	sim_freeze(&self->node[0], true);
	EXPECT_NE(0, until(&self->net, 1, "node-a", "down", 4500 * SIM_MS));
	sim_run(&self->net, 10 * SIM_SECOND);
	sim_freeze(&self->node[0], false);
	for (i = 0; i < 20; i++) {
		sim_run(&self->net, 100 * SIM_MS);
		/* The others cut the lanes; that is not their death. */
		EXPECT_STRNE("one-way", sim_state(&self->node[0], "node-b"));
	}
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 15 * SIM_SECOND));
}

TEST_F(mesh, a_newcomer_under_a_living_name_is_refused)
{
	struct sim_node *clone = sim_add(&self->net, "node-d");
	int i;

	/* Same name, newer incarnation, while the old one lives. */
	sim_contact(clone, &self->node[0]);
	sim_start(clone);
	sim_run(&self->net, 10 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(clone));
	for (i = 0; i < 3; i++) {
		EXPECT_STREQ("up", sim_state(&self->node[i], "node-d"));
		EXPECT_FALSE(has_address(&self->node[i], "node-d", 5));
	}
}

TEST_F(mesh, a_takeover_wins)
{
	struct sim_node *newer = sim_add(&self->net, "node-d");
	int i;

	sim_contact(newer, &self->node[0]);
	newer->config.takeover = true;
	sim_start(newer);
	sim_run(&self->net, 10 * SIM_SECOND);
	for (i = 0; i < 3; i++) {
		EXPECT_STREQ("up", sim_state(&self->node[i], "node-d"));
		EXPECT_TRUE(has_address(&self->node[i], "node-d", 5));
	}
	/* The older is single now, under a name it cannot use here. */
	EXPECT_EQ(1, sim_members(&self->node[3]));
}

TEST_F(mesh, a_clock_that_went_back)
{
	/* Without its state it would come with an older incarnation. */
	sim_crash(&self->node[2], true);
	sim_forget_state(&self->node[2]);
	sim_run(&self->net, 10 * SIM_SECOND);
	self->net.wall_offset_us = (uint64_t)-3600000000LL;
	sim_start(&self->node[2]);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 10 * SIM_SECOND));
}

TEST_F(mesh, a_full_disk_only_warns)
{
	sim_crash(&self->node[2], false);
	self->node[2].disk_full = true;
	sim_start(&self->node[2]);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 10 * SIM_SECOND));
}

TEST(the_same_seed_is_the_same_run)
{
	uint64_t hash[2];
	int i;

	for (i = 0; i < 2; i++) {
		struct simnet net;

		sim_boot(&net, 7, 6);
		net.loss_ppm = 200000;
		sim_run(&net, 5 * SIM_SECOND);
		sim_crash(&net.nodes[1], true);
		sim_run(&net, 10 * SIM_SECOND);
		sim_start(&net.nodes[1]);
		sim_run(&net, 30 * SIM_SECOND);
		hash[i] = net.trace_hash;
		sim_free(&net);
	}
	EXPECT_EQ(hash[0], hash[1]);
}

TEST_HARNESS_MAIN
