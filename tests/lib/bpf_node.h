/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf_node.h - one node's part of the kernel, as the agent would hold it. */
#ifndef TEST_BPF_NODE_H
#define TEST_BPF_NODE_H

#include "run/kernel/kernel.h"

#define BPF_NODE_ROOT_BYTES 64

/* The lease of nodes opened from now on; 10 s. */
extern uint32_t bpf_node_lease_ms;

/* Where this process pins; made by the first node opened there. */
const char *bpf_node_root(void);
/* Remove every pin of this process. */
void bpf_node_wipe(void);
/* disabled: as [kernel] disable, "tcx,timer" or NULL. Says why on failure. */
int bpf_node_open(struct kernel **ret_kernel, const char *node,
		  uint16_t port_base, const char *disabled);
/* Prepare, swap, settle. */
int bpf_node_commit(struct kernel *k);
/* Stage a cut; for_ms 0: by lease. reference: its first byte. */
int bpf_node_cut(struct kernel *k, uint32_t handle, uint8_t reference,
		 uint32_t peer, enum skerry_direction direction,
		 enum skerry_visibility visibility, uint32_t for_ms);
/* The same, of what is filled in and 60 s long; handle and the reference's
 * first byte are one. Committed at once. */
int bpf_node_cut_now(struct kernel *k, uint8_t handle, struct core_cut cut);
/* A map of that node as pinned; bpf_obj_get's answer. */
int bpf_node_map(const char *node, const char *map);
/*
 * Why a test with that family and those features disabled shows nothing here
 * that another does not show; NULL: it does. Without tcx all is clsact. Where
 * the tests go through several kernels, SKERRY_OWN_HOOK wants nothing but the
 * kernel's own hook, and SKERRY_FAMILY ("4" or "6") one family of addresses.
 */
const char *bpf_node_needless(bool six, const char *disabled);
uint64_t bpf_node_mono_ns(void);
uint64_t bpf_node_boot_ns(void);
/* The sum over all CPUs; reason: enum skerry_reason. */
uint64_t bpf_node_reason(const char *node, uint32_t reason);
void bpf_node_sleep_ms(uint32_t ms);

#endif
