// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* endpoint.c - skerryctl endpoint: endpoints and the programs behind them, and
 * word of when one goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "print.h"
#include "run/field.h"

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

/* Those that every program has are shown when asked for. */
static void drop_own(struct rows *endpoints)
{
	size_t from, to = 0;
	char name[256];

	for (from = 0; from < endpoints->count; from++) {
		struct row *row = &endpoints->list[from];

		if (tlv_find_str(row->data, row->size_bytes, SKERRY_K_ENDPOINT,
				 name, sizeof(name)) == 0 &&
		    name[0] == '#')
			free(row->data);
		else
			endpoints->list[to++] = *row;
	}
	endpoints->count = to;
}

static int print_endpoints(struct ctl *ctl, bool all)
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
	if (!all)
		drop_own(&endpoints);
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

/* ---- monitor ---------------------------------------------------------------- */

struct watching {
	const struct ctl *ctl;
	const char *reference;
	bool gone;
};

static void on_gone(void *data, const struct skerry_gone *gone)
{
	struct watching *w = data;
	char reason[256];
	json_t *object;

	w->gone = true;
	/* It may be a peer's sentence. */
	snprintf(reason, sizeof(reason), "%s", gone->reason);
	field_printable(reason);
	if (!w->ctl->json) {
		printf("%s: %s\n", w->reference, reason);
		return;
	}
	object = json_begin();
	json_object_set_new(object, "reference", json_string(w->reference));
	json_object_set_new(object, "node", json_string(gone->node));
	if (gone->endpoint)
		json_object_set_new(object, "endpoint",
				    json_string(gone->endpoint));
	json_object_set_new(object, "error", json_integer(gone->error));
	json_object_set_new(object, "reason", json_string(reason));
	json_end(object, false);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* An agent that restarts meanwhile is no reason to end. */
static int wait_for_it(struct ctl *ctl, const struct watching *w)
{
	uint64_t end = ctl->timeout_ms ? now_ms() + ctl->timeout_ms : 0;
	int error, wait = -1;

	while (!w->gone) {
		if (end) {
			uint64_t now = now_ms();

			if (now >= end)
				return ctl_error_text(-ETIMEDOUT,
						      "endpoint monitor",
						      w->reference,
						      "it is there still");
			wait = (int)(end - now);
		}
		error = skerry_dispatch(ctl->handle, wait);
		if (error == -ECONNRESET || error == -ESTALE)
			usleep(200000);
		else if (error < 0)
			return ctl_error(ctl, error, "endpoint monitor",
					 w->reference);
	}
	return 0;
}

static int monitor(struct ctl *ctl, int argc, char **argv)
{
	struct watching w = { .ctl = ctl };
	int code, r;

	if (argc != 3)
		return ctl_usage("endpoint monitor", NULL,
				 "one reference is needed; "
				 "skerry:NODE/ENDPOINT, skerry:NODE/#ID, "
				 "skerry:NODE, or an endpoint of this node");
	w.reference = argv[2];
	code = ctl_open(ctl, false);
	if (code)
		return code;
	r = skerry_monitor(ctl->handle, w.reference, on_gone, &w);
	if (r < 0)
		return ctl_error(ctl, r, "endpoint monitor", w.reference);
	return wait_for_it(ctl, &w);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	bool all = false;
	const struct arg args[] = {
		{ "--all", ARG_FLAG, &all },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take("endpoint", &argc, argv, args, false);

	if (code)
		return code;
	if (argc > 1 && strcmp(argv[1], "monitor") == 0)
		return monitor(ctl, argc, argv);
	if (argc > 1)
		return ctl_usage("endpoint", argv[1],
				 "no such verb; monitor, or none: a list");
	code = ctl_open(ctl, false);
	return code ? code : print_endpoints(ctl, all);
}

const struct noun noun_endpoint = {
	.name = "endpoint",
	.summary = "endpoints of this node and who owns them",
	.help = "usage: skerryctl endpoint [--all]\n"
		"       skerryctl endpoint monitor REFERENCE\n\n"
		"Each registered endpoint, its program, the flows that lead to "
		"it and the\n"
		"messages that have come; with --all also the one that every "
		"program has,\n"
		"#ID.\n\n"
		"Monitor waits until an endpoint (skerry:NODE/ENDPOINT, or a "
		"bare one of this\n"
		"node), a program (skerry:NODE/#ID) or a node (skerry:NODE) is "
		"gone, and prints\n"
		"why. What is not there is gone at once. With --timeout it "
		"gives up, exit 9.\n",
	.run = run,
};
