// SPDX-License-Identifier: GPL-2.0-only
/* A program with as many flows to it as there are numbers: what comes on top
 * is refused, and is as if it had never come. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "kselftest_harness.h"

#define LANE 1000
#define ALL SKERRY_FLOWS_PER_PROGRAM_MAX

static const struct flow_limits limits = {
	.flows_max = 3 * ALL,
	.programs_max = FS_PROGRAMS,
	.endpoints_max = SKERRY_ENDPOINTS_MAX,
	.lanes_max = FS_LANES,
	.lane_queue_bytes = FS_QUEUE_BYTES,
	.credit_bytes = SKERRY_FLOW_CREDIT_BYTES,
	.ring_bytes = FS_RING_BYTES,
};

FIXTURE(full)
{
	struct fs_world *world;
	struct fs_program *p, *other;
	struct flowtab *tab;
};

/* Node 0 again, with room for more flows than a program may have. */
FIXTURE_SETUP(full)
{
	struct fs_node *node;
	uint32_t i;

	self->world = fs_new(5);
	node = &self->world->nodes[0];
	for (i = 0; i < FS_PROGRAMS; i++)
		fs_program_kill(&node->programs[i]);
	free(node->memory);
	node->memory_bytes = flowtab_size(&limits);
	node->memory = aligned_alloc(64, (node->memory_bytes + 63) & ~63UL);
	ASSERT_NE(NULL, node->memory);
	memset(node->memory, 0, node->memory_bytes);
	node->tab = flowtab_init(node->memory, &limits, &fs_ops, node);
	flow_tick(node->tab, self->world->now_ns);
	self->tab = node->tab;
	self->p = &node->programs[0];
	fs_program_start(self->p);
	self->p->quiet = true;
	self->p->deaf = true;
	self->other = &node->programs[1];
	fs_program_start(self->other);
	self->other->deaf = true;
	self->world->now_ns += 11000 * FS_MS;
	flow_tick(self->tab, self->world->now_ns);
	fs_lane_hostile(self->world, LANE, true);
	ASSERT_EQ(0, flow_route(self->tab, 1, 1, 0, 0, 1, LANE,
				self->world->now_ns));
}

FIXTURE_TEARDOWN(full)
{
	EXPECT_STREQ("", self->world->wrong);
	fs_free(self->world);
}

static int receive(FIXTURE_DATA(full) * self, const struct skerry_frame *frame,
		   const struct tlv_writer *payload)
{
	const char *why = "";

	return flow_frame(self->tab, LANE, 1, 0, frame,
			  (struct core_bytes) { NULL, 0 },
			  (struct core_bytes) { payload ? payload->data : NULL,
						payload ? payload->used_bytes
							: 0 },
			  self->world->now_ns, &why);
}

static int open_to(FIXTURE_DATA(full) * self, const char *endpoint,
		   uint32_t number, uint64_t flow_id, uint64_t sequence)
{
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_FLOW_OPEN,
		.flow = 1U << 16 | number,
		.sequence = sequence,
	};
	uint8_t instance[16] = { 0xab };
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_PROGRAM, instance, 16);
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, flow_id);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, endpoint);
	tlv_put_u64(&w, SKERRY_K_FROM_SEQUENCE, sequence);
	return receive(self, &frame, &w);
}

static int open_flow(FIXTURE_DATA(full) * self, uint32_t number,
		     uint64_t flow_id, uint64_t sequence)
{
	return open_to(self, "0.0", number, flow_id, sequence);
}

/* The type of the last answer about that flow; 0: there was none. Its error
 * and number too. */
static uint8_t answer(FIXTURE_DATA(full) * self, uint32_t number,
		      int64_t *ret_error, uint64_t *ret_sequence)
{
	struct fs_item *item;
	uint8_t type = 0;

	*ret_error = 0;
	while ((item = fs_get(&self->world->hostile_queue))) {
		if (item->frame.flow == (1U << 16 | number) &&
		    item->frame.type != SKERRY_FRAME_CREDIT) {
			type = item->frame.type;
			*ret_sequence = item->frame.sequence;
			*ret_error = (int64_t)tlv_find_u64(item->bytes,
							   item->payload_bytes,
							   SKERRY_K_ERROR, 0);
		}
		free(item);
	}
	return type;
}

static uint32_t inflows(FIXTURE_DATA(full) * self)
{
	struct flow_counters counters;

	flow_counters(self->tab, &counters);
	return counters.flows_in;
}

static void refused(struct __test_metadata *_metadata,
		    FIXTURE_DATA(full) * self, uint32_t number,
		    uint64_t flow_id, uint32_t others)
{
	uint64_t sequence = 0;
	int64_t error;

	ASSERT_EQ(0, open_flow(self, number, flow_id, 1));
	ASSERT_EQ(SKERRY_FRAME_FLOW_REFUSE,
		  answer(self, number, &error, &sequence));
	ASSERT_EQ(-ENOSPC, error);
	ASSERT_EQ(ALL + others, inflows(self));
}

