// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million joins and removals with names by chance, told by peers that come
 * and go: nothing grows, and no name that was removed comes back, however
 * late somebody still tells of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core_state.h"
#include "coreconf.h"
#include "skerry/ring.h"
#include "kselftest_harness.h"

#define MS 1000000ULL
#define WALL 1700000000000000ULL
#ifdef SKERRY_SANITIZE
#define EVENTS 200000U
#else
#define EVENTS 1000000U
#endif
#define NAMES 40000U
#define PEERS 3
#define BATCH 40
#define LATE 3000U /* of 4,096 that are remembered */
#define LANES 4096

struct world {
	struct core *core;
	struct core_config config;
	uint64_t now_ns;
	struct rng rng;
	/* What there must be, by name. */
	uint64_t incarnation[NAMES]; /* highest ever told */
	uint64_t removed[NAMES]; /* that and all before it */
	uint32_t late[LATE];
	uint64_t late_incarnation[LATE];
	uint32_t late_count;
	/* Lanes whose end is to be told to the core. */
	uint64_t ended[LANES];
	bool dialled[LANES];
	uint32_t ended_count;
	uint64_t token;
	bool persisted;
	uint64_t peer_lane[PEERS];
	uint64_t generation, next_lane;
	uint64_t events, rejoins, most_live;
	int errors;
};

static void take(struct world *w, const struct core_update *update)
{
	size_t i;

	for (i = 0; i < update->count; i++) {
		const struct core_op *op = &update->ops[i];

		if (op->type == OP_PERSIST) {
			w->persisted = true;
			w->token = op->token;
		}
		if (op->type != OP_DIAL && op->type != OP_CLOSE)
			continue;
		if (w->ended_count == LANES) {
			w->errors++;
			continue;
		}
		w->dialled[w->ended_count] = op->type == OP_DIAL;
		w->ended[w->ended_count++] = op->lane;
	}
}

static int step(struct world *w, struct core_event *event)
{
	struct core_event tick = { .type = EV_TICK };
	struct core_update update;
	int rv, first, rounds = 0;

	event->now_ns = tick.now_ns = w->now_ns;
	event->wall_us = tick.wall_us = WALL + w->now_ns / 1000;
	first = rv = core_step(w->core, event, &update);
	while (!rv) {
		take(w, &update);
		if (!update.more)
			break;
		if (++rounds > 1000) {
			w->errors++;
			break;
		}
		rv = core_step(w->core, &tick, &update);
	}
	return first;
}

/* What the driver would say: no dial gets through, what is closed is gone. */
static void drive(struct world *w)
{
	while (w->persisted || w->ended_count) {
		uint32_t count = w->ended_count, i;
		uint64_t lanes[LANES];
		bool dialled[LANES];

		if (w->persisted) {
			struct core_event event = { .type = EV_PERSISTED,
						    .token = w->token };

			w->persisted = false;
			step(w, &event);
		}
		memcpy(lanes, w->ended, count * sizeof(lanes[0]));
		memcpy(dialled, w->dialled, count * sizeof(dialled[0]));
		w->ended_count -= count;
		memmove(w->ended, w->ended + count,
			w->ended_count * sizeof(w->ended[0]));
		memmove(w->dialled, w->dialled + count,
			w->ended_count * sizeof(w->dialled[0]));
		for (i = 0; i < count; i++) {
			struct core_event event = {
				.type = dialled[i] ? EV_DIAL_FAILED
						   : EV_LANE_DOWN,
				.lane = lanes[i],
				.error = -ECONNREFUSED,
			};

			if (!dialled[i])
				event.lane_down.end = LANE_END_LOCAL;
			step(w, &event);
		}
	}
}

static void tick(struct world *w, uint64_t ms)
{
	struct core_event event = { .type = EV_TICK };

	w->now_ns += ms * MS;
	step(w, &event);
	drive(w);
}

/* ---- what is told -------------------------------------------------------------- */

static void put_spec(struct tlv_writer *t, const char *name,
		     uint64_t incarnation)
{
	struct core_config config = { .overlay = "full",
				      .port_base = SKERRY_PORT_BASE };

	strncpy(config.name, name, sizeof(config.name) - 1);
	config.addresses[0].ip[15] = 77;
	config.address_count = 1;
	strcpy(config.channels[0].name, "membership");
	config.channels[0].parallelism = 1;
	config.channel_count = 1;
	spec_write(t, &config, incarnation, incarnation + 1000, 1);
}

static void put_live(struct tlv_writer *t, const char *name,
		     uint64_t incarnation)
{
	size_t mark = tlv_begin(t, SKERRY_K_MEMBER);
	size_t inner = tlv_begin(t, SKERRY_K_SPEC);

	put_spec(t, name, incarnation);
	tlv_end(t, inner);
	tlv_end(t, mark);
}

