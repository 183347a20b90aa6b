// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* start.c - see start.h. */
#include "start.h"

#include <errno.h>
#include <string.h>

#include "core_state.h"
#include "identity.h"
#include "registry.h"

/* One stream of chance for each purpose. */
enum {
	STREAM_IDENTITY = 1,
	STREAM_DIAL,
	STREAM_GOSSIP,
	STREAM_REGISTRY,
};

/* Places of lanes, by channel; -EINVAL when there are too many. */
static int count_places(const struct core_config *config,
			uint8_t place[SKERRY_CHANNELS_MAX])
{
	uint32_t i, sum = 0;

	for (i = 0; i < config->channel_count; i++) {
		place[i] = (uint8_t)sum;
		if (config->channels[i].datagram)
			continue;
		if (!config->channels[i].parallelism ||
		    config->channels[i].parallelism > SKERRY_PARALLELISM_MAX)
			return -EINVAL;
		sum += config->channels[i].parallelism;
	}
	return sum > SKERRY_LANES_PER_PAIR_MAX ? -EINVAL : 0;
}

static int check(const struct core_config *config,
		 uint8_t place[SKERRY_CHANNELS_MAX])
{
	if (!skerry_name_valid(config->name) ||
	    !skerry_name_valid(config->cluster) ||
	    !overlay_find(config->overlay) || !config->channel_count ||
	    config->channel_count > SKERRY_CHANNELS_MAX ||
	    strcmp(config->channels[0].name, "membership") ||
	    config->channels[0].datagram ||
	    config->address_count > SKERRY_ADDRS_MAX ||
	    config->contact_count > SKERRY_JOINS_MAX ||
	    config->tag_count > SKERRY_TAGS_MAX ||
	    config->port_base % SKERRY_PORT_BLOCK || !config->port_base ||
	    !config->heartbeat_ms || !config->ping_after_ms ||
	    config->down_after_ms <= config->ping_after_ms ||
	    !config->redial_min_ms ||
	    config->redial_max_ms < config->redial_min_ms ||
	    !config->gossip_period_ms)
		return -EINVAL;
	return count_places(config, place);
}

static void set_detector(struct core *core)
{
	const struct detector_settings settings = {
		.heartbeat_ms = core->config.heartbeat_ms,
		.ping_after_ms = core->config.ping_after_ms,
		.down_after_ms = core->config.down_after_ms,
	};

	detector_init(&core->detector, &settings, core->now_ns);
}

static void choose_incarnation(struct core *core, uint64_t stored,
			       bool same_machine)
{
	core->incarnation = core->wall_us ? core->wall_us : 1;
	/* A copy must not continue what the original goes on with. */
	if (same_machine && stored >= core->incarnation)
		core->incarnation = stored + 1;
	if (core->incarnation > SPEC_INCARNATION_MAX)
		core->incarnation = SPEC_INCARNATION_MAX;
	core->version = 1;
	do {
		core->boot_nonce = rng_u64(&core->rng_identity);
	} while (!core->boot_nonce);
}

int start_event(struct core *core, const struct core_event *event)
{
	const struct core_config *config = event->start.config;
	uint8_t place[SKERRY_CHANNELS_MAX] = { 0 };
	uint64_t seed = event->start.seed, stored;
	bool same_machine;
	int rv;

	rv = check(config, place);
	if (rv)
		return rv;
	core->config = *config;
	memcpy(core->channel_place, place, sizeof(place));
	core->overlay = overlay_find(config->overlay);
	if (config->members_max && config->members_max < core->members.max)
		core->members.max = config->members_max;
	rng_init(&core->rng_identity, seed, STREAM_IDENTITY);
	rng_init(&core->rng_dial, seed, STREAM_DIAL);
	rng_init(&core->rng_gossip, seed, STREAM_GOSSIP);
	core->started_ns = core->now_ns;
	set_detector(core);
	core->self = members_add(&core->members, config->name, MEMBER_LIVE,
				 core->now_ns);
	core->self->self = true;
	core->self->state = DETECTOR_UP;
	core->self->since_us = core->wall_us;
	rv = persist_read(core, event->start.persisted, &stored, &same_machine);
	if (rv)
		notice(core, CORE_LOG_ERROR, "state", NULL,
		       "the stored state is damaged; what could be read of it "
		       "is used");
	if (!same_machine)
		notice(core, CORE_LOG_WARNING, "state", NULL,
		       "the stored state is of another machine; this node "
		       "starts afresh");
	choose_incarnation(core, stored, same_machine);
	core->dgram_self.hmac = config->has_key ? &core->hmac : NULL;
	core->dgram_self.name = core->config.name;
	core->dgram_self.boot_nonce = core->boot_nonce;
	rv = identity_respec(core);
	if (rv)
		goto undo;
	registry_init(core, seed ^ STREAM_REGISTRY);
	if (same_machine && registry_read(core, event->start.persisted))
		notice(core, CORE_LOG_WARNING, "state", NULL,
		       "a stored cut is damaged and left out");
	join_contacts(core);
	core->full.digest_ns =
		core->now_ns + config->gossip_period_ms * CORE_MS;
	core->phase = CORE_STARTING;
	core->persist_due = true;
	core_due(core, core->now_ns);
	return 0;
undo:
	members_init(&core->members, core->members.slots,
		     core->limits.members_max);
	core->self = NULL;
	return rv;
}

int start_configured(struct core *core, const struct core_event *event)
{
	const struct core_config *config = event->start.config;
	uint8_t place[SKERRY_CHANNELS_MAX] = { 0 };
	struct core_config before = core->config;
	int rv;

	rv = check(config, place);
	if (rv)
		return rv;
	if (strcmp(config->name, before.name) ||
	    strcmp(config->cluster, before.cluster) ||
	    strcmp(config->overlay, before.overlay) ||
	    config->port_base != before.port_base ||
	    config->has_key != before.has_key ||
	    config->channel_count != before.channel_count ||
	    memcmp(config->channels, before.channels, sizeof(before.channels)))
		return -EINVAL;
	core->config = *config;
	rv = identity_changed(core);
	if (rv) {
		core->config = before;
		return rv;
	}
	core->detector.settings.heartbeat_ms = config->heartbeat_ms;
	core->detector.settings.ping_after_ms = config->ping_after_ms;
	core->detector.settings.down_after_ms = config->down_after_ms;
	registry_configure(core);
	join_contacts(core);
	core_due(core, core->now_ns);
	return 0;
}
