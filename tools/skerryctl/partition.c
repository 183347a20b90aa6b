// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition.c - skerryctl partition: list, inject, resolve. */
#include "cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list -------------------------------------------------------------- */

/* What this node's kernel has counted for each reference. */
struct ledger {
	uint8_t reference[16];
	uint64_t seen, dropped, leaked;
};

struct ledgers {
	struct ledger *list;
	size_t count;
};

static struct ledger *find_ledger(struct ledgers *all, const uint8_t id[16])
{
	size_t i;

	for (i = 0; i < all->count; i++)
		if (memcmp(all->list[i].reference, id, 16) == 0)
			return &all->list[i];
	return NULL;
}

static bool row_reference(const struct row *row, uint8_t ret_id[16])
{
	struct tlv_reader r;

	return tlv_find(row->data, row->size_bytes, SKERRY_K_REFERENCE, &r) &&
	       tlv_id(&r, ret_id) == 0;
}

static void add_up(const struct rows *rules, struct ledgers *all)
{
	struct ledger *ledger;
	uint8_t id[16];
	size_t i;

	all->count = 0;
	all->list = calloc(rules->count + 1, sizeof(*all->list));
	if (!all->list)
		return;
	for (i = 0; i < rules->count; i++) {
		const struct row *row = &rules->list[i];

		if (!row_reference(row, id))
			continue;
		ledger = find_ledger(all, id);
		if (!ledger) {
			ledger = &all->list[all->count++];
			memcpy(ledger->reference, id, 16);
		}
		ledger->seen += tlv_find_u64(row->data, row->size_bytes,
					     SKERRY_K_SEEN_PACKETS, 0);
		ledger->dropped += tlv_find_u64(row->data, row->size_bytes,
						SKERRY_K_DROPPED_PACKETS, 0);
		ledger->leaked += tlv_find_u64(row->data, row->size_bytes,
					       SKERRY_K_LEAKED_PACKETS, 0);
	}
}

/* Into the rows about this node: only its own kernel can be asked. */
static void merge(struct rows *rows, struct ledgers *all, const char *self)
{
	char node[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_writer w;
	uint8_t id[16];
	size_t i;

	for (i = 0; i < rows->count; i++) {
		struct row *row = &rows->list[i];
		struct ledger *ledger;
		struct tlv_reader r;
		void *grown;

		if (tlv_find_str(row->data, row->size_bytes, SKERRY_K_NODE,
				 node, sizeof(node)) != 0 ||
		    strcmp(node, self) || !row_reference(row, id) ||
		    tlv_find(row->data, row->size_bytes,
			     SKERRY_K_DROPPED_PACKETS, &r))
			continue;
		ledger = find_ledger(all, id);
		grown = ledger ? realloc(row->data, row->size_bytes + 36)
			       : NULL;
		if (!grown)
			continue;
		row->data = grown;
		tlv_writer_init(&w, grown, row->size_bytes + 36);
		w.used_bytes = row->size_bytes;
		tlv_put_u64(&w, SKERRY_K_SEEN_PACKETS, ledger->seen);
		tlv_put_u64(&w, SKERRY_K_DROPPED_PACKETS, ledger->dropped);
		tlv_put_u64(&w, SKERRY_K_LEAKED_PACKETS, ledger->leaked);
		row->size_bytes = w.used_bytes;
	}
}

int cut_query(struct ctl *ctl, struct rows *rows)
{
	struct rows rules = { 0 };
	struct ledgers all = { 0 };
	int code;

	code = rows_query(ctl, "partitions", rows);
	if (!code)
		code = rows_query(ctl, "rules", &rules);
	if (!code) {
		add_up(&rules, &all);
		merge(rows, &all, skerry_mynode(ctl->handle));
	}
	free(all.list);
	rows_free(&rules);
	return code;
}

static int list(struct ctl *ctl)
{
	static const struct column columns[] = {
		{ "REFERENCE", SKERRY_K_REFERENCE, COLUMN_SHORT_ID },
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "SHAPE", SKERRY_K_SHAPE, COLUMN_PLAIN },
		{ "ORIGIN", SKERRY_K_ORIGIN, COLUMN_PLAIN },
		{ "NODE", SKERRY_K_NODE, COLUMN_PLAIN },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "LEFT", SKERRY_K_REMAINING_MS, COLUMN_LEFT },
		{ "VISIBILITY", SKERRY_K_VISIBILITY, COLUMN_PLAIN },
		{ "SEEN", SKERRY_K_SEEN_PACKETS, COLUMN_PLAIN },
		{ "DROPPED", SKERRY_K_DROPPED_PACKETS, COLUMN_PLAIN },
		{ "LEAKED", SKERRY_K_LEAKED_PACKETS, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	struct rows rows = { 0 };
	json_t *object;
	int code;

	code = ctl_open(ctl, false);
	if (!code)
		code = cut_query(ctl, &rows);
	if (code)
		goto out;
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "partitions", json_rows(&rows));
		json_end(object, false);
	} else if (rows.count) {
		table_print(&rows, columns);
	} else {
		fputs("nothing is cut\n", stderr);
	}
