// SPDX-License-Identifier: GPL-2.0-only
/* Log lines: well formed whatever is put in, bounded, never waiting. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The tests read what is written to stderr. */
#define TH_LOG_STREAM stdout
#include "codec.h"
#include "run/log.h"
#include "run/log_limit.h"
#include "kselftest_harness.h"

FIXTURE(lines)
{
	int pipe[2];
	int old;
	char text[8192];
};

FIXTURE_SETUP(lines)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ASSERT_EQ(0, pipe2(self->pipe, O_NONBLOCK));
	self->old = dup(2);
	dup2(self->pipe[1], 2);
	unsetenv("JOURNAL_STREAM");
}

FIXTURE_TEARDOWN(lines)
{
	dup2(self->old, 2);
	close(self->old);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

static const char *said(char *text, size_t room, int fd)
{
	ssize_t size = read(fd, text, room - 1);

	text[size < 0 ? 0 : size] = 0;
	return text;
}
#define SAID() said(self->text, sizeof(self->text), self->pipe[0])

static struct core_bytes fields(uint8_t *bytes, size_t size)
{
	struct skerry_addr v4 = { .ip = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
				  .port = 17280 };
	struct skerry_addr v6 = { .ip = { 0xfd, [15] = 1 }, .port = 1 };
	struct tlv_writer w;
	size_t mark;

	tlv_writer_init(&w, bytes, size);
	tlv_put_str(&w, SKERRY_K_NAME, "n@1");
	tlv_put_addr(&w, SKERRY_K_ADDRESS, &v4);
	tlv_put_u64(&w, SKERRY_K_TTL, 7);
	tlv_put_addr(&w, SKERRY_K_ADDRESS, &v6);
	tlv_put_s64(&w, SKERRY_K_ERROR, -5);
	tlv_put_bool(&w, SKERRY_K_UP, true);
	tlv_put_u64(&w, SKERRY_K_SINCE, 1000000ULL * 1700000000 + 42);
	tlv_put(&w, SKERRY_K_REFERENCE, "0123456789abcdef", 16);
	tlv_put_str(&w, SKERRY_K_REASON, "two words \"quoted\"\n");
	mark = tlv_begin(&w, SKERRY_K_SPEC);
	tlv_put_str(&w, SKERRY_K_CLUSTER, "c");
	tlv_put_u64(&w, SKERRY_K_VERSION, 1);
	tlv_end(&w, mark);
	tlv_put_u64(&w, 9999, 1);
	return (struct core_bytes) { bytes, w.used_bytes };
}

TEST_F(lines, text)
{
	uint8_t bytes[512];

	log_setup(CORE_LOG_INFO, false);
	log_event(CORE_LOG_WARNING, "member_down", "no word",
		  fields(bytes, sizeof(bytes)));
	SAID();
	/* After the time stamp. */
	ASSERT_EQ('Z', self->text[26]);
	EXPECT_STREQ(
		" warning member_down text=\"no word\" name=n@1 "
		"addresses=10.0.0.1:17280,[fd00::1]:1 ttl=7 error=-5 up=true "
		"since=2023-11-14T22:13:20.000042Z "
		"reference=30313233343536373839616263646566 "
		"reason=\"two words \\\"quoted\\\"\\u000a\" "
		"spec={cluster=c version=1}\n",
		self->text + 27);
}

TEST_F(lines, levels)
{
	log_setup(CORE_LOG_WARNING, false);
	log_text(CORE_LOG_INFO, "quiet", "x");
	EXPECT_STREQ("", SAID());
	log_text(CORE_LOG_ERROR, "loud", "%d", 42);
	EXPECT_NE(NULL, strstr(SAID(), " error loud text=42\n"));
}

/* Each node has its own minute, and so has each event. */
TEST_F(lines, a_node_that_flaps)
{
	uint8_t bytes[128];
	struct tlv_writer w;
	char *line, *at;
	int i, ups = 0, downs = 0, others = 0;

	log_setup(CORE_LOG_INFO, false);
	for (i = 0; i < 65; i++) {
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_NODE, i < 60 ? "flapper" : "steady");
		log_event(CORE_LOG_INFO, i < 60 && i % 2 ? "down" : "up", "x",
			  (struct core_bytes) { bytes, w.used_bytes });
	}
	SAID();
	for (at = self->text; (line = strsep(&at, "\n")) && *line;) {
		ups += strstr(line, " up ") && strstr(line, "flapper");
		downs += strstr(line, " down ") && strstr(line, "flapper");
		others += strstr(line, "steady") != NULL;
	}
	EXPECT_EQ(20, ups);
	EXPECT_EQ(20, downs);
	EXPECT_EQ(5, others);
	/* Not yet; then once; and what never was suppressed is not told. */
	log_tick(0);
	EXPECT_STREQ("", SAID());
	log_end();
	SAID();
	EXPECT_NE(NULL, strstr(self->text, " warning suppressed text=\"up: 10 "
					   "more lines in a minute\" "
					   "node=flapper count=10\n"));
	EXPECT_NE(NULL, strstr(self->text, "\"down: 10 more lines"));
	EXPECT_EQ(NULL, strstr(self->text, "steady"));
	log_end();
	EXPECT_STREQ("", SAID());
	/* And then it may speak again. */
	log_event(CORE_LOG_INFO, "up", "x",
		  (struct core_bytes) { bytes, w.used_bytes });
	EXPECT_NE(NULL, strstr(SAID(), " up "));
}

