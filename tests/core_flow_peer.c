// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frame by frame with a peer that is played by hand: what is answered, what
 * is merely late, and what closes the lane.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "kselftest_harness.h"

#define LANE 1000

FIXTURE(peer)
{
	struct fs_world *world;
	struct fs_program *p;
	const char *why;
	uint32_t slot;
};

static int frame(struct fs_world *world, const char **why, uint8_t type,
		 uint8_t flags, uint32_t flow, uint64_t sequence,
		 const struct tlv_writer *extensions, const void *payload,
		 size_t payload_bytes)
{
	struct skerry_frame f = {
		.type = type,
		.flags = flags,
		.flow = flow,
		.sequence = sequence,
	};
	struct core_bytes e = { NULL, 0 };
	int r;

	if (extensions)
		e = (struct core_bytes) { extensions->data,
					  extensions->used_bytes };
	*why = "";
	r = flow_frame(world->nodes[0].tab, LANE, 1, 0, &f, e,
		       (struct core_bytes) { payload, payload_bytes },
		       world->now_ns, why);
	if (r && !(*why)[0])
		fs_wrong(world, "refused without a reason");
	return r;
}

static int plain(struct fs_world *world, const char **why, uint8_t type,
		 uint8_t flags, uint32_t flow, uint64_t sequence)
{
	return frame(world, why, type, flags, flow, sequence, NULL, NULL, 0);
}

static int send_open(struct fs_world *world, const char **why, uint32_t flow,
		     uint64_t flow_id, uint64_t sequence, uint64_t from)
{
	uint8_t instance[16] = { 0xab };
	uint8_t bytes[256];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_PROGRAM, instance, 16);
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, flow_id);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, "0.0");
	tlv_put_u64(&w, SKERRY_K_WANT_BYTES, 32768);
	tlv_put_u64(&w, SKERRY_K_FROM_SEQUENCE, from);
	return frame(world, why, SKERRY_FRAME_FLOW_OPEN, 0, flow, sequence,
		     NULL, bytes, w.used_bytes);
}

static int send_data(struct fs_world *world, const char **why, uint8_t flags,
		     uint32_t flow, uint64_t sequence, uint64_t total,
		     size_t payload_bytes)
{
	static uint8_t payload[SKERRY_FRAGMENT_BYTES + 8];
	uint64_t stamp[3] = { FS_HOSTILE, sequence, 0 };
	uint8_t bytes[16];
	struct tlv_writer w;

	memcpy(payload, stamp, sizeof(stamp));
	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (total)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total);
	return frame(world, why, SKERRY_FRAME_DATA, flags, flow, sequence, &w,
		     payload, payload_bytes);
}

/* The oldest frame it was sent and has not looked at; type 0: none. */
static struct skerry_frame next_frame(struct fs_world *world)
{
	struct fs_item *item = fs_get(&world->hostile_queue);
	struct skerry_frame f = { 0 };

	if (item)
		f = item->frame;
	free(item);
	return f;
}

/* The last of that type, and all the rest forgotten. */
static struct skerry_frame last_frame(struct fs_world *world, uint8_t type)
{
	struct skerry_frame f, found = { 0 };

	for (;;) {
		f = next_frame(world);
		if (!f.type)
			return found;
		if (f.type == type)
			found = f;
	}
}

FIXTURE_SETUP(peer)
{
	uint32_t i, j;

	self->world = fs_new(5);
	self->p = &self->world->nodes[0].programs[0];
	self->why = "";
	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++)
			self->world->nodes[i].programs[j].deaf = true;
	}
	fs_settle(self->world);
	fs_lane_hostile(self->world, LANE, true);
	ASSERT_EQ(0, flow_route(self->world->nodes[0].tab, 1, 1, 0, 0, 1, LANE,
				self->world->now_ns));
}

FIXTURE_TEARDOWN(peer)
{
	EXPECT_STREQ("", self->world->wrong);
	fs_free(self->world);
}

/* ---- we receive -------------------------------------------------------------------- */

