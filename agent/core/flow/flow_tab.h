/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * flow_tab.h - what the files of the flow table share. Nobody else includes
 * it; flow.h has the rules.
 *
 * Frames about flows (all but DATA) and records about inflows are never sent
 * where they are decided: the flow is marked `due` and its lane or ring
 * dirty, and flow_settle(), last in every public call, does the rest. So
 * nothing recurses, a lane or ring without room only delays what it carries,
 * and several decisions become one frame.
 */
#ifndef SKERRY_FLOW_TAB_H
#define SKERRY_FLOW_TAB_H

#include "codec.h"
#include "flow.h"
#include "hash.h"
#include "list.h"

#define FLOW_MS 1000000ULL
#define FLOW_S (1000 * FLOW_MS)

/* Of a lane's queue, kept for frames that are not DATA. */
#define FLOW_QUEUE_RESERVE (64U << 10)
/* Of a ring, kept for records that are not DATA; the last part of it is not
 * for INFLOW, so that flows that exist can always be ended. */
#define FLOW_RING_RESERVE (16U << 10)
#define FLOW_RING_LAST (8U << 10)
/* Shown without being asked for, if there is plenty. */
#define FLOW_INITIAL_BYTES (32U << 10)
/* No single record costs more. */
#define FLOW_UNIT_BYTES SKERRY_COST(SKERRY_FRAME_MAX_BYTES)

#define FLOW_IDLE_NS (1 * FLOW_S) /* a grant nobody uses, others wait */
#define FLOW_SHARE_IDLE_NS (250 * FLOW_MS) /* the same of a lane's queue */
#define FLOW_SCAN_NS (100 * FLOW_MS)
#define FLOW_BUSY_NS (5 * FLOW_MS) /* revoking from a busy library: again */
#define FLOW_BUSY_MAX_NS (1 * FLOW_S)
#define FLOW_PARKED_NS (1 * FLOW_S) /* a void WANT; twice as long each time */
#define FLOW_PARKED_MAX_NS (32 * FLOW_S)
#define FLOW_KEPT_NS (10 * FLOW_S) /* the longest a sender may owe KEPT */
#define FLOW_STALLED_NS (10 * FLOW_S) /* a large message without progress */
#define FLOW_ROUTE_NS (1 * FLOW_S) /* a new flow without lane */
#define FLOW_START_NS (10 * FLOW_S) /* unknown endpoints wait after start */
#define FLOW_KEEP_NS (60 * FLOW_S) /* inflows without lane */
#define FLOW_WAITING_MAX 1024U
#define FLOW_SEQUENCE_MAX (1ULL << 62)
#define FLOW_PEER_NONE 0xfffffffdU

#define FLOW_PAGE 64U
#define FLOW_PAGES (SKERRY_FLOWS_MAX / FLOW_PAGE)

struct flow_chain { /* one object in a hash table */
	struct flow_chain *next;
	uint64_t hash;
};

struct flow_hash {
	struct flow_chain **buckets;
	uint64_t mask;
};

struct flow_pool {
	uint8_t *base;
	size_t object_bytes;
	uint32_t max;
	uint32_t touched; /* objects ever used: the rest is not resident */
	uint32_t used;
	void *free; /* linked through their first word */
};

/* frame.flow of a lane to the inflow. */
struct flow_page {
	uint32_t used;
	uint32_t index; /* in lane->pages */
	struct flow_in *ins[FLOW_PAGE];
};

struct flow_lane {
	struct flow_chain chain;
	uint64_t id;
	uint32_t peer;
	uint8_t channel;
	uint8_t index; /* with place */
	bool self;
	bool leaving; /* another lane has its place: no credit any more */
	struct flow_place *place; /* NULL: no route */
	uint64_t unspent_bytes; /* shown to libraries, not yet taken */
	struct list outs; /* bound to it */
	struct list ins;
	struct list due_outs;
	struct list due_ins;
	struct list hungry; /* outs that could be shown more */
	uint32_t hungry_count;
	struct list dirty; /* in tab->dirty_lanes */
	struct list starved; /* in tab->starved_lanes: no room in the queue */
	struct flow_page *pages[FLOW_PAGES];
};

