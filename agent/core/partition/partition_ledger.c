// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * partition_ledger.c - being asked what our cuts have done: by a node, or by
 * ourselves. One reading is under way at a time, for all that want the same.
 */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

/* A reading that never comes back must not stop the next. */
#define READ_NS (1000 * PARTITION_MS)
/* Below a datagram's body, with what stands in front of the rows. */
#define ROWS_BYTES (PARTITION_BODY_MAX_BYTES - 64U)

void partition_ledger_asked(struct partition *p, uint16_t node, uint64_t token,
			    const uint8_t reference[16], uint16_t cursor)
{
	struct partition_asker *asker;
	uint32_t i;

	for (i = 0; i < p->asker_count; i++) {
		if (p->askers[i].node == node && p->askers[i].token == token) {
			p->askers[i].cursor = cursor;
			return;
		}
	}
	if (p->asker_count == PARTITION_LEDGERS_MAX)
		return;
	asker = &p->askers[p->asker_count++];
	asker->node = node;
	asker->token = token;
	asker->cursor = cursor;
	memcpy(asker->reference, reference, sizeof(asker->reference));
}

void partition_ledger_work(struct partition *p)
{
	if (p->ledger_ns && p->ledger_ns <= p->now_ns) {
		p->ledger_ns = 0;
		if (p->asker_count)
			memmove(&p->askers[0], &p->askers[1],
				--p->asker_count * sizeof(p->askers[0]));
	}
	if (p->ledger_ns || !p->asker_count)
		return;
	p->ledger_ns = p->now_ns + READ_NS;
	p->env.ledger(p->env.data, ++p->ledger_token, p->askers[0].reference);
}

uint64_t partition_ledger_next(const struct partition *p)
{
	if (p->ledger_ns)
		return p->ledger_ns;
	return p->asker_count ? p->now_ns : PARTITION_NEVER;
}

/* ---- rows --------------------------------------------------------------- */

static void put_count(struct tlv_writer *w, uint16_t key, uint64_t value)
{
	if (value)
		tlv_put_u64(w, key, value);
}

static void put_row(const struct partition *p, struct tlv_writer *w,
		    const struct core_ledger *row)
{
	size_t mark = tlv_begin(w, SKERRY_K_ROW);
	size_t i;

	if (row->peer == CORE_PEER_EVERYBODY)
		tlv_put_bool(w, SKERRY_K_ALL, true);
	for (i = 0; i < p->node_count; i++) {
		const struct partition_node *node = &p->nodes[p->order[i]];

		if (node->known && node->peer == row->peer &&
		    p->order[i] != p->self)
			tlv_put_str(w, SKERRY_K_NODE, node->name);
	}
	tlv_put_bool(w, SKERRY_K_IN_FORCE, row->in_force);
	if (row->user_space)
		tlv_put_str(w, SKERRY_K_UNIT, "frames");
	put_count(w, SKERRY_K_OUT_SEEN, row->out_seen);
	put_count(w, SKERRY_K_OUT_DROPPED, row->out_dropped);
	put_count(w, SKERRY_K_OUT_LEAKED, row->out_leaked);
	put_count(w, SKERRY_K_IN_SEEN, row->in_seen);
	put_count(w, SKERRY_K_IN_DROPPED, row->in_dropped);
	put_count(w, SKERRY_K_IN_LEAKED, row->in_leaked);
	tlv_end(w, mark);
}

/* To one who asked: rows from its cursor on, as many as a body takes. */
static void reply(struct partition *p, const struct partition_asker *asker,
		  const struct core_ledger *list, uint32_t count)
{
	struct tlv_writer w, before;
	uint32_t i;

	partition_send_begin(p, &w, "ledger");
	tlv_put_u64(&w, SKERRY_K_TOKEN, asker->token);
	tlv_put_u64(&w, SKERRY_K_CURSOR, asker->cursor);
	tlv_put_u64(&w, SKERRY_K_COUNT, count);
	for (i = asker->cursor; i < count; i++) {
		before = w;
		put_row(p, &w, &list[i]);
		if (w.full || w.used_bytes > ROWS_BYTES) {
			w = before;
			break;
		}
	}
	if (asker->node == p->self)
		partition_inquiry_ledger(p, asker->node, asker->token,
					 asker->cursor, count,
					 (struct core_bytes) { w.data,
							       w.used_bytes });
	else
		partition_send_body(p, asker->node, &w);
}

void partition_ledger(struct partition *p, const struct core_event *event)
{
	uint8_t reference[16];
	uint32_t i, kept = 0;

	partition_now(p, event->now_ns);
	if (!p->ledger_ns || event->token != p->ledger_token)
		return;
	p->ledger_ns = 0;
	if (!p->asker_count)
		return;
	memcpy(reference, p->askers[0].reference, sizeof(reference));
	for (i = 0; i < p->asker_count; i++) {
		const struct partition_asker asker = p->askers[i];

		if (memcmp(asker.reference, reference, sizeof(reference)))
			p->askers[kept++] = asker;
		else if (!event->error)
			reply(p, &asker, event->ledger.list,
			      event->ledger.count);
	}
	p->asker_count = kept;
}
