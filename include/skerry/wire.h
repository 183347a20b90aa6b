/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * wire.h - what nodes say to each other: frames on lanes, datagrams on the
 * three UDP ports. skerry-wire(7) is the prose; tests/golden has one file a
 * frame, and tests/wire-decode.py reads them without this header.
 *
 * Everything is little endian. Only little-endian hosts are supported, so
 * the structs below are the bytes.
 */
#ifndef SKERRY_WIRE_H
#define SKERRY_WIRE_H

#include <stdint.h>

#include "limits.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "skerry runs on little-endian hosts only"
#endif

#ifdef __cplusplus
#include <cstddef>
#define SKERRY_ASSERT(e, name) static_assert((e), #name)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#include <stddef.h>
#define SKERRY_ASSERT(e, name) _Static_assert((e), #name)
#else
#include <stddef.h>
#define SKERRY_ASSERT(e, name)        \
	struct skerry_assert_##name { \
		int v : (e) ? 1 : -1; \
	}
#endif

#define SKERRY_WIRE_VERSION 1

/* Each side of a lane sends these first. */
#define SKERRY_PREAMBLE "SKERRY\0\1"
#define SKERRY_PREAMBLE_BYTES 8

/*
 * The header of a frame on a lane and of a record in a ring.
 *
 * length counts header, extensions and payload. header_length counts the
 * header and the extensions, which are struct skerry_tlv in a row. On a lane
 * frames follow each other without padding; in a ring each record starts at
 * a multiple of 8 bytes.
 */
struct skerry_frame {
	uint32_t length;
	uint8_t type; /* enum skerry_frame_type */
	uint8_t flags; /* per type, below */
	uint16_t header_length;
	uint32_t flow; /* local to a lane generation, or to a ring */
	uint32_t correlation; /* zero on a lane */
	uint64_t sequence;
};
SKERRY_ASSERT(sizeof(struct skerry_frame) == 24, frame_size);
SKERRY_ASSERT(offsetof(struct skerry_frame, type) == 4, frame_type);
SKERRY_ASSERT(offsetof(struct skerry_frame, header_length) == 6, frame_hlen);
SKERRY_ASSERT(offsetof(struct skerry_frame, flow) == 8, frame_flow);
SKERRY_ASSERT(offsetof(struct skerry_frame, sequence) == 16, frame_sequence);

/*
 * Type-length-value, used for extensions, payloads of control frames, specs,
 * persisted state and the control ring alike. The key is one of keys.h; the
 * critical bit says: who does not know this key must refuse the whole.
 * No padding; value follows.
 */
struct skerry_tlv {
	uint16_t key;
	uint16_t length;
};
SKERRY_ASSERT(sizeof(struct skerry_tlv) == 4, tlv_size);
#define SKERRY_TLV_CRITICAL 0x8000U

/*
 * Types below 0x80 must be understood: an unknown one closes the lane with
 * ERROR. Types from 0x80 on are skipped when unknown.
 */
enum skerry_frame_type {
	/* Handshake, in this order; payload TLVs. */
	SKERRY_FRAME_HELLO =
		0x01, /* dialler: version_min, version_max, nonce */
	SKERRY_FRAME_CHALLENGE = 0x02, /* acceptor: version, nonce, proof */
	SKERRY_FRAME_PROOF = 0x03, /* dialler: details, proof */
	SKERRY_FRAME_WELCOME = 0x04, /* acceptor: details, proof */
	SKERRY_FRAME_REFUSE = 0x05, /* either: error, reason; then close */
	SKERRY_FRAME_DUPLICATE = 0x06, /* acceptor: generation it has seen */
	SKERRY_FRAME_READY = 0x07, /* dialler: the lane is up on both sides */

	/* Flows. flow is chosen by the flow's sender. */
	SKERRY_FRAME_FLOW_OPEN = 0x10, /* program, flow_id, endpoint, want */
	SKERRY_FRAME_FLOW_REFUSE = 0x11, /* receiver: error, reason */
	SKERRY_FRAME_FLOW_CLOSE = 0x12, /* sender: no more; sequence = next */
	SKERRY_FRAME_DATA = 0x13, /* payload: a message or a fragment */
	SKERRY_FRAME_CREDIT = 0x14, /* flags: enum skerry_credit_kind */
	SKERRY_FRAME_ACK = 0x15, /* receiver: delivered below sequence */
	SKERRY_FRAME_RESUME =
		0x16, /* receiver: flow accepted, expects sequence */
	SKERRY_FRAME_SKIP = 0x17, /* sender: next message is sequence */

	/* Closing on purpose. */
	SKERRY_FRAME_DRAIN = 0x20, /* no new flow data after this from here */
	SKERRY_FRAME_DRAINED =
		0x21, /* everything before your DRAIN is handled */

	SKERRY_FRAME_PING = 0x28, /* sequence is returned */
	SKERRY_FRAME_PONG = 0x29,

