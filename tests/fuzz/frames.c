// SPDX-License-Identifier: GPL-2.0-only
/*
 * frames.c - a peer's frames on a lane that is up, through the lane's state
 * machine into a flow table; with programs at work beside it: one that
 * writes whatever the input says, two that are honest and must not notice.
 *
 * Types from 0xe0 on are for us; all else goes onto the lane as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "flowsim.h"
#include "fuzz.h"
#include "lane/lanefsm.h"

#define PEER 7
#define HOSTILE 2 /* the program */
#define QUEUE_BYTES (2U << 20)
#define INBOX_BYTES (256U << 10)
#define RECORDS_MAX 400
#define ROUNDS_MAX 100000

enum {
	DO_TIME = 0xe0, /* sequence: ms, modulo 70,000 */
	DO_STEP, /* the honest programs work; flow: how often */
	DO_DATA, /* the hostile program writes DATA; flag 0x80: channel 1 */
	DO_WANT,
	DO_SYNC,
	DO_CLOSE,
	DO_OPEN, /* it opens a flow: sequence, correlation: next number;
		  * flags: 1 channel, 2 to itself, 4 keyed, 8 datagram */
	DO_FLOW_CLOSE, /* the command; flow: slot */
	DO_LANE, /* the lane is gone, another comes; flags: 1 no route,
		  * 2 drained first */
	DO_BLOCK, /* flag 1: nothing leaves the lane's queue from now on */
	DO_FAST, /* a fast datagram; flag 1: of the fast lane opened last */
	DO_LAZY, /* flow: program; flags: 1 lazy, 2 does not send */
	DO_PEER_GONE,
	DO_SPACE, /* the hostile program says that it freed space */
	DO_END,
};

static const uint8_t types[] = {
	SKERRY_FRAME_FLOW_OPEN,
	SKERRY_FRAME_FLOW_REFUSE,
	SKERRY_FRAME_FLOW_CLOSE,
	SKERRY_FRAME_DATA,
	SKERRY_FRAME_DATA,
	SKERRY_FRAME_CREDIT,
	SKERRY_FRAME_ACK,
	SKERRY_FRAME_RESUME,
	SKERRY_FRAME_SKIP,
	SKERRY_FRAME_DRAIN,
	SKERRY_FRAME_DRAINED,
	SKERRY_FRAME_PING,
	SKERRY_FRAME_PONG,
	SKERRY_FRAME_ERROR,
	SKERRY_FRAME_MEMBER,
	0x9a,
	DO_TIME,
	DO_STEP,
	DO_DATA,
	DO_WANT,
	DO_SYNC,
	DO_CLOSE,
	DO_OPEN,
	DO_FLOW_CLOSE,
	DO_LANE,
	DO_BLOCK,
	DO_FAST,
	DO_LAZY,
	DO_PEER_GONE,
	DO_SPACE,
};

static const char *const words[] = {
	"0.0", "0.1", "1.0", "1.1", "2.0", "2.1", "nobody", "", "fast", "x",
};

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_RECORDS,
	.types = types,
	.type_count = sizeof(types),
	.words = words,
	.word_count = sizeof(words) / sizeof(words[0]),
	.payload_is_data = true,
	.data_type = SKERRY_FRAME_DATA,
};

static const struct flow_limits limits = {
	.flows_max = 48,
	.programs_max = FS_PROGRAMS,
	.endpoints_max = 16,
	.lanes_max = 6,
	.lane_queue_bytes = FS_QUEUE_BYTES,
	.credit_bytes = SKERRY_FLOW_CREDIT_BYTES,
	.ring_bytes = FS_RING_BYTES,
};

static struct frames {
	struct fs_world *world;
	struct flowtab *tab;
	struct flow_ops ops;
	void *flow_memory;
	struct lanefsm *fsm;
	void *fsm_memory, *fsm_up; /* as the handshake left it */
	struct lane_queue queue;
	uint64_t lane;
	bool routed, closed, blocked;
	uint8_t inbox[INBOX_BYTES];
	size_t inbox_bytes;
	uint64_t refused; /* frames and records */
} f;

/* The model of a library knows a stranger's message by its first bytes. */
static void stamp(const void *payload, size_t size)
{
	static const uint64_t hostile[3] = { FS_HOSTILE };

	if (size >= sizeof(hostile))
		memcpy((void *)payload, hostile, sizeof(hostile));
}

