// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the product writes on lanes and in datagrams, byte by byte. A change
 * here is a change of the wire format: nodes of two versions stop
 * understanding each other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "detector.h"
#include "dgram.h"
#include "golden.h"
#include "kselftest_harness.h"
#include "lane_pair.h"
#include "skerry/ring.h"
#include "spec.h"

#define HEADER sizeof(struct skerry_frame)

static const struct core_bytes none = { NULL, 0 };
static struct lane_key key;
static struct golden book;
static struct lane_pair lane;

/* ---- the handshake ---------------------------------------------------- */

static const struct core_config config = {
	.name = "alpha@host-1",
	.overlay = "full",
	.port_base = 17280,
	.addresses = { { .ip = { [10] = 0xff, [11] = 0xff, 10, 7, 0, 1 } },
		       { .ip = { 0xfd, 7, [15] = 1 } } },
	.address_count = 2,
	.tags = { "rack-7" },
	.tag_count = 1,
	.channels = { { .name = "membership", .parallelism = 1 },
		      { .name = "default", .parallelism = 2, .priority = 1 },
		      { .name = "video", .parallelism = 1, .datagram = true } },
	.channel_count = 3,
};

static size_t write_details(uint8_t *out, size_t room)
{
	struct tlv_writer w;
	size_t mark;

	tlv_writer_init(&w, out, room);
	tlv_put_str(&w, SKERRY_K_CLUSTER, "skerry");
	mark = tlv_begin(&w, SKERRY_K_SPEC);
	spec_write(&w, &config, 1700000000000001ULL, 0x1122334455667788ULL, 1);
	tlv_end(&w, mark);
	tlv_put_str(&w, SKERRY_K_CHANNEL, "default");
	tlv_put_u64(&w, SKERRY_K_LANE, 1);
	tlv_put_u64(&w, SKERRY_K_GENERATION, 3);
	tlv_put_u64(&w, SKERRY_K_FEATURES_OFFERED, 0);
	tlv_put_u64(&w, SKERRY_K_FEATURES_REQUIRED, 0);
	tlv_put_str(&w, SKERRY_K_EXPECT, "beta@host-2");
	return w.used_bytes;
}

/* Each frame of what a side has heard gets its own entry. */
static void add_frames(const struct lane_side *side, const char *const *names)
{
	size_t at = SKERRY_PREAMBLE_BYTES;
	struct skerry_frame frame;

	for (; *names; names++) {
		memcpy(&frame, side->heard + at, HEADER);
		golden_add(&book, *names, side->heard + at, frame.length);
		at += frame.length;
	}
}

static void add_handshake(void)
{
	static const char *const by_dialler[] = { "lane-hello", "lane-proof",
						  "lane-ready", NULL };
	static const char *const by_acceptor[] = { "lane-challenge",
						   "lane-welcome", NULL };
	struct lane_side *d = &lane.dialler, *a = &lane.acceptor;
	uint8_t details[1024];

	lane_pair_init_details(
		&lane, &key, &key,
		(struct core_bytes) {
			details, write_details(details, sizeof(details)) });
	lane_pair_settle(&lane);
	golden_add(&book, "lane-dialler", a->heard, a->heard_bytes);
	golden_add(&book, "lane-acceptor", d->heard, d->heard_bytes);
	add_frames(a, by_dialler);
	add_frames(d, by_acceptor);
}

static void take(const char *name, struct lane_side *side)
{
	static uint8_t bytes[LANE_PAIR_QUEUE_BYTES];
	size_t size = lane_side_take(side, bytes, sizeof(bytes));

	golden_add(&book, name, bytes, size);
}

static void add_verdicts(void)
{
	struct lane_pair p;

	lane_pair_init(&p, &key, &key);
	p.acceptor.verdict = VERDICT_LATER;
	lane_pair_settle(&p);
	lanefsm_refuse(p.acceptor.fsm, -ENODEV,
		       "expected alpha@host-1, this is beta@host-2");
	take("lane-refuse", &p.acceptor);
	lane_pair_free(&p);

	lane_pair_init(&p, &key, &key);
	p.acceptor.verdict = VERDICT_LATER;
	lane_pair_settle(&p);
	lanefsm_duplicate(p.acceptor.fsm, 4);
	take("lane-duplicate", &p.acceptor);
	lane_pair_free(&p);

	lane_pair_init(&p, &key, NULL);
	lane_side_move(&p.dialler, &p.acceptor, SIZE_MAX);
	lane_side_move(&p.acceptor, &p.dialler, SIZE_MAX);
	take("lane-refuse-key", &p.dialler);
	lane_pair_free(&p);
}

