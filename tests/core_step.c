// SPDX-License-Identifier: GPL-2.0-only
/* One core by itself: the order of its first operations, limits, nonsense. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core.h"
#include "coreconf.h"
#include "rng.h"
#include "skerry/ring.h"
#include "spec.h"
#include "trace/trace.h"
#include "kselftest_harness.h"

#define MS 1000000ULL
#define WALL 1700000000000000ULL

FIXTURE(one)
{
	struct core_limits limits;
	struct core_config config;
	struct core *core;
	struct core_update update;
	uint64_t now_ns;
	char trace[16384]; /* of the last step and its ticks */
	size_t traced;
	uint32_t ops[OP_MAX];
	size_t most_bytes;
	uint64_t dials[1024];
	uint32_t dial_count;
};

static void make(FIXTURE_DATA(one) * self, uint32_t members_max)
{
	self->limits.members_max = members_max;
	self->limits.programs_max = 4;
	self->limits.watches_max = 16;
	self->limits.partitions_max = 4;
	self->limits.rules_max = 64;
	free(self->core);
	self->core = core_init(aligned_alloc(16, (core_size(&self->limits) +
						  15) & ~(size_t)15),
			       &self->limits, NULL);
	self->now_ns = 1000 * MS;
}

FIXTURE_SETUP(one)
{
	struct core_config *config = &self->config;

	memset(self, 0, sizeof(*self));
	coreconf_init(config, "me", "test");
	config->machine_id[0] = 1;
	config->addresses[0].ip[15] = 1;
	config->address_count = 1;
	coreconf_channel(config, "default", 1, false);
	make(self, 16);
}

FIXTURE_TEARDOWN(one)
{
	free(self->core);
}

static void note(FIXTURE_DATA(one) * self)
{
	size_t i;

	for (i = 0; i < self->update.count; i++) {
		const struct core_op *op = &self->update.ops[i];
		char text[512];

		trace_op_text(op, text, sizeof(text));
		if (self->traced + strlen(text) + 2 < sizeof(self->trace))
			self->traced +=
				(size_t)sprintf(self->trace + self->traced,
						"%s\n", text);
		self->ops[op->type]++;
		if (op->bytes.size_bytes > self->most_bytes)
			self->most_bytes = op->bytes.size_bytes;
		if (op->type == OP_DIAL && self->dial_count < 1024)
			self->dials[self->dial_count++] = op->lane;
	}
}

static int step(FIXTURE_DATA(one) * self, struct core_event *event)
{
	int rv, rounds = 0;

	memset(self->ops, 0, sizeof(self->ops));
	self->traced = 0;
	self->trace[0] = 0;
	event->now_ns = self->now_ns;
	event->wall_us = WALL + self->now_ns / 1000;
	rv = core_step(self->core, event, &self->update);
	while (!rv) {
		struct core_event tick = { .type = EV_TICK };

		note(self);
		if (self->update.count > CORE_OPS_MAX)
			return -E2BIG;
		if (!self->update.more)
			break;
		if (++rounds > 1000)
			return -ELOOP;
		tick.now_ns = event->now_ns;
		tick.wall_us = event->wall_us;
		rv = core_step(self->core, &tick, &self->update);
	}
	if (rv && self->update.count)
		return -E2BIG; /* a failed step says nothing */
	return rv;
}

static int simple(FIXTURE_DATA(one) * self, enum core_event_type type)
{
	struct core_event event = { .type = type };

	return step(self, &event);
}

static int start(FIXTURE_DATA(one) * self, const void *state, size_t size)
{
	struct core_event event = { .type = EV_START };

	event.start.config = &self->config;
	event.start.persisted.data = state;
	event.start.persisted.size_bytes = size;
	event.start.seed = 5;
	return step(self, &event);
}

static int stored(FIXTURE_DATA(one) * self, uint64_t token, int error)
{
	struct core_event event = {
		.type = EV_PERSISTED,
		.token = token,
		.error = error,
	};

	return step(self, &event);
}

/* ---- the beginning ------------------------------------------------------------ */

