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

struct lib_copy;

struct lib_flow {
	struct lib_flow *next; /* in its bucket */
	struct skerry *handle;
	const char *node; /* "" for this one */
	const char *endpoint;
	const char *channel_name;
	const char *source; /* "": us; messages in that node's name */
	uint32_t monitor; /* it carries nothing and is this monitor's */
	bool monitored; /* it was open */
	bool letter; /* one waits for its credit; see outbox.c */
	uint64_t turn; /* of the last reply, or 0 */
	char own_endpoint[LIB_OWN_ENDPOINT_BYTES]; /* of many, not kept */
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
	uint64_t window; /* asked for ahead of what is written */
	uint64_t window_ns; /* when */
	uint64_t granted_seen;
	bool want_due; /* there was no room for it */
	/* A message of several fragments under way. */
	uint64_t large_asked; /* number WANT named a total for, else 0 */
	uint64_t large_total; /* which total */
	uint64_t sent_bytes; /* of it, written in this epoch */
	bool sent_packed; /* the message under way is */
	uint32_t receives; /* SKERRY_RECEIVES_* there, in this epoch */
	/* A copy, when the caller could not wait. */
	struct lib_copy *pending;
	/* Monotonic channels, see value.c. */
	bool value;
	uint64_t gate; /* granted when the last was sent: more is awaited */
	uint64_t last_cost;
	struct lib_copy *newest; /* behind one that has begun */
	struct lib_copy *last; /* wholly written, not known to have arrived */
	/* Sub-flows of SKERRY_FORWARD_ANY_LANE, see spread.c. */
	bool any_lane;
	uint32_t any_turn; /* the first one's: which is next */
	uint32_t any_lanes; /* how many there were */
	uint64_t used_ns; /* when something was last forwarded */
	uint64_t full_ns; /* since when it waits for a slot, or 0 */
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
/* The same with what only some have. source: NULL or a node's name. */
int lib_flow_get_as(struct skerry *h, const char *node, const char *endpoint,
		    const struct skerry_forward_opts *opts, const char *source,
		    uint32_t monitor, struct lib_flow **ret_flow);
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
/* One record of a message. */
struct lib_piece {
	uint8_t flags; /* of DATA */
	uint64_t total_bytes; /* not 0: the first fragment of so much */
	uint64_t plain_bytes; /* not 0: packed, and so much when it is not */
	const void *extensions; /* the message's own; 0 but on its first */
	size_t extension_bytes;
	const void *payload;
	size_t payload_bytes;
};
/* Write one record if credit and ring allow. -EAGAIN. */
int lib_flow_put(struct lib_flow *f, const struct lib_piece *piece);
/* Could lib_flow_put() do better now? */
bool lib_flow_moved(struct lib_flow *f, const struct lib_piece *piece);
uint64_t lib_piece_cost(const struct lib_piece *piece);
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
/* Also of a value. */
void lib_lost_report(struct lib_flow *f, uint64_t from, uint64_t to,
		     bool uncertain);
int lib_lost_run(struct skerry *h);
void lib_lost_free(struct skerry *h);

/* ---- pack.c -------------------------------------------------------------- */

/* A message compressed, or that it is not worth it. */
struct lib_packed {
	enum {
		LIB_PACK_UNTRIED,
		LIB_PACK_RAW,
		LIB_PACK_DONE,
	} state;
	uint8_t *bytes; /* malloc()ed */
	size_t size_bytes;
};
/* Settles the state; what has no memory is raw. */
void lib_pack(struct skerry *h, const void *data, size_t size_bytes,
	      struct lib_packed *packed);
/*
 * The plain bytes of a message, malloc()ed. Exactly plain_bytes of them, else
 * -EPROTO; -ENOMEM. The bytes may lie in memory that the agent can change.
 */
int lib_unpack(struct skerry *h, const void *data, size_t size_bytes,
	       uint64_t plain_bytes, uint8_t **ret_plain);
void lib_pack_free(struct skerry *h);

/* ---- forward.c ------------------------------------------------------------ */

/* A message on its way. Everything is borrowed but what is packed. */
struct lib_outgoing {
	struct lib_flow *flow;
	const void *data;
	size_t size_bytes;
	uint8_t flags; /* of DATA */
	const void *extensions;
	size_t extension_bytes;
	bool nowait;
	struct lib_packed *packed; /* its owner's */
};
/* As far as it goes. 0: all of it is written. */
int lib_outgoing_send(const struct lib_outgoing *o);
/* The same, and wait for it if that is allowed, or keep a copy. */
int lib_outgoing_wait(const struct lib_outgoing *o, bool cast,
		      uint64_t deadline_ns);

/* One that is the library's own; counted in handle->pending_bytes. */
struct lib_copy {
	uint64_t number; /* when it was sent */
	uint64_t counted_bytes;
	size_t size_bytes;
	uint8_t flags;
	uint8_t extensions[SKERRY_MESSAGE_EXT_MAX_BYTES];
	size_t extension_bytes;
	struct lib_packed packed;
	uint8_t data[];
};
/* -EAGAIN: there are too many bytes; -ENOMEM. Takes over what is packed. */
int lib_copy_new(const struct lib_outgoing *o, struct lib_copy **ret_copy);
void lib_copy_free(struct skerry *h, struct lib_copy *copy);
struct lib_outgoing lib_copy_outgoing(struct lib_flow *f,
				      struct lib_copy *copy);

/* ---- value.c ---------------------------------------------------------------- */

/* Its channel is monotonic (as far as is known). */
bool lib_value_is(struct lib_flow *f);
/* Send it, or keep it in the place of an older one. Never -EAGAIN. */
int lib_value_forward(const struct lib_outgoing *o);
/* pending was written: what follows it. */
void lib_value_sent(struct lib_flow *f);
/* What has this number or a higher one did not arrive: the last is sent once
 * more. */
void lib_value_lost(struct lib_flow *f, uint64_t from);
/* See what has arrived. */
void lib_value_look(struct lib_flow *f);
/* It was refused: 0 it will be tried again, else why not. */
int lib_value_refused(struct lib_flow *f);
void lib_value_drop(struct lib_flow *f);

/* ---- spread.c --------------------------------------------------------------- */

struct lib_message;
/* lib_forward() with SKERRY_FORWARD_ANY_LANE, checked. */
int lib_spread_forward(struct skerry *h, const char *node, const char *endpoint,
		       const struct lib_message *message,
		       const struct skerry_forward_opts *opts);
int lib_flow_get_any(struct skerry *h, const char *node, const char *endpoint,
		     const struct skerry_forward_opts *opts, uint32_t index,
		     struct lib_flow **ret_flow);

/* ---- idle.c ------------------------------------------------------------------ */

/* The agent has no slot left: end the flow that was not used for longest, of
 * those with nothing under way. False: there is none. */
bool lib_idle_close(struct skerry *h);
/* The number of lanes of the channel to that node; 0: not known. */
uint32_t lib_place_lanes(const struct skerry *h, const char *node,
			 const char *channel);
/* The flow's slot says it. Its key is its lane's number from here on, unless
 * another flow has that. */
void lib_place_learn(struct lib_flow *f);
void lib_places_free(struct skerry *h);
/* Its key is another now. False: there is one with that already. */
bool lib_flow_rekey(struct lib_flow *f, uint64_t key);
uint32_t lib_slots_used(const struct skerry *h);
/* Some milliseconds behind, and cheap. */
uint64_t lib_coarse_ns(void);

/* ---- forward.c, for the rest of the library ------------------------------------ */
/*
 * What a message consists of. extensions: TLVs of the message's own, which
 * reach lib_extension_read() of the receiver byte for byte; at most
 * SKERRY_MESSAGE_EXT_MAX_BYTES less LIB_EXTENSIONS_OWN_BYTES. One that the
 * receiver must not ignore has SKERRY_TLV_CRITICAL. data and extensions are
 * borrowed; what must wait is copied.
 */
#define LIB_EXTENSIONS_OWN_BYTES 32U /* kept for compression and the like */
struct lib_message {
	const void *data;
	size_t size_bytes;
	const void *extensions;
	size_t extension_bytes;
	bool cast; /* as skerry_cast() */
	bool nowait; /* -EAGAIN, whatever the handle */
	const char *source; /* NULL, or in whose name */
	struct lib_flow **ret_flow; /* NULL, or set with 0 and -EAGAIN */
};
/* skerry_forward() and skerry_cast() with what they have no parameter for.
 * Errors as theirs; -EINVAL: extensions too long. */
int lib_forward(struct skerry *h, const char *node, const char *endpoint,
		const struct lib_message *message,
		const struct skerry_forward_opts *opts);
/* Move a waiting copy on. True when something was written. */
bool lib_forward_pump(struct lib_flow *f);
void lib_forward_drop_copy(struct lib_flow *f);
/* What -EAGAIN was returned for could go now. */
bool lib_forward_unblocked(struct skerry *h);

/* asking.c, call.c, monitor.c */
/* What has this number or a higher one has not arrived, or will not be
 * answered. */
void lib_asking_lost(struct lib_flow *f, uint64_t from, int error);
/* Its copy that waited had that name and number, and is the first now. */
void lib_asking_renewed(struct lib_flow *f, uint64_t old_id, uint64_t number);
/* The flow of a monitor has ended. */
void lib_asking_closed(struct lib_flow *f, int error);

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
