// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* verify.c - skerryctl partition verify: what both ends of each edge have
 * counted, and whether that is what should be. */
#include <stdio.h>
#include <string.h>

#include "cut.h"
#include "run/field.h"

struct report {
	const struct ctl *ctl;
	struct rows rows; /* for the table, or JSON */
};

static void put_force(struct tlv_writer *w, uint16_t key, int in_force)
{
	tlv_put_str(w, key,
		    in_force < 0 ? "?"
		    : in_force	 ? "in force"
				 : "none");
}

static void on_edge(void *data, const struct skerry_edge *edge)
{
	struct report *report = data;
	uint8_t bytes[512];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_FROM, edge->from);
	tlv_put_str(&w, SKERRY_K_TO, edge->to);
	tlv_put_str(&w, SKERRY_K_VERDICT, edge->verdict);
	put_force(&w, SKERRY_K_SOURCE, edge->from_in_force);
	put_force(&w, SKERRY_K_STATE, edge->to_in_force);
	tlv_put_u64(&w, SKERRY_K_OUT_SEEN, edge->out_seen);
	tlv_put_u64(&w, SKERRY_K_OUT_DROPPED, edge->out_dropped);
	tlv_put_u64(&w, SKERRY_K_OUT_LEAKED, edge->out_leaked);
	tlv_put_u64(&w, SKERRY_K_IN_SEEN, edge->in_seen);
	tlv_put_u64(&w, SKERRY_K_IN_DROPPED, edge->in_dropped);
	tlv_put_u64(&w, SKERRY_K_IN_LEAKED, edge->in_leaked);
	rows_add(&report->rows, bytes, w.used_bytes);
}

static const char *expected_name(int expected)
{
	return expected == SKERRY_EXPECT_CUT ? "cut" : "healed";
}

static void print_json(const struct report *report,
		       const struct skerry_verification *result)
{
	json_t *object = json_begin();
	bool fine = !result->wrong && !result->missing;

	json_object_set_new(object, "expected",
			    json_string(expected_name(result->expected)));
	json_object_set_new(object, "verified", json_boolean(fine));
	json_object_set_new(object, "wrong", json_integer(result->wrong));
	json_object_set_new(object, "missing", json_integer(result->missing));
	json_object_set_new(object, "edges", json_rows(&report->rows));
	json_end(object, false);
}

static void print_table(const struct report *report)
{
	static const struct column columns[] = {
		{ "FROM", SKERRY_K_FROM, COLUMN_PLAIN },
		{ "TO", SKERRY_K_TO, COLUMN_PLAIN },
		{ "VERDICT", SKERRY_K_VERDICT, COLUMN_PLAIN },
		{ "RULE-FROM", SKERRY_K_SOURCE, COLUMN_PLAIN },
		{ "DROPPED", SKERRY_K_OUT_DROPPED, COLUMN_PLAIN },
		{ "LEAKED", SKERRY_K_OUT_LEAKED, COLUMN_PLAIN },
		{ "RULE-TO", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "DROPPED", SKERRY_K_IN_DROPPED, COLUMN_PLAIN },
		{ "LEAKED", SKERRY_K_IN_LEAKED, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};

	if (report->rows.count)
		table_print(&report->rows, columns);
}

static int conclude(const struct skerry_verification *result, const char *what)
{
	fflush(stdout); /* the table stands before its sum */
	if (result->wrong) {
		fprintf(stderr,
			"skerryctl: %s: %u of %u edges are not %s; see the "
			"verdicts\n",
			what, result->wrong,
			result->edges ? result->edges : result->wrong,
			expected_name(result->expected));
		return EXIT_FAILED;
	}
	if (result->missing) {
		fprintf(stderr,
			"skerryctl: %s: %u participants have not answered; "
			"their edges are judged by the other end\n",
			what, result->missing);
		return EXIT_PARTLY;
	}
	fprintf(stderr, "%s as expected\n", expected_name(result->expected));
	return EXIT_DONE;
}

static int run(struct ctl *ctl, const char *what, const char *text,
	       int expected)
{
	struct report report = { .ctl = ctl };
	struct skerry_verification result;
	struct skerry_reference reference;
	bool found = false;
	int code, error;

	code = cut_which(ctl, what, text, reference.id, &found);
	if (code || !found)
		return code;
	error = skerry_verify_partition(ctl->handle, &reference, expected,
					ctl->timeout_ms, on_edge, &report,
					&result);
	if (error < 0) {
		code = ctl_error(ctl, error, what, text);
	} else {
		if (ctl->json)
			print_json(&report, &result);
		else
			print_table(&report);
		code = conclude(&result, what);
	}
	rows_free(&report.rows);
	return code;
}

int cut_verify(struct ctl *ctl, int argc, char **argv, const char *what)
{
	const char *expect = NULL;
	const struct arg args[] = {
		{ "--expect", ARG_TEXT, &expect },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take(what, &argc, argv, args, false);
	int expected = 0;

	if (code)
		return code;
	if (expect && strcmp(expect, "cut") == 0)
		expected = SKERRY_EXPECT_CUT;
	else if (expect && strcmp(expect, "healed") == 0)
		expected = SKERRY_EXPECT_HEALED;
	else if (expect)
		return ctl_usage(what, expect, "--expect: cut or healed");
	if (argc > 2)
		return ctl_usage(what, argv[2],
				 "not expected; one reference or name");
	code = ctl_open(ctl, true);
	return code ? code
		    : run(ctl, what, argc > 1 ? argv[1] : NULL, expected);
}
