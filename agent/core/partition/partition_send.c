// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_send.c - what goes out on the partition port: whatever is due,
 * as far as the budget of one tick goes.
 */
#include "partition_private.h"

#include <string.h>

void partition_send_begin(struct partition *p, struct tlv_writer *w,
			  const char *kind)
{
	tlv_writer_init(w, p->body, sizeof(p->body));
	tlv_put_str(w, SKERRY_K_KIND, kind);
}

void partition_send_body(struct partition *p, uint16_t node,
			 const struct tlv_writer *w)
{
	if (p->budget)
		p->budget--;
	/* Not sent is as good as lost: it is repeated. */
	p->env.datagram(p->env.data, p->nodes[node].name,
			(struct core_bytes) { p->body, w->used_bytes });
}

/* ---- acknowledgements --------------------------------------------------- */

static void send_ack(struct partition *p, const struct partition_entry *e,
		     uint16_t node)
{
	struct tlv_writer w;

	partition_send_begin(p, &w, "ack");
	tlv_put(&w, SKERRY_K_REFERENCE, e->reference, 16);
	tlv_put_bool(&w, SKERRY_K_RESOLVED, e->resolved);
	if (e->error)
		tlv_put_s64(&w, SKERRY_K_ERROR, e->error);
	partition_send_body(p, node, &w);
}

static bool send_acks(struct partition *p)
{
	uint16_t i;

	for (i = 0; i < p->limits.partitions_max; i++) {
		struct partition_entry *e = &p->entries[i];

		if (!e->used || !e->acks || !e->applied)
			continue;
		while (e->acks) {
			if (!p->budget)
				return false;
			send_ack(p, e, e->ack_to[--e->acks]);
		}
	}
	return true;
}

static void send_part(struct partition *p, const struct partition_reassembly *r)
{
	struct tlv_writer w;
	uint32_t i;

	partition_send_begin(p, &w, "part");
	tlv_put(&w, SKERRY_K_REFERENCE, r->reference, 16);
	tlv_put_u64(&w, SKERRY_K_DIGEST, r->digest);
	for (i = 0; i < r->chunks; i++)
		if (r->have >> i & 1)
			tlv_put_u64(&w, SKERRY_K_CHUNK, i);
	partition_send_body(p, r->from, &w);
}

static bool send_parts(struct partition *p)
{
	size_t i;

	for (i = 0; i < PARTITION_REASSEMBLIES; i++) {
		struct partition_reassembly *r = &p->reassembly[i];

		if (!r->used || !r->part_ns || r->part_ns > p->now_ns)
			continue;
		if (!p->budget)
			return false;
		r->part_ns = 0;
		send_part(p, r);
	}
	return true;
}

/* ---- asking and answering ----------------------------------------------- */

static void send_digest(struct partition *p, uint16_t node, const char *kind)
{
	struct tlv_writer w;

	partition_send_begin(p, &w, kind);
	tlv_put_u64(&w, SKERRY_K_DIGEST, partition_digest(p));
	partition_send_body(p, node, &w);
}

/* Asks of the first time that wait for their answer. */
static uint32_t asks_on_the_way(const struct partition *p)
{
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		const struct partition_node *node = &p->nodes[p->order[i]];

		if (node->ask == ASK_SENT && node->ask_tries == 1 &&
		    node->ask_ns > p->now_ns)
			count++;
	}
	return count;
}

static void send_ask(struct partition *p, uint16_t index)
{
	struct partition_node *node = &p->nodes[index];
	uint64_t wait = PARTITION_RETRY_MIN_NS;
	int i;

	if (node->ask_tries == PARTITION_ASKS_MAX) {
		node->ask = ASK_NONE;
		return;
	}
	for (i = 0; i < node->ask_tries; i++)
		wait = partition_backoff(wait);
	node->ask = ASK_SENT;
	node->ask_tries++;
	node->ask_ns = p->now_ns + wait;
	send_digest(p, index, "ask");
}

