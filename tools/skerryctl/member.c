// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* member.c - skerryctl member: who belongs to the cluster, and changing it. */
#include <stdio.h>
#include <string.h>

#include "node.h"
#include "print.h"
#include "run/config/config_impl.h"
#include "skerry/ring.h"

static int list(struct ctl *ctl, int argc, char **argv)
{
	static const struct column narrow[] = {
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "SELF", SKERRY_K_SELF, COLUMN_MARK },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "REASON", SKERRY_K_REASON, COLUMN_PLAIN },
		{ "SAYS", SKERRY_K_SOURCE, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	static const struct column wide[] = {
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "SELF", SKERRY_K_SELF, COLUMN_MARK },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "SINCE", SKERRY_K_SINCE, COLUMN_TIME },
		{ "ADDRESSES", SKERRY_K_ADDRESS, COLUMN_PLAIN },
		{ "BLOCK", SKERRY_K_PORT_BLOCK, COLUMN_PLAIN },
		{ "OVERLAY", SKERRY_K_OVERLAY, COLUMN_PLAIN },
		{ "CHANNELS", SKERRY_K_CHANNEL_SPEC, COLUMN_PLAIN },
		{ "TAGS", SKERRY_K_TAG, COLUMN_PLAIN },
		{ "INCARNATION", SKERRY_K_INCARNATION, COLUMN_PLAIN },
		{ "NONCE", SKERRY_K_BOOT_NONCE, COLUMN_PLAIN },
		{ "REASON", SKERRY_K_REASON, COLUMN_PLAIN },
		{ "SAYS", SKERRY_K_SOURCE, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	static const struct column joins[] = {
		{ "ADDRESS", SKERRY_K_JOIN_ADDRESS, COLUMN_PLAIN },
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "TRIED", SKERRY_K_COUNT, COLUMN_PLAIN },
		{ "REASON", SKERRY_K_REASON, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	bool known = false, pending = false;
	const char *format = NULL;
	const struct arg args[] = {
		{ "--known", ARG_FLAG, &known },
		{ "--joins", ARG_FLAG, &pending },
		{ "-o", ARG_TEXT, &format },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take("member", &argc, argv, args, false);

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage("member", argv[1],
				 "no such verb; join, leave, remove, set, "
				 "export or reserve");
	if (format && strcmp(format, "wide"))
		return ctl_usage("member -o", format,
				 "no such format; wide is one");
	if (pending)
		return print_query(ctl, "joins", "joins", joins);
	return print_query(ctl, known ? "known" : "members",
			   known ? "known" : "members", format ? wide : narrow);
}

static int join_one(struct ctl *ctl, const char *text, const char *address,
		    bool wait, bool takeover)
{
	struct tlv_writer w;
	uint8_t bytes[512];
	int error;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_JOIN_ADDRESS, address);
	if (takeover)
		tlv_put_bool(&w, SKERRY_K_TAKEOVER, true);
	if (wait)
		tlv_put_u64(&w, SKERRY_K_TIMEOUT_MS,
			    ctl->timeout_ms ? ctl->timeout_ms : 30000);
	/* The agent ends the wait; the call's own limit lies beyond. */
	error = skerry_command(
		ctl->handle, wait ? SKERRY_CMD_JOIN_WAIT : SKERRY_CMD_JOIN,
		bytes, w.used_bytes,
		wait ? (ctl->timeout_ms ? ctl->timeout_ms : 30000) + 2000 : 0,
		NULL, NULL);
	if (error < 0)
		return ctl_error(ctl, error, "member join", text);
	fprintf(stderr, wait ? "joined through %s\n" : "joining through %s\n",
		text);
	return 0;
}

static int join(struct ctl *ctl, int argc, char **argv)
{
	bool wait = false, takeover = false;
	const struct arg args[] = {
		{ "--wait", ARG_FLAG, &wait },
		{ "--takeover", ARG_FLAG, &takeover },
		{ NULL, ARG_FLAG, NULL },
	};
	static char addresses[SKERRY_JOINS_MAX][CONFIG_LINE_BYTES + 1];
	int code = args_take("member join", &argc, argv, args, false);
	int i, first = 0, done = 0;

	if (code)
		return code;
	if (argc < 3)
		return ctl_usage("member join", NULL,
				 "an address is missing; [NAME=]HOST[:PORT]");
	if (argc - 2 > (int)SKERRY_JOINS_MAX)
		return ctl_usage("member join", argv[2 + SKERRY_JOINS_MAX],
				 "one too many; at most %u at once",
				 SKERRY_JOINS_MAX);
	for (i = 2; i < argc && !code; i++)
		code = node_resolve("member join", argv[i], addresses[i - 2],
				    sizeof(addresses[0]));
	if (!code)
		code = ctl_open(ctl, true);
	if (code)
		return code;
	for (i = 2; i < argc; i++) {
		code = join_one(ctl, argv[i], addresses[i - 2], wait, takeover);
		if (!code)
			done++;
		else if (!first)
			first = code;
	}
	/* Of several addresses one may be enough, but that is for the caller
	 * to judge. */
	return first && done ? EXIT_PARTLY : first;
}

static int leave(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	int code = args_take("member leave", &argc, argv, none, false);
	int error;

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage("member leave", argv[2],
				 "not expected; member remove takes nodes");
	code = ctl_open(ctl, true);
	if (code)
		return code;
	error = skerry_leave(ctl->handle);
	if (error)
		return ctl_error(ctl, error, "member leave", NULL);
	fprintf(stderr, "%s has left and goes on alone\n",
		skerry_mynode(ctl->handle));
	return 0;
}

static int remove_nodes(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	int code = args_take("member remove", &argc, argv, none, false);
	int i, error, first = 0, done = 0;

	if (code)
		return code;
	if (argc < 3)
		return ctl_usage("member remove", NULL,
				 "a node is missing; its name, or the address "
				 "of a join");
	code = ctl_open(ctl, true);
	if (code)
		return code;
	for (i = 2; i < argc; i++) {
		error = skerry_leave_node(ctl->handle, argv[i]);
		if (!error) {
			fprintf(stderr, "%s is removed\n", argv[i]);
			done++;
			continue;
		}
		code = ctl_error(ctl, error, "member remove", argv[i]);
		if (!first)
			first = code;
	}
	return first && done ? EXIT_PARTLY : first;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "join") == 0)
		return join(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "leave") == 0)
		return leave(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "remove") == 0)
		return remove_nodes(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "set") == 0)
		return member_set(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "export") == 0)
		return member_export(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "reserve") == 0)
		return member_reserve(ctl, argc, argv);
	return list(ctl, argc, argv);
}

