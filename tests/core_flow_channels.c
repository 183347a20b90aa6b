// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the flow table does for channels' options: extensions passed as they
 * are, one value at a time on monotonic channels, lanes chosen or kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "flow/flow.h"
#include "kselftest_harness.h"

#define RING_BYTES (256U << 10)
#define SENDER 1U
#define RECEIVER 2U
#define RECORDS_MAX 64U
#define MS 1000000ULL
#define PEER 7U
#define VALUES 1U /* the monotonic channel */

struct delivered {
	struct skerry_frame frame;
	uint8_t extensions[256];
	size_t extension_bytes;
	size_t payload_bytes;
};

struct sent {
	uint64_t lane;
	uint8_t type;
};

FIXTURE(table)
{
	void *memory;
	struct flowtab *tab;
	uint64_t now_ns;
	struct skerry_flow_slot slots[8];
	struct delivered got[RECORDS_MAX];
	uint32_t got_count;
	uint64_t written_bytes, read_bytes; /* the receiver's ring */
	bool wants_space;
	int opened_error;
	uint32_t opened;
	struct sent sent[RECORDS_MAX];
	uint32_t sent_count;
	const char *why;
};

static void op_slot(void *data, uint32_t program, uint32_t slot,
		    const struct skerry_flow_slot *value)
{
	FIXTURE_DATA(table) *self = data;

	self->slots[slot] = *value;
}

static int op_revoke(void *data, uint32_t program, uint32_t slot,
		     uint64_t position)
{
	return 0;
}

static int op_deliver(void *data, uint32_t program, uint32_t channel,
		      const struct skerry_frame *record,
		      struct core_bytes extensions, struct core_bytes payload)
{
	FIXTURE_DATA(table) *self = data;
	struct delivered *d = &self->got[self->got_count];

	self->written_bytes += SKERRY_COST(
		sizeof(*record) + extensions.size_bytes + payload.size_bytes);
	if (record->type != SKERRY_FRAME_DATA || self->got_count == RECORDS_MAX)
		return 0;
	d->frame = *record;
	d->extension_bytes = extensions.size_bytes;
	d->payload_bytes = payload.size_bytes;
	if (extensions.size_bytes && extensions.size_bytes <= 256)
		memcpy(d->extensions, extensions.data, extensions.size_bytes);
	self->got_count++;
	return 0;
}

static uint64_t op_room(void *data, uint32_t program, uint32_t channel)
{
	FIXTURE_DATA(table) *self = data;

	return RING_BYTES - (self->written_bytes - self->read_bytes);
}

static void op_want_space(void *data, uint32_t program, uint32_t channel)
{
	FIXTURE_DATA(table) *self = data;

	self->wants_space = true;
}

static uint64_t op_freed(void *data, uint32_t program)
{
	return 0;
}

static int op_send(void *data, uint64_t lane, const struct skerry_frame *frame,
		   struct core_bytes extensions, struct core_bytes payload)
{
	FIXTURE_DATA(table) *self = data;

	if (self->sent_count < RECORDS_MAX)
		self->sent[self->sent_count++] =
			(struct sent) { lane, frame->type };
	return 0;
}

static uint64_t op_queued(void *data, uint64_t lane)
{
	return 0;
}

static uint64_t op_random(void *data)
{
	return 4;
}

static void op_opened(void *data, uint32_t program, uint32_t correlation,
		      uint32_t slot, int error, const char *text,
		      uint64_t fast_id, uint32_t fast_inflow)
{
	FIXTURE_DATA(table) *self = data;

	self->opened++;
	self->opened_error = error;
}

static const char *op_peer_name(void *data, uint32_t peer)
{
	return "n";
}

static const char *op_channel_name(void *data, uint8_t channel)
{
	return "c";
}

static int op_channel_find(void *data, const char *name)
{
	return -ENOENT;
}

static const struct flow_ops ops = {
	.slot = op_slot,
	.revoke = op_revoke,
	.deliver = op_deliver,
	.ring_room = op_room,
	.want_space = op_want_space,
	.reassembly_freed = op_freed,
	.send = op_send,
	.queued = op_queued,
	.random = op_random,
	.opened = op_opened,
	.peer_name = op_peer_name,
	.channel_name = op_channel_name,
	.channel_find = op_channel_find,
};

