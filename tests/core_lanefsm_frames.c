// SPDX-License-Identifier: GPL-2.0-only
/* An established lane: what passes, what closes it, PING, drain. */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "kselftest_harness.h"
#include "lane_pair.h"

#define HEADER sizeof(struct skerry_frame)

static const struct core_bytes none = { NULL, 0 };

FIXTURE(lane)
{
	struct lane_pair p;
	struct lane_side *a, *b;
};

FIXTURE_SETUP(lane)
{
	static struct lane_key key;

	lane_key_init(&key, 0x77);
	lane_pair_up(&self->p, &key);
	self->a = &self->p.dialler;
	self->b = &self->p.acceptor;
}

FIXTURE_TEARDOWN(lane)
{
	lane_pair_free(&self->p);
}

static int send_type(struct lane_side *side, uint8_t type, uint64_t sequence)
{
	struct skerry_frame frame = { .type = type, .sequence = sequence };

	return lanefsm_send(side->fsm, &frame, none, none);
}

struct seen {
	struct skerry_frame frame;
	uint8_t extensions[64], payload[64];
	size_t extension_bytes, payload_bytes;
};

static void keep(struct lane_side *side, const struct skerry_frame *frame,
		 struct core_bytes extensions, struct core_bytes payload)
{
	struct seen *seen = side->data;

	seen->frame = *frame;
	seen->extension_bytes = extensions.size_bytes;
	seen->payload_bytes = payload.size_bytes;
	memcpy(seen->extensions, extensions.data, extensions.size_bytes);
	memcpy(seen->payload, payload.data, payload.size_bytes);
}

TEST_F(lane, a_frame_arrives_as_it_was_sent)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA,
				      .flags = SKERRY_DATA_MORE,
				      .flow = 0xdeadbeef,
				      .correlation = 99,
				      .sequence = 1ULL << 60 };
	uint8_t extensions[16];
	struct tlv_writer w;
	struct seen seen;

	tlv_writer_init(&w, extensions, sizeof(extensions));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES | SKERRY_TLV_CRITICAL, 70000);
	self->b->on_frame = keep;
	self->b->data = &seen;
	ASSERT_EQ(0, lanefsm_send(self->a->fsm, &frame,
				  (struct core_bytes) { extensions, 12 },
				  (struct core_bytes) { "hello", 5 }));
	lane_pair_settle(&self->p);
	ASSERT_EQ(1, self->b->frames);
	EXPECT_EQ(HEADER + 12 + 5, seen.frame.length);
	EXPECT_EQ(HEADER + 12, seen.frame.header_length);
	EXPECT_EQ(SKERRY_FRAME_DATA, seen.frame.type);
	EXPECT_EQ(SKERRY_DATA_MORE, seen.frame.flags);
	EXPECT_EQ(0xdeadbeef, seen.frame.flow);
	EXPECT_EQ(0, seen.frame.correlation);
	EXPECT_EQ(1ULL << 60, seen.frame.sequence);
	EXPECT_EQ(12, seen.extension_bytes);
	EXPECT_EQ(0, memcmp(extensions, seen.extensions, 12));
	EXPECT_EQ(5, seen.payload_bytes);
	EXPECT_EQ(0, memcmp("hello", seen.payload, 5));
}

TEST_F(lane, a_correlation_never_leaves_or_enters)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA,
				      .length = HEADER,
				      .header_length = HEADER,
				      .correlation = 99 };
	uint8_t bytes[HEADER];
	struct seen seen;

	ASSERT_EQ(0, lanefsm_send(self->a->fsm, &frame, none, none));
	ASSERT_EQ(HEADER, lane_side_take(self->a, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp(bytes + 12, "\0\0\0\0", 4));
	self->b->on_frame = keep;
	self->b->data = &seen;
	lane_side_feed(self->b, &frame, HEADER);
	EXPECT_EQ(1, self->b->frames);
	EXPECT_EQ(0, seen.frame.correlation);
}

