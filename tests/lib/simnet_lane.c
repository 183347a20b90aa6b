// SPDX-License-Identifier: GPL-2.0-only
/* simnet_lane.c - lanes of the simulated network: two real state machines
 * and a pipe of bytes between them. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simnet_impl.h"

static struct sim_node *node_of(struct sim_end *end)
{
	return &end->net->nodes[end->node];
}

/* The end still belongs to the process that made it. */
static bool current(struct sim_end *end)
{
	return node_of(end)->alive && node_of(end)->boot == end->boot;
}

static struct sim_event *tell(struct sim_end *end, enum core_event_type type)
{
	struct sim_event *event =
		sim_push(end->net, end->net->now_ns, SIM_STEP, end->node);

	event->event.type = type;
	event->event.lane = end->lane;
	return event;
}

/* ---- the key ------------------------------------------------------------------------ */

static void keyed_hash(void *data, const struct core_bytes *parts, size_t count,
		       uint8_t ret_mac[32])
{
	uint64_t hash[4] = { 1, 2, 3, 4 };
	size_t i, j, k;

	for (k = 0; k < 4; k++) {
		hash[k] ^= (uint64_t)(uintptr_t)data;
		for (i = 0; i < count; i++) {
			const uint8_t *at = parts[i].data;

			for (j = 0; j < parts[i].size_bytes; j++)
				hash[k] = (hash[k] ^ at[j]) * 0x100000001b3ULL;
		}
		hash[k] ^= hash[k] >> 29;
	}
	memcpy(ret_mac, hash, 32);
}

const struct core_hmac sim_hmac = { NULL, keyed_hash };

static const struct core_hmac *hmac_of(struct sim_node *node)
{
	return node->config.has_key ? &sim_hmac : NULL;
}

/* ---- what the state machine says ------------------------------------------ */

static void on_hello(void *data, struct core_bytes details)
{
	struct sim_end *end = data;
	struct sim_event *event = tell(end, EV_LANE_HELLO);

	event->bytes = malloc(details.size_bytes + 1);
	memcpy(event->bytes, details.data, details.size_bytes);
	event->size_bytes = details.size_bytes;
	event->event.hello.accepted = !end->dialler;
	event->event.hello.remote = end->remote;
}

static void on_up(void *data)
{
	struct sim_end *end = data;

	end->up = true;
	tell(end, EV_LANE_UP);
}

static void on_frame(void *data, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	struct sim_end *end = data;
	struct sim_event *event;

	if (frame->type < 0x20)
		return; /* flows are not simulated here */
	event = tell(end, EV_FRAME);
	event->event.frame.type = frame->type;
	event->event.frame.sequence = frame->sequence;
	event->bytes = malloc(payload.size_bytes + 1);
	if (payload.size_bytes)
		memcpy(event->bytes, payload.data, payload.size_bytes);
	event->size_bytes = payload.size_bytes;
}

static void on_draining(void *data)
{
}

static void on_drained(void *data)
{
	struct sim_end *end = data;

	end->drained = true;
}

static void on_closed(void *data, enum lane_end how, int error,
		      uint64_t generation_seen, const char *text)
{
	struct sim_end *end = data;
	struct sim_event *event;

	if (end->told_down)
		return;
	end->told_down = true;
	end->closing = true;
	event = tell(end, EV_LANE_DOWN);
	event->event.error = error;
	event->event.lane_down.end = how;
	event->event.lane_down.generation_seen = generation_seen;
	snprintf(event->event.lane_down.text,
		 sizeof(event->event.lane_down.text), "%s", text);
}

static const struct lanefsm_handler handler = {
	.hello = on_hello,
	.up = on_up,
	.frame = on_frame,
	.draining = on_draining,
	.drained = on_drained,
	.closed = on_closed,
};

/* ---- ends ------------------------------------------------------------------- */

static struct sim_end *make_end(struct sim_node *node, uint64_t lane,
				bool dialler)
{
	struct sim_end *end = calloc(1, sizeof(*end));

	assert(end);
	end->net = node->net;
	end->node = node->index;
	end->boot = node->boot;
	end->lane = lane;
	end->dialler = dialler;
	end->open = true;
	end->next = node->net->ends;
	node->net->ends = end;
	return end;
}

static void begin(struct sim_end *end, const struct core_hmac *hmac)
{
	struct lanefsm_config config = {
		.dialler = end->dialler,
		.hmac = hmac,
		.details = { end->details, end->detail_bytes },
	};
	size_t i;

	for (i = 0; i < sizeof(config.nonce); i++)
		config.nonce[i] = (uint8_t)sim_random(end->net, 256);
	lane_queue_init(&end->queue, malloc(SIM_QUEUE_BYTES), SIM_QUEUE_BYTES);
	end->fsm = lanefsm_init(malloc(lanefsm_size()), &config, &end->queue,
				&handler, end);
	sim_pump(end->net, end);
}

