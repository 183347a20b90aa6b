/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * ring.h - what a program and the agent on its host say to each other: the
 * attach exchange on a Unix seqpacket socket, the control mapping, and the
 * byte rings. libskerry is one user of this file; anything that follows it
 * is a program. Who breaks a rule is detached, with a sentence why; nobody
 * else notices.
 *
 * ATTACHING. Connect to RUN_DIR/NAME/api.sock (SOCK_SEQPACKET), send one
 *   struct skerry_attach at once and nothing ever after (who has sent none
 *   is closed after 5 s, or when others want its place: limits.h), receive one
 *   struct skerry_attached. The attachment lasts as long as the socket: when
 *   the program closes it, what is published in its rings is taken still;
 *   when the agent closes it, a DETACH record may say why, and the rings can
 *   be read to their tails. The instance names the program to its peers, in
 *   this attachment and in later ones of the same handle.
 * MAPPINGS are sealed memfds (F_SEAL_SHRINK|GROW|SEAL), mapped read-write by
 *   both sides. A record lies contiguous in the ring seen as a circle: map
 *   its data twice in a row, and it is contiguous in memory. Neither side
 *   believes what it has not bounded: read places and sizes once, and keep
 *   one's own position to oneself.
 * RECORDS begin with struct skerry_frame (wire.h), at a multiple of 8 bytes,
 *   and cost SKERRY_COST(length) of the ring. Publish by moving the tail
 *   past whole records; records are read in order. Flags, flow, correlation
 *   and sequence are zero where nothing is said of them. Records but DATA
 *   carry their TLVs in the payload, with one exception: total_bytes.
 *   Unknown types are passed over by the program, never by the agent.
 * SLEEPING. See agent_sleeps below. All flags lie in the control mapping, and
 *   stand for all rings of the attachment.
 * CHANNELS. The command CHANNEL, a FLOW_OPEN on a stream channel, and the
 *   first flow of others to an endpoint of the program on a channel make the
 *   agent send a struct skerry_offer with that channel's rings, once, and an
 *   OFFER record in the control ring. Flows either way on a fast channel
 *   bring its UDP socket too, once; see FAST CHANNELS.
 *
 * OUTGOING FLOWS. FLOW_OPEN answers with a slot: the agent shows the state of
 * the flow in slots[slot], the library writes into the to_agent ring of the
 * flow's channel. A slot is OPENING - OPEN - DOWN (lane lost; opened again by
 * itself when a lane comes) - CLOSED (refused, or the peer is gone).
 *
 * Positions. The library counts the cost of every DATA record it ever wrote
 *   to this flow, thrown away or not, from 0 at FLOW_OPEN. A DATA record may
 *   be written while the slot is OPEN, its correlation is the slot's epoch,
 *   and the count after it is at most slot.granted; slot, epoch and granted
 *   are looked at inside the busy section (below). slot.base is only shown
 *   for people: granted is absolute, nothing needs to be added to it.
 * Numbers. Messages are numbered from 1 on, one after the other; each
 *   fragment of a message has the message's number.
 * Epochs. The first epoch of a slot is 1 or more: a slot used a second time
 *   goes on counting, so "another epoch than I know" is the only test. Seen
 *   another epoch with state OPEN, the library compares `expected` with its
 *   next number: everything in [expected, next) is lost, exactly; then it
 *   writes SYNC(correlation = epoch, sequence = next number) at once, also
 *   when it has nothing to send, and forgets its outstanding WANT. It may
 *   take the next number back to `expected` and send what it still has a
 *   second time (a large message that was under way, say). SYNC may be left
 *   out when this is the first epoch of the flow and expected is its next
 *   number. Before the SYNC no credit is shown in that epoch, and a DATA
 *   record is an error. A message that was begun and not finished when the
 *   epoch changed is one of the lost.
 * Old epochs. Records that were written with an older epoch, or when the
 *   slot was no longer OPEN, are thrown away by the agent, silently: the
 *   next epoch's `expected` (or CLOSED) covers them.
 * WANT(correlation = epoch, sequence = position): written when the credit
 *   does not cover the next record, and ahead of time when less than half of
 *   SKERRY_FLOW_CREDIT_BYTES is left, with position = count +
 *   SKERRY_FLOW_CREDIT_BYTES. It stays in force until granted reaches it;
 *   what is granted may be less, but always a whole record or fragment
 *   (SKERRY_FRAME_MAX_BYTES). When granted is seen LOWER than before, credit
 *   was taken back and every WANT before that is void: write it again when
 *   something is to be sent.
 * Whole messages carry 0 .. SKERRY_FRAGMENT_BYTES.
 * Extensions of a message (wire.h, DATA) stand on its only or first record,
 *   up to SKERRY_MESSAGE_EXT_MAX_BYTES and total_bytes; they count towards
 *   the record's cost, and reach the other program's ring as they are.
 * Large messages (more than that, up to SKERRY_MESSAGE_MAX_BYTES): the
 *   library writes WANT with the extension total_bytes (the payload bytes of
 *   the whole message) and then no DATA to this flow before slot.large ==
 *   the message's number (read inside the busy section, with granted). The
 *   first fragment has flag MORE and the same extension total_bytes (once,
 *   not critical), the
 *   others flag CONT, all but the last MORE; each payload is 1 ..
 *   SKERRY_FRAGMENT_BYTES, their sum is the total. While it goes on, plain
 *   WANTs ask for credit. Seen a lower granted, the library writes the WANT
 *   with the total again, as any other. A library that gives the message up
 *   after that WANT closes the flow: what was allowed is for that total
 *   alone.
 * Compression (wire.h, PACKED) and other critical extensions: only if
 *   slot.receives has their bit, looked at with the epoch.
 * Monotonic channels (SKERRY_CHANNEL_MONOTONIC in the offer): no credit is
 *   given unasked for, and of one flow the next message's only when the
 *   program has moved its head past the one before. So the library asks for
 *   one record at a time, keeps what is newer meanwhile, and sees in
 *   slot.arrived when the last has come.
 * CLOSED. [slot.expected, next number) did not arrive; with flag
 *   SKERRY_SLOT_UNCERTAIN (the peer is gone, or forgot) some of it may have.
 *   The library writes CLOSE. It may open a new flow with a new flow_id from
 *   number 1; or, to learn exactly what arrived at a peer that came back,
 *   the same flow_id with its next number: `expected` then tells.
 * CLOSE goes through the message ring, behind the flow's DATA; after it the
 *   slot is not the library's any more. The command FLOW_CLOSE is for flows
 *   of a fast channel, which have no DATA in a ring.
 * After the agent restarted: attach with SKERRY_ATTACH_AGAIN; FRONTIERs
 *   first, then REGISTER, then flows with FLOW_OPEN (same flow_id,
 *   next_sequence = next number). An answer -ECONNRESET to that: the receiver
 *   does not know the flow any more, what is not known to have arrived is
 *   uncertain; open with a new flow_id.
 *
 * Monitors. FLOW_OPEN with the field monitor is for a flow that carries
 *   nothing and shows how long its receiver lives: 1 for a new one, 2 when it
 *   was open before the agent restarted. It is CLOSED with -ENOENT when the
 *   endpoint is given up, with -ECONNRESET when its program is gone; DOWN
 *   alone says nothing. One that was open is never taken by another program.
 * OWN ENDPOINT. Every program has an endpoint '#' + instance (32 digits of
 *   lower case), from its attaching on; after SKERRY_ATTACH_AGAIN from its
 *   own REGISTER on, which comes after the FRONTIERs. No other name begins
 *   with '#'.
 * REQUESTS. The extension call, with a number that nobody can guess, makes a
 *   message a request. Its answer goes to the own endpoint of the program
 *   that INFLOW names, on the same channel, with the extension reply
 *   (critical) and that number, and reply_error (an errno, critical) when it
 *   is a refusal. Who gets one that it did not ask for drops it.
 *
 * RECEIVING. INFLOW announces a number (< SKERRY_FLOWS_PER_PROGRAM_MAX, the
 *   same number space for all rings of a program) before the first DATA of
 *   it; the same (program, flow_id) may be announced again after an agent's
 *   restart and then goes on: what lies below one's own next number was
 *   handed over already. Within a stream's inflow numbers follow each other,
 *   and INFLOW_SKIP(sequence) says that the next message has that number; an
 *   unfinished one is dropped (its sequence may be what was expected
 *   anyway). INFLOW_GONE: the flow is over, its unfinished message dropped;
 *   complete ones before it stay valid. Moving head gives space back to all
 *   senders: do it as messages are released, in order, then see
 *   agent_wants_space.
 * Reassembly. Fragments of one inflow follow each other; other inflows'
 *   records may come between. At the first fragment of a message its total
 *   counts as used, of SKERRY_REASSEMBLY_BYTES in all; the library adds the
 *   total to reassembly_freed_bytes when the message is released or dropped.
 *
 * FAST CHANNELS. The answer to FLOW_OPEN has fast_id, count, fast_target and
 *   mtu_bytes beside the slot. A message is one datagram (wire.h, FAST) of at
 *   most mtu_bytes of payload from the offered socket to fast_target, with
 *   id = fast_id and flow = count; it needs no credit, and numbers are the
 *   library's own. The slot tells when the way is down. Received datagrams
 *   come out of the same socket (flow = inflow, announced by INFLOW with
 *   fast_id, which must match) or, where the kernel does not demultiplex, as
 *   DATA in the to_program ring; numbers may be missing.
 */
