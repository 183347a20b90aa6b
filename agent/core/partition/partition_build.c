// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_build.c - what a command asks for becomes an entry. */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

#define V4_BITS 96U

int partition_order_refuse(struct partition_order *in, int error,
			   const char *what, const char *value, const char *why)
{
	snprintf(in->text, sizeof(in->text), "%s: %.64s: %s", what, value, why);
	return error;
}

/* ---- fields ------------------------------------------------------------- */

static int parse_number(struct partition_order *in, const struct tlv_reader *r)
{
	switch (r->key) {
	case SKERRY_K_TTL:
		return tlv_u64(r, &in->ttl);
	case SKERRY_K_DURATION_MS:
		return tlv_u64(r, &in->duration_ms);
	case SKERRY_K_TIMEOUT_MS:
		return tlv_u64(r, &in->timeout_ms);
	case SKERRY_K_LOSS_PPM:
		return tlv_u64(r, &in->loss_ppm);
	case SKERRY_K_PREFIX_BITS:
		return tlv_u64(r, &in->prefix_bits);
	case SKERRY_K_SEED:
		in->has_seed = true;
		return tlv_u64(r, &in->seed);
	case SKERRY_K_TARGET:
		in->has_target = true;
		return tlv_addr(r, &in->target);
	case SKERRY_K_FORCE:
		return tlv_bool(r, &in->force);
	case SKERRY_K_ONE_WAY:
		return tlv_bool(r, &in->one_way);
	default:
		return 0;
	}
}

static int parse_field(struct partition_order *in, const struct tlv_reader *r)
{
	switch (r->key) {
	case SKERRY_K_SHAPE:
		return tlv_str(r, in->shape, sizeof(in->shape));
	case SKERRY_K_ORIGIN:
		return tlv_str(r, in->origin, sizeof(in->origin));
	case SKERRY_K_NAME:
		return tlv_str(r, in->name, sizeof(in->name));
	case SKERRY_K_VISIBILITY:
		return tlv_str(r, in->visibility, sizeof(in->visibility));
	case SKERRY_K_SCOPE:
		return tlv_str(r, in->scope, sizeof(in->scope));
	case SKERRY_K_PROTOCOL:
		return tlv_str(r, in->protocol, sizeof(in->protocol));
	case SKERRY_K_HOST:
		return tlv_str(r, in->host, sizeof(in->host));
	case SKERRY_K_WHY:
		return tlv_str(r, in->why, sizeof(in->why));
	default:
		return parse_number(in, r);
	}
}

int partition_order_parse(struct partition_order *in, struct core_bytes tlvs)
{
	struct tlv_reader r;

	memset(in, 0, sizeof(*in));
	in->prefix_bits = 128;
	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (parse_field(in, &r))
			return partition_order_refuse(in, -EPROTO, "inject",
						      skerry_key_name(r.key,
								      NULL,
								      NULL),
						      "malformed value");
	}
	if (r.bad) {
		snprintf(in->text, sizeof(in->text),
			 "the command's fields are cut off");
		return -EPROTO;
	}
	if (!in->shape[0])
		memcpy(in->shape, "around", sizeof("around"));
	if (!in->visibility[0])
		memcpy(in->visibility, "wire", sizeof("wire"));
	return 0;
}

/* ---- what can be said without looking at anybody ------------------------ */

static bool needs_origin(const struct partition_entry *e)
{
	return e->shape == PARTITION_AROUND || e->shape == PARTITION_ISOLATE ||
	       e->shape == PARTITION_BRIDGE;
}

static bool has_direction(const struct partition_entry *e)
{
	return e->shape == PARTITION_ISOLATE || e->shape == PARTITION_SPLIT ||
	       e->shape == PARTITION_ONE_WAY || e->shape == PARTITION_TO;
}

