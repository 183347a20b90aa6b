// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flows that carry nothing and show how long their receiver lives; messages
 * to this node in another's name; the endpoint every program has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "kselftest_harness.h"

#define ANSWER FS_FLOWS /* a correlation that is not the model's */
#define LANE 1000

FIXTURE(monitor)
{
	struct fs_world *world;
	struct fs_program *a, *b, *b2; /* on nodes 0, 1, 1 */
	uint32_t slot;
};

FIXTURE_SETUP(monitor)
{
	self->world = fs_new(3);
	self->a = &self->world->nodes[0].programs[0];
	self->b = &self->world->nodes[1].programs[0];
	self->b2 = &self->world->nodes[1].programs[1];
	fs_settle(self->world);
	fs_lanes_mend(self->world);
}

FIXTURE_TEARDOWN(monitor)
{
	EXPECT_STREQ("", self->world->wrong);
	fs_free(self->world);
}

static struct flow_open opening(uint32_t peer, const char *endpoint)
{
	return (struct flow_open) {
		.correlation = ANSWER,
		.flow_id = 4711,
		.peer = peer,
		.endpoint = endpoint,
		.next_sequence = 1,
		.monitor = true,
	};
}

static int begin(FIXTURE_DATA(monitor) * self, struct flow_open *open)
{
	int r = flow_open(self->a->node->tab, open, self->world->now_ns,
			  &self->slot);

	if (r)
		return r;
	fs_steps(self->world, 50);
	return self->world->answer.count == 1 ? self->world->answer.error : 1;
}

static const struct skerry_flow_slot *shown(FIXTURE_DATA(monitor) * self)
{
	return &self->a->slots[self->slot];
}

TEST_F(monitor, asks_for_nothing)
{
	struct flow_open open = opening(1, "0.0");

	ASSERT_EQ(0, begin(self, &open));
	EXPECT_EQ(SKERRY_SLOT_OPEN, shown(self)->state);
	EXPECT_EQ(0, shown(self)->granted);
	/* Another of the same kind that carries something is shown credit. */
	open.monitor = false;
	open.flow_id++;
	self->world->answer.count = 0;
	ASSERT_EQ(0, begin(self, &open));
	EXPECT_LT(0, shown(self)->granted);
}

TEST_F(monitor, ends_with_the_endpoint)
{
	struct flow_open open = opening(1, "0.0");

	ASSERT_EQ(0, begin(self, &open));
	ASSERT_EQ(0, flow_endpoint_gone(self->b->node->tab, 0, "0.0",
					self->world->now_ns));
	fs_steps(self->world, 50);
	EXPECT_EQ(SKERRY_SLOT_CLOSED, shown(self)->state);
	EXPECT_EQ(-ENOENT, shown(self)->error);
	EXPECT_EQ(1, shown(self)->expected);
	EXPECT_EQ(0, shown(self)->flags);
}

TEST_F(monitor, ends_with_the_program)
{
	struct flow_open open = opening(1, "0.0");

	ASSERT_EQ(0, begin(self, &open));
	fs_program_kill(self->b);
	fs_steps(self->world, 50);
	EXPECT_EQ(SKERRY_SLOT_CLOSED, shown(self)->state);
	EXPECT_EQ(-ECONNRESET, shown(self)->error);
}

static void lose_lane(FIXTURE_DATA(monitor) * self)
{
	fs_lane_cut(fs_lane_find(self->world, 0, 1, 0, 0));
	fs_steps(self->world, 100);
}

TEST_F(monitor, outlives_a_lane)
{
	struct flow_open open = opening(1, "0.0");

	ASSERT_EQ(0, begin(self, &open));
	for (int i = 0; i < 3; i++) {
		lose_lane(self);
		EXPECT_EQ(SKERRY_SLOT_DOWN, shown(self)->state);
		fs_lanes_mend(self->world);
		fs_steps(self->world, 100);
		EXPECT_EQ(SKERRY_SLOT_OPEN, shown(self)->state);
	}
	EXPECT_EQ(1, self->world->answer.count);
}

/* While nobody could see it another program has taken the endpoint. */
TEST_F(monitor, knows_its_receiver_from_another)
{
	struct flow_open open = opening(1, "0.0");
	uint32_t plain;

	ASSERT_EQ(0, begin(self, &open));
	plain = self->slot;
	open.monitor = false;
	open.flow_id++;
	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &plain));
	fs_steps(self->world, 50);
	ASSERT_EQ(SKERRY_SLOT_OPEN, self->a->slots[plain].state);
	lose_lane(self);
	fs_program_kill(self->b);
	fs_program_start(self->b);
	fs_lanes_mend(self->world);
	fs_steps(self->world, 100);
	EXPECT_EQ(SKERRY_SLOT_CLOSED, shown(self)->state);
	EXPECT_EQ(-ECONNRESET, shown(self)->error);
	/* To who only sends, and has sent nothing, it is all the same. */
	EXPECT_EQ(SKERRY_SLOT_OPEN, self->a->slots[plain].state);
}

/* The sender's agent is a new one: its library says that it was open. */
TEST_F(monitor, opened_again_by_a_new_agent)
{
	struct flow_open open = opening(1, "0.0");
	uint8_t instance[16];

	memcpy(instance, self->a->instance, sizeof(instance));
	ASSERT_EQ(0, begin(self, &open));
	lose_lane(self);
	fs_lanes_mend(self->world);
	flow_program_gone(self->a->node->tab, 0, self->world->now_ns);
	ASSERT_EQ(0, flow_program(self->a->node->tab, 0, instance));
	memset(self->a->slots, 0, sizeof(self->a->slots));
	fs_steps(self->world, 100);
	self->world->answer.count = 0;
	open.monitored = true;
	/* That agent has said that it is over: it is not remembered. */
	EXPECT_EQ(-ECONNRESET, begin(self, &open));
	open.monitored = false;
	self->world->answer.count = 0;
	EXPECT_EQ(0, begin(self, &open));
}

