// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* endpoint.c - skerryctl endpoint: endpoints and the programs behind them. */
#include <stdlib.h>
#include <string.h>

#include "print.h"

static const struct row *find_program(const struct rows *programs,
				      const struct tlv_reader *instance)
{
	struct tlv_reader r;
	size_t i;

	for (i = 0; i < programs->count; i++)
		if (tlv_find(programs->list[i].data,
			     programs->list[i].size_bytes, SKERRY_K_PROGRAM,
			     &r) &&
		    r.length == instance->length &&
		    memcmp(r.value, instance->value, r.length) == 0)
			return &programs->list[i];
	return NULL;
}

/* Append what people want to know of the program: its name, process, user. */
static void describe(struct row *endpoint, const struct row *program)
{
	static const uint16_t keys[] = { SKERRY_K_PROGRAM_NAME, SKERRY_K_PID,
					 SKERRY_K_UID };
	size_t room = endpoint->size_bytes + program->size_bytes;
	void *grown = realloc(endpoint->data, room);
	struct tlv_reader r;
	struct tlv_writer w;
	size_t i;

	if (!grown)
		return;
	endpoint->data = grown;
	tlv_writer_init(&w, grown, room);
	w.used_bytes = endpoint->size_bytes;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (tlv_find(program->data, program->size_bytes, keys[i], &r))
			tlv_put(&w, keys[i], r.value, r.length);
	endpoint->size_bytes = w.used_bytes;
}

static int print_endpoints(struct ctl *ctl)
{
	static const struct column columns[] = {
		{ "ENDPOINT", SKERRY_K_ENDPOINT, COLUMN_PLAIN },
		{ "PROGRAM", SKERRY_K_PROGRAM_NAME, COLUMN_PLAIN },
		{ "PID", SKERRY_K_PID, COLUMN_PLAIN },
		{ "UID", SKERRY_K_UID, COLUMN_PLAIN },
		{ "FLOWS", SKERRY_K_COUNT, COLUMN_PLAIN },
		{ "RECEIVED", SKERRY_K_RECEIVED_MESSAGES, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	struct rows endpoints = { 0 }, programs = { 0 };
	const struct row *program;
	struct tlv_reader r;
	json_t *object;
	size_t i;
	int code;

	code = rows_query(ctl, "endpoints", &endpoints);
	if (!code)
		code = rows_query(ctl, "programs", &programs);
	if (code)
		goto out;
	for (i = 0; i < endpoints.count; i++) {
		struct row *row = &endpoints.list[i];

		if (!tlv_find(row->data, row->size_bytes, SKERRY_K_PROGRAM, &r))
			continue;
		program = find_program(&programs, &r);
		if (program)
			describe(row, program);
	}
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "endpoints", json_rows(&endpoints));
		json_end(object, false);
	} else {
		table_print(&endpoints, columns);
	}
out:
	rows_free(&endpoints);
	rows_free(&programs);
	return code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	int code = args_take("endpoint", &argc, argv, none, false);

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage("endpoint", argv[1],
				 "no such verb; it only lists");
	code = ctl_open(ctl, false);
	return code ? code : print_endpoints(ctl);
}

const struct noun noun_endpoint = {
	.name = "endpoint",
	.summary = "endpoints of this node and who owns them",
	.help = "usage: skerryctl endpoint\n\n"
		"Each registered endpoint, its program, the flows that lead to "
		"it and the\n"
		"messages that have come.\n",
	.run = run,
};
