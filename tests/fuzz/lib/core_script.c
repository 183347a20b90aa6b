// SPDX-License-Identifier: GPL-2.0-only
/* core_script.c - the core, its surroundings and the checks; see
 * core_script.h. core_play.c reads scripts. */
#include "core_script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core_script_impl.h"
#include "coreconf.h"
#include "hash.h"
#include "skerry/ring.h"
#include "spec.h"
#include "trace/trace.h"

#define ROUNDS_MAX 10000
#define RECORD_BYTES (1U << 20)

static const struct core_limits limits = {
	.members_max = 8,
	.programs_max = 4,
	.watches_max = 16,
	.partitions_max = 6,
	.rules_max = 64,
};

struct world world;

static uint64_t key = 7;
const struct core_hmac script_hmac = { &key, fuzz_hmac };

const char *const script_words[] = {
	"me",	      "peer",	  "other",	"nobody",  "test",
	"membership", "default",  "fast",	"full",	   "members",
	"known",      "peers",	  "partitions", "joins",   "status",
	"events",     "features", "myself",	"around",  "isolate",
	"split",      "one-way",  "halves",	"bridge",  "majorities-ring",
	"entry",      "ack",	  "ask",	"part",	   "digest",
	"delta",      "wire",	  "local",	"reject",  "sever",
	"node",	      "stream",	  "datagram",	"tag",	   "10.0.0.2:17280",
	"resolved",   "answer",	  "welcome",	"removed", "host",
	"",
};
_Static_assert(sizeof(script_words) / sizeof(script_words[0]) == SCRIPT_WORDS,
	       "SCRIPT_WORDS is how many there are");

/* ---- what every operation must be ------------------------------------------ */

/* For who looks into a finding: FUZZ_SHOW=1. */
static void show(const char *label, const char *text, int length)
{
	static int wanted = -1;

	FUZZ_CHECK(length >= 0);
	if (wanted < 0)
		wanted = getenv("FUZZ_SHOW") != NULL;
	if (wanted)
		fprintf(stderr, "# %s%s\n", label, text);
}

static void check_recorded_op(const struct core_op *op)
{
	static uint8_t first[RECORD_BYTES], second[RECORD_BYTES];
	static uint8_t scratch[TRACE_SCRATCH_BYTES + RECORD_BYTES]
		__attribute__((aligned(16)));
	struct tlv_writer a, b;
	struct core_op read;
	char text[2048];

	show("        ", text, trace_op_text(op, text, sizeof(text)));
	tlv_writer_init(&a, first, sizeof(first));
	trace_op(&a, op);
	FUZZ_CHECK(!a.full);
	FUZZ_CHECK(!trace_op_decode((struct core_bytes) { first, a.used_bytes },
				    scratch, sizeof(scratch), &read));
	tlv_writer_init(&b, second, sizeof(second));
	trace_op(&b, &read);
	FUZZ_CHECK(a.used_bytes == b.used_bytes &&
		   !memcmp(first, second, a.used_bytes));
}

static void check_recorded_event(const struct core_event *event)
{
	static uint8_t first[RECORD_BYTES], second[RECORD_BYTES];
	static uint8_t scratch[TRACE_SCRATCH_BYTES + RECORD_BYTES]
		__attribute__((aligned(16)));
	struct tlv_writer a, b;
	struct core_event read;
	char text[2048];

	show("", text, trace_event_text(event, text, sizeof(text)));
	tlv_writer_init(&a, first, sizeof(first));
	trace_event(&a, event);
	if (a.full)
		return;
	FUZZ_CHECK(
		!trace_event_decode((struct core_bytes) { first, a.used_bytes },
				    scratch, sizeof(scratch), &read));
	tlv_writer_init(&b, second, sizeof(second));
	trace_event(&b, &read);
	FUZZ_CHECK(a.used_bytes == b.used_bytes &&
		   !memcmp(first, second, a.used_bytes));
}

static struct speaker *speaker_of(const struct skerry_addr *to)
{
	return &world.speakers[to->ip[15] == 3];
}

/* Its receiver opens it: the same key, and the nonce that we gave. */
static void check_datagram(const struct core_op *op)
{
	struct speaker *speaker = speaker_of(&op->datagram.to);
	bool beat = op->datagram.port == SKERRY_PORT_HEARTBEAT;
	struct dgram_peer *peer = beat ? &speaker->beat : &speaker->partition;
	struct dgram_peer before = *peer;
	struct core_bytes body = { 0 };
	char name[SKERRY_NAME_MAX_BYTES + 1];
	enum dgram_verdict verdict;
	uint64_t incarnation, sequence;

	FUZZ_CHECK(op->bytes.size_bytes <= SKERRY_PARTITION_DATAGRAM_MAX_BYTES);
	FUZZ_CHECK(!dgram_sender(op->bytes, name, sizeof(name), &incarnation));
	FUZZ_CHECK(!strcmp(name, "me"));
	verdict = dgram_open(&speaker->self, "me", peer, op->bytes, &body,
			     &sequence);
	FUZZ_CHECK(verdict != DGRAM_MALFORMED && verdict != DGRAM_BAD_MAC);
	if (verdict == DGRAM_OK)
		FUZZ_CHECK(fuzz_tlvs_whole(body));
	/* What the core sent is not what the speaker believes. */
	*peer = before;
}

