// SPDX-License-Identifier: GPL-2.0-only
/* The membership's calls between simulated nodes: exactly these members,
 * connect with prune, disconnect, reserve, the state as bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simnet.h"
#include "skerry/ring.h"
#include "state.h"
#include "kselftest_harness.h"

FIXTURE(mesh)
{
	struct simnet net;
	struct sim_node *node;
	uint8_t bytes[8192];
	struct tlv_writer w;
};

FIXTURE_SETUP(mesh)
{
	sim_boot(&self->net, 21, 4);
	self->node = self->net.nodes;
	ASSERT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
}

FIXTURE_TEARDOWN(mesh)
{
	sim_free(&self->net);
}

/* ---- asking ------------------------------------------------------------------ */

static struct tlv_writer *args(FIXTURE_DATA(mesh) * self)
{
	tlv_writer_init(&self->w, self->bytes, sizeof(self->bytes));
	return &self->w;
}

static int result(struct sim_node *node, uint32_t correlation)
{
	const struct sim_said *said = sim_answer(node, correlation);

	return said ? said->error : 1;
}

static int set(FIXTURE_DATA(mesh) * self, struct sim_node *node,
	       uint32_t correlation, const char *const *names)
{
	args(self);
	for (; *names; names++)
		tlv_put_str(&self->w, SKERRY_K_NODE, *names);
	sim_command(node, SKERRY_CMD_SET, correlation, &self->w);
	return result(node, correlation);
}

static int ask(struct sim_node *node, uint32_t command, uint32_t correlation,
	       uint16_t key, const char *value)
{
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (value)
		tlv_put_str(&w, key, value);
	sim_command(node, command, correlation, &w);
	return result(node, correlation);
}

/* How often a field is in an answer, with that value if given. */
static int field(const struct sim_said *said, uint16_t key, const char *value)
{
	struct tlv_reader r;
	int count = 0;

	if (!said)
		return -1;
	tlv_reader_init(&r, said->bytes, said->size_bytes);
	while (tlv_next(&r)) {
		if (r.key == key &&
		    (!value || (r.length == strlen(value) &&
				!memcmp(r.value, value, r.length))))
			count++;
	}
	return count;
}

static int joins(struct sim_node *node)
{
	sim_clear_said(node);
	ask(node, SKERRY_CMD_QUERY, 4242, SKERRY_K_QUERY, "joins");
	return field(sim_answer(node, 4242), SKERRY_K_ROW, NULL);
}

static struct skerry_addr address(uint8_t last)
{
	struct skerry_addr addr = {
		.ip = { [10] = 0xff, 0xff, 10, 0, 0, last },
		.port = SKERRY_PORT_BASE,
	};

	return addr;
}

static void connect_to(FIXTURE_DATA(mesh) * self, struct sim_node *node,
		       uint32_t correlation, const char *name, uint8_t last,
		       bool prune)
{
	struct skerry_addr addr = address(last);

	args(self);
	tlv_put_str(&self->w, SKERRY_K_NODE, name);
	if (last)
		tlv_put_addr(&self->w, SKERRY_K_ADDRESS, &addr);
	tlv_put_bool(&self->w, SKERRY_K_PRUNE, prune);
	sim_command(node, SKERRY_CMD_CONNECT, correlation, &self->w);
}

/* ---- exactly these ------------------------------------------------------------- */

