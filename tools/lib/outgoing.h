/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * outgoing.h - messages on their way out: flows, credit, copies, losses, and
 * the sockets of fast channels. The rules between a library and its agent
 * are those at the head of ring.h.
 */
#ifndef LIB_OUTGOING_H
#define LIB_OUTGOING_H

#include <netinet/in.h>

#include "internal.h"

/* ---- flow.c ------------------------------------------------------------ */

enum lib_flow_state {
	LIB_FLOW_NEW, /* the agent does not know it (any more) */
	LIB_FLOW_RINGS, /* asked for its channel's rings */
	LIB_FLOW_OPENING, /* asked for itself */
	LIB_FLOW_OPEN, /* has a slot */
	LIB_FLOW_REFUSED, /* error says why; the next forward tries again */
};

struct lib_flow {
	struct lib_flow *next; /* in its bucket */
	struct skerry *handle;
	const char *node; /* "" for this one */
	const char *endpoint;
	const char *channel_name;
	bool keyed;
	uint64_t partition_key;
	uint64_t hash;
	uint64_t flow_id;
	enum lib_flow_state state;
	int error;
	char error_text[160];
	/* Its agent went away: opened again by itself, for its report. */
	bool again;
	uint64_t again_until_ns;
	uint64_t retry_ns; /* not asked before this */
	struct lib_channel *channel;
	struct skerry_flow_slot *slot;
	uint32_t slot_index;
	uint32_t epoch; /* 0: none seen yet */
	uint64_t next_number; /* of the first message not wholly written */
	uint64_t settled; /* below: reported or known to have arrived */
	uint64_t written; /* position, see SKERRY_COST */
	uint64_t wanted; /* highest position asked for */
	uint64_t granted_seen;
	bool want_due; /* there was no room for it */
	/* A message of several fragments under way. */
	uint64_t large_asked; /* number WANT named a total for, else 0 */
	uint64_t sent_bytes; /* of it, written in this epoch */
	/* Its copy, when the caller could not wait. */
	uint8_t *pending;
	uint64_t pending_size;
	uint8_t pending_flags;
	/* Fast channels. */
	uint64_t fast_id;
	uint32_t fast_inflow;
	uint32_t mtu_bytes;
	struct sockaddr_storage fast_target;
	socklen_t fast_target_bytes;
	bool fast_matched; /* fast_target suits the socket's family */
};

/* Find it, or make it. -EINVAL, -ENOMEM. */
int lib_flow_get(struct skerry *h, const char *node, const char *endpoint,
		 const struct skerry_forward_opts *opts,
		 struct lib_flow **ret_flow);
void lib_flow_drop(struct lib_flow *f);
/* The slot says its lane is lost. */
bool lib_flow_down(const struct lib_flow *f);
/* A message is wholly written. */
void lib_flow_sent(struct lib_flow *f);
void lib_flow_answer(struct skerry *h, struct lib_flow *f, int error,
		     const char *reason, const void *tlvs, size_t size_bytes);
void lib_flow_rings(struct lib_flow *f, int error, const char *reason);
/* The slot shows another epoch than we know. 0: we know it now. */
int lib_flow_epoch(struct lib_flow *f);
/*
 * Write one record if credit and ring allow. total_bytes != 0: it is the
 * first fragment of such a message. -EAGAIN.
 */
int lib_flow_put(struct lib_flow *f, uint8_t flags, uint64_t total_bytes,
		 const void *payload, size_t payload_bytes);
/* Could lib_flow_put() do better now? */
bool lib_flow_moved(struct lib_flow *f, uint64_t total_bytes,
		    size_t payload_bytes);
/*
 * Bring it nearer to being open. 0: it is; -EAGAIN: not yet; else why not,
 * and the next call begins anew.
 */
int lib_flow_step(struct lib_flow *f);
void lib_flows_lost(struct skerry *h);
int lib_flows_again(struct skerry *h);
/* Look at all of them; copies of large messages move on. */
int lib_flows_pump(struct skerry *h);
/* Begin anew, from number 1. */
void lib_flow_renew(struct lib_flow *f);
/* No slot, no channel: nothing the agent says matters. */
void lib_flow_detach(struct lib_flow *f);
/* End it behind what was written, and begin anew. */
void lib_flow_abandon(struct lib_flow *f);
void lib_flows_free(struct skerry *h);

/* lost.c */
void lib_lost_add(struct lib_flow *f, uint64_t from, uint64_t to,
		  bool uncertain);
int lib_lost_run(struct skerry *h);
void lib_lost_free(struct skerry *h);

/* forward.c */
/* Move a waiting copy on. True when something was written. */
bool lib_forward_pump(struct lib_flow *f);
void lib_forward_drop_copy(struct lib_flow *f);
/* What -EAGAIN was returned for could go now. */
bool lib_forward_unblocked(struct skerry *h);

/* ---- fast.c ------------------------------------------------------------ */

/* Takes the socket over. */
int lib_fast_add(struct skerry *h, uint32_t channel, const char *name,
		 int socket_fd);
void lib_fast_free(struct lib_fast *fast);
/* What the answer to FLOW_OPEN says of it. */
void lib_fast_opened(struct lib_flow *f, const void *tlvs, size_t size_bytes);
int lib_fast_send(struct lib_flow *f, const void *data, size_t size_bytes,
		  uint8_t flags);
bool lib_fast_sendable(const struct lib_flow *f);
/* The socket offered for that channel before its rings were. */
struct lib_fast *lib_fast_claim(struct skerry *h, const char *name);
void lib_fast_forget(struct skerry *h);
/* 1, 0, -ENOBUFS as lib_channel_next(). */
int lib_fast_next(struct lib_channel *c, struct skerry_message *ret_message);
void lib_fast_release(struct lib_channel *c, uint64_t buffer);
bool lib_fast_waiting(const struct lib_fast *fast);
/* Its channel is retired. How many messages are still held. */
uint32_t lib_fast_retire(struct lib_fast *fast);

#endif
