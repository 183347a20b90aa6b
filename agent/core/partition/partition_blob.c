// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_blob.c - an entry as bytes, and back; see partition.h. */
#include "partition_private.h"

#include <errno.h>
#include <string.h>

bool partition_text_valid(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	for (; *at; at++)
		if (*at < 0x20 || *at == 0x7f)
			return false;
	return true;
}

static void put_component(struct partition *p, struct tlv_writer *w,
			  uint16_t entry, uint8_t number)
{
	size_t mark = tlv_begin(w, SKERRY_K_COMPONENT);
	size_t i;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (*partition_component(p, entry, node) == number)
			tlv_put_str(w, SKERRY_K_NAME, p->nodes[node].name);
	}
	tlv_end(w, mark);
}

/* A region: each of its nodes alone. */
static void put_singles(struct partition *p, struct tlv_writer *w,
			uint16_t entry)
{
	size_t i, mark;

	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (!*partition_component(p, entry, node))
			continue;
		mark = tlv_begin(w, SKERRY_K_COMPONENT);
		tlv_put_str(w, SKERRY_K_NAME, p->nodes[node].name);
		tlv_end(w, mark);
	}
}

static void put_components(struct partition *p, struct tlv_writer *w,
			   uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];
	uint8_t number;
	size_t mark;

	if (e->shape == PARTITION_AROUND)
		put_singles(p, w, entry);
	else
		for (number = 1; number <= e->components; number++)
			put_component(p, w, entry, number);
	if (!e->has_else)
		return;
	mark = tlv_begin(w, SKERRY_K_COMPONENT);
	tlv_put_bool(w, SKERRY_K_ALL, true);
	tlv_end(w, mark);
}

int partition_blob_encode(struct partition *p, uint16_t entry)
{
	const struct partition_entry *e = &p->entries[entry];
	struct tlv_writer w;

	if (p->blob_entry == entry)
		return 0;
	p->blob_entry = PARTITION_NONE;
	tlv_writer_init(&w, p->blob, p->blob_max_bytes);
	tlv_put_str(&w, SKERRY_K_NAME, e->name);
	tlv_put_str(&w, SKERRY_K_ORIGIN, e->origin);
	tlv_put_str(&w, SKERRY_K_SHAPE, partition_shape_name(e->shape));
	tlv_put_u64(&w, SKERRY_K_TTL, e->ttl);
	tlv_put_u64(&w, SKERRY_K_DURATION_MS, e->duration_ms);
	tlv_put_str(&w, SKERRY_K_VISIBILITY,
		    partition_visibility_name(e->visibility));
	tlv_put_str(&w, SKERRY_K_SCOPE, "node");
	tlv_put_bool(&w, SKERRY_K_ONE_WAY, e->one_way);
	put_components(p, &w, entry);
	if (w.full)
		return -EMSGSIZE;
	p->blob_bytes = w.used_bytes;
	p->blob_entry = entry;
	return 0;
}

/* What the fields of a blob are put together in. */
struct parse {
	struct partition *p;
	struct partition_entry *e;
	uint16_t entry;
	uint32_t components; /* with names */
	bool shape_known;
	bool visibility_known;
};

static int parse_shape(struct parse *parse, const struct tlv_reader *r)
{
	char name[32];

	if (tlv_str(r, name, sizeof(name)) ||
	    partition_shape_parse(name, &parse->e->shape))
		return -EPROTO;
	parse->shape_known = true;
	return 0;
}

static int parse_visibility(struct parse *parse, const struct tlv_reader *r)
{
	char name[16];

	if (tlv_str(r, name, sizeof(name)))
		return -EPROTO;
	if (strcmp(name, "wire") == 0)
		parse->e->visibility = PARTITION_WIRE;
	else if (strcmp(name, "local") == 0)
		parse->e->visibility = PARTITION_LOCAL;
	else
		return -EPROTO;
	parse->visibility_known = true;
	return 0;
}

static int parse_scope(const struct tlv_reader *r)
{
	char name[16];

	if (tlv_str(r, name, sizeof(name)) || strcmp(name, "node") != 0)
		return -EPROTO;
	return 0;
}

