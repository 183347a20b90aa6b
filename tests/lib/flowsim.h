/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flowsim.h - a few nodes with a real flow table each, joined by lanes in
 * memory with random delay and death, and programs whose library is a model
 * that follows the rules of ring.h and keeps a ledger of every message.
 *
 * The first rule that anybody breaks is kept as a sentence in world->wrong.
 */
#ifndef FLOWSIM_H
#define FLOWSIM_H

#include "flow/flow.h"
#include "rng.h"

#define FS_NODES 3
#define FS_PROGRAMS 3
#define FS_CHANNELS 2
#define FS_LANES 64
#define FS_FLOWS 24 /* a program's */
#define FS_INFLOWS 64
#define FS_LEDGERS 4096
#define FS_RING_BYTES (1U << 20)
#define FS_QUEUE_BYTES (1U << 20)
#define FS_MS 1000000ULL
#define FS_HOSTILE UINT64_MAX /* a ledger that is none */

struct fs_item { /* a frame or a record */
	struct fs_item *next;
	struct skerry_frame frame;
	size_t extension_bytes;
	size_t payload_bytes;
	uint8_t bytes[];
};

struct fs_queue {
	struct fs_item *head, *tail;
	uint64_t cost_bytes; /* of a ring: rounded up */
	uint64_t wire_bytes;
	uint32_t count;
};

/* What became of each message of one flow, for the flow's life. */
enum fs_fate {
	FS_UNSENT,
	FS_SENT,
	FS_DELIVERED,
	FS_LOST,
	FS_UNCERTAIN,
};

struct fs_ledger {
	uint8_t *fate; /* by number */
	uint32_t room;
	uint64_t last_delivered;
	uint64_t partial; /* number under way at the receiver, 0 none */
	uint64_t partial_bytes;
};

struct fs_flow { /* of a sending library */
	bool used;
	bool opening;
	bool open; /* has a slot */
	uint32_t slot;
	uint32_t ledger;
	uint64_t flow_id;
	uint32_t peer; /* node, or FLOW_PEER_SELF */
	uint32_t target; /* program's place there: endpoint "node.place" */
	uint8_t channel;
	uint32_t epoch;
	bool epoch_known;
	uint64_t settled; /* reported up to here */
	uint64_t next;
	uint64_t count;
	uint64_t wanted;
	uint64_t granted_seen;
	bool large_asked;
	uint64_t large_total; /* of the message chosen or under way */
	uint64_t large_sent;
	uint64_t retry_ns;
	uint64_t sent_messages;
};

struct fs_inflow {
	bool used;
	bool fast; /* numbers may be missing */
	uint8_t channel;
	uint8_t instance[16];
	uint64_t flow_id;
	uint64_t expected;
	bool partial;
	uint64_t partial_total;
};

struct fs_program {
	bool alive;
	bool stopped; /* SIGSTOP */
	bool lazy; /* does not take its messages */
	bool quiet; /* does not send */
	bool deaf; /* its library is not ours: no look at slots */
	bool busy;
	uint32_t place;
	uint8_t instance[16];
	struct fs_node *node;
	struct fs_flow flows[FS_FLOWS];
	struct skerry_flow_slot slots[SKERRY_FLOWS_PER_PROGRAM_MAX];
	struct fs_queue to_agent[FS_CHANNELS];
	struct fs_queue to_program[FS_CHANNELS];
	struct fs_inflow inflows[SKERRY_FLOWS_PER_PROGRAM_MAX];
	struct fs_item *pending; /* checked inside busy, not yet written */
	uint8_t pending_channel;
	bool wants_space[FS_CHANNELS];
	uint64_t freed_bytes;
	uint64_t received_messages;
};

struct fs_node {
	bool alive;
	uint32_t number;
	struct fs_world *world;
	void *memory;
	size_t memory_bytes;
	struct flowtab *tab;
	struct fs_program programs[FS_PROGRAMS];
	bool in_table;
};

struct fs_lane {
	bool used;
	bool cut; /* nothing gets through any more */
	bool draining;
	uint64_t id;
	uint32_t ends[2];
	uint8_t channel, index;
	bool gone[2]; /* that end knows */
	struct fs_queue queue[2], wire[2]; /* from that end */
};

