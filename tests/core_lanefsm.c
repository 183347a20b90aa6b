// SPDX-License-Identifier: GPL-2.0-only
/* The handshake of a lane: who comes up, who is turned away, who learns what. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "kselftest_harness.h"
#include "lane_pair.h"

#define HEADER sizeof(struct skerry_frame)

static struct lane_key key_a, key_b;

static __attribute__((constructor)) void make_keys(void)
{
	lane_key_init(&key_a, 0xa1);
	lane_key_init(&key_b, 0xb2);
}

FIXTURE(pair)
{
	struct lane_pair p;
};

FIXTURE_SETUP(pair)
{
	lane_pair_init(&self->p, &key_a, &key_a);
}

FIXTURE_TEARDOWN(pair)
{
	lane_pair_free(&self->p);
}

TEST_F(pair, both_come_up_and_know_each_other)
{
	lane_pair_settle(&self->p);
	EXPECT_EQ(LANEFSM_UP, lanefsm_state(self->p.dialler.fsm));
	EXPECT_EQ(LANEFSM_UP, lanefsm_state(self->p.acceptor.fsm));
	EXPECT_EQ(1, self->p.dialler.ups);
	EXPECT_EQ(1, self->p.acceptor.ups);
	EXPECT_EQ(1, self->p.dialler.hellos);
	EXPECT_EQ(1, self->p.acceptor.hellos);
	EXPECT_STREQ("details of the acceptor", self->p.dialler.peer_details);
	EXPECT_STREQ("details of the dialler", self->p.acceptor.peer_details);
}

TEST_F(pair, an_acceptor_is_silent_until_it_is_spoken_to)
{
	EXPECT_EQ(0, lane_queue_used(&self->p.acceptor.queue));
	lane_side_move(&self->p.dialler, &self->p.acceptor,
		       SKERRY_PREAMBLE_BYTES);
	EXPECT_EQ(0, lane_queue_used(&self->p.acceptor.queue));
	EXPECT_EQ(LANEFSM_HANDSHAKE, lanefsm_state(self->p.acceptor.fsm));
}

TEST_F(pair, the_verdict_may_come_later)
{
	self->p.acceptor.verdict = VERDICT_LATER;
	self->p.dialler.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	ASSERT_EQ(LANEFSM_VERDICT, lanefsm_state(self->p.acceptor.fsm));
	EXPECT_EQ(LANEFSM_HANDSHAKE, lanefsm_state(self->p.dialler.fsm));
	EXPECT_EQ(-EINVAL, lanefsm_admit(self->p.dialler.fsm,
					 (struct core_bytes) { NULL, 0 }));
	EXPECT_EQ(0, lanefsm_admit(self->p.acceptor.fsm,
				   (struct core_bytes) { "late", 4 }));
	EXPECT_EQ(LANEFSM_WAITING, lanefsm_state(self->p.acceptor.fsm));
	lane_pair_settle(&self->p);
	ASSERT_EQ(LANEFSM_VERDICT, lanefsm_state(self->p.dialler.fsm));
	EXPECT_STREQ("late", self->p.dialler.peer_details);
	EXPECT_EQ(0, self->p.acceptor.ups);
	EXPECT_EQ(0, lanefsm_admit(self->p.dialler.fsm,
				   (struct core_bytes) { NULL, 0 }));
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->p.dialler.ups);
	EXPECT_EQ(1, self->p.acceptor.ups);
}

TEST_F(pair, the_longest_details_pass_and_longer_ones_do_not)
{
	static const uint8_t long_details[SKERRY_SPEC_MAX_BYTES + 513];

	self->p.acceptor.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	EXPECT_EQ(-EMSGSIZE,
		  lanefsm_admit(self->p.acceptor.fsm,
				(struct core_bytes) { long_details,
						      sizeof(long_details) }));
	EXPECT_EQ(0, lanefsm_admit(self->p.acceptor.fsm,
				   (struct core_bytes) { long_details,
							 sizeof(long_details) -
								 1 }));
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->p.dialler.ups);
	EXPECT_EQ(1, self->p.acceptor.ups);
}

TEST_F(pair, the_acceptor_refuses)
{
	self->p.acceptor.verdict = VERDICT_REFUSE;
	lane_pair_settle(&self->p);
	EXPECT_EQ(1, self->p.acceptor.closeds);
	EXPECT_EQ(1, self->p.dialler.closeds);
	EXPECT_EQ(LANE_END_REFUSED, self->p.dialler.end);
	EXPECT_EQ(-ENODEV, self->p.dialler.error);
	EXPECT_STREQ("another name", self->p.dialler.text);
	EXPECT_EQ(LANE_END_REFUSED, self->p.acceptor.end);
	EXPECT_EQ(-ENODEV, self->p.acceptor.error);
	EXPECT_EQ(0, self->p.dialler.ups + self->p.acceptor.ups);
}

TEST_F(pair, the_dialler_refuses)
{
	self->p.dialler.verdict = VERDICT_REFUSE;
	lane_pair_settle(&self->p);
	EXPECT_EQ(LANE_END_REFUSED, self->p.acceptor.end);
	EXPECT_EQ(-ENODEV, self->p.acceptor.error);
	EXPECT_STREQ("another name", self->p.acceptor.text);
	EXPECT_EQ(1, self->p.dialler.closeds);
	EXPECT_EQ(0, self->p.dialler.ups + self->p.acceptor.ups);
}

TEST_F(pair, a_duplicate_names_the_generation_seen)
{
	self->p.acceptor.verdict = VERDICT_DUPLICATE;
	lane_pair_settle(&self->p);
	EXPECT_EQ(LANE_END_DUPLICATE, self->p.dialler.end);
	EXPECT_EQ(41, self->p.dialler.generation);
	EXPECT_EQ(-EEXIST, self->p.dialler.error);
	EXPECT_EQ(LANE_END_DUPLICATE, self->p.acceptor.end);
	EXPECT_EQ(41, self->p.acceptor.generation);
	EXPECT_EQ(-ENOTCONN, lanefsm_duplicate(self->p.acceptor.fsm, 1));
	EXPECT_EQ(-ENOTCONN, lanefsm_admit(self->p.acceptor.fsm,
					   (struct core_bytes) { NULL, 0 }));
}

TEST_F(pair, given_up_while_ready_is_awaited)
{
	self->p.dialler.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	ASSERT_EQ(LANEFSM_WAITING, lanefsm_state(self->p.acceptor.fsm));
	EXPECT_EQ(-EINVAL, lanefsm_refuse(self->p.acceptor.fsm, 0, "x"));
	EXPECT_EQ(0, lanefsm_refuse(self->p.acceptor.fsm, -ETIMEDOUT, "slow"));
	lane_pair_settle(&self->p);
	EXPECT_EQ(LANE_END_REFUSED, self->p.dialler.end);
	EXPECT_EQ(-ETIMEDOUT, self->p.dialler.error);
	EXPECT_STREQ("slow", self->p.dialler.text);
}

TEST_F(pair, given_up_before_the_proof_is_silent)
{
	lane_side_move(&self->p.dialler, &self->p.acceptor, SIZE_MAX);
	lane_side_take(&self->p.acceptor, (uint8_t[1024]) { 0 }, 1024);
	EXPECT_EQ(0, lanefsm_refuse(self->p.acceptor.fsm, -ETIMEDOUT, "slow"));
	EXPECT_EQ(0, lane_queue_used(&self->p.acceptor.queue));
	EXPECT_EQ(LANE_END_REFUSED, self->p.acceptor.end);
}

TEST_F(pair, malformed_frames_after_the_proof_are_answered)
{
	uint8_t bytes[64], answer[512];
	size_t size;

	self->p.dialler.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	ASSERT_EQ(LANEFSM_WAITING, lanefsm_state(self->p.acceptor.fsm));
	size = lane_frame(bytes, SKERRY_FRAME_READY, NULL, 0, "x", 1);
	lane_side_feed(&self->p.acceptor, bytes, size);
	EXPECT_EQ(LANE_END_PROTOCOL, self->p.acceptor.end);
	EXPECT_EQ(0, self->p.acceptor.ups);
	size = lane_side_take(&self->p.acceptor, answer, sizeof(answer));
	ASSERT_GT(size, HEADER);
	EXPECT_EQ(SKERRY_FRAME_ERROR, answer[4]);
	lane_side_feed(&self->p.dialler, answer, size);
	EXPECT_EQ(LANE_END_PEER, self->p.dialler.end);
	EXPECT_EQ(-EPROTO, self->p.dialler.error);
}

TEST_F(pair, a_malformed_duplicate)
{
	uint8_t bytes[64];
	size_t size;

	self->p.acceptor.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	size = lane_frame(bytes, SKERRY_FRAME_DUPLICATE, NULL, 0, NULL, 0);
	lane_side_feed(&self->p.dialler, bytes, size);
	EXPECT_EQ(LANE_END_PROTOCOL, self->p.dialler.end);
	EXPECT_EQ(0, self->p.dialler.generation);
}

TEST_F(pair, malformed_refusals)
{
	struct lane_pair p;
	struct tlv_writer w;
	static const uint8_t letters[256] = { 'a' };
	uint8_t bytes[512], payload[400];
	size_t size, i;

	for (i = 0; i < 5; i++) {
		lane_pair_init(&p, &key_a, &key_a);
		p.acceptor.verdict = VERDICT_LATER;
		lane_pair_settle(&p);
		tlv_writer_init(&w, payload, sizeof(payload));
		if (i == 0)
			tlv_put(&w, SKERRY_K_ERROR, "four", 4);
		else
			tlv_put_s64(&w, SKERRY_K_ERROR, i == 1 ? 1 : -4096);
		if (i == 3)
			tlv_put(&w, SKERRY_K_REASON, "nul\0", 4);
		if (i == 4)
			tlv_put(&w, SKERRY_K_REASON, letters, 256);
		size = lane_frame(bytes, SKERRY_FRAME_REFUSE, NULL, 0, payload,
				  w.used_bytes);
		lane_side_feed(&p.dialler, bytes, size);
		EXPECT_EQ(LANE_END_PROTOCOL, p.dialler.end);
		EXPECT_EQ(-EPROTO, p.dialler.error);
		lane_pair_free(&p);
	}
}

TEST_F(pair, a_long_sentence_is_cut)
{
	char text[401];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	self->p.acceptor.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	EXPECT_EQ(0, lanefsm_refuse(self->p.acceptor.fsm, -EINVAL, text));
	lane_pair_settle(&self->p);
	EXPECT_EQ(LANE_END_REFUSED, self->p.dialler.end);
	EXPECT_EQ(SKERRY_REASON_MAX_BYTES, strlen(self->p.dialler.text));
}

/* A queue that is full of something else. */
static void fill(struct lane_side *side)
{
	static uint8_t junk[LANE_PAIR_QUEUE_BYTES];
	struct core_bytes part = { junk, lane_queue_room(&side->queue) };

	lane_queue_put(&side->queue, &part, 1);
}