FIXTURE_SETUP(table)
{
	const struct flow_limits limits = {
		.flows_max = 64,
		.programs_max = 4,
		.endpoints_max = 16,
		.lanes_max = 16,
		.lane_queue_bytes = 1 << 20,
		.credit_bytes = SKERRY_FLOW_CREDIT_BYTES,
		.ring_bytes = RING_BYTES,
	};
	const uint8_t sender[16] = { 1 }, receiver[16] = { 2 };
	size_t size = (flowtab_size(&limits) + 63) & ~(size_t)63;

	self->memory = aligned_alloc(64, size);
	memset(self->memory, 0, size);
	self->tab = flowtab_init(self->memory, &limits, &ops, self);
	self->now_ns = 20000 * MS;
	ASSERT_EQ(0, flow_program(self->tab, SENDER, sender));
	ASSERT_EQ(0, flow_program(self->tab, RECEIVER, receiver));
	flow_program_receives(self->tab, RECEIVER, 0x5);
	flow_channel_monotonic(self->tab, VALUES);
	ASSERT_EQ(0, flow_endpoint(self->tab, RECEIVER, "e", self->now_ns));
}

FIXTURE_TEARDOWN(table)
{
	free(self->memory);
}

static uint32_t open_flow(struct __test_metadata *_metadata,
			  FIXTURE_DATA(table) * self, uint32_t peer,
			  uint8_t channel, uint64_t key, bool any)
{
	static uint64_t flow_id = 1;
	struct flow_open open = {
		.program = SENDER,
		.flow_id = flow_id++,
		.peer = peer,
		.channel = channel,
		.keyed = true,
		.any_lane = any,
		.partition_key = key,
		.endpoint = "e",
		.next_sequence = 1,
	};
	uint32_t slot = 99;

	ASSERT_EQ(0, flow_open(self->tab, &open, self->now_ns, &slot));
	return slot;
}

static int record(FIXTURE_DATA(table) * self, uint8_t type, uint8_t flags,
		  uint8_t channel, uint32_t slot, uint64_t sequence,
		  const void *extensions, size_t extension_bytes,
		  size_t payload_bytes)
{
	static const uint8_t payload[SKERRY_FRAGMENT_BYTES];
	struct skerry_frame f = {
		.type = type,
		.flags = flags,
		.flow = slot,
		.correlation = self->slots[slot].epoch,
		.sequence = sequence,
	};

	self->why = "";
	return flow_record(self->tab, SENDER, channel, &f,
			   (struct core_bytes) { extensions, extension_bytes },
			   (struct core_bytes) { payload, payload_bytes },
			   self->now_ns, &self->why);
}

static int data(FIXTURE_DATA(table) * self, uint8_t flags, uint32_t slot,
		uint64_t sequence, const struct tlv_writer *w,
		size_t payload_bytes)
{
	return record(self, SKERRY_FRAME_DATA, flags, 0, slot, sequence,
		      w ? w->data : NULL, w ? w->used_bytes : 0, payload_bytes);
}

/* ---- extensions ----------------------------------------------------------- */

TEST_F(table, extensions_pass_byte_for_byte)
{
	uint8_t bytes[256], value[124];
	uint32_t slot = open_flow(_metadata, self, FLOW_PEER_SELF, 0, 0, false);
	struct tlv_writer w;
	size_t n;

	ASSERT_EQ(SKERRY_SLOT_OPEN, self->slots[slot].state);
	/* What the receiver understands is shown to who sends. */
	EXPECT_EQ(5, self->slots[slot].receives);
	EXPECT_EQ(1, self->slots[slot].lanes);
	memset(value, 0x5a, sizeof(value));
	/* Known to nobody, critical: the agents' business it is not. */
	for (n = 0; n <= sizeof(value); n += 31) {
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put(&w, 0x7123 | SKERRY_TLV_CRITICAL, value, n);
		ASSERT_EQ(0, data(self, SKERRY_DATA_PACKED, slot, n / 31 + 1,
				  &w, 10));
		ASSERT_EQ(n / 31 + 1, self->got_count);
		EXPECT_EQ(w.used_bytes, self->got[n / 31].extension_bytes);
		EXPECT_EQ(0, memcmp(bytes, self->got[n / 31].extensions,
				    w.used_bytes));
		EXPECT_EQ(SKERRY_DATA_PACKED, self->got[n / 31].frame.flags);
		EXPECT_EQ(10, self->got[n / 31].payload_bytes);
	}
}

