// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Where the pins live: bpffs, the node's directory, its lock, its owner. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel_impl.h"

#define BPFFS_MAGIC 0xcafe4a11
#define BPFFS_USUAL "/sys/fs/bpf"

int kernel_path(char *out, size_t room, const char *dir, const char *name)
{
	int n = snprintf(out, room, "%s/%s", dir, name);

	return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

int kernel_pins_path(const char *pin_root, const char *node, char *out,
		     size_t room)
{
	int ret = kernel_path(out, room, pin_root, node);
	char *c;

	if (ret)
		return ret;
	for (c = out + strlen(pin_root) + 1; *c; c++) {
		if (*c == '.')
			*c = ',';
	}
	return 0;
}

bool kernel_is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 &&
	       (unsigned long)fs.f_type == BPFFS_MAGIC;
}

/* mkdir -p; the parts that are made get mode 0755. */
static int make_path(const char *path)
{
	char part[KERNEL_PATH_BYTES];
	size_t i;

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (i = 0;; i++) {
		if (i && (path[i] == '/' || path[i] == 0)) {
			memcpy(part, path, i);
			part[i] = 0;
			if (mkdir(part, 0755) && errno != EEXIST)
				return -errno;
		}
		if (!path[i])
			return 0;
	}
}

/*
 * One at a time: of two that mount, the later one's hides what the earlier
 * one has begun below it. All who find none lock the same directory, and
 * whoever comes second finds the first one's.
 */
static int mount_bpffs(const char *where)
{
	int fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX) ||
	    (!kernel_is_bpffs(where) &&
	     mount("bpf", where, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		   "mode=0755")))
		ret = -errno;
	close(fd);
	return ret;
}

/* bpffs at pin_root: at the usual place for paths below it, else right
 * there. */
static int bpffs_ensure(const char *pin_root)
{
	size_t usual = strlen(BPFFS_USUAL);
	int ret;

	if (strncmp(pin_root, BPFFS_USUAL, usual) == 0 &&
	    (pin_root[usual] == '/' || pin_root[usual] == 0) &&
	    !kernel_is_bpffs(BPFFS_USUAL)) {
		ret = mount_bpffs(BPFFS_USUAL);
		if (ret)
			return ret;
	}
	ret = make_path(pin_root);
	if (ret)
		return ret;
	return kernel_is_bpffs(pin_root) ? 0 : mount_bpffs(pin_root);
}

/* Who holds a lock on this inode, by /proc/locks; 0: nobody visible. */
static int lock_holder(const struct stat *st)
{
	unsigned int major_number, minor_number;
	unsigned long long inode;
	char line[256], kind[16];
	FILE *locks;
	int pid, found = 0;

	locks = fopen("/proc/locks", "re");
	if (!locks)
		return 0;
	while (!found && fgets(line, sizeof(line), locks)) {
		if (sscanf(line, "%*d: %15s %*s %*s %d %x:%x:%llu", kind, &pid,
			   &major_number, &minor_number, &inode) == 5 &&
		    strcmp(kind, "FLOCK") == 0 && inode == st->st_ino &&
		    major_number == major(st->st_dev) &&
		    minor_number == minor(st->st_dev))
			found = pid;
	}
	fclose(locks);
	return found;
}

/* 1: the directory went away while we waited for nothing; try again. */
static int lock_once(struct kernel *k, char text[256])
{
	struct stat held, now;
	int fd, ret;

	if (mkdir(k->node_dir, 0750) && errno != EEXIST)
		return -errno;
	fd = open(k->node_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : -errno;
	if (fstat(fd, &held)) {
		ret = -errno;
		goto fail;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		ret = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (ret == -EBUSY)
			snprintf(text, 256,
				 "%.120s: held by another agent, pid %d",
				 k->node_dir, lock_holder(&held));
		goto fail;
	}
	if (stat(k->node_dir, &now) || now.st_ino != held.st_ino) {
		ret = 1;
		goto fail;
	}
	k->lock_fd = fd;
	k->tc_handle = kernel_tc_handle(k->node_dir);
	return 0;
fail:
	close(fd);
	return ret;
}

int kernel_pins_open(struct kernel *k, char text[256])
{
	static const char *const subdirs[] = { "", "/links", "/tables" };
	char path[KERNEL_PATH_BYTES + 16];
	size_t i;
	int ret;

	ret = bpffs_ensure(k->pin_root);
	if (ret) {
		snprintf(text, 256, "%.120s: cannot have bpffs there: %s",
			 k->pin_root, strerror(-ret));
		return ret;
	}
	ret = kernel_pins_path(k->pin_root, k->node, k->node_dir,
			       sizeof(k->node_dir));
	if (!ret)
		ret = kernel_path(k->dir, sizeof(k->dir), k->node_dir, "v1");
	if (ret)
		return ret;
	do {
		ret = lock_once(k, text);
	} while (ret == 1);
	for (i = 0; !ret && i < sizeof(subdirs) / sizeof(subdirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", k->dir, subdirs[i]);
		if (mkdir(path, 0750) && errno != EEXIST)
			ret = -errno;
	}
	if (ret && !text[0])
		snprintf(text, 256, "%.120s: %s", k->dir, strerror(-ret));
	return ret;
}

/* The descriptor that holds the lock keeps the file system alive, and a way
 * to it, also when it is mounted nowhere any more. */
bool kernel_pins_gone(struct kernel *k)
{
	struct stat held, now;

	if (k->none || k->unmounted || fstat(k->lock_fd, &held))
		return false;
	if (!stat(k->node_dir, &now) && now.st_dev == held.st_dev &&
	    now.st_ino == held.st_ino)
		return false;
	k->unmounted = true;
	snprintf(k->node_dir, sizeof(k->node_dir), "/proc/self/fd/%d",
		 k->lock_fd);
	snprintf(k->dir, sizeof(k->dir), "/proc/self/fd/%d/v1", k->lock_fd);
	return true;
}

static void own_files(const struct kernel *k, const char *dir, mode_t mode)
{
	char path[KERNEL_PATH_BYTES + 256];
	struct dirent *entry;
	DIR *d = opendir(dir);

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' ||
		    kernel_path(path, sizeof(path), dir, entry->d_name))
			continue;
		if (entry->d_type != DT_DIR)
			chmod(path, mode);
		if (k->group != (gid_t)-1 && lchown(path, -1, k->group))
			break; /* not ours to give: stays root's */
	}
	closedir(d);
}

void kernel_pins_own(const struct kernel *k)
{
	char tables[KERNEL_PATH_BYTES];

	if (k->group != (gid_t)-1 &&
	    (lchown(k->node_dir, -1, k->group) || lchown(k->dir, -1, k->group)))
		return;
	own_files(k, k->dir, 0640);
	if (!kernel_path(tables, sizeof(tables), k->dir, "tables"))
		own_files(k, tables, 0440);
}

static void remove_files(const char *dir)
{
	char path[KERNEL_PATH_BYTES + 256];
	struct dirent *entry;
	DIR *d = opendir(dir);

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] != '.' && entry->d_type != DT_DIR &&
		    !kernel_path(path, sizeof(path), dir, entry->d_name))
			unlink(path);
	}
	closedir(d);
	rmdir(dir);
}

void kernel_pins_remove(const struct kernel *k)
{
	char sub[KERNEL_PATH_BYTES];

	if (!kernel_path(sub, sizeof(sub), k->dir, "tables"))
		remove_files(sub);
	if (!kernel_path(sub, sizeof(sub), k->dir, "links"))
		remove_files(sub);
	remove_files(k->dir);
	rmdir(k->node_dir);
}