#ifndef SKERRY_RING_H
#define SKERRY_RING_H

#include <stdint.h>

#include "keys.h"
#include "limits.h"
#include "wire.h"

#define SKERRY_RING_MAGIC 0x474e4952594b5321ULL /* "!SKYRING" */
#define SKERRY_RING_ABI 1

/* ---- the socket ------------------------------------------------------- */

/*
 * What the program's library understands of messages it is sent. Whoever
 * sends to it finds this in the flow's slot, and must not send what is not
 * there. 32 bits are passed on.
 */
#define SKERRY_RECEIVES_EXTENSIONS 0x01U /* drops critical unknown ones */
#define SKERRY_RECEIVES_PACKED 0x02U /* SKERRY_DATA_PACKED */

enum skerry_attach_flag {
	SKERRY_ATTACH_ADMIN = 1U << 0, /* wants administrator's calls */
	SKERRY_ATTACH_AGAIN = 1U << 1, /* was attached before: instance known */
};

/* program -> agent, the only datagram. */
struct skerry_attach {
	uint64_t magic;
	uint32_t abi;
	uint32_t flags;
	uint8_t instance[16]; /* random, lives as long as the handle */
	uint64_t features; /* SKERRY_RECEIVES_* */
	char program[64]; /* what people see; NUL-terminated */
};
SKERRY_ASSERT(sizeof(struct skerry_attach) == 104, attach_size);

