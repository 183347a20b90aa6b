/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * identity.h - who this node is: its incarnation, its spec, and what happens
 * when it learns that it is no member any more. A new incarnation is stored
 * before anybody sees it.
 */
#ifndef SKERRY_IDENTITY_H
#define SKERRY_IDENTITY_H

#include "event.h"

struct core;
struct link_tell;

/* Write our spec anew; -ENOSPC: it exceeds SKERRY_SPEC_MAX_BYTES. */
int identity_respec(struct core *core);
/* The settings changed: the same incarnation, one version more. */
int identity_changed(struct core *core);

/* Another node said in a handshake what it knows of our name. pending: we
 * were asking to be let in. */
void identity_told(struct core *core, const struct link_tell *tell,
		   const char *source, bool pending);
/* We are removed or superseded: become single above that incarnation. */
void identity_depose(struct core *core, uint64_t incarnation, bool removed,
		     const char *why);
/* Leave: tell, drain, be single. ask: answer that program then. */
void identity_leave(struct core *core);
/* What is due while leaving. */
void identity_scan(struct core *core);

/* The state file (persist.c). */
int persist_read(struct core *core, struct core_bytes bytes,
		 uint64_t *ret_incarnation, bool *ret_same_machine);
void persist_flush(struct core *core);
/* EV_PERSISTED. */
void persist_done(struct core *core, uint64_t token, int error);

#endif
