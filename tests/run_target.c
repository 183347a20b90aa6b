// SPDX-License-Identifier: GPL-2.0-only
/* Addresses to be cut from, what of a host lies behind them, and entries read
 * as who is cut from whom. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../tools/lib/grudge.h"
#include "kselftest_harness.h"
#include "run/guard.h"
#include "skerry/ring.h"

static const char *round_trip(const char *text)
{
	static char out[LIB_TARGET_TEXT_BYTES];
	struct lib_target target;

	memset(&target, 0, sizeof(target));
	if (lib_target_parse(text, &target))
		return "refused";
	return lib_target_text(&target, out);
}

TEST(addresses)
{
	static const char *const good[] = {
		"10.0.0.7",	 "10.0.0.7:5432",     "10.0.0.0/8",
		"10.0.0.0/8:53", "0.0.0.0/0",	      "fd00::7",
		"fd00::/64",	 "[fd00::7]:5432",    "[fd00::]/64:53",
		"::/0",		 "255.255.255.255/1",
	};
	static const char *const bad[] = {
		"",
		"10.0.0",
		"10.0.0.7/33",
		"10.0.0.7:0",
		"10.0.0.7:",
		"10.0.0.7:65536",
		"10.0.0.7/",
		"fd00::/129",
		"[fd00::7",
		"[fd00::7]5432",
		"[10.0.0.7]:1",
		"host",
		"10.0.0.7:5x",
		"10.0.0.7/8x",
		"[]:1",
		"fd00::7:x",
		"10.0.0.7 ",
		"/8",
		":80",
		"1111111111111111111111111111111111111111111111111111111111111",
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		EXPECT_STREQ(good[i], round_trip(good[i]));
	EXPECT_STREQ("fd00::7", round_trip("[fd00::7]"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_STREQ("refused", round_trip(bad[i]))
		{
			TH_LOG("%zu", i);
		}
}

TEST(the_bits_of_a_prefix)
{
	struct lib_target target;

	ASSERT_EQ(0, lib_target_parse("10.0.0.0/8:53", &target));
	EXPECT_EQ(104, target.prefix_bits);
	EXPECT_EQ(53, target.address.port);
	EXPECT_EQ(10, target.address.ip[12]);
	ASSERT_EQ(0, lib_target_parse("fd00::/8", &target));
	EXPECT_EQ(8, target.prefix_bits);
}

/* Lines as the kernel writes them. */
TEST(gateways)
{
	struct skerry_addr addr;

	ASSERT_TRUE(guard_route_line("eth0\t00000000\t0100000A\t0003\t0\t0\t0"
				     "\t00000000\t0\t0\t0\n",
				     false, &addr));
	EXPECT_EQ(10, addr.ip[12]);
	EXPECT_EQ(1, addr.ip[15]);
	EXPECT_EQ(0xff, addr.ip[11]);
	/* A route to a network, one without a next hop, the first line. */
	EXPECT_FALSE(guard_route_line("eth0\t0000000A\t0100000A\t0003\t0\n",
				      false, &addr));
	EXPECT_FALSE(guard_route_line("eth0\t00000000\t00000000\t0001\t0\n",
				      false, &addr));
	EXPECT_FALSE(guard_route_line("Iface\tDestination\tGateway\n", false,
				      &addr));
	ASSERT_TRUE(guard_route_line(
		"00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00 "
		"fe800000000000000000000000000001 00000400 00000001 00000000 "
		"00000003     eth0\n",
		true, &addr));
	EXPECT_EQ(0xfe, addr.ip[0]);
	EXPECT_EQ(1, addr.ip[15]);
	EXPECT_FALSE(guard_route_line(
		"fd770000000000000000000000000000 40 "
		"00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000100 00000001 00000000 "
		"00000001     eth0\n",
		true, &addr));
	EXPECT_FALSE(guard_route_line("", true, &addr));
}

