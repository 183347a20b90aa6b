// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flows beside a peer that sends nonsense and a program that writes it: they
 * are told so, and nobody else notices.
 */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "kselftest_harness.h"

#ifdef SKERRY_SANITIZE
#define SEEDS 12
#else
#define SEEDS 40
#endif
#define STEPS 600

static uint64_t odd_number(struct rng *rng)
{
	static const uint64_t odd[] = {
		0,	    1,		2,	    7,		8,
		24,	    0x10000,	262144,	    69632,	1ULL << 31,
		1ULL << 32, 1ULL << 62, 1ULL << 63, UINT64_MAX,
	};

	if (rng_below(rng, 2))
		return rng_below(rng, 600);
	return odd[rng_below(rng, sizeof(odd) / sizeof(odd[0]))];
}

static void odd_tlvs(struct rng *rng, struct tlv_writer *w)
{
	static const uint16_t keys[] = {
		SKERRY_K_PROGRAM,
		SKERRY_K_FLOW_ID,
		SKERRY_K_ENDPOINT,
		SKERRY_K_WANT_BYTES,
		SKERRY_K_TOTAL_BYTES,
		SKERRY_K_CHANNEL,
		SKERRY_K_FAST_SOURCE,
		SKERRY_K_SLOT,
		SKERRY_K_ERROR,
		SKERRY_K_REASON,
		SKERRY_K_FAST_ID,
		SKERRY_K_FROM_SEQUENCE,
		0x8123,
	};
	uint8_t junk[40];
	uint64_t n = rng_below(rng, 6), i;

	while (n--) {
		for (i = 0; i < sizeof(junk); i++)
			junk[i] = (uint8_t)rng_u64(rng);
		tlv_put(w, keys[rng_below(rng, sizeof(keys) / 2)], junk,
			rng_below(rng, sizeof(junk)));
	}
}

/* A FLOW_OPEN that is right, mostly. */
static void open_tlvs(struct rng *rng, struct tlv_writer *w, uint64_t *sequence)
{
	static const char *const endpoints[] = { "0.0", "1.1", "2.0", "none" };
	uint8_t instance[16] = { 0xee };
	struct skerry_addr source = { .port = 9 };

	*sequence = rng_below(rng, 4) ? 1 : odd_number(rng);
	tlv_put(w, SKERRY_K_PROGRAM, instance, 16);
	tlv_put_u64(w, SKERRY_K_FLOW_ID, rng_below(rng, 12));
	tlv_put_str(w, SKERRY_K_ENDPOINT, endpoints[rng_below(rng, 4)]);
	tlv_put_u64(w, SKERRY_K_WANT_BYTES, odd_number(rng));
	tlv_put_u64(w, SKERRY_K_FROM_SEQUENCE, *sequence);
	if (!rng_below(rng, 6)) {
		tlv_put_str(w, SKERRY_K_CHANNEL,
			    rng_below(rng, 2) ? "fast" : "x");
		tlv_put_addr(w, SKERRY_K_FAST_SOURCE, &source);
	}
}

struct nonsense {
	struct skerry_frame frame;
	struct core_bytes extensions, payload;
	uint8_t extension_bytes[256];
	uint8_t payload_bytes[70000];
};

static void make_nonsense(struct rng *rng, struct nonsense *n, bool record)
{
	static const uint8_t frames[] = { 0x10, 0x11, 0x12, 0x13, 0x14,
					  0x15, 0x16, 0x17, 0x13, 0x10 };
	static const uint8_t records[] = { 0x13, 0x80, 0x81, 0x82,
					   0x88, 0x10, 0x13, 0x80 };
	uint64_t stamp[3] = { FS_HOSTILE, 0, 0 };
	struct tlv_writer w;
	uint64_t sequence = odd_number(rng);

	memset(&n->frame, 0, sizeof(n->frame));
	n->frame.type = record ? records[rng_below(rng, sizeof(records))]
			       : frames[rng_below(rng, sizeof(frames))];
	n->frame.flags = (uint8_t)rng_below(rng, 8);
	n->frame.flow = (uint32_t)rng_below(rng, 8);
	if (!rng_below(rng, 3))
		n->frame.flow |= (uint32_t)rng_below(rng, 3) << 16;
	if (!rng_below(rng, 8))
		n->frame.flow = (uint32_t)rng_u64(rng);
	n->frame.correlation = (uint32_t)rng_below(rng, 3);
	tlv_writer_init(&w, n->extension_bytes, sizeof(n->extension_bytes));
	if (!rng_below(rng, 4))
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, odd_number(rng));
	else if (!rng_below(rng, 6))
		odd_tlvs(rng, &w);
	n->extensions =
		(struct core_bytes) { n->extension_bytes, w.used_bytes };
	tlv_writer_init(&w, n->payload_bytes, sizeof(n->payload_bytes));
	if (n->frame.type == 0x10 && rng_below(rng, 4)) {
		open_tlvs(rng, &w, &sequence);
	} else if (n->frame.type == 0x13) {
		memcpy(n->payload_bytes, stamp, sizeof(stamp));
		w.used_bytes = sizeof(stamp) +
			       rng_below(rng, rng_below(rng, 9) ? 300 : 69000);
	} else {
		odd_tlvs(rng, &w);
		if (!rng_below(rng, 4) && w.used_bytes)
			w.used_bytes -= rng_below(rng, w.used_bytes);
	}
	n->payload = (struct core_bytes) { n->payload_bytes, w.used_bytes };
	if (record && rng_below(rng, 4)) { /* nearly right */
		n->frame.flow = (uint32_t)rng_below(rng, 2);
		n->frame.correlation = 1;
		n->extensions.size_bytes = 0;
		if (n->frame.type == 0x13)
			n->frame.flags &= SKERRY_DATA_CAST;
		if (n->frame.type != 0x80)
			sequence = 1 + rng_below(rng, 2);
	}
	n->frame.sequence = sequence;
	n->frame.header_length =
		(uint16_t)(sizeof(n->frame) + n->extensions.size_bytes);
	n->frame.length =
		(uint32_t)(n->frame.header_length + n->payload.size_bytes);
}

