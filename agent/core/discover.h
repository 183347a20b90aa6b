/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * discover.h - what a directory of nodes, DNS, says is there, and what that
 * may change: joins are added, and withdrawn while they have not succeeded.
 * It never changes who is a member: a name that resolves to nothing for a
 * moment would take the cluster apart.
 */
#ifndef SKERRY_DISCOVER_H
#define SKERRY_DISCOVER_H

#include "event.h"

struct core;

/*
 * EV_DISCOVERED: the whole answer as it stands, in the order of preference.
 * An address is joined through once for as long as it stays in the answer: a
 * member that was removed, or a join that was withdrawn, does not come back
 * by being found again. An address that is ours or a member's needs no join;
 * one for which there is no slot is taken up with a later answer. Joins that
 * discovery alone made, and whose addresses are gone, are dropped. A node
 * that has left is not interested.
 */
void discover_event(struct core *core, const struct core_event *event);

#endif
