// SPDX-License-Identifier: GPL-2.0-only
#include "coreconf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void coreconf_channel(struct core_config *config, const char *name,
		      uint8_t parallelism, bool datagram)
{
	struct core_channel *channel;

	assert(config->channel_count < SKERRY_CHANNELS_MAX);
	channel = &config->channels[config->channel_count++];
	snprintf(channel->name, sizeof(channel->name), "%s", name);
	channel->parallelism = parallelism;
	channel->datagram = datagram;
}

void coreconf_init(struct core_config *config, const char *name,
		   const char *cluster)
{
	memset(config, 0, sizeof(*config));
	snprintf(config->name, sizeof(config->name), "%s", name);
	snprintf(config->cluster, sizeof(config->cluster), "%s", cluster);
	strcpy(config->overlay, "full");
	config->port_base = SKERRY_PORT_BASE;
	coreconf_channel(config, "membership", 1, false);
	config->heartbeat_ms = 500;
	config->ping_after_ms = 1500;
	config->down_after_ms = 3000;
	config->redial_min_ms = 100;
	config->redial_max_ms = 10000;
	config->gossip_collect_ms = 100;
	config->gossip_period_ms = 10000;
	config->cut_max_ms = 3600000;
	config->cut_share_percent = 50;
	config->members_max = SKERRY_MEMBERS_MAX;
}