TEST_F(one, nothing_before_the_state_is_stored)
{
	const uint8_t *bytes;
	size_t i;

	self->config.contacts[0].address.ip[15] = 9;
	self->config.contacts[0].address.port = SKERRY_PORT_BASE;
	self->config.contact_count = 1;
	ASSERT_EQ(0, start(self, NULL, 0));
	ASSERT_EQ(1, self->ops[OP_PERSIST]);
	EXPECT_EQ(OP_PERSIST, self->update.ops[0].type);
	EXPECT_EQ(1, self->update.ops[0].token);
	bytes = self->update.ops[0].bytes.data;
	EXPECT_EQ(WALL + 1000000,
		  tlv_find_u64(bytes, self->update.ops[0].bytes.size_bytes,
			       SKERRY_K_INCARNATION, 0));
	for (i = 0; i < 10; i++) {
		self->now_ns += 500 * MS;
		ASSERT_EQ(0, simple(self, EV_TICK));
		EXPECT_EQ(0, self->ops[OP_DIAL]);
		EXPECT_EQ(0, self->ops[OP_DATAGRAM]);
	}
	/* Another token is not the answer. */
	ASSERT_EQ(0, stored(self, 7, 0));
	EXPECT_EQ(0, self->ops[OP_DIAL]);
	ASSERT_EQ(0, stored(self, 1, 0));
	EXPECT_EQ(1, self->ops[OP_DIAL]);
	EXPECT_EQ(1, self->ops[OP_WAKE_AT]);
}

TEST_F(one, the_incarnation_only_grows)
{
	uint8_t state[4096];
	struct core_bytes bytes;
	uint64_t first;

	ASSERT_EQ(0, start(self, NULL, 0));
	bytes = self->update.ops[0].bytes;
	memcpy(state, bytes.data, bytes.size_bytes);
	first = tlv_find_u64(state, bytes.size_bytes, SKERRY_K_INCARNATION, 0);
	/* The clock stands still: one more. */
	make(self, 16);
	ASSERT_EQ(0, start(self, state, bytes.size_bytes));
	EXPECT_EQ(first + 1, tlv_find_u64(core_spec(self->core).data,
					  core_spec(self->core).size_bytes,
					  SKERRY_K_INCARNATION, 0));
	/* Another machine with a copy of the disk: a life of its own. */
	make(self, 16);
	self->config.machine_id[0] = 2;
	ASSERT_EQ(0, start(self, state, bytes.size_bytes));
	EXPECT_EQ(first, tlv_find_u64(core_spec(self->core).data,
				      core_spec(self->core).size_bytes,
				      SKERRY_K_INCARNATION, 0));
	EXPECT_NE(NULL, strstr(self->trace, "another machine"));
}

TEST_F(one, a_damaged_state_is_survived)
{
	uint8_t state[4096], broken[4096];
	struct core_bytes bytes;
	struct rng rng;
	size_t size;
	int i;

	ASSERT_EQ(0, start(self, NULL, 0));
	bytes = self->update.ops[0].bytes;
	size = bytes.size_bytes;
	memcpy(state, bytes.data, size);
	rng_init(&rng, 3, 3);
	for (i = 0; i < 2000; i++) {
		memcpy(broken, state, size);
		broken[rng_below(&rng, size)] = (uint8_t)rng_u64(&rng);
		make(self, 16);
		ASSERT_EQ(0, start(self, broken, 1 + rng_below(&rng, size)));
		ASSERT_EQ(1, self->ops[OP_PERSIST]);
	}
}

TEST_F(one, settings_that_cannot_be)
{
	struct core_config good = self->config;

	EXPECT_EQ(-EINVAL, simple(self, EV_TICK));
	strcpy(self->config.name, "no good");
	EXPECT_EQ(-EINVAL, start(self, NULL, 0));
	self->config = good;
	strcpy(self->config.overlay, "torus");
	EXPECT_EQ(-EINVAL, start(self, NULL, 0));
	self->config = good;
	self->config.channels[1].parallelism = SKERRY_PARALLELISM_MAX + 1;
	EXPECT_EQ(-EINVAL, start(self, NULL, 0));
	self->config = good;
	self->config.down_after_ms = 1000;
	EXPECT_EQ(-EINVAL, start(self, NULL, 0));
	self->config = good;
	self->config.port_base++;
	EXPECT_EQ(-EINVAL, start(self, NULL, 0));
	self->config = good;
	EXPECT_EQ(0, start(self, NULL, 0));
	EXPECT_EQ(-EINVAL, start(self, NULL, 0));
}

