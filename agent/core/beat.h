/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* beat.h - heartbeats out, and datagrams of both authenticated ports in. */
#ifndef SKERRY_BEAT_H
#define SKERRY_BEAT_H

#include "event.h"

struct core;
struct member;

/* Is it time for the next round? */
void beat_clock(struct core *core);
/* This member's heartbeat, if it is due and fits. */
void beat_scan(struct core *core, struct member *member);
/* EV_DATAGRAM. Nonsense and strangers are counted, never an error. */
int datagram_event(struct core *core, const struct core_event *event);
/* Seal a body and send it to that port of the member. -EAGAIN no room,
 * -EHOSTUNREACH no address, -EMSGSIZE. */
int datagram_send(struct core *core, struct member *member, uint8_t port,
		  struct core_bytes body, uint64_t *ret_sequence);

#endif
