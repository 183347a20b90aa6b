/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What nodes say of themselves, as rows and as kept bytes. */
#include <errno.h>

#include "internal.h"
#include "state.h"

/* ---- one spec --------------------------------------------------------------- */

static void channel_field(struct skerry_channel_spec *channel,
			  const struct tlv_reader *r)
{
	uint64_t number;
	bool flag;

	switch (r->key) {
	case SKERRY_K_CHANNEL:
		tlv_str(r, channel->name, sizeof(channel->name));
		break;
	case SKERRY_K_TRANSPORT:
		tlv_str(r, channel->transport, sizeof(channel->transport));
		break;
	case SKERRY_K_PARALLELISM:
		if (!tlv_u64(r, &number))
			channel->parallelism = (uint32_t)number;
		break;
	case SKERRY_K_PRIORITY:
		if (!tlv_u64(r, &number))
			channel->priority = (uint32_t)number;
		break;
	case SKERRY_K_MONOTONIC:
		if (!tlv_bool(r, &flag))
			channel->monotonic = flag;
		break;
	case SKERRY_K_COMPRESSION:
		if (!tlv_bool(r, &flag))
			channel->compression = flag;
		break;
	}
}

static void add_channel(struct skerry_spec *spec, const struct tlv_reader *nest)
{
	struct skerry_channel_spec *channel;
	struct tlv_reader r;

	if (spec->channel_count == SKERRY_CHANNELS_MAX)
		return;
	channel = &spec->channel[spec->channel_count++];
	channel->parallelism = 1;
	tlv_reader_init(&r, nest->value, nest->length);
	while (tlv_next(&r))
		channel_field(channel, &r);
}

static void spec_field(struct skerry_spec *spec, const struct tlv_reader *r)
{
	struct skerry_addr addr;
	uint64_t number;

	switch (r->key) {
	case SKERRY_K_NAME:
		tlv_str(r, spec->name, sizeof(spec->name));
		break;
	case SKERRY_K_INCARNATION:
		tlv_u64(r, &spec->incarnation);
		break;
	case SKERRY_K_BOOT_NONCE:
		tlv_u64(r, &spec->boot_nonce);
		break;
	case SKERRY_K_PORT_BLOCK:
		if (!tlv_u64(r, &number))
			spec->port_block = (uint16_t)number;
		break;
	case SKERRY_K_OVERLAY:
		tlv_str(r, spec->overlay, sizeof(spec->overlay));
		break;
	case SKERRY_K_ADDRESS:
		if (spec->address_count == SKERRY_ADDRS_MAX ||
		    tlv_addr(r, &addr))
			break;
		memcpy(spec->address[spec->address_count].ip, addr.ip, 16);
		spec->address[spec->address_count++].port = addr.port;
		break;
	case SKERRY_K_TAG:
		if (spec->tag_count < SKERRY_TAGS_MAX &&
		    !tlv_str(r, spec->tag[spec->tag_count],
			     sizeof(spec->tag[0])))
			spec->tag_count++;
		break;
	case SKERRY_K_CHANNEL_SPEC:
		add_channel(spec, r);
		break;
	}
}

void lib_spec_read(const void *tlvs, size_t size_bytes,
		   struct skerry_spec *ret_spec)
{
	struct skerry_spec spec = { .name = "" };
	struct tlv_reader r;

	/* A row may hold the spec whole or its fields. */
	if (tlv_find(tlvs, size_bytes, SKERRY_K_SPEC, &r)) {
		tlvs = r.value;
		size_bytes = r.length;
	}
	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r))
		spec_field(&spec, &r);
	*ret_spec = spec;
}

/* ---- many ------------------------------------------------------------------- */

void lib_spec_row(void *data, const void *row, size_t size_bytes)
{
	struct lib_specs *list = data;
	struct skerry_spec spec;

	lib_spec_read(row, size_bytes, &spec);
	if (!spec.name[0])
		return;
	if (list->count < list->room)
		list->specs[list->count] = spec;
	list->count++;
}

