/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The agent's mappings: a page of positions, and rings mapped twice. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "internal.h"

#define PAGE_BYTES 4096U
#define RING_MAX_BYTES (16U << 20)

static bool place_valid(const struct skerry_ring_place *p, uint32_t bytes)
{
	return p->size_bytes >= PAGE_BYTES && p->size_bytes <= RING_MAX_BYTES &&
	       (p->size_bytes & (p->size_bytes - 1)) == 0 &&
	       p->data_offset % PAGE_BYTES == 0 &&
	       p->data_offset >= PAGE_BYTES && p->data_offset <= bytes &&
	       p->size_bytes <= bytes - p->data_offset;
}

static bool slots_valid(const struct skerry_mapping *m, uint32_t bytes)
{
	uint64_t need = (uint64_t)m->slots * sizeof(struct skerry_flow_slot);

	return m->slots_offset % sizeof(struct skerry_flow_slot) == 0 &&
	       m->slots_offset >= sizeof(*m) && m->slots_offset <= bytes &&
	       need <= bytes - m->slots_offset;
}

static int check(const struct skerry_mapping *m, uint32_t bytes, uint32_t kind)
{
	if (m->magic != SKERRY_RING_MAGIC || m->abi != SKERRY_RING_ABI ||
	    m->kind != kind || m->mapping_bytes != bytes)
		return -EPROTO;
	if (!place_valid(&m->to_agent, bytes) ||
	    !place_valid(&m->to_program, bytes))
		return -EPROTO;
	if (kind == 0 && !slots_valid(m, bytes))
		return -EPROTO;
	return 0;
}

/* A record that crosses the end goes on at the start: the same pages twice
 * in a row make it contiguous. */
static uint8_t *map_twice(int fd, const struct skerry_ring_place *p)
{
	size_t size = p->size_bytes;
	uint8_t *at;

	at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	if (at == MAP_FAILED)
		return NULL;
	for (int i = 0; i < 2; i++)
		if (mmap(at + (size_t)i * size, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd,
			 p->data_offset) == MAP_FAILED) {
			munmap(at, 2 * size);
			return NULL;
		}
	return at;
}

int lib_map(int fd, uint32_t mapping_bytes, uint32_t kind,
	    struct lib_map *ret_map)
{
	struct lib_map map = { NULL };
	struct skerry_mapping *m;
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -errno;
	if (mapping_bytes < PAGE_BYTES || st.st_size < (off_t)mapping_bytes)
		return -EPROTO;
	m = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 0);
	if (m == MAP_FAILED)
		return -errno;
	map.mapping = m;
	r = check(m, mapping_bytes, kind);
	if (r)
		goto fail;
	map.out_data = map_twice(fd, &m->to_agent);
	map.in_data = map_twice(fd, &m->to_program);
	if (!map.out_data || !map.in_data) {
		r = -ENOMEM;
		goto fail;
	}
	ringbuf_init(&map.out, &m->agent_ring, map.out_data,
		     m->to_agent.size_bytes, 0);
	ringbuf_init(&map.in, &m->program_ring, map.in_data,
		     m->to_program.size_bytes, 0);
	*ret_map = map;
	return 0;
fail:
	lib_unmap(map.mapping, map.out_data, map.in_data);
	return r;
}

void lib_unmap(struct skerry_mapping *mapping, uint8_t *out_data,
	       uint8_t *in_data)
{
	if (!mapping)
		return;
	if (out_data)
		munmap(out_data, 2 * (size_t)mapping->to_agent.size_bytes);
	if (in_data)
		munmap(in_data, 2 * (size_t)mapping->to_program.size_bytes);
	munmap(mapping, mapping->mapping_bytes);
}
