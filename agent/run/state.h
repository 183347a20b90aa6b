/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * state.h - the node's state directory: one file `state`, replaced whole
 * (write, fsync, rename, fsync of the directory), and a lock.
 */
#ifndef SKERRY_STATE_H
#define SKERRY_STATE_H

#include <stddef.h>

#include "../core/event.h"

/*
 * Make DIR/NAME (0700) and lock it. -EBUSY: another agent runs, its pid in
 * *ret_pid. Returns a descriptor of the directory that holds the lock.
 */
int state_open(const char *dir, const char *name, int *ret_fd, int *ret_pid);
/* Read the whole file into buf; its size, 0 when there is none, -EFBIG. */
long state_read(int dir_fd, void *buf, size_t room_bytes);
/* Replace it. On failure the old one is as it was. Blocks: helper thread. */
int state_write(int dir_fd, const void *data, size_t size_bytes);

#endif
