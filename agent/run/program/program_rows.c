// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* program_rows.c - the tables of SKERRY_CMD_DATA_QUERY. */
#include <errno.h>
#include <string.h>

#include "core/codec.h"
#include "run/agent.h"
#include "program.h"
#include "skerry/barrier.h"

#define CHUNK_BYTES (32U << 10)
#define ROW_BYTES 2048U

/* Rows on their way, a chunk at a time. */
struct rows {
	struct program *program;
	uint32_t correlation;
	struct tlv_writer chunk;
	uint8_t bytes[CHUNK_BYTES];
	uint8_t row[ROW_BYTES];
};

static void send_chunk(struct rows *rows, bool more)
{
	program_answer(rows->program->agent, rows->program->number,
		       rows->correlation, more, 0, NULL,
		       (struct core_bytes) { rows->bytes,
					     rows->chunk.used_bytes });
	tlv_writer_init(&rows->chunk, rows->bytes, sizeof(rows->bytes));
}

static void put_row(void *data, const void *row, size_t size_bytes)
{
	struct rows *rows = data;

	if (size_bytes > ROW_BYTES)
		return;
	if (rows->chunk.used_bytes + size_bytes + sizeof(struct skerry_tlv) >
	    CHUNK_BYTES)
		send_chunk(rows, true);
	tlv_put(&rows->chunk, SKERRY_K_ROW, row, size_bytes);
}

static struct tlv_writer row_begin(struct rows *rows)
{
	struct tlv_writer w;

	tlv_writer_init(&w, rows->row, sizeof(rows->row));
	return w;
}

static void row_end(struct rows *rows, const struct tlv_writer *w)
{
	put_row(rows, w->data, w->used_bytes);
}

/* ---- connections ---------------------------------------------------------------- */

static const char *lane_state_name(const struct lane *lane)
{
	if (lane->state == LANE_DIALLING)
		return "dialling";
	switch (lanefsm_state(lane->fsm)) {
	case LANEFSM_UP:
		return lane->routed ? "up" : "spare";
	case LANEFSM_DRAINING:
		return "draining";
	case LANEFSM_CLOSED:
		return "closed";
	default:
		return "handshake";
	}
}

static void connection_row(struct rows *rows, const struct lane *lane)
{
	const struct agent *agent = lane->agent;
	const struct peer *peer = peers_find(&agent->peers, lane->peer);
	struct tlv_writer w = row_begin(rows);

	if (lane->routed) {
		if (peer)
			tlv_put_str(&w, SKERRY_K_NODE, peer->name);
		tlv_put_str(&w, SKERRY_K_CHANNEL, lane_channel_name(lane));
		tlv_put_u64(&w, SKERRY_K_LANE, lane->index);
		tlv_put_u64(&w, SKERRY_K_GENERATION, lane->generation);
	}
	tlv_put_str(&w, SKERRY_K_STATE, lane_state_name(lane));
	tlv_put_bool(&w, SKERRY_K_DIALLED, !lane->accepted);
	tlv_put_addr(&w, SKERRY_K_LOCAL_ADDRESS, &lane->local);
	tlv_put_addr(&w, SKERRY_K_REMOTE_ADDRESS, &lane->remote);
	tlv_put_u64(&w, SKERRY_K_SENT_BYTES, lane->sent_bytes);
	tlv_put_u64(&w, SKERRY_K_RECEIVED_BYTES, lane->received_bytes);
	tlv_put_u64(&w, SKERRY_K_QUEUED_BYTES, lane_queue_used(&lane->queue));
	tlv_put_u64(&w, SKERRY_K_ROUND_TRIP_US, lane->round_trip_us);
	tlv_put_u64(&w, SKERRY_K_RETRANSMITS, lane->retransmits);
	row_end(rows, &w);
}

static void connections(struct rows *rows)
{
	const struct lane *lane;

	for (lane = rows->program->agent->lanes.first; lane;
	     lane = lane->next) {
		if (lane->state != LANE_ENDED)
			connection_row(rows, lane);
	}
}

/* ---- programs and channels --------------------------------------------------------- */

