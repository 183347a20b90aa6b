// SPDX-License-Identifier: GPL-2.0-only
/* flowsim.c - nodes, lanes and what a flow table asks of its owner. */
#include "flowsim.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

const struct flow_limits fs_limits = {
	.flows_max = 1024,
	.programs_max = FS_PROGRAMS,
	.endpoints_max = 16,
	.lanes_max = FS_LANES,
	.lane_queue_bytes = FS_QUEUE_BYTES,
	.credit_bytes = SKERRY_FLOW_CREDIT_BYTES,
	.ring_bytes = FS_RING_BYTES,
};

void fs_wrong(struct fs_world *world, const char *format, ...)
{
	va_list list;

	if (world->wrong[0])
		return;
	va_start(list, format);
	vsnprintf(world->wrong, sizeof(world->wrong), format, list);
	va_end(list);
}

bool fs_chance(struct fs_world *world, uint64_t n)
{
	return rng_below(&world->rng, n) == 0;
}

/* ---- queues ------------------------------------------------------------------- */

struct fs_item *fs_item_new(const struct skerry_frame *frame,
			    struct core_bytes extensions,
			    struct core_bytes payload)
{
	struct fs_item *item = malloc(sizeof(*item) + extensions.size_bytes +
				      payload.size_bytes);

	if (!item)
		abort();
	item->next = NULL;
	item->frame = *frame;
	item->frame.header_length =
		(uint16_t)(sizeof(*frame) + extensions.size_bytes);
	item->frame.length = (uint32_t)(sizeof(*frame) + extensions.size_bytes +
					payload.size_bytes);
	item->extension_bytes = extensions.size_bytes;
	item->payload_bytes = payload.size_bytes;
	if (extensions.size_bytes)
		memcpy(item->bytes, extensions.data, extensions.size_bytes);
	if (payload.size_bytes)
		memcpy(item->bytes + extensions.size_bytes, payload.data,
		       payload.size_bytes);
	return item;
}

void fs_put(struct fs_queue *queue, struct fs_item *item)
{
	if (queue->tail)
		queue->tail->next = item;
	else
		queue->head = item;
	queue->tail = item;
	queue->cost_bytes += SKERRY_COST(item->frame.length);
	queue->wire_bytes += item->frame.length;
	queue->count++;
}

struct fs_item *fs_get(struct fs_queue *queue)
{
	struct fs_item *item = queue->head;

	if (!item)
		return NULL;
	queue->head = item->next;
	if (!queue->head)
		queue->tail = NULL;
	item->next = NULL;
	queue->cost_bytes -= SKERRY_COST(item->frame.length);
	queue->wire_bytes -= item->frame.length;
	queue->count--;
	return item;
}

void fs_drop(struct fs_queue *queue)
{
	struct fs_item *item;

	while ((item = fs_get(queue)))
		free(item);
}

static struct core_bytes item_extensions(const struct fs_item *item)
{
	return (struct core_bytes) { item->bytes, item->extension_bytes };
}

static struct core_bytes item_payload(const struct fs_item *item)
{
	return (struct core_bytes) { item->bytes + item->extension_bytes,
				     item->payload_bytes };
}

/* ---- what the flow table asks -------------------------------------------------- */

static struct fs_program *program_at(struct fs_node *node, uint32_t program)
{
	struct fs_program *p =
		program < FS_PROGRAMS ? &node->programs[program] : NULL;

	return p && p->alive ? p : NULL;
}

static void op_slot(void *data, uint32_t program, uint32_t slot,
		    const struct skerry_flow_slot *value)
{
	struct fs_node *node = data;
	struct fs_program *p = program_at(node, program);

	if (!p) {
		fs_wrong(node->world, "slot of a program that is gone");
		return;
	}
	if ((int32_t)(value->epoch - p->slots[slot].epoch) < 0)
		fs_wrong(node->world, "an epoch went back");
	p->slots[slot] = *value;
}

static void take_records(struct fs_program *p, uint8_t channel, uint32_t count)
{
	struct fs_world *world = p->node->world;
	struct fs_item *item;
	const char *why = "";
	int r;

	while (count-- && (item = fs_get(&p->to_agent[channel]))) {
		r = flow_record(p->node->tab, p->place, channel, &item->frame,
				item_extensions(item), item_payload(item),
				world->now_ns, &why);
		if (r)
			fs_wrong(world, "record 0x%x: %s", item->frame.type,
				 why);
		free(item);
	}
}

