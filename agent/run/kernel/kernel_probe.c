// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* What this kernel can do: found out by doing it, never by its version. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_hooks.h"
#include "kernel_impl.h"
#include "run/sockets.h"

static const char *const names[KERNEL_FEATURE_MAX] = {
	[KERNEL_BPF] = "bpf",
	[KERNEL_TCX] = "tcx",
	[KERNEL_TIMER] = "timer",
	[KERNEL_SK_ASSIGN] = "sk_assign",
	[KERNEL_RINGBUF] = "ringbuf",
	[KERNEL_ITERATORS] = "iterators",
	[KERNEL_MMAP_META] = "mmap_meta",
	[KERNEL_LOSS] = "loss",
	[KERNEL_REJECT] = "reject",
	[KERNEL_ADDRESS] = "address",
	[KERNEL_SOCK_DESTROY] = "sock_destroy",
};

const char *kernel_feature_name(enum kernel_feature feature)
{
	return names[feature];
}

int kernel_feature_parse(const char *name, enum kernel_feature *ret_feature)
{
	int i;

	for (i = 0; i < KERNEL_FEATURE_MAX; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_feature = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* A program that leaves every packet to the next one. */
static int probe_program(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "skerry_probe", "GPL",
			     code, 2, NULL);
}

static bool probe_tcx(int program)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	uint32_t loopback = if_nametoindex("lo");
	int fd;

	if (!loopback)
		return false;
	fd = bpf_link_create(program, loopback, TCX_INGRESS, &opts);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool probe_helper(enum bpf_prog_type type, enum bpf_func_id helper)
{
	return libbpf_probe_bpf_helper(type, helper, NULL) == 1;
}

static bool probe_mmap(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	size_t page = sysconf(_SC_PAGESIZE);
	void *memory;
	int fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "skerry_probe", 4, 8, 1, &opts);
	if (fd < 0)
		return false;
	memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return false;
	munmap(memory, page);
	return true;
}

int kernel_probe(struct kernel *k, const bool disabled[KERNEL_FEATURE_MAX])
{
	bool *can = k->supported;
	int program, i;

	program = probe_program();
	if (program == -EPERM || program == -EACCES)
		return -EPERM;
	can[KERNEL_BPF] = program >= 0 && !disabled[KERNEL_BPF];
	if (can[KERNEL_BPF]) {
		can[KERNEL_TCX] = probe_tcx(program);
		can[KERNEL_TIMER] = probe_helper(BPF_PROG_TYPE_SYSCALL,
						 BPF_FUNC_timer_start);
		can[KERNEL_SK_ASSIGN] = probe_helper(BPF_PROG_TYPE_SCHED_CLS,
						     BPF_FUNC_sk_assign) &&
					probe_helper(BPF_PROG_TYPE_SCHED_CLS,
						     BPF_FUNC_sk_lookup_udp);
		can[KERNEL_RINGBUF] =
			libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) ==
			1;
		can[KERNEL_MMAP_META] = probe_mmap();
		can[KERNEL_LOSS] = true;
		can[KERNEL_REJECT] = probe_helper(BPF_PROG_TYPE_SCHED_CLS,
						  BPF_FUNC_skb_change_tail);
		can[KERNEL_ADDRESS] =
			libbpf_probe_bpf_map_type(BPF_MAP_TYPE_LPM_TRIE,
						  NULL) == 1;
		can[KERNEL_SOCK_DESTROY] = !sockets_probe();
		/* Whether they load is seen when they are. */
		can[KERNEL_ITERATORS] = true;
	}
	for (i = 0; i < KERNEL_FEATURE_MAX; i++)
		can[i] = can[i] && !disabled[i];
	if (program >= 0)
		close(program);
	return 0;
}
