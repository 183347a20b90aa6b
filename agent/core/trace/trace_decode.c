// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace_decode.c - an event out of its bytes; see trace.h. */
#include "trace.h"

#include <errno.h>
#include <string.h>

#include "trace_private.h"

struct decoder {
	struct core_event *event;
	struct trace_scratch scratch;
	struct core_bytes data;
	struct skerry_addr *addresses;
	struct core_contact *contacts;
	bool has_bytes;
};

static struct core_bytes *bytes_of(struct core_event *event)
{
	switch (event->type) {
	case EV_START:
	case EV_CONFIGURED:
		return &event->start.persisted;
	case EV_LANE_HELLO:
		return &event->hello.details;
	case EV_FRAME:
		return &event->frame.payload;
	case EV_DATAGRAM:
		return &event->datagram.bytes;
	case EV_COMMAND:
		return &event->command.tlvs;
	default:
		return NULL;
	}
}

static int take_bytes(struct decoder *d, const struct tlv_reader *field)
{
	struct core_bytes *bytes = bytes_of(d->event);

	if (!bytes)
		return -EPROTO;
	if (d->has_bytes)
		return 0; /* the first piece has joined them all */
	d->has_bytes = true;
	return trace_join(d->data, field, &d->scratch, bytes);
}

static int take_address(struct decoder *d, const struct tlv_reader *r)
{
	struct core_event *event = d->event;
	size_t count, bytes;

	switch (event->type) {
	case EV_LANE_HELLO:
		return tlv_addr(r, &event->hello.remote);
	case EV_DATAGRAM:
		return tlv_addr(r, &event->datagram.from);
	case EV_ADDRESSES:
		break;
	default:
		return -EPROTO;
	}
	if (!d->addresses) {
		count = trace_count(d->data, TK_ADDRESS, &bytes);
		d->addresses =
			trace_scratch_take(&d->scratch,
					   count * sizeof(*d->addresses));
		if (!d->addresses)
			return -ENOSPC;
		event->addresses.list = d->addresses;
	}
	return tlv_addr(r, &d->addresses[event->addresses.count++]);
}

static int take_contact(struct decoder *d, const struct tlv_reader *r)
{
	struct core_event *event = d->event;
	size_t count, bytes;

	if (event->type != EV_DISCOVERED)
		return -EPROTO;
	if (!d->contacts) {
		count = trace_count(d->data, TK_CONTACT, &bytes);
		d->contacts = trace_scratch_take(&d->scratch,
						 count * sizeof(*d->contacts));
		if (!d->contacts)
			return -ENOSPC;
		event->discovered.list = d->contacts;
	}
	return trace_contact_decode(r, &d->contacts[event->discovered.count++]);
}

static int take_config(struct decoder *d, const struct tlv_reader *field)
{
	struct core_event *event = d->event;
	struct core_config *config;
	int error;

	if (event->type != EV_START && event->type != EV_CONFIGURED)
		return -EPROTO;
	if (event->start.config)
		return -EPROTO;
	config = trace_scratch_take(&d->scratch, sizeof(*config));
	if (!config)
		return -ENOSPC;
	error = trace_config_decode(field, config);
	if (!error)
		event->start.config = config;
	return error;
}

static int take_command_field(const struct tlv_reader *r,
			      struct core_event *event)
{
	if (event->type != EV_COMMAND)
		return -EPROTO;
	switch (r->key) {
	case TK_PROGRAM:
		return trace_u32(r, &event->command.program);
	case TK_COMMAND:
		return trace_u32(r, &event->command.command);
	case TK_CORRELATION:
		return trace_u32(r, &event->command.correlation);
	case TK_ADMIN:
		return tlv_bool(r, &event->command.admin);
	case TK_UID:
		return trace_u32(r, &event->command.uid);
	case TK_GUARDS:
		return trace_u32(r, &event->command.guards);
	default:
		return trace_u32(r, &event->command.pid);
	}
}

static int take_program_name(struct decoder *d, const struct tlv_reader *r)
{
	char *copy;
	int error;

	if (d->event->type != EV_COMMAND)
		return -EPROTO;
	copy = trace_scratch_take(&d->scratch, (size_t)r->length + 1);
	if (!copy)
		return -ENOSPC;
	error = tlv_str(r, copy, (size_t)r->length + 1);
	if (!error)
		d->event->command.name = copy;
	return error;
}

