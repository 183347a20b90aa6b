// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* program.c - the programs attached to this agent; see program.h. */
#include "program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/codec.h"
#include "run/agent.h"
#include "run/driver.h"
#include "run/log.h"
#include "skerry/barrier.h"

struct program *program_find(const struct agent *agent, uint32_t number)
{
	struct program *program;

	if (!number || number > SKERRY_PROGRAMS_MAX)
		return NULL;
	program = agent->programs.list[number];
	return program && program->attached && !program->doomed ? program
								: NULL;
}

/* ---- the end ---------------------------------------------------------------- */

void program_doom(struct program *program, int error, const char *format, ...)
{
	va_list args;

	if (program->doomed)
		return;
	program->doomed = true;
	program->agent->programs.doomed = true;
	program->doom_error = error;
	va_start(args, format);
	vsnprintf(program->doom_text, sizeof(program->doom_text), format, args);
	va_end(args);
}

static void tell_why(struct program *program)
{
	struct skerry_frame record = { .type = SKERRY_REC_DETACH };
	char subject[96];
	uint8_t tlvs[256];
	struct tlv_writer w;

	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	tlv_put_s64(&w, SKERRY_K_ERROR, program->doom_error);
	tlv_put_str(&w, SKERRY_K_REASON, program->doom_text);
	if (!ringbuf_write(&program->control.out, &record, NULL, 0, tlvs,
			   w.used_bytes))
		ringbuf_publish(&program->control.out);
	snprintf(subject, sizeof(subject), "%u %s", program->uid,
		 program->name);
	program->agent->programs.detached++;
	if (log_once("program_detached", subject, agent_now_ns()))
		log_text(CORE_LOG_WARNING, "program_detached",
			 "%s (pid %u, uid %u): %s", program->name, program->pid,
			 program->uid, program->doom_text);
}

static void wake(const struct program *program)
{
	uint64_t one = 1;

	/* EAGAIN: it has 2^64 - 1 reasons to wake already. */
	if (write(program->wake_program, &one, sizeof(one)) < 0)
		return;
}

static void unlist(struct program *program)
{
	struct programs *programs = &program->agent->programs;
	struct program **at = &programs->dirty;

	while (*at && *at != program)
		at = &(*at)->dirty_next;
	if (*at)
		*at = program->dirty_next;
	programs->list[program->number] = NULL;
	programs->count--;
}

static void program_free(struct program *program)
{
	uint32_t i;

	program_close_handles(program);
	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		if (program->fast_ports[i])
			program->agent->programs.fast_sockets--;
		if (!program->channels[i])
			continue;
		program->agent->programs.casts_dropped[i] +=
			program_channel_casts(program->channels[i]);
		shm_close(&program->channels[i]->shm);
		free(program->channels[i]);
	}
	shm_close(&program->control);
	free(program->waiting);
	free(program);
}

uint64_t program_channel_casts(const struct program_channel *channel)
{
	return skerry_load_relaxed(&channel->shm.map->casts_dropped);
}

static void let_go(struct program *program)
{
	struct agent *agent = program->agent;
	struct core_event event = { .type = EV_PROGRAM_GONE };

	event.program.program = program->number;
	if (program->attached) {
		if (program->doom_error)
			tell_why(program);
		wake(program);
		flow_program_gone(agent->flows, program->number,
				  agent_now_ns());
		driver_event(agent, &event);
	}
	unlist(program);
	program_free(program);
}

bool programs_settle(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	uint32_t i;

	if (!programs->doomed)
		return false;
	programs->doomed = false;
	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		if (programs->list[i] && programs->list[i]->doomed)
			let_go(programs->list[i]);
	}
	return true;
}

/* ---- publishing ---------------------------------------------------------------- */

void program_mark_dirty(struct program *program)
{
	if (program->dirty)
		return;
	program->dirty = true;
	program->dirty_next = program->agent->programs.dirty;
	program->agent->programs.dirty = program;
}

static bool publish_rings(struct program *program)
{
	bool published = program->control_dirty;
	uint32_t i;

	if (program->control_dirty)
		ringbuf_publish(&program->control.out);
	program->control_dirty = false;
	for (i = 0; i < SKERRY_CHANNELS_MAX; i++) {
		struct program_channel *channel = program->channels[i];

		if (!channel || !channel->dirty)
			continue;
		ringbuf_publish(&channel->shm.out);
		channel->dirty = false;
		published = true;
	}
	return published;
}

static void publish(struct program *program)
{
	struct skerry_mapping *map = program->control.map;
	bool published = publish_rings(program);
	bool credit = program->credit_moved;

	program->credit_moved = false;
	/* What was published before, the flags after: pairs with the
	 * exchange by which the program says that it is about to sleep. */
	skerry_fence();
	if (published && skerry_load_relaxed(&map->program_sleeps) &&
	    skerry_exchange(&map->program_sleeps, 0))
		wake(program);
	if (credit && skerry_load_relaxed(&map->program_wants_credit) &&
	    skerry_exchange(&map->program_wants_credit, 0))
		wake(program);
}

void programs_publish(struct agent *agent)
{
	struct program *program = agent->programs.dirty;
	struct program *next;

	agent->programs.dirty = NULL;
	for (; program; program = next) {
		next = program->dirty_next;
		program->dirty = false;
		publish(program);
	}
}

/* ---- channels -------------------------------------------------------------------- */

struct program_channel *program_channel(struct program *program, uint32_t index)
{
	struct agent *agent = program->agent;
	struct program_channel *channel;

	if (index >= agent->settings.channel_count)
		return NULL;
	channel = program->channels[index];
	if (channel)
		return channel;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return NULL;
	if (shm_open_rings(&channel->shm, SHM_CHANNEL, index,
			   agent->boot_nonce)) {
		free(channel);
		return NULL;
	}
	channel->index = (uint8_t)index;
	program->channels[index] = channel;
	if (program_offer(program, SKERRY_OFFER_CHANNEL, index,
			  channel->shm.bytes, channel->shm.fd))
		program_doom(program, -ENOBUFS,
			     "does not read its socket: the rings of channel "
			     "%s could not be offered",
			     agent->settings.channels[index].name);
	close(channel->shm.fd);
	channel->shm.fd = -1;
	return channel;
}
