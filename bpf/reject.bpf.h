/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reject.bpf.h - a packet turned into the answer its sender gets when it is
 * rejected: a TCP segment into a reset (RFC 9293, 3.5.2), a UDP datagram into
 * ICMP port unreachable (RFC 1122, RFC 4443). In place: the helper that cuts
 * its length is made for that, and takes it out of every offload.
 *
 * Packets with IP options or extension headers are not answered.
 */
#ifndef SKERRY_REJECT_BPF_H
#define SKERRY_REJECT_BPF_H

#include "partition.bpf.h"

#define BPF_INGRESS 1 /* BPF_F_INGRESS, which old headers lack */
#define ETHERNET_BYTES 14
#define VLAN_TAG_BYTES 4
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define ICMP_BYTES 8
#define ANSWER_TTL 64
#define IPV4_DONT_FRAGMENT 0x4000
#define ICMP_PORT_UNREACHABLE 3 /* a code */
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_PORT_UNREACHABLE 4 /* a code */

/* In __sk_buff.tc_index, which nothing else uses any more: an answer, not to
 * be judged. */
#define ANSWER_MARK 0x5b53

enum answer {
	ANSWER_MADE, /* the packet is the answer now */
	ANSWER_NONE, /* there is none to such a packet; it is as it was */
	ANSWER_BROKEN, /* neither the one nor the other any more */
};

struct tcp_header {
	__be16 source;
	__be16 target;
	__be32 sequence;
	__be32 acknowledged;
	__u8 offset; /* high nibble: of the data, words of 4 */
	__u8 flags;
	__be16 window;
	__be16 checksum;
	__be16 urgent;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 unused;
};

struct pseudo_ipv4 {
	__be32 source;
	__be32 target;
	__u8 zero;
	__u8 protocol;
	__be16 length;
};

struct pseudo_ipv6 {
	__u8 source[16];
	__u8 target[16];
	__be32 length;
	__be32 next;
};

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* bytes: a multiple of 4. */
#define SUM(from, seed) \
	((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&(from), sizeof(from), seed))

static __always_inline bool multicast(const struct packet *p)
{
	if (p->ipv4)
		return p->target_ip[12] >= 224;
	return p->target_ip[0] == 0xff;
}

/*
 * Where the IP header begins in the packet: headers of the link are read and
 * written by offsets from their own beginning. A difference of lengths would
 * not do, since short frames come in padded.
 */
static __noinline int link_bytes(struct __sk_buff *skb)
{
	static const __u8 lengths[] = { 0, ETHERNET_BYTES,
					ETHERNET_BYTES + VLAN_TAG_BYTES,
					ETHERNET_BYTES + 2 * VLAN_TAG_BYTES };
	__u32 wanted[IPV4_BYTES / 4], found[IPV4_BYTES / 4];
	int i;

	if (load(skb, 0, wanted, sizeof(wanted)))
		return -1;
	for (i = 0; i < 4; i++) {
		if (!bpf_skb_load_bytes(skb, lengths[i], found,
					sizeof(found)) &&
		    found[0] == wanted[0] && found[1] == wanted[1] &&
		    found[2] == wanted[2] && found[3] == wanted[3] &&
		    found[4] == wanted[4])
			return lengths[i];
	}
	return -1;
}

/* Who sent it gets it. */
static __always_inline int swap_link(struct __sk_buff *skb, __u32 link)
{
	__u8 from[12], to[12];

	if (!link)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, from, sizeof(from)))
		return -1;
	__builtin_memcpy(to, from + 6, 6);
	__builtin_memcpy(to + 6, from, 6);
	return bpf_skb_store_bytes(skb, 0, to, sizeof(to), 0);
}

