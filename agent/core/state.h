/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * state.h - the overlay's state as bytes, for those who want to keep it or
 * look at it elsewhere. TLVs: first state_format, then cluster, overlay, name
 * (whose state it is), members* (a nest: spec of a live one; name,
 * incarnation, port_block, addresses* of one known from before a restart;
 * name, incarnation, removed of a removed one) and stale*. What a reader does
 * not know it passes over, unless it is critical.
 */
#ifndef SKERRY_STATE_H
#define SKERRY_STATE_H

#include "spec.h"

#define STATE_FORMAT 1U
#define STATE_MAX_BYTES (8U << 20)

struct core;

/*
 * One blob with what fits into the writer, from *cursor (0 at first) and
 * `after` ("" at first) on. True: that was the last.
 */
bool state_part(struct core *core, struct tlv_writer *w, size_t *cursor,
		char after[SKERRY_NAME_MAX_BYTES + 1]);

/* ---- state_read.c: needs no core ---- */

/* Begin: -EPROTO when the bytes are no state, or of another format. */
int state_parse(struct tlv_reader *r, const void *data, size_t size_bytes);
/*
 * The next member that is not removed: 1, or 0 at the end. -EPROTO. One known
 * from before a restart has boot_nonce 0 and no channels.
 */
int state_next(struct tlv_reader *r, struct spec *ret_spec);

#endif
