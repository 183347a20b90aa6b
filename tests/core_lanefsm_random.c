// SPDX-License-Identifier: GPL-2.0-only
/*
 * An established lane under chance: what is sent arrives, all of it and in
 * order, however the bytes are split; and whatever bytes come, the owner
 * sees only frames that lie within them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec.h"
#include "kselftest_harness.h"
#include "lane_pair.h"
#include "rng.h"

#define HEADER sizeof(struct skerry_frame)

/* ---- both directions, drain in the middle ------------------------------ */

/* What a side has sent and must find at the other end, from the same seed. */
struct talk {
	struct lane_side *side;
	struct rng sent, expected;
	uint32_t frames_sent, frames_seen;
	bool drain_asked, data_refused, wrong;
};

static uint8_t random_type(struct rng *rng)
{
	static const uint8_t types[] = {
		SKERRY_FRAME_DATA,   SKERRY_FRAME_DATA,
		SKERRY_FRAME_DATA,   SKERRY_FRAME_CREDIT,
		SKERRY_FRAME_RESUME, SKERRY_FRAME_MEMBER,
		SKERRY_FRAME_PING,   0x85,
	};

	return types[rng_below(rng, sizeof(types))];
}

/* One frame, a function of the stream alone. */
static void make_frame(struct rng *rng, struct skerry_frame *frame,
		       uint8_t extensions[12], size_t *ret_extension_bytes,
		       uint8_t *payload, size_t *ret_payload_bytes)
{
	struct tlv_writer w;
	size_t i, most;

	memset(frame, 0, sizeof(*frame));
	frame->type = random_type(rng);
	frame->flags = (uint8_t)rng_below(rng, 8);
	frame->flow = (uint32_t)rng_u64(rng);
	frame->sequence = rng_u64(rng);
	tlv_writer_init(&w, extensions, 12);
	if (rng_below(rng, 4) == 0)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, rng_u64(rng));
	most = rng_below(rng, 50) ? 200 : SKERRY_FRAGMENT_BYTES;
	*ret_extension_bytes = w.used_bytes;
	*ret_payload_bytes = rng_below(rng, most + 1);
	for (i = 0; i < *ret_payload_bytes; i++)
		payload[i] = (uint8_t)(frame->sequence + i);
}

/* PING and ignorable frames are not shown; PONG comes in between. */
static bool is_shown(uint8_t type)
{
	return type != SKERRY_FRAME_PING && type < 0x80;
}

static void compare_frame(struct lane_side *side,
			  const struct skerry_frame *frame,
			  struct core_bytes extensions,
			  struct core_bytes payload)
{
	static uint8_t expected_payload[SKERRY_FRAGMENT_BYTES];
	struct talk *peer = side->data;
	struct skerry_frame expected;
	uint8_t expected_extensions[12];
	size_t extension_bytes, payload_bytes;

	if (frame->type == SKERRY_FRAME_PONG)
		return;
	do {
		make_frame(&peer->expected, &expected, expected_extensions,
			   &extension_bytes, expected_payload, &payload_bytes);
		peer->frames_seen++;
	} while (!is_shown(expected.type));
	lanefsm_header(&expected, extension_bytes, payload_bytes);
	if (memcmp(&expected, frame, sizeof(expected)) ||
	    extension_bytes != extensions.size_bytes ||
	    memcmp(expected_extensions, extensions.data, extension_bytes) ||
	    payload_bytes != payload.size_bytes ||
	    memcmp(expected_payload, payload.data, payload_bytes))
		peer->wrong = true;
}

/* One frame more, unless the queue is full or DATA is over. */
static void talk_send(struct talk *talk)
{
	static uint8_t payload[SKERRY_FRAGMENT_BYTES];
	struct rng before = talk->sent;
	struct skerry_frame frame;
	uint8_t extensions[12];
	size_t extension_bytes, payload_bytes;
	int err;

	if (talk->data_refused)
		return;
	make_frame(&talk->sent, &frame, extensions, &extension_bytes, payload,
		   &payload_bytes);
	err = lanefsm_send(talk->side->fsm, &frame,
			   (struct core_bytes) { extensions, extension_bytes },
			   (struct core_bytes) { payload, payload_bytes });
	if (!err) {
		talk->frames_sent++;
		return;
	}
	talk->sent = before;
	if (err == -ENOTCONN)
		talk->data_refused = true;
}

static void talk_init(struct talk *talk, struct lane_side *side, uint64_t seed,
		      uint64_t stream)
{
	memset(talk, 0, sizeof(*talk));
	talk->side = side;
	rng_init(&talk->sent, seed, stream);
	rng_init(&talk->expected, seed, stream);
}

