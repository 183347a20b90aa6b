// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* member_set.c - skerryctl member set, and member reserve. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "print.h"
#include "skerry/ring.h"

#define COMMAND_BYTES 60000U
#define LINE_BYTES 512

/* One NODE of the list, with its host looked up. */
static int add_node(struct tlv_writer *w, const char *text)
{
	char resolved[256];
	int code;

	if (strchr(text, '=')) {
		code = node_resolve("member set", text, resolved,
				    sizeof(resolved));
		if (code)
			return code;
		text = resolved;
	} else if (!skerry_name_valid(text)) {
		return ctl_usage("member set", text,
				 "not a node name; NAME or NAME=HOST[:PORT]");
	}
	tlv_put_str(w, SKERRY_K_NODE, text);
	if (w->full)
		return ctl_usage("member set", text,
				 "the list is too long from here on; %u bytes "
				 "are the limit",
				 COMMAND_BYTES);
	return 0;
}

/* Words on standard input; what follows # on a line is not read. */
static int add_input(struct tlv_writer *w)
{
	char line[LINE_BYTES], *word, *next, *hash;
	int code = 0;

	while (!code && fgets(line, sizeof(line), stdin)) {
		if (strlen(line) + 1 == sizeof(line))
			return ctl_usage("member set", "-",
					 "a line has more than %d bytes",
					 LINE_BYTES - 2);
		hash = strchr(line, '#');
		if (hash)
			*hash = '\0';
		for (word = strtok_r(line, " \t\r\n", &next); word && !code;
		     word = strtok_r(NULL, " \t\r\n", &next))
			code = add_node(w, word);
	}
	if (!code && ferror(stdin))
		return ctl_error_text(-errno, "member set", "-",
				      strerror(errno));
	return code;
}

struct outcome {
	struct rows rows; /* one: all fields of the answer */
};

static void take(void *data, const void *tlvs, size_t size_bytes)
{
	struct outcome *outcome = data;

	rows_add(&outcome->rows, tlvs, size_bytes);
}

static void print_lines(const struct row *row)
{
	struct tlv_reader r;
	const char *what;

	tlv_reader_init(&r, row->data, row->size_bytes);
	while (tlv_next(&r)) {
		switch (r.key) {
		case SKERRY_K_REMOVED_NODE:
			what = "removed";
			break;
		case SKERRY_K_JOINED_NODE:
			what = "joining";
			break;
		case SKERRY_K_WITHDRAWN:
			what = "withdrawn";
			break;
		case SKERRY_K_MISSING:
			what = "unknown";
			break;
		default:
			continue;
		}
		printf("%s %.*s\n", what, (int)r.length, (const char *)r.value);
	}
}

static void print_outcome(const struct ctl *ctl, const struct rows *rows)
{
	static const char *const lists[] = { "removed_nodes", "joined_nodes",
					     "withdrawn_joins" };
	json_t *object, *fields;
	const char *name;
	json_t *value;
	size_t i;

	if (!ctl->json) {
		if (rows->count)
			print_lines(&rows->list[0]);
		return;
	}
	object = json_begin();
	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		json_object_set_new(object, lists[i], json_array());
	if (rows->count) {
		fields = json_fields(rows->list[0].data,
				     rows->list[0].size_bytes);
		json_object_foreach(fields, name, value)
			json_object_set(object, name, value);
		json_decref(fields);
	}
	json_end(object, false);
}

static int set(struct ctl *ctl, const struct tlv_writer *w)
{
	struct outcome outcome = { 0 };
	int error, code = 0;

	error = skerry_command(ctl->handle, SKERRY_CMD_SET, w->data,
			       w->used_bytes, ctl->timeout_ms, take, &outcome);
	if (error) {
		code = ctl_error(ctl, error, "member set", NULL);
		/* The sentence may be too short for all of them. */
		if (error == -ENOENT)
			print_outcome(ctl, &outcome.rows);
	} else {
		print_outcome(ctl, &outcome.rows);
	}
	rows_free(&outcome.rows);
	return code;
}

int member_set(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	static uint8_t bytes[COMMAND_BYTES];
	struct tlv_writer w;
	int code = args_take("member set", &argc, argv, none, false);
	int i;

	if (code)
		return code;
	/* That nobody else shall be a member is said by naming this node. */
	if (argc < 3)
		return ctl_usage("member set", NULL,
				 "a node is missing; NAME or "
				 "NAME=HOST[:PORT], this one's for it alone, "
				 "or -");
	tlv_writer_init(&w, bytes, sizeof(bytes));
	for (i = 2; i < argc && !code; i++)
		code = strcmp(argv[i], "-") ? add_node(&w, argv[i])
					    : add_input(&w);
	if (!code && !w.used_bytes)
		code = ctl_usage("member set", "-",
				 "the list is empty; name this node for it "
				 "alone");
	if (!code)
		code = ctl_open(ctl, true);
	return code ? code : set(ctl, &w);
}

/* ---- reserve ----------------------------------------------------------------- */

int member_reserve(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	int code = args_take("member reserve", &argc, argv, none, false);
	int error;

	if (code)
		return code;
	if (argc != 3)
		return ctl_usage("member reserve", argc > 3 ? argv[3] : NULL,
				 "one tag is wanted");
	code = ctl_open(ctl, true);
	if (code)
		return code;
	error = skerry_reserve(ctl->handle, argv[2]);
	if (error)
		return ctl_error(ctl, error, "member reserve", argv[2]);
	if (ctl->json) {
		json_t *object = json_begin();

		json_object_set_new(object, "tag", json_string(argv[2]));
		json_end(object, true);
	} else {
		printf("a place is kept for %s while this runs\n", argv[2]);
		fflush(stdout);
	}
	for (;;) {
		error = skerry_dispatch(ctl->handle, -1);
		if (error < 0)
			return ctl_error(ctl, error, "member reserve", argv[2]);
	}
}
