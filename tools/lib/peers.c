/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The membership set as a whole, lanes opened and closed, places reserved. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* Nodes of one DISCONNECT. */
#define NODES_AT_ONCE 64U
#define COMMAND_BYTES 60000U

void lib_rows(const void *tlvs, size_t size_bytes, skerry_row_fn *function,
	      void *data)
{
	struct tlv_reader r;

	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r))
		if (r.key == SKERRY_K_ROW)
			function(data, r.value, r.length);
}

/* ---- all members --------------------------------------------------------------- */

SKERRY_API int skerry_update_members(struct skerry *h, const char *const *nodes,
				     size_t count)
{
	struct tlv_writer w;
	uint8_t *bytes;
	int r = 0;

	bytes = malloc(COMMAND_BYTES);
	if (!bytes)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	tlv_writer_init(&w, bytes, COMMAND_BYTES);
	for (size_t i = 0; i < count && !r; i++) {
		if (!nodes[i] || !*nodes[i] || strlen(nodes[i]) > 200)
			r = lib_fail(h, -EINVAL,
				     "%.80s: neither NAME nor NAME=HOST:PORT",
				     nodes[i] ? nodes[i] : "(none)");
		else
			tlv_put_str(&w, SKERRY_K_NODE, nodes[i]);
	}
	if (!r)
		r = lib_call(h, SKERRY_CMD_SET, &w, lib_deadline(h, 0), NULL,
			     NULL);
	free(bytes);
	return r;
}

/* ---- lanes ---------------------------------------------------------------------- */

static void stale_part(void *data, const void *tlvs, size_t size_bytes)
{
	lib_rows(tlvs, size_bytes, lib_spec_row, data);
}

SKERRY_API int skerry_connect(struct skerry *h, const struct skerry_spec *spec,
			      uint32_t flags, struct skerry_spec *ret_stale,
			      size_t room)
{
	struct lib_specs list = { .specs = ret_stale, .room = room };
	struct tlv_writer w;
	uint8_t bytes[600];
	int r;

	if (!spec || !memchr(spec->name, 0, sizeof(spec->name)) ||
	    !skerry_name_valid(spec->name) ||
	    spec->address_count > SKERRY_ADDRS_MAX ||
	    flags & ~SKERRY_CONNECT_PRUNE)
		return lib_fail_fast(h, -EINVAL,
				     "connect: a spec needs a name, and at "
				     "most 8 addresses");
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, spec->name);
	for (int i = 0; i < spec->address_count; i++) {
		struct skerry_addr addr = { .port = spec->address[i].port };

		memcpy(addr.ip, spec->address[i].ip, sizeof(addr.ip));
		tlv_put_addr(&w, SKERRY_K_ADDRESS, &addr);
	}
	if (flags & SKERRY_CONNECT_PRUNE)
		tlv_put_bool(&w, SKERRY_K_PRUNE, true);
	r = lib_call(h, SKERRY_CMD_CONNECT, &w, lib_deadline(h, 0), stale_part,
		     &list);
	return r ? r : (int)list.count;
}

struct closing {
	skerry_disconnected_fn *function;
	void *data;
	int error;
	char why[SKERRY_REASON_MAX_BYTES + 1];
	char who[SKERRY_NAME_MAX_BYTES + 1];
};

static void closed_row(void *data, const void *row, size_t size_bytes)
{
	char node[SKERRY_NAME_MAX_BYTES + 1] = "";
	struct closing *closing = data;
	struct tlv_reader field;
	int64_t error = 0;

	if (tlv_find_str(row, size_bytes, SKERRY_K_NODE, node, sizeof(node)))
		return;
	if (tlv_find(row, size_bytes, SKERRY_K_ERROR, &field))
		tlv_s64(&field, &error);
	if (error > 0 || error < -4095)
		error = -EPROTO;
	if (error && !closing->error) {
		closing->error = (int)error;
		strcpy(closing->who, node);
		if (tlv_find_str(row, size_bytes, SKERRY_K_REASON, closing->why,
				 sizeof(closing->why)))
			strcpy(closing->why, strerror((int)-error));
	}
	if (closing->function)
		closing->function(closing->data, node, (int)error);
}

