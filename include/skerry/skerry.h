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
 * not open to this user; -ENOSPC: no place for another program; -EAGAIN: too
 * many come at once, and still did at the time-out; -EPROTO: ABI too far off.
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

struct skerry_channel_spec { /* a channel as a node has configured it */
	char name[32];
	char transport[16]; /* "stream", "datagram" */
	uint32_t parallelism; /* lanes */
	uint32_t priority;
	uint8_t monotonic;
	uint8_t compression;
	uint8_t reserved[2];
};

struct skerry_spec {
	char name[64];
	uint64_t incarnation;
	uint64_t boot_nonce;
	uint16_t port_block;
	uint16_t address_count;
	struct skerry_address address[8];
	char overlay[16];
	uint32_t tag_count;
	char tag[8][64];
	uint32_t channel_count;
	struct skerry_channel_spec channel[16];
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
 * up; -ETIMEDOUT leaves the join going on. timeout_ms 0: the handle's.
 * -ENODEV another name answers there, -EEXIST the peer refuses this node's
 * name, -ECANCELED the join was withdrawn meanwhile. */
SKERRY_API int skerry_sync_join(struct skerry *handle, const char *address,
				uint32_t timeout_ms);
/* Leave the cluster: tell the others, drain, close. The agent goes on as a
 * single node. Administrators. */
SKERRY_API int skerry_leave(struct skerry *handle);
/* Remove another node; -EHOSTUNREACH: unknown. It learns of it and becomes
 * single, as soon as it can be reached; it may join again. Also withdraws a
 * join that is still being tried, by name or address. Administrators. */
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

/* The same with what each says of itself. One that this node knows only from
 * before its restart has boot_nonce 0 and no channels or tags. */
SKERRY_API int skerry_member_specs(struct skerry *handle,
				   struct skerry_spec *ret_specs, size_t room);
/* Every node that is known by name and address: members, and those that are
 * being joined by name (incarnation 0). */
SKERRY_API int skerry_known(struct skerry *handle,
			    struct skerry_spec *ret_specs, size_t room);

/*
 * Make the membership exactly these nodes and this one, in one step: others
 * are removed, joins that are still being tried and not among them are
 * withdrawn, new ones are joined, as by skerry_join(). Each is a NAME that
 * is a member's or a join's, or "NAME=HOST:PORT"; a member stays as it is,
 * but one that is down is tried at that address, too. -ENOENT: names nobody
 * here knows, all are in the sentence, and nothing is changed; so with
 * -EINVAL, -ELOOP (this node's address under another name), -ENOSPC (joins),
 * -EAGAIN (this node is leaving). Administrators.
 */
SKERRY_API int skerry_update_members(struct skerry *handle,
				     const char *const *nodes, size_t count);

/*
 * Open now what is missing to that member: its own addresses and those of
 * the spec (name and addresses are looked at) are dialled without waiting
 * for a back-off; a join of that name likewise. Returns 0 at once, whatever
 * comes of it. -EHOSTUNREACH: no member or join of that name, -ELOOP: this
 * node, -EAGAIN: too many at once. Administrators.
 *
 * With SKERRY_CONNECT_PRUNE it waits for what comes of it, and returns the
 * number of stale specs of that name, filling at most room: the given one,
 * and joins, whose addresses all fail while the node is connected through
 * another spec. They are gone then: joins of that name, or of no name, at
 * these addresses are withdrawn on every node, configured ones too, and do
 * not come back by themselves. A program may still ask for one.
 */
#define SKERRY_CONNECT_PRUNE (1U << 0)
SKERRY_API int skerry_connect(struct skerry *handle,
			      const struct skerry_spec *spec, uint32_t flags,
			      struct skerry_spec *ret_stale, size_t room);
/*
 * Close every lane to each of the nodes; when its sockets are closed, what
 * was written having gone out, function (may be NULL) is called with error
 * 0, or with -EHOSTUNREACH (no member), -ELOOP (this node). It runs inside
 * this call, which returns when that was done for all: 0, or the first of
 * these errors. Membership is unchanged; the lanes come back after 2 s, or
 * at once with skerry_connect(): the full mesh has lanes to every member. To
 * keep them closed, cut or remove the node. Administrators.
 */
typedef void skerry_disconnected_fn(void *data, const char *node, int error);
SKERRY_API int skerry_disconnect(struct skerry *handle,
				 const char *const *nodes, size_t count,
				 skerry_disconnected_fn *function, void *data);

/*
 * Keep a place below the member limit for a node with that tag, in the whole
 * cluster: other newcomers are refused with -ENOSPC when only kept places are
 * left. A member with the tag that reserves none for it itself uses the
 * place, also one that was there before. -ENOSPC: all places are taken or
 * kept. Twice is two places. It is given back when the handle is closed or
 * its process ends; when the agent restarts, it is kept again, if that can be.
 * Administrators.
 */
SKERRY_API int skerry_reserve(struct skerry *handle, const char *tag);

/*
 * The overlay's state as bytes: members' specs, removed and stale ones, with
 * a format word in front. Returns how many there are, fills at most room. It
 * may grow between two calls: ask again when it did not fit.
 */
SKERRY_API int skerry_local_state(struct skerry *handle, void *ret_state,
				  size_t room);
/*
 * The members in such bytes, wherever they come from; their number, fills at
 * most room. -EPROTO: they are no state, or damaged; nothing is filled then.
 */
SKERRY_API int skerry_decode(const void *state, size_t size_bytes,
			     struct skerry_spec *ret_specs, size_t room);

/* ---- messages --------------------------------------------------------- */

/*
 * A reference says who is meant, as text:
 *
 *	skerry:NODE/ENDPOINT	an endpoint
 *	skerry:NODE/#ID		a program; ID is 32 hexadecimal digits
 *	skerry:NODE		a node, where one is asked for
 *
 * The first slash ends NODE; all behind it is the endpoint, as it is: nothing
 * is escaped, and nothing needs to be. It can be given wherever a call takes
 * an endpoint and the node is NULL; with a node, also "" for this one, an
 * endpoint is taken as it stands. global: and via: are other kinds of
 * reference, which do not work yet: -EOPNOTSUPP. Malformed: -EINVAL.
 */
#define SKERRY_REF_BYTES 200U /* room for any, with its NUL */

struct skerry_ref {
	char node[64];
	char endpoint[128]; /* "": the node itself */
};
SKERRY_API int skerry_ref_parse(struct skerry *handle, const char *reference,
				struct skerry_ref *ret_ref);
/* This program, skerry:NODE/#ID: what is sent there comes to skerry_next()
 * with endpoint "#ID". It stays the same as long as the handle. -ENOBUFS. */
SKERRY_API int skerry_self_ref(struct skerry *handle, char *ret_ref,
			       size_t room_bytes);

/* Own an endpoint on this node. -EADDRINUSE: taken; -ENOSPC; -EACCES: below
 * skerry/ names are administrators'; -EINVAL: those that begin with # are the
 * programs' own. */
SKERRY_API int skerry_register(struct skerry *handle, const char *endpoint);
SKERRY_API int skerry_unregister(struct skerry *handle, const char *endpoint);

struct skerry_message {
	const void *data; /* valid until released */
	size_t size_bytes;
	const char *endpoint; /* to which of ours */
	const char *node; /* from which node */
	const char *channel;
	uint64_t number; /* in its flow, from 1; from 1 again after the
				 * flow ended and was begun anew; keys of
				 * one lane share a flow */
	uint32_t flags; /* SKERRY_MESSAGE_* */
	uint32_t reserved;
	uint8_t program[16]; /* which of that node: its ID */
	uint64_t call; /* of a request, else 0 */
	uint64_t internal[4];
};
#define SKERRY_MESSAGE_CAST (1U << 0) /* sent with cast */
#define SKERRY_MESSAGE_CALL (1U << 1) /* a request: skerry_reply() */

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
/* Spread over the channel's lanes, without order among messages; a lane that
 * is down is passed over. Not with a key, nor on a monotonic channel. */
#define SKERRY_FORWARD_ANY_LANE (1U << 1)

/*
 * Send a message to an endpoint on a node (NULL or "": this node), or, with
 * NULL, to a reference. opts may be NULL. data is copied before the call returns. FIFO for each (node,
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
 * -ENETUNREACH not connected now, because of a cut with visibility
 * local or reject.
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

/* To skerry/manager on that node, which an administrator's program may own.
 * Errors as above. */
SKERRY_API int skerry_send(struct skerry *handle, const char *node,
			   const void *data, size_t size_bytes,
			   const struct skerry_forward_opts *opts);
/* To an endpoint of this node, or a reference to one; -EREMOTE: it is on
 * another. Else as skerry_forward(). */
SKERRY_API int skerry_process_forward(struct skerry *handle,
				      const char *endpoint, const void *data,
				      size_t size_bytes,
				      const struct skerry_forward_opts *opts);
/*
 * What a transport of one's own has delivered: to an endpoint of this node,
 * as if it came from that node on that channel (NULL: "default"); its
 * receiver sees no difference. The node need not be known here; -EINVAL: no
 * node can have that name. -ENOENT: no such channel or endpoint here. FIFO
 * for each (node, channel, endpoint). Administrators.
 */
SKERRY_API int skerry_receive_message(struct skerry *handle, const char *node,
				      const char *channel, const char *endpoint,
				      const void *data, size_t size_bytes);

/* ---- requests and replies ---------------------------------------------- */

/*
 * Send a request, wait for its reply, which is released as any message.
 * ret_reply may be NULL. opts->timeout_ms is for all of it. Errors of
 * skerry_forward(), and, each as soon as it is known: -ECONNRESET the program
 * that was asked ended before it replied (or, as ever, the agent here is
 * gone); -ENOENT its endpoint was given up before the request came there;
 * -ENOTCONN the node went down, or the request was lost with its lane;
 * -EHOSTUNREACH the node is no member any more; -ESTALE it was under way when
 * an agent restarted, and nobody knows; -ETIMEDOUT; what skerry_reply_error()
 * was given. When it was not lost for certain the request may be answered
 * still; such a late reply is dropped, and so are a second one and one that
 * somebody else sends (struct skerry_counters).
 *
 * Other messages that come meanwhile are kept for skerry_next(). Requests on
 * a fast channel: -EOPNOTSUPP. -ENOSPC: too many calls under way
 * (SKERRY_CALLS_PER_PROGRAM_MAX). A non-blocking handle: -EINVAL.
 */
SKERRY_API int skerry_call(struct skerry *handle, const char *node,
			   const char *endpoint, const void *data,
			   size_t size_bytes,
			   const struct skerry_forward_opts *opts,
			   struct skerry_message *ret_reply);
/* What came of it: error 0 and the reply, which is released when the function
 * returns, or an error and NULL. */
typedef void skerry_reply_fn(void *data, int error,
			     const struct skerry_message *reply);
/*
 * The same without waiting: function is called in skerry_dispatch(), exactly
 * once, when this has returned 0, unless it is cancelled. Where other calls
 * would wait for credit (non-blocking handle, callback) the request is copied
 * and sent when there is some; a plain message may overtake it then. -EAGAIN:
 * more than 64 MiB wait. On other handles it waits for credit as
 * skerry_forward().
 */
SKERRY_API int skerry_call_async(struct skerry *handle, const char *node,
				 const char *endpoint, const void *data,
				 size_t size_bytes,
				 const struct skerry_forward_opts *opts,
				 skerry_reply_fn *function, void *function_data,
				 uint64_t *ret_id);
/* Nobody wants to know any more; the request may be handled all the same.
 * -ENOENT: no such call, or its function was called. */
SKERRY_API int skerry_call_cancel(struct skerry *handle, uint64_t id);

/*
 * Answer a message with SKERRY_MESSAGE_CALL, on its channel, once: what comes
 * after the first reply is dropped over there. The request may have been
 * released: a copy of the struct does, as long as the handle lives. Waits for
 * credit as skerry_forward(); where that would not wait the reply is copied
 * and sent when there is credit, -EAGAIN: more than 64 MiB wait. -ENOENT: who
 * asked is gone; other errors as there. -EINVAL: no request.
 */
SKERRY_API int skerry_reply(struct skerry *handle,
			    const struct skerry_message *request,
			    const void *data, size_t size_bytes);
/* Answer with an error, which the call returns. */
SKERRY_API int skerry_reply_error(struct skerry *handle,
				  const struct skerry_message *request,
				  int error);

struct skerry_counters { /* since the handle was opened */
	size_t size; /* sizeof(struct skerry_counters) */
	uint64_t casts_dropped; /* for want of credit */
	uint64_t replies_dropped; /* that came: late, twice, not asked for */
	uint64_t replies_lost; /* kept for credit, then could not be sent */
};
SKERRY_API int skerry_counters(struct skerry *handle,
			       struct skerry_counters *ret_counters);

/* ---- lost messages ------------------------------------------------------ */

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
 * in between. (The state at subscription is told when it is the one asked
 * for.) Returns a watch id (> 0) for skerry_unwatch(); -ENOSPC: too many.
 */
SKERRY_API int skerry_on_up(struct skerry *handle, const char *node,
			    const char *channel, skerry_change_fn *function,
			    void *data);
SKERRY_API int skerry_on_down(struct skerry *handle, const char *node,
			      const char *channel, skerry_change_fn *function,
			      void *data);
/* -ENOENT. Allowed in callbacks. */
SKERRY_API int skerry_unwatch(struct skerry *handle, int watch);

struct skerry_gone {
	int monitor;
	const char *node;
	const char *endpoint; /* NULL: the node itself */
	int error; /* see skerry_monitor() */
	const char *reason;
};
typedef void skerry_gone_fn(void *data, const struct skerry_gone *gone);

/*
 * Call function when an endpoint, a program or a node (a reference; a bare
 * endpoint is one of this node) goes: exactly once, in skerry_dispatch(),
 * with error
 *	-ENOENT		there is no such endpoint or program, or the endpoint
 *			was given up
 *	-ECONNRESET	its program ended or was detached; another that has
 *			the endpoint by now is not the one that was monitored
 *	-ENOTCONN	the node is down, for whatever reason (a cut too)
 *	-EHOSTUNREACH	the node left, was removed, or is not known here
 * What is not there now is gone at once. A lane that is lost, or an agent that
 * restarts while its programs live on, is no reason; it may take 10 s until
 * that is decided. Returns an id (> 0). -ENOSPC: too many
 * (SKERRY_MONITORS_PER_PROGRAM_MAX, of a node also watches); -EDEADLK: of a
 * node, in a callback.
 */
SKERRY_API int skerry_monitor(struct skerry *handle, const char *reference,
			      skerry_gone_fn *function, void *data);
/* -ENOENT: there is none, or it was told. Allowed in callbacks. */
SKERRY_API int skerry_demonitor(struct skerry *handle, int monitor);

/* ---- partitions ------------------------------------------------------- */

struct skerry_reference {
	uint8_t id[16];
};

/* Fields of <skerry/keys.h>: a row of a table, or part of an answer. */
typedef void skerry_row_fn(void *data, const void *row, size_t size_bytes);

struct skerry_partition_opts {
	size_t size; /* sizeof(struct skerry_partition_opts) */
	const char *shape; /* NULL: "around"; else one of those below */
	const char *const *components; /* lists "A,B", NULL-terminated */
	const char *name; /* for people; unique */
	const char *visibility; /* NULL: "wire"; "local", "reject", "sever" */
	const char *reason; /* why, for the log */
	uint64_t duration_ms; /* 0: as long as the agents live (lease) */
	uint32_t timeout_ms; /* 0: 5 s */
	uint32_t flags; /* SKERRY_PARTITION_* */
	uint64_t seed; /* with SKERRY_PARTITION_SEED; else one is drawn */
	uint64_t *ret_seed; /* where to store the one that was used */
	uint32_t loss_ppm; /* packets of a million; 0: every one */
	uint32_t matrix_bytes;
	const void *matrix; /* shape matrix: bits, see below */
	const char *target; /* shape to: "ADDRESS[/PREFIX][:PORT]" */
	const char *protocol; /* shape to: "tcp" or "udp"; NULL: all */
	const char *host; /* shape to: what people call it */
};
#define SKERRY_PARTITION_FORCE (1U << 0) /* beyond the safeguards */
#define SKERRY_PARTITION_ONE_WAY \
	(1U << 1) /* only from the first component
					    * to the others */
#define SKERRY_PARTITION_SEED (1U << 2) /* seed is given */

/*
 * Cut. Shapes:
 *	around origin ttl  each node within ttl overlay hops of origin, from
 *			everybody
 *	isolate origin	from everybody, present and future
 *	split		the components from each other
 *	one-way		what the first component sends to the others
 *	halves majority minority-third random	two groups drawn by chance,
 *			of all nodes or of the one component given
 *	bridge origin	halves of the others; origin reaches both
 *	majorities-ring	each node sees a majority, no two see the same one
 *	matrix		of the one component given, n nodes: bit i * n + j,
 *			lowest of the first byte first, drops what the i-th
 *			sends to the j-th
 *	to		this host from an address: no other node has a part;
 *			for 60 s when no duration is given
 * All but around and isolate are about the nodes there are: who comes later
 * is not cut. The same seed and the same names give the same draw.
 *
 * Returns when every participant has its cuts in the kernel: 0, or the number
 * of participants that did not answer or cannot (> 0; the others are cut).
 * -EEXIST: same name, other spec (same spec: 0, nothing changes); -EDQUOT:
 * refused by a safeguard; -EHOSTUNREACH: unknown node; -EOPNOTSUPP: no
 * participant's kernel can. Administrators.
 */
SKERRY_API int skerry_inject_partition(struct skerry *handle,
				       const char *origin, uint32_t ttl,
				       const struct skerry_partition_opts *opts,
				       struct skerry_reference *ret_reference);
/*
 * What inject would do, and nothing is done. function gets the entry's fields
 * (skerry-wire(7)), then safeguards, missing, unable and participants, each
 * time some of them. Errors as of inject, but for safeguards, which are told.
 */
SKERRY_API int
skerry_explain_partition(struct skerry *handle, const char *origin,
			 uint32_t ttl, const struct skerry_partition_opts *opts,
			 skerry_row_fn *function, void *data);
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

/* What became of packets from one node to another, as both have counted. */
struct skerry_edge {
	const char *from;
	const char *to; /* of shape `to`, the address or its name */
	int wanted; /* this partition is to cut it */
	const char *verdict; /* cut, quiet, lossy, leaking, open, unknown */
	int from_in_force; /* a rule is in force there; -1: not known */
	int to_in_force;
	/* At `from`, of what it sends; 0 where it is not known. A node cut
	 * from everybody counts everybody together. */
	uint64_t out_seen, out_dropped, out_leaked;
	/* At `to`, of what arrives from there. */
	uint64_t in_seen, in_dropped, in_leaked;
};
typedef void skerry_edge_fn(void *data, const struct skerry_edge *edge);

enum skerry_expect {
	SKERRY_EXPECT_CUT = 1,
	SKERRY_EXPECT_HEALED = 2,
};

struct skerry_verification {
	int expected; /* enum skerry_expect */
	uint32_t edges; /* looked at */
	uint32_t wrong; /* not as expected */
	uint32_t missing; /* participants that did not answer */
};

/*
 * Join both ends' ledgers, over the partition port, which passes a cut.
 * expected: enum skerry_expect, 0: as the registry has it. An edge is cut
 * when a rule is in force at each end that answers and nothing leaked; it is
 * `quiet` when no packet has come to be dropped either. Healed is a partition
 * of which no rule is in force anywhere. function (may be NULL) is called for
 * each edge that is wanted, or not as expected. Waits up to 1.2 s for
 * traffic to be judged. -ENOENT; -ENOSPC: too many ask at once.
 * Administrators.
 */
SKERRY_API int skerry_verify_partition(struct skerry *handle,
				       const struct skerry_reference *reference,
				       int expected, uint32_t timeout_ms,
				       skerry_edge_fn *function, void *data,
				       struct skerry_verification *ret_result);

/* ---- what works here --------------------------------------------------- */

/* 1 when that capability works now on this node's overlay, else 0; a negative
 * errno when the agent cannot be asked. overlay: 0 too when it is not the one
 * in use; NULL: whichever is. */
SKERRY_API int skerry_supports(struct skerry *handle, const char *overlay,
			       const char *capability);

/* ---- tables ------------------------------------------------------------ */

/*
 * The tables that skerryctl prints. A row is TLVs of <skerry/keys.h>.
 * query is one of those named at SKERRY_CMD_QUERY and _DATA_QUERY; function
 * is called once a row. Returns the number of rows. -ENOENT: no such table.
 */
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
/* Every event of the node as TLVs, from now on; runs in skerry_dispatch.
 * Returns a watch id (> 0) for skerry_unwatch(). */
SKERRY_API int skerry_follow(struct skerry *handle, skerry_row_fn *function,
			     void *data);

#ifdef __cplusplus
}
#endif

#endif
