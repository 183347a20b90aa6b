// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* program_flow.c - what the flow table asks of rings, lanes and the kernel;
 * see flow.h. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/codec.h"
#include "run/agent.h"
#include "program.h"
#include "skerry/barrier.h"

static struct program_slot *slot_of(struct program *program, uint32_t slot)
{
	return slot < SKERRY_FLOWS_PER_PROGRAM_MAX ? &program->slots[slot]
						   : NULL;
}

/* ---- slots ------------------------------------------------------------------- */

/* Why it is down, for its program. */
static int32_t slot_error(const struct agent *agent,
			  const struct program_slot *own, int32_t error)
{
	if (error == -ENOTCONN && cuts_told(agent, own->peer))
		return -ENETUNREACH;
	return error;
}

static void flow_slot(void *data, uint32_t number, uint32_t index,
		      const struct skerry_flow_slot *value)
{
	struct program *program = program_find(data, number);
	struct program_slot *own;
	struct skerry_flow_slot *slot;

	if (!program || index >= program->control.slot_count)
		return;
	own = slot_of(program, index);
	slot = &program->control.slots[index];
	skerry_store_relaxed(&slot->state, value->state);
	skerry_store_relaxed(&slot->error, slot_error(data, own, value->error));
	skerry_store_relaxed(&slot->lane, value->lane);
	skerry_store_relaxed(&slot->lanes, value->lanes);
	skerry_store_relaxed(&slot->receives, value->receives);
	skerry_store_relaxed(&slot->arrived, value->arrived);
	skerry_store_relaxed(&slot->base, value->base);
	skerry_store_relaxed(&slot->expected, value->expected);
	skerry_store_relaxed(&slot->large, value->large);
	skerry_store_relaxed(&slot->flags, value->flags);
	skerry_store_release(&slot->granted, value->granted);
	if (own->epoch != value->epoch) {
		/* Pairs with the library's load-acquire of epoch. */
		skerry_store_release(&slot->epoch, value->epoch);
		own->epoch = value->epoch;
	}
	program->credit_moved = true;
	program_mark_dirty(program);
}

static int flow_revoke(void *data, uint32_t number, uint32_t index,
		       uint64_t position)
{
	struct program *program = program_find(data, number);
	struct program_channel *channel;

	/* Who is gone writes no more. */
	if (!program || index >= program->control.slot_count)
		return 0;
	skerry_store_release(&program->control.slots[index].granted, position);
	/* Pairs with the fence after the library has set busy. */
	skerry_fence();
	if (skerry_load_acquire(&program->control.map->busy))
		return -EAGAIN;
	channel = program->channels[program->slots[index].channel];
	/* All that relied on the old value is published by now; at most a
	 * ring full of it. What comes later is another flow's. */
	if (channel)
		program_take(program, channel, SKERRY_RING_BYTES);
	program_mark_dirty(program);
	return 0;
}

/* ---- a program's rings ---------------------------------------------------------- */

static int flow_deliver(void *data, uint32_t number, uint32_t index,
			const struct skerry_frame *record,
			struct core_bytes extensions, struct core_bytes payload)
{
	struct program *program = program_find(data, number);
	struct program_channel *channel;
	int err;

	if (!program)
		return -ENOTCONN;
	channel = program_channel(program, index);
	if (!channel)
		return -ENOTCONN;
	err = ringbuf_write(&channel->shm.out, record, extensions.data,
			    extensions.size_bytes, payload.data,
			    payload.size_bytes);
	if (err) {
		program_doom(program, -EPROTO,
			     "wrote an impossible position into a message "
			     "ring");
		return -ENOTCONN;
	}
	channel->dirty = true;
	program_mark_dirty(program);
	return 0;
}

static uint64_t flow_ring_room(void *data, uint32_t number, uint32_t index)
{
	struct program *program = program_find(data, number);
	struct program_channel *channel;
	int64_t room;

	if (!program)
		return 0;
	channel = program_channel(program, index);
	if (!channel)
		return 0;
	room = ringbuf_room(&channel->shm.out);
	if (room >= 0)
		return (uint64_t)room;
	program_doom(program, -EPROTO,
		     "wrote an impossible position into a message ring");
	return 0;
}

static void flow_want_space(void *data, uint32_t number, uint32_t index)
{
	struct program *program = program_find(data, number);
	struct program_channel *channel;

	if (!program || index >= SKERRY_CHANNELS_MAX)
		return;
	channel = program->channels[index];
	if (!channel)
		return;
	/* From where the flow table looked: a head that has moved since is
	 * noticed at the next look. */
	channel->head_seen = channel->shm.out.other;
	channel->wants_space = true;
	/* Pairs with the library's look at it after it has moved a head. */
	skerry_exchange(&program->control.map->agent_wants_space, 1);
}

static uint64_t flow_reassembly_freed(void *data, uint32_t number)
{
	struct program *program = program_find(data, number);

	if (!program)
		return 0;
	return skerry_load_acquire(
		&program->control.map->reassembly_freed_bytes);
}

