/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * partition.h - the registry of partitions: what is cut, by whom, for how
 * long, and who has it in force. Knows nothing of overlay or detector, and
 * they know nothing of it: a cut is felt, not read.
 *
 * An entry: reference, name, origin, shape, grudge, participants, remaining
 * duration; state active < resolved; merging takes the larger. The grudge is
 * a list of components (sets of node names; one may be "everybody else"):
 * nodes of different components are cut from each other; one-way: only
 * packets from the first component to the others. What no components can say
 * is one component and a matrix over it: bit i * n + j, from the lowest of
 * the first byte on, drops what its i-th node sends to its j-th. Components
 * and matrices are of the nodes they name, and leave alone who comes later;
 * "everybody else" is everybody, present and future.
 *
 * A draw of chance (shapes halves, majority, ...; which packets of a lossy
 * cut) comes from the entry's seed, and the entry carries what came of it.
 * A lossy cut is made where packets leave, so that none is judged twice.
 *
 * An entry of shape `to` cuts this host from an address; it belongs to this
 * node alone, is never told to others, and is kept in the state file.
 *
 * Entries travel on the partition port to each known node, repeated until
 * acknowledged, in numbered chunks when larger than a datagram; commands wait
 * for participants alone. A node acknowledges when its own cuts are in the
 * kernel (or lifted there). Each node ends an entry by itself when its time
 * is over. A resolved entry is kept until all nodes known have it, or an
 * hour, so that no late datagram brings it back.
 *
 * Nothing is sent and no cut is made but in partition_tick(): call it at the
 * end of each step in which another function of this file was called, and
 * when it said. One call asks for at most 33 operations on cuts, 24
 * datagrams, 6 answers and a ledger; what is more comes with the next.
 * partition_ledger() sends as well, at most 16 datagrams and 4 answers, and
 * partition_datagram() one part of an answer.
 *
 * Bodies are TLVs, first SKERRY_K_KIND:
 *	entry   reference, resolved, and when active: remaining_ms (absent:
 *	        by lease), chunk, chunks, digest (of the whole), blob
 *	part    reference, digest, chunk*: these chunks have arrived
 *	ack     reference, resolved, error?: done, or cannot be done
 *	ask     digest: do you have what I have?
 *	answer  digest: this is mine; if it differs, entries follow
 *	forget  reference: all know that it is resolved
 *	ledger? token, reference, cursor: what have your cuts of it done?
 *	ledger  token, cursor, count, rows*: from that row on, of so many
 *	able?   token, visibility, loss_ppm: could you make such a cut?
 *	able    token, error?
 * The last four are questions of `verify` and `explain`: asked again until
 * answered or out of time; nothing is changed by them.
 *
 * The blobs of an entry joined are name, origin, shape, ttl, duration_ms,
 * visibility, scope, one_way, seed?, loss_ppm?, uid, pid, program_name?, why?,
 * components* (nested: name*, or all), matrix?; those of shape `to` target,
 * prefix_bits, protocol?, host?.
 */
#ifndef SKERRY_PARTITION_H
#define SKERRY_PARTITION_H

#include "codec.h"
#include "event.h"
#include "rng.h"

/* Longest body: fits a partition datagram with header, sender and MAC. */
#define PARTITION_BODY_MAX_BYTES 1040U

/* What the registry needs from the core around it. */
struct partition_env {
	void *data;
	/* The i-th known node, self included, in name order; false: no more.
	 * peer is CORE_PEER_SELF for ourselves. */
	bool (*node)(void *data, size_t i, const char **ret_name,
		     uint32_t *ret_peer);
	/* Overlay hops from origin: the names within ttl (on the full mesh:
	 * everybody for ttl >= 1). */
	bool (*within)(void *data, const char *origin, uint32_t ttl,
		       const char *name);
	/* To the partition port of that node; at most
	 * PARTITION_BODY_MAX_BYTES. An error is as good as a datagram lost:
	 * it is sent again. */
	int (*datagram)(void *data, const char *name, struct core_bytes body);
	void (*cut_add)(void *data, const struct core_cut *cut);
	void (*cut_del)(void *data, uint32_t handle);
	void (*cut_commit)(void *data, uint64_t generation);
	void (*answer)(void *data, uint32_t program, uint32_t correlation,
		       int error, const char *reason, struct core_bytes tlvs);
	/* One part of an answer; answer() ends it. */
	void (*part)(void *data, uint32_t program, uint32_t correlation,
		     struct core_bytes tlvs);
	/* Read what the cuts of that reference have done here: comes back
	 * through partition_ledger(). */
	void (*ledger)(void *data, uint64_t token, const uint8_t reference[16]);
	void (*log)(void *data, enum core_log_level level, const char *event,
		    const char *text, struct core_bytes tlvs);
};

