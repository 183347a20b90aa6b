// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace_decode_op.c - an operation out of its bytes; see trace.h. */
#include "trace.h"

#include <errno.h>
#include <string.h>

#include "trace_private.h"

struct decoder {
	struct core_op *op;
	struct trace_scratch scratch;
	struct core_bytes data;
	struct skerry_addr *addresses;
	uint32_t address_count;
	bool has_bytes;
};

static int take_string(struct decoder *d, const struct tlv_reader *r,
		       const char **ret_string)
{
	char *copy = trace_scratch_take(&d->scratch, (size_t)r->length + 1);
	int error;

	if (!copy)
		return -ENOSPC;
	error = tlv_str(r, copy, (size_t)r->length + 1);
	if (!error)
		*ret_string = copy;
	return error;
}

static int take_address(struct decoder *d, const struct tlv_reader *r)
{
	struct core_op *op = d->op;
	size_t count, bytes;
	int error;

	if (op->type == OP_DATAGRAM)
		return tlv_addr(r, &op->datagram.to);
	if (op->type == OP_CUT_ADD)
		return tlv_addr(r, &op->cut.address);
	if (op->type != OP_PEER && op->type != OP_DIAL)
		return -EPROTO;
	if (!d->addresses) {
		count = trace_count(d->data, TK_ADDRESS, &bytes);
		d->addresses =
			trace_scratch_take(&d->scratch,
					   count * sizeof(*d->addresses));
		if (!d->addresses)
			return -ENOSPC;
	}
	error = tlv_addr(r, &d->addresses[d->address_count]);
	if (error)
		return error;
	d->address_count++;
	if (op->type == OP_PEER) {
		op->peer.addresses = d->addresses;
		op->peer.address_count = d->address_count;
	} else {
		op->dial.addresses = d->addresses;
		op->dial.address_count = d->address_count;
	}
	return 0;
}

static int take_peer(struct decoder *d, const struct tlv_reader *r)
{
	struct core_op *op = d->op;

	switch (r->key) {
	case TK_PEER:
		return trace_u32(r, &op->peer.number);
	case TK_NAME:
		return take_string(d, r, &op->peer.name);
	case TK_INCARNATION:
		return tlv_u64(r, &op->peer.incarnation);
	case TK_BOOT_NONCE:
		return tlv_u64(r, &op->peer.boot_nonce);
	case TK_STATE:
		return trace_u8(r, &op->peer.state);
	case TK_PARALLELISM:
		if (r->length != sizeof(op->peer.parallelism))
			return -EPROTO;
		memcpy(op->peer.parallelism, r->value, r->length);
		return 0;
	default:
		return -EPROTO;
	}
}

static int take_cut(const struct tlv_reader *r, struct core_cut *cut)
{
	switch (r->key) {
	case TK_HANDLE:
		return trace_u32(r, &cut->handle);
	case TK_REFERENCE:
		return tlv_id(r, cut->reference);
	case TK_PEER:
		return trace_u32(r, &cut->peer);
	case TK_DIRECTION:
		return trace_u8(r, &cut->direction);
	case TK_VISIBILITY:
		return trace_u8(r, &cut->visibility);
	case TK_DEADLINE_NS:
		return tlv_u64(r, &cut->deadline_ns);
	case TK_CHANNEL:
		return tlv_str(r, cut->channel, sizeof(cut->channel));
	case TK_LOSS_PPM:
		return trace_u32(r, &cut->loss_ppm);
	case TK_SEED:
		return tlv_u64(r, &cut->seed);
	case TK_PREFIX_BITS:
		return trace_u8(r, &cut->prefix_bits);
	case TK_PROTOCOL:
		return trace_u8(r, &cut->protocol);
	default:
		return -EPROTO;
	}
}

static int take_route(const struct tlv_reader *r, struct core_op *op)
{
	switch (r->key) {
	case TK_PEER:
		return trace_u32(r, &op->route.peer);
	case TK_CHANNEL:
		return trace_u8(r, &op->route.channel);
	case TK_INDEX:
		return trace_u8(r, &op->route.index);
	case TK_GENERATION:
		return tlv_u64(r, &op->route.generation);
	default:
		return -EPROTO;
	}
}

