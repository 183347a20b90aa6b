// SPDX-License-Identifier: GPL-2.0-only
/*
 * One rule of flow.h after the other: refusals, limits, waiting, credit that
 * comes back, who is stopped hurts nobody else, fast flows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "kselftest_harness.h"

#define ANSWER FS_FLOWS /* a correlation that is not the model's */

FIXTURE(rules)
{
	struct fs_world *world;
	struct fs_program *a, *b, *b2; /* on nodes 0, 1, 1 */
	uint32_t slot;
};

FIXTURE_SETUP(rules)
{
	self->world = fs_new(3);
	self->a = &self->world->nodes[0].programs[0];
	self->b = &self->world->nodes[1].programs[0];
	self->b2 = &self->world->nodes[1].programs[1];
	fs_settle(self->world);
	fs_lanes_mend(self->world);
}

FIXTURE_TEARDOWN(rules)
{
	EXPECT_STREQ("", self->world->wrong);
	fs_free(self->world);
}

/* Time, and nothing but time, for everybody. */
static void pass(struct fs_world *world, uint64_t ms)
{
	while (ms >= 50) {
		fs_agents(world, world->now_ns + 50 * FS_MS);
		ms -= 50;
	}
}

static struct flow_open opening(uint32_t peer, const char *endpoint)
{
	return (struct flow_open) {
		.correlation = ANSWER,
		.flow_id = 4711,
		.peer = peer,
		.endpoint = endpoint,
		.next_sequence = 1,
	};
}

/* ---- refusals and waiting ------------------------------------------------------ */

TEST_F(rules, unknown_endpoint_is_refused)
{
	struct flow_open open = opening(1, "nobody");

	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	ASSERT_EQ(1, self->world->answer.count);
	ASSERT_EQ(-ENOENT, self->world->answer.error);
	/* Its slot is free again. */
	ASSERT_EQ(SKERRY_SLOT_FREE, self->a->slots[self->slot].state);
	ASSERT_EQ(-ENOENT, flow_close(self->a->node->tab, 0, self->slot,
				      self->world->now_ns));
}

TEST_F(rules, unknown_endpoint_here_is_refused)
{
	struct flow_open open = opening(FLOW_PEER_SELF, "nobody");

	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	ASSERT_EQ(1, self->world->answer.count);
	ASSERT_EQ(-ENOENT, self->world->answer.error);
}

