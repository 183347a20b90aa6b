/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * echo - messages between two programs.
 *
 *   echo serve            answer whatever comes to endpoint "echo"
 *   echo NODE TEXT        send TEXT there and print the answer
 * A message names its sender's node, not its program: who wants an answer
 * says to which endpoint. Here that is what comes before the first NUL.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "skerry/skerry.h"

static int serve(struct skerry *h)
{
	struct skerry_message m;

	if (skerry_register(h, "echo"))
		return -1;
	while (skerry_next(h, &m, -1) == 0) {
		if (memchr(m.data, '\0', m.size_bytes) &&
		    skerry_forward(h, m.node, m.data, m.data, m.size_bytes,
				   NULL))
			fprintf(stderr, "echo: %s\n", skerry_last_error(h));
		skerry_release(h, &m);
	}
	return -1;
}

static int ask(struct skerry *h, const char *node, const char *text)
{
	char request[1024];
	struct skerry_message m;
	int back = snprintf(request, 64, "echo-%ld", (long)getpid());
	int size = back + 1 + snprintf(request + back + 1, 900, "%s", text);

	if (skerry_register(h, request) ||
	    skerry_forward(h, node, "echo", request, size, NULL) ||
	    skerry_next(h, &m, 5000))
		return -1;
	printf("%.*s\n", (int)m.size_bytes - back - 1,
	       (const char *)m.data + back + 1);
	skerry_release(h, &m);
	return 0;
}

int main(int argc, char **argv)
{
	struct skerry *h = NULL;
	int r = argc < 2 ? -1 : skerry_open(NULL, &h);

	if (!r)
		r = argc > 2 ? ask(h, argv[1], argv[2]) : serve(h);
	if (r)
		fprintf(stderr, "echo: %s\n", skerry_last_error(h));
	skerry_close(h);
	return r != 0;
}
