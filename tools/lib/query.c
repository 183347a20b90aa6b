/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Tables, as skerryctl prints them, and commands as they stand. */
#include <errno.h>

#include "internal.h"

static bool listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* 0: no such table. */
static uint32_t command_for(const char *query)
{
	static const char *const control[] = {
		"members", "known",  "peers",	 "partitions", "joins",
		"status",  "events", "features", "myself",     NULL,
	};
	static const char *const data[] = {
		"connections", "endpoints", "channels",	 "programs", "kernel",
		"rules",       "limits",    "discovery", NULL,
	};

	if (listed(control, query))
		return SKERRY_CMD_QUERY;
	return listed(data, query) ? SKERRY_CMD_DATA_QUERY : 0;
}

struct rows {
	skerry_row_fn *function;
	void *data;
	int count;
};

static void part(void *data, const void *tlvs, size_t size_bytes)
{
	struct rows *rows = data;
	struct tlv_reader r;

	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_ROW)
			continue;
		if (rows->function)
			rows->function(rows->data, r.value, r.length);
		rows->count++;
	}
}

SKERRY_API int skerry_query(struct skerry *h, const char *query,
			    skerry_row_fn *function, void *data)
{
	struct rows rows = { .function = function, .data = data };
	struct tlv_writer w;
	uint8_t bytes[64];
	uint32_t command;
	int r;

	command = query ? command_for(query) : 0;
	if (!command)
		return lib_fail(h, -ENOENT, "%.80s: no such table",
				query ? query : "(none)");
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, query);
	r = lib_call(h, command, &w, lib_deadline(h, 0), part, &rows);
	return r ? r : rows.count;
}

SKERRY_API int skerry_command(struct skerry *h, uint32_t command,
			      const void *tlvs, size_t size_bytes,
			      uint32_t timeout_ms, skerry_row_fn *function,
			      void *data)
{
	/* Read only: what is given is written to the ring as it is. */
	struct tlv_writer w = {
		.data = (uint8_t *)(uintptr_t)tlvs,
		.size_bytes = size_bytes,
		.used_bytes = size_bytes,
	};

	return lib_call(h, command, &w, lib_deadline(h, timeout_ms), function,
			data);
}

/* ---- what works here ------------------------------------------------------ */

struct capability {
	const char *name;
	bool works;
};

/* A row names one feature and says whether it works, or lists those that
 * do. */
static void feature_row(void *data, const void *row, size_t size_bytes)
{
	struct capability *wanted = data;
	bool named = false, supported = true;
	struct tlv_reader r;

	tlv_reader_init(&r, row, size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_SUPPORTED)
			tlv_bool(&r, &supported);
		else if ((r.key == SKERRY_K_FEATURE ||
			  r.key == SKERRY_K_NAME) &&
			 r.length == strlen(wanted->name) &&
			 !memcmp(r.value, wanted->name, r.length))
			named = true;
	}
	if (named && supported)
		wanted->works = true;
}

static void overlay_row(void *data, const void *row, size_t size_bytes)
{
	struct capability *wanted = data;
	char overlay[16];

	if (!tlv_find_str(row, size_bytes, SKERRY_K_OVERLAY, overlay,
			  sizeof(overlay)))
		wanted->works |= !strcmp(overlay, wanted->name);
}

SKERRY_API int skerry_supports(struct skerry *h, const char *overlay,
			       const char *capability)
{
	struct capability wanted = { .name = overlay };
	int r;

	if (!capability)
		return 0;
	if (overlay) {
		r = skerry_query(h, "myself", overlay_row, &wanted);
		if (r < 0 || !wanted.works)
			return r < 0 ? r : 0;
	}
	wanted.name = capability;
	wanted.works = false;
	r = skerry_query(h, "features", feature_row, &wanted);
	return r < 0 ? r : wanted.works;
}
