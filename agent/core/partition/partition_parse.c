// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_parse.c - an entry out of its bytes; see partition.h. */
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

/* What the fields of a blob are put together in. */
struct parse {
	struct partition *p;
	struct partition_entry *e;
	uint16_t entry;
	uint32_t components; /* with names */
	bool shape_known;
	bool visibility_known;
	bool target_known;
};

static int parse_shape(struct parse *parse, const struct tlv_reader *r)
{
	char name[32];

	if (parse->shape_known || tlv_str(r, name, sizeof(name)) ||
	    partition_shape_parse(name, &parse->e->shape))
		return -EPROTO;
	parse->shape_known = true;
	return 0;
}

static int parse_visibility(struct parse *parse, const struct tlv_reader *r)
{
	char name[16];

	if (tlv_str(r, name, sizeof(name)) ||
	    partition_visibility_parse(name, &parse->e->visibility))
		return -EPROTO;
	parse->visibility_known = true;
	return 0;
}

/* It follows from the shape. */
static int parse_scope(const struct parse *parse, const struct tlv_reader *r)
{
	char name[16];

	if (!parse->shape_known || tlv_str(r, name, sizeof(name)) ||
	    strcmp(name, partition_scope_name(parse->e)) != 0)
		return -EPROTO;
	return 0;
}

static int parse_member(struct parse *parse, const struct tlv_reader *r,
			uint8_t number)
{
	struct partition *p = parse->p;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint8_t *component;
	uint16_t node;

	if (tlv_str(r, name, sizeof(name)) || !skerry_name_valid(name))
		return -EPROTO;
	node = partition_node_intern(p, name);
	if (node == PARTITION_NONE)
		return -ENOSPC;
	component = partition_component(p, parse->entry, node);
	if (*component)
		return -EPROTO;
	*component = number;
	if (p->place_count < p->nodes_max)
		p->places[p->place_count++] = node;
	return 0;
}

static bool many_in_one(const struct partition_entry *e)
{
	return partition_form(e) == FORM_COMPONENTS ||
	       partition_form(e) == FORM_MATRIX;
}

static int parse_component(struct parse *parse, const struct tlv_reader *field)
{
	bool all = false;
	bool named = false;
	struct tlv_reader r;
	uint8_t number;
	int error = 0;

	/* "everybody else" is the last; the matrix comes behind them. */
	if (!parse->shape_known || parse->e->has_else || parse->e->matrix ||
	    partition_form(parse->e) == FORM_ADDRESS)
		return -EPROTO;
	parse->components++;
	number = (uint8_t)parse->components;
	if (parse->e->shape == PARTITION_AROUND)
		number = 1;
	else if (parse->components > PARTITION_COMPONENTS_MAX + 1)
		return -EPROTO;
	tlv_reader_init(&r, field->value, field->length);
	while (!error && tlv_next(&r)) {
		if (all || (named && !many_in_one(parse->e)))
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

static int parse_matrix(struct parse *parse, const struct tlv_reader *r)
{
	if (!parse->shape_known || partition_form(parse->e) != FORM_MATRIX ||
	    parse->components != 1 || parse->e->matrix)
		return -EPROTO;
	return partition_matrix_take(parse->p, parse->entry,
				     (struct core_bytes) { r->value,
							   r->length });
}

static int parse_ttl(struct parse *parse, const struct tlv_reader *r)
{
	uint64_t value;

	if (tlv_u64(r, &value) || value > UINT32_MAX)
		return -EPROTO;
	parse->e->ttl = (uint32_t)value;
	return 0;
}

static int parse_loss(struct parse *parse, const struct tlv_reader *r)
{
	uint64_t value;

	if (tlv_u64(r, &value) || !value || value >= PARTITION_LOSS_ALL_PPM)
		return -EPROTO;
	parse->e->loss_ppm = (uint32_t)value;
	return 0;
}

static int parse_text(const struct tlv_reader *r, char *ret_text,
		      size_t room_bytes)
{
	if (tlv_str(r, ret_text, room_bytes) || !partition_text_valid(ret_text))
		return -EPROTO;
	return 0;
}

static int parse_protocol(struct parse *parse, const struct tlv_reader *r)
{
	char name[16];

	if (tlv_str(r, name, sizeof(name)))
		return -EPROTO;
	if (strcmp(name, "tcp") == 0)
		parse->e->protocol = PARTITION_TCP;
	else if (strcmp(name, "udp") == 0)
		parse->e->protocol = PARTITION_UDP;
	else
		return -EPROTO;
	return 0;
}

static int parse_target(struct parse *parse, const struct tlv_reader *r)
{
	struct partition_entry *e = parse->e;
	uint64_t bits;

	if (!parse->shape_known || partition_form(e) != FORM_ADDRESS)
		return -EPROTO;
	switch (r->key) {
	case SKERRY_K_TARGET:
		parse->target_known = true;
		return tlv_addr(r, &e->target);
	case SKERRY_K_PREFIX_BITS:
		if (tlv_u64(r, &bits) || bits > 128)
			return -EPROTO;
		e->prefix_bits = (uint8_t)bits;
		return 0;
	case SKERRY_K_PROTOCOL:
		return parse_protocol(parse, r);
	default:
		return parse_text(r, e->host, sizeof(e->host));
	}
}

static int parse_field(struct parse *parse, const struct tlv_reader *r)
{
	struct partition_entry *e = parse->e;
	int error;

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
		return parse_scope(parse, r);
	case SKERRY_K_ONE_WAY:
		return tlv_bool(r, &e->one_way);
	case SKERRY_K_SEED:
		e->has_seed = true;
		return tlv_u64(r, &e->seed);
	case SKERRY_K_LOSS_PPM:
		return parse_loss(parse, r);
	case SKERRY_K_COMPONENT:
		return parse_component(parse, r);
	case SKERRY_K_MATRIX:
		return parse_matrix(parse, r);
	case SKERRY_K_TARGET:
	case SKERRY_K_PREFIX_BITS:
	case SKERRY_K_PROTOCOL:
	case SKERRY_K_HOST:
		return parse_target(parse, r);
	default:
		error = partition_by_take(&e->by, r);
		if (error == -ENOENT)
			return r->critical ? -EPROTO : 0;
		return error;
	}
}

/* Does the grudge have the form its shape has? */
static bool form_valid(const struct parse *parse)
{
	const struct partition_entry *e = parse->e;

	if (!parse->shape_known || !parse->visibility_known ||
	    e->duration_ms > PARTITION_DURATION_MAX_MS ||
	    (e->loss_ppm && !e->has_seed))
		return false;
	switch (partition_form(e)) {
	case FORM_REGION:
		return e->has_else && parse->components >= 1 && !e->one_way;
	case FORM_ISOLATE:
		return e->has_else && parse->components == 1;
	case FORM_MATRIX:
		return e->matrix && !e->has_else && !e->one_way;
	case FORM_ADDRESS:
		return parse->target_known;
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

	p->place_count = 0;
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
	if (partition_form(parse.e) == FORM_ADDRESS)
		*partition_component(p, entry, p->self) = 1;
	return 0;
}
