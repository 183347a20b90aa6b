/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * log_limit.h - the same again and again about one node is not said again
 * and again: of an event about a node LOG_LIMIT_LINES lines a minute are
 * written, and then how many were not. Programs that follow events are told
 * all of them all the same.
 */
#ifndef SKERRY_LOG_LIMIT_H
#define SKERRY_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "skerry/limits.h"

#define LOG_LIMIT_LINES 20U
#define LOG_LIMIT_NS 60000000000ULL

struct log_suppressed {
	char event[32];
	char node[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t lines;
};

/* Whether this line is to be written; it is counted in any case. */
bool log_limit_pass(const char *event, const char *node, uint64_t now_ns);
/* One whose minute is over, with lines that were not written: true, and it
 * begins anew. At the end, with UINT64_MAX for the time, all of them. */
bool log_limit_next(uint64_t now_ns, struct log_suppressed *ret_suppressed);

#endif
