/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * skerry.h - the client API: cluster processes across hosts, move messages
 * between them, cut the network between them on purpose.
 *
 * Every call returns 0 (or a count) or a negative errno; ret_ parameters are
 * untouched on failure, and skerry_last_error() has the sentence. A handle
 * belongs to one thread at a time. Strings are UTF-8. The library starts no
 * thread; callbacks run inside skerry_dispatch() and calls that would wait
 * refuse with -EDEADLK there. (A function that is given rows runs inside the
 * call it was given to; the same holds there.) skerry_close() is not for
 * callbacks.
 *
 * Errors that any call can return: -ECONNRESET the agent detached this
 * program or went away (the library attaches again by itself; the next call
 * tries), -ESTALE the agent restarted while this call was under way: its
 * outcome is unknown, -ETIMEDOUT, -EINVAL, -EACCES for administrators' calls.
 */
#ifndef SKERRY_H
#define SKERRY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKERRY_API __attribute__((visibility("default")))

struct skerry;

/* ---- opening ---------------------------------------------------------- */

/* Messages never wait: forward and next return -EAGAIN. Opening, and calls
 * that ask the agent on this host for something, still await its answer. */
#define SKERRY_OPEN_NONBLOCK (1U << 0)
#define SKERRY_OPEN_ADMIN (1U << 1) /* -EACCES unless an administrator */

struct skerry_open_opts {
	size_t size; /* sizeof(struct skerry_open_opts) */
	const char *node; /* which agent; NULL: $SKERRY_NODE, else the
				 * only one running */
	const char *program; /* name people see; NULL: the executable's */
	uint32_t flags; /* SKERRY_OPEN_* */
	uint32_t timeout_ms; /* of every waiting call; 0: 30 s */
	const char *run_dir; /* NULL: $SKERRY_RUN_DIR, else /run/skerry */
};

/*
 * Attach to the agent on this host. -ENOENT: no agent runs (or not that
 * one); -ENOTUNIQ: several run and none was named; -EACCES: its socket is
 * not open to this user; -ENOSPC: no program slot; -EPROTO: ABI too far off.
 * opts may be NULL. Free with skerry_close(), which takes NULL, waits up to
 * a second until the agent has taken what was sent, and ends the life of
 * messages not yet released.
 */
SKERRY_API int skerry_open(const struct skerry_open_opts *opts,
			   struct skerry **ret_handle);
SKERRY_API void skerry_close(struct skerry *handle);

/* The sentence for the last error on this handle (NULL: of skerry_open). */
SKERRY_API const char *skerry_last_error(const struct skerry *handle);
SKERRY_API const char *skerry_version(void);

/*
 * Readable when skerry_dispatch() or skerry_next() has something to do, or
 * when a message that was refused with -EAGAIN could go. For poll() and the
 * like, to read; level-triggered.
 */
SKERRY_API int skerry_fd(struct skerry *handle);
/*
 * Handle what is there: events, lost reports, waiting large messages. Runs
 * callbacks. Waits up to timeout_ms (0: not at all, -1: for ever) for
 * something to do; a message for skerry_next() ends the wait, and so does
 * credit after -EAGAIN. Returns how many things were handled, which may be 0.
 * A program that sends should call it now and then: losses and large
 * messages of a non-blocking handle are seen to here.
 */
SKERRY_API int skerry_dispatch(struct skerry *handle, int timeout_ms);

/* ---- who ---------------------------------------------------------------- */

struct skerry_address { /* one place where a node can be reached */
	uint8_t ip[16]; /* IPv6, or ::ffff:a.b.c.d */
	uint16_t port; /* first port of the node's block */
};

struct skerry_spec {
	char name[64];
	uint64_t incarnation;
	uint64_t boot_nonce;
	uint16_t port_block;
	uint16_t address_count;
	struct skerry_address address[8];
	char overlay[16];
};

/* A copy of this node's name, valid until the handle is closed. */
SKERRY_API const char *skerry_mynode(struct skerry *handle);
SKERRY_API int skerry_myself(struct skerry *handle,
			     struct skerry_spec *ret_spec);

/* ---- membership ------------------------------------------------------- */

/*
 * Ask to join through "HOST:PORT" or "NAME=HOST:PORT" (then -ENODEV is
 * reported when another name answers). Returns at once; the agent goes on
 * trying until it succeeds or the join is withdrawn. -ELOOP: this node;
 * a member already: 0, no effect; -ENOSPC: too many joins; administrators.
 */
SKERRY_API int skerry_join(struct skerry *handle, const char *address);
/* The same, and wait until every lane of every channel with that peer is
 * up; -ETIMEDOUT leaves the join going on. timeout_ms 0: the handle's. */
SKERRY_API int skerry_sync_join(struct skerry *handle, const char *address,
				uint32_t timeout_ms);
/* Leave the cluster: tell the others, drain, close. The agent goes on as a
 * single node. Administrators. */
