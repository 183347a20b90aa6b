/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * cut - cut a node off from all others for some seconds, then heal.
 *
 *   cut NODE SECONDS
 *
 * The cut ends by itself after that time even if this program, or the
 * agents, are killed meanwhile. Only administrators may cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "skerry/skerry.h"

int main(int argc, char **argv)
{
	struct skerry_open_opts open = { .size = sizeof(open) };
	struct skerry_partition_opts opts = { .size = sizeof(opts) };
	struct skerry_reference reference;
	unsigned int seconds;
	struct skerry *h = NULL;
	int missing;

	if (argc != 3 || (seconds = (unsigned int)atoi(argv[2])) == 0) {
		fprintf(stderr, "usage: cut NODE SECONDS\n");
		return 2;
	}
	open.flags = SKERRY_OPEN_ADMIN;
	if (skerry_open(&open, &h))
		goto fail;
	opts.shape = "isolate";
	opts.duration_ms = (seconds + 5) * 1000ULL;
	opts.reason = "example";
	/* Half of a small cluster is more than the safeguards like. */
	opts.flags = SKERRY_PARTITION_FORCE;
	missing = skerry_inject_partition(h, argv[1], 0, &opts, &reference);
	if (missing < 0)
		goto fail;
	printf("%s is cut off; %d did not answer\n", argv[1], missing);
	fflush(stdout);
	sleep(seconds);
	missing = skerry_resolve_partition(h, &reference);
	if (missing < 0)
		goto fail;
	printf("healed; %d did not answer\n", missing);
	skerry_close(h);
	return 0;
fail:
	fprintf(stderr, "cut: %s\n", skerry_last_error(h));
	skerry_close(h);
	return 1;
}