TEST_F(mesh, set_is_one_step)
{
	static const char *const names[] = { "node-a", "node-b",
					     "node-e=10.0.0.5:17280", NULL };
	struct sim_node *a = &self->node[0];
	const struct sim_said *said;
	struct sim_node *e;
	int i;

	e = sim_add(&self->net, "node-e");
	sim_start(e);
	sim_run(&self->net, SIM_SECOND);
	ask(a, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS, "10.0.0.60:17280");
	ask(a, SKERRY_CMD_JOIN, 2, SKERRY_K_JOIN_ADDRESS,
	    "node-x=10.0.0.61:17280");
	ASSERT_EQ(0, set(self, a, 3, names));
	said = sim_answer(a, 3);
	EXPECT_EQ(2, field(said, SKERRY_K_REMOVED_NODE, NULL));
	EXPECT_EQ(1, field(said, SKERRY_K_REMOVED_NODE, "node-c"));
	EXPECT_EQ(1, field(said, SKERRY_K_REMOVED_NODE, "node-d"));
	EXPECT_EQ(1, field(said, SKERRY_K_JOINED_NODE, "node-e"));
	EXPECT_EQ(2, field(said, SKERRY_K_WITHDRAWN, NULL));
	EXPECT_EQ(1, field(said, SKERRY_K_WITHDRAWN, "10.0.0.60:17280"));
	EXPECT_EQ(1, field(said, SKERRY_K_WITHDRAWN, "node-x=10.0.0.61:17280"));
	/* Nothing has run since: no half-way state was to be seen. */
	EXPECT_EQ(2, sim_members(a));
	EXPECT_EQ(1, joins(a));
	sim_run(&self->net, 10 * SIM_SECOND);
	EXPECT_EQ(3, sim_members(a));
	EXPECT_EQ(3, sim_members(&self->node[1]));
	EXPECT_EQ(3, sim_members(e));
	for (i = 2; i < 4; i++)
		EXPECT_EQ(1, sim_members(&self->node[i]));
	EXPECT_EQ(0, joins(a));
	/* The same again changes nothing. */
	ASSERT_EQ(0, set(self, a, 4, names));
	said = sim_answer(a, 4);
	EXPECT_EQ(0, field(said, SKERRY_K_REMOVED_NODE, NULL));
	EXPECT_EQ(0, field(said, SKERRY_K_JOINED_NODE, NULL));
	/* Who was removed may come again. */
	ask(&self->node[3], SKERRY_CMD_JOIN, 5, SKERRY_K_JOIN_ADDRESS,
	    "10.0.0.2:17280");
	sim_run(&self->net, 5 * SIM_SECOND);
	EXPECT_EQ(4, sim_members(a));
}

TEST_F(mesh, set_names_all_that_are_unknown)
{
	static const char *const unknown[] = { "node-b", "ghost-1", "node-c",
					       "ghost-2", NULL };
	static const char *const nonsense[] = { "node-b", "a b", NULL };
	static const char *const loop[] = { "other=10.0.0.1:17280", NULL };
	struct sim_node *a = &self->node[0];
	const struct sim_said *said;
	char why[256] = "";

	ask(a, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS, "10.0.0.60:17280");
	EXPECT_EQ(-ENOENT, set(self, a, 2, unknown));
	said = sim_answer(a, 2);
	tlv_find_str(said->bytes, said->size_bytes, SKERRY_K_REASON, why,
		     sizeof(why));
	EXPECT_NE(NULL, strstr(why, "ghost-1, ghost-2: not known"));
	EXPECT_EQ(2, field(said, SKERRY_K_MISSING, NULL));
	EXPECT_EQ(-EINVAL, set(self, a, 3, nonsense));
	EXPECT_EQ(-ELOOP, set(self, a, 4, loop));
	sim_command_by(a, 9, false, SKERRY_CMD_SET, 5, NULL);
	EXPECT_EQ(-EACCES, result(a, 5));
	EXPECT_EQ(4, sim_members(a));
	EXPECT_EQ(1, joins(a));
}

TEST_F(mesh, for_administrators)
{
	static const uint32_t commands[] = { SKERRY_CMD_SET, SKERRY_CMD_CONNECT,
					     SKERRY_CMD_DISCONNECT,
					     SKERRY_CMD_RESERVE };
	struct sim_node *a = &self->node[0];
	uint32_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		sim_command_by(a, 9, false, commands[i], i, NULL);
		EXPECT_EQ(-EACCES, result(a, i));
		sim_command_by(a, 9, true, commands[i], 10 + i, NULL);
		if (commands[i] != SKERRY_CMD_SET)
			EXPECT_EQ(-EINVAL, result(a, 10 + i));
	}
	sim_command_by(a, 9, false, SKERRY_CMD_STATE, 20, NULL);
	EXPECT_EQ(0, result(a, 20));
}

