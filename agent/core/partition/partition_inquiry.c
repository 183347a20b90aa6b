// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_inquiry.c - verify and explain: questions to the participants,
 * repeated until each has answered or the time is over. What comes in goes
 * on to the program at once, part by part; nothing of it is kept.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

#define ROUND_MIN_NS (150 * PARTITION_MS)
#define ANSWERS_PER_TICK 2U

static struct partition_inquiry *
begin(struct partition *p, const struct core_event *event, uint64_t timeout_ms)
{
	struct partition_inquiry *q;
	uint8_t *asked;
	uint16_t *cursor;
	size_t i;

	for (i = 0; i < SKERRY_INQUIRIES_MAX; i++)
		if (!p->inquiries[i].used)
			break;
	if (i == SKERRY_INQUIRIES_MAX)
		return NULL;
	q = &p->inquiries[i];
	asked = q->asked;
	cursor = q->cursor;
	memset(q, 0, sizeof(*q));
	q->asked = asked;
	q->cursor = cursor;
	memset(asked, ASKED_NOT, p->nodes_max);
	memset(cursor, 0, p->nodes_max * sizeof(*cursor));
	if (!timeout_ms || timeout_ms > PARTITION_TIMEOUT_MAX_MS)
		timeout_ms = PARTITION_TIMEOUT_MS;
	q->used = true;
	q->program = event->command.program;
	q->correlation = event->command.correlation;
	q->token = rng_u64(&p->rng);
	q->deadline_ns = p->now_ns + timeout_ms * PARTITION_MS;
	q->round_ns = p->now_ns;
	return q;
}

static void part(struct partition *p, const struct partition_inquiry *q,
		 const struct tlv_writer *w)
{
	p->env.part(p->env.data, q->program, q->correlation,
		    (struct core_bytes) { w->data, w->used_bytes });
}

/* ---- verify ------------------------------------------------------------- */

static void put_state(struct tlv_writer *w, const uint8_t reference[16],
		      const struct partition_entry *e)
{
	tlv_put(w, SKERRY_K_REFERENCE, reference, 16);
	tlv_put_bool(w, SKERRY_K_RESOLVED, !e || e->resolved);
	tlv_put_bool(w, SKERRY_K_KNOWN, e && !e->bare);
}

/* What is over is looked for everywhere: who knows what was forgotten. */
static void tell_entry(struct partition *p, struct partition_inquiry *q,
		       uint16_t entry)
{
	struct partition_entry *e =
		entry == PARTITION_NONE ? NULL : &p->entries[entry];
	bool alone = e && !e->bare && partition_form(e) == FORM_ADDRESS;
	bool active = e && !e->resolved;
	struct tlv_writer w;
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (active || alone ? partition_participant(p, entry, node)
				    : p->nodes[node].known || node == p->self)
			q->asked[node] = ASKED_DUE;
	}
	tlv_writer_init(&w, p->scratch, p->scratch_bytes);
	put_state(&w, q->reference, e);
	part(p, q, &w);
	if (!active || partition_blob_encode(p, entry))
		return;
	w = (struct tlv_writer) { .data = p->blob,
				  .used_bytes = p->blob_bytes };
	part(p, q, &w);
}

static uint16_t find_meant(const struct partition *p,
			   const struct partition_which *in)
{
	uint16_t found = PARTITION_NONE;
	uint16_t e;

	/* A name may be that of one that is over as well. */
	for (e = 0; e < p->limits.partitions_max; e++)
		if (partition_which_meant(in, &p->entries[e]) &&
		    (found == PARTITION_NONE || !p->entries[e].resolved))
			found = e;
	return found;
}

void partition_verify(struct partition *p, const struct core_event *event)
{
	struct partition_inquiry *q;
	struct partition_which in;
	uint16_t entry;

	if (partition_which_parse(&in, event->command.tlvs)) {
		partition_refuse(p, event, -EPROTO, "verify: malformed fields");
		return;
	}
	if (!in.by_reference && !in.name[0]) {
		partition_refuse(p, event, -EINVAL,
				 "verify: needs a reference or a name");
		return;
	}
	entry = find_meant(p, &in);
	if (entry == PARTITION_NONE && !in.by_reference) {
		partition_refuse_unknown(p, event, &in);
		return;
	}
	q = begin(p, event, in.timeout_ms);
	if (!q) {
		partition_refuse(p, event, -ENOSPC,
				 "verify: too many questions are under way");
		return;
	}
	q->question = QUESTION_LEDGER;
	memcpy(q->reference,
	       entry == PARTITION_NONE ? in.reference
				       : p->entries[entry].reference,
	       sizeof(q->reference));
	tell_entry(p, q, entry);
}

