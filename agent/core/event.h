/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * event.h - what goes into the core and what comes out of it.
 *
 * Time: `now_ns` is monotonic and decides everything; `wall_us` is shown to
 * people and floors incarnations. Events own nothing: bytes and strings are
 * borrowed for the call. Operations live in the core's memory until its next
 * step and are carried out in order.
 *
 * Lane ids are never reused: even ones are chosen by the core (dials), odd
 * ones by the driver (accepted). Peer numbers are chosen by the core and are
 * reused only after OP_PEER_GONE. Programs are numbered by the driver.
 */
#ifndef SKERRY_EVENT_H
#define SKERRY_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skerry/keys.h"
#include "skerry/limits.h"

struct core_bytes {
	const void *data;
	size_t size_bytes;
};

/* A channel as configured or agreed. Index 0 is membership, 1 default. */
struct core_channel {
	char name[SKERRY_CHANNEL_MAX_BYTES + 1];
	uint8_t parallelism;
	uint8_t priority;
	bool monotonic;
	bool compression;
	bool datagram; /* transport = datagram: a fast channel */
};

/* One entry of [join]. */
struct core_contact {
	char name[SKERRY_NAME_MAX_BYTES + 1]; /* "" when not given */
	struct skerry_addr address;
};

struct core_config {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	char cluster[SKERRY_NAME_MAX_BYTES + 1];
	char overlay[16]; /* "full" */
	bool has_key; /* else the handshake proves nothing */
	uint8_t machine_id[16];
	uint16_t port_base;
	struct skerry_addr addresses[SKERRY_ADDRS_MAX];
	uint32_t address_count;
	char tags[SKERRY_TAGS_MAX][SKERRY_TAG_MAX_BYTES + 1];
	uint32_t tag_count;
	struct core_channel channels[SKERRY_CHANNELS_MAX];
	uint32_t channel_count;
	struct core_contact contacts[SKERRY_JOINS_MAX];
	uint32_t contact_count;
	bool takeover;
	bool leave_on_stop;
	uint32_t heartbeat_ms; /* 500 */
	uint32_t ping_after_ms; /* 1,500 */
	uint32_t down_after_ms; /* 3,000 */
	uint32_t redial_min_ms; /* 100 */
	uint32_t redial_max_ms; /* 10,000 */
	uint32_t gossip_collect_ms; /* 100 */
	uint32_t gossip_period_ms; /* 10,000 */
	uint32_t cut_max_ms; /* longest cut: 3,600,000 */
	uint32_t cut_share_percent; /* members a cut may isolate: 50 */
	uint32_t members_max; /* SKERRY_MEMBERS_MAX */
	bool kernel_cuts; /* cuts are made by the kernel */
	/* What a cut made here can do beside dropping every packet. */
	bool cut_loss; /* only some */
	bool cut_reject; /* visibility reject */
	bool cut_address; /* CORE_PEER_ADDRESS */
	bool fast_demux; /* fast channels demultiplexed there */
};

/* Why a lane ended. */
enum lane_end {
	LANE_END_PEER = 1, /* the peer closed or reset it */
	LANE_END_REFUSED, /* error and text from REFUSE, or our verdict */
	LANE_END_DUPLICATE, /* generation_seen is set */
	LANE_END_TIMEOUT, /* handshake or write stalled */
	LANE_END_PROTOCOL, /* malformed bytes; text says what */
	LANE_END_LOCAL, /* OP_CLOSE */
	LANE_END_DRAINED,
};

enum core_event_type {
	EV_START = 1, /* start */
	EV_TICK, /* time passed; also: give me more operations */
	EV_DIAL_FAILED, /* lane, error */
	EV_LANE_HELLO, /* hello: the peer has proved itself */
	EV_LANE_UP, /* lane: READY sent or received */
	EV_LANE_DOWN, /* lane_down; also after a failed handshake */
	EV_HEARD, /* lane: bytes came in (at most every 200 ms a lane) */
	EV_FRAME, /* frame: of types 0x20..0x34 but for DRAIN(ED) */
	EV_DATAGRAM, /* datagram */
	EV_LANE_BLOCKED, /* lane: its queue is above half */
	EV_LANE_WRITABLE, /* lane: it is below a quarter again */
	EV_COMMAND, /* command */
	EV_PROGRAM_UP, /* program */
	EV_PROGRAM_GONE, /* program */
	EV_ADDRESSES, /* addresses: this host's, changed */
	EV_DISCOVERED, /* discovered */
	EV_PERSISTED, /* token, error */
	EV_CUTS_APPLIED, /* token = generation, error */
	EV_CONFIGURED, /* start.config: changed settings */
	EV_STOP, /* the node ends; leave if configured so */
	EV_LEDGER, /* ledger; token = OP_LEDGER's, error */
	EV_MAX,
};

/* Of a command that cuts this host from an address: what of this host lies
 * behind it. */
enum core_guard {
	CORE_GUARD_GATEWAY = 1U << 0, /* a default route's next hop */
	CORE_GUARD_SSH = 1U << 1, /* the other end of a session on port 22 */
};

/* What one cut of this node has done. Packets, or where user space cuts:
 * frames and datagrams held back. */
struct core_ledger {
	uint32_t peer; /* as in the cut */
	bool in_force; /* the rule is there, and is judged by */
	bool user_space;
	uint64_t out_seen, out_dropped, out_leaked; /* from here to the peer */
	uint64_t in_seen, in_dropped, in_leaked;
};