static bool has_tlvs(const struct core_op *op)
{
	switch (op->type) {
	case OP_ANSWER:
	case OP_EVENT:
	case OP_PERSIST:
	case OP_LOG:
	case OP_ADMIT:
	case OP_DIAL:
		return true;
	case OP_SEND:
		return op->frame.type == SKERRY_FRAME_MEMBER;
	default:
		return false;
	}
}

static void check_op(const struct core_op *op)
{
	FUZZ_CHECK(op->type > 0 && op->type < OP_MAX);
	FUZZ_CHECK(op->bytes.size_bytes <= CORE_OP_BYTES_MAX);
	check_recorded_op(op);
	if (has_tlvs(op))
		FUZZ_CHECK(fuzz_tlvs_whole(op->bytes));
	if (op->type == OP_DATAGRAM)
		check_datagram(op);
	if (op->type == OP_PEER)
		FUZZ_CHECK(skerry_name_valid(op->peer.name) &&
			   op->peer.address_count <= SKERRY_ADDRS_MAX);
	if (op->type == OP_ROUTE)
		FUZZ_CHECK(op->route.channel < SKERRY_CHANNELS_MAX &&
			   op->route.index < SKERRY_PARALLELISM_MAX);
}

/* ---- what the world does about it ------------------------------------------- */

static void later(enum core_event_type type, uint64_t lane, uint64_t token,
		  int error)
{
	struct later *l;

	FUZZ_CHECK(world.later_count < LATER_MAX);
	l = &world.later[world.later_count++];
	l->type = type;
	l->lane = lane;
	l->token = token;
	l->error = error;
}

static void execute(const struct core_op *op)
{
	world.script.seen_ops[op->type]++;
	switch (op->type) {
	case OP_PERSIST:
		FUZZ_CHECK(op->bytes.size_bytes <= sizeof(world.stored));
		memcpy(world.stored, op->bytes.data, op->bytes.size_bytes);
		world.stored_bytes = op->bytes.size_bytes;
		later(EV_PERSISTED, 0, op->token, world.disk_error);
		break;
	case OP_CUT_COMMIT:
		later(EV_CUTS_APPLIED, 0, op->token, world.cut_error);
		break;
	case OP_DIAL:
		world.dials[world.dial_count++ % DIALS] = op->lane;
		break;
	case OP_ADMIT:
		world.admitted = op->lane;
		break;
	case OP_CLOSE:
		later(EV_LANE_DOWN, op->lane, 0, 0);
		break;
	case OP_WAKE_AT:
		world.wake_ns = op->at_ns;
		break;
	case OP_STOPPED:
		world.stopped = true;
		break;
	default:
		break;
	}
	if (world.script.on_op)
		world.script.on_op(world.script.data, op);
}

/* ---- steps -------------------------------------------------------------------- */

static void stamp(struct core_event *event)
{
	event->now_ns = world.script.now_ns;
	event->wall_us = 1700000000000000ULL + event->now_ns / 1000;
}

static uint64_t digest_update(uint64_t hash, const struct core_update *update)
{
	size_t i;

	for (i = 0; i < update->count; i++) {
		const struct core_op *op = &update->ops[i];

		if (op->type == OP_ANSWER && op->bytes.size_bytes)
			hash = hash_bytes(hash, op->bytes.data,
					  op->bytes.size_bytes);
	}
	return hash;
}

uint64_t script_digest(struct script *s)
{
	static const char *const questions[] = { "members",    "known",
						 "peers",      "joins",
						 "partitions", "myself" };
	uint64_t hash = HASH_START;
	struct core_update update;
	uint8_t bytes[64];
	size_t i;
	int rounds;

	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct core_event event = { .type = EV_COMMAND };
		struct tlv_writer w;

		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_QUERY, questions[i]);
		event.command.program = 4;
		event.command.command = SKERRY_CMD_QUERY;
		event.command.correlation = (uint32_t)(1000 + i);
		event.command.tlvs.data = bytes;
		event.command.tlvs.size_bytes = w.used_bytes;
		stamp(&event);
		if (core_step(s->core, &event, &update))
			continue;
		hash = digest_update(hash, &update);
		for (rounds = 0; update.more && rounds < 100; rounds++) {
			event = (struct core_event) { .type = EV_TICK };
			stamp(&event);
			if (core_step(s->core, &event, &update))
				break;
			hash = digest_update(hash, &update);
		}
	}
	return hash;
}

