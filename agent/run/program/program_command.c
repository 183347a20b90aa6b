// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * program_command.c - commands: those of the data plane are carried out
 * here, the others are events for the core.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/codec.h"
#include "run/agent.h"
#include "run/driver.h"
#include "run/guard.h"
#include "program.h"

#define COMMAND_MAX_BYTES CORE_OP_BYTES_MAX

struct request {
	struct program *program;
	uint32_t command, correlation;
	struct core_bytes tlvs; /* a copy: the program cannot change it */
};

static void answer(const struct request *r, int error, const char *text)
{
	program_answer(r->program->agent, r->program->number, r->correlation,
		       false, error, text, (struct core_bytes) { 0 });
}

static int find_str(const struct request *r, uint16_t key, char *ret_value,
		    size_t room_bytes)
{
	return tlv_find_str(r->tlvs.data, r->tlvs.size_bytes, key, ret_value,
			    room_bytes);
}

static uint64_t find_u64(const struct request *r, uint16_t key,
			 uint64_t fallback)
{
	return tlv_find_u64(r->tlvs.data, r->tlvs.size_bytes, key, fallback);
}

/* ---- endpoints ---------------------------------------------------------------- */

static bool endpoint_valid(const char *endpoint)
{
	return endpoint[0] && strlen(endpoint) <= SKERRY_ENDPOINT_MAX_BYTES;
}

void program_own_endpoint(const struct program *program,
			  char ret_name[PROGRAM_OWN_BYTES])
{
	uint32_t i;

	ret_name[0] = '#';
	for (i = 0; i < sizeof(program->instance); i++)
		snprintf(ret_name + 1 + 2 * i, 3, "%02x", program->instance[i]);
}

/* Its own is there from the start, or was asked for again. */
static bool may_own(const struct request *r, const char *endpoint)
{
	char own[PROGRAM_OWN_BYTES];

	if (endpoint[0] != '#')
		return true;
	program_own_endpoint(r->program, own);
	return r->command == SKERRY_CMD_REGISTER && !strcmp(endpoint, own);
}

static void do_register(const struct request *r)
{
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1] = "";
	char text[256];
	int err;

	if (find_str(r, SKERRY_K_ENDPOINT, endpoint, sizeof(endpoint)) ||
	    !endpoint_valid(endpoint)) {
		answer(r, -EINVAL, "an endpoint is 1 to 127 bytes");
		return;
	}
	if (!may_own(r, endpoint)) {
		answer(r, -EINVAL,
		       "names that begin with # are the agent's to give");
		return;
	}
	/* The manager's endpoint is the administrator's. */
	if (!strncmp(endpoint, "skerry/", 7) && !r->program->admin) {
		answer(r, -EACCES,
		       "endpoints below skerry/ are for administrators");
		return;
	}
	if (r->command == SKERRY_CMD_REGISTER)
		err = flow_endpoint(r->program->agent->flows,
				    r->program->number, endpoint,
				    r->program->agent->now_ns);
	else
		err = flow_endpoint_gone(r->program->agent->flows,
					 r->program->number, endpoint,
					 r->program->agent->now_ns);
	if (err == -EADDRINUSE)
		snprintf(text, sizeof(text),
			 "%s: another program owns this endpoint", endpoint);
	else if (err == -ENOENT)
		snprintf(text, sizeof(text),
			 "%s: not an endpoint of this program", endpoint);
	else if (err == -ENOSPC)
		snprintf(text, sizeof(text),
			 "%s: no more endpoints: %u a program, %u a user, %u "
			 "a node",
			 endpoint, SKERRY_ENDPOINTS_PER_PROGRAM_MAX,
			 SKERRY_ENDPOINTS_PER_USER_MAX, SKERRY_ENDPOINTS_MAX);
	else if (err)
		snprintf(text, sizeof(text), "%s: %s", endpoint,
			 strerror(-err));
	answer(r, err, text);
}

/* ---- channels ------------------------------------------------------------------- */

static int find_channel(const struct request *r)
{
	const struct core_config *settings = &r->program->agent->settings;
	char name[SKERRY_CHANNEL_MAX_BYTES + 1] = "default";
	char text[SKERRY_REASON_MAX_BYTES];
	size_t used;
	uint32_t i;
	int err, channel;

	err = find_str(r, SKERRY_K_CHANNEL, name, sizeof(name));
	if (err == -EPROTO) {
		answer(r, -ENOENT, "a channel's name is 1 to 31 bytes");
		return -ENOENT;
	}
	channel = agent_channel(r->program->agent, name);
	if (channel >= 0)
		return channel;
	used = (size_t)snprintf(text, sizeof(text),
				"%s: no such channel; there are", name);
	for (i = 0; i < settings->channel_count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s %s", i ? "," : "",
					 settings->channels[i].name);
	answer(r, -ENOENT, text);
	return -ENOENT;
}