TEST_F(full, refused_ones_leave_no_trace)
{
	uint64_t sequence = 0;
	uint32_t i;
	int64_t error;

	for (i = 0; i < ALL; i++)
		ASSERT_EQ(0, open_flow(self, i, i, 1));
	ASSERT_EQ(SKERRY_FRAME_RESUME,
		  answer(self, ALL - 1, &error, &sequence));
	ASSERT_EQ(ALL, inflows(self));
	/* Each takes the memory of the one before it. */
	for (i = 0; i < 16; i++)
		refused(_metadata, self, ALL + i % 3, 5000 + i % 8, 0);
	/* Now they are flows to somebody who has place for them, and nobody
	 * remembers that they were something else. */
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, open_to(self, "1.0", ALL + 8 + i, 5000 + i, 9));
		ASSERT_EQ(SKERRY_FRAME_RESUME,
			  answer(self, ALL + 8 + i, &error, &sequence));
		EXPECT_EQ(9, sequence);
	}
	/* Every place of the table is looked at, and each look ends. */
	for (i = 0; i < 20000; i++)
		refused(_metadata, self, ALL, 10000 + i, 8);
}

TEST_F(full, and_all_of_them_go)
{
	uint32_t i;

	for (i = 0; i < ALL + 8; i++)
		ASSERT_EQ(0, open_flow(self, i, i, 1));
	fs_program_kill(self->p);
	flow_lane_gone(self->tab, LANE, self->world->now_ns);
	flow_peer_gone(self->tab, 1, -EHOSTUNREACH, self->world->now_ns);
	self->world->now_ns += 70000 * FS_MS;
	flow_tick(self->tab, self->world->now_ns);
	EXPECT_EQ(0, inflows(self));
	/* And the table is as good as new. */
	fs_program_start(self->p);
	self->p->deaf = true;
	fs_lane_hostile(self->world, LANE, true);
	ASSERT_EQ(0, flow_route(self->tab, 1, 1, 0, 0, 1, LANE,
				self->world->now_ns));
	for (i = 0; i < ALL; i++)
		ASSERT_EQ(0, open_flow(self, i, 5000 + i, 1));
	EXPECT_EQ(ALL, inflows(self));
}

/* ---- shares ----------------------------------------------------------------- */

/* Register until it is enough; how many there are then. */
static uint32_t take_endpoints(FIXTURE_DATA(full) * self, uint32_t program)
{
	char name[32];
	uint32_t count = 0;

	do
		snprintf(name, sizeof(name), "many/%u/%u", program, count++);
	while (!flow_endpoint(self->tab, program, name, self->world->now_ns));
	return count - 1;
}

TEST_F(full, nobody_has_all_endpoints)
{
	struct fs_program *third = &self->world->nodes[0].programs[2];

	flow_program_owner(self->tab, 0, 7);
	flow_program_owner(self->tab, 1, 7);
	/* Two each they have from the start. */
	EXPECT_EQ(SKERRY_ENDPOINTS_PER_PROGRAM_MAX - 2,
		  take_endpoints(self, 0));
	EXPECT_EQ(SKERRY_ENDPOINTS_PER_USER_MAX -
			  SKERRY_ENDPOINTS_PER_PROGRAM_MAX - 2,
		  take_endpoints(self, 1));
	fs_program_start(third);
	flow_program_owner(self->tab, 2, 7);
	EXPECT_EQ(0, take_endpoints(self, 2));
	flow_program_owner(self->tab, 2, 8);
	EXPECT_EQ(SKERRY_ENDPOINTS_PER_PROGRAM_MAX - 2,
		  take_endpoints(self, 2));
	/* What is given back can be had again. */
	EXPECT_EQ(0, flow_endpoint_gone(self->tab, 0, "many/0/5",
					self->world->now_ns));
	EXPECT_EQ(0, flow_endpoint(self->tab, 0, "again", self->world->now_ns));
	EXPECT_EQ(-ENOSPC, flow_endpoint(self->tab, 0, "and again",
					 self->world->now_ns));
}

/* Flows that a program says it remembers; how many are believed. */
static uint32_t take_frontiers(FIXTURE_DATA(full) * self, uint32_t program,
			       uint8_t sender)
{
	uint8_t instance[16] = { sender };
	uint32_t count = 0;

	while (!flow_frontier(self->tab, program, instance, count, 1,
			      self->world->now_ns))
		count++;
	return count;
}

TEST_F(full, nobody_remembers_all_flows)
{
	flow_program_owner(self->tab, 0, 7);
	flow_program_owner(self->tab, 1, 8);
	/* Half of the table is a user's. */
	EXPECT_EQ(limits.flows_max / 2, take_frontiers(self, 0, 1));
	EXPECT_EQ(limits.flows_max / 2, take_frontiers(self, 1, 2));
	fs_program_kill(self->other);
	/* Root's programs have no share, but each its own. */
	flow_program_owner(self->tab, 0, 0);
	EXPECT_EQ(SKERRY_INFLOWS_PER_PROGRAM_MAX - limits.flows_max / 2,
		  take_frontiers(self, 0, 3));
}

TEST_F(full, nobody_opens_all_flows)
{
	struct flow_open open = { .program = 0,
				  .correlation = FS_FLOWS,
				  .peer = 2,
				  .endpoint = "x",
				  .next_sequence = 1 };
	uint32_t slot, program, count = 0;

	fs_program_start(&self->world->nodes[0].programs[2]);
	for (program = 0; program < 3; program++) {
		flow_program_owner(self->tab, program, 7);
		open.program = program;
		for (open.flow_id = 1; open.flow_id <= ALL; open.flow_id++)
			count += !flow_open(self->tab, &open,
					    self->world->now_ns, &slot);
	}
	EXPECT_EQ(limits.flows_max / 2, count);
	flow_program_owner(self->tab, 2, 8);
	EXPECT_EQ(0, flow_open(self->tab, &open, self->world->now_ns, &slot));
}

TEST_HARNESS_MAIN