struct sim_end *sim_end_of(struct sim_node *node, uint64_t lane)
{
	struct sim_end *end;

	for (end = node->net->ends; end; end = end->next) {
		if (end->node == node->index && end->boot == node->boot &&
		    end->lane == lane && end->open)
			return end;
	}
	return NULL;
}

/* The socket is closed; the other side learns of it when its time comes. */
void sim_close(struct sim_end *end, bool tell_peer)
{
	if (!end->open)
		return;
	end->open = false;
	free(end->fsm);
	end->fsm = NULL;
	free(end->queue.data);
	end->queue.data = NULL;
	if (end->peer && tell_peer && end->peer->open) {
		struct sim_event *event;
		uint64_t at_ns = end->net->now_ns + sim_delay(end->net);

		if (at_ns <= end->arrives_ns)
			at_ns = end->arrives_ns + 1;
		event = sim_push(end->net, at_ns, SIM_FIN, -1);
		event->end = end->peer;
		event->from_node = end->node;
	}
}

void sim_ends_free(struct simnet *net)
{
	while (net->ends) {
		struct sim_end *end = net->ends;

		net->ends = end->next;
		free(end->fsm);
		free(end->queue.data);
		free(end->details);
		free(end->input);
		free(end);
	}
}

static void down(struct sim_end *end, enum lane_end how, int error)
{
	on_closed(end, how, error, 0, "");
}

/* ---- bytes ------------------------------------------------------------------- */

void sim_pump(struct simnet *net, struct sim_end *end)
{
	struct core_bytes pieces[2];
	size_t count, i;

	end->pump_planned = false;
	if (!end->open || !end->fsm || !end->peer)
		return;
	if (!sim_passes(net, end->node, end->peer->node, false)) {
		/* The stack would send again and again. */
		if (lane_queue_used(&end->queue)) {
			end->pump_planned = true;
			sim_push(net, net->now_ns + 200 * SIM_MS, SIM_PUMP, -1)
				->end = end;
		}
		return;
	}
	while ((count = lane_queue_peek(&end->queue, pieces))) {
		for (i = 0; i < count; i++) {
			const uint8_t *at = pieces[i].data;
			size_t left = pieces[i].size_bytes;

			while (left) {
				size_t n = 1 + sim_random(net, 3000);
				struct sim_event *event;

				if (n > left)
					n = left;
				end->arrives_ns = end->arrives_ns > net->now_ns
							  ? end->arrives_ns
							  : net->now_ns;
				if (end->arrives_ns <
				    net->now_ns + net->delay_min_ns)
					end->arrives_ns =
						net->now_ns + sim_delay(net);
				event = sim_push(net, end->arrives_ns,
						 SIM_BYTES, -1);
				event->end = end->peer;
				event->from_node = end->node;
				event->bytes = malloc(n);
				memcpy(event->bytes, at, n);
				event->size_bytes = n;
				at += n;
				left -= n;
			}
			lane_queue_consume(&end->queue, pieces[i].size_bytes);
		}
	}
	if (end->drained && !end->told_down)
		down(end, LANE_END_DRAINED, 0);
	if (end->closing)
		sim_close(end, true);
}

void sim_bytes(struct simnet *net, struct sim_event *event)
{
	struct sim_end *end = event->end;
	size_t total;
	ssize_t used;

	if (!end->open || !current(end))
		return;
	/* A cut made while they were under way: they come again later. */
	if (!sim_passes(net, event->from_node, end->node, false) ||
	    node_of(end)->frozen) {
		struct sim_event *again =
			sim_push(net, net->now_ns + 200 * SIM_MS, SIM_BYTES,
				 -1);

		/* In order: each is put off by the same time. */
		again->end = end;
		again->from_node = event->from_node;
		again->bytes = event->bytes;
		again->size_bytes = event->size_bytes;
		event->bytes = NULL;
		return;
	}
	total = end->input_bytes + event->size_bytes;
	end->input = realloc(end->input, total);
	memcpy(end->input + end->input_bytes, event->bytes, event->size_bytes);
	end->input_bytes = total;
	tell(end, EV_HEARD);
	used = lanefsm_receive(end->fsm, end->input, total);
	if (used < 0)
		used = (ssize_t)total;
	end->input_bytes = total - (size_t)used;
	memmove(end->input, end->input + used, end->input_bytes);
	sim_pump(net, end);
}

