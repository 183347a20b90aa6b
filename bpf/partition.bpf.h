/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partition.bpf.h - which packets are cut. A packet is ours when its local
 * end lies in this node's block of ports on this host; the peer is whoever
 * owns the block of ports at the other end.
 */
#ifndef SKERRY_PARTITION_BPF_H
#define SKERRY_PARTITION_BPF_H

#include "maps.bpf.h"

#define FAMILY_INET 2
#define FAMILY_INET6 10
#define LOSS_ALL_PPM 1000000U
#define SECOND_NS 1000000000ULL
#define EXEMPT_COST_NS (SECOND_NS / SKERRY_EXEMPT_RATE)
#define PACKET_OTHERHOST 3

#define TCP_FLAGS_AT 13
#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define ICMP_UNREACHABLE 3
#define ICMP_TOO_BIG 4 /* a code of it */
#define ICMPV6_TOO_BIG 2
#define ICMPV6_LISTENER_FIRST 130 /* multicast: what switches go by when */
#define ICMPV6_LISTENER_LAST 132 /* neighbours look for each other */
#define ICMPV6_NEIGHBOUR_FIRST 133
#define ICMPV6_NEIGHBOUR_LAST 137
#define ICMPV6_LISTENERS 143

#define IFINDEX_LOOPBACK 1

enum verdict {
	VERDICT_PASS,
	VERDICT_CUT_WIRE,
	VERDICT_CUT_LOCAL,
	VERDICT_CUT_REJECT,
};

/* One packet on its way through the rules. */
struct hearing {
	__u64 lease_end;
	__u64 now; /* 0: not looked at yet */
	__u64 first_rule; /* that cut it */
	__u32 peer; /* 0: nobody we know */
	__u32 bytes;
	__u16 remote_port;
	bool outgoing;
	bool reset; /* a TCP reset */
	bool loopback; /* on the loopback device */
	bool own; /* from an address to itself */
	bool partition_port;
	bool asked; /* whether it may pass as a partition datagram */
	bool exempt;
	bool expired;
	bool spared;
	bool wire;
	bool local;
	bool reject;
};

static __always_inline __u16 block_of(__u16 port)
{
	return port & ~(SKERRY_PORT_BLOCK - 1);
}

static __always_inline __u32 peer_of(const __u8 *ip, __u16 port)
{
	struct skerry_addr_key key = { .block = block_of(port) };
	struct skerry_addr_value *value;

	__builtin_memcpy(key.ip, ip, 16);
	value = bpf_map_lookup_elem(&skerry_addrs, &key);
	return value ? value->peer : 0;
}

/*
 * Whether an incoming packet ends here. A host that forwards for others
 * (containers with agents of their own, on the same ports) must leave their
 * packets alone. Asked only about packets that would be dropped.
 */
