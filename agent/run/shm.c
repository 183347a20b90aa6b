// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* shm.c - memory shared with one program; see shm.h. */
#define _GNU_SOURCE
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096U

/* The same bytes twice in a row. */
static uint8_t *map_twice(int fd, uint32_t offset, uint32_t size_bytes)
{
	uint8_t *at = mmap(NULL, 2 * (size_t)size_bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	if (at == MAP_FAILED)
		return NULL;
	for (i = 0; i < 2; i++) {
		if (mmap(at + (size_t)i * size_bytes, size_bytes,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 offset) == MAP_FAILED) {
			munmap(at, 2 * (size_t)size_bytes);
			return NULL;
		}
	}
	return at;
}

static void describe(struct skerry_mapping *map, enum shm_kind kind,
		     uint32_t channel, uint64_t boot_nonce, uint32_t slots,
		     uint32_t ring_bytes)
{
	uint32_t slot_bytes = slots * (uint32_t)sizeof(struct skerry_flow_slot);

	map->magic = SKERRY_RING_MAGIC;
	map->abi = SKERRY_RING_ABI;
	map->kind = kind;
	map->boot_nonce = boot_nonce;
	map->channel = channel;
	map->slots = slots;
	map->slots_offset = slots ? PAGE : 0;
	map->to_agent.data_offset = PAGE + slot_bytes;
	map->to_agent.size_bytes = ring_bytes;
	map->to_program.data_offset = PAGE + slot_bytes + ring_bytes;
	map->to_program.size_bytes = ring_bytes;
	map->mapping_bytes = PAGE + slot_bytes + 2 * ring_bytes;
}

int shm_open_rings(struct shm *ret_shm, enum shm_kind kind, uint32_t channel,
		   uint64_t boot_nonce)
{
	uint32_t ring_bytes = kind == SHM_CONTROL ? SKERRY_CONTROL_RING_BYTES
						  : SKERRY_RING_BYTES;
	uint32_t slots = kind == SHM_CONTROL ? SKERRY_FLOWS_PER_PROGRAM_MAX : 0;
	struct skerry_mapping describe_it = { 0 };
	struct shm shm = { .fd = -1,
			   .slot_count = slots,
			   .ring_bytes = ring_bytes };
	int err;

	describe(&describe_it, kind, channel, boot_nonce, slots, ring_bytes);
	shm.bytes = describe_it.mapping_bytes;
	shm.header_bytes = describe_it.to_agent.data_offset;
	shm.fd = memfd_create("skerry-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (shm.fd < 0)
		return -errno;
	if (ftruncate(shm.fd, shm.bytes) ||
	    fcntl(shm.fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err = -errno;
		goto err;
	}
	shm.map = mmap(NULL, shm.header_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED, shm.fd, 0);
	if (shm.map == MAP_FAILED) {
		shm.map = NULL;
		err = -ENOMEM;
		goto err;
	}
	memcpy(shm.map, &describe_it, sizeof(describe_it));
	shm.in_data =
		map_twice(shm.fd, describe_it.to_agent.data_offset, ring_bytes);
	shm.out_data = map_twice(shm.fd, describe_it.to_program.data_offset,
				 ring_bytes);
	if (!shm.in_data || !shm.out_data) {
		err = -ENOMEM;
		goto err;
	}
	if (slots)
		shm.slots = (void *)((uint8_t *)shm.map + PAGE);
	ringbuf_init(&shm.in, &shm.map->agent_ring, shm.in_data, ring_bytes, 0);
	ringbuf_init(&shm.out, &shm.map->program_ring, shm.out_data, ring_bytes,
		     0);
	*ret_shm = shm;
	return 0;
err:
	shm_close(&shm);
	return err;
}

void shm_close(struct shm *shm)
{
	if (!shm->bytes)
		return;
	if (shm->in_data)
		munmap(shm->in_data, 2 * (size_t)shm->ring_bytes);
	if (shm->out_data)
		munmap(shm->out_data, 2 * (size_t)shm->ring_bytes);
	if (shm->map)
		munmap(shm->map, shm->header_bytes);
	if (shm->fd >= 0)
		close(shm->fd);
	memset(shm, 0, sizeof(*shm));
	shm->fd = -1;
}