static int parse_member(struct parse *parse, const struct tlv_reader *r,
			uint8_t number)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint8_t *component;
	uint16_t node;

	if (tlv_str(r, name, sizeof(name)) || !skerry_name_valid(name))
		return -EPROTO;
	node = partition_node_intern(parse->p, name);
	if (node == PARTITION_NONE)
		return -ENOSPC;
	component = partition_component(parse->p, parse->entry, node);
	if (*component)
		return -EPROTO;
	*component = number;
	return 0;
}

static int parse_component(struct parse *parse, const struct tlv_reader *field)
{
	bool all = false;
	bool named = false;
	struct tlv_reader r;
	uint8_t number;
	int error = 0;

	/* "everybody else" is the last. */
	if (!parse->shape_known || parse->e->has_else)
		return -EPROTO;
	parse->components++;
	number = (uint8_t)parse->components;
	if (parse->e->shape == PARTITION_AROUND)
		number = 1;
	else if (parse->components > PARTITION_COMPONENTS_MAX + 1)
		return -EPROTO;
	tlv_reader_init(&r, field->value, field->length);
	while (!error && tlv_next(&r)) {
		if (all || (named && parse->e->shape != PARTITION_SPLIT))
			return -EPROTO;
		if (r.key == SKERRY_K_NAME) {
			named = true;
			error = parse_member(parse, &r, number);
		} else if (r.key == SKERRY_K_ALL && !named) {
			error = tlv_bool(&r, &all);
			if (!error && !all)
				error = -EPROTO;
		} else {
			error = -EPROTO;
		}
	}
	if (error)
		return error;
	if (r.bad || (!named && !all))
		return -EPROTO;
	if (all) {
		parse->e->has_else = true;
		parse->components--;
	}
	return 0;
}

static int parse_ttl(struct parse *parse, const struct tlv_reader *r)
{
	uint64_t value;

	if (tlv_u64(r, &value) || value > UINT32_MAX)
		return -EPROTO;
	parse->e->ttl = (uint32_t)value;
	return 0;
}

static int parse_text(const struct tlv_reader *r, char *ret_text,
		      size_t room_bytes)
{
	if (tlv_str(r, ret_text, room_bytes) || !partition_text_valid(ret_text))
		return -EPROTO;
	return 0;
}

static int parse_field(struct parse *parse, const struct tlv_reader *r)
{
	struct partition_entry *e = parse->e;

	switch (r->key) {
	case SKERRY_K_NAME:
		return parse_text(r, e->name, sizeof(e->name));
	case SKERRY_K_ORIGIN:
		return parse_text(r, e->origin, sizeof(e->origin));
	case SKERRY_K_SHAPE:
		return parse_shape(parse, r);
	case SKERRY_K_TTL:
		return parse_ttl(parse, r);
	case SKERRY_K_DURATION_MS:
		return tlv_u64(r, &e->duration_ms);
	case SKERRY_K_VISIBILITY:
		return parse_visibility(parse, r);
	case SKERRY_K_SCOPE:
		return parse_scope(r);
	case SKERRY_K_ONE_WAY:
		return tlv_bool(r, &e->one_way);
	case SKERRY_K_COMPONENT:
		return parse_component(parse, r);
	default:
		return r->critical ? -EPROTO : 0;
	}
}

/* Does the grudge have the form its shape has? */
static bool form_valid(const struct parse *parse)
{
	const struct partition_entry *e = parse->e;

	if (!parse->shape_known || !parse->visibility_known ||
	    e->duration_ms > PARTITION_DURATION_MAX_MS)
		return false;
	switch (e->shape) {
	case PARTITION_AROUND:
		return e->has_else && parse->components >= 1 && !e->one_way;
	case PARTITION_ISOLATE:
		return e->has_else && parse->components == 1;
	default:
		return !e->has_else && parse->components >= 2 &&
		       parse->components <= PARTITION_COMPONENTS_MAX;
	}
}

int partition_blob_decode(struct partition *p, struct core_bytes blob,
			  uint16_t entry)
{
	struct parse parse = {
		.p = p,
		.e = &p->entries[entry],
		.entry = entry,
	};
	struct tlv_reader r;
	int error = 0;

	tlv_reader_init(&r, blob.data, blob.size_bytes);
	while (!error && tlv_next(&r))
		error = parse_field(&parse, &r);
	if (error)
		return error;
	if (r.bad || !form_valid(&parse))
		return -EPROTO;
	parse.e->components = parse.e->shape == PARTITION_AROUND
				      ? 1
				      : (uint8_t)parse.components;
	return 0;
}