TEST_F(one, a_spec_that_is_too_large)
{
	uint32_t i;

	self->config.channel_count = SKERRY_CHANNELS_MAX;
	for (i = 2; i < SKERRY_CHANNELS_MAX; i++) {
		memset(self->config.channels[i].name, 'a' + (int)i,
		       SKERRY_CHANNEL_MAX_BYTES);
		self->config.channels[i].parallelism = 1;
	}
	for (i = 0; i < SKERRY_TAGS_MAX; i++)
		memset(self->config.tags[i], 't', SKERRY_TAG_MAX_BYTES);
	self->config.tag_count = SKERRY_TAGS_MAX;
	self->config.address_count = SKERRY_ADDRS_MAX;
	EXPECT_EQ(-ENOSPC, start(self, NULL, 0));
	self->config.tag_count = 0;
	EXPECT_EQ(0, start(self, NULL, 0));
}

TEST_F(one, memory_is_what_was_said)
{
	const struct core_limits small = { .members_max = 1 };
	const struct core_limits large = { .members_max = 512 };

	/* A member costs its spec, its lanes and eight removed names. */
	EXPECT_GT(512 * 12000ULL, core_size(&large) - core_size(&small));
}

/* ---- a peer made by hand ---------------------------------------------------- */

static size_t details(uint8_t *bytes, size_t room, const char *name,
		      uint64_t incarnation, uint64_t nonce, const char *channel,
		      uint64_t generation, bool pending)
{
	struct core_config config = { .overlay = "full",
				      .port_base = SKERRY_PORT_BASE };
	struct tlv_writer w;
	size_t mark;

	strcpy(config.name, name);
	config.addresses[0].ip[15] = 77;
	config.address_count = 1;
	strcpy(config.channels[0].name, "membership");
	config.channels[0].parallelism = 1;
	strcpy(config.channels[1].name, "default");
	config.channels[1].parallelism = 1;
	config.channel_count = 2;
	tlv_writer_init(&w, bytes, room);
	tlv_put_str(&w, SKERRY_K_CLUSTER, "test");
	mark = tlv_begin(&w, SKERRY_K_SPEC);
	spec_write(&w, &config, incarnation, nonce, 1);
	tlv_end(&w, mark);
	tlv_put_str(&w, SKERRY_K_CHANNEL, channel);
	tlv_put_u64(&w, SKERRY_K_LANE, 0);
	tlv_put_u64(&w, SKERRY_K_GENERATION, generation);
	if (pending)
		tlv_put_bool(&w, SKERRY_K_PENDING, true);
	return w.used_bytes;
}

static int hello(FIXTURE_DATA(one) * self, uint64_t lane, const char *name,
		 uint64_t incarnation, uint64_t nonce, const char *channel,
		 uint64_t generation)
{
	uint8_t bytes[3072];
	struct core_event event = { .type = EV_LANE_HELLO, .lane = lane };

	event.hello.accepted = lane % 2;
	event.hello.remote.ip[15] = 77;
	event.hello.details.data = bytes;
	event.hello.details.size_bytes =
		details(bytes, sizeof(bytes), name, incarnation, nonce, channel,
			generation, true);
	return step(self, &event);
}

static int up(FIXTURE_DATA(one) * self, uint64_t lane)
{
	struct core_event event = { .type = EV_LANE_UP, .lane = lane };

	return step(self, &event);
}

static int lost(FIXTURE_DATA(one) * self, uint64_t lane)
{
	struct core_event event = { .type = EV_LANE_DOWN, .lane = lane };

	event.lane_down.end = LANE_END_PEER;
	return step(self, &event);
}

static int frame(FIXTURE_DATA(one) * self, uint64_t lane, uint8_t type,
		 const void *data, size_t size)
{
	struct core_event event = { .type = EV_FRAME, .lane = lane };

	event.frame.type = type;
	event.frame.payload.data = data;
	event.frame.payload.size_bytes = size;
	return step(self, &event);
}

static void running(struct __test_metadata *_metadata, FIXTURE_DATA(one) * self)
{
	ASSERT_EQ(0, start(self, NULL, 0));
	ASSERT_EQ(0, stored(self, 1, 0));
}

