// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a channel can be told to do, through real agents: compression, keys
 * and lanes, values, more places than slots.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "../tools/lib/outgoing.h"
#include "nodes.h"
#include "skerry/limits.h"
#include "kselftest_harness.h"

#define WAIT_MS 10000
#define LANES 4

static const char *const flags[] = {
	"--channel", "packed:compression=zstd",
	"--channel", "wide:parallelism=4",
	"--channel", "values:monotonic=yes",
	"--channel", "urgent:priority=7",
	NULL,
};

FIXTURE(channels)
{
	struct nodes nodes;
	struct skerry *a; /* on n0 */
	struct skerry *b; /* on n1, owns "b" */
};

FIXTURE_SETUP(channels)
{
	nodes_flags(flags);
	ASSERT_EQ(0, nodes_pair(&self->nodes, 0, &self->a, &self->b));
	ASSERT_EQ(0, skerry_register(self->b, "b"));
}

FIXTURE_TEARDOWN(channels)
{
	skerry_close(self->a);
	skerry_close(self->b);
	nodes_stop(&self->nodes);
	nodes_flags(NULL);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- tables ------------------------------------------------------------- */

/* Of a channel's lanes on one node. */
struct lanes {
	const char *channel;
	uint64_t sent_bytes[SKERRY_PARALLELISM_MAX];
	struct skerry_addr local[SKERRY_PARALLELISM_MAX];
	struct skerry_addr remote[SKERRY_PARALLELISM_MAX];
	uint64_t total_bytes, generations;
	int up;
};

static void lane_row(void *data, const void *row, size_t size)
{
	struct lanes *lanes = data;
	uint64_t lane = tlv_find_u64(row, size, SKERRY_K_LANE, 99);
	struct tlv_reader r;
	char channel[32];

	if (tlv_find_str(row, size, SKERRY_K_CHANNEL, channel,
			 sizeof(channel)) ||
	    strcmp(channel, lanes->channel) || lane >= SKERRY_PARALLELISM_MAX)
		return;
	lanes->sent_bytes[lane] +=
		tlv_find_u64(row, size, SKERRY_K_SENT_BYTES, 0);
	lanes->total_bytes += tlv_find_u64(row, size, SKERRY_K_SENT_BYTES, 0);
	if (tlv_find(row, size, SKERRY_K_LOCAL_ADDRESS, &r))
		tlv_addr(&r, &lanes->local[lane]);
	if (tlv_find(row, size, SKERRY_K_REMOTE_ADDRESS, &r))
		tlv_addr(&r, &lanes->remote[lane]);
	lanes->generations += tlv_find_u64(row, size, SKERRY_K_GENERATION, 0);
	lanes->up++;
}

static struct lanes lanes_of(struct skerry *h, const char *channel)
{
	struct lanes lanes = { .channel = channel };

	skerry_query(h, "connections", lane_row, &lanes);
	return lanes;
}

/* All lanes up again: how often they came up, in all. */
static uint64_t generations_of(struct skerry *h, const char *channel)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct lanes lanes;

	do
		lanes = lanes_of(h, channel);
	while (lanes.up != LANES && now_ms() < end);
	return lanes.generations;
}

/* Close a lane's socket under its agents. */
static void kill_lane(struct skerry *h, const char *channel, int lane)
{
	struct lanes lanes = lanes_of(h, channel);
	char command[128];

	snprintf(command, sizeof(command),
		 "ss -K -t state established sport = :%u and dport = :%u "
		 ">/dev/null 2>&1",
		 lanes.local[lane].port, lanes.remote[lane].port);
	if (system(command))
		printf("# ss -K failed\n");
}

struct counter {
	const char *channel;
	uint16_t key;
	uint64_t value;
};

static void counter_row(void *data, const void *row, size_t size)
{
	struct counter *c = data;
	char channel[32];

	if (!tlv_find_str(row, size, SKERRY_K_CHANNEL, channel,
			  sizeof(channel)) &&
	    !strcmp(channel, c->channel))
		c->value = tlv_find_u64(row, size, c->key, 0);
}

static uint64_t counter_of(struct skerry *h, const char *channel, uint16_t key)
{
	struct counter c = { channel, key, 0 };

	skerry_query(h, "channels", counter_row, &c);
	return c.value;
}

