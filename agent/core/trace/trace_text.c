// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace_text.c - events and operations as lines for people; see trace.h. */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Counts on when there is no room left, like snprintf. */
struct line {
	char *out;
	size_t room;
	size_t used;
};

static void add(struct line *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct line *l, const char *format, ...)
{
	size_t left = l->used < l->room ? l->room - l->used : 0;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(left ? l->out + l->used : NULL, left, format, args);
	va_end(args);
	if (length > 0)
		l->used += (size_t)length;
}

/* Strings come from peers too: nothing that moves a cursor is let through. */
static void add_str(struct line *l, const char *key, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;

	if (!value)
		return;
	add(l, " %s=\"", key);
	for (; *at; at++) {
		if (*at < 0x20 || *at == 0x7f || *at == '"' || *at == '\\')
			add(l, "\\x%02x", *at);
		else
			add(l, "%c", *at);
	}
	add(l, "\"");
}

static void add_u64(struct line *l, const char *key, uint64_t value)
{
	if (value)
		add(l, " %s=%llu", key, (unsigned long long)value);
}

static void add_flag(struct line *l, const char *key, bool value)
{
	if (value)
		add(l, " %s", key);
}

static void add_error(struct line *l, int error)
{
	if (error)
		add(l, " error=%d", error);
}

/* FNV-1a: tells apart, no more. */
static void add_bytes(struct line *l, const char *key, struct core_bytes bytes)
{
	const uint8_t *at = bytes.data;
	uint32_t hash = 0x811c9dc5U;
	size_t i;

	if (!bytes.size_bytes)
		return;
	for (i = 0; i < bytes.size_bytes; i++)
		hash = (hash ^ at[i]) * 0x01000193U;
	add(l, " %s=%zuB/%08x", key, bytes.size_bytes, hash);
}

static bool is_v4(const struct skerry_addr *addr)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr->ip, prefix, sizeof(prefix)) == 0;
}

static void add_addr(struct line *l, const char *key,
		     const struct skerry_addr *addr)
{
	const uint8_t *ip = addr->ip;
	int i;

	add(l, " %s=", key);
	if (is_v4(addr)) {
		add(l, "%u.%u.%u.%u:%u", ip[12], ip[13], ip[14], ip[15],
		    addr->port);
		return;
	}
	add(l, "[");
	for (i = 0; i < 16; i += 2)
		add(l, "%s%x", i ? ":" : "", ip[i] << 8 | ip[i + 1]);
	add(l, "]:%u", addr->port);
}

static void add_addrs(struct line *l, const struct skerry_addr *list,
		      uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		add_addr(l, "address", &list[i]);
}

static void add_peer(struct line *l, uint32_t peer)
{
	if (peer == CORE_PEER_EVERYBODY)
		add(l, " peer=everybody");
	else if (peer == CORE_PEER_SELF)
		add(l, " peer=self");
	else if (peer == CORE_PEER_ADDRESS)
		add(l, " peer=address");
	else
		add(l, " peer=%u", peer);
}

static const char *const event_names[EV_MAX] = {
	[EV_START] = "start",
	[EV_TICK] = "tick",
	[EV_DIAL_FAILED] = "dial_failed",
	[EV_LANE_HELLO] = "lane_hello",
	[EV_LANE_UP] = "lane_up",
	[EV_LANE_DOWN] = "lane_down",
	[EV_HEARD] = "heard",
	[EV_FRAME] = "frame",
	[EV_DATAGRAM] = "datagram",
	[EV_LANE_BLOCKED] = "lane_blocked",
	[EV_LANE_WRITABLE] = "lane_writable",
	[EV_COMMAND] = "command",
	[EV_PROGRAM_UP] = "program_up",
	[EV_PROGRAM_GONE] = "program_gone",
	[EV_ADDRESSES] = "addresses",
	[EV_DISCOVERED] = "discovered",
	[EV_PERSISTED] = "persisted",
	[EV_CUTS_APPLIED] = "cuts_applied",
	[EV_CONFIGURED] = "configured",
	[EV_STOP] = "stop",
	[EV_LEDGER] = "ledger",
};

static const char *const op_names[OP_MAX] = {
	[OP_PERSIST] = "persist",
	[OP_PEER] = "peer",
	[OP_PEER_GONE] = "peer_gone",
	[OP_CUT_ADD] = "cut_add",
	[OP_CUT_DEL] = "cut_del",
	[OP_CUT_COMMIT] = "cut_commit",
	[OP_DIAL] = "dial",
	[OP_ADMIT] = "admit",
	[OP_REFUSE] = "refuse",
	[OP_DUPLICATE] = "duplicate",
	[OP_CLOSE] = "close",
	[OP_ROUTE] = "route",
	[OP_ROUTE_GONE] = "route_gone",
	[OP_SEND] = "send",
	[OP_DATAGRAM] = "datagram",
	[OP_ANSWER] = "answer",
	[OP_EVENT] = "event",
	[OP_LOG] = "log",
	[OP_WAKE_AT] = "wake_at",
	[OP_STOPPED] = "stopped",
	[OP_LEDGER] = "ledger",
};