static void put_removed(struct tlv_writer *t, const char *name,
			uint64_t incarnation)
{
	size_t mark = tlv_begin(t, SKERRY_K_MEMBER);

	tlv_put_str(t, SKERRY_K_NAME, name);
	tlv_put_u64(t, SKERRY_K_INCARNATION, incarnation);
	tlv_put_bool(t, SKERRY_K_REMOVED, true);
	tlv_end(t, mark);
}

static void name_of(uint32_t number, char name[16])
{
	snprintf(name, 16, "r%05u", number);
}

static void note_removed(struct world *w, uint32_t number)
{
	uint32_t at = w->late_count++ % LATE;

	w->removed[number] = w->incarnation[number];
	w->late[at] = number;
	w->late_incarnation[at] = w->incarnation[number];
	w->events++;
}

static void join_some(struct world *w, struct tlv_writer *t)
{
	char name[16];
	int i;

	for (i = 0; i < BATCH / 2; i++) {
		uint32_t number = (uint32_t)rng_below(&w->rng, NAMES);

		w->rejoins += w->removed[number] != 0;
		w->incarnation[number] = ++w->generation;
		name_of(number, name);
		put_live(t, name, w->incarnation[number]);
		w->events++;
	}
}

/* Some of those that are there. */
static void remove_some(struct world *w, struct tlv_writer *t)
{
	struct members *m = &w->core->members;
	uint32_t i, left = BATCH / 2;

	for (i = 0; i < m->touched && left; i++) {
		struct member *member = &m->slots[i];
		uint32_t number;

		if (member->status != MEMBER_LIVE || member->name[0] != 'r' ||
		    rng_below(&w->rng, 4) == 0)
			continue;
		number = (uint32_t)strtoul(member->name + 1, NULL, 10);
		put_removed(t, member->name, member->incarnation);
		note_removed(w, number);
		left--;
	}
}

/* Somebody who was cut off did not hear of it. */
static void tell_late(struct world *w, struct tlv_writer *t)
{
	uint32_t known = w->late_count < LATE ? w->late_count : LATE;
	char name[16];
	int i;

	for (i = 0; known && i < BATCH / 4; i++) {
		uint32_t at = (uint32_t)rng_below(&w->rng, known);

		name_of(w->late[at], name);
		put_live(t, name, w->late_incarnation[at]);
	}
}

static void tell(struct world *w)
{
	static uint8_t bytes[32768];
	struct core_event event = { .type = EV_FRAME };
	int peer = (int)rng_below(&w->rng, PEERS);
	struct tlv_writer t;

	if (!w->peer_lane[peer])
		return;
	tlv_writer_init(&t, bytes, sizeof(bytes));
	tlv_put_str(&t, SKERRY_K_KIND,
		    rng_below(&w->rng, 4) ? "delta" : "table");
	remove_some(w, &t);
	tell_late(w, &t);
	join_some(w, &t);
	event.lane = w->peer_lane[peer];
	event.frame.type = SKERRY_FRAME_MEMBER;
	event.frame.payload.data = bytes;
	event.frame.payload.size_bytes = t.used_bytes;
	w->errors += t.full || step(w, &event);
	drive(w);
}

/* ---- peers ---------------------------------------------------------------------- */

static void connect_peer(struct world *w, int peer)
{
	struct core_event event = { .type = EV_LANE_HELLO };
	uint8_t bytes[3072];
	struct tlv_writer t;
	char name[16];
	size_t mark;

	snprintf(name, sizeof(name), "peer-%d", peer);
	tlv_writer_init(&t, bytes, sizeof(bytes));
	tlv_put_str(&t, SKERRY_K_CLUSTER, "test");
	mark = tlv_begin(&t, SKERRY_K_SPEC);
	put_spec(&t, name, 1 + (uint64_t)peer);
	tlv_end(&t, mark);
	tlv_put_str(&t, SKERRY_K_CHANNEL, "membership");
	tlv_put_u64(&t, SKERRY_K_LANE, 0);
	tlv_put_u64(&t, SKERRY_K_GENERATION, ++w->generation);
	tlv_put_bool(&t, SKERRY_K_PENDING, true);
	w->next_lane += 2;
	event.lane = w->next_lane + 1;
	event.hello.accepted = true;
	event.hello.remote.ip[15] = 77;
	event.hello.details.data = bytes;
	event.hello.details.size_bytes = t.used_bytes;
	w->errors += step(w, &event) != 0;
	event = (struct core_event) { .type = EV_LANE_UP,
				      .lane = w->next_lane + 1 };
	w->errors += step(w, &event) != 0;
	w->peer_lane[peer] = w->next_lane + 1;
	drive(w);
}

static void cut_peer(struct world *w, int peer)
{
	struct core_event event = { .type = EV_LANE_DOWN,
				    .lane = w->peer_lane[peer],
				    .error = -ETIMEDOUT };

	event.lane_down.end = LANE_END_PEER;
	step(w, &event);
	w->peer_lane[peer] = 0;
	drive(w);
}