/* What a library counts follows the message, not much later. */
static uint64_t counter_above(struct skerry *h, const char *channel,
			      uint16_t key, uint64_t above)
{
	uint64_t end = now_ms() + 2000, value;

	do
		value = counter_of(h, channel, key);
	while (value <= above && now_ms() < end);
	return value;
}

/* ---- compression ---------------------------------------------------------- */

static void fill(uint8_t *bytes, size_t size, bool text, uint32_t seed)
{
	static const char words[] = "the quick brown fox jumps over it; ";

	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = text ? (uint8_t)words[(i + (i >> 9)) %
						 (sizeof(words) - 1)]
				: (uint8_t)(seed >> 24);
	}
}

/* Sent from a process of its own: both ends must be at work. */
static pid_t send_one(const struct nodes *nodes, const char *channel,
		      const void *bytes, size_t size)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = channel };
	struct skerry *h;
	pid_t pid;
	int r;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	h = nodes_open(nodes, 0, 0);
	r = h ? skerry_forward(h, "n1", "b", bytes, size, &opts) : 1;
	if (r)
		printf("# %s\n", h ? skerry_last_error(h) : "open");
	fflush(stdout);
	/* Its counters are seen while it is attached. */
	pause();
	_exit(0);
}

struct packing {
	size_t size;
	bool text;
	bool packed; /* is expected to be */
};

static const struct packing packings[] = {
	{ 64, true, false },	 { 4096, true, true },
	{ 65536, true, true },	 { 8 << 20, true, true },
	{ 64, false, false },	 { 4096, false, false },
	{ 65536, false, false }, { 8 << 20, false, false },
};

TEST_F(channels, compression_by_bytes_on_the_wire)
{
	uint8_t *bytes = malloc(8 << 20);

	for (size_t i = 0; i < ARRAY_SIZE(packings); i++) {
		const struct packing *p = &packings[i];
		uint64_t before, sent, plain, packed;
		struct skerry_message m;
		pid_t pid;

		fill(bytes, p->size, p->text, (uint32_t)i);
		before = lanes_of(self->a, "packed").total_bytes;
		pid = send_one(&self->nodes, "packed", bytes, p->size);
		ASSERT_EQ(0, skerry_next(self->b, &m, WAIT_MS));
		EXPECT_EQ(p->size, m.size_bytes);
		EXPECT_EQ(0, memcmp(bytes, m.data, p->size));
		EXPECT_EQ(1, m.number);
		skerry_release(self->b, &m);
		sent = lanes_of(self->a, "packed").total_bytes - before;
		plain = counter_of(self->a, "packed", SKERRY_K_PLAIN_BYTES);
		packed = counter_of(self->a, "packed", SKERRY_K_PACKED_BYTES);
		if (p->packed) {
			packed = counter_above(self->a, "packed",
					       SKERRY_K_PACKED_BYTES, 0);
			plain = counter_of(self->a, "packed",
					   SKERRY_K_PLAIN_BYTES);
			EXPECT_GT(p->size / 2 + 512, sent);
			EXPECT_EQ(p->size, plain);
			EXPECT_GT(p->size / 2, packed);
		} else {
			EXPECT_LE(p->size, sent);
			EXPECT_GT(p->size + p->size / 50 + 4096, sent);
			EXPECT_EQ(0, plain);
			EXPECT_EQ(0, packed);
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	free(bytes);
	/* Nor does a channel without the option pack anything. */
	EXPECT_EQ(0, counter_of(self->b, "packed", SKERRY_K_UNREADABLE));
	EXPECT_EQ(0, counter_of(self->a, "default", SKERRY_K_PLAIN_BYTES));
}

/* What is unpacked and not released has a bound; nothing is lost to it. */
TEST_F(channels, unpacked_messages_held)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "packed" };
	const size_t size = 60U << 20;
	struct skerry_message held[2], m;
	uint8_t *bytes = calloc(1, size);
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		struct skerry *h = nodes_open(&self->nodes, 0, 0);
		int r = h ? 0 : 1;

		for (int i = 0; !r && i < 3; i++) {
			bytes[0] = (uint8_t)i;
			r = skerry_forward(h, "n1", "b", bytes, size, &opts);
		}
		skerry_close(h);
		_exit(r != 0);
	}
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, skerry_next(self->b, &held[i], WAIT_MS));
		EXPECT_EQ(size, held[i].size_bytes);
		EXPECT_EQ(i, *(const uint8_t *)held[i].data);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-ENOBUFS, skerry_next(self->b, &m, 2000));
	skerry_release(self->b, &held[0]);
	ASSERT_EQ(0, skerry_next(self->b, &m, WAIT_MS));
	EXPECT_EQ(2, *(const uint8_t *)m.data);
	EXPECT_EQ(3, m.number);
	skerry_release(self->b, &m);
	skerry_release(self->b, &held[1]);
	EXPECT_EQ(0, counter_of(self->b, "packed", SKERRY_K_UNREADABLE));
	free(bytes);
}

