// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * verify.c - both ends' ledgers of a partition, joined edge by edge.
 *
 * Each participant says what its cuts have done, in rows: one a peer, or one
 * for everybody. An edge from A to B is dropped by A's cut of what it sends
 * to B, by B's of what arrives from A, or by both; what A's kernel has
 * dropped B's never sees.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "grudge.h"
#include "internal.h"

#define TIMEOUT_MS 5000U
#define GRACE_NS 2000000000ULL
/* Who is cut hears nothing, but sends heartbeats: two periods of them. */
#define TRAFFIC_NS 1200000000ULL
#define PAUSE_NS 200000000ULL

struct ledger_row {
	char node[SKERRY_NAME_MAX_BYTES + 1];
	char peer[SKERRY_NAME_MAX_BYTES + 1]; /* "": everybody, or address */
	bool in_force;
	uint64_t out_seen, out_dropped, out_leaked;
	uint64_t in_seen, in_dropped, in_leaked;
};

struct answer {
	struct lib_grudge grudge;
	bool resolved;
	struct ledger_row *rows;
	size_t count, room;
	char (*missing)[SKERRY_NAME_MAX_BYTES + 1];
	size_t missing_count;
	bool no_memory;
};

static void answer_free(struct answer *a)
{
	lib_grudge_free(&a->grudge);
	free(a->rows);
	free(a->missing);
	memset(a, 0, sizeof(*a));
}

/* ---- reading ---------------------------------------------------------------- */

static void take_row(struct answer *a, const char *node,
		     const struct tlv_reader *field)
{
	const void *tlvs = field->value;
	size_t size = field->length;
	struct ledger_row *row, *grown;

	if (a->count == a->room) {
		size_t room = a->room ? 2 * a->room : 32;

		grown = realloc(a->rows, room * sizeof(*grown));
		if (!grown) {
			a->no_memory = true;
			return;
		}
		a->rows = grown;
		a->room = room;
	}
	row = &a->rows[a->count++];
	memset(row, 0, sizeof(*row));
	strcpy(row->node, node);
	tlv_find_str(tlvs, size, SKERRY_K_NODE, row->peer, sizeof(row->peer));
	row->in_force = tlv_find_bool(tlvs, size, SKERRY_K_IN_FORCE);
	row->out_seen = tlv_find_u64(tlvs, size, SKERRY_K_OUT_SEEN, 0);
	row->out_dropped = tlv_find_u64(tlvs, size, SKERRY_K_OUT_DROPPED, 0);
	row->out_leaked = tlv_find_u64(tlvs, size, SKERRY_K_OUT_LEAKED, 0);
	row->in_seen = tlv_find_u64(tlvs, size, SKERRY_K_IN_SEEN, 0);
	row->in_dropped = tlv_find_u64(tlvs, size, SKERRY_K_IN_DROPPED, 0);
	row->in_leaked = tlv_find_u64(tlvs, size, SKERRY_K_IN_LEAKED, 0);
}

static void add_missing(struct answer *a, const char *name)
{
	void *grown = realloc(a->missing,
			      (a->missing_count + 1) * sizeof(*a->missing));

	if (!grown) {
		a->no_memory = true;
		return;
	}
	a->missing = grown;
	strcpy(a->missing[a->missing_count++], name);
}

static void take_missing(struct answer *a, const struct tlv_reader *r)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];

	if (!tlv_str(r, name, sizeof(name)))
		add_missing(a, name);
}

/* Named by the entry, and not known to the agent that asked: a cut may have
 * come before they met. */
static void add_strangers(struct answer *a)
{
	size_t i;

	for (i = 0; i < a->grudge.count; i++)
		if (!a->grudge.nodes[i].participant)
			add_missing(a, a->grudge.nodes[i].name);
}

