/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * log.h - the one place where the agent logs: lines of `event key=value …`
 * on stderr with a syslog level prefix (<3> … <7>) under systemd, a time
 * stamp otherwise; one JSON object a line with [log] format = json.
 */
#ifndef SKERRY_LOG_H
#define SKERRY_LOG_H

#include "../core/event.h"

void log_setup(enum core_log_level level, bool json);
/*
 * event is a word; text a sentence; tlvs (may be empty) further fields. Of
 * an event about a node (field `node`) a few lines a minute are written, see
 * log_limit.h.
 */
void log_event(enum core_log_level level, const char *event, const char *text,
	       struct core_bytes tlvs);
void log_text(enum core_log_level level, const char *event, const char *format,
	      ...) __attribute__((format(printf, 3, 4)));
/* Say what was suppressed, when it is time to; at the end all of it. */
void log_tick(uint64_t now_ns);
void log_end(void);
/* True the first time a (event, subject) is seen within the last minute:
 * for what a stranger could make us say again and again. */
bool log_once(const char *event, const char *subject, uint64_t now_ns);

#endif
