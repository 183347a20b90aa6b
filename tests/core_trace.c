// SPDX-License-Identifier: GPL-2.0-only
/* Recordings: what is written is read back, and shown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"

#include "core.h"
#include "rng.h"
#include "trace/trace.h"

#define ROOM (8U << 20)

static uint8_t bytes[ROOM], again[ROOM];
static uint8_t scratch[TRACE_SCRATCH_BYTES + TRACE_RECORD_MAX_BYTES]
	__attribute__((aligned(16)));

static const struct skerry_addr address = {
	.ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 7 },
	.port = 17281,
};
static const struct skerry_addr address6 = {
	.ip = { 0xfd, 0, [15] = 0x2a },
	.port = 17408,
};

static struct core_bytes encode_event(const struct core_event *event,
				      uint8_t *out)
{
	struct tlv_writer w;

	tlv_writer_init(&w, out, ROOM);
	trace_event(&w, event);
	if (w.full)
		abort();
	return (struct core_bytes) { out, w.used_bytes };
}

static struct core_bytes encode_op(const struct core_op *op, uint8_t *out)
{
	struct tlv_writer w;

	tlv_writer_init(&w, out, ROOM);
	trace_op(&w, op);
	if (w.full)
		abort();
	return (struct core_bytes) { out, w.used_bytes };
}

static bool equal(struct core_bytes a, struct core_bytes b)
{
	return a.size_bytes == b.size_bytes &&
	       (!a.size_bytes || memcmp(a.data, b.data, a.size_bytes) == 0);
}

/* Every field that a configuration has is something else than zero. */
static struct core_config full_config(void)
{
	struct core_config config = {
		.name = "n",
		.cluster = "c",
		.overlay = "full",
		.has_key = true,
		.machine_id = { 1, 2, 3, [15] = 9 },
		.port_base = 17280,
		.addresses = { address, address6 },
		.address_count = 2,
		.tags = { "one", "two" },
		.tag_count = 2,
		.channels = { { "membership", 1, 7, true, true, true },
			      { "default", 4, 0, false, false, false } },
		.channel_count = 2,
		.contacts = { { "peer", address }, { "", address6 } },
		.contact_count = 2,
		.takeover = true,
		.leave_on_stop = true,
		.heartbeat_ms = 501,
		.ping_after_ms = 502,
		.down_after_ms = 503,
		.redial_min_ms = 504,
		.redial_max_ms = 505,
		.gossip_collect_ms = 506,
		.gossip_period_ms = 507,
		.cut_max_ms = 508,
		.cut_share_percent = 50,
		.members_max = 509,
		.kernel_cuts = true,
		.fast_demux = true,
		.cut_loss = true,
		.cut_reject = true,
		.cut_address = true,
	};

	return config;
}

TEST(a_configuration)
{
	struct core_config config = full_config();
	struct core_event event = { .type = EV_START };
	struct core_event read;
	const struct core_config *got;
	uint8_t *at;
	size_t i;

	/* A field more: it must be encoded, decoded and set above. */
	ASSERT_EQ(6728, sizeof(struct core_config));
	event.start.config = &config;
	event.start.seed = 77;
	event.start.persisted = (struct core_bytes) { "state", 5 };
	ASSERT_EQ(0, trace_event_decode(encode_event(&event, bytes), scratch,
					sizeof(scratch), &read));
	got = read.start.config;
	ASSERT_EQ(77, read.start.seed);
	ASSERT_EQ(0, memcmp("state", read.start.persisted.data, 5));
	/* Byte by byte, but for what lies between the fields. */
	at = (uint8_t *)&config;
	for (i = 0; i < sizeof(config); i++)
		if (at[i] != ((const uint8_t *)got)[i])
			break;
	ASSERT_EQ(sizeof(config), i);
}

static const struct core_ledger ledgers[] = {
	{ .peer = 3,
	  .in_force = true,
	  .out_seen = 1,
	  .out_dropped = 2,
	  .out_leaked = 3 },
	{ .peer = CORE_PEER_EVERYBODY,
	  .user_space = true,
	  .in_seen = 4,
	  .in_dropped = 5,
	  .in_leaked = UINT64_MAX },
};