/* A sentence has an end; the fields have them all. */
TEST_F(mesh, set_with_many_unknown_names)
{
	struct sim_node *a = &self->node[0];
	char text[64];
	int i;

	args(self);
	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "nobody-of-this-name-%d", i);
		tlv_put_str(&self->w, SKERRY_K_NODE, text);
	}
	sim_command(a, SKERRY_CMD_SET, 1, &self->w);
	EXPECT_EQ(-ENOENT, result(a, 1));
	EXPECT_EQ(100, field(sim_answer(a, 1), SKERRY_K_MISSING, NULL));
	/* More joins than there can be: nothing is changed either. */
	args(self);
	for (i = 0; i < 65; i++) {
		snprintf(text, sizeof(text), "new-%d=10.0.1.%d:17280", i, i);
		tlv_put_str(&self->w, SKERRY_K_NODE, text);
	}
	sim_command(a, SKERRY_CMD_SET, 2, &self->w);
	EXPECT_EQ(-ENOSPC, result(a, 2));
	EXPECT_EQ(4, sim_members(a));
	EXPECT_EQ(0, joins(a));
}

/* A member that is down is tried where it is said to be. */
TEST_F(mesh, set_of_a_member_that_is_down)
{
	static const char *const names[] = { "node-b", "node-c",
					     "node-d=10.0.0.44:17280", NULL };
	struct sim_node *a = &self->node[0];

	ASSERT_EQ(0, set(self, a, 1, names));
	EXPECT_EQ(0, joins(a));
	sim_crash(&self->node[3], true);
	sim_run(&self->net, 6 * SIM_SECOND);
	ASSERT_STREQ("down", sim_state(a, "node-d"));
	ASSERT_EQ(0, set(self, a, 2, names));
	EXPECT_EQ(1, joins(a));
	sim_move(&self->node[3], 44);
	sim_start(&self->node[3]);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 30 * SIM_SECOND));
	EXPECT_EQ(0, joins(a));
}

/* ---- what was removed stays so -------------------------------------------------- */

TEST_F(mesh, a_join_from_before_does_not_bring_it_back)
{
	struct sim_node *a = &self->node[0], *b = &self->node[1];

	/* Under names and addresses that do not show whose they are. */
	ask(a, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS, "10.0.0.99:17280");
	ask(b, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS,
	    "node-d=10.0.0.99:17280");
	sim_run(&self->net, SIM_SECOND);
	EXPECT_EQ(1, joins(a));
	EXPECT_EQ(1, joins(b));
	ask(a, SKERRY_CMD_REMOVE, 2, SKERRY_K_NODE, "node-d");
	sim_run(&self->net, SIM_SECOND);
	EXPECT_EQ(0, joins(b));
	sim_move(&self->node[3], 99);
	sim_run(&self->net, 60 * SIM_SECOND);
	EXPECT_EQ(0, joins(a));
	EXPECT_EQ(3, sim_members(a));
	EXPECT_EQ(3, sim_members(b));
	EXPECT_EQ(1, sim_members(&self->node[3]));
	/* Asked for now, it does. */
	ask(a, SKERRY_CMD_JOIN, 3, SKERRY_K_JOIN_ADDRESS, "10.0.0.99:17280");
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 10 * SIM_SECOND));
}

TEST_F(mesh, one_who_did_not_hear_of_it_does_not_bring_it_back)
{
	int i;

	sim_isolate(&self->net, 2, true);
	sim_run(&self->net, 10 * SIM_SECOND);
	ask(&self->node[0], SKERRY_CMD_REMOVE, 1, SKERRY_K_NODE, "node-d");
	sim_run(&self->net, 10 * SIM_SECOND);
	sim_isolate(&self->net, 2, false);
	for (i = 0; i < 60; i++) {
		sim_run(&self->net, SIM_SECOND);
		ASSERT_EQ(NULL, sim_state(&self->node[0], "node-d"));
		ASSERT_EQ(NULL, sim_state(&self->node[1], "node-d"));
	}
	EXPECT_EQ(3, sim_members(&self->node[2]));
	EXPECT_EQ(1, sim_members(&self->node[3]));
}

