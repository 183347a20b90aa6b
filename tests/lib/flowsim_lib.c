// SPDX-License-Identifier: GPL-2.0-only
/* flowsim_lib.c - a library after the rules of ring.h, with a ledger. */
#include "flowsim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

/* The payload of a message or fragment begins with where it belongs. */
struct stamp {
	uint64_t ledger;
	uint64_t number;
	uint64_t offset;
};

/* ---- the ledger ------------------------------------------------------------------- */

uint32_t fs_ledger_new(struct fs_world *world)
{
	if (world->ledger_count == FS_LEDGERS) {
		fs_wrong(world, "the simulation has no ledger left");
		return 0;
	}
	return world->ledger_count++;
}

static uint8_t *fate(struct fs_world *world, uint32_t ledger, uint64_t number)
{
	struct fs_ledger *l = &world->ledgers[ledger];
	uint32_t room = l->room ? l->room : 64;

	while (room <= number)
		room *= 2;
	if (room > l->room) {
		l->fate = realloc(l->fate, room);
		if (!l->fate)
			abort();
		memset(l->fate + l->room, FS_UNSENT, room - l->room);
		l->room = room;
	}
	return &l->fate[number];
}

void fs_ledger_delivered(struct fs_world *world,
			 const struct skerry_frame *record,
			 struct core_bytes extensions,
			 struct core_bytes payload)
{
	struct fs_ledger *l;
	struct stamp stamp;
	uint8_t *f;

	if (payload.size_bytes < sizeof(stamp)) {
		fs_wrong(world, "a payload was cut short");
		return;
	}
	memcpy(&stamp, payload.data, sizeof(stamp));
	if (stamp.ledger == FS_HOSTILE) {
		world->hostile_delivered++;
		return;
	}
	l = &world->ledgers[stamp.ledger];
	f = fate(world, (uint32_t)stamp.ledger, stamp.number);
	if (stamp.number != record->sequence)
		fs_wrong(world, "a message came under another's number");
	if (!(record->flags & SKERRY_DATA_CONT)) {
		l->partial = stamp.number;
		l->partial_bytes = 0;
	}
	if (l->partial != stamp.number || l->partial_bytes != stamp.offset)
		fs_wrong(world, "a fragment is missing");
	l->partial_bytes += payload.size_bytes;
	if (record->flags & SKERRY_DATA_MORE)
		return;
	l->partial = 0;
	if (*f == FS_LOST)
		fs_wrong(world,
			 "message %llu of %llu arrived after it was "
			 "reported as lost",
			 (unsigned long long)stamp.number,
			 (unsigned long long)stamp.ledger);
	else if (*f == FS_DELIVERED)
		fs_wrong(world, "message %llu of %llu came twice",
			 (unsigned long long)stamp.number,
			 (unsigned long long)stamp.ledger);
	else if (*f == FS_UNSENT)
		fs_wrong(world, "a message came that nobody sent");
	if (stamp.number <= l->last_delivered)
		fs_wrong(world, "order is broken");
	l->last_delivered = stamp.number;
	*f = FS_DELIVERED;
	world->delivered++;
}

/* [from, to) is said to be lost; everything before is settled. */
static void report(struct fs_program *p, struct fs_flow *flow, uint64_t from,
		   uint64_t to, bool uncertain)
{
	struct fs_world *world = p->node->world;
	uint64_t i;
	uint8_t *f;

	if (from > to)
		fs_wrong(world, "lost from %llu, but only %llu were sent",
			 (unsigned long long)from, (unsigned long long)to);
	for (i = flow->settled; i < from && !uncertain; i++) {
		f = fate(world, flow->ledger, i);
		if (*f != FS_DELIVERED && *f != FS_LOST && *f != FS_UNCERTAIN)
			fs_wrong(world, "%llu of %u: not arrived, not lost",
				 (unsigned long long)i, flow->ledger);
	}
	if (from < flow->settled)
		from = flow->settled;
	for (i = from; i < to; i++) {
		f = fate(world, flow->ledger, i);
		if (*f == FS_DELIVERED && !uncertain)
			fs_wrong(world, "%llu of %u arrived, reported lost",
				 (unsigned long long)i, flow->ledger);
		if (uncertain)
			world->uncertain++;
		else
			world->lost++;
		if (*f == FS_SENT || *f == FS_UNSENT)
			*f = uncertain ? FS_UNCERTAIN : FS_LOST;
	}
	flow->settled = to;
}

