/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* print.h - rows of fields as tables for people or as one JSON object. */
#ifndef SKERRYCTL_PRINT_H
#define SKERRYCTL_PRINT_H

#include <jansson.h>

#include "codec.h"
#include "ctl.h"

struct row {
	void *data; /* TLVs */
	size_t size_bytes;
};

struct rows {
	struct row *list;
	size_t count, room;
	bool no_memory;
};

/* A skerry_row_fn; data is a struct rows. */
void rows_add(void *data, const void *row, size_t size_bytes);
void rows_free(struct rows *rows);
/* Ask for a table. 0 or the exit code. */
int rows_query(struct ctl *ctl, const char *query, struct rows *rows);

enum column_style {
	COLUMN_PLAIN,
	COLUMN_DURATION, /* milliseconds */
	COLUMN_BYTES,
	COLUMN_ROUND_TRIP, /* microseconds */
	COLUMN_TIME, /* to the second */
	COLUMN_YES_NO,
	COLUMN_MARK, /* "*" when true */
	COLUMN_LEFT, /* remaining_ms, or "lease" with by_lease */
	COLUMN_SHORT_ID, /* the first 12 digits */
};

struct column {
	const char *title;
	uint16_t key;
	enum column_style style;
};

/* A list that ends with a NULL title. What a row does not have is "-". */
void table_print(const struct rows *rows, const struct column *columns);
/* NAME: VALUE for each field of one row. */
void record_print(const struct row *row);

/* {"format": 1}; then add to it and print it. */
json_t *json_begin(void);
json_t *json_fields(const void *data, size_t size_bytes);
json_t *json_rows(const struct rows *rows);
/* Prints and frees; `line`: without line breaks, flushed, for streams. */
void json_end(json_t *object, bool line);

/* The usual noun: ask for `query`, print it as a table, or in JSON as an
 * array called `name`. */
int print_query(struct ctl *ctl, const char *query, const char *name,
		const struct column *columns);

#endif
