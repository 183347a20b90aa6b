/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * exact.h - the membership made exactly what a list says, in one step: who
 * is not in it is removed, joins that are not are withdrawn, the new ones
 * are joined. This node is always in it.
 *
 * An entry is a NAME that is known, as a member's or a join's, or
 * NAME=HOST:PORT. A member stays as it is, whatever address is given; when
 * it is not up and has not that address, a join there is added.
 */
#ifndef SKERRY_EXACT_H
#define SKERRY_EXACT_H

#include "event.h"

struct core;

/*
 * SET. Answers what was removed, joined and withdrawn. Nothing is changed
 * with -ENOENT (names nobody here knows; all are listed), -EINVAL, -ELOOP
 * (our own address under another name), -ENOSPC (joins), -EAGAIN (leaving).
 */
void exact_command(struct core *core, const struct core_event *event);

#endif