static int op_revoke(void *data, uint32_t program, uint32_t slot,
		     uint64_t position)
{
	struct fs_node *node = data;
	struct fs_program *p = program_at(node, program);
	uint32_t i;

	if (!p) {
		fs_wrong(node->world, "revoke from a program that is gone");
		return 0;
	}
	if (p->slots[slot].granted > position)
		p->slots[slot].granted = position;
	if (p->busy)
		return -EAGAIN;
	for (i = 0; i < FS_CHANNELS; i++)
		take_records(p, (uint8_t)i, UINT32_MAX);
	return 0;
}

static uint64_t op_ring_room(void *data, uint32_t program, uint32_t channel)
{
	struct fs_program *p = program_at(data, program);

	return p ? FS_RING_BYTES - p->to_program[channel].cost_bytes : 0;
}

static int op_deliver(void *data, uint32_t program, uint32_t channel,
		      const struct skerry_frame *record,
		      struct core_bytes extensions, struct core_bytes payload)
{
	struct fs_node *node = data;
	struct fs_program *p = program_at(node, program);
	struct fs_item *item;

	if (!p)
		return -ENOTCONN;
	item = fs_item_new(record, extensions, payload);
	if (SKERRY_COST(item->frame.length) >
	    op_ring_room(data, program, channel))
		fs_wrong(node->world, "delivered into a full ring");
	fs_put(&p->to_program[channel], item);
	if (record->type == SKERRY_FRAME_DATA)
		fs_ledger_delivered(node->world, record, extensions, payload);
	return 0;
}

static void op_want_space(void *data, uint32_t program, uint32_t channel)
{
	struct fs_program *p = program_at(data, program);

	if (p)
		p->wants_space[channel] = true;
}

static uint64_t op_reassembly_freed(void *data, uint32_t program)
{
	struct fs_program *p = program_at(data, program);

	return p ? p->freed_bytes : 0;
}

static struct fs_lane *lane_by_id(struct fs_world *world, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < FS_LANES; i++) {
		if (world->lanes[i].used && world->lanes[i].id == id)
			return &world->lanes[i];
	}
	return NULL;
}

static int op_send(void *data, uint64_t id, const struct skerry_frame *frame,
		   struct core_bytes extensions, struct core_bytes payload)
{
	struct fs_node *node = data;
	struct fs_lane *lane = lane_by_id(node->world, id);
	uint32_t end;
	struct fs_item *item;

	if (!lane && id == node->world->hostile_lane) {
		fs_put(&node->world->hostile_queue,
		       fs_item_new(frame, extensions, payload));
		if (node->world->hostile_queue.count > 64)
			free(fs_get(&node->world->hostile_queue));
		return 0;
	}
	if (!lane)
		return -ENOTCONN;
	end = lane->ends[1] == node->number;
	if (lane->gone[end]) {
		fs_wrong(node->world, "a frame for a lane that is gone");
		return -ENOTCONN;
	}
	if (lane->draining && frame->type == SKERRY_FRAME_DATA) {
		fs_wrong(node->world, "DATA on a lane that drains");
		return -ENOTCONN;
	}
	item = fs_item_new(frame, extensions, payload);
	if (lane->queue[end].wire_bytes + item->frame.length > FS_QUEUE_BYTES) {
		if (frame->type == SKERRY_FRAME_DATA)
			fs_wrong(node->world, "DATA without room in the lane");
		free(item);
		return -ENOBUFS;
	}
	fs_put(&lane->queue[end], item);
	return 0;
}

static uint64_t op_queued(void *data, uint64_t id)
{
	struct fs_node *node = data;
	struct fs_lane *lane = lane_by_id(node->world, id);

	return lane ? lane->queue[lane->ends[1] == node->number].wire_bytes : 0;
}

static int op_fast_open(void *data, uint64_t fast_id, uint32_t program,
			uint32_t channel, uint32_t inflow, uint32_t peer,
			const struct skerry_addr *sender)
{
	struct fs_node *node = data;

	node->world->fast_open = fast_id;
	return 0;
}

static void op_fast_close(void *data, uint64_t fast_id)
{
	struct fs_node *node = data;

	node->world->fast_closed = fast_id;
}

