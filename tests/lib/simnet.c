// SPDX-License-Identifier: GPL-2.0-only
/* simnet.c - see simnet.h. */
#include "simnet.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coreconf.h"
#include "hash.h"
#include "rng.h"
#include "simnet_impl.h"
#include "trace/trace.h"

#define WALL_START_US 1700000000000000ULL

/* ---- chance and time -------------------------------------------------------- */

uint64_t sim_random(struct simnet *net, uint64_t below)
{
	struct rng rng;
	uint64_t value;

	memcpy(rng.s, net->random, sizeof(rng.s));
	value = rng_below(&rng, below);
	memcpy(net->random, rng.s, sizeof(rng.s));
	return value;
}

uint64_t sim_delay(struct simnet *net)
{
	return net->delay_min_ns +
	       sim_random(net, net->delay_max_ns - net->delay_min_ns + 1);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns;
	return a->order < b->order;
}

/*
 * The entry stays where it is put until it is sifted, so the caller fills it
 * in first; the heap is put right before the next one is taken or added.
 */
static void sift_up(struct simnet *net)
{
	size_t i = net->heap_count - 1;

	while (net->heap_count && i) {
		size_t up = (i - 1) / 2;
		struct sim_event swap;

		if (!before(&net->heap[i], &net->heap[up]))
			break;
		swap = net->heap[i];
		net->heap[i] = net->heap[up];
		net->heap[up] = swap;
		i = up;
	}
}

struct sim_event *sim_push(struct simnet *net, uint64_t at_ns,
			   enum sim_kind kind, int node)
{
	struct sim_event *event;

	if (net->heap_count)
		sift_up(net);
	if (net->heap_count == net->heap_room) {
		net->heap_room = net->heap_room ? 2 * net->heap_room : 1024;
		net->heap =
			realloc(net->heap, net->heap_room * sizeof(*net->heap));
		assert(net->heap);
	}
	event = &net->heap[net->heap_count++];
	memset(event, 0, sizeof(*event));
	event->at_ns = at_ns;
	event->order = net->heap_order++;
	event->kind = kind;
	event->node = node;
	event->boot = node >= 0 ? net->nodes[node].boot : 0;
	return event;
}

static void pop(struct simnet *net, struct sim_event *ret_event)
{
	size_t i = 0;

	*ret_event = net->heap[0];
	net->heap[0] = net->heap[--net->heap_count];
	for (;;) {
		size_t least = i, child;
		struct sim_event swap;

		for (child = 2 * i + 1; child <= 2 * i + 2; child++) {
			if (child < net->heap_count &&
			    before(&net->heap[child], &net->heap[least]))
				least = child;
		}
		if (least == i)
			return;
		swap = net->heap[i];
		net->heap[i] = net->heap[least];
		net->heap[least] = swap;
		i = least;
	}
}

/* ---- who is where, and what passes ------------------------------------------ */

struct sim_node *sim_named(struct simnet *net, const char *name)
{
	int i;

	for (i = 0; i < net->count; i++) {
		if (!strcmp(net->nodes[i].config.name, name))
			return &net->nodes[i];
	}
	return NULL;
}

struct sim_node *sim_at(struct simnet *net, const struct skerry_addr *addr)
{
	int i;

	for (i = 0; i < net->count; i++) {
		struct sim_node *node = &net->nodes[i];

		if (node->alive &&
		    !memcmp(node->config.addresses[0].ip, addr->ip, 16) &&
		    addr->port / SKERRY_PORT_BLOCK * SKERRY_PORT_BLOCK ==
			    node->config.port_base)
			return node;
	}
	return NULL;
}

/* Does this node's own registry cut what goes to, or comes from, the other? */
static bool cut_here(struct simnet *net, struct sim_node *node,
		     struct sim_node *other, uint8_t direction)
{
	uint32_t i;

	for (i = 0; i < node->cut_count; i++) {
		const struct core_cut *cut = &node->cuts[i];

		if (cut->direction && cut->direction != direction)
			continue;
		if (cut->deadline_ns && net->now_ns >= cut->deadline_ns)
			continue;
		if (cut->peer == CORE_PEER_EVERYBODY ||
		    (cut->peer < SKERRY_MEMBERS_MAX &&
		     !strcmp(node->peers[cut->peer], other->config.name)))
			return true;
	}
	return false;
}