/* ---- the lane ---------------------------------------------------------------- */

static void on_hello(void *data, struct core_bytes details)
{
	lanefsm_admit(f.fsm, details);
}

static void on_nothing(void *data)
{
}

static void on_frame(void *data, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	const char *why = NULL;
	uint8_t *copy = NULL;
	int err;

	if (frame->type < SKERRY_FRAME_FLOW_OPEN ||
	    frame->type > SKERRY_FRAME_SKIP || !f.routed)
		return;
	if (frame->type == SKERRY_FRAME_DATA && payload.size_bytes) {
		copy = malloc(payload.size_bytes);
		if (!copy)
			abort();
		memcpy(copy, payload.data, payload.size_bytes);
		stamp(copy, payload.size_bytes);
		payload.data = copy;
	}
	err = flow_frame(f.tab, f.lane, PEER, 0, frame, extensions, payload,
			 f.world->now_ns, &why);
	free(copy);
	if (!err)
		return;
	FUZZ_CHECK(err == -EPROTO && why);
	lanefsm_error(f.fsm, err, why);
}

static void on_draining(void *data)
{
	flow_lane_drain(f.tab, f.lane, f.world->now_ns);
}

static void on_closed(void *data, enum lane_end end, int error,
		      uint64_t generation_seen, const char *text)
{
	for (; *text; text++)
		FUZZ_CHECK((unsigned char)*text >= 0x20);
	f.closed = true;
}

static const struct lanefsm_handler handler = {
	.hello = on_hello,
	.up = on_nothing,
	.frame = on_frame,
	.draining = on_draining,
	.drained = on_nothing,
	.closed = on_closed,
};

static int op_send(void *data, uint64_t id, const struct skerry_frame *frame,
		   struct core_bytes extensions, struct core_bytes payload)
{
	FUZZ_CHECK(id == f.lane);
	return lanefsm_send(f.fsm, frame, extensions, payload);
}

static uint64_t op_queued(void *data, uint64_t id)
{
	FUZZ_CHECK(id == f.lane);
	return lane_queue_used(&f.queue);
}

/* What strangers send has no place in the ledger. */
static int op_deliver(void *data, uint32_t program, uint32_t channel,
		      const struct skerry_frame *record,
		      struct core_bytes extensions, struct core_bytes payload)
{
	struct fs_program *p = &f.world->nodes[0].programs[program];

	if (record->type != SKERRY_FRAME_DATA ||
	    payload.size_bytes >= 3 * sizeof(uint64_t))
		return fs_ops.deliver(data, program, channel, record,
				      extensions, payload);
	FUZZ_CHECK(p->alive);
	FUZZ_CHECK(SKERRY_COST(sizeof(*record) + extensions.size_bytes +
			       payload.size_bytes) <=
		   fs_ops.ring_room(data, program, channel));
	fs_put(&p->to_program[channel],
	       fs_item_new(record, extensions, payload));
	return 0;
}

/* A peer reads what we write. */
static void check_frame(const uint8_t *bytes, size_t left, size_t *ret_bytes)
{
	struct skerry_frame frame;

	FUZZ_CHECK(left >= sizeof(frame));
	memcpy(&frame, bytes, sizeof(frame));
	FUZZ_CHECK(frame.length >= sizeof(frame) && frame.length <= left &&
		   frame.length <= SKERRY_FRAME_MAX_BYTES);
	FUZZ_CHECK(frame.header_length >= sizeof(frame) &&
		   frame.header_length <= frame.length && !frame.correlation);
	if (frame.type != SKERRY_FRAME_DATA)
		FUZZ_CHECK(fuzz_tlvs_whole((struct core_bytes) {
			bytes + frame.header_length,
			frame.length - frame.header_length }));
	*ret_bytes = frame.length;
}

static void drain_queue(void)
{
	static uint8_t bytes[QUEUE_BYTES];
	struct core_bytes pieces[2];
	size_t size = 0, at, one;

	if (f.blocked)
		return;
	while (lane_queue_peek(&f.queue, pieces)) {
		memcpy(bytes + size, pieces[0].data, pieces[0].size_bytes);
		size += pieces[0].size_bytes;
		lane_queue_consume(&f.queue, pieces[0].size_bytes);
	}
	for (at = 0; at < size; at += one)
		check_frame(bytes + at, size - at, &one);
	if (size && f.routed)
		flow_lane_writable(f.tab, f.lane, f.world->now_ns);
}