static void closed_part(void *data, const void *tlvs, size_t size_bytes)
{
	lib_rows(tlvs, size_bytes, closed_row, data);
}

static int disconnect_some(struct skerry *h, const char *const *nodes,
			   size_t count, struct closing *closing)
{
	struct tlv_writer w;
	uint8_t bytes[NODES_AT_ONCE * (SKERRY_NAME_MAX_BYTES + 9)];

	tlv_writer_init(&w, bytes, sizeof(bytes));
	for (size_t i = 0; i < count; i++)
		tlv_put_str(&w, SKERRY_K_NODE, nodes[i]);
	return lib_call(h, SKERRY_CMD_DISCONNECT, &w, lib_deadline(h, 0),
			closed_part, closing);
}

SKERRY_API int skerry_disconnect(struct skerry *h, const char *const *nodes,
				 size_t count, skerry_disconnected_fn *function,
				 void *data)
{
	struct closing closing = {
		.function = function,
		.data = data,
	};
	int r;

	for (size_t i = 0; i < count; i++)
		if (!nodes[i] || !skerry_name_valid(nodes[i]))
			return lib_fail(h, -EINVAL, "%.80s: not a node name",
					nodes[i] ? nodes[i] : "(none)");
	for (size_t i = 0; i < count; i += NODES_AT_ONCE) {
		size_t some = count - i;

		if (some > NODES_AT_ONCE)
			some = NODES_AT_ONCE;
		r = disconnect_some(h, nodes + i, some, &closing);
		if (r)
			return r;
	}
	if (closing.error)
		return lib_fail(h, closing.error, "%s: %s", closing.who,
				closing.why);
	return 0;
}

/* ---- places ---------------------------------------------------------------------- */

static void put_tag(struct tlv_writer *w, uint8_t *bytes, size_t size_bytes,
		    const char *tag)
{
	tlv_writer_init(w, bytes, size_bytes);
	tlv_put_str(w, SKERRY_K_TAG, tag);
}

SKERRY_API int skerry_reserve(struct skerry *h, const char *tag)
{
	struct lib_reserve *reserve;
	struct tlv_writer w;
	uint8_t bytes[128];
	int r;

	if (!tag || !*tag || strlen(tag) > SKERRY_TAG_MAX_BYTES)
		return lib_fail(h, -EINVAL,
				"reserve %.80s: a tag has 1 to %u bytes",
				tag ? tag : "(none)", SKERRY_TAG_MAX_BYTES);
	reserve = calloc(1, sizeof(*reserve));
	if (!reserve)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	strcpy(reserve->tag, tag);
	put_tag(&w, bytes, sizeof(bytes), tag);
	r = lib_call(h, SKERRY_CMD_RESERVE, &w, lib_deadline(h, 0), NULL, NULL);
	if (r) {
		free(reserve);
		return r;
	}
	reserve->told = h->generation;
	reserve->next = h->reserves;
	h->reserves = reserve;
	return 0;
}

int lib_reserve_again(struct skerry *h)
{
	for (struct lib_reserve *p = h->reserves; p; p = p->next) {
		struct tlv_writer w;
		uint8_t bytes[128];
		int r;

		if (p->told == h->generation)
			continue;
		put_tag(&w, bytes, sizeof(bytes), p->tag);
		r = lib_command(h, SKERRY_CMD_RESERVE, bytes, w.used_bytes,
				LIB_CALL_QUIET, NULL, NULL);
		if (r)
			return r;
		p->told = h->generation;
	}
	return 0;
}

void lib_reserve_free(struct skerry *h)
{
	while (h->reserves) {
		struct lib_reserve *p = h->reserves;

		h->reserves = p->next;
		free(p);
	}
}
