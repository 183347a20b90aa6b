/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * kernel.h - the agent's side of the BPF programs: what this host can do,
 * loading and adopting, attaching, and the maps of <skerry/maps.h>. Each
 * feature has its answer in kernel_supported() and a fallback that works.
 *
 * With `none` every call succeeds and does nothing; kernel_supported() says
 * no, and the driver cuts at the lane instead.
 */
#ifndef SKERRY_KERNEL_H
#define SKERRY_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <bpf/bpf.h>

#include "core/event.h"
#include "skerry/maps.h"

struct kernel;

enum kernel_feature {
	KERNEL_BPF, /* programs load at all */
	KERNEL_TCX, /* else clsact */
	KERNEL_TIMER, /* else expired rules stay until swept */
	KERNEL_SK_ASSIGN, /* else fast channels go through the agent */
	KERNEL_RINGBUF, /* else no events */
	KERNEL_ITERATORS, /* else no pinned tables */
	KERNEL_MMAP_META, /* else the lease costs a system call */
	KERNEL_LOSS, /* else a cut takes every packet */
	KERNEL_REJECT, /* else nobody is answered */
	KERNEL_ADDRESS, /* else only nodes are cut */
	KERNEL_SOCK_DESTROY, /* else sockets of others are not severed */
	KERNEL_FEATURE_MAX,
};

const char *kernel_feature_name(enum kernel_feature feature);
/* -ENOENT: no such feature. */
int kernel_feature_parse(const char *name, enum kernel_feature *ret_feature);

struct kernel_config {
	const char *pin_root; /* /sys/fs/bpf/skerry */
	const char *node;
	uint16_t port_base;
	uint64_t incarnation;
	uint64_t boot_nonce;
	bool none; /* --no-kernel */
	bool disabled[KERNEL_FEATURE_MAX];
	gid_t group; /* of the pins; (gid_t)-1: leave */
	uint32_t lease_ms; /* 10,000 */
	/* What passes whatever addresses the host is cut from. */
	struct skerry_open_key always_open[SKERRY_OPEN_MAX];
	uint32_t always_open_count;
};

/*
 * Load, or adopt what an earlier agent of this node left pinned: its rules
 * stay in force, those without a deadline get now + 10 s (none if the lease
 * is out already), and only then is the lease moved. bpffs is mounted where
 * it is absent. -EBUSY: another agent holds the pins (its pid in *text);
 * -EPERM; -EPROTO: pins of another layout. text: room for a sentence.
 */
int kernel_open(const struct kernel_config *config, struct kernel **ret_kernel,
		char text[256]);
/* Lets go; pins and cuts stay as they are (rules by lease then run out).
 * With `clean` and no rule active, unpins and detaches everything. */
void kernel_close(struct kernel *k, bool clean);

bool kernel_supported(const struct kernel *k, enum kernel_feature feature);

/* Devices. role from <skerry/maps.h>. Attach at the head of tcx, or clsact;
 * always pinned. -ENODEV. Idempotent; a second call may change the role. To
 * ignore a device attaches nothing. */
int kernel_attach(struct kernel *k, uint32_t ifindex, const char *name,
		  enum skerry_dev_role role);
int kernel_detach(struct kernel *k, uint32_t ifindex);

/*
 * Peers, by the core's number; the kernel's own ids are never reused and are
 * found again by name. The addresses' port is the first of the peer's block.
 * The node itself is told of with state PEER_SELF (or CORE_PEER_SELF). A peer
 * that is gone stays cut as long as a rule names it. -ENOSPC.
 */
int kernel_peer(struct kernel *k, uint32_t number, const char *name,
		const struct skerry_addr *addresses, uint32_t address_count,
		enum skerry_peer_state state);
void kernel_peer_gone(struct kernel *k, uint32_t number);
/* The kernel's id of a peer; 0: none. */
uint32_t kernel_peer_id(const struct kernel *k, uint32_t number);

