// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* link.c - see link.h. */
#include "link.h"

#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "gossip.h"
#include "link_impl.h"

struct core_bytes link_details(struct core *core,
			       const struct link_offer *offer)
{
	struct update *u = &core->update;
	size_t room = SKERRY_SPEC_MAX_BYTES + 512;
	struct core_bytes spec = members_spec(&core->members, core->self);
	struct core_bytes bytes = { 0 };
	struct tlv_writer w;
	size_t mark;
	void *at = update_alloc(u, room);

	if (!at)
		return bytes;
	tlv_writer_init(&w, at, room);
	tlv_put_str(&w, SKERRY_K_CLUSTER, core->config.cluster);
	tlv_put(&w, SKERRY_K_SPEC, spec.data, spec.size_bytes);
	tlv_put_str(&w, SKERRY_K_CHANNEL, offer->channel);
	tlv_put_u64(&w, SKERRY_K_LANE, offer->index);
	tlv_put_u64(&w, SKERRY_K_GENERATION, offer->generation);
	tlv_put_u64(&w, SKERRY_K_FEATURES_OFFERED, 0);
	tlv_put_u64(&w, SKERRY_K_FEATURES_REQUIRED, 0);
	if (offer->expect && offer->expect[0])
		tlv_put_str(&w, SKERRY_K_EXPECT, offer->expect);
	if (offer->meant)
		tlv_put_u64(&w, SKERRY_K_INCARNATION, offer->meant);
	if (offer->pending)
		tlv_put_bool(&w, SKERRY_K_PENDING, true);
	if (offer->left)
		tlv_put_bool(&w, SKERRY_K_LEFT, true);
	if (offer->takeover)
		tlv_put_bool(&w, SKERRY_K_TAKEOVER, true);
	if (offer->tell.incarnation) {
		mark = tlv_begin(&w, SKERRY_K_MEMBER);
		tlv_put_u64(&w, SKERRY_K_INCARNATION, offer->tell.incarnation);
		tlv_put_bool(&w, SKERRY_K_REMOVED, offer->tell.removed);
		if (offer->told)
			tlv_put_str(&w, SKERRY_K_NODE, offer->told);
		tlv_end(&w, mark);
	}
	update_trim(u, at, w.used_bytes);
	bytes.data = at;
	bytes.size_bytes = w.full ? 0 : w.used_bytes;
	return bytes;
}

static bool lane_open(const struct lane *lane)
{
	return lane->state != LANE_CLOSING && !lane->doom && !lane->tells;
}

struct lane *link_at(const struct core *core, const struct member *member,
		     uint8_t channel, uint8_t index)
{
	struct lane *found = NULL;
	struct list *at;

	list_for_each (at, &member->lanes) {
		struct lane *lane = list_object(at, struct lane, link);

		if (!lane_open(lane) || lane->channel != channel ||
		    lane->index != index)
			continue;
		if (!found || lane->state > found->state)
			found = lane;
	}
	return found;
}

struct lane *link_membership(const struct core *core,
			     const struct member *member)
{
	struct lane *lane = link_at(core, member, 0, 0);

	return lane && lane->routed ? lane : NULL;
}

void link_count(const struct core *core, const struct member *member,
		uint32_t *ret_wanted, uint32_t *ret_up)
{
	struct lane *lane;
	struct list *at;
	uint32_t i;

	*ret_wanted = 0;
	*ret_up = 0;
	for (i = 0; i < core->config.channel_count; i++) {
		if (!core->config.channels[i].datagram)
			*ret_wanted += member->parallelism[i];
	}
	list_for_each (at, &member->lanes) {
		lane = list_object(at, struct lane, link);
		*ret_up += lane->routed && !lane->doom;
	}
}

bool link_complete(const struct core *core, const struct member *member)
{
	uint32_t wanted, up;

	link_count(core, member, &wanted, &up);
	return wanted && up >= wanted;
}

uint64_t *link_seen(const struct core *core, struct member *member,
		    uint8_t channel, uint8_t index)
{
	return &member->seen[core->channel_place[channel] + index];
}

bool link_smaller(const struct core *core, const struct member *member)
{
	return strcmp(core->config.name, member->name) < 0;
}

bool link_beats(const struct core *core, const struct member *member,
		uint64_t generation, bool dialled, const struct lane *old)
{
	bool by_smaller = dialled == link_smaller(core, member);
	bool old_by_smaller = old->dialled == link_smaller(core, member);

	if (generation != old->generation)
		return generation > old->generation;
	if (by_smaller != old_by_smaller)
		return by_smaller;
	return old->state != LANE_UP;
}

/* ---- what the lanes say of the member ----------------------------------- */