static struct core_event event_of(enum core_event_type type)
{
	static const struct core_contact contacts[] = {
		{ "x", { .port = 1 } },
		{ "", { .port = 2 } },
	};
	static const struct skerry_addr addresses[3] = { { .port = 3 } };
	static struct core_config config;
	struct core_event event;

	memset(&event, 0, sizeof(event));
	event.type = type;
	event.now_ns = 1500000001;
	event.wall_us = 3;
	event.lane = 6;
	event.error = -110;
	event.token = 9;
	switch (type) {
	case EV_START:
	case EV_CONFIGURED:
		config = full_config();
		event.start.config = &config;
		event.start.seed = 4;
		break;
	case EV_LANE_HELLO:
		event.hello.accepted = true;
		event.hello.details = (struct core_bytes) { "abc", 3 };
		event.hello.remote = address;
		break;
	case EV_LANE_DOWN:
		event.lane_down.end = LANE_END_DUPLICATE;
		event.lane_down.generation_seen = 12;
		strcpy(event.lane_down.text, "why");
		break;
	case EV_FRAME:
		event.frame.type = 0x31;
		event.frame.sequence = 13;
		event.frame.payload = (struct core_bytes) { "def", 3 };
		break;
	case EV_DATAGRAM:
		event.datagram.port = 2;
		event.datagram.from = address6;
		event.datagram.bytes = (struct core_bytes) { "ghi", 3 };
		break;
	case EV_COMMAND:
		event.command.program = 1;
		event.command.command = 8;
		event.command.correlation = 14;
		event.command.admin = true;
		event.command.uid = 1000;
		event.command.pid = 4711;
		event.command.name = "skerryctl";
		event.command.guards = CORE_GUARD_SSH;
		event.command.tlvs = (struct core_bytes) { "jkl", 3 };
		break;
	case EV_PROGRAM_UP:
	case EV_PROGRAM_GONE:
		event.program.program = 3;
		break;
	case EV_ADDRESSES:
		event.addresses.list = addresses;
		event.addresses.count = 3;
		break;
	case EV_DISCOVERED:
		event.discovered.list = contacts;
		event.discovered.count = 2;
		break;
	case EV_LEDGER:
		event.ledger.list = ledgers;
		event.ledger.count = 2;
		break;
	default:
		break;
	}
	return event;
}

static const char *const event_lines[EV_MAX] = {
	[EV_START] =
		"1.500000001 start lane=6 token=9 error=-110 name=\"n\" "
		"cluster=\"c\" overlay=\"full\" key port_base=17280 "
		"address=10.0.0.7:17281 address=[fd00:0:0:0:0:0:0:2a]:17408 "
		"channel=\"membership\" parallelism=1 datagram "
		"channel=\"default\" parallelism=4 contact=\"peer\" "
		"at=10.0.0.7:17281 contact=\"\" "
		"at=[fd00:0:0:0:0:0:0:2a]:17408 seed=4",
	[EV_TICK] = "1.500000001 tick lane=6 token=9 error=-110",
	[EV_DIAL_FAILED] = "1.500000001 dial_failed lane=6 token=9 error=-110",
	[EV_LANE_HELLO] = "1.500000001 lane_hello lane=6 token=9 error=-110 "
			  "accepted remote=10.0.0.7:17281 details=3B/1a47e90b",
	[EV_LANE_UP] = "1.500000001 lane_up lane=6 token=9 error=-110",
	[EV_LANE_DOWN] = "1.500000001 lane_down lane=6 token=9 error=-110 "
			 "end=duplicate generation_seen=12 text=\"why\"",
	[EV_FRAME] = "1.500000001 frame lane=6 token=9 error=-110 type=0x31 "
		     "sequence=13 payload=3B/c5597e8c",
	[EV_COMMAND] = "1.500000001 command lane=6 token=9 error=-110 "
		       "program=1 command=8 correlation=14 admin uid=1000 "
		       "pid=4711 name=\"skerryctl\" guards=2 "
		       "tlvs=3B/c3de944a",
	[EV_LEDGER] = "1.500000001 ledger lane=6 token=9 error=-110 rows=2",
	[EV_STOP] = "1.500000001 stop lane=6 token=9 error=-110",
};

