// SPDX-License-Identifier: GPL-2.0-only
/* Joining, leaving and removing by command; what was removed stays so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simnet.h"
#include "skerry/ring.h"
#include "kselftest_harness.h"

static void ask(struct sim_node *node, uint32_t command, uint32_t correlation,
		uint16_t key, const char *value, uint64_t timeout_ms)
{
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (value)
		tlv_put_str(&w, key, value);
	if (timeout_ms)
		tlv_put_u64(&w, SKERRY_K_TIMEOUT_MS, timeout_ms);
	sim_command(node, command, correlation, &w);
}

/* The error of an answer, or 1 when there is none yet. */
static int result(struct sim_node *node, uint32_t correlation)
{
	const struct sim_said *said = sim_answer(node, correlation);

	return said ? said->error : 1;
}

FIXTURE(mesh)
{
	struct simnet net;
	struct sim_node *node;
};

FIXTURE_SETUP(mesh)
{
	sim_boot(&self->net, 11, 4);
	self->node = self->net.nodes;
	ASSERT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
}

FIXTURE_TEARDOWN(mesh)
{
	sim_free(&self->net);
}

TEST(join_by_command)
{
	struct simnet net;
	struct sim_node *a, *b;

	sim_boot(&net, 3, 2);
	sim_crash(&net.nodes[1], true);
	sim_forget_state(&net.nodes[1]);
	a = &net.nodes[0];
	b = &net.nodes[1];
	b->config.contact_count = 0;
	sim_run(&net, SIM_SECOND);
	sim_start(b);
	sim_run(&net, SIM_SECOND);
	EXPECT_EQ(1, sim_members(b));

	ask(b, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS, "10.0.0.1:17280", 0);
	EXPECT_EQ(0, result(b, 1));
	ask(b, SKERRY_CMD_JOIN_WAIT, 2, SKERRY_K_JOIN_ADDRESS,
	    "node-a=10.0.0.1:17280", 3000);
	EXPECT_EQ(1, result(b, 2));
	EXPECT_NE(0, sim_until(&net, sim_complete, NULL, SIM_SECOND));
	sim_run(&net, 20 * SIM_MS);
	EXPECT_EQ(0, result(b, 2));
	/* A member: no effect. */
	ask(b, SKERRY_CMD_JOIN, 3, SKERRY_K_JOIN_ADDRESS, "10.0.0.1:17280", 0);
	EXPECT_EQ(0, result(b, 3));
	ask(b, SKERRY_CMD_JOIN_WAIT, 4, SKERRY_K_JOIN_ADDRESS, "10.0.0.1:17280",
	    100);
	EXPECT_EQ(0, result(b, 4));
	EXPECT_EQ(2, sim_members(a));
	sim_free(&net);
}

TEST(joins_that_cannot_be)
{
	struct simnet net;
	struct sim_node *a, *b;

	sim_boot(&net, 3, 2);
	a = &net.nodes[0];
	b = &net.nodes[1];
	sim_run(&net, SIM_SECOND);
	ask(a, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS, "10.0.0.1:17280", 0);
	EXPECT_EQ(-ELOOP, result(a, 1));
	ask(a, SKERRY_CMD_JOIN, 2, SKERRY_K_JOIN_ADDRESS, "host:port", 0);
	EXPECT_EQ(-EINVAL, result(a, 2));
	ask(a, SKERRY_CMD_JOIN, 3, SKERRY_K_JOIN_ADDRESS, NULL, 0);
	EXPECT_EQ(-EINVAL, result(a, 3));
	/* Nobody there: it goes on trying. */
	ask(a, SKERRY_CMD_JOIN_WAIT, 4, SKERRY_K_JOIN_ADDRESS,
	    "10.0.0.50:17280", 2000);
	sim_run(&net, 1900 * SIM_MS);
	EXPECT_EQ(1, result(a, 4));
	sim_run(&net, 200 * SIM_MS);
	EXPECT_EQ(-ETIMEDOUT, result(a, 4));
	ask(a, SKERRY_CMD_REMOVE, 5, SKERRY_K_NODE, "10.0.0.50:17280", 0);
	EXPECT_EQ(0, result(a, 5));
	ask(a, SKERRY_CMD_REMOVE, 6, SKERRY_K_NODE, "10.0.0.50:17280", 0);
	EXPECT_EQ(-EHOSTUNREACH, result(a, 6));
	/* Another name than expected. */
	b->config.addresses[0].ip[15] = 2;
	sim_crash(b, false);
	sim_forget_state(b);
	sim_add(&net, "node-x");
	sim_start(&net.nodes[2]);
	sim_run(&net, SIM_SECOND);
	ask(a, SKERRY_CMD_JOIN_WAIT, 7, SKERRY_K_JOIN_ADDRESS,
	    "node-y=10.0.0.3:17280", 2000);
	sim_run(&net, SIM_SECOND);
	EXPECT_EQ(-ENODEV, result(a, 7));
	/* Not for everybody. */
	sim_command_by(a, 9, false, SKERRY_CMD_LEAVE, 8, NULL);
	EXPECT_EQ(-EACCES, result(a, 8));
	sim_command_by(a, 9, true, 31, 9, NULL);
	EXPECT_EQ(-EOPNOTSUPP, result(a, 9));
	sim_free(&net);
}

