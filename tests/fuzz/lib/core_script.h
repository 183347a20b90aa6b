/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core_script.h - a real core and a script of what happens to it. The core
 * is "me", running, with a member "peer" behind a lane for membership and one
 * for the default channel, and another, "other", known from gossip alone.
 *
 * After every step: operations within their bound, all their bytes whole and
 * the same after having been recorded and read; datagrams as their receiver
 * opens them; after an error nothing said, and the core as it was.
 */
#ifndef TESTS_FUZZ_CORE_SCRIPT_H
#define TESTS_FUZZ_CORE_SCRIPT_H

#include "dgram.h"
#include "fuzz.h"

/* Types of a script's records. */
enum script_type {
	SCRIPT_HEARTBEAT = 1, /* payload: body; flags: SCRIPT_* below */
	SCRIPT_PARTITION, /* the same on the partition port */
	SCRIPT_RAW, /* payload: a datagram; flag 1: partition port;
		     * flag 2: MAC as it is */
	SCRIPT_TIME, /* sequence: ms, modulo 20,000 */
	SCRIPT_COMMAND, /* flow: command, payload: TLVs; flag 1: no
			 * administrator; correlation: program, modulo 4 */
	SCRIPT_FRAME, /* flow: type, payload; flag 1: the other lane */
	SCRIPT_LANE_DOWN, /* flow: end; flag 1: the other lane */
	SCRIPT_LANE_UP, /* flow: which dial, or the admitted one */
	SCRIPT_DIAL_FAILED, /* flow: which dial; sequence: errno */
	SCRIPT_HELLO, /* payload: details; flag 1: answer to a dial */
	SCRIPT_PROGRAM_GONE,
	SCRIPT_CUTS, /* sequence: errno of every cut from now on */
	SCRIPT_DISK, /* sequence: errno of every write from now on */
	SCRIPT_ADDRESSES, /* payload: struct skerry_addr in a row */
	SCRIPT_DISCOVERED, /* the same; flow: contacts have names */
	SCRIPT_BLOCKED, /* flag 1: writable */
	SCRIPT_STOP,
	SCRIPT_TYPES,
};

#define SCRIPT_BAD_MAC 0x01U
#define SCRIPT_WRONG_NONCE 0x02U /* of the receiver */
#define SCRIPT_NO_NONCE 0x04U
#define SCRIPT_NONCE 0x08U /* a NONCE datagram instead */
#define SCRIPT_OTHER 0x10U /* "other" says it */
#define SCRIPT_AGAIN 0x20U /* with the sequence of the one before */
#define SCRIPT_OLD 0x40U /* of an older incarnation */
#define SCRIPT_DIGEST 0x80U /* an entry's digest as it is, not made true */

#define SCRIPT_WORDS 46
extern const char *const script_words[];

/* The format of inputs that are scripts of those types, an array of bytes. */
#define SCRIPT_FORMAT(list)                                        \
	{                                                          \
		.kind = FUZZ_RECORDS, .types = (list),             \
		.type_count = sizeof(list), .words = script_words, \
		.word_count = SCRIPT_WORDS,                        \
	}

/* Run one; the core begins anew each time. */
void script_run(const uint8_t *data, size_t size);

/* ---- for targets of their own --------------------------------------------- */

struct script {
	struct core *core;
	uint64_t now_ns;
	struct core_update update;
	uint64_t seen_ops[OP_MAX]; /* since script_begin() */
	void (*on_op)(void *data, const struct core_op *op); /* may be NULL */
	void *data;
};

extern const struct core_hmac script_hmac;
/* Details that "peer" is admitted with; their size. */
size_t script_details(uint8_t *out, size_t room, const char *channel,
		      uint64_t lane, uint64_t generation);
struct script *script_begin(void);
/* Step, execute, and whatever follows at once. What core_step() said. */
int script_step(struct script *s, struct core_event *event);
/* A core with that state and nobody else; steps until it is stored. Returns
 * what the core said to EV_START; *ret_stored is what it would store. */
int script_start(struct core_bytes persisted, struct core_bytes *ret_stored);
/* What the core answers to every question, as one number. */
uint64_t script_digest(struct script *s);

#endif