TEST_F(rules, after_start_an_unknown_endpoint_waits)
{
	struct flow_open open = opening(1, "0.late");
	struct flow_open never = opening(1, "never");

	never.flow_id = 4712;
	never.correlation = ANSWER + 1;
	fs_node_restart(self->b->node);
	fs_agents(self->world, self->world->now_ns + 1000 * FS_MS);
	fs_steps(self->world, 100);
	fs_lanes_mend(self->world);
	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	ASSERT_EQ(0, flow_open(self->a->node->tab, &never, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	ASSERT_EQ(0, self->world->answer.count);
	ASSERT_EQ(0, flow_endpoint(self->b->node->tab, 0, "0.late",
				   self->world->now_ns));
	fs_steps(self->world, 50);
	ASSERT_EQ(1, self->world->answer.count);
	ASSERT_EQ(0, self->world->answer.error);
	pass(self->world, 11000);
	fs_steps(self->world, 50);
	ASSERT_EQ(2, self->world->answer.count);
	ASSERT_EQ(-ENOENT, self->world->answer.error);
}

TEST_F(rules, no_lane_is_answered_after_a_second)
{
	struct flow_open open = opening(77, "0.0");

	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	pass(self->world, 900);
	ASSERT_EQ(0, self->world->answer.count);
	pass(self->world, 200);
	ASSERT_EQ(1, self->world->answer.count);
	ASSERT_EQ(-ENOTCONN, self->world->answer.error);
}

TEST_F(rules, open_is_checked)
{
	struct flow_open open = opening(1, "");
	char name[SKERRY_ENDPOINT_MAX_BYTES + 2];
	struct flowtab *tab = self->a->node->tab;

	ASSERT_EQ(-EINVAL, flow_open(tab, &open, 0, &self->slot));
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	open.endpoint = name;
	ASSERT_EQ(-EINVAL, flow_open(tab, &open, 0, &self->slot));
	open.endpoint = "0.0";
	open.next_sequence = 0;
	ASSERT_EQ(-EINVAL, flow_open(tab, &open, 0, &self->slot));
	open.next_sequence = 1;
	open.channel = SKERRY_CHANNELS_MAX;
	ASSERT_EQ(-EINVAL, flow_open(tab, &open, 0, &self->slot));
	open.channel = 0;
	open.program = FS_PROGRAMS;
	ASSERT_EQ(-EINVAL, flow_open(tab, &open, 0, &self->slot));
}

TEST_F(rules, forgotten_flow_is_not_taken_up_again)
{
	struct flow_open open = opening(1, "0.0");

	open.next_sequence = 12;
	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	ASSERT_EQ(1, self->world->answer.count);
	ASSERT_EQ(-ECONNRESET, self->world->answer.error);
}

TEST_F(rules, frontier_says_what_arrived)
{
	struct flow_open open = opening(1, "0.0");
	struct flowtab *tab = self->b->node->tab;

	ASSERT_EQ(-EINVAL, flow_frontier(tab, 0, self->a->instance, 4711, 0,
					 self->world->now_ns));
	ASSERT_EQ(0, flow_frontier(tab, 0, self->a->instance, 4711, 9,
				   self->world->now_ns));
	ASSERT_EQ(-EEXIST, flow_frontier(tab, 0, self->a->instance, 4711, 9,
					 self->world->now_ns));
	open.next_sequence = 12;
	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	ASSERT_EQ(0, self->world->answer.error);
	ASSERT_EQ(SKERRY_SLOT_OPEN, self->a->slots[self->slot].state);
	ASSERT_EQ(9, self->a->slots[self->slot].expected);
	/* No credit before the SYNC. */
	ASSERT_EQ(0, self->a->slots[self->slot].granted);
}

/* ---- limits ---------------------------------------------------------------------- */

TEST_F(rules, limits_are_refused_not_overrun)
{
	struct flowtab *tab = self->a->node->tab;
	struct flow_open open = opening(1, "0.0");
	struct flow_counters counters;
	char name[16];
	uint32_t i;
	int r = 0;

	for (i = 0; i < 2000 && !r; i++) {
		open.flow_id = i;
		r = flow_open(tab, &open, self->world->now_ns, &self->slot);
	}
	ASSERT_EQ(-ENOSPC, r);
	ASSERT_LT(1000, i);
	flow_counters(tab, &counters);
	ASSERT_EQ(fs_limits.flows_max, counters.flows_out);
	fs_steps(self->world, 4000);
	flow_counters(self->b->node->tab, &counters);
	ASSERT_GE(SKERRY_FLOWS_PER_PROGRAM_MAX, counters.flows_in);
	for (r = 0, i = 0; i < 100 && !r; i++) {
		snprintf(name, sizeof(name), "e%u", i);
		r = flow_endpoint(tab, 0, name, self->world->now_ns);
	}
	ASSERT_EQ(-ENOSPC, r);
	ASSERT_EQ(-EADDRINUSE,
		  flow_endpoint(tab, 1, "0.0", self->world->now_ns));
	ASSERT_EQ(0, flow_endpoint(tab, 0, "0.0", self->world->now_ns));
	/* All of it comes back. */
	fs_program_kill(self->a);
	fs_steps(self->world, 4000);
	flow_counters(tab, &counters);
	ASSERT_EQ(0, counters.flows_out);
	ASSERT_EQ(2 * (FS_PROGRAMS - 1), counters.endpoints);
	flow_counters(self->b->node->tab, &counters);
	ASSERT_EQ(0, counters.flows_in);
}

TEST_F(rules, numbers_of_inflows_come_back)
{
	struct flow_open open = opening(1, "0.0");
	uint32_t i, j, slots[8];

	for (i = 0; i < 200; i++) {
		for (j = 0; j < 8; j++) {
			open.flow_id = 8 * i + j;
			ASSERT_EQ(0, flow_open(self->a->node->tab, &open,
					       self->world->now_ns, &slots[j]));
		}
		fs_steps(self->world, 20);
		for (j = 0; j < 8; j++)
			ASSERT_EQ(0, flow_close(self->a->node->tab, 0, slots[j],
						self->world->now_ns));
		ASSERT_EQ(0, self->world->answer.error);
	}
	ASSERT_LT(SKERRY_FLOWS_PER_PROGRAM_MAX, self->world->answer.count);
}

TEST_F(rules, full_ring_delays_what_is_new)
{
	struct fs_flow *flow = fs_flow_open(self->a, 1, 0, 0);
	struct flow_open open = opening(1, "0.0");
	uint32_t i, answers;

	fs_steps(self->world, 50);
	self->b->stopped = true;
	for (i = 0; i < 300; i++) {
		fs_flow_look(self->a, flow);
		while (!fs_flow_send(self->a, flow, 1000))
			;
		fs_step(self->world);
	}
	/* op_deliver() watches that the ring is not overrun. */
	for (i = 0; i < 300; i++) {
		open.flow_id = i;
		ASSERT_EQ(0, flow_open(self->a->node->tab, &open,
				       self->world->now_ns, &self->slot));
	}
	fs_steps(self->world, 200);
	answers = self->world->answer.count;
	ASSERT_LT(10, answers);
	ASSERT_GT(300, answers);
	self->b->stopped = false;
	fs_steps(self->world, 300);
	ASSERT_EQ(300, self->world->answer.count);
	ASSERT_EQ(0, self->world->answer.error);
}

/* ---- messages of every size ------------------------------------------------------- */

static int put(struct fs_program *p, uint32_t slot, uint64_t number,
	       uint8_t flags, size_t bytes, const char **why)
{
	static uint8_t payload[SKERRY_FRAGMENT_BYTES + 8];
	uint64_t stamp[3] = { FS_HOSTILE, number, 0 };
	struct skerry_frame frame = {
		.length = (uint32_t)(sizeof(frame) + bytes),
		.type = SKERRY_FRAME_DATA,
		.flags = flags,
		.header_length = sizeof(frame),
		.flow = slot,
		.correlation = p->slots[slot].epoch,
		.sequence = number,
	};

	memcpy(payload, stamp, sizeof(stamp));
	return flow_record(p->node->tab, p->place, 0, &frame,
			   (struct core_bytes) { NULL, 0 },
			   (struct core_bytes) { payload, bytes },
			   p->node->world->now_ns, why);
}

static int ask(struct fs_program *p, uint32_t slot, uint64_t position,
	       const char **why)
{
	struct skerry_frame frame = {
		.length = sizeof(frame),
		.type = SKERRY_REC_WANT,
		.header_length = sizeof(frame),
		.flow = slot,
		.correlation = p->slots[slot].epoch,
		.sequence = position,
	};
	struct core_bytes none = { NULL, 0 };

	return flow_record(p->node->tab, p->place, 0, &frame, none, none,
			   p->node->world->now_ns, why);
}

TEST_F(rules, smallest_and_largest_record)
{
	struct flow_open open = opening(1, "0.0");
	const char *why = "";

	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	/* Something is there unasked, but not for a whole fragment. */
	ASSERT_LT(1000, self->a->slots[self->slot].granted);
	ASSERT_EQ(0, ask(self->a, self->slot, SKERRY_FLOW_CREDIT_BYTES, &why));
	fs_steps(self->world, 50);
	ASSERT_EQ(SKERRY_FLOW_CREDIT_BYTES, self->a->slots[self->slot].granted);
	ASSERT_EQ(0,
		  put(self->a, self->slot, 1, 0, SKERRY_FRAGMENT_BYTES, &why));
	ASSERT_EQ(0, put(self->a, self->slot, 2, 0, 24, &why));
	fs_steps(self->world, 50);
	ASSERT_EQ(2, self->world->hostile_delivered);
	ASSERT_EQ(-EPROTO, put(self->a, self->slot, 3, 0,
			       SKERRY_FRAGMENT_BYTES + 1, &why));
	ASSERT_STREQ("DATA larger than a fragment", why);
	ASSERT_EQ(-EPROTO, put(self->a, self->slot, 4, 0, 24, &why));
	ASSERT_STREQ("DATA with a number out of turn", why);
	ASSERT_EQ(-EPROTO,
		  put(self->a, self->slot, 3, SKERRY_DATA_MORE, 24, &why));
	ASSERT_EQ(-EPROTO, put(self->a, self->slot, 3, 0x80, 24, &why));
	ASSERT_EQ(-EPROTO, put(self->a, self->slot + 1, 3, 0, 24, &why));
	ASSERT_STREQ("a record of no flow", why);
}

TEST_F(rules, credit_is_not_overrun)
{
	struct flow_open open = opening(1, "0.0");
	const char *why = "";
	uint64_t granted, n;
	int r = 0;

	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	granted = self->a->slots[self->slot].granted;
	for (n = 1; !r; n++)
		r = put(self->a, self->slot, n, 0, 1000, &why);
	ASSERT_EQ(-EPROTO, r);
	ASSERT_STREQ("DATA beyond the credit", why);
	ASSERT_EQ(granted / 1024, n - 2);
}

TEST_F(rules, empty_message_to_this_node)
{
	struct flow_open open = opening(FLOW_PEER_SELF, "1.0");
	struct fs_program *to = &self->world->nodes[0].programs[1];
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_DATA,
		.correlation = 1,
		.sequence = 1,
	};
	struct core_bytes none = { NULL, 0 };
	const char *why = "";

	to->lazy = true;
	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	ASSERT_EQ(0, self->world->answer.error);
	frame.flow = self->slot;
	/* The ledger wants a stamp; this one has no byte to put it in. */
	ASSERT_EQ(0, flow_record(self->a->node->tab, 0, 0, &frame, none, none,
				 self->world->now_ns, &why));
	ASSERT_STREQ("a payload was cut short", self->world->wrong);
	self->world->wrong[0] = 0;
	ASSERT_EQ(2, to->to_program[0].count);
	ASSERT_EQ(0, to->to_program[0].tail->payload_bytes);
}

/* ---- who is stopped ------------------------------------------------------------------ */

static uint64_t send_for(struct fs_world *world, struct fs_program *p,
			 struct fs_flow *flow, uint32_t count)
{
	uint64_t sent = 0;

	while (count--) {
		fs_flow_look(p, flow);
		while (!fs_flow_send(p, flow, 1000))
			sent++;
		fs_step(world);
	}
	return sent;
}

TEST_F(rules, stopped_receiver_stalls_its_own_flow_only)
{
	struct fs_flow *one = fs_flow_open(self->a, 1, 0, 0);
	struct fs_flow *two = fs_flow_open(self->a, 1, 1, 0);
	uint64_t alone, beside, stalled;

	fs_steps(self->world, 50);
	alone = send_for(self->world, self->a, two, 400);
	self->b->stopped = true;
	stalled = send_for(self->world, self->a, one, 400);
	/* At most a ring of them. */
	ASSERT_GE(FS_RING_BYTES / 1024, stalled);
	ASSERT_LT(100, stalled);
	ASSERT_EQ(0, send_for(self->world, self->a, one, 100));
	beside = send_for(self->world, self->a, two, 400);
	ASSERT_LT(alone * 9 / 10, beside);
	self->b->stopped = false;
	fs_steps(self->world, 300);
	ASSERT_LT(100, send_for(self->world, self->a, one, 100));
}

TEST_F(rules, stopped_senders_give_their_credit_back)
{
	struct fs_program *other = &self->world->nodes[2].programs[0];
	struct fs_flow *flows[12], *last;
	struct fs_program *p;
	uint32_t i;

	/* Six of one node, six of another: each asks, then is silent. */
	for (i = 0; i < 12; i++) {
		p = i % 2 ? self->a : other;
		flows[i] = fs_flow_open(p, 1, 0, 0);
	}
	fs_steps(self->world, 100);
	for (i = 0; i < 12; i++) {
		p = i % 2 ? self->a : other;
		fs_flow_look(p, flows[i]);
		while (!fs_flow_send(p, flows[i], 2000))
			;
	}
	fs_steps(self->world, 200);
	self->a->stopped = true;
	other->stopped = true;
	p = &self->world->nodes[0].programs[1];
	last = fs_flow_open(p, 1, 0, 0);
	fs_steps(self->world, 200);
	pass(self->world, 1500);
	fs_steps(self->world, 200);
	ASSERT_LT(200, send_for(self->world, p, last, 1500));
}

TEST_F(rules, program_stopped_in_a_busy_section_is_cut_short)
{
	struct fs_flow *flow = fs_flow_open(self->a, 1, 0, 0);
	struct fs_flow *others[8];
	struct fs_program *p = &self->world->nodes[0].programs[1];
	uint32_t i;

	fs_steps(self->world, 50);
	send_for(self->world, self->a, flow, 20);
	self->world->interrupts = true;
	while (!self->a->busy) {
		fs_flow_look(self->a, flow);
		fs_flow_send(self->a, flow, 1000);
		if (!self->a->busy)
			fs_step(self->world);
	}
	self->world->interrupts = false;
	self->a->stopped = true;
	/* Others want the ring: its grant is taken back without it. */
	for (i = 0; i < 8; i++)
		others[i] = fs_flow_open(p, 1, 0, 0);
	fs_steps(self->world, 50);
	for (i = 0; i < 8; i++)
		send_for(self->world, p, others[i], 20);
	pass(self->world, 4000);
	for (i = 0; i < 8; i++)
		ASSERT_LT(50, send_for(self->world, p, others[i], 200));
	self->a->stopped = false;
	fs_steps(self->world, 100);
	ASSERT_LT(20, send_for(self->world, self->a, flow, 300));
}

TEST_F(rules, blocked_lane_holds_a_bounded_queue)
{
	struct fs_lane *lane = fs_lane_find(self->world, 0, 1, 0, 0);
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1] = "";
	struct flow_open open = opening(1, endpoint);
	struct fs_flow *flow[8];
	uint32_t i, n;

	memset(endpoint, 'x', sizeof(endpoint) - 1);

	for (i = 0; i < 8; i++)
		flow[i] = fs_flow_open(self->a, 1, i % 3, 0);
	fs_steps(self->world, 50);
	for (i = 0; i < 8; i++) { /* no credit for that yet: asks */
		fs_flow_look(self->a, flow[i]);
		ASSERT_EQ(-EAGAIN, fs_flow_send(self->a, flow[i], 65512));
	}
	fs_steps(self->world, 50);
	/* Frames of another kind leave the room that was promised. */
	for (i = 0; i < 900; i++) {
		open.flow_id = i;
		ASSERT_EQ(0, flow_open(self->a->node->tab, &open,
				       self->world->now_ns, &self->slot));
	}
	for (n = 0; n < 200; n++) {
		for (i = 0; i < 8; i++) {
			fs_flow_look(self->a, flow[i]);
			while (!fs_flow_send(self->a, flow[i], 65512))
				;
		}
		fs_agents(self->world, self->world->now_ns + FS_MS);
	}
	/* op_send() has watched the limit; it was nearly reached. */
	ASSERT_LT(FS_QUEUE_BYTES / 2, lane->queue[0].wire_bytes);
	ASSERT_GE(FS_QUEUE_BYTES, lane->queue[0].wire_bytes);
}

