// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* state_read.c - the overlay's state, read; see state.h. The bytes may come
 * from anywhere. */
#include <errno.h>
#include <string.h>

#include "state.h"

int state_parse(struct tlv_reader *r, const void *data, size_t size_bytes)
{
	uint64_t format;

	if (size_bytes > STATE_MAX_BYTES)
		return -EPROTO;
	tlv_reader_init(r, data, size_bytes);
	if (!tlv_next(r) || r->key != SKERRY_K_STATE_FORMAT ||
	    tlv_u64(r, &format) || format != STATE_FORMAT)
		return -EPROTO;
	return 0;
}

static int read_number(const struct tlv_reader *r, uint64_t max,
		       uint64_t *ret_number)
{
	uint64_t number;

	if (tlv_u64(r, &number) || !number || number > max)
		return -EPROTO;
	*ret_number = number;
	return 0;
}

struct entry {
	bool whole; /* its spec was there */
	bool removed;
	uint64_t port_block;
	struct spec spec;
};

static int read_field(const struct tlv_reader *r, struct entry *entry)
{
	struct spec *spec = &entry->spec;

	switch (r->key) {
	case SKERRY_K_SPEC:
		entry->whole = true;
		return spec_parse(r->value, r->length, spec);
	case SKERRY_K_NAME:
		if (tlv_str(r, spec->name, sizeof(spec->name)) ||
		    !skerry_name_valid(spec->name))
			return -EPROTO;
		return 0;
	case SKERRY_K_INCARNATION:
		return read_number(r, SPEC_INCARNATION_MAX, &spec->incarnation);
	case SKERRY_K_PORT_BLOCK:
		return read_number(r, 65536 - SKERRY_PORT_BLOCK,
				   &entry->port_block);
	case SKERRY_K_ADDRESS:
		if (spec->address_count == SKERRY_ADDRS_MAX)
			return -EPROTO;
		return tlv_addr(r, &spec->addresses[spec->address_count++]);
	case SKERRY_K_REMOVED:
		return tlv_bool(r, &entry->removed);
	default:
		return r->critical ? -EPROTO : 0;
	}
}

static int read_member(const struct tlv_reader *nest, struct entry *entry)
{
	struct spec *spec = &entry->spec;
	struct tlv_reader r;
	uint32_t i;

	memset(entry, 0, sizeof(*entry));
	tlv_reader_init(&r, nest->value, nest->length);
	while (tlv_next(&r)) {
		if (read_field(&r, entry))
			return -EPROTO;
	}
	if (r.bad || !spec->name[0] || !spec->incarnation)
		return -EPROTO;
	if (entry->whole || entry->removed)
		return 0;
	if (!entry->port_block)
		return -EPROTO;
	spec->port_block = (uint16_t)entry->port_block;
	for (i = 0; i < spec->address_count; i++)
		spec->addresses[i].port = spec->port_block;
	return 0;
}

int state_next(struct tlv_reader *r, struct spec *ret_spec)
{
	struct entry entry;

	while (tlv_next(r)) {
		if (r->key != SKERRY_K_MEMBER) {
			if (r->critical)
				return -EPROTO;
			continue;
		}
		if (read_member(r, &entry))
			return -EPROTO;
		if (entry.removed)
			continue;
		*ret_spec = entry.spec;
		return 1;
	}
	return r->bad ? -EPROTO : 0;
}