TEST(every_event)
{
	struct core_event event, read;
	char text[1024];
	int type, length;

	for (type = EV_START; type < EV_MAX; type++) {
		event = event_of((enum core_event_type)type);
		ASSERT_EQ(0,
			  trace_event_decode(encode_event(&event, bytes),
					     scratch, sizeof(scratch), &read));
		ASSERT_TRUE(equal(encode_event(&event, bytes),
				  encode_event(&read, again)));
		length = trace_event_text(&event, text, sizeof(text));
		ASSERT_EQ(strlen(text), (size_t)length);
		if (event_lines[type])
			ASSERT_STREQ(event_lines[type], text);
		ASSERT_STRNE("?", trace_event_name((enum core_event_type)type));
		/* The same as after reading, also when it is cut short. */
		trace_event_text(&read, (char *)again, ROOM);
		ASSERT_STREQ(text, (char *)again);
		ASSERT_EQ(length, trace_event_text(&event, text, 20));
		ASSERT_EQ(19, strlen(text));
		ASSERT_EQ(length, trace_event_text(&event, NULL, 0));
	}
	ASSERT_STREQ("?", trace_event_name(EV_MAX));
	ASSERT_STREQ("?", trace_event_name((enum core_event_type)0));
}

static struct core_op op_of(enum core_op_type type)
{
	static const struct skerry_addr addresses[2] = { { .port = 1 },
							 { .port = 2 } };
	struct core_op op;

	memset(&op, 0, sizeof(op));
	op.type = type;
	op.token = 5;
	op.lane = 8;
	op.error = -17;
	op.text = "a \"sentence\"\n";
	op.bytes = (struct core_bytes) { "bytes", 5 };
	switch (type) {
	case OP_PEER:
		op.peer.number = 3;
		op.peer.name = "peer";
		op.peer.incarnation = 4;
		op.peer.boot_nonce = 5;
		op.peer.state = 1;
		op.peer.addresses = addresses;
		op.peer.address_count = 2;
		op.peer.parallelism[0] = 1;
		op.peer.parallelism[15] = 9;
		break;
	case OP_PEER_GONE:
		op.peer.number = 3;
		break;
	case OP_CUT_ADD:
		op.cut.handle = 21;
		memset(op.cut.reference, 0xab, 16);
		op.cut.peer = CORE_PEER_EVERYBODY;
		op.cut.direction = 2;
		op.cut.visibility = 1;
		op.cut.deadline_ns = 99;
		strcpy(op.cut.channel, "bulk");
		op.cut.loss_ppm = 300000;
		op.cut.seed = 77;
		break;
	case OP_CUT_DEL:
		op.cut.handle = 21;
		break;
	case OP_DIAL:
		op.dial.addresses = addresses;
		op.dial.address_count = 2;
		op.dial.timeout_ms = 1000;
		break;
	case OP_DUPLICATE:
		op.generation = 6;
		break;
	case OP_CLOSE:
		op.drain = true;
		break;
	case OP_ROUTE:
	case OP_ROUTE_GONE:
		op.route.peer = 1;
		op.route.channel = 2;
		op.route.index = 3;
		op.route.generation = 4;
		break;
	case OP_SEND:
		op.frame.type = 0x30;
		op.frame.sequence = 7;
		break;
	case OP_DATAGRAM:
		op.datagram.port = 1;
		op.datagram.to = address;
		break;
	case OP_ANSWER:
	case OP_EVENT:
		op.answer.program = 2;
		op.answer.correlation = 3;
		op.answer.watch = 4;
		op.answer.more = true;
		break;
	case OP_LOG:
		op.level = CORE_LOG_DEBUG;
		break;
	case OP_WAKE_AT:
		op.at_ns = 2500000000ULL;
		break;
	default:
		break;
	}
	return op;
}

static const char *const op_lines[OP_MAX] = {
	[OP_PEER] = "peer lane=8 token=5 error=-17 peer=3 name=\"peer\" "
		    "incarnation=4 boot_nonce=5 state=1 "
		    "address=[0:0:0:0:0:0:0:0]:1 address=[0:0:0:0:0:0:0:0]:2 "
		    "parallelism[0]=1 parallelism[15]=9 "
		    "text=\"a \\x22sentence\\x22\\x0a\" bytes=5B/65b1d004",
	[OP_CUT_ADD] = "cut_add lane=8 token=5 error=-17 handle=21 "
		       "peer=everybody direction=out visibility=local "
		       "deadline_ns=99 channel=\"bulk\" loss_ppm=300000 "
		       "seed=77 reference=abababababababababababababababab "
		       "text=\"a \\x22sentence\\x22\\x0a\" bytes=5B/65b1d004",
	[OP_WAKE_AT] = "wake_at lane=8 token=5 error=-17 at=2.500000000 "
		       "text=\"a \\x22sentence\\x22\\x0a\" bytes=5B/65b1d004",
};