/* ---- stale specs ----------------------------------------------------------------- */

TEST_F(mesh, stale_specs_are_pruned_everywhere)
{
	struct sim_node *a = &self->node[0], *b = &self->node[1];
	struct sim_node *c = &self->node[2];
	const struct sim_said *said;

	/* Joins to where node-d is not: with its name, without one, and one
	 * from the configuration at a node that is away. */
	ask(a, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS,
	    "node-d=10.0.0.78:17280");
	ask(b, SKERRY_CMD_JOIN, 1, SKERRY_K_JOIN_ADDRESS,
	    "node-d=10.0.0.77:17280");
	sim_crash(c, false);
	memset(&c->config.contacts[1], 0, sizeof(c->config.contacts[1]));
	c->config.contacts[1].address = address(77);
	c->config.contact_count = 2;
	sim_start(c);
	ASSERT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 20 * SIM_SECOND));
	sim_run(&self->net, 5 * SIM_SECOND);
	EXPECT_EQ(1, joins(b));
	EXPECT_EQ(1, joins(c));
	sim_isolate(&self->net, 2, true);
	sim_clear_said(a);
	connect_to(self, a, 2, "node-d", 77, true);
	EXPECT_EQ(1, result(a, 2));
	sim_run(&self->net, 5 * SIM_SECOND);
	said = sim_answer(a, 2);
	ASSERT_NE(NULL, said);
	EXPECT_EQ(0, said->error);
	/* What was given, and our own join of that name. */
	EXPECT_EQ(2, field(said, SKERRY_K_ROW, NULL));
	EXPECT_EQ(0, joins(a));
	EXPECT_EQ(0, joins(b));
	/* Who was away learns of it when it is back. */
	sim_isolate(&self->net, 2, false);
	sim_run(&self->net, 40 * SIM_SECOND);
	EXPECT_EQ(0, joins(c));
	EXPECT_TRUE(sim_complete(&self->net, NULL));

	/* It does not come back by itself: not with a restart, ... */
	sim_crash(b, false);
	b->config.contacts[1] = c->config.contacts[1];
	snprintf(b->config.contacts[1].name, 16, "node-d");
	b->config.contact_count = 2;
	sim_start(b);
	ASSERT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 20 * SIM_SECOND));
	EXPECT_EQ(0, joins(b));
	/* ... but a program may want it. */
	ask(b, SKERRY_CMD_JOIN, 3, SKERRY_K_JOIN_ADDRESS,
	    "node-d=10.0.0.77:17280");
	EXPECT_EQ(1, joins(b));
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_EQ(1, joins(b));
}

TEST_F(mesh, what_leads_to_the_node_is_not_stale)
{
	struct sim_node *a = &self->node[0];

	/* Its own address; another that leads to it; not connected at all. */
	connect_to(self, a, 1, "node-d", 4, true);
	EXPECT_EQ(0, result(a, 1));
	EXPECT_EQ(0, field(sim_answer(a, 1), SKERRY_K_ROW, NULL));
	ask(a, SKERRY_CMD_JOIN, 2, SKERRY_K_JOIN_ADDRESS,
	    "node-d=10.0.0.66:17280");
	sim_run(&self->net, SIM_SECOND);
	sim_isolate(&self->net, 3, true);
	sim_run(&self->net, 10 * SIM_SECOND);
	connect_to(self, a, 3, "node-d", 77, true);
	sim_run(&self->net, 15 * SIM_SECOND);
	EXPECT_EQ(0, result(a, 3));
	EXPECT_EQ(0, field(sim_answer(a, 3), SKERRY_K_ROW, NULL));
	EXPECT_EQ(1, joins(a));
	/* Nobody of that name. */
	connect_to(self, a, 4, "nobody", 77, true);
	EXPECT_EQ(-EHOSTUNREACH, result(a, 4));
	connect_to(self, a, 5, "node-a", 1, false);
	EXPECT_EQ(-ELOOP, result(a, 5));
}

