// SPDX-License-Identifier: GPL-2.0-only
/*
 * tables.bpf.c - each map as a file to read: one iterator a table, pinned
 * under tables/. Columns are separated by blanks; the first row names them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "skerry/maps.h"

/* What these programs read of the kernel's own types. */
struct seq_file {
	__u64 count; /* bytes written so far */
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

const volatile __u32 cpus = 1;

#define CPUS_MAX 1024
#define MILLISECOND_NS 1000000ULL

static const char directions[][8] = { "both", "in", "out", "?" };
static const char visibilities[][8] = { "wire", "local", "reject", "sever" };
static const char states[][8] = { "unknown", "up",   "suspect", "down",
				  "left",    "self", "?",	"?" };
static const char roles[][8] = { "ignore", "both", "in", "out" };
static const char hooks[][8] = { "none", "tcx", "clsact", "clsact" };
static const char scopes[][8] = { "node", "host", "cgroup", "?" };
#define WORD(name, word) [REASON_##name] = word,
static const char reasons[32][16] = { SKERRY_REASONS(WORD)[REASON_MAX] = "?" };
#undef WORD

_Static_assert(sizeof(reasons) > REASON_MAX * sizeof(reasons[0]), "index & 31");

static __always_inline void print_ip(struct seq_file *seq, const __u8 *ip)
{
	const __u32 *word = (const __u32 *)ip;

	if (!word[0] && !word[1] && word[2] == bpf_htonl(0xffff))
		BPF_SEQ_PRINTF(seq, "%pI4", ip + 12);
	else
		BPF_SEQ_PRINTF(seq, "%pI6", ip);
}

static __always_inline void print_prefix(struct seq_file *seq, const __u8 *ip,
					 __u32 bits)
{
	const __u32 *word = (const __u32 *)ip;

	print_ip(seq, ip);
	if (bits >= 96 && !word[0] && !word[1] && word[2] == bpf_htonl(0xffff))
		bits -= 96;
	BPF_SEQ_PRINTF(seq, "/%u", bits);
}

static __always_inline void print_id(struct seq_file *seq, const __u8 *id)
{
	const __u64 *word = (const __u64 *)id;

	BPF_SEQ_PRINTF(seq, "%016llx%016llx", bpf_be64_to_cpu(word[0]),
		       bpf_be64_to_cpu(word[1]));
}

/* Milliseconds from now to then; negative when past. */
static __always_inline __s64 milliseconds_to(__u64 then)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (then >= now)
		return (then - now) / MILLISECOND_NS;
	return -(__s64)((now - then) / MILLISECOND_NS);
}

/*
 * Once: before the first row, or after none, when the program is called
 * without an element. (The sequence number is still 0 after a single row.)
 */
#define HEADER(ctx, ...)                                               \
	do {                                                           \
		if (!(ctx)->meta->seq_num &&                           \
		    ((ctx)->key || !(ctx)->meta->seq->count))          \
			BPF_SEQ_PRINTF((ctx)->meta->seq, __VA_ARGS__); \
	} while (0)