static void with_peer(struct __test_metadata *_metadata,
		      FIXTURE_DATA(one) * self)
{
	running(_metadata, self);
	ASSERT_EQ(0, hello(self, 1, "a", 10, 5, "membership", 1));
	ASSERT_EQ(1, self->ops[OP_ADMIT]);
	ASSERT_EQ(0, up(self, 1));
	ASSERT_EQ(1, self->ops[OP_ROUTE]);
}

TEST_F(one, a_lane_comes_up_in_this_order)
{
	const char *peer, *route;

	with_peer(_metadata, self);
	peer = strstr(self->trace, "peer peer=");
	route = strstr(self->trace, "route lane=1");
	ASSERT_NE(NULL, peer);
	ASSERT_NE(NULL, route);
	EXPECT_LT(peer, route);
	EXPECT_EQ(-EINVAL, up(self, 1));
	EXPECT_EQ(-EINVAL, up(self, 99));
	EXPECT_EQ(-EINVAL, hello(self, 1, "a", 10, 5, "default", 1));
}

TEST_F(one, duplicates)
{
	with_peer(_metadata, self);
	/* "a" is the smaller name: equal generations, it dialled both. */
	ASSERT_EQ(0, hello(self, 3, "a", 10, 5, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_DUPLICATE]);
	EXPECT_NE(NULL, strstr(self->trace, "duplicate lane=3 generation=1"));
	/* A higher generation wins: the new route first, then the old drains. */
	ASSERT_EQ(0, hello(self, 5, "a", 10, 5, "membership", 2));
	EXPECT_EQ(1, self->ops[OP_ADMIT]);
	EXPECT_EQ(0, self->ops[OP_CLOSE]);
	ASSERT_EQ(0, up(self, 5));
	EXPECT_EQ(0, self->ops[OP_ROUTE_GONE]);
	EXPECT_LT(strstr(self->trace, "route lane=5"),
		  strstr(self->trace, "close lane=1 drain"));
	/* The end of the old one is no end of the place. */
	ASSERT_EQ(0, lost(self, 1));
	EXPECT_EQ(0, self->ops[OP_ROUTE_GONE]);
	ASSERT_EQ(0, lost(self, 5));
	EXPECT_EQ(1, self->ops[OP_ROUTE_GONE]);
}

TEST_F(one, the_old_incarnation_is_asked_first)
{
	uint8_t pong = 0;
	struct core_event event = { .type = EV_FRAME, .lane = 1 };
	uint64_t sequence = 0;
	size_t i;

	with_peer(_metadata, self);
	ASSERT_EQ(0, hello(self, 3, "a", 11, 6, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_REFUSE]);
	for (i = 0; i < self->update.count; i++) {
		if (self->update.ops[i].type == OP_SEND &&
		    self->update.ops[i].frame.type == SKERRY_FRAME_PING)
			sequence = self->update.ops[i].frame.sequence;
	}
	ASSERT_NE(0, sequence);
	/* It answers: the newcomer is refused, and the old one is told. */
	event.frame.type = SKERRY_FRAME_PONG;
	event.frame.sequence = sequence;
	event.frame.payload.data = &pong;
	ASSERT_EQ(0, step(self, &event));
	self->now_ns += 600 * MS;
	ASSERT_EQ(0, hello(self, 5, "a", 11, 6, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_REFUSE]);
	EXPECT_NE(NULL, strstr(self->trace, "error=-17"));
	EXPECT_LE(1, self->ops[OP_SEND]);
	/* Later it does not answer: the newer one wins. */
	self->now_ns += 6000 * MS;
	event.type = EV_HEARD;
	ASSERT_EQ(0, step(self, &event));
	ASSERT_EQ(0, hello(self, 7, "a", 12, 7, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_REFUSE]);
	self->now_ns += 600 * MS;
	ASSERT_EQ(0, hello(self, 9, "a", 12, 7, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_ADMIT]);
	EXPECT_NE(NULL, strstr(self->trace, "close lane=1 "));
	EXPECT_EQ(1, self->ops[OP_ROUTE_GONE]);
	ASSERT_EQ(0, up(self, 9));
	EXPECT_EQ(1, self->ops[OP_ROUTE]);
}