TEST_F(pair, no_room_for_the_challenge)
{
	fill(&self->p.acceptor);
	lane_side_move(&self->p.dialler, &self->p.acceptor, SIZE_MAX);
	EXPECT_EQ(LANE_END_LOCAL, self->p.acceptor.end);
	EXPECT_EQ(-ENOBUFS, self->p.acceptor.error);
}

TEST_F(pair, no_room_for_the_proof)
{
	lane_side_move(&self->p.dialler, &self->p.acceptor, SIZE_MAX);
	fill(&self->p.dialler);
	lane_side_move(&self->p.acceptor, &self->p.dialler, SIZE_MAX);
	EXPECT_EQ(LANE_END_LOCAL, self->p.dialler.end);
}

TEST_F(pair, no_room_for_the_verdict)
{
	self->p.acceptor.verdict = VERDICT_LATER;
	self->p.dialler.verdict = VERDICT_LATER;
	lane_pair_settle(&self->p);
	fill(&self->p.acceptor);
	EXPECT_EQ(-ENOBUFS, lanefsm_admit(self->p.acceptor.fsm,
					  (struct core_bytes) { NULL, 0 }));
	/* It may be said again. */
	lane_queue_consume(&self->p.acceptor.queue,
			   lane_queue_used(&self->p.acceptor.queue));
	EXPECT_EQ(0, lanefsm_admit(self->p.acceptor.fsm,
				   (struct core_bytes) { NULL, 0 }));
	lane_pair_settle(&self->p);
	fill(&self->p.dialler);
	EXPECT_EQ(-ENOBUFS, lanefsm_admit(self->p.dialler.fsm,
					  (struct core_bytes) { NULL, 0 }));
	EXPECT_EQ(0, self->p.dialler.ups);
}