SEC("iter/bpf_map_elem")
int table_meta(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_meta *meta = ctx->value;
	struct seq_file *seq = ctx->meta->seq;

	HEADER(ctx, "node incarnation boot_nonce port_base active_rules "
		    "lease_ms generation fast_lanes\n");
	if (!meta)
		return 0;
	BPF_SEQ_PRINTF(seq, "%s %llu %llx %u %u %lld %u %u\n", meta->node,
		       meta->incarnation, meta->boot_nonce, meta->port_base,
		       meta->active_rules, milliseconds_to(meta->lease_end_ns),
		       meta->generation, meta->fast_lanes);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_addrs(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_addr_value *value = ctx->value;
	const struct skerry_addr_key *key = ctx->key;
	struct seq_file *seq = ctx->meta->seq;

	HEADER(ctx, "peer block address\n");
	if (!key || !value)
		return 0;
	BPF_SEQ_PRINTF(seq, "%u %u ", value->peer, key->block);
	print_ip(seq, key->ip);
	BPF_SEQ_PRINTF(seq, "\n");
	return 0;
}

SEC("iter/bpf_map_elem")
int table_peers(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_peer *peer = ctx->value;
	struct seq_file *seq = ctx->meta->seq;
	const __u32 *id = ctx->key;

	HEADER(ctx, "peer node state block address\n");
	if (!id || !peer)
		return 0;
	BPF_SEQ_PRINTF(seq, "%u %s %s %u ", *id, peer->node,
		       states[peer->state & 7], peer->block);
	print_ip(seq, peer->ip);
	BPF_SEQ_PRINTF(seq, "\n");
	return 0;
}

SEC("iter/bpf_map_elem")
int table_conns(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_conn *conn = ctx->value;
	const struct skerry_conn_key *key = ctx->key;
	struct seq_file *seq = ctx->meta->seq;

	HEADER(ctx, "peer channel lane local local_port remote remote_port "
		    "sent_bytes received_bytes round_trip_us retransmits\n");
	if (!key || !conn)
		return 0;
	BPF_SEQ_PRINTF(seq, "%u %s %u ", conn->peer, conn->channel, conn->lane);
	print_ip(seq, key->local_ip);
	BPF_SEQ_PRINTF(seq, " %u ", key->local_port);
	print_ip(seq, key->remote_ip);
	BPF_SEQ_PRINTF(seq, " %u %llu %llu %u %u\n", key->remote_port,
		       conn->sent_bytes, conn->received_bytes,
		       conn->round_trip_us, conn->retransmits);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_rules(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_rule *rule = ctx->value;
	struct seq_file *seq = ctx->meta->seq;
	const __u64 *id = ctx->key;

	HEADER(ctx, "rule reference scope peer direction visibility loss_ppm "
		    "seed protocol port left_ms address\n");
	if (!id || !rule)
		return 0;
	BPF_SEQ_PRINTF(seq, "%llu ", *id);
	print_id(seq, rule->reference);
	BPF_SEQ_PRINTF(seq, " %s %u %s %s %u %llu ", scopes[rule->scope & 3],
		       rule->peer, directions[rule->direction & 3],
		       visibilities[rule->visibility & 3], rule->loss_ppm,
		       rule->seed);
	BPF_SEQ_PRINTF(seq, "%u %u ", rule->protocol, rule->port_low);
	if (rule->deadline_ns)
		BPF_SEQ_PRINTF(seq, "%lld ",
			       milliseconds_to(rule->deadline_ns));
	else
		BPF_SEQ_PRINTF(seq, "lease ");
	if (rule->scope == SCOPE_HOST)
		print_prefix(seq, rule->ip, rule->prefix_bits);
	else
		BPF_SEQ_PRINTF(seq, "-");
	BPF_SEQ_PRINTF(seq, "\n");
	return 0;
}

SEC("iter/bpf_map_elem")
int table_drops(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_drop *drop = ctx->value;
	struct seq_file *seq = ctx->meta->seq;
	const __u64 *id = ctx->key;

	HEADER(ctx, "rule seen dropped dropped_bytes leaked seen_in "
		    "dropped_in dropped_bytes_in leaked_in expired_seen "
		    "late_fragments first_ns last_ns\n");
	if (!id || !drop)
		return 0;
	BPF_SEQ_PRINTF(seq, "%llu %llu %llu %llu %llu ", *id, drop->seen,
		       drop->dropped, drop->dropped_bytes, drop->leaked);
	BPF_SEQ_PRINTF(seq, "%llu %llu %llu %llu ", drop->seen_in,
		       drop->dropped_in, drop->dropped_bytes_in,
		       drop->leaked_in);
	BPF_SEQ_PRINTF(seq, "%llu %llu %llu %llu\n", drop->expired_seen,
		       drop->late_fragments, drop->first_ns, drop->last_ns);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_fast(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_fast *fast = ctx->value;
	struct seq_file *seq = ctx->meta->seq;
	const __u64 *id = ctx->key;

	HEADER(ctx, "lane peer channel program_port sender sender_port "
		    "packets bytes refused\n");
	if (!id || !fast)
		return 0;
	BPF_SEQ_PRINTF(seq, "%016llx %u %s %u ", *id, fast->peer, fast->channel,
		       fast->program_port);
	print_ip(seq, fast->sender_ip);
	BPF_SEQ_PRINTF(seq, " %u %llu %llu %llu\n", fast->sender_port,
		       fast->packets, fast->bytes, fast->refused);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_exempt(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_exempt *exempt = ctx->value;
	struct seq_file *seq = ctx->meta->seq;
	const __u32 *id = ctx->key;

	HEADER(ctx, "peer passed refused\n");
	if (!id || !exempt)
		return 0;
	BPF_SEQ_PRINTF(seq, "%u %llu %llu\n", *id, exempt->passed,
		       exempt->refused);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_devs(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_dev *dev = ctx->value;
	struct seq_file *seq = ctx->meta->seq;
	const __u32 *ifindex = ctx->key;

	HEADER(ctx, "ifindex device judges hook\n");
	if (!ifindex || !dev)
		return 0;
	BPF_SEQ_PRINTF(seq, "%u %s %s %s\n", *ifindex, dev->name,
		       roles[dev->role & 3], hooks[dev->hook & 3]);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_open(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct skerry_open *open = ctx->value;
	const struct skerry_open_key *key = ctx->key;
	struct seq_file *seq = ctx->meta->seq;

	HEADER(ctx, "protocol port passed\n");
	if (!key || !open)
		return 0;
	BPF_SEQ_PRINTF(seq, "%u %u %llu\n", key->protocol, key->port,
		       open->passed);
	return 0;
}

SEC("iter/bpf_map_elem")
int table_reasons(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	const __u64 *packets = ctx->value;
	const __u32 *reason = ctx->key;
	__u64 sum = 0;
	__u32 i;

	HEADER(ctx, "reason packets\n");
	if (!reason || !packets)
		return 0;
	for (i = 0; i < CPUS_MAX && i < cpus; i++)
		sum += packets[i];
	i = *reason < REASON_MAX ? *reason : REASON_MAX;
	BPF_SEQ_PRINTF(seq, "%s %llu\n", reasons[i & 31], sum);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