/* The lanes of a channel to a peer. */
struct flow_place {
	struct flow_chain chain;
	uint32_t peer;
	uint8_t channel;
	uint8_t parallelism; /* 0: no route yet */
	bool held; /* not to be released now */
	struct list outs; /* every flow that goes there */
	struct flow_lane *lanes[SKERRY_PARALLELISM_MAX];
};

struct flow_ring { /* a program's message ring, towards the program */
	struct flow_program *program;
	uint8_t channel;
	uint16_t free_head, free_tail; /* indices that were used here, + 1 */
	uint64_t outstanding_bytes; /* granted, not yet received */
	uint64_t delivered_bytes; /* ever, whatever it was */
	struct list waiters; /* ins that want more */
	uint32_t waiter_count;
	struct list due; /* ins with records to deliver */
	struct list dirty; /* in tab->dirty_rings */
	struct list starved; /* in tab->starved_rings */
};

struct flow_program {
	bool used;
	uint32_t number;
	uint8_t instance[16];
	uint32_t slot_hint;
	uint16_t index_high; /* inflow indices ever used */
	uint32_t owner; /* 0: no share */
	uint32_t out_count, in_count, endpoint_count;
	struct list endpoints;
	struct list ins;
	struct list large_waiters; /* ins that want reassembly memory */
	struct list starved; /* in tab->starved_programs, with the above */
	uint64_t large_allowed_bytes; /* not begun */
	uint64_t large_begun_bytes; /* ever */
	struct flow_ring rings[SKERRY_CHANNELS_MAX];
	struct flow_out *slots[SKERRY_FLOWS_PER_PROGRAM_MAX];
	uint32_t receives; /* SKERRY_RECEIVES_* */
	uint32_t epochs[SKERRY_FLOWS_PER_PROGRAM_MAX];
	uint16_t index_next[SKERRY_FLOWS_PER_PROGRAM_MAX];
};

struct flow_endpoint {
	struct flow_chain chain;
	struct list link; /* program->endpoints */
	struct flow_program *program;
	uint64_t received_messages;
	uint32_t flows;
	char name[SKERRY_ENDPOINT_MAX_BYTES + 1];
};

enum flow_out_state {
	OUT_OPENING, /* RESUME is awaited, or a lane */
	OUT_OPEN,
	OUT_CLOSED, /* until the library closes it */
	OUT_ENDING, /* FLOW_CLOSE is due; no slot any more */
};

#define OUT_DUE_OPEN 0x01U
#define OUT_DUE_SKIP 0x02U
#define OUT_DUE_KEPT 0x04U
#define OUT_DUE_WANT 0x08U
#define OUT_DUE_CLOSE 0x10U

#define OUT_REVOKE_REMOTE 0x01U /* the receiver wants it back */
#define OUT_REVOKE_SHARE 0x02U /* others need the lane's queue */

/*
 * taken counts what the library wrote, sent what went to the receiver since
 * FLOW_OPEN; a library position minus (taken - sent) is a wire position.
 *	slot.granted = taken + unspent,	sent + unspent <= remote
 */