TEST_F(one, refusals_have_their_reasons)
{
	struct core_event event = { .type = EV_LANE_HELLO, .lane = 11 };
	uint8_t bytes[64];
	struct tlv_writer w;

	with_peer(_metadata, self);
	ASSERT_EQ(0, hello(self, 3, "a", 10, 6, "membership", 1));
	EXPECT_NE(NULL, strstr(self->trace, "clone"));
	ASSERT_EQ(0, hello(self, 5, "b", 10, 6, "nothing", 1));
	EXPECT_NE(NULL, strstr(self->trace, "channel nothing"));
	/* One who comes with an older incarnation hears of the newer. */
	ASSERT_EQ(0, hello(self, 7, "a", 9, 6, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_ADMIT]);
	ASSERT_EQ(0, up(self, 7));
	EXPECT_EQ(1, self->ops[OP_CLOSE]);
	EXPECT_EQ(0, self->ops[OP_ROUTE]);
	/* Garbage. */
	event.hello.accepted = true;
	event.hello.details.data = "garbage";
	event.hello.details.size_bytes = 7;
	ASSERT_EQ(0, step(self, &event));
	EXPECT_EQ(1, self->ops[OP_REFUSE]);
	/* Another cluster. */
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_CLUSTER, "other");
	event.lane = 13;
	event.hello.details.data = bytes;
	event.hello.details.size_bytes = w.used_bytes;
	ASSERT_EQ(0, step(self, &event));
	EXPECT_EQ(1, self->ops[OP_REFUSE]);
}

/* The last address list an OP_DIAL of the step had holds this one. */
static bool dialled(FIXTURE_DATA(one) * self, uint8_t last_byte)
{
	char text[32];

	sprintf(text, ":%x]:17280", last_byte);
	return strstr(self->trace, "dial lane") && strstr(self->trace, text);
}

static size_t member_frame(uint8_t *bytes, size_t room, const char *kind,
			   const char *name, uint64_t nonce, uint64_t version,
			   uint8_t last_byte)
{
	struct core_config config = { .overlay = "full",
				      .port_base = SKERRY_PORT_BASE };
	struct tlv_writer w;
	size_t mark, inner;

	strcpy(config.name, name);
	config.addresses[0].ip[15] = last_byte;
	config.address_count = 1;
	strcpy(config.channels[0].name, "membership");
	config.channels[0].parallelism = 1;
	config.channel_count = 1;
	tlv_writer_init(&w, bytes, room);
	tlv_put_str(&w, SKERRY_K_KIND, kind);
	mark = tlv_begin(&w, SKERRY_K_MEMBER);
	inner = tlv_begin(&w, SKERRY_K_SPEC);
	spec_write(&w, &config, 10, nonce, version);
	tlv_end(&w, inner);
	tlv_end(&w, mark);
	return w.used_bytes;
}

TEST_F(one, an_old_address_is_not_dialled_again)
{
	uint8_t bytes[1024];
	size_t size;

	with_peer(_metadata, self);
	size = member_frame(bytes, sizeof(bytes), "delta", "a", 5, 2, 0x55);
	ASSERT_EQ(0, frame(self, 1, SKERRY_FRAME_MEMBER, bytes, size));
	EXPECT_NE(NULL, strstr(self->trace, "peer peer="));
	ASSERT_EQ(0, lost(self, 1));
	self->now_ns += 2100 * MS; /* it had its turn */
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_TRUE(dialled(self, 0x55));
	EXPECT_FALSE(dialled(self, 77));
	/* An older version brings nothing back. */
	ASSERT_EQ(0, hello(self, 3, "a", 10, 5, "membership", 9));
	ASSERT_EQ(0, up(self, 3));
	size = member_frame(bytes, sizeof(bytes), "table", "a", 5, 1, 77);
	ASSERT_EQ(0, frame(self, 3, SKERRY_FRAME_MEMBER, bytes, size));
	EXPECT_EQ(NULL, strstr(self->trace, "peer peer="));
}

TEST_F(one, long_sleep_is_nobodys_death)
{
	with_peer(_metadata, self);
	self->now_ns += 60000 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_EQ(0, self->ops[OP_CLOSE]);
	/* Silence from now on is one, though the limit is longer. */
	while (!self->ops[OP_CLOSE] && self->now_ns < 120000 * MS) {
		self->now_ns += 100 * MS;
		ASSERT_EQ(0, simple(self, EV_TICK));
	}
	EXPECT_LT(64000 * MS, self->now_ns);
	EXPECT_GT(100000 * MS, self->now_ns);
}

