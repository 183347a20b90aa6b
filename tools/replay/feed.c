// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* feed.c - step a core through a recording; see replay.h. */
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 4096

/* Above what any agent has. */
#define MEMBERS_MAX (2 * SKERRY_MEMBERS_MAX)
#define PROGRAMS_MAX (2 * SKERRY_PROGRAMS_MAX)
#define WATCHES_MAX (1U << 20)
#define PARTITIONS_MAX (2 * SKERRY_PARTITIONS_MAX)
#define RULES_MAX (2 * SKERRY_RULES_MAX)

struct feed {
	const struct replay_options *options;
	struct core_bytes left; /* of the recording */
	struct trace_setup setup;
	uint8_t key[REPLAY_KEY_BYTES];
	struct core_hmac hmac;
	void *memory;
	struct core *core;
	uint8_t *scratch; /* a decoded event, must last for its step */
	uint8_t *other_scratch; /* an operation to be shown */
	uint8_t *encoded; /* what the core does now */
	size_t scratch_bytes;
	struct core_event event;
	struct core_update update;
	int error; /* of the step */
	size_t ops; /* compared in this step */
	uint64_t steps;
};

static int bad(const struct feed *f, const char *why)
{
	fprintf(stderr, "skerry-replay: %s: step %llu: %s\n", f->options->file,
		(unsigned long long)f->steps, why);
	return REPLAY_USAGE;
}

/* ---- showing -------------------------------------------------------------- */

static void print_event(const struct feed *f)
{
	char text[TEXT_BYTES];

	trace_event_text(&f->event, text, sizeof(text));
	printf("%llu %s\n", (unsigned long long)f->steps, text);
}

static void print_op(const char *label, const struct core_op *op)
{
	char text[TEXT_BYTES];

	trace_op_text(op, text, sizeof(text));
	printf("%s%s\n", label, text);
}

static void print_recorded(const struct feed *f, struct core_bytes tlvs)
{
	struct core_op op;

	if (trace_op_decode(tlvs, f->other_scratch, f->scratch_bytes, &op))
		printf("recorded: %zu bytes that are no operation\n",
		       tlvs.size_bytes);
	else
		print_op("recorded: ", &op);
}

static int differs(const struct feed *f, const char *what)
{
	printf("%s: step %llu: %s\n", f->options->file,
	       (unsigned long long)f->steps, what);
	if (!f->options->text)
		print_event(f);
	return REPLAY_DIFFERENT;
}

static size_t first_difference(struct core_bytes a, struct core_bytes b)
{
	const uint8_t *x = a.data;
	const uint8_t *y = b.data;
	size_t i;

	for (i = 0; i < a.size_bytes && i < b.size_bytes; i++)
		if (x[i] != y[i])
			break;
	return i;
}

/* ---- one record ----------------------------------------------------------- */

static int on_event(struct feed *f, struct core_bytes tlvs)
{
	int error;

	f->steps++;
	f->ops = 0;
	error = trace_event_decode(tlvs, f->scratch, f->scratch_bytes,
				   &f->event);
	if (error)
		return bad(f, "a malformed event");
	if (f->options->text)
		print_event(f);
	f->error = core_step(f->core, &f->event, &f->update);
	if (f->options->text && f->error)
		printf("    refused: %s\n", strerror(-f->error));
	return 0;
}

static int on_op(struct feed *f, struct core_bytes recorded)
{
	struct core_bytes now;
	struct tlv_writer w;

	if (f->ops == f->update.count) {
		differs(f, "an operation is missing now");
		print_recorded(f, recorded);
		return REPLAY_DIFFERENT;
	}
	tlv_writer_init(&w, f->encoded, TRACE_RECORD_MAX_BYTES);
	trace_op(&w, &f->update.ops[f->ops]);
	now = (struct core_bytes) { f->encoded, w.used_bytes };
	if (f->options->text)
		print_op("    ", &f->update.ops[f->ops]);
	if (w.full || now.size_bytes != recorded.size_bytes ||
	    memcmp(now.data, recorded.data, now.size_bytes) != 0) {
		differs(f, "an operation is another one now");
		print_recorded(f, recorded);
		print_op("now:      ", &f->update.ops[f->ops]);
		printf("operation %zu, first difference at byte %zu of its"
		       " record\n",
		       f->ops + 1, first_difference(now, recorded));
		return REPLAY_DIFFERENT;
	}
	f->ops++;
	return 0;
}

