// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_lane.c - lanes, their routes, and what is due on them; see flow.h. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

/* ---- the flows of a lane, by number --------------------------------------- */

struct flow_in *flow_lane_in(const struct flow_lane *lane, uint32_t number)
{
	uint32_t index = number & 0xffffU;
	const struct flow_page *page = lane->pages[index / FLOW_PAGE];
	struct flow_in *in = page ? page->ins[index % FLOW_PAGE] : NULL;

	return in && in->number == number ? in : NULL;
}

int flow_lane_map(struct flowtab *tab, struct flow_lane *lane,
		  struct flow_in *in, uint32_t number)
{
	uint32_t index = number & 0xffffU;
	struct flow_page *page = lane->pages[index / FLOW_PAGE];

	if (page && page->ins[index % FLOW_PAGE])
		return -EEXIST;
	if (!page) {
		page = flow_pool_get(&tab->pages);
		if (!page)
			return -ENOSPC;
		memset(page, 0, sizeof(*page));
		page->index = index / FLOW_PAGE;
		lane->pages[page->index] = page;
	}
	page->ins[index % FLOW_PAGE] = in;
	page->used++;
	in->number = number;
	in->lane = lane;
	in->mapped = true;
	list_add_tail(&lane->ins, &in->lane_link);
	return 0;
}

void flow_lane_unmap(struct flowtab *tab, struct flow_in *in)
{
	struct flow_lane *lane = in->lane;
	uint32_t index = in->number & 0xffffU;
	struct flow_page *page;

	list_del(&in->lane_link);
	list_del(&in->due_link);
	in->lane = NULL;
	in->due = 0;
	if (!in->mapped)
		return;
	in->mapped = false;
	page = lane->pages[index / FLOW_PAGE];
	page->ins[index % FLOW_PAGE] = NULL;
	if (--page->used == 0) {
		lane->pages[page->index] = NULL;
		flow_pool_put(&tab->pages, page);
	}
}

/* ---- lanes ---------------------------------------------------------------- */

void flow_lane_setup(struct flow_lane *lane)
{
	memset(lane, 0, sizeof(*lane));
	list_init(&lane->outs);
	list_init(&lane->ins);
	list_init(&lane->due_outs);
	list_init(&lane->due_ins);
	list_init(&lane->hungry);
	list_init(&lane->dirty);
	list_init(&lane->starved);
}

static struct flow_lane *lane_find(struct flowtab *tab, uint64_t id)
{
	uint64_t hash = hash_mix(id);
	struct flow_chain *at;
	struct flow_lane *lane = tab->last_lane;

	if (lane && lane->id == id)
		return lane;
	at = flow_hash_first(&tab->lane_ids, hash);
	for (; at; at = flow_hash_next(at->next, hash)) {
		lane = list_object(at, struct flow_lane, chain);
		if (lane->id == id) {
			tab->last_lane = lane;
			return lane;
		}
	}
	return NULL;
}

struct flow_lane *flow_lane_get(struct flowtab *tab, uint64_t id, uint32_t peer,
				uint8_t channel)
{
	struct flow_lane *lane = lane_find(tab, id);

	if (lane)
		return lane;
	lane = flow_pool_get(&tab->lanes);
	if (!lane)
		return NULL;
	flow_lane_setup(lane);
	lane->id = id;
	lane->peer = peer;
	lane->channel = channel;
	flow_hash_add(&tab->lane_ids, &lane->chain, hash_mix(id));
	tab->last_lane = lane;
	return lane;
}

static uint64_t lane_queued(struct flowtab *tab, const struct flow_lane *lane)
{
	return tab->ops->queued(tab->ops_data, lane->id);
}

int flow_lane_send(struct flowtab *tab, struct flow_lane *lane,
		   const struct skerry_frame *frame,
		   struct core_bytes extensions, struct core_bytes payload)
{
	uint64_t cost =
		sizeof(*frame) + extensions.size_bytes + payload.size_bytes;
	const char *why;

	/* Here a frame always arrives; what it may be refused for is told by
	 * the frames that answer it. */
	if (lane->self) {
		flow_frame_handle(tab, lane, frame, extensions, payload, &why);
		return 0;
	}
	/* Credit that libraries have been shown is not for other frames. */
	if (frame->type != SKERRY_FRAME_DATA &&
	    lane_queued(tab, lane) + lane->unspent_bytes + cost >
		    tab->limits.lane_queue_bytes)
		return -ENOBUFS;
	return tab->ops->send(tab->ops_data, lane->id, frame, extensions,
			      payload);
}

void flow_lane_dirty(struct flowtab *tab, struct flow_lane *lane)
{
	if (list_empty(&lane->dirty))
		list_add_tail(&tab->dirty_lanes, &lane->dirty);
}

