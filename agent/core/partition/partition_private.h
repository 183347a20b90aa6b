/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * partition_private.h - what the files of the partition registry share.
 *
 *	partition.c          memory, time, the functions of partition.h
 *	partition_node.c     the table of nodes
 *	partition_entry.c    the table of entries
 *	partition_grudge.c   who is cut from whom
 *	partition_matrix.c   the same where no components describe it
 *	partition_shapes.c   grudges drawn by chance
 *	partition_cuts.c     entries against what the kernel has
 *	partition_command.c  commands, and who waits for their end; resolve
 *	partition_inject.c   inject
 *	partition_build.c    a command's fields become an entry
 *	partition_guard.c    what is refused unless forced
 *	partition_audit.c    who did what, in a line
 *	partition_inquiry.c  verify and explain: asking the participants
 *	partition_ledger.c   being asked what our cuts have done
 *	partition_kept.c     what is kept over a restart
 *	partition_blob.c     an entry as bytes
 *	partition_parse.c    and back
 *	partition_send.c     what goes out
 *	partition_receive.c  what comes in
 *	partition_rows.c     the table people see
 *
 * Nodes and entries are named by their index. What is known of an entry and
 * a node together lies in two byte tables, `component` and `flags`.
 */
#ifndef SKERRY_PARTITION_PRIVATE_H
#define SKERRY_PARTITION_PRIVATE_H

#include <string.h>

#include "partition.h"

#pragma GCC visibility push(hidden)

#define PARTITION_NONE 0xffffU
#define PARTITION_WAITERS_MAX 64U /* bits of entry.waiters */
#define PARTITION_ACKS_MAX 4U /* who waits for an acknowledgement */
#define PARTITION_COMPONENTS_MAX 64U
#define PARTITION_REASSEMBLIES 2U
#define PARTITION_CHUNKS_MAX 64U /* bits of a chunk set */
#define PARTITION_CHUNK_BYTES 896U
#define PARTITION_BLOB_MAX_BYTES 57344U /* 64 chunks */
#define PARTITION_ANSWER_MAX_BYTES 56000U /* below CORE_OP_BYTES_MAX */

/* How much one call of partition_tick() may put out. */
#define PARTITION_CUTS_PER_TICK 32U
#define PARTITION_DATAGRAMS_PER_TICK 24U
#define PARTITION_ANSWERS_PER_TICK 2U
#define PARTITION_CHUNKS_PER_TURN 16U
#define PARTITION_ASKS_AT_ONCE 8U
#define PARTITION_ASKS_MAX 10U /* then it is up to the other side */

#define PARTITION_MS 1000000ULL
#define PARTITION_RETRY_MIN_NS (200 * PARTITION_MS)
#define PARTITION_RETRY_MAX_NS (1000 * PARTITION_MS)
#define PARTITION_SETTLE_NS (2000 * PARTITION_MS)
#define PARTITION_PART_DELAY_NS (20 * PARTITION_MS)
#define PARTITION_ASK_AGAIN_NS (30 * PARTITION_MS)
#define PARTITION_REASSEMBLY_NS (5000 * PARTITION_MS)
#define PARTITION_FORGET_ROUNDS 3U
/* Longer than any datagram lives in a network. */
#define PARTITION_LINGER_NS (30000 * PARTITION_MS)
#define PARTITION_KEEP_NS (3600000 * PARTITION_MS)
#define PARTITION_TIMEOUT_MS 5000U
#define PARTITION_TIMEOUT_MAX_MS 3600000U
#define PARTITION_DURATION_MAX_MS (10ULL * 365 * 86400 * 1000)
#define PARTITION_NEVER UINT64_MAX
#define PARTITION_LOSS_ALL_PPM 1000000U
/* An address is cut for so long when nothing is said. */
#define PARTITION_TO_MS 60000U
#define PARTITION_TCP 6U
#define PARTITION_UDP 17U

/* enum skerry_direction and skerry_visibility of <skerry/maps.h>, which
 * needs kernel types. */