TEST_F(pair, a_verdict_comes_too_late)
{
	lane_pair_settle(&self->p);
	EXPECT_EQ(-ENOTCONN, lanefsm_refuse(self->p.dialler.fsm, -EACCES, "x"));
	EXPECT_EQ(-EINVAL, lanefsm_admit(self->p.dialler.fsm,
					 (struct core_bytes) { NULL, 0 }));
	EXPECT_EQ(0, self->p.dialler.closeds);
}

/* ---- keys and versions ------------------------------------------------ */

static void expect_key(struct __test_metadata *_metadata,
		       const struct lane_key *dialler,
		       const struct lane_key *acceptor)
{
	struct lane_pair p;

	lane_pair_init(&p, dialler, acceptor);
	lane_pair_settle(&p);
	EXPECT_EQ(LANE_END_REFUSED, p.dialler.end);
	EXPECT_EQ(LANE_END_REFUSED, p.acceptor.end);
	EXPECT_EQ(-EKEYREJECTED, p.dialler.error);
	EXPECT_EQ(-EKEYREJECTED, p.acceptor.error);
	EXPECT_STREQ("key", p.dialler.text);
	EXPECT_STREQ("key", p.acceptor.text);
	EXPECT_EQ(0, p.dialler.hellos + p.acceptor.hellos);
	EXPECT_EQ(1, p.dialler.closeds);
	EXPECT_EQ(1, p.acceptor.closeds);
	/* Neither side's details have left it. */
	EXPECT_EQ(NULL, memmem(p.acceptor.heard, p.acceptor.heard_bytes,
			       "details", 7));
	EXPECT_EQ(NULL,
		  memmem(p.dialler.heard, p.dialler.heard_bytes, "details", 7));
	lane_pair_free(&p);
}