struct partition_limits {
	uint32_t partitions_max;
	uint32_t members_max;
	uint32_t rules_max;
};

struct partition;

/* Memory is aligned to 16 and stays the caller's; nothing to free. */
size_t partition_size(const struct partition_limits *limits);
struct partition *partition_init(void *memory,
				 const struct partition_limits *limits,
				 const struct partition_env *env,
				 const struct core_config *config,
				 uint64_t seed);
/* Changed settings (addresses, port_base, cut_*). */
void partition_configure(struct partition *p, const struct core_config *config);

/*
 * SKERRY_CMD_INJECT, _RESOLVE, _VERIFY, _EXPLAIN. Answers exactly once through
 * env->answer, now or later: error 0 with `reference`, `participants` and,
 * when the time was over, `missing`, of which `unable` have said that they
 * cannot; else -errno with a sentence: -EACCES, -EPROTO malformed fields,
 * -EINVAL, -EOPNOTSUPP visibility or scope, or nobody can, -EHOSTUNREACH a
 * node not known, -EDQUOT a safeguard, -EEXIST same name and other spec,
 * -ENOENT no such partition, -ENOSPC. The answers to VERIFY and EXPLAIN come
 * in parts; see ring.h.
 */
void partition_command(struct partition *p, const struct core_event *event);
/*
 * An authenticated body from the partition port of that node. -EPROTO:
 * malformed, nothing is changed; -ENOSPC: no room to remember that node.
 */
int partition_datagram(struct partition *p, const char *from,
		       struct core_bytes body, uint64_t now_ns,
		       uint64_t wall_us);
/* A node became known, has another peer number, or is up again: it may have
 * to be cut, and is asked about its registry. env->node must have it. */
void partition_node(struct partition *p, const char *name, uint64_t now_ns);
/* Its cuts are no more needed; it is no participant any more. */
void partition_node_gone(struct partition *p, const char *name,
			 uint64_t now_ns);
/* The commit of that generation is in the kernel, or has failed: then the
 * cuts it added are taken back. */
void partition_cuts_applied(struct partition *p, uint64_t generation, int error,
			    uint64_t now_ns);
void partition_program_gone(struct partition *p, uint32_t program);
/* EV_LEDGER. */
void partition_ledger(struct partition *p, const struct core_event *event);

/*
 * Entries of this node alone, for its state file. From *cursor on: the next
 * one's reference, remaining time and blob (valid until the next call of any
 * function here); false: no more.
 */
bool partition_kept(struct partition *p, size_t *cursor, uint64_t now_ns,
		    uint8_t ret_reference[16], uint64_t *ret_remaining_ms,
		    struct core_bytes *ret_blob);
/* One of them was added or is over, since this was asked last. */
bool partition_kept_changed(struct partition *p);
/* One read back, before anything else. -EPROTO, -ENOSPC: it is left out. */
int partition_restore(struct partition *p, const uint8_t reference[16],
		      struct core_bytes blob, uint64_t remaining_ms,
		      uint64_t now_ns);
/* Returns when to be called again (UINT64_MAX: no need); not later than
 * now_ns when there is more to do at once. */
uint64_t partition_tick(struct partition *p, uint64_t now_ns, uint64_t wall_us);
/*
 * False until the first partition_tick(), and while a restarted node has not
 * heard from the peers it asked (at most 2 s): no lane may be opened yet.
 */
bool partition_settled(const struct partition *p);
/* Rows for the query "partitions": one a (reference, participant), each a
 * `rows` nest. Writes from row *cursor on while they fit; false when there
 * are more. */
bool partition_rows(const struct partition *p, struct tlv_writer *w,
		    size_t *cursor, uint64_t now_ns);

#endif
