// SPDX-License-Identifier: GPL-2.0-only
/* How values read, in log lines, tables and JSON alike. */
#include <string.h>

#include "run/field.h"
#include "kselftest_harness.h"

static enum field_kind text_of(uint16_t key, const void *value, size_t size,
			       char out[FIELD_TEXT_BYTES])
{
	static uint8_t bytes[4096];
	enum skerry_key_type type = SKERRY_T_BYTES;
	struct tlv_reader r;
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, key, value, size);
	tlv_reader_init(&r, bytes, w.used_bytes);
	tlv_next(&r);
	skerry_key_name(key, &type, NULL);
	return field_text(&r, type, out);
}

TEST(numbers)
{
	uint64_t small = 42, large = 1ULL << 63, most = INT64_MAX;
	int64_t negative = -7;
	char out[FIELD_TEXT_BYTES];

	EXPECT_EQ(FIELD_NUMBER, text_of(SKERRY_K_TTL, &small, 8, out));
	EXPECT_STREQ("42", out);
	EXPECT_EQ(FIELD_NUMBER, text_of(SKERRY_K_TTL, &most, 8, out));
	EXPECT_STREQ("9223372036854775807", out);
	/* More than a JSON reader takes for a number. */
	EXPECT_EQ(FIELD_TEXT, text_of(SKERRY_K_TTL, &large, 8, out));
	EXPECT_STREQ("9223372036854775808", out);
	EXPECT_EQ(FIELD_NUMBER, text_of(SKERRY_K_ERROR, &negative, 8, out));
	EXPECT_STREQ("-7", out);
	/* Names, not amounts. */
	EXPECT_EQ(FIELD_TEXT, text_of(SKERRY_K_BOOT_NONCE, &small, 8, out));
	EXPECT_STREQ("000000000000002a", out);
}

TEST(others)
{
	struct skerry_addr v4 = { .ip = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
				  .port = 17280 };
	struct skerry_addr v6 = { .ip = { 0xfd, [15] = 1 }, .port = 5 };
	uint64_t time = 1700000000000042;
	char out[FIELD_TEXT_BYTES];
	uint8_t yes = 1;

	EXPECT_EQ(FIELD_TEXT, text_of(SKERRY_K_ADDRESS, &v4, sizeof(v4), out));
	EXPECT_STREQ("10.0.0.1:17280", out);
	text_of(SKERRY_K_ADDRESS, &v6, sizeof(v6), out);
	EXPECT_STREQ("[fd00::1]:5", out);
	EXPECT_EQ(FIELD_TRUTH, text_of(SKERRY_K_UP, &yes, 1, out));
	EXPECT_STREQ("true", out);
	EXPECT_EQ(FIELD_TEXT, text_of(SKERRY_K_TIME, &time, 8, out));
	EXPECT_STREQ("2023-11-14T22:13:20.000042Z", out);
	EXPECT_EQ(FIELD_TEXT, text_of(SKERRY_K_NAME, "a@b", 3, out));
	EXPECT_STREQ("a@b", out);
}

/* A value that is not what its key says is shown as it is. */
TEST(wrong_lengths)
{
	static const uint16_t keys[] = { SKERRY_K_TTL,	 SKERRY_K_ERROR,
					 SKERRY_K_UP,	 SKERRY_K_ADDRESS,
					 SKERRY_K_TIME,	 SKERRY_K_REFERENCE,
					 SKERRY_K_NONCE, SKERRY_K_SPEC };
	static uint8_t many[3000];
	char out[FIELD_TEXT_BYTES];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		EXPECT_EQ(FIELD_TEXT, text_of(keys[i], "\1\xff\0", 3, out));
		EXPECT_STREQ("01ff00", out);
		EXPECT_EQ(FIELD_TEXT, text_of(keys[i], "", 0, out));
		EXPECT_STREQ("", out);
		text_of(keys[i], many, sizeof(many), out);
		ASSERT_LT(strlen(out), FIELD_TEXT_BYTES);
		EXPECT_STREQ("...", out + strlen(out) - 3);
	}
	EXPECT_EQ(FIELD_TEXT, text_of(SKERRY_K_NAME, "a\0b", 3, out));
	EXPECT_STREQ("610062", out);
}

TEST(times)
{
	char out[40];

	field_time_text(0, out, sizeof(out));
	EXPECT_STREQ("1970-01-01T00:00:00.000000Z", out);
	field_time_text(UINT64_MAX, out, sizeof(out));
	EXPECT_EQ('Z', out[strlen(out) - 1]);
}

TEST(nothing_for_a_terminal_to_obey)
{
	char text[] = "a\x1b[2Jb\x7f\n\xc2\x9b"
		      "c\xc3\xa4\xc2\xa0";

	field_printable(text);
	EXPECT_STREQ("a?[2Jb????c\xc3\xa4\xc2\xa0", text)
	{
		TH_LOG("%s", text);
	}
}

TEST_HARNESS_MAIN