/* Each is a lie for which its program is detached, and nothing arrives. */
TEST_F(table, extensions_have_bounds)
{
	uint8_t bytes[512], value[256] = { 0 };
	uint32_t slot = open_flow(_metadata, self, FLOW_PEER_SELF, 0, 0, false);
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, 0x7123, value, 125);
	EXPECT_EQ(-EPROTO, data(self, 0, slot, 1, &w, 1));
	EXPECT_STREQ("extensions malformed or too long", self->why);
	w.used_bytes = 7; /* ends within a field */
	EXPECT_EQ(-EPROTO, data(self, 0, slot, 1, &w, 1));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, 70000);
	EXPECT_EQ(-EPROTO, data(self, 0, slot, 1, &w, 1));
	EXPECT_STREQ("a whole message with total_bytes", self->why);
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, 70000);
	EXPECT_EQ(-EPROTO, data(self, SKERRY_DATA_MORE, slot, 1, &w, 1));
	EXPECT_STREQ("a total_bytes that is wrong", self->why);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, 0x7123, value, 1);
	EXPECT_EQ(-EPROTO, data(self, SKERRY_DATA_MORE, slot, 1, &w, 1));
	EXPECT_STREQ("a first fragment without total_bytes", self->why);
	EXPECT_EQ(-EPROTO, data(self, SKERRY_DATA_CONT, slot, 1, &w, 1));
	EXPECT_STREQ("extensions in the middle of a message", self->why);
	EXPECT_EQ(-EPROTO, data(self, 0x10, slot, 1, NULL, 1));
	EXPECT_EQ(0, self->got_count);
	EXPECT_EQ(0, data(self, 0, slot, 1, NULL, 1));
	EXPECT_EQ(1, self->got_count);
}

TEST_F(table, extensions_beside_the_total)
{
	uint32_t slot = open_flow(_metadata, self, FLOW_PEER_SELF, 0, 0, false);
	uint8_t bytes[256], value[124] = { 7 };
	const uint64_t total = SKERRY_FRAGMENT_BYTES + 100;
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total);
	ASSERT_EQ(0, record(self, SKERRY_REC_WANT, 0, 0, slot,
			    SKERRY_FLOW_CREDIT_BYTES, bytes, w.used_bytes, 0));
	ASSERT_EQ(1, self->slots[slot].large);
	/* The message's own may stand before it as well. */
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, 0x7123, value, sizeof(value));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total);
	ASSERT_EQ(0, data(self, SKERRY_DATA_MORE, slot, 1, &w,
			  SKERRY_FRAGMENT_BYTES));
	ASSERT_EQ(0, data(self, SKERRY_DATA_CONT, slot, 1, NULL, 100));
	ASSERT_EQ(2, self->got_count);
	EXPECT_EQ(w.used_bytes, self->got[0].extension_bytes);
	EXPECT_EQ(0, memcmp(bytes, self->got[0].extensions, w.used_bytes));
	EXPECT_EQ(0, self->got[1].extension_bytes);
}

/* ---- values ------------------------------------------------------------------ */

static int value(FIXTURE_DATA(table) * self, uint32_t slot, uint64_t sequence)
{
	return record(self, SKERRY_FRAME_DATA, 0, VALUES, slot, sequence, NULL,
		      0, 8);
}

static int want(FIXTURE_DATA(table) * self, uint32_t slot, uint64_t position)
{
	return record(self, SKERRY_REC_WANT, 0, VALUES, slot, position, NULL, 0,
		      0);
}