/*
 * agent -> program. error is 0 or -errno, text says why. With error 0 three
 * descriptors come along, in this order: control mapping, eventfd to wake
 * the agent, eventfd to wake the program. Another abi is refused: -EPROTO.
 */
struct skerry_attached {
	uint64_t magic;
	uint32_t abi;
	int32_t error;
	uint64_t features;
	uint64_t boot_nonce; /* of the agent */
	uint32_t mapping_bytes;
	uint32_t flags; /* SKERRY_ATTACH_ADMIN if granted */
	char text[256];
};
SKERRY_ASSERT(sizeof(struct skerry_attached) == 296, attached_size);

#define SKERRY_CHANNEL_MONOTONIC 0x01U
#define SKERRY_CHANNEL_COMPRESSION 0x02U

enum skerry_offer_kind {
	SKERRY_OFFER_CHANNEL = 1, /* fd: mapping of a channel's message rings */
	SKERRY_OFFER_FAST = 2, /* fd: UDP socket for a fast channel */
};

/*
 * agent -> program, at any time later, with one descriptor. The program
 * reads the socket when the control ring holds an OFFER record.
 */
struct skerry_offer {
	uint64_t magic;
	uint32_t kind; /* enum skerry_offer_kind */
	uint32_t channel; /* index used in this attachment */
	uint32_t mapping_bytes; /* 0 for a socket */
	uint32_t flags; /* SKERRY_CHANNEL_*: its options on this node */
	char name[32]; /* of the channel */
};
SKERRY_ASSERT(sizeof(struct skerry_offer) == 56, offer_size);

/* ---- mappings --------------------------------------------------------- */