/* ---- opening and closing ------------------------------------------------------------- */

static void ask_open(struct fs_program *p, struct fs_flow *flow)
{
	char endpoint[16];
	struct flow_open open = {
		.program = p->place,
		.correlation = (uint32_t)(flow - p->flows),
		.flow_id = flow->flow_id,
		.peer = flow->peer,
		.channel = flow->channel,
		.endpoint = endpoint,
		.next_sequence = flow->next,
	};
	uint32_t slot;

	snprintf(endpoint, sizeof(endpoint), "%u.%u", flow->target % 8,
		 flow->target / 8);
	flow->opening = true;
	flow->open = false;
	flow->epoch_known = false;
	flow->count = 0;
	flow->wanted = 0;
	flow->granted_seen = 0;
	flow->large_asked = false;
	flow->large_sent = 0;
	if (flow_open(p->node->tab, &open, p->node->world->now_ns, &slot))
		fs_wrong(p->node->world, "a flow was refused at once");
}

struct fs_flow *fs_flow_open(struct fs_program *p, uint32_t peer,
			     uint32_t target, uint8_t channel)
{
	struct fs_world *world = p->node->world;
	struct fs_flow *flow = NULL;
	uint32_t i;

	for (i = 0; i < FS_FLOWS && !flow; i++) {
		if (!p->flows[i].used)
			flow = &p->flows[i];
	}
	if (!flow)
		return NULL;
	memset(flow, 0, sizeof(*flow));
	flow->used = true;
	flow->ledger = fs_ledger_new(world);
	flow->flow_id = ++world->next_flow_id;
	flow->peer = peer;
	flow->target = target;
	flow->channel = channel;
	flow->next = 1;
	flow->settled = 1;
	ask_open(p, flow);
	return flow;
}

void fs_flow_opened(struct fs_program *p, uint32_t correlation, uint32_t slot,
		    int error)
{
	struct fs_world *world = p->node->world;
	struct fs_flow *flow = &p->flows[correlation];

	if (!flow->used || !flow->opening) {
		fs_wrong(world, "an answer that nobody waits for");
		return;
	}
	flow->opening = false;
	if (!error) {
		flow->open = true;
		flow->slot = slot;
		world->opened++;
		return;
	}
	if (error == -ECONNRESET || error == -ENOENT) {
		report(p, flow, flow->settled, flow->next, true);
		flow->used = false;
		return;
	}
	flow->retry_ns = world->now_ns + 500 * FS_MS;
}

static bool write_record(struct fs_program *p, struct fs_flow *flow,
			 uint8_t type, uint64_t sequence, uint64_t total)
{
	uint8_t tlvs[16];
	struct tlv_writer w;
	struct skerry_frame frame = {
		.type = type,
		.flow = flow->slot,
		.correlation = flow->epoch,
		.sequence = sequence,
	};

	if (p->to_agent[flow->channel].cost_bytes + 64 > FS_RING_BYTES)
		return false;
	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	if (total)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total);
	fs_put(&p->to_agent[flow->channel],
	       fs_item_new(&frame, (struct core_bytes) { tlvs, w.used_bytes },
			   (struct core_bytes) { NULL, 0 }));
	return true;
}

/* What the library says last has always room here. */
void fs_flow_close(struct fs_program *p, struct fs_flow *flow)
{
	struct skerry_frame frame = {
		.type = SKERRY_REC_CLOSE,
		.flow = flow->slot,
	};
	struct core_bytes none = { NULL, 0 };

	fs_put(&p->to_agent[flow->channel], fs_item_new(&frame, none, none));
	flow->used = false;
}

/* ---- looking and writing ---------------------------------------------------------------- */

static void new_epoch(struct fs_program *p, struct fs_flow *flow,
		      const struct skerry_flow_slot *slot)
{
	struct fs_world *world = p->node->world;
	bool first = !flow->epoch_known;
	uint64_t number = flow->next;

	if (first && slot->expected == flow->next && !fs_chance(world, 4)) {
		flow->epoch = slot->epoch;
		flow->epoch_known = true;
		report(p, flow, flow->next, flow->next, false);
		return;
	}
	/* What was under way has a number already, and no end. */
	if (flow->large_sent && slot->expected <= flow->next &&
	    (!world->gives_up || fs_chance(world, 2)))
		number = flow->next; /* again from its beginning */
	else if (flow->large_sent)
		number = flow->next + 1;
	flow->epoch = slot->epoch;
	if (!write_record(p, flow, SKERRY_REC_SYNC, number, 0))
		return;
	flow->epoch_known = true;
	flow->next = number;
	flow->large_sent = 0;
	report(p, flow, slot->expected, flow->next, false);
	flow->wanted = 0;
	flow->granted_seen = 0;
	flow->large_asked = false;
	if (fs_chance(world, 2))
		flow->large_total = 0;
}

