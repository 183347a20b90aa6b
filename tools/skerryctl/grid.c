// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* grid.c - skerryctl partition -o matrix: members by members, what each one's
 * packets to each other one meet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "run/field.h"

struct grid {
	char (*names)[64];
	int count;
	char *cells; /* [from * count + to] */
};

static int find(const struct grid *grid, const char *name)
{
	int i;

	for (i = 0; i < grid->count; i++)
		if (strcmp(grid->names[i], name) == 0)
			return i;
	return -1;
}

/* The worst of several partitions is shown. */
static int rank(char mark)
{
	static const char order[] = ".?~!X";

	return (int)(strchr(order, mark) - order);
}

static char mark_of(const char *verdict)
{
	if (strcmp(verdict, "cut") == 0 || strcmp(verdict, "quiet") == 0)
		return 'X';
	if (strcmp(verdict, "lossy") == 0)
		return '~';
	return strcmp(verdict, "unknown") == 0 ? '?' : '!';
}

static void on_edge(void *data, const struct skerry_edge *edge)
{
	struct grid *grid = data;
	int from = find(grid, edge->from), to = find(grid, edge->to);
	char mark = mark_of(edge->verdict), *cell;

	if (from < 0 || to < 0)
		return;
	cell = &grid->cells[from * grid->count + to];
	if (rank(mark) > rank(*cell))
		*cell = mark;
}

static int fill(struct ctl *ctl, struct grid *grid)
{
	struct skerry_reference reference, last = { { 0 } };
	struct rows rows = { 0 };
	struct tlv_reader r;
	int code = rows_query(ctl, "partitions", &rows), error;
	char state[16];
	size_t i;

	for (i = 0; i < rows.count && !code; i++) {
		const struct row *row = &rows.list[i];

		/* The rows of one partition stand together. */
		if (!tlv_find(row->data, row->size_bytes, SKERRY_K_REFERENCE,
			      &r) ||
		    tlv_id(&r, reference.id) ||
		    memcmp(&reference, &last, sizeof(last)) == 0)
			continue;
		last = reference;
		if (tlv_find_str(row->data, row->size_bytes, SKERRY_K_STATE,
				 state, sizeof(state)) == 0 &&
		    strcmp(state, "resolved") == 0)
			continue;
		error = skerry_verify_partition(ctl->handle, &reference,
						SKERRY_EXPECT_CUT,
						ctl->timeout_ms, on_edge, grid,
						NULL);
		if (error < 0)
			code = ctl_error(ctl, error, "partition", NULL);
	}
	rows_free(&rows);
	return code;
}

static int open_grid(struct ctl *ctl, struct grid *grid)
{
	int count = skerry_members(ctl->handle, NULL, 0), i, got;
	struct skerry_member *members;

	if (count < 0)
		return ctl_error(ctl, count, "partition", NULL);
	members = calloc((size_t)count + 1, sizeof(*members));
	grid->names = calloc((size_t)count + 1, sizeof(*grid->names));
	grid->cells = malloc((size_t)count * (size_t)count + 1);
	if (!members || !grid->names || !grid->cells) {
		free(members);
		return ctl_error_text(-ENOMEM, "partition", NULL,
				      strerror(ENOMEM));
	}
	memset(grid->cells, '.', (size_t)count * (size_t)count);
	got = skerry_members(ctl->handle, members, (size_t)count);
	grid->count = got < count ? got : count;
	for (i = 0; i < grid->count; i++)
		memcpy(grid->names[i], members[i].name, sizeof(*grid->names));
	free(members);
	return got < 0 ? ctl_error(ctl, got, "partition", NULL) : 0;
}

static void print_text(const struct grid *grid)
{
	int i, k, width = 4;

	for (i = 0; i < grid->count; i++)
		if ((int)strlen(grid->names[i]) > width)
			width = (int)strlen(grid->names[i]);
	printf("%4s  %-*s", "#", width, "FROM");
	for (k = 0; k < grid->count; k++)
		printf(" %3d", k + 1);
	putchar('\n');
	for (i = 0; i < grid->count; i++) {
		printf("%4d  %-*s", i + 1, width, grid->names[i]);
		for (k = 0; k < grid->count; k++)
			printf(" %3c",
			       i == k ? ' ' : grid->cells[i * grid->count + k]);
		putchar('\n');
	}
	fflush(stdout);
	fputs(". passes, X cut, ~ lossy, ! not as it should be, ? not known; "
	      "columns are the\nreceivers, by number\n",
	      stderr);
}

static void print_json(const struct grid *grid)
{
	json_t *object = json_begin(), *nodes = json_array();
	json_t *matrix = json_array();
	int i;

	for (i = 0; i < grid->count; i++) {
		json_array_append_new(nodes, json_string(grid->names[i]));
		json_array_append_new(matrix,
				      json_stringn(grid->cells +
							   i * grid->count,
						   (size_t)grid->count));
	}
	json_object_set_new(object, "nodes", nodes);
	json_object_set_new(object, "matrix", matrix);
	json_end(object, false);
}

int cut_grid(struct ctl *ctl)
{
	struct grid grid = { 0 };
	int code = ctl_open(ctl, true);

	if (!code)
		code = open_grid(ctl, &grid);
	if (!code)
		code = fill(ctl, &grid);
	if (!code && ctl->json)
		print_json(&grid);
	else if (!code)
		print_text(&grid);
	free(grid.names);
	free(grid.cells);
	return code;
}