struct flow_out {
	struct list due_link; /* first word: free list of the pool */
	uint32_t number;
	uint8_t state;
	uint8_t due;
	bool synced;
	bool open_message; /* fragments of `next` under way */
	struct flow_lane *lane;
	struct flow_program *program;
	uint64_t next; /* number of the next message, or the one under way */
	uint64_t taken;
	uint64_t sent;
	uint64_t unspent;
	uint64_t active_ns;
	uint32_t epoch;
	uint32_t slot;
	uint8_t channel;
	uint8_t index; /* of the lane; SKERRY_PARALLELISM_MAX: not yet */
	bool datagram;
	bool answered; /* ops->opened was called */
	bool told; /* FLOW_OPEN has been sent on this lane */
	uint8_t shown; /* enum skerry_slot_state */
	uint8_t revoke;
	bool uncertain;
	bool any_lane;
	uint32_t receives; /* SKERRY_RECEIVES_* of the receiver */
	int error;
	uint64_t remote; /* granted by the receiver */
	uint64_t want;
	uint64_t left_bytes; /* of the message under way */
	uint64_t large_total; /* asked for */
	uint64_t large_number; /* for which message */
	uint64_t large; /* allowed: its number */
	uint64_t want_before; /* credit began to be taken back; then parked */
	uint64_t parked_ns; /* when it is in force again */
	uint64_t parked_for_ns;
	uint64_t base;
	uint64_t expected; /* of this epoch */
	uint64_t acked; /* known to have arrived below; 0: nothing known */
	uint64_t revoke_ns;
	uint64_t retry_ns;
	uint64_t deadline_ns; /* on tab->routeless */
	struct flow_place *place;
	struct list lane_link;
	struct list place_link;
	struct list hungry_link;
	struct list revoke_link;
	struct list parked_link;
	struct list routeless_link;
	uint64_t flow_id;
	uint64_t lane_hash;
	uint64_t fast_id;
	uint32_t fast_inflow;
	uint32_t correlation;
	struct skerry_addr fast_source;
	bool monitor, monitored; /* see struct flow_open */
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1];
	char source[SKERRY_NAME_MAX_BYTES + 1]; /* "": as it is */
};

enum flow_in_state {
	IN_WAITING, /* for its endpoint */
	IN_LIVE, /* on a lane */
	IN_KEPT, /* without lane */
	IN_ENDING, /* until what is due has been said */
};

#define IN_DUE_REFUSE 0x01U
#define IN_DUE_RESUME 0x02U
#define IN_DUE_GRANT 0x04U
#define IN_DUE_REVOKE 0x08U

#define IN_REC_INFLOW 0x01U
#define IN_REC_SKIP 0x02U
#define IN_REC_GONE 0x04U

struct flow_in {
	struct list due_link; /* lane->due_ins; first word: free list */
	uint32_t number; /* on the lane */
	uint8_t state;
	bool resumed; /* RESUME decided: DATA may come */
	bool partial; /* message `expected` has begun */
	bool datagram;
	uint32_t index; /* in the program */
	bool has_index;
	bool announced; /* INFLOW delivered, GONE not */
	bool revoking; /* until KEPT */
	uint8_t due;
	uint8_t records; /* IN_REC_* due */
	bool allow_due; /* the next GRANT allows `large` */
	bool mapped;
	uint64_t expected;
	uint64_t acked; /* last told to the sender */
	uint64_t received;
	uint64_t granted;
	uint64_t want;
	uint64_t read_at; /* ring->delivered_bytes behind its last record */
	uint64_t from_sequence; /* while waiting */
	uint64_t active_ns;
	uint64_t left_bytes; /* of the message under way */
	uint64_t large; /* allowed, not begun */
	uint64_t large_want; /* asked for, waiting */
	struct flow_lane *lane;
	struct flow_ring *ring;
	struct flow_program *program;
	struct flow_endpoint *endpoint;
	int error; /* of REFUSE */
	bool expected_known; /* REFUSE may tell it */
	uint32_t peer;
	uint8_t channel;
	uint64_t deadline_ns; /* waiting, kept, or KEPT owed */
	uint64_t flow_id;
	uint64_t node_hash; /* 0: from a frontier, any node */
	uint64_t fast_id;
	uint8_t instance[16];
	bool keyed; /* in tab->keys */
	struct flow_chain key_chain;
	struct flow_chain fast_chain;
	struct list lane_link;
	struct list program_link;
	struct list wait_link; /* ring->waiters or program->large_waiters */
	struct list record_link; /* ring->due */
	struct list time_link; /* tab->waiting or tab->kept */
	struct skerry_addr fast_source;
	char name[SKERRY_ENDPOINT_MAX_BYTES + 1];
	char source[SKERRY_NAME_MAX_BYTES + 1]; /* "": its peer */
};

