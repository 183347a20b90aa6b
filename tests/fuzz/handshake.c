// SPDX-License-Identifier: GPL-2.0-only
/*
 * handshake.c - a peer's side of a handshake, with the verdict of a core.
 *
 * The first byte says who dials (1: we do) and whether the preamble is the
 * peer's own (2: it is in the input). Then come frames. A proof of zeros is
 * made the right one; with any other nothing behind it may be reached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core_script.h"
#include "lane/lanefsm.h"
#include "skerry/ring.h"

#define QUEUE_BYTES (256U << 10)
#define TALK_BYTES (1U << 20)
#define PROOF_BYTES 32U
#define WE_DIAL 1U
#define OWN_PREAMBLE 2U

static const uint8_t types[] = {
	SKERRY_FRAME_HELLO,	SKERRY_FRAME_CHALLENGE, SKERRY_FRAME_PROOF,
	SKERRY_FRAME_WELCOME,	SKERRY_FRAME_REFUSE,	SKERRY_FRAME_READY,
	SKERRY_FRAME_DUPLICATE, SKERRY_FRAME_ERROR,	SKERRY_FRAME_MEMBER,
	SKERRY_FRAME_DRAIN,	SKERRY_FRAME_PING,
};

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_RECORDS,
	.prefix_bytes = 1,
	.types = types,
	.type_count = sizeof(types),
	.words = script_words,
	.word_count = SCRIPT_WORDS,
};

static struct talk {
	struct script *script;
	struct lanefsm *fsm;
	struct lane_queue queue;
	uint64_t lane;
	bool dialler;
	bool proved; /* the peer's last proof was right */
	bool closed;
	uint32_t hellos, ups;
	/* All that both have said. */
	uint8_t said[TALK_BYTES];
	size_t said_bytes;
	uint8_t inbox[TALK_BYTES];
	size_t inbox_bytes;
	uint8_t details[4096];
	size_t detail_bytes;
} talk;

static void remember(const void *bytes, size_t size)
{
	FUZZ_CHECK(size <= sizeof(talk.said) - talk.said_bytes);
	memcpy(talk.said + talk.said_bytes, bytes, size);
	talk.said_bytes += size;
}

static void take_queue(void)
{
	struct core_bytes pieces[2];

	while (lane_queue_peek(&talk.queue, pieces)) {
		remember(pieces[0].data, pieces[0].size_bytes);
		lane_queue_consume(&talk.queue, pieces[0].size_bytes);
	}
}

/* ---- what the lane tells, and the core decides ----------------------------- */

static void on_op(void *data, const struct core_op *op)
{
	if (op->type == OP_DIAL && !talk.fsm && !talk.lane) {
		talk.lane = op->lane;
		FUZZ_CHECK(op->bytes.size_bytes <= sizeof(talk.details));
		memcpy(talk.details, op->bytes.data, op->bytes.size_bytes);
		talk.detail_bytes = op->bytes.size_bytes;
	}
	if (!talk.fsm || op->lane != talk.lane)
		return;
	switch (op->type) {
	case OP_ADMIT:
		lanefsm_admit(talk.fsm, op->bytes);
		break;
	case OP_REFUSE:
		lanefsm_refuse(talk.fsm, op->error, op->text);
		break;
	case OP_DUPLICATE:
		lanefsm_duplicate(talk.fsm, op->generation);
		break;
	case OP_CLOSE:
		if (op->drain)
			lanefsm_drain(talk.fsm);
		talk.closed |= !op->drain;
		break;
	default:
		break;
	}
}

static void on_hello(void *data, struct core_bytes details)
{
	struct core_event event = { .type = EV_LANE_HELLO, .lane = talk.lane };
	int err;

	FUZZ_CHECK(talk.proved);
	FUZZ_CHECK(!talk.hellos++);
	event.hello.accepted = !talk.dialler;
	event.hello.remote.ip[15] = 2;
	event.hello.details = details;
	err = script_step(talk.script, &event);
	if (err)
		lanefsm_refuse(talk.fsm, err, "malformed details");
}

static void on_up(void *data)
{
	FUZZ_CHECK(talk.hellos == 1 && !talk.ups++);
}

static void on_frame(void *data, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	struct core_event event = { .type = EV_FRAME, .lane = talk.lane };

	FUZZ_CHECK(talk.ups == 1);
	if (frame->type >= SKERRY_FRAME_FLOW_OPEN &&
	    frame->type <= SKERRY_FRAME_SKIP)
		return;
	event.frame.type = frame->type;
	event.frame.sequence = frame->sequence;
	event.frame.payload = payload;
	if (script_step(talk.script, &event) == -EPROTO)
		lanefsm_error(talk.fsm, -EPROTO, "malformed");
}

static void on_nothing(void *data)
{
}

static void on_closed(void *data, enum lane_end end, int error,
		      uint64_t generation_seen, const char *text)
{
	FUZZ_CHECK(error < 0 || end == LANE_END_DRAINED);
	for (; *text; text++)
		FUZZ_CHECK((unsigned char)*text >= 0x20);
	talk.closed = true;
}

static const struct lanefsm_handler handler = {
	.hello = on_hello,
	.up = on_up,
	.frame = on_frame,
	.draining = on_nothing,
	.drained = on_nothing,
	.closed = on_closed,
};

