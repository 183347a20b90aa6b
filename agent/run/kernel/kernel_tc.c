// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * clsact, for kernels without tcx. A filter is known by its handle, which is
 * a digest of the node's pin directory: several nodes share a device.
 */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <netlink/cache.h>
#include <netlink/route/classifier.h>
#include <netlink/socket.h>

#include "kernel_impl.h"

/* The first is the head; the others in case it is taken by a filter of
 * another kind or protocol. */
#define PRIORITIES_MAX 8

uint32_t kernel_tc_handle(const char *node_dir)
{
	uint32_t digest = 2166136261U; /* FNV-1a */
	const char *c;

	for (c = node_dir; *c; c++)
		digest = (digest ^ (uint8_t)*c) * 16777619U;
	return digest ? digest : 1;
}

/* libbpf wants the padding at the end zeroed too, so neither of these is an
 * initializer or is returned by value. */
static void hook_init(struct bpf_tc_hook *hook, uint32_t ifindex, bool out)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = out ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

static void opts_init(struct bpf_tc_opts *opts, const struct kernel *k,
		      uint32_t priority)
{
	memset(opts, 0, sizeof(*opts));
	opts->sz = sizeof(*opts);
	opts->handle = k->tc_handle;
	opts->priority = priority;
}

int kernel_tc_qdisc(uint32_t ifindex, bool *ret_made)
{
	struct bpf_tc_hook hook;
	int ret;

	hook_init(&hook, ifindex, false);
	ret = bpf_tc_hook_create(&hook);
	if (ret && ret != -EEXIST)
		return ret;
	*ret_made = !ret;
	return 0;
}

/* The priority our filter has there; 0: none. */
static uint32_t filter_find(struct kernel *k, uint32_t ifindex, bool out)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	uint32_t priority;

	hook_init(&hook, ifindex, out);
	for (priority = 1; priority <= PRIORITIES_MAX; priority++) {
		opts_init(&opts, k, priority);
		if (!bpf_tc_query(&hook, &opts))
			return priority;
	}
	return 0;
}

int kernel_tc_attach(struct kernel *k, uint32_t ifindex, bool out)
{
	uint32_t found = filter_find(k, ifindex, out);
	uint32_t priority = found ? found : 1;
	uint32_t last = found ? found : PRIORITIES_MAX;
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int ret;

	hook_init(&hook, ifindex, out);
	do {
		opts_init(&opts, k, priority);
		opts.prog_fd = out ? k->prog_out : k->prog_in;
		opts.flags = found ? BPF_TC_F_REPLACE : 0;
		ret = bpf_tc_attach(&hook, &opts);
	} while ((ret == -EEXIST || ret == -EINVAL) && ++priority <= last);
	return ret;
}

void kernel_tc_detach(struct kernel *k, uint32_t ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int i;

	for (i = 0; i < 2; i++) {
		hook_init(&hook, ifindex, i);
		opts_init(&opts, k, filter_find(k, ifindex, i));
		if (opts.priority)
			bpf_tc_detach(&hook, &opts);
	}
}

static int filters_on(struct nl_sock *sock, uint32_t ifindex, uint32_t minor)
{
	struct nl_cache *cache;
	int count;

	if (rtnl_cls_alloc_cache(sock, ifindex, TC_H_MAKE(TC_H_CLSACT, minor),
				 &cache))
		return -1;
	count = nl_cache_nitems(cache);
	nl_cache_free(cache);
	return count;
}

/* Only when nobody else has put a filter there meanwhile. */
void kernel_tc_qdisc_remove(uint32_t ifindex)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct bpf_tc_hook hook;

	if (!sock)
		return;
	hook_init(&hook, ifindex, false);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	if (!nl_connect(sock, NETLINK_ROUTE) &&
	    filters_on(sock, ifindex, TC_H_MIN_INGRESS) == 0 &&
	    filters_on(sock, ifindex, TC_H_MIN_EGRESS) == 0)
		bpf_tc_hook_destroy(&hook);
	nl_socket_free(sock);
}
