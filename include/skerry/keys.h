/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * keys.h - the one dictionary of fields. A field on the wire, in persisted
 * state, in a control-ring answer and in `skerryctl --json` has the same
 * number and the same name.
 *
 * Numbers are never reused. Types say how the value is laid out:
 *   U64   8 bytes                     S64  8 bytes, signed
 *   STR   UTF-8 without NUL           BYTES opaque (hex in JSON)
 *   BOOL  1 byte                      ID   16 bytes (hex in JSON)
 *   ADDR  struct skerry_addr          TIME 8 bytes, wall-clock microseconds
 *   NEST  TLVs inside
 * L marks a field that may be repeated and is a JSON array.
 */
#ifndef SKERRY_KEYS_H
#define SKERRY_KEYS_H

#include <stdint.h>

/* IPv6, or IPv4 as ::ffff:a.b.c.d; port in host order. */
struct skerry_addr {
	uint8_t ip[16];
	uint16_t port;
};

/*	 number name		 JSON name		type  list */
#define SKERRY_KEYS(X)                                         \
	/* Handshake */                                        \
	X(1, VERSION, "version", U64, 0)                       \
	X(2, VERSION_MIN, "version_min", U64, 0)               \
	X(3, VERSION_MAX, "version_max", U64, 0)               \
	X(4, NONCE, "nonce", BYTES, 0)                         \
	X(5, PROOF, "proof", BYTES, 0)                         \
	X(6, DETAILS, "details", NEST, 0)                      \
	X(7, ERROR, "error", S64, 0)                           \
	X(8, REASON, "reason", STR, 0)                         \
	X(9, CLUSTER, "cluster", STR, 0)                       \
	X(10, EXPECT, "expected_name", STR, 0)                 \
	X(11, FEATURES_OFFERED, "features_offered", U64, 0)    \
	X(12, FEATURES_REQUIRED, "features_required", U64, 0)  \
	X(13, LANE, "lane", U64, 0)                            \
	X(14, GENERATION, "generation", U64, 0)                \
	X(15, CHANNEL, "channel", STR, 0)                      \
	X(16, TAKEOVER, "takeover", BOOL, 0)                   \
	/* Specs and members */                                \
	X(20, SPEC, "spec", NEST, 0)                           \
	X(21, NAME, "name", STR, 0)                            \
	X(22, INCARNATION, "incarnation", U64, 0)              \
	X(23, BOOT_NONCE, "boot_nonce", U64, 0)                \
	X(24, SPEC_VERSION, "spec_version", U64, 0)            \
	X(25, ADDRESS, "addresses", ADDR, 1)                   \
	X(26, PORT_BLOCK, "port_block", U64, 0)                \
	X(27, TAG, "tags", STR, 1)                             \
	X(28, OVERLAY, "overlay", STR, 0)                      \
	X(29, OVERLAY_DIGEST, "overlay_digest", U64, 0)        \
	X(30, CHANNEL_SPEC, "channels", NEST, 1)               \
	X(31, PARALLELISM, "parallelism", U64, 0)              \
	X(32, MONOTONIC, "monotonic", BOOL, 0)                 \
	X(33, COMPRESSION, "compression", BOOL, 0)             \
	X(34, PRIORITY, "priority", U64, 0)                    \
	X(35, TRANSPORT, "transport", STR, 0)                  \
	X(36, STATE, "state", STR, 0)                          \
	X(37, SOURCE, "source", STR, 0)                        \
	X(38, SELF, "self", BOOL, 0)                           \
	X(39, MEMBER, "members", NEST, 1)                      \
	X(40, REMOVED, "removed", BOOL, 0)                     \
	X(41, KNOWS, "knows", STR, 1)                          \
	X(42, DIGEST, "digest", U64, 0)                        \
	X(43, SINCE, "since", TIME, 0)                         \
	X(44, MACHINE_ID, "machine_id", ID, 0)                 \
	X(45, PENDING, "pending", BOOL, 0)                     \
	X(46, LEFT, "left", BOOL, 0)                           \
	/* Heartbeats */                                       \
	X(60, HEARD_SEQUENCE, "heard_sequence", U64, 0)        \
	X(61, HEARD_AGE_MS, "heard_age_ms", U64, 0)            \
	X(62, ECHO_US, "echo_us", U64, 0)                      \
	X(63, ROUND_TRIP_US, "round_trip_us", U64, 0)          \
	/* Flows */                                            \
	X(70, PROGRAM, "program", ID, 0)                       \
	X(71, FLOW_ID, "flow_id", U64, 0)                      \
	X(72, ENDPOINT, "endpoint", STR, 0)                    \
	X(73, WANT_BYTES, "want_bytes", U64, 0)                \
	X(74, TOTAL_BYTES, "total_bytes", U64, 0)              \
	X(75, SLOT, "slot", U64, 0)                            \
	X(76, NEXT_SEQUENCE, "next_sequence", U64, 0)          \
	X(77, NODE, "node", STR, 0)                            \
	X(78, PARTITION_KEY, "partition_key", U64, 0)          \
	X(79, FAST_ID, "fast_id", U64, 0)                      \
	X(80, FAST_SOURCE, "fast_source", ADDR, 0)             \
	X(81, FAST_TARGET, "fast_target", ADDR, 0)             \
	X(82, CLOCK, "clock", BYTES, 0)                        \
	X(83, CAUSAL, "causal", NEST, 0)                       \
	X(84, TRACE, "trace", BYTES, 0)                        \
	X(85, MTU_BYTES, "mtu_bytes", U64, 0)                  \
	/* Partitions */                                       \
	X(100, REFERENCE, "reference", ID, 0)                  \
	X(101, ORIGIN, "origin", STR, 0)                       \
	X(102, SHAPE, "shape", STR, 0)                         \
	X(103, TTL, "ttl", U64, 0)                             \
	X(104, DURATION_MS, "duration_ms", U64, 0)             \
	X(105, REMAINING_MS, "remaining_ms", U64, 0)           \
	X(106, VISIBILITY, "visibility", STR, 0)               \
	X(107, SCOPE, "scope", STR, 0)                         \
	X(108, COMPONENT, "components", NEST, 1)               \
	X(109, PARTICIPANT, "participants", STR, 1)            \
	X(110, MISSING, "missing", STR, 1)                     \
	X(111, RESOLVED, "resolved", BOOL, 0)                  \
	X(112, FORCE, "force", BOOL, 0)                        \
	X(113, LOCAL_ONLY, "local_only", BOOL, 0)              \
	X(114, SEEN_PACKETS, "seen_packets", U64, 0)           \
	X(115, DROPPED_PACKETS, "dropped_packets", U64, 0)     \
	X(116, LEAKED_PACKETS, "leaked_packets", U64, 0)       \
	X(117, DROPPED_BYTES, "dropped_bytes", U64, 0)         \
	X(118, ENTRY, "entries", NEST, 1)                      \
	X(119, KIND, "kind", STR, 0)                           \
	X(120, CHUNK, "chunk", U64, 0)                         \
	X(121, CHUNKS, "chunks", U64, 0)                       \
	X(122, BLOB, "blob", BYTES, 0)                         \
	X(123, ONE_WAY, "one_way", BOOL, 0)                    \
	X(124, RULE, "rule", U64, 0)                           \
	X(125, DIRECTION, "direction", STR, 0)                 \
	X(126, FIRST_DROP, "first_drop", TIME, 0)              \
	X(127, LAST_DROP, "last_drop", TIME, 0)                \
	X(128, BY_LEASE, "by_lease", BOOL, 0)                  \
	X(129, UID, "uid", U64, 0)                             \
	X(130, PID, "pid", U64, 0)                             \
	X(131, WHY, "why", STR, 0)                             \
	X(132, ALL, "all", BOOL, 0)                            \
	/* Control ring */                                     \
	X(150, ROW, "rows", NEST, 1)                           \
	X(151, QUERY, "query", STR, 0)                         \
	X(152, WATCH, "watch", U64, 0)                         \
	X(153, COUNT, "count", U64, 0)                         \
	X(154, UP, "up", BOOL, 0)                              \
	X(155, TIME, "time", TIME, 0)                          \
	X(156, EVENT, "event", STR, 0)                         \
	X(157, WAIT, "wait", BOOL, 0)                          \
	X(158, TIMEOUT_MS, "timeout_ms", U64, 0)               \
	X(159, JOIN_ADDRESS, "join_address", STR, 0)           \
	X(160, FEATURE, "features", STR, 1)                    \
	X(161, SUPPORTED, "supported", BOOL, 0)                \
	X(162, LOCAL_ADDRESS, "local_address", ADDR, 0)        \
	X(163, REMOTE_ADDRESS, "remote_address", ADDR, 0)      \
	X(164, SENT_BYTES, "sent_bytes", U64, 0)               \
	X(165, RECEIVED_BYTES, "received_bytes", U64, 0)       \
	X(166, SENT_MESSAGES, "sent_messages", U64, 0)         \
	X(167, RECEIVED_MESSAGES, "received_messages", U64, 0) \
	X(168, QUEUED_BYTES, "queued_bytes", U64, 0)           \
	X(169, PROGRAM_NAME, "program_name", STR, 0)           \
	X(170, LANES_UP, "lanes_up", U64, 0)                   \
	X(171, LANES_WANTED, "lanes_wanted", U64, 0)           \
	X(172, KEY, "key", STR, 0)                             \
	X(173, VALUE, "value", STR, 0)                         \
	X(174, LIMIT, "limit", U64, 0)                         \
	X(175, SKERRY_VERSION, "skerry_version", STR, 0)       \
	X(176, UPTIME_MS, "uptime_ms", U64, 0)                 \
	X(177, DEVICE, "device", STR, 0)                       \
	X(178, HOOK, "hook", STR, 0)                           \
	X(179, DROPPED_MESSAGES, "dropped_messages", U64, 0)   \
	X(180, CAST, "cast", BOOL, 0)                          \
	X(181, KNOWN, "known", BOOL, 0)                        \
	X(182, WALL_US, "wall_us", U64, 0)                     \
	X(183, DIALLED, "dialled", BOOL, 0)                    \
	X(184, REFUSED, "refused", U64, 0)                     \
	X(185, PINS, "pins", STR, 0)                           \
	X(186, FROM_SEQUENCE, "from_sequence", U64, 0)         \
	X(187, TO_SEQUENCE, "to_sequence", U64, 0)             \
	X(188, RETRANSMITS, "retransmits", U64, 0)             \
	X(189, PERSIST_FORMAT, "persist_format", U64, 0)       \
	X(190, FREE_FROM, "free_from", U64, 0)                 \
	/* Membership, by its calls */                         \
	X(200, STALE, "stale", NEST, 1)                        \
	X(201, PRUNE, "prune", BOOL, 0)                        \
	X(202, RESERVED, "reserved", NEST, 1)                  \
	X(203, STAMP, "stamp", TIME, 0)                        \
	X(204, STATE_FORMAT, "state_format", U64, 0)           \
	X(205, REMOVED_NODE, "removed_nodes", STR, 1)          \
	X(206, JOINED_NODE, "joined_nodes", STR, 1)            \
	X(207, WITHDRAWN, "withdrawn_joins", STR, 1)           \
	/* Requests, replies, monitors */                      \
	X(220, CALL, "call", U64, 0)                           \
	X(221, REPLY, "reply", U64, 0)                         \
	X(222, REPLY_ERROR, "reply_error", U64, 0)             \
	X(223, MONITOR, "monitor", U64, 0)                     \
	X(224, CASTS_DROPPED, "casts_dropped", U64, 0)         \
	/* Channels */                                         \
	X(240, PLAIN_BYTES, "plain_bytes", U64, 0)             \
	X(241, PACKED_BYTES, "packed_bytes", U64, 0)           \
	X(242, UNREADABLE, "unreadable_messages", U64, 0)      \
	X(243, SUPERSEDED, "superseded_messages", U64, 0)      \
	X(244, RECEIVER, "receiver_features", U64, 0)          \
	X(245, ANY_LANE, "any_lane", BOOL, 0)                  \
	/* Shapes of partitions, and what they did */          \
	X(255, MATRIX, "matrix", BYTES, 0)                     \
	X(256, SEED, "seed", U64, 0)                           \
	X(257, LOSS_PPM, "loss_ppm", U64, 0)                   \
	X(258, TARGET, "target", ADDR, 0)                      \
	X(259, PREFIX_BITS, "prefix_bits", U64, 0)             \
	X(260, PROTOCOL, "protocol", STR, 0)                   \
	X(261, HOST, "host", STR, 0)                           \
	X(262, UNABLE, "unable", STR, 1)                       \
	X(263, SAFEGUARD, "safeguards", STR, 1)                \
	X(264, FROM, "from", STR, 0)                           \
	X(265, TO, "to", STR, 0)                               \
	X(266, VERDICT, "verdict", STR, 0)                     \
	X(267, OUT_SEEN, "out_seen", U64, 0)                   \
	X(268, OUT_DROPPED, "out_dropped", U64, 0)             \
	X(269, OUT_LEAKED, "out_leaked", U64, 0)               \
	X(270, IN_SEEN, "in_seen", U64, 0)                     \
	X(271, IN_DROPPED, "in_dropped", U64, 0)               \
	X(272, IN_LEAKED, "in_leaked", U64, 0)                 \
	X(273, IN_FORCE, "in_force", BOOL, 0)                  \
	X(274, UNIT, "unit", STR, 0)                           \
	X(275, EDGE, "edges", NEST, 1)                         \
	X(276, TOKEN, "token", U64, 0)                         \
	X(277, CURSOR, "cursor", U64, 0)                       \
	X(278, UNTIL, "until", TIME, 0)                        \
	X(279, UNSEEN, "unseen", STR, 1)

enum skerry_key {
#define SKERRY_KEY_ENUM(number, name, json, type, list) \
	SKERRY_K_##name = number,
	SKERRY_KEYS(SKERRY_KEY_ENUM)
#undef SKERRY_KEY_ENUM
};

enum skerry_key_type {
	SKERRY_T_U64,
	SKERRY_T_S64,
	SKERRY_T_STR,
	SKERRY_T_BYTES,
	SKERRY_T_BOOL,
	SKERRY_T_ID,
	SKERRY_T_ADDR,
	SKERRY_T_TIME,
	SKERRY_T_NEST,
};

#endif