struct outcome {
	uint64_t frames_taken, frames_refused;
	uint64_t records_taken, records_refused;
};

static void hostile_frames(struct fs_world *world, uint64_t *lane,
			   struct outcome *outcome)
{
	struct flowtab *tab = world->nodes[0].tab;
	static struct nonsense n;
	const char *why = "";
	uint32_t count = 20;
	int r;

	while (count--) {
		make_nonsense(&world->rng, &n, false);
		r = flow_frame(tab, *lane, 7, (uint8_t)(*lane % FS_CHANNELS),
			       &n.frame, n.extensions, n.payload, world->now_ns,
			       &why);
		outcome->frames_taken += !r;
		if (!r)
			continue;
		outcome->frames_refused++;
		if (r != -EPROTO || !why[0])
			fs_wrong(world, "a frame was refused with %d", r);
		flow_lane_gone(tab, *lane, world->now_ns);
		fs_lane_hostile(world, *lane, false);
		*lane += 1;
		fs_lane_hostile(world, *lane, true);
		if (fs_chance(world, 2))
			flow_route(tab, 7, 1, (uint8_t)(*lane % FS_CHANNELS), 0,
				   1, *lane, world->now_ns);
	}
}

static void hostile_records(struct fs_world *world, struct outcome *outcome)
{
	struct fs_program *p = &world->nodes[0].programs[2];
	static struct nonsense n;
	const char *why = "";
	uint32_t count = 10;
	int r;

	if (!p->flows[1].used) {
		fs_flow_open(p, FLOW_PEER_SELF, 1, 0);
		fs_flow_open(p, 1, 1, 0);
		return;
	}
	while (count--) {
		make_nonsense(&world->rng, &n, true);
		r = flow_record(world->nodes[0].tab, 2, 0, &n.frame,
				n.extensions, n.payload, world->now_ns, &why);
		outcome->records_taken += !r;
		if (!r)
			continue;
		outcome->records_refused++;
		if (r != -EPROTO || !why[0])
			fs_wrong(world, "a record was refused with %d", r);
		fs_program_kill(p);
		fs_program_start(p);
		p->quiet = true;
		p->deaf = true;
		return;
	}
}

static void honest_flows(struct fs_world *world)
{
	fs_flow_open(&world->nodes[0].programs[0], 1, 0, 0);
	fs_flow_open(&world->nodes[0].programs[1], 1, 1, 1);
	fs_flow_open(&world->nodes[1].programs[0], 0, 0, 0);
	fs_flow_open(&world->nodes[1].programs[1], 0, 9, 1);
	fs_flow_open(&world->nodes[0].programs[0], FLOW_PEER_SELF, 1, 1);
}

static struct fs_world *run(uint64_t seed, bool frames, bool records,
			    struct outcome *outcome)
{
	struct fs_world *world = fs_new(seed);
	uint64_t lane = 1000;
	uint32_t step;

	world->fast_channel = 1;
	world->large_messages = true;
	world->nodes[0].programs[2].quiet = true;
	world->nodes[0].programs[2].deaf = true;
	fs_lanes_mend(world);
	fs_lane_hostile(world, lane, true);
	honest_flows(world);
	for (step = 0; step < STEPS && !world->wrong[0]; step++) {
		if (frames)
			hostile_frames(world, &lane, outcome);
		if (records)
			hostile_records(world, outcome);
		fs_step(world);
	}
	return world;
}

static void judge(struct __test_metadata *_metadata, bool frames, bool records)
{
	struct outcome outcome = { 0 };
	uint64_t seed;

	for (seed = 1; seed <= SEEDS; seed++) {
		struct fs_world *world = run(seed, frames, records, &outcome);

		if (world->wrong[0])
			TH_LOG("seed %llu: %s", (unsigned long long)seed,
			       world->wrong);
		ASSERT_STREQ("", world->wrong);
		ASSERT_EQ(0, world->lost + world->uncertain);
		ASSERT_LT(2000, world->delivered);
		fs_free(world);
	}
	TH_LOG("frames: %llu taken, %llu refused; records: %llu and %llu",
	       (unsigned long long)outcome.frames_taken,
	       (unsigned long long)outcome.frames_refused,
	       (unsigned long long)outcome.records_taken,
	       (unsigned long long)outcome.records_refused);
	ASSERT_EQ(frames, outcome.frames_taken > 1000);
	ASSERT_EQ(frames, outcome.frames_refused > 1000);
	ASSERT_EQ(records, outcome.records_taken > 100);
	ASSERT_EQ(records, outcome.records_refused > 1000);
}

TEST(nonsense_in_frames)
{
	judge(_metadata, true, false);
}

TEST(nonsense_in_records)
{
	judge(_metadata, false, true);
}

TEST(nonsense_in_both)
{
	judge(_metadata, true, true);
}

TEST_HARNESS_MAIN
