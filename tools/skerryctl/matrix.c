// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * matrix.c - a grudge from a file. Either a table,
 *
 *	# who drops whose packets
 *	   a b c
 *	a  . X .
 *	b  . . .
 *	c  X X .
 *
 * where an X in the row of a and the column of b says that a drops what b
 * sends; or edges, a line each,
 *
 *	a -> b		what a sends to b is dropped
 *	a <-> c		both ways
 *
 * # begins a comment; what follows a name after white space is the next word.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

#define LINE_BYTES (SKERRY_MEMBERS_MAX * (SKERRY_NAME_MAX_BYTES + 1) + 128)

struct table {
	struct cut_shape *shape;
	const char *path;
	FILE *file;
	char *line;
	int number; /* of the line */
	char (*names)[SKERRY_NAME_MAX_BYTES + 1];
	int count;
	int columns; /* of a table; 0: edges, or not known yet */
	bool *rowed; /* [name] it has had its row */
	bool edges, any;
	uint8_t *cut; /* [from * SKERRY_MEMBERS_MAX + to] */
};

static int fail(const struct table *t, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* FILE:LINE:COLUMN: WHY; TRY */
static int fail(const struct table *t, const char *at, const char *format, ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return ctl_usage(t->shape->what, "matrix", "%s:%d:%d: %s", t->path,
			 t->number, at ? (int)(at - t->line) + 1 : 1, why);
}

/* The next word of the line; 0 when there is none. */
static size_t word(const char **at)
{
	*at += strspn(*at, " \t\r\n");
	if (**at == '#')
		return 0;
	return strcspn(*at, " \t\r\n#");
}

/* Its number; -1 after saying why. */
static int name_at(struct table *t, const char *at, size_t length, bool add)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	int i;

	if (length > SKERRY_NAME_MAX_BYTES)
		goto bad;
	memcpy(name, at, length);
	name[length] = 0;
	if (!skerry_name_valid(name))
		goto bad;
	for (i = 0; i < t->count; i++)
		if (strcmp(t->names[i], name) == 0)
			return i;
	if (!add) {
		fail(t, at,
		     "%s is not in the first line; name every node "
		     "there",
		     name);
		return -1;
	}
	if (t->count == (int)SKERRY_MEMBERS_MAX) {
		fail(t, at, "more than %u nodes; name fewer",
		     SKERRY_MEMBERS_MAX);
		return -1;
	}
	strcpy(t->names[t->count], name);
	return t->count++;
bad:
	fail(t, at, "%.*s is no node's name; 1 to 63 of A-Z a-z 0-9 . _ - : @",
	     (int)(length < 64 ? length : 64), at);
	return -1;
}

static int drop(struct table *t, const char *at, int from, int to)
{
	if (from == to)
		return fail(t, at,
			    "a node cannot be cut from itself; write . there");
	t->cut[from * (int)SKERRY_MEMBERS_MAX + to] = 1;
	t->any = true;
	return 0;
}

/* ---- edges -------------------------------------------------------------- */

static int edge_line(struct table *t, const char *at)
{
	const char *first = at, *arrow, *second, *end;
	size_t length = word(&first), arrow_length, second_length;
	bool both;
	int a, b, code;

	arrow = first + length;
	arrow_length = word(&arrow);
	both = arrow_length == 3 && strncmp(arrow, "<->", 3) == 0;
	if (!both && (arrow_length != 2 || strncmp(arrow, "->", 2) != 0))
		return fail(t, arrow, "-> or <-> is wanted here; A -> B");
	second = arrow + arrow_length;
	second_length = word(&second);
	if (!second_length)
		return fail(t, second, "a node is missing; A -> B");
	end = second + second_length;
	if (word(&end))
		return fail(t, end, "not expected; one edge a line");
	a = name_at(t, first, length, true);
	b = a < 0 ? -1 : name_at(t, second, second_length, true);
	if (b < 0)
		return EXIT_USAGE;
	code = drop(t, second, a, b);
	if (!code && both)
		code = drop(t, second, b, a);
	return code;
}

/* ---- a table ------------------------------------------------------------ */

static int header_line(struct table *t, const char *at)
{
	size_t length;
	int before;

	while ((length = word(&at))) {
		before = t->count;
		if (name_at(t, at, length, true) < 0)
			return EXIT_USAGE;
		if (t->count == before)
			return fail(t, at,
				    "this node is named twice; once is "
				    "enough");
		at += length;
	}
	t->columns = t->count;
	if (t->columns < 2)
		return fail(t, t->line,
			    "two nodes at least are needed; name "
			    "them in the first line");
	return 0;
}

