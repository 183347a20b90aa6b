/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* link_impl.h - what link.c and link_scan.c share. */
#ifndef SKERRY_LINK_IMPL_H
#define SKERRY_LINK_IMPL_H

#include "link.h"

/* Our name is the smaller one of the two: we dial first. */
bool link_smaller(const struct core *core, const struct member *member);
/* After any change of lanes or state: channels, what is missing, watches. */
void link_refresh(struct core *core, struct member *member);
/* The state that follows from what was heard, and what follows from it. */
void link_judge(struct core *core, struct member *member);
/* OP_PEER; there must be room for it. */
void link_tell_peer(struct core *core, struct member *member);

#endif