/* By an administrator: all but the peers. */
static void set_peers(struct world *w)
{
	struct core_event event = { .type = EV_COMMAND };
	struct members *m = &w->core->members;
	uint8_t bytes[256];
	struct tlv_writer t;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		if (m->slots[i].name[0] == 'r' &&
		    m->slots[i].status == MEMBER_LIVE)
			note_removed(w, (uint32_t)strtoul(m->slots[i].name + 1,
							  NULL, 10));
	}
	tlv_writer_init(&t, bytes, sizeof(bytes));
	for (i = 0; i < PEERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "peer-%u", i);
		tlv_put_str(&t, SKERRY_K_NODE, name);
	}
	event.command.admin = true;
	event.command.command = SKERRY_CMD_SET;
	event.command.tlvs.data = bytes;
	event.command.tlvs.size_bytes = t.used_bytes;
	w->errors += step(w, &event) != 0;
	w->errors += m->live != 1 + PEERS;
	drive(w);
}

/* ---- what there is ---------------------------------------------------------------- */

/* 0, or what is wrong. */
static const char *look(struct world *w)
{
	struct members *m = &w->core->members;
	uint32_t i, names = 0;

	if (m->removed_count > SKERRY_REMOVED_MAX)
		return "too many removed ones";
	if (m->live > w->most_live)
		w->most_live = m->live;
	for (i = 0; i < m->touched; i++) {
		const struct member *member = &m->slots[i];
		uint32_t number;

		names += member->status != MEMBER_FREE;
		if (member->name[0] != 'r' ||
		    (member->status != MEMBER_LIVE &&
		     member->status != MEMBER_GUEST &&
		     member->status != MEMBER_CONTACT))
			continue;
		number = (uint32_t)strtoul(member->name + 1, NULL, 10);
		if (member->incarnation <= w->removed[number])
			return "one that was removed came back";
	}
	if (names != m->count)
		return "the order of names has another length";
	return NULL;
}

static void begin(struct world *w)
{
	const struct core_limits limits = {
		.members_max = SKERRY_MEMBERS_MAX,
		.programs_max = 4,
		.watches_max = 16,
		.partitions_max = 4,
		.rules_max = 64,
	};
	struct core_event event = { .type = EV_START };
	struct core_config *config = &w->config;
	size_t size = (core_size(&limits) + 15) & ~(size_t)15;
	int i;

	w->core = core_init(aligned_alloc(16, size), &limits, NULL);
	w->now_ns = 1000 * MS;
	rng_init(&w->rng, 7, 7);
	coreconf_init(config, "me", "test");
	config->addresses[0].ip[15] = 1;
	config->address_count = 1;
	event.start.config = config;
	w->errors += step(w, &event) != 0;
	drive(w);
	tick(w, 3000);
	for (i = 0; i < PEERS; i++)
		connect_peer(w, i);
}

FIXTURE(churn)
{
	struct world *world;
};

FIXTURE_SETUP(churn)
{
	self->world = calloc(1, sizeof(*self->world));
	ASSERT_NE(NULL, self->world);
}

FIXTURE_TEARDOWN(churn)
{
	free(self->world->core);
	free(self->world);
}

/* Seconds, but for sanitizers and a busy machine. */
TEST_F_TIMEOUT(churn, a_million_joins_and_removals, 120)
{
	struct world *w = self->world;
	const char *wrong = NULL;
	uint64_t round = 0;
	struct timespec from, to;
	struct members *m;
	uint32_t i, used = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	begin(w);
	m = &w->core->members;
	ASSERT_EQ(1 + PEERS, m->live);
	while (w->events < EVENTS && !wrong) {
		int peer = (int)rng_below(&w->rng, PEERS);

		tell(w);
		tick(w, 10);
		if (round % 50 == 7 && w->peer_lane[peer])
			cut_peer(w, peer);
		else if (round % 50 == 31 && !w->peer_lane[peer])
			connect_peer(w, peer);
		if (round++ % 500 == 99)
			set_peers(w);
		wrong = look(w);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	EXPECT_EQ(NULL, wrong)
	{
		TH_LOG("%s, after %llu events", wrong,
		       (unsigned long long)w->events);
	}
	TH_LOG("%llu events in %ld s, at most %llu members, %llu came again",
	       (unsigned long long)w->events, (long)(to.tv_sec - from.tv_sec),
	       (unsigned long long)w->most_live,
	       (unsigned long long)w->rejoins);
	EXPECT_EQ(0, w->errors);
	EXPECT_LE(EVENTS, w->events);
	EXPECT_LT(1000, w->rejoins);
	/* All quiet: nothing is left of them but the memory of the last. */
	set_peers(w);
	for (i = 0; i < 300; i++)
		tick(w, 100);
	for (i = 0; i < m->touched; i++)
		used += m->slots[i].status != MEMBER_FREE;
	EXPECT_EQ(1 + PEERS, m->live);
	EXPECT_EQ(1 + PEERS, used);
	EXPECT_GE(2 * PEERS, w->core->lanes.count);
	EXPECT_GE(SKERRY_REMOVED_MAX, m->removed_count);
	EXPECT_EQ(NULL, look(w));
}

TEST_HARNESS_MAIN