static int cell(struct table *t, const char *at, int row, int column)
{
	if (column == t->columns)
		return fail(t, at,
			    "more cells than the first line has nodes, "
			    "%d; one for each",
			    t->columns);
	if (*at == '.' || *at == '-')
		return 0;
	if (*at != 'X' && *at != 'x')
		return fail(t, at,
			    "%c: . or X is wanted here; X where the "
			    "row's node drops what the column's sends",
			    *at);
	return drop(t, at, column, row);
}

static int row_line(struct table *t, const char *at)
{
	size_t length = word(&at), i;
	int row = name_at(t, at, length, false), column = 0, code;

	if (row < 0)
		return EXIT_USAGE;
	if (t->rowed[row])
		return fail(t, at, "this node has had its row; one is enough");
	t->rowed[row] = true;
	for (at += length; (length = word(&at)); at += length) {
		for (i = 0; i < length; i++) {
			code = cell(t, at + i, row, column++);
			if (code)
				return code;
		}
	}
	if (column < t->columns)
		return fail(t, at,
			    "%d of %d cells; one for each node of the "
			    "first line",
			    column, t->columns);
	return 0;
}

/* ---- the file ----------------------------------------------------------- */

static int take_line(struct table *t)
{
	const char *at = t->line, *next;
	size_t length = word(&at);

	if (!length)
		return 0;
	if (!t->count) {
		next = at + length;
		length = word(&next);
		t->edges = (length == 2 && strncmp(next, "->", 2) == 0) ||
			   (length == 3 && strncmp(next, "<->", 3) == 0);
		if (!t->edges)
			return header_line(t, at);
	}
	return t->edges ? edge_line(t, at) : row_line(t, at);
}

static int read_lines(struct table *t)
{
	int code = 0;

	while (!code && fgets(t->line, LINE_BYTES, t->file)) {
		t->number++;
		if (!strchr(t->line, '\n') && !feof(t->file))
			return fail(t, NULL,
				    "the line is too long; %u nodes "
				    "at most",
				    SKERRY_MEMBERS_MAX);
		if (strlen(t->line) != strcspn(t->line, "\x7f"))
			return fail(t, NULL, "holds control characters");
		code = take_line(t);
	}
	if (!code && ferror(t->file))
		return ctl_error_text(-EIO, t->shape->what, t->path,
				      strerror(errno));
	if (!code && !t->any) {
		t->number += !t->number;
		return fail(t, NULL,
			    "cuts nobody from anybody; a table with "
			    "an X, or lines A -> B");
	}
	return code;
}

static void put(const struct table *t)
{
	struct tlv_writer *w = &t->shape->w;
	size_t bytes = ((size_t)t->count * (size_t)t->count + 7) / 8;
	size_t mark = tlv_begin(w, SKERRY_K_COMPONENT), bit = 0;
	uint8_t *bits = calloc(bytes, 1);
	int i, k;

	for (i = 0; i < t->count; i++)
		tlv_put_str(w, SKERRY_K_NAME, t->names[i]);
	tlv_end(w, mark);
	if (!bits) {
		w->full = true;
		return;
	}
	for (i = 0; i < t->count; i++)
		for (k = 0; k < t->count; k++, bit++)
			if (t->cut[i * (int)SKERRY_MEMBERS_MAX + k])
				bits[bit / 8] |= (uint8_t)(1U << bit % 8);
	tlv_put(w, SKERRY_K_MATRIX, bits, bytes);
	free(bits);
}

int cut_matrix(struct cut_shape *shape, const char *path)
{
	struct table t = { .shape = shape, .path = path };
	int code;

	t.file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (!t.file)
		return ctl_usage(shape->what, path, "%s; matrix FILE",
				 strerror(errno));
	t.line = malloc(LINE_BYTES);
	t.names = calloc(SKERRY_MEMBERS_MAX, sizeof(*t.names));
	t.rowed = calloc(SKERRY_MEMBERS_MAX, sizeof(*t.rowed));
	t.cut = calloc((size_t)SKERRY_MEMBERS_MAX * SKERRY_MEMBERS_MAX, 1);
	if (!t.line || !t.names || !t.rowed || !t.cut)
		code = ctl_error_text(-ENOMEM, shape->what, path,
				      strerror(ENOMEM));
	else
		code = read_lines(&t);
	if (!code)
		put(&t);
	if (t.file != stdin)
		fclose(t.file);
	free(t.line);
	free(t.names);
	free(t.rowed);
	free(t.cut);
	return code;
}