static bool send_asks(struct partition *p)
{
	uint32_t on_the_way = asks_on_the_way(p);
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t index = p->order[i];
		struct partition_node *node = &p->nodes[index];

		if (node->answer_due) {
			if (!p->budget)
				return false;
			node->answer_due = false;
			send_digest(p, index, "answer");
		}
		if (!node->known || node->ask == ASK_NONE ||
		    node->ask_ns > p->now_ns)
			continue;
		if (node->ask == ASK_WANTED &&
		    on_the_way >= PARTITION_ASKS_AT_ONCE)
			continue;
		if (!p->budget)
			return false;
		if (node->ask == ASK_WANTED)
			on_the_way++;
		send_ask(p, index);
	}
	return true;
}

/* ---- entries ------------------------------------------------------------ */

static void begin_entry(struct partition *p, struct tlv_writer *w,
			uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];

	partition_send_begin(p, w, "entry");
	tlv_put(w, SKERRY_K_REFERENCE, e->reference, 16);
	tlv_put_bool(w, SKERRY_K_RESOLVED, e->resolved);
	if (!e->resolved && e->deadline_ns)
		tlv_put_u64(w, SKERRY_K_REMAINING_MS,
			    partition_remaining_ms(p, entry, p->now_ns));
	if (e->resolved)
		partition_by_put(w, &e->ended_by);
}

static uint32_t chunks_of(const struct partition *p)
{
	return (uint32_t)((p->blob_bytes + PARTITION_CHUNK_BYTES - 1) /
			  PARTITION_CHUNK_BYTES);
}

static void send_chunk(struct partition *p, uint16_t entry, uint16_t node,
		       uint32_t chunk)
{
	size_t offset = (size_t)chunk * PARTITION_CHUNK_BYTES;
	size_t left = p->blob_bytes - offset;
	struct tlv_writer w;

	begin_entry(p, &w, entry);
	tlv_put_u64(&w, SKERRY_K_CHUNK, chunk);
	tlv_put_u64(&w, SKERRY_K_CHUNKS, chunks_of(p));
	tlv_put_u64(&w, SKERRY_K_DIGEST,
		    partition_hash(p->blob, p->blob_bytes));
	tlv_put(&w, SKERRY_K_BLOB, p->blob + offset,
		left < PARTITION_CHUNK_BYTES ? left : PARTITION_CHUNK_BYTES);
	partition_send_body(p, node, &w);
}

/* Hand the entry over to the node's chunks, if they are free. */
static void claim_chunks(struct partition *p, uint16_t entry, uint16_t index)
{
	struct partition_node *node = &p->nodes[index];

	if (node->chunk_entry != PARTITION_NONE)
		return;
	node->chunk_entry = entry;
	node->chunk_have = 0;
	node->chunk_ns = p->now_ns;
	node->chunk_wait_ns = 0;
}

static void send_entry(struct partition *p, uint16_t entry, uint16_t node)
{
	struct tlv_writer w;

	if (p->entries[entry].resolved) {
		begin_entry(p, &w, entry);
		partition_send_body(p, node, &w);
		return;
	}
	if (partition_blob_encode(p, entry))
		return;
	if (chunks_of(p) > 1)
		claim_chunks(p, entry, node);
	else
		send_chunk(p, entry, node, 0);
}

/* One round to all that are owed; goes on where the budget ended. */
static bool send_round(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];

	for (; e->round_at < p->nodes_max; e->round_at++) {
		uint16_t node = (uint16_t)e->round_at;

		if (!p->nodes[node].used || !p->nodes[node].known ||
		    partition_told(p, entry, node) != TOLD_OWED)
			continue;
		if (!p->budget)
			return false;
		send_entry(p, entry, node);
	}
	e->round_at = 0;
	e->round_wait_ns = partition_backoff(e->round_wait_ns);
	e->round_ns = p->now_ns + e->round_wait_ns;
	return true;
}

