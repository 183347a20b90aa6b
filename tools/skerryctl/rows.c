// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* rows.c - rows of a table, kept until all have come; see print.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

void rows_add(void *data, const void *row, size_t size_bytes)
{
	struct rows *rows = data;
	struct row *grown;
	void *copy;

	if (rows->count == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 64;

		grown = realloc(rows->list, room * sizeof(*grown));
		if (!grown)
			goto fail;
		rows->list = grown;
		rows->room = room;
	}
	copy = malloc(size_bytes + 1);
	if (!copy)
		goto fail;
	memcpy(copy, row, size_bytes);
	rows->list[rows->count].data = copy;
	rows->list[rows->count].size_bytes = size_bytes;
	rows->count++;
	return;
fail:
	rows->no_memory = true;
}

void rows_free(struct rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		free(rows->list[i].data);
	free(rows->list);
	memset(rows, 0, sizeof(*rows));
}

int rows_query(struct ctl *ctl, const char *query, struct rows *rows)
{
	int count = skerry_query(ctl->handle, query, rows_add, rows);

	if (count < 0)
		return ctl_error(ctl, count, "query", query);
	if (rows->no_memory)
		return ctl_error_text(-ENOMEM, "query", query,
				      strerror(ENOMEM));
	return 0;
}
