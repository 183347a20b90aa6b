/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which agent: the one named, else the only one whose socket is there. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "internal.h"

static bool has_socket(int run_fd, const char *name)
{
	char path[NAME_MAX + sizeof("/api.sock")];
	struct stat st;

	snprintf(path, sizeof(path), "%s/api.sock", name);
	return fstatat(run_fd, path, &st, 0) == 0 && S_ISSOCK(st.st_mode);
}

/* Every name with a socket into list; the first into found. How many. */
static int look_around(DIR *dir, char found[SKERRY_NAME_MAX_BYTES + 1],
		       char *list, size_t room)
{
	struct dirent *entry;
	size_t used = 0;
	int count = 0;

	list[0] = '\0';
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    !skerry_name_valid(entry->d_name) ||
		    !has_socket(dirfd(dir), entry->d_name))
			continue;
		if (count++ == 0)
			strcpy(found, entry->d_name);
		if (used < room)
			used += (size_t)snprintf(list + used, room - used,
						 "%s%s", count > 1 ? ", " : "",
						 entry->d_name);
	}
	return count;
}

static int find_only(struct skerry *h, const char *run_dir)
{
	char found[SKERRY_NAME_MAX_BYTES + 1];
	char list[300];
	int count = 0;
	DIR *dir;

	dir = opendir(run_dir);
	if (dir) {
		count = look_around(dir, found, list, sizeof(list));
		closedir(dir);
	} else if (errno == EACCES) {
		return lib_fail(h, -EACCES,
				"%s: not open to this user; join the group "
				"that owns it",
				run_dir);
	}
	if (count == 0)
		return lib_fail(h, -ENOENT,
				"no agent runs: no socket in %s; start "
				"skerryd, or name another directory",
				run_dir);
	if (count > 1)
		return lib_fail(h, -ENOTUNIQ,
				"several agents run: %s; name one, or set "
				"SKERRY_NODE",
				list);
	strcpy(h->node, found);
	return 0;
}

int lib_find(struct skerry *h, const char *run_dir, const char *node)
{
	int r;

	if (!run_dir)
		run_dir = getenv("SKERRY_RUN_DIR");
	if (!run_dir || !*run_dir)
		run_dir = "/run/skerry";
	if (!node)
		node = getenv("SKERRY_NODE");
	if (node && *node) {
		if (!skerry_name_valid(node))
			return lib_fail(h, -EINVAL,
					"%s: not a node name; 1 to 63 of "
					"A-Z a-z 0-9 . _ - : @",
					node);
		strcpy(h->node, node);
	} else {
		r = find_only(h, run_dir);
		if (r)
			return r;
	}
	if (asprintf(&h->directory, "%s/%s", run_dir, h->node) < 0) {
		h->directory = NULL;
		return lib_fail(h, -ENOMEM, "no memory");
	}
	return 0;
}
