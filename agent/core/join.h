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
	bool discovered; /* ... or by discovery alone; see discover.h */
	bool pending; /* we say that we are no member yet */
	bool takeover;
	bool dialling;
	char name[SKERRY_NAME_MAX_BYTES + 1]; /* expected; "" any */
	struct skerry_addr address;
	uint64_t since_ns; /* asked for, last */
	uint64_t generation; /* to propose: the peer knows us already */
	uint64_t at_ns; /* not before */
	uint32_t backoff_ms;
	uint32_t attempts;
	/* An older one of this member's name answered, and is told: 1 + its
	 * slot; 0: none did. */
	uint32_t older;
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
	/* What discovery has found and this node has dealt with. */
	struct skerry_addr known[SKERRY_JOINS_MAX];
	uint32_t known_count;
};

/* JOIN and JOIN_WAIT; answers, now or later. */
void join_command(struct core *core, const struct core_event *event, bool wait);
/* Try that address; false: no slot. The same address again is one join. */
bool join_add(struct core *core, const struct core_contact *contact, bool asked,
	      uint32_t *ret_join);
/* "NAME=ADDRESS" or "ADDRESS", as text. -EINVAL. */
int join_parse(const char *text, struct core_contact *ret_contact);
/* Everything in the configuration that is not ours and not yet tried. */
void join_contacts(struct core *core);
/* It would lead to this node, as far as that can be told from here. */
bool join_is_self(const struct core *core, const struct core_contact *contact);
/* A member that is meant by this contact; NULL. */
struct member *join_find_member(struct core *core,
				const struct core_contact *contact);
/* The slot is free; a dial under way for it is for nobody. */
void join_drop(struct core *core, uint32_t slot);
/* By expected name or address; how many were withdrawn. */
uint32_t join_withdraw(struct core *core, const char *what);
void join_withdraw_all(struct core *core, bool asked_too);
void join_withdraw_slot(struct core *core, uint32_t slot, const char *why);
/* Those of that name: it was removed, or it left. */
void join_withdraw_name(struct core *core, const char *name);
/* Those of that name, or of no name, at that address: it is stale. */
void join_withdraw_at(struct core *core, const char *name,
		      const struct skerry_addr *address);
/* Try the joins of that name now; false: there are none. */
bool join_hurry(struct core *core, const char *name);
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
