/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* hmac.h - HMAC-SHA-256 with the cluster key, as core.h wants it. */
#ifndef SKERRY_HMAC_H
#define SKERRY_HMAC_H

#include "../core/core.h"

/* Fills *ret_hmac. -ENOMEM, -EOPNOTSUPP: no such algorithm here. */
int hmac_open(const void *key, size_t key_bytes, struct core_hmac *ret_hmac);
/* Takes one that was never opened. */
void hmac_close(struct core_hmac *hmac);

#endif
