/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * members.h - the nodes this one knows: a map from name to (incarnation,
 * live < removed, version, spec). Merging takes the larger; a live entry is
 * written by its owner alone and passed on byte for byte.
 *
 * A slot is a member's number for everybody else in this agent. It is free
 * again when nothing refers to it any more.
 */
#ifndef SKERRY_MEMBERS_H
#define SKERRY_MEMBERS_H

#include "detector.h"
#include "dgram.h"
#include "list.h"
#include "spec.h"

#define MEMBERS_NONE UINT32_MAX
#define MEMBERS_WORDS ((SKERRY_MEMBERS_MAX + 63) / 64)

enum member_status {
	MEMBER_FREE,
	MEMBER_GUEST, /* proved itself; becomes live when its lane is up */
	MEMBER_CONTACT, /* known from before a restart; not yet confirmed */
	MEMBER_LIVE,
	MEMBER_GHOST, /* no member any more; lanes or watches still name it */
};

struct member {
	uint8_t status; /* enum member_status */
	bool self;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation;
	uint64_t boot_nonce; /* 0: not known (contacts) */
	uint64_t version;
	uint16_t port_block;
	uint32_t address_count;
	struct skerry_addr addresses[SKERRY_ADDRS_MAX];
	uint8_t parallelism[SKERRY_CHANNELS_MAX]; /* agreed */
	uint32_t spec_bytes; /* of members_spec() */

	/* Lanes. */
	struct list lanes;
	uint64_t seen[SKERRY_LANES_PER_PAIR_MAX]; /* generations, by place */
	struct skerry_addr reach; /* where a lane last went; block port */
	bool reached;
	uint32_t tries; /* of addresses, while not reached */
	bool eager; /* dial without waiting for the other side */
	uint64_t missing_ns; /* since when lanes are missing; 0: none are */
	uint64_t complete_ns; /* since when all are there; 0: not */
	uint64_t dial_at_ns; /* not before */
	uint64_t hold_until_ns; /* disconnected: no lane before, either way */
	uint32_t backoff_ms;
	uint16_t channels_up; /* bit: at least one lane (state on fast ones) */

	/* Liveness. */
	struct pulse pulse;
	uint8_t state; /* enum detector_state */
	char reason[DETECTOR_REASON_BYTES];
	uint64_t since_us; /* wall clock: when the state came */
	uint64_t known_ns; /* when the entry came */
	uint64_t pinged_ns;
	uint64_t ping_sequence;
	struct dgram_peer heartbeat, partition;
	bool beat_due;

	/* A newcomer claims this name: does the old one answer? */
	uint64_t probe_incarnation, probe_ns, probe_sequence;
	bool probe_answered;

	/* To be told on. */
	bool peer_due, peer_told; /* OP_PEER */
	bool tell_removed; /* before its lanes are closed */
	uint8_t peer_state; /* last told */
	bool greet, farewell; /* for the registry of partitions */
	bool dirty, in_delta; /* of the overlay */
	bool table_due, table_reply, digest_due;
	uint32_t table_at; /* how far the table is sent */
	uint64_t table_ns; /* when it was sent last */
};

/* A name that was removed under this incarnation and all before it. */
struct removed {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t hash; /* of the name */
	uint64_t incarnation;
	uint64_t since_ns;
	bool dirty, in_delta;
	/* Places in the table: of its bucket's next, and by age. */
	uint16_t next, older, newer;
};

struct members {
	struct member *slots;
	uint8_t *specs;
	uint16_t *order; /* slots in name order */
	uint32_t max;
	uint32_t count; /* in order[]: all but free */
	uint32_t live; /* self included */
	uint32_t touched;
	struct removed *removed; /* in no order; see removed.c */
	uint32_t removed_max, removed_count;
	uint64_t *removed_knows; /* MEMBERS_WORDS each: slots that know */
	uint16_t *removed_buckets;
	uint32_t removed_mask;
	uint16_t removed_oldest, removed_newest;
};

size_t members_size(uint32_t members_max);
void members_init(struct members *m, void *memory, uint32_t members_max);

/* By name, whatever the status but free; NULL. */
struct member *members_find(const struct members *m, const char *name);
uint32_t members_slot(const struct members *m, const struct member *member);
/* The i-th in name order; NULL beyond the last. */
struct member *members_at(const struct members *m, size_t i);
/* Position of the first name above `name` in that order. */
size_t members_after(const struct members *m, const char *name);
struct core_bytes members_spec(const struct members *m,
			       const struct member *member);
/* Is it a member for those who ask (live or contact, not self)? */
bool member_counts(const struct member *member);

/*
 * A new slot in this status; a contact or ghost without use gives way when
 * all are taken. NULL: no room. The name must not be there.
 */
struct member *members_add(struct members *m, const char *name,
			   enum member_status status, uint64_t now_ns);
void members_free(struct members *m, struct member *member);
void members_set_status(struct members *m, struct member *member,
			enum member_status status);
/* Take over what a spec says. `raw` is its owner's bytes. */
void members_set_spec(struct members *m, struct member *member,
		      const struct spec *spec, struct core_bytes raw);

/* ---- removed.c ---- */

size_t removed_size(uint32_t members_max);
void removed_init(struct members *m, void *memory, uint32_t members_max);
struct removed *removed_find(const struct members *m, const char *name);
/*
 * Note that (name, incarnation) and before is removed. Returns the entry,
 * new or raised; NULL when one as high is there. The oldest gives way when
 * the table is full. Entries move when one is deleted.
 */
struct removed *removed_add(struct members *m, const char *name,
			    uint64_t incarnation, uint64_t now_ns);
void removed_del(struct members *m, struct removed *removed);
void removed_clear(struct members *m);
/* The newest for NULL, else the next older one; NULL: that was all. */
struct removed *removed_before(const struct members *m,
			       const struct removed *removed);
void removed_knows(struct members *m, const struct removed *removed,
		   uint32_t slot);
bool removed_known_by(const struct members *m, const struct removed *removed,
		      uint32_t slot);
/* Every live member knows. */
bool removed_all_know(const struct members *m, const struct removed *removed);
/* The slot is another node's from now on: it knows nothing. */
void removed_forget(struct members *m, uint32_t slot);

/* The same for two nodes exactly when they agree on the live entries. */
uint64_t members_digest(const struct members *m);
/* The same when they agree on removed entries and who knows of them. */
uint64_t removed_digest(const struct members *m);

#endif