/* What the line of text does not show. */
TEST(ledgers_as_they_were)
{
	static uint8_t scratch[TRACE_SCRATCH_BYTES]
		__attribute__((aligned(16)));
	struct core_event event = event_of(EV_LEDGER), read;
	uint8_t bytes[512];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	trace_event(&w, &event);
	ASSERT_FALSE(w.full);
	ASSERT_EQ(0, trace_event_decode((struct core_bytes) { bytes,
							      w.used_bytes },
					scratch, sizeof(scratch), &read));
	ASSERT_EQ(2, read.ledger.count);
	EXPECT_EQ(0, memcmp(read.ledger.list, ledgers, sizeof(ledgers)));
}

/* Whom it is from is written where it is an address. */
TEST(cuts_from_an_address)
{
	static uint8_t scratch[TRACE_SCRATCH_BYTES]
		__attribute__((aligned(16)));
	struct core_op op = { .type = OP_CUT_ADD }, read;
	uint8_t bytes[512];
	struct tlv_writer w;
	char text[512];

	op.cut.peer = CORE_PEER_ADDRESS;
	op.cut.address = (struct skerry_addr) {
		.ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 7 }, .port = 80
	};
	op.cut.prefix_bits = 120;
	op.cut.protocol = 6;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	trace_op(&w, &op);
	ASSERT_EQ(0,
		  trace_op_decode((struct core_bytes) { bytes, w.used_bytes },
				  scratch, sizeof(scratch), &read));
	EXPECT_EQ(0, memcmp(&op.cut, &read.cut, sizeof(op.cut)));
	trace_op_text(&read, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "peer=address direction=both "
				     "visibility=wire address=10.0.0.7:80 "
				     "prefix_bits=120 protocol=6"));
}

TEST(every_operation)
{
	struct core_op op, read;
	char text[1024], other[1024];
	int type;

	for (type = OP_PERSIST; type < OP_MAX; type++) {
		op = op_of((enum core_op_type)type);
		ASSERT_EQ(0, trace_op_decode(encode_op(&op, bytes), scratch,
					     sizeof(scratch), &read));
		ASSERT_TRUE(
			equal(encode_op(&op, bytes), encode_op(&read, again)));
		trace_op_text(&op, text, sizeof(text));
		trace_op_text(&read, other, sizeof(other));
		ASSERT_STREQ(text, other);
		if (op_lines[type])
			ASSERT_STREQ(op_lines[type], text);
		ASSERT_STRNE("?", trace_op_name((enum core_op_type)type));
	}
	ASSERT_STREQ("?", trace_op_name(OP_MAX));
}

/* Each byte of an operation shows: a field not encoded would go unnoticed. */
TEST(every_field_of_an_operation_shows)
{
	struct core_op op, other;
	struct core_bytes first;
	int type;
	size_t i;

	for (type = OP_PERSIST; type < OP_MAX; type++) {
		struct {
			size_t at, size;
		} fields[] = {
			{ offsetof(struct core_op, token), 8 },
			{ offsetof(struct core_op, lane), 8 },
			{ offsetof(struct core_op, error), 4 },
			{ offsetof(struct core_op, cut.handle),
			  type == OP_CUT_ADD || type == OP_CUT_DEL ? 4 : 0 },
			{ offsetof(struct core_op, cut.reference),
			  type == OP_CUT_ADD ? 16 : 0 },
			{ offsetof(struct core_op, cut.peer),
			  type == OP_CUT_ADD ? 4 : 0 },
			{ offsetof(struct core_op, cut.deadline_ns),
			  type == OP_CUT_ADD ? 8 : 0 },
			{ offsetof(struct core_op, cut.loss_ppm),
			  type == OP_CUT_ADD ? 4 : 0 },
			{ offsetof(struct core_op, cut.seed),
			  type == OP_CUT_ADD ? 8 : 0 },
			{ offsetof(struct core_op, peer.parallelism),
			  type == OP_PEER ? SKERRY_CHANNELS_MAX : 0 },
			{ offsetof(struct core_op, datagram.to),
			  type == OP_DATAGRAM ? sizeof(address) : 0 },
		};
		size_t f;

		op = op_of((enum core_op_type)type);
		first = encode_op(&op, bytes);
		for (f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
			for (i = 0; i < fields[f].size; i++) {
				other = op;
				((uint8_t *)&other)[fields[f].at + i] ^= 0x40;
				ASSERT_FALSE(
					equal(first, encode_op(&other, again)));
			}
		}
	}
}