static void do_channel(const struct request *r)
{
	int channel = find_channel(r);

	if (channel < 0)
		return;
	if (program_channel(r->program, (uint32_t)channel))
		answer(r, 0, NULL);
	else
		answer(r, -ENOMEM, "no memory for its rings");
}

/* ---- flows ------------------------------------------------------------------------- */

static int find_peer(const struct request *r, uint32_t *ret_peer)
{
	const struct agent *agent = r->program->agent;
	char name[256] = "";
	char text[SKERRY_REASON_MAX_BYTES + 1];
	const struct peer *peer;

	if (find_str(r, SKERRY_K_NODE, name, sizeof(name)) == -EPROTO) {
		answer(r, -EHOSTUNREACH, "a node's name is 1 to 63 bytes");
		return -EHOSTUNREACH;
	}
	if (!name[0] || !strcmp(name, agent->settings.name)) {
		*ret_peer = FLOW_PEER_SELF;
		return 0;
	}
	peer = peers_find_name(&agent->peers, name);
	if (!peer) {
		snprintf(text, sizeof(text),
			 "%.64s: no node of that name is known here", name);
		answer(r, -EHOSTUNREACH, text);
		return -EHOSTUNREACH;
	}
	*ret_peer = peer->number;
	return 0;
}

/* What only some flows have: a monitor's mark, another node's name. */
static int find_special(const struct request *r, struct flow_open *open,
			char source[SKERRY_NAME_MAX_BYTES + 1])
{
	uint64_t monitor = find_u64(r, SKERRY_K_MONITOR, 0);
	int err =
		find_str(r, SKERRY_K_SOURCE, source, SKERRY_NAME_MAX_BYTES + 1);

	open->monitor = monitor != 0;
	open->monitored = monitor > 1;
	if (err == -ENOENT)
		return 0;
	if (err || !skerry_name_valid(source) || open->peer != FLOW_PEER_SELF) {
		answer(r, -EINVAL,
		       "source is the name of a node, and goes "
		       "with messages to this one");
		return -EINVAL;
	}
	if (!r->program->admin) {
		answer(r, -EACCES,
		       "messages in another node's name are for "
		       "administrators");
		return -EACCES;
	}
	open->source = source;
	return 0;
}

/* The sender's own socket, on a fast channel. */
static int fast_source(const struct request *r, struct flow_open *open)
{
	struct skerry_addr to, from;
	uint32_t payload_max;
	int err, port;

	err = program_fast_way(r->program->agent, open->peer, &to, &from,
			       &payload_max);
	if (err) {
		answer(r, err, "no way to that node from here");
		return err;
	}
	port = program_fast_socket(r->program, open->channel, &to);
	if (port < 0) {
		answer(r, port,
		       port == -ENOSPC
			       ? "no port of this node's block is free for "
				 "another fast socket"
			       : NULL);
		return port;
	}
	open->fast_source = from;
	open->fast_source.port = (uint16_t)port;
	return 0;
}

static void do_flow_open(const struct request *r)
{
	struct agent *agent = r->program->agent;
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1] = "";
	char source[SKERRY_NAME_MAX_BYTES + 1] = "";
	struct program_slot opening = { 0 };
	struct tlv_reader field;
	struct flow_open open = { .program = r->program->number,
				  .correlation = r->correlation };
	uint32_t slot = 0;
	int channel, err;

	channel = find_channel(r);
	if (channel < 0 || find_peer(r, &open.peer))
		return;
	if (find_str(r, SKERRY_K_ENDPOINT, endpoint, sizeof(endpoint)) ||
	    !endpoint_valid(endpoint)) {
		answer(r, -EINVAL, "an endpoint is 1 to 127 bytes");
		return;
	}
	if (find_special(r, &open, source))
		return;
	open.endpoint = endpoint;
	open.channel = (uint8_t)channel;
	open.datagram = agent->settings.channels[channel].datagram;
	open.flow_id = find_u64(r, SKERRY_K_FLOW_ID, 0);
	open.next_sequence = find_u64(r, SKERRY_K_NEXT_SEQUENCE, 1);
	if (tlv_find(r->tlvs.data, r->tlvs.size_bytes, SKERRY_K_PARTITION_KEY,
		     &field))
		open.keyed = !tlv_u64(&field, &open.partition_key);
	open.any_lane = tlv_find_bool(r->tlvs.data, r->tlvs.size_bytes,
				      SKERRY_K_ANY_LANE);
	if (open.datagram && fast_source(r, &open))
		return;
	if (!open.datagram && !program_channel(r->program, open.channel)) {
		answer(r, -ENOMEM, "no memory for its rings");
		return;
	}
	opening.peer = open.peer;
	opening.channel = open.channel;
	agent->programs.opening = &opening;
	agent->programs.opening_program = r->program->number;
	agent->programs.opening_correlation = r->correlation;
	err = flow_open(agent->flows, &open, agent->now_ns, &slot);
	agent->programs.opening = NULL;
	if (err) {
		answer(r, err, "too many flows are open");
		return;
	}
	opening.epoch = r->program->slots[slot].epoch;
	r->program->slots[slot] = opening;
}

