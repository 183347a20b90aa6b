// SPDX-License-Identifier: GPL-2.0-only
/* Fields: what is written is read back; what is malformed is refused. */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "kselftest_harness.h"

TEST(round_trip)
{
	uint8_t bytes[256];
	struct skerry_addr addr = { .ip = { 0xfd, 1 }, .port = 17280 };
	struct skerry_addr read_addr;
	struct tlv_writer w;
	struct tlv_reader r, inner;
	uint64_t number;
	char text[16];
	size_t mark;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_INCARNATION, 77);
	mark = tlv_begin(&w, SKERRY_K_SPEC);
	tlv_put_str(&w, SKERRY_K_NAME, "a@b");
	tlv_put_addr(&w, SKERRY_K_ADDRESS, &addr);
	tlv_end(&w, mark);
	ASSERT_FALSE(w.full);

	tlv_reader_init(&r, bytes, w.used_bytes);
	ASSERT_TRUE(tlv_next(&r));
	ASSERT_EQ(0, tlv_u64(&r, &number));
	ASSERT_EQ(77, number);
	ASSERT_TRUE(tlv_next(&r));
	ASSERT_EQ(SKERRY_K_SPEC, r.key);
	tlv_reader_init(&inner, r.value, r.length);
	ASSERT_TRUE(tlv_next(&inner));
	ASSERT_EQ(0, tlv_str(&inner, text, sizeof(text)));
	ASSERT_STREQ("a@b", text);
	ASSERT_TRUE(tlv_next(&inner));
	ASSERT_EQ(0, tlv_addr(&inner, &read_addr));
	ASSERT_EQ(0, memcmp(&addr, &read_addr, sizeof(addr)));
	ASSERT_FALSE(tlv_next(&inner));
	ASSERT_FALSE(inner.bad);
	ASSERT_FALSE(tlv_next(&r));
}

TEST(every_truncation_is_seen)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	struct tlv_reader r;
	size_t cut;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NAME, "node");
	for (cut = 1; cut < w.used_bytes; cut++) {
		tlv_reader_init(&r, bytes, cut);
		ASSERT_FALSE(tlv_next(&r));
		ASSERT_TRUE(r.bad);
	}
}

TEST(a_full_writer_stays_whole)
{
	uint8_t bytes[16];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_TTL, 1);
	tlv_put_u64(&w, SKERRY_K_TTL, 2);
	ASSERT_TRUE(w.full);
	ASSERT_EQ(12, w.used_bytes);
}

TEST(wrong_lengths_leave_the_result_alone)
{
	static const uint8_t bytes[] = { SKERRY_K_TTL, 0, 1, 0, 9 };
	struct tlv_reader r;
	uint64_t number = 5;
	char text[2] = "x";

	tlv_reader_init(&r, bytes, sizeof(bytes));
	ASSERT_TRUE(tlv_next(&r));
	ASSERT_EQ(-EPROTO, tlv_u64(&r, &number));
	ASSERT_EQ(5, number);
	ASSERT_EQ(-EPROTO, tlv_str(&r, text, 1));
	ASSERT_EQ('x', text[0]);
}

TEST(names)
{
	char longest[SKERRY_NAME_MAX_BYTES + 2];

	ASSERT_TRUE(skerry_name_valid("skerry@host-1.example:2"));
	ASSERT_FALSE(skerry_name_valid(""));
	ASSERT_FALSE(skerry_name_valid("a b"));
	memset(longest, 'a', sizeof(longest));
	longest[SKERRY_NAME_MAX_BYTES] = 0;
	ASSERT_TRUE(skerry_name_valid(longest));
	longest[SKERRY_NAME_MAX_BYTES] = 'a';
	longest[SKERRY_NAME_MAX_BYTES + 1] = 0;
	ASSERT_FALSE(skerry_name_valid(longest));
}

TEST(hex)
{
	uint8_t bytes[3] = { 0 };

	ASSERT_EQ(11, skerry_hex_digit('B'));
	ASSERT_EQ(-1, skerry_hex_digit('g'));
	ASSERT_TRUE(skerry_hex_decode("00fFa9", 6, bytes, 3));
	ASSERT_EQ(0, memcmp(bytes, "\x00\xff\xa9", 3));
	ASSERT_FALSE(skerry_hex_decode("00fFa", 5, bytes, 3));
	ASSERT_FALSE(skerry_hex_decode("00fxa9", 6, bytes, 3));
}

TEST_HARNESS_MAIN
