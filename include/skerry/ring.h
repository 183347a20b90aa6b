/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * ring.h - what a program and the agent on its host say to each other: the
 * attach exchange on a Unix seqpacket socket, the control mapping, and the
 * byte rings. libskerry is one user of this file; anything that follows it
 * is a program.
 *
 * A mapping is a sealed memfd (F_SEAL_SHRINK|GROW|SEAL). Both sides map it
 * read-write, and map each ring's data twice in a row, so that a record is
 * always contiguous. The agent never reads an offset, size or index back
 * from shared memory that it has not bounded: it keeps its own copies.
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

enum skerry_attach_flag {
	SKERRY_ATTACH_ADMIN = 1U << 0, /* wants administrator's calls */
	SKERRY_ATTACH_AGAIN = 1U << 1, /* was attached before: instance known */
};

/* program -> agent, first datagram. */
struct skerry_attach {
	uint64_t magic;
	uint32_t abi;
	uint32_t flags;
	uint8_t instance[16]; /* random, lives as long as the handle */
	uint64_t features;
	char program[64]; /* what people see; NUL-terminated */
};
SKERRY_ASSERT(sizeof(struct skerry_attach) == 104, attach_size);

/*
 * agent -> program. error is 0 or -errno, text says why. With error 0 three
 * descriptors come along: control mapping, eventfd to wake the agent,
 * eventfd to wake the program.
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
	uint32_t reserved;
	char name[32]; /* of the channel */
};
SKERRY_ASSERT(sizeof(struct skerry_offer) == 56, offer_size);

/* ---- mappings --------------------------------------------------------- */

/*
 * Positions are free-running byte counts; the place in the data area is
 * position modulo size. tail is moved by the producer with store-release,
 * head by the consumer with store-release; each reads the other's with
 * load-acquire.
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
	 * offset 384, control mapping only. Who is about to sleep sets its
	 * flag with skerry_exchange, then looks at every ring once more; who
	 * has published does skerry_fence, and if the flag is set clears it
	 * with skerry_exchange and writes the other's eventfd.
	 */
	uint32_t agent_sleeps;
	uint8_t pad3[60];
	uint32_t program_sleeps;
	uint8_t pad4[60];
	/*
	 * The library sets busy (then skerry_fence) before it looks at a
	 * slot and clears it (store-release) after it has published the
	 * record. The agent revokes credit by lowering `granted`, a
	 * skerry_fence, and finding busy clear: no later record can rely on
	 * the old value.
	 */
	uint32_t busy;
	uint8_t pad5[60];
	/* The library: reassembly memory given back, in bytes, ever growing. */
	uint64_t reassembly_freed_bytes;
	uint8_t pad6[56];
	/*
	 * The agent sets it when credit waits for free space in a message
	 * ring of this program; the library, when it moves a head and finds
	 * it set, clears it and wakes the agent.
	 */
	uint32_t agent_wants_space;
	uint8_t pad7[60];
	/*
	 * The library sets it when it waits for credit or ring space; the
	 * agent wakes the program after it moved either.
	 */
	uint32_t program_wants_credit;
	uint8_t pad8[60];
};
SKERRY_ASSERT(offsetof(struct skerry_mapping, agent_ring) == 128, map_agent);
SKERRY_ASSERT(offsetof(struct skerry_mapping, program_ring) == 256, map_prog);
SKERRY_ASSERT(offsetof(struct skerry_mapping, agent_sleeps) == 384, map_slp);
SKERRY_ASSERT(offsetof(struct skerry_mapping, busy) == 512, map_busy);
SKERRY_ASSERT(sizeof(struct skerry_mapping) == 768, mapping_size);

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
 * library reads epoch (acquire), the fields, and epoch again.
 *
 * epoch grows each time the flow has been opened again. Then `expected` is
 * the number of the first message that did not arrive: the library reports
 * [expected, its next number) as lost and writes a SYNC record with the
 * epoch and its next number before it goes on. Records of an older epoch
 * are thrown away by the agent.
 */
struct skerry_flow_slot {
	uint32_t epoch;
	uint32_t state; /* enum skerry_slot_state */
	int32_t error; /* -errno when DOWN or CLOSED */
	uint32_t lane;
	uint64_t granted; /* position: the library's bytes so far may
				 * reach this; see SKERRY_COST */
	uint64_t base; /* of this epoch: position of the next record */
	uint64_t expected;
	uint64_t large; /* number of the message whose fragments may begin;
				 * 0 none. See SKERRY_REC_WANT */
	uint32_t flags; /* SKERRY_SLOT_* */
	uint8_t pad[12];
};
/* CLOSED: of [expected, next number) some may have arrived after all. */
#define SKERRY_SLOT_UNCERTAIN 0x01U
SKERRY_ASSERT(sizeof(struct skerry_flow_slot) == 64, slot_size);

