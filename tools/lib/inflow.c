/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Who sends to us, and how far each has come. An inflow outlives the
 * attachment: a new agent is told where it stands, so that nothing is
 * handed over twice and nothing asked for again.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#define SPARE_MAX_BYTES (16U << 20)
#define GENERATIONS_KEPT 3U

/* ---- memory for large messages ------------------------------------------- */

uint8_t *lib_buffer_get(struct skerry *h, uint64_t bytes)
{
	uint8_t *buffer;

	/* A stream of large messages finds its pages already there. */
	if (h->spare && h->spare_bytes >= bytes) {
		buffer = h->spare;
		h->spare = NULL;
		return buffer;
	}
	return malloc(bytes);
}

static void give_memory_back(struct skerry *h, uint8_t *buffer, uint64_t bytes)
{
	if (bytes <= SPARE_MAX_BYTES && (!h->spare || h->spare_bytes < bytes)) {
		free(h->spare);
		h->spare = buffer;
		h->spare_bytes = bytes;
	} else {
		free(buffer);
	}
}

void lib_buffer_put(struct skerry *h, uint8_t *buffer, uint64_t bytes,
		    uint32_t generation)
{
	give_memory_back(h, buffer, bytes);
	/* An agent counts only what came through its own rings. */
	if (h->control && generation == h->generation)
		lib_reassembly_freed(h, bytes);
}

/* ---- inflows ---------------------------------------------------------------- */

struct lib_inflow *lib_inflow_at(struct lib_channel *c, uint32_t index)
{
	return index < c->inflow_room ? c->inflows[index] : NULL;
}

static uint32_t bucket(uint64_t flow_id, const uint8_t program[16])
{
	uint64_t mixed;

	memcpy(&mixed, program, sizeof(mixed));
	mixed = (mixed ^ flow_id) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(mixed >> 32) % LIB_INFLOW_BUCKETS;
}

static int make_room(struct lib_channel *c, uint32_t index)
{
	uint32_t room = c->inflow_room ? c->inflow_room : 16;
	void *grown;

	if (index < c->inflow_room)
		return 0;
	if (index >= SKERRY_FLOWS_MAX)
		return -EPROTO;
	while (room <= index)
		room *= 2;
	grown = realloc(c->inflows, room * sizeof(*c->inflows));
	if (!grown)
		return -ENOMEM;
	c->inflows = grown;
	memset(c->inflows + c->inflow_room, 0,
	       (room - c->inflow_room) * sizeof(*c->inflows));
	c->inflow_room = room;
	return 0;
}

struct announced {
	uint8_t program[16];
	uint64_t flow_id;
	uint64_t fast_id;
	char node[SKERRY_NAME_MAX_BYTES + 1];
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1];
};

static int parse(const struct ringbuf_record *record, struct announced *a)
{
	const void *tlvs = record->extensions;
	size_t size = record->extension_bytes + record->payload_bytes;
	struct tlv_reader field;

	memset(a, 0, sizeof(*a));
	if (!tlv_find(tlvs, size, SKERRY_K_PROGRAM, &field) ||
	    tlv_id(&field, a->program))
		return -EPROTO;
	a->flow_id = tlv_find_u64(tlvs, size, SKERRY_K_FLOW_ID, 0);
	a->fast_id = tlv_find_u64(tlvs, size, SKERRY_K_FAST_ID, 0);
	if (tlv_find_str(tlvs, size, SKERRY_K_NODE, a->node, sizeof(a->node)) ||
	    tlv_find_str(tlvs, size, SKERRY_K_ENDPOINT, a->endpoint,
			 sizeof(a->endpoint)))
		return -EPROTO;
	return 0;
}

static struct lib_inflow *known(struct skerry *h, const struct announced *a)
{
	struct lib_inflow *inflow = h->inflows[bucket(a->flow_id, a->program)];

	for (; inflow; inflow = inflow->next)
		if (inflow->flow_id == a->flow_id &&
		    !memcmp(inflow->program, a->program, sizeof(a->program)))
			return inflow;
	return NULL;
}

static struct lib_inflow *make(struct skerry *h, const struct announced *a)
{
	uint32_t b = bucket(a->flow_id, a->program);
	struct lib_inflow *inflow = calloc(1, sizeof(*inflow));

	if (!inflow)
		return NULL;
	memcpy(inflow->program, a->program, sizeof(inflow->program));
	inflow->flow_id = a->flow_id;
	inflow->next = h->inflows[b];
	h->inflows[b] = inflow;
	return inflow;
}

static void forget(struct skerry *h, struct lib_inflow *inflow)
{
	struct lib_inflow **p;

	free(inflow->partial);
	p = &h->inflows[bucket(inflow->flow_id, inflow->program)];
	while (*p != inflow)
		p = &(*p)->next;
	*p = inflow->next;
	free(inflow);
}

