// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* agent.c - what every file of run/ asks; see agent.h. */
#include "agent.h"

#include <errno.h>
#include <string.h>
#include <time.h>

uint64_t agent_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

uint64_t agent_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000ULL + (uint64_t)ts.tv_nsec / 1000;
}

int agent_channel(const struct agent *agent, const char *name)
{
	uint32_t i;

	for (i = 0; i < agent->settings.channel_count; i++) {
		if (!strcmp(agent->settings.channels[i].name, name))
			return (int)i;
	}
	return -ENOENT;
}