static uint16_t channels_up(const struct core *core,
			    const struct member *member)
{
	uint16_t bits = 0;
	struct list *at;
	uint32_t i;

	list_for_each (at, &member->lanes) {
		struct lane *lane = list_object(at, struct lane, link);

		if (lane->routed && !lane->doom)
			bits |= (uint16_t)(1U << lane->channel);
	}
	for (i = 0; i < core->config.channel_count; i++) {
		if (core->config.channels[i].datagram &&
		    member->parallelism[i] && detector_state_up(member->state))
			bits |= (uint16_t)(1U << i);
	}
	return bits;
}

/* After any change of lanes or state: channels, what is missing, watches. */
void link_refresh(struct core *core, struct member *member)
{
	uint16_t before = member->channels_up;
	bool lane_up = link_membership(core, member) != NULL;
	uint32_t i;

	member->channels_up = channels_up(core, member);
	for (i = 0; i < core->config.channel_count; i++) {
		bool up = (member->channels_up & 1U << i) != 0;

		if (up != ((before & 1U << i) != 0))
			watch_changed(core, member, (int)i, up);
	}
	if (!lane_up && !member->pulse.lane_lost_ns)
		pulse_lane(&member->pulse, false, core->now_ns);
	if (link_complete(core, member)) {
		if (!member->complete_ns)
			member->complete_ns = core->now_ns;
		member->missing_ns = 0;
		member->eager = false;
	} else {
		if (!member->missing_ns)
			member->missing_ns = core->now_ns;
		member->complete_ns = 0;
	}
	core_due(core, core->now_ns);
}

void link_doom(struct core *core, struct member *member, enum lane_doom how,
	       bool all)
{
	struct list *at;

	list_for_each (at, &member->lanes) {
		struct lane *lane = list_object(at, struct lane, link);

		if (lane->state == LANE_CLOSING || lane->doom == DOOM_ABORT)
			continue;
		if (all || lane->state == LANE_UP)
			lane->doom = (uint8_t)how;
	}
	link_refresh(core, member);
}

static void set_state(struct core *core, struct member *member,
		      enum detector_state state,
		      const char reason[DETECTOR_REASON_BYTES])
{
	bool was_up = detector_state_up(member->state);
	bool up = detector_state_up(state);

	member->state = (uint8_t)state;
	memcpy(member->reason, reason, sizeof(member->reason));
	member->since_us = core->wall_us;
	member->peer_due = true;
	if (up != was_up)
		watch_changed(core, member, -1, up);
	link_refresh(core, member);
	notice(core,
	       state == DETECTOR_DOWN || state == DETECTOR_ONE_WAY
		       ? CORE_LOG_WARNING
		       : CORE_LOG_INFO,
	       detector_state_name(state), member->name, reason);
	if (was_up && !up) {
		link_doom(core, member, DOOM_ABORT, false);
		member->backoff_ms = 0;
		member->dial_at_ns = core->now_ns;
	}
}

void link_judge(struct core *core, struct member *member)
{
	char reason[DETECTOR_REASON_BYTES];
	enum detector_state state;
	uint64_t again_ns;

	state = detector_judge(&core->detector, &member->pulse, member->state,
			       link_membership(core, member) != NULL,
			       core->now_ns, reason, &again_ns);
	if (again_ns != UINT64_MAX)
		core_due(core, again_ns);
	if (state != (enum detector_state)member->state)
		set_state(core, member, state, reason);
}

/* ---- lanes come and go --------------------------------------------------- */

static void route_gone(struct core *core, struct lane *lane)
{
	struct core_op *op;

	if (!lane->routed)
		return;
	lane->routed = false;
	op = update_op(&core->update, OP_ROUTE_GONE);
	op->lane = lane->id;
	op->route.peer = lane->member;
	op->route.channel = lane->channel;
	op->route.index = lane->index;
	op->route.generation = lane->generation;
}

void link_close(struct core *core, struct lane *lane, bool drain,
		const char *why)
{
	bool drains = drain && lane->state == LANE_UP;
	struct core_op *op;

	/* What programs have written goes out while the lane drains: only
	 * then its flows lose it. */
	if (!drains)
		route_gone(core, lane);
	op = update_op(&core->update, OP_CLOSE);
	op->lane = lane->id;
	op->drain = drains;
	op->text = update_text(&core->update, why);
	route_gone(core, lane);
	lane->state = LANE_CLOSING;
	lane->since_ns = core->now_ns;
}

/* As enum skerry_peer_state of <skerry/maps.h>, which needs kernel types. */
static uint8_t peer_state(const struct member *member)
{
	switch (member->state) {
	case DETECTOR_UP:
		return 1;
	case DETECTOR_SUSPECT:
		return 2;
	case DETECTOR_LEAVING:
		return 4;
	default:
		return 3;
	}
}

