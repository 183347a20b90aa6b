// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_receive.c - what comes in on the partition port. A body is read
 * whole before anything is changed.
 */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct message {
	char kind[16];
	uint8_t reference[16];
	bool has_reference;
	bool resolved;
	bool has_remaining;
	uint64_t remaining_ms;
	int64_t error;
	uint64_t digest;
	bool has_digest;
	uint64_t chunk; /* the last one named */
	uint64_t chunk_set;
	uint64_t chunks;
	bool has_blob;
	struct core_bytes blob;
	struct partition_by by; /* who resolved it */
	uint64_t token;
	bool has_token;
	uint64_t cursor;
	uint64_t count;
	bool has_visibility;
	uint8_t visibility;
	uint64_t loss_ppm;
};

static int parse_chunk(struct message *m, const struct tlv_reader *r)
{
	if (tlv_u64(r, &m->chunk) || m->chunk >= PARTITION_CHUNKS_MAX)
		return -EPROTO;
	m->chunk_set |= 1ULL << m->chunk;
	return 0;
}

static int parse_visibility(struct message *m, const struct tlv_reader *r)
{
	char name[16];

	if (tlv_str(r, name, sizeof(name)) ||
	    partition_visibility_parse(name, &m->visibility))
		return -EPROTO;
	m->has_visibility = true;
	return 0;
}

/* Of questions, their answers, and who resolved an entry. */
static int parse_rare(struct message *m, const struct tlv_reader *r)
{
	int error;

	switch (r->key) {
	case SKERRY_K_TOKEN:
		m->has_token = true;
		return tlv_u64(r, &m->token);
	case SKERRY_K_CURSOR:
		if (tlv_u64(r, &m->cursor) || m->cursor > UINT16_MAX)
			return -EPROTO;
		return 0;
	case SKERRY_K_COUNT:
		return tlv_u64(r, &m->count);
	case SKERRY_K_VISIBILITY:
		return parse_visibility(m, r);
	case SKERRY_K_LOSS_PPM:
		if (tlv_u64(r, &m->loss_ppm) ||
		    m->loss_ppm >= PARTITION_LOSS_ALL_PPM)
			return -EPROTO;
		return 0;
	default:
		error = partition_by_take(&m->by, r);
		if (error == -ENOENT)
			return r->critical ? -EPROTO : 0;
		return error;
	}
}

static int parse_field(struct message *m, const struct tlv_reader *r)
{
	switch (r->key) {
	case SKERRY_K_KIND:
		return tlv_str(r, m->kind, sizeof(m->kind));
	case SKERRY_K_REFERENCE:
		m->has_reference = true;
		return tlv_id(r, m->reference);
	case SKERRY_K_RESOLVED:
		return tlv_bool(r, &m->resolved);
	case SKERRY_K_REMAINING_MS:
		m->has_remaining = true;
		if (tlv_u64(r, &m->remaining_ms) ||
		    m->remaining_ms > PARTITION_DURATION_MAX_MS)
			return -EPROTO;
		return 0;
	case SKERRY_K_ERROR:
		if (tlv_s64(r, &m->error) || m->error >= 0 || m->error < -4095)
			return -EPROTO;
		return 0;
	case SKERRY_K_DIGEST:
		m->has_digest = true;
		return tlv_u64(r, &m->digest);
	case SKERRY_K_CHUNK:
		return parse_chunk(m, r);
	case SKERRY_K_CHUNKS:
		return tlv_u64(r, &m->chunks);
	case SKERRY_K_BLOB:
		m->has_blob = true;
		m->blob = (struct core_bytes) { r->value, r->length };
		return 0;
	default:
		return parse_rare(m, r);
	}
}

static int parse(struct message *m, struct core_bytes body)
{
	struct tlv_reader r;

	memset(m, 0, sizeof(*m));
	if (body.size_bytes > PARTITION_BODY_MAX_BYTES)
		return -EPROTO;
	tlv_reader_init(&r, body.data, body.size_bytes);
	while (tlv_next(&r))
		if (parse_field(m, &r))
			return -EPROTO;
	return r.bad ? -EPROTO : 0;
}

/* What another node has made us do, or cannot do. */
static void log_from(struct partition *p, enum core_log_level level,
		     const char *event, const struct partition_entry *e,
		     const char *what, uint16_t from)
{
	char text[SKERRY_NAME_MAX_BYTES + 32];

	snprintf(text, sizeof(text), "%s %s", what, p->nodes[from].name);
	partition_log(p, level, event, e, text);
}

static void audit_from(struct partition *p, enum core_log_level level,
		       const char *event, uint16_t entry,
		       const struct partition_by *by, uint16_t from)
{
	char text[SKERRY_NAME_MAX_BYTES + 32];

	snprintf(text, sizeof(text), "told by %s", p->nodes[from].name);
	partition_audit(p, level, event, entry, by, text);
}

