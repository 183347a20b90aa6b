// SPDX-License-Identifier: GPL-2.0-only
/* EV_DISCOVERED: what a directory of nodes says makes joins, ends those that
 * have not succeeded, and never touches a member. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simnet.h"
#include "skerry/ring.h"
#include "kselftest_harness.h"

#define NOBODY 200 /* 10.0.0.NOBODY: no node is there */

FIXTURE(net)
{
	struct simnet net;
};

FIXTURE_SETUP(net)
{
	sim_init(&self->net, 1);
	self->net.verbose = getenv("VERBOSE") != NULL;
}

FIXTURE_TEARDOWN(net)
{
	sim_free(&self->net);
}

static struct core_contact at(uint8_t last_byte)
{
	struct core_contact contact = {
		.address = { .ip = { [10] = 0xff, 0xff, 10, 0, 0, last_byte },
			     .port = SKERRY_PORT_BASE },
	};

	return contact;
}

static int discovered(struct sim_node *node, const struct core_contact *list,
		      uint32_t count)
{
	struct core_event event = { .type = EV_DISCOVERED,
				    .discovered = { list, count } };

	return sim_event(node, &event);
}

/* How many rows "joins" has with that source. */
static int joins(struct sim_node *node, const char *source)
{
	const struct sim_said *said;
	struct tlv_writer w;
	struct tlv_reader r;
	uint8_t bytes[64];
	char text[32];
	int count = 0;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, "joins");
	sim_clear_said(node);
	sim_command(node, SKERRY_CMD_QUERY, 77, &w);
	said = sim_answer(node, 77);
	if (!said || said->error || said->more)
		return -1;
	tlv_reader_init(&r, said->bytes, said->size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_ROW &&
		    !tlv_find_str(r.value, r.length, SKERRY_K_SOURCE, text,
				  sizeof(text)))
			count += !strcmp(text, source);
	}
	return count;
}

static void trio(struct simnet *net)
{
	sim_add(net, "a");
	sim_add(net, "b");
	sim_add(net, "c");
}

TEST_F(net, found_nodes_join)
{
	struct simnet *net = &self->net;
	struct core_contact list[] = { at(1), at(2), at(3) };
	int i;

	trio(net);
	for (i = 0; i < 3; i++)
		sim_start(&net->nodes[i]);
	sim_run(net, SIM_SECOND);
	/* One of them is enough, and itself is in the answer. */
	EXPECT_EQ(0, discovered(&net->nodes[0], list, 3));
	EXPECT_EQ(2, joins(&net->nodes[0], "discovery"));
	EXPECT_NE(0, sim_until(net, sim_complete, NULL, 10 * SIM_SECOND));
	EXPECT_EQ(0, joins(&net->nodes[0], "discovery"));
	/* The same again changes nothing. */
	EXPECT_EQ(0, discovered(&net->nodes[0], list, 3));
	EXPECT_EQ(0, joins(&net->nodes[0], "discovery"));
}

TEST_F(net, less_found_removes_nobody)
{
	struct simnet *net = &self->net;
	struct core_contact list[] = { at(1), at(2), at(3) };
	int i;

	trio(net);
	for (i = 0; i < 3; i++)
		sim_start(&net->nodes[i]);
	EXPECT_EQ(0, discovered(&net->nodes[0], list, 3));
	ASSERT_NE(0, sim_until(net, sim_complete, NULL, 10 * SIM_SECOND));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, discovered(&net->nodes[i], list, 1));
		EXPECT_EQ(0, discovered(&net->nodes[i], NULL, 0));
	}
	sim_run(net, 30 * SIM_SECOND);
	EXPECT_TRUE(sim_complete(net, NULL));
	/* Nor one that is down. */
	sim_crash(&net->nodes[2], false);
	sim_run(net, 10 * SIM_SECOND);
	EXPECT_EQ(0, discovered(&net->nodes[0], list, 2));
	EXPECT_EQ(0, discovered(&net->nodes[0], NULL, 0));
	sim_run(net, 30 * SIM_SECOND);
	EXPECT_EQ(3, sim_members(&net->nodes[0]));
	EXPECT_STREQ("down", sim_state(&net->nodes[0], "c"));
	sim_start(&net->nodes[2]);
	EXPECT_NE(0, sim_until(net, sim_complete, NULL, 30 * SIM_SECOND));
}