TEST_F(lane, which_types_pass)
{
	static const uint8_t good[] = { 0x10, 0x11, 0x12, 0x13, 0x14,
					0x15, 0x16, 0x17, 0x30, 0x31,
					0x32, 0x33, 0x34 };
	uint32_t expected = 0;
	unsigned int type;
	size_t i;

	for (type = 0; type < 0x80; type++) {
		int err = send_type(self->a, (uint8_t)type, type);

		for (i = 0; i < sizeof(good) && good[i] != type; i++)
			;
		EXPECT_EQ(i < sizeof(good) || type == SKERRY_FRAME_PING
				  ? 0
				  : -EINVAL,
			  err);
		expected += i < sizeof(good);
	}
	lane_pair_settle(&self->p);
	EXPECT_EQ(expected, self->b->frames);
	EXPECT_EQ(0, self->b->closeds);
	EXPECT_EQ(1, self->a->frames);
	EXPECT_EQ(SKERRY_FRAME_PONG, self->a->last_type);
	EXPECT_EQ(SKERRY_FRAME_PING, self->a->last_sequence);
}

TEST_F(lane, sizes)
{
	static uint8_t payload[SKERRY_FRAME_MAX_BYTES];
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	struct core_bytes bytes = { payload, SKERRY_FRAME_MAX_BYTES - HEADER };
	size_t used;
	int sent = 0, err;

	bytes.size_bytes++;
	EXPECT_EQ(-EMSGSIZE, lanefsm_send(self->a->fsm, &frame, none, bytes));
	EXPECT_EQ(-EMSGSIZE, lanefsm_send(self->a->fsm, &frame, bytes, none));
	EXPECT_EQ(0, lane_queue_used(&self->a->queue));
	bytes.size_bytes--;
	while ((err = lanefsm_send(self->a->fsm, &frame, none, bytes)) == 0)
		sent++;
	EXPECT_EQ(-ENOBUFS, err);
	EXPECT_EQ(3, sent);
	used = lane_queue_used(&self->a->queue);
	EXPECT_EQ(3 * SKERRY_FRAME_MAX_BYTES, used);
	/* What is left goes to small frames, but for the reserve. */
	while (send_type(self->a, SKERRY_FRAME_DATA, 0) == 0)
		sent++;
	EXPECT_GE(lane_queue_room(&self->a->queue), LANEFSM_RESERVE_BYTES);
	EXPECT_LT(lane_queue_room(&self->a->queue),
		  LANEFSM_RESERVE_BYTES + HEADER);
	lane_pair_settle(&self->p);
	EXPECT_EQ(sent, self->b->frames);
	EXPECT_EQ(0, send_type(self->a, SKERRY_FRAME_DATA, 0));
}

/* ---- what closes a lane ----------------------------------------------- */

/* Feed one frame; expect ERROR in the queue and the lane closed. */
static void expect_error(struct __test_metadata *_metadata,
			 struct lane_side *side, const void *data, size_t size)
{
	uint8_t answer[512];
	size_t got;

	lane_side_feed(side, data, size);
	EXPECT_EQ(-EPROTO, side->received);
	EXPECT_EQ(LANEFSM_CLOSED, lanefsm_state(side->fsm));
	EXPECT_EQ(1, side->closeds);
	EXPECT_EQ(LANE_END_PROTOCOL, side->end);
	EXPECT_EQ(-EPROTO, side->error);
	EXPECT_STRNE("", side->text);
	got = lane_side_take(side, answer, sizeof(answer));
	ASSERT_GT(got, HEADER);
	EXPECT_EQ(SKERRY_FRAME_ERROR, answer[4]);
	EXPECT_EQ(-EPROTO, (int64_t)tlv_find_u64(answer + HEADER, got - HEADER,
						 SKERRY_K_ERROR, 0));
}

/* The kinds of broken header; each alone closes the lane. */
FIXTURE(broken)
{
	struct lane_pair p;
	struct lane_side *b;
};

FIXTURE_VARIANT(broken)
{
	uint32_t length;
	uint8_t type;
	uint16_t header_length;
	uint16_t extension_key;
	uint16_t extension_length;
};

FIXTURE_SETUP(broken)
{
	lane_pair_up(&self->p, NULL);
	self->b = &self->p.acceptor;
}

FIXTURE_TEARDOWN(broken)
{
	lane_pair_free(&self->p);
}

/* clang-format off */
#define BROKEN(name, ...) FIXTURE_VARIANT_ADD(broken, name) { __VA_ARGS__ }

