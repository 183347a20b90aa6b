// SPDX-License-Identifier: GPL-2.0-only
#include "answerer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int reply(struct skerry *h, const struct skerry_message *m,
		 const void *data, size_t size)
{
	int r = skerry_reply(h, m, data, size);

	if (r) {
		printf("# answerer: %s\n", skerry_last_error(h));
		fflush(stdout);
	}
	return r;
}

static void reply_size(struct skerry *h, const struct skerry_message *m,
		       size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)i;
	reply(h, m, bytes, size);
	free(bytes);
}

static void answer(struct skerry *h, struct skerry_message *m,
		   const char *endpoint)
{
	struct skerry_message copy = *m;
	char text[256] = "", word[32] = "", rest[200] = "";
	long number;

	memcpy(text, m->data, m->size_bytes < 255 ? m->size_bytes : 255);
	sscanf(text, "%31s %199s", word, rest);
	number = strtol(rest, NULL, 10);
	if (!strcmp(word, "echo"))
		reply(h, m, m->data, m->size_bytes);
	skerry_release(h, m);
	if (!strcmp(word, "size"))
		reply_size(h, &copy, (size_t)number);
	if (!strcmp(word, "later")) {
		usleep((useconds_t)number * 1000);
		reply(h, &copy, "late", 4);
	}
	if (!strcmp(word, "twice")) {
		reply(h, &copy, "1", 1);
		reply(h, &copy, "2", 1);
	}
	if (!strcmp(word, "error"))
		skerry_reply_error(h, &copy, -(int)number);
	if (!strcmp(word, "die"))
		_exit(0);
	if (!strcmp(word, "unregister")) {
		skerry_unregister(h, endpoint);
		reply(h, &copy, "done", 4);
	}
	if (!strcmp(word, "forward")) {
		reply(h, &copy, NULL, 0);
		skerry_forward(h, NULL, rest, "hello", 5, NULL);
	}
}

static void serve(struct skerry *h, const char *endpoint)
{
	struct pollfd p = { .fd = skerry_fd(h), .events = POLLIN };
	struct skerry_message m;
	int r;

	for (;;) {
		poll(&p, 1, 1000);
		skerry_dispatch(h, 0);
		while ((r = skerry_next(h, &m, 0)) == 0)
			answer(h, &m, endpoint);
		if (r != -EAGAIN)
			usleep(10000);
	}
}

pid_t answerer_start(const struct nodes *nodes, int node, const char *endpoint,
		     unsigned flags)
{
	struct skerry *h;
	char ready = 0;
	int ends[2];
	pid_t pid;

	fflush(NULL);
	if (pipe(ends))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		h = nodes_open(nodes, node, flags);
		if (!h || skerry_register(h, endpoint))
			_exit(1);
		if (write(ends[1], "1", 1) != 1)
			_exit(1);
		close(ends[0]);
		close(ends[1]);
		serve(h, endpoint);
	}
	close(ends[1]);
	if (pid > 0 && read(ends[0], &ready, 1) != 1)
		pid = -1;
	close(ends[0]);
	return pid;
}

void answerer_kill(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