static uint64_t op_random(void *data)
{
	struct fs_node *node = data;

	return rng_u64(&node->world->rng);
}

static void op_opened(void *data, uint32_t program, uint32_t correlation,
		      uint32_t slot, int error, const char *text,
		      uint64_t fast_id, uint32_t fast_inflow)
{
	struct fs_program *p = program_at(data, program);

	if (p && correlation < FS_FLOWS) {
		fs_flow_opened(p, correlation, slot, error);
	} else if (p) {
		p->node->world->answer.count++;
		p->node->world->answer.error = error;
		p->node->world->answer.slot = slot;
		p->node->world->answer.fast_id = fast_id;
		p->node->world->answer.inflow = fast_inflow;
	}
}

static const char *op_peer_name(void *data, uint32_t peer)
{
	static const char *const names[FS_NODES] = { "a", "b", "c" };
	struct fs_node *node = data;

	if (peer == FLOW_PEER_SELF)
		return names[node->number];
	if (peer >= FS_NODES) /* a stranger */
		return "z";
	return names[peer];
}

static const char *op_channel_name(void *data, uint8_t channel)
{
	return "fast";
}

static int op_channel_find(void *data, const char *name)
{
	struct fs_node *node = data;

	return node->world->fast_channel < 0 || strcmp(name, "fast")
		       ? -ENOENT
		       : node->world->fast_channel;
}

const struct flow_ops fs_ops = {
	.slot = op_slot,
	.revoke = op_revoke,
	.deliver = op_deliver,
	.ring_room = op_ring_room,
	.want_space = op_want_space,
	.reassembly_freed = op_reassembly_freed,
	.send = op_send,
	.queued = op_queued,
	.fast_open = op_fast_open,
	.fast_close = op_fast_close,
	.random = op_random,
	.opened = op_opened,
	.peer_name = op_peer_name,
	.channel_name = op_channel_name,
	.channel_find = op_channel_find,
};

/* ---- nodes and programs ---------------------------------------------------------- */

void fs_node_start(struct fs_node *node)
{
	node->memory_bytes = flowtab_size(&fs_limits);
	node->memory = aligned_alloc(64, (node->memory_bytes + 63) & ~63UL);
	if (!node->memory)
		abort();
	memset(node->memory, 0, node->memory_bytes);
	node->tab = flowtab_init(node->memory, &fs_limits, &fs_ops, node);
	node->alive = true;
	flow_tick(node->tab, node->world->now_ns);
}

static void attach(struct fs_program *p)
{
	char endpoint[16];
	uint32_t i;

	if (flow_program(p->node->tab, p->place, p->instance))
		fs_wrong(p->node->world, "a program could not attach");
	fs_program_again(p);
	for (i = 0; i < 2; i++) {
		snprintf(endpoint, sizeof(endpoint), "%u.%u", p->place, i);
		if (flow_endpoint(p->node->tab, p->place, endpoint,
				  p->node->world->now_ns))
			fs_wrong(p->node->world, "an endpoint was refused");
	}
}

void fs_program_start(struct fs_program *p)
{
	struct fs_world *world = p->node->world;

	p->alive = true;
	p->stopped = false;
	p->busy = false;
	p->freed_bytes = 0;
	memset(p->instance, 0, sizeof(p->instance));
	world->next_instance++;
	memcpy(p->instance, &world->next_instance,
	       sizeof(world->next_instance));
	attach(p);
}

void fs_program_kill(struct fs_program *p)
{
	if (!p->alive)
		return;
	p->alive = false;
	flow_program_gone(p->node->tab, p->place, p->node->world->now_ns);
	fs_program_forget(p);
}

void fs_node_restart(struct fs_node *node)
{
	struct fs_world *world = node->world;
	uint32_t i, end;

	for (i = 0; i < FS_LANES; i++) {
		struct fs_lane *lane = &world->lanes[i];

		if (!lane->used || (lane->ends[0] != node->number &&
				    lane->ends[1] != node->number))
			continue;
		end = lane->ends[1] == node->number;
		lane->gone[end] = true;
		lane->cut = true;
	}
	free(node->memory);
	fs_node_start(node);
	for (i = 0; i < FS_PROGRAMS; i++) {
		if (node->programs[i].alive)
			attach(&node->programs[i]);
	}
}

