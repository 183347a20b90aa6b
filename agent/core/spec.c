// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* spec.c - see spec.h. */
#include "spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse_channel(const struct tlv_reader *nest,
			 struct core_channel *channel)
{
	struct tlv_reader r;
	uint64_t number;
	char transport[16];
	int rv = 0;

	memset(channel, 0, sizeof(*channel));
	channel->parallelism = 1;
	tlv_reader_init(&r, nest->value, nest->length);
	while (!rv && tlv_next(&r)) {
		switch (r.key) {
		case SKERRY_K_CHANNEL:
			rv = tlv_str(&r, channel->name, sizeof(channel->name));
			break;
		case SKERRY_K_PARALLELISM:
			rv = tlv_u64(&r, &number);
			if (!rv && (!number || number > SKERRY_PARALLELISM_MAX))
				rv = -EPROTO;
			if (!rv)
				channel->parallelism = (uint8_t)number;
			break;
		case SKERRY_K_PRIORITY:
			rv = tlv_u64(&r, &number);
			if (!rv)
				channel->priority = (uint8_t)number;
			break;
		case SKERRY_K_MONOTONIC:
			rv = tlv_bool(&r, &channel->monotonic);
			break;
		case SKERRY_K_COMPRESSION:
			rv = tlv_bool(&r, &channel->compression);
			break;
		case SKERRY_K_TRANSPORT:
			rv = tlv_str(&r, transport, sizeof(transport));
			if (!rv)
				channel->datagram =
					!strcmp(transport, "datagram");
			break;
		default:
			if (r.critical)
				rv = -EPROTO;
		}
	}
	if (rv || r.bad || !channel->name[0])
		return -EPROTO;
	return 0;
}

int spec_reserved_parse(const struct tlv_reader *nest,
			struct spec_reserved *ret_reserved)
{
	struct spec_reserved reserved = { .count = 1 };
	struct tlv_reader r;
	uint64_t count;
	int rv = 0;

	tlv_reader_init(&r, nest->value, nest->length);
	while (!rv && tlv_next(&r)) {
		if (r.key == SKERRY_K_TAG) {
			rv = tlv_str(&r, reserved.tag, sizeof(reserved.tag));
		} else if (r.key == SKERRY_K_COUNT) {
			rv = tlv_u64(&r, &count);
			if (rv || !count || count > SKERRY_RESERVES_MAX)
				return -EPROTO;
			reserved.count = (uint32_t)count;
		}
	}
	if (rv || r.bad || !reserved.tag[0])
		return -EPROTO;
	*ret_reserved = reserved;
	return 0;
}

void spec_reserved_write(struct tlv_writer *w,
			 const struct spec_reserved *reserved)
{
	size_t mark = tlv_begin(w, SKERRY_K_RESERVED);

	tlv_put_str(w, SKERRY_K_TAG, reserved->tag);
	tlv_put_u64(w, SKERRY_K_COUNT, reserved->count);
	tlv_end(w, mark);
}

bool spec_has_tag(const struct spec *spec, const char *tag)
{
	uint32_t i;

	for (i = 0; i < spec->tag_count; i++) {
		if (!strcmp(spec->tags[i], tag))
			return true;
	}
	return false;
}

static int parse_tag(const struct tlv_reader *r, struct spec *spec)
{
	uint32_t at = spec->tag_count;

	if (at == SKERRY_TAGS_MAX ||
	    tlv_str(r, spec->tags[at], sizeof(spec->tags[at])) ||
	    !spec->tags[at][0])
		return -EPROTO;
	spec->tag_count++;
	return 0;
}

static int parse_field(const struct tlv_reader *r, struct spec *spec)
{
	uint64_t number;
	int rv;

	switch (r->key) {
	case SKERRY_K_NAME:
		rv = tlv_str(r, spec->name, sizeof(spec->name));
		return rv || !skerry_name_valid(spec->name) ? -EPROTO : 0;
	case SKERRY_K_INCARNATION:
		return tlv_u64(r, &spec->incarnation);
	case SKERRY_K_BOOT_NONCE:
		return tlv_u64(r, &spec->boot_nonce);
	case SKERRY_K_SPEC_VERSION:
		return tlv_u64(r, &spec->version);
	case SKERRY_K_PORT_BLOCK:
		rv = tlv_u64(r, &number);
		if (rv || !number || number > 65536 - SKERRY_PORT_BLOCK)
			return -EPROTO;
		spec->port_block = (uint16_t)number;
		return 0;
	case SKERRY_K_ADDRESS:
		if (spec->address_count == SKERRY_ADDRS_MAX)
			return -EPROTO;
		return tlv_addr(r, &spec->addresses[spec->address_count++]);
	case SKERRY_K_OVERLAY:
		return tlv_str(r, spec->overlay, sizeof(spec->overlay));
	case SKERRY_K_TAG:
		return parse_tag(r, spec);
	case SKERRY_K_RESERVED:
		if (spec->reserved_count == SKERRY_RESERVED_TAGS_MAX)
			return -EPROTO;
		return spec_reserved_parse(
			r, &spec->reserved[spec->reserved_count++]);
	case SKERRY_K_CHANNEL_SPEC:
		if (spec->channel_count == SKERRY_CHANNELS_MAX)
			return -EPROTO;
		return parse_channel(r, &spec->channels[spec->channel_count++]);
	default:
		return r->critical ? -EPROTO : 0;
	}
}