TEST_F(peer, opens_sends_and_closes)
{
	struct flow_counters counters;
	struct skerry_frame f;

	ASSERT_EQ(0, send_open(self->world, &self->why, 7, 1, 1, 1));
	f = next_frame(self->world);
	ASSERT_EQ(SKERRY_FRAME_RESUME, f.type);
	ASSERT_EQ(7, f.flow);
	ASSERT_EQ(1, f.sequence);
	f = next_frame(self->world);
	ASSERT_EQ(SKERRY_FRAME_CREDIT, f.type);
	ASSERT_EQ(SKERRY_CREDIT_GRANT, f.flags);
	ASSERT_EQ(32768, f.sequence);
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 7, 1, 0, 100));
	ASSERT_EQ(1, self->world->hostile_delivered);
	ASSERT_EQ(0, plain(self->world, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_WANT, 7, 262144));
	f = next_frame(self->world);
	ASSERT_EQ(SKERRY_FRAME_ACK, f.type);
	ASSERT_EQ(2, f.sequence);
	f = next_frame(self->world);
	ASSERT_EQ(SKERRY_FRAME_CREDIT, f.type);
	ASSERT_EQ(262144, f.sequence);
	ASSERT_EQ(0, plain(self->world, &self->why, SKERRY_FRAME_FLOW_CLOSE, 0,
			   7, 2));
	ASSERT_EQ(SKERRY_REC_INFLOW_GONE,
		  self->p->to_program[0].tail->frame.type);
	/* What comes now is late. */
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 7, 2, 0, 100));
	ASSERT_EQ(1, self->world->hostile_delivered);
	flow_counters(self->world->nodes[0].tab, &counters);
	ASSERT_EQ(1, counters.late_frames);
	ASSERT_EQ(0, counters.flows_in);
}

TEST_F(peer, sends_more_than_granted)
{
	ASSERT_EQ(0, send_open(self->world, &self->why, 7, 1, 1, 1));
	ASSERT_EQ(-EPROTO, send_data(self->world, &self->why, 0, 7, 1, 0,
				     32768 - 24 + 1));
	ASSERT_STREQ("DATA beyond the credit", self->why);
	ASSERT_EQ(0,
		  send_data(self->world, &self->why, 0, 7, 1, 0, 32768 - 24));
	ASSERT_EQ(-EPROTO, send_data(self->world, &self->why, 0, 7, 2, 0, 24));
}

TEST_F(peer, confuses_numbers)
{
	ASSERT_EQ(0, send_open(self->world, &self->why, 7, 1, 1, 1));
	ASSERT_EQ(-EPROTO, send_data(self->world, &self->why, 0, 7, 2, 0, 24));
	ASSERT_STREQ("DATA with a number out of turn", self->why);
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 7, 1, 0, 24));
	ASSERT_EQ(-EPROTO, send_data(self->world, &self->why, 0, 7, 1, 0, 24));
	/* The same index in another generation is another flow. */
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 0x10007, 2, 0, 24));
	ASSERT_EQ(1, self->world->hostile_delivered);
	ASSERT_EQ(-EPROTO, send_open(self->world, &self->why, 7, 1, 1, 1));
	ASSERT_EQ(-EPROTO,
		  send_open(self->world, &self->why, 0x10007, 2, 1, 1));
	ASSERT_STREQ("FLOW_OPEN with a number that is in use", self->why);
	ASSERT_EQ(-EPROTO,
		  plain(self->world, &self->why, SKERRY_FRAME_SKIP, 0, 7, 1));
	ASSERT_EQ(-EPROTO, plain(self->world, &self->why, SKERRY_FRAME_SKIP, 0,
				 7, UINT64_MAX));
	ASSERT_EQ(0,
		  plain(self->world, &self->why, SKERRY_FRAME_SKIP, 0, 7, 9));
	ASSERT_EQ(-EPROTO, send_data(self->world, &self->why, 0, 7, 2, 0, 24));
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 7, 9, 0, 24));
}