/* ---- explain ------------------------------------------------------------ */

int partition_inquire_able(struct partition *p, const struct core_event *event,
			   uint16_t entry, uint64_t timeout_ms)
{
	const struct partition_entry *e = &p->entries[entry];
	struct partition_inquiry *q = begin(p, event, timeout_ms);
	const char *what;
	size_t i;

	if (!q)
		return -ENOSPC;
	q->question = QUESTION_ABLE;
	q->visibility = e->visibility;
	q->loss_ppm = e->loss_ppm;
	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (!partition_participant(p, entry, node))
			continue;
		q->asked[node] = ASKED_DUE;
		if (node == p->self)
			q->asked[node] = partition_able(p, e, &what)
						 ? ASKED_UNABLE
						 : ASKED_DONE;
	}
	return 0;
}

/* ---- answers of others -------------------------------------------------- */

static struct partition_inquiry *find(struct partition *p, uint16_t node,
				      uint64_t token, uint8_t question)
{
	size_t i;

	for (i = 0; i < SKERRY_INQUIRIES_MAX; i++) {
		struct partition_inquiry *q = &p->inquiries[i];

		if (q->used && q->question == question && q->token == token &&
		    (q->asked[node] == ASKED_DUE ||
		     q->asked[node] == ASKED_WAIT))
			return q;
	}
	return NULL;
}

/* Its rows as they are, behind its name. -EPROTO: they are none. */
static int copy_rows(struct partition *p, struct tlv_writer *w, uint16_t node,
		     struct core_bytes body, uint64_t *ret_count)
{
	struct tlv_reader r, row;

	tlv_put_str(w, SKERRY_K_NODE, p->nodes[node].name);
	tlv_reader_init(&r, body.data, body.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_ROW)
			continue;
		tlv_reader_init(&row, r.value, r.length);
		while (tlv_next(&row))
			continue;
		if (row.bad)
			return -EPROTO;
		tlv_put(w, SKERRY_K_ROW, r.value, r.length);
		++*ret_count;
	}
	return r.bad || w->full ? -EPROTO : 0;
}

int partition_inquiry_ledger(struct partition *p, uint16_t node, uint64_t token,
			     uint64_t cursor, uint64_t count,
			     struct core_bytes body)
{
	struct partition_inquiry *q = find(p, node, token, QUESTION_LEDGER);
	struct tlv_writer w;
	uint64_t rows = 0;

	tlv_writer_init(&w, p->scratch, p->scratch_bytes);
	if (copy_rows(p, &w, node, body, &rows) || count > UINT16_MAX)
		return -EPROTO;
	/* Late, or repeated: it was taken before. */
	if (!q || cursor != q->cursor[node])
		return 0;
	/* Rows were promised, and none came. */
	if (!rows && cursor < count)
		return -EPROTO;
	part(p, q, &w);
	q->cursor[node] = (uint16_t)(cursor + rows);
	q->asked[node] = cursor + rows < count ? ASKED_DUE : ASKED_DONE;
	return 0;
}

int partition_inquiry_able(struct partition *p, uint16_t node, uint64_t token,
			   int error)
{
	struct partition_inquiry *q = find(p, node, token, QUESTION_ABLE);

	if (q)
		q->asked[node] = error ? ASKED_UNABLE : ASKED_DONE;
	return 0;
}

/* ---- asking ------------------------------------------------------------- */