/* ---- large messages -------------------------------------------------------------------- */

TEST_F(rules, reassembly_memory_is_shared_out)
{
	struct fs_flow *flow[4];
	uint32_t i, n, begun = 0;

	for (i = 0; i < 4; i++)
		flow[i] = fs_flow_open(self->a, 1, 0, 0);
	fs_steps(self->world, 50);
	for (i = 0; i < 4; i++)
		flow[i]->large_total = SKERRY_MESSAGE_MAX_BYTES;
	/* 64 MiB each, 128 MiB for all: two at a time. */
	for (n = 0; n < 60; n++) {
		for (i = 0; i < 4; i++) {
			fs_flow_look(self->a, flow[i]);
			fs_flow_send(self->a, flow[i], 0);
		}
		fs_step(self->world);
	}
	for (i = 0; i < 4; i++)
		begun += flow[i]->large_sent > 0;
	ASSERT_EQ(2, begun);
	for (n = 0; n < 30000 && self->b->received_messages < 4; n++) {
		for (i = 0; i < 4; i++) {
			fs_flow_look(self->a, flow[i]);
			if (!flow[i]->sent_messages)
				fs_flow_send(self->a, flow[i], 0);
		}
		fs_step(self->world);
	}
	ASSERT_EQ(4, self->b->received_messages);
}