/* More than one field can hold. */
TEST(long_bytes)
{
	struct core_event event = { .type = EV_FRAME };
	struct core_event read;
	static uint8_t payload[200000];
	size_t i;

	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 / 3);
	event.frame.payload = (struct core_bytes) { payload, sizeof(payload) };
	ASSERT_EQ(0, trace_event_decode(encode_event(&event, bytes), scratch,
					sizeof(scratch), &read));
	ASSERT_TRUE(equal(event.frame.payload, read.frame.payload));
	ASSERT_EQ(-ENOSPC, trace_event_decode(encode_event(&event, bytes),
					      scratch, 100000, &read));
}

TEST(truncated_and_random)
{
	struct core_bytes whole, part;
	struct core_event event, read;
	struct core_op op;
	struct rng rng;
	int i, type, good = 0;
	size_t n;

	rng_init(&rng, 3, 3);
	for (type = EV_START; type < EV_MAX; type++) {
		event = event_of((enum core_event_type)type);
		whole = encode_event(&event, bytes);
		for (n = 0; n < whole.size_bytes; n++) {
			/* Exactly that much memory, for the sanitizer. */
			uint8_t *copy = malloc(n ? n : 1);

			memcpy(copy, bytes, n);
			part = (struct core_bytes) { copy, n };
			trace_event_decode(part, scratch, sizeof(scratch),
					   &read);
			free(copy);
		}
		for (i = 0; i < 5000; i++) {
			size_t size = whole.size_bytes;
			uint8_t *copy = malloc(size);
			int changes = 1 + (int)rng_below(&rng, 4);

			memcpy(copy, bytes, size);
			while (changes--)
				copy[rng_below(&rng, size)] =
					(uint8_t)rng_u64(&rng);
			part = (struct core_bytes) { copy, size };
			if (!trace_event_decode(part, scratch, sizeof(scratch),
						&read)) {
				char text[256];

				trace_event_text(&read, text, sizeof(text));
				encode_event(&read, again);
				good++;
			}
			if (!trace_op_decode(part, scratch, sizeof(scratch),
					     &op)) {
				char text[256];

				trace_op_text(&op, text, sizeof(text));
				encode_op(&op, again);
			}
			free(copy);
		}
	}
	ASSERT_LT(1000, good);
	ASSERT_GT(5000 * (EV_MAX - 1), good);
}

TEST(random_operations)
{
	struct core_bytes whole, part;
	struct core_op op, read;
	struct rng rng;
	int i, type;

	rng_init(&rng, 4, 4);
	for (type = OP_PERSIST; type < OP_MAX; type++) {
		op = op_of((enum core_op_type)type);
		whole = encode_op(&op, bytes);
		for (i = 0; i < 5000; i++) {
			size_t size = 1 + rng_below(&rng, whole.size_bytes);
			uint8_t *copy = malloc(size);

			memcpy(copy, bytes, size);
			copy[rng_below(&rng, size)] = (uint8_t)rng_u64(&rng);
			part = (struct core_bytes) { copy, size };
			if (!trace_op_decode(part, scratch, sizeof(scratch),
					     &read)) {
				char text[256];

				trace_op_text(&read, text, sizeof(text));
				encode_op(&read, again);
			}
			free(copy);
		}
	}
	ASSERT_EQ(-EPROTO, trace_op_decode((struct core_bytes) { bytes, 3 },
					   scratch, sizeof(scratch), &read));
}