/* ---- entries ------------------------------------------------------------ */

static void want_ack(struct partition *p, uint16_t entry, uint16_t node)
{
	struct partition_entry *e = &p->entries[entry];
	size_t i;

	for (i = 0; i < e->acks; i++)
		if (e->ack_to[i] == node)
			return;
	if (e->acks < PARTITION_ACKS_MAX)
		e->ack_to[e->acks++] = node;
}

/* The sender has it in the state in which we have it. */
static void sender_knows(struct partition *p, uint16_t entry, uint16_t node)
{
	if (partition_told(p, entry, node) == TOLD_FAILED)
		return;
	partition_set_told(p, entry, node, TOLD_ACKED);
	if (p->nodes[node].chunk_entry == entry)
		p->nodes[node].chunk_entry = PARTITION_NONE;
	partition_check_told(p, entry);
	p->waiters_dirty = true;
}

/* We have heard of it before. */
static void entry_again(struct partition *p, const struct message *m,
			uint16_t entry, uint16_t from)
{
	struct partition_entry *e = &p->entries[entry];

	if (e->resolved && !m->resolved) {
		partition_owe(p, entry, from);
		return;
	}
	if (m->resolved && !e->resolved) {
		e->ended_by = m->by;
		audit_from(p, CORE_LOG_INFO, "partition_resolved", entry,
			   &e->ended_by, from);
		partition_resolve(p, entry, false);
	}
	if (m->resolved)
		sender_knows(p, entry, from);
	want_ack(p, entry, from);
}

/* It is over, and we never knew of it: remember that it is. */
static int tombstone(struct partition *p, const struct message *m,
		     uint16_t from)
{
	uint16_t entry = partition_entry_slot(p);
	struct partition_entry *e;

	if (entry == PARTITION_NONE)
		return -ENOSPC;
	e = &p->entries[entry];
	e->used = true;
	e->bare = true;
	e->applied = true;
	memcpy(e->reference, m->reference, sizeof(e->reference));
	e->resolved = true;
	e->drop_ns = p->now_ns + PARTITION_KEEP_NS;
	sender_knows(p, entry, from);
	want_ack(p, entry, from);
	return 0;
}

/* It answers our question with entries: see whether that was all. */
static void ask_soon(struct partition *p, uint16_t from)
{
	struct partition_node *node = &p->nodes[from];
	uint64_t soon = p->now_ns + PARTITION_ASK_AGAIN_NS;

	if (node->ask == ASK_SENT && node->ask_ns > soon)
		node->ask_ns = soon;
}

static int learn(struct partition *p, const struct message *m, uint16_t from,
		 struct core_bytes blob, uint64_t deadline_ns)
{
	uint16_t entry = partition_entry_slot(p);
	struct partition_entry *e;
	int error;

	if (entry == PARTITION_NONE)
		return -ENOSPC;
	e = &p->entries[entry];
	e->used = true;
	error = partition_blob_decode(p, blob, entry);
	if (!error && !deadline_ns != !e->duration_ms)
		error = -EPROTO;
	/* No other node has a say in whom this host talks to. */
	if (!error && partition_form(e) == FORM_ADDRESS)
		error = -EPROTO;
	if (error) {
		partition_entry_clear(p, entry);
		return error;
	}
	memcpy(e->reference, m->reference, sizeof(e->reference));
	e->deadline_ns = deadline_ns;
	audit_from(p, CORE_LOG_INFO, "partition_learned", entry, &e->by, from);
	partition_check_able(p, entry);
	partition_dirty(p, entry);
	partition_set_told(p, entry, from, TOLD_ACKED);
	want_ack(p, entry, from);
	ask_soon(p, from);
	return 0;
}

/* ---- chunks ------------------------------------------------------------- */

static struct partition_reassembly *
find_reassembly(struct partition *p, const struct message *m, uint16_t from)
{
	struct partition_reassembly *r;
	size_t i;

	for (i = 0; i < PARTITION_REASSEMBLIES; i++) {
		r = &p->reassembly[i];
		if (r->used && r->from == from &&
		    memcmp(r->reference, m->reference, 16) == 0)
			return r;
	}
	return NULL;
}

static struct partition_reassembly *free_reassembly(struct partition *p)
{
	struct partition_reassembly *r;
	size_t i;

	for (i = 0; i < PARTITION_REASSEMBLIES; i++) {
		r = &p->reassembly[i];
		if (!r->used ||
		    p->now_ns - r->heard_ns > PARTITION_REASSEMBLY_NS)
			return r;
	}
	return NULL;
}

static void begin_reassembly(struct partition_reassembly *r,
			     const struct message *m, uint16_t from)
{
	uint8_t *data = r->data;

	memset(r, 0, sizeof(*r));
	r->data = data;
	r->used = true;
	r->from = from;
	memcpy(r->reference, m->reference, sizeof(r->reference));
	r->digest = m->digest;
	r->chunks = (uint32_t)m->chunks;
}