TEST(another_key)
{
	expect_key(_metadata, &key_a, &key_b);
}

TEST(a_key_on_one_side_only)
{
	expect_key(_metadata, &key_a, NULL);
	expect_key(_metadata, NULL, &key_a);
}

TEST(no_key_on_either_side)
{
	struct lane_pair p;

	lane_pair_up(&p, NULL);
	EXPECT_STREQ("details of the acceptor", p.dialler.peer_details);
	lane_pair_free(&p);
}

/* A dialler that skips the check of the acceptor's proof gets no further. */
TEST_F(pair, a_forged_proof_is_refused_with_key_alone)
{
	uint8_t bytes[4096], payload[256];
	struct tlv_writer w;
	size_t size;

	lane_side_move(&self->p.dialler, &self->p.acceptor, SIZE_MAX);
	size = lane_side_take(&self->p.acceptor, bytes, sizeof(bytes));
	ASSERT_GT(size, SKERRY_PREAMBLE_BYTES);
	tlv_writer_init(&w, payload, sizeof(payload));
	tlv_put_str(&w, SKERRY_K_DETAILS, "let me in");
	tlv_put(&w, SKERRY_K_PROOF, (uint8_t[32]) { 7 }, 32);
	size = lane_frame(bytes, SKERRY_FRAME_PROOF, NULL, 0, payload,
			  w.used_bytes);
	lane_side_feed(&self->p.acceptor, bytes, size);
	EXPECT_EQ(-EPROTO, self->p.acceptor.received);
	EXPECT_EQ(0, self->p.acceptor.hellos);
	EXPECT_STREQ("key", self->p.acceptor.text);
	size = lane_side_take(&self->p.acceptor, bytes, sizeof(bytes));
	EXPECT_EQ(SKERRY_FRAME_REFUSE, bytes[4]);
	EXPECT_EQ(HEADER + 12 + 4 + 3, size);
}

