// SPDX-License-Identifier: GPL-2.0-only
/* One node's part of the kernel, for tests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf_node.h"
#include "netns.h"
#include "run/kernel/kernel_hooks.h"

uint32_t bpf_node_lease_ms = 10000;

const char *bpf_node_root(void)
{
	static char root[BPF_NODE_ROOT_BYTES];

	snprintf(root, sizeof(root), "/sys/fs/bpf/skerry-test-%d", getpid());
	return root;
}

void bpf_node_wipe(void)
{
	char out[256];

	netns_read(out, sizeof(out), "rm -rf %s", bpf_node_root());
}

static void disable(struct kernel_config *config, const char *list)
{
	enum kernel_feature feature;
	char copy[128], *word, *rest;

	snprintf(copy, sizeof(copy), "%s", list ? list : "");
	for (word = strtok_r(copy, ",", &rest); word;
	     word = strtok_r(NULL, ",", &rest)) {
		if (kernel_feature_parse(word, &feature))
			abort();
		config->disabled[feature] = true;
	}
}

int bpf_node_open(struct kernel **ret_kernel, const char *node,
		  uint16_t port_base, const char *disabled)
{
	struct kernel_config config = {
		.pin_root = bpf_node_root(),
		.node = node,
		.port_base = port_base,
		.incarnation = 7,
		.boot_nonce = 9,
		.group = (gid_t)-1,
		.lease_ms = bpf_node_lease_ms,
	};
	char text[256] = "";
	int ret;

	disable(&config, disabled);
	ret = kernel_open(&config, ret_kernel, text);
	if (ret)
		fprintf(stderr, "# kernel_open %s: %s: %s\n", node,
			strerror(-ret), text);
	return ret;
}

int bpf_node_commit(struct kernel *k)
{
	int ret = kernel_prepare(k);

	if (ret)
		return ret;
	ret = kernel_swap(k);
	kernel_settled(k, ret);
	return ret;
}

static bool has_tcx(void)
{
	uint32_t ids[64], count = 64;

	return !bpf_prog_query(1, TCX_INGRESS, 0, NULL, ids, &count);
}

const char *bpf_node_needless(bool six, const char *disabled)
{
	bool clsact = disabled && strstr(disabled, "tcx");
	const char *family = getenv("SKERRY_FAMILY");

	if (family && *family != (six ? '6' : '4'))
		return "this family is another kernel's part";
	if (clsact && !has_tcx())
		return "no tcx in this kernel: clsact in any case";
	if (clsact && getenv("SKERRY_OWN_HOOK"))
		return "clsact is older kernels' part";
	return NULL;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t bpf_node_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bpf_node_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

int bpf_node_cut(struct kernel *k, uint32_t handle, uint8_t reference,
		 uint32_t peer, enum skerry_direction direction,
		 enum skerry_visibility visibility, uint32_t for_ms)
{
	uint64_t now = bpf_node_mono_ns();
	struct core_cut cut = {
		.handle = handle,
		.reference = { reference },
		.peer = peer,
		.direction = direction,
		.visibility = visibility,
		.deadline_ns = for_ms ? now + for_ms * 1000000ULL : 0,
	};

	return kernel_cut_add(k, &cut, now);
}

int bpf_node_cut_now(struct kernel *k, uint8_t handle, struct core_cut cut)
{
	uint64_t now = bpf_node_mono_ns();
	int ret;

	cut.handle = handle;
	cut.reference[0] = handle;
	cut.deadline_ns = now + 60000000000ULL;
	ret = kernel_cut_add(k, &cut, now);
	return ret ? ret : bpf_node_commit(k);
}

int bpf_node_map(const char *node, const char *map)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/v1/%s", bpf_node_root(), node, map);
	return bpf_obj_get(path);
}

uint64_t bpf_node_reason(const char *node, uint32_t reason)
{
	int fd = bpf_node_map(node, "skerry_reasons");
	int cpus = libbpf_num_possible_cpus(), i;
	uint64_t *packets, sum = 0;

	packets = calloc(cpus, sizeof(*packets));
	if (packets && !bpf_map_lookup_elem(fd, &reason, packets)) {
		for (i = 0; i < cpus; i++)
			sum += packets[i];
	}
	free(packets);
	close(fd);
	return sum;
}

void bpf_node_sleep_ms(uint32_t ms)
{
	usleep(ms * 1000);
}