static int check_words(struct partition_order *in, struct partition_entry *e)
{
	if (partition_shape_parse(in->shape, &e->shape))
		return partition_order_refuse(
			in, -EINVAL, "shape", in->shape,
			"unknown; one of around, isolate, split, halves, "
			"majority, minority-third, random, bridge, one-way, "
			"majorities-ring, matrix, to");
	if (partition_visibility_parse(in->visibility, &e->visibility))
		return partition_order_refuse(
			in, -EOPNOTSUPP, "visibility", in->visibility,
			"unknown; one of wire, local, reject, sever");
	if (in->scope[0] && strcmp(in->scope, partition_scope_name(e)) != 0)
		return partition_order_refuse(
			in, -EOPNOTSUPP, "scope", in->scope,
			e->shape == PARTITION_TO
				? "not supported; of an address it is host"
				: "not supported; node");
	if (!partition_text_valid(in->name) || !partition_text_valid(in->why) ||
	    !partition_text_valid(in->host))
		return partition_order_refuse(in, -EINVAL,
					      "name, reason or host", "",
					      "holds control characters");
	return 0;
}

static int check(struct partition_order *in, struct partition_entry *e)
{
	int error = check_words(in, e);

	if (error)
		return error;
	if (in->ttl > UINT32_MAX)
		return partition_order_refuse(in, -EINVAL, "ttl", "",
					      "too large");
	if (in->duration_ms > PARTITION_DURATION_MAX_MS)
		return partition_order_refuse(in, -EINVAL, "duration", "",
					      "more than ten years");
	if (in->loss_ppm > PARTITION_LOSS_ALL_PPM)
		return partition_order_refuse(in, -EINVAL, "loss", "",
					      "more than every packet");
	if (in->one_way && !has_direction(e))
		return partition_order_refuse(
			in, -EINVAL, "one_way", in->shape,
			"has no direction; use one-way, isolate, split or to");
	if (needs_origin(e) && !in->origin[0])
		return partition_order_refuse(in, -EINVAL, "origin", in->shape,
					      "needs a node");
	if (in->has_target && e->shape != PARTITION_TO)
		return partition_order_refuse(in, -EINVAL, "target", in->shape,
					      "takes no address; use shape to");
	return 0;
}

/* ---- nodes -------------------------------------------------------------- */

static int known_node(struct partition *p, struct partition_order *in,
		      const char *name, uint16_t *ret_node)
{
	uint16_t node = partition_node_find(p, name);

	if (node == PARTITION_NONE || !p->nodes[node].known)
		return partition_order_refuse(in, -EHOSTUNREACH, "node", name,
					      "not known");
	*ret_node = node;
	return 0;
}

static int build_component(struct partition *p, struct partition_order *in,
			   uint16_t entry, const struct tlv_reader *field)
{
	struct partition_entry *e = &p->entries[entry];
	char name[SKERRY_NAME_MAX_BYTES + 1];
	bool named = false;
	struct tlv_reader r;
	uint16_t node;
	int error;

	if (e->components == PARTITION_COMPONENTS_MAX)
		return partition_order_refuse(in, -EINVAL, "components", "",
					      "more than 64 of them");
	e->components++;
	tlv_reader_init(&r, field->value, field->length);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_NAME || tlv_str(&r, name, sizeof(name)))
			return partition_order_refuse(in, -EPROTO, "components",
						      "", "malformed");
		error = known_node(p, in, name, &node);
		if (error)
			return error;
		if (*partition_component(p, entry, node))
			return partition_order_refuse(in, -EINVAL, "components",
						      name, "named twice");
		*partition_component(p, entry, node) = e->components;
		p->places[p->place_count++] = node;
		named = true;
	}
	if (r.bad)
		return partition_order_refuse(in, -EPROTO, "components", "",
					      "malformed");
	if (!named)
		return partition_order_refuse(in, -EINVAL, "components", "",
					      "one is empty");
	return 0;
}

/* Every component named, and every node of them in p->places. */
static int build_components(struct partition *p, struct partition_order *in,
			    uint16_t entry, struct core_bytes tlvs)
{
	struct tlv_reader r;
	int error;

	p->place_count = 0;
	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_COMPONENT)
			continue;
		error = build_component(p, in, entry, &r);
		if (error)
			return error;
	}
	return 0;
}