static void programs(struct rows *rows)
{
	const struct programs *all = &rows->program->agent->programs;
	const struct program *program;
	struct tlv_writer w;
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		program = all->list[i];
		if (!program || !program->attached)
			continue;
		w = row_begin(rows);
		tlv_put_str(&w, SKERRY_K_PROGRAM_NAME, program->name);
		tlv_put(&w, SKERRY_K_PROGRAM, program->instance, 16);
		tlv_put_u64(&w, SKERRY_K_PID, program->pid);
		tlv_put_u64(&w, SKERRY_K_UID, program->uid);
		tlv_put_u64(&w, SKERRY_K_SINCE, program->since_us);
		row_end(rows, &w);
	}
}

/* Those that programs dropped, also programs that have gone. */
static uint64_t program_casts(const struct agent *agent, uint32_t index)
{
	uint64_t dropped = agent->programs.casts_dropped[index];
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		const struct program *program = agent->programs.list[i];

		if (program && program->channels[index])
			dropped +=
				program_channel_casts(program->channels[index]);
	}
	return dropped;
}

static uint64_t all_casts(const struct agent *agent)
{
	uint64_t dropped = 0;
	uint32_t i;

	for (i = 0; i < agent->settings.channel_count; i++)
		dropped += program_casts(agent, i);
	return dropped;
}

/* What the libraries of the programs that are attached have counted. */
static void put_library_counters(const struct agent *agent, uint32_t index,
				 struct tlv_writer *w)
{
	uint64_t plain = 0, packed = 0, unreadable = 0, superseded = 0;
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		const struct program *program = agent->programs.list[i];
		const struct skerry_mapping *map;

		if (!program || !program->channels[index])
			continue;
		map = program->channels[index]->shm.map;
		plain += skerry_load_relaxed(&map->plain_bytes);
		packed += skerry_load_relaxed(&map->packed_bytes);
		unreadable += skerry_load_relaxed(&map->unreadable_messages);
		superseded += skerry_load_relaxed(&map->superseded_messages);
	}
	tlv_put_u64(w, SKERRY_K_PLAIN_BYTES, plain);
	tlv_put_u64(w, SKERRY_K_PACKED_BYTES, packed);
	tlv_put_u64(w, SKERRY_K_UNREADABLE, unreadable);
	tlv_put_u64(w, SKERRY_K_SUPERSEDED, superseded);
	tlv_put_u64(w, SKERRY_K_CASTS_DROPPED, program_casts(agent, index));
}

static void channel_row(struct rows *rows, uint32_t index)
{
	const struct agent *agent = rows->program->agent;
	const struct core_channel *channel = &agent->settings.channels[index];
	const struct lane *lane;
	uint64_t up = 0, sent = 0, received = 0, queued = 0;
	struct tlv_writer w = row_begin(rows);

	for (lane = agent->lanes.first; lane; lane = lane->next) {
		if (!lane->routed || lane->channel != index)
			continue;
		up++;
		sent += lane->sent_bytes;
		received += lane->received_bytes;
		queued += lane_queue_used(&lane->queue);
	}
	tlv_put_str(&w, SKERRY_K_CHANNEL, channel->name);
	tlv_put_str(&w, SKERRY_K_TRANSPORT,
		    channel->datagram ? "datagram" : "stream");
	tlv_put_u64(&w, SKERRY_K_PARALLELISM, channel->parallelism);
	tlv_put_u64(&w, SKERRY_K_PRIORITY, channel->priority);
	tlv_put_bool(&w, SKERRY_K_MONOTONIC, channel->monotonic);
	tlv_put_bool(&w, SKERRY_K_COMPRESSION, channel->compression);
	tlv_put_u64(&w, SKERRY_K_LANES_UP, up);
	tlv_put_u64(&w, SKERRY_K_SENT_BYTES, sent);
	tlv_put_u64(&w, SKERRY_K_RECEIVED_BYTES, received);
	tlv_put_u64(&w, SKERRY_K_QUEUED_BYTES, queued);
	put_library_counters(agent, index, &w);
	row_end(rows, &w);
}

