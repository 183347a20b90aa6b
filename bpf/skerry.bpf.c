// SPDX-License-Identifier: GPL-2.0-only
/*
 * skerry.bpf.c - the programs at the devices, and the timer that tidies up.
 * What is not ours is left to whoever is next.
 */
#include "demux.bpf.h"
#include "reject.bpf.h"

#define TC_NEXT (-1)
#define TC_DROP 2

#define CLOCK_BOOT 7

/* Not one of a device on top of this one, which judges for itself. */
static __always_inline bool
frame_is_own(struct __sk_buff *skb, const struct skerry_dev *dev, bool outgoing)
{
	struct {
		__u8 target[6];
		__u8 source[6];
	} ether;
	const __u8 *mac = outgoing ? ether.source : ether.target;

	if (bpf_skb_load_bytes_relative(skb, 0, &ether, sizeof(ether),
					BPF_HDR_START_MAC))
		return true;
	if (!outgoing && (mac[0] & 1))
		return true;
	/* One branch instead of six, for the verifier's sake. */
	return !((mac[0] ^ dev->mac[0]) | (mac[1] ^ dev->mac[1]) |
		 (mac[2] ^ dev->mac[2]) | (mac[3] ^ dev->mac[3]) |
		 (mac[4] ^ dev->mac[4]) | (mac[5] ^ dev->mac[5]));
}

static __always_inline bool judged_here(struct __sk_buff *skb, bool outgoing)
{
	__u32 ifindex = skb->ifindex;
	struct skerry_dev *dev = bpf_map_lookup_elem(&skerry_devs, &ifindex);

	if (!dev)
		return true;
	if (dev->role == DEV_JUDGE_OWN)
		return frame_is_own(skb, dev, outgoing);
	return dev->role == DEV_JUDGE_BOTH ||
	       dev->role == (outgoing ? DEV_JUDGE_OUT : DEV_JUDGE_IN);
}

/*
 * For the verifier only: what a function like this has had in its hands is
 * not known to it any more. Else it would go through all that follows once
 * for each way in which a packet can be parsed, which is most of the time
 * that loading takes.
 */
__noinline int forget(struct packet *p)
{
	asm volatile("" ::"r"(p) : "memory");
	return 0;
}

static __always_inline void unparsed(struct packet *p, int reason)
{
	if (reason == REASON_LATE_FRAGMENT)
		late_fragment(p);
	count(reason);
}

/* What cannot be judged: rules about addresses ask for no ports. */
static __always_inline bool judgeable(const struct skerry_meta *meta, int ret)
{
	return !ret ||
	       (use_address && ret == REASON_NOT_OURS && meta->cidr_rules);
}

/* The sender is told at once; where there is no answer to its packet, by an
 * error of the send call, or not at all when it is elsewhere. */
static __always_inline int reject(struct __sk_buff *skb, struct packet *p,
				  bool outgoing)
{
	bool loopback = skb->ifindex == IFINDEX_LOOPBACK;
	int made = ANSWER_NONE;

	/* What comes in there has no way back that the stack believes in. */
	if (use_reject && (outgoing || !loopback))
		made = answer_make(skb, p);
	if (made != ANSWER_MADE) {
		count(REASON_REJECTED_MUTE);
		return TC_DROP;
	}
	count(REASON_REJECTED);
	skb->tc_index = ANSWER_MARK;
	/* There the packet comes back by itself, with the route that makes
	 * the stack take it: one that is sent in anew would be a martian. */
	if (loopback)
		return TC_NEXT;
	return bpf_redirect(skb->ifindex, outgoing ? BPF_INGRESS : 0);
}

static __always_inline bool is_answer(struct __sk_buff *skb)
{
	if (!use_reject || skb->tc_index != ANSWER_MARK)
		return false;
	skb->tc_index = 0;
	return true;
}

SEC("tc")
int skerry_out(struct __sk_buff *skb)
{
	struct skerry_meta *meta = meta_get();
	struct packet p;
	int ret;

	if (!meta || !meta->active_rules)
		return TC_NEXT;
	if (!judged_here(skb, true) || is_answer(skb))
		return TC_NEXT;
	ret = parse(skb, &p);
	forget(&p);
	if (!judgeable(meta, ret)) {
		unparsed(&p, ret);
		return TC_NEXT;
	}
	switch (partition_judge(skb, &p, true)) {
	case VERDICT_CUT_WIRE:
		/* No interface has index 0: the packet is gone and its sender
		 * is told that it was sent, as with a cable pulled. */
		return bpf_redirect(0, 0);
	case VERDICT_CUT_LOCAL:
		return TC_DROP;
	case VERDICT_CUT_REJECT:
		return reject(skb, &p, true);
	default:
		return TC_NEXT;
	}
}

SEC("tc")
int skerry_in(struct __sk_buff *skb)
{
	struct skerry_meta *meta = meta_get();
	struct packet p;
	int ret;

	if (!meta || !(meta->active_rules | meta->fast_lanes))
		return TC_NEXT;
	if (!judged_here(skb, false) || is_answer(skb))
		return TC_NEXT;
	ret = parse(skb, &p);
	forget(&p);
	if (!judgeable(meta, ret)) {
		unparsed(&p, ret);
		return TC_NEXT;
	}
	if (meta->active_rules) {
		switch (partition_judge(skb, &p, false)) {
		case VERDICT_PASS:
			break;
		case VERDICT_CUT_REJECT:
			return reject(skb, &p, false);
		default:
			return TC_DROP;
		}
	}
	if (use_demux && !ret && meta->fast_lanes &&
	    demux(skb, &p) == DEMUX_DROP)
		return TC_DROP;
	return TC_NEXT;
}

/* ---- tidying up ------------------------------------------------------------ */

/* When a rule may go; lease: by the lease and its grace. */
static __always_inline __u64 rule_end(const struct skerry_rule *rule)
{
	struct skerry_meta *meta = meta_get();

	if (rule->deadline_ns || !meta)
		return rule->deadline_ns;
	return meta->lease_end_ns + SKERRY_LEASE_GRACE_NS;
}

static int expired(void *map, __u64 *key, struct skerry_rule *rule)
{
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 end = rule_end(rule);

	if (now < end) {
		bpf_timer_start(&rule->timer, end - now, 0);
		return 0;
	}
	tell(EVENT_RULE_EXPIRED, *key, rule->peer, now);
	bpf_map_delete_elem(&skerry_rules, key);
	return 0;
}

struct expire_request {
	__u64 rule;
};

/* Run by the agent once for each rule it has written. */
SEC("syscall")
int skerry_expire(struct expire_request *request)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct skerry_rule *rule;
	__u64 id = request->rule;
	__u64 end;
	long ret;

	rule = bpf_map_lookup_elem(&skerry_rules, &id);
	if (!rule)
		return -2; /* -ENOENT */
	ret = bpf_timer_init(&rule->timer, &skerry_rules, CLOCK_BOOT);
	if (ret)
		return ret;
	ret = bpf_timer_set_callback(&rule->timer, expired);
	if (ret)
		return ret;
	end = rule_end(rule);
	return bpf_timer_start(&rule->timer, end > now ? end - now : 0, 0);
}

char LICENSE[] SEC("license") = "GPL";