out:
	rows_free(&rows);
	return code;
}

/* ---- what inject and resolve answer ------------------------------------ */

/* It has said that it cannot, and will not. */
static bool is_unable(const struct rows *answer, const char *node)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct tlv_reader r;
	size_t i;

	for (i = 0; i < answer->count; i++) {
		tlv_reader_init(&r, answer->list[i].data,
				answer->list[i].size_bytes);
		while (tlv_next(&r))
			if (r.key == SKERRY_K_UNABLE &&
			    tlv_str(&r, name, sizeof(name)) == 0 &&
			    strcmp(name, node) == 0)
				return true;
	}
	return false;
}

int cut_answer(struct ctl *ctl, const char *what, struct rows *answer)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	size_t i, done = 0, missing = 0;
	json_t *object, *part;
	struct tlv_reader r;

	object = ctl->json ? json_begin() : NULL;
	for (i = 0; i < answer->count; i++) {
		const struct row *row = &answer->list[i];

		if (object) {
			part = json_fields(row->data, row->size_bytes);
			json_object_update_missing(object, part);
			json_decref(part);
		}
		tlv_reader_init(&r, row->data, row->size_bytes);
		while (tlv_next(&r)) {
			done += r.key == SKERRY_K_PARTICIPANT;
			if (r.key != SKERRY_K_MISSING ||
			    tlv_str(&r, name, sizeof(name)) != 0)
				continue;
			missing++;
			fprintf(stderr, "skerryctl: %s: %s: %s\n", what, name,
				is_unable(answer, name)
					? "not able to make such cuts"
					: "not in force there yet");
		}
	}
	if (object)
		json_end(object, false);
	if (!missing)
		return EXIT_DONE;
	fprintf(stderr,
		"skerryctl: %s: %zu of %zu nodes have not answered; skerryctl "
		"partition shows who\n",
		what, missing, done);
	return EXIT_PARTLY;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	const char *output = NULL;
	const struct arg args[] = {
		{ "-o", ARG_TEXT, &output },
		{ NULL, ARG_FLAG, NULL },
	};
	int code;

	if (argc > 1 && strcmp(argv[1], "inject") == 0)
		return cut_inject(ctl, argc - 1, argv + 1, "partition inject",
				  0);
	if (argc > 1 && strcmp(argv[1], "resolve") == 0)
		return cut_resolve(ctl, argc - 1, argv + 1,
				   "partition resolve");
	if (argc > 1 && strcmp(argv[1], "explain") == 0)
		return cut_explain(ctl, argc - 1, argv + 1,
				   "partition explain");
	if (argc > 1 && strcmp(argv[1], "verify") == 0)
		return cut_verify(ctl, argc - 1, argv + 1, "partition verify");
	code = args_take("partition", &argc, argv, args, false);
	if (code)
		return code;
	if (argc > 1)
		return ctl_usage("partition", argv[1],
				 "no such verb; inject, resolve, explain or "
				 "verify");
	if (output && strcmp(output, "matrix") == 0)
		return cut_grid(ctl);
	if (output)
		return ctl_usage("partition", output, "-o: only matrix");
	return list(ctl);
}