static void lane_again(bool route)
{
	f.lane++;
	memcpy(f.fsm_memory, f.fsm_up, lanefsm_size());
	lane_queue_init(&f.queue, f.queue.data, QUEUE_BYTES);
	f.closed = false;
	f.inbox_bytes = 0;
	f.routed = route;
	if (route)
		FUZZ_CHECK(!flow_route(f.tab, PEER, 1, 0, 0, 1, f.lane,
				       f.world->now_ns));
}

static void lane_lost(bool route)
{
	if (f.routed)
		flow_lane_gone(f.tab, f.lane, f.world->now_ns);
	lane_again(route);
}

static void receive(const uint8_t *bytes, size_t size)
{
	uint8_t *exact;
	ssize_t taken;

	if (size > sizeof(f.inbox) - f.inbox_bytes)
		return;
	memcpy(f.inbox + f.inbox_bytes, bytes, size);
	f.inbox_bytes += size;
	exact = malloc(f.inbox_bytes);
	if (f.inbox_bytes && !exact)
		abort();
	memcpy(exact, f.inbox, f.inbox_bytes);
	taken = lanefsm_receive(f.fsm, exact, f.inbox_bytes);
	free(exact);
	if (taken < 0 || f.closed) {
		FUZZ_CHECK(f.closed);
		f.refused++;
		lane_lost(true);
		return;
	}
	FUZZ_CHECK((size_t)taken <= f.inbox_bytes);
	f.inbox_bytes -= (size_t)taken;
	FUZZ_CHECK(f.inbox_bytes < SKERRY_FRAME_MAX_BYTES);
	memmove(f.inbox, f.inbox + taken, f.inbox_bytes);
}

/* Both ends of a handshake without a key; ours is kept. */
static void make_lane(void)
{
	static const uint8_t hello[] = SKERRY_PREAMBLE;
	struct lanefsm_config config = { 0 };
	uint8_t bytes[512];
	struct skerry_frame frame = { .type = SKERRY_FRAME_HELLO };
	struct tlv_writer w;

	f.fsm_memory = aligned_alloc(16, (lanefsm_size() + 15) & ~15UL);
	f.fsm_up = malloc(lanefsm_size());
	lane_queue_init(&f.queue, malloc(QUEUE_BYTES), QUEUE_BYTES);
	if (!f.fsm_memory || !f.fsm_up || !f.queue.data)
		abort();
	f.fsm = lanefsm_init(f.fsm_memory, &config, &f.queue, &handler, NULL);
	receive(hello, SKERRY_PREAMBLE_BYTES);
	tlv_writer_init(&w, bytes + sizeof(frame),
			sizeof(bytes) - sizeof(frame));
	tlv_put_u64(&w, SKERRY_K_VERSION_MIN, SKERRY_WIRE_VERSION);
	tlv_put_u64(&w, SKERRY_K_VERSION_MAX, SKERRY_WIRE_VERSION);
	tlv_put(&w, SKERRY_K_NONCE, bytes, 32);
	lanefsm_header(&frame, 0, w.used_bytes);
	memcpy(bytes, &frame, sizeof(frame));
	receive(bytes, frame.length);
	tlv_writer_init(&w, bytes + sizeof(frame),
			sizeof(bytes) - sizeof(frame));
	tlv_put(&w, SKERRY_K_DETAILS, NULL, 0);
	tlv_put(&w, SKERRY_K_PROOF, NULL, 0);
	frame.type = SKERRY_FRAME_PROOF;
	lanefsm_header(&frame, 0, w.used_bytes);
	memcpy(bytes, &frame, sizeof(frame));
	receive(bytes, frame.length);
	frame.type = SKERRY_FRAME_READY;
	lanefsm_header(&frame, 0, 0);
	receive((const uint8_t *)&frame, sizeof(frame));
	FUZZ_CHECK(lanefsm_state(f.fsm) == LANEFSM_UP);
	memcpy(f.fsm_up, f.fsm_memory, lanefsm_size());
}

/* ---- the programs -------------------------------------------------------------- */

static void check_world(void)
{
	struct flow_counters counters;

	if (f.world->wrong[0])
		fuzz_wrong(__FILE__, __LINE__, "%s", f.world->wrong);
	FUZZ_CHECK(!f.world->lost && !f.world->uncertain);
	flow_counters(f.tab, &counters);
	FUZZ_CHECK(counters.flows_in <= limits.flows_max &&
		   counters.flows_out <= limits.flows_max);
}