struct lie {
	const char *what;
	uint64_t plain_bytes;
	uint8_t flags;
	size_t payload_bytes;
	uint16_t extension;
};

static const struct lie lies[] = {
	{ "garbage", 1000, SKERRY_DATA_PACKED, 500, 0 },
	{ "nothing", 1000, SKERRY_DATA_PACKED, 0, 0 },
	{ "no length", 0, SKERRY_DATA_PACKED, 500, 0 },
	{ "length without flag", 1000, 0, 500, 0 },
	{ "a byte more", 5001, SKERRY_DATA_PACKED, 5000, 0 },
	{ "a byte less", 4999, SKERRY_DATA_PACKED, 5000, 0 },
	{ "a bomb", 100, SKERRY_DATA_PACKED, 5000, 0 },
	{ "beyond any message", 1ULL << 40, SKERRY_DATA_PACKED, 5000, 0 },
	{ "critical and unknown", 0, 0, 10, 0x7123 | SKERRY_TLV_CRITICAL },
};

/* Each is dropped and counted, and hurts no other message. */
TEST_F(channels, messages_that_lie)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "packed" };
	struct lib_packed packed = { .state = LIB_PACK_UNTRIED };
	static uint8_t plain[5000], garbage[5000], extension[4];
	struct skerry_message m;
	struct lib_flow *flow;
	struct tlv_writer w;

	fill(garbage, sizeof(garbage), false, 3);
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "x", 1, &opts));
	ASSERT_EQ(0, skerry_next(self->b, &m, WAIT_MS));
	skerry_release(self->b, &m);
	ASSERT_EQ(0, lib_flow_get(self->a, "n1", "b", &opts, &flow));
	lib_pack(self->a, plain, sizeof(plain), &packed);
	ASSERT_EQ(LIB_PACK_DONE, packed.state);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		const struct lie *l = &lies[i];
		struct lib_piece piece = {
			.flags = l->flags,
			.plain_bytes = l->plain_bytes,
			.payload = garbage,
			.payload_bytes = l->payload_bytes,
			.extensions = extension,
		};

		if (l->payload_bytes == sizeof(plain)) {
			piece.payload = packed.bytes;
			piece.payload_bytes = packed.size_bytes;
		}
		tlv_writer_init(&w, extension, sizeof(extension));
		if (l->extension)
			tlv_put(&w, l->extension, "", 0);
		piece.extension_bytes = w.used_bytes;
		ASSERT_EQ(0, lib_flow_step(flow));
		ASSERT_EQ(0, lib_flow_put(flow, &piece));
		lib_flow_sent(flow);
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "y", 1, &opts));
		ASSERT_EQ(0, skerry_next(self->b, &m, WAIT_MS));
		EXPECT_EQ(1, m.size_bytes)
		{
			TH_LOG("%s came through", l->what);
		}
		EXPECT_EQ(2 * i + 3, m.number);
		skerry_release(self->b, &m);
		EXPECT_EQ(i + 1,
			  counter_of(self->b, "packed", SKERRY_K_UNREADABLE));
	}
	free(packed.bytes);
}

/* ---- lanes ------------------------------------------------------------------ */