/*
 * Positions are free-running byte counts, 0 at first; the place in the data
 * area is position modulo size. tail is moved by the producer with
 * store-release, head by the consumer with store-release; each reads the
 * other's with load-acquire. Both are multiples of 8; tail - head is at most
 * the size.
 */
struct skerry_ring_positions {
	uint64_t tail;
	uint8_t pad1[56];
	uint64_t head;
	uint8_t pad2[56];
};
SKERRY_ASSERT(sizeof(struct skerry_ring_positions) == 128, positions_size);

/* Where one ring lies in its mapping. Offsets are multiples of 4096. */
struct skerry_ring_place {
	uint32_t data_offset;
	uint32_t size_bytes; /* a power of two */
};

/* The first page of every mapping. Written by the agent once, at creation. */
struct skerry_mapping {
	uint64_t magic;
	uint32_t abi;
	uint32_t kind; /* 0 control, 1 channel */
	uint64_t features;
	uint64_t boot_nonce;
	uint32_t mapping_bytes;
	uint32_t channel;
	struct skerry_ring_place to_agent;
	struct skerry_ring_place to_program;
	uint32_t slots_offset; /* control only: struct skerry_flow_slot[] */
	uint32_t slots;
	uint8_t pad[64];
	/* offset 128 */
	struct skerry_ring_positions agent_ring; /* program produces */
	struct skerry_ring_positions program_ring; /* agent produces */
	/*
	 * offset 384; from here on control mapping only. Who is about to
	 * sleep sets its flag with skerry_exchange, then looks at every ring
	 * once more; who has published, in whichever ring, does skerry_fence,
	 * and if the flag is set clears it with skerry_exchange and, when it
	 * was set still, writes the other's eventfd.
	 */
	uint32_t agent_sleeps;
	uint8_t pad3[60];
	uint32_t program_sleeps;
	uint8_t pad4[60];
	/*
	 * The busy section: the library sets busy (then skerry_fence) before
	 * it looks at a slot and clears it (store-release) after it has
	 * published the record. The agent revokes credit by lowering
	 * `granted`, a skerry_fence, and finding busy clear: no later record
	 * can rely on the old value.
	 */
	uint32_t busy;
	uint8_t pad5[60];
	/* The library: reassembly memory given back, in bytes, ever growing. */
	uint64_t reassembly_freed_bytes;
	uint8_t pad6[56];
	/*
	 * The agent sets it when something waits for free space in a ring of
	 * this program, or for reassembly memory. The library, when it has
	 * moved a head or reassembly_freed_bytes, does skerry_fence, and if
	 * it is set clears it with skerry_exchange and writes the agent's
	 * eventfd, whether the agent says that it sleeps or not.
	 */
	uint32_t agent_wants_space;
	uint8_t pad7[60];
	/*
	 * The library sets it, beside program_sleeps, when it waits for
	 * credit, ring space or any other change of a slot: those alone wake
	 * nobody. The agent clears it and wakes the program after such a
	 * change.
	 */
	uint32_t program_wants_credit;
	uint8_t pad8[60];
	/*
	 * Offset 768; in the mapping of a channel. The library counts, for
	 * people to see: payload bytes of what was packed before and after
	 * (sent), messages dropped because they could not be read (received),
	 * values that a newer one replaced (sent), casts without credit (not
	 * sent).
	 */
	uint64_t plain_bytes;
	uint64_t packed_bytes;
	uint64_t unreadable_messages;
	uint64_t superseded_messages;
	uint64_t casts_dropped;
	uint8_t pad9[24];
};
SKERRY_ASSERT(offsetof(struct skerry_mapping, agent_ring) == 128, map_agent);
SKERRY_ASSERT(offsetof(struct skerry_mapping, program_ring) == 256, map_prog);
SKERRY_ASSERT(offsetof(struct skerry_mapping, agent_sleeps) == 384, map_slp);
SKERRY_ASSERT(offsetof(struct skerry_mapping, busy) == 512, map_busy);
SKERRY_ASSERT(offsetof(struct skerry_mapping, plain_bytes) == 768, map_plain);
SKERRY_ASSERT(sizeof(struct skerry_mapping) == 832, mapping_size);

enum skerry_slot_state {
	SKERRY_SLOT_FREE = 0,
	SKERRY_SLOT_OPENING = 1,
	SKERRY_SLOT_OPEN = 2,
	SKERRY_SLOT_DOWN = 3, /* lane lost; may open again; error says */
	SKERRY_SLOT_CLOSED = 4, /* never again; error says */
};

