// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* kernel.c - skerryctl kernel: what the BPF programs do here. */
#include <stdio.h>
#include <string.h>

#include "print.h"

/* The table holds rows of several kinds, told apart by a key only they have. */
static void pick(const struct rows *all, uint16_t key, struct rows *ret_some,
		 struct row *room)
{
	struct tlv_reader r;
	size_t i;

	memset(ret_some, 0, sizeof(*ret_some));
	ret_some->list = room;
	for (i = 0; i < all->count; i++)
		if (tlv_find(all->list[i].data, all->list[i].size_bytes, key,
			     &r))
			ret_some->list[ret_some->count++] = all->list[i];
}

static void print_kinds(const struct rows *all)
{
	static const struct {
		uint16_t key;
		struct column columns[4];
	} kinds[] = {
		{ SKERRY_K_FEATURE,
		  { { "FEATURE", SKERRY_K_FEATURE, COLUMN_PLAIN },
		    { "WORKS", SKERRY_K_SUPPORTED, COLUMN_YES_NO } } },
		{ SKERRY_K_DEVICE,
		  { { "DEVICE", SKERRY_K_DEVICE, COLUMN_PLAIN },
		    { "HOOK", SKERRY_K_HOOK, COLUMN_PLAIN },
		    { "JUDGES", SKERRY_K_DIRECTION, COLUMN_PLAIN } } },
		{ SKERRY_K_REASON,
		  { { "PACKETS", SKERRY_K_REASON, COLUMN_PLAIN },
		    { "COUNT", SKERRY_K_COUNT, COLUMN_PLAIN } } },
		{ SKERRY_K_PINS, { { "PINS", SKERRY_K_PINS, COLUMN_PLAIN } } },
	};
	struct row *room = calloc(all->count + 1, sizeof(*room));
	struct rows some;
	bool first = true;
	size_t i;

	if (!room)
		return;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pick(all, kinds[i].key, &some, room);
		if (!some.count)
			continue;
		if (!first)
			putchar('\n');
		first = false;
		table_print(&some, kinds[i].columns);
	}
	free(room);
}

static int overview(struct ctl *ctl)
{
	struct rows rows = { 0 };
	json_t *object;
	int code;

	code = ctl_open(ctl, false);
	if (!code)
		code = rows_query(ctl, "kernel", &rows);
	if (code)
		goto out;
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "kernel", json_rows(&rows));
		json_end(object, false);
	} else {
		print_kinds(&rows);
	}
out:
	rows_free(&rows);
	return code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct column rules[] = {
		{ "RULE", SKERRY_K_RULE, COLUMN_PLAIN },
		{ "REFERENCE", SKERRY_K_REFERENCE, COLUMN_SHORT_ID },
		{ "NODE", SKERRY_K_NODE, COLUMN_PLAIN },
		{ "ALL", SKERRY_K_ALL, COLUMN_YES_NO },
		{ "DIRECTION", SKERRY_K_DIRECTION, COLUMN_PLAIN },
		{ "VISIBILITY", SKERRY_K_VISIBILITY, COLUMN_PLAIN },
		{ "LEFT", SKERRY_K_REMAINING_MS, COLUMN_LEFT },
		{ "SEEN", SKERRY_K_SEEN_PACKETS, COLUMN_PLAIN },
		{ "DROPPED", SKERRY_K_DROPPED_PACKETS, COLUMN_PLAIN },
		{ "BYTES", SKERRY_K_DROPPED_BYTES, COLUMN_BYTES },
		{ "LEAKED", SKERRY_K_LEAKED_PACKETS, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	int code = args_take("kernel", &argc, argv, none, false);

	if (code)
		return code;
	if (argc == 1)
		return overview(ctl);
	if (argc == 2 && strcmp(argv[1], "rules") == 0)
		return print_query(ctl, "rules", "rules", rules);
	return ctl_usage("kernel", argv[1], "no such verb; rules is one");
}

const struct noun noun_kernel = {
	.name = "kernel",
	.summary = "BPF features, devices and counters; kernel rules",
	.help = "usage: skerryctl kernel        features, devices, counters, "
		"where the pins are\n"
		"       skerryctl kernel rules  each rule in force, with its "
		"ledger\n",
	.run = run,
};
