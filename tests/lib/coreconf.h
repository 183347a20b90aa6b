/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * coreconf.h - what cores in tests are configured with, unless the test is
 * about that: the numbers that event.h names.
 */
#ifndef SKERRY_TEST_CORECONF_H
#define SKERRY_TEST_CORECONF_H

#include "core.h"

/* All of it anew: the overlay "full", ports, times and limits as they are by
 * default, the membership's channel; no key, no address. The names must
 * fit. */
void coreconf_init(struct core_config *config, const char *name,
		   const char *cluster);
/* One channel more. */
void coreconf_channel(struct core_config *config, const char *name,
		      uint8_t parallelism, bool datagram);

#endif