TEST(sessions)
{
	struct skerry_addr addr;

	/* 10.0.0.2:22 <- 10.0.0.9, established */
	ASSERT_TRUE(guard_tcp_line("   0: 0200000A:0016 0900000A:D431 01 "
				   "00000000:00000000 00:00000000\n",
				   false, &addr));
	EXPECT_EQ(9, addr.ip[15]);
	/* listening; to port 22 elsewhere; nonsense */
	EXPECT_FALSE(guard_tcp_line("   0: 0200000A:0016 00000000:0000 0A ",
				    false, &addr));
	EXPECT_FALSE(guard_tcp_line("   0: 0200000A:D431 0900000A:0016 01 ",
				    false, &addr));
	EXPECT_FALSE(guard_tcp_line("  sl  local_address rem_address   st ",
				    false, &addr));
	ASSERT_TRUE(guard_tcp_line(
		"   1: 000000FD000000000000000002000000:0016 "
		"000000FD000000000000000009000000:D431 01 00000000:00000000\n",
		true, &addr));
	EXPECT_EQ(0xfd, addr.ip[0]);
	EXPECT_EQ(9, addr.ip[15]);
	EXPECT_FALSE(guard_tcp_line("", true, &addr));
}

TEST(only_with_a_target)
{
	struct core_bytes none = { 0 };

	EXPECT_EQ(0, guard_look(SKERRY_CMD_INJECT, none));
	EXPECT_EQ(0, guard_look(SKERRY_CMD_JOIN, none));
}

static struct tlv_writer w;
static uint8_t bytes[1024];

static void component(const char *a, const char *b)
{
	size_t mark = tlv_begin(&w, SKERRY_K_COMPONENT);

	if (a)
		tlv_put_str(&w, SKERRY_K_NAME, a);
	else
		tlv_put_bool(&w, SKERRY_K_ALL, true);
	if (b)
		tlv_put_str(&w, SKERRY_K_NAME, b);
	tlv_end(&w, mark);
}

static void fields(const char *shape)
{
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_SHAPE, shape);
}

/* "a>b a>c ..." */
static const char *edges(int *ret_error)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct lib_grudge g = { .count = 0 };
	static char out[256];
	size_t i, k;

	for (i = 0; i < 4; i++)
		tlv_put_str(&w, SKERRY_K_PARTICIPANT, names[i]);
	lib_grudge_part(&g, w.data, w.used_bytes);
	*ret_error = lib_grudge_done(&g);
	out[0] = 0;
	for (i = 0; i < g.count && !*ret_error; i++)
		for (k = 0; k < g.count; k++)
			if (lib_grudge_cut(&g, i, k))
				sprintf(out + strlen(out), "%s%s>%s",
					out[0] ? " " : "", g.nodes[i].name,
					g.nodes[k].name);
	if (lib_grudge_find(&g, "nobody") != -1)
		*ret_error = -EINVAL;
	lib_grudge_free(&g);
	return out;
}

TEST(grudges)
{
	uint8_t bits[] = { 0x0a }; /* of b, a: b to a; and what is too much */
	int error;

	fields("isolate");
	component("b", NULL);
	component(NULL, NULL);
	EXPECT_STREQ("a>b b>a b>c b>d c>b d>b", edges(&error));
	EXPECT_EQ(0, error);
	fields("around");
	component("a", NULL);
	component("b", NULL);
	component(NULL, NULL);
	EXPECT_STREQ("a>b a>c a>d b>a b>c b>d c>a c>b d>a d>b", edges(&error));
	fields("split");
	component("a", "c");
	component("b", NULL);
	EXPECT_STREQ("a>b b>a b>c c>b", edges(&error));
	fields("one-way");
	tlv_put_bool(&w, SKERRY_K_ONE_WAY, true);
	component("a", "c");
	component("b", NULL);
	EXPECT_STREQ("a>b c>b", edges(&error));
	/* Bits are in the order of the names, whatever that is. */
	fields("matrix");
	component("b", "a");
	bits[0] = 1U << 1;
	tlv_put(&w, SKERRY_K_MATRIX, bits, 1);
	EXPECT_STREQ("b>a", edges(&error));
	EXPECT_EQ(0, error);
	fields("matrix");
	component("b", "a");
	tlv_put(&w, SKERRY_K_MATRIX, bits, 0);
	edges(&error);
	EXPECT_EQ(-EPROTO, error);
}

TEST_HARNESS_MAIN
