// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * program_ring.c - reading what programs write. Each ring has its turn, by
 * deficit round robin; a ring is given back once for each turn. The rings of
 * channels with a higher priority have theirs first, and once more after
 * each turn of a lower one: so those wait for one turn at most, and still
 * cannot keep the lower ones from theirs.
 */
#include <errno.h>
#include <string.h>

#include "run/agent.h"
#include "run/log.h"
#include "program.h"
#include "skerry/barrier.h"

/* What one ring may take in a round. */
#define QUANTUM_BYTES (64 << 10)
/* Commands of one program in a round. */
#define COMMANDS_MAX 64
/* Extensions of a record, and payloads of all but DATA, are read from a
 * copy: the program could change them under our hands. */
#define COPY_BYTES 1024U

/* ---- message rings --------------------------------------------------------- */

/* 0, or -EPROTO with a sentence. */
static int give(struct program *program, struct program_channel *channel,
		const struct ringbuf_record *record, const char **ret_why)
{
	struct core_bytes extensions = { NULL, record->extension_bytes };
	struct core_bytes payload = { record->payload, record->payload_bytes };
	uint8_t copy[COPY_BYTES];
	size_t size_bytes;

	if (record->extension_bytes ||
	    record->frame.type != SKERRY_FRAME_DATA) {
		size_bytes = record->extension_bytes;
		if (record->frame.type != SKERRY_FRAME_DATA)
			size_bytes += record->payload_bytes;
		if (size_bytes > sizeof(copy)) {
			*ret_why = "a record's extensions are too long";
			return -EPROTO;
		}
		/* Extensions and payload lie in a row. */
		memcpy(copy, record->extensions, size_bytes);
		extensions.data = copy;
		if (record->frame.type != SKERRY_FRAME_DATA)
			payload.data = copy + record->extension_bytes;
	}
	return flow_record(program->agent->flows, program->number,
			   channel->index, &record->frame, extensions, payload,
			   program->agent->now_ns, ret_why);
}

bool program_take(struct program *program, struct program_channel *channel,
		  int64_t bytes)
{
	struct ringbuf_record record;
	const char *why = "malformed record";
	int r;

	while (!program->doomed) {
		if (bytes <= 0)
			return false;
		r = ringbuf_read(&channel->shm.in, &channel->taken_bytes,
				 &record);
		if (!r)
			return true;
		if (r > 0) {
			bytes -= record.cost_bytes;
			channel->deficit -= record.cost_bytes;
			r = give(program, channel, &record, &why);
		}
		if (r < 0)
			program_doom(program, r, "channel %s: %s",
				     program->agent->settings
					     .channels[channel->index]
					     .name,
				     why);
	}
	return false;
}

static void serve_ring(struct program *program, struct program_channel *channel)
{
	if (ringbuf_empty(&channel->shm.in)) {
		channel->deficit = 0;
		return;
	}
	channel->deficit += QUANTUM_BYTES;
	program_take(program, channel, channel->deficit);
	if (!channel->taken_bytes)
		return;
	/* Once for all of them; a revoke may have taken more meanwhile. */
	ringbuf_advance(&channel->shm.in, channel->taken_bytes);
	channel->taken_bytes = 0;
	program->credit_moved = true;
	program_mark_dirty(program);
}

/* ---- free space ------------------------------------------------------------- */

static uint64_t head_of(const struct program_channel *channel)
{
	return skerry_load_acquire(&channel->shm.map->program_ring.head);
}

static bool has_space_news(const struct program *program,
			   const struct program_channel *channel)
{
	if (!channel->wants_space)
		return false;
	return head_of(channel) != channel->head_seen ||
	       skerry_load_acquire(
		       &program->control.map->reassembly_freed_bytes) !=
		       program->freed_seen;
}

static void serve_space(struct program *program)
{
	uint64_t freed = skerry_load_acquire(
		&program->control.map->reassembly_freed_bytes);
	bool freed_moved = freed != program->freed_seen;
	uint32_t i;

	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		struct program_channel *channel = program->channels[i];

		if (!channel || !channel->wants_space ||
		    (!freed_moved && head_of(channel) == channel->head_seen))
			continue;
		channel->wants_space = false;
		/* What the flow table may ask again for is more than this. */
		if (ringbuf_room(&channel->shm.out) < 0) {
			program_doom(program, -EPROTO,
				     "wrote an impossible position into a "
				     "message ring");
			return;
		}
		flow_ring_space(program->agent->flows, program->number, i,
				program->agent->now_ns);
	}
	program->freed_seen = freed;
}

/* ---- the control ring ---------------------------------------------------------- */

static void serve_control(struct program *program)
{
	struct ringbuf *in = &program->control.in;
	struct ringbuf_record record;
	uint64_t offset;
	int i, r;

	if (program->waiting_bytes)
		program_put_waiting(program);
	for (i = 0; i < COMMANDS_MAX && !program->doomed; i++) {
		if (ringbuf_empty(in))
			break;
		offset = 0;
		r = ringbuf_read(in, &offset, &record);
		if (r < 0)
			program_doom(program, r,
				     "control ring: malformed record");
		if (r <= 0)
			break;
		program_command(program, &record);
		ringbuf_advance(in, offset);
		program->credit_moved = true;
		program_mark_dirty(program);
	}
}