static void channels(struct rows *rows)
{
	uint32_t i;

	for (i = 0; i < rows->program->agent->settings.channel_count; i++)
		channel_row(rows, i);
}

/* ---- limits and counters --------------------------------------------------------------- */

static void limit_row(struct rows *rows, const char *key, uint64_t limit,
		      uint64_t count)
{
	struct tlv_writer w = row_begin(rows);

	tlv_put_str(&w, SKERRY_K_KEY, key);
	if (limit)
		tlv_put_u64(&w, SKERRY_K_LIMIT, limit);
	tlv_put_u64(&w, SKERRY_K_COUNT, count);
	row_end(rows, &w);
}

static uint64_t count_peers(const struct peers *peers)
{
	uint64_t count = 0;
	uint32_t i;

	for (i = 0; i < peers->room; i++)
		count += peers->list[i] != NULL;
	return count;
}

static void limits(struct rows *rows)
{
	const struct agent *agent = rows->program->agent;
	struct flow_counters flows;

	flow_counters(agent->flows, &flows);
	limit_row(rows, "programs", SKERRY_PROGRAMS_MAX, agent->programs.count);
	limit_row(rows, "endpoints", SKERRY_ENDPOINTS_MAX, flows.endpoints);
	limit_row(rows, "flows_out", SKERRY_FLOWS_MAX, flows.flows_out);
	limit_row(rows, "flows_in", SKERRY_FLOWS_MAX, flows.flows_in);
	limit_row(rows, "peers", agent->settings.members_max,
		  count_peers(&agent->peers));
	limit_row(rows, "fast_sockets", SKERRY_FAST_SOCKETS_MAX,
		  agent->programs.fast_sockets);
	/* Counters: no limit. */
	limit_row(rows, "lanes", 0, agent->lanes.count);
	limit_row(rows, "sent_messages", 0, flows.sent_messages);
	limit_row(rows, "received_messages", 0, flows.received_messages);
	limit_row(rows, "lost_reported", 0, flows.lost_reported);
	limit_row(rows, "late_frames", 0, flows.late_frames);
	limit_row(rows, "fast_dropped", 0, flows.fast_dropped);
	limit_row(rows, "casts_dropped", 0, all_casts(agent));
	limit_row(rows, "garbage_lanes", 0, agent->lanes.garbage);
	limit_row(rows, "garbage_datagrams", 0, agent->udp.garbage);
	limit_row(rows, "refused_lanes", 0, agent->lanes.refused);
	limit_row(rows, "programs_detached", 0, agent->programs.detached);
	limit_row(rows, "datagrams_received", 0, agent->udp.received);
	limit_row(rows, "datagrams_sent", 0, agent->udp.sent);
	limit_row(rows, "datagrams_not_sent", 0, agent->udp.not_sent);
	limit_row(rows, "datagrams_cut", 0, agent->udp.cut);
}

static void endpoints(struct rows *rows)
{
	flow_endpoints(rows->program->agent->flows, put_row, rows);
}

static void kernel(struct rows *rows)
{
	kernel_rows(rows->program->agent->kernel, put_row, rows);
}

static void rules(struct rows *rows)
{
	kernel_rule_rows(rows->program->agent->kernel, put_row, rows);
}

static void discovery(struct rows *rows)
{
	discovery_rows(rows->program->agent, put_row, rows);
}

static const struct {
	const char *name;
	void (*function)(struct rows *rows);
} tables[] = {
	{ "connections", connections }, { "programs", programs },
	{ "channels", channels },	{ "endpoints", endpoints },
	{ "kernel", kernel },		{ "rules", rules },
	{ "limits", limits },		{ "discovery", discovery },
};

int program_rows(struct program *program, uint32_t correlation,
		 const char *query)
{
	static struct rows rows;
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(tables[i].name, query))
			continue;
		rows.program = program;
		rows.correlation = correlation;
		tlv_writer_init(&rows.chunk, rows.bytes, sizeof(rows.bytes));
		tables[i].function(&rows);
		send_chunk(&rows, false);
		return 0;
	}
	return -ENOENT;
}