TEST_F(channels, any_lane_uses_every_lane)
{
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = "wide",
		.flags = SKERRY_FORWARD_ANY_LANE,
	};
	struct lanes before = lanes_of(self->a, "wide"), after;
	static uint8_t bytes[4096];
	struct skerry_message m;
	int seen = 0;

	ASSERT_EQ(LANES, before.up);
	/* The flows are opened as they are needed. */
	for (int i = 0; i < 2 * LANES; i++) {
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", bytes,
					    sizeof(bytes), &opts));
		ASSERT_EQ(0, skerry_next(self->b, &m, WAIT_MS));
		skerry_release(self->b, &m);
		skerry_dispatch(self->a, 50);
	}
	before = lanes_of(self->a, "wide");
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", bytes,
					    sizeof(bytes), &opts))
		{
			TH_LOG("%s", skerry_last_error(self->a));
		}
		while (skerry_next(self->b, &m, 0) == 0) {
			skerry_release(self->b, &m);
			seen++;
		}
	}
	while (seen < 100 && skerry_next(self->b, &m, WAIT_MS) == 0) {
		skerry_release(self->b, &m);
		seen++;
	}
	EXPECT_EQ(100, seen);
	after = lanes_of(self->a, "wide");
	for (int i = 0; i < LANES; i++)
		EXPECT_LE(10 * sizeof(bytes),
			  after.sent_bytes[i] - before.sent_bytes[i]);
	opts.flags |= SKERRY_FORWARD_KEY;
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", "b", "x", 1, &opts));
	opts.flags = SKERRY_FORWARD_ANY_LANE;
	opts.channel = "values";
	EXPECT_EQ(0, skerry_forward(self->a, "n1", "b", "x", 1,
				    &(struct skerry_forward_opts) {
					    .size = sizeof(opts),
					    .channel = "values" }));
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", "b", "x", 1, &opts));
}

struct lost {
	uint64_t messages;
};

static void count_lost(void *data, const struct skerry_lost *lost)
{
	struct lost *l = data;

	l->messages += lost->to_number - lost->from_number;
}

/* With lanes dying all the time: what is sent arrives or is reported. */
TEST_F(channels, any_lane_goes_on_while_lanes_die)
{
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = "wide",
		.flags = SKERRY_FORWARD_ANY_LANE,
	};
	uint64_t generations = generations_of(self->a, "wide");
	struct lost lost = { 0 };
	struct skerry_message m;
	uint64_t sent = 0, seen = 0, began = now_ms(), end = began + 4000;
	int killed = 0;

	skerry_on_lost(self->a, count_lost, &lost);
	for (int round = 0; now_ms() < end; round++) {
		if (now_ms() - began > 400U * (unsigned)(killed + 1))
			kill_lane(self->a, "wide", killed++ % LANES);
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", &sent,
					    sizeof(sent), &opts))
		{
			TH_LOG("%s", skerry_last_error(self->a));
		}
		sent++;
		while (skerry_next(self->b, &m, 0) == 0) {
			skerry_release(self->b, &m);
			seen++;
		}
		skerry_dispatch(self->a, 0);
		usleep(200);
	}
	end = now_ms() + WAIT_MS;
	while (seen + lost.messages < sent && now_ms() < end) {
		if (skerry_next(self->b, &m, 10) == 0) {
			skerry_release(self->b, &m);
			seen++;
		}
		skerry_dispatch(self->a, 0);
	}
	EXPECT_EQ(sent, seen + lost.messages);
	EXPECT_LT(100, seen);
	EXPECT_LT(generations, generations_of(self->a, "wide"));
	TH_LOG("sent %llu seen %llu lost %llu", (unsigned long long)sent,
	       (unsigned long long)seen, (unsigned long long)lost.messages);
}

#define KEYS 8

struct numbered {
	uint64_t key, count;
};

/* The order of each key holds under load while its lanes die one by one. */
TEST_F(channels, keys_keep_order_while_lanes_die)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "wide",
					    .flags = SKERRY_FORWARD_KEY,
					    /* Who waits here does not read. */
					    .timeout_ms = 50 };
	uint64_t next[KEYS] = { 0 }, last[KEYS] = { 0 }, seen = 0, sent = 0;
	uint64_t began = now_ms(), end = began + 4000;
	uint64_t generations = generations_of(self->a, "wide");
	int killed = 0;
	struct lost lost = { 0 };
	struct skerry_message m;

	skerry_on_lost(self->a, count_lost, &lost);
	for (int round = 0; now_ms() < end || seen + lost.messages < sent;
	     round++) {
		struct numbered n = { .key = (uint64_t)round % KEYS };
		bool sending = now_ms() < end;

		if (now_ms() > end + WAIT_MS)
			break;
		if (sending && now_ms() - began > 800U * (unsigned)(killed + 1))
			kill_lane(self->a, "wide", killed++ % LANES);
		n.count = next[n.key] + 1;
		opts.partition_key = n.key;
		if (sending && skerry_forward(self->a, "n1", "b", &n, sizeof(n),
					      &opts) == 0) {
			next[n.key]++;
			sent++;
		}
		while (skerry_next(self->b, &m, sending ? 0 : 10) == 0) {
			memcpy(&n, m.data, sizeof(n));
			ASSERT_GT(KEYS, n.key);
			EXPECT_LT(last[n.key], n.count);
			last[n.key] = n.count;
			skerry_release(self->b, &m);
			seen++;
		}
		skerry_dispatch(self->a, 0);
	}
	EXPECT_EQ(sent, seen + lost.messages);
	EXPECT_LT(1000, seen)
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	EXPECT_LT(generations, generations_of(self->a, "wide"));
	TH_LOG("sent %llu seen %llu lost %llu", (unsigned long long)sent,
	       (unsigned long long)seen, (unsigned long long)lost.messages);
}

