// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flows under random delay, death of lanes, restart of agents and programs:
 * order, no duplicate, no loss while the lane lives, exact reports after.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowsim.h"
#include "kselftest_harness.h"

/* SEEDS=n in the environment for more. */
#ifdef SKERRY_SANITIZE
#define SEEDS 6
#else
#define SEEDS 20
#endif
#define STEPS 700

struct trouble {
	bool cuts;
	bool moves;
	bool programs;
	bool agents;
	bool stops;
	bool large;
};

static struct fs_program *any_program(struct fs_world *world)
{
	struct fs_node *node = &world->nodes[rng_below(&world->rng, FS_NODES)];

	return &node->programs[rng_below(&world->rng, FS_PROGRAMS)];
}

static void open_some(struct fs_world *world)
{
	struct fs_program *p = any_program(world);
	uint32_t peer = (uint32_t)rng_below(&world->rng, FS_NODES);
	uint32_t target = (uint32_t)rng_below(&world->rng, FS_PROGRAMS);

	if (!p->alive || p->stopped || world->ledger_count > FS_LEDGERS - 8)
		return;
	if (peer == p->node->number)
		peer = FLOW_PEER_SELF;
	target += 8 * (uint32_t)rng_below(&world->rng, 2);
	fs_flow_open(p, peer, target,
		     (uint8_t)rng_below(&world->rng, FS_CHANNELS));
}

static void disturb(struct fs_world *world, const struct trouble *trouble)
{
	struct fs_lane *lane = &world->lanes[rng_below(&world->rng, FS_LANES)];
	struct fs_program *p = any_program(world);

	if (trouble->cuts && lane->used && fs_chance(world, 4))
		fs_lane_cut(lane);
	if (trouble->moves && lane->used && !lane->cut && !lane->draining &&
	    fs_lane_find(world, lane->ends[0], lane->ends[1], lane->channel,
			 lane->index) == lane)
		fs_lane_move(world, lane);
	if (trouble->stops && fs_chance(world, 4))
		p->stopped = !p->stopped;
	if (trouble->stops && fs_chance(world, 6))
		p->lazy = !p->lazy;
	if (trouble->programs && fs_chance(world, 40)) {
		fs_program_kill(p);
		fs_program_start(p);
	}
	if (trouble->agents && fs_chance(world, 60))
		fs_node_restart(
			&world->nodes[rng_below(&world->rng, FS_NODES)]);
	if (fs_chance(world, 6))
		fs_lanes_mend(world);
}

static void calm(struct fs_world *world)
{
	uint32_t i, j;

	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++) {
			struct fs_program *p = &world->nodes[i].programs[j];

			p->stopped = false;
			p->lazy = false;
			p->quiet = true;
		}
	}
}

static bool nobody_waits(struct fs_world *world)
{
	uint32_t i, j, k;

	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++) {
			struct fs_program *p = &world->nodes[i].programs[j];

			for (k = 0; k < FS_FLOWS; k++) {
				if (p->flows[k].used &&
				    !p->flows[k].sent_messages)
					return false;
			}
		}
	}
	return true;
}

/* Everything that was sent has a fate, and every flow still works. */
static void settle(struct fs_world *world)
{
	uint32_t i, j, k, step;

	calm(world);
	for (step = 0; step < 800 && !world->wrong[0]; step++) {
		if (step % 8 == 0)
			fs_lanes_mend(world);
		fs_step(world);
	}
	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++) {
			struct fs_program *p = &world->nodes[i].programs[j];

			for (k = 0; k < FS_FLOWS; k++) {
				struct fs_flow *flow = &p->flows[k];

				flow->sent_messages = 0;
			}
			p->quiet = false;
		}
	}
	world->gentle = true;
	for (step = 0; step < 3000 && !world->wrong[0]; step++) {
		if (step > 500 && step % 100 == 0 && nobody_waits(world))
			break;
		fs_step(world);
	}
	calm(world);
	for (step = 0; step < 300 && !world->wrong[0]; step++)
		fs_step(world);
}