struct fs_world {
	struct rng rng;
	uint64_t now_ns;
	uint64_t next_lane, next_flow_id, next_instance;
	uint8_t parallelism;
	bool large_messages;
	bool gives_up; /* large messages under way in an old epoch */
	bool interrupts; /* programs stop in the middle of a busy section */
	bool gentle; /* a flow that has sent a message sends no more */
	struct fs_node nodes[FS_NODES];
	struct fs_lane lanes[FS_LANES];
	struct fs_ledger ledgers[FS_LEDGERS];
	uint32_t ledger_count;
	uint64_t hostile_lane;
	struct fs_queue hostile_queue; /* what it was sent, the last 64 */
	uint64_t delivered, lost, uncertain, closed, opened;
	int fast_channel; /* -1: none */
	uint64_t fast_open, fast_closed; /* fast ids, the last ones */
	uint64_t hostile_delivered; /* messages stamped FS_HOSTILE */
	struct {
		uint32_t count;
		int error;
		uint32_t slot;
		uint64_t fast_id;
		uint32_t inflow;
	} answer; /* the last, of a correlation of FS_FLOWS or more */
	char wrong[256]; /* "" as long as all is well */
};

extern const struct flow_limits fs_limits;
extern const struct flow_ops fs_ops;

struct fs_world *fs_new(uint64_t seed);
void fs_free(struct fs_world *world);
/* No program sends by itself any more, and the first ten seconds, when unknown
 * endpoints wait, are over. */
void fs_settle(struct fs_world *world);
void fs_wrong(struct fs_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* True with a chance of one in `n`. */
bool fs_chance(struct fs_world *world, uint64_t n);

void fs_node_start(struct fs_node *node);
/* SIGKILL of the agent and its restart: libraries attach again. */
void fs_node_restart(struct fs_node *node);
void fs_program_start(struct fs_program *program);
void fs_program_kill(struct fs_program *program);

/* A lane with routes at both ends, in the place of another perhaps. */
struct fs_lane *fs_lane_up(struct fs_world *world, uint32_t a, uint32_t b,
			   uint8_t channel, uint8_t index);
struct fs_lane *fs_lane_find(struct fs_world *world, uint32_t a, uint32_t b,
			     uint8_t channel, uint8_t index);
/* Both ends will notice, each in its own time. */
void fs_lane_cut(struct fs_lane *lane);
/* Replace it and drain the old one: nothing may be lost. */
void fs_lane_move(struct fs_world *world, struct fs_lane *lane);

/* Move bytes, run agents and programs, let `ns` go by at most. */
void fs_step(struct fs_world *world);
void fs_steps(struct fs_world *world, uint32_t count);
void fs_agents(struct fs_world *world, uint64_t now_ns);
/* A lane of node 0 with nobody but the test at its other end. */
void fs_lane_hostile(struct fs_world *world, uint64_t id, bool up);
/* Lanes for every pair that has none. */
void fs_lanes_mend(struct fs_world *world);

/* ---- the model library (flowsim_lib.c) ------------------------------------- */

struct fs_flow *fs_flow_open(struct fs_program *program, uint32_t peer,
			     uint32_t target, uint8_t channel);
void fs_flow_opened(struct fs_program *program, uint32_t correlation,
		    uint32_t slot, int error);
void fs_flow_close(struct fs_program *program, struct fs_flow *flow);
/* Look at the slot and do what it asks for. */
void fs_flow_look(struct fs_program *program, struct fs_flow *flow);
/* Try to write one message, or the next fragment. 0, -EAGAIN. */
int fs_flow_send(struct fs_program *program, struct fs_flow *flow,
		 size_t payload_bytes);
/* Take up to `count` records out of each ring. */
void fs_program_take(struct fs_program *program, uint32_t count);
void fs_program_again(struct fs_program *program);
void fs_program_step(struct fs_program *program);
void fs_program_forget(struct fs_program *program);

struct fs_item *fs_item_new(const struct skerry_frame *frame,
			    struct core_bytes extensions,
			    struct core_bytes payload);
void fs_put(struct fs_queue *queue, struct fs_item *item);
struct fs_item *fs_get(struct fs_queue *queue);
void fs_drop(struct fs_queue *queue);

/* A message counts when its last byte is in the ring. */
void fs_ledger_delivered(struct fs_world *world,
			 const struct skerry_frame *record,
			 struct core_bytes extensions,
			 struct core_bytes payload);
uint32_t fs_ledger_new(struct fs_world *world);

#endif