TEST_F(rules, reassembly_memory_cannot_be_lied_about)
{
	struct fs_flow *flow[3];
	uint32_t i, n, begun = 0;

	self->b->freed_bytes = UINT64_MAX / 2;
	for (i = 0; i < 3; i++)
		flow[i] = fs_flow_open(self->a, 1, 0, 0);
	fs_steps(self->world, 50);
	for (i = 0; i < 3; i++)
		flow[i]->large_total = SKERRY_MESSAGE_MAX_BYTES;
	for (n = 0; n < 10; n++) {
		for (i = 0; i < 3; i++) {
			fs_flow_look(self->a, flow[i]);
			fs_flow_send(self->a, flow[i], 0);
		}
		fs_steps(self->world, 5);
	}
	for (i = 0; i < 3; i++)
		begun += flow[i]->large_sent > 0;
	ASSERT_LT(0, begun);
}

/* ---- the peer is gone -------------------------------------------------------------------- */

TEST_F(rules, peer_gone_is_uncertain_refusal_is_exact)
{
	struct fs_flow *flow = fs_flow_open(self->a, 1, 0, 0);
	struct fs_flow *other = fs_flow_open(self->a, 1, 1, 0);
	const struct skerry_flow_slot *slot;

	fs_steps(self->world, 50);
	send_for(self->world, self->a, flow, 20);
	send_for(self->world, self->a, other, 20);
	self->a->stopped = true; /* we look ourselves */
	fs_program_kill(self->b);
	fs_steps(self->world, 100);
	slot = &self->a->slots[flow->slot];
	ASSERT_EQ(SKERRY_SLOT_CLOSED, slot->state);
	ASSERT_EQ(-ECONNRESET, slot->error);
	ASSERT_EQ(0, slot->flags & SKERRY_SLOT_UNCERTAIN);
	slot = &self->a->slots[other->slot];
	ASSERT_EQ(SKERRY_SLOT_OPEN, slot->state);
	flow_peer_gone(self->a->node->tab, 1, -EHOSTUNREACH,
		       self->world->now_ns);
	ASSERT_EQ(SKERRY_SLOT_CLOSED, slot->state);
	ASSERT_EQ(-EHOSTUNREACH, slot->error);
	ASSERT_NE(0, slot->flags & SKERRY_SLOT_UNCERTAIN);
	ASSERT_GE(other->next, slot->expected);
	self->a->stopped = false;
	fs_steps(self->world, 50);
}