SKERRY_API int skerry_leave(struct skerry *handle);
/* Remove another node; -EHOSTUNREACH: unknown. Also withdraws a join that
 * is still being tried, by name or address. Administrators. */
SKERRY_API int skerry_leave_node(struct skerry *handle, const char *node);

enum skerry_state {
	SKERRY_STATE_UNKNOWN = 0,
	SKERRY_STATE_UP,
	SKERRY_STATE_SUSPECT,
	SKERRY_STATE_ONE_WAY,
	SKERRY_STATE_DOWN,
	SKERRY_STATE_LEAVING,
};

struct skerry_member {
	char name[64];
	int state; /* enum skerry_state */
	int self;
	char reason[128]; /* why this state */
	char source[64]; /* which node says so */
};

/* Members, self included. Returns their number and fills at most `room`.
 * ret_members may be NULL when room is 0. */
SKERRY_API int skerry_members(struct skerry *handle,
			      struct skerry_member *ret_members, size_t room);

/* ---- messages --------------------------------------------------------- */

/* Own an endpoint on this node. -EADDRINUSE: taken; -ENOSPC. */
SKERRY_API int skerry_register(struct skerry *handle, const char *endpoint);
SKERRY_API int skerry_unregister(struct skerry *handle, const char *endpoint);

struct skerry_message {
	const void *data; /* valid until released */
	size_t size_bytes;
	const char *endpoint; /* to which of ours */
	const char *node; /* from which node */
	const char *channel;
	uint64_t number; /* in its flow, from 1; from 1 again after the
				 * flow ended and was begun anew */
	uint32_t flags; /* SKERRY_MESSAGE_* */
	uint32_t reserved;
	uint64_t internal[4];
};
#define SKERRY_MESSAGE_CAST (1U << 0) /* sent with cast */

/*
 * The next message for any endpoint of this handle. timeout_ms: 0 not at
 * all, -1 for ever; on a non-blocking handle always 0. -EAGAIN: none there.
 * The message is a view into the ring until skerry_release(); messages may
 * be released in any order. -ENOBUFS: 4,096 messages of a channel are held.
 */
SKERRY_API int skerry_next(struct skerry *handle,
			   struct skerry_message *ret_message, int timeout_ms);
SKERRY_API void skerry_release(struct skerry *handle,
			       struct skerry_message *message);

struct skerry_forward_opts {
	size_t size; /* sizeof(struct skerry_forward_opts) */
	const char *channel; /* NULL: "default" */
	uint64_t partition_key; /* lane = key mod parallelism */
	uint32_t flags; /* SKERRY_FORWARD_* */
	uint32_t timeout_ms; /* 0: the handle's */
	uint64_t *ret_number; /* where to store the message's number */
};
#define SKERRY_FORWARD_KEY (1U << 0) /* partition_key is given */

/*
 * Send a message to an endpoint on a node (NULL or "": this node). opts may
 * be NULL. data is copied before the call returns. FIFO for each (node,
 * endpoint, channel, key); lost only when its lane dies, and then reported
 * by number through skerry_on_lost().
 *
 * Waits for credit, -ETIMEDOUT, unless the handle is non-blocking: -EAGAIN.
 * (So does the first message to a place that is not known yet.) What is
 * above 64 KiB is then copied and sent as credit comes, one such message for
 * each flow and 64 MiB in all; what comes of it only skerry_on_lost() tells.
 * A lane that is down is waited for, up to a second, when waiting is allowed.
 * -EHOSTUNREACH unknown node or never connected; -ENOTCONN was connected,
 * is not now; -ENOENT no such channel or endpoint there; -EMSGSIZE above
 * SKERRY_MESSAGE_MAX_BYTES, on a fast channel above the path MTU;
 * -ENETUNREACH not connected now, because of a cut with visibility local.
 * Any other cut is no error of its own: it is felt as what it does to lanes.
 */
SKERRY_API int skerry_forward(struct skerry *handle, const char *node,
			      const char *endpoint, const void *data,
			      size_t size_bytes,
			      const struct skerry_forward_opts *opts);
/* The same, marked as a cast; never waits: without credit the message is
 * dropped and counted, and 0 is returned. Other errors as above; those of a
 * place that is not known yet come with a later message. */
SKERRY_API int skerry_cast(struct skerry *handle, const char *node,
			   const char *endpoint, const void *data,
			   size_t size_bytes,
			   const struct skerry_forward_opts *opts);

struct skerry_lost {
	const char *node;
	const char *endpoint;
	const char *channel;
	uint64_t from_number; /* first lost */
	uint64_t to_number; /* first not lost */
	int uncertain; /* 1: the receiver is gone, some may have
				 * arrived */
};
/* NULL function: nobody. Reports that came before are kept for it. */
typedef void skerry_lost_fn(void *data, const struct skerry_lost *lost);
SKERRY_API int skerry_on_lost(struct skerry *handle, skerry_lost_fn *function,
			      void *data);