/* Somebody else lives there now: it is stale, and he is left alone. */
TEST_F(mesh, an_address_that_is_anothers_is_stale)
{
	struct sim_node *a = &self->node[0];

	connect_to(self, a, 1, "node-d", 3, true);
	sim_run(&self->net, 5 * SIM_SECOND);
	EXPECT_EQ(0, result(a, 1));
	EXPECT_EQ(1, field(sim_answer(a, 1), SKERRY_K_ROW, NULL));
	EXPECT_TRUE(sim_complete(&self->net, NULL));
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_TRUE(sim_complete(&self->net, NULL));
}

TEST_F(mesh, connect_does_not_wait_for_the_back_off)
{
	struct sim_node *a = &self->node[0];
	uint64_t dials;

	sim_crash(&self->node[3], true);
	sim_run(&self->net, 60 * SIM_SECOND);
	dials = a->dials;
	connect_to(self, a, 1, "node-d", 0, false);
	EXPECT_EQ(0, result(a, 1));
	sim_run(&self->net, 100 * SIM_MS);
	EXPECT_LT(dials, a->dials);
	/* It is back, where only the caller knows. */
	sim_move(&self->node[3], 44);
	self->node[3].config.contact_count = 0;
	sim_forget_state(&self->node[3]);
	sim_start(&self->node[3]);
	sim_run(&self->net, SIM_SECOND);
	connect_to(self, a, 2, "node-d", 44, false);
	EXPECT_NE(0,
		  sim_until(&self->net, sim_complete, NULL, 20 * SIM_SECOND));
	EXPECT_EQ(0, joins(a));
}

/* ---- disconnect ------------------------------------------------------------------ */

static bool no_lanes(struct simnet *net, void *data)
{
	uint64_t up, wanted;

	return sim_lanes(&net->nodes[0], "node-b", &up, &wanted) && !up;
}

static bool lanes_up(struct simnet *net, void *data)
{
	uint64_t up, wanted;

	return sim_lanes(&net->nodes[0], "node-b", &up, &wanted) &&
	       up == wanted;
}

static void disconnect(FIXTURE_DATA(mesh) * self, uint32_t correlation,
		       const char *const *names)
{
	args(self);
	for (; *names; names++)
		tlv_put_str(&self->w, SKERRY_K_NODE, *names);
	sim_command(&self->node[0], SKERRY_CMD_DISCONNECT, correlation,
		    &self->w);
}

TEST_F(mesh, disconnect_closes_and_membership_stays)
{
	static const char *const both[] = { "node-b", "nobody", NULL };
	struct sim_node *a = &self->node[0];
	const struct sim_said *said;
	uint64_t began, back;

	sim_run(&self->net, 3 * SIM_SECOND);
	began = self->net.now_ns;
	disconnect(self, 1, both);
	EXPECT_EQ(NULL, sim_answer(a, 1)); /* the last part is awaited */
	sim_run(&self->net, SIM_SECOND);
	said = sim_answer(a, 1);
	ASSERT_NE(NULL, said);
	EXPECT_EQ(0, said->error);
	EXPECT_EQ(1, field(said, SKERRY_K_ROW, NULL));
	EXPECT_TRUE(no_lanes(&self->net, NULL));
	EXPECT_EQ(4, sim_members(a));
	EXPECT_EQ(4, sim_members(&self->node[1]));
	/* Heartbeats go on: no failure is seen. */
	EXPECT_STREQ("suspect", sim_state(a, "node-b"));
	EXPECT_STREQ("suspect", sim_state(&self->node[1], "node-a"));
	/* Neither side opens them for two seconds; then they are back. */
	ASSERT_NE(0, sim_until(&self->net, lanes_up, NULL, 10 * SIM_SECOND));
	back = self->net.now_ns;
	EXPECT_LE(began + 2 * SIM_SECOND, back);
	EXPECT_GE(began + 3 * SIM_SECOND, back);
	EXPECT_STREQ("up", sim_state(a, "node-b"));
	sim_run(&self->net, SIM_SECOND);
	EXPECT_TRUE(sim_complete(&self->net, NULL));
}