/* All chunks but the last are full, and all fit into the buffer. */
static bool chunk_valid(const struct partition *p, const struct message *m)
{
	size_t end = m->chunk * PARTITION_CHUNK_BYTES + m->blob.size_bytes;

	if (!m->has_blob || !m->has_digest || !m->blob.size_bytes ||
	    !m->chunks || m->chunks > PARTITION_CHUNKS_MAX ||
	    m->chunk_set != 1ULL << m->chunk || m->chunk >= m->chunks ||
	    m->blob.size_bytes > PARTITION_CHUNK_BYTES)
		return false;
	if (m->chunk + 1 < m->chunks &&
	    m->blob.size_bytes != PARTITION_CHUNK_BYTES)
		return false;
	return end <= p->blob_max_bytes;
}

static bool complete(const struct partition_reassembly *r)
{
	uint64_t all = r->chunks == 64 ? UINT64_MAX : (1ULL << r->chunks) - 1;

	return (r->have & all) == all;
}

static int entry_chunk(struct partition *p, const struct message *m,
		       uint16_t from, uint64_t deadline_ns)
{
	struct partition_reassembly *r = find_reassembly(p, m, from);
	struct core_bytes blob;

	if (!r) {
		r = free_reassembly(p);
		if (!r)
			return 0; /* it will come again */
		begin_reassembly(r, m, from);
	} else if (r->digest != m->digest || r->chunks != m->chunks) {
		begin_reassembly(r, m, from);
	}
	memcpy(r->data + m->chunk * PARTITION_CHUNK_BYTES, m->blob.data,
	       m->blob.size_bytes);
	if (m->chunk + 1 == m->chunks)
		r->last_bytes = (uint32_t)m->blob.size_bytes;
	r->have |= 1ULL << m->chunk;
	r->heard_ns = p->now_ns;
	if (!r->part_ns)
		r->part_ns = p->now_ns + PARTITION_PART_DELAY_NS;
	if (!complete(r))
		return 0;
	r->used = false;
	blob.data = r->data;
	blob.size_bytes =
		(size_t)(r->chunks - 1) * PARTITION_CHUNK_BYTES + r->last_bytes;
	if (partition_hash(blob.data, blob.size_bytes) != m->digest)
		return -EPROTO;
	return learn(p, m, from, blob, deadline_ns);
}

static int on_entry(struct partition *p, const struct message *m, uint16_t from)
{
	uint16_t entry = partition_entry_find(p, m->reference);
	uint64_t deadline_ns = 0;

	if (!m->has_reference || (!m->resolved && !chunk_valid(p, m)))
		return -EPROTO;
	if (entry != PARTITION_NONE) {
		entry_again(p, m, entry, from);
		return 0;
	}
	if (m->resolved)
		return tombstone(p, m, from);
	if (m->has_remaining) {
		if (!m->remaining_ms)
			return 0; /* over by now */
		deadline_ns = p->now_ns + m->remaining_ms * PARTITION_MS;
	}
	if (m->chunks > 1)
		return entry_chunk(p, m, from, deadline_ns);
	if (partition_hash(m->blob.data, m->blob.size_bytes) != m->digest)
		return -EPROTO;
	return learn(p, m, from, m->blob, deadline_ns);
}

static int on_part(struct partition *p, const struct message *m, uint16_t from)
{
	struct partition_node *node = &p->nodes[from];
	uint16_t entry = partition_entry_find(p, m->reference);
	uint64_t news;

	if (!m->has_reference || !m->has_digest)
		return -EPROTO;
	if (entry == PARTITION_NONE || node->chunk_entry != entry ||
	    partition_blob_encode(p, entry) ||
	    partition_hash(p->blob, p->blob_bytes) != m->digest)
		return 0;
	news = m->chunk_set & ~node->chunk_have;
	if (!news)
		return 0;
	node->chunk_have |= news;
	node->chunk_ns = p->now_ns;
	node->chunk_wait_ns = 0;
	return 0;
}

static int on_ack(struct partition *p, const struct message *m, uint16_t from)
{
	uint16_t entry = partition_entry_find(p, m->reference);
	struct partition_entry *e;

	if (!m->has_reference)
		return -EPROTO;
	if (entry == PARTITION_NONE)
		return 0;
	e = &p->entries[entry];
	if (e->resolved != m->resolved ||
	    partition_told(p, entry, from) != TOLD_OWED)
		return 0;
	if (p->nodes[from].chunk_entry == entry)
		p->nodes[from].chunk_entry = PARTITION_NONE;
	partition_set_told(p, entry, from, m->error ? TOLD_FAILED : TOLD_ACKED);
	if (!e->told_error)
		e->told_error = (int)m->error;
	if (m->error)
		log_from(p, CORE_LOG_WARNING, "partition_refused", e,
			 "cuts cannot be made by", from);
	partition_check_told(p, entry);
	p->waiters_dirty = true;
	return 0;
}

