// SPDX-License-Identifier: GPL-2.0-only
/* [join] dns, srv, dns_server, dns_period: what is taken and what is not. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/config/config.h"
#include "kselftest_harness.h"

static struct agent_config config;
static char said[8192];

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

/* Load `lines` of [join], with a key or without, and one flag or none. */
static int load(const char *lines, bool keyed, char *flag)
{
	char dir[] = "/tmp/skerry-config.XXXXXX", file[64], key[64];
	char *argv[] = { "skerryd", "--config", file, flag, NULL };
	static char text[8192];
	FILE *errors = fmemopen(said, sizeof(said), "w");
	bool check = false;
	int rv;

	if (!mkdtemp(dir) || !errors)
		abort();
	snprintf(file, sizeof(file), "%s/conf", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	put(key,
	    "000102030405060708090a0b0c0d0e0f"
	    "101112131415161718191a1b1c1d1e1f\n",
	    0600);
	snprintf(text, sizeof(text), "%s%s\n[join]\n%s",
		 keyed ? "[cluster]\nkey_file = " : "", keyed ? key : "",
		 lines);
	put(file, text, 0644);
	memset(said, 0, sizeof(said));
	rv = config_load(&config, flag ? 4 : 3, argv, errors, &check);
	fclose(errors);
	unlink(file);
	unlink(key);
	rmdir(dir);
	return rv;
}

/* Refused, with these words. */
static bool refused(const char *line, const char *words)
{
	if (load(line, true, NULL) == 0)
		return false;
	if (strstr(said, words))
		return true;
	fprintf(stderr, "# %s: it said: %s\n", line, said);
	return false;
}

TEST(what_is_taken)
{
	const struct discovery_config *d = &config.discovery;

	ASSERT_EQ(0, load("dns = nodes.example.org\n"
			  "srv = _skerry._tcp.example.org.\n"
			  "dns = a-b.c_d.:17408\n"
			  "dns_period = 5m\n"
			  "dns_server = 10.0.0.53\n"
			  "dns_server = [fd00::53]:5353\n"
			  "dns_server = fd00::54\n",
			  true, NULL));
	ASSERT_EQ(3, d->source_count);
	EXPECT_STREQ("nodes.example.org", d->sources[0].name);
	EXPECT_EQ(17280, d->sources[0].port);
	EXPECT_FALSE(d->sources[0].srv);
	EXPECT_STREQ("_skerry._tcp.example.org.", d->sources[1].name);
	EXPECT_TRUE(d->sources[1].srv);
	EXPECT_STREQ("a-b.c_d.", d->sources[2].name);
	EXPECT_EQ(17408, d->sources[2].port);
	EXPECT_EQ(300000, d->period_ms);
	ASSERT_EQ(3, d->server_count);
	EXPECT_EQ(53, d->servers[0].port);
	EXPECT_EQ(5353, d->servers[1].port);
	EXPECT_EQ(0x53, d->servers[1].ip[15]);
	EXPECT_EQ(53, d->servers[2].port);
	ASSERT_EQ(0, load("", true, NULL));
	EXPECT_EQ(0, d->source_count);
	EXPECT_EQ(30000, d->period_ms);
}

TEST(flags_replace_their_own_list)
{
	const struct discovery_config *d = &config.discovery;

	ASSERT_EQ(0, load("dns = one.test\nsrv = _s._tcp.test\ndns = two.test",
			  true, "--join-dns=three.test"));
	ASSERT_EQ(2, d->source_count);
	EXPECT_STREQ("_s._tcp.test", d->sources[0].name);
	EXPECT_STREQ("three.test", d->sources[1].name);
}

TEST(what_is_refused)
{
	char line[600], label[80];

	EXPECT_TRUE(refused("dns = 10.0.0.1", "an address is no name"));
	EXPECT_TRUE(refused("dns = a..b", "an empty part"));
	EXPECT_TRUE(refused("dns = .", "an empty part"));
	EXPECT_TRUE(refused("dns = a b", "not a name of DNS"));
	EXPECT_TRUE(refused("dns = a/b", "not a name of DNS"));
	EXPECT_TRUE(refused("dns = :17280", "no name"));
	EXPECT_TRUE(refused("dns = a:17281", "not the first of a block"));
	EXPECT_TRUE(refused("dns = a:80", "not a number from 1024"));
	EXPECT_TRUE(refused("srv = skerry.test", "a service begins with _"));
	EXPECT_TRUE(refused("srv = _s._tcp.test:17280", "not a name of DNS"));
	EXPECT_TRUE(refused("dns_server = ns.test", "not ADDRESS[:PORT]"));
	EXPECT_TRUE(refused("dns_server = 10.0.0.1:0", "not ADDRESS[:PORT]"));
	EXPECT_TRUE(refused("dns_period = 500ms", "out of range"));
	memset(label, 'a', 64);
	label[64] = 0;
	snprintf(line, sizeof(line), "dns = %s.test", label);
	EXPECT_TRUE(refused(line, "more than 63 bytes"));
}

TEST(how_many)
{
	char lines[1024] = "";
	int i;

	for (i = 0; i < 8; i++)
		strcat(lines, i % 2 ? "dns = a.test\n" : "srv = _a.test\n");
	ASSERT_EQ(0, load(lines, true, NULL));
	EXPECT_EQ(8, config.discovery.source_count);
	strcat(lines, "dns = one.more\n");
	EXPECT_TRUE(refused(lines, "too many names"));
	lines[0] = 0;
	for (i = 0; i < 5; i++)
		strcat(lines, "dns_server = 10.0.0.1\n");
	EXPECT_TRUE(refused(lines, "at most 4 servers"));
}

/* Who has no key believes anybody: nobody is looked for then. */
TEST(not_without_a_key)
{
	EXPECT_NE(0,
		  load("dns = nodes.test\nsrv = _s._tcp.test\n", false, NULL));
	EXPECT_NE(NULL, strstr(said, "conf:3: dns: without a key"));
	EXPECT_NE(NULL, strstr(said, "conf:4: srv: without a key"));
}

TEST_HARNESS_MAIN