static void ask(struct partition *p, const struct partition_inquiry *q,
		uint16_t node)
{
	struct tlv_writer w;

	if (q->question == QUESTION_LEDGER) {
		partition_send_begin(p, &w, "ledger?");
		tlv_put_u64(&w, SKERRY_K_TOKEN, q->token);
		tlv_put(&w, SKERRY_K_REFERENCE, q->reference, 16);
		tlv_put_u64(&w, SKERRY_K_CURSOR, q->cursor[node]);
	} else {
		partition_send_begin(p, &w, "able?");
		tlv_put_u64(&w, SKERRY_K_TOKEN, q->token);
		tlv_put_str(&w, SKERRY_K_VISIBILITY,
			    partition_visibility_name(q->visibility));
		tlv_put_u64(&w, SKERRY_K_LOSS_PPM, q->loss_ppm);
	}
	partition_send_body(p, node, &w);
}

/* False: the budget ended it. */
static bool ask_due(struct partition *p, struct partition_inquiry *q)
{
	size_t i;

	if (q->round_ns <= p->now_ns) {
		for (i = 0; i < p->nodes_max; i++)
			if (q->asked[i] == ASKED_WAIT)
				q->asked[i] = ASKED_DUE;
		q->round_wait_ns = q->round_wait_ns
					   ? partition_backoff(q->round_wait_ns)
					   : ROUND_MIN_NS;
		q->round_ns = p->now_ns + q->round_wait_ns;
	}
	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (q->asked[node] != ASKED_DUE)
			continue;
		if (node == p->self) {
			partition_ledger_asked(p, node, q->token, q->reference,
					       q->cursor[node]);
		} else if (!p->budget) {
			return false;
		} else {
			ask(p, q, node);
		}
		q->asked[node] = ASKED_WAIT;
	}
	return true;
}

/* ---- the end ------------------------------------------------------------ */

static bool done(const struct partition *p, const struct partition_inquiry *q)
{
	size_t i;

	if (q->deadline_ns <= p->now_ns)
		return true;
	for (i = 0; i < p->nodes_max; i++)
		if (q->asked[i] == ASKED_DUE || q->asked[i] == ASKED_WAIT)
			return false;
	return true;
}

static void put_nodes(const struct partition *p, struct tlv_writer *w,
		      const struct partition_inquiry *q, uint16_t key)
{
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint8_t asked = q->asked[p->order[i]];
		struct tlv_writer before = *w;

		if (asked == ASKED_NOT ||
		    (key == SKERRY_K_MISSING && asked != ASKED_DUE &&
		     asked != ASKED_WAIT) ||
		    (key == SKERRY_K_UNABLE && asked != ASKED_UNABLE))
			continue;
		tlv_put_str(w, key, p->nodes[p->order[i]].name);
		if (w->full) {
			*w = before;
			return;
		}
	}
}

static void finish(struct partition *p, struct partition_inquiry *q)
{
	struct tlv_writer w;

	tlv_writer_init(&w, p->scratch, p->scratch_bytes);
	put_nodes(p, &w, q, SKERRY_K_MISSING);
	put_nodes(p, &w, q, SKERRY_K_UNABLE);
	put_nodes(p, &w, q, SKERRY_K_PARTICIPANT);
	q->used = false;
	p->env.answer(p->env.data, q->program, q->correlation, 0, NULL,
		      (struct core_bytes) { w.data, w.used_bytes });
}

bool partition_inquiries_work(struct partition *p)
{
	uint32_t left = ANSWERS_PER_TICK;
	size_t i;

	for (i = 0; i < SKERRY_INQUIRIES_MAX; i++) {
		struct partition_inquiry *q = &p->inquiries[i];

		if (!q->used)
			continue;
		if (done(p, q)) {
			if (!left--)
				return true;
			finish(p, q);
		} else if (!ask_due(p, q)) {
			return true;
		}
	}
	return false;
}

uint64_t partition_inquiries_next(const struct partition *p)
{
	uint64_t next = PARTITION_NEVER;
	size_t i;

	for (i = 0; i < SKERRY_INQUIRIES_MAX; i++) {
		const struct partition_inquiry *q = &p->inquiries[i];

		if (!q->used)
			continue;
		if (q->round_ns < next)
			next = q->round_ns;
		if (q->deadline_ns < next)
			next = q->deadline_ns;
	}
	return next;
}

void partition_inquiries_gone(struct partition *p, uint32_t program)
{
	size_t i;

	for (i = 0; i < SKERRY_INQUIRIES_MAX; i++)
		if (p->inquiries[i].used && p->inquiries[i].program == program)
			p->inquiries[i].used = false;
}
