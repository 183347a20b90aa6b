/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* overlay_full.h - what the files of the full mesh share. */
#ifndef SKERRY_OVERLAY_FULL_H
#define SKERRY_OVERLAY_FULL_H

#include "event.h"

struct core;
struct member;

/* Something is dirty: the delta goes out when it was collected. */
void full_collect(struct core *core);
/* Send that member the table from an entry on; reply: it shall send its own
 * if they differ then. */
void full_table_to(struct core *core, struct member *member, uint32_t from,
		   bool reply);
/* Of what is not there any more: removed ones, stale ones. */
uint64_t full_gone_digest(const struct core *core);
/* The receive function of the overlay. */
int full_receive(struct core *core, struct member *from,
		 struct core_bytes payload);

#endif