struct flowtab {
	struct flow_limits limits;
	const struct flow_ops *ops;
	void *ops_data;
	uint64_t now_ns;
	uint64_t start_ns; /* of the first call with a time */
	uint64_t wake_ns;
	uint64_t seed;
	bool started;
	bool settling;
	struct flow_lane *last_lane;
	struct flow_lane self;
	struct flow_program *programs;
	struct flow_pool lanes, places, endpoints, outs, ins, pages;
	struct flow_hash lane_ids, place_ids, names, keys, fast_ids;
	struct list dirty_lanes, dirty_rings;
	struct list starved_lanes, starved_rings, starved_programs;
	struct list revoking;
	struct list parked;
	struct list routeless; /* by deadline */
	struct list waiting, kept; /* by deadline */
	uint32_t waiting_count;
	uint32_t monotonic_channels; /* bits */
	uint32_t own_endpoints; /* that begin with '#' */
	struct flow_counters counters;
};

/* ---- flow.c ------------------------------------------------------------- */

void *flow_pool_get(struct flow_pool *pool);
void flow_pool_put(struct flow_pool *pool, void *object);
void flow_hash_add(struct flow_hash *table, struct flow_chain *chain,
		   uint64_t hash);
void flow_hash_del(struct flow_hash *table, struct flow_chain *chain);
struct flow_chain *flow_hash_first(const struct flow_hash *table,
				   uint64_t hash);
struct flow_chain *flow_hash_next(struct flow_chain *chain, uint64_t hash);
void flow_time(struct flowtab *tab, uint64_t now_ns);
void flow_wake_by(struct flowtab *tab, uint64_t at_ns);
void flow_settle(struct flowtab *tab);
struct flow_program *flow_program_find(struct flowtab *tab, uint32_t program);

static inline bool flow_monotonic(const struct flowtab *tab, uint8_t channel)
{
	return tab->monotonic_channels & 1U << channel;
}

/* Something waits for flow_settle(). */
static inline bool flow_unsettled(const struct flowtab *tab)
{
	return !list_empty(&tab->dirty_rings) ||
	       !list_empty(&tab->dirty_lanes) || !list_empty(&tab->revoking);
}

static inline uint64_t flow_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t flow_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- flow_lane.c ---------------------------------------------------------- */

void flow_lane_setup(struct flow_lane *lane);
/* The lane of that number, made when it is new; NULL: too many. */
struct flow_lane *flow_lane_get(struct flowtab *tab, uint64_t id, uint32_t peer,
				uint8_t channel);
void flow_lane_dirty(struct flowtab *tab, struct flow_lane *lane);
/* No more credit there: what libraries have not used is taken back. */
void flow_lane_leave(struct flowtab *tab, struct flow_lane *lane);
/* Send what is due there and show credit to the hungry. */
void flow_lane_flush(struct flowtab *tab, struct flow_lane *lane);
void flow_lane_tick(struct flowtab *tab);
/*
 * A frame, header from its parts. On this node's own lane the handler is
 * called instead. DATA has room (it was credited); others -ENOBUFS.
 */
int flow_lane_send(struct flowtab *tab, struct flow_lane *lane,
		   const struct skerry_frame *frame,
		   struct core_bytes extensions, struct core_bytes payload);
struct flow_in *flow_lane_in(const struct flow_lane *lane, uint32_t number);
/* -ENOSPC; -EEXIST: that index is in use. */
int flow_lane_map(struct flowtab *tab, struct flow_lane *lane,
		  struct flow_in *in, uint32_t number);
void flow_lane_unmap(struct flowtab *tab, struct flow_in *in);