BROKEN(zero_length, 0, 0x13, 24);
BROKEN(short_length, 23, 0x13, 24);
BROKEN(long_frame, SKERRY_FRAME_MAX_BYTES + 1, 0x13, 24);
BROKEN(huge_frame, UINT32_MAX, 0x13, 24);
BROKEN(no_header, 32, 0x13, 0);
BROKEN(short_header, 32, 0x13, 23);
BROKEN(header_beyond_frame, 32, 0x13, 33);
BROKEN(half_extension, 32, 0x13, 27);
BROKEN(extension_beyond_header, 36, 0x13, 32, 9, 5);
BROKEN(unknown_critical, 32, 0x14, 32, 0x8000 | SKERRY_K_CAUSAL, 4);
BROKEN(total_bytes_of_four, 32, 0x13, 32, SKERRY_K_TOTAL_BYTES, 4);
BROKEN(ignorable_but_malformed, 32, 0x80, 32, 9, 5);
BROKEN(unknown_type, 32, 0x7f, 24);
BROKEN(type_zero, 32, 0, 24);
BROKEN(handshake_again, 32, 0x01, 24);
BROKEN(ready_again, 24, 0x07, 24);
BROKEN(drained_unasked, 24, 0x21, 24);
/* clang-format on */

TEST_F(broken, closes_the_lane)
{
	uint8_t bytes[64] = { 0 };
	struct skerry_frame frame = { .length = variant->length,
				      .type = variant->type,
				      .header_length = variant->header_length };
	struct skerry_tlv tlv = { variant->extension_key,
				  variant->extension_length };

	memcpy(bytes, &frame, HEADER);
	memcpy(bytes + HEADER, &tlv, sizeof(tlv));
	expect_error(_metadata, self->b, bytes, sizeof(bytes));
	EXPECT_EQ(0, self->b->frames);
	/* It stays closed, takes all and says nothing. */
	lane_side_feed(self->b, bytes, sizeof(bytes));
	EXPECT_EQ(sizeof(bytes), self->b->received);
	EXPECT_EQ(1, self->b->closeds);
	EXPECT_EQ(-ENOTCONN, send_type(self->b, SKERRY_FRAME_DATA, 1));
}

TEST_F(lane, what_may_be_ignored_is_skipped)
{
	uint8_t bytes[256], extensions[16];
	struct tlv_writer w;
	size_t size;

	tlv_writer_init(&w, extensions, sizeof(extensions));
	tlv_put_u64(&w, 0x7123, 1);
	size = lane_frame(bytes, SKERRY_FRAME_DATA, extensions, w.used_bytes,
			  "x", 1);
	tlv_writer_init(&w, extensions, sizeof(extensions));
	tlv_put_u64(&w, 0x7123 | SKERRY_TLV_CRITICAL, 1);
	size += lane_frame(bytes + size, 0xff, extensions, w.used_bytes, "y",
			   1);
	size += lane_frame(bytes + size, SKERRY_FRAME_ACK, NULL, 0, NULL, 0);
	lane_side_feed(self->b, bytes, size);
	EXPECT_EQ(size, self->b->received);
	EXPECT_EQ(2, self->b->frames);
	EXPECT_EQ(SKERRY_FRAME_ACK, self->b->last_type);
	EXPECT_EQ(0, self->b->closeds);
}

TEST_F(lane, an_error_ends_both_sides)
{
	EXPECT_EQ(-EINVAL, lanefsm_error(self->a->fsm, 7, "x"));
	EXPECT_EQ(0, lanefsm_error(self->a->fsm, -EPROTO, "bad\nCREDIT\x1b"));
	EXPECT_EQ(-ENOTCONN, lanefsm_error(self->a->fsm, -EPROTO, "again"));
	EXPECT_EQ(LANE_END_PROTOCOL, self->a->end);
	lane_pair_settle(&self->p);
	EXPECT_EQ(LANE_END_PEER, self->b->end);
	EXPECT_EQ(-EPROTO, self->b->error);
	/* Nothing that would move a terminal's cursor. */
	EXPECT_STREQ("bad?CREDIT?", self->b->text);
	EXPECT_EQ(1, self->b->closeds);
}

static void give_up(struct lane_side *side, const struct skerry_frame *frame,
		    struct core_bytes extensions, struct core_bytes payload)
{
	lanefsm_error(side->fsm, -EPROTO, "not a message");
}