TEST_F(mesh, connect_ends_the_pause)
{
	static const char *const b[] = { "node-b", NULL };
	uint64_t began = self->net.now_ns;

	disconnect(self, 1, b);
	ASSERT_NE(0, sim_until(&self->net, no_lanes, NULL, SIM_SECOND));
	sim_run(&self->net, 300 * SIM_MS);
	connect_to(self, &self->node[0], 2, "node-b", 0, false);
	ASSERT_NE(0, sim_until(&self->net, lanes_up, NULL, SIM_SECOND));
	EXPECT_GT(began + 2 * SIM_SECOND, self->net.now_ns);
}

TEST_F(mesh, disconnect_of_one_that_does_not_answer)
{
	static const char *const b[] = { "node-b", NULL };

	sim_isolate(&self->net, 1, true);
	disconnect(self, 1, b);
	sim_run(&self->net, 20 * SIM_SECOND);
	EXPECT_EQ(0, result(&self->node[0], 1));
	EXPECT_TRUE(no_lanes(&self->net, NULL));
	EXPECT_EQ(4, sim_members(&self->node[0]));
}

/* Watches of channels see it: of one node, and of any. */
TEST_F(mesh, disconnect_is_seen_by_channel_watches)
{
	static const char *const b[] = { "node-b", NULL };
	struct sim_node *a = &self->node[0];
	uint64_t counts[3] = { 0 };
	int ups[3] = { 0 }, downs[3] = { 0 };
	uint32_t id;
	size_t i;

	for (id = 1; id <= 2; id++) {
		args(self);
		tlv_put_u64(&self->w, SKERRY_K_WATCH, id);
		tlv_put_str(&self->w, SKERRY_K_CHANNEL, "default");
		if (id == 1)
			tlv_put_str(&self->w, SKERRY_K_NODE, "node-b");
		sim_command(a, SKERRY_CMD_WATCH, id, &self->w);
	}
	for (int ms = 0; ms < 6000; ms += 10) {
		if (ms == 500)
			disconnect(self, 9, b);
		sim_run(&self->net, 10 * SIM_MS);
		for (i = 0; i < a->said_count; i++) {
			const struct sim_said *said = &a->said[i];
			char node[64] = "";

			if (!said->event)
				continue;
			tlv_find_str(said->bytes, said->size_bytes,
				     SKERRY_K_NODE, node, sizeof(node));
			id = said->id;
			counts[id] = tlv_find_u64(said->bytes, said->size_bytes,
						  SKERRY_K_COUNT, 0);
			if (strcmp(node, "node-b"))
				goto next;
			if (tlv_find_bool(said->bytes, said->size_bytes,
					  SKERRY_K_UP))
				ups[id]++;
			else
				downs[id]++;
next:
			args(self);
			tlv_put_u64(&self->w, SKERRY_K_WATCH, id);
			tlv_put_u64(&self->w, SKERRY_K_COUNT, counts[id]);
			sim_command(a, SKERRY_CMD_WATCH_ACK, 0, &self->w);
			break;
		}
		if (i < a->said_count)
			a->said[i].event = false;
	}
	for (id = 1; id <= 2; id++) {
		EXPECT_EQ(2, counts[id]);
		EXPECT_EQ(2, ups[id]); /* at first, and again */
		EXPECT_EQ(1, downs[id]);
	}
}

/* ---- places ---------------------------------------------------------------------- */