/* More places than slots: those that were idle for longest give way. */
TEST_F_TIMEOUT(channels, more_places_than_slots, 60)
{
	const int places = SKERRY_FLOWS_PER_PROGRAM_MAX + 100;
	struct skerry *c = nodes_open(&self->nodes, 1, 0);
	struct skerry_message m;
	char endpoint[16];
	int seen = 0;

	for (int i = 0; i < places; i++) {
		snprintf(endpoint, sizeof(endpoint), "e%d", i);
		ASSERT_EQ(0, skerry_register(i % 2 ? c : self->b, endpoint));
	}
	for (int i = 0; i < places; i++) {
		snprintf(endpoint, sizeof(endpoint), "e%d", i);
		ASSERT_EQ(0, skerry_forward(self->a, "n1", endpoint, &i,
					    sizeof(i), NULL))
		{
			TH_LOG("%d: %s", i, skerry_last_error(self->a));
		}
		if (skerry_next(i % 2 ? c : self->b, &m, WAIT_MS) == 0) {
			skerry_release(i % 2 ? c : self->b, &m);
			seen++;
		}
	}
	EXPECT_EQ(places, seen);
	skerry_close(c);
	/* One that gave way is as good as new. */
	EXPECT_EQ(0, skerry_forward(self->a, "n1", "e0", "x", 1, NULL));
	EXPECT_EQ(0, skerry_next(self->b, &m, WAIT_MS));
	EXPECT_EQ(1, m.number);
	skerry_release(self->b, &m);
}

/* Any number of keys: a flow for each lane serves them. */
TEST_F(channels, many_keys)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "wide",
					    .flags = SKERRY_FORWARD_KEY };
	struct lanes before = lanes_of(self->a, "wide"), after;
	struct skerry_message m;
	uint64_t seen = 0;

	for (uint64_t key = 0; key < 20000; key++) {
		opts.partition_key = key;
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", &key,
					    sizeof(key), &opts))
		{
			TH_LOG("key %llu: %s", (unsigned long long)key,
			       skerry_last_error(self->a));
		}
		while (skerry_next(self->b, &m, 0) == 0) {
			skerry_release(self->b, &m);
			seen++;
		}
	}
	while (seen < 20000 && skerry_next(self->b, &m, WAIT_MS) == 0) {
		skerry_release(self->b, &m);
		seen++;
	}
	EXPECT_EQ(20000, seen);
	after = lanes_of(self->a, "wide");
	for (int i = 0; i < LANES; i++)
		EXPECT_LE(5000 * 32,
			  after.sent_bytes[i] - before.sent_bytes[i]);
}

/* ---- values -------------------------------------------------------------------- */

#define VALUES 16

struct values {
	uint64_t sent[VALUES], seen[VALUES];
	uint64_t messages;
};

static bool give(struct skerry *h, struct values *v, int rounds)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "values",
					    .flags = SKERRY_FORWARD_KEY };

	for (int i = 0; i < rounds; i++) {
		for (uint64_t key = 0; key < VALUES; key++) {
			struct numbered n = { key, v->sent[key] + 1 };
			int r;

			opts.partition_key = key;
			r = skerry_forward(h, "n1", "b", &n, sizeof(n), &opts);
			/* Its rings are not there yet. */
			if (r == -EAGAIN && !v->sent[key]) {
				skerry_dispatch(h, 100);
				key--;
				continue;
			}
			if (r) {
				printf("# %d: %s\n", r, skerry_last_error(h));
				return false;
			}
			v->sent[key]++;
		}
	}
	return true;
}