const char *trace_event_name(enum core_event_type type)
{
	if ((unsigned int)type >= EV_MAX || !event_names[type])
		return "?";
	return event_names[type];
}

const char *trace_op_name(enum core_op_type type)
{
	if ((unsigned int)type >= OP_MAX || !op_names[type])
		return "?";
	return op_names[type];
}

static const char *end_name(enum lane_end end)
{
	static const char *const names[] = {
		[LANE_END_PEER] = "peer",
		[LANE_END_REFUSED] = "refused",
		[LANE_END_DUPLICATE] = "duplicate",
		[LANE_END_TIMEOUT] = "timeout",
		[LANE_END_PROTOCOL] = "protocol",
		[LANE_END_LOCAL] = "local",
		[LANE_END_DRAINED] = "drained",
	};

	if ((size_t)end >= sizeof(names) / sizeof(names[0]) || !names[end])
		return "?";
	return names[end];
}

static void add_contacts(struct line *l, const struct core_contact *list,
			 uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		add_str(l, "contact", list[i].name);
		add_addr(l, "at", &list[i].address);
	}
}

static void add_config(struct line *l, const struct core_config *config)
{
	uint32_t i;

	add_str(l, "name", config->name);
	add_str(l, "cluster", config->cluster);
	add_str(l, "overlay", config->overlay);
	add_flag(l, "key", config->has_key);
	add_u64(l, "port_base", config->port_base);
	add_addrs(l, config->addresses, config->address_count);
	for (i = 0; i < config->channel_count; i++) {
		add_str(l, "channel", config->channels[i].name);
		add_u64(l, "parallelism", config->channels[i].parallelism);
		add_flag(l, "datagram", config->channels[i].datagram);
	}
	add_contacts(l, config->contacts, config->contact_count);
}

static void add_event_command(struct line *l, const struct core_event *event)
{
	add_u64(l, "program", event->command.program);
	add_u64(l, "command", event->command.command);
	add_u64(l, "correlation", event->command.correlation);
	add_flag(l, "admin", event->command.admin);
	add_u64(l, "uid", event->command.uid);
	add_u64(l, "pid", event->command.pid);
	add_str(l, "name", event->command.name);
	add_u64(l, "guards", event->command.guards);
	add_bytes(l, "tlvs", event->command.tlvs);
}

static void add_event_union(struct line *l, const struct core_event *event)
{
	switch (event->type) {
	case EV_START:
	case EV_CONFIGURED:
		if (event->start.config)
			add_config(l, event->start.config);
		add_bytes(l, "persisted", event->start.persisted);
		add_u64(l, "seed", event->start.seed);
		break;
	case EV_LANE_HELLO:
		add_flag(l, "accepted", event->hello.accepted);
		add_addr(l, "remote", &event->hello.remote);
		add_bytes(l, "details", event->hello.details);
		break;
	case EV_LANE_DOWN:
		add(l, " end=%s", end_name(event->lane_down.end));
		add_u64(l, "generation_seen", event->lane_down.generation_seen);
		add_str(l, "text", event->lane_down.text);
		break;
	case EV_FRAME:
		add(l, " type=0x%02x", event->frame.type);
		add_u64(l, "sequence", event->frame.sequence);
		add_bytes(l, "payload", event->frame.payload);
		break;
	case EV_DATAGRAM:
		add_u64(l, "port", event->datagram.port);
		add_addr(l, "from", &event->datagram.from);
		add_bytes(l, "bytes", event->datagram.bytes);
		break;
	case EV_COMMAND:
		add_event_command(l, event);
		break;
	case EV_PROGRAM_UP:
	case EV_PROGRAM_GONE:
		add(l, " program=%u", event->program.program);
		break;
	case EV_ADDRESSES:
		add_addrs(l, event->addresses.list, event->addresses.count);
		break;
	case EV_DISCOVERED:
		add_contacts(l, event->discovered.list,
			     event->discovered.count);
		break;
	case EV_LEDGER:
		add_u64(l, "rows", event->ledger.count);
		break;
	default:
		break;
	}
}

static int line_end(const struct line *l)
{
	return (int)l->used;
}

int trace_event_text(const struct core_event *event, char *out, size_t room)
{
	struct line l = { out, room, 0 };

	add(&l, "%llu.%09llu %s",
	    (unsigned long long)(event->now_ns / 1000000000ULL),
	    (unsigned long long)(event->now_ns % 1000000000ULL),
	    trace_event_name(event->type));
	add_u64(&l, "lane", event->lane);
	add_u64(&l, "token", event->token);
	add_error(&l, event->error);
	add_event_union(&l, event);
	return line_end(&l);
}

