// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace.c - events, operations and results as bytes; see trace.h. */
#include "trace.h"

#include <string.h>

#include "trace_private.h"

static void put_u64(struct tlv_writer *w, enum trace_key key, uint64_t value)
{
	if (value)
		tlv_put_u64(w, key, value);
}

static void put_bool(struct tlv_writer *w, enum trace_key key, bool value)
{
	if (value)
		tlv_put_bool(w, key, true);
}

static void put_str(struct tlv_writer *w, enum trace_key key, const char *value)
{
	if (value)
		tlv_put_str(w, key, value);
}

static void put_bytes(struct tlv_writer *w, enum trace_key key,
		      struct core_bytes bytes)
{
	const uint8_t *at = bytes.data;
	size_t left = bytes.size_bytes;

	while (left) {
		size_t piece =
			left < TRACE_PIECE_BYTES ? left : TRACE_PIECE_BYTES;

		tlv_put(w, key, at, piece);
		at += piece;
		left -= piece;
	}
}

static void put_addrs(struct tlv_writer *w, const struct skerry_addr *list,
		      uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		tlv_put_addr(w, TK_ADDRESS, &list[i]);
}

static void put_contacts(struct tlv_writer *w, const struct core_contact *list,
			 uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		size_t mark = tlv_begin(w, TK_CONTACT);

		tlv_put_str(w, TK_NAME, list[i].name);
		tlv_put_addr(w, TK_ADDRESS, &list[i].address);
		tlv_end(w, mark);
	}
}

static void put_channel(struct tlv_writer *w,
			const struct core_channel *channel)
{
	size_t mark = tlv_begin(w, TK_CHANNEL_SPEC);

	tlv_put_str(w, TK_NAME, channel->name);
	put_u64(w, TK_PARALLELISM, channel->parallelism);
	put_u64(w, TK_PRIORITY, channel->priority);
	put_bool(w, TK_MONOTONIC, channel->monotonic);
	put_bool(w, TK_COMPRESSION, channel->compression);
	put_bool(w, TK_DATAGRAM, channel->datagram);
	tlv_end(w, mark);
}

static void put_config(struct tlv_writer *w, const struct core_config *config)
{
	size_t mark = tlv_begin(w, TK_CONFIG);
	uint32_t i;

	tlv_put_str(w, TK_NAME, config->name);
	tlv_put_str(w, TK_CLUSTER, config->cluster);
	tlv_put_str(w, TK_OVERLAY, config->overlay);
	put_bool(w, TK_HAS_KEY, config->has_key);
	tlv_put(w, TK_MACHINE_ID, config->machine_id,
		sizeof(config->machine_id));
	put_u64(w, TK_PORT_BASE, config->port_base);
	put_addrs(w, config->addresses, config->address_count);
	for (i = 0; i < config->tag_count; i++)
		tlv_put_str(w, TK_TAG, config->tags[i]);
	for (i = 0; i < config->channel_count; i++)
		put_channel(w, &config->channels[i]);
	put_contacts(w, config->contacts, config->contact_count);
	put_bool(w, TK_TAKEOVER, config->takeover);
	put_bool(w, TK_LEAVE_ON_STOP, config->leave_on_stop);
	put_u64(w, TK_HEARTBEAT_MS, config->heartbeat_ms);
	put_u64(w, TK_PING_AFTER_MS, config->ping_after_ms);
	put_u64(w, TK_DOWN_AFTER_MS, config->down_after_ms);
	put_u64(w, TK_REDIAL_MIN_MS, config->redial_min_ms);
	put_u64(w, TK_REDIAL_MAX_MS, config->redial_max_ms);
	put_u64(w, TK_GOSSIP_COLLECT_MS, config->gossip_collect_ms);
	put_u64(w, TK_GOSSIP_PERIOD_MS, config->gossip_period_ms);
	put_u64(w, TK_CUT_MAX_MS, config->cut_max_ms);
	put_u64(w, TK_CUT_SHARE_PERCENT, config->cut_share_percent);
	put_u64(w, TK_CONFIG_MEMBERS_MAX, config->members_max);
	put_bool(w, TK_KERNEL_CUTS, config->kernel_cuts);
	put_bool(w, TK_FAST_DEMUX, config->fast_demux);
	put_bool(w, TK_CUT_LOSS, config->cut_loss);
	put_bool(w, TK_CUT_REJECT, config->cut_reject);
	put_bool(w, TK_CUT_ADDRESS, config->cut_address);
	tlv_end(w, mark);
}

