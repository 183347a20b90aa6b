// SPDX-License-Identifier: GPL-2.0-only
/* Settings: defaults, file, flags, and every mistake with its place. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/config/config.h"
#include "kselftest_harness.h"

static const uint8_t loopback_v4[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };

FIXTURE(config)
{
	char dir[64];
	char path[128];
	char key[128];
	char *said; /* what was written to errors */
	size_t said_size;
	FILE *errors;
	struct agent_config *config;
	bool check;
};

FIXTURE_SETUP(config)
{
	strcpy(self->dir, "/tmp/skerry-config-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->path, sizeof(self->path), "%s/c", self->dir);
	snprintf(self->key, sizeof(self->key), "%s/key", self->dir);
	self->errors = open_memstream(&self->said, &self->said_size);
	self->config = malloc(sizeof(*self->config));
}

FIXTURE_TEARDOWN(config)
{
	fclose(self->errors);
	free(self->said);
	free(self->config);
	unlink(self->path);
	unlink(self->key);
	rmdir(self->dir);
}

static void put(const char *path, const void *data, size_t size, mode_t mode)
{
	int fd;

	/* An earlier one may be closed to its owner too. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    fchmod(fd, mode) != 0)
		abort();
	close(fd);
}

/* Load a file with this text and these flags (NULL-terminated). */
#define LOAD(text, ...)                                                        \
	({                                                                     \
		char *argv_[] = { "skerryd", "--config", self->path,           \
				  ##__VA_ARGS__, NULL };                       \
		int argc_ = 0, error_;                                         \
                                                                               \
		put(self->path, text, strlen(text), 0644);                     \
		while (argv_[argc_])                                           \
			argc_++;                                               \
		rewind(self->errors);                                          \
		error_ = config_load(self->config, argc_, argv_, self->errors, \
				     &self->check);                            \
		fputc(0, self->errors);                                        \
		fflush(self->errors);                                          \
		error_;                                                        \
	})

#define SAID(text)                                         \
	do {                                               \
		if (!strstr(self->said, text))             \
			TH_LOG("it said: %s", self->said); \
		EXPECT_NE(NULL, strstr(self->said, text)); \
	} while (0)

static unsigned int lines(const char *text)
{
	unsigned int count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

TEST_F(config, defaults)
{
	struct core_config *core = &self->config->core;

	ASSERT_EQ(0, LOAD(""));
	EXPECT_EQ(0, strncmp(core->name, "skerry@", 7));
	EXPECT_STREQ("skerry", core->cluster);
	EXPECT_STREQ("full", core->overlay);
	EXPECT_EQ(17280, core->port_base);
	EXPECT_EQ(2, core->channel_count);
	EXPECT_STREQ("membership", core->channels[0].name);
	EXPECT_STREQ("default", core->channels[1].name);
	EXPECT_EQ(1, core->channels[1].parallelism);
	EXPECT_EQ(500, core->heartbeat_ms);
	EXPECT_EQ(3000, core->down_after_ms);
	EXPECT_EQ(3600000, core->cut_max_ms);
	EXPECT_EQ(50, core->cut_share_percent);
	EXPECT_EQ(0, core->address_count);
	EXPECT_FALSE(core->has_key);
	EXPECT_FALSE(self->config->listen_given);
	EXPECT_STREQ("/run/skerry", self->config->run_dir);
	EXPECT_STREQ("/var/lib/skerry", self->config->state_dir);
	EXPECT_EQ((void *)self->config->pin_root,
		  (void *)self->config->kernel.pin_root);
	EXPECT_EQ((void *)core->name, (void *)self->config->kernel.node);
	EXPECT_EQ(17280, self->config->kernel.port_base);
	EXPECT_EQ(10000, self->config->kernel.lease_ms);
	EXPECT_EQ(CORE_LOG_INFO, self->config->log_level);
	EXPECT_STREQ(self->path, self->config->file);
	EXPECT_FALSE(self->check);
}

TEST_F(config, every_key)
{
	static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415"
				  "161718191A1B1C1D1E1F\n";
	struct core_config *core = &self->config->core;
	char text[2048];
	int i;

	put(self->key, hex, strlen(hex), 0600);
	snprintf(text, sizeof(text),
		 "# all of them\n"
		 "[node]\n"
		 "name = a@one\n"
		 "tag = rack-1\n"
		 "  tag = ssd   ; indented and with a comment\n"
		 "on_stop = leave\n"
		 "[cluster]\n"
		 "name = blue\n"
		 "key_file = %s\n"
		 "[listen]\n"
		 "address = 10.0.0.1\n"
		 "address = fd00::1\n"
		 "port = 20480\n"
		 "[join]\n"
		 "contact = b@two=10.0.0.2:20480\n"
		 "contact = [fd00::3]:17408\n"
		 "contact = 10.0.0.4\n"
		 "takeover = yes\n"
		 "[overlay]\n"
		 "name = full\n"
		 "[detector]\n"
		 "heartbeat = 200ms\n"
		 "ping_after = 1s\n"
		 "down_after = 1m\n"
		 "[partition]\n"
		 "max_for = 2h\n"
		 "share = 30%%\n"
		 "always_open = udp:53\n"
		 "always_open = tcp:443\n"
		 "[kernel]\n"
		 "disable = tcx, timer\n"
		 "disable = sk_assign\n"
		 "pin_root = /sys/fs/bpf/other\n"
		 "device = eth0\n"
		 "device = lo\n"
		 "none = no\n"
		 "[channel \"bulk\"]\n"
		 "parallelism = 4\n"
		 "transport = stream\n"
		 "priority = 0\n"
		 "monotonic = no\n"
		 "compression = no\n"
		 "[channel \"fast\"]\n"
		 "transport = datagram\n"
		 "[channel \"bare\"]\n"
		 "[channel \"default\"]\n"
		 "parallelism = 2\n"
		 "[api]\n"
		 "run_dir = /tmp/r\n"
		 "group = root\n"
		 "admin_group = root\n"
		 "[state]\n"
		 "dir = /tmp/s\n"
		 "[log]\n"
		 "level = debug\n"
		 "format = json",
		 self->key);
	EXPECT_EQ(0, LOAD(text));
	if (self->said[0])
		TH_LOG("%s", self->said);
	EXPECT_STREQ("a@one", core->name);
	EXPECT_EQ(2, core->tag_count);
	EXPECT_STREQ("ssd", core->tags[1]);
	EXPECT_TRUE(core->leave_on_stop);
	EXPECT_STREQ("blue", core->cluster);
	EXPECT_TRUE(core->has_key);
	EXPECT_TRUE(self->config->has_key);
	for (i = 0; i < CONFIG_KEY_BYTES; i++)
		EXPECT_EQ(i, self->config->key[i]);
	EXPECT_TRUE(self->config->listen_given);
	EXPECT_EQ(2, core->address_count);
	EXPECT_EQ(10, core->addresses[0].ip[12]);
	EXPECT_EQ(20480, core->addresses[0].port);
	EXPECT_EQ(0xfd, core->addresses[1].ip[0]);
	EXPECT_EQ(3, core->contact_count);
	/* What is named replaces what is open by default. */
	EXPECT_EQ(2, self->config->kernel.always_open_count);
	EXPECT_EQ(17, self->config->kernel.always_open[0].protocol);
	EXPECT_EQ(53, self->config->kernel.always_open[0].port);
	EXPECT_EQ(6, self->config->kernel.always_open[1].protocol);
	EXPECT_STREQ("b@two", core->contacts[0].name);
	EXPECT_EQ(20480, core->contacts[0].address.port);
	EXPECT_STREQ("", core->contacts[1].name);
	EXPECT_EQ(3, core->contacts[1].address.ip[15]);
	EXPECT_EQ(17408, core->contacts[1].address.port);
	EXPECT_EQ(17280, core->contacts[2].address.port);
	EXPECT_TRUE(core->takeover);
	EXPECT_EQ(200, core->heartbeat_ms);
	EXPECT_EQ(1000, core->ping_after_ms);
	EXPECT_EQ(60000, core->down_after_ms);
	EXPECT_EQ(7200000, core->cut_max_ms);
	EXPECT_EQ(30, core->cut_share_percent);
	EXPECT_TRUE(self->config->kernel.disabled[KERNEL_TCX]);
	EXPECT_TRUE(self->config->kernel.disabled[KERNEL_TIMER]);
	EXPECT_TRUE(self->config->kernel.disabled[KERNEL_SK_ASSIGN]);
	EXPECT_FALSE(self->config->kernel.disabled[KERNEL_BPF]);
	EXPECT_STREQ("/sys/fs/bpf/other", self->config->kernel.pin_root);
	EXPECT_EQ(2, self->config->device_count);
	EXPECT_STREQ("lo", self->config->devices[1]);
	EXPECT_EQ(5, core->channel_count);
	EXPECT_EQ(2, core->channels[1].parallelism);
	EXPECT_STREQ("bulk", core->channels[2].name);
	EXPECT_EQ(4, core->channels[2].parallelism);
	EXPECT_EQ(0, core->channels[2].priority);
	EXPECT_TRUE(core->channels[3].datagram);
	EXPECT_STREQ("bare", core->channels[4].name);
	EXPECT_STREQ("/tmp/r", self->config->run_dir);
	EXPECT_STREQ("root", self->config->group);
	EXPECT_STREQ("root", self->config->admin_group);
	EXPECT_STREQ("/tmp/s", self->config->state_dir);
	EXPECT_EQ(CORE_LOG_DEBUG, self->config->log_level);
	EXPECT_TRUE(self->config->log_json);
}

TEST_F(config, flags_outweigh_the_file)
{
	struct core_config *core = &self->config->core;

	ASSERT_EQ(0, LOAD("[node]\nname = file\ntag = f1\ntag = f2\n"
			  "[log]\nlevel = error\n[listen]\nport = 20480\n",
			  "--node-name", "flag", "--node-tag=t1", "--node-tag",
			  "t2", "--node-tag=t3", "--listen-port=20608",
			  "--node-on-stop", "leave", "--channel",
			  "x:transport=datagram", "--channel=x:parallelism=1",
			  "--join-takeover", "--no-kernel", "--record",
			  "/tmp/r", "--check-config"));
	EXPECT_STREQ("flag", core->name);
	EXPECT_EQ(3, core->tag_count);
	EXPECT_STREQ("t1", core->tags[0]);
	EXPECT_EQ(20608, core->port_base);
	EXPECT_EQ(20608, self->config->kernel.port_base);
	EXPECT_EQ(CORE_LOG_ERROR, self->config->log_level);
	EXPECT_TRUE(core->leave_on_stop);
	EXPECT_EQ(3, core->channel_count);
	EXPECT_TRUE(core->channels[2].datagram);
	EXPECT_EQ(1, core->channels[2].parallelism);
	EXPECT_TRUE(core->takeover);
	EXPECT_TRUE(self->config->kernel.none);
	EXPECT_STREQ("/tmp/r", self->config->record);
	EXPECT_TRUE(self->check);

	EXPECT_EQ(0, LOAD("", "--join-takeover", "no", "--kernel-none"));
	EXPECT_FALSE(core->takeover);
	EXPECT_TRUE(self->config->kernel.none);
}

TEST_F(config, every_mistake_is_told_with_its_line)
{
	char place[160];
	unsigned int i;

	EXPECT_EQ(-EINVAL, LOAD("colour = blue\n" /* 1 */
				"[node]\n"
				"nmae = x\n" /* 3 */
				"name = a b\n" /* 4 */
				"what is this\n" /* 5 */
				"[detector]\n"
				"heartbeat = 500\n" /* 7 */
				"down_after = 3 s\n" /* 8 */
				"[nodes]\n" /* 9 */
				"x = y\n"
				"[channel \"a b\"]\n" /* 11 */
				"[channel x]\n" /* 12 */
				"[kernel]\n"
				"disable = tcx,warp\n" /* 14 */
				"none = maybe\n" /* 15 */
				"[listen]\n"
				"port = 17281\n" /* 17 */
				"address = 0.0.0.0\n" /* 18 */
				"address = fe80::1\n" /* 19 */
				"[overlay]\n"
				"name = scamp9\n" /* 21 */
				"[overlay]\n"
				"name = full\n")); /* 23 */
	for (i = 0; i < 23; i++) {
		static const bool wrong[24] = {
			[1] = 1,  [3] = 1,  [4] = 1,  [5] = 1,
			[7] = 1,  [8] = 1,  [9] = 1,  [11] = 1,
			[12] = 1, [14] = 1, [15] = 1, [17] = 1,
			[18] = 1, [19] = 1, [21] = 1, [23] = 1,
		};

		snprintf(place, sizeof(place), "%s:%u: ", self->path, i + 1);
		EXPECT_EQ(wrong[i + 1], strstr(self->said, place) != NULL)
		{
			TH_LOG("line %u in: %s", i + 1, self->said);
		}
	}
	EXPECT_EQ(16, lines(self->said));
	SAID(":3: nmae: no such key in [node]; it has name, tag, on_stop\n");
	SAID(":7: heartbeat: 500: a number without a unit; write 200ms, 30s, "
	     "5m or 1h; 50ms to 60s\n");
	SAID(":9: [nodes]: no such section; there are [node], [cluster]");
	SAID(":14: disable: tcx,warp: no such feature: warp; known are ");
	SAID("the nearest below is 17280");
	SAID("set already at line 21");
}

TEST_F(config, flag_mistakes)
{
	EXPECT_EQ(-EINVAL, LOAD("", "--nonsense", "-x", "stray",
				"--detector-heartbeat=1d", "--channel", "x",
				"--channel=x:speed=9", "--listen-port"));
	SAID("skerryd: --nonsense: no such flag");
	SAID("skerryd: -x: not a flag");
	SAID("skerryd: stray: not a flag");
	SAID("skerryd: --detector-heartbeat=1d: 1d: unknown unit");
	SAID("skerryd: --channel: x: not NAME:KEY=VALUE");
	SAID("no such key in [channel]; it has parallelism");
	SAID("skerryd: --listen-port: needs a value");
	EXPECT_EQ(7, lines(self->said));
}

TEST_F(config, long_lines_are_refused_and_nothing_of_them_is_used)
{
	char text[700] = "[node]\nname = ok\n", *at = text + strlen(text);

	/* What stands beyond byte 199 would be a line of its own to inih. */
	memset(at, 'x', 300);
	memcpy(at, "tag = ", 6);
	memcpy(at + 199, "name=evil", 9);
	strcpy(at + 300, "\n[node]\ntag = after\n");
	EXPECT_EQ(-EINVAL, LOAD(text));
	SAID(":3: a line of more than 199 bytes; shorten it\n");
	EXPECT_EQ(1, lines(self->said));
	EXPECT_STREQ("ok", self->config->core.name);
	EXPECT_EQ(1, self->config->core.tag_count);

	/* 199 bytes are fine. */
	strcpy(text, "[node]\n");
	at = text + strlen(text);
	memset(at, ' ', 199);
	memcpy(at, "name=", 5);
	at[198] = 'n';
	strcpy(at + 199, "\r\n[join]\n");
	EXPECT_EQ(0, LOAD(text));
	EXPECT_STREQ("n", self->config->core.name);
}

TEST_F(config, keys)
{
	static const struct {
		const char *bytes;
		size_t size;
		mode_t mode;
		const char *why; /* NULL: good */
	} keys[] = {
		{ "0123456789abcdef0123456789ABCDEF", 32, 0600, NULL },
		{ "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789AB"
		  "CDEF",
		  64, 0400, NULL },
		{ "0123456789abcdef0123456789ABCDEF", 32, 0640,
		  "open to others (mode 0640)" },
		{ "0123456789abcdef0123456789ABCDEF", 32, 0604,
		  "open to others" },
		{ "0123456789abcdef0123456789ABCDE", 31, 0600, "holds no key" },
		{ "", 0, 0600, "holds no key" },
		{ "g123456789abcdef0123456789ABCDEF0123456789abcdef0123456789AB"
		  "CDEF",
		  64, 0600, "holds no key" },
		{ "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789AB"
		  "CDEF00",
		  66, 0600, "holds no key" },
	};
	char flag[200];
	size_t i;

	snprintf(flag, sizeof(flag), "--cluster-key-file=%s", self->key);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		put(self->key, keys[i].bytes, keys[i].size, keys[i].mode);
		EXPECT_EQ(keys[i].why ? -EINVAL : 0, LOAD("", flag));
		EXPECT_EQ(!keys[i].why, self->config->has_key);
		if (keys[i].why)
			SAID(keys[i].why);
	}
	unlink(self->key);
	EXPECT_EQ(-EINVAL, LOAD("", flag));
	SAID("No such file");
	EXPECT_EQ(-EINVAL, LOAD("", "--cluster-key_file=/dev/null"));
	SAID("not a regular file");
}

TEST_F(config, without_a_key_only_loopback)
{
	EXPECT_EQ(-EINVAL,
		  LOAD("[listen]\naddress = 10.0.0.1\naddress = 127.0.0.1\n"
		       "[join]\ncontact = 10.0.0.2\ncontact = localhost\n"));
	SAID(":2: address: without a key only loopback");
	SAID(":5: contact: without a key only nodes of this host");
	EXPECT_EQ(2, lines(self->said));
	EXPECT_EQ(0, LOAD("[listen]\naddress = 127.0.0.1\naddress = ::1\n"
			  "[join]\ncontact = localhost:17408\n"));
	EXPECT_EQ(0,
		  memcmp(self->config->core.addresses[0].ip, loopback_v4, 16));
	EXPECT_EQ(17408, self->config->core.contacts[0].address.port);
}

TEST_F(config, what_only_shows_together)
{
	EXPECT_EQ(-EINVAL, LOAD("[detector]\nheartbeat = 2s\n"));
	SAID("skerryd: ping_after: 1500ms is not above heartbeat, 2000ms");
	EXPECT_EQ(-EINVAL,
		  LOAD("[detector]\nping_after = 3s\ndown_after = 3s\n"));
	SAID(":3: down_after: 3000ms is not above ping_after, 3000ms");
	EXPECT_EQ(-EINVAL, LOAD("[channel \"membership\"]\n"
				"transport = datagram\n"
				"[channel \"f\"]\n"
				"transport = datagram\nparallelism = 2\n"
				"[channel \"a\"]\nparallelism = 16\n"
				"[channel \"b\"]\nparallelism = 16\n"));
	SAID("[channel \"membership\"]: transport: datagram: ");
	SAID("[channel \"f\"]: parallelism: 2: ");
	SAID("adds up to 33; at most 32");
}

TEST_F(config, channel_options)
{
	const struct core_channel *x = &self->config->core.channels[2];

	EXPECT_EQ(0, LOAD("[channel \"x\"]\npriority = 7\n"
			  "monotonic = yes\ncompression = zstd\n"));
	EXPECT_EQ(7, x->priority);
	EXPECT_TRUE(x->monotonic);
	EXPECT_TRUE(x->compression);
	EXPECT_EQ(0, LOAD("[channel \"x\"]\ncompression = yes\n"));
	EXPECT_TRUE(x->compression);
	EXPECT_EQ(0, LOAD("[channel \"x\"]\ncompression = none\n"));
	EXPECT_FALSE(x->compression);
	EXPECT_EQ(-EINVAL, LOAD("[channel \"x\"]\npriority = 8\n"
				"monotonic = maybe\ncompression = lzma\n"));
	SAID(":2: priority: 8: ");
	SAID(":3: monotonic: maybe: ");
	SAID(":4: compression: lzma: ");
	EXPECT_EQ(-EINVAL, LOAD("[channel \"x\"]\ntransport = datagram\n"
				"compression = yes\n"));
	SAID("[channel \"x\"]: compression: not on a datagram channel");
}

TEST_F(config, bounds)
{
	char text[4096] = "[node]\n";
	int i;

	for (i = 0; i < SKERRY_TAGS_MAX; i++)
		strcat(text, "tag = t\n");
	EXPECT_EQ(0, LOAD(text));
	strcat(text, "tag = one-too-many\n");
	EXPECT_EQ(-EINVAL, LOAD(text));
	SAID("a node has at most 8 tags");

	text[0] = 0;
	for (i = 0; i < SKERRY_CHANNELS_MAX - 1; i++)
		sprintf(text + strlen(text), "[channel \"c%d\"]\n", i);
	EXPECT_EQ(-EINVAL, LOAD(text));
	SAID(":15: [channel]: channel c14 is one too many; at most 16");

	text[0] = 0;
	strcpy(text, "[join]\n");
	for (i = 0; i <= SKERRY_JOINS_MAX; i++)
		sprintf(text + strlen(text), "contact = 127.0.0.1:%d\n",
			1024 + 128 * i);
	EXPECT_EQ(-EINVAL, LOAD(text));
	SAID(":66: contact: 127.0.0.1:9216: at most 64 contacts");
}

TEST_F(config, what_is_always_open)
{
	const struct kernel_config *kernel = &self->config->kernel;

	EXPECT_EQ(0, LOAD(""));
	EXPECT_EQ(1, kernel->always_open_count);
	EXPECT_EQ(6, kernel->always_open[0].protocol);
	EXPECT_EQ(22, kernel->always_open[0].port);
	EXPECT_EQ(0, LOAD("[partition]\nalways_open = none\n"));
	EXPECT_EQ(0, kernel->always_open_count);
	EXPECT_EQ(-EINVAL, LOAD("[partition]\nalways_open = sctp:9\n"));
	SAID(":2: always_open: sctp:9: neither tcp:PORT nor udp:PORT nor none");
	EXPECT_EQ(-EINVAL, LOAD("[partition]\nalways_open = tcp:0\n"));
	EXPECT_EQ(-EINVAL, LOAD("[partition]\nalways_open = tcp:65536\n"));
	EXPECT_EQ(-EINVAL, LOAD("[partition]\nalways_open = tcp\n"));
}

TEST_F(config, contacts)
{
	static const char *const bad[] = {
		"=10.0.0.1",  "a b=10.0.0.1",	"10.0.0.1:",  "10.0.0.1:17281",
		"10.0.0.1:x", "[fd00::1",	"[fd00::1]x", "::",
		"224.0.0.1",  "10.0.0.1:65535", "n=",	      ":17280",
	};
	char text[128];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[join]\ncontact = %s\n", bad[i]);
		EXPECT_EQ(-EINVAL, LOAD(text))
		{
			TH_LOG("accepted: %s", bad[i]);
		}
		SAID(":2: contact: ");
	}
	EXPECT_EQ(0, LOAD("[join]\ncontact = x:y@z=::1\n"));
	EXPECT_STREQ("x:y@z", self->config->core.contacts[0].name);
	EXPECT_EQ(17280, self->config->core.contacts[0].address.port);
}

TEST_F(config, missing_files)
{
	char *argv[] = { "skerryd", "--config", "/nonexistent/x", NULL };
	char *dir[] = { "skerryd", "--config=/", NULL };

	EXPECT_EQ(-ENOENT, config_load(self->config, 3, argv, self->errors,
				       &self->check));
	fflush(self->errors);
	SAID("skerryd: --config: /nonexistent/x: No such file");
	EXPECT_NE(0, config_load(self->config, 2, dir, self->errors,
				 &self->check));
}

/* Whatever the bytes: an answer, and nothing outside of the bounds. */
TEST_F(config, random_files)
{
	static const char *const words[] = {
		"[node]\n",  "name",	    "=",	  " = ",
		"tag",	     "\n",	    "[",	  "]",
		"\"",	     "[channel \"", "x",	  ":",
		"17280",     "ms",	    "%",	  ";",
		"#",	     "\r\n",	    "[join]\n",	  "contact",
		"127.0.0.1", "[listen]\n",  "address",	  "\xef\xbb\xbf",
		"\t",	     "yes",	    "[kernel]\n", "disable",
		",tcx",
	};
	char text[1024];
	unsigned int seed, part;

	for (seed = 1; seed < 400; seed++) {
		srandom(seed);
		text[0] = 0;
		for (part = 0; part < 80; part++)
			strcat(text, words[(size_t)random() %
					   (sizeof(words) / sizeof(*words))]);
		int error = LOAD(text);

		ASSERT_TRUE(error == 0 || error == -EINVAL);
		ASSERT_EQ(error != 0, lines(self->said) > 0);
	}
}

TEST_HARNESS_MAIN
