/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * hello.h - the verdict on who has just proved to hold the cluster key: is
 * it of this cluster, is it who we think, is it the newest of its name, and
 * is its lane needed?
 *
 * Details of a handshake, both ways: cluster, spec, channel, lane,
 * generation, features_offered, features_required; from the dialler also
 * expected_name (who it wants), pending (it asks to be let in), incarnation
 * (a member since a moment, it was told of this incarnation of the acceptor,
 * who may not have heard of it yet) and takeover; from the acceptor also
 * members = what it knows of the dialler's own name: incarnation, removed; or
 * left: under the incarnation it has now it is no member with the dialler, and
 * what was before is over. A dialler that reads this acts on it and refuses. A
 * dialler that found an older node in a member's place says members, too, with
 * node = whose name it is; an acceptor of that name acts on it and refuses.
 */
#ifndef SKERRY_HELLO_H
#define SKERRY_HELLO_H

#include "event.h"

struct core;

/* EV_LANE_HELLO. -EINVAL: not a lane that can say so now. */
int hello_event(struct core *core, const struct core_event *event);

#endif
