// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* explain.c - skerryctl partition explain: what an injection would do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grudge.h"
#include "cut.h"
#include "skerry/ring.h"
#include "sockets.h"

#define EXPLAIN_WAIT_MS 5000
#define ANSWER_SLACK_MS 3000
/* Edges that people are shown; JSON has all. */
#define EDGES_SHOWN 24

struct explanation {
	struct rows parts;
	struct lib_grudge grudge;
	size_t edges;
	unsigned long connections; /* lanes of this node that are cut */
	unsigned long sockets; /* with shape to: of this host */
	unsigned long fast_sockets; /* on this node, whomever they talk to */
};

/* What no hook sees, whatever the shape. */
static const char *const unseen[] = {
	"what programs on one node say to each other: it stays in its rings",
	"AF_XDP sockets, and virtual functions that bypass the host",
	"traffic inside other network namespaces",
	"a new network device, for up to 50 ms until it is attached",
	NULL,
};

static const char *sender_sees(const char *visibility)
{
	if (strcmp(visibility, "local") == 0)
		return "an error at once, at times; programs are told";
	if (strcmp(visibility, "reject") == 0)
		return "a reset or an unreachable at once; programs are told";
	if (strcmp(visibility, "sever") == 0)
		return "connections that end at once, then a pulled cable";
	return "what a pulled cable shows: nothing, until its own time-outs";
}

/* ---- asking ------------------------------------------------------------- */

static bool find(const struct explanation *x, uint16_t key,
		 struct tlv_reader *ret_field)
{
	size_t i;

	for (i = 0; i < x->parts.count; i++)
		if (tlv_find(x->parts.list[i].data, x->parts.list[i].size_bytes,
			     key, ret_field))
			return true;
	return false;
}

static void text(const struct explanation *x, uint16_t key, char *out,
		 size_t room)
{
	struct tlv_reader r;

	if (!find(x, key, &r) || tlv_str(&r, out, room) != 0)
		out[0] = 0;
}

static uint64_t number(const struct explanation *x, uint16_t key)
{
	struct tlv_reader r;
	uint64_t value = 0;

	if (find(x, key, &r))
		tlv_u64(&r, &value);
	return value;
}

static void count_edges(struct explanation *x)
{
	size_t i, k;

	for (i = 0; i < x->grudge.count; i++)
		for (k = 0; k < x->grudge.count; k++)
			x->edges += lib_grudge_cut(&x->grudge, i, k);
}

/* Lanes to nodes that are cut from this one, either way. */
static int count_lanes(struct ctl *ctl, struct explanation *x)
{
	long self = lib_grudge_find(&x->grudge, skerry_mynode(ctl->handle));
	struct rows rows = { 0 };
	char name[SKERRY_NAME_MAX_BYTES + 1];
	int code = rows_query(ctl, "connections", &rows);
	long peer;
	size_t i;

	for (i = 0; i < rows.count && self >= 0; i++) {
		if (tlv_find_str(rows.list[i].data, rows.list[i].size_bytes,
				 SKERRY_K_NODE, name, sizeof(name)) != 0)
			continue;
		peer = lib_grudge_find(&x->grudge, name);
		x->connections +=
			peer >= 0 && (lib_grudge_cut(&x->grudge, (size_t)self,
						     (size_t)peer) ||
				      lib_grudge_cut(&x->grudge, (size_t)peer,
						     (size_t)self));
	}
	rows_free(&rows);
	return code;
}

static int count_fast(struct ctl *ctl, struct explanation *x)
{
	struct rows rows = { 0 };
	int code = rows_query(ctl, "limits", &rows);
	char key[32];
	size_t i;

	for (i = 0; i < rows.count; i++)
		if (tlv_find_str(rows.list[i].data, rows.list[i].size_bytes,
				 SKERRY_K_KEY, key, sizeof(key)) == 0 &&
		    strcmp(key, "fast_sockets") == 0)
			x->fast_sockets = tlv_find_u64(rows.list[i].data,
						       rows.list[i].size_bytes,
						       SKERRY_K_COUNT, 0);
	rows_free(&rows);
	return code;
}