enum partition_direction {
	PARTITION_BOTH = 0,
	PARTITION_IN = 1,
	PARTITION_OUT = 2,
};

enum partition_visibility {
	PARTITION_WIRE = 0,
	PARTITION_LOCAL = 1,
	PARTITION_REJECT = 2,
	PARTITION_SEVER = 3,
	PARTITION_VISIBILITIES,
};

enum partition_shape {
	PARTITION_AROUND,
	PARTITION_ISOLATE,
	PARTITION_SPLIT,
	PARTITION_HALVES,
	PARTITION_MAJORITY,
	PARTITION_MINORITY_THIRD,
	PARTITION_RANDOM,
	PARTITION_BRIDGE,
	PARTITION_ONE_WAY,
	PARTITION_MAJORITIES_RING,
	PARTITION_MATRIX,
	PARTITION_TO,
	PARTITION_SHAPES,
};

/* How the grudge of a shape is kept. */
enum partition_form {
	FORM_REGION, /* each named node from everybody */
	FORM_ISOLATE, /* one named node from everybody */
	FORM_COMPONENTS,
	FORM_MATRIX,
	FORM_ADDRESS, /* this host from an address; nobody else's business */
};

enum partition_ask {
	ASK_NONE,
	ASK_WANTED, /* not sent yet */
	ASK_SENT,
};

struct partition_node {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	bool used;
	bool known; /* the core knows it, peer is valid */
	uint32_t peer;
	/* Being asked for its registry. */
	uint8_t ask; /* enum partition_ask */
	uint8_t ask_tries;
	uint64_t ask_ns; /* next time */
	bool answer_due; /* it has asked us */
	/* The entry that is being sent to it in chunks. */
	uint16_t chunk_entry; /* PARTITION_NONE: none */
	uint64_t chunk_have; /* set of those it has */
	uint64_t chunk_ns; /* next turn */
	uint64_t chunk_wait_ns;
};

/* flags of an (entry, node) */
#define FLAG_TOLD 0x03U /* mask */
#define TOLD_NOTHING 0x00U /* nothing is owed to that node */
#define TOLD_OWED 0x01U /* to be sent until acknowledged */
#define TOLD_ACKED 0x02U
#define TOLD_FAILED 0x03U /* it cannot do it */
#define FLAG_CUT 0x04U /* we have a cut from that node, staged or in force */
#define FLAG_STALE 0x08U /* that cut is for an old peer number */

/* Who asked for it. */
struct partition_by {
	char node[SKERRY_NAME_MAX_BYTES + 1]; /* "": nobody: time */
	uint32_t uid;
	uint32_t pid;
	char program[64];
	char why[SKERRY_REASON_MAX_BYTES + 1];
};

struct partition_entry {
	bool used;
	bool resolved;
	bool bare; /* resolved, and nothing else is known of it */
	bool settled; /* over everywhere: not shown, about to be dropped */
	bool resolver; /* it is us who tell that it is resolved */
	bool lifted; /* resolved here alone */
	bool has_else; /* everybody else is a component too */
	bool one_way;
	bool dirty; /* cuts are to be compared with what should be */
	bool applied; /* cuts are as they should be */
	int error; /* why its cuts could not be made here */
	uint8_t reference[16];
	char name[SKERRY_NAME_MAX_BYTES + 1];
	char origin[SKERRY_NAME_MAX_BYTES + 1];
	uint8_t shape; /* enum partition_shape */
	uint8_t visibility; /* enum partition_visibility */
	uint8_t components; /* named ones */
	uint8_t matrix; /* its number + 1; 0: none */
	bool has_seed;
	uint64_t seed;
	uint32_t loss_ppm; /* 0: every packet */
	/* FORM_ADDRESS */
	struct skerry_addr target;
	uint8_t prefix_bits;
	uint8_t protocol; /* 0: all */
	char host[64]; /* as it was given */
	struct partition_by by;
	struct partition_by ended_by;
	int told_error; /* of the first that cannot */
	uint32_t ttl;
	uint64_t duration_ms; /* 0: by lease */
	uint64_t deadline_ns; /* 0: by lease */
	uint64_t drop_ns; /* resolved: forget then */
	/* Telling the others. */
	bool owed; /* some node has TOLD_OWED */
	uint64_t round_ns; /* next round */
	uint64_t round_wait_ns;
	uint32_t round_at; /* node to go on with */
	uint8_t forget_rounds; /* left */
	uint64_t forget_ns;
	uint32_t forget_at; /* the same, for these: both may be under way */
	/* Who waits for our acknowledgement; others will ask again. */
	uint16_t ack_to[PARTITION_ACKS_MAX];
	uint8_t acks;
	uint64_t waiters; /* set of commands that wait for it */
};