/* ---- asking ------------------------------------------------------------- */

static void owe_everything(struct partition *p, uint16_t node)
{
	uint16_t e;

	for (e = 0; e < p->limits.partitions_max; e++)
		if (p->entries[e].used &&
		    partition_told(p, e, node) != TOLD_OWED)
			partition_owe(p, e, node);
}

static int on_ask(struct partition *p, const struct message *m, uint16_t from)
{
	if (!m->has_digest)
		return -EPROTO;
	p->nodes[from].answer_due = true;
	if (m->digest != partition_digest(p))
		owe_everything(p, from);
	return 0;
}

static int on_answer(struct partition *p, const struct message *m,
		     uint16_t from)
{
	struct partition_node *node = &p->nodes[from];

	if (!m->has_digest)
		return -EPROTO;
	if (node->ask != ASK_SENT)
		return 0;
	if (m->digest == partition_digest(p)) {
		node->ask = ASK_NONE;
		return 0;
	}
	if (node->ask_tries == 1)
		owe_everything(p, from);
	return 0;
}

static int on_forget(struct partition *p, const struct message *m)
{
	uint16_t entry = partition_entry_find(p, m->reference);

	if (!m->has_reference)
		return -EPROTO;
	if (entry == PARTITION_NONE || !p->entries[entry].resolved ||
	    p->entries[entry].settled)
		return 0;
	partition_settle(p, entry);
	return 0;
}

/* ---- questions ---------------------------------------------------------- */

static int on_ledger_question(struct partition *p, const struct message *m,
			      uint16_t from)
{
	if (!m->has_token || !m->has_reference)
		return -EPROTO;
	partition_ledger_asked(p, from, m->token, m->reference,
			       (uint16_t)m->cursor);
	return 0;
}

static int on_able_question(struct partition *p, const struct message *m,
			    uint16_t from)
{
	const struct partition_entry like = {
		.visibility = m->visibility,
		.loss_ppm = (uint32_t)m->loss_ppm,
	};
	struct tlv_writer w;
	const char *what;
	int error;

	if (!m->has_token || !m->has_visibility)
		return -EPROTO;
	error = partition_able(p, &like, &what);
	partition_send_begin(p, &w, "able");
	tlv_put_u64(&w, SKERRY_K_TOKEN, m->token);
	if (error)
		tlv_put_s64(&w, SKERRY_K_ERROR, error);
	partition_send_body(p, from, &w);
	return 0;
}

static int on_able(struct partition *p, const struct message *m, uint16_t from)
{
	if (!m->has_token)
		return -EPROTO;
	return partition_inquiry_able(p, from, m->token, (int)m->error);
}

static uint16_t sender_node(struct partition *p, const char *from)
{
	uint16_t node = partition_node_find(p, from);

	if (node == PARTITION_NONE || !p->nodes[node].known) {
		if (partition_node_sync(p))
			return PARTITION_NONE;
		node = partition_node_find(p, from);
	}
	if (node == PARTITION_NONE)
		node = partition_node_intern(p, from);
	return node;
}

int partition_datagram(struct partition *p, const char *from,
		       struct core_bytes body, uint64_t now_ns,
		       uint64_t wall_us)
{
	struct message m;
	uint16_t node;

	partition_now(p, now_ns);
	if (parse(&m, body) || !skerry_name_valid(from))
		return -EPROTO;
	node = sender_node(p, from);
	if (node == PARTITION_NONE)
		return -ENOSPC;
	if (node == p->self)
		return -EPROTO;
	if (strcmp(m.kind, "entry") == 0)
		return on_entry(p, &m, node);
	if (strcmp(m.kind, "part") == 0)
		return on_part(p, &m, node);
	if (strcmp(m.kind, "ack") == 0)
		return on_ack(p, &m, node);
	if (strcmp(m.kind, "ask") == 0)
		return on_ask(p, &m, node);
	if (strcmp(m.kind, "answer") == 0)
		return on_answer(p, &m, node);
	if (strcmp(m.kind, "forget") == 0)
		return on_forget(p, &m);
	if (strcmp(m.kind, "ledger?") == 0)
		return on_ledger_question(p, &m, node);
	if (strcmp(m.kind, "ledger") == 0)
		return partition_inquiry_ledger(p, node, m.token, m.cursor,
						m.count, body);
	if (strcmp(m.kind, "able?") == 0)
		return on_able_question(p, &m, node);
	if (strcmp(m.kind, "able") == 0)
		return on_able(p, &m, node);
	return -EPROTO;
}