/* More nodes than can be told apart: the rest share one minute. */
TEST_F(lines, more_nodes_than_there_are)
{
	char node[32];
	uint64_t told = 0, suppressed = 0;
	struct log_suppressed one;
	const uint64_t start_ns = 1000 * LOG_LIMIT_NS;
	int i;

	for (i = 0; i < 5000; i++) {
		snprintf(node, sizeof(node), "n%d", i);
		told += log_limit_pass("up", node, start_ns);
	}
	EXPECT_LE(SKERRY_MEMBERS_MAX, told);
	EXPECT_GE(2 * SKERRY_MEMBERS_MAX + LOG_LIMIT_LINES, told);
	EXPECT_FALSE(log_limit_next(start_ns + LOG_LIMIT_NS - 1, &one));
	while (log_limit_next(start_ns + LOG_LIMIT_NS, &one)) {
		EXPECT_STREQ("other", one.event);
		suppressed += one.lines;
	}
	EXPECT_EQ(5000, told + suppressed);
	EXPECT_TRUE(log_limit_pass("up", "n4999", start_ns + LOG_LIMIT_NS));
}

TEST_F(lines, json)
{
	uint8_t bytes[512];
	json_t *object;

	log_setup(CORE_LOG_DEBUG, true);
	log_event(CORE_LOG_DEBUG, "e", "t\xff\"", fields(bytes, sizeof(bytes)));
	object = json_loads(SAID(), JSON_REJECT_DUPLICATES, NULL);
	ASSERT_NE(NULL, object)
	{
		TH_LOG("%s", self->text);
	}
	EXPECT_STREQ("debug",
		     json_string_value(json_object_get(object, "level")));
	EXPECT_STREQ("e", json_string_value(json_object_get(object, "event")));
	EXPECT_STREQ("t\xef\xbf\xbd\"",
		     json_string_value(json_object_get(object, "text")));
	EXPECT_EQ(2, json_array_size(json_object_get(object, "addresses")));
	EXPECT_EQ(-5, json_integer_value(json_object_get(object, "error")));
	EXPECT_STREQ("two words \"quoted\"\n",
		     json_string_value(json_object_get(object, "reason")));
	EXPECT_STREQ("c", json_string_value(json_object_get(
				  json_object_get(object, "spec"), "cluster")));
	json_decref(object);
}

