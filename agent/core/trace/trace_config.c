// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* trace_config.c - what decoding events and operations needs: memory, numbers,
 * and a configuration out of its bytes; see trace_private.h. */
#include "trace_private.h"

#include <errno.h>
#include <string.h>

void *trace_scratch_take(struct trace_scratch *s, size_t size_bytes)
{
	size_t rounded = (size_bytes + 15) & ~(size_t)15;
	void *memory = s->at;

	if (rounded < size_bytes || rounded > s->left)
		return NULL;
	s->at += rounded;
	s->left -= rounded;
	return memory;
}

size_t trace_count(struct core_bytes data, uint16_t key, size_t *ret_bytes)
{
	struct tlv_reader r;
	size_t count = 0;

	*ret_bytes = 0;
	tlv_reader_init(&r, data.data, data.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != key)
			continue;
		count++;
		*ret_bytes += r.length;
	}
	return count;
}

int trace_join(struct core_bytes data, const struct tlv_reader *field,
	       struct trace_scratch *scratch, struct core_bytes *ret_bytes)
{
	struct core_bytes bytes = { field->value, field->length };
	struct tlv_reader r;
	uint8_t *joined;
	size_t total;

	if (trace_count(data, field->key, &total) > 1) {
		joined = trace_scratch_take(scratch, total);
		if (!joined)
			return -ENOSPC;
		bytes = (struct core_bytes) { joined, total };
		tlv_reader_init(&r, data.data, data.size_bytes);
		while (tlv_next(&r)) {
			if (r.key != field->key)
				continue;
			memcpy(joined, r.value, r.length);
			joined += r.length;
		}
	}
	*ret_bytes = bytes;
	return 0;
}

int trace_error(const struct tlv_reader *r, int *ret_error)
{
	int64_t number = 0;
	int error = tlv_s64(r, &number);

	if (error)
		return error;
	if (number < INT32_MIN || number > INT32_MAX)
		return -EPROTO;
	*ret_error = (int)number;
	return 0;
}

int trace_number(const struct tlv_reader *r, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	int error = tlv_u64(r, &value);

	if (error)
		return error;
	if (value > max)
		return -EPROTO;
	*ret_value = value;
	return 0;
}

int trace_u32(const struct tlv_reader *r, uint32_t *ret_value)
{
	uint64_t value = 0;
	int error = trace_number(r, UINT32_MAX, &value);

	if (!error)
		*ret_value = (uint32_t)value;
	return error;
}

static int take_u16(const struct tlv_reader *r, uint16_t *ret_value)
{
	uint64_t value = 0;
	int error = trace_number(r, UINT16_MAX, &value);

	if (!error)
		*ret_value = (uint16_t)value;
	return error;
}

int trace_u8(const struct tlv_reader *r, uint8_t *ret_value)
{
	uint64_t value = 0;
	int error = trace_number(r, UINT8_MAX, &value);

	if (!error)
		*ret_value = (uint8_t)value;
	return error;
}

int trace_contact_decode(const struct tlv_reader *field,
			 struct core_contact *contact)
{
	struct tlv_reader r;
	int error = 0;

	memset(contact, 0, sizeof(*contact));
	tlv_reader_init(&r, field->value, field->length);
	while (!error && tlv_next(&r)) {
		if (r.key == TK_NAME)
			error = tlv_str(&r, contact->name,
					sizeof(contact->name));
		else if (r.key == TK_ADDRESS)
			error = tlv_addr(&r, &contact->address);
		else
			error = -EPROTO;
	}
	return r.bad ? -EPROTO : error;
}

static int decode_channel(const struct tlv_reader *field,
			  struct core_channel *channel)
{
	struct tlv_reader r;
	int error = 0;

	tlv_reader_init(&r, field->value, field->length);
	while (!error && tlv_next(&r)) {
		switch (r.key) {
		case TK_NAME:
			error = tlv_str(&r, channel->name,
					sizeof(channel->name));
			break;
		case TK_PARALLELISM:
			error = trace_u8(&r, &channel->parallelism);
			break;
		case TK_PRIORITY:
			error = trace_u8(&r, &channel->priority);
			break;
		case TK_MONOTONIC:
			error = tlv_bool(&r, &channel->monotonic);
			break;
		case TK_COMPRESSION:
			error = tlv_bool(&r, &channel->compression);
			break;
		case TK_DATAGRAM:
			error = tlv_bool(&r, &channel->datagram);
			break;
		default:
			error = -EPROTO;
		}
	}
	return r.bad ? -EPROTO : error;
}

