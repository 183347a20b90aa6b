/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * lane.h - the TCP end of lanes: sockets, queues and buffers around a
 * lanefsm. Nothing here knows what a frame means: frames go up to
 * driver_lane_*(), and what the core or the flow table wants said comes
 * down through lane_send() and lane_write().
 *
 * Life: dialling - connected - ended. An ended lane stays until
 * lanes_settle(), so that nobody up the stack loses the ground under it; it
 * ends in one EV_DIAL_FAILED or EV_LANE_DOWN.
 */
#ifndef SKERRY_LANE_H
#define SKERRY_LANE_H

#include <uv.h>

#include "core/event.h"
#include "core/lane/lanefsm.h"

struct agent;
struct lane_poll;

enum lane_state {
	LANE_DIALLING,
	LANE_CONNECTED,
	LANE_ENDED,
};

struct lane {
	struct agent *agent;
	struct lane *hash_next;
	struct lane *next, *prev;
	struct lane *dirty_next, *readable_next, *ended_next;
	uint64_t id;
	enum lane_state state;
	bool accepted;
	bool dirty; /* in a list of lanes to write */
	bool readable; /* in a list of lanes to read */
	uint8_t level; /* which of these lists: more is more urgent */
	bool writable; /* the socket took all it was given last time */
	bool blocked; /* EV_LANE_BLOCKED was given */
	bool proving; /* the peer has not proved itself yet */
	bool drained, peer_draining;
	bool abort; /* close without a word */
	bool refused; /* by the core, which has said so */
	int fd;
	int events; /* polled for */
	struct lane_poll *poll;
	struct skerry_addr local, remote;
	uint64_t deadline_ns; /* dial, handshake or drain; 0: none */
	uint64_t stalled_ns; /* since when nothing could be written; 0 */
	uint64_t heard_ns; /* last EV_HEARD */

	/* Dialling. */
	struct skerry_addr addresses[SKERRY_ADDRS_MAX];
	uint32_t address_count, address_next;
	uint64_t dial_end_ns;

	/* From OP_ROUTE. */
	bool routed;
	uint32_t peer;
	uint8_t channel, index;
	uint64_t generation;

	struct lanefsm *fsm;
	struct lane_queue queue;
	size_t queue_touched; /* most ever in it since given back */
	uint8_t *rx; /* RX_BYTES, touched as needed */
	size_t rx_start, rx_end, rx_touched;
	uint64_t sent_bytes, received_bytes;
	uint64_t seen_bytes; /* both, at the last look */
	uint32_t round_trip_us, retransmits;
	bool told_kernel; /* it is in skerry_conns */

	/* How it ended. */
	enum lane_end end;
	int error;
	uint64_t generation_seen;
	char text[128];
};

#define LANES_HASH 1024U
/* Priorities of channels, and above them all membership and handshakes. */
#define LANE_LEVELS 9U
#define LANE_LEVEL_CONTROL 8U
#define LANES_LISTEN_MAX SKERRY_ADDRS_MAX

struct lanes_listener {
	struct agent *agent;
	uv_poll_t poll;
	int fd;
};

struct lanes {
	struct lane *hash[LANES_HASH];
	struct lane *first; /* all of them */
	struct lane *dirty_levels[LANE_LEVELS];
	struct lane *readable_levels[LANE_LEVELS];
	uint32_t dirty; /* how many are */
	struct lane *ended;
	struct lane *last_found;
	uint32_t count, proving;
	uint64_t next_accepted; /* odd ids */
	uint64_t tick_at_ns, second_at_ns;
	struct lanes_listener listeners[LANES_LISTEN_MAX];
	uint32_t listener_count;
	int spare_fd; /* to accept and close when descriptors run out */
	uint64_t garbage, refused; /* strangers turned away */
};

/* lane_listen.c: listen at port_base; -errno with a sentence in text. */
int lanes_open(struct agent *agent, char text[256]);
/* No new ones. */
void lanes_unlisten(struct agent *agent);
void lanes_close(struct agent *agent);

/* lane.c */
struct lane *lane_find(struct lanes *lanes, uint64_t id);
struct lane *lane_new(struct agent *agent, uint64_t id, bool accepted,
		      struct core_bytes details);
void lane_admit(struct agent *agent, uint64_t id, struct core_bytes details);
void lane_refuse(struct agent *agent, uint64_t id, int error, const char *text);
void lane_duplicate(struct agent *agent, uint64_t id, uint64_t generation);
void lane_close(struct agent *agent, uint64_t id, bool drain, const char *text);
/* A frame of the control plane. A lane that has no room for it ends. */
void lane_send(struct agent *agent, uint64_t id, uint8_t type,
	       uint64_t sequence, struct core_bytes payload);
/* The owner found a frame unacceptable. */
void lane_reject(struct lane *lane, int error, const char *text);
/* No more than once; later calls change nothing. */
void lane_end(struct lane *lane, enum lane_end end, int error,
	      uint64_t generation_seen, const char *text);
void lane_deadline(struct lane *lane, uint64_t at_ns);
void lane_connected(struct lane *lane);
const char *lane_channel_name(const struct lane *lane);
/* Carry ended lanes to their end. True when there was one. */
bool lanes_settle(struct agent *agent);
/* lane_tick.c: time-outs, round trips, memory given back. */
void lanes_tick(struct agent *agent, uint64_t now_ns);
void lanes_cuts_changed(struct agent *agent);
/* The node ends: every lane is drained, which takes 2 s at most. */
void lanes_drain(struct agent *agent);

/* OP_ROUTE said what it carries: so urgent it is from here on. */
void lane_routed(struct lane *lane);

/* lane_io.c */
void lane_poll_open(struct lane *lane);
void lane_poll_close(struct lane *lane);
/* Poll for what this lane waits for now. */
void lane_interest(struct lane *lane);
void lane_mark_dirty(struct lane *lane);
/* A frame was queued: into the ledger of the cuts that hold it back. */
void lane_count_held(struct lane *lane, size_t size_bytes);
/* Those that have something, the most urgent first; some of each. */
void lanes_read(struct agent *agent);
/* Take it out of both lists. */
void lane_unlist(struct lane *lane);
/* A frame of the data plane: -ENOBUFS, -ENOTCONN. A large payload goes to
 * the socket from where it lies. */
int lane_write(struct lane *lane, const struct skerry_frame *frame,
	       struct core_bytes extensions, struct core_bytes payload);
void lane_flush(struct lane *lane);
void lanes_flush(struct agent *agent);
void lane_buffers_free(struct lane *lane);
int lane_buffers_open(struct lane *lane);
void lane_buffers_give_back(struct lane *lane);

/* lane_dial.c */
void lane_dial(struct agent *agent, const struct core_op *op);
void lane_dial_next(struct lane *lane);
void lane_dial_ready(struct lane *lane);
int lane_set_options(int fd);

#endif
