// SPDX-License-Identifier: GPL-2.0-only
/* skerry-replay, on the life of a core that is recorded here. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "build_dir.h"
#include "core.h"
#include "coreconf.h"
#include "trace/trace.h"

#define ROOM (8U << 20)

static uint8_t bytes[ROOM];

static struct skerry_addr at(uint8_t last_byte, uint16_t port)
{
	return (struct skerry_addr) {
		.ip = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = last_byte },
		.port = port,
	};
}

static struct core_config some_config(void)
{
	struct core_config config;

	coreconf_init(&config, "n", "c");
	memcpy(config.machine_id, "\1\2\3", 3);
	config.addresses[0] = at(7, 0);
	config.address_count = 1;
	coreconf_channel(&config, "default", 4, false);
	config.contacts[0] = (struct core_contact) { "peer", at(8, 17280) };
	config.contact_count = 1;
	config.members_max = 16;
	return config;
}

/* Not a good hash, but a function of key and parts. */
static void sum_parts(void *data, const struct core_bytes *parts, size_t count,
		      uint8_t ret_mac[32])
{
	size_t i, n;

	memset(ret_mac, *(const uint8_t *)data, 32);
	for (i = 0; i < count; i++)
		for (n = 0; n < parts[i].size_bytes; n++)
			ret_mac[n % 32] =
				(uint8_t)(ret_mac[n % 32] * 31 +
					  ((const uint8_t *)parts[i].data)[n]);
}

static char directory[64];

static void write_file(const char *name, const void *data, size_t size_bytes)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (!file || fwrite(data, 1, size_bytes, file) != size_bytes ||
	    fclose(file))
		abort();
}

/* The exit code; what it says is in DIRECTORY/out. */
static int replay(const char *arguments)
{
	char line[PATH_MAX];
	int status;

	snprintf(line, sizeof(line),
		 "cd %s && exec %s/skerry-replay %s >out 2>&1", directory,
		 build_dir(), arguments);
	fflush(NULL);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool said(const char *what)
{
	static char text[65536];
	char path[128];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/out", directory);
	file = fopen(path, "r");
	if (!file)
		abort();
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = 0;
	fclose(file);
	if (!strstr(text, what))
		printf("# said: %.2000s\n", text);
	return strstr(text, what) != NULL;
}

static int remove_directory(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r %s", directory);
	return system(line);
}

static struct tlv_writer tape;

static void step(struct core *core, struct core_event *event)
{
	struct core_update update;
	int error;

	do {
		error = core_step(core, event, &update);
		trace_step(&tape, event, error, &update);
		if (error)
			return;
		event->type = EV_TICK;
	} while (update.more);
}

/* A node alone that starts, is asked, and lives for ten seconds. */
static void record_life(const struct core_hmac *hmac)
{
	struct core_limits limits = { 16, 4, 16, 16, 64 };
	struct core_config config = some_config();
	struct core_event event;
	struct core *core;
	size_t mark;
	int i;

	tlv_writer_init(&tape, bytes + TRACE_MAGIC_BYTES,
			ROOM - TRACE_MAGIC_BYTES);
	memcpy(bytes, TRACE_MAGIC, TRACE_MAGIC_BYTES);
	mark = trace_record_begin(&tape, TRACE_SETUP);
	trace_setup(&tape, &limits, hmac);
	trace_record_end(&tape, mark);
	core = core_init(aligned_alloc(16,
				       (core_size(&limits) + 15) & ~(size_t)15),
			 &limits, hmac);
	config.has_key = hmac != NULL;
	memset(&event, 0, sizeof(event));
	event.type = EV_START;
	event.now_ns = 1000000000;
	event.wall_us = 1700000000000000;
	event.start.config = &config;
	event.start.seed = 42;
	step(core, &event);
	for (i = 1; i < 100; i++) {
		memset(&event, 0, sizeof(event));
		event.type = i == 1 ? EV_PERSISTED : EV_TICK;
		event.token = i == 1;
		event.now_ns = 1000000000 + (uint64_t)i * 100000000;
		event.wall_us = 1700000000000000 + (uint64_t)i * 100000;
		step(core, &event);
	}
	memset(&event, 0, sizeof(event));
	event.type = EV_LANE_UP;
	event.lane = 999; /* not there: refused */
	event.now_ns = 12000000000;
	step(core, &event);
	free(core);
}

/* Of the record there, its length included. */
static size_t record_bytes(const uint8_t *at)
{
	uint32_t length;

	memcpy(&length, at, sizeof(length));
	return sizeof(length) + length;
}

TEST(replay_tool)
{
	size_t size, gone;
	uint8_t *at;

	strcpy(directory, "/tmp/skerry-trace-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(directory));
	record_life(NULL);
	ASSERT_FALSE(tape.full);
	size = TRACE_MAGIC_BYTES + tape.used_bytes;
	write_file("good", bytes, size);
	ASSERT_EQ(0, replay("good"));
	ASSERT_TRUE(said("steps agree"));
	ASSERT_EQ(0, replay("--text good"));
	ASSERT_TRUE(said("1 1.000000000 start"));
	ASSERT_TRUE(said("    persist"));

	/* Killed while writing. */
	write_file("short", bytes, size - 3);
	ASSERT_EQ(0, replay("short"));
	ASSERT_TRUE(said("ends inside of step"));

	/* The last byte of the first operation with bytes in it. */
	at = bytes + TRACE_MAGIC_BYTES;
	while (at[4] != TRACE_OP || record_bytes(at) < 64)
		at += record_bytes(at);
	at[record_bytes(at) - 1] ^= 1;
	write_file("changed", bytes, size);
	ASSERT_EQ(1, replay("changed"));
	ASSERT_TRUE(said("an operation is another one now"));
	ASSERT_TRUE(said("recorded: "));
	ASSERT_TRUE(said("now:      "));
	at[record_bytes(at) - 1] ^= 1;

	/* An operation that was not recorded, one that is not done. */
	gone = record_bytes(at);
	memmove(at, at + gone, (size_t)(bytes + size - at) - gone);
	write_file("fewer", bytes, size - gone);
	ASSERT_NE(0, replay("fewer"));

	ASSERT_EQ(2, replay("nothing"));
	write_file("other", "SKTRACE\2hello", 13);
	ASSERT_EQ(2, replay("other"));
	ASSERT_TRUE(said("no recording of this version"));
	ASSERT_EQ(2, replay(""));
	ASSERT_EQ(2, replay("good good"));
	ASSERT_EQ(2, replay("--nonsense good"));
	ASSERT_EQ(0, replay("--help"));
	ASSERT_TRUE(said("--key FILE"));

	ASSERT_EQ(0, remove_directory());
}

TEST(replay_needs_the_key)
{
	uint8_t key = 1;
	struct core_hmac hmac = { &key, sum_parts };

	strcpy(directory, "/tmp/skerry-trace-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(directory));
	record_life(&hmac);
	write_file("keyed", bytes, TRACE_MAGIC_BYTES + tape.used_bytes);
	write_file("key", "0123456789abcdef0123456789abcdef", 32);
	write_file("nokey", "0123456789abcdef", 16);
	ASSERT_EQ(2, replay("keyed"));
	ASSERT_TRUE(said("--key"));
	ASSERT_EQ(2, replay("--key nokey keyed"));
	ASSERT_TRUE(said("holds no key"));
	ASSERT_EQ(2, replay("--key missing keyed"));
	ASSERT_EQ(2, replay("--key key keyed"));
	ASSERT_TRUE(said("is not the key"));
	ASSERT_EQ(0, remove_directory());
}

TEST_HARNESS_MAIN