static void lane_starved(struct flowtab *tab, struct flow_lane *lane)
{
	if (list_empty(&lane->starved))
		list_add_tail(&tab->starved_lanes, &lane->starved);
	flow_wake_by(tab, tab->now_ns + FLOW_SCAN_NS);
}

/* Credit for the hungry, one after the other; the first that cannot have a
 * whole record waits, and the others behind it. */
static void lane_feed(struct flowtab *tab, struct flow_lane *lane)
{
	uint64_t limit = tab->limits.lane_queue_bytes - FLOW_QUEUE_RESERVE;
	uint64_t used, room, need, least, give;
	struct flow_out *out;

	if (list_empty(&lane->hungry))
		return;
	used = lane->self ? 0 : lane_queued(tab, lane) + lane->unspent_bytes;
	room = lane->self ? UINT64_MAX : used < limit ? limit - used : 0;
	while (!list_empty(&lane->hungry)) {
		out = list_object(lane->hungry.next, struct flow_out,
				  hungry_link);
		need = flow_out_target(out);
		if (need <= out->sent + out->unspent) {
			flow_out_sated(out);
			continue;
		}
		need -= out->sent + out->unspent;
		least = out->unspent < FLOW_UNIT_BYTES
				? FLOW_UNIT_BYTES - out->unspent
				: FLOW_UNIT_BYTES / 2;
		least = flow_min(least, need);
		give = flow_min(need,
				flow_max(least, room / lane->hungry_count));
		if (give > room) {
			lane_starved(tab, lane);
			return;
		}
		flow_out_sated(out);
		room -= give;
		out->unspent += give;
		out->active_ns = tab->now_ns;
		lane->unspent_bytes += give;
		flow_out_show(tab, out);
		flow_out_serve(tab, out);
	}
}

void flow_lane_flush(struct flowtab *tab, struct flow_lane *lane)
{
	struct list *at;

	list_del(&lane->starved);
	while (!list_empty(&lane->due_ins)) {
		at = lane->due_ins.next;
		if (flow_in_flush(tab,
				  list_object(at, struct flow_in, due_link)))
			goto starved;
	}
	while (!list_empty(&lane->due_outs)) {
		at = lane->due_outs.next;
		if (flow_out_flush(tab,
				   list_object(at, struct flow_out, due_link)))
			goto starved;
	}
	lane_feed(tab, lane);
	return;
starved:
	lane_starved(tab, lane);
}

void flow_lane_writable(struct flowtab *tab, uint64_t id, uint64_t now_ns)
{
	struct flow_lane *lane;

	if (list_empty(&tab->starved_lanes))
		return;
	lane = lane_find(tab, id);
	if (!lane || list_empty(&lane->starved))
		return;
	flow_time(tab, now_ns);
	flow_lane_dirty(tab, lane);
	flow_settle(tab);
}

void flow_lane_tick(struct flowtab *tab)
{
	struct list *at, *after;

	list_for_each_safe (at, after, &tab->starved_lanes) {
		struct flow_lane *lane =
			list_object(at, struct flow_lane, starved);

		if (!list_empty(&lane->hungry))
			flow_out_share(tab, lane);
		flow_lane_dirty(tab, lane);
		flow_wake_by(tab, tab->now_ns + FLOW_SCAN_NS);
	}
}

/* ---- places --------------------------------------------------------------- */

static uint64_t place_hash(uint32_t peer, uint8_t channel)
{
	return hash_mix(((uint64_t)peer << 8) + channel);
}

static struct flow_place *place_find(struct flowtab *tab, uint32_t peer,
				     uint8_t channel)
{
	uint64_t hash = place_hash(peer, channel);
	struct flow_chain *at = flow_hash_first(&tab->place_ids, hash);
	struct flow_place *place;

	for (; at; at = flow_hash_next(at->next, hash)) {
		place = list_object(at, struct flow_place, chain);
		if (place->peer == peer && place->channel == channel)
			return place;
	}
	return NULL;
}

struct flow_place *flow_place_get(struct flowtab *tab, uint32_t peer,
				  uint8_t channel)
{
	struct flow_place *place = place_find(tab, peer, channel);

	if (place)
		return place;
	place = flow_pool_get(&tab->places);
	if (!place)
		return NULL;
	memset(place, 0, sizeof(*place));
	place->peer = peer;
	place->channel = channel;
	list_init(&place->outs);
	flow_hash_add(&tab->place_ids, &place->chain,
		      place_hash(peer, channel));
	return place;
}

void flow_place_release(struct flowtab *tab, struct flow_place *place)
{
	uint32_t i;

	if (!place || place->held || !list_empty(&place->outs))
		return;
	for (i = 0; i < SKERRY_PARALLELISM_MAX; i++) {
		if (place->lanes[i])
			return;
	}
	flow_hash_del(&tab->place_ids, &place->chain);
	flow_pool_put(&tab->places, place);
}