struct partition_waiter {
	bool used;
	bool local; /* for our own cuts alone */
	bool inject; /* nobody can: then it is an error */
	uint32_t program;
	uint32_t correlation;
	uint64_t deadline_ns;
};

struct partition_reassembly {
	bool used;
	uint16_t from;
	uint8_t reference[16];
	uint64_t digest;
	uint32_t chunks;
	uint64_t have;
	uint32_t last_bytes; /* of the last chunk */
	uint64_t deadline_ns; /* as the newest chunk says */
	uint64_t heard_ns;
	uint64_t part_ns; /* tell what has arrived then; 0: told */
	uint8_t *data;
};

enum partition_question {
	QUESTION_LEDGER,
	QUESTION_ABLE,
};

/* verify or explain, waiting for the participants. */
struct partition_inquiry {
	bool used;
	uint8_t question; /* enum partition_question */
	uint32_t program;
	uint32_t correlation;
	uint64_t token; /* random: an answer to it is no other's */
	uint8_t reference[16];
	uint8_t visibility;
	uint32_t loss_ppm;
	uint64_t deadline_ns;
	uint64_t round_ns; /* those that owe an answer are asked again */
	uint64_t round_wait_ns;
	uint8_t *asked; /* [node]: enum partition_asked */
	uint16_t *cursor; /* [node]: rows that have come */
};

enum partition_asked {
	ASKED_NOT, /* no participant */
	ASKED_DUE, /* to be asked in this round, or at once */
	ASKED_WAIT,
	ASKED_DONE,
	ASKED_UNABLE,
};

#define PARTITION_LEDGERS_MAX 16U /* questions that wait for ours */

struct partition_asker {
	uint16_t node; /* or ourselves */
	uint64_t token;
	uint8_t reference[16];
	uint16_t cursor;
};

struct partition {
	struct partition_limits limits;
	struct partition_env env;
	struct rng rng;
	uint32_t cut_max_ms;
	uint32_t cut_share_percent;
	bool cut_loss, cut_reject, cut_address;
	uint16_t port_base;
	struct skerry_addr addresses[SKERRY_ADDRS_MAX];
	uint32_t address_count;

	uint32_t nodes_max;
	uint32_t node_count;
	uint16_t self;
	struct partition_node *nodes;
	uint16_t *order; /* indices of used nodes, by name */
	struct partition_entry *entries;
	uint8_t *component; /* [entry][node]: 0 none, else its number */
	uint8_t *flags; /* [entry][node], and one more for everybody */
	uint32_t matrices_max;
	uint8_t *matrices; /* [matrix]: a bit for each [from][to] */
	uint32_t matrices_used; /* set of them */
	uint16_t *places; /* nodes in some order, while one is built */
	uint32_t place_count;

	/* What the kernel is told. */
	bool cuts_dirty; /* some entry is */
	bool staged; /* operations given, not committed */
	bool committing;
	bool recommit; /* the last one failed and is tried again */
	uint32_t commit_tries;
	uint64_t recommit_ns;
	uint64_t generation;
	uint16_t adding; /* entry whose cuts the commit adds */
	uint32_t cut_count;

	struct partition_waiter waiters[PARTITION_WAITERS_MAX];
	bool waiters_dirty;

