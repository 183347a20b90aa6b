/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-only OR BSD-2-Clause */
/*
 * maps.h - what the BPF maps hold. Shared by bpf/ and agent/run/kernel/;
 * what `bpftool map dump pinned` prints.
 *
 * Enumerators are what people read in bpftool's output, so they are words.
 * Times are CLOCK_BOOTTIME nanoseconds. Addresses are IPv6, IPv4 as
 * ::ffff:a.b.c.d, network order; ports are host order.
 */
#ifndef SKERRY_MAPS_H
#define SKERRY_MAPS_H

#include <linux/bpf.h>

#include "limits.h"

#define SKERRY_MAPS_ABI 2

/* Lifted and expired rules whose ledger is still kept, oldest go first. */
#define SKERRY_LEDGERS_KEPT 256U
/* Partition datagrams a second that pass a cut, for each peer, each way. */
#define SKERRY_EXEMPT_RATE 64U
/* A rule by lease is tidied away when the lease has been out this long:
 * an agent that wakes up earlier finds in `leaked` what passed meanwhile. */
#define SKERRY_LEASE_GRACE_NS 60000000000ULL

struct skerry_meta {
	__u32 abi;
	__u32 active_rules; /* 0: one load and a branch */
	__u64 lease_end_ns; /* rules without a deadline live until here */
	__u64 next_rule; /* first id never used */
	__u32 next_peer; /* first peer id never used; 0 is everybody */
	__u32 port_base; /* this node's block */
	__u64 incarnation;
	__u64 boot_nonce;
	__u32 generation; /* which inner maps are in force: 0 or 1 */
	__u32 cidr_rules; /* entries in the CIDR table in force */
	__u32 fast_lanes; /* entries in skerry_fast; 0: no demultiplexing */
	__u32 self_peer; /* this node's own peer id; 0: not known yet */
	char node[64];
};

struct skerry_addr_key {
	__u8 ip[16];
	__u16 block; /* first port of the block */
	__u16 zero;
};

struct skerry_addr_value {
	__u32 peer;
};

enum skerry_peer_state {
	PEER_UNKNOWN = 0,
	PEER_UP,
	PEER_SUSPECT,
	PEER_DOWN,
	PEER_LEFT,
	PEER_SELF,
};

struct skerry_peer {
	char node[64];
	__u8 ip[16]; /* its first address */
	__u16 block;
	__u16 zero;
	enum skerry_peer_state state;
};