int spec_parse(const void *data, size_t size_bytes, struct spec *ret_spec)
{
	struct spec spec = { 0 };
	struct tlv_reader r;
	uint32_t i;
	int rv;

	if (size_bytes > SKERRY_SPEC_MAX_BYTES)
		return -EPROTO;
	tlv_reader_init(&r, data, size_bytes);
	while (tlv_next(&r)) {
		rv = parse_field(&r, &spec);
		if (rv)
			return rv;
	}
	if (r.bad || !spec.name[0] || !spec.incarnation || !spec.boot_nonce ||
	    !spec.port_block || spec.incarnation > SPEC_INCARNATION_MAX)
		return -EPROTO;
	for (i = 0; i < spec.address_count; i++)
		spec.addresses[i].port = spec.port_block;
	*ret_spec = spec;
	return 0;
}

static void write_channel(struct tlv_writer *w,
			  const struct core_channel *channel)
{
	size_t mark = tlv_begin(w, SKERRY_K_CHANNEL_SPEC);

	tlv_put_str(w, SKERRY_K_CHANNEL, channel->name);
	tlv_put_u64(w, SKERRY_K_PARALLELISM, channel->parallelism);
	tlv_put_u64(w, SKERRY_K_PRIORITY, channel->priority);
	tlv_put_bool(w, SKERRY_K_MONOTONIC, channel->monotonic);
	tlv_put_bool(w, SKERRY_K_COMPRESSION, channel->compression);
	tlv_put_str(w, SKERRY_K_TRANSPORT,
		    channel->datagram ? "datagram" : "stream");
	tlv_end(w, mark);
}

void spec_write(struct tlv_writer *w, const struct core_config *config,
		uint64_t incarnation, uint64_t boot_nonce, uint64_t version)
{
	uint32_t i;

	tlv_put_str(w, SKERRY_K_NAME, config->name);
	tlv_put_u64(w, SKERRY_K_INCARNATION, incarnation);
	tlv_put_u64(w, SKERRY_K_BOOT_NONCE, boot_nonce);
	tlv_put_u64(w, SKERRY_K_SPEC_VERSION, version);
	tlv_put_u64(w, SKERRY_K_PORT_BLOCK, config->port_base);
	for (i = 0; i < config->address_count; i++) {
		struct skerry_addr addr = config->addresses[i];

		addr.port = config->port_base;
		tlv_put_addr(w, SKERRY_K_ADDRESS, &addr);
	}
	tlv_put_str(w, SKERRY_K_OVERLAY, config->overlay);
	for (i = 0; i < config->tag_count; i++)
		tlv_put_str(w, SKERRY_K_TAG, config->tags[i]);
	for (i = 0; i < config->channel_count; i++)
		write_channel(w, &config->channels[i]);
}

int spec_channel(const struct core_channel *channels, uint32_t count,
		 const char *name)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (!strcmp(channels[i].name, name))
			return (int)i;
	}
	return -1;
}

static int channel_compatible(const struct core_channel *ours,
			      const struct core_channel *theirs, char *why,
			      size_t room_bytes)
{
	const char *option;

	if (ours->datagram != theirs->datagram)
		option = "transport";
	else if (ours->monotonic != theirs->monotonic)
		option = "monotonic";
	else
		return 0;
	snprintf(why, room_bytes, "channel %s: option %s differs", ours->name,
		 option);
	return -EINVAL;
}

int spec_compatible(const struct core_config *config, const struct spec *other,
		    char *why, size_t room_bytes)
{
	uint32_t i;

	if (strcmp(config->overlay, other->overlay)) {
		snprintf(why, room_bytes, "overlay: %s and %s do not mix",
			 config->overlay, other->overlay);
		return -EINVAL;
	}
	for (i = 0; i < config->channel_count; i++) {
		const struct core_channel *ours = &config->channels[i];
		int at = spec_channel(other->channels, other->channel_count,
				      ours->name);
		int rv;

		if (at < 0)
			continue;
		rv = channel_compatible(ours, &other->channels[at], why,
					room_bytes);
		if (rv)
			return rv;
	}
	return 0;
}

void spec_parallelism(const struct core_config *config,
		      const struct spec *other,
		      uint8_t ret_parallelism[SKERRY_CHANNELS_MAX])
{
	uint32_t i;

	memset(ret_parallelism, 0, SKERRY_CHANNELS_MAX);
	for (i = 0; i < config->channel_count; i++) {
		const struct core_channel *ours = &config->channels[i];
		int at = spec_channel(other->channels, other->channel_count,
				      ours->name);
		uint8_t theirs;

		if (at < 0)
			continue;
		theirs = other->channels[at].parallelism;
		ret_parallelism[i] =
			ours->parallelism < theirs ? ours->parallelism : theirs;
	}
}
