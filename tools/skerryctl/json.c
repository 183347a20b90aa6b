// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* json.c - fields as JSON; see print.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "run/field.h"

#define NEST_MAX 8

static json_t *fields(const void *data, size_t size_bytes, int depth);

static json_t *hex_value(const struct tlv_reader *r)
{
	char *text = malloc(2 * (size_t)r->length + 1);
	json_t *value;
	size_t i;

	if (!text)
		return NULL;
	text[0] = 0;
	for (i = 0; i < r->length; i++)
		snprintf(text + 2 * i, 3, "%02x", r->value[i]);
	value = json_string(text);
	free(text);
	return value;
}

static json_t *one_value(const struct tlv_reader *r, enum skerry_key_type type,
			 int depth)
{
	char text[FIELD_TEXT_BYTES];
	json_t *value;

	if (type == SKERRY_T_NEST && depth < NEST_MAX)
		return fields(r->value, r->length, depth + 1);
	if (type == SKERRY_T_BYTES || type == SKERRY_T_NEST)
		return hex_value(r);
	switch (field_text(r, type, text)) {
	case FIELD_NUMBER:
		return json_integer(strtoll(text, NULL, 10));
	case FIELD_TRUTH:
		return json_boolean(strcmp(text, "true") == 0);
	case FIELD_TEXT:
		break;
	}
	/* Not UTF-8: then as bytes. */
	value = json_string(text);
	return value ? value : hex_value(r);
}

static void add_field(json_t *object, const struct tlv_reader *r,
		      const char *name, enum skerry_key_type type, bool list,
		      int depth)
{
	json_t *array;

	if (!list) {
		json_object_set_new(object, name, one_value(r, type, depth));
		return;
	}
	array = json_object_get(object, name);
	if (!array) {
		array = json_array();
		json_object_set_new(object, name, array);
	}
	json_array_append_new(array, one_value(r, type, depth));
}

/* What has fields of its own comes last: the plain ones stay together for
 * those who read with their eyes, or with grep. */
static json_t *fields(const void *data, size_t size_bytes, int depth)
{
	json_t *object = json_object();
	struct tlv_reader r;
	int nested;

	for (nested = 0; nested < 2; nested++) {
		tlv_reader_init(&r, data, size_bytes);
		while (tlv_next(&r)) {
			enum skerry_key_type type = SKERRY_T_BYTES;
			bool list = false;
			const char *name = skerry_key_name(r.key, &type, &list);

			/* No name: a key of a later version. */
			if (name && (type == SKERRY_T_NEST) == nested)
				add_field(object, &r, name, type, list, depth);
		}
	}
	return object;
}

json_t *json_fields(const void *data, size_t size_bytes)
{
	return fields(data, size_bytes, 0);
}

json_t *json_rows(const struct rows *rows)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < rows->count; i++)
		json_array_append_new(array,
				      json_fields(rows->list[i].data,
						  rows->list[i].size_bytes));
	return array;
}

json_t *json_begin(void)
{
	json_t *object = json_object();

	json_object_set_new(object, "format", json_integer(1));
	return object;
}

void json_end(json_t *object, bool line)
{
	json_dumpf(object, stdout, line ? JSON_COMPACT : JSON_INDENT(2));
	fputc('\n', stdout);
	if (line)
		fflush(stdout);
	json_decref(object);
}