	struct partition_inquiry inquiries[SKERRY_INQUIRIES_MAX];
	struct partition_asker askers[PARTITION_LEDGERS_MAX];
	uint32_t asker_count;
	uint64_t ledger_token; /* of the one being read */
	uint64_t ledger_ns; /* it is given up then; 0: none is read */
	bool kept_changed;

	struct partition_reassembly reassembly[PARTITION_REASSEMBLIES];
	size_t blob_max_bytes;
	uint8_t *blob; /* an entry being encoded */
	size_t blob_bytes;
	uint16_t blob_entry; /* whose it is; PARTITION_NONE */
	uint8_t *scratch; /* answers */
	size_t scratch_bytes;
	uint8_t body[PARTITION_BODY_MAX_BYTES];
	uint32_t budget; /* datagrams left in this tick */

	uint64_t now_ns;
	uint64_t start_ns;
	bool started;
	bool ticked;
	bool settled;
};

static inline bool partition_is_v4(const struct skerry_addr *addr)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr->ip, prefix, sizeof(prefix)) == 0;
}

/* ---- partition.c -------------------------------------------------------- */

void partition_now(struct partition *p, uint64_t now_ns);
void partition_log(struct partition *p, enum core_log_level level,
		   const char *event, const struct partition_entry *e,
		   const char *text);
/* 200 ms, doubling to 1 s. */
uint64_t partition_backoff(uint64_t wait_ns);
uint64_t partition_hash(const void *data, size_t size_bytes);

/* ---- partition_node.c --------------------------------------------------- */

uint16_t partition_node_find(const struct partition *p, const char *name);
/* Find or remember; PARTITION_NONE when the table is full. */
uint16_t partition_node_intern(struct partition *p, const char *name);
/* Take over every node the core knows. -ENOSPC. */
int partition_node_sync(struct partition *p);
/* Ask that node for its registry. */
void partition_node_ask(struct partition *p, uint16_t node);
uint32_t partition_known_count(const struct partition *p);

/* ---- partition_entry.c -------------------------------------------------- */

uint8_t *partition_component(const struct partition *p, size_t entry,
			     size_t node);
uint8_t *partition_flags(const struct partition *p, size_t entry, size_t node);
uint8_t partition_told(const struct partition *p, size_t entry, size_t node);
void partition_set_told(struct partition *p, size_t entry, size_t node,
			uint8_t told);
uint16_t partition_entry_find(const struct partition *p,
			      const uint8_t reference[16]);
/* A cleared slot, not used yet; the oldest resolved entry gives way. */
uint16_t partition_entry_slot(struct partition *p);
void partition_entry_clear(struct partition *p, uint16_t entry);
bool partition_participant(const struct partition *p, size_t entry,
			   size_t node);
/* Owe the entry as it is now to that node, or to all that are known. */
void partition_owe(struct partition *p, uint16_t entry, uint16_t node);
void partition_owe_all(struct partition *p, uint16_t entry);
void partition_dirty(struct partition *p, uint16_t entry);
void partition_resolve(struct partition *p, uint16_t entry, bool resolver);
/* It is over everywhere. */
void partition_settle(struct partition *p, uint16_t entry);
/* All nodes known have been told: then settle it if that is our part. */
void partition_check_told(struct partition *p, uint16_t entry);
uint64_t partition_digest(const struct partition *p);
uint64_t partition_remaining_ms(const struct partition *p, uint16_t entry,
				uint64_t now_ns);

/* ---- partition_grudge.c ------------------------------------------------- */

const char *partition_shape_name(uint8_t shape);
const char *partition_visibility_name(uint8_t visibility);
/* "node", or "host" with an address. */
const char *partition_scope_name(const struct partition_entry *e);
int partition_shape_parse(const char *name, uint8_t *ret_shape);
int partition_visibility_parse(const char *name, uint8_t *ret_visibility);
enum partition_form partition_form(const struct partition_entry *e);
/* Drawn by chance, from its seed. */
bool partition_drawn(const struct partition_entry *e);
/* This node can make the cuts of such an entry: 0 or -EOPNOTSUPP, and in
 * words what it cannot. */
int partition_able(const struct partition *p, const struct partition_entry *e,
		   const char **ret_what);