/* ---- frames ------------------------------------------------------------- */

static void send(const char *name, struct skerry_frame frame,
		 struct core_bytes extensions, struct core_bytes payload)
{
	struct lane_side *side = &lane.dialler;

	if (lanefsm_send(side->fsm, &frame, extensions, payload))
		golden_add(&book, name, "refused", 7);
	else
		take(name, side);
}

static struct core_bytes written(const struct tlv_writer *w)
{
	return (struct core_bytes) { w->data, w->used_bytes };
}

static void add_flow_frames(void)
{
	static const uint8_t program[16] = "\x10\x11\x12\x13program";
	uint8_t bytes[512];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_PROGRAM, program, sizeof(program));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, 5);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, "files/inbox");
	tlv_put_u64(&w, SKERRY_K_WANT_BYTES, 262144);
	send("lane-flow-open",
	     (struct skerry_frame) { .type = SKERRY_FRAME_FLOW_OPEN,
				     .flow = 0x00010007,
				     .sequence = 1 },
	     none, written(&w));

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_s64(&w, SKERRY_K_ERROR, -ENOENT);
	tlv_put_str(&w, SKERRY_K_REASON, "endpoint: files/inbox: nobody");
	send("lane-flow-refuse",
	     (struct skerry_frame) { .type = SKERRY_FRAME_FLOW_REFUSE,
				     .flow = 0x00010007,
				     .sequence = 1 },
	     none, written(&w));

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_bool(&w, SKERRY_K_KNOWN, true);
	tlv_put_u64(&w, SKERRY_K_RECEIVER,
		    SKERRY_RECEIVES_EXTENSIONS | SKERRY_RECEIVES_PACKED);
	send("lane-resume",
	     (struct skerry_frame) { .type = SKERRY_FRAME_RESUME,
				     .flow = 0x00010007,
				     .sequence = 18 },
	     none, written(&w));
	send("lane-flow-close",
	     (struct skerry_frame) { .type = SKERRY_FRAME_FLOW_CLOSE,
				     .flow = 0x00010007,
				     .sequence = 19 },
	     none, none);
	send("lane-ack",
	     (struct skerry_frame) { .type = SKERRY_FRAME_ACK,
				     .flow = 0x00010007,
				     .sequence = 17 },
	     none, none);
	send("lane-skip",
	     (struct skerry_frame) { .type = SKERRY_FRAME_SKIP,
				     .flow = 0x00010007,
				     .sequence = 21 },
	     none, none);
}

static void add_data_frames(void)
{
	uint8_t fragment[300];
	struct skerry_frame data = { .type = SKERRY_FRAME_DATA,
				     .flow = 0x00010007,
				     .sequence = 17 };
	static const uint8_t packed[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x58, 0x01, 0x4d, 0x00, 0x00,
		0x10, 0x61, 0x61, 0x01, 0x00, 0x53, 0x2a, 0x80, 0x05,
	};
	uint8_t bytes[32], own_bytes[16];
	struct tlv_writer w, own;
	size_t i;

	for (i = 0; i < sizeof(fragment); i++)
		fragment[i] = (uint8_t)(i * 7);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, 600);
	send("lane-data", data, none, (struct core_bytes) { "hello", 5 });
	send("lane-data-empty", data, none, none);
	data.flags = SKERRY_DATA_CAST;
	send("lane-data-cast", data, none, (struct core_bytes) { "hello", 5 });
	/* What zstd makes of 600 times "a". */
	data.flags = SKERRY_DATA_PACKED;
	tlv_writer_init(&own, own_bytes, sizeof(own_bytes));
	tlv_put_u64(&own, SKERRY_K_PLAIN_BYTES | SKERRY_TLV_CRITICAL, 600);
	send("lane-data-packed", data, written(&own),
	     (struct core_bytes) { packed, sizeof(packed) });
	data.flags = SKERRY_DATA_MORE;
	data.sequence = 18;
	send("lane-data-first", data, written(&w),
	     (struct core_bytes) { fragment, 200 });
	data.flags = SKERRY_DATA_MORE | SKERRY_DATA_CONT;
	send("lane-data-middle", data, none,
	     (struct core_bytes) { fragment, 300 });
	data.flags = SKERRY_DATA_CONT;
	send("lane-data-last", data, none,
	     (struct core_bytes) { fragment, 100 });
	data.flags = SKERRY_CREDIT_WANT;
	data.type = SKERRY_FRAME_CREDIT;
	data.sequence = 524288;
	send("lane-credit-want", data, written(&w), none);
	data.flags = SKERRY_CREDIT_GRANT;
	send("lane-credit-grant", data, none, none);
	data.flags = SKERRY_CREDIT_REVOKE;
	send("lane-credit-revoke", data, none, none);
	data.flags = SKERRY_CREDIT_KEPT;
	data.sequence = 300000;
	send("lane-credit-kept", data, none, none);
}

