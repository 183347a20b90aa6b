/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * connect.h - lanes opened and closed because a program says so. Membership
 * is not touched by either.
 *
 * CONNECT dials at once what is missing to a member, at the addresses given
 * beside those of its spec; a join of that name is tried at once, too. With
 * prune every address that is not the member's is dialled, also while it is
 * connected, to see who answers. A spec none of whose addresses leads to the
 * member, while it is connected through another, is stale (stale.h).
 *
 * DISCONNECT drains and closes every lane to a member and keeps them closed,
 * from either end, for CONNECT_HOLD_NS; then the overlay, to which it is a
 * neighbour still, opens them again.
 */
#ifndef SKERRY_CONNECT_H
#define SKERRY_CONNECT_H

#include "conntab.h"
#include "event.h"
#include "members.h"

#define CONNECTS_MAX 16U
#define CONNECT_TRIES_MAX 32U
#define CONNECT_HOLD_NS (2 * 1000000000ULL)
#define DISCONNECTS_MAX 128U
#define DISCONNECT_NODES_MAX 64U

struct core;

enum try_state {
	TRY_DUE, /* to be dialled */
	TRY_DIALLING,
	TRY_FAILED, /* the node is not there */
	TRY_OTHER, /* it is, or that cannot be said */
};

struct connect {
	bool used;
	bool prune; /* somebody waits for the answer */
	uint32_t program, correlation;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t until_ns;
	uint32_t count;
	struct {
		struct skerry_addr address; /* block port */
		uint8_t spec; /* which of those looked at; 0: the given */
		uint8_t state; /* enum try_state */
	} tries[CONNECT_TRIES_MAX];
};

struct disconnect {
	bool used;
	uint32_t program, correlation;
	uint32_t slot;
	char name[SKERRY_NAME_MAX_BYTES + 1];
};

struct connects {
	struct connect list[CONNECTS_MAX];
	struct disconnect ends[DISCONNECTS_MAX];
};

/* Commands; answered now or later. */
void connect_command(struct core *core, const struct core_event *event);
void disconnect_command(struct core *core, const struct core_event *event);
void connect_program_gone(struct core *core, uint32_t program);

/* Who must answer on a lane of an attempt; NULL: it is none. */
const char *connect_expects(const struct core *core, const struct lane *lane);
/* That node answered, or another did. */
void connect_met(struct core *core, struct lane *lane, bool itself);
/* The lane ended before anybody was met. */
void connect_failed(struct core *core, struct lane *lane, enum lane_end end,
		    int error);
/* Dials and answers. */
void connects_flush(struct core *core);
/* disconnect.c, for connect.c. */
void disconnects_flush(struct core *core);
void disconnect_program_gone(struct core *core, uint32_t program);

#endif
