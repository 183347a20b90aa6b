// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* link_scan.c - what is due for one member: see link_scan() in link.h. */
#include "link.h"

#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "link_impl.h"

/* The lane that was the membership lane until it was doomed. */
static struct lane *parting_lane(const struct member *member)
{
	struct list *at;

	list_for_each (at, &member->lanes) {
		struct lane *lane = list_object(at, struct lane, link);

		if (lane->state == LANE_UP && lane->routed && !lane->channel &&
		    !lane->index)
			return lane;
	}
	return NULL;
}

static bool tell_removed(struct core *core, struct member *member)
{
	struct lane *lane = parting_lane(member);

	if (!member->tell_removed)
		return true;
	if (!update_fits(&core->update, 1, 512)) {
		core->update.more = true;
		return false;
	}
	member->tell_removed = false;
	if (lane)
		core->overlay->parting(core, member, lane);
	return true;
}

static void close_doomed(struct core *core, struct member *member)
{
	struct list *at;

	if (!tell_removed(core, member))
		return;
	list_for_each (at, &member->lanes) {
		struct lane *lane = list_object(at, struct lane, link);

		if (!lane->doom || lane->state == LANE_CLOSING)
			continue;
		if (!update_fits(&core->update, 2, 256)) {
			core->update.more = true;
			return;
		}
		link_close(core, lane, lane->doom == DOOM_DRAIN,
			   member->reason);
	}
}

/* Where to dial, the likeliest address first. */
static uint32_t dial_addresses(struct member *member,
			       struct skerry_addr list[SKERRY_ADDRS_MAX + 1])
{
	uint32_t count = 0, i;

	if (member->reached) {
		list[count] = member->reach;
		list[count++].port = member->port_block;
	}
	for (i = 0; i < member->address_count; i++) {
		if (count && member->reached &&
		    addr_same_host(&list[0], &member->addresses[i]))
			continue;
		list[count] = member->addresses[i];
		list[count++].port = member->port_block;
	}
	for (i = 0; i < count; i++)
		list[i].port = (uint16_t)(list[i].port + SKERRY_PORT_LANES);
	return count;
}

static bool dial(struct core *core, struct member *member, uint8_t channel,
		 uint8_t index)
{
	struct skerry_addr list[SKERRY_ADDRS_MAX + 1];
	uint32_t count = dial_addresses(member, list);
	struct update *u = &core->update;
	struct link_offer offer = {
		.channel = core->config.channels[channel].name,
		.index = index,
		.generation = *link_seen(core, member, channel, index) + 1,
		.expect = member->name,
		.meant = core->now_ns < core->newcomer_until_ns
				 ? member->incarnation
				 : 0,
		.takeover = core->config.takeover && !core->met,
	};
	struct lane *lane;
	struct core_op *op;

	if (!count)
		return true;
	if (!update_fits(u, 1, SKERRY_SPEC_MAX_BYTES + 1024)) {
		u->more = true;
		return false;
	}
	lane = conntab_add(&core->lanes, conntab_next_id(&core->lanes));
	if (!lane)
		return true;
	lane->member = members_slot(&core->members, member);
	lane->channel = channel;
	lane->index = index;
	lane->generation = offer.generation;
	lane->dialled = true;
	lane->since_ns = core->now_ns;
	list_add_tail(&member->lanes, &lane->link);
	op = update_op(u, OP_DIAL);
	op->lane = lane->id;
	op->dial.addresses = update_copy(u, list, count * sizeof(list[0])).data;
	op->dial.address_count = count;
	op->dial.timeout_ms = CORE_DIAL_MS;
	op->bytes = link_details(core, &offer);
	return true;
}

static bool our_turn(struct core *core, const struct member *member)
{
	if (member->eager || link_smaller(core, member))
		return true;
	if (core->now_ns >= member->missing_ns + CORE_DIAL_TURN_NS)
		return true;
	core_due(core, member->missing_ns + CORE_DIAL_TURN_NS);
	return false;
}

static void dial_missing(struct core *core, struct member *member)
{
	bool all = link_membership(core, member) != NULL;
	uint8_t channel, index;

	if (!member->missing_ns)
		return;
	if (core->now_ns < member->hold_until_ns) {
		core_due(core, member->hold_until_ns);
		return;
	}
	if (core->now_ns < member->dial_at_ns) {
		core_due(core, member->dial_at_ns);
		return;
	}
	if (!our_turn(core, member))
		return;
	for (channel = 0; channel < core->config.channel_count; channel++) {
		/* Nothing else before the membership lane stands. */
		if (channel && !all)
			break;
		if (core->config.channels[channel].datagram)
			continue;
		for (index = 0; index < member->parallelism[channel]; index++) {
			if (link_at(core, member, channel, index))
				continue;
			if (!dial(core, member, channel, index))
				return;
		}
	}
}