/* What an error must not have changed: asked of both, from the same time. */
static void check_unchanged(void)
{
	uint64_t then, now;

	memcpy(world.failed, world.memory, world.size);
	now = script_digest(&world.script);
	memcpy(world.memory, world.before, world.size);
	then = script_digest(&world.script);
	FUZZ_CHECK(then == now);
	memcpy(world.memory, world.failed, world.size);
}

static int one_step(struct core_event *event)
{
	struct script *s = &world.script;
	int err, rounds = 0;
	size_t i;

	stamp(event);
	check_recorded_event(event);
	if (event->type != EV_TICK)
		memcpy(world.before, world.memory, world.size);
	err = core_step(s->core, event, &s->update);
	if (err) {
		FUZZ_CHECK(err < 0 && err > -4096);
		FUZZ_CHECK(!s->update.count && !s->update.more);
		show("        refused: ", strerror(-err), 0);
		if (event->type != EV_TICK && event->type != EV_START)
			check_unchanged();
		return err;
	}
	for (;;) {
		struct core_event tick = { .type = EV_TICK };

		FUZZ_CHECK(s->update.count <= CORE_OPS_MAX);
		for (i = 0; i < s->update.count; i++) {
			check_op(&s->update.ops[i]);
			execute(&s->update.ops[i]);
		}
		if (!s->update.more || world.stopped)
			return 0;
		FUZZ_CHECK(++rounds < ROUNDS_MAX);
		stamp(&tick);
		FUZZ_CHECK(!core_step(s->core, &tick, &s->update));
	}
}

int script_step(struct script *s, struct core_event *event)
{
	int err = one_step(event), rounds = 0;

	while (world.later_count && !world.stopped) {
		struct later l = world.later[0];
		struct core_event next = { .type = l.type,
					   .lane = l.lane,
					   .token = l.token,
					   .error = l.error };

		world.later_count--;
		memmove(world.later, world.later + 1,
			world.later_count * sizeof(l));
		if (l.type == EV_LANE_DOWN)
			next.lane_down.end = LANE_END_LOCAL;
		FUZZ_CHECK(++rounds < ROUNDS_MAX);
		one_step(&next);
	}
	return err;
}

void script_time(uint64_t ms)
{
	uint64_t until_ns = world.script.now_ns + ms * 1000000;
	int rounds = 0;

	while (world.wake_ns && world.wake_ns <= until_ns && !world.stopped) {
		struct core_event tick = { .type = EV_TICK };

		if (world.wake_ns > world.script.now_ns)
			world.script.now_ns = world.wake_ns;
		world.wake_ns = 0;
		script_step(&world.script, &tick);
		/* Even at the shortest period that there is. */
		FUZZ_CHECK(++rounds < ROUNDS_MAX);
	}
	world.script.now_ns = until_ns;
}

/* ---- the beginning --------------------------------------------------------------- */

static void configure(struct core_config *config, const char *name,
		      uint8_t last_byte)
{
	coreconf_init(config, name, "test");
	config->has_key = true;
	config->machine_id[0] = 1;
	config->addresses[0].ip[15] = last_byte;
	config->addresses[0].port = SKERRY_PORT_BASE;
	config->address_count = 1;
	coreconf_channel(config, "default", 2, false);
	coreconf_channel(config, "fast", 1, true);
	config->members_max = limits.members_max;
}

static void put_spec(struct tlv_writer *w, const struct speaker *speaker)
{
	struct core_config config;
	size_t mark = tlv_begin(w, SKERRY_K_SPEC);

	configure(&config, speaker->self.name, speaker->last_byte);
	spec_write(w, &config, speaker->self.incarnation,
		   speaker->self.boot_nonce, 1);
	tlv_end(w, mark);
}

size_t script_details(uint8_t *out, size_t room, const char *channel_name,
		      uint64_t lane, uint64_t generation)
{
	struct tlv_writer w;

	tlv_writer_init(&w, out, room);
	tlv_put_str(&w, SKERRY_K_CLUSTER, "test");
	put_spec(&w, &world.speakers[0]);
	tlv_put_str(&w, SKERRY_K_CHANNEL, channel_name);
	tlv_put_u64(&w, SKERRY_K_LANE, lane);
	tlv_put_u64(&w, SKERRY_K_GENERATION, generation);
	tlv_put_bool(&w, SKERRY_K_PENDING, true);
	FUZZ_CHECK(!w.full);
	return w.used_bytes;
}