static void put_command(struct tlv_writer *w, const struct core_event *event)
{
	put_u64(w, TK_PROGRAM, event->command.program);
	put_u64(w, TK_COMMAND, event->command.command);
	put_u64(w, TK_CORRELATION, event->command.correlation);
	put_bool(w, TK_ADMIN, event->command.admin);
	put_u64(w, TK_UID, event->command.uid);
	put_u64(w, TK_PID, event->command.pid);
	put_str(w, TK_NAME, event->command.name);
	put_u64(w, TK_GUARDS, event->command.guards);
	put_bytes(w, TK_BYTES, event->command.tlvs);
}

void trace_event(struct tlv_writer *w, const struct core_event *event)
{
	tlv_put_u64(w, TK_TYPE, event->type);
	put_u64(w, TK_NOW_NS, event->now_ns);
	put_u64(w, TK_WALL_US, event->wall_us);
	put_u64(w, TK_LANE, event->lane);
	if (event->error)
		tlv_put_s64(w, TK_ERROR, event->error);
	put_u64(w, TK_TOKEN, event->token);

	switch (event->type) {
	case EV_START:
	case EV_CONFIGURED:
		put_config(w, event->start.config);
		put_bytes(w, TK_BYTES, event->start.persisted);
		put_u64(w, TK_SEED, event->start.seed);
		break;
	case EV_LANE_HELLO:
		put_bool(w, TK_ACCEPTED, event->hello.accepted);
		put_bytes(w, TK_BYTES, event->hello.details);
		tlv_put_addr(w, TK_ADDRESS, &event->hello.remote);
		break;
	case EV_LANE_DOWN:
		put_u64(w, TK_END, event->lane_down.end);
		put_u64(w, TK_GENERATION, event->lane_down.generation_seen);
		tlv_put_str(w, TK_TEXT, event->lane_down.text);
		break;
	case EV_FRAME:
		put_u64(w, TK_FRAME_TYPE, event->frame.type);
		put_u64(w, TK_SEQUENCE, event->frame.sequence);
		put_bytes(w, TK_BYTES, event->frame.payload);
		break;
	case EV_DATAGRAM:
		put_u64(w, TK_PORT, event->datagram.port);
		tlv_put_addr(w, TK_ADDRESS, &event->datagram.from);
		put_bytes(w, TK_BYTES, event->datagram.bytes);
		break;
	case EV_COMMAND:
		put_command(w, event);
		break;
	case EV_PROGRAM_UP:
	case EV_PROGRAM_GONE:
		put_u64(w, TK_PROGRAM, event->program.program);
		break;
	case EV_ADDRESSES:
		put_addrs(w, event->addresses.list, event->addresses.count);
		break;
	case EV_DISCOVERED:
		put_contacts(w, event->discovered.list,
			     event->discovered.count);
		break;
	case EV_LEDGER:
		trace_ledger_put(w, event->ledger.list, event->ledger.count);
		break;
	default:
		break;
	}
}

static void put_peer(struct tlv_writer *w, const struct core_op *op)
{
	put_u64(w, TK_PEER, op->peer.number);
	put_str(w, TK_NAME, op->peer.name);
	put_u64(w, TK_INCARNATION, op->peer.incarnation);
	put_u64(w, TK_BOOT_NONCE, op->peer.boot_nonce);
	put_u64(w, TK_STATE, op->peer.state);
	put_addrs(w, op->peer.addresses, op->peer.address_count);
	tlv_put(w, TK_PARALLELISM, op->peer.parallelism,
		sizeof(op->peer.parallelism));
}

static void put_cut(struct tlv_writer *w, const struct core_cut *cut)
{
	put_u64(w, TK_HANDLE, cut->handle);
	tlv_put(w, TK_REFERENCE, cut->reference, sizeof(cut->reference));
	put_u64(w, TK_PEER, cut->peer);
	put_u64(w, TK_DIRECTION, cut->direction);
	put_u64(w, TK_VISIBILITY, cut->visibility);
	put_u64(w, TK_DEADLINE_NS, cut->deadline_ns);
	tlv_put_str(w, TK_CHANNEL, cut->channel);
	put_u64(w, TK_LOSS_PPM, cut->loss_ppm);
	put_u64(w, TK_SEED, cut->seed);
	if (cut->peer != CORE_PEER_ADDRESS)
		return;
	tlv_put_addr(w, TK_ADDRESS, &cut->address);
	put_u64(w, TK_PREFIX_BITS, cut->prefix_bits);
	put_u64(w, TK_PROTOCOL, cut->protocol);
}