TEST_F(peer, opens_again_further_back)
{
	ASSERT_EQ(0, send_open(self->world, &self->why, 7, 1, 1, 1));
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 7, 1, 0, 24));
	ASSERT_EQ(0, send_data(self->world, &self->why, 0, 7, 2, 0, 24));
	ASSERT_EQ(0, send_open(self->world, &self->why, 0x10007, 1, 3, 1));
	ASSERT_EQ(3, last_frame(self->world, SKERRY_FRAME_RESUME).sequence);
	/* It remembers less than we do: that is not the same flow. */
	ASSERT_EQ(0, send_open(self->world, &self->why, 0x20007, 1, 2, 1));
	ASSERT_EQ(0x20007,
		  last_frame(self->world, SKERRY_FRAME_FLOW_REFUSE).flow);
	ASSERT_EQ(0, send_open(self->world, &self->why, 0x30007, 2, 5, 1));
	ASSERT_EQ(0,
		  last_frame(self->world, SKERRY_FRAME_FLOW_REFUSE).sequence);
	ASSERT_EQ(0, send_open(self->world, &self->why, 0x40007, 2, 5, 5));
	ASSERT_EQ(5, last_frame(self->world, SKERRY_FRAME_RESUME).sequence);
}

static int want_large(struct fs_world *world, const char **why, uint32_t flow,
		      uint64_t total)
{
	uint8_t bytes[16];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total);
	return frame(world, why, SKERRY_FRAME_CREDIT, SKERRY_CREDIT_WANT, flow,
		     262144, &w, NULL, 0);
}

TEST_F(peer, sends_fragments)
{
	struct fs_world *w = self->world;
	const uint8_t more = SKERRY_DATA_MORE, cont = SKERRY_DATA_CONT;

	ASSERT_EQ(0, send_open(w, &self->why, 7, 1, 1, 1));
	ASSERT_EQ(0, want_large(w, &self->why, 7, 100000));
	ASSERT_EQ(0, send_data(w, &self->why, more, 7, 1, 100000, 60000));
	ASSERT_EQ(-EPROTO, send_data(w, &self->why, 0, 7, 1, 0, 24));
	ASSERT_EQ(-EPROTO, send_data(w, &self->why, cont, 7, 1, 0, 39999));
	ASSERT_EQ(-EPROTO, send_data(w, &self->why, cont, 7, 1, 0, 40001));
	ASSERT_EQ(-EPROTO,
		  send_data(w, &self->why, cont | more, 7, 1, 0, 40000));
	ASSERT_EQ(0, send_data(w, &self->why, cont, 7, 1, 0, 40000));
	ASSERT_EQ(-EPROTO, send_data(w, &self->why, cont, 7, 2, 0, 24));
	/* A message that was begun is dropped by SKIP. */
	ASSERT_EQ(0, want_large(w, &self->why, 7, 80000));
	ASSERT_EQ(0, send_data(w, &self->why, more, 7, 2, 80000, 60000));
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_SKIP, 0, 7, 3));
	ASSERT_EQ(SKERRY_REC_INFLOW_SKIP,
		  self->p->to_program[0].tail->frame.type);
	ASSERT_EQ(0, send_data(w, &self->why, 0, 7, 3, 0, 24));
}

TEST_F(peer, sends_fragments_that_were_not_allowed)
{
	ASSERT_EQ(0, send_open(self->world, &self->why, 7, 1, 1, 1));
	ASSERT_EQ(0, send_data(self->world, &self->why, SKERRY_DATA_MORE, 7, 1,
			       100000, 24));
	ASSERT_EQ(1,
		  last_frame(self->world, SKERRY_FRAME_FLOW_REFUSE).sequence);
	ASSERT_EQ(0, send_open(self->world, &self->why, 8, 2, 1, 1));
	ASSERT_EQ(0, want_large(self->world, &self->why, 8,
				SKERRY_MESSAGE_MAX_BYTES + 1));
	ASSERT_EQ(8, last_frame(self->world, SKERRY_FRAME_FLOW_REFUSE).flow);
}