/* Not a good hash, but a function of key and parts. */
static void sum_parts(void *data, const struct core_bytes *parts, size_t count,
		      uint8_t ret_mac[32])
{
	size_t i, n;

	memset(ret_mac, *(const uint8_t *)data, 32);
	for (i = 0; i < count; i++)
		for (n = 0; n < parts[i].size_bytes; n++)
			ret_mac[n % 32] =
				(uint8_t)(ret_mac[n % 32] * 31 +
					  ((const uint8_t *)parts[i].data)[n]);
}

TEST(records)
{
	struct core_limits limits = { 1, 2, 3, 4, 5 };
	uint8_t key = 1, other_key = 2, digest[8];
	struct core_hmac hmac = { &key, sum_parts };
	struct core_hmac other = { &other_key, sum_parts };
	struct core_event event = event_of(EV_TICK);
	struct core_op ops[2] = { op_of(OP_SEND), op_of(OP_LOG) };
	struct core_update update = { ops, 2, true };
	struct trace_setup setup;
	struct trace_result result;
	struct core_bytes left, tlvs, tail;
	struct tlv_writer w;
	enum trace_kind kind;
	size_t mark, n;

	tlv_writer_init(&w, bytes, ROOM);
	mark = trace_record_begin(&w, TRACE_SETUP);
	trace_setup(&w, &limits, &hmac);
	trace_record_end(&w, mark);
	trace_step(&w, &event, -EPROTO, &update);
	ASSERT_FALSE(w.full);
	left = (struct core_bytes) { bytes, w.used_bytes };

	ASSERT_EQ(1, trace_record_next(&left, &kind, &tlvs));
	ASSERT_EQ(TRACE_SETUP, kind);
	ASSERT_EQ(0, trace_setup_decode(tlvs, &setup));
	ASSERT_EQ(0, memcmp(&limits, &setup.limits, sizeof(limits)));
	ASSERT_TRUE(setup.keyed);
	trace_key_digest(&hmac, digest);
	ASSERT_EQ(0, memcmp(digest, setup.key_digest, 8));
	trace_key_digest(&other, digest);
	ASSERT_NE(0, memcmp(digest, setup.key_digest, 8));

	ASSERT_EQ(1, trace_record_next(&left, &kind, &tlvs));
	ASSERT_EQ(TRACE_EVENT, kind);
	ASSERT_TRUE(equal(tlvs, encode_event(&event, again)));
	ASSERT_EQ(1, trace_record_next(&left, &kind, &tlvs));
	ASSERT_EQ(TRACE_OP, kind);
	ASSERT_TRUE(equal(tlvs, encode_op(&ops[0], again)));
	ASSERT_EQ(1, trace_record_next(&left, &kind, &tlvs));
	ASSERT_TRUE(equal(tlvs, encode_op(&ops[1], again)));
	ASSERT_EQ(1, trace_record_next(&left, &kind, &tlvs));
	ASSERT_EQ(TRACE_RESULT, kind);
	ASSERT_EQ(0, trace_result_decode(tlvs, &result));
	ASSERT_EQ(-EPROTO, result.error);
	ASSERT_EQ(2, result.ops);
	ASSERT_TRUE(result.more);
	ASSERT_EQ(0, trace_record_next(&left, &kind, &tlvs));

	/* Cut off anywhere: records as far as they go, then an error. */
	for (n = 1; n < w.used_bytes; n++) {
		int more;

		tail = (struct core_bytes) { bytes, n };
		while ((more = trace_record_next(&tail, &kind, &tlvs)) == 1)
			continue;
		ASSERT_TRUE(more == -EPROTO || !tail.size_bytes);
	}
	/* And a buffer that is too small is told of. */
	for (n = 0; n < w.used_bytes; n++) {
		struct tlv_writer small;

		tlv_writer_init(&small, again, n);
		mark = trace_record_begin(&small, TRACE_SETUP);
		trace_setup(&small, &limits, &hmac);
		trace_record_end(&small, mark);
		trace_step(&small, &event, -EPROTO, &update);
		ASSERT_TRUE(small.full);
	}
	/* Unknown fields are not passed over. */
	tlv_writer_init(&w, again, ROOM);
	tlv_put_u64(&w, 0x7000, 1);
	tlvs = (struct core_bytes) { again, w.used_bytes };
	ASSERT_EQ(-EPROTO, trace_setup_decode(tlvs, &setup));
	ASSERT_EQ(-EPROTO, trace_result_decode(tlvs, &result));
}

TEST_HARNESS_MAIN
