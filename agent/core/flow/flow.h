/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * flow.h - the data plane: every flow of this agent, outgoing and incoming.
 * Numbers, credit, resume with exact loss. Called by the driver for each
 * ring record and each lane frame; free of system calls and deterministic.
 *
 * CREDIT. A flow's sender may send up to a granted position. The receiving
 * side grants out of the free space of the receiving program's ring, never
 * more in total than is free; the sending side shows the library
 *     min(receiver's grant, its share of the lane's queue)
 * so a record that a library may write always fits into the lane's queue
 * and into the far ring: nothing waits in between, nothing is refused late.
 * Costs are SKERRY_COST(record length) of DATA records, the same in rings
 * and on lanes; no other record costs anything.
 *
 * LIFE of an outgoing flow, as its slot shows it: OPENING (no lane yet, or
 * FLOW_OPEN is under way) - OPEN - DOWN (lane lost; opened again by itself
 * when a lane comes; OPENING again when there is one already) - CLOSED
 * (refused, or the peer is gone). ops->opened is called once: with an error
 * the slot is free already and there is nothing to close; with 0 the slot is
 * the library's until it closes it, whatever the agent shows in it.
 *
 * What a library does with slots and records, and what it may rely on, is in
 * ring.h, OUTGOING FLOWS and RECEIVING: one that does otherwise is detached.
 *
 * BETWEEN AGENTS. frame.flow is made by the flow's sender: low 16 bits an
 * index, high 16 bits a generation that makes a reused index distinct; the
 * receiver gives the whole back. Payload TLVs:
 *   FLOW_OPEN(sequence = next number): program, flow_id, endpoint,
 *     want_bytes, from_sequence (all below is known to have arrived or was
 *     reported; 0: not known); on a fast channel, through the membership
 *     lane, also channel and fast_source. A receiver that does not remember
 *     the flow takes it only when from_sequence is the next number, else
 *     refuses with -ECONNRESET: so what it remembers is complete
 *     The sender of a monitor that was open gives 0: another program that
 *     has the endpoint by now is none it knows
 *   FLOW_REFUSE(sequence = next expected, 0: not known): error, reason
 *   RESUME(sequence = next expected): receiver_features (0 when absent);
 *     fast_id and slot on a fast channel
 *   CREDIT WANT, GRANT: total_bytes as extension: a large message is asked
 *     for, is allowed
 *   ACK(sequence): everything below is delivered; sent beside grants
 * REVOKE makes every WANT before the KEPT void. KEPT = bytes sent. A frame of
 * a flow that is not known (any more) is late: dropped and counted.
 *
 * A flow to this node itself has no lane: both ends meet in here.
 */
#ifndef SKERRY_FLOW_H
#define SKERRY_FLOW_H

#include "core.h"
#include "skerry/ring.h"
#include "skerry/wire.h"

struct flowtab;

/*
 * What the flow table asks of its owner. All bytes are borrowed. None of
 * these may call back into the flow table, but revoke, which calls
 * flow_record(). What goes wrong there (a program that lies) must wait until
 * the flow table has returned.
 */
struct flow_ops {
	/*
	 * Publish a slot to its program: all fields but pad, `epoch` last
	 * (release); when nothing but `granted` differs storing that is
	 * enough. Wake the program if it waits.
	 */
	void (*slot)(void *data, uint32_t program, uint32_t slot,
		     const struct skerry_flow_slot *value);
	/*
	 * Revoke: lower `granted` to `position`, fence, and see whether the
	 * library is busy. 0: not busy, and after that all records published
	 * in the message ring of that slot's channel have been given to
	 * flow_record(), so no other will rely on the old value; -EAGAIN:
	 * busy, ask again later.
	 */
	int (*revoke)(void *data, uint32_t program, uint32_t slot,
		      uint64_t position);
	/*
	 * Write a record into the program's message ring of that channel.
	 * There is room: it was granted. -ENOTCONN: the program is gone.
	 */
	int (*deliver)(void *data, uint32_t program, uint32_t channel,
		       const struct skerry_frame *record,
		       struct core_bytes extensions, struct core_bytes payload);
	/*
	 * Free bytes in that ring now (0: no such program). A program that
	 * has no rings of that channel yet gets them, and the offer, now.
	 * Nothing but deliver() may write DATA, INFLOW.. records there.
	 */
	uint64_t (*ring_room)(void *data, uint32_t program, uint32_t channel);
	/* Tell the program to ask for attention when it frees ring space or
	 * reassembly memory; flow_ring_space() then. */
	void (*want_space)(void *data, uint32_t program, uint32_t channel);
	/* Reassembly memory the program has given back, in all. */
	uint64_t (*reassembly_freed)(void *data, uint32_t program);
	/* Queue a frame on a lane. -ENOBUFS, -ENOTCONN. */
	int (*send)(void *data, uint64_t lane, const struct skerry_frame *frame,
		    struct core_bytes extensions, struct core_bytes payload);
	/* Bytes waiting in that lane's queue. */
	uint64_t (*queued)(void *data, uint64_t lane);
	/*
	 * Fast channels, receiving side: a fast lane was agreed on; make the
	 * program's socket (if it has none) and tell the kernel. Returns 0
	 * and the inflow is reachable, or -errno for the refusal.
	 */
	int (*fast_open)(void *data, uint64_t fast_id, uint32_t program,
			 uint32_t channel, uint32_t inflow, uint32_t peer,
			 const struct skerry_addr *sender);
	void (*fast_close)(void *data, uint64_t fast_id);
	/* An unpredictable number (fast-lane ids). */
	uint64_t (*random)(void *data);
	/*
	 * A flow the library asked for is settled: error 0 (fast_id and
	 * fast_target set on a fast channel) or -errno with a sentence.
	 */
	void (*opened)(void *data, uint32_t program, uint32_t correlation,
		       uint32_t slot, int error, const char *text,
		       uint64_t fast_id, uint32_t fast_inflow);
	/* A peer's name, or this node's for FLOW_PEER_SELF; NULL: unknown. */
	const char *(*peer_name)(void *data, uint32_t peer);
	/* Channels travel by name. channel_find: the index here of a channel
	 * with transport = datagram, or -ENOENT. */
	const char *(*channel_name)(void *data, uint8_t channel);
	int (*channel_find)(void *data, const char *name);
};