/* One that we have not made ourselves: what we cannot do, we do not try. */
void partition_check_able(struct partition *p, uint16_t entry);
/* node == nodes_max stands for everybody. */
bool partition_wanted(const struct partition *p, size_t entry, size_t node,
		      uint8_t *ret_direction);
/* How many nodes lose the majority. */
uint32_t partition_isolated(const struct partition *p, uint16_t entry);
bool partition_same_spec(const struct partition *p, uint16_t a, uint16_t b);

/* ---- partition_matrix.c ------------------------------------------------- */

/* An empty one for that entry. -ENOSPC: all are in use. */
int partition_matrix_new(struct partition *p, uint16_t entry);
void partition_matrix_free(struct partition *p, uint16_t entry);
bool partition_matrix_get(const struct partition *p, size_t entry, size_t from,
			  size_t to);
void partition_matrix_set(struct partition *p, uint16_t entry, size_t from,
			  size_t to);
/* The bits over p->places, as partition.h says. Appended to w. */
void partition_matrix_put(struct partition *p, struct tlv_writer *w,
			  uint16_t entry);
/* The other way: -EPROTO wrong size, somebody from himself, nobody from
 * anybody; -ENOSPC. */
int partition_matrix_take(struct partition *p, uint16_t entry,
			  struct core_bytes bits);
/* How many nodes of it do not reach a majority of `known` both ways. */
uint32_t partition_matrix_isolated(const struct partition *p, uint16_t entry,
				   uint32_t known);

/* ---- partition_shapes.c ------------------------------------------------- */

/* Draw the grudge over p->places, by the entry's seed. -EINVAL: too few
 * nodes, ret_least says how many it takes; -ENOSPC. */
int partition_draw(struct partition *p, uint16_t entry, uint32_t *ret_least);

/* ---- partition_cuts.c --------------------------------------------------- */

/* 0, or -ENOSPC when the rules of this entry do not fit beside the others. */
int partition_cuts_fit(const struct partition *p, uint16_t entry);
/* True when there is more to do at once. */
bool partition_cuts_work(struct partition *p);

/* ---- partition_command.c ------------------------------------------------ */

/* Fields of `resolve` that `verify` has too: which entry is meant. */
struct partition_which {
	uint8_t reference[16];
	bool by_reference;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	bool all;
	bool local_only;
	uint64_t timeout_ms;
	char why[SKERRY_REASON_MAX_BYTES + 1];
};
int partition_which_parse(struct partition_which *in, struct core_bytes tlvs);
bool partition_which_meant(const struct partition_which *in,
			   const struct partition_entry *e);
void partition_refuse_unknown(struct partition *p,
			      const struct core_event *event,
			      const struct partition_which *in);
/* Answer at once with an error. */
void partition_refuse(struct partition *p, const struct core_event *event,
		      int error, const char *text);
/* Answer when all is done, or the time is over. Returns the number of the
 * waiter, to be set in the entries it waits for; -ENOSPC. */
int partition_wait_begin(struct partition *p, const struct core_event *event,
			 uint64_t timeout_ms);
/* True when there are more to answer at once. */
bool partition_waiters_work(struct partition *p);
uint64_t partition_waiters_next(const struct partition *p);

/* ---- partition_inject.c ------------------------------------------------- */

void partition_inject(struct partition *p, const struct core_event *event);
void partition_explain(struct partition *p, const struct core_event *event);

/* ---- partition_build.c -------------------------------------------------- */

/* What a command asks for. */
struct partition_order {
	char shape[32];
	char origin[SKERRY_NAME_MAX_BYTES + 1];
	char name[SKERRY_NAME_MAX_BYTES + 1];
	char visibility[16];
	char scope[16];
	char protocol[16];
	char host[64];
	uint64_t ttl;
	uint64_t duration_ms;
	uint64_t timeout_ms;
	uint64_t loss_ppm;
	uint64_t seed;
	bool has_seed;
	bool has_target;
	struct skerry_addr target;
	uint64_t prefix_bits;
	bool force;
	bool one_way;
	uint32_t guards; /* enum core_guard */
	char why[SKERRY_REASON_MAX_BYTES + 1];
	char text[400]; /* of a refusal */
};
int partition_order_parse(struct partition_order *in, struct core_bytes tlvs);
/* "WHAT: VALUE: WHY" into in->text; returns error. */
int partition_order_refuse(struct partition_order *in, int error,
			   const char *what, const char *value,
			   const char *why);
