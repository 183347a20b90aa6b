/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * discovery.h - nodes to join through, out of DNS: names are looked up when
 * the agent starts and every period after, in the background. What all of
 * them say together goes to the core as EV_DISCOVERED after each round.
 *
 * A look-up that fails - no server, no answer, an answer that cannot be read
 * - leaves what its name said before as it was, and what the rest of it
 * brought is added. Only a complete answer replaces the one before; "there is
 * no such name" is one. Nothing here ends a membership: see core/discover.h.
 *
 * How long an answer may be kept (its TTL) is for the servers asked to know:
 * nothing is kept here beyond the period.
 */
#ifndef SKERRY_DISCOVERY_H
#define SKERRY_DISCOVERY_H

#include "../core/event.h"

struct agent;
struct discovery;

/* A name as RFC 1035 bounds it, without the last dot. */
#define DISCOVERY_NAME_BYTES 253U
#define DISCOVERY_PERIOD_MS 30000U

/* One entry of [join] dns or srv. */
struct discovery_source {
	char name[DISCOVERY_NAME_BYTES + 1];
	bool srv; /* ports come with the answer */
	uint16_t port; /* else this one: the first of a block */
};

struct discovery_config {
	struct discovery_source sources[SKERRY_DISCOVERY_MAX];
	uint32_t source_count;
	struct skerry_addr servers[SKERRY_DNS_SERVERS_MAX];
	uint32_t server_count; /* 0: those of the host */
	uint32_t period_ms;
};

/* Begin, where there is a name to look up. -ENOMEM. */
int discovery_open(struct agent *agent);
/* Ends what is under way; takes no NULL agent, but one without discovery. */
void discovery_close(struct agent *agent);

/* One row of TLVs for each name: what it said last, when, and what went
 * wrong since. */
typedef void discovery_row_fn(void *data, const void *row, size_t size_bytes);
void discovery_rows(const struct agent *agent, discovery_row_fn *function,
		    void *data);

#endif