/* ---- lanes -------------------------------------------------------------------------- */

static int flow_send(void *data, uint64_t id, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	struct agent *agent = data;
	struct lane *lane = lane_find(&agent->lanes, id);

	return lane ? lane_write(lane, frame, extensions, payload) : -ENOTCONN;
}

static uint64_t flow_queued(void *data, uint64_t id)
{
	struct agent *agent = data;
	struct lane *lane = lane_find(&agent->lanes, id);

	return lane ? lane_queue_used(&lane->queue) : 0;
}

/* ---- fast channels -------------------------------------------------------------------- */

static int flow_fast_open(void *data, uint64_t fast_id, uint32_t number,
			  uint32_t channel, uint32_t inflow, uint32_t peer,
			  const struct skerry_addr *sender)
{
	struct agent *agent = data;
	struct program *program = program_find(agent, number);
	struct skerry_fast fast = { .sender_port = sender->port };
	int port;

	if (!program)
		return -ENOTCONN;
	if (channel >= agent->settings.channel_count)
		return -ENOENT;
	/* Without the kernel's help it comes through us, into the ring. */
	if (!agent->settings.fast_demux)
		return program_channel(program, channel) ? 0 : -ENOMEM;
	port = program_fast_socket(program, channel, sender);
	if (port < 0)
		return port;
	fast.peer = kernel_peer_id(agent->kernel, peer);
	fast.program_port = (uint16_t)port;
	memcpy(fast.sender_ip, sender->ip, sizeof(fast.sender_ip));
	strncpy(fast.channel, agent->settings.channels[channel].name,
		sizeof(fast.channel) - 1);
	return kernel_fast(agent->kernel, fast_id, &fast);
}

static void flow_fast_close(void *data, uint64_t fast_id)
{
	struct agent *agent = data;

	if (agent->settings.fast_demux)
		kernel_fast_gone(agent->kernel, fast_id);
}

static uint64_t flow_random(void *data)
{
	uint64_t number = 0;

	while (getrandom(&number, sizeof(number), 0) != sizeof(number))
		;
	return number;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void put_fast(struct agent *agent, const struct program_slot *slot,
		     uint64_t fast_id, uint32_t inflow, struct tlv_writer *w)
{
	struct skerry_addr to, from;
	uint32_t payload_max;

	tlv_put_u64(w, SKERRY_K_FAST_ID, fast_id);
	tlv_put_u64(w, SKERRY_K_COUNT, inflow);
	if (program_fast_way(agent, slot->peer, &to, &from, &payload_max))
		return;
	tlv_put_addr(w, SKERRY_K_FAST_TARGET, &to);
	tlv_put_u64(w, SKERRY_K_MTU_BYTES, payload_max);
}

static void flow_opened(void *data, uint32_t number, uint32_t correlation,
			uint32_t index, int error, const char *text,
			uint64_t fast_id, uint32_t fast_inflow)
{
	struct agent *agent = data;
	struct programs *programs = &agent->programs;
	struct program *program = program_find(agent, number);
	const struct program_slot *slot;
	uint8_t tlvs[256];
	struct tlv_writer w;

	if (!program)
		return;
	/* Settled before flow_open() has returned: then the slot is not in
	 * our table yet. */
	slot = slot_of(program, index);
	if (programs->opening && programs->opening_program == number &&
	    programs->opening_correlation == correlation)
		slot = programs->opening;
	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	if (!error && slot) {
		tlv_put_u64(&w, SKERRY_K_SLOT, index);
		if (fast_id)
			put_fast(agent, slot, fast_id, fast_inflow, &w);
	}
	program_answer(agent, number, correlation, false, error, text,
		       (struct core_bytes) { tlvs, w.used_bytes });
}

static const char *flow_peer_name(void *data, uint32_t number)
{
	struct agent *agent = data;
	const struct peer *peer;

	if (number == CORE_PEER_SELF)
		return agent->settings.name;
	peer = peers_find(&agent->peers, number);
	return peer ? peer->name : NULL;
}

static const char *flow_channel_name(void *data, uint8_t channel)
{
	struct agent *agent = data;

	return channel < agent->settings.channel_count
		       ? agent->settings.channels[channel].name
		       : NULL;
}

static int flow_channel_find(void *data, const char *name)
{
	struct agent *agent = data;
	int channel = agent_channel(agent, name);

	if (channel < 0 || !agent->settings.channels[channel].datagram)
		return -ENOENT;
	return channel;
}

const struct flow_ops program_flow_ops = {
	.slot = flow_slot,
	.revoke = flow_revoke,
	.deliver = flow_deliver,
	.ring_room = flow_ring_room,
	.want_space = flow_want_space,
	.reassembly_freed = flow_reassembly_freed,
	.send = flow_send,
	.queued = flow_queued,
	.fast_open = flow_fast_open,
	.fast_close = flow_fast_close,
	.random = flow_random,
	.opened = flow_opened,
	.peer_name = flow_peer_name,
	.channel_name = flow_channel_name,
	.channel_find = flow_channel_find,
};