bool sim_passes(struct simnet *net, int from, int to, bool partition_port)
{
	if (net->links[from][to].cut)
		return false;
	if (partition_port)
		return true;
	return !cut_here(net, &net->nodes[from], &net->nodes[to], 2) &&
	       !cut_here(net, &net->nodes[to], &net->nodes[from], 1);
}

/* ---- operations ---------------------------------------------------------------- */

static void keep_said(struct sim_node *node, const struct core_op *op)
{
	struct sim_said *said;

	if (node->said_count == node->said_room) {
		node->said_room = node->said_room ? 2 * node->said_room : 64;
		node->said = realloc(node->said,
				     node->said_room * sizeof(*node->said));
	}
	said = &node->said[node->said_count++];
	memset(said, 0, sizeof(*said));
	said->event = op->type == OP_EVENT;
	said->program = op->answer.program;
	said->id = said->event ? op->answer.watch : op->answer.correlation;
	said->more = op->answer.more;
	said->at_ns = node->net->now_ns;
	said->size_bytes = op->bytes.size_bytes;
	said->bytes = malloc(op->bytes.size_bytes + 1);
	if (op->bytes.size_bytes)
		memcpy(said->bytes, op->bytes.data, op->bytes.size_bytes);
	said->error = (int)(int64_t)tlv_find_u64(said->bytes, said->size_bytes,
						 SKERRY_K_ERROR, 0);
}

static void send_datagram(struct sim_node *node, const struct core_op *op)
{
	struct simnet *net = node->net;
	struct sim_node *other = sim_at(net, &op->datagram.to);
	bool partition = op->datagram.port == SKERRY_PORT_PARTITION;
	int copies = 1;

	if (!other || !sim_passes(net, node->index, other->index, partition) ||
	    net->links[node->index][other->index].dead_udp)
		return;
	if (sim_random(net, 1000000) < net->loss_ppm)
		copies = 0;
	else if (sim_random(net, 1000000) < net->duplicate_ppm)
		copies = 2;
	while (copies--) {
		struct sim_event *event =
			sim_push(net, net->now_ns + sim_delay(net),
				 SIM_DATAGRAM, other->index);

		event->from = node->config.addresses[0];
		event->from.port =
			(uint16_t)(node->config.port_base + op->datagram.port);
		event->to = op->datagram.to;
		event->bytes = malloc(op->bytes.size_bytes);
		memcpy(event->bytes, op->bytes.data, op->bytes.size_bytes);
		event->size_bytes = op->bytes.size_bytes;
	}
}

static void persist(struct sim_node *node, const struct core_op *op)
{
	struct sim_event *event;

	if (!node->disk_full) {
		node->state = realloc(node->state, op->bytes.size_bytes);
		memcpy(node->state, op->bytes.data, op->bytes.size_bytes);
		node->state_bytes = op->bytes.size_bytes;
	}
	event = sim_push(node->net,
			 node->net->now_ns + SIM_MS +
				 sim_random(node->net, 5 * SIM_MS),
			 SIM_STEP, node->index);
	event->event.type = EV_PERSISTED;
	event->event.token = op->token;
	event->event.error = node->disk_full ? -ENOSPC : 0;
	event->bytes = malloc(op->bytes.size_bytes);
	memcpy(event->bytes, op->bytes.data, op->bytes.size_bytes);
	event->size_bytes = op->bytes.size_bytes;
}

static void cut_op(struct sim_node *node, const struct core_op *op)
{
	struct sim_event *event;
	uint32_t i;

	if (op->type == OP_CUT_ADD) {
		assert(node->staged_count < 64);
		node->staged[node->staged_count++] = op->cut;
		return;
	}
	if (op->type == OP_CUT_DEL) {
		for (i = 0; i < node->staged_count; i++) {
			if (node->staged[i].handle != op->cut.handle)
				continue;
			node->staged[i] = node->staged[--node->staged_count];
			return;
		}
		return;
	}
	memcpy(node->cuts, node->staged, sizeof(node->cuts));
	node->cut_count = node->staged_count;
	event = sim_push(node->net, node->net->now_ns + 15 * SIM_MS, SIM_STEP,
			 node->index);
	event->event.type = EV_CUTS_APPLIED;
	event->event.token = op->token;
}

/* Nobody sees an incarnation that is not on the disk. */
static void check_stored(struct sim_node *node, struct core_bytes details)
{
	struct tlv_reader spec;

	if (node->disk_full ||
	    !tlv_find(details.data, details.size_bytes, SKERRY_K_SPEC, &spec))
		return;
	assert(tlv_find_u64(spec.value, spec.length, SKERRY_K_INCARNATION, 0) ==
	       node->stored);
}