TEST_F(one, what_is_cut_is_asked_before_lanes_are_opened)
{
	uint8_t state[4096];
	struct core_bytes bytes;
	size_t i, size = 0;

	with_peer(_metadata, self);
	for (i = 0; i < 20 && !size; i++) {
		size_t n;

		self->now_ns += 100 * MS;
		ASSERT_EQ(0, simple(self, EV_TICK));
		for (n = 0; n < self->update.count; n++) {
			if (self->update.ops[n].type != OP_PERSIST)
				continue;
			bytes = self->update.ops[n].bytes;
			size = bytes.size_bytes;
			memcpy(state, bytes.data, size);
		}
	}
	ASSERT_NE(0, size);
	make(self, 16);
	ASSERT_EQ(0, start(self, state, size));
	ASSERT_EQ(0, stored(self, 1, 0));
	EXPECT_EQ(0, self->ops[OP_DIAL]);
	EXPECT_LE(1, self->ops[OP_DATAGRAM]);
	self->now_ns += 1900 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_EQ(0, self->ops[OP_DIAL]);
	self->now_ns += 200 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_EQ(1, self->ops[OP_DIAL]);
}

/* How often a MEMBER frame of that kind was sent in the last update. */
static int sent(FIXTURE_DATA(one) * self, const char *kind)
{
	size_t i;
	int count = 0;

	for (i = 0; i < self->update.count; i++) {
		const struct core_op *op = &self->update.ops[i];
		char text[16] = "";

		if (op->type != OP_SEND ||
		    op->frame.type != SKERRY_FRAME_MEMBER)
			continue;
		tlv_find_str(op->bytes.data, op->bytes.size_bytes,
			     SKERRY_K_KIND, text, sizeof(text));
		count += !strcmp(text, kind);
	}
	return count;
}

TEST_F(one, digests)
{
	uint8_t bytes[128];
	struct tlv_writer w;
	int i, seen = 0;

	with_peer(_metadata, self);
	EXPECT_EQ(1, sent(self, "digest"));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_KIND, "digest");
	tlv_put_u64(&w, SKERRY_K_DIGEST, 1);
	tlv_put_u64(&w, SKERRY_K_OVERLAY_DIGEST, 0);
	ASSERT_EQ(0, frame(self, 1, SKERRY_FRAME_MEMBER, bytes, w.used_bytes));
	EXPECT_EQ(1, sent(self, "table"));
	/* Whoever asks again at once waits a moment. */
	ASSERT_EQ(0, frame(self, 1, SKERRY_FRAME_MEMBER, bytes, w.used_bytes));
	EXPECT_EQ(0, sent(self, "table"));
	/* And one each period, without being asked. */
	self->now_ns += 1000 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	for (i = 0; i < 200; i++) {
		struct core_event event = { .type = EV_HEARD, .lane = 1 };

		self->now_ns += 100 * MS;
		ASSERT_EQ(0, step(self, &event));
		seen += sent(self, "digest");
	}
	EXPECT_EQ(2, seen);
}

/* ---- limits --------------------------------------------------------------------- */

TEST_F(one, the_member_after_the_last)
{
	char name[16];
	uint64_t i;

	running(_metadata, self);
	for (i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "n%u", (unsigned int)i);
		ASSERT_EQ(0,
			  hello(self, 2 * i + 1, name, 10, 5, "membership", 1));
		ASSERT_EQ(0, up(self, 2 * i + 1));
		EXPECT_EQ(1, self->ops[OP_ROUTE]);
	}
	ASSERT_EQ(0, hello(self, 99, "late", 10, 5, "membership", 1));
	EXPECT_EQ(1, self->ops[OP_REFUSE]);
	EXPECT_NE(NULL, strstr(self->trace, "hyparview"));
}

static size_t table(uint8_t *bytes, size_t room, int from, int to)
{
	struct tlv_writer w;
	int i;

	tlv_writer_init(&w, bytes, room);
	tlv_put_str(&w, SKERRY_K_KIND, "table");
	for (i = from; i < to; i++) {
		struct core_config config = { .overlay = "full" };
		size_t mark, inner;

		snprintf(config.name, sizeof(config.name), "zz-member-%04d", i);
		config.port_base = SKERRY_PORT_BASE;
		config.addresses[0].ip[14] = (uint8_t)(i >> 8);
		config.addresses[0].ip[15] = (uint8_t)i;
		config.address_count = 1;
		strcpy(config.channels[0].name, "membership");
		config.channels[0].parallelism = 1;
		config.channel_count = 1;
		mark = tlv_begin(&w, SKERRY_K_MEMBER);
		inner = tlv_begin(&w, SKERRY_K_SPEC);
		spec_write(&w, &config, 50, 1000 + (uint64_t)i, 1);
		tlv_end(&w, inner);
		tlv_end(&w, mark);
	}
	return w.full ? 0 : w.used_bytes;
}