static int build_split(struct partition *p, struct partition_order *in,
		       uint16_t entry, struct core_bytes tlvs)
{
	struct partition_entry *e = &p->entries[entry];
	int error = build_components(p, in, entry, tlvs);

	if (error)
		return error;
	if (e->components < 2)
		return partition_order_refuse(in, -EINVAL, "components",
					      in->shape, "needs two or more");
	if (e->shape == PARTITION_ONE_WAY)
		e->one_way = true;
	return 0;
}

static int build_matrix(struct partition *p, struct partition_order *in,
			uint16_t entry, struct core_bytes tlvs)
{
	struct tlv_reader r;
	int error = build_components(p, in, entry, tlvs);

	if (error)
		return error;
	if (p->entries[entry].components != 1 ||
	    !tlv_find(tlvs.data, tlvs.size_bytes, SKERRY_K_MATRIX, &r))
		return partition_order_refuse(
			in, -EINVAL, "matrix", "",
			"needs one list of nodes, and a bit for each pair");
	error = partition_matrix_take(p, entry,
				      (struct core_bytes) { r.value,
							    r.length });
	if (error == -ENOSPC)
		return partition_order_refuse(
			in, error, "partition", in->shape,
			"too many such are active; resolve some");
	if (error)
		return partition_order_refuse(
			in, -EINVAL, "matrix", "",
			"cuts a node from itself, or nobody, or is of another "
			"size");
	return 0;
}

static int build_region(struct partition *p, struct partition_order *in,
			uint16_t entry)
{
	uint16_t origin;
	int error;
	size_t i;

	error = known_node(p, in, in->origin, &origin);
	if (error)
		return error;
	p->entries[entry].has_else = true;
	p->entries[entry].components = 1;
	*partition_component(p, entry, origin) = 1;
	if (p->entries[entry].shape == PARTITION_ISOLATE)
		return 0;
	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];

		if (p->nodes[node].known &&
		    p->env.within(p->env.data, in->origin, (uint32_t)in->ttl,
				  p->nodes[node].name))
			*partition_component(p, entry, node) = 1;
	}
	return 0;
}

/* ---- chance ------------------------------------------------------------- */

/* Name order, whatever the command's was: only the seed is chance. */
static void candidates(struct partition *p, uint16_t entry, uint16_t except)
{
	bool all = !p->place_count;
	size_t i;

	p->place_count = 0;
	for (i = 0; i < p->node_count; i++) {
		uint16_t node = p->order[i];
		uint8_t *component = partition_component(p, entry, node);

		if (p->nodes[node].known && node != except &&
		    (all || *component))
			p->places[p->place_count++] = node;
		*component = 0;
	}
}

static int build_drawn(struct partition *p, struct partition_order *in,
		       uint16_t entry, struct core_bytes tlvs)
{
	struct partition_entry *e = &p->entries[entry];
	uint16_t bridge = PARTITION_NONE;
	uint32_t least = 0;
	char why[64];
	int error;

	error = build_components(p, in, entry, tlvs);
	if (!error && e->shape == PARTITION_BRIDGE)
		error = known_node(p, in, in->origin, &bridge);
	if (error)
		return error;
	if (e->components > 1)
		return partition_order_refuse(
			in, -EINVAL, "components", in->shape,
			"takes one list of nodes to draw from, or none: all");
	e->components = 0;
	candidates(p, entry, bridge);
	error = partition_draw(p, entry, &least);
	if (error == -EINVAL) {
		snprintf(why, sizeof(why), "needs %u nodes%s, and %u are known",
			 least, bridge != PARTITION_NONE ? " beside it" : "",
			 p->place_count);
		return partition_order_refuse(in, error, "shape", in->shape,
					      why);
	}
	if (error)
		return partition_order_refuse(
			in, error, "partition", in->shape,
			"too many such are active; resolve some");
	return 0;
}

/* ---- an address --------------------------------------------------------- */