static void put_route(struct tlv_writer *w, const struct core_op *op)
{
	put_u64(w, TK_PEER, op->route.peer);
	put_u64(w, TK_CHANNEL, op->route.channel);
	put_u64(w, TK_INDEX, op->route.index);
	put_u64(w, TK_GENERATION, op->route.generation);
}

static void put_answer(struct tlv_writer *w, const struct core_op *op)
{
	put_u64(w, TK_PROGRAM, op->answer.program);
	put_u64(w, TK_CORRELATION, op->answer.correlation);
	put_u64(w, TK_WATCH, op->answer.watch);
	put_bool(w, TK_MORE, op->answer.more);
}

static void put_op_union(struct tlv_writer *w, const struct core_op *op)
{
	switch (op->type) {
	case OP_PEER:
		put_peer(w, op);
		break;
	case OP_PEER_GONE:
		put_u64(w, TK_PEER, op->peer.number);
		break;
	case OP_CUT_ADD:
		put_cut(w, &op->cut);
		break;
	case OP_CUT_DEL:
		put_u64(w, TK_HANDLE, op->cut.handle);
		break;
	case OP_DIAL:
		put_addrs(w, op->dial.addresses, op->dial.address_count);
		put_u64(w, TK_TIMEOUT_MS, op->dial.timeout_ms);
		break;
	case OP_DUPLICATE:
		put_u64(w, TK_GENERATION, op->generation);
		break;
	case OP_CLOSE:
		put_bool(w, TK_DRAIN, op->drain);
		break;
	case OP_ROUTE:
	case OP_ROUTE_GONE:
		put_route(w, op);
		break;
	case OP_SEND:
		put_u64(w, TK_FRAME_TYPE, op->frame.type);
		put_u64(w, TK_SEQUENCE, op->frame.sequence);
		break;
	case OP_DATAGRAM:
		put_u64(w, TK_PORT, op->datagram.port);
		tlv_put_addr(w, TK_ADDRESS, &op->datagram.to);
		break;
	case OP_ANSWER:
	case OP_EVENT:
		put_answer(w, op);
		break;
	case OP_LOG:
		put_u64(w, TK_LEVEL, op->level);
		break;
	case OP_WAKE_AT:
		put_u64(w, TK_AT_NS, op->at_ns);
		break;
	default:
		break;
	}
}

void trace_op(struct tlv_writer *w, const struct core_op *op)
{
	tlv_put_u64(w, TK_TYPE, op->type);
	put_u64(w, TK_TOKEN, op->token);
	put_u64(w, TK_LANE, op->lane);
	if (op->error)
		tlv_put_s64(w, TK_ERROR, op->error);
	put_str(w, TK_TEXT, op->text);
	put_bytes(w, TK_BYTES, op->bytes);
	put_op_union(w, op);
}

void trace_result(struct tlv_writer *w, int error,
		  const struct core_update *update)
{
	if (error)
		tlv_put_s64(w, TK_ERROR, error);
	put_u64(w, TK_OPS, update->count);
	put_bool(w, TK_MORE, update->more);
}

void trace_key_digest(const struct core_hmac *hmac, uint8_t ret_digest[8])
{
	static const char label[] = "skerry trace";
	struct core_bytes part = { label, sizeof(label) };
	uint8_t mac[32];

	if (!hmac) {
		memset(ret_digest, 0, 8);
		return;
	}
	hmac->function(hmac->data, &part, 1, mac);
	memcpy(ret_digest, mac, 8);
}

void trace_setup(struct tlv_writer *w, const struct core_limits *limits,
		 const struct core_hmac *hmac)
{
	uint8_t digest[8];

	put_u64(w, TK_MEMBERS_MAX, limits->members_max);
	put_u64(w, TK_PROGRAMS_MAX, limits->programs_max);
	put_u64(w, TK_WATCHES_MAX, limits->watches_max);
	put_u64(w, TK_PARTITIONS_MAX, limits->partitions_max);
	put_u64(w, TK_RULES_MAX, limits->rules_max);
	if (!hmac)
		return;
	trace_key_digest(hmac, digest);
	tlv_put_bool(w, TK_KEYED, true);
	tlv_put(w, TK_KEY_DIGEST, digest, sizeof(digest));
}