#define SHAPES_HELP                                                            \
	"Shapes:\n"                                                            \
	"  isolate NODE             cut NODE off from everybody\n"             \
	"  around ORIGIN --ttl N    cut every node within N hops of ORIGIN "   \
	"off from\n"                                                           \
	"                           everybody; on the full mesh 1 is "         \
	"everybody\n"                                                          \
	"  split A,B / C,D          cut the groups off from each other\n"      \
	"  one-way A B              drop what A sends to B; A,B -> C\n"        \
	"  halves, majority, minority-third, random [NODE,...]\n"              \
	"                           two groups, drawn by chance\n"             \
	"  bridge NODE [NODE,...]   two halves; NODE reaches both\n"           \
	"  majorities-ring [NODE,...]\n"                                       \
	"                           each sees a majority, no two the same\n"   \
	"  matrix FILE              who drops whose packets, in a table or "   \
	"as lines\n"                                                           \
	"                           A -> B; see skerryctl(1)\n"                \
	"  to ADDRESS[/PREFIX][:PORT], to HOST[:PORT]\n"                       \
	"                           cut this host off from there, for 60s; "   \
	"no cluster\n"                                                         \
	"                           is needed\n\n"                             \
	"  --for TIME               how long; else as long as the agents "     \
	"live\n"                                                               \
	"  --name NAME              to find it again\n"                        \
	"  --visibility V           wire: like a pulled cable; local: "        \
	"senders may see\n"                                                    \
	"                           an error; reject: they are told at once; " \
	"sever: wire,\n"                                                       \
	"                           and connections are ended\n"               \
	"  --loss 30%               drop so many packets, not all\n"           \
	"  --seed N                 draw as before: groups, lost packets\n"    \
	"  --proto tcp|udp          only that, with shape to\n"                \
	"  --one-way                only packets from the first group to the " \
	"others\n"                                                             \
	"  --reason TEXT            for the log\n"                             \
	"  --force                  beyond the safeguards\n"                   \
	"  --timeout TIME           how long to wait for all nodes (5s)\n\n"   \
	"Prints the reference. Exit code 6: not every node has answered, or "  \
	"one cannot.\n"

const struct noun noun_partition = {
	.name = "partition",
	.summary = "what is cut; inject, resolve, verify, explain",
	.help = "usage: skerryctl partition [-o matrix]\n"
		"       skerryctl partition inject SHAPE ARGUMENT... "
		"[OPTION...]\n"
		"       skerryctl partition explain SHAPE ARGUMENT... "
		"[OPTION...]\n"
		"       skerryctl partition verify [REFERENCE|NAME] "
		"[--expect cut|healed]\n"
		"       skerryctl partition resolve [--local] [--reason TEXT] "
		"REFERENCE|NAME|--all\n\n"
		"explain says what inject would do, and does nothing. verify "
		"asks every node\n"
		"what its kernel has dropped: exit code 0 as expected, 1 not, "
		"6 a node has\n"
		"not answered.\n\n" SHAPES_HELP,
	.run = run,
};

static int run_cut(struct ctl *ctl, int argc, char **argv)
{
	return cut_inject(ctl, argc, argv, "cut", 60000);
}

const struct noun noun_cut = {
	.name = "cut",
	.summary = "short for partition inject: cut a node off for a minute",
	.help = "usage: skerryctl cut NODE [OPTION...]\n"
		"       skerryctl cut SHAPE ARGUMENT... [OPTION...]\n\n"
		"As partition inject; a NODE alone is isolated, and without "
		"--for it is 60s.\n\n" SHAPES_HELP,
	.run = run_cut,
};

static int run_heal(struct ctl *ctl, int argc, char **argv)
{
	return cut_resolve(ctl, argc, argv, "heal");
}

const struct noun noun_heal = {
	.name = "heal",
	.summary = "short for partition resolve: lift a cut",
	.help = "usage: skerryctl heal [REFERENCE|NAME] [--reason TEXT]\n"
		"                                        without one: the "
		"only cut there is\n"
		"       skerryctl heal --all [--reason TEXT]\n"
		"       skerryctl heal --all --local [--pin-root DIR]\n\n"
		"A reference may be shortened to its first digits. --local "
		"lifts the rules in\n"
		"this host's kernel, of one node with --node, else of all; no "
		"agent is needed,\n"
		"and no other host is told.\n",
	.run = run_heal,
};