static __always_inline int put_ipv4(struct __sk_buff *skb,
				    const struct packet *p, __u32 link,
				    __u8 protocol, __u16 payload)
{
	struct ipv4_header ip = {
		.version_length = 0x45,
		.length = bpf_htons(IPV4_BYTES + payload),
		.fragment = bpf_htons(IPV4_DONT_FRAGMENT),
		.ttl = ANSWER_TTL,
		.protocol = protocol,
	};

	__builtin_memcpy(&ip.source, p->target_ip + 12, 4);
	__builtin_memcpy(&ip.target, p->source_ip + 12, 4);
	ip.checksum = ~fold(SUM(ip, 0));
	return bpf_skb_store_bytes(skb, link, &ip, sizeof(ip),
				   BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int put_ipv6(struct __sk_buff *skb,
				    const struct packet *p, __u32 link,
				    __u8 next, __u16 payload)
{
	struct ipv6_header ip = {
		.version_class_label = bpf_htonl(0x60000000),
		.payload_length = bpf_htons(payload),
		.next = next,
		.hop_limit = ANSWER_TTL,
	};

	__builtin_memcpy(ip.source, p->target_ip, 16);
	__builtin_memcpy(ip.target, p->source_ip, 16);
	return bpf_skb_store_bytes(skb, link, &ip, sizeof(ip),
				   BPF_F_RECOMPUTE_CSUM);
}

/* Of the answer, both its ends as they will be. */
static __always_inline __u32 pseudo_sum(const struct packet *p, __u8 protocol,
					__u16 bytes)
{
	struct pseudo_ipv4 four = {};
	struct pseudo_ipv6 six = {};

	if (p->ipv4) {
		__builtin_memcpy(&four.source, p->target_ip + 12, 4);
		__builtin_memcpy(&four.target, p->source_ip + 12, 4);
		four.protocol = protocol;
		four.length = bpf_htons(bytes);
		return SUM(four, 0);
	}
	__builtin_memcpy(six.source, p->target_ip, 16);
	__builtin_memcpy(six.target, p->source_ip, 16);
	six.length = bpf_htonl(bytes);
	six.next = bpf_htonl(protocol);
	return SUM(six, 0);
}

/*
 * Where the checksum is still to be completed on the way (CHECKSUM_PARTIAL)
 * the field holds the pseudo header's sum alone. Which it is can be seen only
 * by having the field changed: that is not done then.
 */
static __always_inline int put_tcp_checksum(struct __sk_buff *skb, __u32 at,
					    __u32 pseudo, __u32 whole)
{
	__u16 value = 0;

	at += __builtin_offsetof(struct tcp_header, checksum);
	if (bpf_l4_csum_replace(skb, at, 0, 1, sizeof(value)) ||
	    bpf_skb_load_bytes(skb, at, &value, sizeof(value)))
		return -1;
	value = value ? ~fold(whole) : fold(pseudo);
	return bpf_skb_store_bytes(skb, at, &value, sizeof(value),
				   BPF_F_RECOMPUTE_CSUM);
}

static __noinline int answer_tcp(struct __sk_buff *skb, struct packet *p,
				 __u32 link)
{
	struct tcp_header tcp, rst = { .offset = TCP_BYTES / 4 << 4 };
	__u32 bytes, pseudo, at = link + p->transport;

	if (load(skb, p->transport, &tcp, sizeof(tcp)) || tcp.flags & TCP_RST)
		return ANSWER_NONE;
	rst.source = tcp.target;
	rst.target = tcp.source;
	rst.flags = TCP_RST;
	if (tcp.flags & TCP_ACK) {
		rst.sequence = tcp.acknowledged;
	} else {
		bytes = p->length - p->transport - (tcp.offset >> 4) * 4;
		if (tcp.flags & TCP_SYN)
			bytes++;
		if (tcp.flags & TCP_FIN)
			bytes++;
		rst.acknowledged = bpf_htonl(bpf_ntohl(tcp.sequence) + bytes);
		rst.flags |= TCP_ACK;
	}
	if (bpf_skb_change_tail(skb, at + TCP_BYTES, 0))
		return ANSWER_NONE;
	pseudo = pseudo_sum(p, PROTOCOL_TCP, TCP_BYTES);
	if (p->ipv4 ? put_ipv4(skb, p, link, PROTOCOL_TCP, TCP_BYTES)
		    : put_ipv6(skb, p, link, PROTOCOL_TCP, TCP_BYTES))
		return ANSWER_BROKEN;
	if (bpf_skb_store_bytes(skb, at, &rst, sizeof(rst),
				BPF_F_RECOMPUTE_CSUM) ||
	    put_tcp_checksum(skb, at, pseudo, SUM(rst, pseudo)))
		return ANSWER_BROKEN;
	return ANSWER_MADE;
}

/*
 * A checksum that would still be completed on the way lands in a field that
 * is unused here, and is zero, because what it is about sums up to zero.
 */
static __noinline int answer_udp_ipv4(struct __sk_buff *skb, struct packet *p,
				      __u32 link)
{
	struct {
		struct icmp_header icmp;
		__u8 cause[IPV4_BYTES + UDP_HEADER_BYTES];
	} answer = { .icmp = { .type = ICMP_UNREACHABLE,
			       .code = ICMP_PORT_UNREACHABLE } };

	if (load(skb, 0, answer.cause, sizeof(answer.cause)) ||
	    bpf_skb_change_tail(skb, link + IPV4_BYTES + sizeof(answer), 0))
		return ANSWER_NONE;
	answer.icmp.checksum = ~fold(SUM(answer, 0));
	if (put_ipv4(skb, p, link, PROTOCOL_ICMP, sizeof(answer)) ||
	    bpf_skb_store_bytes(skb, link + IPV4_BYTES, &answer, sizeof(answer),
				BPF_F_RECOMPUTE_CSUM))
		return ANSWER_BROKEN;
	return ANSWER_MADE;
}

static __noinline int answer_udp_ipv6(struct __sk_buff *skb, struct packet *p,
				      __u32 link)
{
	struct {
		struct icmp_header icmp;
		__u8 cause[IPV6_BYTES + UDP_HEADER_BYTES];
	} answer = { .icmp = { .type = ICMPV6_UNREACHABLE,
			       .code = ICMPV6_PORT_UNREACHABLE } };
	__u32 pseudo = pseudo_sum(p, PROTOCOL_ICMPV6, sizeof(answer));

	if (load(skb, 0, answer.cause, sizeof(answer.cause)) ||
	    bpf_skb_change_tail(skb, link + IPV6_BYTES + sizeof(answer), 0))
		return ANSWER_NONE;
	answer.icmp.checksum = ~fold(SUM(answer, pseudo));
	if (put_ipv6(skb, p, link, PROTOCOL_ICMPV6, sizeof(answer)) ||
	    bpf_skb_store_bytes(skb, link + IPV6_BYTES, &answer, sizeof(answer),
				BPF_F_RECOMPUTE_CSUM))
		return ANSWER_BROKEN;
	return ANSWER_MADE;
}

/* *p is about to be rejected: the answer instead, where there is one. */
static __noinline int answer_make(struct __sk_buff *skb, struct packet *p)
{
	int link, ret = ANSWER_NONE;

	if (multicast(p) || p->transport != (p->ipv4 ? IPV4_BYTES : IPV6_BYTES))
		return ANSWER_NONE;
	link = link_bytes(skb);
	if (link < 0)
		return ANSWER_NONE;
	if (p->protocol == PROTOCOL_TCP)
		ret = answer_tcp(skb, p, link);
	else if (p->protocol == PROTOCOL_UDP && p->ipv4)
		ret = answer_udp_ipv4(skb, p, link);
	else if (p->protocol == PROTOCOL_UDP)
		ret = answer_udp_ipv6(skb, p, link);
	if (ret == ANSWER_MADE && swap_link(skb, link))
		ret = ANSWER_BROKEN;
	return ret;
}

#endif