/* Rows without counters: comes back at the next instant. */
static void ledger_op(struct sim_node *node, const struct core_op *op)
{
	static struct core_ledger rows[64];
	struct core_event event = { .type = EV_LEDGER, .token = op->token };
	uint32_t i;

	event.ledger.list = rows;
	for (i = 0; i < node->cut_count; i++)
		if (!memcmp(node->cuts[i].reference, op->bytes.data, 16))
			rows[event.ledger.count++] = (struct core_ledger) {
				.peer = node->cuts[i].peer,
				.in_force = true,
			};
	node->ledger = event;
	node->ledger_due = true;
}

static void execute(struct sim_node *node, const struct core_op *op)
{
	char text[512];

	trace_op_text(op, text, sizeof(text));
	node->net->trace_hash = hash_str(node->net->trace_hash, text);
	if (node->net->verbose)
		fprintf(stderr, "# %9.3f %s < %s\n",
			(double)node->net->now_ns / 1e9, node->config.name,
			text);
	node->ops++;
	switch (op->type) {
	case OP_PERSIST:
		persist(node, op);
		break;
	case OP_PEER:
		snprintf(node->peers[op->peer.number], sizeof(node->peers[0]),
			 "%s", op->peer.name);
		break;
	case OP_PEER_GONE:
		assert(node->peers[op->peer.number][0]);
		node->peers[op->peer.number][0] = 0;
		break;
	case OP_CUT_ADD:
	case OP_CUT_DEL:
	case OP_CUT_COMMIT:
		cut_op(node, op);
		break;
	case OP_DIAL:
		check_stored(node, op->bytes);
		sim_dial(node, op);
		break;
	case OP_ROUTE:
		/* A route names a lane that is up and a peer that is known. */
		assert(node->peers[op->route.peer][0]);
		node->routes++;
		break;
	case OP_ADMIT:
		check_stored(node, op->bytes);
		sim_lane_op(node, op);
		break;
	case OP_REFUSE:
	case OP_DUPLICATE:
	case OP_CLOSE:
	case OP_SEND:
		sim_lane_op(node, op);
		break;
	case OP_DATAGRAM:
		send_datagram(node, op);
		break;
	case OP_ANSWER:
	case OP_EVENT:
		keep_said(node, op);
		break;
	case OP_WAKE_AT:
		node->wake_ns = op->at_ns;
		break;
	case OP_LEDGER:
		ledger_op(node, op);
		break;
	case OP_STOPPED:
		node->stopped = true;
		break;
	default:
		break;
	}
}

int sim_event(struct sim_node *node, struct core_event *event)
{
	struct simnet *net = node->net;
	struct core_update update;
	int rv, rounds = 0;

	if (!node->alive)
		return -ESRCH;
	event->now_ns = net->now_ns + SIM_SECOND;
	event->wall_us =
		WALL_START_US + net->wall_offset_us + net->now_ns / 1000;
	if (net->verbose) {
		char text[512];

		trace_event_text(event, text, sizeof(text));
		fprintf(stderr, "# %9.3f %s > %s\n", (double)net->now_ns / 1e9,
			node->config.name, text);
	}
	rv = core_step(node->core, event, &update);
	node->steps++;
	node->errors += rv != 0;
	while (!rv) {
		struct core_event tick = { .type = EV_TICK };
		size_t i;

		assert(update.count <= CORE_OPS_MAX);
		if (update.count > node->most_ops)
			node->most_ops = update.count;
		for (i = 0; i < update.count; i++) {
			assert(update.ops[i].bytes.size_bytes <=
			       CORE_OP_BYTES_MAX);
			execute(node, &update.ops[i]);
		}
		if (!update.more)
			break;
		assert(++rounds < 10000);
		tick.now_ns = event->now_ns;
		tick.wall_us = event->wall_us;
		if (core_step(node->core, &tick, &update))
			break;
	}
	if (node->ledger_due) {
		node->ledger_due = false;
		sim_event(node, &node->ledger);
	}
	return rv;
}

void sim_step(struct sim_node *node, struct core_event *event)
{
	sim_event(node, event);
}

/* ---- nodes --------------------------------------------------------------------- */

