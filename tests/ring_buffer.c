// SPDX-License-Identifier: GPL-2.0-only
/* The record ring: what goes in comes out, whatever its size; what the other
 * side claims and cannot be true is refused. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringbuf.h"
#include "rng.h"
#include "skerry/barrier.h"
#include "kselftest_harness.h"

#define RING_BYTES 65536U

struct shared {
	struct skerry_ring_positions *positions;
	uint8_t *data;
	int fd;
};

/* The data area twice in a row, as ring.h says. */
static int shared_open(struct shared *s)
{
	uint8_t *at;

	s->fd = memfd_create("ring", MFD_CLOEXEC);
	if (s->fd < 0 || ftruncate(s->fd, 4096 + RING_BYTES))
		return -errno;
	s->positions =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	at = mmap(NULL, 2 * RING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	if (s->positions == MAP_FAILED || at == MAP_FAILED)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (mmap(at + i * RING_BYTES, RING_BYTES,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd,
			 4096) == MAP_FAILED)
			return -errno;
	s->data = at;
	return 0;
}

static void shared_close(struct shared *s)
{
	munmap(s->positions, 4096);
	munmap(s->data, 2 * RING_BYTES);
	close(s->fd);
}

FIXTURE(ring)
{
	struct shared shared;
	struct ringbuf out;
	struct ringbuf in;
};

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, shared_open(&self->shared));
	ringbuf_init(&self->out, self->shared.positions, self->shared.data,
		     RING_BYTES, 0);
	ringbuf_init(&self->in, self->shared.positions, self->shared.data,
		     RING_BYTES, 0);
}

FIXTURE_TEARDOWN(ring)
{
	shared_close(&self->shared);
}

TEST_F(ring, round_trip)
{
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_DATA,
		.flags = SKERRY_DATA_CAST,
		.flow = 7,
		.correlation = 8,
		.sequence = 9,
	};
	struct ringbuf_record r;
	uint64_t offset = 0;

	EXPECT_TRUE(ringbuf_empty(&self->in));
	EXPECT_EQ(RING_BYTES, ringbuf_room(&self->out));
	ASSERT_EQ(0, ringbuf_write(&self->out, &frame, "ext", 3, "hello", 5));
	/* Not there before it is published. */
	EXPECT_TRUE(ringbuf_empty(&self->in));
	EXPECT_EQ(0, ringbuf_read(&self->in, &offset, &r));
	ringbuf_publish(&self->out);
	EXPECT_FALSE(ringbuf_empty(&self->in));
	ASSERT_EQ(1, ringbuf_read(&self->in, &offset, &r));
	EXPECT_EQ(24 + 3 + 5, r.frame.length);
	EXPECT_EQ(24 + 3, r.frame.header_length);
	EXPECT_EQ(SKERRY_FRAME_DATA, r.frame.type);
	EXPECT_EQ(SKERRY_DATA_CAST, r.frame.flags);
	EXPECT_EQ(7, r.frame.flow);
	EXPECT_EQ(8, r.frame.correlation);
	EXPECT_EQ(9, r.frame.sequence);
	ASSERT_EQ(3, r.extension_bytes);
	EXPECT_EQ(0, memcmp("ext", r.extensions, 3));
	ASSERT_EQ(5, r.payload_bytes);
	EXPECT_EQ(0, memcmp("hello", r.payload, 5));
	EXPECT_EQ(32, r.cost_bytes);
	EXPECT_EQ(32, offset);
	EXPECT_EQ(0, ringbuf_read(&self->in, &offset, &r));
	EXPECT_EQ(RING_BYTES - 32, ringbuf_room(&self->out));
	ringbuf_advance(&self->in, offset);
	EXPECT_EQ(RING_BYTES, ringbuf_room(&self->out));
	EXPECT_TRUE(ringbuf_empty(&self->in));
}

