/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * internal.h - what the parts of libskerry share. Names begin with lib_, so
 * that the archive can be linked beside the agent's own modules.
 *
 * One handle belongs to one thread at a time; nothing here locks. What a
 * handle knows beyond one attachment (flows, inflows, endpoints, watches)
 * lives in struct skerry; what goes with the agent lives in the control
 * mapping and in the channels, which are retired, not freed, while the
 * program still holds messages in them.
 */
#ifndef LIB_INTERNAL_H
#define LIB_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "codec.h"
#include "ringbuf.h"
#include "skerry/barrier.h"
#include "skerry/ring.h"
#include "skerry/skerry.h"

#define LIB_VIEWS 4096U /* messages of a channel not yet released */
#define LIB_EVENTS_MAX 4096U /* events waiting for skerry_dispatch() */
#define LIB_LOST_MAX 65536U /* reports waiting for it */
#define LIB_TIMEOUT_MS 30000U
#define LIB_ATTACH_WAIT_MS 2000U /* for a lost agent, in waiting calls */
#define LIB_BACKOFF_MIN_MS 50U
#define LIB_BACKOFF_MAX_MS 1000U
#define LIB_SPIN 64U /* looks before going to sleep */
#define LIB_NEVER UINT64_MAX

struct lib_flow;
struct lib_fast;
struct lib_asking;

/* One program elsewhere sending to an endpoint of ours. */
struct lib_inflow {
	struct lib_inflow *next; /* in handle->inflows */
	uint32_t told; /* to the agent of this generation */
	uint32_t seen; /* announced by the agent of this generation */
	struct lib_channel *where; /* announced there, at: */
	uint32_t index;
	uint8_t program[16];
	uint64_t flow_id;
	const char *node;
	const char *endpoint;
	const char *channel;
	uint64_t fast_id; /* on a fast channel, else 0 */
	bool ended; /* but what it has sent may lie in the socket */
	uint64_t next_number;
	/* A message of several fragments, as far as it is there. */
	uint8_t *partial;
	uint64_t partial_bytes;
	uint64_t total_bytes;
	uint64_t partial_number;
	uint8_t partial_flags; /* of its first fragment */
	uint8_t partial_extensions[SKERRY_MESSAGE_EXT_MAX_BYTES + 12];
	size_t partial_extension_bytes;
};

struct lib_view {
	uint32_t cost_bytes;
	bool released;
};

/* The message rings of one channel in one attachment. */
struct lib_channel {
	struct lib_channel *next;
	struct skerry *handle;
	uint32_t index; /* the agent's, in this attachment */
	const char *name;
	struct skerry_mapping *mapping;
	uint8_t *out_data;
	uint8_t *in_data;
	struct ringbuf out;
	struct ringbuf in;
	uint64_t read_bytes; /* looked at, not yet given back */
	struct lib_view *views; /* LIB_VIEWS, a ring of its own */
	uint64_t view_first;
	uint64_t view_next;
	struct lib_inflow **inflows; /* by index in records */
	uint32_t inflow_room;
	uint32_t ended; /* of them, see there */
	struct lib_fast *fast; /* NULL on a stream channel */
	uint32_t options; /* SKERRY_CHANNEL_* */
	bool retired; /* its agent is gone */
	/* Retired: what was read to the tail and waits for skerry_next(). */
	struct skerry_message *backlog;
	uint32_t backlog_next;
	uint32_t backlog_count;
	uint32_t backlog_room;
	uint32_t held; /* retired: views and backlog not yet released */
};

enum lib_call_kind {
	LIB_CALL_SYNC, /* somebody waits */
	LIB_CALL_QUIET, /* nobody wants to know */
	LIB_CALL_FLOW, /* FLOW_OPEN; object: struct lib_flow */
	LIB_CALL_RINGS, /* CHANNEL; object: struct lib_flow */
	LIB_CALL_REGISTER, /* again, after attaching; object: endpoint */
};

/* A command without its (last) answer yet. */
struct lib_call {
	struct lib_call *next;
	uint32_t correlation;
	enum lib_call_kind kind;
	void *object;
};

struct lib_sync {
	bool done;
	int error;
	skerry_row_fn *function;
	void *data;
};