TEST_F(lane, an_error_inside_a_frame_stops_the_rest)
{
	self->b->on_frame = give_up;
	send_type(self->a, SKERRY_FRAME_DATA, 1);
	send_type(self->a, SKERRY_FRAME_DATA, 2);
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->b->frames);
	EXPECT_EQ(1, self->b->closeds);
	EXPECT_EQ(2 * HEADER, self->b->received);
	EXPECT_STREQ("not a message", self->a->text);
}

TEST_F(lane, a_malformed_error_frame)
{
	uint8_t bytes[64];
	size_t size = lane_frame(bytes, SKERRY_FRAME_ERROR, NULL, 0, "xx", 2);

	expect_error(_metadata, self->b, bytes, size);
}

/* ---- PING ------------------------------------------------------------- */

TEST_F(lane, pings_never_take_the_room_to_close)
{
	uint8_t bytes[HEADER];
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	static uint8_t payload[60000];
	uint32_t i;

	while (!lanefsm_send(self->b->fsm, &frame, none,
			     (struct core_bytes) { payload, sizeof(payload) }))
		;
	while (!send_type(self->b, SKERRY_FRAME_DATA, 0))
		;
	lane_frame(bytes, SKERRY_FRAME_PING, NULL, 0, NULL, 0);
	for (i = 0; i < 100; i++)
		lane_side_feed(self->b, bytes, sizeof(bytes));
	EXPECT_EQ(0, self->b->closeds);
	EXPECT_EQ(0, lanefsm_drain(self->b->fsm));
	lane_frame(bytes, SKERRY_FRAME_DRAIN, NULL, 0, NULL, 0);
	lane_side_feed(self->b, bytes, sizeof(bytes));
	EXPECT_EQ(0, self->b->closeds);
	EXPECT_EQ(0, lanefsm_error(self->b->fsm, -EPROTO, "and still this"));
	/* All of it comes out whole. */
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->a->drainings);
	EXPECT_EQ(1, self->a->closeds);
	EXPECT_EQ(LANE_END_PROTOCOL, self->a->end);
	EXPECT_STREQ("DRAINED without DRAIN", self->a->text);
}

static void count_pongs(struct lane_side *side,
			const struct skerry_frame *frame,
			struct core_bytes extensions, struct core_bytes payload)
{
	uint64_t *pongs = side->data;

	if (frame->type == SKERRY_FRAME_PONG)
		pongs[pongs[0]++ + 1] = frame->sequence;
}

/* A full lane is not a dead one: its answers come when there is room. */
TEST_F(lane, pongs_wait_for_room)
{
	uint8_t bytes[HEADER], frame_bytes[HEADER];
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	static uint8_t payload[60000];
	uint64_t pongs[256] = { 0 };
	size_t ping = lane_frame(bytes, SKERRY_FRAME_PING, NULL, 0, NULL, 0);
	uint64_t i, answered;

	while (!lanefsm_send(self->b->fsm, &frame, none,
			     (struct core_bytes) { payload, sizeof(payload) }))
		;
	while (!send_type(self->b, SKERRY_FRAME_DATA, 0))
		;
	for (i = 1; i <= 100; i++) {
		memcpy(frame_bytes, bytes, ping);
		memcpy(frame_bytes + offsetof(struct skerry_frame, sequence),
		       &i, sizeof(i));
		lane_side_feed(self->b, frame_bytes, ping);
	}
	self->a->on_frame = count_pongs;
	self->a->data = pongs;
	/* Those that had room lie there; the last eight are still owed. */
	while (lane_side_move(self->b, self->a, SIZE_MAX))
		;
	answered = pongs[0];
	EXPECT_GT(92, answered);
	lanefsm_room(self->b->fsm);
	while (lane_side_move(self->b, self->a, SIZE_MAX))
		;
	ASSERT_EQ(answered + 8, pongs[0]);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(93 + i, pongs[answered + 1 + i]);
	lanefsm_room(self->b->fsm);
	EXPECT_EQ(0, lane_queue_used(&self->b->queue));
	EXPECT_EQ(0, self->b->closeds);
}

/* ---- drain ------------------------------------------------------------ */

