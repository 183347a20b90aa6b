/* SPDX-License-Identifier: GPL-2.0-only */
/* simnet_impl.h - what the files of the simulated network share. */
#ifndef SKERRY_SIMNET_IMPL_H
#define SKERRY_SIMNET_IMPL_H

#include "simnet.h"

#define SIM_QUEUE_BYTES (1U << 20)

enum sim_kind {
	SIM_STEP, /* a core event for a node */
	SIM_CONNECT, /* a dial arrives */
	SIM_BYTES, /* bytes arrive at an end */
	SIM_FIN, /* the other end's close arrives */
	SIM_DATAGRAM,
	SIM_PUMP, /* try again to send what an end has queued */
	SIM_HANDSHAKE_LATE, /* connect and handshake took too long */
};

struct sim_event {
	uint64_t at_ns, order;
	enum sim_kind kind;
	int node; /* -1: none */
	uint64_t boot; /* of that node; else it is stale */
	struct sim_end *end;
	struct core_event event;
	uint8_t *bytes; /* owned */
	size_t size_bytes;
	struct skerry_addr from, to;
	int from_node;
};

/* One end of a connection. Freed with the network. */
struct sim_end {
	struct sim_end *next, *peer;
	struct simnet *net;
	int node;
	uint64_t boot, lane;
	bool dialler, open, closing, drained, told_down, up;
	struct skerry_addr remote;
	struct lanefsm *fsm;
	struct lane_queue queue;
	uint8_t *details;
	size_t detail_bytes;
	uint8_t *input; /* not consumed yet */
	size_t input_bytes;
	uint64_t arrives_ns; /* of the last bytes sent: order is kept */
	bool pump_planned;
};

struct sim_event *sim_push(struct simnet *net, uint64_t at_ns,
			   enum sim_kind kind, int node);
uint64_t sim_delay(struct simnet *net);
bool sim_passes(struct simnet *net, int from, int to, bool partition_port);
void sim_step(struct sim_node *node, struct core_event *event);
struct sim_node *sim_at(struct simnet *net, const struct skerry_addr *addr);
struct sim_node *sim_named(struct simnet *net, const char *name);

/* A keyed hash in place of HMAC: no secret is at stake. */
extern const struct core_hmac sim_hmac;

/* Lanes (simnet_lane.c). */
void sim_dial(struct sim_node *node, const struct core_op *op);
void sim_connect(struct simnet *net, struct sim_event *event);
void sim_bytes(struct simnet *net, struct sim_event *event);
void sim_fin(struct simnet *net, struct sim_end *end);
void sim_pump(struct simnet *net, struct sim_end *end);
void sim_late(struct simnet *net, struct sim_end *end);
struct sim_end *sim_end_of(struct sim_node *node, uint64_t lane);
void sim_close(struct sim_end *end, bool tell_peer);
void sim_lane_op(struct sim_node *node, const struct core_op *op);
void sim_ends_free(struct simnet *net);

#endif
