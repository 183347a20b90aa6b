// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * log.c - lines of the agent's log. A line is at most PIPE_BUF bytes and is
 * written only when it will be taken at once: a reader of our stderr that
 * stops must not stop the node. What is lost so is counted in the next line.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/codec.h"
#include "field.h"
#include "log_limit.h"
#include "log_line.h"

#define ONCE_SLOTS 256
#define ONCE_NS 60000000000ULL

static struct {
	enum core_log_level level;
	bool json;
	bool journal;
	unsigned long lost;
} log_state = { .level = CORE_LOG_INFO };

static const struct {
	const char *name;
	int syslog;
} levels[] = {
	[CORE_LOG_ERROR] = { "error", 3 },
	[CORE_LOG_WARNING] = { "warning", 4 },
	[CORE_LOG_INFO] = { "info", 6 },
	[CORE_LOG_DEBUG] = { "debug", 7 },
};

/* JOURNAL_STREAM names the journal's end; stderr may have been redirected
 * since, and then nobody strips the prefix. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

void log_setup(enum core_log_level level, bool json)
{
	log_state.level = level;
	log_state.json = json;
	log_state.journal = stderr_is_journal();
}

static void write_line(const char *data, size_t size_bytes)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t written = -1;

	if (poll(&ready, 1, 0) == 1)
		written = write(STDERR_FILENO, data, size_bytes);
	if (written == (ssize_t)size_bytes)
		log_state.lost = 0;
	else
		log_state.lost++;
}

static void put_now(struct log_line *line)
{
	struct timespec now;
	char text[40];

	clock_gettime(CLOCK_REALTIME, &now);
	field_time_text((uint64_t)now.tv_sec * 1000000 +
				(uint64_t)now.tv_nsec / 1000,
			text, sizeof(text));
	log_line_raw(line, text);
}

static void write_event(enum core_log_level level, const char *event,
			const char *text, struct core_bytes tlvs)
{
	struct log_line line;
	char prefix[8];

	log_line_init(&line, log_state.json);
	if (log_state.journal) {
		snprintf(prefix, sizeof(prefix), "<%d>", levels[level].syslog);
		log_line_raw(&line, prefix);
	}
	if (log_state.json) {
		log_line_raw(&line, "{\"time\":\"");
		put_now(&line);
		log_line_raw(&line, "\",\"level\":\"");
		log_line_raw(&line, levels[level].name);
		log_line_raw(&line, "\",\"event\":\"");
		log_line_text(&line, event);
		log_line_raw(&line, "\"");
	} else {
		if (!log_state.journal) {
			put_now(&line);
			log_line_raw(&line, " ");
			log_line_raw(&line, levels[level].name);
			log_line_raw(&line, " ");
		}
		log_line_text(&line, event);
	}
	if (text && text[0])
		log_line_string(&line, "text", text);
	if (log_state.lost)
		log_line_number(&line, "lines_lost", log_state.lost);
	log_line_tlvs(&line, tlvs);
	if (log_state.json)
		log_line_raw(&line, "}");
	write_line(line.data, log_line_end(&line));
}

/* ---- not again and again ------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void log_tick(uint64_t at_ns)
{
	struct log_suppressed suppressed;
	char text[128];
	uint8_t tlvs[128];
	struct tlv_writer w;

	while (log_limit_next(at_ns, &suppressed)) {
		snprintf(text, sizeof(text), "%s: %llu more lines in a minute",
			 suppressed.event,
			 (unsigned long long)suppressed.lines);
		tlv_writer_init(&w, tlvs, sizeof(tlvs));
		tlv_put_str(&w, SKERRY_K_NODE, suppressed.node);
		tlv_put_u64(&w, SKERRY_K_COUNT, suppressed.lines);
		write_event(CORE_LOG_WARNING, "suppressed", text,
			    (struct core_bytes) { tlvs, w.used_bytes });
	}
}

void log_end(void)
{
	log_tick(UINT64_MAX);
}

void log_event(enum core_log_level level, const char *event, const char *text,
	       struct core_bytes tlvs)
{
	char node[SKERRY_NAME_MAX_BYTES + 1];

	if (level > log_state.level)
		return;
	if (!tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_NODE, node,
			  sizeof(node)) &&
	    !log_limit_pass(event, node, now_ns()))
		return;
	write_event(level, event, text, tlvs);
}

void log_text(enum core_log_level level, const char *event, const char *format,
	      ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_event(level, event, text, (struct core_bytes) { 0 });
}

/* FNV-1a over both words and the NUL between them. */
static uint64_t once_hash(const char *event, const char *subject)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	const char *at;

	for (at = event; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3ULL;
	hash *= 0x100000001b3ULL;
	for (at = subject; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3ULL;
	return hash ? hash : 1;
}

/*
 * The subjects may be chosen by a stranger: the table is bounded, and when
 * it is full of younger ones the answer is "not the first time", so that a
 * flood of subjects is no flood of lines.
 */
bool log_once(const char *event, const char *subject, uint64_t now_ns)
{
	static struct {
		uint64_t hash;
		uint64_t until_ns;
	} seen[ONCE_SLOTS];
	uint64_t hash = once_hash(event, subject);
	size_t i, free_slot = ONCE_SLOTS;

	for (i = 0; i < ONCE_SLOTS; i++) {
		if (seen[i].until_ns <= now_ns) {
			free_slot = i;
			continue;
		}
		if (seen[i].hash == hash)
			return false;
	}
	if (free_slot == ONCE_SLOTS)
		return false;
	seen[free_slot].hash = hash;
	seen[free_slot].until_ns = now_ns + ONCE_NS;
	return true;
}