static void add_control_frames(void)
{
	uint8_t bytes[256];
	struct tlv_writer w;
	size_t mark;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	mark = tlv_begin(&w, SKERRY_K_MEMBER);
	tlv_put_str(&w, SKERRY_K_NAME, "gamma@host-3");
	tlv_put_u64(&w, SKERRY_K_INCARNATION, 1700000000000003ULL);
	tlv_put_bool(&w, SKERRY_K_REMOVED, true);
	tlv_put_str(&w, SKERRY_K_KNOWS, "alpha@host-1");
	tlv_put_str(&w, SKERRY_K_KNOWS, "beta@host-2");
	tlv_end(&w, mark);
	send("lane-member",
	     (struct skerry_frame) { .type = SKERRY_FRAME_MEMBER }, none,
	     written(&w));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_REFERENCE, "0123456789abcdef", 16);
	tlv_put_bool(&w, SKERRY_K_RESOLVED, true);
	send("lane-partition",
	     (struct skerry_frame) { .type = SKERRY_FRAME_PARTITION }, none,
	     written(&w));
	send("lane-overlay",
	     (struct skerry_frame) { .type = SKERRY_FRAME_OVERLAY }, none,
	     (struct core_bytes) { "\1\2\3", 3 });
	send("lane-relay", (struct skerry_frame) { .type = SKERRY_FRAME_RELAY },
	     none, (struct core_bytes) { "\4\5\6", 3 });
	send("lane-bcast", (struct skerry_frame) { .type = SKERRY_FRAME_BCAST },
	     none, (struct core_bytes) { "\7\10\11", 3 });
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, 0x7123 | SKERRY_TLV_CRITICAL, 9);
	send("lane-ignorable", (struct skerry_frame) { .type = 0x91 },
	     written(&w), (struct core_bytes) { "?", 1 });
}

/* The answers, and the last words. Ends the lane. */
static void add_closing_frames(void)
{
	struct lane_side *d = &lane.dialler, *a = &lane.acceptor;

	send("lane-ping",
	     (struct skerry_frame) { .type = SKERRY_FRAME_PING,
				     .sequence = 77 },
	     none, none);
	lane_side_feed(a, book.entries[book.count - 1].bytes, HEADER);
	take("lane-pong", a);
	lanefsm_drain(d->fsm);
	take("lane-drain", d);
	lane_side_feed(a, book.entries[book.count - 1].bytes, HEADER);
	take("lane-drained", a);
	lanefsm_error(a->fsm, -EPROTO, "unknown frame type");
	take("lane-error", a);
}

/* ---- datagrams and fields ------------------------------------------------ */

static void add_datagram(const char *name, uint8_t type, struct core_bytes body)
{
	struct dgram_self self = { .hmac = &key.hmac,
				   .name = "alpha@host-1",
				   .incarnation = 1700000000000001ULL,
				   .boot_nonce = 0x1122334455667788ULL,
				   .sent_high = 41 };
	struct dgram_peer peer = { 0 };
	uint8_t bytes[1500];
	uint64_t sequence;
	int size;

	dgram_peer_reset(&peer, 1700000000000002ULL, 0x99aabbccddeeff00ULL);
	if (type == SKERRY_DGRAM_NONCE)
		size = (int)dgram_nonce(&self, 1000000000, bytes,
					sizeof(bytes));
	else
		size = dgram_seal(&self, &peer, type, body, bytes,
				  sizeof(bytes), &sequence);
	golden_add(&book, name, bytes, size > 0 ? (size_t)size : 0);
}

static void add_datagrams(void)
{
	struct skerry_dgram fast = { .magic = SKERRY_DGRAM_MAGIC,
				     .version = SKERRY_WIRE_VERSION,
				     .type = SKERRY_DGRAM_FAST,
				     .header_length = sizeof(fast),
				     .id = 0xfeedfacecafebeefULL,
				     .flow = 2,
				     .sequence = 1000 };
	struct pulse pulse = { .heard_ns = 1000000000,
			       .beat_ns = 900000000,
			       .beat_sequence = 40 };
	uint8_t bytes[256];
	struct tlv_writer w;

	memcpy(bytes, &fast, sizeof(fast));
	memcpy(bytes + sizeof(fast), "frame 1000", 10);
	golden_add(&book, "datagram-fast", bytes, sizeof(fast) + 10);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	pulse_write(&pulse, &w, 1120000000);
	add_datagram("datagram-heartbeat", SKERRY_DGRAM_HEARTBEAT, written(&w));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_KIND, "ack");
	tlv_put(&w, SKERRY_K_REFERENCE, "0123456789abcdef", 16);
	tlv_put_bool(&w, SKERRY_K_RESOLVED, true);
	add_datagram("datagram-partition", SKERRY_DGRAM_PARTITION, written(&w));
	add_datagram("datagram-nonce", SKERRY_DGRAM_NONCE, none);
}