static void do_flow_close(const struct request *r)
{
	uint64_t slot = find_u64(r, SKERRY_K_SLOT, UINT64_MAX);
	int err = -ENOENT;

	if (slot < SKERRY_FLOWS_PER_PROGRAM_MAX)
		err = flow_close(r->program->agent->flows, r->program->number,
				 (uint32_t)slot, r->program->agent->now_ns);
	answer(r, err, "no such flow");
}

static void do_frontier(const struct request *r)
{
	struct tlv_reader field;
	uint8_t sender[16];
	int err = -EINVAL;

	if (tlv_find(r->tlvs.data, r->tlvs.size_bytes, SKERRY_K_PROGRAM,
		     &field) &&
	    !tlv_id(&field, sender))
		err = flow_frontier(r->program->agent->flows,
				    r->program->number, sender,
				    find_u64(r, SKERRY_K_FLOW_ID, 0),
				    find_u64(r, SKERRY_K_NEXT_SEQUENCE, 0),
				    r->program->agent->now_ns);
	answer(r, err, NULL);
}

static void do_data_query(const struct request *r)
{
	char query[64] = "";
	char text[SKERRY_REASON_MAX_BYTES];
	int err;

	find_str(r, SKERRY_K_QUERY, query, sizeof(query));
	err = program_rows(r->program, r->correlation, query);
	if (!err)
		return;
	snprintf(text, sizeof(text),
		 "%s: no such table; there are connections, endpoints, "
		 "channels, programs, kernel, rules, limits, discovery",
		 query);
	answer(r, err, text);
}

/* ---- sorting ------------------------------------------------------------------------- */

static void to_core(const struct request *r)
{
	const struct program *program = r->program;
	struct core_event event = {
		.type = EV_COMMAND,
		.command = { .program = program->number,
			     .command = r->command,
			     .correlation = r->correlation,
			     .admin = program->admin,
			     .uid = program->uid,
			     .pid = program->pid,
			     .name = program->name,
			     .guards = guard_look(r->command, r->tlvs),
			     .tlvs = r->tlvs },
	};
	int err = driver_event(program->agent, &event);

	if (err && r->command != SKERRY_CMD_WATCH_ACK)
		answer(r, err, NULL);
}

static void sort(const struct request *r)
{
	switch (r->command) {
	case SKERRY_CMD_REGISTER:
	case SKERRY_CMD_UNREGISTER:
		do_register(r);
		break;
	case SKERRY_CMD_FLOW_OPEN:
		do_flow_open(r);
		break;
	case SKERRY_CMD_FLOW_CLOSE:
		do_flow_close(r);
		break;
	case SKERRY_CMD_CHANNEL:
		do_channel(r);
		break;
	case SKERRY_CMD_FRONTIER:
		do_frontier(r);
		break;
	case SKERRY_CMD_DATA_QUERY:
		do_data_query(r);
		break;
	case SKERRY_CMD_JOIN ... SKERRY_CMD_REGISTER - 1:
		to_core(r);
		break;
	default:
		answer(r, -EOPNOTSUPP, "this agent does not know the command");
	}
}

void program_command(struct program *program,
		     const struct ringbuf_record *record)
{
	static uint8_t copy[COMMAND_MAX_BYTES];
	struct request r = {
		.program = program,
		.command = record->frame.flow,
		.correlation = record->frame.correlation,
		.tlvs = { copy, record->payload_bytes },
	};

	if (record->frame.type != SKERRY_REC_COMMAND) {
		program_doom(program, -EPROTO,
			     "control ring: record of type %#x",
			     record->frame.type);
		return;
	}
	if (record->extension_bytes || record->payload_bytes > sizeof(copy)) {
		program_doom(program, -EPROTO,
			     "control ring: command too long");
		return;
	}
	memcpy(copy, record->payload, record->payload_bytes);
	sort(&r);
}