/* Into a cleared slot that is marked used. On an error in->text has the
 * sentence, and the slot may be half written. */
int partition_build(struct partition *p, struct partition_order *in,
		    uint16_t entry, const struct core_event *event);

/* ---- partition_guard.c -------------------------------------------------- */

/* The index-th safeguard against it as a sentence in in->text: -EDQUOT; 0:
 * there is none with that index or above; then all have been looked at. */
int partition_guard(const struct partition *p, struct partition_order *in,
		    uint16_t entry, uint32_t *index);

/* ---- partition_audit.c -------------------------------------------------- */

/* One line, with whoever is named in `by` (NULL: nobody). how: a few words in
 * front, or "". */
void partition_audit(struct partition *p, enum core_log_level level,
		     const char *event, uint16_t entry,
		     const struct partition_by *by, const char *how);
/* Who gives a command. */
void partition_by_command(const struct partition *p, struct partition_by *by,
			  const struct core_event *event, const char *why);
/* As fields: uid, pid, program_name, why, not the node. */
void partition_by_put(struct tlv_writer *w, const struct partition_by *by);
/* One of them; -ENOENT: it is none of them; -EPROTO. */
int partition_by_take(struct partition_by *by, const struct tlv_reader *r);

/* ---- partition_inquiry.c ------------------------------------------------ */

void partition_verify(struct partition *p, const struct core_event *event);
/* Ask all participants of that entry whether they can; the entry may go
 * meanwhile. -ENOSPC: too many are under way. */
int partition_inquire_able(struct partition *p, const struct core_event *event,
			   uint16_t entry, uint64_t timeout_ms);
/* An answer from a node. `rows` are nested and checked. -EPROTO. */
int partition_inquiry_ledger(struct partition *p, uint16_t node, uint64_t token,
			     uint64_t cursor, uint64_t count,
			     struct core_bytes body);
int partition_inquiry_able(struct partition *p, uint16_t node, uint64_t token,
			   int error);
/* Questions that are due go out, and inquiries that are done are answered.
 * True when there is more to do at once. */
bool partition_inquiries_work(struct partition *p);
uint64_t partition_inquiries_next(const struct partition *p);
void partition_inquiries_gone(struct partition *p, uint32_t program);

/* ---- partition_ledger.c ------------------------------------------------- */

/* Remember who asks; what does not fit is asked again. */
void partition_ledger_asked(struct partition *p, uint16_t node, uint64_t token,
			    const uint8_t reference[16], uint16_t cursor);
/* Start reading when somebody waits. */
void partition_ledger_work(struct partition *p);
uint64_t partition_ledger_next(const struct partition *p);

/* ---- partition_blob.c --------------------------------------------------- */

/* The entry into p->blob, unless it is there; -EMSGSIZE. */
int partition_blob_encode(struct partition *p, uint16_t entry);

/* ---- partition_parse.c -------------------------------------------------- */

/* The other way, into a cleared slot: -EPROTO, -ENOSPC; the slot may be
 * half written then. */
int partition_blob_decode(struct partition *p, struct core_bytes blob,
			  uint16_t entry);
/* Text for people: no control characters. */
bool partition_text_valid(const char *text);

/* ---- partition_send.c --------------------------------------------------- */

/* One body, off the budget. */
void partition_send_begin(struct partition *p, struct tlv_writer *w,
			  const char *kind);
void partition_send_body(struct partition *p, uint16_t node,
			 const struct tlv_writer *w);
/* True when the budget ended it. */
bool partition_send_work(struct partition *p);
uint64_t partition_send_next(const struct partition *p);

#pragma GCC visibility pop

#endif