struct lib_event {
	struct lib_event *next;
	uint32_t watch;
	uint32_t size_bytes;
	uint8_t tlvs[];
};

/* A watch of the library's own: at once, not in skerry_dispatch(). */
typedef void lib_watch_fn(struct skerry *h, void *data, const void *tlvs,
			  size_t size_bytes);

struct lib_watch {
	struct lib_watch *next;
	int id;
	bool gone; /* unwatched */
	uint32_t told;
	bool follow; /* of skerry_follow() */
	bool up; /* wanted direction */
	bool both; /* either */
	const char *node; /* NULL: any */
	const char *channel;
	lib_watch_fn *own;
	skerry_change_fn *function;
	skerry_row_fn *row_function;
	void *data;
};

struct lib_endpoint {
	struct lib_endpoint *next;
	uint32_t told;
	char name[SKERRY_ENDPOINT_MAX_BYTES + 1];
};

struct lib_reserve {
	struct lib_reserve *next;
	uint32_t told;
	char tag[SKERRY_TAG_MAX_BYTES + 1];
};

struct lib_lost {
	struct lib_lost *next;
	const char *node, *endpoint, *channel;
	uint64_t from_number, to_number;
	bool uncertain;
};

/* The lanes of a channel to a node, as a flow there has shown them. */
struct lib_place {
	struct lib_place *next;
	const char *node, *channel; /* kept names */
	uint32_t lanes;
};

/* Of a channel whose rings are not there. */
struct lib_casts {
	const char *channel;
	uint64_t dropped;
};

struct lib_name {
	struct lib_name *next;
	char text[];
};

enum lib_attach_state {
	LIB_DETACHED, /* try again at retry_ns */
	LIB_ATTACHING, /* asked; the answer is awaited */
	LIB_ATTACHED,
};

#define LIB_NAME_BUCKETS 64U
#define LIB_INFLOW_BUCKETS 256U
#define LIB_FLOW_BUCKETS 1024U

struct skerry {
	/* Given at opening. */
	char node[SKERRY_NAME_MAX_BYTES + 1];
	char program[64];
	char *directory; /* of api.sock */
	uint32_t flags;
	uint32_t timeout_ms;
	uint8_t instance[16];

	/* Descriptors. */
	int epoll_fd;
	int timer_fd; /* to try again */
	int self_fd; /* readable: something is left to be taken */
	bool self_signalled;
	bool timer_armed;
	bool outside; /* skerry_fd() was asked for: others sleep on it */
	bool credit_armed; /* the agent was asked to wake us for credit */
	int socket_fd;
	int wake_agent_fd;
	int wake_program_fd;

	/* The attachment. */
	enum lib_attach_state state;
	int attach_error; /* of the last attempt */
	bool was_attached;
	bool reattached; /* things remain to be said again */
	uint32_t generation; /* of attachments */
	uint32_t backoff_ms;
	uint64_t retry_ns;
	uint64_t checked_ns; /* when the socket was last looked at */
	uint64_t boot_nonce;
	struct skerry_mapping *control;
	uint8_t *control_out_data, *control_in_data;
	struct ringbuf control_out, control_in;
	struct skerry_flow_slot *slots;
	uint32_t slot_count;
	struct lib_channel *channels;
	struct lib_channel *turn; /* whose message comes next */
	uint32_t turn_left;
	struct lib_channel *retired;
	bool fast_readable; /* a fast socket may hold datagrams */
	struct lib_fast *early; /* sockets whose rings are not there yet */

	/* Commands. */
	uint32_t correlation;
	struct lib_call *calls;
	bool in_callback;

	/* Outgoing. */
	struct lib_flow *flows[LIB_FLOW_BUCKETS];
	struct lib_flow *last_flow;
	uint32_t flow_count;
	struct lib_place *places;
	uint64_t next_flow_id;
	uint64_t pending_bytes; /* copies of large messages */
	uint32_t pending_count;
	uint32_t value_count; /* copies of values, pending ones included */
	void *pack, *unpack; /* contexts, made at first use */
	uint64_t casts_dropped;
	struct lib_casts casts[SKERRY_CHANNELS_MAX];
	/* What -EAGAIN was returned for last; dispatch wakes for it. */
	struct lib_flow *blocked;
	uint64_t blocked_total_bytes;
	size_t blocked_bytes, blocked_extension_bytes;
	uint64_t blocked_plain_bytes;
	uint64_t looked_ns; /* when all flows were last looked at */

