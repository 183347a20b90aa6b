/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * agent.h - the running agent: what main.c wires together and the files of
 * run/ hand to each other. Everything here belongs to the loop's thread.
 */
#ifndef SKERRY_AGENT_H
#define SKERRY_AGENT_H

#include <uv.h>

#include "../core/core.h"
#include "core/flow/flow.h"
#include "run/config/config.h"
#include "cuts.h"
#include "devices.h"
#include "helper.h"
#include "run/kernel/kernel.h"
#include "run/lane/lane.h"
#include "loop.h"
#include "peers.h"
#include "run/program/program.h"
#include "record.h"
#include "udp.h"

struct agent {
	const struct agent_config *config;
	/* As given to the core: addresses filled, features known. */
	struct core_config settings;
	const struct core_hmac *hmac; /* NULL: no key */
	struct core *core;
	struct flowtab *flows;
	struct kernel *kernel;
	struct helper *helper;
	struct record *record; /* NULL: nothing is recorded */
	struct discovery *discovery; /* NULL: no name to look up */
	int state_fd;
	gid_t group; /* (gid_t)-1: none */
	gid_t admin_group;
	uint64_t boot_nonce;
	uint64_t incarnation;

	struct loop loop;
	struct peers peers;
	struct cuts cuts;
	struct lanes lanes;
	struct udp udp;
	struct programs programs;
	struct devices devices;

	uint64_t now_ns; /* monotonic, of the batch under way */
	bool stepping; /* inside core_step or its operations */
	bool stopping; /* EV_STOP was given */
	bool closing; /* the core is not asked any more */
	bool stopped; /* OP_STOPPED: nothing more is to be said */
	uint64_t wake_at_ns; /* EV_TICK no later than this */
};

/* CLOCK_MONOTONIC, and the wall clock in microseconds. */
uint64_t agent_now_ns(void);
uint64_t agent_wall_us(void);
/* Index of a configured channel by name, or -ENOENT. */
int agent_channel(const struct agent *agent, const char *name);

#endif
