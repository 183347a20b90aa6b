/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * members - print who is in the cluster, then who comes and goes.
 *
 *   members [SECONDS]            follow for so long; without: for ever
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "skerry/skerry.h"

static void changed(void *data, const struct skerry_change *change)
{
	printf("%s is %s%s%s\n", change->node, change->up ? "up" : "down",
	       *change->reason ? ": " : "", change->reason);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	time_t end = argc > 1 ? time(NULL) + atoi(argv[1]) : 0;
	struct skerry_member members[64];
	struct skerry *h;
	struct pollfd p = { .events = POLLIN };
	int n;

	if (skerry_open(NULL, &h)) {
		fprintf(stderr, "members: %s\n", skerry_last_error(NULL));
		return 1;
	}
	n = skerry_members(h, members, 64);
	for (int i = 0; i < n && i < 64; i++)
		printf("%s%s\n", members[i].name,
		       members[i].self ? " (this node)" : "");
	if (n < 0 || skerry_on_up(h, NULL, NULL, changed, NULL) < 0 ||
	    skerry_on_down(h, NULL, NULL, changed, NULL) < 0) {
		fprintf(stderr, "members: %s\n", skerry_last_error(h));
		skerry_close(h);
		return 1;
	}
	/* One descriptor fits into any event loop; this one is poll(). */
	p.fd = skerry_fd(h);
	while (!end || time(NULL) < end) {
		poll(&p, 1, 1000);
		skerry_dispatch(h, 0);
	}
	skerry_close(h);
	return 0;
}