struct skerry_conn_key {
	__u8 local_ip[16];
	__u8 remote_ip[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 protocol;
};

struct skerry_conn {
	__u32 peer;
	__u32 lane;
	char channel[32];
	__u64 sent_packets;
	__u64 received_packets;
	__u64 sent_bytes;
	__u64 received_bytes;
	__u32 round_trip_us;
	__u32 retransmits;
};

enum skerry_scope {
	SCOPE_NODE = 0,
	SCOPE_HOST,
	SCOPE_CGROUP,
};

enum skerry_direction {
	DIRECTION_BOTH = 0,
	DIRECTION_IN, /* from the peer to here */
	DIRECTION_OUT, /* from here to the peer */
};

enum skerry_visibility {
	VISIBILITY_WIRE = 0, /* like a pulled cable */
	VISIBILITY_LOCAL, /* egress drop: the sender may see ENOBUFS */
	VISIBILITY_REJECT, /* answered: a TCP reset, or port unreachable */
	VISIBILITY_SEVER, /* wire, but resets pass; the agent sends some */
};

/* Key: __u64 rule id, never used again. */
struct skerry_rule {
	__u8 reference[16];
	__u32 peer; /* in scope node: 0 is everybody */
	enum skerry_scope scope;
	enum skerry_direction direction;
	enum skerry_visibility visibility;
	__u32 protocol; /* 0: all */
	__u16 port_low, port_high; /* 0, 0: all; in scope host the far end's */
	__u32 loss_ppm; /* 1,000,000: all */
	__u32 prefix_bits; /* in scope host: of ip; 128: one address */
	__u64 seed; /* of the choice, when not all */
	__u8 ip[16]; /* in scope host: whom this host is cut from */
	__u64 deadline_ns; /* 0: by lease */
	__u64 since_ns;
	char channel[32]; /* "": all */
	struct bpf_timer timer;
};

/*
 * Key: __u64 rule id. Packets are segments, both directions together, but for
 * those with `_in`, which are the incoming ones among them.
 */
struct skerry_drop {
	struct bpf_spin_lock lock; /* of drawn_in and drawn_out */
	__u32 zero;
	__u64 seen; /* packets judged by this rule */
	__u64 dropped;
	__u64 dropped_bytes;
	__u64 leaked; /* passed although declared cut: by lease, lease out */
	__u64 seen_in;
	__u64 dropped_in;
	__u64 dropped_bytes_in;
	__u64 leaked_in;
	/* For how many packets, unsegmented, the loss has been drawn. */
	__u64 drawn_in, drawn_out;
	__u64 first_ns;
	__u64 last_ns;
	__u64 expired_seen; /* matched after the deadline: passed */
	__u64 late_fragments; /* later fragments that passed, useless */
	__u64 lease_out_ns; /* the lease's end that was last reported */
};

/* Inner map of skerry_gen: peer id -> rules that name it. */
struct skerry_ruleset {
	__u64 rule[SKERRY_RULES_PER_PEER_MAX]; /* 0 ends the list */
};

/* Inner map of skerry_cidr, longest prefix match -> struct skerry_ruleset. */
struct skerry_cidr_key {
	__u32 prefix_bits;
	__u8 ip[16];
};

/* Key: __u64 fast-lane id. */
struct skerry_fast {
	__u32 peer;
	__u16 program_port; /* of the program's socket, in our block */
	__u16 sender_port;
	__u8 sender_ip[16];
	__u8 local_ip[16]; /* where the sender addresses us; zero: any */
	char channel[32];
	__u64 packets;
	__u64 bytes;
	__u64 refused; /* wrong sender, no socket */
};

/* Key: __u32 peer id. A token is worth a second divided by the rate. */
struct skerry_exempt {
	struct bpf_spin_lock lock;
	__u32 zero;
	__u64 in_ns; /* time saved up, at most a second; in and out apart */
	__u64 in_refilled_ns;
	__u64 out_ns;
	__u64 out_refilled_ns;
	__u64 passed;
	__u64 refused;
};

enum skerry_dev_role {
	DEV_IGNORE = 0,
	DEV_JUDGE_BOTH,
	DEV_JUDGE_IN,
	DEV_JUDGE_OUT,
	DEV_JUDGE_OWN, /* both, of frames with its own hardware address */
};

enum skerry_hook {
	HOOK_NONE = 0,
	HOOK_TCX,
	HOOK_CLSACT, /* on a clsact that was there */
	HOOK_CLSACT_OURS, /* on one we made */
};

/* Key: __u32 ifindex. */
struct skerry_dev {
	enum skerry_dev_role role;
	enum skerry_hook hook;
	char name[16];
	__u8 mac[6]; /* its hardware address, for DEV_JUDGE_OWN */
	__u16 zero;
};

/*
 * skerry_reasons: __u32 enum skerry_reason -> __u64 packets (per CPU).
 *	name, word
 */
#define SKERRY_REASONS(X)                                                 \
	X(NOT_IP, "not-ip")                                               \
	X(SHORT, "short") /* truncated header */                          \
	X(NOT_OURS, "not-ours") /* no known peer at both ends */          \
	X(NO_RULE, "no-rule")                                             \
	X(EXPIRED, "expired")                                             \
	X(EXEMPT, "exempt") /* partition port */                          \
	X(EXEMPT_REFUSED, "exempt-refused") /* the same, over its rate */ \
	X(LATE_FRAGMENT, "late-fragment")                                 \
	X(CUT, "cut")                                                     \
	X(FAST_ASSIGNED, "fast-assigned")                                 \
	X(FAST_UNKNOWN, "fast-unknown") /* no such lane: dropped */       \
	X(FAST_SENDER, "fast-sender") /* wrong source: dropped */         \
	/* The program's socket is gone, or connected elsewhere. */       \
	X(FAST_NO_SOCKET, "fast-no-socket")                               \
	/* Several lanes in one packet: to the agent. */                  \
	X(FAST_MIXED, "fast-mixed")                                       \
	X(FAST_MALFORMED, "fast-malformed")                               \
	X(ALWAYS_OPEN, "always-open") /* whatever is cut */               \
	X(SPARED, "spared") /* a rule let this one pass */                \
	X(REJECTED, "rejected") /* cut, and its sender told */            \
	/* The same, but it could not be answered: as with local. */      \
	X(REJECTED_MUTE, "rejected-mute")

enum skerry_reason {
#define SKERRY_REASON_ENUM(name, word) REASON_##name,
	SKERRY_REASONS(SKERRY_REASON_ENUM)
#undef SKERRY_REASON_ENUM
	REASON_MAX,
};

/* Key of skerry_open: what passes whatever addresses this host is cut from,
 * by its own port. */
struct skerry_open_key {
	__u32 protocol;
	__u32 port;
};

struct skerry_open {
	__u64 passed;
};

#define SKERRY_OPEN_MAX 32U

enum skerry_kernel_event_kind {
	EVENT_FIRST_DROP = 1,
	EVENT_RULE_EXPIRED,
	EVENT_LEASE_OUT, /* a rule by lease was met with the lease out */
};

struct skerry_kernel_event {
	enum skerry_kernel_event_kind kind;
	__u32 peer;
	__u64 rule;
	__u64 time_ns;
};

#endif
