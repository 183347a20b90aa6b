// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* status.c - skerryctl status: this node in a few lines, and what works. */
#include "print.h"

static int print_status(struct ctl *ctl)
{
	static const struct column columns[] = {
		{ "WHAT", SKERRY_K_KEY, COLUMN_PLAIN },
		{ "COUNT", SKERRY_K_COUNT, COLUMN_PLAIN },
		{ "LIMIT", SKERRY_K_LIMIT, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	struct rows status = { 0 }, limits = { 0 };
	json_t *object;
	size_t i;
	int code;

	code = rows_query(ctl, "status", &status);
	if (!code)
		code = rows_query(ctl, "limits", &limits);
	if (code)
		goto out;
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "status", json_rows(&status));
		json_object_set_new(object, "limits", json_rows(&limits));
		json_end(object, false);
		goto out;
	}
	for (i = 0; i < status.count; i++)
		record_print(&status.list[i]);
	putchar('\n');
	table_print(&limits, columns);
out:
	rows_free(&status);
	rows_free(&limits);
	return code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct column features[] = {
		{ "FEATURE", SKERRY_K_FEATURE, COLUMN_PLAIN },
		{ "WORKS", SKERRY_K_SUPPORTED, COLUMN_YES_NO },
		{ "WHY", SKERRY_K_REASON, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	bool show_features = false;
	const struct arg list[] = {
		{ "--features", ARG_FLAG, &show_features },
		{ NULL, ARG_FLAG, NULL },
	};
	int code;

	code = args_take("status", &argc, argv, list, false);
	if (code)
		return code;
	if (argc > 1)
		return ctl_usage("status", argv[1],
				 "not expected; see skerryctl status --help");
	if (show_features)
		return print_query(ctl, "features", "features", features);
	code = ctl_open(ctl, false);
	return code ? code : print_status(ctl);
}

const struct noun noun_status = {
	.name = "status",
	.summary = "this node: name, cluster, addresses, limits",
	.help = "usage: skerryctl status             this node and its limits\n"
		"       skerryctl status --features  what works here, now\n",
	.run = run,
};