TEST_F(net, a_join_goes_with_its_address)
{
	struct simnet *net = &self->net;
	struct core_contact list[] = { at(NOBODY), at(NOBODY + 1) };
	struct sim_node *a = sim_add(net, "a");
	uint64_t dials;

	a->config.contacts[0] = at(NOBODY + 2);
	a->config.contacts[1] = at(NOBODY + 1);
	a->config.contact_count = 2;
	sim_start(a);
	sim_run(net, SIM_SECOND);
	EXPECT_EQ(0, discovered(a, list, 2));
	EXPECT_EQ(1, joins(a, "discovery"));
	EXPECT_EQ(2, joins(a, "configuration"));
	sim_run(net, 20 * SIM_SECOND);
	EXPECT_EQ(1, joins(a, "discovery"));
	/* Those of the configuration do not, found or not. */
	EXPECT_EQ(0, discovered(a, NULL, 0));
	EXPECT_EQ(0, joins(a, "discovery"));
	EXPECT_EQ(2, joins(a, "configuration"));
	sim_run(net, 20 * SIM_SECOND);
	dials = a->dials;
	EXPECT_EQ(0, discovered(a, list, 1));
	sim_run(net, SIM_SECOND);
	EXPECT_LT(dials, a->dials);
}

TEST_F(net, what_a_program_asked_for_stays)
{
	struct simnet *net = &self->net;
	struct core_contact list[] = { at(NOBODY) };
	struct sim_node *a = sim_add(net, "a");
	struct tlv_writer w;
	uint8_t bytes[64];

	sim_start(a);
	sim_run(net, SIM_SECOND);
	EXPECT_EQ(0, discovered(a, list, 1));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_JOIN_ADDRESS, "10.0.0.200:17280");
	sim_command(a, SKERRY_CMD_JOIN, 5, &w);
	EXPECT_EQ(0, discovered(a, NULL, 0));
	EXPECT_EQ(1, joins(a, "asked"));
}

TEST_F(net, once_while_it_is_found)
{
	struct simnet *net = &self->net;
	struct core_contact list[] = { at(NOBODY) };
	struct sim_node *a = sim_add(net, "a");
	struct tlv_writer w;
	uint8_t bytes[64];

	sim_start(a);
	sim_run(net, SIM_SECOND);
	EXPECT_EQ(0, discovered(a, list, 1));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, "10.0.0.200:17280");
	sim_command(a, SKERRY_CMD_REMOVE, 6, &w);
	EXPECT_EQ(0, joins(a, "discovery"));
	/* Withdrawn is withdrawn, until it goes and comes. */
	EXPECT_EQ(0, discovered(a, list, 1));
	EXPECT_EQ(0, joins(a, "discovery"));
	EXPECT_EQ(0, discovered(a, NULL, 0));
	EXPECT_EQ(0, discovered(a, list, 1));
	EXPECT_EQ(1, joins(a, "discovery"));
}

TEST_F(net, who_has_left_is_not_interested)
{
	struct simnet *net = &self->net;
	struct core_contact list[] = { at(1), at(2) };
	struct tlv_writer w;
	uint8_t bytes[64];

	sim_add(net, "a");
	sim_add(net, "b");
	sim_start(&net->nodes[0]);
	sim_start(&net->nodes[1]);
	EXPECT_EQ(0, discovered(&net->nodes[0], list, 2));
	ASSERT_NE(0, sim_until(net, sim_complete, NULL, 10 * SIM_SECOND));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	sim_command(&net->nodes[1], SKERRY_CMD_LEAVE, 5, &w);
	sim_run(net, 10 * SIM_SECOND);
	/* Neither it nor those it left begin anew. */
	EXPECT_EQ(0, discovered(&net->nodes[1], list, 2));
	EXPECT_EQ(0, discovered(&net->nodes[0], list, 2));
	sim_run(net, 30 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&net->nodes[0]));
	EXPECT_EQ(1, sim_members(&net->nodes[1]));
	EXPECT_EQ(0, joins(&net->nodes[0], "discovery"));
}

TEST_F(net, more_than_there_is_room_for)
{
	struct core_contact list[SKERRY_JOINS_MAX + 40];
	struct simnet *net = &self->net;
	struct sim_node *a = sim_add(net, "a");
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX + 40; i++)
		list[i] = at((uint8_t)(100 + i));
	a->config.contacts[0] = at(50);
	a->config.contact_count = 1;
	sim_start(a);
	sim_run(net, SIM_SECOND);
	EXPECT_EQ(0, discovered(a, list, SKERRY_JOINS_MAX + 40));
	EXPECT_EQ(SKERRY_JOINS_MAX - 1, joins(a, "discovery"));
	/* The one that found no slot has its turn when there is one. */
	EXPECT_EQ(0, discovered(a, list + 1, SKERRY_JOINS_MAX - 1));
	EXPECT_EQ(SKERRY_JOINS_MAX - 1, joins(a, "discovery"));
	EXPECT_EQ(1, joins(a, "configuration"));
}

TEST_HARNESS_MAIN
