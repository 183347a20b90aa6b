// SPDX-License-Identifier: GPL-2.0-only
/* The queue of a lane: all or nothing in, the same bytes out, in order. */
#include <string.h>

#include "kselftest_harness.h"
#include "lane/lanefsm.h"
#include "rng.h"

TEST(all_parts_or_none)
{
	uint8_t memory[16];
	struct lane_queue q;
	struct core_bytes parts[3] = { { "abcdef", 6 },
				       { NULL, 0 },
				       { "ghijkl", 6 } };
	struct core_bytes pieces[2];

	lane_queue_init(&q, memory, sizeof(memory));
	ASSERT_EQ(0, lane_queue_peek(&q, pieces));
	ASSERT_TRUE(lane_queue_put(&q, parts, 3));
	ASSERT_EQ(12, lane_queue_used(&q));
	ASSERT_EQ(4, lane_queue_room(&q));
	ASSERT_FALSE(lane_queue_put(&q, parts, 1));
	ASSERT_EQ(12, lane_queue_used(&q));
	ASSERT_EQ(1, lane_queue_peek(&q, pieces));
	ASSERT_EQ(12, pieces[0].size_bytes);
	ASSERT_EQ(0, memcmp("abcdefghijkl", pieces[0].data, 12));
}

TEST(full_to_the_last_byte_and_around)
{
	uint8_t memory[16];
	struct lane_queue q;
	struct core_bytes part = { "0123456789abcdef", 10 };
	struct core_bytes pieces[2];

	lane_queue_init(&q, memory, sizeof(memory));
	ASSERT_TRUE(lane_queue_put(&q, &part, 1));
	lane_queue_consume(&q, 9);
	part.size_bytes = 15;
	ASSERT_TRUE(lane_queue_put(&q, &part, 1));
	ASSERT_EQ(0, lane_queue_room(&q));
	part.size_bytes = 1;
	ASSERT_FALSE(lane_queue_put(&q, &part, 1));
	ASSERT_EQ(2, lane_queue_peek(&q, pieces));
	ASSERT_EQ(7, pieces[0].size_bytes);
	ASSERT_EQ(9, pieces[1].size_bytes);
	ASSERT_EQ(0, memcmp("9012345", pieces[0].data, 7));
	ASSERT_EQ(0, memcmp("6789abcde", pieces[1].data, 9));
}

TEST(sizes_that_overflow_do_not_fit)
{
	uint8_t memory[16];
	struct lane_queue q;
	struct core_bytes parts[2] = { { "x", 8 }, { "y", SIZE_MAX - 4 } };

	lane_queue_init(&q, memory, sizeof(memory));
	ASSERT_FALSE(lane_queue_put(&q, parts, 2));
	ASSERT_EQ(0, lane_queue_used(&q));
}

TEST(an_empty_queue_starts_again_at_its_first_byte)
{
	uint8_t memory[64];
	struct lane_queue q;
	struct core_bytes part = { "0123456789", 10 };
	struct core_bytes pieces[2];
	int i;

	lane_queue_init(&q, memory, sizeof(memory));
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(lane_queue_put(&q, &part, 1));
		ASSERT_EQ(1, lane_queue_peek(&q, pieces));
		ASSERT_TRUE(pieces[0].data == memory);
		lane_queue_consume(&q, 10);
	}
}

/* Against a model: numbers counted up in, counted up out. */
TEST(random_puts_and_consumes)
{
	uint8_t memory[256], bytes[3][128];
	struct lane_queue q;
	struct core_bytes parts[3], pieces[2];
	uint8_t next_in = 0, next_out = 0;
	size_t used = 0, total, count, take, i, j;
	struct rng rng;
	int round;

	rng_init(&rng, 1, 1);
	lane_queue_init(&q, memory, sizeof(memory));
	for (round = 0; round < 100000; round++) {
		uint8_t value = next_in;

		for (i = 0, total = 0; i < 3; i++) {
			parts[i].data = bytes[i];
			parts[i].size_bytes = rng_below(&rng, 90);
			for (j = 0; j < parts[i].size_bytes; j++)
				bytes[i][j] = value++;
			total += parts[i].size_bytes;
		}
		ASSERT_EQ(used + total <= sizeof(memory),
			  lane_queue_put(&q, parts, 3));
		if (used + total <= sizeof(memory)) {
			used += total;
			next_in = value;
		}
		ASSERT_EQ(used, lane_queue_used(&q));
		count = lane_queue_peek(&q, pieces);
		take = rng_below(&rng, used + 1);
		for (i = 0, total = 0; i < count; i++) {
			const uint8_t *at = pieces[i].data;

			for (j = 0; j < pieces[i].size_bytes; j++, total++)
				ASSERT_EQ((uint8_t)(next_out + total), at[j]);
		}
		ASSERT_EQ(used, total);
		lane_queue_consume(&q, take);
		used -= take;
		next_out += (uint8_t)take;
	}
}

TEST_HARNESS_MAIN