TEST_F(peer, does_not_answer_a_revoke)
{
	struct skerry_frame f;
	uint32_t i;

	/* Five flows hold all there is; a sixth waits. */
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, send_open(self->world, &self->why, i, i, 1, 1));
		ASSERT_EQ(0, plain(self->world, &self->why, SKERRY_FRAME_CREDIT,
				   SKERRY_CREDIT_WANT, i, 262144));
	}
	last_frame(self->world, 0);
	for (i = 0; i < 30; i++)
		fs_agents(self->world, self->world->now_ns + 50 * FS_MS);
	f = next_frame(self->world);
	ASSERT_EQ(SKERRY_FRAME_CREDIT, f.type);
	ASSERT_EQ(SKERRY_CREDIT_REVOKE, f.flags);
	/* One gives back, but not what it has: */
	ASSERT_EQ(-EPROTO, plain(self->world, &self->why, SKERRY_FRAME_CREDIT,
				 SKERRY_CREDIT_KEPT, f.flow, 8));
	ASSERT_EQ(0, plain(self->world, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_KEPT, f.flow, 0));
	f = last_frame(self->world, SKERRY_FRAME_CREDIT);
	ASSERT_EQ(SKERRY_CREDIT_GRANT, f.flags);
	/* The others never do: they are refused in the end. */
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, plain(self->world, &self->why, SKERRY_FRAME_CREDIT,
				   SKERRY_CREDIT_WANT, i, 524288));
	for (i = 0; i < 300; i++)
		fs_agents(self->world, self->world->now_ns + 50 * FS_MS);
	ASSERT_EQ(SKERRY_FRAME_FLOW_REFUSE,
		  last_frame(self->world, SKERRY_FRAME_FLOW_REFUSE).type);
}

TEST_F(peer, skips_into_a_ring_without_room)
{
	struct fs_world *w = self->world;
	uint64_t n;

	for (n = 0; n < 6; n++) {
		ASSERT_EQ(0, send_open(w, &self->why, (uint32_t)n, n, 1, 1));
		ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
				   SKERRY_CREDIT_WANT, (uint32_t)n, 262144));
	}
	/* All is promised; records that nobody reads take what was kept. */
	for (n = 2; n < 1000; n++)
		ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_SKIP, 0, 0, n));
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_SKIP, 0, 1, 5));
	last_frame(w, 0);
	/* DATA must not overtake the SKIP: that flow is refused, exactly. */
	ASSERT_EQ(0, send_data(w, &self->why, 0, 1, 5, 0, 100));
	ASSERT_EQ(0, w->hostile_delivered);
	ASSERT_EQ(5, last_frame(w, SKERRY_FRAME_FLOW_REFUSE).sequence);
	ASSERT_EQ(0, send_data(w, &self->why, 0, 2, 1, 0, 100));
	ASSERT_EQ(1, w->hostile_delivered);
}

/* ---- we send ------------------------------------------------------------------------ */

static uint32_t open_ours(struct fs_world *world, uint32_t *slot)
{
	struct flow_open open = {
		.correlation = FS_FLOWS,
		.flow_id = 9,
		.peer = 1,
		.endpoint = "there",
		.next_sequence = 1,
	};

	if (flow_open(world->nodes[0].tab, &open, world->now_ns, slot))
		fs_wrong(world, "not opened");
	return last_frame(world, SKERRY_FRAME_FLOW_OPEN).flow;
}

TEST_F(peer, answers_out_of_turn)
{
	struct fs_world *w = self->world;
	uint32_t flow = open_ours(w, &self->slot);
	const struct skerry_flow_slot *slot = &self->p->slots[self->slot];

	ASSERT_EQ(SKERRY_SLOT_OPENING, slot->state);
	ASSERT_EQ(-EPROTO,
		  plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 2));
	ASSERT_EQ(-EPROTO,
		  plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 0));
	/* Of another generation, or another lane: late. */
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_RESUME, 0,
			   flow + 0x10000, 1));
	ASSERT_EQ(SKERRY_SLOT_OPENING, slot->state);
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 1));
	ASSERT_EQ(SKERRY_SLOT_OPEN, slot->state);
	ASSERT_EQ(0, slot->granted);
	ASSERT_EQ(-EPROTO,
		  plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 1));
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_GRANT, flow, 4096));
	ASSERT_EQ(4096, slot->granted);
	ASSERT_EQ(-EPROTO, plain(w, &self->why, SKERRY_FRAME_CREDIT,
				 SKERRY_CREDIT_GRANT, flow, 4095));
	ASSERT_EQ(-EPROTO, plain(w, &self->why, SKERRY_FRAME_CREDIT,
				 SKERRY_CREDIT_GRANT, flow, UINT64_MAX));
	/* What is granted and was not asked for is not shown. */
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_GRANT, flow, 1 << 30));
	ASSERT_EQ(32768, slot->granted);
	ASSERT_EQ(-EPROTO, plain(w, &self->why, SKERRY_FRAME_ACK, 0, flow, 2));
	ASSERT_EQ(-EPROTO,
		  plain(w, &self->why, SKERRY_FRAME_CREDIT, 9, flow, 1));
	ASSERT_EQ(-EPROTO,
		  plain(w, &self->why, SKERRY_FRAME_FLOW_REFUSE, 0, flow, 1));
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_REVOKE, flow, 0));
	ASSERT_EQ(0, slot->granted);
	ASSERT_EQ(SKERRY_CREDIT_KEPT, last_frame(w, SKERRY_FRAME_CREDIT).flags);
}