TEST_F(lane, drain_one_way)
{
	EXPECT_EQ(0, send_type(self->a, SKERRY_FRAME_DATA, 1));
	EXPECT_EQ(0, send_type(self->b, SKERRY_FRAME_DATA, 2));
	EXPECT_EQ(0, lanefsm_drain(self->a->fsm));
	EXPECT_EQ(LANEFSM_DRAINING, lanefsm_state(self->a->fsm));
	EXPECT_EQ(0, lanefsm_drain(self->a->fsm));
	EXPECT_EQ(-ENOTCONN, send_type(self->a, SKERRY_FRAME_DATA, 3));
	/* All else still passes. */
	EXPECT_EQ(0, send_type(self->a, SKERRY_FRAME_MEMBER, 4));
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->b->drainings);
	EXPECT_EQ(0, self->b->draineds);
	EXPECT_EQ(2, self->b->frames);
	EXPECT_EQ(1, self->a->draineds);
	EXPECT_EQ(0, self->a->drainings);
	EXPECT_EQ(1, self->a->frames);
	EXPECT_EQ(LANEFSM_DRAINING, lanefsm_state(self->b->fsm));
	/* The peer closes when it reads DRAINED: nothing may be lost. */
	EXPECT_EQ(-ENOTCONN, send_type(self->b, SKERRY_FRAME_DATA, 5));
	EXPECT_EQ(0, self->a->closeds + self->b->closeds);
}

TEST_F(lane, drain_from_both_sides_at_once)
{
	EXPECT_EQ(0, lanefsm_drain(self->a->fsm));
	EXPECT_EQ(0, lanefsm_drain(self->b->fsm));
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->a->draineds);
	EXPECT_EQ(1, self->b->draineds);
	EXPECT_EQ(1, self->a->drainings);
	EXPECT_EQ(1, self->b->drainings);
	EXPECT_EQ(0, self->a->closeds + self->b->closeds);
}

TEST_F(lane, what_was_queued_before_drained_comes_before_it)
{
	uint64_t i;

	for (i = 0; i < 50; i++)
		send_type(self->b, SKERRY_FRAME_DATA, i);
	lanefsm_drain(self->a->fsm);
	lane_side_move(self->a, self->b, SIZE_MAX);
	EXPECT_EQ(51 * HEADER, lane_queue_used(&self->b->queue));
	lane_side_move(self->b, self->a, 50 * HEADER);
	EXPECT_EQ(50, self->a->frames);
	EXPECT_EQ(0, self->a->draineds);
	lane_side_move(self->b, self->a, HEADER);
	EXPECT_EQ(1, self->a->draineds);
}

TEST_F(lane, data_after_drain_is_an_error)
{
	uint8_t bytes[HEADER];

	lanefsm_drain(self->a->fsm);
	lane_pair_settle(&self->p);
	lane_frame(bytes, SKERRY_FRAME_DATA, NULL, 0, NULL, 0);
	expect_error(_metadata, self->b, bytes, sizeof(bytes));
	EXPECT_EQ(0, self->b->frames);
}

TEST_F(lane, data_after_drained_is_an_error)
{
	uint8_t bytes[HEADER];

	lanefsm_drain(self->a->fsm);
	lane_pair_settle(&self->p);
	lane_frame(bytes, SKERRY_FRAME_DATA, NULL, 0, NULL, 0);
	expect_error(_metadata, self->a, bytes, sizeof(bytes));
}

TEST_F(lane, a_second_drain_is_an_error)
{
	uint8_t bytes[HEADER];

	lanefsm_drain(self->a->fsm);
	lane_pair_settle(&self->p);
	lane_frame(bytes, SKERRY_FRAME_DRAIN, NULL, 0, NULL, 0);
	expect_error(_metadata, self->b, bytes, sizeof(bytes));
}

TEST_F(lane, a_second_drained_is_an_error)
{
	uint8_t bytes[HEADER];

	lanefsm_drain(self->a->fsm);
	lane_pair_settle(&self->p);
	lane_frame(bytes, SKERRY_FRAME_DRAINED, NULL, 0, NULL, 0);
	expect_error(_metadata, self->a, bytes, sizeof(bytes));
	EXPECT_EQ(1, self->a->draineds);
}

TEST_HARNESS_MAIN
