// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * driver_lane.c - what lanes and datagrams bring, sorted into the two
 * planes: flows are handled at once, all else is the core's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "agent.h"
#include "driver.h"
#include "log.h"
#include "netaddr.h"

void driver_lane_hello(struct lane *lane, struct core_bytes details)
{
	struct core_event event = {
		.type = EV_LANE_HELLO,
		.lane = lane->id,
		.hello = { .accepted = lane->accepted,
			   .details = details,
			   .remote = lane->remote },
	};
	int err = driver_event(lane->agent, &event);

	if (err)
		lane_refuse(lane->agent, lane->id, err,
			    err == -EPROTO ? "malformed details"
					   : strerror(-err));
}

void driver_lane_up(struct lane *lane)
{
	struct core_event event = { .type = EV_LANE_UP, .lane = lane->id };

	/* A dialled lane comes up inside the operation that admits it. */
	driver_later(lane->agent, &event);
}

static bool is_flow_frame(uint8_t type)
{
	return type >= SKERRY_FRAME_FLOW_OPEN && type <= SKERRY_FRAME_SKIP;
}

static void flow_plane(struct lane *lane, const struct skerry_frame *frame,
		       struct core_bytes extensions, struct core_bytes payload)
{
	const char *why = "malformed";
	int err;

	/*
	 * A lane has its route before its first frame is read, and loses it
	 * with its peer, which closes it: what comes then is late. On a lane
	 * that goes on, a flow would wait for ever for what was dropped.
	 */
	if (!lane->routed) {
		if (lanefsm_state(lane->fsm) == LANEFSM_UP)
			lane_reject(lane, -ENOTCONN, "flows without a route");
		return;
	}
	err = flow_frame(lane->agent->flows, lane->id, lane->peer,
			 lane->channel, frame, extensions, payload,
			 lane->agent->now_ns, &why);
	if (err)
		lane_reject(lane, err, why);
}

static void control_plane(struct lane *lane, const struct skerry_frame *frame,
			  struct core_bytes payload)
{
	struct core_event event = {
		.type = EV_FRAME,
		.lane = lane->id,
		.frame = { .type = frame->type,
			   .sequence = frame->sequence,
			   .payload = payload },
	};

	if (driver_event(lane->agent, &event) == -EPROTO)
		lane_reject(lane, -EPROTO, "malformed control frame");
}

void driver_lane_frame(struct lane *lane, const struct skerry_frame *frame,
		       struct core_bytes extensions, struct core_bytes payload)
{
	if (is_flow_frame(frame->type))
		flow_plane(lane, frame, extensions, payload);
	else
		control_plane(lane, frame, payload);
}

static void simple_event(struct lane *lane, enum core_event_type type)
{
	struct core_event event = { .type = type, .lane = lane->id };

	driver_later(lane->agent, &event);
}

void driver_lane_heard(struct lane *lane)
{
	simple_event(lane, EV_HEARD);
}

void driver_lane_blocked(struct lane *lane)
{
	simple_event(lane, EV_LANE_BLOCKED);
}

void driver_lane_writable(struct lane *lane)
{
	simple_event(lane, EV_LANE_WRITABLE);
}

void driver_lane_drained_some(struct lane *lane)
{
	if (lane->routed)
		flow_lane_writable(lane->agent->flows, lane->id,
				   agent_now_ns());
}

void driver_lane_draining(struct lane *lane)
{
	flow_lane_drain(lane->agent->flows, lane->id, agent_now_ns());
}

/* ---- the end --------------------------------------------------------------- */

static struct skerry_conn_key conn_key(const struct lane *lane)
{
	struct skerry_conn_key key = { .local_port = lane->local.port,
				       .remote_port = lane->remote.port,
				       .protocol = IPPROTO_TCP };

	memcpy(key.local_ip, lane->local.ip, sizeof(key.local_ip));
	memcpy(key.remote_ip, lane->remote.ip, sizeof(key.remote_ip));
	return key;
}

