// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * cuts_sever.c - connections across a cut of visibility `sever` end when it
 * comes into force: our lanes with a reset, which such a cut lets through,
 * and with an address the sockets of any process.
 */
#include "cuts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "driver.h"
#include "netaddr.h"
#include "sockets.h"

int cuts_sever_stage(struct cuts *cuts, const struct core_cut *cut)
{
	struct core_cut *list;
	uint32_t room;

	if (cuts->sever_count == cuts->sever_room) {
		room = cuts->sever_room ? 2 * cuts->sever_room : 8;
		list = realloc(cuts->severs, room * sizeof(*list));
		if (!list)
			return -ENOMEM;
		cuts->severs = list;
		cuts->sever_room = room;
	}
	cuts->severs[cuts->sever_count++] = *cut;
	return 0;
}

void cuts_sever_forget(struct cuts *cuts, uint32_t handle)
{
	uint32_t i;

	/* One that is being put in force has its way. */
	for (i = cuts->severing; i < cuts->sever_count; i++) {
		if (cuts->severs[i].handle != handle)
			continue;
		cuts->sever_count--;
		memmove(&cuts->severs[i], &cuts->severs[i + 1],
			(cuts->sever_count - i) * sizeof(*cuts->severs));
		return;
	}
}

/* ---- lanes ---------------------------------------------------------------- */

static bool lane_meant(const struct agent *agent, const struct lane *lane,
		       const struct core_cut *cut)
{
	const struct peer *peer;

	if (cut->channel[0] && strcmp(cut->channel, lane_channel_name(lane)))
		return false;
	if (cut->peer == CORE_PEER_EVERYBODY)
		return true;
	if (lane->routed)
		return lane->peer == cut->peer;
	peer = peers_find_address(&agent->peers, &lane->remote);
	return peer && peer->number == cut->peer;
}

static void sever_lanes(struct agent *agent, const struct core_cut *cut)
{
	struct lane *lane;

	for (lane = agent->lanes.first; lane; lane = lane->next) {
		if (lane->state == LANE_ENDED || !lane_meant(agent, lane, cut))
			continue;
		lane->abort = true;
		lane_end(lane, LANE_END_PEER, -ECONNABORTED, 0,
			 "severed by a cut");
	}
}

void cuts_sever_lanes(struct agent *agent, uint32_t count)
{
	struct cuts *cuts = &agent->cuts;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (cuts->severs[i].peer != CORE_PEER_ADDRESS)
			sever_lanes(agent, &cuts->severs[i]);
	}
	if (!count)
		return;
	cuts->sever_count -= count;
	memmove(cuts->severs, cuts->severs + count,
		cuts->sever_count * sizeof(*cuts->severs));
}

/* ---- sockets of others ------------------------------------------------------ */

struct target {
	struct skerry_addr address;
	uint8_t prefix_bits;
	uint8_t protocol;
};

struct targets {
	uint32_t count;
	uint32_t open_count;
	struct skerry_open_key open[SKERRY_OPEN_MAX];
	struct target list[];
};

int cuts_sever_targets(const struct agent *agent, uint32_t count,
		       void **ret_bytes, size_t *ret_size_bytes)
{
	const struct kernel_config *config = &agent->config->kernel;
	const struct core_cut *cut = agent->cuts.severs;
	struct targets *targets;
	uint32_t i, n = 0;

	for (i = 0; i < count; i++)
		n += cut[i].peer == CORE_PEER_ADDRESS;
	if (!n) {
		*ret_bytes = NULL;
		*ret_size_bytes = 0;
		return 0;
	}
	targets = calloc(1, sizeof(*targets) + n * sizeof(targets->list[0]));
	if (!targets)
		return -ENOMEM;
	targets->open_count = config->always_open_count;
	memcpy(targets->open, config->always_open, sizeof(targets->open));
	for (i = 0; i < count; i++) {
		if (cut[i].peer != CORE_PEER_ADDRESS)
			continue;
		targets->list[targets->count++] =
			(struct target) { .address = cut[i].address,
					  .prefix_bits = cut[i].prefix_bits,
					  .protocol = cut[i].protocol };
	}
	*ret_bytes = targets;
	*ret_size_bytes = sizeof(*targets) + n * sizeof(targets->list[0]);
	return 0;
}

static bool meant(void *data, uint8_t protocol, uint16_t local_port,
		  const uint8_t remote_ip[16], uint16_t remote_port)
{
	const struct targets *targets = data;
	const struct target *t;
	uint32_t i;

	for (i = 0; i < targets->open_count; i++) {
		if (targets->open[i].protocol == protocol &&
		    targets->open[i].port == local_port)
			return false;
	}
	for (i = 0; i < targets->count; i++) {
		t = &targets->list[i];
		if ((!t->protocol || t->protocol == protocol) &&
		    (!t->address.port || t->address.port == remote_port) &&
		    kernel_address_covers(t->address.ip, t->prefix_bits,
					  remote_ip))
			return true;
	}
	return false;
}

int cuts_sever_sockets(const void *bytes, size_t size_bytes)
{
	int ret = sockets_destroy(meant, (void *)bytes);

	return ret < 0 ? ret : 0;
}