static void pass_time(uint64_t ms)
{
	uint64_t until_ns = f.world->now_ns + ms * FS_MS;
	int rounds = 0;

	while (flow_wake(f.tab) <= until_ns) {
		if (flow_wake(f.tab) > f.world->now_ns)
			f.world->now_ns = flow_wake(f.tab);
		flow_tick(f.tab, f.world->now_ns);
		drain_queue();
		FUZZ_CHECK(++rounds < ROUNDS_MAX);
	}
	f.world->now_ns = until_ns;
}

static void take_records(struct fs_program *p)
{
	struct fs_item *item;
	const char *why = "";
	uint8_t channel;

	for (channel = 0; channel < FS_CHANNELS; channel++) {
		while ((item = fs_get(&p->to_agent[channel]))) {
			if (flow_record(f.tab, p->place, channel, &item->frame,
					(struct core_bytes) {
						item->bytes,
						item->extension_bytes },
					(struct core_bytes) {
						item->bytes +
							item->extension_bytes,
						item->payload_bytes },
					f.world->now_ns, &why))
				fs_wrong(f.world, "record %#x: %s",
					 item->frame.type, why);
			free(item);
		}
	}
}

static void programs_work(uint32_t rounds)
{
	uint32_t i;

	while (rounds--) {
		for (i = 0; i < FS_PROGRAMS; i++) {
			struct fs_program *p = &f.world->nodes[0].programs[i];

			fs_program_step(p);
			take_records(p);
		}
		f.world->now_ns += FS_MS;
		pass_time(0);
		drain_queue();
	}
}

static void hostile_again(void)
{
	struct fs_program *p = &f.world->nodes[0].programs[HOSTILE];

	fs_program_kill(p);
	fs_program_start(p);
	p->quiet = true;
	p->deaf = true;
}

static void hostile_record(const struct fuzz_record *r, uint8_t type)
{
	struct skerry_frame frame = r->frame;
	const char *why = NULL;
	int err;

	if (type == SKERRY_FRAME_DATA)
		stamp(r->payload.data, r->payload.size_bytes);
	frame.type = type;
	frame.flags &= 0x7f;
	err = flow_record(f.tab, HOSTILE, r->frame.flags >> 7, &frame,
			  r->extensions, r->payload, f.world->now_ns, &why);
	if (!err)
		return;
	FUZZ_CHECK(err == -EPROTO && why);
	f.refused++;
	hostile_again();
}

static void hostile_open(const struct fuzz_record *r)
{
	struct flow_open open = {
		.program = HOSTILE,
		.correlation = FS_FLOWS + r->frame.flow % 8,
		.flow_id = r->frame.sequence,
		.peer = r->frame.flags & 2 ? FLOW_PEER_SELF : PEER,
		.channel = r->frame.flags & 1,
		.datagram = r->frame.flags & 8,
		.keyed = r->frame.flags & 4,
		.partition_key = r->frame.sequence,
		.endpoint = words[r->frame.flow % 7],
		.next_sequence =
			r->frame.correlation ? r->frame.correlation : 1,
	};
	uint32_t slot;
	int err = flow_open(f.tab, &open, f.world->now_ns, &slot);

	FUZZ_CHECK(!err || err == -ENOSPC || err == -EINVAL);
	if (!err)
		FUZZ_CHECK(slot < SKERRY_FLOWS_PER_PROGRAM_MAX);
}

/* ---- scripts ---------------------------------------------------------------------- */

