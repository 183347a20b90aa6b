// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Devices: programs at the head of tcx with pinned links, or on clsact. */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel_hooks.h"
#include "kernel_impl.h"

#define CHAIN_MAX 64

static void link_path(const struct kernel *k, uint32_t ifindex, bool out,
		      char path[KERNEL_PATH_BYTES])
{
	snprintf(path, KERNEL_PATH_BYTES, "%.340s/links/%u-%s", k->dir, ifindex,
		 out ? "out" : "in");
}

/*
 * Whether this link still holds a program at that device. Its own idea of
 * the ifindex is not enough: the pins may have seen another namespace.
 */
static bool link_lives(int link, uint32_t ifindex, bool out)
{
	struct bpf_link_info info = {};
	uint32_t bytes = sizeof(info);
	uint32_t ids[CHAIN_MAX], count = CHAIN_MAX, i;

	if (bpf_obj_get_info_by_fd(link, &info, &bytes) ||
	    bpf_prog_query(ifindex, out ? TCX_EGRESS : TCX_INGRESS, 0, NULL,
			   ids, &count))
		return false;
	/* The ifindex of a tcx link lies where that of an XDP link does. */
	if (info.xdp.ifindex != ifindex)
		return false;
	for (i = 0; i < count; i++) {
		if (ids[i] == info.prog_id)
			return true;
	}
	return false;
}

static int tcx_attach(struct kernel *k, uint32_t ifindex, bool out)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	int program = out ? k->prog_out : k->prog_in;
	char path[KERNEL_PATH_BYTES];
	int link, ret;

	link_path(k, ifindex, out, path);
	link = bpf_obj_get(path);
	if (link >= 0) {
		ret = link_lives(link, ifindex, out)
			      ? bpf_link_update(link, program, NULL)
			      : -ENOLINK;
		close(link);
		if (!ret)
			return 0;
		unlink(path);
	}
	link = bpf_link_create(program, ifindex, out ? TCX_EGRESS : TCX_INGRESS,
			       &opts);
	if (link < 0)
		return link;
	ret = bpf_obj_pin(link, path);
	close(link);
	return ret;
}

static void tcx_detach(struct kernel *k, uint32_t ifindex)
{
	char path[KERNEL_PATH_BYTES];

	link_path(k, ifindex, false, path);
	unlink(path);
	link_path(k, ifindex, true, path);
	unlink(path);
}

/* On clsact the programs are pinned, so that people find them. */
static int clsact_pin(struct kernel *k)
{
	static const char *const names[] = { "skerry_in", "skerry_out" };
	char path[KERNEL_PATH_BYTES];
	int i, ret;

	for (i = 0; i < 2; i++) {
		ret = kernel_path(path, sizeof(path), k->dir, names[i]);
		if (ret)
			return ret;
		unlink(path);
		ret = bpf_obj_pin(i ? k->prog_out : k->prog_in, path);
		if (ret)
			return ret;
	}
	return 0;
}

static int clsact_attach(struct kernel *k, uint32_t ifindex,
			 enum skerry_hook *hook)
{
	bool made = false;
	int ret;

	ret = clsact_pin(k);
	if (!ret)
		ret = kernel_tc_qdisc(ifindex, &made);
	if (!ret)
		ret = kernel_tc_attach(k, ifindex, false);
	if (!ret)
		ret = kernel_tc_attach(k, ifindex, true);
	if (ret)
		return ret;
	if (made)
		*hook = HOOK_CLSACT_OURS;
	else if (*hook != HOOK_CLSACT_OURS)
		*hook = HOOK_CLSACT;
	return 0;
}

static int hook_device(struct kernel *k, uint32_t ifindex,
		       enum skerry_hook *hook)
{
	enum skerry_hook old = *hook;
	int ret;

	if (!k->supported[KERNEL_TCX]) {
		ret = clsact_attach(k, ifindex, hook);
		if (!ret)
			tcx_detach(k, ifindex);
		return ret;
	}
	ret = tcx_attach(k, ifindex, false);
	if (!ret)
		ret = tcx_attach(k, ifindex, true);
	if (ret)
		return ret;
	if (old == HOOK_CLSACT || old == HOOK_CLSACT_OURS)
		kernel_tc_detach(k, ifindex);
	if (old == HOOK_CLSACT_OURS)
		kernel_tc_qdisc_remove(ifindex);
	*hook = HOOK_TCX;
	return 0;
}

static bool own_address(const char *name, uint8_t ret_mac[6])
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	found = ioctl(fd, SIOCGIFHWADDR, &request) == 0 &&
		request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	close(fd);
	if (found)
		memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
	return found;
}

int kernel_attach(struct kernel *k, uint32_t ifindex, const char *name,
		  enum skerry_dev_role role)
{
	struct skerry_dev dev = {}, old;
	char current[IF_NAMESIZE];
	int ret;

