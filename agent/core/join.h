/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * join.h - addresses this node tries to join through, until one answers or
 * the join is withdrawn, and the programs that wait for it.
 */
#ifndef SKERRY_JOIN_H
#define SKERRY_JOIN_H

#include "event.h"

#define JOIN_NONE UINT32_MAX
#define JOIN_WAITS_MAX 64U
#define JOIN_WAIT_MS 30000U

struct core;
struct lane;
struct member;

struct join {
	bool used;
	bool asked; /* by a program; else from the configuration */
	bool pending; /* we say that we are no member yet */
	bool takeover;
	bool dialling;
	char name[SKERRY_NAME_MAX_BYTES + 1]; /* expected; "" any */
	struct skerry_addr address;
	uint64_t generation; /* to propose: the peer knows us already */
	uint64_t at_ns; /* not before */
	uint32_t backoff_ms;
	uint32_t attempts;
	int error; /* of the last attempt */
	char why[128];
};

/* A program that waits until every lane to the one it joined is up. */
struct join_wait {
	bool used;
	uint32_t program, correlation;
	uint32_t join; /* until somebody answers there, then: */
	char node[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t until_ns;
};

struct joins {
	struct join list[SKERRY_JOINS_MAX];
	struct join_wait waits[JOIN_WAITS_MAX];
};

/* JOIN and JOIN_WAIT; answers, now or later. */
void join_command(struct core *core, const struct core_event *event, bool wait);
/* Try that address; false: no slot. The same address again is one join. */
bool join_add(struct core *core, const struct core_contact *contact, bool asked,
	      uint32_t *ret_join);
/* Everything in the configuration that is not ours and not yet tried. */
void join_contacts(struct core *core);
/* By expected name or address; how many were withdrawn. */
uint32_t join_withdraw(struct core *core, const char *what);
void join_withdraw_all(struct core *core, bool asked_too);
/* The lane that was dialled for it ended. */
void join_failed(struct core *core, uint32_t join, int error, const char *why);
/* Somebody answered: waits go on with that node's name. */
void join_answered(struct core *core, uint32_t join, struct member *member);
/* It cannot work: waits are answered, an asked one is dropped. */
void join_refused(struct core *core, uint32_t join, int error, const char *why);
void join_program_gone(struct core *core, uint32_t program);
/* Dials, answers, time-outs. */
void joins_flush(struct core *core);

#endif