static void converse(struct __test_metadata *_metadata, uint64_t seed)
{
	struct lane_pair p;
	struct talk talks[2];
	struct rng rng;
	int round, i;

	lane_pair_up(&p, NULL);
	talk_init(&talks[0], &p.dialler, seed, 10);
	talk_init(&talks[1], &p.acceptor, seed, 11);
	p.dialler.on_frame = compare_frame;
	p.dialler.data = &talks[1];
	p.acceptor.on_frame = compare_frame;
	p.acceptor.data = &talks[0];
	rng_init(&rng, seed, 12);
	for (round = 0; round < 6000; round++) {
		int who = (int)rng_below(&rng, 2);
		size_t most = 1 + rng_below(&rng, 3000);

		if (rng_below(&rng, 3)) {
			talk_send(&talks[who]);
			continue;
		}
		lane_side_move(talks[who].side, talks[!who].side, most);
		if (round > 4000 && !talks[who].drain_asked &&
		    rng_below(&rng, 200) == 0) {
			talks[who].drain_asked = true;
			ASSERT_EQ(0, lanefsm_drain(talks[who].side->fsm));
		}
	}
	lane_pair_settle(&p);
	for (i = 0; i < 2; i++) {
		ASSERT_FALSE(talks[i].wrong);
		ASSERT_EQ(0, talks[i].side->closeds);
		ASSERT_EQ(talks[i].drain_asked, talks[i].side->draineds);
		ASSERT_EQ(talks[!i].drain_asked, talks[i].side->drainings);
		ASSERT_GT(talks[i].frames_sent, 500);
		/* The last ones may be of the kinds that are not shown. */
		while (talks[i].frames_seen < talks[i].frames_sent) {
			struct skerry_frame frame;
			static uint8_t payload[SKERRY_FRAGMENT_BYTES];
			uint8_t extensions[12];
			size_t n, m;

			make_frame(&talks[i].expected, &frame, extensions, &n,
				   payload, &m);
			talks[i].frames_seen++;
			ASSERT_FALSE(is_shown(frame.type));
		}
		ASSERT_EQ(talks[i].frames_sent, talks[i].frames_seen);
	}
	lane_pair_free(&p);
}

TEST(two_ends_of_a_pipe)
{
	uint64_t seed;

	for (seed = 1; seed <= 12; seed++)
		converse(_metadata, seed);
}

/* ---- hostile bytes ------------------------------------------------------ */

struct watch {
	const uint8_t *begin, *end; /* what was given to lanefsm_receive */
	uint32_t frames, outside;
};

static void watch_frame(void *data, const struct skerry_frame *frame,
			struct core_bytes extensions, struct core_bytes payload)
{
	struct watch *watch = data;
	const uint8_t *e = extensions.data, *b = payload.data;

	watch->frames++;
	if (e < watch->begin || b < e || b + payload.size_bytes > watch->end ||
	    e + extensions.size_bytes != b ||
	    frame->length !=
		    HEADER + extensions.size_bytes + payload.size_bytes ||
	    frame->header_length != HEADER + extensions.size_bytes)
		watch->outside++;
}

static void watch_closed(void *data, enum lane_end end, int error,
			 uint64_t generation_seen, const char *text)
{
}

/* An acceptor without key that is up: the handshake is the same each time. */
struct prelude {
	uint8_t bytes[4096];
	size_t size;
	uint8_t queue[LANE_PAIR_QUEUE_BYTES];
	struct lane_queue q;
	void *memory;
	struct watch watch;
};

static void admit_hello(void *data, struct core_bytes details)
{
	struct prelude *prelude = data;

	lanefsm_admit(prelude->memory, (struct core_bytes) { "a", 1 });
}

static void prelude_watch_frame(void *data, const struct skerry_frame *frame,
				struct core_bytes extensions,
				struct core_bytes payload)
{
	watch_frame(&((struct prelude *)data)->watch, frame, extensions,
		    payload);
}

static const struct lanefsm_handler prelude_handler = {
	.hello = admit_hello,
	.frame = prelude_watch_frame,
	.closed = watch_closed,
};

static struct prelude *prelude_new(void)
{
	struct prelude *prelude = calloc(1, sizeof(*prelude));
	struct lane_pair p;

	lane_pair_up(&p, NULL);
	prelude->size = p.acceptor.heard_bytes;
	memcpy(prelude->bytes, p.acceptor.heard, prelude->size);
	lane_pair_free(&p);
	prelude->memory = aligned_alloc(16, lanefsm_size());
	return prelude;
}

static struct lanefsm *prelude_up(struct prelude *prelude)
{
	struct lanefsm_config config = { .dialler = false };
	struct lanefsm *fsm;

	memset(config.nonce, 0xac, sizeof(config.nonce));
	lane_queue_init(&prelude->q, prelude->queue, sizeof(prelude->queue));
	fsm = lanefsm_init(prelude->memory, &config, &prelude->q,
			   &prelude_handler, prelude);
	lanefsm_receive(fsm, prelude->bytes, prelude->size);
	return fsm;
}

/* Exactly as many bytes as there are, so that a sanitizer sees more. */
static ssize_t give(struct prelude *prelude, struct lanefsm *fsm,
		    const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size + !size);
	ssize_t taken;

	memcpy(copy, bytes, size);
	prelude->watch.begin = copy;
	prelude->watch.end = copy + size;
	taken = lanefsm_receive(fsm, copy, size);
	free(copy);
	return taken;
}

