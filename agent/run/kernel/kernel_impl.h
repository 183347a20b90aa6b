/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * kernel_impl.h - what the files behind kernel.h share.
 *
 * One thread (the loop) uses all of it, but for kernel_swap(): it reads `fd`,
 * `idle`, `cidr_idle` and `cidr_swap`, and says in `swapped` and
 * `cidr_swapped` what it has done.
 */
#ifndef SKERRY_KERNEL_IMPL_H
#define SKERRY_KERNEL_IMPL_H

#include "kernel.h"
#include "skerry/barrier.h"

#define KERNEL_PATH_BYTES 384
#define KERNEL_SECOND_NS 1000000000ULL
#define KERNEL_ADOPTED_NS (10 * KERNEL_SECOND_NS)

enum kernel_map {
	KMAP_META,
	KMAP_ADDRS,
	KMAP_PEERS,
	KMAP_CONNS,
	KMAP_RULES,
	KMAP_DROPS,
	KMAP_FAST,
	KMAP_EXEMPT,
	KMAP_DEVS,
	KMAP_EVENTS,
	KMAP_REASONS,
	KMAP_FRAGS,
	KMAP_GEN,
	KMAP_GEN0,
	KMAP_GEN1,
	KMAP_CIDR,
	KMAP_CIDR0,
	KMAP_CIDR1,
	KMAP_OPEN,
	KMAP_MAX,
};

struct kernel_peer_entry {
	uint32_t id; /* the kernel's, never reused */
	uint32_t number; /* the core's */
	bool bound; /* number is valid */
	struct skerry_peer value;
	struct skerry_addr_key addrs[SKERRY_ADDRS_MAX];
	uint32_t addr_count;
};

struct kernel_rule_entry {
	uint64_t id;
	uint32_t handle;
	bool has_handle; /* else adopted */
	bool wanted; /* in the next generation */
	bool written; /* skerry_rules has it */
	bool stale; /* its value there is old */
	bool armed; /* its timer runs */
	bool next; /* in the generation being swapped in */
	bool listed; /* in the generation in force */
	bool expired;
	struct skerry_rule value;
};

struct kernel {
	bool none; /* every call succeeds and does nothing */
	bool supported[KERNEL_FEATURE_MAX];
	char pin_root[256];
	char node[64];
	char node_dir[KERNEL_PATH_BYTES]; /* <pin_root>/<node> */
	char dir[KERNEL_PATH_BYTES]; /* <pin_root>/<node>/v1 */
	uint16_t port_base;
	gid_t group;
	uint32_t lease_ms;
	int lock_fd;
	bool unmounted; /* dir leads there by way of lock_fd */
	uint32_t tc_handle; /* of our filters */

	struct skerry_bpf *skel;
	int fd[KMAP_MAX];
	int prog_in, prog_out, prog_expire; /* borrowed from skel */
	uint32_t id_in, id_out;
	struct skerry_meta *meta; /* mapped, or meta_copy */
	struct skerry_meta meta_copy;
	struct ring_buffer *events;
	kernel_event_fn *event_function; /* during kernel_events() */
	void *event_data;

	struct kernel_peer_entry *peers;
	uint32_t peer_count, peer_room;
	struct kernel_rule_entry *rules;
	uint32_t rule_count, rule_room;
	bool swapping;
	uint32_t timer_pauses; /* left in this commit */
	uint32_t idle; /* which inner map is not in force */
	bool swapped; /* it is, since the last kernel_prepare() */
	/* The same for addresses, where they change at all. */
	uint32_t cidr_idle;
	bool cidr_swap, cidr_swapped;
	uint32_t cidr_entries; /* in the one being swapped in */
	uint64_t ledgers[SKERRY_LEDGERS_KEPT]; /* of rules that are gone */
	uint32_t ledger_next;
};

/* kernel.c */
uint64_t kernel_boot_ns(void);
/* Grow *list so that one more fits; -ENOMEM. */
int kernel_room(void **list, uint32_t count, uint32_t *room, size_t bytes);

/* kernel_probe.c: fill k->supported but for KERNEL_ITERATORS. -EPERM. */
int kernel_probe(struct kernel *k, const bool disabled[KERNEL_FEATURE_MAX]);

