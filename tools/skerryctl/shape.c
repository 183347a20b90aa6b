// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* shape.c - shapes as people write them; see cut.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

#define SHAPES                                                                \
	"isolate, around, split, one-way, halves, majority, minority-third, " \
	"random, bridge, majorities-ring, matrix or to"

typedef int words_fn(struct cut_shape *shape, int argc, char **argv);

/* ---- lists of nodes ---------------------------------------------------- */

/*
 * Names with commas or blanks between them, in as many words as one likes;
 * `between` (one of SEPARATORS) begins the next component.
 */
static const char *skip_separator(const char *at, const char *between)
{
	size_t length = strlen(between);

	return strncmp(at, between, length) == 0 ? at + length : NULL;
}

static size_t name_length(const char *at, const char *between)
{
	const char *end = strstr(at, between);
	size_t length = strcspn(at, ", ");

	if (end && (size_t)(end - at) < length)
		length = (size_t)(end - at);
	return length;
}

/* How many components there are; 0: one is empty. */
static int put_components(struct cut_shape *shape, int argc, char **argv,
			  const char *between)
{
	size_t mark = tlv_begin(&shape->w, SKERRY_K_COMPONENT);
	int i, names = 0, components = 1;
	const char *at, *next;
	size_t length;

	for (i = 0; i < argc; i++) {
		for (at = argv[i]; *at;) {
			next = skip_separator(at, between);
			if (next) {
				if (!names)
					return 0;
				tlv_end(&shape->w, mark);
				mark = tlv_begin(&shape->w, SKERRY_K_COMPONENT);
				names = 0;
				components++;
				at = next;
				continue;
			}
			length = name_length(at, between);
			if (length) {
				tlv_put(&shape->w, SKERRY_K_NAME, at, length);
				names++;
			}
			at += length ? length : 1;
		}
	}
	tlv_end(&shape->w, mark);
	return names ? components : 0;
}

/* ---- one function for each way to say it ------------------------------- */

static int take_split(struct cut_shape *shape, int argc, char **argv)
{
	if (put_components(shape, argc - 1, argv + 1, "/") > 1)
		return 0;
	return ctl_usage(shape->what, "split",
			 "two groups at least are needed; A,B / C,D");
}

static int take_one_way(struct cut_shape *shape, int argc, char **argv)
{
	struct tlv_writer before = shape->w;
	size_t mark;
	int i;

	if (put_components(shape, argc - 1, argv + 1, "->") == 2)
		return 0;
	shape->w = before;
	if (argc != 3 || strstr(argv[1], "->") || strstr(argv[2], "->"))
		return ctl_usage(shape->what, "one-way",
				 "who is not to be heard by whom; A B, or "
				 "A,B -> C");
	for (i = 1; i < 3; i++) {
		mark = tlv_begin(&shape->w, SKERRY_K_COMPONENT);
		tlv_put_str(&shape->w, SKERRY_K_NAME, argv[i]);
		tlv_end(&shape->w, mark);
	}
	return 0;
}

/* The nodes to draw from, or nothing: all. */
static int take_drawn(struct cut_shape *shape, int argc, char **argv)
{
	if (argc == 1 || put_components(shape, argc - 1, argv + 1, "/") == 1)
		return 0;
	return ctl_usage(shape->what, argv[0],
			 "nodes to draw from are one list, as A,B,C; without "
			 "it all are meant");
}

static int take_bridge(struct cut_shape *shape, int argc, char **argv)
{
	if (argc < 2)
		return ctl_usage(shape->what, "bridge",
				 "a node that reaches both halves is needed; "
				 "bridge NODE");
	tlv_put_str(&shape->w, SKERRY_K_ORIGIN, argv[1]);
	argv[1] = argv[0];
	return take_drawn(shape, argc - 1, argv + 1);
}

static int take_origin(struct cut_shape *shape, int argc, char **argv)
{
	if (argc != 2)
		return ctl_usage(
			shape->what, argv[0],
			"one node is needed; see skerryctl partition --help");
	tlv_put_str(&shape->w, SKERRY_K_ORIGIN, argv[1]);
	return 0;
}

static int take_around(struct cut_shape *shape, int argc, char **argv)
{
	int code = take_origin(shape, argc, argv);

	if (code)
		return code;
	if (shape->ttl == UINT64_MAX)
		return ctl_usage(shape->what, "around",
				 "--ttl is missing; how many hops");
	tlv_put_u64(&shape->w, SKERRY_K_TTL, shape->ttl);
	return 0;
}

static int take_matrix(struct cut_shape *shape, int argc, char **argv)
{
	if (argc != 2)
		return ctl_usage(shape->what, "matrix",
				 "one file is needed; - reads stdin");
	return cut_matrix(shape, argv[1]);
}

static int take_to(struct cut_shape *shape, int argc, char **argv)
{
	if (argc != 2)
		return ctl_usage(shape->what, "to",
				 "one address is needed; "
				 "ADDRESS[/PREFIX][:PORT] or HOST[:PORT]");
	return cut_target(shape, argv[1]);
}

static const struct {
	const char *name;
	words_fn *take;
} shapes[] = {
	{ "isolate", take_origin }, { "around", take_around },
	{ "split", take_split },    { "one-way", take_one_way },
	{ "halves", take_drawn },   { "majority", take_drawn },
	{ "random", take_drawn },   { "minority-third", take_drawn },
	{ "bridge", take_bridge },  { "majorities-ring", take_drawn },
	{ "matrix", take_matrix },  { "to", take_to },
};