/* False: a value went back. */
static bool take(struct skerry *h, struct values *v, int timeout_ms)
{
	struct skerry_message m;
	struct numbered n;
	bool good = true;

	if (skerry_next(h, &m, timeout_ms))
		return true;
	memcpy(&n, m.data, sizeof(n));
	good = n.key < VALUES && n.count >= v->seen[n.key] &&
	       n.count <= v->sent[n.key];
	if (good)
		v->seen[n.key] = n.count;
	v->messages++;
	skerry_release(h, &m);
	return good;
}

static bool settled(const struct values *v)
{
	return !memcmp(v->sent, v->seen, sizeof(v->sent));
}

/* Both sides until the last of each key is there. */
static bool settle(struct skerry *a, struct skerry *b, struct values *v)
{
	uint64_t end = now_ms() + 2 * WAIT_MS;

	while (!settled(v) && now_ms() < end) {
		skerry_dispatch(a, 0);
		if (!take(b, v, 10))
			return false;
	}
	return settled(v);
}

static void unlucky(void *data, const struct skerry_lost *lost)
{
	++*(int *)data;
}

TEST_F(channels, values_slow_reader)
{
	struct skerry *a = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct values v = { 0 };
	uint64_t superseded, total = 0;
	int reports = 0;

	ASSERT_NE(NULL, a);
	skerry_on_lost(a, unlucky, &reports);
	for (int i = 0; i < 50; i++) {
		ASSERT_TRUE(give(a, &v, 100));
		ASSERT_TRUE(take(self->b, &v, 0));
		usleep(1000);
	}
	ASSERT_TRUE(settle(a, self->b, &v));
	for (int i = 0; i < VALUES; i++)
		total += v.sent[i];
	superseded = counter_of(a, "values", SKERRY_K_SUPERSEDED);
	EXPECT_EQ(total, v.messages + superseded);
	/* What a slow reader got was fresh: one of each at most lay there. */
	EXPECT_GT(total / 20, v.messages);
	EXPECT_EQ(0, reports);
	skerry_close(a);
}

TEST_F(channels, values_while_lanes_die)
{
	struct skerry *a = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct values v = { 0 };
	int reports = 0;

	ASSERT_NE(NULL, a);
	skerry_on_lost(a, unlucky, &reports);
	for (int i = 0; i < 200; i++) {
		ASSERT_TRUE(give(a, &v, 5));
		if (i % 20 == 10)
			kill_lane(self->a, "values", 0);
		for (int k = 0; k < 20; k++)
			ASSERT_TRUE(take(self->b, &v, 0));
		skerry_dispatch(a, 0);
		usleep(2000);
	}
	kill_lane(self->a, "values", 0);
	EXPECT_TRUE(settle(a, self->b, &v));
	EXPECT_EQ(0, reports);
	skerry_close(a);
}

TEST_F(channels, values_over_restarts)
{
	struct skerry *a = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct values v = { 0 };

	ASSERT_NE(NULL, a);
	ASSERT_TRUE(give(a, &v, 10));
	ASSERT_TRUE(settle(a, self->b, &v));
	/* The receiving agent, then the sending one. */
	for (int node = 1; node >= 0; node--) {
		uint64_t end = now_ms() + 1000;

		ASSERT_TRUE(give(a, &v, 10));
		nodes_signal(&self->nodes, node, SIGKILL);
		ASSERT_EQ(0, nodes_start_one(&self->nodes, node));
		while (now_ms() < end) {
			skerry_dispatch(a, 10);
			ASSERT_TRUE(take(self->b, &v, 10));
		}
		EXPECT_TRUE(settle(a, self->b, &v))
		{
			TH_LOG("after the restart of n%d", node);
		}
	}
	skerry_close(a);
}

TEST_F(channels, values_over_a_cut)
{
	struct skerry *a = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct skerry *admin = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "isolate",
		.flags = SKERRY_PARTITION_FORCE,
		.duration_ms = 60000,
	};
	struct skerry_reference reference;
	struct values v = { 0 };
	int reports = 0;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, admin);
	skerry_on_lost(a, unlucky, &reports);
	ASSERT_TRUE(give(a, &v, 10));
	ASSERT_TRUE(settle(a, self->b, &v));
	ASSERT_EQ(0, skerry_inject_partition(admin, "n1", 1, &opts, &reference))
	{
		TH_LOG("%s", skerry_last_error(admin));
	}
	/* Until its peer is down, and longer. */
	for (int i = 0; i < 50; i++) {
		ASSERT_TRUE(give(a, &v, 10));
		skerry_dispatch(a, 100);
	}
	EXPECT_FALSE(settled(&v));
	ASSERT_EQ(0, skerry_resolve_partition(admin, &reference));
	EXPECT_TRUE(settle(a, self->b, &v));
	EXPECT_EQ(0, reports);
	skerry_close(admin);
	skerry_close(a);
}

