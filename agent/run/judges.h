/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * judges.h - which of the host's devices judge packets, so that each packet
 * is judged once and none is missed.
 *
 * A packet may pass several devices of one host: a VLAN device and the one
 * that carries it, a bridge and its ports. The rule:
 *
 * - A port of a bridge, bond or team carries what its master judges, and
 *   other hosts' packets: it does not judge. A port of a VRF does; the VRF,
 *   which no incoming packet passes, does not.
 * - A device on top of another (VLAN, MACVLAN) with the same hardware address
 *   is judged for by the lower one. Of a frame with two VLAN tags only what
 *   goes out is seen there, so the upper of two VLAN devices judges what
 *   comes in.
 * - One with a hardware address of its own judges for itself, because its
 *   siblings and it may talk past the lower device; that one then judges
 *   frames with its own address only.
 * - IPVLAN devices share the lower one's address and talk past it as well:
 *   both judge, and what takes both is judged twice.
 * - A device whose lower one is not judged on (enslaved, not wanted, in
 *   another namespace) judges for itself.
 */
#ifndef SKERRY_JUDGES_H
#define SKERRY_JUDGES_H

#include "links.h"
#include "skerry/maps.h"

/* Whether the configuration wants cuts on a device of that name. */
typedef bool judges_wanted_fn(void *data, const char *name);

/* DEV_IGNORE, DEV_JUDGE_BOTH, DEV_JUDGE_OWN or DEV_JUDGE_IN. */
enum skerry_dev_role judges_role(const struct links *links,
				 const struct links_device *device,
				 judges_wanted_fn *wanted, void *data);
/* Whether what one of them is decides what the other one does. */
bool judges_related(const struct links *links, const struct links_device *a,
		    const struct links_device *b);

#endif