static words_fn *find_shape(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (strcmp(word, shapes[i].name) == 0)
			return shapes[i].take;
	return NULL;
}

static int put_shape(struct cut_shape *shape, int argc, char **argv)
{
	words_fn *take;

	if (argc < 2)
		return ctl_usage(shape->what, NULL,
				 "a shape is missing; " SHAPES);
	take = find_shape(argv[1]);
	/* Of `cut`: a node alone. */
	if (!take && argc == 2 && strcmp(shape->what, "cut") == 0) {
		tlv_put_str(&shape->w, SKERRY_K_SHAPE, "isolate");
		tlv_put_str(&shape->w, SKERRY_K_ORIGIN, argv[1]);
		return 0;
	}
	if (!take)
		return ctl_usage(shape->what, argv[1],
				 "no such shape; " SHAPES);
	tlv_put_str(&shape->w, SKERRY_K_SHAPE, argv[1]);
	return take(shape, argc - 1, argv + 1);
}

/* ---- options ----------------------------------------------------------- */

/* "30%" or "0.5%": parts per million, without a floating point. */
static int parse_loss(const char *text, uint64_t *ret_ppm)
{
	uint64_t whole = 0, part = 0, unit = 10000;
	const char *at = text;

	if (*at < '0' || *at > '9')
		return -1;
	for (; *at >= '0' && *at <= '9' && whole <= 100; at++)
		whole = whole * 10 + (uint64_t)(*at - '0');
	if (*at == '.') {
		for (at++; *at >= '0' && *at <= '9' && unit > 1; at++) {
			unit /= 10;
			part += unit * (uint64_t)(*at - '0');
		}
	}
	if (strcmp(at, "%") != 0 || whole * 10000 + part > 1000000 ||
	    !(whole * 10000 + part))
		return -1;
	*ret_ppm = whole * 10000 + part;
	return 0;
}

static int put_options(const struct ctl *ctl, struct cut_shape *shape)
{
	uint64_t ppm = 0;

	if (shape->loss && parse_loss(shape->loss, &ppm) != 0)
		return ctl_usage(shape->what, shape->loss,
				 "--loss: a share of all packets is wanted; "
				 "30%% or 0.5%%");
	if (shape->for_ms)
		tlv_put_u64(&shape->w, SKERRY_K_DURATION_MS, shape->for_ms);
	if (shape->visibility)
		tlv_put_str(&shape->w, SKERRY_K_VISIBILITY, shape->visibility);
	if (shape->name)
		tlv_put_str(&shape->w, SKERRY_K_NAME, shape->name);
	if (shape->reason)
		tlv_put_str(&shape->w, SKERRY_K_WHY, shape->reason);
	if (shape->protocol)
		tlv_put_str(&shape->w, SKERRY_K_PROTOCOL, shape->protocol);
	if (ppm)
		tlv_put_u64(&shape->w, SKERRY_K_LOSS_PPM, ppm);
	if (shape->seed != UINT64_MAX)
		tlv_put_u64(&shape->w, SKERRY_K_SEED, shape->seed);
	if (shape->force)
		tlv_put_bool(&shape->w, SKERRY_K_FORCE, true);
	if (shape->one_way)
		tlv_put_bool(&shape->w, SKERRY_K_ONE_WAY, true);
	if (ctl->timeout_ms)
		tlv_put_u64(&shape->w, SKERRY_K_TIMEOUT_MS, ctl->timeout_ms);
	return 0;
}

void cut_shape_init(struct cut_shape *shape, const char *what,
		    uint32_t default_for_ms)
{
	memset(shape, 0, sizeof(*shape));
	shape->what = what;
	shape->for_ms = default_for_ms;
	shape->ttl = UINT64_MAX;
	shape->seed = UINT64_MAX;
	tlv_writer_init(&shape->w, shape->bytes, sizeof(shape->bytes) - 64);
}

int cut_shape_take(const struct ctl *ctl, struct cut_shape *shape, int argc,
		   char **argv)
{
	const struct arg args[] = {
		{ "--for", ARG_DURATION, &shape->for_ms },
		{ "--ttl", ARG_COUNT, &shape->ttl },
		{ "--name", ARG_TEXT, &shape->name },
		{ "--visibility", ARG_TEXT, &shape->visibility },
		{ "--reason", ARG_TEXT, &shape->reason },
		{ "--loss", ARG_TEXT, &shape->loss },
		{ "--seed", ARG_COUNT, &shape->seed },
		{ "--proto", ARG_TEXT, &shape->protocol },
		{ "--force", ARG_FLAG, &shape->force },
		{ "--one-way", ARG_FLAG, &shape->one_way },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take(shape->what, &argc, argv, args, false);

	if (!code)
		code = put_shape(shape, argc, argv);
	if (!code)
		code = put_options(ctl, shape);
	if (!code && shape->w.full)
		return ctl_usage(shape->what, NULL,
				 "too many nodes for one call; name fewer");
	if (!code && shape->name && shape->target_count > 1)
		return ctl_usage(shape->what, shape->name,
				 "this host has %d addresses, and a name is of "
				 "one partition; leave --name out, or name one "
				 "address",
				 shape->target_count);
	return code;
}

struct tlv_writer cut_shape_fields(struct cut_shape *shape, int i)
{
	struct tlv_writer w = shape->w;

	if (!shape->target_count)
		return w;
	w.size_bytes = sizeof(shape->bytes);
	tlv_put_addr(&w, SKERRY_K_TARGET, &shape->targets[i]);
	tlv_put_u64(&w, SKERRY_K_PREFIX_BITS, shape->prefix_bits);
	return w;
}