/* One large value under way does not hold the next back for ever. */
TEST_F(channels, values_large)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "values" };
	struct skerry *a = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	const size_t size = 1 << 20;
	uint8_t *bytes = calloc(1, size);
	uint64_t end = now_ms() + WAIT_MS;
	struct skerry_message m;
	int last = 0, r;

	ASSERT_NE(NULL, a);
	for (int i = 1; i <= 200; i++) {
		bytes[0] = (uint8_t)i;
		while ((r = skerry_forward(a, "n1", "b", bytes, size, &opts)) ==
			       -EAGAIN &&
		       i == 1)
			skerry_dispatch(a, 100);
		ASSERT_EQ(0, r)
		{
			TH_LOG("%s", skerry_last_error(a));
		}
	}
	while (last != 200 && now_ms() < end) {
		skerry_dispatch(a, 0);
		if (skerry_next(self->b, &m, 1))
			continue;
		EXPECT_EQ(size, m.size_bytes);
		EXPECT_LT(last, *(const uint8_t *)m.data);
		last = *(const uint8_t *)m.data;
		skerry_release(self->b, &m);
	}
	EXPECT_EQ(200, last);
	skerry_close(a);
	free(bytes);
}

/* ---- large and small ---------------------------------------------------------- */

static pid_t flood(const struct nodes *nodes, size_t size, uint8_t mark,
		   int count)
{
	uint8_t *bytes = calloc(1, size);
	struct skerry *h;
	pid_t pid;

	bytes[0] = mark;
	fflush(NULL);
	pid = fork();
	if (pid) {
		free(bytes);
		return pid;
	}
	h = nodes_open(nodes, 0, 0);
	for (int i = 0; h && i < count; i++)
		if (skerry_forward(h, "n1", "b", bytes, size, NULL))
			break;
	skerry_close(h);
	_exit(0);
}

/*
 * Records as they lie in the receiver's ring: between the fragments of large
 * messages of one flow come the small ones of another on the same channel. A
 * process that does not run sends nothing, so not each gap is judged.
 */
TEST_F(channels, small_ones_between_fragments)
{
	uint64_t fragments = 0, small = 0, gaps = 0, wide_gaps = 0, gap = 0;
	uint64_t end = now_ms() + WAIT_MS;
	struct lib_channel *c = NULL;
	pid_t pids[2];

	pids[0] = flood(&self->nodes, 8 << 20, 1, 10000);
	pids[1] = flood(&self->nodes, 64, 2, 100000000);
	while (fragments < 10 * 128 && now_ms() < end) {
		struct ringbuf_record r;
		uint64_t offset = 0;

		skerry_dispatch(self->b, 0);
		if (!c) {
			c = lib_channel_find(self->b, "default");
			continue;
		}
		while (ringbuf_read(&c->in, &offset, &r) == 1) {
			if (r.frame.type != SKERRY_FRAME_DATA)
				continue;
			if (r.payload_bytes > 64) {
				fragments++;
				gap++;
				continue;
			}
			small++;
			if (gap) {
				gaps++;
				wide_gaps += gap > 4;
			}
			gap = 0;
		}
		ringbuf_advance(&c->in, offset);
		/* As if each message were released at once. */
		if (offset)
			lib_reassembly_freed(self->b,
					     fragments % 128 ? 0 : 8 << 20);
	}
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	EXPECT_LE(10 * 128, fragments);
	EXPECT_LT(100, small);
	EXPECT_LT(40, gaps);
	EXPECT_GT(gaps / 4 + 1, wide_gaps);
	TH_LOG("%llu fragments, %llu small, %llu gaps, %llu wider than 4",
	       (unsigned long long)fragments, (unsigned long long)small,
	       (unsigned long long)gaps, (unsigned long long)wide_gaps);
}

TEST_HARNESS_MAIN