TEST_F(peer, is_lost_and_found)
{
	struct fs_world *w = self->world;
	struct flowtab *tab = w->nodes[0].tab;
	uint32_t flow = open_ours(w, &self->slot);
	const struct skerry_flow_slot *slot = &self->p->slots[self->slot];
	uint32_t epoch, again;

	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 1));
	epoch = slot->epoch;
	flow_lane_gone(tab, LANE, w->now_ns);
	ASSERT_EQ(SKERRY_SLOT_DOWN, slot->state);
	ASSERT_EQ(-ENOTCONN, slot->error);
	ASSERT_EQ(0, flow_route(tab, 1, 2, 0, 0, 1, LANE, w->now_ns));
	ASSERT_EQ(SKERRY_SLOT_OPENING, slot->state);
	again = last_frame(w, SKERRY_FRAME_FLOW_OPEN).flow;
	ASSERT_NE(flow, again);
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_RESUME, 0, again, 1));
	ASSERT_EQ(epoch + 1, slot->epoch);
	ASSERT_EQ(SKERRY_SLOT_OPEN, slot->state);
}

TEST_F(peer, moves_to_another_lane)
{
	struct fs_world *w = self->world;
	struct flowtab *tab = w->nodes[0].tab;
	uint32_t flow = open_ours(w, &self->slot);
	const struct skerry_flow_slot *slot = &self->p->slots[self->slot];

	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 1));
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_GRANT, flow, 4096));
	ASSERT_EQ(4096, slot->granted);
	fs_lane_hostile(w, LANE + 1, true);
	ASSERT_EQ(0, flow_route(tab, 1, 1, 0, 0, 1, LANE + 1, w->now_ns));
	/* Still open on the old one, with nothing to write on. */
	ASSERT_EQ(SKERRY_SLOT_OPEN, slot->state);
	ASSERT_EQ(0, slot->granted);
	ASSERT_EQ(0, last_frame(w, SKERRY_FRAME_FLOW_OPEN).type);
	flow_lane_gone(tab, LANE, w->now_ns);
	ASSERT_EQ(SKERRY_SLOT_OPENING, slot->state);
	ASSERT_EQ(SKERRY_FRAME_FLOW_OPEN,
		  last_frame(w, SKERRY_FRAME_FLOW_OPEN).type);
}

TEST_F(peer, drains_the_lane)
{
	struct fs_world *w = self->world;
	struct flowtab *tab = w->nodes[0].tab;
	uint32_t flow = open_ours(w, &self->slot);
	const struct skerry_flow_slot *slot = &self->p->slots[self->slot];

	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_RESUME, 0, flow, 1));
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_GRANT, flow, 4096));
	flow_lane_drain(tab, LANE, w->now_ns);
	ASSERT_EQ(0, slot->granted);
	ASSERT_EQ(0, plain(w, &self->why, SKERRY_FRAME_CREDIT,
			   SKERRY_CREDIT_GRANT, flow, 8192));
	ASSERT_EQ(0, slot->granted);
	flow_lane_gone(tab, LANE, w->now_ns);
	ASSERT_EQ(SKERRY_SLOT_DOWN, slot->state);
}

TEST_HARNESS_MAIN
