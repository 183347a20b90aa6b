// SPDX-License-Identifier: GPL-2.0-only
/* Addresses as text, there and back; what is none is refused. */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "kselftest_harness.h"

static const struct {
	const char *text, *shown;
} good[] = {
	{ "192.0.2.1:17280", "192.0.2.1:17280" },
	{ "192.0.2.1", "192.0.2.1:17280" },
	{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
	{ "[::]:1", "[::]:1" },
	{ "[::1]", "[::1]:17280" },
	{ "[1::]:9", "[1::]:9" },
	{ "[1:2:3:4:5:6:7:8]:9", "[1:2:3:4:5:6:7:8]:9" },
	{ "[1:0:0:4:0:0:0:8]:9", "[1:0:0:4::8]:9" },
	{ "[1:2:3:4:5:6:7::]:9", "[1:2:3:4:5:6:7:0]:9" },
	{ "[::ffff:192.0.2.9]:9", "192.0.2.9:9" },
	{ "[64:ff9b::192.0.2.33]:9", "[64:ff9b::c000:221]:9" },
	{ "[FE80::ABCD]:9", "[fe80::abcd]:9" },
};

static const char *const bad[] = {
	"",
	"host",
	"192.0.2",
	"192.0.2.256:1",
	"192.0.2.1:",
	"192.0.2.1:0",
	"192.0.2.1:65536",
	"192.0.2.1:1x",
	"192.0.2.1.5:1",
	"::1",
	"[::1",
	"[]:1",
	"[1::2::3]:1",
	"[1:2:3:4:5:6:7]:1",
	"[1:2:3:4:5:6:7:8:9]:1",
	"[:1]:1",
	"[1:]:1",
	"[12345::]:1",
	"[1:2:3:4:5:6:7:1.2.3.4]:1",
	"[::g]:1",
	"99999999999999999999.1.1.1",
};

TEST(there_and_back)
{
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[ADDR_TEXT_BYTES];
		struct skerry_addr addr, again;

		ASSERT_EQ(0, addr_parse(good[i].text, &addr));
		EXPECT_STREQ(good[i].shown,
			     addr_text(&addr, text, sizeof(text)));
		ASSERT_EQ(0, addr_parse(text, &again));
		EXPECT_TRUE(addr_equal(&addr, &again));
	}
}

TEST(what_is_none_is_refused)
{
	struct skerry_addr addr = { .port = 7 };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(-EINVAL, addr_parse(bad[i], &addr))
		{
			TH_LOG("%s", bad[i]);
		}
		EXPECT_EQ(7, addr.port);
	}
}

TEST(hosts_and_ports)
{
	struct skerry_addr a, b;

	ASSERT_EQ(0, addr_parse("192.0.2.1:1", &a));
	ASSERT_EQ(0, addr_parse("192.0.2.1:2", &b));
	EXPECT_TRUE(addr_same_host(&a, &b));
	EXPECT_FALSE(addr_equal(&a, &b));
	b.ip[15] = 2;
	EXPECT_FALSE(addr_same_host(&a, &b));
}

TEST_HARNESS_MAIN
