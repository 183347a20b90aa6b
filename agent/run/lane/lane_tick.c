// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lane_tick.c - what time does to lanes: time-outs, a look at each once a
 * second; see lane.h. */
#include <errno.h>

#include "run/agent.h"
#include "run/driver.h"
#include "lane.h"
#include "run/tcpinfo.h"

#define MS 1000000ULL
#define STALL_NS (10000 * MS)
#define SECOND_NS (1000 * MS)

static void timed_out(struct lane *lane)
{
	switch (lane->state) {
	case LANE_DIALLING:
		lane_dial_next(lane);
		break;
	case LANE_CONNECTED:
		if (lane->drained || lane->peer_draining ||
		    lanefsm_state(lane->fsm) == LANEFSM_DRAINING)
			lane_end(lane, LANE_END_DRAINED, 0, 0,
				 "not drained in time");
		else
			lane_end(lane, LANE_END_TIMEOUT, -ETIMEDOUT, 0,
				 "no handshake in time");
		break;
	case LANE_ENDED:
		break;
	}
}

static void look_at_tcp(struct lane *lane)
{
	struct tcpinfo info;

	if (tcpinfo_read(lane->fd, &info))
		return;
	lane->round_trip_us = info.round_trip_us;
	lane->retransmits = info.retransmits;
	driver_lane_seen(lane, info.sent_packets, info.received_packets);
}

static void every_second(struct lane *lane)
{
	uint64_t bytes = lane->sent_bytes + lane->received_bytes;

	if (lane->state != LANE_CONNECTED)
		return;
	look_at_tcp(lane);
	if (bytes == lane->seen_bytes)
		lane_buffers_give_back(lane);
	lane->seen_bytes = bytes;
}

void lanes_tick(struct agent *agent, uint64_t now_ns)
{
	struct lanes *lanes = &agent->lanes;
	bool second = now_ns >= lanes->second_at_ns;
	struct lane *lane, *next;

	if (now_ns < lanes->tick_at_ns)
		return;
	if (second)
		lanes->second_at_ns = now_ns + SECOND_NS;
	lanes->tick_at_ns = lanes->second_at_ns;
	for (lane = lanes->first; lane; lane = next) {
		next = lane->next;
		if (lane->state == LANE_ENDED)
			continue;
		if (lane->deadline_ns && lane->deadline_ns <= now_ns) {
			lane->deadline_ns = 0;
			timed_out(lane);
		} else if (lane->stalled_ns &&
			   now_ns - lane->stalled_ns > STALL_NS) {
			lane->abort = true;
			lane_end(lane, LANE_END_TIMEOUT, -ETIMEDOUT, 0,
				 "the peer reads nothing");
		}
		if (lane->deadline_ns && lane->state != LANE_ENDED &&
		    lane->deadline_ns < lanes->tick_at_ns)
			lanes->tick_at_ns = lane->deadline_ns;
		if (second)
			every_second(lane);
	}
}