void sim_init(struct simnet *net, uint64_t seed)
{
	struct rng rng;

	memset(net, 0, sizeof(*net));
	rng_init(&rng, seed, 77);
	memcpy(net->random, rng.s, sizeof(net->random));
	net->seed = seed;
	net->delay_min_ns = SIM_MS / 10;
	net->delay_max_ns = 3 * SIM_MS;
	net->trace_hash = HASH_START;
}

void sim_free(struct simnet *net)
{
	size_t i;
	int n;

	for (i = 0; i < net->heap_count; i++)
		free(net->heap[i].bytes);
	free(net->heap);
	sim_ends_free(net);
	for (n = 0; n < net->count; n++) {
		sim_clear_said(&net->nodes[n]);
		free(net->nodes[n].said);
		free(net->nodes[n].core);
		free(net->nodes[n].state);
	}
}

struct sim_node *sim_add(struct simnet *net, const char *name)
{
	struct sim_node *node = &net->nodes[net->count];
	struct core_config *config = &node->config;

	assert(net->count < SIM_NODES_MAX);
	memset(node, 0, sizeof(*node));
	node->net = net;
	node->index = net->count++;
	coreconf_init(config, name, "sim");
	config->has_key = true;
	config->machine_id[0] = (uint8_t)(1 + node->index);
	config->addresses[0].ip[10] = config->addresses[0].ip[11] = 0xff;
	config->addresses[0].ip[12] = 10;
	config->addresses[0].ip[15] = (uint8_t)(1 + node->index);
	config->addresses[0].port = SKERRY_PORT_BASE;
	config->address_count = 1;
	coreconf_channel(config, "default", 2, false);
	coreconf_channel(config, "fast", 1, true);
	config->cut_loss = config->cut_reject = config->cut_address = true;
	return node;
}

void sim_contact(struct sim_node *node, const struct sim_node *contact)
{
	node->config.contacts[0].address = contact->config.addresses[0];
	node->config.contact_count = 1;
}

void sim_start(struct sim_node *node)
{
	const struct core_limits limits = {
		.members_max = 64,
		.programs_max = 16,
		.watches_max = 64,
		.partitions_max = 16,
		.rules_max = 256,
	};
	struct core_event event = { .type = EV_START };

	assert(!node->alive);
	free(node->core);
	node->core = core_init(aligned_alloc(16, (core_size(&limits) + 15) &
							 ~(size_t)15),
			       &limits, &sim_hmac);
	node->alive = true;
	node->stopped = false;
	node->boot++;
	node->next_lane = 2;
	node->wake_ns = 0;
	node->cut_count = node->staged_count = 0;
	memset(node->peers, 0, sizeof(node->peers));
	event.start.config = &node->config;
	event.start.persisted.data = node->state;
	event.start.persisted.size_bytes = node->state_bytes;
	event.start.seed = node->net->seed * 1000 + node->boot * 100 +
			   (uint64_t)node->index;
	assert(!sim_event(node, &event));
}

void sim_cluster(struct simnet *net, uint64_t seed, int count)
{
	char name[16];
	int i;

	sim_init(net, seed);
	net->verbose = getenv("VERBOSE") != NULL;
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "node-%c", 'a' + i);
		sim_add(net, name);
		if (i)
			sim_contact(&net->nodes[i], &net->nodes[0]);
	}
}

void sim_boot(struct simnet *net, uint64_t seed, int count)
{
	int i;

	sim_cluster(net, seed, count);
	for (i = 0; i < count; i++)
		sim_start(&net->nodes[i]);
}

void sim_crash(struct sim_node *node, bool host)
{
	struct sim_end *end;

	for (end = node->net->ends; end; end = end->next) {
		if (end->node == node->index)
			sim_close(end, !host);
	}
	node->alive = false;
}

void sim_forget_state(struct sim_node *node)
{
	free(node->state);
	node->state = NULL;
	node->state_bytes = 0;
}

void sim_move(struct sim_node *node, uint8_t last_byte)
{
	node->config.addresses[0].ip[15] = last_byte;
}

void sim_freeze(struct sim_node *node, bool frozen)
{
	node->frozen = frozen;
}

void sim_cut(struct simnet *net, int from, int to, bool cut)
{
	net->links[from][to].cut = cut;
}

void sim_isolate(struct simnet *net, int node, bool cut)
{
	int i;

	for (i = 0; i < net->count; i++) {
		if (i == node)
			continue;
		sim_cut(net, node, i, cut);
		sim_cut(net, i, node, cut);
	}
}

