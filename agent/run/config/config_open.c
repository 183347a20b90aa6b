// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_open.c - [partition] always_open: what passes whatever addresses the
 * host is cut from; see config_impl.h. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "config_impl.h"

#define SSH_PORT 22

static int parse_open(const char *value, struct skerry_open_key *ret_key,
		      char why[CONFIG_WHY_BYTES])
{
	uint32_t protocol;
	uint64_t port;

	if (strncmp(value, "tcp:", 4) == 0) {
		protocol = IPPROTO_TCP;
	} else if (strncmp(value, "udp:", 4) == 0) {
		protocol = IPPROTO_UDP;
	} else {
		snprintf(why, CONFIG_WHY_BYTES,
			 "neither tcp:PORT nor udp:PORT nor none");
		return -EINVAL;
	}
	if (config_count(value + 4, 1, 65535, &port, why))
		return -EINVAL;
	ret_key->protocol = protocol;
	ret_key->port = (uint32_t)port;
	return 0;
}

int config_set_always_open(struct config_load *load, const char *value,
			   char why[CONFIG_WHY_BYTES])
{
	struct kernel_config *kernel = &load->config->kernel;
	struct skerry_open_key key;

	if (strcmp(value, "none") == 0) {
		kernel->always_open_count = 0;
		return 0;
	}
	if (kernel->always_open_count == SKERRY_OPEN_MAX) {
		snprintf(why, CONFIG_WHY_BYTES, "at most %u ports",
			 SKERRY_OPEN_MAX);
		return -EINVAL;
	}
	if (parse_open(value, &key, why))
		return -EINVAL;
	kernel->always_open[kernel->always_open_count++] = key;
	return 0;
}

void config_reset_always_open(struct config_load *load)
{
	load->config->kernel.always_open_count = 0;
}

void config_default_always_open(struct agent_config *config)
{
	config->kernel.always_open[0] = (struct skerry_open_key) {
		.protocol = IPPROTO_TCP,
		.port = SSH_PORT,
	};
	config->kernel.always_open_count = 1;
}
