// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* peer.c - skerryctl peer: the other nodes as seen from here, and the lanes to
 * them opened and closed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node.h"
#include "print.h"
#include "skerry/ring.h"

static int list(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	static const struct column columns[] = {
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "ADDRESS", SKERRY_K_ADDRESS, COLUMN_PLAIN },
		{ "LANES", SKERRY_K_LANES_UP, COLUMN_PLAIN },
		{ "WANTED", SKERRY_K_LANES_WANTED, COLUMN_PLAIN },
		{ "RTT", SKERRY_K_ROUND_TRIP_US, COLUMN_ROUND_TRIP },
		{ "SINCE", SKERRY_K_SINCE, COLUMN_TIME },
		{ "REASON", SKERRY_K_REASON, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	int code = args_take("peer", &argc, argv, none, false);

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage("peer", argv[1],
				 "no such verb; connect or disconnect");
	return print_query(ctl, "peers", "peers", columns);
}

/* ---- connect ---------------------------------------------------------------- */

static void take_part(void *data, const void *tlvs, size_t size_bytes)
{
	struct tlv_reader r;

	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r))
		if (r.key == SKERRY_K_ROW)
			rows_add(data, r.value, r.length);
}

static int print_stale(struct ctl *ctl, const struct rows *rows)
{
	static const struct column columns[] = {
		{ "STALE", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "ADDRESS", SKERRY_K_ADDRESS, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	json_t *object;

	if (rows->no_memory)
		return ctl_error_text(-ENOMEM, "peer connect", NULL,
				      strerror(ENOMEM));
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "stale", json_rows(rows));
		json_end(object, false);
	} else if (rows->count) {
		table_print(rows, columns);
	}
	return 0;
}

static int connect_node(struct ctl *ctl, int argc, char **argv)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct skerry_addr address;
	struct rows rows = { 0 };
	struct tlv_writer w;
	uint8_t bytes[256];
	bool prune = false;
	const struct arg args[] = {
		{ "--prune", ARG_FLAG, &prune },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take("peer connect", &argc, argv, args, false);
	int error;

	if (code)
		return code;
	if (argc != 3)
		return ctl_usage("peer connect", argc > 3 ? argv[3] : NULL,
				 "one node is wanted; NAME or NAME=HOST:PORT");
	code = node_spec("peer connect", argv[2], name, &address);
	if (!code)
		code = ctl_open(ctl, true);
	if (code)
		return code;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, name);
	if (address.port)
		tlv_put_addr(&w, SKERRY_K_ADDRESS, &address);
	tlv_put_bool(&w, SKERRY_K_PRUNE, prune);
	error = skerry_command(ctl->handle, SKERRY_CMD_CONNECT, bytes,
			       w.used_bytes, ctl->timeout_ms, take_part, &rows);
	if (error)
		code = ctl_error(ctl, error, "peer connect", argv[2]);
	else if (prune)
		code = print_stale(ctl, &rows);
	else
		fprintf(stderr, "connecting to %s\n", name);
	rows_free(&rows);
	return code;
}

/* ---- disconnect ------------------------------------------------------------ */

struct closing {
	struct ctl *ctl;
	int done, first;
};

static void closed(void *data, const char *node, int error)
{
	struct closing *closing = data;
	int code;

	if (!error) {
		closing->done++;
		fprintf(stderr, "%s: every lane is closed\n", node);
		return;
	}
	code = ctl_error_text(error, "peer disconnect", node,
			      error == -ELOOP ? "this is the node itself"
					      : "no such member; see "
						"skerryctl member");
	if (!closing->first)
		closing->first = code;
}

static int disconnect_nodes(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	struct closing closing = { .ctl = ctl };
	int code = args_take("peer disconnect", &argc, argv, none, false);
	int error;

	if (code)
		return code;
	if (argc < 3)
		return ctl_usage("peer disconnect", NULL,
				 "a node is missing; its name");
	code = ctl_open(ctl, true);
	if (code)
		return code;
	error = skerry_disconnect(ctl->handle, (const char *const *)(argv + 2),
				  (size_t)argc - 2, closed, &closing);
	if (error && !closing.first)
		return ctl_error(ctl, error, "peer disconnect", NULL);
	return closing.first && closing.done ? EXIT_PARTLY : closing.first;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "connect") == 0)
		return connect_node(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "disconnect") == 0)
		return disconnect_nodes(ctl, argc, argv);
	return list(ctl, argc, argv);
}

const struct noun noun_peer = {
	.name = "peer",
	.summary = "the other nodes as seen from here; connect, disconnect",
	.help = "usage: skerryctl peer\n"
		"       skerryctl peer connect [--prune] NODE|NAME=HOST:PORT\n"
		"       skerryctl peer disconnect NODE...\n\n"
		"Each other node: its state, addresses, lanes that are up and "
		"wanted, the\n"
		"round trip of heartbeats, and why it is in that state.\n\n"
		"connect opens what is missing to a member, without waiting; "
		"with --prune it\n"
		"waits, and lists addresses of that name (the one given, and "
		"those of joins)\n"
		"where it is not any more: every node forgets them.\n\n"
		"disconnect closes every lane to a node and says when that is "
		"done. It stays a\n"
		"member: the lanes come back after 2s, or with connect.\n",
	.run = run,
};