/* ---- what the peer says ------------------------------------------------------ */

static void say(const void *bytes, size_t size)
{
	uint8_t *exact;
	ssize_t taken;
	bool was_up = talk.ups;

	FUZZ_CHECK(size <= sizeof(talk.inbox) - talk.inbox_bytes);
	memcpy(talk.inbox + talk.inbox_bytes, bytes, size);
	talk.inbox_bytes += size;
	exact = malloc(talk.inbox_bytes);
	if (talk.inbox_bytes && !exact)
		abort();
	memcpy(exact, talk.inbox, talk.inbox_bytes);
	taken = lanefsm_receive(talk.fsm, exact, talk.inbox_bytes);
	free(exact);
	remember(bytes, size);
	take_queue();
	if (taken < 0) {
		FUZZ_CHECK(taken == -EPROTO && talk.closed);
		return;
	}
	FUZZ_CHECK((size_t)taken <= talk.inbox_bytes);
	talk.inbox_bytes -= (size_t)taken;
	memmove(talk.inbox, talk.inbox + taken, talk.inbox_bytes);
	if (talk.ups && !was_up) {
		struct core_event event = { .type = EV_LANE_UP,
					    .lane = talk.lane };

		script_step(talk.script, &event);
		take_queue();
	}
}

/* Zeros where the proof is become the proof. */
static void prove(uint8_t *record, size_t bytes)
{
	static const uint8_t zeros[PROOF_BYTES];
	const char *role =
		talk.dialler ? "skerry acceptor 1" : "skerry dialler 1";
	const size_t tail = sizeof(struct skerry_tlv) + PROOF_BYTES;
	struct skerry_tlv tlv;
	struct core_bytes parts[3];
	uint8_t *at;

	if (bytes < sizeof(struct skerry_frame) + tail)
		return;
	at = record + bytes - tail;
	memcpy(&tlv, at, sizeof(tlv));
	if (tlv.key != SKERRY_K_PROOF || tlv.length != PROOF_BYTES ||
	    memcmp(at + sizeof(tlv), zeros, PROOF_BYTES))
		return;
	parts[0] = (struct core_bytes) { role, strlen(role) };
	parts[1] = (struct core_bytes) { talk.said, talk.said_bytes };
	parts[2] = (struct core_bytes) { record, (size_t)(at - record) };
	script_hmac.function(script_hmac.data, parts, 3, at + sizeof(tlv));
	talk.proved = true;
}

static void say_frames(struct core_bytes left)
{
	uint8_t *copy;
	struct fuzz_record r;
	const uint8_t *from;

	while (!talk.closed && talk.inbox_bytes < TALK_BYTES / 2 &&
	       talk.said_bytes < TALK_BYTES / 2) {
		from = left.data;
		if (!fuzz_next(&left, &r))
			break;
		copy = malloc(r.frame.length);
		if (!copy)
			abort();
		memcpy(copy, from, r.frame.length);
		talk.proved = false;
		prove(copy, r.frame.length);
		say(copy, r.frame.length);
		free(copy);
		fuzz_free(&r);
	}
}

/* ---- the lane ------------------------------------------------------------------ */

static void dial(void)
{
	struct core_event event = { .type = EV_COMMAND };
	uint8_t bytes[64];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_JOIN_ADDRESS, "10.9.9.9:17280");
	event.command.program = 1;
	event.command.command = SKERRY_CMD_JOIN;
	event.command.correlation = 1;
	event.command.admin = true;
	event.command.tlvs = (struct core_bytes) { bytes, w.used_bytes };
	FUZZ_CHECK(!script_step(talk.script, &event));
}

static void open_lane(uint8_t flags)
{
	static void *memory, *queue;
	struct lanefsm_config config = { .hmac = &script_hmac };

	if (!memory) {
		memory = aligned_alloc(16, (lanefsm_size() + 15) & ~15UL);
		queue = malloc(QUEUE_BYTES);
	}
	if (!memory || !queue)
		abort();
	memset(&talk, 0, offsetof(struct talk, said));
	talk.said_bytes = talk.inbox_bytes = talk.detail_bytes = 0;
	talk.script = script_begin();
	talk.script->on_op = on_op;
	talk.dialler = flags & WE_DIAL;
	if (talk.dialler) {
		dial();
		FUZZ_CHECK(talk.lane && talk.detail_bytes);
	} else {
		talk.lane = 901;
	}
	config.dialler = talk.dialler;
	memset(config.nonce, 0x5a, sizeof(config.nonce));
	config.details =
		(struct core_bytes) { talk.details, talk.detail_bytes };
	lane_queue_init(&talk.queue, queue, QUEUE_BYTES);
	talk.fsm = lanefsm_init(memory, &config, &talk.queue, &handler, NULL);
	take_queue();
	if (!(flags & OWN_PREAMBLE))
		say(SKERRY_PREAMBLE, SKERRY_PREAMBLE_BYTES);
}

static void close_lane(void)
{
	struct core_event event = { .type = EV_LANE_DOWN, .lane = talk.lane };

	event.lane_down.end = LANE_END_PEER;
	FUZZ_CHECK(!script_step(talk.script, &event));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	open_lane(data[0]);
	say_frames((struct core_bytes) { data + 1, size - 1 });
	close_lane();
	return 0;
}