void link_tell_peer(struct core *core, struct member *member)
{
	struct update *u = &core->update;
	struct core_op *op = update_op(u, OP_PEER);

	op->peer.number = members_slot(&core->members, member);
	op->peer.name = update_text(u, member->name);
	op->peer.incarnation = member->incarnation;
	op->peer.boot_nonce = member->boot_nonce;
	op->peer.state = peer_state(member);
	op->peer.addresses = update_copy(u, member->addresses,
					 member->address_count *
						 sizeof(member->addresses[0]))
				     .data;
	op->peer.address_count = op->peer.addresses ? member->address_count : 0;
	memcpy(op->peer.parallelism, member->parallelism,
	       sizeof(op->peer.parallelism));
	member->peer_due = false;
	member->peer_told = true;
}

/* The new lane takes the place; the one it replaces drains. */
static void take_place(struct core *core, struct member *member,
		       struct lane *lane)
{
	struct core_op *op;
	struct list *at;

	if (member->peer_due)
		link_tell_peer(core, member);
	op = update_op(&core->update, OP_ROUTE);
	op->lane = lane->id;
	op->route.peer = lane->member;
	op->route.channel = lane->channel;
	op->route.index = lane->index;
	op->route.generation = lane->generation;
	lane->routed = true;
	list_for_each (at, &member->lanes) {
		struct lane *old = list_object(at, struct lane, link);

		if (old == lane || old->channel != lane->channel ||
		    old->index != lane->index || old->state != LANE_UP)
			continue;
		old->routed = false;
		link_close(core, old, true, "replaced by a newer lane");
	}
}

static void settle_member(struct core *core, struct member *member)
{
	if (member->status != MEMBER_GUEST && member->status != MEMBER_CONTACT)
		return;
	members_set_status(&core->members, member, MEMBER_LIVE);
	member->greet = true;
	member->peer_due = true;
	core->persist_due = true;
	gossip_rejoined(core, member);
	notice(core, CORE_LOG_INFO, "joined", member->name,
	       "it is a member now");
	core->overlay->join(core, member);
}

void link_up(struct core *core, struct lane *lane)
{
	struct member *member = &core->members.slots[lane->member];
	uint64_t *seen = link_seen(core, member, lane->channel, lane->index);

	lane->state = LANE_UP;
	lane->since_ns = core->now_ns;
	lane->heard_ns = core->now_ns;
	if (lane->generation > *seen)
		*seen = lane->generation;
	core->met = true;
	core->belongs = true;
	settle_member(core, member);
	take_place(core, member, lane);
	pulse_heard(&member->pulse, core->now_ns);
	if (!lane->channel && !lane->index) {
		pulse_lane(&member->pulse, true, core->now_ns);
		/* The other side has its turn for the rest first. */
		member->missing_ns = core->now_ns;
		member->dial_at_ns = core->now_ns;
		member->beat_due = true;
		core->overlay->lane_up(core, member);
	}
	link_refresh(core, member);
	if (lane->join != CONNTAB_NONE) {
		core->newcomer_until_ns = core->now_ns + CORE_NEWCOMER_NS;
		join_answered(core, lane->join, member);
		lane->join = CONNTAB_NONE;
	}
}

void link_gone(struct core *core, struct lane *lane, const char *why)
{
	struct member *member;
	bool membership;

	if (lane->member == CONNTAB_NONE) {
		conntab_del(&core->lanes, lane);
		return;
	}
	member = &core->members.slots[lane->member];
	membership = lane->routed && !lane->channel && !lane->index;
	route_gone(core, lane);
	conntab_del(&core->lanes, lane);
	link_refresh(core, member);
	if (membership) {
		core->overlay->lane_down(core, member);
		notice(core, CORE_LOG_INFO, "lane-lost", member->name, why);
	}
}

uint64_t link_jitter_ns(struct core *core, uint32_t delay_ms)
{
	uint64_t quarter = delay_ms * CORE_MS / 4;
	uint64_t off = rng_below(&core->rng_dial, 2 * quarter + 1);

	return delay_ms * CORE_MS - quarter + off;
}

void link_backoff(struct core *core, struct member *member, bool grow)
{
	uint32_t min = core->config.redial_min_ms;
	uint32_t max = core->config.redial_max_ms;

	/* Several lanes that fail together are one failure. */
	if (member->dial_at_ns > core->now_ns)
		return;
	if (!member->backoff_ms || !grow)
		member->backoff_ms = min;
	else
		member->backoff_ms = member->backoff_ms > max / 2
					     ? max
					     : member->backoff_ms * 2;
	member->dial_at_ns =
		core->now_ns + link_jitter_ns(core, member->backoff_ms);
	core_due(core, member->dial_at_ns);
}