/*
 * One outgoing flow of the program. The agent writes, the library reads.
 * Fields of an epoch are written before epoch is stored (release); the
 * library reads epoch (acquire), the fields, and epoch again: another one
 * then, and it begins anew.
 *
 * epoch grows each time the flow has been opened again. Then `expected` is
 * the number of the first message that did not arrive; see Epochs above.
 */
struct skerry_flow_slot {
	uint32_t epoch;
	uint32_t state; /* enum skerry_slot_state */
	int32_t error; /* -errno when DOWN or CLOSED */
	uint16_t lane; /* which one of the channel's */
	uint16_t lanes; /* how many there are; 0 not known */
	uint64_t granted; /* the library's position may reach this */
	uint64_t base; /* of this epoch: position of the next record */
	uint64_t expected;
	uint64_t large; /* number of the message whose fragments may begin;
				 * 0 none. See Large messages */
	uint32_t flags; /* SKERRY_SLOT_* */
	uint32_t receives; /* SKERRY_RECEIVES_* of the program there */
	uint64_t arrived; /* messages below are in its ring. Kept up to date
				* on monotonic channels alone */
};
/* CLOSED: of [expected, next number) some may have arrived after all. */
#define SKERRY_SLOT_UNCERTAIN 0x01U
SKERRY_ASSERT(sizeof(struct skerry_flow_slot) == 64, slot_size);

/* ---- records ---------------------------------------------------------- */

/* A record is a struct skerry_frame; types below are rings' own. */
enum skerry_record_type {
	/* SKERRY_FRAME_DATA (0x13): a message or fragment, flags as on the
	 * wire, sequence = its number.
	 *   to the agent: flow = slot, correlation = epoch
	 *   to a program: flow = inflow, announced by an INFLOW record */
	/* Message ring, program -> agent. */
	SKERRY_REC_WANT = 0x80, /* flow = slot, correlation = epoch, sequence
				   * = position wanted; extension total_bytes
				   * when the next message is more than a
				   * fragment */
	SKERRY_REC_SYNC = 0x81, /* flow = slot, correlation = epoch, sequence
				   * = number of the next message */
	SKERRY_REC_CLOSE = 0x82, /* flow = slot: no more */
	/* Message ring, agent -> program. */
	SKERRY_REC_INFLOW = 0x88, /* flow = inflow; TLVs node, endpoint,
				   * program, flow_id, on a fast channel
				   * fast_id; sequence = first number */
	SKERRY_REC_INFLOW_GONE = 0x89, /* flow = inflow; a message begun and
					 * not finished is dropped */
	SKERRY_REC_INFLOW_SKIP = 0x8a, /* flow; next message is sequence; an
					 * unfinished one is dropped */
	/* Control ring. */
	SKERRY_REC_COMMAND = 0x90, /* flow = enum skerry_command,
				    * correlation = answer's, TLVs */
	SKERRY_REC_ANSWER = 0x91, /* correlation; TLVs: error, reason, rows;
				    * flags SKERRY_ANSWER_MORE: another one
				    * with this correlation follows */
	SKERRY_REC_EVENT = 0x92, /* flow = watch; TLVs, see below */
	SKERRY_REC_OFFER = 0x93, /* read one struct skerry_offer */
	SKERRY_REC_DETACH = 0x94, /* TLVs error, reason; the agent has closed */
};

#define SKERRY_ANSWER_MORE 0x01U

/*
 * Commands and their TLVs, at most 60,000 bytes of them. Answers carry error
 * (absent when 0), reason (a sentence when error is set), and what is named
 * after the arrow; they may come in another order than the commands. A
 * command marked * is for administrators. An unknown command is answered by
 * -EOPNOTSUPP.
 *
 * Watches. EVENT of a WATCH: node, channel (if the watch has one), up, count
 * (transitions so far), state, reason, source, time, heard_age_ms when it was
 * heard since it or this agent started. The state at the time of
 * the WATCH comes first. After each one the agent waits for WATCH_ACK with
 * that count, and then tells the latest state only: a slow program misses
 * nothing and costs nothing. EVENT of a FOLLOW: time, event, count (which one
 * it is), reason and what belongs to it; dropped_messages counts those that
 * were lost to slowness before it. 32 are sent ahead of the last WATCH_ACK.
 */
