/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * ask - requests and replies between two programs.
 *
 *   ask serve             answer requests to endpoint "upper" in capitals
 *   ask NODE TEXT         send TEXT there, print the reply
 * When the server dies, or its node goes, the call says so at once.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "skerry/skerry.h"

static int serve(struct skerry *h)
{
	struct skerry_message m;
	char text[1024];
	size_t i;
	int r = 0;

	if (skerry_register(h, "upper"))
		return -1;
	while (skerry_next(h, &m, -1) == 0) {
		for (i = 0; i < m.size_bytes && i < sizeof(text); i++)
			text[i] = toupper(((const unsigned char *)m.data)[i]);
		if (m.size_bytes > sizeof(text))
			r = skerry_reply_error(h, &m, -7); /* E2BIG */
		else if (m.flags & SKERRY_MESSAGE_CALL)
			r = skerry_reply(h, &m, text, m.size_bytes);
		if (r)
			fprintf(stderr, "ask: %s\n", skerry_last_error(h));
		skerry_release(h, &m);
	}
	return -1;
}

static int ask(struct skerry *h, const char *node, const char *text)
{
	struct skerry_message m;

	if (skerry_call(h, node, "upper", text, strlen(text), NULL, &m))
		return -1;
	printf("%.*s\n", (int)m.size_bytes, (const char *)m.data);
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
		fprintf(stderr, "ask: %s\n", skerry_last_error(h));
	skerry_close(h);
	return r != 0;
}
