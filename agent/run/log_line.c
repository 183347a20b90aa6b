// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* log_line.c - see log_line.h. */
#include "log_line.h"

#include <stdio.h>
#include <string.h>

#include "field.h"

/* Room kept for what closes a line: braces of two levels and the newline. */
#define RESERVE_BYTES 8
#define NEST_MAX 2

void log_line_init(struct log_line *line, bool json)
{
	line->used = 0;
	line->json = json;
	line->full = false;
	line->inner = false;
}

static void put_bytes(struct log_line *line, const char *data, size_t size)
{
	if (line->full || LOG_LINE_BYTES - RESERVE_BYTES - line->used < size) {
		line->full = true;
		return;
	}
	memcpy(line->data + line->used, data, size);
	line->used += size;
}

/* Closing characters come out of the reserve. */
static void put_closing(struct log_line *line, char c)
{
	if (line->used < LOG_LINE_BYTES)
		line->data[line->used++] = c;
}

void log_line_raw(struct log_line *line, const char *text)
{
	if (text[0] == '}' && !text[1])
		put_closing(line, '}');
	else
		put_bytes(line, text, strlen(text));
}

/* How many bytes of well-formed UTF-8 begin here, 0: none. */
static size_t utf8_length(const uint8_t *at)
{
	size_t length, i;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] < 0xe0)
		length = 2;
	else if ((at[0] & 0xf0) == 0xe0)
		length = 3;
	else if (at[0] >= 0xf0 && at[0] < 0xf5)
		length = 4;
	else
		return 0;
	for (i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms and surrogates. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) ||
	    (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

void log_line_text(struct log_line *line, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	char escaped[8];
	size_t length;

	while (*at) {
		length = utf8_length(at);
		if (*at == '"' || *at == '\\') {
			escaped[0] = '\\';
			escaped[1] = (char)*at;
			put_bytes(line, escaped, 2);
		} else if (*at < 0x20 || *at == 0x7f || !length) {
			snprintf(escaped, sizeof(escaped),
				 length ? "\\u%04x" : "\\ufffd", *at);
			put_bytes(line, escaped, 6);
		} else if (*at == 0xc2 && at[1] < 0xa0) {
			/* Control characters too, to some terminals. */
			snprintf(escaped, sizeof(escaped), "\\u%04x", at[1]);
			put_bytes(line, escaped, 6);
		} else {
			put_bytes(line, (const char *)at, length);
		}
		at += length ? length : 1;
	}
}

static void put_key(struct log_line *line, const char *key)
{
	if (line->json) {
		put_bytes(line, ",\"", line->inner ? 0 : 1);
		put_bytes(line, "\"", 1);
		put_bytes(line, key, strlen(key));
		put_bytes(line, "\":", 2);
	} else {
		if (!line->inner)
			put_bytes(line, " ", 1);
		put_bytes(line, key, strlen(key));
		put_bytes(line, "=", 1);
	}
	line->inner = false;
}

/* Text needs quotes only where it would be read as something else. */
static void put_string(struct log_line *line, const char *value)
{
	bool quote = line->json || !value[0] || strpbrk(value, " \"\\=,{}\t\n");

	if (quote)
		put_bytes(line, "\"", 1);
	log_line_text(line, value);
	if (quote)
		put_bytes(line, "\"", 1);
}

/* Take back a field that did not fit. */
static void settle(struct log_line *line, size_t mark, bool inner)
{
	if (!line->full)
		return;
	line->used = mark;
	line->full = false;
	line->inner = inner;
}

void log_line_string(struct log_line *line, const char *key, const char *value)
{
	size_t mark = line->used;
	bool inner = line->inner;

	put_key(line, key);
	put_string(line, value);
	settle(line, mark, inner);
}

void log_line_number(struct log_line *line, const char *key, uint64_t value)
{
	size_t mark = line->used;
	bool inner = line->inner;
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_key(line, key);
	put_bytes(line, text, strlen(text));
	settle(line, mark, inner);
}

static void put_fields(struct log_line *line, const void *data, size_t size,
		       int depth);

static void put_value(struct log_line *line, const struct tlv_reader *r,
		      enum skerry_key_type type, int depth)
{
	char text[FIELD_TEXT_BYTES];

	if (type == SKERRY_T_NEST && depth < NEST_MAX) {
		put_bytes(line, "{", 1);
		put_fields(line, r->value, r->length, depth + 1);
		put_bytes(line, "}", 1);
		return;
	}
	if (field_text(r, type, text) == FIELD_TEXT)
		put_string(line, text);
	else
		put_bytes(line, text, strlen(text));
}

/* All values of a list, from its first field on. */
static void put_list(struct log_line *line, struct tlv_reader r,
		     enum skerry_key_type type, int depth)
{
	uint16_t key = r.key;
	bool first = true;

	put_bytes(line, "[", line->json ? 1 : 0);
	do {
		if (r.key != key)
			continue;
		put_bytes(line, ",", first ? 0 : 1);
		first = false;
		put_value(line, &r, type, depth);
	} while (tlv_next(&r));
	put_bytes(line, "]", line->json ? 1 : 0);
}

static void put_fields(struct log_line *line, const void *data, size_t size,
		       int depth)
{
	struct tlv_reader r, first;
	bool list;

	line->inner = depth > 0;
	tlv_reader_init(&r, data, size);
	while (tlv_next(&r)) {
		enum skerry_key_type type = SKERRY_T_BYTES;
		const char *name = skerry_key_name(r.key, &type, &list);
		size_t mark = line->used;
		bool inner = line->inner;

		/* The line begins with these two. */
		if (depth == 0 &&
		    (r.key == SKERRY_K_TIME || r.key == SKERRY_K_EVENT))
			continue;
		/* A list is written whole where it begins; a key that must
		 * not be repeated counts once. */
		if (!name || !tlv_find(data, size, r.key, &first) ||
		    first.value != r.value)
			continue;
		put_key(line, name);
		if (list)
			put_list(line, r, type, depth);
		else
			put_value(line, &r, type, depth);
		if (depth == 0)
			settle(line, mark, inner);
	}
	line->inner = false;
}

void log_line_tlvs(struct log_line *line, struct core_bytes tlvs)
{
	put_fields(line, tlvs.data, tlvs.size_bytes, 0);
}

size_t log_line_end(struct log_line *line)
{
	put_closing(line, '\n');
	return line->used;
}