static int specs(struct skerry *h, const char *query,
		 struct skerry_spec *ret_specs, size_t room)
{
	struct lib_specs list = { .specs = ret_specs, .room = room };
	int r;

	r = skerry_query(h, query, lib_spec_row, &list);
	return r < 0 ? r : (int)list.count;
}

SKERRY_API int skerry_member_specs(struct skerry *h,
				   struct skerry_spec *ret_specs, size_t room)
{
	return specs(h, "members", ret_specs, room);
}

SKERRY_API int skerry_known(struct skerry *h, struct skerry_spec *ret_specs,
			    size_t room)
{
	return specs(h, "known", ret_specs, room);
}

/* ---- kept bytes ---------------------------------------------------------------- */

struct kept {
	uint8_t *bytes;
	size_t room;
	size_t count;
};

static void state_part_in(void *data, const void *tlvs, size_t size_bytes)
{
	struct kept *kept = data;
	struct tlv_reader r;

	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r)) {
		size_t left =
			kept->count < kept->room ? kept->room - kept->count : 0;

		if (r.key != SKERRY_K_BLOB)
			continue;
		if (left > r.length)
			left = r.length;
		if (left)
			memcpy(kept->bytes + kept->count, r.value, left);
		kept->count += r.length;
	}
}

SKERRY_API int skerry_local_state(struct skerry *h, void *ret_state,
				  size_t room)
{
	struct kept kept = { .bytes = ret_state, .room = room };
	struct tlv_writer w;
	uint8_t none[1];
	int r;

	tlv_writer_init(&w, none, sizeof(none));
	r = lib_call(h, SKERRY_CMD_STATE, &w, lib_deadline(h, 0), state_part_in,
		     &kept);
	return r ? r : (int)kept.count;
}

static void copy_channels(const struct spec *from, struct skerry_spec *to)
{
	to->channel_count = from->channel_count;
	for (uint32_t i = 0; i < from->channel_count; i++) {
		const struct core_channel *c = &from->channels[i];
		struct skerry_channel_spec *out = &to->channel[i];

		memcpy(out->name, c->name, sizeof(out->name));
		strcpy(out->transport, c->datagram ? "datagram" : "stream");
		out->parallelism = c->parallelism;
		out->priority = c->priority;
		out->monotonic = c->monotonic;
		out->compression = c->compression;
	}
}

static void copy_spec(const struct spec *from, struct skerry_spec *to)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->overlay, from->overlay, sizeof(to->overlay));
	to->incarnation = from->incarnation;
	to->boot_nonce = from->boot_nonce;
	to->port_block = from->port_block;
	to->address_count = (uint16_t)from->address_count;
	for (uint32_t i = 0; i < from->address_count; i++) {
		memcpy(to->address[i].ip, from->addresses[i].ip, 16);
		to->address[i].port = from->addresses[i].port;
	}
	to->tag_count = from->tag_count;
	memcpy(to->tag, from->tags, sizeof(to->tag));
	copy_channels(from, to);
}

SKERRY_API int skerry_decode(const void *state, size_t size_bytes,
			     struct skerry_spec *ret_specs, size_t room)
{
	struct tlv_reader r;
	struct spec spec;
	size_t count = 0;
	int more;

	if (!state || state_parse(&r, state, size_bytes))
		return -EPROTO;
	while ((more = state_next(&r, &spec)) > 0) {
		if (++count > SKERRY_MEMBERS_MAX)
			return -EPROTO;
	}
	if (more)
		return -EPROTO;
	/* All of it is good: now it may be filled in. */
	state_parse(&r, state, size_bytes);
	for (size_t i = 0; i < count && i < room; i++) {
		state_next(&r, &spec);
		copy_spec(&spec, &ret_specs[i]);
	}
	return (int)count;
}