struct fs_world *fs_new(uint64_t seed)
{
	struct fs_world *world = calloc(1, sizeof(*world));
	uint32_t i, j;

	if (!world)
		abort();
	rng_init(&world->rng, seed, 7);
	world->now_ns = 1000 * FS_MS;
	world->parallelism = 1;
	world->fast_channel = -1;
	for (i = 0; i < FS_NODES; i++) {
		struct fs_node *node = &world->nodes[i];

		node->number = i;
		node->world = world;
		fs_node_start(node);
		for (j = 0; j < FS_PROGRAMS; j++) {
			node->programs[j].place = j;
			node->programs[j].node = node;
			fs_program_start(&node->programs[j]);
		}
	}
	return world;
}

void fs_free(struct fs_world *world)
{
	uint32_t i, j;

	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++)
			fs_program_forget(&world->nodes[i].programs[j]);
		free(world->nodes[i].memory);
	}
	for (i = 0; i < FS_LANES; i++) {
		for (j = 0; j < 2; j++) {
			fs_drop(&world->lanes[i].queue[j]);
			fs_drop(&world->lanes[i].wire[j]);
		}
	}
	fs_drop(&world->hostile_queue);
	for (i = 0; i < world->ledger_count; i++)
		free(world->ledgers[i].fate);
	free(world);
}

void fs_settle(struct fs_world *world)
{
	uint32_t i, j;

	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++)
			world->nodes[i].programs[j].quiet = true;
	}
	fs_agents(world, world->now_ns + 11000 * FS_MS);
}

/* ---- lanes -------------------------------------------------------------------------- */

struct fs_lane *fs_lane_find(struct fs_world *world, uint32_t a, uint32_t b,
			     uint8_t channel, uint8_t index)
{
	struct fs_lane *found = NULL;
	uint32_t i;

	for (i = 0; i < FS_LANES; i++) {
		struct fs_lane *lane = &world->lanes[i];

		if (lane->used && !lane->cut && !lane->draining &&
		    lane->ends[0] == a && lane->ends[1] == b &&
		    lane->channel == channel && lane->index == index)
			found = lane;
	}
	return found;
}

struct fs_lane *fs_lane_up(struct fs_world *world, uint32_t a, uint32_t b,
			   uint8_t channel, uint8_t index)
{
	struct fs_lane *lane = NULL;
	uint32_t i;

	for (i = 0; i < FS_LANES && !lane; i++) {
		if (!world->lanes[i].used)
			lane = &world->lanes[i];
	}
	if (!lane)
		return NULL;
	memset(lane, 0, sizeof(*lane));
	lane->used = true;
	lane->id = ++world->next_lane;
	lane->ends[0] = a;
	lane->ends[1] = b;
	lane->channel = channel;
	lane->index = index;
	for (i = 0; i < 2; i++) {
		struct fs_node *node = &world->nodes[lane->ends[i]];

		if (flow_route(node->tab, lane->ends[!i], 1, channel, index,
			       world->parallelism, lane->id, world->now_ns))
			fs_wrong(world, "a route was refused");
	}
	return lane;
}

void fs_lane_hostile(struct fs_world *world, uint64_t id, bool up)
{
	world->hostile_lane = up ? id : 0;
}

void fs_lane_cut(struct fs_lane *lane)
{
	lane->cut = true;
}

void fs_lane_move(struct fs_world *world, struct fs_lane *lane)
{
	uint32_t i, j;

	/* Who is inside a busy section has read a credit that ends now. */
	for (i = 0; i < 2; i++) {
		for (j = 0; j < FS_PROGRAMS; j++) {
			if (world->nodes[lane->ends[i]].programs[j].busy)
				return;
		}
	}
	if (!fs_lane_up(world, lane->ends[0], lane->ends[1], lane->channel,
			lane->index))
		return;
	for (i = 0; i < 2; i++)
		flow_lane_drain(world->nodes[lane->ends[i]].tab, lane->id,
				world->now_ns);
	lane->draining = true;
}

void fs_lanes_mend(struct fs_world *world)
{
	uint32_t a, b, channel, index;

	for (a = 0; a < FS_NODES; a++)
		for (b = a + 1; b < FS_NODES; b++)
			for (channel = 0; channel < FS_CHANNELS; channel++)
				for (index = 0; index < world->parallelism;
				     index++)
					if (!fs_lane_find(world, a, b,
							  (uint8_t)channel,
							  (uint8_t)index))
						fs_lane_up(world, a, b,
							   (uint8_t)channel,
							   (uint8_t)index);
}