TEST(a_join_to_ourselves_by_another_address)
{
	struct simnet net;
	struct sim_node *a;

	/* It calls itself 10.0.0.1 but is reached at another address. */
	sim_boot(&net, 5, 1);
	a = &net.nodes[0];
	sim_run(&net, SIM_SECOND);
	sim_move(a, 200);
	ask(a, SKERRY_CMD_JOIN_WAIT, 1, SKERRY_K_JOIN_ADDRESS,
	    "10.0.0.200:17280", 2000);
	sim_run(&net, SIM_SECOND);
	EXPECT_EQ(-ELOOP, result(a, 1));
	EXPECT_EQ(1, sim_members(a));
	sim_free(&net);
}

TEST(two_clusters_do_not_mix)
{
	struct simnet net;

	sim_boot(&net, 6, 1);
	sim_add(&net, "stranger");
	snprintf(net.nodes[1].config.cluster, 8, "other");
	sim_contact(&net.nodes[1], &net.nodes[0]);
	sim_start(&net.nodes[1]);
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&net.nodes[0]));
	EXPECT_EQ(1, sim_members(&net.nodes[1]));
	sim_free(&net);
}

TEST(settings_that_must_match)
{
	struct simnet net;

	sim_boot(&net, 6, 1);
	sim_add(&net, "other");
	net.nodes[1].config.channels[1].monotonic = true;
	sim_contact(&net.nodes[1], &net.nodes[0]);
	sim_start(&net.nodes[1]);
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&net.nodes[0]));
	EXPECT_EQ(1, sim_members(&net.nodes[1]));
	sim_free(&net);
}

TEST(parallelism_is_the_smaller_one)
{
	struct simnet net;
	uint64_t up, wanted;

	sim_boot(&net, 6, 1);
	sim_add(&net, "other");
	net.nodes[1].config.channels[1].parallelism = 5;
	sim_contact(&net.nodes[1], &net.nodes[0]);
	sim_start(&net.nodes[1]);
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_TRUE(sim_lanes(&net.nodes[1], "node-a", &up, &wanted));
	EXPECT_EQ(3, wanted);
	EXPECT_EQ(3, up);
	sim_free(&net);
}

TEST_F(mesh, leave)
{
	int i;

	ask(&self->node[3], SKERRY_CMD_LEAVE, 1, 0, NULL, 0);
	sim_run(&self->net, 500 * SIM_MS);
	EXPECT_EQ(0, result(&self->node[3], 1));
	EXPECT_EQ(1, sim_members(&self->node[3]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(3, sim_members(&self->node[i]));
	/* Contacts are ignored until asked, over a restart, too. */
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&self->node[3]));
	sim_crash(&self->node[3], false);
	sim_start(&self->node[3]);
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&self->node[3]));
	EXPECT_EQ(3, sim_members(&self->node[0]));
	ask(&self->node[3], SKERRY_CMD_JOIN, 2, SKERRY_K_JOIN_ADDRESS,
	    "10.0.0.2", 0);
	EXPECT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
}

TEST_F(mesh, leave_is_no_failure)
{
	size_t i;

	ask(&self->node[0], SKERRY_CMD_FOLLOW, 1, 0, NULL, 0);
	sim_clear_said(&self->node[0]);
	ask(&self->node[3], SKERRY_CMD_LEAVE, 1, 0, NULL, 0);
	sim_run(&self->net, 10 * SIM_SECOND);
	for (i = 0; i < self->node[0].said_count; i++) {
		const struct sim_said *said = &self->node[0].said[i];
		char event[32] = "";

		tlv_find_str(said->bytes, said->size_bytes, SKERRY_K_EVENT,
			     event, sizeof(event));
		EXPECT_STRNE("down", event);
	}
}