TEST_F(monitor, remembered_by_a_frontier)
{
	struct flow_open open = opening(1, "1.1");
	struct flowtab *tab = self->b->node->tab;

	open.monitored = true;
	ASSERT_EQ(0, flow_endpoint_gone(tab, 1, "1.1", self->world->now_ns));
	ASSERT_EQ(0, flow_frontier(tab, 1, self->a->instance, open.flow_id, 1,
				   self->world->now_ns));
	ASSERT_EQ(0, flow_endpoint(tab, 1, "1.1", self->world->now_ns));
	EXPECT_EQ(0, begin(self, &open));
	EXPECT_EQ(SKERRY_SLOT_OPEN, shown(self)->state);
}

/* ---- in another node's name ------------------------------------------------------ */

static const struct fs_item *last_inflow(const struct fs_program *p)
{
	const struct fs_item *item = p->to_program[0].head, *found = NULL;

	for (; item; item = item->next)
		if (item->frame.type == SKERRY_REC_INFLOW)
			found = item;
	return found;
}

static bool inflow_says(const struct fs_program *p, const char *node)
{
	const struct fs_item *item = last_inflow(p);
	char said[64] = "";

	if (item)
		tlv_find_str(item->bytes,
			     item->extension_bytes + item->payload_bytes,
			     SKERRY_K_NODE, said, sizeof(said));
	if (strcmp(said, node))
		printf("# inflow from '%s'\n", said);
	return !strcmp(said, node);
}

TEST_F(monitor, source_is_what_the_receiver_sees)
{
	struct flow_open open = opening(FLOW_PEER_SELF, "1.0");
	struct fs_program *to = &self->world->nodes[0].programs[1];
	char name[SKERRY_NAME_MAX_BYTES + 2];

	to->lazy = true;
	open.monitor = false;
	open.source = "far@away";
	ASSERT_EQ(0, begin(self, &open));
	EXPECT_TRUE(inflow_says(to, "far@away"));
	/* To this node alone, and a name it must be. */
	open.peer = 1;
	open.flow_id++;
	EXPECT_EQ(-EINVAL, flow_open(self->a->node->tab, &open,
				     self->world->now_ns, &self->slot));
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	open.peer = FLOW_PEER_SELF;
	open.source = name;
	EXPECT_EQ(-EINVAL, flow_open(self->a->node->tab, &open,
				     self->world->now_ns, &self->slot));
	name[sizeof(name) - 2] = 0;
	EXPECT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	EXPECT_TRUE(inflow_says(to, name));
}

/* A peer speaks for itself. */
TEST_F(monitor, source_from_a_peer_means_nothing)
{
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_FLOW_OPEN,
		.flow = 7,
		.sequence = 1,
	};
	uint8_t instance[16] = { 0xab }, bytes[256];
	struct tlv_writer w;
	const char *why = "";

	self->a->lazy = true;
	fs_lane_hostile(self->world, LANE, true);
	ASSERT_EQ(0, flow_route(self->a->node->tab, 1, 1, 0, 0, 1, LANE,
				self->world->now_ns));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_PROGRAM, instance, 16);
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, 1);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, "0.0");
	tlv_put_str(&w, SKERRY_K_SOURCE, "somebody");
	tlv_put_u64(&w, SKERRY_K_FROM_SEQUENCE, 1);
	ASSERT_EQ(0, flow_frame(self->a->node->tab, LANE, 1, 0, &frame,
				(struct core_bytes) { NULL, 0 },
				(struct core_bytes) { bytes, w.used_bytes },
				self->world->now_ns, &why));
	ASSERT_NE(NULL, last_inflow(self->a));
	EXPECT_FALSE(inflow_says(self->a, "somebody"));
}

/* ---- programs' own ------------------------------------------------------------------ */

TEST_F(monitor, own_endpoints_have_their_place)
{
	struct flowtab *tab = self->b->node->tab;
	struct flow_counters before, after;
	char name[16];
	int r = 0;

	flow_counters(tab, &before);
	for (uint32_t i = 0; i < 100 && !r; i++) {
		snprintf(name, sizeof(name), "e%u", i);
		r = flow_endpoint(tab, 0, name, self->world->now_ns);
	}
	ASSERT_EQ(-ENOSPC, r);
	flow_counters(tab, &before);
	ASSERT_EQ(0, flow_endpoint(tab, 0, "#0", self->world->now_ns));
	ASSERT_EQ(0, flow_endpoint(tab, 1, "#1", self->world->now_ns));
	ASSERT_EQ(-EADDRINUSE,
		  flow_endpoint(tab, 0, "#1", self->world->now_ns));
	flow_counters(tab, &after);
	EXPECT_EQ(before.endpoints, after.endpoints);
	/* Nor have they made room for others. */
	ASSERT_EQ(-ENOSPC, flow_endpoint(tab, 1, "x", self->world->now_ns));
	ASSERT_EQ(0, flow_endpoint_gone(tab, 1, "#1", self->world->now_ns));
	ASSERT_EQ(-ENOSPC, flow_endpoint(tab, 1, "x", self->world->now_ns));
	ASSERT_EQ(0, flow_endpoint_gone(tab, 0, "e0", self->world->now_ns));
	ASSERT_EQ(0, flow_endpoint(tab, 0, "x", self->world->now_ns));
}

TEST_HARNESS_MAIN
