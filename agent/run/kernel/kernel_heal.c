// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Lifting every cut with no agent alive: a rule that skerry_rules does not
 * have is no rule. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

static int heal_directory(const char *dir)
{
	char path[KERNEL_PATH_BYTES];
	int fd, ret, count = 0;
	uint64_t id;

	ret = kernel_path(path, sizeof(path), dir, "v1/skerry_rules");
	if (ret)
		return ret;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	while (!(ret = bpf_map_get_next_key(fd, NULL, &id))) {
		ret = bpf_map_delete_elem(fd, &id);
		if (!ret)
			count++;
		else if (ret != -ENOENT)
			break;
	}
	close(fd);
	return ret == -ENOENT ? count : ret;
}

static int heal_all(const char *pin_root)
{
	char path[KERNEL_PATH_BYTES];
	int ret, count = 0, first_error = 0;
	struct dirent *entry;
	DIR *d;

	d = opendir(pin_root);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' ||
		    kernel_path(path, sizeof(path), pin_root, entry->d_name))
			continue;
		ret = heal_directory(path);
		if (ret >= 0)
			count += ret;
		else if (ret != -ENOENT && !first_error)
			first_error = ret;
	}
	closedir(d);
	return first_error ? first_error : count;
}

int kernel_heal_local(const char *pin_root, const char *node)
{
	char path[KERNEL_PATH_BYTES];
	int ret;

	if (!node)
		return heal_all(pin_root);
	ret = kernel_pins_path(pin_root, node, path, sizeof(path));
	return ret ? ret : heal_directory(path);
}
