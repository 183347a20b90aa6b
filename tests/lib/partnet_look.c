// SPDX-License-Identifier: GPL-2.0-only
/* partnet_look.c - cuts and rows of a registry as text; see partnet.h. */
#include "partnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *peer_name(const struct partnet *net,
			     const struct core_cut *cut)
{
	if (cut->peer == CORE_PEER_EVERYBODY)
		return "everybody";
	if (cut->peer == CORE_PEER_ADDRESS)
		return "address";
	return net->nodes[cut->peer].name;
}

static bool drops(const struct partnet_node *node, int other, uint8_t way)
{
	uint32_t n;

	for (n = 0; n < PARTNET_CUTS_MAX; n++) {
		const struct partnet_cut *cut = &node->cuts[n];

		if (cut->used && cut->in_force && !cut->cut.loss_ppm &&
		    (!cut->cut.direction || cut->cut.direction == way) &&
		    (cut->cut.peer == CORE_PEER_EVERYBODY ||
		     cut->cut.peer == (uint32_t)other))
			return true;
	}
	return false;
}

bool partnet_dropped(const struct partnet *net, int from, int to)
{
	return drops(&net->nodes[from], to, 2) ||
	       drops(&net->nodes[to], from, 1);
}

void partnet_cuts(const struct partnet *net, int i, char *out, size_t room)
{
	static const char *const directions[] = { "both", "in", "out" };
	static const char *const visibilities[] = { "wire", "local", "reject",
						    "sever" };
	const struct partnet_node *node = &net->nodes[i];
	char *lines[PARTNET_CUTS_MAX];
	size_t count = 0;
	size_t used = 0;
	uint32_t n;
	int n_used;

	for (n = 0; n < PARTNET_CUTS_MAX; n++) {
		const struct partnet_cut *cut = &node->cuts[n];
		char line[128];

		if (!cut->used || !cut->in_force)
			continue;
		n_used = snprintf(line, sizeof(line), "%s:%s:%s",
				  peer_name(net, &cut->cut),
				  directions[cut->cut.direction],
				  visibilities[cut->cut.visibility]);
		if (cut->cut.loss_ppm)
			snprintf(line + n_used, sizeof(line) - (size_t)n_used,
				 ":%u", cut->cut.loss_ppm);
		lines[count++] = strdup(line);
	}
	qsort(lines, count, sizeof(lines[0]), compare);
	out[0] = 0;
	for (n = 0; n < count; n++) {
		if (used < room)
			used += (size_t)snprintf(out + used, room - used,
						 "%s%s", n ? " " : "",
						 lines[n]);
		free(lines[n]);
	}
}

static void add_row(const struct tlv_reader *row, char *out, size_t room)
{
	char name[64] = "";
	char node[64] = "";
	char state[16] = "";
	size_t used = strlen(out);

	tlv_find_str(row->value, row->length, SKERRY_K_NAME, name,
		     sizeof(name));
	tlv_find_str(row->value, row->length, SKERRY_K_NODE, node,
		     sizeof(node));
	tlv_find_str(row->value, row->length, SKERRY_K_STATE, state,
		     sizeof(state));
	snprintf(out + used, room - used, "%s%s/%s=%s", used ? " " : "", name,
		 node, state);
}

void partnet_rows(const struct partnet *net, int i, char *out, size_t room)
{
	uint8_t bytes[900]; /* a few rows each time */
	struct tlv_writer w;
	struct tlv_reader r;
	size_t cursor = 0;
	bool done;

	out[0] = 0;
	do {
		size_t before = cursor;

		tlv_writer_init(&w, bytes, sizeof(bytes));
		done = partition_rows(net->nodes[i].p, &w, &cursor,
				      net->now_ns);
		if (!done && cursor == before)
			abort();
		tlv_reader_init(&r, bytes, w.used_bytes);
		while (tlv_next(&r))
			add_row(&r, out, room);
		if (r.bad)
			abort();
	} while (!done);
}