struct core_event {
	enum core_event_type type;
	uint64_t now_ns;
	uint64_t wall_us;
	uint64_t lane;
	int error; /* -errno */
	uint64_t token;
	union {
		struct {
			const struct core_config *config;
			struct core_bytes persisted; /* empty: first start */
			uint64_t seed;
		} start;
		struct {
			bool accepted; /* else we dialled */
			struct core_bytes details; /* TLVs */
			struct skerry_addr remote;
		} hello;
		struct {
			enum lane_end end;
			uint64_t generation_seen;
			char text[128];
		} lane_down;
		struct {
			uint8_t type; /* enum skerry_frame_type */
			uint64_t sequence;
			struct core_bytes payload;
		} frame;
		struct {
			uint8_t port; /* SKERRY_PORT_PARTITION, _HEARTBEAT */
			struct skerry_addr from;
			struct core_bytes bytes; /* the whole datagram */
		} datagram;
		struct {
			uint32_t program;
			uint32_t command; /* enum skerry_command */
			uint32_t correlation;
			bool admin;
			uint32_t uid;
			uint32_t pid;
			const char *name; /* of the program; may be NULL */
			uint32_t guards; /* enum core_guard */
			struct core_bytes tlvs;
		} command;
		struct {
			uint32_t program;
		} program;
		struct {
			const struct skerry_addr *list;
			uint32_t count;
		} addresses;
		struct {
			const struct core_contact *list;
			uint32_t count;
		} discovered;
		struct {
			const struct core_ledger *list;
			uint32_t count;
		} ledger;
	};
};

/* One directed cut of this node, for the kernel (or the lanes). */
struct core_cut {
	uint32_t handle; /* core's; unique while it is in force */
	uint8_t reference[16];
	uint32_t peer; /* CORE_PEER_EVERYBODY or a peer number */
	uint8_t direction; /* enum skerry_direction of maps.h */
	uint8_t visibility; /* enum skerry_visibility */
	uint64_t deadline_ns; /* monotonic; 0: by lease */
	char channel[SKERRY_CHANNEL_MAX_BYTES + 1]; /* "": all */
	uint32_t loss_ppm; /* 1,000,000 (or 0): every packet */
	uint64_t seed; /* of the choice, when not every packet */
	/* With CORE_PEER_ADDRESS alone: whom this host is cut from, whatever
	 * process it is. An IPv4 prefix counts from bit 96 on. */
	struct skerry_addr address; /* .port 0: all */
	uint8_t prefix_bits; /* 128: one address */
	uint8_t protocol; /* 0: all; 6 TCP, 17 UDP */
};
#define CORE_PEER_EVERYBODY 0xffffffffU
#define CORE_PEER_SELF 0xfffffffeU
#define CORE_PEER_ADDRESS 0xfffffffdU

enum core_log_level {
	CORE_LOG_ERROR,
	CORE_LOG_WARNING,
	CORE_LOG_INFO,
	CORE_LOG_DEBUG,
};

enum core_op_type {
	OP_PERSIST = 1, /* token, bytes: replace the state file, fsync, then
			 * EV_PERSISTED */
	OP_PEER, /* peer: from now on this number is this node */
	OP_PEER_GONE, /* peer.number */
	OP_CUT_ADD, /* cut */
	OP_CUT_DEL, /* cut.handle */
	OP_CUT_COMMIT, /* token: apply, then EV_CUTS_APPLIED */
	OP_DIAL, /* dial */
	OP_ADMIT, /* lane, bytes: our details (accepted lanes) */
	OP_REFUSE, /* lane, error, text */
	OP_DUPLICATE, /* lane, generation */
	OP_CLOSE, /* lane, drain, text */
	OP_ROUTE, /* route: lane serves (peer, channel, index) now */
	OP_ROUTE_GONE, /* route.peer, channel, index: no lane there */
	OP_SEND, /* lane, frame_type, sequence, bytes = payload */
	OP_DATAGRAM, /* datagram */
	OP_ANSWER, /* answer */
	OP_EVENT, /* answer.program, watch; bytes: an EVENT record */
	OP_LOG, /* level, text, bytes = TLVs of the event */
	OP_WAKE_AT, /* at_ns: EV_TICK no later than this */
	OP_STOPPED, /* after EV_STOP: all is said, the node may end */
	OP_LEDGER, /* token, bytes: a reference; then EV_LEDGER with a row for
		    * each cut of it, one at a time */
	OP_MAX,
};

struct core_op {
	enum core_op_type type;
	uint64_t token;
	uint64_t lane;
	int error;
	const char *text;
	struct core_bytes bytes;
	union {
		struct {
			uint32_t number;
			const char *name;
			uint64_t incarnation;
			uint64_t boot_nonce;
			uint8_t state; /* enum skerry_peer_state of maps.h */
			const struct skerry_addr *addresses;
			uint32_t address_count; /* .port = first of block */
			/* agreed; same indices as our own channels */
			uint8_t parallelism[SKERRY_CHANNELS_MAX];
		} peer;
		struct core_cut cut;
		struct {
			const struct skerry_addr *addresses; /* lane port */
			uint32_t address_count;
			uint32_t timeout_ms;
			/* bytes: our details */
		} dial;
		struct {
			uint32_t peer;
			uint8_t channel;
			uint8_t index;
			uint64_t generation;
		} route;
		uint64_t generation; /* OP_DUPLICATE */
		bool drain; /* OP_CLOSE */
		struct {
			uint8_t type;
			uint64_t sequence;
		} frame;
		struct {
			uint8_t port; /* from which of ours */
			struct skerry_addr to;
		} datagram;
		struct {
			uint32_t program;
			uint32_t correlation;
			uint32_t watch;
			bool more;
		} answer;
		enum core_log_level level;
		uint64_t at_ns;
	};
};

#define CORE_OPS_MAX 128
/* Bytes of one operation are at most this. */
#define CORE_OP_BYTES_MAX 60000U

struct core_update {
	const struct core_op *ops;
	size_t count;
	bool more; /* step again with EV_TICK at once */
};

#endif