struct flow_place *flow_place_get(struct flowtab *tab, uint32_t peer,
				  uint8_t channel);
void flow_place_release(struct flowtab *tab, struct flow_place *place);

/* ---- flow_frame.c --------------------------------------------------------- */

int flow_frame_handle(struct flowtab *tab, struct flow_lane *lane,
		      const struct skerry_frame *frame,
		      struct core_bytes extensions, struct core_bytes payload,
		      const char **ret_why);

/* ---- flow_out.c, flow_out_life.c, flow_out_credit.c ----------------------- */

void flow_out_due(struct flowtab *tab, struct flow_out *out, uint8_t bits);
void flow_out_show(struct flowtab *tab, struct flow_out *out);
/* A lane for it, if there is one. */
void flow_out_bind(struct flowtab *tab, struct flow_out *out);
void flow_out_unbind(struct flowtab *tab, struct flow_out *out);
/* Its lane is gone, or it must be opened once more on the same: what did not
 * arrive is known exactly then. */
void flow_out_down(struct flowtab *tab, struct flow_out *out);
/* Refused, or no peer; tell: the receiver still has it; exact: what is known
 * to have arrived is all that has. */
void flow_out_closed(struct flowtab *tab, struct flow_out *out, int error,
		     const char *text, bool tell, bool exact);
/* The library does not have it any more. */
void flow_out_end(struct flowtab *tab, struct flow_out *out);
/* Send the first thing due. -ENOBUFS. */
int flow_out_flush(struct flowtab *tab, struct flow_out *out);
void flow_out_tick(struct flowtab *tab);

int flow_out_data(struct flowtab *tab, struct flow_out *out,
		  const struct skerry_frame *record,
		  struct core_bytes extensions, struct core_bytes payload,
		  const char **ret_why);
int flow_out_sync(struct flowtab *tab, struct flow_out *out,
		  const struct skerry_frame *record, const char **ret_why);
int flow_out_want(struct flowtab *tab, struct flow_out *out,
		  const struct skerry_frame *record,
		  struct core_bytes extensions, struct core_bytes payload,
		  const char **ret_why);

/* Join the hungry of its lane if it could be shown more. */
void flow_out_serve(struct flowtab *tab, struct flow_out *out);
void flow_out_sated(struct flow_out *out);
void flow_out_release(struct flow_out *out);
void flow_out_revoke(struct flowtab *tab, struct flow_out *out, uint8_t why);
void flow_out_revoke_run(struct flowtab *tab);
void flow_out_parked_tick(struct flowtab *tab);
void flow_out_share(struct flowtab *tab, struct flow_lane *lane);
uint64_t flow_out_target(const struct flow_out *out);

struct flow_out *flow_out_find(struct flowtab *tab,
			       const struct flow_lane *lane, uint32_t number);
int flow_out_refused(struct flowtab *tab, struct flow_out *out,
		     const struct skerry_frame *frame,
		     struct core_bytes payload, const char **ret_why);
int flow_out_resumed(struct flowtab *tab, struct flow_out *out,
		     const struct skerry_frame *frame,
		     struct core_bytes payload, const char **ret_why);
int flow_out_acked(struct flowtab *tab, struct flow_out *out, uint64_t sequence,
		   const char **ret_why);
int flow_out_granted(struct flowtab *tab, struct flow_out *out,
		     uint64_t position, uint64_t total, const char **ret_why);

/* ---- flow_in.c, flow_in_open.c, flow_in_data.c ---------------------------- */

struct flow_in_request {
	struct flow_lane *lane;
	uint32_t number;
	uint64_t sequence;
	uint64_t flow_id;
	uint64_t want;
	uint64_t from_sequence;
	uint8_t instance[16];
	uint8_t channel;
	bool datagram;
	struct skerry_addr fast_source;
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1];
	char source[SKERRY_NAME_MAX_BYTES + 1]; /* "": the lane's peer */
};