/* The next is granted when the one before was read, and tells that it came. */
TEST_F(table, one_value_at_a_time)
{
	uint32_t a, b;

	a = open_flow(_metadata, self, FLOW_PEER_SELF, VALUES, 1, false);
	b = open_flow(_metadata, self, FLOW_PEER_SELF, VALUES, 2, false);
	ASSERT_EQ(SKERRY_SLOT_OPEN, self->slots[a].state);
	/* Nothing unasked for. */
	EXPECT_EQ(0, self->slots[a].granted);
	ASSERT_EQ(0, want(self, a, 32));
	EXPECT_EQ(32, self->slots[a].granted);
	EXPECT_EQ(1, self->slots[a].arrived);
	ASSERT_EQ(0, value(self, a, 1));
	ASSERT_EQ(0, want(self, a, 64));
	EXPECT_EQ(32, self->slots[a].granted);
	EXPECT_TRUE(self->wants_space);
	/* Another key does not wait for this one's reader. */
	ASSERT_EQ(0, want(self, b, 32));
	EXPECT_EQ(32, self->slots[b].granted);
	ASSERT_EQ(0, value(self, b, 1));
	/* Time alone changes nothing. */
	for (int i = 0; i < 100; i++)
		flow_tick(self->tab, self->now_ns += 100 * MS);
	EXPECT_EQ(32, self->slots[a].granted);
	/* The reader comes as far as a's value, then to the end. */
	self->read_bytes = self->written_bytes - 32;
	flow_ring_space(self->tab, RECEIVER, VALUES, self->now_ns);
	EXPECT_EQ(64, self->slots[a].granted);
	EXPECT_EQ(2, self->slots[a].arrived);
	ASSERT_EQ(0, want(self, b, 64));
	EXPECT_EQ(32, self->slots[b].granted);
	self->read_bytes = self->written_bytes;
	flow_ring_space(self->tab, RECEIVER, VALUES, self->now_ns);
	EXPECT_EQ(64, self->slots[b].granted);
	EXPECT_EQ(2, self->got_count);
}

/* ---- lanes ------------------------------------------------------------------- */

static void lane_up(FIXTURE_DATA(table) * self, uint8_t index, uint64_t lane)
{
	flow_route(self->tab, PEER, 1, 0, index, 4, lane, self->now_ns);
}

static uint64_t opened_on(const FIXTURE_DATA(table) * self)
{
	return self->sent_count ? self->sent[self->sent_count - 1].lane : 0;
}

TEST_F(table, a_key_waits_for_its_lane)
{
	uint32_t slot;

	for (uint8_t i = 0; i < 4; i++)
		if (i != 2)
			lane_up(self, i, 100 + i);
	slot = open_flow(_metadata, self, PEER, 0, 6, false);
	EXPECT_EQ(0, self->sent_count);
	EXPECT_EQ(SKERRY_SLOT_OPENING, self->slots[slot].state);
	lane_up(self, 2, 102);
	EXPECT_EQ(102, opened_on(self));
	/* A second, then the answer is no. */
	flow_lane_gone(self->tab, 102, self->now_ns);
	self->sent_count = 0;
	open_flow(_metadata, self, PEER, 0, 10, false);
	flow_tick(self->tab, self->now_ns += 900 * MS);
	EXPECT_EQ(0, self->opened);
	flow_tick(self->tab, self->now_ns += 200 * MS);
	EXPECT_LT(0, self->opened);
	EXPECT_EQ(-ENOTCONN, self->opened_error);
	EXPECT_EQ(0, self->sent_count);
}

TEST_F(table, any_lane_begins_where_one_is)
{
	lane_up(self, 0, 100);
	lane_up(self, 3, 103);
	open_flow(_metadata, self, PEER, 0, 1, true);
	EXPECT_EQ(103, opened_on(self));
	/* From there it does not move. */
	self->sent_count = 0;
	flow_lane_gone(self->tab, 103, self->now_ns);
	lane_up(self, 1, 101);
	EXPECT_EQ(0, self->sent_count);
	lane_up(self, 3, 203);
	EXPECT_EQ(203, opened_on(self));
}

TEST_HARNESS_MAIN
