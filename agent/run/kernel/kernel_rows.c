// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* The kernel's part as rows for people. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/codec.h"
#include "kernel_impl.h"

#define ROW_BYTES 1024
#define MICROSECOND_NS 1000ULL
#define MILLISECOND_NS 1000000ULL

static const char *const directions[] = { "both", "in", "out" };
static const char *const visibilities[] = { "wire", "local", "reject",
					    "sever" };
static const char *const roles[] = { "ignore", "both", "in", "out", "own" };
static const char *const hooks[] = { "none", "tcx", "clsact", "clsact" };
static const char *const scopes[] = { "node", "host", "cgroup" };
#define WORD(name, word) [REASON_##name] = word,
static const char *const reasons[REASON_MAX] = { SKERRY_REASONS(WORD) };
#undef WORD

static void feature_rows(const struct kernel *k, kernel_row_fn *function,
			 void *data)
{
	uint8_t bytes[ROW_BYTES];
	struct tlv_writer w;
	int i;

	for (i = 0; i < KERNEL_FEATURE_MAX; i++) {
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_FEATURE, kernel_feature_name(i));
		tlv_put_bool(&w, SKERRY_K_SUPPORTED, kernel_supported(k, i));
		function(data, bytes, w.used_bytes);
	}
}

static void device_rows(const struct kernel *k, kernel_row_fn *function,
			void *data)
{
	uint32_t ifindex, *last = NULL;
	uint8_t bytes[ROW_BYTES];
	struct skerry_dev dev;
	struct tlv_writer w;

	while (!bpf_map_get_next_key(k->fd[KMAP_DEVS], last, &ifindex)) {
		last = &ifindex;
		if (bpf_map_lookup_elem(k->fd[KMAP_DEVS], &ifindex, &dev))
			continue;
		dev.name[sizeof(dev.name) - 1] = 0;
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_DEVICE, dev.name);
		tlv_put_str(&w, SKERRY_K_HOOK, hooks[dev.hook & 3]);
		tlv_put_str(&w, SKERRY_K_DIRECTION,
			    roles[dev.role <= DEV_JUDGE_OWN ? dev.role : 0]);
		function(data, bytes, w.used_bytes);
	}
}

static void reason_rows(const struct kernel *k, kernel_row_fn *function,
			void *data)
{
	int cpus = libbpf_num_possible_cpus(), i;
	uint8_t bytes[ROW_BYTES];
	uint64_t *packets, sum;
	struct tlv_writer w;
	uint32_t reason;

	packets = cpus > 0 ? calloc(cpus, sizeof(*packets)) : NULL;
	if (!packets)
		return;
	for (reason = 0; reason < REASON_MAX; reason++) {
		if (bpf_map_lookup_elem(k->fd[KMAP_REASONS], &reason, packets))
			continue;
		for (sum = 0, i = 0; i < cpus; i++)
			sum += packets[i];
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_REASON, reasons[reason]);
		tlv_put_u64(&w, SKERRY_K_COUNT, sum);
		function(data, bytes, w.used_bytes);
	}
	free(packets);
}

void kernel_rows(const struct kernel *k, kernel_row_fn *function, void *data)
{
	uint8_t bytes[ROW_BYTES];
	struct tlv_writer w;

	feature_rows(k, function, data);
	if (k->none)
		return;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_PINS, k->unmounted ? "unmounted" : k->dir);
	function(data, bytes, w.used_bytes);
	device_rows(k, function, data);
	reason_rows(k, function, data);
}

static uint64_t wall_us(uint64_t boot_ns, uint64_t now)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (uint64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 -
	       (now - boot_ns) / MICROSECOND_NS;
}