int flow_in_open(struct flowtab *tab, struct flow_lane *lane,
		 const struct skerry_frame *frame, struct core_bytes payload,
		 const char **ret_why);
/* -EPROTO: the table is so full that it cannot even be refused. */
int flow_in_request(struct flowtab *tab, const struct flow_in_request *request);
void flow_in_waiting_again(struct flowtab *tab, const char *endpoint);

struct flow_in *flow_in_new(struct flowtab *tab);
void flow_in_due(struct flowtab *tab, struct flow_in *in, uint8_t bits);
void flow_in_record(struct flowtab *tab, struct flow_in *in, uint8_t bits);
/* Everything that was promised to its sender on this lane is void. */
void flow_in_detach(struct flowtab *tab, struct flow_in *in);
/* Off its lane, but remembered. */
void flow_in_keep(struct flowtab *tab, struct flow_in *in);
/* Over; with error != 0 the sender is told so. */
void flow_in_end(struct flowtab *tab, struct flow_in *in, int error);
void flow_in_free(struct flowtab *tab, struct flow_in *in);
/* Free it if it is ending and nothing is due. */
void flow_in_settled(struct flowtab *tab, struct flow_in *in);
/* RESUME, once all records before it are delivered. */
void flow_in_resume(struct flowtab *tab, struct flow_in *in);
int flow_in_flush(struct flowtab *tab, struct flow_in *in);
int flow_in_deliver(struct flowtab *tab, struct flow_in *in);
uint64_t flow_in_record_cost(struct flowtab *tab, struct flow_in *in);
void flow_in_unkey(struct flowtab *tab, struct flow_in *in);
int flow_in_index(struct flow_in *in);
void flow_in_tick(struct flowtab *tab);
/* The peer has its membership lane again: fast flows that it does not open
 * again soon are over. */
void flow_in_returned(struct flowtab *tab, uint32_t peer);

int flow_in_data(struct flowtab *tab, struct flow_in *in,
		 const struct skerry_frame *frame, struct core_bytes extensions,
		 struct core_bytes payload, const char **ret_why);
int flow_in_skip(struct flowtab *tab, struct flow_in *in, uint64_t sequence,
		 const char **ret_why);

/* ---- flow_ring.c: credit of receiving programs ---------------------------- */

void flow_ring_dirty(struct flowtab *tab, struct flow_ring *ring);
void flow_ring_serve(struct flowtab *tab, struct flow_ring *ring);
void flow_ring_tick(struct flowtab *tab);
/* What may be promised out of it. */
uint64_t flow_ring_free(struct flowtab *tab, const struct flow_ring *ring);
/* A first grant that nobody asked for. */
void flow_in_initial(struct flowtab *tab, struct flow_in *in, uint64_t want);
int flow_in_want(struct flowtab *tab, struct flow_in *in, uint64_t position,
		 uint64_t total, const char **ret_why);
int flow_in_kept(struct flowtab *tab, struct flow_in *in, uint64_t position,
		 const char **ret_why);
/* What it was granted and has not used goes back. */
void flow_in_release(struct flowtab *tab, struct flow_in *in);
void flow_in_unwait(struct flow_in *in);
void flow_in_serve(struct flowtab *tab, struct flow_in *in);
/* Reassembly memory: somebody may have it now. */
void flow_large_serve(struct flowtab *tab, struct flow_program *program);

/* ---- flow_share.c --------------------------------------------------------- */

/* Whether the program, and its owner, may have one more: 0, -ENOSPC. */
int flow_share_out(const struct flowtab *tab, const struct flow_program *p);
int flow_share_in(const struct flowtab *tab, const struct flow_program *p);
int flow_share_endpoint(const struct flowtab *tab,
			const struct flow_program *p);

/* ---- flow_endpoint.c ------------------------------------------------------ */

struct flow_endpoint *flow_endpoint_find(struct flowtab *tab, const char *name);
void flow_endpoint_free(struct flowtab *tab, struct flow_endpoint *endpoint);

#endif
