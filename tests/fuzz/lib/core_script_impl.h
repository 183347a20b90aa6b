/* SPDX-License-Identifier: GPL-2.0-only */
/* core_script_impl.h - what core_script.c and core_play.c share. */
#ifndef TESTS_FUZZ_CORE_SCRIPT_IMPL_H
#define TESTS_FUZZ_CORE_SCRIPT_IMPL_H

#include "core_script.h"

#define LATER_MAX 4096
#define DIALS 16
#define LANE_MEMBERSHIP 1
#define LANE_DEFAULT 3

struct later { /* an answer on its way to the core */
	enum core_event_type type;
	uint64_t lane, token;
	int error;
};

struct speaker { /* who the core hears datagrams from */
	struct dgram_self self;
	struct dgram_peer beat, partition; /* "me", on each port */
	uint8_t last_byte; /* of its address */
};

struct world {
	struct script script;
	size_t size; /* of a core */
	void *memory; /* of the core at work */
	void *before, *failed; /* of an error */
	void *running; /* as every script begins */
	uint64_t running_ns, running_wake_ns;
	uint64_t wake_ns;
	struct speaker speakers[2], fresh[2];
	struct later later[LATER_MAX];
	size_t later_count;
	uint64_t dials[DIALS], dial_count, admitted, next_lane;
	uint8_t stored[CORE_OP_BYTES_MAX];
	size_t stored_bytes;
	int disk_error, cut_error;
	bool stopped;
};

extern struct world world;

/* Time passes, and the core wakes when it wanted to. */
void script_time(uint64_t ms);

#endif