TEST_F(one, the_largest_mesh)
{
	static uint8_t bytes[60000];
	struct core_event event = { .type = EV_COMMAND };
	uint8_t query[64];
	struct tlv_writer w;
	uint32_t rows = 0, answers = 0;
	int i;

	make(self, SKERRY_MEMBERS_MAX);
	with_peer(_metadata, self);
	for (i = 0; i < 600; i += 100) {
		size_t size = table(bytes, sizeof(bytes), i, i + 100);

		ASSERT_NE(0, size);
		ASSERT_EQ(0, frame(self, 1, SKERRY_FRAME_MEMBER, bytes, size));
	}
	/* 510 are taken, each is dialled once, the rest is not kept. */
	self->now_ns += 100 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_EQ(510, self->dial_count);
	EXPECT_GE(CORE_OP_BYTES_MAX, self->most_bytes);
	/* Heartbeats for all, in one go of several steps; and the registry
	 * asks some of them. */
	self->now_ns += 500 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_LE(511, self->ops[OP_DATAGRAM]);
	EXPECT_GE(511 + 64, self->ops[OP_DATAGRAM]);
	/* The table comes in parts, each row once. */
	tlv_writer_init(&w, query, sizeof(query));
	tlv_put_str(&w, SKERRY_K_QUERY, "members");
	event.command.command = SKERRY_CMD_QUERY;
	event.command.tlvs.data = query;
	event.command.tlvs.size_bytes = w.used_bytes;
	event.now_ns = self->now_ns;
	ASSERT_EQ(0, core_step(self->core, &event, &self->update));
	for (;;) {
		struct core_event tick = { .type = EV_TICK };
		size_t n;

		for (n = 0; n < self->update.count; n++) {
			const struct core_op *op = &self->update.ops[n];
			struct tlv_reader r;

			if (op->type != OP_ANSWER)
				continue;
			EXPECT_GE(32768, op->bytes.size_bytes);
			answers++;
			tlv_reader_init(&r, op->bytes.data,
					op->bytes.size_bytes);
			while (tlv_next(&r))
				rows += r.key == SKERRY_K_ROW;
		}
		if (!self->update.more)
			break;
		tick.now_ns = self->now_ns;
		ASSERT_EQ(0, core_step(self->core, &tick, &self->update));
	}
	EXPECT_EQ(512, rows);
	EXPECT_LT(3, answers);
	/* The state still fits into one operation. */
	self->now_ns += 2000 * MS;
	ASSERT_EQ(0, simple(self, EV_TICK));
	EXPECT_GE(CORE_OP_BYTES_MAX, self->most_bytes);
}

TEST_F(one, joins_have_a_limit)
{
	struct core_event event = { .type = EV_COMMAND };
	int i;

	running(_metadata, self);
	event.command.command = SKERRY_CMD_JOIN;
	event.command.admin = true;
	for (i = 0; i <= (int)SKERRY_JOINS_MAX; i++) {
		uint8_t bytes[64];
		char text[32];
		struct tlv_writer w;

		snprintf(text, sizeof(text), "192.0.2.%d", 1 + i);
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_JOIN_ADDRESS, text);
		event.command.tlvs.data = bytes;
		event.command.tlvs.size_bytes = w.used_bytes;
		ASSERT_EQ(0, step(self, &event));
		EXPECT_EQ(i == (int)SKERRY_JOINS_MAX,
			  strstr(self->trace, "too many joins") != NULL ||
				  strstr(self->trace, "error=-28") != NULL);
	}
}

/* ---- nonsense ------------------------------------------------------------------ */