static __noinline int ends_here(struct __sk_buff *skb, struct packet *p)
{
	struct bpf_fib_lookup fib = {};
	struct skerry_meta *meta = meta_get();
	__u32 owner;
	long ret;

	owner = peer_of(p->target_ip, port_base);
	if (ip_loopback(p->target_ip))
		return true;
	if (meta && owner && owner == meta->self_peer)
		return true;
	if (skb->pkt_type == PACKET_OTHERHOST)
		return false;
	fib.ifindex = skb->ifindex;
	fib.l4_protocol = p->protocol;
	if (p->ipv4) {
		fib.family = FAMILY_INET;
		__builtin_memcpy(&fib.ipv4_src, p->source_ip + 12, 4);
		__builtin_memcpy(&fib.ipv4_dst, p->target_ip + 12, 4);
	} else {
		fib.family = FAMILY_INET6;
		__builtin_memcpy(fib.ipv6_src, p->source_ip, 16);
		__builtin_memcpy(fib.ipv6_dst, p->target_ip, 16);
	}
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return ret < 0 || ret == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       ret == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* A token bucket; tokens are kept as time, so that nothing is rounded. */
static __always_inline bool bucket_take(__u64 *saved_ns, __u64 *refilled_ns,
					__u64 now)
{
	__u64 saved = *saved_ns + (now - *refilled_ns);

	/* A second CPU may have looked at its clock earlier. */
	if (now < *refilled_ns)
		saved = *saved_ns;
	else
		*refilled_ns = now;
	if (saved > SECOND_NS)
		saved = SECOND_NS;
	if (saved < EXEMPT_COST_NS) {
		*saved_ns = saved;
		return false;
	}
	*saved_ns = saved - EXEMPT_COST_NS;
	return true;
}

static __always_inline bool exempt_take(struct hearing *h)
{
	struct skerry_exempt *exempt;
	__u32 peer = h->peer; /* before 6.4 a key lies on the stack */
	bool taken;

	exempt = bpf_map_lookup_elem(&skerry_exempt, &peer);
	if (!exempt)
		return false;
	bpf_spin_lock(&exempt->lock);
	if (h->outgoing)
		taken = bucket_take(&exempt->out_ns, &exempt->out_refilled_ns,
				    h->now);
	else
		taken = bucket_take(&exempt->in_ns, &exempt->in_refilled_ns,
				    h->now);
	if (taken)
		exempt->passed++;
	else
		exempt->refused++;
	bpf_spin_unlock(&exempt->lock);
	return taken;
}

/* The far end's port alone: the near end's is as good as random. */
static __always_inline bool host_rule_names(const struct skerry_rule *rule,
					    const struct hearing *h)
{
	/* A network that this host is part of: its way to itself is none. */
	if (h->own && rule->prefix_bits < 128)
		return false;
	/* What comes in there has been judged on its way out. */
	if (h->loopback && !h->outgoing && rule->direction != DIRECTION_IN)
		return false;
	return !rule->port_high || (h->remote_port >= rule->port_low &&
				    h->remote_port <= rule->port_high);
}

static __always_inline bool rule_names(const struct skerry_rule *rule,
				       const struct packet *p,
				       const struct hearing *h)
{
	if (rule->direction == (h->outgoing ? DIRECTION_IN : DIRECTION_OUT))
		return false;
	if (rule->protocol && rule->protocol != p->protocol)
		return false;
	if (rule->scope == SCOPE_HOST)
		return host_rule_names(rule, h);
	if (!rule->port_high)
		return true;
	return (p->source_port >= rule->port_low &&
		p->source_port <= rule->port_high) ||
	       (p->target_port >= rule->port_low &&
		p->target_port <= rule->port_high);
}

/* A rule that names the packet but is not in force any more. */
static __always_inline void rule_out(struct skerry_rule *rule, __u64 id,
				     struct skerry_drop *drop, struct packet *p,
				     struct hearing *h, __u64 end)
{
	h->expired = true;
	if (!drop)
		return;
	if (rule->deadline_ns) {
		__sync_fetch_and_add(&drop->expired_seen, p->segments);
		return;
	}
	__sync_fetch_and_add(&drop->leaked, p->segments);
	if (!h->outgoing)
		__sync_fetch_and_add(&drop->leaked_in, p->segments);
	if (drop->lease_out_ns != end) {
		drop->lease_out_ns = end;
		tell(EVENT_LEASE_OUT, id, rule->peer, h->now);
	}
}

static __always_inline void rule_drops(struct skerry_rule *rule, __u64 id,
				       struct skerry_drop *drop,
				       struct packet *p, struct hearing *h)
{
	if (rule->visibility == VISIBILITY_LOCAL)
		h->local = true;
	else if (rule->visibility == VISIBILITY_REJECT)
		h->reject = true;
	else
		h->wire = true;
	if (!h->first_rule)
		h->first_rule = id;
	if (!drop)
		return;
	if (!drop->dropped) {
		drop->first_ns = h->now;
		tell(EVENT_FIRST_DROP, id, rule->peer, h->now);
	}
	drop->last_ns = h->now;
	__sync_fetch_and_add(&drop->dropped, p->segments);
	__sync_fetch_and_add(&drop->dropped_bytes, h->bytes);
	if (h->outgoing)
		return;
	__sync_fetch_and_add(&drop->dropped_in, p->segments);
	__sync_fetch_and_add(&drop->dropped_bytes_in, h->bytes);
}

/*
 * The n-th draw of a seed, below a million: splitmix64, which is a hash of a
 * counter. So the same seed loses the same packets again, by number.
 */
static __always_inline __u32 draw(__u64 seed, __u64 n, bool outgoing)
{
	__u64 x = seed + (2 * n + outgoing + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return ((x >> 32) * LOSS_ALL_PPM) >> 32;
}

/*
 * Whether a rule lets go a packet that it names. Loss is drawn once for each
 * packet: by its sender's kernel where a node sends, and here where the
 * sender is none. What travels as one packet of many segments shares one
 * draw and one fate: the expected share of segments is that of packets.
 */
static __always_inline bool rule_spares(const struct skerry_rule *rule,
					struct skerry_drop *drop,
					struct hearing *h)
{
	__u64 n = h->now;

	/* It tells the far end of a connection that this end is destroyed. */
	if (rule->visibility == VISIBILITY_SEVER && h->reset)
		return true;
	if (rule->loss_ppm >= LOSS_ALL_PPM)
		return false;
	if (!h->outgoing && h->peer && rule->scope == SCOPE_NODE)
		return true;
	if (drop) {
		bpf_spin_lock(&drop->lock);
		if (h->outgoing)
			n = drop->drawn_out++;
		else
			n = drop->drawn_in++;
		bpf_spin_unlock(&drop->lock);
	}
	return draw(rule->seed, n, h->outgoing) >= rule->loss_ppm;
}

/*
 * Each rule in force that names the packet counts it in its own ledger. Not
 * static, so that the verifier looks at it once and not for each of the
 * rules a packet can meet: that is the difference between milliseconds and
 * seconds. (Such a function must not take the context, or loading would need
 * the kernel's own BTF.)
 */
__noinline int rule_judge(__u64 id, struct packet *p, struct hearing *h)
{
	struct skerry_rule *rule = bpf_map_lookup_elem(&skerry_rules, &id);
	struct skerry_drop *drop;
	__u64 end;

	if (!p || !h)
		return 0;
	if (!rule || h->exempt || !rule_names(rule, p, h))
		return 0;
	if (!h->now)
		h->now = bpf_ktime_get_boot_ns();
	end = rule->deadline_ns ? rule->deadline_ns : h->lease_end;
	drop = bpf_map_lookup_elem(&skerry_drops, &id);
	if (h->now >= end) {
		rule_out(rule, id, drop, p, h, end);
		return 0;
	}
	if (h->partition_port && !h->asked) {
		h->asked = true;
		h->exempt = exempt_take(h);
		if (h->exempt)
			return 0;
	}
	if (drop) {
		__sync_fetch_and_add(&drop->seen, p->segments);
		if (!h->outgoing)
			__sync_fetch_and_add(&drop->seen_in, p->segments);
	}
	if (rule_spares(rule, drop, h)) {
		h->spared = true;
		return 0;
	}
	rule_drops(rule, id, drop, p, h);
	return 0;
}

/* const also for the type's sake: clang describes a type in full only where
 * it meets it other than as the value of an inner map. */
__noinline int ruleset_judge(const struct skerry_ruleset *set, struct packet *p,
			     struct hearing *h)
{
	__u32 i;

	if (!set || !p || !h)
		return 0;
	for (i = 0; i < SKERRY_RULES_PER_PEER_MAX; i++) {
		if (!set->rule[i])
			break;
		rule_judge(set->rule[i], p, h);
	}
	return 0;
}

static __always_inline struct skerry_ruleset *
cidr_find(struct skerry_meta *meta, struct packet *p, struct hearing *h)
{
	struct skerry_cidr_key key = { .prefix_bits = 128 };
	__u32 zero = 0;
	void *inner;

	if (!use_address || !meta->cidr_rules)
		return NULL;
	inner = bpf_map_lookup_elem(&skerry_cidr, &zero);
	if (!inner)
		return NULL;
	__builtin_memcpy(key.ip, h->outgoing ? p->target_ip : p->source_ip, 16);
	return bpf_map_lookup_elem(inner, &key);
}

static __always_inline void late_fragment(struct packet *p)
{
	struct fragment_key key = { .id = p->fragment_id,
				    .protocol = p->protocol };
	struct skerry_drop *drop;
	__u64 *rule;

	__builtin_memcpy(key.source_ip, p->source_ip, 16);
	__builtin_memcpy(key.target_ip, p->target_ip, 16);
	rule = bpf_map_lookup_elem(&skerry_frags, &key);
	drop = rule ? bpf_map_lookup_elem(&skerry_drops, rule) : NULL;
	if (drop)
		__sync_fetch_and_add(&drop->late_fragments, 1);
}

static __always_inline void fragment_cut(struct packet *p, __u64 rule)
{
	struct fragment_key key = { .id = p->fragment_id,
				    .protocol = p->protocol };

	__builtin_memcpy(key.source_ip, p->source_ip, 16);
	__builtin_memcpy(key.target_ip, p->target_ip, 16);
	bpf_map_update_elem(&skerry_frags, &key, &rule, BPF_ANY);
}

/*
 * What passes although this host is cut from an address: what the network
 * itself needs to work, and how people get in to lift the cut.
 */
static __noinline int host_open(struct __sk_buff *skb, struct packet *p,
				bool outgoing)
{
	struct skerry_open_key key = {};
	struct skerry_open *open;
	__u8 icmp[2]; /* type, code */

	if (p->protocol == PROTOCOL_ICMP || p->protocol == PROTOCOL_ICMPV6) {
		if (load(skb, p->transport, icmp, sizeof(icmp)))
			return false;
		if (p->protocol == PROTOCOL_ICMP)
			return icmp[0] == ICMP_UNREACHABLE &&
			       icmp[1] == ICMP_TOO_BIG;
		return icmp[0] == ICMPV6_TOO_BIG ||
		       icmp[0] == ICMPV6_LISTENERS ||
		       (icmp[0] >= ICMPV6_LISTENER_FIRST &&
			icmp[0] <= ICMPV6_LISTENER_LAST) ||
		       (icmp[0] >= ICMPV6_NEIGHBOUR_FIRST &&
			icmp[0] <= ICMPV6_NEIGHBOUR_LAST);
	}
	key.protocol = p->protocol;
	key.port = outgoing ? p->source_port : p->target_port;
	open = bpf_map_lookup_elem(&skerry_open, &key);
	if (!open)
		return false;
	__sync_fetch_and_add(&open->passed, p->segments);
	return true;
}

/* Between partition ports, and from or to a node we know. */
static __always_inline bool is_partition_port(const struct packet *p,
					      const struct hearing *h)
{
	return p->protocol == PROTOCOL_UDP && !p->first_fragment && h->peer &&
	       p->source_port % SKERRY_PORT_BLOCK == SKERRY_PORT_PARTITION &&
	       p->target_port % SKERRY_PORT_BLOCK == SKERRY_PORT_PARTITION &&
	       p->segments == 1 &&
	       p->length <=
		       p->transport + 8 + SKERRY_PARTITION_DATAGRAM_MAX_BYTES;
}

static __always_inline bool is_reset(struct __sk_buff *skb,
				     const struct packet *p)
{
	__u8 flags;

	return p->protocol == PROTOCOL_TCP &&
	       !load(skb, p->transport + TCP_FLAGS_AT, &flags, 1) &&
	       (flags & TCP_RST);
}

/* Its own verdict for what no rule took. */
static __always_inline int not_cut(const struct hearing *h, bool ours)
{
	if (h->exempt)
		count(REASON_EXEMPT);
	else if (h->spared)
		count(REASON_SPARED);
	else if (h->expired)
		count(REASON_EXPIRED);
	else
		count(ours ? REASON_NO_RULE : REASON_NOT_OURS);
	return VERDICT_PASS;
}

/*
 * *p is parsed and there are rules: to cut it or not to cut it. Rules about
 * nodes look at packets of the node's own block, rules about addresses at all
 * that begin or end on this host.
 */
static __noinline int partition_judge(struct __sk_buff *skb, struct packet *p,
				      bool outgoing)
{
	struct skerry_ruleset *theirs = NULL, *all = NULL, *cidr;
	struct skerry_meta *meta = meta_get();
	const __u8 *remote_ip;
	struct hearing h;
	__u16 local_port;
	__u32 key = 0;
	void *gen;
	bool ours;

	gen = bpf_map_lookup_elem(&skerry_gen, &key);
	if (!meta || !gen)
		return VERDICT_PASS;
	__builtin_memset(&h, 0, sizeof(h));
	h.outgoing = outgoing;
	h.bytes = p->length;
	h.lease_end = meta->lease_end_ns;
	local_port = outgoing ? p->source_port : p->target_port;
	h.remote_port = outgoing ? p->target_port : p->source_port;
	remote_ip = outgoing ? p->target_ip : p->source_ip;
	/* Of another host, and merely forwarded. */
	if (outgoing && skb->ingress_ifindex)
		return not_cut(&h, false);
	cidr = cidr_find(meta, p, &h);
	ours = block_of(local_port) == port_base;
	if (ours || cidr)
		h.peer = peer_of(remote_ip, h.remote_port);
	if (h.peer ? h.peer == meta->self_peer
		   : block_of(h.remote_port) == port_base &&
			     ip_equal(p->source_ip, p->target_ip))
		ours = false;
	if (ours) {
		all = bpf_map_lookup_elem(gen, &key);
		if (h.peer) {
			key = h.peer;
			theirs = bpf_map_lookup_elem(gen, &key);
		}
	}
	if (!all && !theirs && !cidr)
		return not_cut(&h, ours);
	if (!outgoing && !ends_here(skb, p))
		return not_cut(&h, false);

	h.partition_port = is_partition_port(p, &h);
	h.reset = is_reset(skb, p);
	if (cidr) {
		h.loopback = skb->ifindex == IFINDEX_LOOPBACK;
		h.own = ip_equal(p->source_ip, p->target_ip);
	}
	if (theirs)
		ruleset_judge(theirs, p, &h);
	if (all)
		ruleset_judge(all, p, &h);
	if (cidr) {
		if (host_open(skb, p, outgoing))
			count(REASON_ALWAYS_OPEN);
		else
			ruleset_judge(cidr, p, &h);
	}

	if (h.exempt || !(h.wire || h.local || h.reject))
		return not_cut(&h, ours);
	count(h.asked ? REASON_EXEMPT_REFUSED : REASON_CUT);
	if (p->first_fragment)
		fragment_cut(p, h.first_rule);
	/* Of several rules the one that betrays least wins. */
	if (h.wire)
		return VERDICT_CUT_WIRE;
	return h.local ? VERDICT_CUT_LOCAL : VERDICT_CUT_REJECT;
}

#endif
