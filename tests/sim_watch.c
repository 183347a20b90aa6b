// SPDX-License-Identifier: GPL-2.0-only
/* Watches are level-triggered; followers count what they miss. */
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
	sim_boot(&self->net, 21, 3);
	self->node = self->net.nodes;
	ASSERT_NE(0, sim_until(&self->net, sim_complete, NULL, 5 * SIM_SECOND));
	sim_run(&self->net, SIM_SECOND);
}

FIXTURE_TEARDOWN(mesh)
{
	sim_free(&self->net);
}

static void watch(struct sim_node *node, uint32_t id, const char *of,
		  const char *channel, int up)
{
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_WATCH, id);
	if (of)
		tlv_put_str(&w, SKERRY_K_NODE, of);
	if (channel)
		tlv_put_str(&w, SKERRY_K_CHANNEL, channel);
	if (up >= 0)
		tlv_put_bool(&w, SKERRY_K_UP, up);
	sim_command(node, SKERRY_CMD_WATCH, 1000 + id, &w);
}

static void ack(struct sim_node *node, uint32_t id, uint64_t count)
{
	uint8_t bytes[64];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_WATCH, id);
	tlv_put_u64(&w, SKERRY_K_COUNT, count);
	sim_command(node, SKERRY_CMD_WATCH_ACK, 0, &w);
}

/* The n-th event of a watch (from 0); NULL when there are not so many. */
static const struct sim_said *event_at(struct sim_node *node, uint32_t id,
				       size_t n)
{
	size_t i;

	for (i = 0; i < node->said_count; i++) {
		if (node->said[i].event && node->said[i].id == id && !n--)
			return &node->said[i];
	}
	return NULL;
}

static bool up_of(const struct sim_said *said)
{
	return tlv_find_bool(said->bytes, said->size_bytes, SKERRY_K_UP);
}

static uint64_t count_of(const struct sim_said *said)
{
	return tlv_find_u64(said->bytes, said->size_bytes, SKERRY_K_COUNT, 999);
}

static void flap(struct simnet *net, int node)
{
	sim_isolate(net, node, true);
	sim_run(net, 6 * SIM_SECOND);
	sim_isolate(net, node, false);
	sim_run(net, 12 * SIM_SECOND);
}

TEST_F(mesh, the_state_at_subscription_comes_first)
{
	const struct sim_said *said;
	char reason[256] = "";

	watch(&self->node[0], 1, "node-b", NULL, -1);
	said = event_at(&self->node[0], 1, 0);
	ASSERT_NE(NULL, said);
	EXPECT_TRUE(up_of(said));
	EXPECT_EQ(0, count_of(said));
	EXPECT_EQ(0, tlv_find_str(said->bytes, said->size_bytes,
				  SKERRY_K_REASON, reason, sizeof(reason)));
	EXPECT_NE(0, reason[0]);
	/* on_down at a node that is up says nothing yet; at one that nobody
	 * knows it does. */
	watch(&self->node[0], 2, "node-b", NULL, 0);
	EXPECT_EQ(NULL, event_at(&self->node[0], 2, 0));
	watch(&self->node[0], 3, "nobody", NULL, 0);
	ASSERT_NE(NULL, event_at(&self->node[0], 3, 0));
	EXPECT_FALSE(up_of(event_at(&self->node[0], 3, 0)));
}

TEST_F(mesh, any_node_is_each_node)
{
	int i;

	watch(&self->node[0], 1, NULL, NULL, -1);
	EXPECT_NE(NULL, event_at(&self->node[0], 1, 0));
	/* One at a time. */
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 1));
	ack(&self->node[0], 1, 0);
	EXPECT_NE(NULL, event_at(&self->node[0], 1, 1));
	ack(&self->node[0], 1, 0);
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 2));
	/* Both go down while nobody acknowledges: no node is lost. */
	sim_crash(&self->node[1], true);
	sim_crash(&self->node[2], true);
	sim_run(&self->net, 6 * SIM_SECOND);
	EXPECT_NE(NULL, event_at(&self->node[0], 1, 2));
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 3));
	ack(&self->node[0], 1, count_of(event_at(&self->node[0], 1, 2)));
	ASSERT_NE(NULL, event_at(&self->node[0], 1, 3));
	for (i = 2; i < 4; i++)
		EXPECT_FALSE(up_of(event_at(&self->node[0], 1, i)));
}

TEST_F(mesh, a_slow_reader_gets_the_latest_and_a_count)
{
	const struct sim_said *said;

	watch(&self->node[0], 1, "node-b", NULL, -1);
	flap(&self->net, 1);
	flap(&self->net, 1);
	flap(&self->net, 1);
	/* Six changes, no further event yet. */
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 1));
	ack(&self->node[0], 1, 0);
	said = event_at(&self->node[0], 1, 1);
	ASSERT_NE(NULL, said);
	EXPECT_TRUE(up_of(said));
	EXPECT_EQ(6, count_of(said));
	/* An old acknowledgement does not count for it. */
	sim_isolate(&self->net, 1, true);
	sim_run(&self->net, 6 * SIM_SECOND);
	ack(&self->node[0], 1, 0);
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 2));
	ack(&self->node[0], 1, 6);
	said = event_at(&self->node[0], 1, 2);
	ASSERT_NE(NULL, said);
	EXPECT_FALSE(up_of(said));
}

