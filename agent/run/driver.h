/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * driver.h - between the core and the world: an event goes in, the update's
 * operations are carried out completely and in order before anything else is
 * read. What fails comes back as an event of its own.
 */
#ifndef SKERRY_DRIVER_H
#define SKERRY_DRIVER_H

#include "../core/event.h"
#include "run/lane/lane.h"

struct agent;

/* Stamp the event, step the core, carry out what it says; again while it
 * has more. Returns what the core said to this event. Not from inside an
 * operation: see driver_later(). */
int driver_event(struct agent *agent, struct core_event *event);
/* For what happens inside an operation: given to the core when the update is
 * carried out. Only events without borrowed bytes. */
void driver_later(struct agent *agent, const struct core_event *event);
/* Carry ended lanes, doomed programs, commits and postponed events to their
 * end. */
void driver_settle(struct agent *agent);
/* EV_TICK when due, flow and lane time-outs. */
void driver_tick(struct agent *agent);
/* When to be called again at the latest. */
uint64_t driver_due(const struct agent *agent);
/* ---- what lanes tell -------------------------------------------------- */

void driver_lane_hello(struct lane *lane, struct core_bytes details);
void driver_lane_up(struct lane *lane);
void driver_lane_frame(struct lane *lane, const struct skerry_frame *frame,
		       struct core_bytes extensions, struct core_bytes payload);
void driver_lane_heard(struct lane *lane);
void driver_lane_blocked(struct lane *lane);
void driver_lane_writable(struct lane *lane);
/* Some of its queue went out: credit can be shown again. */
void driver_lane_drained_some(struct lane *lane);
/* The peer sends and takes no more data on it. */
void driver_lane_draining(struct lane *lane);
void driver_lane_ended(struct lane *lane);
/* Its state was read, about once a second. */
void driver_lane_seen(struct lane *lane, uint64_t sent_packets,
		      uint64_t received_packets);

/* A datagram on one of our ports (SKERRY_PORT_*). */
void driver_datagram(struct agent *agent, uint8_t port,
		     const struct skerry_addr *from, struct core_bytes bytes);

#endif