/* kernel_pins.c: the directory, made, locked and owned. */
int kernel_pins_open(struct kernel *k, char text[256]);
/* Give everything in it to the group. */
void kernel_pins_own(const struct kernel *k);
/* Remove everything in it, and itself. */
void kernel_pins_remove(const struct kernel *k);
/* The directory of a node's pins: bpffs refuses dots. */
int kernel_pins_path(const char *pin_root, const char *node, char *out,
		     size_t room);
int kernel_path(char *out, size_t room, const char *dir, const char *name);
bool kernel_is_bpffs(const char *path);

/* kernel_load.c: programs and maps, loaded or adopted. */
int kernel_load(struct kernel *k, char text[256]);
void kernel_unload(struct kernel *k);
const char *kernel_map_name(enum kernel_map map);

/* kernel_tables.c: pin the iterators. */
int kernel_tables_pin(struct kernel *k);

/* kernel_adopt.c: read what the maps hold; fresh maps are filled. */
int kernel_adopt(struct kernel *k, const struct kernel_config *config);
/* After a change of *k->meta: make it known when it is not mapped. */
void kernel_meta_flush(struct kernel *k);
/*
 * bpf_map_update_elem() for hashes. Their elements come from small reserves
 * that the kernel fills up a moment later: -ENOMEM is tried again for some
 * milliseconds. A full table is -ENOSPC.
 */
int kernel_map_write(int fd, const void *key, const void *value,
		     uint64_t flags);
/* Delete every key of a hash. */
int kernel_map_clear(int fd, size_t key_bytes);

/* kernel_peers.c */
struct kernel_peer_entry *kernel_peer_by_number(const struct kernel *k,
						uint32_t number);
struct kernel_peer_entry *kernel_peer_by_id(const struct kernel *k,
					    uint32_t id);
/* A rule that named this peer is gone: forget the peer if nothing else
 * wants it. */
void kernel_peer_tidy(struct kernel *k, uint32_t id);

/* kernel_rules.c */
void kernel_rules_sweep(struct kernel *k, uint64_t now);
void kernel_rules_revive(struct kernel *k);
int kernel_rule_write(struct kernel *k, struct kernel_rule_entry *rule);
struct kernel_rule_entry *kernel_rule_by_handle(const struct kernel *k,
						uint32_t handle);
/* kernel_adopt.c: the inner map in force names the rule. */
bool kernel_rule_judges(const struct kernel *k, uint64_t id,
			const struct skerry_rule *rule);

/* kernel_ledger.c */
void kernel_ledger_retire(struct kernel *k, uint64_t id);

/* kernel_address.c: rules about addresses (scope host). */
static inline bool kernel_rule_is_address(const struct skerry_rule *rule)
{
	return rule->scope == SCOPE_HOST;
}
/* Clear what lies behind the prefix. */
void kernel_address_mask(uint8_t ip[16], uint32_t prefix_bits);
/* Whether one more, of that prefix, has a place everywhere: -ENOSPC. */
int kernel_address_fits(const struct kernel *k, const uint8_t ip[16],
			uint32_t prefix_bits);
/* Fill the idle map with the rules that are `next`, when that changes
 * anything: k->cidr_swap, k->cidr_entries. */
int kernel_address_prepare(struct kernel *k);
/* Whether the map in force lists this rule. */
bool kernel_address_lists(const struct kernel *k, uint64_t id,
			  const struct skerry_rule *rule);
/* What always passes, from the configuration. */
int kernel_open_write(struct kernel *k, const struct kernel_config *config);

/* kernel_attach.c: hand earlier attachments to the new programs. */
void kernel_attach_adopt(struct kernel *k);
void kernel_detach_all(struct kernel *k);
/* kernel_tc.c: the same for one hook of clsact. */
uint32_t kernel_tc_handle(const char *node_dir);
int kernel_tc_attach(struct kernel *k, uint32_t ifindex, bool out);
void kernel_tc_detach(struct kernel *k, uint32_t ifindex);
int kernel_tc_qdisc(uint32_t ifindex, bool *ret_made);
void kernel_tc_qdisc_remove(uint32_t ifindex);

#endif