	if (k->none)
		return 0;
	if (!if_indextoname(ifindex, current))
		return -ENODEV;
	if (!bpf_map_lookup_elem(k->fd[KMAP_DEVS], &ifindex, &old))
		dev.hook = old.hook;
	dev.role = role;
	strncpy(dev.name, name, sizeof(dev.name) - 1);
	if (role == DEV_JUDGE_OWN && !own_address(name, dev.mac))
		dev.role = DEV_JUDGE_BOTH;
	/* The role first: from the first packet on it is judged once. */
	ret = kernel_map_write(k->fd[KMAP_DEVS], &ifindex, &dev, BPF_ANY);
	if (ret || role == DEV_IGNORE)
		return ret;
	ret = hook_device(k, ifindex, &dev.hook);
	if (ret) {
		kernel_detach(k, ifindex);
		return if_indextoname(ifindex, current) ? ret : -ENODEV;
	}
	return kernel_map_write(k->fd[KMAP_DEVS], &ifindex, &dev, BPF_ANY);
}

int kernel_detach(struct kernel *k, uint32_t ifindex)
{
	struct skerry_dev dev;

	if (k->none)
		return 0;
	tcx_detach(k, ifindex);
	if (bpf_map_lookup_elem(k->fd[KMAP_DEVS], &ifindex, &dev))
		return 0;
	if (!k->supported[KERNEL_TCX] || dev.hook == HOOK_CLSACT ||
	    dev.hook == HOOK_CLSACT_OURS)
		kernel_tc_detach(k, ifindex);
	if (dev.hook == HOOK_CLSACT_OURS)
		kernel_tc_qdisc_remove(ifindex);
	bpf_map_delete_elem(k->fd[KMAP_DEVS], &ifindex);
	return 0;
}

/* Every pinned link gets the new program, without a packet in between that
 * no program judges; links whose device is gone are removed. */
static void adopt_links(struct kernel *k)
{
	char path[KERNEL_PATH_BYTES + 256];
	char dir[KERNEL_PATH_BYTES];
	struct dirent *entry;
	bool out;
	int link;
	DIR *d;

	if (kernel_path(dir, sizeof(dir), k->dir, "links"))
		return;
	d = opendir(dir);
	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' ||
		    kernel_path(path, sizeof(path), dir, entry->d_name))
			continue;
		out = strstr(entry->d_name, "-out");
		link = bpf_obj_get(path);
		if (link < 0)
			continue;
		if (bpf_link_update(link, out ? k->prog_out : k->prog_in, NULL))
			unlink(path);
		close(link);
	}
	closedir(d);
}

static bool adopt_device(struct kernel *k, uint32_t ifindex,
			 const struct skerry_dev *dev)
{
	char path[KERNEL_PATH_BYTES], name[IF_NAMESIZE];

	switch (dev->hook) {
	case HOOK_TCX:
		link_path(k, ifindex, false, path);
		return access(path, F_OK) == 0;
	case HOOK_CLSACT:
	case HOOK_CLSACT_OURS:
		return if_indextoname(ifindex, name) &&
		       strcmp(name, dev->name) == 0 &&
		       !kernel_tc_attach(k, ifindex, false) &&
		       !kernel_tc_attach(k, ifindex, true);
	default:
		return if_indextoname(ifindex, name) &&
		       strcmp(name, dev->name) == 0;
	}
}

static uint32_t device_list(const struct kernel *k, uint32_t *ret_list,
			    uint32_t room)
{
	uint32_t ifindex, count = 0, *last = NULL;

	while (count < room &&
	       !bpf_map_get_next_key(k->fd[KMAP_DEVS], last, &ifindex)) {
		ret_list[count++] = ifindex;
		last = &ifindex;
	}
	return count;
}

#define DEVICES_MAX 4096

void kernel_attach_adopt(struct kernel *k)
{
	uint32_t *list, count, i;
	struct skerry_dev dev;

	adopt_links(k);
	list = malloc(DEVICES_MAX * sizeof(*list));
	if (!list)
		return;
	count = device_list(k, list, DEVICES_MAX);
	for (i = 0; i < count; i++) {
		if (!bpf_map_lookup_elem(k->fd[KMAP_DEVS], &list[i], &dev) &&
		    !adopt_device(k, list[i], &dev))
			bpf_map_delete_elem(k->fd[KMAP_DEVS], &list[i]);
	}
	free(list);
}

void kernel_detach_all(struct kernel *k)
{
	uint32_t *list, count, i;

	list = malloc(DEVICES_MAX * sizeof(*list));
	if (!list)
		return;
	count = device_list(k, list, DEVICES_MAX);
	for (i = 0; i < count; i++)
		kernel_detach(k, list[i]);
	free(list);
}