static void count_sockets(struct explanation *x)
{
	struct lib_target target = { .prefix_bits = 128 };
	char protocol[16];
	struct tlv_reader r;

	if (!find(x, SKERRY_K_TARGET, &r) || tlv_addr(&r, &target.address))
		return;
	target.prefix_bits = (uint8_t)number(x, SKERRY_K_PREFIX_BITS);
	text(x, SKERRY_K_PROTOCOL, protocol, sizeof(protocol));
	x->sockets = sockets_count(&target, protocol[0] ? protocol : NULL);
}

static int ask(struct ctl *ctl, struct cut_shape *shape, int i,
	       const char *value, struct explanation *x)
{
	uint32_t wait_ms = ctl->timeout_ms ? ctl->timeout_ms : EXPLAIN_WAIT_MS;
	struct tlv_writer w = cut_shape_fields(shape, i);
	int error, code;
	size_t part;

	error = skerry_command(ctl->handle, SKERRY_CMD_EXPLAIN, w.data,
			       w.used_bytes, wait_ms + ANSWER_SLACK_MS,
			       rows_add, &x->parts);
	if (error < 0)
		return ctl_error(ctl, error, shape->what, value);
	for (part = 0; part < x->parts.count; part++)
		lib_grudge_part(&x->grudge, x->parts.list[part].data,
				x->parts.list[part].size_bytes);
	error = lib_grudge_done(&x->grudge);
	if (error || x->parts.no_memory)
		return ctl_error_text(error, shape->what, value,
				      strerror(error ? -error : ENOMEM));
	count_edges(x);
	code = count_lanes(ctl, x);
	if (!code)
		code = count_fast(ctl, x);
	count_sockets(x);
	return code;
}

/* ---- saying it ---------------------------------------------------------- */

/* Every value of a key on a line, behind its title. */
static void print_list(const struct explanation *x, uint16_t key,
		       const char *title)
{
	struct tlv_reader r;
	char value[512];
	size_t i;

	for (i = 0; i < x->parts.count; i++) {
		tlv_reader_init(&r, x->parts.list[i].data,
				x->parts.list[i].size_bytes);
		while (tlv_next(&r)) {
			if (r.key == key &&
			    tlv_str(&r, value, sizeof(value)) == 0)
				printf("%-14s %s\n", title, value);
		}
	}
}

static void print_edges(const struct explanation *x)
{
	const struct lib_grudge *g = &x->grudge;
	size_t shown = 0, i, k;

	for (i = 0; i < g->count; i++) {
		if (g->target[0])
			printf("%-14s %s %s %s\n", "edge", g->nodes[i].name,
			       g->one_way ? "->" : "<->", g->target);
		for (k = 0; k < g->count; k++) {
			bool both = lib_grudge_cut(g, k, i);

			if (!lib_grudge_cut(g, i, k) || (both && k < i) ||
			    shown++ >= EDGES_SHOWN)
				continue;
			printf("%-14s %s %s %s\n", "edge", g->nodes[i].name,
			       both ? "<->" : "->", g->nodes[k].name);
		}
	}
	if (shown > EDGES_SHOWN)
		printf("%-14s and %zu more; --json has all\n", "edge",
		       shown - EDGES_SHOWN);
}

static void print_time(const struct explanation *x)
{
	uint64_t ms = number(x, SKERRY_K_DURATION_MS);

	if (ms)
		printf("%-14s %llu.%03llu s\n", "for",
		       (unsigned long long)(ms / 1000),
		       (unsigned long long)(ms % 1000));
	else
		printf("%-14s as long as the agents live\n", "for");
}