	/* Incoming. */
	struct lib_inflow *inflows[LIB_INFLOW_BUCKETS];
	struct lib_endpoint *endpoints;
	uint32_t own_told; /* our own: to the agent of this generation */
	uint64_t freed_bytes; /* reassembly memory, in this attachment */
	uint64_t plain_bytes; /* unpacked, in the program's hands */
	uint8_t *spare; /* one reassembly buffer kept for the next */
	uint64_t spare_bytes;

	/* Requests, monitors; NULL before the first. See asking.h. */
	struct lib_asking *asking;

	/* For skerry_dispatch(). */
	struct lib_event *events, **events_tail;
	uint32_t event_count;
	struct lib_lost *lost, **lost_tail;
	uint32_t lost_count;
	skerry_lost_fn *lost_function;
	void *lost_data;
	struct lib_watch *watches;
	int next_watch;
	struct lib_reserve *reserves;

	struct lib_name *names[LIB_NAME_BUCKETS];
	const char *error; /* the sentence */
	char error_text[512];
};

/* ---- handle.c --------------------------------------------------------- */

/* Remember the sentence; returns error. A constant one costs nothing. */
int lib_fail(struct skerry *h, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static inline int lib_fail_fast(struct skerry *h, int error, const char *text)
{
	h->error = text;
	return error;
}
/* A copy that lives as long as the handle; NULL: no memory. */
const char *lib_intern(struct skerry *h, const char *text);
bool lib_nonblock(const struct skerry *h);
uint64_t lib_deadline(const struct skerry *h, uint32_t timeout_ms);

/* ---- map.c ------------------------------------------------------------ */

/* Map a descriptor the agent gave: header and both rings' data, each twice.
 * Everything in the header is checked. -EPROTO, -ENOMEM. */
struct lib_map {
	struct skerry_mapping *mapping;
	uint8_t *out_data, *in_data;
	struct ringbuf out, in;
};
int lib_map(int fd, uint32_t mapping_bytes, uint32_t kind,
	    struct lib_map *ret_map);
void lib_unmap(struct skerry_mapping *mapping, uint8_t *out_data,
	       uint8_t *in_data);

/* ---- member.c, specs.c, peers.c --------------------------------------- */

void lib_spec_read(const void *tlvs, size_t size_bytes,
		   struct skerry_spec *ret_spec);
/* A skerry_row_fn that collects specs; data is a struct lib_specs. */
struct lib_specs {
	struct skerry_spec *specs;
	size_t room;
	size_t count;
};
void lib_spec_row(void *data, const void *row, size_t size_bytes);
/* Each row of an answer to that function. */
void lib_rows(const void *tlvs, size_t size_bytes, skerry_row_fn *function,
	      void *data);
/* Reservations, to a new agent. -EAGAIN: not all said yet. */
int lib_reserve_again(struct skerry *h);
void lib_reserve_free(struct skerry *h);

/* ---- attach.c --------------------------------------------------------- */

/* One step towards being attached; never waits. */
void lib_attach_step(struct skerry *h);
/* Is the agent still there? Looks at most once a millisecond, or now. */
void lib_attach_check(struct skerry *h, bool now);
/* The agent is gone, or has thrown us out. */
void lib_attach_lost(struct skerry *h, int error, const char *why);
/* Wait until attached. -ECONNRESET. */
int lib_attach_wait(struct skerry *h, uint64_t deadline_ns);
/* An OFFER record was there: read it from the socket. */
void lib_attach_offer(struct skerry *h);
/* Let go of everything that goes with the agent, held messages included. */
void lib_attach_free(struct skerry *h);

/* ---- find.c ----------------------------------------------------------- */

/* Directory and name of the agent to use: h->directory, h->node. */
int lib_find(struct skerry *h, const char *run_dir, const char *node);

/* ---- wait.c ----------------------------------------------------------- */

uint64_t lib_now_ns(void);
/* Sleepers wake by then, at the latest. */
void lib_timer_set(struct skerry *h, uint64_t at_ns);
/* The agent sees what was published; a system call only if it sleeps. */
static inline void lib_kick(struct skerry *h);
void lib_wake_agent(struct skerry *h);

typedef bool lib_ready_fn(struct skerry *h, void *data);
#define LIB_WAIT_CREDIT 1U /* the agent shall wake us when credit moves */
/* Until ready() says so: 0, or -ETIMEDOUT. Keeps everything else going. */
int lib_wait(struct skerry *h, lib_ready_fn *ready, void *data,
	     uint64_t deadline_ns, unsigned int flags);
/* Commands' answers, events, attaching, waiting fragments. Never waits, runs
 * no callback. Returns how many things were done. */
int lib_progress(struct skerry *h);
/* Whoever sleeps on skerry_fd() now is woken by what comes from here on, and
 * at once when something is there already. */
void lib_arm(struct skerry *h, unsigned int flags);
bool lib_incoming(struct skerry *h);

/* ---- control.c -------------------------------------------------------- */

/* Write a command; its answer goes to `kind`. -EAGAIN: no room now. */
int lib_command(struct skerry *h, uint32_t command, const void *tlvs,
		size_t size_bytes, enum lib_call_kind kind, void *object,
		uint32_t *ret_correlation);
/* The same for a command that has none; lost when there is no room. */
void lib_command_unanswered(struct skerry *h, uint32_t command,
			    const struct tlv_writer *w);
/* Write a command and wait for its answer. */
int lib_call(struct skerry *h, uint32_t command, const struct tlv_writer *w,
	     uint64_t deadline_ns, skerry_row_fn *function, void *data);
/* Read what the agent has said. Returns how many records. */
int lib_control_read(struct skerry *h);
/* All calls under way: -ESTALE. */
void lib_control_lost(struct skerry *h);
void lib_control_forget(struct skerry *h, const void *object);

/* ---- watch.c ---------------------------------------------------------- */

void lib_watch_event(struct skerry *h, uint32_t watch, const void *tlvs,
		     size_t size_bytes);
int lib_watch_run(struct skerry *h);
/* Its number, or -errno. wait: until the agent has agreed to it; else it is
 * asked for by and by. */
int lib_watch_own(struct skerry *h, const struct lib_watch *given, bool wait);
/* Tell a new agent. -EAGAIN: not all said yet. */
int lib_watch_again(struct skerry *h);
void lib_watch_free(struct skerry *h);

/* ---- channel.c, inflow.c ---------------------------------------------- */

struct lib_channel *lib_channel_find(struct skerry *h, const char *name);
/* Takes the mapping over (also on failure). */
int lib_channel_add(struct skerry *h, uint32_t index, const char *name,
		    uint32_t options, struct lib_map *map);
/* 1: a message; 0: none; -ENOBUFS: too many held; -EPROTO. */
int lib_channel_next(struct lib_channel *c, struct skerry_message *ret_message);
void lib_channel_release(struct lib_channel *c, uint64_t view);
/* Its agent is gone: read to the tail, keep what is there. */
void lib_channel_retire(struct lib_channel *c);
void lib_channel_free(struct lib_channel *c);

/* Ring space was given back: the agent may wait for it. */
void lib_tell_space(struct skerry *h);
/* Reassembly memory was given back: the agent may grant it anew. */
void lib_reassembly_freed(struct skerry *h, uint64_t bytes);

/* What a record said about its sender. NULL: it makes no sense. */
struct lib_inflow *lib_inflow_at(struct lib_channel *c, uint32_t index);
int lib_inflow_announce(struct lib_channel *c,
			const struct ringbuf_record *record);
void lib_inflow_gone(struct lib_channel *c, uint32_t index);
/* The socket of a fast channel is empty: those that have ended go. */
void lib_inflow_settle(struct lib_channel *c);
void lib_inflow_drop_partial(struct skerry *h, struct lib_inflow *inflow,
			     bool counted);
int lib_inflow_again(struct skerry *h);
void lib_inflow_free(struct skerry *h);

/* ---- extension.c ------------------------------------------------------- */

/*
 * The extensions of a message that is complete, before the program sees it
 * (total_bytes among them): fill what they say into m, whose other fields
 * are set. They are in memory that the sender can still change: read each
 * value once, and bounded. -EPROTO: the message is not handed over but
 * dropped and counted, because a critical one is unknown or a known one
 * makes no sense. Called once for each message, in order, also for those
 * that go into a retired channel's backlog.
 */
int lib_extension_read(struct lib_inflow *inflow, const void *extensions,
		       size_t size_bytes, struct skerry_message *m);

/* Memory for a message of several fragments. */
uint8_t *lib_buffer_get(struct skerry *h, uint64_t bytes);
void lib_buffer_put(struct skerry *h, uint8_t *buffer, uint64_t bytes,
		    uint32_t generation);

/* How struct skerry_message's internal words are used. */
enum lib_message_word {
	LIB_MSG_CHANNEL, /* struct lib_channel * */
	LIB_MSG_VIEW, /* number of its view, or its fast buffer */
	LIB_MSG_BUFFER, /* reassembled here, else 0 */
	LIB_MSG_KIND, /* enum lib_message_kind | generation << 8 */
};
enum lib_message_kind {
	LIB_MSG_NONE = 0,
	LIB_MSG_RING,
	LIB_MSG_HEAP,
	LIB_MSG_FAST,
	LIB_MSG_PLAIN, /* unpacked, of the library's own budget */
	LIB_MSG_COPY, /* set aside while skerry_call() waited */
};

/* ---- endpoint (message.c) ---------------------------------------------- */

int lib_endpoint_again(struct skerry *h);
void lib_endpoint_answer(struct skerry *h, struct lib_endpoint *e, int error,
			 const char *reason);
void lib_endpoint_free(struct skerry *h);

/* ---- casts.c ---------------------------------------------------------------- */

/* channel: as it is kept by lib_intern(). */
void lib_cast_dropped(struct skerry *h, const char *channel);
void lib_casts_publish(struct lib_channel *c);
/* The handle is closed: copies of casts that wait still are dropped. */
void lib_casts_given_up(struct skerry *h);

/* ---- message.c, ahead.c, call.c ------------------------------------------ */

/* The next one in the rings. 1, 0, -ENOBUFS; m->reserved is not 0 when it is
 * a reply, which lib_reply_take() takes over. */
int lib_message_take(struct skerry *h, struct skerry_message *m);
void lib_reply_take(struct skerry *h, struct skerry_message *m);
/* One that was read before its turn. */
bool lib_ahead_pop(struct skerry *h, struct skerry_message *m);
bool lib_ahead_has(const struct skerry *h);

/* ---- asking.c -------------------------------------------------------------- */

void lib_asking_progress(struct skerry *h);
/* Something waits for skerry_dispatch(). */
bool lib_asking_due(const struct skerry *h);
/* The agent is to wake us when slots change. */
bool lib_asking_wants(const struct skerry *h);
/* A slot has changed, and nobody has looked. */
bool lib_asking_news(const struct skerry *h);
/* In skerry_dispatch(). */
int lib_asking_run(struct skerry *h);
bool lib_asking_timer(const struct skerry *h, int fd);
void lib_asking_free(struct skerry *h);

/* ---- ref.c ------------------------------------------------------------------- */

#define LIB_OWN_ENDPOINT_BYTES 34U /* "#", 32 digits, NUL */
bool lib_ref_is(const char *text);
/* With *node NULL *endpoint may be a reference: then both point into ref. */
int lib_ref_resolve(struct skerry *h, const char **node, const char **endpoint,
		    struct skerry_ref *ref);
void lib_ref_program(const uint8_t program[16],
		     char ret_endpoint[LIB_OWN_ENDPOINT_BYTES]);

static inline void lib_kick(struct skerry *h)
{
	/* Our tail before their flag; pairs with the exchange of who goes to
	 * sleep and then looks at the rings. */
	skerry_fence();
	if (skerry_load_relaxed(&h->control->agent_sleeps))
		lib_wake_agent(h);
}

#endif