void flow_lane_leave(struct flowtab *tab, struct flow_lane *lane)
{
	struct list *at;

	lane->leaving = true;
	list_for_each (at, &lane->outs) {
		struct flow_out *out =
			list_object(at, struct flow_out, lane_link);

		flow_out_sated(out);
		flow_out_revoke(tab, out, OUT_REVOKE_SHARE);
	}
}

int flow_route(struct flowtab *tab, uint32_t peer, uint64_t peer_incarnation,
	       uint8_t channel, uint8_t index, uint8_t parallelism, uint64_t id,
	       uint64_t now_ns)
{
	struct flow_place *place;
	struct flow_lane *lane, *old;
	struct list *at;

	if (channel >= SKERRY_CHANNELS_MAX || index >= SKERRY_PARALLELISM_MAX ||
	    parallelism > SKERRY_PARALLELISM_MAX)
		return -EINVAL;
	flow_time(tab, now_ns);
	lane = flow_lane_get(tab, id, peer, channel);
	if (!lane)
		return -ENOSPC;
	place = flow_place_get(tab, peer, channel);
	if (!place)
		return -ENOSPC;
	if (lane->place && (lane->place != place || lane->index != index)) {
		old = lane;
		old->place->lanes[old->index] = NULL;
		if (old->place != place)
			flow_place_release(tab, old->place);
	}
	old = place->lanes[index];
	if (old && old != lane) {
		old->place = NULL;
		flow_lane_leave(tab, old);
	}
	place->parallelism = parallelism ? parallelism : 1;
	place->lanes[index] = lane;
	lane->place = place;
	lane->index = index;
	lane->leaving = false;
	list_for_each (at, &place->outs) {
		struct flow_out *out =
			list_object(at, struct flow_out, place_link);

		if (!out->lane)
			flow_out_bind(tab, out);
	}
	if (!channel && !index)
		flow_in_returned(tab, peer);
	flow_settle(tab);
	return 0;
}

void flow_lane_drain(struct flowtab *tab, uint64_t id, uint64_t now_ns)
{
	struct flow_lane *lane = lane_find(tab, id);

	if (!lane)
		return;
	flow_time(tab, now_ns);
	flow_lane_leave(tab, lane);
	flow_settle(tab);
}

void flow_lane_gone(struct flowtab *tab, uint64_t id, uint64_t now_ns)
{
	struct flow_lane *lane = lane_find(tab, id);
	struct flow_place *place;
	struct list *at, *after;

	if (!lane)
		return;
	flow_time(tab, now_ns);
	place = lane->place;
	if (place)
		place->lanes[lane->index] = NULL;
	lane->place = NULL;
	list_for_each_safe (at, after, &lane->outs)
		flow_out_down(tab, list_object(at, struct flow_out, lane_link));
	list_for_each_safe (at, after, &lane->ins)
		flow_in_keep(tab, list_object(at, struct flow_in, lane_link));
	flow_place_release(tab, place);
	list_del(&lane->dirty);
	list_del(&lane->starved);
	flow_hash_del(&tab->lane_ids, &lane->chain);
	flow_pool_put(&tab->lanes, lane);
	tab->last_lane = NULL;
	flow_settle(tab);
}

void flow_peer_gone(struct flowtab *tab, uint32_t peer, int error,
		    uint64_t now_ns)
{
	struct list *at, *after;
	struct flow_place *place;
	uint32_t channel, i;

	flow_time(tab, now_ns);
	for (channel = 0; channel < SKERRY_CHANNELS_MAX; channel++) {
		place = place_find(tab, peer, (uint8_t)channel);
		if (!place)
			continue;
		for (i = 0; i < SKERRY_PARALLELISM_MAX; i++) {
			if (place->lanes[i])
				place->lanes[i]->place = NULL;
			place->lanes[i] = NULL;
		}
		place->held = true;
		list_for_each_safe (at, after, &place->outs)
			flow_out_closed(tab,
					list_object(at, struct flow_out,
						    place_link),
					error, "the peer is gone", true, false);
		place->held = false;
		flow_place_release(tab, place);
	}
	for (i = 0; i < tab->ins.touched; i++) {
		struct flow_in *in =
			(struct flow_in *)(void *)(tab->ins.base +
						   tab->ins.object_bytes * i);

		if (in->peer != peer)
			continue;
		if (in->datagram && in->state != IN_ENDING)
			flow_in_end(tab, in, 0);
		else if (in->state == IN_KEPT)
			in->peer = FLOW_PEER_NONE;
	}
	flow_settle(tab);
}