TEST_F(ring, full_and_too_large)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	static uint8_t big[RING_BYTES + 8];
	struct ringbuf_record r;
	uint64_t offset = 0;
	int n = 0;

	EXPECT_EQ(-EMSGSIZE, ringbuf_write(&self->out, &frame, NULL, 0, big,
					   RING_BYTES - 23));
	EXPECT_EQ(-EMSGSIZE,
		  ringbuf_write(&self->out, &frame, NULL, 0, big, SIZE_MAX));
	EXPECT_EQ(-EMSGSIZE,
		  ringbuf_write(&self->out, &frame, big, 65536, NULL, 0));
	/* Exactly the whole ring. */
	ASSERT_EQ(0, ringbuf_write(&self->out, &frame, NULL, 0, big,
				   RING_BYTES - 24));
	EXPECT_EQ(-ENOSPC, ringbuf_write(&self->out, &frame, NULL, 0, NULL, 0));
	ringbuf_publish(&self->out);
	ASSERT_EQ(1, ringbuf_read(&self->in, &offset, &r));
	EXPECT_EQ(RING_BYTES - 24, r.payload_bytes);
	ringbuf_advance(&self->in, offset);
	while (!ringbuf_write(&self->out, &frame, NULL, 0, big, 40))
		n++;
	EXPECT_EQ(RING_BYTES / 64, n);
}

/* Sizes that never divide the ring: each record crosses the end somewhere,
 * and is contiguous all the same. */
TEST_F(ring, wraps)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	uint8_t bytes[3001];
	struct ringbuf_record r;

	for (uint32_t i = 0; i < 500; i++) {
		uint64_t offset = 0;

		memset(bytes, (int)i, sizeof(bytes));
		frame.sequence = i;
		ASSERT_EQ(0, ringbuf_write(&self->out, &frame, NULL, 0, bytes,
					   sizeof(bytes)));
		ringbuf_publish(&self->out);
		ASSERT_EQ(1, ringbuf_read(&self->in, &offset, &r));
		ASSERT_EQ(i, r.frame.sequence);
		ASSERT_EQ(sizeof(bytes), r.payload_bytes);
		ASSERT_EQ(0, memcmp(bytes, r.payload, sizeof(bytes)));
		ringbuf_advance(&self->in, offset);
	}
}

/* A producer that lies about its position. */
TEST_F(ring, hostile_tail)
{
	static const uint64_t lies[] = {
		RING_BYTES + 8, UINT64_MAX - 7,	   1,	    4,
		UINT64_MAX,	(uint64_t)1 << 63, 1 << 31,
	};
	struct ringbuf_record r;

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		uint64_t offset = 0;

		self->shared.positions->tail = lies[i];
		EXPECT_EQ(-EPROTO, ringbuf_read(&self->in, &offset, &r));
		EXPECT_EQ(0, offset);
	}
}

/* It may not take back what it has shown. */
TEST_F(ring, tail_goes_back)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	struct ringbuf_record r;
	uint64_t offset = 0;

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0,
			  ringbuf_write(&self->out, &frame, NULL, 0, NULL, 0));
	ringbuf_publish(&self->out);
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, ringbuf_read(&self->in, &offset, &r));
	self->shared.positions->tail = 48;
	EXPECT_EQ(-EPROTO, ringbuf_read(&self->in, &offset, &r));
}

/* A producer that lies about lengths. */
TEST_F(ring, hostile_lengths)
{
	static const struct {
		uint32_t length;
		uint16_t header_length;
		int expect;
	} lies[] = {
		{ 24, 24, 1 },	       { 0, 24, -EPROTO },
		{ 23, 23, -EPROTO },   { 24, 25, -EPROTO },
		{ 24, 0, -EPROTO },    { 24, 65535, -EPROTO },
		{ 128, 24, 1 },	       { 129, 24, -EPROTO },
		{ 4096, 24, -EPROTO }, { UINT32_MAX, 24, -EPROTO },
		{ 128, 128, 1 },       { UINT32_MAX - 7, 24, -EPROTO },
	};
	struct skerry_frame *frame = (struct skerry_frame *)self->shared.data;
	struct ringbuf_record r;
	uint64_t offset;

	self->shared.positions->tail = 128;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		offset = 0;
		frame->length = lies[i].length;
		frame->header_length = lies[i].header_length;
		EXPECT_EQ(lies[i].expect, ringbuf_read(&self->in, &offset, &r))
		{
			TH_LOG("case %zu", i);
		}
	}
	/* Fewer bytes than a header. */
	self->shared.positions->tail = 16;
	ringbuf_init(&self->in, self->shared.positions, self->shared.data,
		     RING_BYTES, 0);
	offset = 0;
	EXPECT_EQ(-EPROTO, ringbuf_read(&self->in, &offset, &r));
}