static void make_memory(void)
{
	world.size = (core_size(&limits) + 15) & ~(size_t)15;
	world.memory = aligned_alloc(16, world.size);
	world.before = malloc(world.size);
	world.failed = malloc(world.size);
	world.running = malloc(world.size);
	if (!world.memory || !world.before || !world.failed || !world.running)
		abort();
	world.speakers[0].self = (struct dgram_self) {
		.hmac = &script_hmac,
		.name = "peer",
		.incarnation = 10,
		.boot_nonce = 5,
	};
	world.speakers[0].last_byte = 2;
	world.speakers[1].self = (struct dgram_self) {
		.hmac = &script_hmac,
		.name = "other",
		.incarnation = 20,
		.boot_nonce = 6,
	};
	world.speakers[1].last_byte = 3;
}

static void forget(void)
{
	memset(&world.script.seen_ops, 0, sizeof(world.script.seen_ops));
	world.script.on_op = NULL;
	world.later_count = 0;
	world.dial_count = 0;
	memset(world.dials, 0, sizeof(world.dials));
	world.admitted = 0;
	world.disk_error = 0;
	world.cut_error = 0;
	world.stopped = false;
	world.next_lane = 101;
}

static int boot(struct core_bytes persisted)
{
	struct core_config config;
	struct core_event event = { .type = EV_START };

	if (!world.memory)
		make_memory();
	forget();
	world.script.core = core_init(world.memory, &limits, &script_hmac);
	world.script.now_ns = 1000000000;
	world.wake_ns = 0;
	world.stored_bytes = 0;
	configure(&config, "me", 1);
	event.start.config = &config;
	event.start.persisted = persisted;
	event.start.seed = 5;
	return script_step(&world.script, &event);
}

static void lane_of_peer(uint64_t lane, const char *name, uint64_t index)
{
	struct core_event event = { .type = EV_LANE_HELLO, .lane = lane };
	uint8_t bytes[2048];

	event.hello.accepted = true;
	event.hello.remote.ip[15] = 2;
	event.hello.details.data = bytes;
	event.hello.details.size_bytes =
		script_details(bytes, sizeof(bytes), name, index, 2);
	FUZZ_CHECK(!script_step(&world.script, &event));
	FUZZ_CHECK(world.admitted == lane);
	event = (struct core_event) { .type = EV_LANE_UP, .lane = lane };
	FUZZ_CHECK(!script_step(&world.script, &event));
}

/* "peer" tells of "other". */
static void hear_of_other(void)
{
	struct core_event event = { .type = EV_FRAME, .lane = LANE_MEMBERSHIP };
	uint8_t bytes[2048];
	struct tlv_writer w;
	size_t mark;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_KIND, "delta");
	mark = tlv_begin(&w, SKERRY_K_MEMBER);
	put_spec(&w, &world.speakers[1]);
	tlv_end(&w, mark);
	event.frame.type = SKERRY_FRAME_MEMBER;
	event.frame.payload = (struct core_bytes) { bytes, w.used_bytes };
	FUZZ_CHECK(!script_step(&world.script, &event));
}

static void set_running(void)
{
	struct core_bytes spec;
	uint64_t nonce;
	int i;

	FUZZ_CHECK(!boot((struct core_bytes) { 0 }));
	script_time(3000);
	lane_of_peer(LANE_MEMBERSHIP, "membership", 0);
	lane_of_peer(LANE_DEFAULT, "default", 0);
	hear_of_other();
	script_time(500);
	spec = core_spec(world.script.core);
	nonce = tlv_find_u64(spec.data, spec.size_bytes, SKERRY_K_BOOT_NONCE,
			     0);
	for (i = 0; i < 2; i++) {
		dgram_peer_reset(&world.speakers[i].beat, 0, nonce);
		dgram_peer_reset(&world.speakers[i].partition, 0, nonce);
	}
	memcpy(world.running, world.memory, world.size);
	world.running_ns = world.script.now_ns;
	world.running_wake_ns = world.wake_ns;
	memcpy(world.fresh, world.speakers, sizeof(world.fresh));
}

struct script *script_begin(void)
{
	if (!world.running_ns)
		set_running();
	forget();
	memcpy(world.memory, world.running, world.size);
	memcpy(world.speakers, world.fresh, sizeof(world.fresh));
	world.script.now_ns = world.running_ns;
	world.wake_ns = world.running_wake_ns;
	return &world.script;
}

int script_start(struct core_bytes persisted, struct core_bytes *ret_stored)
{
	int err = boot(persisted);

	if (!err)
		script_time(20000);
	ret_stored->data = world.stored;
	ret_stored->size_bytes = world.stored_bytes;
	return err;
}