	/* Control plane. This version sends MEMBER alone. */
	SKERRY_FRAME_OVERLAY = 0x30,
	SKERRY_FRAME_MEMBER = 0x31,
	SKERRY_FRAME_PARTITION = 0x32,
	SKERRY_FRAME_RELAY = 0x33,
	SKERRY_FRAME_BCAST = 0x34,

	SKERRY_FRAME_ERROR = 0x3f, /* error, reason; then close */
};

/* Flags of DATA. A whole message has neither of the first two. */
#define SKERRY_DATA_MORE 0x01U /* more fragments of this message follow */
#define SKERRY_DATA_CONT 0x02U /* not the first fragment */
#define SKERRY_DATA_CAST 0x04U /* sent with cast */
#define SKERRY_DATA_PACKED 0x08U /* zstd; SKERRY_K_PLAIN_BYTES beside it */
#define SKERRY_DATA_FLAGS 0x0fU
/*
 * The first of several fragments carries the extension SKERRY_K_TOTAL_BYTES
 * (u64). Fragments of one message have its sequence number and follow each
 * other in their flow; other flows' frames may come between.
 *
 * A message may have extensions of its own, SKERRY_MESSAGE_EXT_MAX_BYTES at
 * most, on its only or first frame, beside total_bytes. Agents check that
 * they are well formed and pass them on byte for byte, in any order and
 * critical or not; what they mean is between the libraries at both ends. A
 * library that does not know a critical one drops that message and counts
 * it (unreadable_messages); it passes over others that it does not know.
 *
 * PACKED: the payload of all fragments together is zstd, and the message has
 * the critical extension SKERRY_K_PLAIN_BYTES (u64): exactly how many bytes
 * it makes, 1 .. SKERRY_MESSAGE_MAX_BYTES. Only to receivers that have said
 * SKERRY_RECEIVES_PACKED (ring.h) in SKERRY_K_RECEIVER of their RESUME.
 */

/*
 * CREDIT: sequence is an absolute position in bytes, counted from 0 at each
 * FLOW_OPEN; a message or fragment costs SKERRY_COST(its record length).
 */
enum skerry_credit_kind {
	SKERRY_CREDIT_WANT = 1, /* sender: would send up to here */
	SKERRY_CREDIT_GRANT = 2, /* receiver: may send up to here */
	SKERRY_CREDIT_REVOKE = 3, /* receiver: give back what is unused */
	SKERRY_CREDIT_KEPT = 4, /* sender: answer; sent up to here, no more */
};
/* A WANT whose next message exceeds a fragment carries SKERRY_K_TOTAL_BYTES. */

#define SKERRY_ALIGN 8U
#define SKERRY_COST(record_length)                        \
	(((uint64_t)(record_length) + SKERRY_ALIGN - 1) & \
	 ~(uint64_t)(SKERRY_ALIGN - 1))

/* ------------------------------------------------------------------ */

#define SKERRY_DGRAM_MAGIC 0x5b53U
#define SKERRY_MAC_BYTES 16 /* HMAC-SHA-256, first half */

/* The header of every datagram, and what the kernel's demultiplexer reads. */
struct skerry_dgram {
	uint16_t magic;
	uint8_t version;
	uint8_t type; /* enum skerry_dgram_type */
	uint16_t header_length; /* 32, or more with extensions */
	uint16_t flags;
	uint64_t id; /* fast-lane id, or sender's boot nonce */
	uint32_t flow;
	uint32_t reserved;
	uint64_t sequence;
};
SKERRY_ASSERT(sizeof(struct skerry_dgram) == 32, dgram_size);
SKERRY_ASSERT(offsetof(struct skerry_dgram, id) == 8, dgram_id);
SKERRY_ASSERT(offsetof(struct skerry_dgram, sequence) == 24, dgram_sequence);

enum skerry_dgram_type {
	SKERRY_DGRAM_FAST = 1, /* fast port: id = fast-lane id, flow =
				      * receiver's slot, payload follows */
	SKERRY_DGRAM_HEARTBEAT = 2, /* heartbeat port, authenticated */
	SKERRY_DGRAM_PARTITION = 3, /* partition port, authenticated */
	SKERRY_DGRAM_NONCE = 4, /* here is my boot nonce; never acted on
				      * otherwise */
};
/*
 * HEARTBEAT, PARTITION and NONCE: id is the sender's boot nonce. The body
 * begins with the fields name and incarnation (the sender's) and boot_nonce
 * (the receiver's, as the sender believes; 0 when it does not know), in this
 * order; what the type is about follows, nothing in NONCE. The last
 * SKERRY_MAC_BYTES are the first half of HMAC-SHA-256 with the cluster's key
 * over
 *	all before them, header included;
 *	the sender's name, padded with zeros to 64 bytes;
 *	the sender's incarnation u64, the receiver's boot nonce u64, both as
 *	in the fields.
 * Without a key they are zero. sequence grows with each datagram to a
 * receiver's port, by one or more; replay window 64. In NONCE it is 0, as is
 * the receiver's boot nonce: it can be recorded and sent again, and so is
 * only ever tried.
 *
 * FAST: no MAC; flags are those of DATA that make sense for a message of one
 * datagram: SKERRY_DATA_CAST.
 */

#endif
