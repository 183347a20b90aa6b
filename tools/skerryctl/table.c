// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* table.c - rows for people; see print.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "run/field.h"

#define COLUMNS_MAX 16
#define CELL_BYTES 256

static void duration_text(uint64_t ms, char out[CELL_BYTES])
{
	if (ms < 10000)
		snprintf(out, CELL_BYTES, "%llu.%llus",
			 (unsigned long long)(ms / 1000),
			 (unsigned long long)(ms % 1000 / 100));
	else if (ms < 120000)
		snprintf(out, CELL_BYTES, "%llus",
			 (unsigned long long)(ms / 1000));
	else if (ms < 7200000)
		snprintf(out, CELL_BYTES, "%llum%02llus",
			 (unsigned long long)(ms / 60000),
			 (unsigned long long)(ms / 1000 % 60));
	else
		snprintf(out, CELL_BYTES, "%lluh%02llum",
			 (unsigned long long)(ms / 3600000),
			 (unsigned long long)(ms / 60000 % 60));
}

static void bytes_text(uint64_t bytes, char out[CELL_BYTES])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	uint64_t tenths = bytes * 10;
	unsigned int unit = 0;

	if (bytes < 1024 || bytes > UINT64_MAX / 10) {
		snprintf(out, CELL_BYTES, "%lluB", (unsigned long long)bytes);
		return;
	}
	while (tenths >= 10240 && unit < 4) {
		tenths /= 1024;
		unit++;
	}
	snprintf(out, CELL_BYTES, "%llu.%llu%s",
		 (unsigned long long)(tenths / 10),
		 (unsigned long long)(tenths % 10), units[unit]);
}

/* All values of the key, with commas between. */
static void plain_text(const struct row *row, uint16_t key,
		       char out[CELL_BYTES])
{
	enum skerry_key_type type = SKERRY_T_BYTES;
	char text[FIELD_TEXT_BYTES];
	struct tlv_reader r;
	size_t used = 0;

	skerry_key_name(key, &type, NULL);
	tlv_reader_init(&r, row->data, row->size_bytes);
	out[0] = 0;
	while (tlv_next(&r)) {
		if (r.key != key)
			continue;
		/* Of what has fields of its own, its name. */
		if (type == SKERRY_T_NEST &&
		    tlv_find_str(r.value, r.length, SKERRY_K_CHANNEL, text,
				 sizeof(text)) != 0 &&
		    tlv_find_str(r.value, r.length, SKERRY_K_NAME, text,
				 sizeof(text)) != 0)
			continue;
		if (type != SKERRY_T_NEST)
			field_text(&r, type, text);
		snprintf(out + used, CELL_BYTES - used, "%s%s", used ? "," : "",
			 text);
		used = strlen(out);
	}
	field_printable(out);
	if (!out[0])
		strcpy(out, "-");
}

static void left_text(const struct row *row, char out[CELL_BYTES])
{
	uint64_t left = tlv_find_u64(row->data, row->size_bytes,
				     SKERRY_K_REMAINING_MS, 0);

	if (tlv_find_bool(row->data, row->size_bytes, SKERRY_K_BY_LEASE))
		strcpy(out, "lease");
	else
		duration_text(left, out);
}

static void cell_text(const struct row *row, const struct column *column,
		      char out[CELL_BYTES])
{
	struct tlv_reader r;
	uint64_t value;
	bool truth;

	plain_text(row, column->key, out);
	if (column->style == COLUMN_LEFT) {
		left_text(row, out);
		return;
	}
	if (!tlv_find(row->data, row->size_bytes, column->key, &r)) {
		if (column->style == COLUMN_MARK)
			strcpy(out, " ");
		return;
	}
	switch (column->style) {
	case COLUMN_DURATION:
		if (tlv_u64(&r, &value) == 0)
			duration_text(value, out);
		break;
	case COLUMN_BYTES:
		if (tlv_u64(&r, &value) == 0)
			bytes_text(value, out);
		break;
	case COLUMN_ROUND_TRIP:
		/* Zero: not measured yet. */
		if (tlv_u64(&r, &value) == 0 && !value)
			strcpy(out, "-");
		else if (tlv_u64(&r, &value) == 0)
			snprintf(out, CELL_BYTES, "%llu.%02llums",
				 (unsigned long long)(value / 1000),
				 (unsigned long long)(value % 1000 / 10));
		break;
	case COLUMN_TIME:
		if (strlen(out) > 20)
			strcpy(out + 19, "Z");
		break;
	case COLUMN_YES_NO:
	case COLUMN_MARK:
		if (tlv_bool(&r, &truth) != 0)
			break;
		if (column->style == COLUMN_MARK)
			strcpy(out, truth ? "*" : " ");
		else
			strcpy(out, truth ? "yes" : "no");
		break;
	case COLUMN_SHORT_ID:
		if (strlen(out) > 12)
			out[12] = 0;
		break;
	case COLUMN_LEFT:
	case COLUMN_PLAIN:
		break;
	}
}

/* How many places it takes: bytes that begin a UTF-8 character. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_cell(const char *text, int width, bool last)
{
	int pad = last ? 0 : width - text_width(text) + 2;

	printf("%s%*s", text, pad, "");
	if (last)
		putchar('\n');
}

void table_print(const struct rows *rows, const struct column *columns)
{
	int width[COLUMNS_MAX], count, i;
	char text[CELL_BYTES];
	size_t row;

	for (count = 0; columns[count].title && count < COLUMNS_MAX; count++)
		width[count] = text_width(columns[count].title);
	for (row = 0; row < rows->count; row++) {
		for (i = 0; i < count; i++) {
			cell_text(&rows->list[row], &columns[i], text);
			if (text_width(text) > width[i])
				width[i] = text_width(text);
		}
	}
	for (i = 0; i < count; i++)
		print_cell(columns[i].title, width[i], i + 1 == count);
	for (row = 0; row < rows->count; row++) {
		for (i = 0; i < count; i++) {
			cell_text(&rows->list[row], &columns[i], text);
			print_cell(text, width[i], i + 1 == count);
		}
	}
}

void record_print(const struct row *row)
{
	struct tlv_reader r, first;
	char text[CELL_BYTES];

	tlv_reader_init(&r, row->data, row->size_bytes);
	while (tlv_next(&r)) {
		enum skerry_key_type type = SKERRY_T_BYTES;
		const char *name = skerry_key_name(r.key, &type, NULL);

		if (!name ||
		    !tlv_find(row->data, row->size_bytes, r.key, &first) ||
		    first.value != r.value)
			continue;
		plain_text(row, r.key, text);
		printf("%-18s %s\n", name, text);
	}
}

int print_query(struct ctl *ctl, const char *query, const char *name,
		const struct column *columns)
{
	struct rows rows = { 0 };
	json_t *object;
	int code;

	code = ctl_open(ctl, false);
	if (!code)
		code = rows_query(ctl, query, &rows);
	if (code)
		goto out;
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, name, json_rows(&rows));
		json_end(object, false);
	} else {
		table_print(&rows, columns);
	}
out:
	rows_free(&rows);
	return code;
}