/* A row of frames, most of them right; then some bytes are changed. */
static size_t make_hostile(struct rng *rng, uint8_t *out, size_t room)
{
	size_t size = 0, changes, i;

	while (size + 200 < room && rng_below(rng, 12)) {
		uint8_t filler[128];
		uint8_t type = (uint8_t)rng_u64(rng);
		size_t ext = rng_below(rng, 3) ? 0 : rng_below(rng, 40);
		size_t n = rng_below(rng, 80);

		if (rng_below(rng, 4))
			type = 0x10 + (uint8_t)rng_below(rng, 8);
		for (i = 0; i < sizeof(filler); i++)
			filler[i] = (uint8_t)rng_below(rng, 12);
		size += lane_frame(out + size, type, filler, ext, filler + 40,
				   n);
	}
	changes = rng_below(rng, 4);
	for (i = 0; size && i < changes; i++)
		out[rng_below(rng, size)] = (uint8_t)rng_u64(rng);
	return size;
}

TEST(hostile_bytes_stay_within_bounds)
{
	struct prelude *prelude = prelude_new();
	uint8_t bytes[2048];
	uint32_t up = 0, closed = 0;
	struct rng rng;
	int round;

	rng_init(&rng, 5, 1);
	for (round = 0; round < 60000; round++) {
		struct lanefsm *fsm = prelude_up(prelude);
		size_t size = make_hostile(&rng, bytes, sizeof(bytes)), i;
		ssize_t taken;

		ASSERT_EQ(LANEFSM_UP, lanefsm_state(fsm));
		if (rng_below(&rng, 10) == 0)
			for (i = 0; i < size; i++)
				bytes[i] = (uint8_t)rng_u64(&rng);
		taken = give(prelude, fsm, bytes, size);
		ASSERT_TRUE(taken == -EPROTO ||
			    (taken >= 0 && (size_t)taken <= size));
		ASSERT_EQ(0, prelude->watch.outside);
		if (lanefsm_state(fsm) == LANEFSM_CLOSED)
			closed++;
		else
			up++;
	}
	/* Both ways are really walked. */
	ASSERT_GT(up, 1000);
	ASSERT_GT(closed, 1000);
	ASSERT_GT(prelude->watch.frames, 10000);
	free(prelude->memory);
	free(prelude);
}

/* What is left over is less than a frame, and the same comes of it. */
TEST(splits_do_not_matter)
{
	struct prelude *prelude = prelude_new();
	uint8_t bytes[2048];
	struct rng rng;
	int round;

	rng_init(&rng, 6, 1);
	for (round = 0; round < 5000; round++) {
		size_t size = make_hostile(&rng, bytes, sizeof(bytes));
		struct lanefsm *fsm = prelude_up(prelude);
		uint32_t frames;
		enum lanefsm_state state;
		size_t at = 0, shown = 0;

		prelude->watch.frames = 0;
		give(prelude, fsm, bytes, size);
		frames = prelude->watch.frames;
		state = lanefsm_state(fsm);
		prelude->watch.frames = 0;
		fsm = prelude_up(prelude);
		while (shown < size && lanefsm_state(fsm) != LANEFSM_CLOSED) {
			ssize_t taken;

			shown += 1 + rng_below(&rng, 40);
			if (shown > size)
				shown = size;
			taken = give(prelude, fsm, bytes + at, shown - at);
			if (taken < 0)
				break;
			at += (size_t)taken;
		}
		ASSERT_EQ(state, lanefsm_state(fsm));
		ASSERT_EQ(frames, prelude->watch.frames);
	}
	free(prelude->memory);
	free(prelude);
}

/* ---- how fast; printed, not judged ---------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void measure(struct __test_metadata *_metadata, size_t payload_bytes,
		    uint32_t count)
{
	static uint8_t payload[SKERRY_FRAGMENT_BYTES];
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	struct core_bytes body = { payload, payload_bytes };
	struct core_bytes none = { NULL, 0 }, pieces[2];
	struct prelude *prelude = prelude_new();
	struct lanefsm *out = prelude_up(prelude);
	struct lane_queue *q = &prelude->q;
	uint64_t begin = now_ns(), ns;
	uint32_t sent = 0;

	prelude->watch.begin = prelude->queue;
	prelude->watch.end = prelude->queue + sizeof(prelude->queue);
	lane_queue_consume(q, lane_queue_used(q));
	while (sent < count) {
		while (sent < count && !lanefsm_send(out, &frame, none, body))
			sent++;
		while (lane_queue_peek(q, pieces)) {
			ssize_t taken = lanefsm_receive(out, pieces[0].data,
							pieces[0].size_bytes);

			ASSERT_EQ(pieces[0].size_bytes, taken);
			lane_queue_consume(q, (size_t)taken);
		}
	}
	ns = now_ns() - begin;
	ASSERT_EQ(count, prelude->watch.frames);
	TH_LOG("%zu B: %u frames, %llu ns each, through the queue and back",
	       payload_bytes, count, (unsigned long long)(ns / count));
	free(prelude->memory);
	free(prelude);
}

TEST(throughput)
{
	measure(_metadata, 64, 1000000);
	measure(_metadata, SKERRY_FRAGMENT_BYTES, 20000);
}

TEST_HARNESS_MAIN