static void add_op_peer(struct line *l, const struct core_op *op)
{
	int i;

	add_peer(l, op->peer.number);
	add_str(l, "name", op->peer.name);
	add_u64(l, "incarnation", op->peer.incarnation);
	add_u64(l, "boot_nonce", op->peer.boot_nonce);
	add_u64(l, "state", op->peer.state);
	add_addrs(l, op->peer.addresses, op->peer.address_count);
	for (i = 0; i < (int)SKERRY_CHANNELS_MAX; i++)
		if (op->peer.parallelism[i])
			add(l, " parallelism[%d]=%u", i,
			    op->peer.parallelism[i]);
}

static void add_op_cut(struct line *l, const struct core_cut *cut)
{
	static const char *const directions[] = { "both", "in", "out" };
	static const char *const visibilities[] = { "wire", "local", "reject",
						    "sever" };
	int i;

	add(l, " handle=%u", cut->handle);
	add_peer(l, cut->peer);
	add(l, " direction=%s",
	    cut->direction < 3 ? directions[cut->direction] : "?");
	add(l, " visibility=%s",
	    cut->visibility < 4 ? visibilities[cut->visibility] : "?");
	add_u64(l, "deadline_ns", cut->deadline_ns);
	if (cut->channel[0])
		add_str(l, "channel", cut->channel);
	add_u64(l, "loss_ppm", cut->loss_ppm);
	add_u64(l, "seed", cut->seed);
	if (cut->peer == CORE_PEER_ADDRESS) {
		add_addr(l, "address", &cut->address);
		add_u64(l, "prefix_bits", cut->prefix_bits);
		add_u64(l, "protocol", cut->protocol);
	}
	add(l, " reference=");
	for (i = 0; i < 16; i++)
		add(l, "%02x", cut->reference[i]);
}

static void add_op_answer(struct line *l, const struct core_op *op)
{
	add(l, " program=%u", op->answer.program);
	add_u64(l, "correlation", op->answer.correlation);
	add_u64(l, "watch", op->answer.watch);
	add_flag(l, "more", op->answer.more);
}

static void add_op_route(struct line *l, const struct core_op *op)
{
	add_peer(l, op->route.peer);
	add(l, " channel=%u index=%u", op->route.channel, op->route.index);
	add_u64(l, "generation", op->route.generation);
}

static void add_op_union(struct line *l, const struct core_op *op)
{
	static const char *const levels[] = { "error", "warning", "info",
					      "debug" };

	switch (op->type) {
	case OP_PEER:
		add_op_peer(l, op);
		break;
	case OP_PEER_GONE:
		add_peer(l, op->peer.number);
		break;
	case OP_CUT_ADD:
		add_op_cut(l, &op->cut);
		break;
	case OP_CUT_DEL:
		add(l, " handle=%u", op->cut.handle);
		break;
	case OP_DIAL:
		add_addrs(l, op->dial.addresses, op->dial.address_count);
		add_u64(l, "timeout_ms", op->dial.timeout_ms);
		break;
	case OP_DUPLICATE:
		add_u64(l, "generation", op->generation);
		break;
	case OP_CLOSE:
		add_flag(l, "drain", op->drain);
		break;
	case OP_ROUTE:
	case OP_ROUTE_GONE:
		add_op_route(l, op);
		break;
	case OP_SEND:
		add(l, " type=0x%02x", op->frame.type);
		add_u64(l, "sequence", op->frame.sequence);
		break;
	case OP_DATAGRAM:
		add_u64(l, "port", op->datagram.port);
		add_addr(l, "to", &op->datagram.to);
		break;
	case OP_ANSWER:
	case OP_EVENT:
		add_op_answer(l, op);
		break;
	case OP_LOG:
		add(l, " level=%s",
		    (unsigned int)op->level < 4 ? levels[op->level] : "?");
		break;
	case OP_WAKE_AT:
		add(l, " at=%llu.%09llu",
		    (unsigned long long)(op->at_ns / 1000000000ULL),
		    (unsigned long long)(op->at_ns % 1000000000ULL));
		break;
	default:
		break;
	}
}

int trace_op_text(const struct core_op *op, char *out, size_t room)
{
	struct line l = { out, room, 0 };

	add(&l, "%s", trace_op_name(op->type));
	add_u64(&l, "lane", op->lane);
	add_u64(&l, "token", op->token);
	add_error(&l, op->error);
	add_op_union(&l, op);
	add_str(&l, "text", op->text);
	add_bytes(&l, "bytes", op->bytes);
	return line_end(&l);
}