/* ---- being told -------------------------------------------------------- */

struct skerry_change {
	const char *node;
	const char *channel; /* NULL: the node itself */
	int up;
	uint64_t transitions; /* since subscription */
	const char *reason;
	const char *source;
};
typedef void skerry_change_fn(void *data, const struct skerry_change *change);

/*
 * Call function when a node (NULL: any) goes up / down; with a channel when
 * its first lane is up / its last is down. Level-triggered: the state at
 * subscription comes first, then the latest state; transitions counts those
 * in between. Returns a watch id (> 0) for skerry_unwatch().
 */
SKERRY_API int skerry_on_up(struct skerry *handle, const char *node,
			    const char *channel, skerry_change_fn *function,
			    void *data);
SKERRY_API int skerry_on_down(struct skerry *handle, const char *node,
			      const char *channel, skerry_change_fn *function,
			      void *data);
/* -ENOENT. Allowed in callbacks. */
SKERRY_API int skerry_unwatch(struct skerry *handle, int watch);

/* ---- partitions ------------------------------------------------------- */

struct skerry_reference {
	uint8_t id[16];
};

struct skerry_partition_opts {
	size_t size; /* sizeof(struct skerry_partition_opts) */
	const char *shape; /* NULL: "around"; "isolate"; "split" */
	const char *const *components; /* split: lists "A,B", NULL-terminated */
	const char *name; /* for people; unique */
	const char *visibility; /* NULL: "wire"; "local" */
	const char *reason; /* why, for the log */
	uint64_t duration_ms; /* 0: as long as the agents live (lease) */
	uint32_t timeout_ms; /* 0: 5 s */
	uint32_t flags; /* SKERRY_PARTITION_* */
};
#define SKERRY_PARTITION_FORCE (1U << 0) /* beyond the safeguards */
#define SKERRY_PARTITION_ONE_WAY \
	(1U << 1) /* only from the first component
					    * to the others */

/*
 * Cut. Shape `around origin ttl` cuts each node within ttl overlay hops of
 * origin from everybody else; `isolate` cuts origin. Returns when every
 * participant has its cuts in the kernel: 0, or the number of participants
 * that did not answer (> 0; the others are cut). -EEXIST: same name, other
 * spec (same spec: 0, nothing changes); -EDQUOT: refused by a safeguard;
 * -EHOSTUNREACH: unknown node; -EOPNOTSUPP. Administrators.
 */
SKERRY_API int skerry_inject_partition(struct skerry *handle,
				       const char *origin, uint32_t ttl,
				       const struct skerry_partition_opts *opts,
				       struct skerry_reference *ret_reference);
/* Lift; idempotent. NULL reference: all. Returns as inject does. */
SKERRY_API int
skerry_resolve_partition(struct skerry *handle,
			 const struct skerry_reference *reference);

struct skerry_partition {
	struct skerry_reference reference;
	struct skerry_spec spec; /* a participant */
	char name[64];
	char origin[64];
	char shape[32];
	char scope[16];
	char visibility[16];
	int64_t remaining_ms; /* -1: by lease */
	/* By this node's kernel, for the whole reference. */
	uint64_t seen_packets;
	uint64_t dropped_packets;
	uint64_t leaked_packets;
};
/* (reference, spec) pairs; returns their number, fills at most room. */
SKERRY_API int skerry_partitions(struct skerry *handle,
				 struct skerry_partition *ret_partitions,
				 size_t room);

/* ---- what works here --------------------------------------------------- */

/* 1 when that capability works now on this node's overlay, else 0. overlay:
 * 0 too when it is not the one in use; NULL: whichever is. */
SKERRY_API int skerry_supports(struct skerry *handle, const char *overlay,
			       const char *capability);

/* ---- tables ------------------------------------------------------------ */

/*
 * The tables that skerryctl prints. A row is TLVs of <skerry/keys.h>.
 * query is one of those named at SKERRY_CMD_QUERY and _DATA_QUERY; function
 * is called once a row. Returns the number of rows. -ENOENT: no such table.
 */
typedef void skerry_row_fn(void *data, const void *row, size_t size_bytes);
SKERRY_API int skerry_query(struct skerry *handle, const char *query,
			    skerry_row_fn *function, void *data);
/*
 * One command of <skerry/ring.h> as it stands, for tools. Waits for the
 * whole answer; function gets each part's TLVs. timeout_ms 0: the handle's.
 */
SKERRY_API int skerry_command(struct skerry *handle, uint32_t command,
			      const void *tlvs, size_t size_bytes,
			      uint32_t timeout_ms, skerry_row_fn *function,
			      void *data);
/* Every event of the node as TLVs, from now on; runs in skerry_dispatch. */
SKERRY_API int skerry_follow(struct skerry *handle, skerry_row_fn *function,
			     void *data);

#ifdef __cplusplus
}
#endif

#endif
