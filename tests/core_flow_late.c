// SPDX-License-Identifier: GPL-2.0-only
/* What comes late on a lane that another one has replaced takes nothing away
 * from the other one. */
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "kselftest_harness.h"

#define FLOW 7U

struct stamp {
	uint64_t ledger, number, offset;
};

static int open_on(struct fs_world *world, const struct fs_lane *lane,
		   uint32_t generation)
{
	static const uint8_t instance[16] = { 0xee };
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_FLOW_OPEN,
		.flow = generation << 16 | FLOW,
		.sequence = 1,
	};
	const char *why = "";
	uint8_t tlvs[128];
	struct tlv_writer w;

	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	tlv_put(&w, SKERRY_K_PROGRAM, instance, sizeof(instance));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, 1);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, "0.0");
	tlv_put_u64(&w, SKERRY_K_WANT_BYTES, SKERRY_FLOW_CREDIT_BYTES);
	tlv_put_u64(&w, SKERRY_K_FROM_SEQUENCE, 1);
	return flow_frame(world->nodes[1].tab, lane->id, 0, 0, &frame,
			  (struct core_bytes) { 0 },
			  (struct core_bytes) { tlvs, w.used_bytes },
			  world->now_ns, &why);
}

static int data_on(struct fs_world *world, const struct fs_lane *lane,
		   uint32_t generation, uint64_t number)
{
	struct stamp stamp = { FS_HOSTILE, number, 0 };
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_DATA,
		.flow = generation << 16 | FLOW,
		.sequence = number,
	};
	const char *why = "";

	return flow_frame(world->nodes[1].tab, lane->id, 0, 0, &frame,
			  (struct core_bytes) { 0 },
			  (struct core_bytes) { &stamp, sizeof(stamp) },
			  world->now_ns, &why);
}

/* It lay in a socket while a partition lasted: the lane was replaced, the
 * flow opened on the new one, and then the old one's bytes were read. */
TEST(an_open_that_comes_late_does_not_move_the_flow)
{
	struct fs_world *world = fs_new(1);
	struct fs_lane *old = fs_lane_up(world, 0, 1, 0, 0), *lane;
	struct flow_counters counters;

	lane = fs_lane_up(world, 0, 1, 0, 0);
	ASSERT_NE(NULL, lane);
	EXPECT_EQ(0, open_on(world, lane, 2));
	EXPECT_EQ(0, data_on(world, lane, 2, 1));
	EXPECT_EQ(1, world->hostile_delivered);
	EXPECT_EQ(0, open_on(world, old, 1));
	EXPECT_EQ(0, data_on(world, lane, 2, 2));
	EXPECT_EQ(2, world->hostile_delivered);
	flow_counters(world->nodes[1].tab, &counters);
	EXPECT_EQ(1, counters.late_frames);
	EXPECT_STREQ("", world->wrong);
	fs_free(world);
}

/* A lane that keeps its place may take it over: it was opened once more. */
TEST(an_open_on_the_lane_of_the_place_moves_the_flow)
{
	struct fs_world *world = fs_new(1);
	struct fs_lane *old = fs_lane_up(world, 0, 1, 0, 0), *lane;

	EXPECT_EQ(0, open_on(world, old, 1));
	EXPECT_EQ(0, data_on(world, old, 1, 1));
	lane = fs_lane_up(world, 0, 1, 0, 0);
	ASSERT_NE(NULL, lane);
	EXPECT_EQ(0, data_on(world, old, 1, 2));
	EXPECT_EQ(2, world->hostile_delivered);
	fs_free(world);
}

TEST_HARNESS_MAIN
