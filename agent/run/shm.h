/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * shm.h - a mapping shared with a program (ring.h): a sealed memfd with the
 * header, the flow slots of a control mapping, and two rings, each mapped
 * twice in a row here.
 */
#ifndef SKERRY_SHM_H
#define SKERRY_SHM_H

#include "../core/ringbuf.h"

enum shm_kind {
	SHM_CONTROL = 0,
	SHM_CHANNEL = 1,
};

struct shm {
	int fd; /* to hand over; -1 when that is done */
	uint32_t bytes;
	struct skerry_mapping *map;
	struct skerry_flow_slot *slots; /* control only */
	uint32_t slot_count;
	size_t header_bytes; /* mapped at map */
	uint32_t ring_bytes; /* of each */
	uint8_t *in_data, *out_data;
	struct ringbuf in, out; /* from the program; to it */
};

/* 0, or -errno and *ret_shm untouched. */
int shm_open_rings(struct shm *ret_shm, enum shm_kind kind, uint32_t channel,
		   uint64_t boot_nonce);
/* Takes one that is all zero. */
void shm_close(struct shm *shm);

#endif
