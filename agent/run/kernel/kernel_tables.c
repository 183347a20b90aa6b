// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Each map as a file to read: iterators, made anew at each start. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_impl.h"
#include "tables.skel.h"

static const struct {
	const char *name;
	enum kernel_map map;
} tables[] = {
	{ "meta", KMAP_META },	 { "addrs", KMAP_ADDRS },
	{ "peers", KMAP_PEERS }, { "conns", KMAP_CONNS },
	{ "rules", KMAP_RULES }, { "drops", KMAP_DROPS },
	{ "fast", KMAP_FAST },	 { "exempt", KMAP_EXEMPT },
	{ "devs", KMAP_DEVS },	 { "reasons", KMAP_REASONS },
	{ "open", KMAP_OPEN },
};

static int pin_table(struct kernel *k, struct bpf_object *object,
		     const char *name, int map_fd)
{
	union bpf_iter_link_info info = { .map.map_fd = map_fd };
	struct bpf_iter_attach_opts opts;
	char program_name[32] = "table_";
	char sub[32] = "tables/";
	char path[KERNEL_PATH_BYTES];
	struct bpf_program *program;
	struct bpf_link *link;
	int ret;

	/* libbpf wants the padding zeroed too. */
	memset(&opts, 0, sizeof(opts));
	opts.sz = sizeof(opts);
	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	strcat(program_name, name);
	strcat(sub, name);
	ret = kernel_path(path, sizeof(path), k->dir, sub);
	if (ret)
		return ret;
	program = bpf_object__find_program_by_name(object, program_name);
	if (!program)
		return -ENOENT;
	link = bpf_program__attach_iter(program, &opts);
	if (!link)
		return -errno;
	unlink(path);
	ret = bpf_link__pin(link, path);
	bpf_link__destroy(link);
	return ret;
}

int kernel_tables_pin(struct kernel *k)
{
	struct tables_bpf *skel;
	size_t i;
	int ret;

	skel = tables_bpf__open();
	if (!skel)
		return -errno;
	skel->rodata->cpus = libbpf_num_possible_cpus();
	ret = tables_bpf__load(skel);
	for (i = 0; !ret && i < sizeof(tables) / sizeof(tables[0]); i++)
		ret = pin_table(k, skel->obj, tables[i].name,
				k->fd[tables[i].map]);
	tables_bpf__destroy(skel);
	return ret;
}
