// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* inject.c - skerryctl partition inject and cut; see cut.h. */
#include <stdio.h>
#include <string.h>

#include "cut.h"
#include "skerry/ring.h"

/* The agent's own when --timeout is not given. */
#define INJECT_WAIT_MS 5000
/* The answer may be on its way when the agent's wait is over. */
#define ANSWER_SLACK_MS 3000

/* The reference is what scripts take; the seed is for people. */
static void print_reference(const struct ctl *ctl, const struct rows *answer)
{
	char reference[33];
	struct tlv_reader r;
	uint64_t seed;
	size_t i;

	for (i = 0; i < answer->count && !ctl->json; i++) {
		const struct row *row = &answer->list[i];

		if (tlv_find(row->data, row->size_bytes, SKERRY_K_REFERENCE,
			     &r) &&
		    r.length == 16) {
			selector_reference_text(r.value, reference);
			puts(reference);
		}
		if (tlv_find(row->data, row->size_bytes, SKERRY_K_SEED, &r) &&
		    tlv_u64(&r, &seed) == 0)
			fprintf(stderr, "--seed %llu makes the same one\n",
				(unsigned long long)seed);
	}
}

static int call(struct ctl *ctl, struct cut_shape *shape, int i,
		const char *value)
{
	uint32_t wait_ms = ctl->timeout_ms ? ctl->timeout_ms : INJECT_WAIT_MS;
	struct tlv_writer w = cut_shape_fields(shape, i);
	struct rows answer = { 0 };
	int error, code;

	error = skerry_command(ctl->handle, SKERRY_CMD_INJECT, w.data,
			       w.used_bytes, wait_ms + ANSWER_SLACK_MS,
			       rows_add, &answer);
	if (error < 0) {
		code = ctl_error(ctl, error, shape->what, value);
	} else {
		print_reference(ctl, &answer);
		code = cut_answer(ctl, shape->what, &answer);
	}
	rows_free(&answer);
	return code;
}

int cut_inject(struct ctl *ctl, int argc, char **argv, const char *what,
	       uint32_t default_for_ms)
{
	static struct cut_shape shape; /* its bytes are many for a stack */
	int code, one, i = 0;

	cut_shape_init(&shape, what, default_for_ms);
	code = cut_shape_take(ctl, &shape, argc, argv);
	if (!code)
		code = ctl_open(ctl, true);
	if (code)
		return code;
	/* A host's addresses one after the other. */
	do {
		one = call(ctl, &shape, i, argv[argc - 1]);
		code = code ? code : one;
	} while (++i < shape.target_count);
	return code;
}
