// SPDX-License-Identifier: GPL-2.0-only
/* simnet_ask.c - commands to the cores of the simulated network, and what
 * they answer. */
#include <stdlib.h>
#include <string.h>

#include "simnet_impl.h"
#include "skerry/ring.h"

void sim_command_by(struct sim_node *node, uint32_t program, bool admin,
		    uint32_t command, uint32_t correlation,
		    const struct tlv_writer *tlvs)
{
	struct core_event event = { .type = EV_COMMAND };

	event.command.program = program;
	event.command.admin = admin;
	event.command.command = command;
	event.command.correlation = correlation;
	if (tlvs) {
		event.command.tlvs.data = tlvs->data;
		event.command.tlvs.size_bytes = tlvs->used_bytes;
	}
	sim_step(node, &event);
}

void sim_command(struct sim_node *node, uint32_t command, uint32_t correlation,
		 const struct tlv_writer *tlvs)
{
	sim_command_by(node, SIM_PROGRAM, true, command, correlation, tlvs);
}

const struct sim_said *sim_answer(const struct sim_node *node,
				  uint32_t correlation)
{
	size_t i;

	for (i = 0; i < node->said_count; i++) {
		const struct sim_said *said = &node->said[i];

		if (!said->event && said->id == correlation && !said->more)
			return said;
	}
	return NULL;
}

void sim_clear_said(struct sim_node *node)
{
	while (node->said_count)
		free(node->said[--node->said_count].bytes);
}

#define QUERY_CORRELATION 0xfffff000U

typedef bool row_fn(void *data, const struct tlv_reader *row);

/* Ask and take the answer out of what was said. */
static void query(struct sim_node *node, const char *what, row_fn *function,
		  void *data)
{
	size_t before = node->said_count, i;
	struct tlv_writer w;
	uint8_t bytes[64];

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, what);
	sim_command(node, SKERRY_CMD_QUERY, QUERY_CORRELATION, &w);
	for (i = before; i < node->said_count; i++) {
		struct sim_said *said = &node->said[i];
		struct tlv_reader r;

		if (said->event || said->id != QUERY_CORRELATION)
			continue;
		tlv_reader_init(&r, said->bytes, said->size_bytes);
		while (tlv_next(&r)) {
			if (r.key == SKERRY_K_ROW && !function(data, &r))
				break;
		}
	}
	for (i = before; i < node->said_count;) {
		struct sim_said *said = &node->said[i];

		if (said->event || said->id != QUERY_CORRELATION) {
			i++;
			continue;
		}
		free(said->bytes);
		memmove(said, said + 1,
			(--node->said_count - i) * sizeof(*said));
	}
}

struct lookup {
	const char *name;
	char state[16];
	uint64_t up, wanted;
	size_t count;
	bool found;
};

static bool look(void *data, const struct tlv_reader *row)
{
	struct lookup *l = data;
	char name[SKERRY_NAME_MAX_BYTES + 1] = "";

	l->count++;
	tlv_find_str(row->value, row->length, SKERRY_K_NAME, name,
		     sizeof(name));
	if (!l->name || strcmp(name, l->name))
		return true;
	l->found = true;
	tlv_find_str(row->value, row->length, SKERRY_K_STATE, l->state,
		     sizeof(l->state));
	l->up = tlv_find_u64(row->value, row->length, SKERRY_K_LANES_UP, 0);
	l->wanted =
		tlv_find_u64(row->value, row->length, SKERRY_K_LANES_WANTED, 0);
	return true;
}

const char *sim_state(struct sim_node *node, const char *name)
{
	static char state[16];
	struct lookup l = { .name = name };

	query(node, "members", look, &l);
	memcpy(state, l.state, sizeof(state));
	return l.found ? state : NULL;
}

size_t sim_members(struct sim_node *node)
{
	struct lookup l = { 0 };

	query(node, "members", look, &l);
	return l.count;
}

bool sim_lanes(struct sim_node *node, const char *name, uint64_t *ret_up,
	       uint64_t *ret_wanted)
{
	struct lookup l = { .name = name };

	query(node, "peers", look, &l);
	*ret_up = l.up;
	*ret_wanted = l.wanted;
	return l.found;
}

bool sim_complete(struct simnet *net, void *data)
{
	int i, j, alive = 0;

	for (i = 0; i < net->count; i++)
		alive += net->nodes[i].alive;
	for (i = 0; i < net->count; i++) {
		struct sim_node *node = &net->nodes[i];

		if (!node->alive)
			continue;
		if ((int)sim_members(node) != alive)
			return false;
		for (j = 0; j < net->count; j++) {
			const char *name = net->nodes[j].config.name;
			const char *state;
			uint64_t up, wanted;

			if (i == j || !net->nodes[j].alive)
				continue;
			state = sim_state(node, name);
			if (!state || strcmp(state, "up") ||
			    !sim_lanes(node, name, &up, &wanted) ||
			    up != wanted || wanted != 3)
				return false;
		}
	}
	return true;
}
