// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Programs and maps: loaded, with the maps that are pinned already. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_impl.h"
#include "skerry.skel.h"

static const char *const map_names[KMAP_MAX] = {
	[KMAP_META] = "skerry_meta",	   [KMAP_ADDRS] = "skerry_addrs",
	[KMAP_PEERS] = "skerry_peers",	   [KMAP_CONNS] = "skerry_conns",
	[KMAP_RULES] = "skerry_rules",	   [KMAP_DROPS] = "skerry_drops",
	[KMAP_FAST] = "skerry_fast",	   [KMAP_EXEMPT] = "skerry_exempt",
	[KMAP_DEVS] = "skerry_devs",	   [KMAP_EVENTS] = "skerry_events",
	[KMAP_REASONS] = "skerry_reasons", [KMAP_FRAGS] = "skerry_frags",
	[KMAP_GEN] = "skerry_gen",	   [KMAP_GEN0] = "skerry_gen0",
	[KMAP_GEN1] = "skerry_gen1",	   [KMAP_CIDR] = "skerry_cidr",
	[KMAP_CIDR0] = "skerry_cidr0",	   [KMAP_CIDR1] = "skerry_cidr1",
	[KMAP_OPEN] = "skerry_open",
};

/* The last thing libbpf complained of: it is said in the error's sentence,
 * never printed. */
static char complaint[160];

static int complain(enum libbpf_print_level level, const char *format,
		    va_list args)
{
	if (level == LIBBPF_WARN) {
		vsnprintf(complaint, sizeof(complaint), format, args);
		complaint[strcspn(complaint, "\n")] = 0;
	}
	return 0;
}

const char *kernel_map_name(enum kernel_map map)
{
	return map_names[map];
}

/* A pinned map must be what we would make; nothing is guessed. */
static int pinned_fits(const struct kernel *k, const struct bpf_map *map,
		       const char *path, char text[256])
{
	struct bpf_map_info info = {};
	uint32_t bytes = sizeof(info);
	int fd, ret = 0;

	fd = bpf_obj_get(path);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	ret = bpf_obj_get_info_by_fd(fd, &info, &bytes);
	close(fd);
	if (ret)
		return ret;
	if (info.type != bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map) ||
	    info.map_flags != bpf_map__map_flags(map)) {
		snprintf(text, 256,
			 "%.150s: another layout; lift its rules with "
			 "`skerryctl heal --all --local` and remove it",
			 path);
		return -EPROTO;
	}
	return 0;
}

static int prepare_maps(struct kernel *k, struct skerry_bpf *skel,
			char text[256])
{
	char path[KERNEL_PATH_BYTES];
	struct bpf_map *map;
	int i, ret;

	for (i = 0; i < KMAP_MAX; i++) {
		map = bpf_object__find_map_by_name(skel->obj, map_names[i]);
		if (!map)
			return -ENOENT;
		if (i == KMAP_EVENTS && !k->supported[KERNEL_RINGBUF]) {
			ret = bpf_map__set_autocreate(map, false);
			if (ret)
				return ret;
			continue;
		}
		ret = kernel_path(path, sizeof(path), k->dir, map_names[i]);
		if (!ret)
			ret = pinned_fits(k, map, path, text);
		if (!ret)
			ret = bpf_map__set_pin_path(map, path);
		if (ret)
			return ret;
	}
	return 0;
}

static int load_once(struct kernel *k, char text[256])
{
	struct skerry_bpf *skel;
	int ret;

	skel = skerry_bpf__open();
	if (!skel)
		return -errno;
	skel->rodata->port_base = k->port_base;
	skel->rodata->use_events = k->supported[KERNEL_RINGBUF];
	skel->rodata->use_demux = k->supported[KERNEL_SK_ASSIGN];
	skel->rodata->use_reject = k->supported[KERNEL_REJECT];
	skel->rodata->use_address = k->supported[KERNEL_ADDRESS];
	ret = bpf_program__set_autoload(skel->progs.skerry_expire,
					k->supported[KERNEL_TIMER]);
	if (!ret)
		ret = prepare_maps(k, skel, text);
	if (!ret)
		ret = skerry_bpf__load(skel);
	if (ret) {
		skerry_bpf__destroy(skel);
		return ret;
	}
	k->skel = skel;
	return 0;
}

/* Features whose helper exists but which the verifier will not have: do
 * without, the least important first. */
static int load_degrading(struct kernel *k, char text[256])
{
	static const enum kernel_feature optional[] = {
		KERNEL_REJECT,	  KERNEL_ADDRESS, KERNEL_TIMER,
		KERNEL_SK_ASSIGN, KERNEL_RINGBUF,
	};
	const size_t count = sizeof(optional) / sizeof(optional[0]);
	size_t i;
	int ret;

	for (i = 0;; i++) {
		ret = load_once(k, text);
		if (!ret || ret == -EPROTO || ret == -EPERM || ret == -ENOMEM)
			return ret;
		while (i < count && !k->supported[optional[i]])
			i++;
		if (i >= count)
			return ret;
		k->supported[optional[i]] = false;
	}
}

static int meta_map(struct kernel *k)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint32_t zero = 0;
	void *memory;
	int ret;

	if (k->supported[KERNEL_MMAP_META]) {
		memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED,
			      k->fd[KMAP_META], 0);
		if (memory == MAP_FAILED)
			return -errno;
		k->meta = memory;
		return 0;
	}
	ret = bpf_map_lookup_elem(k->fd[KMAP_META], &zero, &k->meta_copy);
	if (!ret)
		k->meta = &k->meta_copy;
	return ret;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {};
	uint32_t bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &bytes) ? 0 : info.id;
}

int kernel_load(struct kernel *k, char text[256])
{
	struct bpf_map *map;
	int i, ret;

	complaint[0] = 0;
	libbpf_set_print(complain);
	ret = load_degrading(k, text);
	if (ret) {
		if (!text[0])
			snprintf(text, 256, "programs do not load: %s: %s",
				 strerror(-ret), complaint);
		return ret;
	}
	for (i = 0; i < KMAP_MAX; i++) {
		map = bpf_object__find_map_by_name(k->skel->obj, map_names[i]);
		k->fd[i] = bpf_map__fd(map);
	}
	k->prog_in = bpf_program__fd(k->skel->progs.skerry_in);
	k->prog_out = bpf_program__fd(k->skel->progs.skerry_out);
	k->prog_expire = k->supported[KERNEL_TIMER]
				 ? bpf_program__fd(k->skel->progs.skerry_expire)
				 : -1;
	k->id_in = program_id(k->prog_in);
	k->id_out = program_id(k->prog_out);
	return meta_map(k);
}

void kernel_unload(struct kernel *k)
{
	if (k->meta && k->meta != &k->meta_copy)
		munmap(k->meta, sysconf(_SC_PAGESIZE));
	k->meta = NULL;
	skerry_bpf__destroy(k->skel);
	k->skel = NULL;
}
