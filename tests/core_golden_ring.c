// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lies in shared memory and goes over the agent's socket, byte by byte:
 * each ring record as ringbuf writes it, and the structures. A change here
 * breaks programs that were linked against an older library.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "golden.h"
#include "kselftest_harness.h"
#include "ringbuf.h"

#define RING_BYTES 65536U

static struct golden book;
static const uint8_t instance[16] = "\x10\x11\x12\x13program";

/* One record from the first byte of a ring on, filled up to 8 bytes. */
static void record(const char *name, struct skerry_frame frame,
		   const void *extensions, size_t extension_bytes,
		   const struct tlv_writer *payload)
{
	struct skerry_ring_positions positions = { 0 };
	uint8_t *data = calloc(1, 2 * RING_BYTES);
	struct ringbuf rb;
	int err;

	ringbuf_init(&rb, &positions, data, RING_BYTES, 0);
	err = ringbuf_write(&rb, &frame, extensions, extension_bytes,
			    payload ? payload->data : NULL,
			    payload ? payload->used_bytes : 0);
	ringbuf_publish(&rb);
	golden_add(&book, name, data, err ? 0 : positions.tail);
	free(data);
}

static void bare(const char *name, struct skerry_frame frame)
{
	record(name, frame, NULL, 0, NULL);
}

static void add_data(void)
{
	uint8_t total[12], message[6] = "hello";
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA,
				      .flow = 3,
				      .correlation = 2,
				      .sequence = 17 };
	struct tlv_writer w, payload = { .data = message, .used_bytes = 5 };

	tlv_writer_init(&w, total, sizeof(total));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, 100000);
	record("ring-data", frame, NULL, 0, &payload);
	frame.flags = SKERRY_DATA_MORE;
	record("ring-data-first", frame, total, w.used_bytes, &payload);
	frame.flags = 0;
	frame.type = SKERRY_REC_WANT;
	frame.sequence = 262144;
	bare("ring-want", frame);
	record("ring-want-large", frame, total, w.used_bytes, NULL);
	frame.type = SKERRY_REC_SYNC;
	frame.sequence = 18;
	bare("ring-sync", frame);
	frame.type = SKERRY_REC_CLOSE;
	frame.sequence = 0;
	bare("ring-close", frame);
}

static void add_inflow(void)
{
	uint8_t bytes[256];
	struct skerry_frame frame = { .type = SKERRY_REC_INFLOW,
				      .flow = 4,
				      .sequence = 1 };
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, "beta@host-2");
	tlv_put_str(&w, SKERRY_K_ENDPOINT, "files/inbox");
	tlv_put(&w, SKERRY_K_PROGRAM, instance, sizeof(instance));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, 5);
	record("ring-inflow", frame, NULL, 0, &w);
	frame.type = SKERRY_REC_INFLOW_GONE;
	frame.sequence = 0;
	bare("ring-inflow-gone", frame);
	frame.type = SKERRY_REC_INFLOW_SKIP;
	frame.sequence = 21;
	bare("ring-inflow-skip", frame);
}

static void add_control(void)
{
	uint8_t bytes[256];
	struct skerry_frame frame = { .type = SKERRY_REC_COMMAND,
				      .flow = SKERRY_CMD_JOIN_WAIT,
				      .correlation = 9 };
	struct tlv_writer w;
	size_t mark;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_JOIN_ADDRESS, "10.7.0.2:17280");
	tlv_put_u64(&w, SKERRY_K_TIMEOUT_MS, 30000);
	record("ring-command", frame, NULL, 0, &w);

	frame.type = SKERRY_REC_ANSWER;
	frame.flow = 0;
	frame.flags = SKERRY_ANSWER_MORE;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	mark = tlv_begin(&w, SKERRY_K_ROW);
	tlv_put_str(&w, SKERRY_K_NAME, "beta@host-2");
	tlv_put_str(&w, SKERRY_K_STATE, "up");
	tlv_end(&w, mark);
	record("ring-answer-more", frame, NULL, 0, &w);
	frame.flags = 0;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_s64(&w, SKERRY_K_ERROR, -ETIMEDOUT);
	tlv_put_str(&w, SKERRY_K_REASON, "10.7.0.2:17280: no answer yet");
	record("ring-answer", frame, NULL, 0, &w);

	frame.type = SKERRY_REC_EVENT;
	frame.flow = 1;
	frame.correlation = 0;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, "beta@host-2");
	tlv_put_bool(&w, SKERRY_K_UP, true);
	tlv_put_u64(&w, SKERRY_K_COUNT, 3);
	record("ring-event", frame, NULL, 0, &w);

	frame.type = SKERRY_REC_OFFER;
	frame.flow = 0;
	bare("ring-offer", frame);
	frame.type = SKERRY_REC_DETACH;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_s64(&w, SKERRY_K_ERROR, -EPROTO);
	tlv_put_str(&w, SKERRY_K_REASON, "record longer than its ring");
	record("ring-detach", frame, NULL, 0, &w);
}

