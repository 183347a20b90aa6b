/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * helper.h - the one other thread: it waits for the disk and for the
 * kernel's grace periods so that the loop does not. It touches no state of
 * the core; what it has done comes back on the loop, in the order asked.
 */
#ifndef SKERRY_HELPER_H
#define SKERRY_HELPER_H

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

struct helper;

/* Runs on the helper thread; returns 0 or -errno. */
typedef int helper_work_fn(void *data, const void *bytes, size_t size_bytes);
/* Runs on the loop. */
typedef void helper_done_fn(void *data, uint64_t token, int error);

int helper_open(uv_loop_t *loop, struct helper **ret_helper);
/* Begin to work: a thread has the privileges of who starts it. */
int helper_start(struct helper *helper);
/* Finishes what is queued, without telling; takes NULL. The loop must run
 * once more for the handle to be gone. */
void helper_close(struct helper *helper);
/* bytes are copied. -ENOMEM. */
int helper_submit(struct helper *helper, helper_work_fn *work,
		  helper_done_fn *done, void *data, uint64_t token,
		  const void *bytes, size_t size_bytes);

#endif