static int on_result(struct feed *f, struct core_bytes tlvs)
{
	struct trace_result result;

	if (trace_result_decode(tlvs, &result))
		return bad(f, "a malformed result");
	if (f->ops < f->update.count) {
		differs(f, "an operation more now");
		print_op("now:      ", &f->update.ops[f->ops]);
		return REPLAY_DIFFERENT;
	}
	if (result.ops != f->ops)
		return bad(f, "operations were left out of the recording");
	if (result.error != f->error) {
		differs(f, "the step's result is another one now");
		printf("recorded: %d\nnow:      %d\n", result.error, f->error);
		return REPLAY_DIFFERENT;
	}
	if (result.more != f->update.more)
		return differs(f, "more is wanted at once, or no more, now");
	return 0;
}

/* The order of records is event, operations, result. */
static int feed_records(struct feed *f)
{
	bool in_step = false;
	enum trace_kind kind;
	struct core_bytes tlvs;
	int more, code = 0;

	while ((more = trace_record_next(&f->left, &kind, &tlvs)) == 1) {
		if (kind == TRACE_SETUP || (kind == TRACE_EVENT) == in_step)
			return bad(f, "records in a wrong order");
		in_step = kind != TRACE_RESULT;
		if (kind == TRACE_EVENT)
			code = on_event(f, tlvs);
		else if (kind == TRACE_OP)
			code = on_op(f, tlvs);
		else
			code = on_result(f, tlvs);
		if (code)
			return code;
	}
	/* An agent that was killed ends in the middle of a word. */
	if (more < 0 || in_step)
		fprintf(stderr,
			"skerry-replay: %s: the recording ends inside of step"
			" %llu\n",
			f->options->file, (unsigned long long)f->steps);
	printf("%s: %llu steps agree\n", f->options->file,
	       (unsigned long long)(f->steps - (in_step ? 1 : 0)));
	return REPLAY_SAME;
}

/* ---- setting up ----------------------------------------------------------- */

/* A recording comes from anywhere: it may not ask for any amount. */
static bool limits_valid(const struct core_limits *limits)
{
	return limits->members_max && limits->partitions_max &&
	       limits->members_max <= MEMBERS_MAX &&
	       limits->programs_max <= PROGRAMS_MAX &&
	       limits->watches_max <= WATCHES_MAX &&
	       limits->partitions_max <= PARTITIONS_MAX &&
	       limits->rules_max <= RULES_MAX;
}

static int set_up_key(struct feed *f)
{
	uint8_t digest[8];

	if (!f->setup.keyed)
		return 0;
	if (!f->options->key_file) {
		fprintf(stderr,
			"skerry-replay: %s: was recorded with a cluster key;"
			" give it with --key FILE\n",
			f->options->file);
		return REPLAY_USAGE;
	}
	if (replay_key_read(f->options->key_file, f->key))
		return REPLAY_USAGE;
	f->hmac.data = f->key;
	f->hmac.function = replay_hmac;
	trace_key_digest(&f->hmac, digest);
	if (memcmp(digest, f->setup.key_digest, sizeof(digest)) != 0) {
		fprintf(stderr,
			"skerry-replay: --key: %s: is not the key that %s was"
			" recorded with\n",
			f->options->key_file, f->options->file);
		return REPLAY_USAGE;
	}
	return 0;
}

static int set_up(struct feed *f)
{
	enum trace_kind kind;
	struct core_bytes tlvs;
	size_t size;
	int code;

	if (trace_record_next(&f->left, &kind, &tlvs) != 1 ||
	    kind != TRACE_SETUP || trace_setup_decode(tlvs, &f->setup) ||
	    !limits_valid(&f->setup.limits))
		return bad(f, "does not begin as a recording does");
	code = set_up_key(f);
	if (code)
		return code;
	size = core_size(&f->setup.limits);
	f->scratch_bytes = TRACE_SCRATCH_BYTES + TRACE_RECORD_MAX_BYTES;
	f->memory = aligned_alloc(16, (size + 15) & ~(size_t)15);
	f->scratch = malloc(f->scratch_bytes);
	f->other_scratch = malloc(f->scratch_bytes);
	f->encoded = malloc(TRACE_RECORD_MAX_BYTES);
	if (!f->memory || !f->scratch || !f->other_scratch || !f->encoded)
		return bad(f, "no memory");
	f->core = core_init(f->memory, &f->setup.limits,
			    f->setup.keyed ? &f->hmac : NULL);
	return 0;
}

int replay_feed(const struct replay_options *options, struct core_bytes trace)
{
	struct feed f = { .options = options, .left = trace };
	int code;

	code = set_up(&f);
	if (!code)
		code = feed_records(&f);
	free(f.memory);
	free(f.scratch);
	free(f.other_scratch);
	free(f.encoded);
	return code;
}
