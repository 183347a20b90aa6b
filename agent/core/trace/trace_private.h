/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * trace_private.h - the fields of a recorded trace, and what the files that
 * read them share. Numbers are never reused;
 * a recording of another layout has another magic.
 */
#ifndef SKERRY_TRACE_PRIVATE_H
#define SKERRY_TRACE_PRIVATE_H

#include "codec.h"
#include "event.h"

/* A longer value is several fields of the same key in a row. */
#define TRACE_PIECE_BYTES 60000U

enum trace_key {
	/* Setup and result */
	TK_MEMBERS_MAX = 1,
	TK_PROGRAMS_MAX,
	TK_WATCHES_MAX,
	TK_PARTITIONS_MAX,
	TK_RULES_MAX,
	TK_KEYED,
	TK_KEY_DIGEST,
	TK_OPS,
	TK_MORE,

	/* Every event and operation */
	TK_TYPE = 16,
	TK_NOW_NS,
	TK_WALL_US,
	TK_LANE,
	TK_ERROR,
	TK_TOKEN,
	TK_BYTES,
	TK_TEXT,

	/* Of some */
	TK_CONFIG = 32, /* nested */
	TK_SEED,
	TK_ACCEPTED,
	TK_ADDRESS, /* repeated */
	TK_END,
	TK_GENERATION,
	TK_FRAME_TYPE,
	TK_SEQUENCE,
	TK_PORT,
	TK_PROGRAM,
	TK_COMMAND,
	TK_CORRELATION,
	TK_ADMIN,
	TK_UID,
	TK_PID,
	TK_CONTACT, /* repeated, nested */
	TK_PEER,
	TK_NAME,
	TK_INCARNATION,
	TK_BOOT_NONCE,
	TK_STATE,
	TK_PARALLELISM,
	TK_HANDLE,
	TK_REFERENCE,
	TK_DIRECTION,
	TK_VISIBILITY,
	TK_DEADLINE_NS,
	TK_CHANNEL,
	TK_TIMEOUT_MS,
	TK_INDEX,
	TK_DRAIN,
	TK_WATCH,
	TK_LEVEL,
	TK_AT_NS,
	TK_COUNT,
	TK_LOSS_PPM,
	TK_PREFIX_BITS,
	TK_PROTOCOL,
	TK_GUARDS,
	TK_LEDGER, /* repeated, nested */
	TK_COUNTERS,
	TK_IN_FORCE,
	TK_USER_SPACE,

	/* Inside of a configuration */
	TK_CLUSTER = 96,
	TK_OVERLAY,
	TK_HAS_KEY,
	TK_MACHINE_ID,
	TK_PORT_BASE,
	TK_TAG, /* repeated */
	TK_CHANNEL_SPEC, /* repeated, nested */
	TK_PRIORITY,
	TK_MONOTONIC,
	TK_COMPRESSION,
	TK_DATAGRAM,
	TK_TAKEOVER,
	TK_LEAVE_ON_STOP,
	TK_HEARTBEAT_MS,
	TK_PING_AFTER_MS,
	TK_DOWN_AFTER_MS,
	TK_REDIAL_MIN_MS,
	TK_REDIAL_MAX_MS,
	TK_GOSSIP_COLLECT_MS,
	TK_GOSSIP_PERIOD_MS,
	TK_CUT_MAX_MS,
	TK_CUT_SHARE_PERCENT,
	TK_CONFIG_MEMBERS_MAX,
	TK_KERNEL_CUTS,
	TK_FAST_DEMUX,
	TK_CUT_LOSS,
	TK_CUT_REJECT,
	TK_CUT_ADDRESS,
};

/* Memory for what does not lie in the record as it is needed. */
struct trace_scratch {
	uint8_t *at;
	size_t left;
};

/* Aligned to 16; NULL when there is none left. */
void *trace_scratch_take(struct trace_scratch *s, size_t size_bytes);
/* How often a key comes, and how many bytes its values have together. */
size_t trace_count(struct core_bytes data, uint16_t key, size_t *ret_bytes);
/* The value of all fields with that key, of which `field` is the first: it
 * stays where it is when it is the only one. -ENOSPC. */
int trace_join(struct core_bytes data, const struct tlv_reader *field,
	       struct trace_scratch *scratch, struct core_bytes *ret_bytes);
int trace_error(const struct tlv_reader *r, int *ret_error);
/* A number of at most max; -EPROTO. */
int trace_number(const struct tlv_reader *r, uint64_t max, uint64_t *ret_value);
int trace_u32(const struct tlv_reader *r, uint32_t *ret_value);
int trace_u8(const struct tlv_reader *r, uint8_t *ret_value);
/* What is nested in TK_CONTACT and TK_CONFIG. On -EPROTO the output is
 * unspecified. */
int trace_contact_decode(const struct tlv_reader *field,
			 struct core_contact *contact);
int trace_config_decode(const struct tlv_reader *field,
			struct core_config *config);

/* trace_ledger.c: rows of EV_LEDGER. */
void trace_ledger_put(struct tlv_writer *w, const struct core_ledger *list,
		      uint32_t count);
/* data: the whole event. -EPROTO, -ENOSPC. */
int trace_ledger_take(const struct tlv_reader *field, struct core_bytes data,
		      struct trace_scratch *scratch, struct core_event *event);

#endif