const struct noun noun_member = {
	.name = "member",
	.summary = "who belongs to the cluster; join, leave, remove, set",
	.help = "usage: skerryctl member [-o wide]          members, this node "
		"among them\n"
		"       skerryctl member --known [-o wide]  every node known\n"
		"       skerryctl member --joins            joins still being "
		"tried\n"
		"       skerryctl member join [--wait] [--takeover] "
		"[NAME=]HOST[:PORT]...\n"
		"       skerryctl member leave              this node leaves\n"
		"       skerryctl member remove NODE...     others are "
		"removed; or the address\n"
		"                                           of a join: "
		"withdraw it\n"
		"       skerryctl member set NODE...        exactly these are "
		"members, and this\n"
		"                                           node: NAME or "
		"NAME=HOST[:PORT]; - for\n"
		"                                           a list on standard "
		"input\n"
		"       skerryctl member export             the overlay's "
		"state, "
		"as bytes\n"
		"       skerryctl member export --decode FILE  the members in "
		"such bytes\n"
		"       skerryctl member reserve TAG        keep a place for a "
		"node with that\n"
		"                                           tag while this "
		"runs\n\n"
		"A join goes on until it succeeds. With --wait the answer "
		"comes when every\n"
		"lane of every channel with that node is up, at most --timeout "
		"(30s) later.\n",
	.run = run,
};