TEST_F(mesh, remove)
{
	int i;

	ask(&self->node[0], SKERRY_CMD_REMOVE, 1, SKERRY_K_NODE, "node-d", 0);
	EXPECT_EQ(0, result(&self->node[0], 1));
	sim_run(&self->net, SIM_SECOND);
	EXPECT_EQ(1, sim_members(&self->node[3]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(3, sim_members(&self->node[i]));
	ask(&self->node[0], SKERRY_CMD_REMOVE, 2, SKERRY_K_NODE, "node-d", 0);
	EXPECT_EQ(-EHOSTUNREACH, result(&self->node[0], 2));
	/* It may join again. */
	ask(&self->node[3], SKERRY_CMD_JOIN, 3, SKERRY_K_JOIN_ADDRESS,
	    "10.0.0.2", 0);
	EXPECT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_TRUE(sim_complete(&self->net, NULL));
}

TEST_F(mesh, removed_while_it_was_away)
{
	int i;

	sim_run(&self->net, 3 * SIM_SECOND);
	sim_crash(&self->node[3], true);
	sim_run(&self->net, 5 * SIM_SECOND);
	ask(&self->node[0], SKERRY_CMD_REMOVE, 1, SKERRY_K_NODE, "node-d", 0);
	sim_run(&self->net, 5 * SIM_SECOND);
	sim_start(&self->node[3]);
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&self->node[3]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(3, sim_members(&self->node[i]));
}

TEST_F(mesh, removed_behind_a_cut)
{
	int i;

	sim_isolate(&self->net, 3, true);
	sim_run(&self->net, 10 * SIM_SECOND);
	ask(&self->node[1], SKERRY_CMD_REMOVE, 1, SKERRY_K_NODE, "node-d", 0);
	sim_run(&self->net, 60 * SIM_SECOND);
	sim_isolate(&self->net, 3, false);
	sim_run(&self->net, 40 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&self->node[3]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(3, sim_members(&self->node[i]));
}

TEST_F(mesh, stop_stays_a_member_unless_told)
{
	struct core_event event = { .type = EV_STOP };
	int i;

	EXPECT_EQ(0, sim_event(&self->node[3], &event));
	EXPECT_TRUE(self->node[3].stopped);
	sim_crash(&self->node[3], false);
	sim_run(&self->net, SIM_SECOND);
	EXPECT_EQ(4, sim_members(&self->node[0]));

	event.type = EV_CONFIGURED;
	self->node[2].config.leave_on_stop = true;
	event.start.config = &self->node[2].config;
	EXPECT_EQ(0, sim_event(&self->node[2], &event));
	event.type = EV_STOP;
	EXPECT_EQ(0, sim_event(&self->node[2], &event));
	EXPECT_FALSE(self->node[2].stopped);
	sim_run(&self->net, 3 * SIM_SECOND);
	EXPECT_TRUE(self->node[2].stopped);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(3, sim_members(&self->node[i]));
}

TEST(two_clusters_join)
{
	struct simnet net;
	int i;

	sim_boot(&net, 9, 6);
	for (i = 0; i < 6; i++)
		sim_crash(&net.nodes[i], true);
	for (i = 0; i < 6; i++) {
		sim_forget_state(&net.nodes[i]);
		net.nodes[i].config.contact_count = i != 0 && i != 3;
		net.nodes[i].config.contacts[0].address =
			net.nodes[i / 3 * 3].config.addresses[0];
		sim_start(&net.nodes[i]);
	}
	sim_run(&net, 5 * SIM_SECOND);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(3, sim_members(&net.nodes[i]));
	ask(&net.nodes[5], SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS,
	    "10.0.0.2", 0);
	EXPECT_NE(0, sim_until(&net, sim_complete, NULL, 10 * SIM_SECOND));
	sim_free(&net);
}

/* Who dials knows a newer one of that name: the older one hears of it. */
TEST(an_older_one_hears_of_the_newer)
{
	struct simnet net;
	struct sim_node *d, *e, *newer;

	sim_boot(&net, 12, 4);
	ASSERT_NE(0, sim_until(&net, sim_complete, NULL, 5 * SIM_SECOND));
	e = sim_add(&net, "node-e");
	sim_start(e);
	sim_run(&net, SIM_SECOND);
	newer = sim_add(&net, "node-d");
	d = &net.nodes[3];
	e = &net.nodes[4];
	sim_contact(newer, e);
	sim_start(newer);
	sim_run(&net, 5 * SIM_SECOND);
	ASSERT_EQ(2, sim_members(e));
	sim_crash(newer, true);
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_EQ(4, sim_members(d));

	ask(e, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS, "10.0.0.4:17280", 0);
	EXPECT_EQ(0, result(e, 1));
	sim_run(&net, 5 * SIM_SECOND);
	/* It is above that one now, and with node-e at once. */
	EXPECT_STREQ("up", sim_state(e, "node-d"));
	EXPECT_STREQ("up", sim_state(d, "node-e"));
	ask(d, SKERRY_CMD_JOIN, 2, SKERRY_K_JOIN_ADDRESS, "10.0.0.1:17280", 0);
	EXPECT_NE(0, sim_until(&net, sim_complete, NULL, 20 * SIM_SECOND));
	sim_free(&net);
}

/* ---- long churn -------------------------------------------------------------- */

static uint64_t incarnation_of(struct sim_node *node, const char *name)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	const struct sim_said *said;
	struct tlv_reader r;
	uint64_t found = 0;

	sim_clear_said(node);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, "members");
	sim_command(node, SKERRY_CMD_QUERY, 77, &w);
	said = sim_answer(node, 77);
	if (!said)
		return 0;
	tlv_reader_init(&r, said->bytes, said->size_bytes);
	while (tlv_next(&r)) {
		char row[64] = "";

		tlv_find_str(r.value, r.length, SKERRY_K_NAME, row,
			     sizeof(row));
		if (!strcmp(row, name))
			found = tlv_find_u64(r.value, r.length,
					     SKERRY_K_INCARNATION, 0);
	}
	return found;
}

struct past {
	uint64_t boot[6];
	uint64_t seen[6][6]; /* by, of: incarnation of a member */
	uint64_t gone[6][6]; /* that and all before it are history */
	int removals;
};

/*
 * What an observer has seen go does not come back to it, unless it became
 * single or started again in between: then it believes its new cluster.
 */
static void check_past(struct __test_metadata *_metadata, struct simnet *net,
		       struct past *past)
{
	char name[16];
	int by, of;

	for (by = 0; by < 6; by++) {
		struct sim_node *node = &net->nodes[by];

		if (!node->alive)
			continue;
		if (node->boot != past->boot[by] || sim_members(node) == 1) {
			memset(past->seen[by], 0, sizeof(past->seen[by]));
			memset(past->gone[by], 0, sizeof(past->gone[by]));
			past->boot[by] = node->boot;
		}
		for (of = 0; of < 6; of++) {
			uint64_t incarnation;

			if (of == by)
				continue;
			snprintf(name, sizeof(name), "node-%c", 'a' + of);
			incarnation = incarnation_of(node, name);
			if (incarnation) {
				EXPECT_LT(past->gone[by][of], incarnation);
			} else if (past->seen[by][of] > past->gone[by][of]) {
				past->gone[by][of] = past->seen[by][of];
			}
			past->seen[by][of] = incarnation;
		}
	}
}

static void one_mischief(struct simnet *net, struct past *past)
{
	int who = (int)sim_random(net, 6), whom = (int)sim_random(net, 6);
	struct sim_node *node = &net->nodes[who];
	char name[16], address[32];

	snprintf(name, sizeof(name), "node-%c", 'a' + whom);
	snprintf(address, sizeof(address), "10.0.0.%d", 1 + whom);
	switch (sim_random(net, 6)) {
	case 0:
		if (node->alive)
			sim_crash(node, sim_random(net, 2));
		break;
	case 1:
		if (!node->alive)
			sim_start(node);
		break;
	case 2:
		if (node->alive && who != whom) {
			sim_clear_said(node);
			ask(node, SKERRY_CMD_REMOVE, 9, SKERRY_K_NODE, name, 0);
			past->removals += !result(node, 9);
		}
		break;
	case 3:
		if (node->alive && who != whom)
			ask(node, SKERRY_CMD_JOIN, 9, SKERRY_K_JOIN_ADDRESS,
			    address, 0);
		break;
	case 4:
		sim_isolate(net, who, true);
		break;
	default:
		sim_isolate(net, who, false);
	}
}

TEST(what_was_removed_stays_removed)
{
	int removals = 0;
	uint64_t seed;

	for (seed = 1; seed <= 6; seed++) {
		struct past past = { 0 };
		struct simnet net;
		int round, i;

		sim_boot(&net, seed, 6);
		net.loss_ppm = 100000;
		for (round = 0; round < 200; round++) {
			one_mischief(&net, &past);
			sim_run(&net, sim_random(&net, 4 * SIM_SECOND));
			check_past(_metadata, &net, &past);
		}
		removals += past.removals;
		/* All is well again: everybody who still is a member of
		 * anything agrees with those it names. */
		for (i = 0; i < 6; i++) {
			sim_isolate(&net, i, false);
			if (!net.nodes[i].alive)
				sim_start(&net.nodes[i]);
		}
		sim_run(&net, 120 * SIM_SECOND);
		check_past(_metadata, &net, &past);
		for (i = 0; i < 6; i++) {
			char name[16];
			int j;

			for (j = 0; j < 6; j++) {
				const char *state;

				snprintf(name, sizeof(name), "node-%c",
					 'a' + j);
				state = sim_state(&net.nodes[i], name);
				if (!state)
					continue;
				EXPECT_STREQ("up", state)
				{
					TH_LOG("seed %d: %c sees %s", (int)seed,
					       'a' + i, name);
				}
				EXPECT_EQ(sim_members(&net.nodes[i]),
					  sim_members(&net.nodes[j]));
			}
		}
		sim_free(&net);
	}
	EXPECT_LT(20, removals);
}

TEST_HARNESS_MAIN
