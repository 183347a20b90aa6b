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

struct injection {
	const char *what;
	const char *name, *visibility, *reason;
	uint32_t for_ms;
	uint64_t ttl;
	bool force, one_way;
	struct tlv_writer w;
	uint8_t bytes[48 * 1024];
};

static bool is_shape(const char *word)
{
	return strcmp(word, "isolate") == 0 || strcmp(word, "around") == 0 ||
	       strcmp(word, "split") == 0;
}

/* "A,B / C,D", in as many words as one likes. */
static int put_components(struct injection *in, int argc, char **argv)
{
	size_t mark = tlv_begin(&in->w, SKERRY_K_COMPONENT);
	int i, names = 0, components = 1;
	char *at, *end, *slash;

	for (i = 0; i < argc; i++) {
		for (at = argv[i]; *at; at = end) {
			end = at + strcspn(at, ",/ ");
			if (end != at) {
				tlv_put(&in->w, SKERRY_K_NAME, at,
					(size_t)(end - at));
				names++;
			}
			slash = end;
			end += strspn(end, ",/ ");
			slash = memchr(slash, '/', (size_t)(end - slash));
			if (!slash)
				continue;
			if (!names)
				goto empty;
			tlv_end(&in->w, mark);
			mark = tlv_begin(&in->w, SKERRY_K_COMPONENT);
			names = 0;
			components++;
		}
	}
	tlv_end(&in->w, mark);
	if (names && components > 1)
		return 0;
empty:
	return ctl_usage(in->what, "split",
			 "two groups at least are needed; A,B / C,D");
}

static int put_shape(struct injection *in, int argc, char **argv)
{
	const char *shape;

	if (argc < 2)
		return ctl_usage(
			in->what, NULL,
			"a shape is missing; isolate, around or split");
	shape = argv[1];
	/* Of `cut`: a node alone. */
	if (argc == 2 && !is_shape(shape) && strcmp(in->what, "cut") == 0) {
		tlv_put_str(&in->w, SKERRY_K_SHAPE, "isolate");
		tlv_put_str(&in->w, SKERRY_K_ORIGIN, shape);
		return 0;
	}
	if (!is_shape(shape))
		return ctl_usage(in->what, shape,
				 "no such shape; isolate, around or split");
	tlv_put_str(&in->w, SKERRY_K_SHAPE, shape);
	if (strcmp(shape, "split") == 0)
		return put_components(in, argc - 2, argv + 2);
	if (argc != 3)
		return ctl_usage(
			in->what, shape,
			"one node is needed; see skerryctl partition --help");
	tlv_put_str(&in->w, SKERRY_K_ORIGIN, argv[2]);
	if (strcmp(shape, "around") == 0) {
		if (in->ttl == UINT64_MAX)
			return ctl_usage(in->what, shape,
					 "--ttl is missing; how many hops");
		tlv_put_u64(&in->w, SKERRY_K_TTL, in->ttl);
	}
	return 0;
}

static void put_options(const struct ctl *ctl, struct injection *in)
{
	if (in->for_ms)
		tlv_put_u64(&in->w, SKERRY_K_DURATION_MS, in->for_ms);
	if (in->visibility)
		tlv_put_str(&in->w, SKERRY_K_VISIBILITY, in->visibility);
	if (in->name)
		tlv_put_str(&in->w, SKERRY_K_NAME, in->name);
	if (in->reason)
		tlv_put_str(&in->w, SKERRY_K_WHY, in->reason);
	if (in->force)
		tlv_put_bool(&in->w, SKERRY_K_FORCE, true);
	if (in->one_way)
		tlv_put_bool(&in->w, SKERRY_K_ONE_WAY, true);
	if (ctl->timeout_ms)
		tlv_put_u64(&in->w, SKERRY_K_TIMEOUT_MS, ctl->timeout_ms);
}

static int call(struct ctl *ctl, struct injection *in, const char *value)
{
	uint32_t wait_ms = ctl->timeout_ms ? ctl->timeout_ms : INJECT_WAIT_MS;
	char reference[33];
	struct rows answer = { 0 };
	struct tlv_reader r;
	int error, code;
	size_t i;

	error = skerry_command(ctl->handle, SKERRY_CMD_INJECT, in->bytes,
			       in->w.used_bytes, wait_ms + ANSWER_SLACK_MS,
			       rows_add, &answer);
	if (error < 0) {
		code = ctl_error(ctl, error, in->what, value);
		goto out;
	}
	for (i = 0; i < answer.count && !ctl->json; i++) {
		if (!tlv_find(answer.list[i].data, answer.list[i].size_bytes,
			      SKERRY_K_REFERENCE, &r) ||
		    r.length != 16)
			continue;
		selector_reference_text(r.value, reference);
		puts(reference);
	}
	code = cut_answer(ctl, in->what, &answer);
out:
	rows_free(&answer);
	return code;
}

int cut_inject(struct ctl *ctl, int argc, char **argv, const char *what,
	       uint32_t default_for_ms)
{
	static struct injection in; /* its bytes are many for a stack */
	const struct arg args[] = {
		{ "--for", ARG_DURATION, &in.for_ms },
		{ "--ttl", ARG_COUNT, &in.ttl },
		{ "--name", ARG_TEXT, &in.name },
		{ "--visibility", ARG_TEXT, &in.visibility },
		{ "--reason", ARG_TEXT, &in.reason },
		{ "--force", ARG_FLAG, &in.force },
		{ "--one-way", ARG_FLAG, &in.one_way },
		{ NULL, ARG_FLAG, NULL },
	};
	int code;

	in.what = what;
	in.for_ms = default_for_ms;
	in.ttl = UINT64_MAX;
	tlv_writer_init(&in.w, in.bytes, sizeof(in.bytes));
	code = args_take(what, &argc, argv, args, false);
	if (!code)
		code = put_shape(&in, argc, argv);
	if (code)
		return code;
	put_options(ctl, &in);
	if (in.w.full)
		return ctl_usage(what, NULL,
				 "too many nodes for one call; name fewer");
	code = ctl_open(ctl, true);
	return code ? code : call(ctl, &in, argv[argc - 1]);
}