static int take_config_list(const struct tlv_reader *r,
			    struct core_config *config)
{
	switch (r->key) {
	case TK_ADDRESS:
		if (config->address_count == SKERRY_ADDRS_MAX)
			return -EPROTO;
		return tlv_addr(r, &config->addresses[config->address_count++]);
	case TK_TAG:
		if (config->tag_count == SKERRY_TAGS_MAX)
			return -EPROTO;
		return tlv_str(r, config->tags[config->tag_count++],
			       sizeof(config->tags[0]));
	case TK_CHANNEL_SPEC:
		if (config->channel_count == SKERRY_CHANNELS_MAX)
			return -EPROTO;
		return decode_channel(
			r, &config->channels[config->channel_count++]);
	case TK_CONTACT:
		if (config->contact_count == SKERRY_JOINS_MAX)
			return -EPROTO;
		return trace_contact_decode(
			r, &config->contacts[config->contact_count++]);
	default:
		return -EPROTO;
	}
}

static int take_config_number(const struct tlv_reader *r,
			      struct core_config *config)
{
	switch (r->key) {
	case TK_PORT_BASE:
		return take_u16(r, &config->port_base);
	case TK_HEARTBEAT_MS:
		return trace_u32(r, &config->heartbeat_ms);
	case TK_PING_AFTER_MS:
		return trace_u32(r, &config->ping_after_ms);
	case TK_DOWN_AFTER_MS:
		return trace_u32(r, &config->down_after_ms);
	case TK_REDIAL_MIN_MS:
		return trace_u32(r, &config->redial_min_ms);
	case TK_REDIAL_MAX_MS:
		return trace_u32(r, &config->redial_max_ms);
	case TK_GOSSIP_COLLECT_MS:
		return trace_u32(r, &config->gossip_collect_ms);
	case TK_GOSSIP_PERIOD_MS:
		return trace_u32(r, &config->gossip_period_ms);
	case TK_CUT_MAX_MS:
		return trace_u32(r, &config->cut_max_ms);
	case TK_CUT_SHARE_PERCENT:
		return trace_u32(r, &config->cut_share_percent);
	case TK_CONFIG_MEMBERS_MAX:
		return trace_u32(r, &config->members_max);
	default:
		return take_config_list(r, config);
	}
}

static int take_config_field(const struct tlv_reader *r,
			     struct core_config *config)
{
	switch (r->key) {
	case TK_NAME:
		return tlv_str(r, config->name, sizeof(config->name));
	case TK_CLUSTER:
		return tlv_str(r, config->cluster, sizeof(config->cluster));
	case TK_OVERLAY:
		return tlv_str(r, config->overlay, sizeof(config->overlay));
	case TK_MACHINE_ID:
		return tlv_id(r, config->machine_id);
	case TK_HAS_KEY:
		return tlv_bool(r, &config->has_key);
	case TK_TAKEOVER:
		return tlv_bool(r, &config->takeover);
	case TK_LEAVE_ON_STOP:
		return tlv_bool(r, &config->leave_on_stop);
	case TK_KERNEL_CUTS:
		return tlv_bool(r, &config->kernel_cuts);
	case TK_FAST_DEMUX:
		return tlv_bool(r, &config->fast_demux);
	case TK_CUT_LOSS:
		return tlv_bool(r, &config->cut_loss);
	case TK_CUT_REJECT:
		return tlv_bool(r, &config->cut_reject);
	case TK_CUT_ADDRESS:
		return tlv_bool(r, &config->cut_address);
	default:
		return take_config_number(r, config);
	}
}

int trace_config_decode(const struct tlv_reader *field,
			struct core_config *config)
{
	struct tlv_reader r;
	int error = 0;

	memset(config, 0, sizeof(*config));
	tlv_reader_init(&r, field->value, field->length);
	while (!error && tlv_next(&r))
		error = take_config_field(&r, config);
	return r.bad ? -EPROTO : error;
}