static void every_fate(struct fs_world *world)
{
	uint32_t i, j, k;
	uint64_t n;

	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++) {
			struct fs_program *p = &world->nodes[i].programs[j];

			for (k = 0; k < FS_FLOWS; k++) {
				struct fs_flow *flow = &p->flows[k];
				const struct fs_ledger *l =
					&world->ledgers[flow->ledger];

				if (!flow->used)
					continue;
				if (!flow->open || !flow->sent_messages)
					fs_wrong(world,
						 "flow %u of %u.%u to %u is "
						 "stuck: state %u",
						 flow->ledger, i, j, flow->peer,
						 p->slots[flow->slot].state);
				for (n = 1; n < flow->next; n++) {
					if (l->fate[n] == FS_SENT)
						fs_wrong(world,
							 "%u: %u of %u nowhere",
							 flow->ledger,
							 (unsigned int)n,
							 (unsigned int)
								 flow->next);
				}
			}
		}
	}
}

static struct fs_world *run(uint64_t seed, const struct trouble *trouble)
{
	struct fs_world *world = fs_new(seed);
	uint32_t step;

	world->parallelism = (uint8_t)(1 + rng_below(&world->rng, 2));
	world->large_messages = trouble->large;
	world->interrupts = trouble->stops;
	world->gives_up = trouble->cuts;
	fs_lanes_mend(world);
	for (step = 0; step < STEPS && !world->wrong[0]; step++) {
		if (fs_chance(world, 8))
			open_some(world);
		if (fs_chance(world, 5))
			disturb(world, trouble);
		fs_step(world);
	}
	settle(world);
	if (!world->wrong[0])
		every_fate(world);
	return world;
}

FIXTURE(flows)
{
	uint64_t delivered, lost, uncertain, closed;
};

FIXTURE_SETUP(flows)
{
}

FIXTURE_TEARDOWN(flows)
{
}

FIXTURE_VARIANT(flows)
{
	struct trouble trouble;
	bool may_lose;
	bool may_end;
};

FIXTURE_VARIANT_ADD(flows, in_peace) {};
FIXTURE_VARIANT_ADD(flows, large) { .trouble = { .large = true } };
FIXTURE_VARIANT_ADD(flows, stopped_programs) {
	.trouble = { .stops = true, .large = true }, .may_lose = true
};
FIXTURE_VARIANT_ADD(flows, lanes_moved) { .trouble = { .moves = true,
						       .large = true } };
FIXTURE_VARIANT_ADD(flows,
		    lanes_cut) { .trouble = { .cuts = true, .large = true },
				 .may_lose = true };
FIXTURE_VARIANT_ADD(flows, programs_restarted) {
	.trouble = { .programs = true, .stops = true, .large = true },
	.may_lose = true,
	.may_end = true
};
FIXTURE_VARIANT_ADD(flows, agents_restarted) { .trouble = { .agents = true,
							    .large = true },
					       .may_lose = true,
					       .may_end = true };
FIXTURE_VARIANT_ADD(flows, all_at_once) { .trouble = { true, true, true, true,
						       true, true },
					  .may_lose = true,
					  .may_end = true };

TEST_F_TIMEOUT(flows, keep_their_promises, 6000)
{
	const char *more = getenv("SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : SEEDS;
	uint64_t seed;

	for (seed = 1; seed <= seeds; seed++) {
		struct fs_world *world = run(seed, &variant->trouble);

		if (world->wrong[0])
			TH_LOG("seed %llu: %s", (unsigned long long)seed,
			       world->wrong);
		ASSERT_STREQ("", world->wrong);
		self->delivered += world->delivered;
		self->lost += world->lost;
		self->uncertain += world->uncertain;
		self->closed += world->closed;
		fs_free(world);
	}
	TH_LOG("%llu delivered, %llu lost, %llu uncertain, %llu closed",
	       (unsigned long long)self->delivered,
	       (unsigned long long)self->lost,
	       (unsigned long long)self->uncertain,
	       (unsigned long long)self->closed);
	ASSERT_LT(seeds * 1000, self->delivered);
	if (!variant->may_lose) {
		ASSERT_EQ(0, self->lost);
	}
	if (!variant->may_end) {
		ASSERT_EQ(0, self->closed);
		ASSERT_EQ(0, self->uncertain);
	}
	/* Otherwise nothing has been tried. */
	if (variant->trouble.cuts) {
		ASSERT_LT(0, self->lost);
	}
	if (variant->trouble.programs) {
		ASSERT_LT(0, self->closed);
	}
}

TEST_HARNESS_MAIN