TEST_F(mesh, a_channel_is_up_with_its_first_lane)
{
	const struct sim_said *said;

	watch(&self->node[0], 1, "node-b", "default", -1);
	watch(&self->node[0], 2, "node-b", "fast", -1);
	watch(&self->node[0], 3, "node-b", "nothing", -1);
	EXPECT_EQ(-ENOENT, sim_answer(&self->node[0], 1003)->error);
	EXPECT_TRUE(up_of(event_at(&self->node[0], 1, 0)));
	EXPECT_TRUE(up_of(event_at(&self->node[0], 2, 0)));
	ack(&self->node[0], 1, 0);
	ack(&self->node[0], 2, 0);
	/* A lane is lost with the process, the node only later. */
	sim_crash(&self->node[1], false);
	sim_run(&self->net, 100 * SIM_MS);
	said = event_at(&self->node[0], 1, 1);
	ASSERT_NE(NULL, said);
	EXPECT_FALSE(up_of(said));
	EXPECT_EQ(NULL, event_at(&self->node[0], 2, 1));
	sim_run(&self->net, 5 * SIM_SECOND);
	said = event_at(&self->node[0], 2, 1);
	ASSERT_NE(NULL, said);
	EXPECT_FALSE(up_of(said));
}

TEST_F(mesh, who_leaves_is_not_up)
{
	const struct sim_said *said;
	char state[16] = "";

	watch(&self->node[0], 1, NULL, NULL, 0);
	sim_command(&self->node[2], SKERRY_CMD_LEAVE, 1, NULL);
	sim_run(&self->net, 10 * SIM_SECOND);
	said = event_at(&self->node[0], 1, 0);
	ASSERT_NE(NULL, said);
	tlv_find_str(said->bytes, said->size_bytes, SKERRY_K_STATE, state,
		     sizeof(state));
	EXPECT_STREQ("leaving", state);
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 1));
}

TEST_F(mesh, news_of_one_who_left_are_kept)
{
	const struct sim_said *said;
	char node[64] = "";

	watch(&self->node[0], 1, NULL, NULL, -1);
	ack(&self->node[0], 1, 0);
	/* The second "up" is not acknowledged when it leaves. */
	sim_command(&self->node[2], SKERRY_CMD_LEAVE, 1, NULL);
	sim_run(&self->net, 30 * SIM_SECOND);
	EXPECT_EQ(NULL, event_at(&self->node[0], 1, 2));
	ack(&self->node[0], 1, 0);
	said = event_at(&self->node[0], 1, 2);
	ASSERT_NE(NULL, said);
	EXPECT_FALSE(up_of(said));
	tlv_find_str(said->bytes, said->size_bytes, SKERRY_K_NODE, node,
		     sizeof(node));
	EXPECT_STREQ("node-c", node);
}

TEST_F(mesh, unwatch_and_gone_programs)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	struct core_event event = { .type = EV_PROGRAM_GONE };

	watch(&self->node[0], 1, "node-b", NULL, -1);
	watch(&self->node[0], 1, "node-c", NULL, -1);
	EXPECT_EQ(-EEXIST, self->node[0].said[2].error);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_WATCH, 1);
	sim_command(&self->node[0], SKERRY_CMD_UNWATCH, 50, &w);
	EXPECT_EQ(0, sim_answer(&self->node[0], 50)->error);
	sim_command(&self->node[0], SKERRY_CMD_UNWATCH, 51, &w);
	EXPECT_EQ(-ENOENT, sim_answer(&self->node[0], 51)->error);
	watch(&self->node[0], 2, "node-c", NULL, -1);
	ack(&self->node[0], 2, 0);
	event.program.program = SIM_PROGRAM;
	EXPECT_EQ(0, sim_event(&self->node[0], &event));
	sim_clear_said(&self->node[0]);
	sim_crash(&self->node[1], true);
	sim_crash(&self->node[2], true);
	sim_run(&self->net, 10 * SIM_SECOND);
	EXPECT_EQ(0, self->node[0].said_count);
}

TEST_F(mesh, watches_have_a_limit)
{
	uint32_t id;

	for (id = 1; id <= 64; id++) {
		watch(&self->node[0], id, "node-b", NULL, -1);
		EXPECT_EQ(0, sim_answer(&self->node[0], 1000 + id)->error);
	}
	watch(&self->node[0], 65, "node-b", NULL, -1);
	EXPECT_EQ(-ENOSPC, sim_answer(&self->node[0], 1065)->error);
}

TEST_F(mesh, followers_count_what_they_miss)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	uint64_t lost = 0, last = 0;
	size_t n;
	int i;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_WATCH, 9);
	sim_command(&self->node[0], SKERRY_CMD_FOLLOW, 1, &w);
	sim_clear_said(&self->node[0]);
	for (i = 0; i < 120; i++)
		flap(&self->net, 1);
	/* The window is full, more is kept, the oldest is overwritten. */
	for (n = 0; event_at(&self->node[0], 9, n); n++)
		last = count_of(event_at(&self->node[0], 9, n));
	EXPECT_EQ(32, n);
	ack(&self->node[0], 9, last);
	for (; event_at(&self->node[0], 9, n); n++) {
		const struct sim_said *said = event_at(&self->node[0], 9, n);

		lost += tlv_find_u64(said->bytes, said->size_bytes,
				     SKERRY_K_DROPPED_MESSAGES, 0);
		EXPECT_EQ(last + 1 + (n == 32 ? lost : 0), count_of(said));
		last = count_of(said);
	}
	EXPECT_EQ(64, n);
	EXPECT_LT(0, lost);
}

TEST_HARNESS_MAIN
