/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * notice.h - what happened, for people: each event is logged once (OP_LOG)
 * and kept among the last 256 for those who follow.
 */
#ifndef SKERRY_NOTICE_H
#define SKERRY_NOTICE_H

#include "codec.h"
#include "event.h"

#define NOTICES_MAX 256U
#define NOTICE_TEXT_BYTES 192
#define NOTICE_TLVS_BYTES 640

struct core;

struct notice {
	uint64_t wall_us;
	char event[24];
	char text[NOTICE_TEXT_BYTES];
	uint8_t level; /* enum core_log_level */
	uint16_t tlv_bytes;
	uint8_t tlvs[NOTICE_TLVS_BYTES];
};

struct notices {
	struct notice ring[NOTICES_MAX];
	uint64_t next; /* number of the next one; the first is 0 */
	uint64_t logged; /* those below are in the log */
	/* What was said lately, so that a stranger cannot fill the log. */
	struct {
		uint64_t hash, until_ns;
	} said[16];
	uint32_t said_next;
};

/* event is a word; node may be NULL; text a sentence. */
void notice(struct core *core, enum core_log_level level, const char *event,
	    const char *node, const char *text);
/* The same with fields of one's own; those that do not fit are left out. */
void notice_tlvs(struct core *core, enum core_log_level level,
		 const char *event, const char *text, struct core_bytes tlvs);
void notice_format(struct core *core, enum core_log_level level,
		   const char *event, const char *node, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* The same at most once a minute. */
void notice_once(struct core *core, enum core_log_level level,
		 const char *event, const char *node, const char *text);
/* Those not logged yet become operations. */
void notices_flush(struct core *core);
/* Its fields as a record; NULL when it is no longer kept. */
const struct notice *notice_at(const struct notices *n, uint64_t number);
void notice_write(const struct notice *notice, uint64_t number,
		  struct tlv_writer *w);

#endif