static void lane_deliver(struct fs_world *world, struct fs_lane *lane,
			 uint32_t end, uint32_t count)
{
	struct fs_node *node = &world->nodes[lane->ends[!end]];
	struct fs_item *item;
	const char *why = "";
	int r;

	while (count-- && !lane->gone[!end] &&
	       (item = fs_get(&lane->wire[end]))) {
		r = flow_frame(node->tab, lane->id, lane->ends[end],
			       lane->channel, &item->frame,
			       item_extensions(item), item_payload(item),
			       world->now_ns, &why);
		if (r)
			fs_wrong(world, "frame 0x%x: %s", item->frame.type,
				 why);
		free(item);
	}
}

static void lane_end_gone(struct fs_world *world, struct fs_lane *lane,
			  uint32_t end)
{
	if (lane->gone[end])
		return;
	lane->gone[end] = true;
	flow_lane_gone(world->nodes[lane->ends[end]].tab, lane->id,
		       world->now_ns);
}

static void lane_step(struct fs_world *world, struct fs_lane *lane)
{
	uint32_t end, count;
	struct fs_item *item;

	for (end = 0; end < 2; end++) {
		/* What has left a queue may still arrive after a cut. */
		if (fs_chance(world, 2))
			lane_deliver(world, lane, end,
				     1 + (uint32_t)rng_below(&world->rng, 40));
		if (lane->cut || lane->gone[end] || fs_chance(world, 3))
			continue;
		count = 1 + (uint32_t)rng_below(&world->rng, 40);
		while (count-- && (item = fs_get(&lane->queue[end])))
			fs_put(&lane->wire[end], item);
		flow_lane_writable(world->nodes[lane->ends[end]].tab, lane->id,
				   world->now_ns);
	}
	if (lane->draining && !lane->cut && !lane->queue[0].count &&
	    !lane->queue[1].count && !lane->wire[0].count &&
	    !lane->wire[1].count)
		lane->cut = true;
	if (!lane->cut)
		return;
	end = (uint32_t)rng_below(&world->rng, 2);
	if (fs_chance(world, 6))
		lane_end_gone(world, lane, end);
	if (!lane->gone[0] || !lane->gone[1])
		return;
	for (end = 0; end < 2; end++) {
		fs_drop(&lane->queue[end]);
		fs_drop(&lane->wire[end]);
	}
	lane->used = false;
}

/* ---- steps --------------------------------------------------------------------------- */

void fs_agents(struct fs_world *world, uint64_t now_ns)
{
	uint32_t i, j, channel;

	world->now_ns = now_ns;
	for (i = 0; i < FS_NODES; i++) {
		struct fs_node *node = &world->nodes[i];

		for (j = 0; j < FS_PROGRAMS; j++) {
			struct fs_program *p = &node->programs[j];

			for (channel = 0; p->alive && channel < FS_CHANNELS;
			     channel++)
				take_records(p, (uint8_t)channel,
					     (uint32_t)rng_below(&world->rng,
								 30));
		}
		if (flow_wake(node->tab) <= now_ns)
			flow_tick(node->tab, now_ns);
	}
}

void fs_step(struct fs_world *world)
{
	uint64_t step_ms;
	uint32_t i, j;

	for (i = 0; i < FS_LANES; i++) {
		if (world->lanes[i].used)
			lane_step(world, &world->lanes[i]);
	}
	for (i = 0; i < FS_NODES; i++) {
		for (j = 0; j < FS_PROGRAMS; j++) {
			struct fs_program *p = &world->nodes[i].programs[j];

			if (p->alive && !p->stopped)
				fs_program_step(p);
		}
	}
	step_ms = rng_below(&world->rng, 3);
	if (world->gentle)
		step_ms = rng_below(&world->rng, 30);
	else if (fs_chance(world, 100))
		step_ms = rng_below(&world->rng, 200);
	if (fs_chance(world, 500))
		step_ms = rng_below(&world->rng, 5000);
	fs_agents(world, world->now_ns + step_ms * FS_MS);
}

void fs_steps(struct fs_world *world, uint32_t count)
{
	while (count--)
		fs_step(world);
}