/* Three of five places are taken. */
static void small(struct simnet *net)
{
	int i;

	sim_cluster(net, 5, 6);
	for (i = 0; i < 6; i++)
		net->nodes[i].config.members_max = 5;
	strcpy(net->nodes[4].config.tags[0], "db");
	net->nodes[4].config.tag_count = 1;
	for (i = 0; i < 3; i++)
		sim_start(&net->nodes[i]);
	sim_run(net, 5 * SIM_SECOND);
}

TEST(places_are_kept_for_a_tag)
{
	struct core_event gone = { .type = EV_PROGRAM_GONE };
	struct simnet net;
	struct sim_node *a;

	small(&net);
	a = &net.nodes[0];
	ASSERT_EQ(3, sim_members(a));
	EXPECT_EQ(0, ask(a, SKERRY_CMD_RESERVE, 1, SKERRY_K_TAG, "db"));
	EXPECT_EQ(0, ask(&net.nodes[1], SKERRY_CMD_RESERVE, 1, SKERRY_K_TAG,
			 "web"));
	sim_run(&net, SIM_SECOND);
	/* All are kept now, wherever one asks. */
	EXPECT_EQ(-ENOSPC, ask(a, SKERRY_CMD_RESERVE, 2, SKERRY_K_TAG, "db"));
	EXPECT_EQ(-ENOSPC,
		  ask(&net.nodes[2], SKERRY_CMD_RESERVE, 2, SKERRY_K_TAG, "x"));
	/* A node without a tag gets none of them, at whichever door. */
	net.nodes[3].config.contacts[0].address =
		net.nodes[2].config.addresses[0];
	sim_start(&net.nodes[3]);
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_EQ(3, sim_members(a));
	EXPECT_EQ(1, sim_members(&net.nodes[3]));
	/* One with the tag does, */
	sim_start(&net.nodes[4]);
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_EQ(4, sim_members(a));
	EXPECT_EQ(4, sim_members(&net.nodes[4]));
	/* and uses it up: the one for "web" is kept still. */
	sim_run(&net, 10 * SIM_SECOND);
	EXPECT_EQ(1, sim_members(&net.nodes[3]));
	/* The program ends: its place is anybody's. */
	gone.program.program = SIM_PROGRAM;
	EXPECT_EQ(0, sim_event(&net.nodes[1], &gone));
	sim_run(&net, 20 * SIM_SECOND);
	EXPECT_EQ(5, sim_members(a));
	EXPECT_EQ(5, sim_members(&net.nodes[3]));
	sim_free(&net);
}

TEST(places_below_the_limit)
{
	struct simnet net;
	struct sim_node *a;
	char tag[80];
	int i;

	small(&net);
	a = &net.nodes[0];
	EXPECT_EQ(-EINVAL, ask(a, SKERRY_CMD_RESERVE, 1, SKERRY_K_TAG, ""));
	memset(tag, 'x', sizeof(tag));
	tag[70] = 0;
	EXPECT_EQ(-EINVAL, ask(a, SKERRY_CMD_RESERVE, 2, SKERRY_K_TAG, tag));
	sim_command_by(a, 9, false, SKERRY_CMD_RESERVE, 3, NULL);
	EXPECT_EQ(-EACCES, result(a, 3));
	/* A member with the tag already uses a place: a second is kept. */
	sim_start(&net.nodes[4]);
	sim_run(&net, 5 * SIM_SECOND);
	ASSERT_EQ(4, sim_members(a));
	EXPECT_EQ(0, ask(a, SKERRY_CMD_RESERVE, 4, SKERRY_K_TAG, "db"));
	EXPECT_EQ(0, ask(a, SKERRY_CMD_RESERVE, 5, SKERRY_K_TAG, "db"));
	EXPECT_EQ(-ENOSPC, ask(a, SKERRY_CMD_RESERVE, 6, SKERRY_K_TAG, "db"));
	sim_free(&net);

	/* Few tags and few places, however large the cluster. */
	sim_cluster(&net, 6, 1);
	a = &net.nodes[0];
	sim_start(a);
	sim_run(&net, 3 * SIM_SECOND);
	for (i = 0; i < (int)SKERRY_RESERVED_TAGS_MAX; i++) {
		snprintf(tag, sizeof(tag), "tag-%d", i);
		EXPECT_EQ(0, ask(a, SKERRY_CMD_RESERVE, 10 + (uint32_t)i,
				 SKERRY_K_TAG, tag));
	}
	EXPECT_EQ(-ENOSPC,
		  ask(a, SKERRY_CMD_RESERVE, 20, SKERRY_K_TAG, "one-more"));
	/* One of 64 places is its own. */
	for (; i < 63; i++)
		EXPECT_EQ(0, ask(a, SKERRY_CMD_RESERVE, 30 + (uint32_t)i,
				 SKERRY_K_TAG, "tag-0"));
	EXPECT_EQ(-ENOSPC,
		  ask(a, SKERRY_CMD_RESERVE, 21, SKERRY_K_TAG, "tag-0"));
	sim_free(&net);
}