/* ---- fast flows ---------------------------------------------------------------------------- */

static void open_fast(struct fs_world *world, struct fs_program *p)
{
	struct flow_open open = opening(1, "0.0");
	uint32_t slot;

	world->fast_channel = 1;
	open.channel = 1;
	open.datagram = true;
	open.fast_source = (struct skerry_addr) { .ip = { 1 }, .port = 99 };
	if (flow_open(p->node->tab, &open, world->now_ns, &slot))
		fs_wrong(world, "a fast flow was refused");
	fs_steps(world, 50);
}

static int datagram(struct fs_world *world, uint64_t fast_id, uint16_t port)
{
	uint64_t stamp[3] = { FS_HOSTILE, 1, 0 };
	struct skerry_addr from = { .ip = { 1 }, .port = port };

	return flow_fast(world->nodes[1].tab, fast_id, 5, SKERRY_DATA_CAST,
			 &from, (struct core_bytes) { stamp, sizeof(stamp) },
			 world->now_ns);
}

TEST_F(rules, fast_flow_lives_and_ends)
{
	struct fs_world *world = self->world;
	uint64_t fast_id;

	self->b->deaf = true;
	self->b->stopped = true;
	open_fast(world, self->a);
	fast_id = world->answer.fast_id;
	ASSERT_EQ(1, world->answer.count);
	ASSERT_EQ(0, world->answer.error);
	ASSERT_NE(0, fast_id);
	ASSERT_EQ(fast_id, world->fast_open);
	ASSERT_EQ(0, datagram(world, fast_id, 99));
	ASSERT_EQ(world->answer.inflow,
		  self->b->to_program[1].tail->frame.flow);
	ASSERT_EQ(5, self->b->to_program[1].tail->frame.sequence);
	ASSERT_EQ(SKERRY_DATA_CAST, self->b->to_program[1].tail->frame.flags);
	ASSERT_EQ(-ENOENT, datagram(world, fast_id, 98));
	ASSERT_EQ(-ENOENT, datagram(world, fast_id + 1, 99));
	/* Its control lane dies and comes again: nothing changes. */
	fs_lane_cut(fs_lane_find(world, 0, 1, 0, 0));
	fs_steps(world, 100);
	ASSERT_EQ(0, datagram(world, fast_id, 99));
	ASSERT_EQ(SKERRY_SLOT_OPEN, self->a->slots[0].state);
	fs_lanes_mend(world);
	fs_steps(world, 100);
	ASSERT_EQ(fast_id, world->fast_open);
	ASSERT_EQ(1, world->answer.count);
	pass(world, 70000);
	ASSERT_EQ(0, datagram(world, fast_id, 99));
	/* The library closes it. */
	ASSERT_EQ(0, flow_close(self->a->node->tab, 0, world->answer.slot,
				world->now_ns));
	fs_steps(world, 50);
	ASSERT_EQ(fast_id, world->fast_closed);
	ASSERT_EQ(-ENOENT, datagram(world, fast_id, 99));
}