/* ---- running --------------------------------------------------------------------- */

static void run_step(struct simnet *net, struct sim_event *e)
{
	struct core_event *event = &e->event;

	if (event->type == EV_LANE_HELLO) {
		event->hello.details.data = e->bytes;
		event->hello.details.size_bytes = e->size_bytes;
	} else if (event->type == EV_PERSISTED && !event->error) {
		net->nodes[e->node].stored =
			tlv_find_u64(e->bytes, e->size_bytes,
				     SKERRY_K_INCARNATION, 0);
	} else if (event->type == EV_FRAME) {
		event->frame.payload.data = e->bytes;
		event->frame.payload.size_bytes = e->size_bytes;
	}
	sim_step(&net->nodes[e->node], event);
}

static void run_datagram(struct simnet *net, struct sim_event *e)
{
	struct core_event event = { .type = EV_DATAGRAM };

	event.datagram.port = (uint8_t)(e->to.port % SKERRY_PORT_BLOCK);
	event.datagram.from = e->from;
	event.datagram.bytes.data = e->bytes;
	event.datagram.bytes.size_bytes = e->size_bytes;
	sim_step(&net->nodes[e->node], &event);
}

static bool put_off(struct simnet *net, struct sim_event *e)
{
	struct sim_event *again;

	if (e->node < 0 || !net->nodes[e->node].frozen)
		return false;
	again = sim_push(net, net->now_ns + 10 * SIM_MS, e->kind, e->node);
	e->at_ns = again->at_ns;
	e->order = again->order;
	*again = *e;
	return true;
}

static void run_event(struct simnet *net, struct sim_event *e)
{
	if (put_off(net, e))
		return;
	if (e->node >= 0 &&
	    (!net->nodes[e->node].alive || net->nodes[e->node].boot != e->boot))
		goto out;
	switch (e->kind) {
	case SIM_STEP:
		run_step(net, e);
		break;
	case SIM_CONNECT:
		sim_connect(net, e);
		break;
	case SIM_BYTES:
		sim_bytes(net, e);
		break;
	case SIM_FIN:
		sim_fin(net, e->end);
		break;
	case SIM_DATAGRAM:
		run_datagram(net, e);
		break;
	case SIM_PUMP:
		sim_pump(net, e->end);
		break;
	case SIM_HANDSHAKE_LATE:
		sim_late(net, e->end);
		break;
	}
out:
	free(e->bytes);
}

/* The node whose timer is next; NULL when none is set. */
static struct sim_node *next_timer(struct simnet *net)
{
	struct sim_node *first = NULL;
	int i;

	for (i = 0; i < net->count; i++) {
		struct sim_node *node = &net->nodes[i];

		if (node->alive && !node->frozen && node->wake_ns &&
		    (!first || node->wake_ns < first->wake_ns))
			first = node;
	}
	return first;
}

/* One thing happens; false: nothing before limit_ns. */
static bool run_one(struct simnet *net, uint64_t limit_ns)
{
	struct sim_node *timer = next_timer(net);
	uint64_t timer_ns = UINT64_MAX;
	struct sim_event event;

	if (timer)
		timer_ns = timer->wake_ns > net->now_ns + SIM_SECOND
				   ? timer->wake_ns - SIM_SECOND
				   : net->now_ns;
	if (net->heap_count)
		sift_up(net);
	if (net->heap_count && net->heap[0].at_ns <= timer_ns) {
		if (net->heap[0].at_ns > limit_ns)
			return false;
		pop(net, &event);
		if (event.at_ns > net->now_ns)
			net->now_ns = event.at_ns;
		run_event(net, &event);
		return true;
	}
	if (!timer || timer_ns > limit_ns)
		return false;
	net->now_ns = timer_ns;
	timer->wake_ns = 0;
	sim_step(timer, &(struct core_event) { .type = EV_TICK });
	return true;
}

void sim_run(struct simnet *net, uint64_t for_ns)
{
	uint64_t limit_ns = net->now_ns + for_ns;

	while (run_one(net, limit_ns))
		;
	net->now_ns = limit_ns;
}

uint64_t sim_until(struct simnet *net, sim_condition *condition, void *data,
		   uint64_t limit_ns)
{
	uint64_t start_ns = net->now_ns;

	while (net->now_ns - start_ns < limit_ns) {
		if (condition(net, data))
			return net->now_ns - start_ns + 1;
		sim_run(net, 10 * SIM_MS);
	}
	return 0;
}