enum skerry_command {
	/* Answered by the control plane. */
	SKERRY_CMD_JOIN = 1, /* * join_address or node, name?, takeover? */
	SKERRY_CMD_JOIN_WAIT = 2, /* * as JOIN, timeout_ms */
	SKERRY_CMD_LEAVE = 3, /* * */
	SKERRY_CMD_REMOVE = 4, /* * node, or the address of a join */
	SKERRY_CMD_WATCH = 5, /* watch (the program's number for it, not 0),
				   * up? (wanted direction: both when absent),
				   * node?, channel? */
	SKERRY_CMD_UNWATCH = 6, /* watch */
	SKERRY_CMD_WATCH_ACK = 7, /* watch, count: seen up to here; no answer */
	SKERRY_CMD_INJECT = 8, /* * shape, origin?, ttl?, components* (each
				   * a nest of names), duration_ms?,
				   * visibility?, scope?, name?, force?,
				   * timeout_ms?, why?, one_way?, seed?,
				   * loss_ppm?, matrix?, target?,
				   * prefix_bits?, protocol?, host?
				   * -> reference, seed?, missing*, unable*,
				   * participants* */
	SKERRY_CMD_RESOLVE = 9, /* * reference or name or all; local_only?,
				   * timeout_ms?
				   * -> reference*, missing*, participants* */
	SKERRY_CMD_QUERY = 10, /* query = "members" | "known" | "peers" |
				   * "partitions" | "joins" | "status" |
				   * "events" | "features" | "myself"
				   * -> rows* */
	SKERRY_CMD_FOLLOW = 11, /* watch: every event from now on; UNWATCH
				   * ends it */
	SKERRY_CMD_SET = 12, /* * node* (NAME or NAME=HOST:PORT): exactly
				   * these are members
				   * -> removed_nodes*, joined_nodes*,
				   * withdrawn_joins*; missing* with -ENOENT */
	SKERRY_CMD_CONNECT = 13, /* * node, addresses*, prune?
				   * -> rows*: with prune, the stale specs
				   * (name, addresses*) */
	SKERRY_CMD_DISCONNECT = 14, /* * node*, 64 at most
				   * -> a row for each as its lanes are closed:
				   * node, error?, reason? */
	SKERRY_CMD_STATE = 15, /* -> blob*: parts of the state, in order */
	SKERRY_CMD_RESERVE = 16, /* * tag: a place, until the program goes */
	SKERRY_CMD_VERIFY = 20, /* * reference or name; timeout_ms?
				   * -> the entry's fields (those of a blob,
				   * skerry-wire(7)), reference, resolved, then
				   * rows* (node, peer's name or all, counters,
				   * in_force, unit), last missing*,
				   * participants* */
	SKERRY_CMD_EXPLAIN = 21, /* * as INJECT; nothing is changed
				   * -> the entry's fields, participants*,
				   * safeguards*, unable*, missing* */
	/* Answered by the data plane. */
	SKERRY_CMD_REGISTER = 32, /* endpoint; see OWN ENDPOINT */
	SKERRY_CMD_UNREGISTER = 33, /* endpoint */
	SKERRY_CMD_FLOW_OPEN = 34, /* flow_id, node ("" is here), endpoint,
				     * channel ("default" when absent),
				     * partition_key?, next_sequence (1 when
				     * absent), monitor?, any_lane?; * source? (to here:
				     * in the name of that node)
				     * -> slot; on a fast channel also fast_id,
				     * count, fast_target, mtu_bytes */
	SKERRY_CMD_FLOW_CLOSE = 35, /* slot; fast channels only */
	SKERRY_CMD_CHANNEL = 36, /* channel: make its rings; the OFFER comes
				    * before the answer */
	SKERRY_CMD_FRONTIER = 37, /* after attaching again, for each inflow
				     * it knows: program, flow_id, endpoint,
				     * node, channel, next_sequence */
	SKERRY_CMD_DATA_QUERY = 38, /* query = "connections" | "endpoints" |
				     * "channels" | "programs" | "kernel" |
				     * "rules" | "limits" -> rows* */
};

#endif