/* One field for each key of the dictionary, so that none can be renumbered
 * or renamed unseen. */
static void add_dictionary(void)
{
	static const struct skerry_addr address = {
		.ip = { 0x20, 1, 0xd, 0xb8, [15] = 9 }, .port = 17280
	};
	enum skerry_key_type type;
	uint8_t bytes[8192];
	struct tlv_writer w;
	uint16_t number;
	bool list;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	for (number = 0; number < 0x8000; number++) {
		if (!skerry_key_name(number, &type, &list))
			continue;
		switch (type) {
		case SKERRY_T_U64:
		case SKERRY_T_TIME:
			tlv_put_u64(&w, number, 1000U + number);
			break;
		case SKERRY_T_S64:
			tlv_put_s64(&w, number, -number);
			break;
		case SKERRY_T_STR:
			tlv_put_str(&w, number,
				    "gr\xc3\xbc\xc3\x9f"
				    "e");
			break;
		case SKERRY_T_BYTES:
			tlv_put(&w, number, "\0\xff", 2);
			break;
		case SKERRY_T_BOOL:
			tlv_put_bool(&w, number, number & 1);
			break;
		case SKERRY_T_ID:
			tlv_put(&w, number, "0123456789abcdef", 16);
			break;
		case SKERRY_T_ADDR:
			tlv_put_addr(&w, number, &address);
			break;
		case SKERRY_T_NEST:
			tlv_end(&w, tlv_begin(&w, number));
			break;
		}
	}
	golden_add(&book, "tlv-dictionary", bytes, w.full ? 0 : w.used_bytes);
}

FIXTURE(golden)
{
	int unused;
};

FIXTURE_SETUP(golden)
{
	lane_key_init(&key, 0x42);
	add_handshake();
	add_verdicts();
	add_flow_frames();
	add_data_frames();
	add_control_frames();
	add_closing_frames();
	add_datagrams();
	add_dictionary();
}

FIXTURE_TEARDOWN(golden)
{
	lane_pair_free(&lane);
	golden_free(&book);
}

TEST_F(golden, the_product_writes_these_bytes)
{
	EXPECT_EQ(0, golden_compare(&book));
}

TEST_F(golden, every_file_is_written_by_somebody)
{
	EXPECT_EQ(0, golden_strays(&book, "lane"));
	EXPECT_EQ(0, golden_strays(&book, "datagram"));
	EXPECT_EQ(0, golden_strays(&book, "tlv"));
}

TEST_F(golden, every_frame_type_has_a_file)
{
	static const uint8_t types[] = {
		SKERRY_FRAME_HELLO,	  SKERRY_FRAME_CHALLENGE,
		SKERRY_FRAME_PROOF,	  SKERRY_FRAME_WELCOME,
		SKERRY_FRAME_REFUSE,	  SKERRY_FRAME_DUPLICATE,
		SKERRY_FRAME_READY,	  SKERRY_FRAME_FLOW_OPEN,
		SKERRY_FRAME_FLOW_REFUSE, SKERRY_FRAME_FLOW_CLOSE,
		SKERRY_FRAME_DATA,	  SKERRY_FRAME_CREDIT,
		SKERRY_FRAME_ACK,	  SKERRY_FRAME_RESUME,
		SKERRY_FRAME_SKIP,	  SKERRY_FRAME_DRAIN,
		SKERRY_FRAME_DRAINED,	  SKERRY_FRAME_PING,
		SKERRY_FRAME_PONG,	  SKERRY_FRAME_OVERLAY,
		SKERRY_FRAME_MEMBER,	  SKERRY_FRAME_PARTITION,
		SKERRY_FRAME_RELAY,	  SKERRY_FRAME_BCAST,
		SKERRY_FRAME_ERROR,
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (j = 0; j < book.count; j++) {
			const struct golden_entry *e = &book.entries[j];

			if (!strncmp(e->name, "lane-", 5) &&
			    e->size_bytes >= HEADER && e->bytes[4] == types[i])
				break;
		}
		EXPECT_LT(j, book.count)
		{
			TH_LOG("type 0x%02x", types[i]);
		}
	}
}

TEST_HARNESS_MAIN