/* ---- records ---------------------------------------------------------- */

/* A record is a struct skerry_frame; types below are rings' own. */
enum skerry_record_type {
	/* SKERRY_DATA (0x13): a message or fragment, as on the wire.
	 *   to the agent: flow = slot, correlation = epoch
	 *   to a program: flow = inflow, announced by an INFLOW record */
	/* Message ring, program -> agent. */
	SKERRY_REC_WANT = 0x80, /* flow, correlation = epoch, sequence =
				   * position wanted; TLV total_bytes when the
				   * next message is more than a fragment */
	SKERRY_REC_SYNC = 0x81, /* flow, correlation = epoch, sequence =
				   * number of the next message */
	SKERRY_REC_CLOSE = 0x82, /* flow: no more */
	/* Message ring, agent -> program. */
	SKERRY_REC_INFLOW = 0x88, /* flow = inflow; TLVs node, endpoint,
				   * program, flow_id; sequence = first number */
	SKERRY_REC_INFLOW_GONE = 0x89, /* flow = inflow; a message begun and
					 * not finished is dropped */
	SKERRY_REC_INFLOW_SKIP = 0x8a, /* flow; next message is sequence; an
					 * unfinished one is dropped */
	/* Control ring. */
	SKERRY_REC_COMMAND = 0x90, /* flow = enum skerry_command,
				    * correlation = answer's, TLVs */
	SKERRY_REC_ANSWER = 0x91, /* correlation; TLVs: error, reason, rows;
				    * flags SKERRY_ANSWER_MORE */
	SKERRY_REC_EVENT = 0x92, /* flow = watch; TLVs */
	SKERRY_REC_OFFER = 0x93, /* read one struct skerry_offer */
	SKERRY_REC_DETACH = 0x94, /* TLVs error, reason; the agent has closed */
};

#define SKERRY_ANSWER_MORE 0x01U

/*
 * Commands and their TLVs. Answers carry error (absent when 0), reason (a
 * sentence when error is set), and what is named after the arrow. A command
 * marked * is for administrators.
 */
enum skerry_command {
	/* Answered by the control plane. */
	SKERRY_CMD_JOIN = 1, /* * join_address or node, name?, takeover? */
	SKERRY_CMD_JOIN_WAIT = 2, /* * as JOIN, timeout_ms */
	SKERRY_CMD_LEAVE = 3, /* * */
	SKERRY_CMD_REMOVE = 4, /* * node */
	SKERRY_CMD_WATCH = 5, /* watch, up (wanted direction: both when
				   * absent), node?, channel? */
	SKERRY_CMD_UNWATCH = 6, /* watch */
	SKERRY_CMD_WATCH_ACK = 7, /* watch, count: seen up to here; no answer */
	SKERRY_CMD_INJECT = 8, /* * shape, origin?, ttl?, components*,
				   * duration_ms?, visibility?, scope?, name?,
				   * force?, timeout_ms?, why?, one_way?
				   * -> reference, participants, missing */
	SKERRY_CMD_RESOLVE = 9, /* * reference or name or all; local_only? */
	SKERRY_CMD_QUERY = 10, /* query = "members" | "known" | "peers" |
				   * "partitions" | "joins" | "status" |
				   * "events" | "features" | "myself"
				   * -> rows. Others go to the data plane. */
	SKERRY_CMD_FOLLOW = 11, /* watch: every event, as EVENT records with
				   * count; lost ones are counted */
	/* Answered by the data plane. */
	SKERRY_CMD_REGISTER = 32, /* endpoint */
	SKERRY_CMD_UNREGISTER = 33, /* endpoint */
	SKERRY_CMD_FLOW_OPEN = 34, /* flow_id, node ("" is here), endpoint,
				     * channel, partition_key?, next_sequence
				     * -> slot, or fast_* on a fast channel */
	SKERRY_CMD_FLOW_CLOSE = 35, /* slot */
	SKERRY_CMD_CHANNEL = 36, /* channel: make its rings -> OFFER */
	SKERRY_CMD_FRONTIER = 37, /* after attaching again, for each inflow
				     * it knows: program, flow_id, endpoint,
				     * node, channel, next_sequence */
	SKERRY_CMD_DATA_QUERY = 38, /* query = "connections" | "endpoints" |
				     * "channels" | "programs" | "kernel" |
				     * "rules" | "limits" -> rows */
};

#endif