void driver_lane_ended(struct lane *lane)
{
	struct agent *agent = lane->agent;
	struct core_event event = { .lane = lane->id, .error = lane->error };
	struct peer *peer =
		lane->routed ? peers_find(&agent->peers, lane->peer) : NULL;
	struct skerry_conn_key key;

	if (lane->told_kernel) {
		key = conn_key(lane);
		kernel_conn_gone(agent->kernel, &key);
	}
	if (lane->routed)
		flow_lane_gone(agent->flows, lane->id, agent_now_ns());
	if (peer && peer->lanes[lane->channel][lane->index] == lane->id)
		peer->lanes[lane->channel][lane->index] = 0;
	if (!lane->accepted && !lane->local.port &&
	    lane->end != LANE_END_LOCAL) {
		event.type = EV_DIAL_FAILED;
	} else {
		event.type = EV_LANE_DOWN;
		event.lane_down.end = lane->end;
		event.lane_down.generation_seen = lane->generation_seen;
		memcpy(event.lane_down.text, lane->text,
		       sizeof(event.lane_down.text));
	}
	driver_later(agent, &event);
}

void driver_lane_seen(struct lane *lane, uint64_t sent_packets,
		      uint64_t received_packets)
{
	struct agent *agent = lane->agent;
	struct skerry_conn_key key = conn_key(lane);
	struct skerry_conn conn = {
		.lane = lane->index,
		.sent_packets = sent_packets,
		.received_packets = received_packets,
		.sent_bytes = lane->sent_bytes,
		.received_bytes = lane->received_bytes,
		.round_trip_us = lane->round_trip_us,
		.retransmits = lane->retransmits,
	};

	if (!lane->routed)
		return;
	conn.peer = kernel_peer_id(agent->kernel, lane->peer);
	strncpy(conn.channel, lane_channel_name(lane),
		sizeof(conn.channel) - 1);
	if (!kernel_conn(agent->kernel, &key, &conn))
		lane->told_kernel = true;
}

/* ---- datagrams --------------------------------------------------------------- */

static void garbage(struct agent *agent, const struct skerry_addr *from,
		    const char *why)
{
	char address[NETADDR_TEXT_BYTES];

	agent->udp.garbage++;
	netaddr_text(from, address);
	*strrchr(address, ':') = 0; /* a stranger's ports vary */
	if (log_once("datagram_garbage", address, agent_now_ns()))
		log_text(CORE_LOG_WARNING, "datagram_garbage",
			 "%s: dropped: %s", address, why);
}

static void fast_datagram(struct agent *agent, const struct skerry_addr *from,
			  struct core_bytes bytes)
{
	struct skerry_dgram header;
	struct core_bytes payload;

	if (bytes.size_bytes < sizeof(header)) {
		garbage(agent, from, "shorter than a header");
		return;
	}
	memcpy(&header, bytes.data, sizeof(header));
	if (header.magic != SKERRY_DGRAM_MAGIC ||
	    header.version != SKERRY_WIRE_VERSION ||
	    header.type != SKERRY_DGRAM_FAST ||
	    header.header_length < sizeof(header) ||
	    header.header_length > bytes.size_bytes) {
		garbage(agent, from, "no fast datagram");
		return;
	}
	payload.data = (const uint8_t *)bytes.data + header.header_length;
	payload.size_bytes = bytes.size_bytes - header.header_length;
	if (flow_fast(agent->flows, header.id, header.sequence, header.flags,
		      from, payload, agent_now_ns()) == -ENOENT)
		garbage(agent, from, "no such fast lane of this sender");
}

void driver_datagram(struct agent *agent, uint8_t port,
		     const struct skerry_addr *from, struct core_bytes bytes)
{
	struct core_event event = {
		.type = EV_DATAGRAM,
		.datagram = { .port = port, .from = *from, .bytes = bytes },
	};

	if (port != SKERRY_PORT_PARTITION &&
	    cuts_hold_address(agent, from, CUT_FROM_PEER)) {
		cuts_held_address(agent, from, CUT_FROM_PEER, bytes.size_bytes);
		agent->udp.cut++;
		return;
	}
	if (port == SKERRY_PORT_FAST) {
		fast_datagram(agent, from, bytes);
		return;
	}
	if (driver_event(agent, &event) == -EPROTO)
		garbage(agent, from, "malformed or not of this cluster");
}