static void mask(struct partition_entry *e)
{
	unsigned int bit;

	for (bit = e->prefix_bits; bit < 128; bit++)
		e->target.ip[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
}

static int take_protocol(struct partition_order *in, struct partition_entry *e)
{
	if (!in->protocol[0])
		return 0;
	if (strcmp(in->protocol, "tcp") == 0)
		e->protocol = PARTITION_TCP;
	else if (strcmp(in->protocol, "udp") == 0)
		e->protocol = PARTITION_UDP;
	else
		return partition_order_refuse(in, -EINVAL, "protocol",
					      in->protocol,
					      "unknown; tcp or udp");
	return 0;
}

/* ADDRESS[/PREFIX][:PORT], as people write it. */
static void target_text(const struct partition_entry *e, char *out, size_t room)
{
	unsigned int least = partition_is_v4(&e->target) ? V4_BITS : 0;
	bool bare = least || !e->target.port;
	char host[ADDR_TEXT_BYTES];
	size_t used;

	addr_text(&e->target, host, sizeof(host));
	/* Its port, and where nothing follows its brackets, go again. */
	used = strlen(host);
	while (host[--used] != ':')
		continue;
	host[used - (!least && bare)] = 0;
	used = (size_t)snprintf(out, room, "%s", host + (!least && bare));
	if (e->prefix_bits < 128)
		used += (size_t)snprintf(out + used, room - used, "/%u",
					 e->prefix_bits - least);
	if (e->target.port)
		snprintf(out + used, room - used, ":%u", e->target.port);
}

static int build_to(struct partition *p, struct partition_order *in,
		    uint16_t entry)
{
	struct partition_entry *e = &p->entries[entry];
	unsigned int least = partition_is_v4(&in->target) ? V4_BITS : 0;

	if (!in->has_target)
		return partition_order_refuse(in, -EINVAL, "target", "",
					      "needs an address");
	if (in->prefix_bits > 128 || in->prefix_bits < least)
		return partition_order_refuse(in, -EINVAL, "prefix", "",
					      "longer or shorter than an "
					      "address");
	e->target = in->target;
	e->prefix_bits = (uint8_t)in->prefix_bits;
	mask(e);
	memcpy(e->host, in->host, sizeof(e->host));
	if (e->host[0])
		memcpy(e->origin, e->host, sizeof(e->origin));
	else
		target_text(e, e->origin, sizeof(e->origin));
	if (!e->duration_ms)
		e->duration_ms = PARTITION_TO_MS;
	*partition_component(p, entry, p->self) = 1;
	return take_protocol(in, e);
}

/* ---- all of it ---------------------------------------------------------- */

static int build_form(struct partition *p, struct partition_order *in,
		      uint16_t entry, struct core_bytes tlvs)
{
	const struct partition_entry *e = &p->entries[entry];

	if (partition_drawn(e))
		return build_drawn(p, in, entry, tlvs);
	switch (partition_form(e)) {
	case FORM_REGION:
	case FORM_ISOLATE:
		return build_region(p, in, entry);
	case FORM_COMPONENTS:
		return build_split(p, in, entry, tlvs);
	case FORM_MATRIX:
		return build_matrix(p, in, entry, tlvs);
	default:
		return build_to(p, in, entry);
	}
}

/* Short, as people may want to type it again. */
static uint64_t draw_seed(struct partition *p)
{
	return rng_u64(&p->rng) >> 40;
}

static void take_chance(struct partition *p, struct partition_order *in,
			struct partition_entry *e)
{
	if (in->loss_ppm < PARTITION_LOSS_ALL_PPM)
		e->loss_ppm = (uint32_t)in->loss_ppm;
	if (!in->has_seed && !e->loss_ppm && !partition_drawn(e))
		return;
	e->has_seed = true;
	e->seed = in->has_seed ? in->seed : draw_seed(p);
}

int partition_build(struct partition *p, struct partition_order *in,
		    uint16_t entry, const struct core_event *event)
{
	struct partition_entry *e = &p->entries[entry];
	const char *origin = p->nodes[p->self].name;
	int error;

	error = check(in, e);
	if (error)
		return error;
	if (in->origin[0])
		origin = in->origin;
	e->one_way = in->one_way;
	e->ttl = (uint32_t)in->ttl;
	e->duration_ms = in->duration_ms;
	memcpy(e->name, in->name, sizeof(e->name));
	memcpy(e->origin, origin, strlen(origin) + 1);
	partition_by_command(p, &e->by, event, in->why);
	take_chance(p, in, e);
	return build_form(p, in, entry, event->command.tlvs);
}