static void answer_part(void *data, const void *tlvs, size_t size_bytes)
{
	char node[SKERRY_NAME_MAX_BYTES + 1] = "";
	struct answer *a = data;
	struct tlv_reader r;

	lib_grudge_part(&a->grudge, tlvs, size_bytes);
	if (tlv_find(tlvs, size_bytes, SKERRY_K_RESOLVED, &r))
		tlv_bool(&r, &a->resolved);
	tlv_find_str(tlvs, size_bytes, SKERRY_K_NODE, node, sizeof(node));
	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_ROW)
			take_row(a, node, &r);
		else if (r.key == SKERRY_K_MISSING)
			take_missing(a, &r);
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct ledger_row *x = a, *y = b;
	int order = strcmp(x->node, y->node);

	return order ? order : strcmp(x->peer, y->peer);
}

static int ask(struct skerry *h, const struct skerry_reference *reference,
	       uint32_t timeout_ms, struct answer *a)
{
	struct tlv_writer w;
	uint8_t bytes[64];
	int r;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_REFERENCE, reference->id, sizeof(reference->id));
	tlv_put_u64(&w, SKERRY_K_TIMEOUT_MS, timeout_ms);
	r = lib_call(h, SKERRY_CMD_VERIFY, &w,
		     lib_deadline(h, timeout_ms) + GRACE_NS, answer_part, a);
	if (!r)
		r = lib_grudge_done(&a->grudge);
	if (!r)
		add_strangers(a);
	if (!r && a->no_memory)
		r = -ENOMEM;
	if (!r && a->count)
		qsort(a->rows, a->count, sizeof(*a->rows), compare_rows);
	if (r == -ENOMEM)
		return lib_fail_fast(h, r, "no memory");
	if (r == -EPROTO)
		return lib_fail_fast(h, r, "the agent's answer makes no sense");
	return r;
}

/* ---- judging ---------------------------------------------------------------- */

static bool is_missing(const struct answer *a, const char *node)
{
	size_t i;

	for (i = 0; i < a->missing_count; i++)
		if (!strcmp(a->missing[i], node))
			return true;
	return false;
}

static const struct ledger_row *exact_row(const struct answer *a,
					  const char *node, const char *peer)
{
	struct ledger_row key = { .in_force = false };

	/* An address may be longer than a name; it has no row of its own. */
	if (!a->count || strlen(peer) >= sizeof(key.peer))
		return NULL;
	strcpy(key.node, node);
	strcpy(key.peer, peer);
	return bsearch(&key, a->rows, a->count, sizeof(key), compare_rows);
}

static const struct ledger_row *find_row(const struct answer *a,
					 const char *node, const char *peer)
{
	const struct ledger_row *row;

	if (strlen(node) > SKERRY_NAME_MAX_BYTES)
		return NULL;
	row = exact_row(a, node, peer);
	return row ? row : exact_row(a, node, "");
}

static int force_of(const struct answer *a, const char *node,
		    const struct ledger_row *row)
{
	if (is_missing(a, node))
		return -1;
	return row && row->in_force;
}

/* A lossy cut is made by the sender alone, an address has no agent. */
static const char *verdict(const struct answer *a,
			   const struct skerry_edge *edge, bool one_end)
{
	if (edge->from_in_force < 0 && (one_end || edge->to_in_force < 0))
		return "unknown";
	if (!edge->from_in_force || (!one_end && !edge->to_in_force))
		return "open";
	if (edge->out_leaked || edge->in_leaked)
		return "leaking";
	if (a->grudge.loss_ppm)
		return "lossy";
	return edge->out_dropped || edge->in_dropped ? "cut" : "quiet";
}

static void fill(const struct answer *a, struct skerry_edge *edge)
{
	const struct ledger_row *from = find_row(a, edge->from, edge->to);
	const struct ledger_row *to = find_row(a, edge->to, edge->from);

	edge->from_in_force = force_of(a, edge->from, from);
	/* An address has nobody to ask. */
	edge->to_in_force =
		edge->to == a->grudge.target ? -1 : force_of(a, edge->to, to);
	if (from) {
		edge->out_seen = from->out_seen;
		edge->out_dropped = from->out_dropped;
		edge->out_leaked = from->out_leaked;
	}
	if (to) {
		edge->in_seen = to->in_seen;
		edge->in_dropped = to->in_dropped;
		edge->in_leaked = to->in_leaked;
	}
}