struct flow_limits {
	uint32_t flows_max; /* each way */
	uint32_t programs_max;
	uint32_t endpoints_max;
	uint32_t lanes_max; /* lanes, all peers */
	/* What flows may fill of a lane's queue. What else the owner queues
	 * there needs room of its own on top of this. */
	uint64_t lane_queue_bytes;
	uint64_t credit_bytes; /* most for one flow */
	uint64_t ring_bytes;
};

/*
 * The memory must be zero; it is the caller's, aligned to 64, and is only
 * touched as flows come (so give it fresh from mmap). flows_max is at most
 * 65,536. Nothing to free.
 */
size_t flowtab_size(const struct flow_limits *limits);
struct flowtab *flowtab_init(void *memory, const struct flow_limits *limits,
			     const struct flow_ops *ops, void *ops_data);

/* ---- routes, from OP_ROUTE and OP_PEER -------------------------------- */

/*
 * `lane` carries (peer, channel, index) from now on; flows of that place
 * are opened on it. parallelism: lanes agreed for (peer, channel).
 */
int flow_route(struct flowtab *tab, uint32_t peer, uint64_t peer_incarnation,
	       uint8_t channel, uint8_t index, uint8_t parallelism,
	       uint64_t lane, uint64_t now_ns);
/*
 * The lane is being drained, by us or by the peer: nothing more is to go
 * there. Its flows show no credit until the lane is gone and another has its
 * place. (A route that is given to another lane says the same of the old
 * one.) Call it before lanefsm_drain(), so that what programs have written
 * goes out first.
 */
void flow_lane_drain(struct flowtab *tab, uint64_t lane, uint64_t now_ns);
/* The lane is dead: its flows are DOWN (-ENOTCONN) until a route comes;
 * what was received on it stays valid. */
void flow_lane_gone(struct flowtab *tab, uint64_t lane, uint64_t now_ns);
/*
 * The peer is no member any more: flows to it end, what is unknown is shown
 * as uncertain. NOT for a peer that is merely down or came back as another
 * incarnation under the same number: there flows go on when a route comes,
 * and programs learn exactly what was lost.
 */
void flow_peer_gone(struct flowtab *tab, uint32_t peer, int error,
		    uint64_t now_ns);
/* The lane's queue became shorter: more credit can be shown. Call it after
 * each write to a socket; it costs nothing when nobody waits. */
void flow_lane_writable(struct flowtab *tab, uint64_t lane, uint64_t now_ns);

/* ---- programs --------------------------------------------------------- */

/* instance: the library's random id. */
int flow_program(struct flowtab *tab, uint32_t program,
		 const uint8_t instance[16]);
/* What its library understands (SKERRY_RECEIVES_*): told to whoever sends to
 * it. Before its endpoints are registered. */
void flow_program_receives(struct flowtab *tab, uint32_t program,
			   uint32_t receives);
/* Whose it is: programs of one owner have no more than half of each table
 * together, but those of owner 0 what there is. Until called it is 0. */
void flow_program_owner(struct flowtab *tab, uint32_t program, uint32_t owner);
/* Its endpoints, flows and inflows end; senders are told. */
void flow_program_gone(struct flowtab *tab, uint32_t program, uint64_t now_ns);
/* -EADDRINUSE; -ENOSPC: there is no place for more, or the program or its
 * owner has its share (limits.h). One that begins with '#' is the program's own, one
 * for each, and has its place in any case. */
int flow_endpoint(struct flowtab *tab, uint32_t program, const char *endpoint,
		  uint64_t now_ns);