static bool send_rounds(struct partition *p)
{
	uint16_t i;

	for (i = 0; i < p->limits.partitions_max; i++) {
		struct partition_entry *e = &p->entries[i];

		if (!e->used || !e->owed)
			continue;
		if (e->round_ns > p->now_ns && !e->round_at)
			continue;
		if (!send_round(p, i))
			return false;
	}
	return true;
}

static void send_turn(struct partition *p, uint16_t index)
{
	struct partition_node *node = &p->nodes[index];
	uint32_t turn = PARTITION_CHUNKS_PER_TURN;
	uint32_t i;

	if (partition_blob_encode(p, node->chunk_entry)) {
		node->chunk_entry = PARTITION_NONE;
		return;
	}
	for (i = 0; i < chunks_of(p) && turn && p->budget; i++) {
		if (node->chunk_have >> i & 1)
			continue;
		send_chunk(p, node->chunk_entry, index, i);
		turn--;
	}
	node->chunk_wait_ns = partition_backoff(node->chunk_wait_ns);
	node->chunk_ns = p->now_ns + node->chunk_wait_ns;
}

static bool send_turns(struct partition *p)
{
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t index = p->order[i];
		struct partition_node *node = &p->nodes[index];

		if (node->chunk_entry == PARTITION_NONE ||
		    node->chunk_ns > p->now_ns)
			continue;
		if (!p->budget)
			return false;
		send_turn(p, index);
	}
	return true;
}

/* Nobody acknowledges it: who misses it remembers a little longer. */
static bool send_forget(struct partition *p, uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	struct tlv_writer w;

	for (; e->forget_at < p->nodes_max; e->forget_at++) {
		uint16_t node = (uint16_t)e->forget_at;

		if (node == p->self || !p->nodes[node].used ||
		    !p->nodes[node].known)
			continue;
		if (!p->budget)
			return false;
		partition_send_begin(p, &w, "forget");
		tlv_put(&w, SKERRY_K_REFERENCE, e->reference, 16);
		partition_send_body(p, node, &w);
	}
	e->forget_at = 0;
	e->forget_rounds--;
	e->forget_ns = p->now_ns + PARTITION_RETRY_MAX_NS;
	return true;
}

static bool send_forgets(struct partition *p)
{
	uint16_t i;

	for (i = 0; i < p->limits.partitions_max; i++) {
		struct partition_entry *e = &p->entries[i];

		if (!e->used || !e->forget_rounds || e->forget_ns > p->now_ns)
			continue;
		if (!send_forget(p, i))
			return false;
	}
	return true;
}

bool partition_send_work(struct partition *p)
{
	return !(send_acks(p) && send_parts(p) && send_asks(p) &&
		 send_rounds(p) && send_turns(p) && send_forgets(p));
}

static void sooner(uint64_t *next, uint64_t time_ns)
{
	if (time_ns < *next)
		*next = time_ns;
}

uint64_t partition_send_next(const struct partition *p)
{
	uint64_t next = PARTITION_NEVER;
	uint16_t e;
	size_t i;

	for (e = 0; e < p->limits.partitions_max; e++) {
		const struct partition_entry *entry = &p->entries[e];

		if (entry->used && entry->owed)
			sooner(&next, entry->round_ns);
		if (entry->used && entry->forget_rounds)
			sooner(&next, entry->forget_ns);
	}
	for (i = 0; i < p->node_count; i++) {
		const struct partition_node *node = &p->nodes[p->order[i]];

		/* One not asked yet waits for an answer of another. */
		if (node->known && node->ask == ASK_SENT)
			sooner(&next, node->ask_ns);
		if (node->chunk_entry != PARTITION_NONE)
			sooner(&next, node->chunk_ns);
	}
	for (i = 0; i < PARTITION_REASSEMBLIES; i++)
		if (p->reassembly[i].used && p->reassembly[i].part_ns)
			sooner(&next, p->reassembly[i].part_ns);
	return next;
}