static void print_text(const struct explanation *x)
{
	char visibility[16];
	struct tlv_reader r;
	size_t i;

	text(x, SKERRY_K_VISIBILITY, visibility, sizeof(visibility));
	printf("%-14s %s\n", "shape", x->grudge.shape);
	if (find(x, SKERRY_K_SEED, &r))
		printf("%-14s %llu\n", "seed",
		       (unsigned long long)number(x, SKERRY_K_SEED));
	print_time(x);
	if (x->grudge.loss_ppm)
		printf("%-14s %u.%04u%% of packets, where they are sent\n",
		       "loss", x->grudge.loss_ppm / 10000,
		       x->grudge.loss_ppm % 10000);
	print_list(x, SKERRY_K_PARTICIPANT, "participant");
	if (!x->grudge.target[0])
		printf("%-14s %zu, each one way\n", "edges", x->edges);
	print_edges(x);
	printf("%-14s %s\n", "visibility", visibility);
	printf("%-14s %s\n", "sender sees", sender_sees(visibility));
	if (x->grudge.target[0])
		printf("%-14s %lu sockets of this host match now\n", "here",
		       x->sockets);
	else
		printf("%-14s %lu lanes match now; %lu fast sockets are "
		       "judged packet by packet\n",
		       "here", x->connections, x->fast_sockets);
	print_list(x, SKERRY_K_SAFEGUARD, "would refuse");
	print_list(x, SKERRY_K_UNABLE, "cannot do it");
	print_list(x, SKERRY_K_MISSING, "no answer from");
	for (i = 0; unseen[i]; i++)
		printf("%-14s %s\n", "not seen", unseen[i]);
}

static json_t *json_edges(const struct lib_grudge *g)
{
	json_t *array = json_array();
	size_t i, k;

	for (i = 0; i < g->count; i++) {
		if (g->target[0])
			json_array_append_new(array,
					      json_pack("{s:s,s:s}", "from",
							g->nodes[i].name, "to",
							g->target));
		for (k = 0; k < g->count; k++)
			if (lib_grudge_cut(g, i, k))
				json_array_append_new(
					array, json_pack("{s:s,s:s}", "from",
							 g->nodes[i].name, "to",
							 g->nodes[k].name));
	}
	return array;
}

static void print_json(const struct explanation *x)
{
	json_t *object = json_begin(), *part, *list = json_array();
	char visibility[16];
	size_t i;

	for (i = 0; i < x->parts.count; i++) {
		part = json_fields(x->parts.list[i].data,
				   x->parts.list[i].size_bytes);
		json_object_update_missing(object, part);
		json_decref(part);
	}
	for (i = 0; unseen[i]; i++)
		json_array_append_new(list, json_string(unseen[i]));
	text(x, SKERRY_K_VISIBILITY, visibility, sizeof(visibility));
	json_object_set_new(object, "edges", json_edges(&x->grudge));
	json_object_set_new(object, "unseen", list);
	json_object_set_new(object, "sender_sees",
			    json_string(sender_sees(visibility)));
	json_object_set_new(object, "connections",
			    json_integer((json_int_t)x->connections));
	json_object_set_new(object, "fast_sockets",
			    json_integer((json_int_t)x->fast_sockets));
	json_object_set_new(object, "sockets",
			    json_integer((json_int_t)x->sockets));
	json_end(object, false);
}

static int explain(struct ctl *ctl, struct cut_shape *shape, int i,
		   const char *value)
{
	struct explanation x = { .edges = 0 };
	int code = ask(ctl, shape, i, value, &x);

	if (!code && ctl->json)
		print_json(&x);
	else if (!code)
		print_text(&x);
	lib_grudge_free(&x.grudge);
	rows_free(&x.parts);
	return code;
}

int cut_explain(struct ctl *ctl, int argc, char **argv, const char *what)
{
	static struct cut_shape shape; /* its bytes are many for a stack */
	int code, one, i = 0;

	cut_shape_init(&shape, what, 0);
	code = cut_shape_take(ctl, &shape, argc, argv);
	if (!code)
		code = ctl_open(ctl, true);
	if (code)
		return code;
	do {
		one = explain(ctl, &shape, i, argv[argc - 1]);
		code = code ? code : one;
	} while (++i < shape.target_count);
	return code;
}
