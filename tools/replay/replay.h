/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * replay.h - skerry-replay: the events of a recording are given to a core
 * again, and what it does is compared with what was recorded.
 */
#ifndef SKERRY_REPLAY_H
#define SKERRY_REPLAY_H

#include "trace/trace.h"

#define REPLAY_KEY_BYTES 32

/* Exit codes, as of all tools. */
enum replay_exit {
	REPLAY_SAME = 0,
	REPLAY_DIFFERENT = 1,
	REPLAY_USAGE = 2, /* also: not a recording, another key */
};

/* 0, or -errno with a sentence on stderr. 64 hex digits or 32 bytes. */
int replay_key_read(const char *path, uint8_t ret_key[REPLAY_KEY_BYTES]);
/* HMAC-SHA-256; `data` of struct core_hmac is the key. */
void replay_hmac(void *data, const struct core_bytes *parts, size_t count,
		 uint8_t ret_mac[32]);

struct replay_options {
	const char *file;
	const char *key_file; /* NULL: none given */
	bool text; /* print every event and operation */
};

/* Everything: enum replay_exit. `trace` begins after the magic. */
int replay_feed(const struct replay_options *options, struct core_bytes trace);

#endif