/* A consumer that lies about its position. */
TEST_F(ring, hostile_head)
{
	static const uint64_t lies[] = { 3008,
					 1504,
					 UINT64_MAX,
					 500,
					 (uint64_t)1 << 63,
					 3016 + RING_BYTES };
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	static uint8_t bytes[2000 - 24];

	ASSERT_EQ(0, ringbuf_write(&self->out, &frame, NULL, 0, bytes,
				   sizeof(bytes)));
	ringbuf_publish(&self->out);
	self->shared.positions->head = 1008;
	EXPECT_EQ(RING_BYTES - 992, ringbuf_room(&self->out));
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		self->shared.positions->head = lies[i];
		if (lies[i] == 1504) {
			EXPECT_EQ(RING_BYTES - 496, ringbuf_room(&self->out));
		} else {
			EXPECT_EQ(-EPROTO, ringbuf_room(&self->out));
		}
	}
	/* And back. */
	self->shared.positions->head = 1008;
	EXPECT_EQ(-EPROTO, ringbuf_room(&self->out));
}

/* Any bytes and any positions: what is accepted lies inside the ring. */
TEST_F(ring, random_bytes)
{
	uint8_t *end = self->shared.data + 2 * RING_BYTES;
	struct ringbuf_record r;
	uint64_t accepted = 0;
	struct rng rng;

	rng_init(&rng, 11, 0);
	for (int round = 0; round < 20000; round++) {
		uint64_t at = rng_below(&rng, RING_BYTES / 8) * 8;
		uint64_t offset = 0;
		int n = 0;

		for (int i = 0; i < 64; i++) {
			uint64_t where = (at + (uint64_t)i * 8) % RING_BYTES;
			uint64_t value = rng_u64(&rng);

			/* Often something plausible. */
			if (rng_below(&rng, 2))
				value = (rng_below(&rng, 200)) |
					(24 + rng_below(&rng, 30)) << 48;
			memcpy(self->shared.data + where, &value, 8);
		}
		ringbuf_init(&self->in, self->shared.positions,
			     self->shared.data, RING_BYTES, at);
		self->shared.positions->tail =
			at + rng_below(&rng, RING_BYTES / 4) * 8;
		while (n++ < 100 && ringbuf_read(&self->in, &offset, &r) == 1) {
			accepted++;
			ASSERT_GE(r.extensions, self->shared.data);
			ASSERT_LE(r.payload + r.payload_bytes, end);
			ASSERT_LE(offset, RING_BYTES);
			ASSERT_EQ(r.frame.length,
				  24 + r.extension_bytes + r.payload_bytes);
		}
	}
	/* The run was not all refusals. */
	EXPECT_GT(accepted, 1000);
}

/* ---- two sides at once -------------------------------------------------- */

#define STRESS_RECORDS 400000U

static void produce(struct ringbuf *rb)
{
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };
	uint8_t bytes[600];
	struct rng rng;

	rng_init(&rng, 5, 0);
	for (uint64_t i = 0; i < STRESS_RECORDS; i++) {
		size_t size = rng_below(&rng, sizeof(bytes));

		memset(bytes, (int)i, size);
		frame.sequence = i;
		while (ringbuf_write(rb, &frame, NULL, 0, bytes, size))
			sched_yield();
		if (rng_below(&rng, 4) == 0 || i + 1 == STRESS_RECORDS ||
		    rb->own - rb->other > RING_BYTES / 2)
			ringbuf_publish(rb);
	}
}

/* How many came that were not what was sent. */
static uint64_t consume(struct ringbuf *rb)
{
	struct ringbuf_record r;
	uint64_t wrong = 0;
	uint8_t bytes[600];
	uint64_t i = 0;
	struct rng rng;

	rng_init(&rng, 5, 0);
	while (i < STRESS_RECORDS) {
		uint64_t offset = 0;
		int n;

		while ((n = ringbuf_read(rb, &offset, &r)) == 1) {
			size_t size = rng_below(&rng, sizeof(bytes));

			rng_below(&rng, 4);
			memset(bytes, (int)i, size);
			if (r.frame.sequence != i || r.payload_bytes != size ||
			    memcmp(r.payload, bytes, size))
				wrong++;
			i++;
		}
		if (n < 0)
			return UINT64_MAX;
		if (offset)
			ringbuf_advance(rb, offset);
		else
			sched_yield();
	}
	return wrong;
}

static void *produce_thread(void *data)
{
	produce(data);
	return NULL;
}

TEST_F(ring, two_threads)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, produce_thread, &self->out));
	EXPECT_EQ(0, consume(&self->in));
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

TEST_F(ring, two_processes)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (pid == 0) {
		produce(&self->out);
		_exit(0);
	}
	EXPECT_EQ(0, consume(&self->in));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