TEST_F(rules, fast_flow_ends_with_its_peer)
{
	struct fs_world *world = self->world;

	self->b->deaf = true;
	open_fast(world, self->a);
	ASSERT_EQ(0, world->answer.error);
	flow_peer_gone(world->nodes[1].tab, 0, -EHOSTUNREACH, world->now_ns);
	ASSERT_EQ(world->answer.fast_id, world->fast_closed);
	ASSERT_EQ(-ENOENT, datagram(world, world->answer.fast_id, 99));
}

TEST_F(rules, fast_flow_of_an_unknown_channel_is_refused)
{
	struct flow_open open = opening(1, "0.0");

	open.datagram = true;
	ASSERT_EQ(0, flow_open(self->a->node->tab, &open, self->world->now_ns,
			       &self->slot));
	fs_steps(self->world, 50);
	ASSERT_EQ(1, self->world->answer.count);
	ASSERT_EQ(-ENOENT, self->world->answer.error);
}

TEST_F(rules, full_ring_drops_datagrams)
{
	struct flow_counters counters;
	uint32_t n = 0;

	self->b->stopped = true;
	open_fast(self->world, self->a);
	while (!datagram(self->world, self->world->answer.fast_id, 99))
		ASSERT_GT(100000, n++);
	ASSERT_LT(1000, n);
	flow_counters(self->world->nodes[1].tab, &counters);
	ASSERT_EQ(1, counters.fast_dropped);
	self->b->deaf = true;
	self->b->stopped = false;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void count_row(void *data, const void *row, size_t size_bytes)
{
	uint64_t *received = data;
	char name[SKERRY_ENDPOINT_MAX_BYTES + 1];

	if (!tlv_find_str(row, size_bytes, SKERRY_K_ENDPOINT, name,
			  sizeof(name)) &&
	    !strcmp(name, "0.0"))
		*received = tlv_find_u64(row, size_bytes,
					 SKERRY_K_RECEIVED_MESSAGES, 0);
}

TEST_F(rules, rows_and_counters)
{
	struct fs_flow *flow = fs_flow_open(self->a, 1, 0, 0);
	struct flow_counters sent, received;
	uint64_t n, row = 0;

	fs_steps(self->world, 50);
	n = send_for(self->world, self->a, flow, 50);
	fs_steps(self->world, 100);
	flow_counters(self->a->node->tab, &sent);
	flow_counters(self->b->node->tab, &received);
	ASSERT_EQ(n, sent.sent_messages);
	ASSERT_EQ(n, received.received_messages);
	ASSERT_EQ(1, sent.flows_out);
	ASSERT_EQ(1, received.flows_in);
	flow_endpoints(self->b->node->tab, count_row, &row);
	ASSERT_EQ(n, row);
	ASSERT_EQ(0, flow_endpoint_gone(self->b->node->tab, 0, "0.0",
					self->world->now_ns));
	ASSERT_EQ(-ENOENT, flow_endpoint_gone(self->b->node->tab, 0, "0.0",
					      self->world->now_ns));
	self->a->stopped = true;
	fs_steps(self->world, 50);
	ASSERT_EQ(SKERRY_SLOT_CLOSED, self->a->slots[flow->slot].state);
	ASSERT_EQ(-ENOENT, self->a->slots[flow->slot].error);
	self->a->stopped = false;
	fs_steps(self->world, 50);
	flow_counters(self->b->node->tab, &received);
	ASSERT_EQ(0, received.flows_in);
}

TEST_HARNESS_MAIN