static void add_socket(void)
{
	struct skerry_attach attach = {
		.magic = SKERRY_RING_MAGIC,
		.abi = SKERRY_RING_ABI,
		.flags = SKERRY_ATTACH_ADMIN | SKERRY_ATTACH_AGAIN,
		.features = SKERRY_RECEIVES_EXTENSIONS | SKERRY_RECEIVES_PACKED,
		.program = "skerryctl"
	};
	struct skerry_attached attached = { .magic = SKERRY_RING_MAGIC,
					    .abi = SKERRY_RING_ABI,
					    .boot_nonce = 0x1122334455667788ULL,
					    .mapping_bytes = 0x91000,
					    .flags = SKERRY_ATTACH_ADMIN };
	struct skerry_offer offer = { .magic = SKERRY_RING_MAGIC,
				      .kind = SKERRY_OFFER_CHANNEL,
				      .channel = 1,
				      .mapping_bytes = 0x201000,
				      .flags = SKERRY_CHANNEL_MONOTONIC |
					       SKERRY_CHANNEL_COMPRESSION,
				      .name = "default" };

	memcpy(attach.instance, instance, sizeof(instance));
	golden_add(&book, "attach-again", &attach, sizeof(attach));
	golden_add(&book, "attached-admin", &attached, sizeof(attached));
	attached.error = -ENOSPC;
	attached.mapping_bytes = 0;
	attached.flags = 0;
	strcpy(attached.text, "all 256 program slots are taken");
	golden_add(&book, "attached-refused", &attached, sizeof(attached));
	golden_add(&book, "offer-channel", &offer, sizeof(offer));
	offer.kind = SKERRY_OFFER_FAST;
	offer.channel = 2;
	offer.mapping_bytes = 0;
	offer.flags = 0;
	strcpy(offer.name, "video");
	golden_add(&book, "offer-fast", &offer, sizeof(offer));
}

static void add_memory(void)
{
	struct skerry_mapping mapping = {
		.magic = SKERRY_RING_MAGIC,
		.abi = SKERRY_RING_ABI,
		.boot_nonce = 0x1122334455667788ULL,
		.mapping_bytes = 0x91000,
		.to_agent = { 0x1000, SKERRY_CONTROL_RING_BYTES },
		.to_program = { 0x41000, SKERRY_CONTROL_RING_BYTES },
		.slots_offset = 0x81000,
		.slots = SKERRY_FLOWS_PER_PROGRAM_MAX,
		.agent_ring = { .tail = 1, .head = 2 },
		.program_ring = { .tail = 3, .head = 4 },
		.agent_sleeps = 5,
		.program_sleeps = 6,
		.busy = 7,
		.reassembly_freed_bytes = 8,
		.agent_wants_space = 9,
		.program_wants_credit = 10,
		.plain_bytes = 11,
		.packed_bytes = 12,
		.unreadable_messages = 13,
		.superseded_messages = 14,
		.casts_dropped = 15,
	};
	struct skerry_flow_slot slot = {
		.epoch = 2,
		.state = SKERRY_SLOT_OPEN,
		.lane = 1,
		.lanes = 2,
		.receives = SKERRY_RECEIVES_EXTENSIONS | SKERRY_RECEIVES_PACKED,
		.arrived = 17,
		.granted = 262144,
		.base = 4096,
		.expected = 18,
		.large = 19
	};

	golden_add(&book, "mapping-control", &mapping, sizeof(mapping));
	golden_add(&book, "slot-open", &slot, sizeof(slot));
	slot.state = SKERRY_SLOT_CLOSED;
	slot.error = -ENOTCONN;
	slot.large = 0;
	slot.flags = SKERRY_SLOT_UNCERTAIN;
	golden_add(&book, "slot-closed", &slot, sizeof(slot));
}

FIXTURE(golden)
{
	int unused;
};

FIXTURE_SETUP(golden)
{
	add_data();
	add_inflow();
	add_control();
	add_socket();
	add_memory();
}

FIXTURE_TEARDOWN(golden)
{
	golden_free(&book);
}

TEST_F(golden, the_product_writes_these_bytes)
{
	EXPECT_EQ(0, golden_compare(&book));
}

TEST_F(golden, every_file_is_written_by_somebody)
{
	static const char *const kinds[] = { "ring",  "attach",	 "attached",
					     "offer", "mapping", "slot" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		EXPECT_EQ(0, golden_strays(&book, kinds[i]));
}

TEST_F(golden, every_record_type_has_a_file)
{
	static const uint8_t types[] = {
		SKERRY_FRAME_DATA,	SKERRY_REC_WANT,
		SKERRY_REC_SYNC,	SKERRY_REC_CLOSE,
		SKERRY_REC_INFLOW,	SKERRY_REC_INFLOW_GONE,
		SKERRY_REC_INFLOW_SKIP, SKERRY_REC_COMMAND,
		SKERRY_REC_ANSWER,	SKERRY_REC_EVENT,
		SKERRY_REC_OFFER,	SKERRY_REC_DETACH,
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (j = 0; j < book.count; j++) {
			const struct golden_entry *e = &book.entries[j];

			if (!strncmp(e->name, "ring-", 5) &&
			    e->size_bytes >= sizeof(struct skerry_frame) &&
			    e->bytes[4] == types[i])
				break;
		}
		EXPECT_LT(j, book.count)
		{
			TH_LOG("type 0x%02x", types[i]);
		}
	}
}

TEST_HARNESS_MAIN