int flow_endpoint_gone(struct flowtab *tab, uint32_t program,
		       const char *endpoint, uint64_t now_ns);
/* The program attached again and knows this inflow up to next_sequence.
 * Before the program's endpoints are registered. -ENOSPC, -EINVAL. */
int flow_frontier(struct flowtab *tab, uint32_t program,
		  const uint8_t sender_instance[16], uint64_t flow_id,
		  uint64_t next_sequence, uint64_t now_ns);

/*
 * That channel is monotonic: of each flow one record at most is in the
 * receiving ring unread, or on its way there. So what a slow reader gets is
 * fresh, and who sends keeps newer values to itself.
 */
void flow_channel_monotonic(struct flowtab *tab, uint8_t channel);

#define FLOW_PEER_SELF CORE_PEER_SELF

struct flow_open {
	uint32_t program;
	uint32_t correlation; /* given back in ops->opened */
	uint64_t flow_id; /* the library's */
	uint32_t peer; /* or FLOW_PEER_SELF */
	uint8_t channel;
	bool datagram; /* the channel is a fast one */
	bool keyed;
	/* Begin with lane key mod parallelism, but if that is down with the
	 * next one that is up; from then on as ever. */
	bool any_lane;
	uint64_t partition_key;
	const char *endpoint;
	uint64_t next_sequence;
	struct skerry_addr fast_source; /* the program's own socket */
	/* To this node itself: who it is said to come from; NULL: this node. */
	const char *source;
	/*
	 * It carries nothing and only shows how long its receiver lives: no
	 * credit is asked for, and a receiver that does not remember it once
	 * it was open (monitored: by an earlier FLOW_OPEN) is another one.
	 */
	bool monitor, monitored;
};
/*
 * Reserve a slot; it becomes OPEN by and by (ops->slot, ops->opened tell).
 * 0 and the slot (set before ops->opened is called, which may be before this
 * returns), -ENOSPC, -EINVAL. The lane: key mod parallelism, or
 * hash(instance, endpoint) mod parallelism.
 */
int flow_open(struct flowtab *tab, const struct flow_open *open,
	      uint64_t now_ns, uint32_t *ret_slot);
/* The command FLOW_CLOSE; calls ops->revoke so that what the library wrote
 * before goes out first. -ENOENT: no such slot. */
int flow_close(struct flowtab *tab, uint32_t program, uint32_t slot,
	       uint64_t now_ns);

/*
 * A record the program wrote into its message ring of `channel`: DATA, WANT,
 * SYNC or CLOSE, already bounded to the ring (frame.length bytes are there,
 * header_length <= length). -EPROTO with a sentence in *ret_why: the program
 * lies and must be detached.
 */
int flow_record(struct flowtab *tab, uint32_t program, uint32_t channel,
		const struct skerry_frame *record, struct core_bytes extensions,
		struct core_bytes payload, uint64_t now_ns,
		const char **ret_why);
/* The program freed ring space (or reassembly memory) on that channel. */
void flow_ring_space(struct flowtab *tab, uint32_t program, uint32_t channel,
		     uint64_t now_ns);

/* ---- lanes ------------------------------------------------------------ */

/*
 * A frame of types 0x10..0x17 from a lane that has a route (peer, channel).
 * -EPROTO: malformed, close the lane; what is merely unknown or late is
 * dropped and counted.
 */
int flow_frame(struct flowtab *tab, uint64_t lane, uint32_t peer,
	       uint8_t channel, const struct skerry_frame *frame,
	       struct core_bytes extensions, struct core_bytes payload,
	       uint64_t now_ns, const char **ret_why);

/* A fast datagram that the kernel left to the agent: deliver it through the
 * ring if there is room, else drop and count. */
int flow_fast(struct flowtab *tab, uint64_t fast_id, uint64_t sequence,
	      uint16_t flags, const struct skerry_addr *sender,
	      struct core_bytes payload, uint64_t now_ns);

/* ---- time and tables -------------------------------------------------- */

/* Revoke idle grants, expire waiting opens and kept frontiers. Returns when
 * to call again (UINT64_MAX: no need); every other call can bring that
 * nearer, so look at flow_wake() before sleeping. */
uint64_t flow_tick(struct flowtab *tab, uint64_t now_ns);
uint64_t flow_wake(const struct flowtab *tab);

struct flow_counters {
	uint64_t sent_messages, received_messages;
	uint64_t lost_reported, refused, late_frames, fast_dropped;
	uint32_t flows_out, flows_in, endpoints;
};
void flow_counters(const struct flowtab *tab, struct flow_counters *ret);
/* Rows for "endpoints": endpoint, program (its instance), received_messages,
 * count (flows to it). Called once a row with TLVs. */
typedef void flow_row_fn(void *data, const void *row, size_t size_bytes);
void flow_endpoints(const struct flowtab *tab, flow_row_fn *function,
		    void *data);

#endif