static int take_program(const struct tlv_reader *r, struct core_event *event)
{
	if (event->type == EV_PROGRAM_UP || event->type == EV_PROGRAM_GONE)
		return trace_u32(r, &event->program.program);
	return take_command_field(r, event);
}

static int take_lane_end(const struct tlv_reader *r, struct core_event *event)
{
	uint64_t end = 0;
	int error;

	if (event->type != EV_LANE_DOWN)
		return -EPROTO;
	switch (r->key) {
	case TK_END:
		error = trace_number(r, LANE_END_DRAINED, &end);
		event->lane_down.end = (enum lane_end)end;
		return error;
	case TK_GENERATION:
		return tlv_u64(r, &event->lane_down.generation_seen);
	default:
		return tlv_str(r, event->lane_down.text,
			       sizeof(event->lane_down.text));
	}
}

/* Fields that belong to one type of event alone. */
static int take_special(struct decoder *d, const struct tlv_reader *r)
{
	struct core_event *event = d->event;

	switch (r->key) {
	case TK_SEED:
		if (event->type != EV_START && event->type != EV_CONFIGURED)
			return -EPROTO;
		return tlv_u64(r, &event->start.seed);
	case TK_ACCEPTED:
		if (event->type != EV_LANE_HELLO)
			return -EPROTO;
		return tlv_bool(r, &event->hello.accepted);
	case TK_FRAME_TYPE:
		if (event->type != EV_FRAME)
			return -EPROTO;
		return trace_u8(r, &event->frame.type);
	case TK_SEQUENCE:
		if (event->type != EV_FRAME)
			return -EPROTO;
		return tlv_u64(r, &event->frame.sequence);
	case TK_PORT:
		if (event->type != EV_DATAGRAM)
			return -EPROTO;
		return trace_u8(r, &event->datagram.port);
	case TK_END:
	case TK_GENERATION:
	case TK_TEXT:
		return take_lane_end(r, event);
	case TK_PROGRAM:
		return take_program(r, event);
	case TK_COMMAND:
	case TK_CORRELATION:
	case TK_ADMIN:
	case TK_UID:
	case TK_PID:
	case TK_GUARDS:
		return take_command_field(r, event);
	case TK_NAME:
		return take_program_name(d, r);
	case TK_LEDGER:
		return trace_ledger_take(r, d->data, &d->scratch, event);
	default:
		return -EPROTO;
	}
}

static int take_field(struct decoder *d, const struct tlv_reader *r)
{
	struct core_event *event = d->event;

	switch (r->key) {
	case TK_NOW_NS:
		return tlv_u64(r, &event->now_ns);
	case TK_WALL_US:
		return tlv_u64(r, &event->wall_us);
	case TK_LANE:
		return tlv_u64(r, &event->lane);
	case TK_TOKEN:
		return tlv_u64(r, &event->token);
	case TK_ERROR:
		return trace_error(r, &event->error);
	case TK_CONFIG:
		return take_config(d, r);
	case TK_BYTES:
		return take_bytes(d, r);
	case TK_ADDRESS:
		return take_address(d, r);
	case TK_CONTACT:
		return take_contact(d, r);
	default:
		return take_special(d, r);
	}
}

int trace_event_decode(struct core_bytes data, void *scratch,
		       size_t scratch_bytes, struct core_event *ret_event)
{
	struct core_event event;
	struct decoder d = {
		.event = &event,
		.scratch = { scratch, scratch_bytes },
		.data = data,
	};
	struct tlv_reader r;
	uint64_t type = 0;
	int error = 0;

	memset(&event, 0, sizeof(event));
	tlv_reader_init(&r, data.data, data.size_bytes);
	if (!tlv_next(&r) || r.key != TK_TYPE ||
	    trace_number(&r, EV_MAX - 1, &type) || !type)
		return -EPROTO;
	event.type = (enum core_event_type)type;
	while (!error && tlv_next(&r))
		error = take_field(&d, &r);
	if (r.bad)
		return -EPROTO;
	if (error)
		return error;
	if ((type == EV_START || type == EV_CONFIGURED) && !event.start.config)
		return -EPROTO;
	*ret_event = event;
	return 0;
}