static void end(struct lib_channel *c, struct lib_inflow *inflow)
{
	if (inflow->ended)
		c->ended--;
	lib_inflow_drop_partial(c->handle, inflow, true);
	c->inflows[inflow->index] = NULL;
	forget(c->handle, inflow);
}

/* 0; what makes no sense is passed over, and so is its data. */
int lib_inflow_announce(struct lib_channel *c,
			const struct ringbuf_record *record)
{
	struct skerry *h = c->handle;
	uint32_t index = record->frame.flow;
	struct lib_inflow *inflow;
	struct announced a;

	if (parse(record, &a) || make_room(c, index))
		return 0;
	inflow = known(h, &a);
	if (!inflow)
		inflow = make(h, &a);
	if (!inflow)
		return 0;
	inflow->node = lib_intern(h, a.node);
	inflow->endpoint = lib_intern(h, a.endpoint);
	inflow->channel = c->name;
	inflow->fast_id = a.fast_id;
	inflow->told = inflow->seen = h->generation;
	/* Never back: what lies below was handed over already. */
	if (record->frame.sequence > inflow->next_number)
		inflow->next_number = record->frame.sequence;
	if (!inflow->node || !inflow->endpoint)
		return 0;
	if (inflow->ended)
		inflow->where->ended--;
	inflow->ended = false;
	if (inflow->where)
		inflow->where->inflows[inflow->index] = NULL;
	if (c->inflows[index] && c->inflows[index]->ended)
		end(c, c->inflows[index]);
	else if (c->inflows[index])
		c->inflows[index]->where = NULL;
	inflow->where = c;
	inflow->index = index;
	c->inflows[index] = inflow;
	return 0;
}

void lib_inflow_gone(struct lib_channel *c, uint32_t index)
{
	struct lib_inflow *inflow = lib_inflow_at(c, index);

	if (!inflow)
		return;
	/* Its datagrams come by another way than this word of its end. */
	if (!c->fast || !inflow->fast_id) {
		end(c, inflow);
	} else if (!inflow->ended) {
		inflow->ended = true;
		c->ended++;
	}
}

void lib_inflow_settle(struct lib_channel *c)
{
	for (uint32_t i = 0; c->ended && i < c->inflow_room; i++)
		if (c->inflows[i] && c->inflows[i]->ended)
			end(c, c->inflows[i]);
}

/* counted: this agent waits for the memory. */
void lib_inflow_drop_partial(struct skerry *h, struct lib_inflow *inflow,
			     bool counted)
{
	if (!inflow->partial)
		return;
	lib_buffer_put(h, inflow->partial, inflow->total_bytes,
		       counted ? h->generation : 0);
	inflow->partial = NULL;
}

/* ---- a new agent -------------------------------------------------------------- */

static int tell(struct skerry *h, struct lib_inflow *inflow)
{
	struct tlv_writer w;
	uint8_t bytes[512];

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put(&w, SKERRY_K_PROGRAM, inflow->program, sizeof(inflow->program));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, inflow->flow_id);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, inflow->endpoint);
	tlv_put_str(&w, SKERRY_K_NODE, inflow->node);
	tlv_put_str(&w, SKERRY_K_CHANNEL, inflow->channel);
	tlv_put_u64(&w, SKERRY_K_NEXT_SEQUENCE, inflow->next_number);
	return lib_command(h, SKERRY_CMD_FRONTIER, bytes, w.used_bytes,
			   LIB_CALL_QUIET, NULL, NULL);
}

/* Senders that did not come back for some agents' lives will not. */
static void forget_old(struct skerry *h)
{
	for (size_t i = 0; i < LIB_INFLOW_BUCKETS; i++) {
		struct lib_inflow *inflow = h->inflows[i];

		while (inflow) {
			struct lib_inflow *next = inflow->next;

			if (h->generation - inflow->seen > GENERATIONS_KEPT)
				forget(h, inflow);
			inflow = next;
		}
	}
}

int lib_inflow_again(struct skerry *h)
{
	forget_old(h);
	for (size_t i = 0; i < LIB_INFLOW_BUCKETS; i++) {
		struct lib_inflow *inflow;

		for (inflow = h->inflows[i]; inflow; inflow = inflow->next) {
			int r;

			if (inflow->told == h->generation)
				continue;
			r = tell(h, inflow);
			if (r)
				return r;
			inflow->told = h->generation;
		}
	}
	return 0;
}

void lib_inflow_free(struct skerry *h)
{
	for (size_t i = 0; i < LIB_INFLOW_BUCKETS; i++)
		while (h->inflows[i]) {
			struct lib_inflow *inflow = h->inflows[i];

			h->inflows[i] = inflow->next;
			free(inflow->partial);
			free(inflow);
		}
	free(h->spare);
}
