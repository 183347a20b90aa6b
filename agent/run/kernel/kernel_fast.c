// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Fast lanes, and connections for people to see. */
#include <errno.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

int kernel_fast(struct kernel *k, uint64_t fast_id,
		const struct skerry_fast *value)
{
	int ret;

	if (k->none)
		return 0;
	ret = kernel_map_write(k->fd[KMAP_FAST], &fast_id, value, BPF_NOEXIST);
	if (ret == -EEXIST)
		return kernel_map_write(k->fd[KMAP_FAST], &fast_id, value,
					BPF_EXIST);
	if (ret)
		return ret;
	skerry_store_release(&k->meta->fast_lanes, k->meta->fast_lanes + 1);
	kernel_meta_flush(k);
	return 0;
}

void kernel_fast_gone(struct kernel *k, uint64_t fast_id)
{
	if (k->none || bpf_map_delete_elem(k->fd[KMAP_FAST], &fast_id))
		return;
	skerry_store_release(&k->meta->fast_lanes, k->meta->fast_lanes - 1);
	kernel_meta_flush(k);
}

int kernel_fast_read(const struct kernel *k, uint64_t fast_id,
		     struct skerry_fast *ret_value)
{
	struct skerry_fast value;
	int ret;

	if (k->none)
		return -ENOENT;
	ret = bpf_map_lookup_elem(k->fd[KMAP_FAST], &fast_id, &value);
	if (!ret)
		*ret_value = value;
	return ret;
}

int kernel_conn(struct kernel *k, const struct skerry_conn_key *key,
		const struct skerry_conn *value)
{
	int ret;

	if (k->none)
		return 0;
	ret = kernel_map_write(k->fd[KMAP_CONNS], key, value, BPF_ANY);
	return ret;
}

void kernel_conn_gone(struct kernel *k, const struct skerry_conn_key *key)
{
	if (!k->none)
		bpf_map_delete_elem(k->fd[KMAP_CONNS], key);
}