/* A proof of one side is no proof of the other, nor of another lane. */
TEST_F(pair, proofs_cannot_be_played_back)
{
	struct lane_pair other;
	uint8_t bytes[4096];
	size_t size;

	lane_pair_settle(&self->p);
	/* All that the acceptor heard, given to a new one of another nonce. */
	lane_pair_init(&other, &key_a, &key_a);
	free(other.acceptor.fsm);
	other.acceptor.fsm = aligned_alloc(16, lanefsm_size());
	lanefsm_init(other.acceptor.fsm,
		     &(struct lanefsm_config) { .hmac = &key_a.hmac,
						.nonce = { 1 } },
		     &other.acceptor.queue, &(struct lanefsm_handler) { 0 },
		     NULL);
	size = self->p.acceptor.heard_bytes;
	memcpy(bytes, self->p.acceptor.heard, size);
	EXPECT_EQ(-EPROTO, lanefsm_receive(other.acceptor.fsm, bytes, size));
	EXPECT_EQ(LANEFSM_CLOSED, lanefsm_state(other.acceptor.fsm));
	lane_pair_free(&other);
}

static size_t make_hello(uint8_t *out, uint64_t min, uint64_t max)
{
	uint8_t payload[128];
	struct tlv_writer w;

	memcpy(out, SKERRY_PREAMBLE, SKERRY_PREAMBLE_BYTES);
	tlv_writer_init(&w, payload, sizeof(payload));
	tlv_put_u64(&w, SKERRY_K_VERSION_MIN, min);
	tlv_put_u64(&w, SKERRY_K_VERSION_MAX, max);
	tlv_put(&w, SKERRY_K_NONCE, (uint8_t[32]) { 3 }, 32);
	return SKERRY_PREAMBLE_BYTES + lane_frame(out + SKERRY_PREAMBLE_BYTES,
						  SKERRY_FRAME_HELLO, NULL, 0,
						  payload, w.used_bytes);
}

TEST_F(pair, versions)
{
	static const struct {
		uint64_t min, max;
		bool fits;
	} cases[] = {
		{ 1, 1, true },	 { 0, 9, true },  { 2, 3, false },
		{ 0, 0, false }, { 2, 0, false }, { UINT64_MAX, 0, false },
	};
	uint8_t bytes[1024];
	struct lane_pair p;
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		lane_pair_init(&p, &key_a, &key_a);
		size = make_hello(bytes, cases[i].min, cases[i].max);
		lane_side_feed(&p.acceptor, bytes, size);
		EXPECT_EQ(!cases[i].fits, p.acceptor.closeds);
		size = lane_side_take(&p.acceptor, bytes, sizeof(bytes));
		EXPECT_EQ(0, memcmp(bytes, SKERRY_PREAMBLE, 8));
		EXPECT_EQ(cases[i].fits ? SKERRY_FRAME_CHALLENGE
					: SKERRY_FRAME_REFUSE,
			  bytes[12]);
		if (!cases[i].fits) {
			EXPECT_EQ(-EPROTONOSUPPORT, p.acceptor.error);
			EXPECT_STREQ("version", p.acceptor.text);
			lane_side_take(&p.dialler, (uint8_t[512]) { 0 }, 512);
			lane_side_feed(&p.dialler, bytes, size);
			EXPECT_EQ(-EPROTONOSUPPORT, p.dialler.error);
			EXPECT_STREQ("version", p.dialler.text);
		}
		lane_pair_free(&p);
	}
}