static int take_answer(const struct tlv_reader *r, struct core_op *op)
{
	switch (r->key) {
	case TK_PROGRAM:
		return trace_u32(r, &op->answer.program);
	case TK_CORRELATION:
		return trace_u32(r, &op->answer.correlation);
	case TK_WATCH:
		return trace_u32(r, &op->answer.watch);
	case TK_MORE:
		return tlv_bool(r, &op->answer.more);
	default:
		return -EPROTO;
	}
}

static int take_send(const struct tlv_reader *r, struct core_op *op)
{
	switch (r->key) {
	case TK_FRAME_TYPE:
		return trace_u8(r, &op->frame.type);
	case TK_SEQUENCE:
		return tlv_u64(r, &op->frame.sequence);
	default:
		return -EPROTO;
	}
}

static int take_level(const struct tlv_reader *r, struct core_op *op)
{
	uint64_t level = 0;
	int error = trace_number(r, CORE_LOG_DEBUG, &level);

	op->level = (enum core_log_level)level;
	return error;
}

/* Types with one number of their own. */
static int take_single(const struct tlv_reader *r, struct core_op *op)
{
	if (op->type == OP_DIAL && r->key == TK_TIMEOUT_MS)
		return trace_u32(r, &op->dial.timeout_ms);
	if (op->type == OP_DUPLICATE && r->key == TK_GENERATION)
		return tlv_u64(r, &op->generation);
	if (op->type == OP_CLOSE && r->key == TK_DRAIN)
		return tlv_bool(r, &op->drain);
	if (op->type == OP_DATAGRAM && r->key == TK_PORT)
		return trace_u8(r, &op->datagram.port);
	if (op->type == OP_LOG && r->key == TK_LEVEL)
		return take_level(r, op);
	if (op->type == OP_WAKE_AT && r->key == TK_AT_NS)
		return tlv_u64(r, &op->at_ns);
	return -EPROTO;
}

static int take_union(struct decoder *d, const struct tlv_reader *r)
{
	struct core_op *op = d->op;

	switch (op->type) {
	case OP_PEER:
	case OP_PEER_GONE:
		return take_peer(d, r);
	case OP_CUT_ADD:
	case OP_CUT_DEL:
		return take_cut(r, &op->cut);
	case OP_ROUTE:
	case OP_ROUTE_GONE:
		return take_route(r, op);
	case OP_ANSWER:
	case OP_EVENT:
		return take_answer(r, op);
	case OP_SEND:
		return take_send(r, op);
	default:
		return take_single(r, op);
	}
}

static int take_bytes(struct decoder *d, const struct tlv_reader *r)
{
	if (d->has_bytes)
		return 0;
	d->has_bytes = true;
	return trace_join(d->data, r, &d->scratch, &d->op->bytes);
}

static int take_field(struct decoder *d, const struct tlv_reader *r)
{
	switch (r->key) {
	case TK_TOKEN:
		return tlv_u64(r, &d->op->token);
	case TK_LANE:
		return tlv_u64(r, &d->op->lane);
	case TK_ERROR:
		return trace_error(r, &d->op->error);
	case TK_TEXT:
		return take_string(d, r, &d->op->text);
	case TK_BYTES:
		return take_bytes(d, r);
	case TK_ADDRESS:
		return take_address(d, r);
	default:
		return take_union(d, r);
	}
}

int trace_op_decode(struct core_bytes data, void *scratch, size_t scratch_bytes,
		    struct core_op *ret_op)
{
	struct core_op op;
	struct decoder d = {
		.op = &op,
		.scratch = { scratch, scratch_bytes },
		.data = data,
	};
	struct tlv_reader r;
	uint64_t type = 0;
	int error = 0;

	memset(&op, 0, sizeof(op));
	tlv_reader_init(&r, data.data, data.size_bytes);
	if (!tlv_next(&r) || r.key != TK_TYPE ||
	    trace_number(&r, OP_MAX - 1, &type) || !type)
		return -EPROTO;
	op.type = (enum core_op_type)type;
	while (!error && tlv_next(&r))
		error = take_field(&d, &r);
	if (r.bad)
		return -EPROTO;
	if (error)
		return error;
	*ret_op = op;
	return 0;
}