void fs_flow_look(struct fs_program *p, struct fs_flow *flow)
{
	struct fs_world *world = p->node->world;
	const struct skerry_flow_slot *slot;

	if (!flow->used)
		return;
	if (!flow->open && !flow->opening && world->now_ns >= flow->retry_ns)
		ask_open(p, flow);
	if (!flow->open)
		return;
	slot = &p->slots[flow->slot];
	if (slot->state == SKERRY_SLOT_CLOSED) {
		if (flow->large_sent)
			flow->next++;
		world->closed++;
		report(p, flow, slot->expected, flow->next,
		       slot->flags & SKERRY_SLOT_UNCERTAIN);
		fs_flow_close(p, flow);
		return;
	}
	if (slot->state == SKERRY_SLOT_OPEN &&
	    (!flow->epoch_known || slot->epoch != flow->epoch))
		new_epoch(p, flow, slot);
}

static void want(struct fs_program *p, struct fs_flow *flow, uint64_t total)
{
	uint64_t position = flow->count + SKERRY_FLOW_CREDIT_BYTES;

	if (write_record(p, flow, SKERRY_REC_WANT, position, total)) {
		flow->wanted = position;
		if (total)
			flow->large_asked = true;
	}
}

static void write_data(struct fs_program *p, struct fs_flow *flow,
		       uint8_t flags, uint64_t total, uint64_t offset,
		       size_t bytes)
{
	static uint8_t payload[SKERRY_FRAGMENT_BYTES];
	struct fs_world *world = p->node->world;
	struct stamp stamp = { flow->ledger, flow->next, offset };
	struct skerry_frame frame = {
		.type = SKERRY_FRAME_DATA,
		.flags = flags,
		.flow = flow->slot,
		.correlation = flow->epoch,
		.sequence = flow->next,
	};
	uint8_t tlvs[16];
	struct tlv_writer w;

	memcpy(payload, &stamp, sizeof(stamp));
	tlv_writer_init(&w, tlvs, sizeof(tlvs));
	if (total)
		tlv_put_u64(&w, SKERRY_K_TOTAL_BYTES, total);
	p->pending =
		fs_item_new(&frame, (struct core_bytes) { tlvs, w.used_bytes },
			    (struct core_bytes) { payload, bytes });
	p->pending_channel = flow->channel;
	*fate(world, flow->ledger, flow->next) = FS_SENT;
	flow->count += SKERRY_COST(p->pending->frame.length);
}

/* The end of a busy section. */
static void publish(struct fs_program *p)
{
	if (p->pending)
		fs_put(&p->to_agent[p->pending_channel], p->pending);
	p->pending = NULL;
	p->busy = false;
}

static void look_at_granted(struct fs_flow *flow, uint64_t granted)
{
	if (granted < flow->granted_seen) {
		flow->wanted = 0;
		if (!flow->large_sent)
			flow->large_asked = false;
	}
	flow->granted_seen = granted;
}

static size_t next_bytes(const struct fs_flow *flow, size_t payload_bytes)
{
	uint64_t left = flow->large_total - flow->large_sent;

	if (!flow->large_total)
		return payload_bytes;
	return left < SKERRY_FRAGMENT_BYTES ? left : SKERRY_FRAGMENT_BYTES;
}