/* ---- rounds --------------------------------------------------------------------- */

static bool has_work(const struct program *program)
{
	uint32_t i;

	if (skerry_load_relaxed(&program->control.map->agent_ring.tail) !=
	    program->control.in.own)
		return true;
	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		const struct program_channel *channel = program->channels[i];

		if (!channel)
			continue;
		if (channel->taken_bytes ||
		    skerry_load_relaxed(&channel->shm.map->agent_ring.tail) !=
			    channel->shm.in.own ||
		    has_space_news(program, channel))
			return true;
	}
	return false;
}

/* ---- turns ---------------------------------------------------------------------- */

struct ring_turn {
	struct program *program;
	struct program_channel *channel;
};

/* Every ring of a program that is looked at in this round, by level. */
static struct {
	struct ring_turn turns[SKERRY_PROGRAMS_MAX * SKERRY_CHANNELS_MAX];
	uint32_t count;
	uint8_t levels; /* bit for each that has a ring */
} round_now;

static uint8_t level_of(const struct ring_turn *turn)
{
	const struct core_channel *channels =
		turn->program->agent->settings.channels;

	return channels[turn->channel->index].priority & 7;
}

static void collect(struct program *program)
{
	struct ring_turn turn = { .program = program };
	uint32_t i;

	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		turn.channel = program->channels[i];
		if (!turn.channel)
			continue;
		round_now.levels |= (uint8_t)(1U << level_of(&turn));
		round_now.turns[round_now.count++] = turn;
	}
}

/* One turn for each ring above that level. */
static void serve_above(int level)
{
	uint32_t i;

	if (!(round_now.levels >> (level + 1)))
		return;
	for (i = 0; i < round_now.count; i++) {
		struct ring_turn *turn = &round_now.turns[i];

		if (level_of(turn) > level && !turn->program->doomed)
			serve_ring(turn->program, turn->channel);
	}
}

static void serve_level(int level)
{
	uint32_t i;

	for (i = 0; i < round_now.count; i++) {
		struct ring_turn *turn = &round_now.turns[i];

		if (level_of(turn) != level || turn->program->doomed ||
		    ringbuf_empty(&turn->channel->shm.in))
			continue;
		serve_ring(turn->program, turn->channel);
		serve_above(level);
	}
}

static void serve_rings(void)
{
	int level;

	for (level = 7; level >= 0; level--) {
		if (round_now.levels & 1U << level)
			serve_level(level);
	}
	round_now.count = 0;
	round_now.levels = 0;
}

static void serve(struct program *program)
{
	serve_control(program);
	collect(program);
	serve_rings();
	if (!program->doomed)
		serve_space(program);
}

void program_last_words(struct program *program)
{
	uint32_t i;

	program->agent->now_ns = agent_now_ns();
	/* It is gone, but somebody else may still write: not for ever. */
	for (i = 0; i < 2 * SKERRY_RING_BYTES / QUANTUM_BYTES; i++) {
		if (program->doomed || !has_work(program))
			break;
		serve(program);
	}
}

static bool ready(const struct program *program)
{
	return program && program->attached && !program->doomed;
}

bool programs_serve(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	struct program *program;
	bool more = false;
	uint32_t i, at;

	if (!programs->count)
		return false;
	agent->now_ns = agent_now_ns();
	programs->turn = programs->turn % SKERRY_PROGRAMS_MAX + 1;
	for (i = 0, at = programs->turn; i < SKERRY_PROGRAMS_MAX; i++) {
		program = programs->list[at];
		if (ready(program) && has_work(program)) {
			serve_control(program);
			if (!program->doomed)
				serve_space(program);
			collect(program);
		}
		at = at % SKERRY_PROGRAMS_MAX + 1;
	}
	serve_rings();
	for (i = 1; i <= SKERRY_PROGRAMS_MAX && !more; i++) {
		program = programs->list[i];
		more = ready(program) && has_work(program);
	}
	return more;
}

/* ---- sleeping ---------------------------------------------------------------------- */

bool programs_sleep(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	bool found = false;
	uint32_t i;

	if (!programs->count)
		return false;
	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		struct program *program = programs->list[i];

		if (!ready(program))
			continue;
		/* Pairs with the fence after which the library looks at the
		 * flag: one of us sees what the other wrote. */
		skerry_exchange(&program->control.map->agent_sleeps, 1);
		found |= has_work(program);
	}
	return found;
}

void programs_awake(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	uint32_t i;

	if (!programs->count)
		return;
	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		struct program *program = programs->list[i];

		if (ready(program))
			skerry_store_relaxed(
				&program->control.map->agent_sleeps, 0);
	}
}
