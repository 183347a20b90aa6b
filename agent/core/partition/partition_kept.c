// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_kept.c - what nobody else could tell a restarted node: the
 * entries of this node alone.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

static bool kept(const struct partition_entry *e)
{
	return e->used && !e->resolved && !e->lifted && !e->error && !e->bare &&
	       partition_form(e) == FORM_ADDRESS;
}

bool partition_kept(struct partition *p, size_t *cursor, uint64_t now_ns,
		    uint8_t ret_reference[16], uint64_t *ret_remaining_ms,
		    struct core_bytes *ret_blob)
{
	for (; *cursor < p->limits.partitions_max; ++*cursor) {
		uint16_t entry = (uint16_t)*cursor;
		uint64_t left = partition_remaining_ms(p, entry, now_ns);

		if (!kept(&p->entries[entry]) || !left ||
		    partition_blob_encode(p, entry))
			continue;
		++*cursor;
		memcpy(ret_reference, p->entries[entry].reference, 16);
		*ret_remaining_ms = left;
		*ret_blob = (struct core_bytes) { p->blob, p->blob_bytes };
		return true;
	}
	return false;
}

bool partition_kept_changed(struct partition *p)
{
	bool changed = p->kept_changed;

	p->kept_changed = false;
	return changed;
}

int partition_restore(struct partition *p, const uint8_t reference[16],
		      struct core_bytes blob, uint64_t remaining_ms,
		      uint64_t now_ns)
{
	uint16_t entry = partition_entry_slot(p);
	struct partition_entry *e;
	int error;

	if (entry == PARTITION_NONE)
		return -ENOSPC;
	partition_now(p, now_ns);
	e = &p->entries[entry];
	e->used = true;
	error = partition_blob_decode(p, blob, entry);
	if (!error && (partition_form(e) != FORM_ADDRESS || !remaining_ms ||
		       remaining_ms > e->duration_ms))
		error = -EPROTO;
	if (error) {
		partition_entry_clear(p, entry);
		return error;
	}
	memcpy(e->reference, reference, sizeof(e->reference));
	e->deadline_ns = now_ns + remaining_ms * PARTITION_MS;
	partition_check_able(p, entry);
	partition_dirty(p, entry);
	partition_audit(p, CORE_LOG_INFO, "partition_restored", entry, &e->by,
			"in force before this node restarted");
	return 0;
}
