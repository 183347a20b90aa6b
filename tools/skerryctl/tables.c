// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* tables.c - nouns that only list: connection, channel. */
#include "print.h"

static int list_only(struct ctl *ctl, int argc, char **argv, const char *query,
		     const struct column *columns)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	int code = args_take(argv[0], &argc, argv, none, false);

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage(argv[0], argv[1],
				 "no such verb; it only lists");
	return print_query(ctl, query, query, columns);
}

static int run_connection(struct ctl *ctl, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "NODE", SKERRY_K_NODE, COLUMN_PLAIN },
		{ "CHANNEL", SKERRY_K_CHANNEL, COLUMN_PLAIN },
		{ "LANE", SKERRY_K_LANE, COLUMN_PLAIN },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "LOCAL", SKERRY_K_LOCAL_ADDRESS, COLUMN_PLAIN },
		{ "REMOTE", SKERRY_K_REMOTE_ADDRESS, COLUMN_PLAIN },
		{ "SENT", SKERRY_K_SENT_BYTES, COLUMN_BYTES },
		{ "RECEIVED", SKERRY_K_RECEIVED_BYTES, COLUMN_BYTES },
		{ "QUEUED", SKERRY_K_QUEUED_BYTES, COLUMN_BYTES },
		{ "RTT", SKERRY_K_ROUND_TRIP_US, COLUMN_ROUND_TRIP },
		{ "RETRANSMITS", SKERRY_K_RETRANSMITS, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};

	return list_only(ctl, argc, argv, "connections", columns);
}

const struct noun noun_connection = {
	.name = "connection",
	.summary = "lanes to other nodes, with their traffic",
	.help = "usage: skerryctl connection\n\n"
		"Each lane: whose it is, its channel and number, state, both "
		"ends, bytes,\n"
		"what waits to be sent, and TCP's round trip.\n",
	.run = run_connection,
};

static int run_channel(struct ctl *ctl, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "CHANNEL", SKERRY_K_CHANNEL, COLUMN_PLAIN },
		{ "TRANSPORT", SKERRY_K_TRANSPORT, COLUMN_PLAIN },
		{ "PRIORITY", SKERRY_K_PRIORITY, COLUMN_PLAIN },
		{ "LANES", SKERRY_K_PARALLELISM, COLUMN_PLAIN },
		{ "UP", SKERRY_K_LANES_UP, COLUMN_PLAIN },
		{ "SENT", SKERRY_K_SENT_BYTES, COLUMN_BYTES },
		{ "RECEIVED", SKERRY_K_RECEIVED_BYTES, COLUMN_BYTES },
		{ "QUEUED", SKERRY_K_QUEUED_BYTES, COLUMN_BYTES },
		{ "PLAIN", SKERRY_K_PLAIN_BYTES, COLUMN_BYTES },
		{ "PACKED", SKERRY_K_PACKED_BYTES, COLUMN_BYTES },
		{ "DROPPED", SKERRY_K_CASTS_DROPPED, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};

	return list_only(ctl, argc, argv, "channels", columns);
}

const struct noun noun_channel = {
	.name = "channel",
	.summary = "channels of this node",
	.help = "usage: skerryctl channel\n\n"
		"Each channel as configured: transport, priority, lanes to "
		"each peer; its\n"
		"traffic; bytes before and after compression; casts "
		"dropped.\n",
	.run = run_channel,
};
