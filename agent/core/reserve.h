/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * reserve.h - places below the member limit that programs keep for nodes
 * with a certain tag. A node says in its spec how many it keeps for which
 * tag, so every member refuses the same newcomers. A reservation counts as
 * used while a member with the tag is there that does not itself reserve for
 * it; it goes with the program that made it.
 */
#ifndef SKERRY_RESERVE_H
#define SKERRY_RESERVE_H

#include "event.h"
#include "spec.h"

struct core;

struct reserves {
	struct {
		uint32_t program; /* valid while tag is not "" */
		char tag[SKERRY_TAG_MAX_BYTES + 1];
	} list[SKERRY_RESERVES_MAX];
};

/* RESERVE: -EINVAL no tag, -ENOSPC no place is left to be kept. Answers. */
void reserve_command(struct core *core, const struct core_event *event);
void reserve_program_gone(struct core *core, uint32_t program);
/* What our own spec says of it. */
void reserve_write(const struct core *core, struct tlv_writer *w);
/* Is there a place for a node that is no member yet? Else why not. */
bool reserve_admits(struct core *core, const struct spec *newcomer, char *why,
		    size_t room_bytes);

#endif