struct judging {
	const struct answer *a;
	skerry_edge_fn *function;
	void *data;
	struct skerry_verification *result;
	uint32_t quiet;
};

static void judge(struct judging *j, struct skerry_edge *edge, bool wrong)
{
	j->result->edges++;
	j->result->wrong += wrong;
	j->quiet += !strcmp(edge->verdict, "quiet");
	if (j->function)
		j->function(j->data, edge);
}

static void judge_cut(struct judging *j, const char *from, const char *to,
		      bool one_end)
{
	struct skerry_edge edge = { .from = from, .to = to, .wanted = 1 };

	fill(j->a, &edge);
	edge.verdict = verdict(j->a, &edge, one_end);
	judge(j, &edge,
	      !strcmp(edge.verdict, "open") ||
		      !strcmp(edge.verdict, "leaking"));
}

static void judge_all_cut(struct judging *j)
{
	const struct lib_grudge *g = &j->a->grudge;
	size_t i, k;

	for (i = 0; i < g->count; i++) {
		if (g->target[0])
			judge_cut(j, g->nodes[i].name, g->target, true);
		for (k = 0; k < g->count; k++)
			if (lib_grudge_cut(g, i, k))
				judge_cut(j, g->nodes[i].name, g->nodes[k].name,
					  g->loss_ppm != 0);
	}
}

/* Whatever is in force still is one too many. */
static void judge_all_healed(struct judging *j)
{
	size_t i;

	for (i = 0; i < j->a->count; i++) {
		const struct ledger_row *row = &j->a->rows[i];
		struct skerry_edge edge = {
			.from = row->node,
			.to = row->peer[0] ? row->peer : "everybody",
			.from_in_force = 1,
			.to_in_force = -1,
			.verdict = "cut",
			.out_seen = row->out_seen,
			.out_dropped = row->out_dropped,
			.out_leaked = row->out_leaked,
		};

		if (row->in_force)
			judge(j, &edge, true);
	}
}

/* True: look again, something may come to be dropped yet. */
static bool judge_answer(struct judging *j, int expected)
{
	struct skerry_verification *result = j->result;

	result->expected = expected	    ? expected
			   : j->a->resolved ? SKERRY_EXPECT_HEALED
					    : SKERRY_EXPECT_CUT;
	result->edges = result->wrong = 0;
	result->missing = (uint32_t)j->a->missing_count;
	j->quiet = 0;
	if (result->expected == SKERRY_EXPECT_HEALED) {
		judge_all_healed(j);
		return false;
	}
	/* Nobody holds it: nothing of it is cut. */
	if (j->a->resolved)
		result->wrong = 1;
	else
		judge_all_cut(j);
	return j->quiet && !result->wrong;
}

static void pause_ns(uint64_t ns)
{
	const struct timespec time = { .tv_nsec = (long)ns };

	nanosleep(&time, NULL);
}

SKERRY_API int skerry_verify_partition(struct skerry *h,
				       const struct skerry_reference *reference,
				       int expected, uint32_t timeout_ms,
				       skerry_edge_fn *function, void *data,
				       struct skerry_verification *ret_result)
{
	uint64_t end = lib_now_ns() + TRAFFIC_NS;
	struct skerry_verification result = { 0 };
	struct answer a = { 0 };
	struct judging j = { .a = &a, .result = &result };
	bool again;
	int r;

	if (!reference || expected < 0 || expected > SKERRY_EXPECT_HEALED)
		return lib_fail_fast(h, -EINVAL,
				     "a reference, and 0 or what is expected");
	do {
		answer_free(&a);
		r = ask(h, reference, timeout_ms ? timeout_ms : TIMEOUT_MS, &a);
		if (r)
			goto out;
		j.function = NULL;
		again = judge_answer(&j, expected) && lib_now_ns() < end;
		if (again)
			pause_ns(PAUSE_NS);
	} while (again);
	j.function = function;
	j.data = data;
	judge_answer(&j, expected);
	if (ret_result)
		*ret_result = result;
out:
	answer_free(&a);
	return r;
}