/* ---- the state as bytes ------------------------------------------------------------ */

/* The parts of an answer, put together. */
static size_t state_of(struct sim_node *node, uint8_t *out, size_t room)
{
	size_t used = 0, i;

	sim_clear_said(node);
	sim_command(node, SKERRY_CMD_STATE, 5, NULL);
	for (i = 0; i < node->said_count; i++) {
		struct tlv_reader r;

		if (node->said[i].event || node->said[i].id != 5)
			continue;
		tlv_reader_init(&r, node->said[i].bytes,
				node->said[i].size_bytes);
		while (tlv_next(&r)) {
			if (r.key != SKERRY_K_BLOB || used + r.length > room)
				continue;
			memcpy(out + used, r.value, r.length);
			used += r.length;
		}
	}
	return used;
}

TEST_F(mesh, the_state_is_bytes)
{
	static uint8_t bytes[1 << 20];
	struct sim_node *a = &self->node[0];
	struct tlv_reader r;
	struct spec spec;
	size_t size, cut;
	int count = 0, rv;

	ask(a, SKERRY_CMD_REMOVE, 1, SKERRY_K_NODE, "node-d");
	sim_run(&self->net, SIM_SECOND);
	size = state_of(a, bytes, sizeof(bytes));
	ASSERT_EQ(0, state_parse(&r, bytes, size));
	while ((rv = state_next(&r, &spec)) == 1) {
		char name[16];

		snprintf(name, sizeof(name), "node-%c", 'a' + count++);
		EXPECT_STREQ(name, spec.name);
		EXPECT_EQ(SKERRY_PORT_BASE, spec.port_block);
		EXPECT_EQ(3, spec.channel_count);
	}
	EXPECT_EQ(0, rv);
	EXPECT_EQ(3, count);
	/* Known from before a restart, with nobody there. */
	sim_crash(&self->node[1], true);
	sim_crash(&self->node[2], true);
	sim_crash(a, true);
	sim_start(a);
	sim_run(&self->net, 5 * SIM_SECOND);
	size = state_of(a, bytes, sizeof(bytes));
	ASSERT_EQ(0, state_parse(&r, bytes, size));
	for (count = 0; (rv = state_next(&r, &spec)) == 1; count++) {
		EXPECT_NE(0, spec.incarnation);
		EXPECT_EQ(!strcmp(spec.name, "node-a"), spec.boot_nonce != 0);
		EXPECT_EQ(1, spec.address_count);
	}
	EXPECT_EQ(0, rv);
	EXPECT_EQ(3, count);
	/* Cut anywhere, it is an error or an end, never more. */
	for (cut = 0; cut < size; cut++) {
		int found = 0;

		if (state_parse(&r, bytes, cut))
			continue;
		while ((rv = state_next(&r, &spec)) == 1)
			found++;
		ASSERT_GE(3, found);
		ASSERT_TRUE(!rv || rv == -EPROTO);
	}
	EXPECT_EQ(-EPROTO, state_parse(&r, "nonsense", 8));
	EXPECT_EQ(-EPROTO, state_parse(&r, bytes, 0));
}

TEST_HARNESS_MAIN
