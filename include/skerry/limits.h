/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * limits.h - every bound on what a peer, a program or a person can make a
 * node hold. `skerryctl status` shows how far those of this node are used.
 *
 * Units are last in the names; sizes without a unit are counts.
 */
#ifndef SKERRY_LIMITS_H
#define SKERRY_LIMITS_H

/* Names, without the terminating NUL. */
#define SKERRY_NAME_MAX_BYTES 63U /* node and cluster names */
#define SKERRY_ENDPOINT_MAX_BYTES 127U /* endpoint names */
#define SKERRY_CHANNEL_MAX_BYTES 31U /* channel names */
#define SKERRY_TAG_MAX_BYTES 63U /* one tag of a node */
#define SKERRY_REASON_MAX_BYTES 255U /* a sentence in a frame */

/* The cluster as one node sees it. */
#define SKERRY_MEMBERS_MAX 512U /* live members on the full mesh */
#define SKERRY_REMOVED_MAX 4096U /* removed entries remembered */
#define SKERRY_ADDRS_MAX 8U /* addresses in one spec */
#define SKERRY_TAGS_MAX 8U
#define SKERRY_CHANNELS_MAX 16U /* channels of one node */
#define SKERRY_PARALLELISM_MAX 16U /* lanes of one channel */
#define SKERRY_LANES_PER_PAIR_MAX 32U /* sum of parallelism */
#define SKERRY_JOINS_MAX 64U /* joins being retried */
#define SKERRY_STALE_MAX 64U /* stale addresses remembered */
#define SKERRY_RESERVES_MAX 64U /* places one node's programs reserve */
#define SKERRY_RESERVED_TAGS_MAX 8U /* tags one node reserves for */
#define SKERRY_DISCOVERY_MAX 8U /* names looked up for nodes to join */
#define SKERRY_DNS_SERVERS_MAX 4U /* that are asked, when configured */
#define SKERRY_SPEC_MAX_BYTES 2048U /* a spec on the wire */

/* Ports. The block is aligned to its size. */
#define SKERRY_PORT_BLOCK 128U
#define SKERRY_PORT_BASE 17280U
#define SKERRY_PORT_LANES 0U /* TCP: listening */
#define SKERRY_PORT_FAST 0U /* UDP: fast channels */
#define SKERRY_PORT_PARTITION 1U /* UDP: the partition port */
#define SKERRY_PORT_HEARTBEAT 2U /* UDP: heartbeats */
#define SKERRY_PORT_FIRST_FREE 3U /* the rest: dialling, programs */
#define SKERRY_FAST_SOCKETS_MAX 120U

/*
 * Programs on one node. A place among them is taken by connecting; who has
 * connected and not attached yet is silent, and when places are wanted the
 * one that has been so for longest is sent away. The last places are for
 * administrators. No program, and no user but root with all its programs,
 * can have all endpoints or flows: -ENOSPC beyond its share.
 */
#define SKERRY_PROGRAMS_MAX 256U
#define SKERRY_PROGRAMS_FOR_ADMINS 16U /* of them */
#define SKERRY_SILENT_PER_USER_MAX 32U /* administrators are not counted */
#define SKERRY_ENDPOINTS_MAX 4096U
#define SKERRY_ENDPOINTS_PER_PROGRAM_MAX 1024U
#define SKERRY_ENDPOINTS_PER_USER_MAX (SKERRY_ENDPOINTS_MAX / 2)
#define SKERRY_FLOWS_MAX 65536U /* out and in, each */
#define SKERRY_FLOWS_PER_PROGRAM_MAX 1024U
#define SKERRY_FLOWS_PER_USER_MAX (SKERRY_FLOWS_MAX / 2)
/* To one program, those that it only remembers counted too. */
#define SKERRY_INFLOWS_PER_PROGRAM_MAX (2 * SKERRY_FLOWS_PER_PROGRAM_MAX)
#define SKERRY_WATCHES_PER_PROGRAM_MAX 256U
#define SKERRY_CALLS_PER_PROGRAM_MAX 4096U /* without an answer yet */
#define SKERRY_MONITORS_PER_PROGRAM_MAX 256U

/* Sizes. */
#define SKERRY_MESSAGE_MAX_BYTES (64U << 20)
#define SKERRY_FRAGMENT_BYTES (64U << 10)
#define SKERRY_FRAME_MAX_BYTES (SKERRY_FRAGMENT_BYTES + 4096U)
/* Extensions of a message, total_bytes not counted. */
#define SKERRY_MESSAGE_EXT_MAX_BYTES 128U
#define SKERRY_RING_BYTES (1U << 20) /* a message ring, each way */
#define SKERRY_CONTROL_RING_BYTES (256U << 10)
#define SKERRY_FLOW_CREDIT_BYTES (256U << 10)
#define SKERRY_LANE_QUEUE_BYTES (4U << 20)
#define SKERRY_REASSEMBLY_BYTES (128U << 20) /* a program */
#define SKERRY_PENDING_BYTES (64U << 20) /* waiting in library memory */
#define SKERRY_VALUES_MAX 4096U /* of monotonic channels, in a library */
#define SKERRY_FAST_MAX_BYTES 1400U /* payload, when the MTU is unknown */
#define SKERRY_PARTITION_DATAGRAM_MAX_BYTES 1200U

/* Partitions. */
#define SKERRY_PARTITIONS_MAX 256U
/* Active partitions that no components describe: a bit for each pair. */
#define SKERRY_PARTITION_MATRICES_MAX 16U
#define SKERRY_INQUIRIES_MAX 4U /* verify and explain under way */
#define SKERRY_RULES_MAX 16384U
#define SKERRY_RULES_PER_PEER_MAX 8U
#define SKERRY_ADDRESS_RULES_MAX 1024U /* of them, about addresses */
#define SKERRY_PEERS_MAX 8192U /* peer ids the kernel maps hold */

#endif