static void put_address(struct tlv_writer *w, const struct skerry_rule *rule)
{
	struct skerry_addr address = { .port = rule->port_low };

	memcpy(address.ip, rule->ip, sizeof(address.ip));
	tlv_put_addr(w, SKERRY_K_TARGET, &address);
	tlv_put_u64(w, SKERRY_K_PREFIX_BITS, rule->prefix_bits);
	if (rule->protocol)
		tlv_put_str(w, SKERRY_K_PROTOCOL,
			    rule->protocol == IPPROTO_TCP   ? "tcp"
			    : rule->protocol == IPPROTO_UDP ? "udp"
							    : "other");
}

static void rule_row(const struct kernel *k,
		     const struct kernel_rule_entry *rule, struct tlv_writer *w)
{
	struct kernel_peer_entry *peer = kernel_peer_by_id(k, rule->value.peer);
	uint64_t now = kernel_boot_ns();
	uint64_t end = rule->value.deadline_ns;
	struct skerry_drop drop = {};

	bpf_map_lookup_elem(k->fd[KMAP_DROPS], &rule->id, &drop);
	tlv_put_u64(w, SKERRY_K_RULE, rule->id);
	tlv_put(w, SKERRY_K_REFERENCE, rule->value.reference, 16);
	tlv_put_str(w, SKERRY_K_SCOPE, scopes[rule->value.scope % 3]);
	if (kernel_rule_is_address(&rule->value)) {
		put_address(w, &rule->value);
	} else {
		tlv_put_str(w, SKERRY_K_NODE, peer ? peer->value.node : "");
		tlv_put_bool(w, SKERRY_K_ALL, !rule->value.peer);
	}
	tlv_put_u64(w, SKERRY_K_LOSS_PPM, rule->value.loss_ppm);
	tlv_put_u64(w, SKERRY_K_SEED, rule->value.seed);
	tlv_put_str(w, SKERRY_K_DIRECTION,
		    directions[rule->value.direction % 3]);
	tlv_put_str(w, SKERRY_K_VISIBILITY,
		    visibilities[rule->value.visibility & 3]);
	tlv_put_bool(w, SKERRY_K_BY_LEASE, !end);
	if (end)
		tlv_put_u64(w, SKERRY_K_REMAINING_MS,
			    end > now ? (end - now) / MILLISECOND_NS : 0);
	tlv_put_u64(w, SKERRY_K_SEEN_PACKETS, drop.seen);
	tlv_put_u64(w, SKERRY_K_DROPPED_PACKETS, drop.dropped);
	tlv_put_u64(w, SKERRY_K_DROPPED_BYTES, drop.dropped_bytes);
	tlv_put_u64(w, SKERRY_K_LEAKED_PACKETS, drop.leaked);
	tlv_put_u64(w, SKERRY_K_OUT_SEEN, drop.seen - drop.seen_in);
	tlv_put_u64(w, SKERRY_K_OUT_DROPPED, drop.dropped - drop.dropped_in);
	tlv_put_u64(w, SKERRY_K_OUT_LEAKED, drop.leaked - drop.leaked_in);
	tlv_put_u64(w, SKERRY_K_IN_SEEN, drop.seen_in);
	tlv_put_u64(w, SKERRY_K_IN_DROPPED, drop.dropped_in);
	tlv_put_u64(w, SKERRY_K_IN_LEAKED, drop.leaked_in);
	if (!drop.dropped)
		return;
	now = kernel_boot_ns();
	tlv_put_u64(w, SKERRY_K_FIRST_DROP, wall_us(drop.first_ns, now));
	tlv_put_u64(w, SKERRY_K_LAST_DROP, wall_us(drop.last_ns, now));
}

void kernel_rule_rows(const struct kernel *k, kernel_row_fn *function,
		      void *data)
{
	uint8_t bytes[ROW_BYTES];
	struct tlv_writer w;
	uint32_t i;

	if (k->none)
		return;
	for (i = 0; i < k->rule_count; i++) {
		if (!k->rules[i].listed)
			continue;
		tlv_writer_init(&w, bytes, sizeof(bytes));
		rule_row(k, &k->rules[i], &w);
		function(data, bytes, w.used_bytes);
	}
}