int fs_flow_send(struct fs_program *p, struct fs_flow *flow,
		 size_t payload_bytes)
{
	const struct skerry_flow_slot *slot = &p->slots[flow->slot];
	size_t bytes = next_bytes(flow, payload_bytes);
	bool first = flow->large_total && !flow->large_sent;
	uint64_t cost = SKERRY_COST(sizeof(struct skerry_frame) + bytes +
				    (first ? 12 : 0));
	uint8_t flags = 0;
	bool more;

	if (!flow->open || !flow->epoch_known || p->busy ||
	    slot->state != SKERRY_SLOT_OPEN || slot->epoch != flow->epoch)
		return -EAGAIN;
	if (p->to_agent[flow->channel].cost_bytes + cost > FS_RING_BYTES / 2)
		return -EAGAIN;
	look_at_granted(flow, slot->granted);
	if (first && !flow->large_asked) {
		want(p, flow, flow->large_total);
		return -EAGAIN;
	}
	if (flow->count + cost > slot->granted ||
	    (first && slot->large != flow->next)) {
		if (flow->wanted <= slot->granted && !first)
			want(p, flow, 0);
		else if (flow->wanted <= slot->granted &&
			 slot->large == flow->next)
			want(p, flow, 0);
		return -EAGAIN;
	}
	p->busy = true;
	if (flow->large_total) {
		more = flow->large_sent + bytes < flow->large_total;
		flags = (uint8_t)((first ? 0 : SKERRY_DATA_CONT) |
				  (more ? SKERRY_DATA_MORE : 0));
		write_data(p, flow, flags, first ? flow->large_total : 0,
			   flow->large_sent, bytes);
		flow->large_sent += bytes;
		if (more)
			goto out;
		flow->large_total = 0;
		flow->large_sent = 0;
		flow->large_asked = false;
	} else {
		write_data(p, flow, 0, 0, 0, bytes);
	}
	flow->next++;
	flow->sent_messages++;
out:
	/* Sometimes it is stopped inside. */
	if (!p->node->world->interrupts || !fs_chance(p->node->world, 16))
		publish(p);
	if (flow->granted_seen - flow->count < SKERRY_FLOW_CREDIT_BYTES / 2 &&
	    flow->wanted <= flow->granted_seen)
		want(p, flow, 0);
	return 0;
}

/* ---- receiving --------------------------------------------------------------------------- */

static void inflow_drop(struct fs_program *p, struct fs_inflow *in)
{
	if (in->partial)
		p->freed_bytes += in->partial_total;
	in->partial = false;
}

static void take_inflow(struct fs_program *p, struct fs_item *item,
			uint8_t channel)
{
	struct fs_world *world = p->node->world;
	struct fs_inflow *in = &p->inflows[item->frame.flow];
	struct tlv_reader r;
	char name[64];

	if (in->used)
		fs_wrong(world, "INFLOW with a number that is in use");
	memset(in, 0, sizeof(*in));
	in->used = true;
	in->channel = channel;
	in->expected = item->frame.sequence;
	in->fast = tlv_find(item->bytes, item->payload_bytes, SKERRY_K_FAST_ID,
			    &r);
	if (!tlv_find(item->bytes, item->payload_bytes, SKERRY_K_PROGRAM, &r) ||
	    tlv_id(&r, in->instance) ||
	    tlv_find_str(item->bytes, item->payload_bytes, SKERRY_K_NODE, name,
			 sizeof(name)) ||
	    !name[0] ||
	    tlv_find_str(item->bytes, item->payload_bytes, SKERRY_K_ENDPOINT,
			 name, sizeof(name)) ||
	    (name[0] - '0') != (char)p->place)
		fs_wrong(world, "INFLOW does not say what it is");
	in->flow_id = tlv_find_u64(item->bytes, item->payload_bytes,
				   SKERRY_K_FLOW_ID, 0);
}

static void take_data(struct fs_program *p, struct fs_item *item)
{
	struct fs_world *world = p->node->world;
	struct fs_inflow *in = &p->inflows[item->frame.flow];
	bool more = item->frame.flags & SKERRY_DATA_MORE;
	bool cont = item->frame.flags & SKERRY_DATA_CONT;

	if ((item->frame.sequence != in->expected && !in->fast) ||
	    cont != in->partial)
		fs_wrong(world, "DATA does not go on where it stopped");
	if (more && !cont)
		in->partial_total =
			tlv_find_u64(item->bytes, item->extension_bytes,
				     SKERRY_K_TOTAL_BYTES, 0);
	if (!more && cont)
		p->freed_bytes += in->partial_total;
	in->partial = more;
	if (more)
		return;
	in->expected = item->frame.sequence + 1;
	p->received_messages++;
}

