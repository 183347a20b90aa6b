/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * demux.bpf.h - fast channels: a datagram for the node's UDP port goes to
 * the socket of the program that owns its lane, when the whole packet is of
 * that one lane and comes from the lane's sender.
 */
#ifndef SKERRY_DEMUX_BPF_H
#define SKERRY_DEMUX_BPF_H

#include "partition.bpf.h"

/* The most segments the stack puts into one packet. */
#define SEGMENTS_MAX 128
/* Ethernet with two VLAN tags. */
#define LINK_HEADER_MAX_BYTES 22

#define DGRAM_MAGIC 0x5b53
#define DGRAM_VERSION 1
#define DGRAM_FAST 1

/* As struct skerry_dgram of <skerry/wire.h>. */
struct datagram {
	__u16 magic;
	__u8 version;
	__u8 type;
	__u16 header_length;
	__u16 flags;
	__u64 id;
	__u32 flow;
	__u32 reserved;
	__u64 sequence;
};

enum demux {
	DEMUX_PASS, /* to the agent, or not for us at all */
	DEMUX_ASSIGNED,
	DEMUX_DROP,
};

static __always_inline bool datagram_valid(const struct datagram *d,
					   __u32 bytes)
{
	return d->magic == DGRAM_MAGIC && d->version == DGRAM_VERSION &&
	       d->type == DGRAM_FAST && d->header_length >= sizeof(*d) &&
	       d->header_length <= bytes;
}

struct lane_walk {
	struct __sk_buff *skb;
	__u64 id;
	__u32 at;
	bool other; /* a segment is of another lane, or of none */
};

static long one_segment(__u32 index, struct lane_walk *walk)
{
	struct __sk_buff *skb = walk->skb;
	__u32 size = skb->gso_size, left, bytes;
	struct datagram d;

	if (walk->at >= skb->len)
		return 1;
	left = skb->len - walk->at;
	bytes = left < size ? left : size;
	if (bytes < sizeof(d) ||
	    bpf_skb_load_bytes(skb, walk->at, &d, sizeof(d)) ||
	    !datagram_valid(&d, bytes) || d.id != walk->id) {
		walk->other = true;
		return 1;
	}
	walk->at += size;
	return 0;
}

/*
 * Whether every segment is a datagram of the same lane. Segments may lie
 * outside the linear part, where only offsets from the link header reach;
 * such a packet has no padding, so its lengths tell where that begins.
 *
 * With bpf_loop() the verifier looks at one segment; looking at each of them
 * would be most of the time that loading takes.
 */
static __noinline int one_lane(struct __sk_buff *skb, struct packet *p,
			       __u64 id)
{
	struct lane_walk walk = { .skb = skb, .id = id };
	__u32 link = skb->len - p->length;

	if (skb->len < p->length || link > LINK_HEADER_MAX_BYTES)
		return false;
	walk.at = link + p->transport + UDP_HEADER_BYTES;
	bpf_loop(SEGMENTS_MAX, one_segment, &walk, 0);
	return !walk.other && walk.at >= skb->len;
}

static __always_inline struct bpf_sock *
program_socket(struct __sk_buff *skb, struct packet *p, __u16 port)
{
	struct bpf_sock_tuple tuple = {};

	if (p->ipv4) {
		__builtin_memcpy(&tuple.ipv4.saddr, p->source_ip + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, p->target_ip + 12, 4);
		tuple.ipv4.sport = bpf_htons(p->source_port);
		tuple.ipv4.dport = bpf_htons(port);
		return bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv4),
					 BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, p->source_ip, 16);
	__builtin_memcpy(tuple.ipv6.daddr, p->target_ip, 16);
	tuple.ipv6.sport = bpf_htons(p->source_port);
	tuple.ipv6.dport = bpf_htons(port);
	return bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv6),
				 BPF_F_CURRENT_NETNS, 0);
}

static __always_inline int demux_refuse(struct __sk_buff *skb, struct packet *p,
					enum skerry_reason reason)
{
	if (!ends_here(skb, p))
		return DEMUX_PASS;
	count(reason);
	return DEMUX_DROP;
}

static __always_inline int demux_assign(struct __sk_buff *skb, struct packet *p,
					struct skerry_fast *lane, __u32 payload)
{
	struct bpf_sock *sk = program_socket(skb, p, lane->program_port);
	long ret;

	if (!sk)
		goto refuse;
	ret = bpf_sk_assign(skb, sk, 0);
	bpf_sk_release(sk);
	if (ret)
		goto refuse;
	__sync_fetch_and_add(&lane->packets, p->segments);
	__sync_fetch_and_add(&lane->bytes, payload);
	count(REASON_FAST_ASSIGNED);
	return DEMUX_ASSIGNED;
refuse:
	__sync_fetch_and_add(&lane->refused, p->segments);
	return demux_refuse(skb, p, REASON_FAST_NO_SOCKET);
}

/* *p is parsed and incoming, and no rule cuts it. */
static __noinline int demux(struct __sk_buff *skb, struct packet *p)
{
	struct skerry_fast *lane;
	struct datagram d;
	__u32 start, bytes;

	if (p->protocol != PROTOCOL_UDP || p->target_port != port_base ||
	    p->first_fragment)
		return DEMUX_PASS;
	start = p->transport + UDP_HEADER_BYTES;
	if (p->length < start + sizeof(d))
		return demux_refuse(skb, p, REASON_FAST_MALFORMED);
	bytes = p->length - start;
	if (load(skb, start, &d, sizeof(d))) {
		if (bpf_skb_pull_data(skb, skb->len < PULL_BYTES
						   ? skb->len
						   : PULL_BYTES) ||
		    load(skb, start, &d, sizeof(d)))
			return DEMUX_PASS;
	}
	if (!datagram_valid(&d, bytes))
		return demux_refuse(skb, p, REASON_FAST_MALFORMED);
	if (skb->gso_size && !one_lane(skb, p, d.id)) {
		count(REASON_FAST_MIXED);
		return DEMUX_PASS;
	}
	lane = bpf_map_lookup_elem(&skerry_fast, &d.id);
	if (!lane)
		return demux_refuse(skb, p, REASON_FAST_UNKNOWN);
	if (lane->sender_port != p->source_port ||
	    !ip_equal(lane->sender_ip, p->source_ip) ||
	    (!ip_zero(lane->local_ip) &&
	     !ip_equal(lane->local_ip, p->target_ip))) {
		__sync_fetch_and_add(&lane->refused, p->segments);
		return demux_refuse(skb, p, REASON_FAST_SENDER);
	}
	return demux_assign(skb, p, lane, bytes);
}

#endif
