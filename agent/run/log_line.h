/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * log_line.h - one line being written, as text or as a JSON object. What
 * comes from peers and programs is escaped; what does not fit is left out
 * field by field, so that the line stays well formed.
 */
#ifndef SKERRY_LOG_LINE_H
#define SKERRY_LOG_LINE_H

#include "../core/event.h"

#define LOG_LINE_BYTES 4096 /* PIPE_BUF: one write, never in pieces */

struct log_line {
	char data[LOG_LINE_BYTES];
	size_t used;
	bool json;
	bool full; /* the field being written did not fit */
	bool inner; /* inside an object: its first field has no comma */
};

void log_line_init(struct log_line *line, bool json);
/* As it stands. */
void log_line_raw(struct log_line *line, const char *text);
/* Escaped, without quotes. */
void log_line_text(struct log_line *line, const char *text);
/* Whole fields; one that does not fit is left out. */
void log_line_string(struct log_line *line, const char *key, const char *value);
void log_line_number(struct log_line *line, const char *key, uint64_t value);
void log_line_tlvs(struct log_line *line, struct core_bytes tlvs);
/* Adds the newline; returns the length. */
size_t log_line_end(struct log_line *line);

#endif
