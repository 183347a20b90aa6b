// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* state.c - see state.h. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"

#define STATE_FILE "state"
#define STATE_NEW "state.new"
#define PID_FILE "pid"

/* Every missing directory of the path, as mkdir -p. */
static int make_path(const char *path)
{
	char copy[4096], *at;

	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	for (at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	if (mkdir(copy, 0700) != 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int write_all(int fd, const void *data, size_t size_bytes)
{
	const uint8_t *at = data;

	while (size_bytes) {
		ssize_t written = write(fd, at, size_bytes);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written ? -errno : -EIO;
		at += written;
		size_bytes -= (size_t)written;
	}
	return 0;
}

/* 0 when it cannot be told: the holder has not written it yet. */
static int read_pid(int dir_fd)
{
	char text[16] = "";
	int fd = openat(dir_fd, PID_FILE, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atoi(text);
}

static int write_pid(int dir_fd)
{
	char text[16];
	int fd, error;

	fd = openat(dir_fd, PID_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return -errno;
	error = write_all(fd, text,
			  (size_t)snprintf(text, sizeof(text), "%d\n",
					   getpid()));
	close(fd);
	return error;
}

int state_open(const char *dir, const char *name, int *ret_fd, int *ret_pid)
{
	int parent, fd = -1, error;

	if (!skerry_name_valid(name) || name[0] == '.')
		return -EINVAL;
	error = make_path(dir);
	if (error)
		return error;
	parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -errno;
	if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST) {
		error = -errno;
		goto out;
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		goto out;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		error = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (error == -EBUSY)
			*ret_pid = read_pid(fd);
		goto out;
	}
	if (fchmod(fd, 0700) != 0) {
		error = -errno;
		goto out;
	}
	/* A full disk must not keep the node from starting. */
	error = write_pid(fd);
	if (error && error != -ENOSPC && error != -EDQUOT)
		goto out;
	error = 0;
	*ret_fd = fd;
	fd = -1;
out:
	if (fd >= 0)
		close(fd);
	close(parent);
	return error;
}

long state_read(int dir_fd, void *buf, size_t room_bytes)
{
	uint8_t *at = buf, more;
	size_t used = 0;
	long result;
	int fd;

	fd = openat(dir_fd, STATE_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	for (;;) {
		ssize_t size = used < room_bytes
				       ? read(fd, at + used, room_bytes - used)
				       : read(fd, &more, 1);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0) {
			result = -errno;
			break;
		}
		if (size == 0) {
			result = (long)used;
			break;
		}
		if (used == room_bytes) {
			result = -EFBIG;
			break;
		}
		used += (size_t)size;
	}
	close(fd);
	return result;
}

int state_write(int dir_fd, const void *data, size_t size_bytes)
{
	int fd, error;

	fd = openat(dir_fd, STATE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	error = write_all(fd, data, size_bytes);
	if (!error && fsync(fd) != 0)
		error = -errno;
	if (close(fd) != 0 && !error)
		error = -errno;
	if (!error && renameat(dir_fd, STATE_NEW, dir_fd, STATE_FILE) != 0)
		error = -errno;
	if (error) {
		unlinkat(dir_fd, STATE_NEW, 0);
		return error;
	}
	return fsync(dir_fd) == 0 ? 0 : -errno;
}
