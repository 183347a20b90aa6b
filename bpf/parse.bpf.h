/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parse.bpf.h - from a packet to both its ends. Everything is read relative
 * to the network header: tunnels have no Ethernet header.
 */
#ifndef SKERRY_PARSE_BPF_H
#define SKERRY_PARSE_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "skerry/maps.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8

#define PROTOCOL_HOPOPTS 0
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ROUTING 43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_AUTH 51
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_DSTOPTS 60

#define UDP_HEADER_BYTES 8

#define IPV6_EXTENSIONS_MAX 8
/* Headers that a driver left outside the linear part: at most so much is
 * pulled in, once. */
#define PULL_BYTES 256U

struct packet {
	__u8 source_ip[16];
	__u8 target_ip[16];
	__u16 source_port;
	__u16 target_port;
	__u32 transport; /* offset of the TCP or UDP header */
	__u32 length; /* of the IP packet */
	__u32 segments;
	__u32 fragment_id;
	__u8 protocol;
	bool ipv4;
	bool first_fragment;
	bool late_fragment;
};

struct ipv4_header {
	__u8 version_length;
	__u8 tos;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 target;
};

struct ipv6_header {
	__be32 version_class_label;
	__be16 payload_length;
	__u8 next;
	__u8 hop_limit;
	__u8 source[16];
	__u8 target[16];
};

struct ipv6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset_more;
	__be32 id;
};

struct ports {
	__be16 source;
	__be16 target;
};

static __always_inline int load(struct __sk_buff *skb, __u32 offset, void *to,
				__u32 bytes)
{
	return bpf_skb_load_bytes_relative(skb, offset, to, bytes,
					   BPF_HDR_START_NET);
}

static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *p)
{
	struct ports ports;

	if (p->protocol != PROTOCOL_TCP && p->protocol != PROTOCOL_UDP)
		return REASON_NOT_OURS;
	if (load(skb, p->transport, &ports, sizeof(ports)))
		return REASON_SHORT;
	p->source_port = bpf_ntohs(ports.source);
	p->target_port = bpf_ntohs(ports.target);
	return 0;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct ipv4_header ip;
	__u16 fragment;

	if (load(skb, 0, &ip, sizeof(ip)))
		return REASON_SHORT;
	if ((ip.version_length & 15) < 5)
		return REASON_SHORT;
	p->ipv4 = true;
	p->transport = (ip.version_length & 15) * 4;
	p->length = bpf_ntohs(ip.length);
	p->protocol = ip.protocol;
	p->source_ip[10] = p->source_ip[11] = 0xff;
	p->target_ip[10] = p->target_ip[11] = 0xff;
	__builtin_memcpy(p->source_ip + 12, &ip.source, 4);
	__builtin_memcpy(p->target_ip + 12, &ip.target, 4);
	fragment = bpf_ntohs(ip.fragment);
	p->fragment_id = bpf_ntohs(ip.id);
	p->late_fragment = fragment & 0x1fff;
	p->first_fragment = !p->late_fragment && (fragment & 0x2000);
	return 0;
}

static __always_inline int parse_extensions(struct __sk_buff *skb,
					    struct packet *p, __u8 next)
{
	struct ipv6_fragment fragment;
	__u32 offset = sizeof(struct ipv6_header);
	__u8 head[2];
	int i;

	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		switch (next) {
		case PROTOCOL_HOPOPTS:
		case PROTOCOL_ROUTING:
		case PROTOCOL_DSTOPTS:
		case PROTOCOL_AUTH:
			if (load(skb, offset, head, sizeof(head)))
				return REASON_SHORT;
			/* AH counts words of 4, the others words of 8. */
			offset += next == PROTOCOL_AUTH ? (head[1] + 2) * 4
							: (head[1] + 1) * 8;
			next = head[0];
			break;
		case PROTOCOL_FRAGMENT:
			if (load(skb, offset, &fragment, sizeof(fragment)))
				return REASON_SHORT;
			p->fragment_id = bpf_ntohl(fragment.id);
			p->late_fragment =
				bpf_ntohs(fragment.offset_more) & 0xfff8;
			p->first_fragment =
				!p->late_fragment &&
				(bpf_ntohs(fragment.offset_more) & 1);
			next = fragment.next;
			offset += sizeof(fragment);
			if (p->late_fragment) {
				p->protocol = next;
				return 0;
			}
			break;
		default:
			p->protocol = next;
			p->transport = offset;
			return 0;
		}
	}
	return REASON_SHORT;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6_header ip;

	if (load(skb, 0, &ip, sizeof(ip)))
		return REASON_SHORT;
	p->length = sizeof(ip) + bpf_ntohs(ip.payload_length);
	__builtin_memcpy(p->source_ip, ip.source, 16);
	__builtin_memcpy(p->target_ip, ip.target, 16);
	return parse_extensions(skb, p, ip.next);
}

static __noinline int parse_once(struct __sk_buff *skb, struct packet *p)
{
	__u8 version;
	int ret;

	__builtin_memset(p, 0, sizeof(*p));
	if (load(skb, 0, &version, sizeof(version)))
		return REASON_SHORT;
	if (version >> 4 == 4)
		ret = parse_ipv4(skb, p);
	else if (version >> 4 == 6)
		ret = parse_ipv6(skb, p);
	else
		return REASON_NOT_IP;
	if (ret)
		return ret;
	return p->late_fragment ? REASON_LATE_FRAGMENT : parse_ports(skb, p);
}

/*
 * 0 when *p names both ends; otherwise the reason why it cannot. With
 * REASON_NOT_OURS it names both addresses, and the protocol has no ports.
 */
static __always_inline int parse(struct __sk_buff *skb, struct packet *p)
{
	__u16 type = bpf_ntohs(skb->protocol);
	__u32 pull = skb->len < PULL_BYTES ? skb->len : PULL_BYTES;
	int ret;

	__builtin_memset(p, 0, sizeof(*p));
	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6 &&
	    type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
		return REASON_NOT_IP;
	ret = parse_once(skb, p);
	if (ret == REASON_SHORT && !bpf_skb_pull_data(skb, pull))
		ret = parse_once(skb, p);
	p->segments = skb->gso_segs ? skb->gso_segs : 1;
	/* What came from outside may name the size only. */
	if (!skb->gso_segs && skb->gso_size && p->length > p->transport)
		p->segments = (p->length - p->transport + skb->gso_size - 1) /
			      skb->gso_size;
	return ret;
}

static __always_inline bool ip_equal(const __u8 *a, const __u8 *b)
{
	const __u32 *x = (const __u32 *)a;
	const __u32 *y = (const __u32 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline bool ip_zero(const __u8 *a)
{
	const __u32 *x = (const __u32 *)a;

	return !(x[0] | x[1] | x[2] | x[3]);
}

static __always_inline bool ip_loopback(const __u8 *a)
{
	const __u32 *x = (const __u32 *)a;

	if (x[0] | x[1])
		return false;
	if (x[2] == bpf_htonl(0xffff))
		return a[12] == 127;
	return !x[2] && x[3] == bpf_htonl(1);
}

#endif
