// SPDX-License-Identifier: GPL-2.0-only
/*
 * skerry.bpf.c - the programs at the devices, and the timer that tidies up.
 * What is not ours is left to whoever is next.
 */
#include "demux.bpf.h"

#define TC_NEXT (-1)
#define TC_DROP 2

#define CLOCK_BOOT 7

static __always_inline bool judged_here(struct __sk_buff *skb, bool outgoing)
{
	__u32 ifindex = skb->ifindex;
	struct skerry_dev *dev = bpf_map_lookup_elem(&skerry_devs, &ifindex);

	if (!dev)
		return true;
	return dev->role == DEV_JUDGE_BOTH ||
	       dev->role == (outgoing ? DEV_JUDGE_OUT : DEV_JUDGE_IN);
}

static __always_inline void unparsed(struct packet *p, int reason)
{
	if (reason == REASON_LATE_FRAGMENT)
		late_fragment(p);
	count(reason);
}

SEC("tc")
int skerry_out(struct __sk_buff *skb)
{
	struct skerry_meta *meta = meta_get();
	struct packet p;
	int ret;

	if (!meta || !meta->active_rules)
		return TC_NEXT;
	if (!judged_here(skb, true))
		return TC_NEXT;
	ret = parse(skb, &p);
	if (ret) {
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
	if (!judged_here(skb, false))
		return TC_NEXT;
	ret = parse(skb, &p);
	if (ret) {
		unparsed(&p, ret);
		return TC_NEXT;
	}
	if (meta->active_rules &&
	    partition_judge(skb, &p, false) != VERDICT_PASS)
		return TC_DROP;
	if (use_demux && meta->fast_lanes && demux(skb, &p) == DEMUX_DROP)
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