static void take_one(struct fs_program *p, struct fs_item *item,
		     uint8_t channel)
{
	struct fs_world *world = p->node->world;
	struct fs_inflow *in;

	if (item->frame.flow >= SKERRY_FLOWS_PER_PROGRAM_MAX) {
		fs_wrong(world, "an inflow's number is too large");
		return;
	}
	in = &p->inflows[item->frame.flow];
	if (item->frame.type == SKERRY_REC_INFLOW) {
		take_inflow(p, item, channel);
		return;
	}
	if (!in->used || in->channel != channel) {
		fs_wrong(world, "record 0x%x of an unknown inflow",
			 item->frame.type);
		return;
	}
	switch (item->frame.type) {
	case SKERRY_FRAME_DATA:
		take_data(p, item);
		break;
	case SKERRY_REC_INFLOW_SKIP:
		inflow_drop(p, in);
		if (item->frame.sequence < in->expected)
			fs_wrong(world, "a skip goes back");
		in->expected = item->frame.sequence;
		break;
	case SKERRY_REC_INFLOW_GONE:
		inflow_drop(p, in);
		in->used = false;
		break;
	default:
		fs_wrong(world, "record 0x%x", item->frame.type);
	}
}

void fs_program_take(struct fs_program *p, uint32_t count)
{
	struct fs_item *item;
	uint32_t channel, i;

	for (channel = 0; channel < FS_CHANNELS; channel++) {
		for (i = 0; i < count; i++) {
			item = fs_get(&p->to_program[channel]);
			if (!item)
				break;
			take_one(p, item, (uint8_t)channel);
			free(item);
		}
		if (i && p->wants_space[channel]) {
			p->wants_space[channel] = false;
			flow_ring_space(p->node->tab, p->place, channel,
					p->node->world->now_ns);
		}
	}
}

/* ---- the agent is another one now ---------------------------------------------------------- */

void fs_program_again(struct fs_program *p)
{
	struct fs_world *world = p->node->world;
	uint32_t i;
	int r;

	publish(p);
	fs_program_take(p, UINT32_MAX);
	for (i = 0; i < FS_CHANNELS; i++) {
		fs_drop(&p->to_agent[i]);
		p->wants_space[i] = false;
	}
	memset(p->slots, 0, sizeof(p->slots));
	p->freed_bytes = 0;
	for (i = 0; i < SKERRY_FLOWS_PER_PROGRAM_MAX; i++) {
		struct fs_inflow *in = &p->inflows[i];

		if (!in->used)
			continue;
		in->used = false;
		r = flow_frontier(p->node->tab, p->place, in->instance,
				  in->flow_id, in->expected, world->now_ns);
		if (r)
			fs_wrong(world, "a frontier was refused: %d", r);
	}
	for (i = 0; i < FS_FLOWS; i++) {
		struct fs_flow *flow = &p->flows[i];

		if (!flow->used)
			continue;
		if (flow->large_sent)
			flow->next++;
		flow->large_total = 0;
		flow->large_sent = 0;
		flow->opening = false;
		flow->open = false;
		flow->retry_ns = world->now_ns + 50 * FS_MS;
	}
}

void fs_program_forget(struct fs_program *p)
{
	uint32_t i;

	free(p->pending);
	p->pending = NULL;
	p->busy = false;
	for (i = 0; i < FS_CHANNELS; i++) {
		fs_drop(&p->to_agent[i]);
		fs_drop(&p->to_program[i]);
	}
	memset(p->flows, 0, sizeof(p->flows));
	memset(p->inflows, 0, sizeof(p->inflows));
	memset(p->slots, 0, sizeof(p->slots));
}

void fs_program_step(struct fs_program *p)
{
	struct fs_world *world = p->node->world;
	uint32_t i, n;

	publish(p);
	if (p->deaf) {
		fs_program_take(p, 5);
		return;
	}
	if (!p->lazy && !fs_chance(world, 3))
		fs_program_take(p, (uint32_t)rng_below(&world->rng, 20));
	for (i = 0; i < FS_FLOWS; i++)
		fs_flow_look(p, &p->flows[i]);
	if (p->quiet)
		return;
	for (n = 0; n < 8; n++) {
		struct fs_flow *flow =
			&p->flows[rng_below(&world->rng, FS_FLOWS)];
		uint32_t burst = (uint32_t)rng_below(&world->rng, 8);

		if (!flow->used || (world->gentle && flow->sent_messages))
			continue;
		if (world->large_messages && !world->gentle &&
		    !flow->large_total && fs_chance(world, 12))
			flow->large_total = (1 + rng_below(&world->rng, 3)) *
						    SKERRY_FRAGMENT_BYTES +
					    sizeof(struct stamp) +
					    rng_below(&world->rng, 60000);
		while (burst-- &&
		       !fs_flow_send(p, flow,
				     sizeof(struct stamp) +
					     rng_below(&world->rng,
						       fs_chance(world, 6)
							       ? 65000
							       : 600)))
			;
	}
}
