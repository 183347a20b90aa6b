/* SPDX-License-Identifier: GPL-2.0-only */
/* maps.bpf.h - the maps and who writes them; configuration; counting. */
#ifndef SKERRY_MAPS_BPF_H
#define SKERRY_MAPS_BPF_H

#include "parse.bpf.h"

/* ---- configuration, fixed when the programs are loaded ----------------- */

const volatile __u32 port_base;
const volatile bool use_events;
const volatile bool use_demux;
const volatile bool use_reject;
const volatile bool use_address;

/* ---- maps ------------------------------------------------------------------ */

/* The agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skerry_meta);
} skerry_meta SEC(".maps");

/* The agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_PEERS_MAX *SKERRY_ADDRS_MAX);
	__type(key, struct skerry_addr_key);
	__type(value, struct skerry_addr_value);
} skerry_addrs SEC(".maps");

/* The agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_PEERS_MAX);
	__type(key, __u32);
	__type(value, struct skerry_peer);
} skerry_peers SEC(".maps");

/* The agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_MEMBERS_MAX *SKERRY_LANES_PER_PAIR_MAX);
	__type(key, struct skerry_conn_key);
	__type(value, struct skerry_conn);
} skerry_conns SEC(".maps");

/* The agent; the timer in a value deletes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_RULES_MAX);
	__type(key, __u64);
	__type(value, struct skerry_rule);
} skerry_rules SEC(".maps");

/* Entries come and go with the agent; skerry_in and skerry_out count. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_RULES_MAX + SKERRY_LEDGERS_KEPT);
	__type(key, __u64);
	__type(value, struct skerry_drop);
} skerry_drops SEC(".maps");

/* The agent; skerry_in counts. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_FLOWS_MAX);
	__type(key, __u64);
	__type(value, struct skerry_fast);
} skerry_fast SEC(".maps");

/* Entries come and go with the agent; skerry_in and skerry_out spend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_PEERS_MAX);
	__type(key, __u32);
	__type(value, struct skerry_exempt);
} skerry_exempt SEC(".maps");

/* The agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct skerry_dev);
} skerry_devs SEC(".maps");

/* skerry_in, skerry_out, skerry_expire; the agent reads. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} skerry_events SEC(".maps");

/* skerry_in and skerry_out count. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_MAX);
	__type(key, __u32);
	__type(value, __u64);
} skerry_reasons SEC(".maps");

/* skerry_in and skerry_out: datagrams whose first fragment was cut. */
struct fragment_key {
	__u8 source_ip[16];
	__u8 target_ip[16];
	__u32 id;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct fragment_key);
	__type(value, __u64);
} skerry_frags SEC(".maps");

/* The agent: rules by peer, in force and being prepared, in turn. */
struct gen_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_PEERS_MAX + 1);
	__type(key, __u32);
	__type(value, struct skerry_ruleset);
} skerry_gen0 SEC(".maps"), skerry_gen1 SEC(".maps");

/* The agent: the one in force. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct gen_map);
} skerry_gen SEC(".maps");

/* The agent: rules by address, as above. */
struct cidr_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKERRY_RULES_MAX);
	__type(key, struct skerry_cidr_key);
	__type(value, struct skerry_ruleset);
} skerry_cidr0 SEC(".maps"), skerry_cidr1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct cidr_map);
} skerry_cidr SEC(".maps");

/* The agent; skerry_in and skerry_out count. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SKERRY_OPEN_MAX);
	__type(key, struct skerry_open_key);
	__type(value, struct skerry_open);
} skerry_open SEC(".maps");

/* ---- counting --------------------------------------------------------------- */

static __always_inline void count(enum skerry_reason reason)
{
	__u32 key = reason;
	__u64 *packets = bpf_map_lookup_elem(&skerry_reasons, &key);

	if (packets)
		*packets += 1;
}

static __always_inline void tell(enum skerry_kernel_event_kind kind, __u64 rule,
				 __u32 peer, __u64 now)
{
	struct skerry_kernel_event event = {
		.kind = kind,
		.peer = peer,
		.rule = rule,
		.time_ns = now,
	};

	if (use_events)
		bpf_ringbuf_output(&skerry_events, &event, sizeof(event), 0);
}

static __always_inline struct skerry_meta *meta_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&skerry_meta, &zero);
}

#endif