/*
 * Cuts: staged, then committed all at once. A cut whose reference, peer (or
 * address) and direction an adopted rule already has takes that rule over.
 * -ENOSPC: a ninth rule for one peer or one address, or too many; -EEXIST:
 * the handle is in use; -ENOENT: no such peer, or no such handle;
 * -EOPNOTSUPP: a channel, or what this kernel cannot: KERNEL_LOSS, _REJECT,
 * _ADDRESS, and _SOCK_DESTROY for `sever` with an address; -EINVAL.
 *
 * Loss: each packet is drawn for once, by number of the rule and direction,
 * from the seed alone; where a peer sends, by its kernel and not by this one,
 * which only counts what arrives.
 */
int kernel_cut_add(struct kernel *k, const struct core_cut *cut,
		   uint64_t now_mono_ns);
int kernel_cut_del(struct kernel *k, uint32_t handle);
/* Whether a cut from that prefix (masked or not) names this address: what is
 * loopback only with a prefix that is so too, IPv4 with one of IPv4. */
bool kernel_address_covers(const uint8_t ip[16], uint32_t prefix_bits,
			   const uint8_t address[16]);
/*
 * Write rules and swap the inner map. On return no packet is judged by the
 * old rules any more; takes 10-20 ms, so the driver calls the two halves:
 * kernel_prepare() on the loop, kernel_swap() on the helper thread (it
 * touches nothing but file descriptors), kernel_settled() on the loop. Cuts
 * may be staged meanwhile, for the next commit; -EBUSY: kernel_prepare()
 * before the last one is settled.
 */
int kernel_prepare(struct kernel *k);
int kernel_swap(struct kernel *k);
void kernel_settled(struct kernel *k, int error);

/* Move the lease to now + lease_ms, and sweep rules that have expired.
 * Returns true when it had run out: rules by lease were not in force
 * meanwhile, and are again now. */
bool kernel_lease(struct kernel *k);

/*
 * True once, when the pins have gone from where they were: bpffs has been
 * unmounted. What is attached and what is cut stays as long as the agent
 * lives, and new devices are attached as ever; nothing is left for the next
 * agent to adopt.
 */
bool kernel_pins_gone(struct kernel *k);

/* The ledger of one cut. -ENOENT. */
int kernel_drops(const struct kernel *k, uint32_t handle,
		 struct skerry_drop *ret_drop);
/* Those of all rules of a reference, one call each; peer: the core's number,
 * CORE_PEER_EVERYBODY, _ADDRESS, or _SELF for one it does not know any more;
 * in_force: the kernel's own tables have the rule, whatever this agent thinks.
 * Returns how many. */
typedef void kernel_ledger_fn(void *data, uint32_t peer, bool in_force,
			      const struct skerry_rule *rule,
			      const struct skerry_drop *drop);
int kernel_ledger(const struct kernel *k, const uint8_t reference[16],
		  kernel_ledger_fn *function, void *data);

/* Fast lanes. */
int kernel_fast(struct kernel *k, uint64_t fast_id,
		const struct skerry_fast *value);
void kernel_fast_gone(struct kernel *k, uint64_t fast_id);
int kernel_fast_read(const struct kernel *k, uint64_t fast_id,
		     struct skerry_fast *ret_value);

/* Connections, for people. */
int kernel_conn(struct kernel *k, const struct skerry_conn_key *key,
		const struct skerry_conn *value);
void kernel_conn_gone(struct kernel *k, const struct skerry_conn_key *key);

/* Events: a descriptor to poll (-1: none), and reading them. */
int kernel_event_fd(const struct kernel *k);
typedef void kernel_event_fn(void *data,
			     const struct skerry_kernel_event *event);
int kernel_events(struct kernel *k, kernel_event_fn *function, void *data);

/* Rows for the queries "kernel" and "rules": TLVs, called once a row. */
typedef void kernel_row_fn(void *data, const void *row, size_t size_bytes);
void kernel_rows(const struct kernel *k, kernel_row_fn *function, void *data);
void kernel_rule_rows(const struct kernel *k, kernel_row_fn *function,
		      void *data);

/*
 * Lift everything with no agent alive: used by `skerryctl heal --all
 * --local`. Clears the rules of that node's pins (all nodes when NULL).
 * Returns how many rules were lifted, or -errno.
 */
int kernel_heal_local(const char *pin_root, const char *node);

#endif
