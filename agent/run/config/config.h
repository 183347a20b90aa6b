/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * config.h - settings from defaults, the file and flags, in that order of
 * growing weight. Key `k` of section `[s]` is flag `--s-k`; `[channel "x"]`
 * key `k` is `--channel x:k=value`. skerry.conf(5) lists them.
 */
#ifndef SKERRY_CONFIG_H
#define SKERRY_CONFIG_H

#include <stdio.h>

#include "core/event.h"
#include "run/discovery.h"
#include "run/kernel/kernel.h"

#define CONFIG_PATH_BYTES 256
#define CONFIG_KEY_BYTES 32 /* a cluster key */

struct agent_config {
	struct core_config core; /* [node] [cluster] [join] [overlay]
				  * [detector] [partition] [channel] [listen] */
	struct kernel_config kernel; /* strings point into this struct */
	struct discovery_config discovery; /* [join] dns, srv, ... */
	char file[CONFIG_PATH_BYTES]; /* that was read; "" for none */
	char pin_root[CONFIG_PATH_BYTES];
	char run_dir[CONFIG_PATH_BYTES]; /* /run/skerry */
	char state_dir[CONFIG_PATH_BYTES]; /* /var/lib/skerry */
	char group[64]; /* [api] group: may attach */
	char admin_group[64]; /* [api] admin_group */
	char record[CONFIG_PATH_BYTES]; /* --record FILE */
	/* Addresses to listen on; [listen] address, else all but
	 * link-local when there is a key, else loopback only. */
	bool listen_given;
	bool has_key;
	uint8_t key[CONFIG_KEY_BYTES];
	char devices[8][16]; /* [kernel] device; none: all */
	uint32_t device_count;
	enum core_log_level log_level;
	bool log_json;
};

/*
 * Fill everything. Every mistake in file and flags is written to `errors`
 * as `FILE:LINE: KEY: VALUE: why; what is allowed`, not only the first.
 * Returns 0, or -EINVAL (exit 2); -ENOENT: the named file does not exist;
 * -EACCES. *ret_check is set by --check-config: say "ok" and end.
 * --help and --version print and return 1: end with 0.
 */
int config_load(struct agent_config *config, int argc, char **argv,
		FILE *errors, bool *ret_check);

#endif