void sim_fin(struct simnet *net, struct sim_end *end)
{
	if (!end->open)
		return;
	if (!current(end)) {
		sim_close(end, false);
		return;
	}
	if (!sim_passes(net, end->peer->node, end->node, false)) {
		sim_push(net, net->now_ns + 200 * SIM_MS, SIM_FIN, -1)->end =
			end;
		return;
	}
	if (!end->told_down)
		down(end, end->drained ? LANE_END_DRAINED : LANE_END_PEER, 0);
	sim_close(end, false);
}

/* ---- dialling ------------------------------------------------------------------ */

static void dial_failed(struct sim_end *end, int error)
{
	struct sim_event *event = tell(end, EV_DIAL_FAILED);

	event->event.error = error;
	end->told_down = true;
	sim_close(end, true);
}

void sim_dial(struct sim_node *node, const struct core_op *op)
{
	struct simnet *net = node->net;
	struct sim_end *end = make_end(node, op->lane, true);
	struct sim_event *event;
	uint32_t i;

	node->dials++;
	end->detail_bytes = op->bytes.size_bytes;
	end->details = malloc(op->bytes.size_bytes + 1);
	memcpy(end->details, op->bytes.data, op->bytes.size_bytes);
	/* The first address where anybody is; else the first. */
	end->remote = op->dial.addresses[0];
	for (i = 0; i < op->dial.address_count; i++) {
		if (sim_at(net, &op->dial.addresses[i])) {
			end->remote = op->dial.addresses[i];
			break;
		}
	}
	event = sim_push(net, net->now_ns + 2 * sim_delay(net), SIM_CONNECT,
			 -1);
	event->end = end;
	event = sim_push(net, net->now_ns + op->dial.timeout_ms * SIM_MS,
			 SIM_HANDSHAKE_LATE, -1);
	event->end = end;
}

void sim_late(struct simnet *net, struct sim_end *end)
{
	if (!end->open || end->up || !current(end))
		return;
	if (end->dialler && !end->peer) {
		dial_failed(end, -ETIMEDOUT);
	} else {
		if (!end->told_down)
			down(end, LANE_END_TIMEOUT, -ETIMEDOUT);
		sim_close(end, true);
	}
}

void sim_connect(struct simnet *net, struct sim_event *event)
{
	struct sim_end *end = event->end;
	struct sim_node *other;

	if (!end->open || !current(end))
		return;
	other = sim_at(net, &end->remote);
	if (other &&
	    (!sim_passes(net, end->node, other->index, false) ||
	     !sim_passes(net, other->index, end->node, false) || other->frozen))
		return; /* no answer: the time-out ends it */
	if (!other) {
		dial_failed(end, -ECONNREFUSED);
		return;
	}
	other->next_lane += 2;
	end->peer = make_end(other, other->next_lane - 1, false);
	end->peer->peer = end;
	end->peer->remote = node_of(end)->config.addresses[0];
	end->peer->remote.port = (uint16_t)(node_of(end)->config.port_base + 9);
	sim_push(net, net->now_ns + 5 * SIM_SECOND, SIM_HANDSHAKE_LATE, -1)
		->end = end->peer;
	begin(end->peer, hmac_of(other));
	begin(end, hmac_of(node_of(end)));
}

/* ---- operations on lanes --------------------------------------------------------- */

void sim_lane_op(struct sim_node *node, const struct core_op *op)
{
	struct sim_end *end = sim_end_of(node, op->lane);
	struct skerry_frame frame = { 0 };

	if (!end)
		return;
	switch (op->type) {
	case OP_ADMIT:
		lanefsm_admit(end->fsm, op->bytes);
		break;
	case OP_REFUSE:
		lanefsm_refuse(end->fsm, op->error, op->text);
		break;
	case OP_DUPLICATE:
		lanefsm_duplicate(end->fsm, op->generation);
		break;
	case OP_CLOSE:
		if (op->drain && end->fsm && !lanefsm_drain(end->fsm)) {
			/* At most 2 s. */
			sim_push(node->net, node->net->now_ns + 2 * SIM_SECOND,
				 SIM_FIN, -1)
				->end = end;
			break;
		}
		if (!end->told_down)
			down(end, LANE_END_LOCAL, 0);
		sim_close(end, true);
		return;
	case OP_SEND:
		frame.type = op->frame.type;
		frame.sequence = op->frame.sequence;
		lanefsm_send(end->fsm, &frame, (struct core_bytes) { 0 },
			     op->bytes);
		break;
	default:
		break;
	}
	sim_pump(node->net, end);
}
