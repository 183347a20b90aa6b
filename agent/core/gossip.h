/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * gossip.h - what follows from an entry about a node, whoever brings it: the
 * node itself in a handshake, or others through the overlay.
 */
#ifndef SKERRY_GOSSIP_H
#define SKERRY_GOSSIP_H

#include "members.h"

struct core;

/*
 * The slot for a node that proved itself, with its spec taken over: its own
 * if it is known (an older incarnation's lanes are cut), else a guest's.
 * NULL: no room.
 */
struct member *gossip_claim(struct core *core, const struct spec *spec,
			    struct core_bytes raw);
/* It is a member above what was removed: that entry says nothing now. */
void gossip_rejoined(struct core *core, const struct member *member);
/* A lane goes there. */
void gossip_reached(struct member *member, const struct skerry_addr *remote);
/* A MEMBER frame with nothing but something for its log. */
void gossip_notice(struct core *core, struct member *member, int error,
		   const char *reason);

#endif