static bool ping(struct core *core, struct lane *lane, uint64_t *ret_sequence)
{
	struct core_op *op;

	if (!update_fits(&core->update, 1, 0)) {
		core->update.more = true;
		return false;
	}
	op = update_op(&core->update, OP_SEND);
	op->lane = lane->id;
	op->frame.type = SKERRY_FRAME_PING;
	op->frame.sequence = ++core->ping_sequence;
	if (ret_sequence)
		*ret_sequence = op->frame.sequence;
	return true;
}

/* Silence, or heartbeats that do not come through: ask over the lane. */
static void ping_member(struct core *core, struct member *member)
{
	struct lane *lane = link_membership(core, member);
	uint64_t after_ns = core->detector.settings.ping_after_ms * CORE_MS;
	uint64_t every_ns = core->detector.settings.heartbeat_ms * CORE_MS;
	uint64_t last_ns = member->pulse.beat_ns;

	if (!lane)
		return;
	if (lane->since_ns > last_ns)
		last_ns = lane->since_ns;
	if (core->now_ns < last_ns + after_ns) {
		core_due(core, last_ns + after_ns);
		return;
	}
	if (core->now_ns >= member->pinged_ns + every_ns) {
		if (!ping(core, lane, &member->ping_sequence))
			return;
		member->pinged_ns = core->now_ns;
	}
	core_due(core, member->pinged_ns + every_ns);
}

#define IDLE_PING_NS (10 * CORE_SECOND)

/* An idle lane is asked, too, and fails alone. */
static void check_lane(struct core *core, struct lane *lane)
{
	uint64_t limit_ns = detector_limit_ns(&core->detector);

	if (lane->state == LANE_CLOSING || lane->state == LANE_DIALLING ||
	    lane->state == LANE_ADMITTED) {
		uint64_t until_ns = lane->since_ns + CORE_LANE_LOST_NS;

		if (core->now_ns < until_ns) {
			core_due(core, until_ns);
			return;
		}
		/* Nobody will tell any more how this ended. */
		if (!update_fits(&core->update, 2, 256))
			core->update.more = true;
		else if (lane->state == LANE_CLOSING)
			link_gone(core, lane, "no answer to close");
		else
			link_close(core, lane, false, "handshake stalled");
		return;
	}
	if (lane->pinged_ns && lane->heard_ns >= lane->pinged_ns)
		lane->pinged_ns = 0;
	if (!lane->pinged_ns) {
		if (core->now_ns < lane->heard_ns + IDLE_PING_NS) {
			core_due(core, lane->heard_ns + IDLE_PING_NS);
			return;
		}
		if (!ping(core, lane, NULL))
			return;
		lane->pinged_ns = core->now_ns;
	}
	if (core->now_ns < lane->pinged_ns + limit_ns) {
		core_due(core, lane->pinged_ns + limit_ns);
	} else if (!update_fits(&core->update, 2, 256)) {
		core->update.more = true;
	} else {
		link_close(core, lane, false, "the lane does not answer");
		link_refresh(core, &core->members.slots[lane->member]);
	}
}

static void check_lanes(struct core *core, struct member *member)
{
	struct list *at, *after;

	list_for_each_safe (at, after, &member->lanes)
		check_lane(core, list_object(at, struct lane, link));
}

/* Nothing names the slot any more: it is free again. */
static void reap(struct core *core, struct member *member)
{
	uint32_t slot = members_slot(&core->members, member);

	if (!list_empty(&member->lanes) || member->farewell ||
	    watch_has_news(core, slot))
		return;
	if (member->peer_told) {
		if (!update_fits(&core->update, 1, 0)) {
			core->update.more = true;
			return;
		}
		update_op(&core->update, OP_PEER_GONE)->peer.number = slot;
		member->peer_told = false;
	}
	members_free(&core->members, member);
}

/* Once all lanes have stood for a while, the next loss starts afresh. */
static void calm(struct core *core, struct member *member)
{
	if (!member->complete_ns || !member->backoff_ms)
		return;
	if (core->now_ns >= member->complete_ns + CORE_DIAL_TURN_NS)
		member->backoff_ms = 0;
	else
		core_due(core, member->complete_ns + CORE_DIAL_TURN_NS);
}

void link_scan(struct core *core, struct member *member)
{
	if (member->status == MEMBER_FREE)
		return;
	if (member->self) {
		/* Those that were admitted only to be told something. */
		check_lanes(core, member);
		return;
	}
	if (member_counts(member)) {
		link_judge(core, member);
		if (member->peer_due) {
			if (!update_fits(&core->update, 1, 1024)) {
				core->update.more = true;
				return;
			}
			link_tell_peer(core, member);
		}
	}
	close_doomed(core, member);
	check_lanes(core, member);
	if (member_counts(member)) {
		ping_member(core, member);
		calm(core, member);
		if (core_open(core) && core->overlay->neighbour(core, member))
			dial_missing(core, member);
	} else {
		reap(core, member);
	}
}