static void play(const struct fuzz_record *r)
{
	struct fs_program *p;
	uint32_t channel;
	int err;

	switch (r->frame.type) {
	case DO_TIME:
		pass_time(r->frame.sequence % 70000);
		break;
	case DO_STEP:
		programs_work(1 + r->frame.flow % 16);
		break;
	case DO_DATA:
		hostile_record(r, SKERRY_FRAME_DATA);
		break;
	case DO_WANT:
		hostile_record(r, SKERRY_REC_WANT);
		break;
	case DO_SYNC:
		hostile_record(r, SKERRY_REC_SYNC);
		break;
	case DO_CLOSE:
		hostile_record(r, SKERRY_REC_CLOSE);
		break;
	case DO_OPEN:
		hostile_open(r);
		break;
	case DO_FLOW_CLOSE:
		err = flow_close(f.tab, HOSTILE,
				 r->frame.flow % SKERRY_FLOWS_PER_PROGRAM_MAX,
				 f.world->now_ns);
		FUZZ_CHECK(!err || err == -ENOENT);
		break;
	case DO_LANE:
		if (r->frame.flags & 2 && f.routed)
			flow_lane_drain(f.tab, f.lane, f.world->now_ns);
		lane_lost(!(r->frame.flags & 1));
		break;
	case DO_BLOCK:
		f.blocked = r->frame.flags & 1;
		break;
	case DO_FAST:
		stamp(r->payload.data, r->payload.size_bytes);
		flow_fast(f.tab,
			  r->frame.flags & 1 ? f.world->fast_open
					     : r->frame.flow,
			  r->frame.sequence, r->frame.flags >> 4,
			  &(struct skerry_addr) { .port = 9 }, r->payload,
			  f.world->now_ns);
		break;
	case DO_LAZY:
		p = &f.world->nodes[0].programs[r->frame.flow % FS_PROGRAMS];
		p->lazy = r->frame.flags & 1;
		p->quiet = r->frame.flags & 2 || p->place == HOSTILE;
		break;
	case DO_PEER_GONE:
		flow_peer_gone(f.tab, PEER, -EHOSTUNREACH, f.world->now_ns);
		lane_lost(true);
		break;
	case DO_SPACE:
		for (channel = 0; channel < FS_CHANNELS; channel++)
			flow_ring_space(f.tab, HOSTILE, channel,
					f.world->now_ns);
		break;
	}
}

static void begin(void)
{
	struct fs_node *node;
	uint32_t i;

	if (!f.world) {
		f.world = calloc(1, sizeof(*f.world));
		f.flow_memory =
			aligned_alloc(64, (flowtab_size(&limits) + 63) & ~63UL);
		if (!f.world || !f.flow_memory)
			abort();
		f.ops = fs_ops;
		f.ops.send = op_send;
		f.ops.queued = op_queued;
		f.ops.deliver = op_deliver;
		make_lane();
	}
	memset(f.world, 0, sizeof(*f.world));
	memset(f.flow_memory, 0, flowtab_size(&limits));
	rng_init(&f.world->rng, 1, 7);
	f.world->now_ns = 1000 * FS_MS;
	f.world->parallelism = 1;
	f.world->fast_channel = 1;
	f.world->large_messages = true;
	node = &f.world->nodes[0];
	node->world = f.world;
	node->alive = true;
	f.tab = flowtab_init(f.flow_memory, &limits, &f.ops, node);
	node->tab = f.tab;
	flow_tick(f.tab, f.world->now_ns);
	for (i = 0; i < FS_PROGRAMS; i++) {
		node->programs[i].place = i;
		node->programs[i].node = node;
		fs_program_start(&node->programs[i]);
	}
	hostile_again();
	fs_flow_open(&node->programs[0], FLOW_PEER_SELF, 1, 0);
	fs_flow_open(&node->programs[1], FLOW_PEER_SELF, 8, 1);
	f.lane = 100;
	f.blocked = false;
	lane_again(true);
}

/* Everybody goes: nothing may be left. */
static void end(void)
{
	struct flow_counters counters;
	uint32_t i;

	programs_work(3);
	check_world();
	for (i = 0; i < FS_PROGRAMS; i++)
		fs_program_kill(&f.world->nodes[0].programs[i]);
	f.blocked = false;
	drain_queue();
	flow_lane_gone(f.tab, f.lane, f.world->now_ns);
	f.routed = false;
	flow_peer_gone(f.tab, PEER, -EHOSTUNREACH, f.world->now_ns);
	pass_time(70000);
	flow_counters(f.tab, &counters);
	FUZZ_CHECK(!counters.flows_in && !counters.flows_out &&
		   !counters.endpoints);
	for (i = 0; i < f.world->ledger_count; i++)
		free(f.world->ledgers[i].fate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct core_bytes left = { data, size };
	const uint8_t *from = data;
	struct fuzz_record r;
	int count = 0;

	begin();
	while (count++ < RECORDS_MAX && fuzz_next(&left, &r)) {
		if (r.frame.type >= DO_TIME && r.frame.type < DO_END)
			play(&r);
		else
			receive(from, r.frame.length);
		fuzz_free(&r);
		from = left.data;
		drain_queue();
		check_world();
	}
	end();
	return 0;
}