TEST_F(pair, another_preamble)
{
	uint8_t bytes[1024];
	size_t size;

	lane_side_feed(&self->p.acceptor, "SKERRY\0\2", 8);
	EXPECT_STREQ("version", self->p.acceptor.text);
	size = lane_side_take(&self->p.acceptor, bytes, sizeof(bytes));
	EXPECT_EQ(8 + HEADER + 12 + 4 + 7, size);
	EXPECT_EQ(0, memcmp(bytes, SKERRY_PREAMBLE, 8));
	lane_side_feed(&self->p.dialler, "HTTP/1.1 400", 12);
	EXPECT_EQ(LANE_END_PROTOCOL, self->p.dialler.end);
}

TEST_F(pair, a_stranger_is_answered_by_nothing)
{
	static const char *const lines[] = { "GET / HTTP/1.1\r\n", "S\n",
					     "SKERRX\0\1", "\x16\x03\x01\x02",
					     "\0" };
	struct lane_pair p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		lane_pair_init(&p, &key_a, &key_a);
		lane_side_feed(&p.acceptor, lines[i], strlen(lines[i]) + 1);
		EXPECT_EQ(LANE_END_PROTOCOL, p.acceptor.end);
		EXPECT_EQ(-EPROTO, p.acceptor.received);
		EXPECT_EQ(0, lane_queue_used(&p.acceptor.queue));
		lane_pair_free(&p);
	}
}

/* Whoever is not proved says `version` or `key`, or is not quoted at all. */
TEST_F(pair, a_strangers_words_are_not_repeated)
{
	uint8_t bytes[512], payload[128];
	struct tlv_writer w;
	size_t size;

	tlv_writer_init(&w, payload, sizeof(payload));
	tlv_put_s64(&w, SKERRY_K_ERROR, -EACCES);
	tlv_put_str(&w, SKERRY_K_REASON, "call 555-1234");
	memcpy(bytes, SKERRY_PREAMBLE, 8);
	size = lane_frame(bytes + 8, SKERRY_FRAME_REFUSE, NULL, 0, payload,
			  w.used_bytes);
	lane_side_feed(&self->p.dialler, bytes, 8 + size);
	EXPECT_EQ(LANE_END_PROTOCOL, self->p.dialler.end);
	EXPECT_EQ(NULL, strstr(self->p.dialler.text, "555"));
}

TEST_F(pair, frames_out_of_turn)
{
	static const uint8_t types[] = {
		SKERRY_FRAME_CHALLENGE, SKERRY_FRAME_PROOF,
		SKERRY_FRAME_WELCOME,	SKERRY_FRAME_REFUSE,
		SKERRY_FRAME_DUPLICATE, SKERRY_FRAME_READY,
		SKERRY_FRAME_DATA,	SKERRY_FRAME_PING,
		SKERRY_FRAME_ERROR,	0x90,
	};
	uint8_t bytes[64];
	struct lane_pair p;
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		lane_pair_init(&p, &key_a, &key_a);
		memcpy(bytes, SKERRY_PREAMBLE, 8);
		size = lane_frame(bytes + 8, types[i], NULL, 0, NULL, 0);
		lane_side_feed(&p.acceptor, bytes, 8 + size);
		EXPECT_EQ(LANE_END_PROTOCOL, p.acceptor.end);
		EXPECT_EQ(0, lane_queue_used(&p.acceptor.queue));
		lane_pair_free(&p);
	}
}

TEST_F(pair, a_frame_longer_than_the_handshake_allows_is_not_waited_for)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_HELLO,
				      .length = 513,
				      .header_length = HEADER };

	lane_side_feed(&self->p.acceptor, SKERRY_PREAMBLE, 8);
	lane_side_feed(&self->p.acceptor, &frame, sizeof(frame));
	EXPECT_EQ(LANE_END_PROTOCOL, self->p.acceptor.end);
}

TEST_F(pair, nothing_is_sent_before_the_lane_is_up)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	struct core_bytes none = { NULL, 0 };

	EXPECT_EQ(-ENOTCONN,
		  lanefsm_send(self->p.dialler.fsm, &frame, none, none));
	EXPECT_EQ(-ENOTCONN, lanefsm_drain(self->p.dialler.fsm));
	EXPECT_EQ(-EINVAL, lanefsm_duplicate(self->p.acceptor.fsm, 1));
}

TEST_HARNESS_MAIN