TEST_F(one, malformed_frames_change_nothing)
{
	static uint8_t bytes[8192];
	size_t size = table(bytes, sizeof(bytes), 0, 5), cut;

	with_peer(_metadata, self);
	self->dial_count = 0;
	/* A member cut in the middle spoils those before it, too. */
	for (cut = 1; cut < size; cut++) {
		int rv;

		if (cut == 12)
			continue;
		rv = frame(self, 1, SKERRY_FRAME_MEMBER, bytes, cut);
		if (rv) {
			ASSERT_EQ(-EPROTO, rv);
			EXPECT_EQ(0, self->dial_count);
		} else {
			self->dial_count = 0;
		}
	}
	EXPECT_EQ(-EPROTO, frame(self, 1, SKERRY_FRAME_MEMBER, "\xff\xff", 2));
	EXPECT_EQ(-EPROTO, frame(self, 1, SKERRY_FRAME_MEMBER, NULL, 0));
	/* On a lane that is none it is ignored. */
	EXPECT_EQ(0, frame(self, 77, SKERRY_FRAME_MEMBER, "\xff\xff", 2));
}

static void random_event(struct rng *rng, struct core_event *event,
			 uint8_t *bytes, size_t room, size_t valid)
{
	size_t size = rng_below(rng, room);
	size_t i;

	memset(event, 0, sizeof(*event));
	event->type = (enum core_event_type)rng_below(rng, EV_MAX + 2);
	if (event->type == EV_START || event->type == EV_CONFIGURED ||
	    event->type == EV_STOP)
		event->type = EV_TICK;
	event->lane = rng_below(rng, 24);
	event->error = -(int)rng_below(rng, 40);
	event->token = rng_below(rng, 6);
	if (rng_below(rng, 2))
		size = valid;
	for (i = 0; i < rng_below(rng, 4); i++)
		bytes[rng_below(rng, room)] = (uint8_t)rng_u64(rng);
	switch (event->type) {
	case EV_LANE_HELLO:
		event->hello.accepted = event->lane % 2;
		event->hello.details.data = bytes;
		event->hello.details.size_bytes = size;
		break;
	case EV_LANE_DOWN:
		event->lane_down.end = (enum lane_end)rng_below(rng, 9);
		event->lane_down.generation_seen = rng_u64(rng);
		break;
	case EV_FRAME:
		event->frame.type = (uint8_t)(0x28 + rng_below(rng, 16));
		event->frame.payload.data = bytes;
		event->frame.payload.size_bytes = size;
		break;
	case EV_DATAGRAM:
		event->datagram.port = (uint8_t)rng_below(rng, 4);
		event->datagram.bytes.data = bytes;
		event->datagram.bytes.size_bytes = size;
		break;
	case EV_COMMAND:
		event->command.command = (uint32_t)rng_below(rng, 14);
		event->command.admin = true;
		event->command.program = (uint32_t)rng_below(rng, 3);
		event->command.tlvs.data = bytes;
		event->command.tlvs.size_bytes = size;
		break;
	case EV_ADDRESSES:
		event->addresses.list = (const void *)bytes;
		event->addresses.count = (uint32_t)rng_below(rng, 12);
		break;
	case EV_DISCOVERED:
		event->type = EV_TICK;
		break;
	default:
		break;
	}
}

TEST_F(one, random_events)
{
	static uint8_t bytes[3072] __attribute__((aligned(8)));
	static uint8_t corpus[4][3072];
	size_t sizes[4];
	struct rng rng;
	int round, i;

	rng_init(&rng, 17, 17);
	sizes[0] = details(corpus[0], 3072, "a", 10, 5, "membership", 1, true);
	sizes[1] = details(corpus[1], 3072, "b", 12, 6, "default", 2, false);
	sizes[2] = table(corpus[2], 3072, 0, 8);
	sizes[3] = 20;
	memcpy(corpus[3], "\x97\0\7\0members", 11);
	for (i = 0; i < 20; i++) {
		make(self, 8);
		with_peer(_metadata, self);
		for (round = 0; round < 3000; round++) {
			struct core_event event;
			int which = (int)rng_below(&rng, 4), rv;

			memcpy(bytes, corpus[which], sizeof(bytes));
			random_event(&rng, &event, bytes, sizeof(bytes),
				     sizes[which]);
			self->now_ns += rng_below(&rng, 400) * MS;
			rv = step(self, &event);
			ASSERT_NE(-E2BIG, rv);
			ASSERT_NE(-ELOOP, rv);
		}
	}
}

TEST_HARNESS_MAIN