TEST_F(lines, under_systemd)
{
	char stream[64];
	struct stat st;

	ASSERT_EQ(0, fstat(2, &st));
	snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev,
		 (unsigned long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup(CORE_LOG_DEBUG, false);
	log_text(CORE_LOG_ERROR, "a", "%s", "");
	log_text(CORE_LOG_WARNING, "b", "%s", "");
	log_text(CORE_LOG_INFO, "c", "%s", "");
	log_text(CORE_LOG_DEBUG, "d", "%s", "");
	EXPECT_STREQ("<3>a\n<4>b\n<6>c\n<7>d\n", SAID());
	/* Somebody else's stream: nobody would strip the prefix. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_setup(CORE_LOG_DEBUG, false);
	log_text(CORE_LOG_INFO, "c", "%s", "");
	EXPECT_NE('<', SAID()[0]);
	unsetenv("JOURNAL_STREAM");
}

/* What does not fit is left out as a whole: the JSON stays one object. */
TEST_F(lines, any_bytes_give_a_whole_line)
{
	static uint8_t bytes[6000];
	char long_text[3000];
	unsigned int seed;
	json_t *object;
	size_t i;

	log_setup(CORE_LOG_DEBUG, true);
	for (seed = 1; seed < 300; seed++) {
		struct tlv_writer w;
		size_t marks[2], depth = 0;

		srandom(seed);
		tlv_writer_init(&w, bytes, sizeof(bytes));
		while (!w.full && w.used_bytes < (size_t)random() % 6000) {
			uint8_t value[400];
			long kind = random() % 10;

			for (i = 0; i < sizeof(value); i++)
				value[i] = (uint8_t)random();
			if (kind == 0 && depth < 2)
				marks[depth++] = tlv_begin(&w, SKERRY_K_SPEC);
			else if (kind == 1 && depth)
				tlv_end(&w, marks[--depth]);
			else
				tlv_put(&w, (uint16_t)(random() % 200), value,
					(size_t)random() %
						(kind < 5 ? 18 : 400));
		}
		while (depth)
			tlv_end(&w, marks[--depth]);
		memset(long_text, 0, sizeof(long_text));
		for (i = 0; i < (size_t)random() % sizeof(long_text); i++)
			long_text[i] = (char)(1 + random() % 255);
		long_text[sizeof(long_text) - 1] = 0;
		log_event(CORE_LOG_INFO, "e", long_text,
			  (struct core_bytes) { bytes, w.used_bytes });
		SAID();
		ASSERT_LE(strlen(self->text), 4096);
		ASSERT_EQ('\n', self->text[strlen(self->text) - 1]);
		object = json_loads(self->text, JSON_REJECT_DUPLICATES, NULL);
		ASSERT_NE(NULL, object)
		{
			TH_LOG("seed %u: %s", seed, self->text);
		}
		json_decref(object);
	}
}

TEST_F(lines, a_reader_that_stops_is_not_waited_for)
{
	int i, flags;

	/* A blocking end, as stderr usually is. */
	flags = fcntl(2, F_GETFL);
	fcntl(2, F_SETFL, flags & ~O_NONBLOCK);
	log_setup(CORE_LOG_INFO, false);
	alarm(5);
	for (i = 0; i < 5000; i++)
		log_text(CORE_LOG_INFO, "e", "a line that fills the pipe");
	alarm(0);
	while (read(self->pipe[0], self->text, sizeof(self->text)) > 0)
		;
	log_text(CORE_LOG_INFO, "e", "next");
	EXPECT_NE(NULL, strstr(SAID(), " text=next lines_lost="));
	log_text(CORE_LOG_INFO, "e", "next");
	EXPECT_EQ(NULL, strstr(SAID(), "lines_lost"));
}

TEST_F(lines, once_a_minute)
{
	const uint64_t minute = 60000000000ULL;
	char subject[16];
	int i, said = 0;

	EXPECT_TRUE(log_once("bad", "a", 5));
	EXPECT_FALSE(log_once("bad", "a", 6));
	EXPECT_TRUE(log_once("bad", "b", 6));
	EXPECT_TRUE(log_once("worse", "a", 6));
	EXPECT_FALSE(log_once("bad", "a", minute));
	EXPECT_TRUE(log_once("bad", "a", minute + 5));
	/* A stranger with many names gets no line for each. */
	for (i = 0; i < 100000; i++) {
		snprintf(subject, sizeof(subject), "%d", i);
		said += log_once("flood", subject, 2 * minute);
	}
	EXPECT_LE(said, 256);
	EXPECT_GE(said, 100);
}

TEST_HARNESS_MAIN
