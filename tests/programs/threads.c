// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads NODE SECONDS - several threads with several handles each: they
 * register, forward to each other, receive, close in the middle of it and
 * come back, all at the same time, for so long. Built with ThreadSanitizer it
 * shows that handles share nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "skerry/skerry.h"

#define THREADS 4
#define HANDLES 2 /* a thread's */
#define BURST 40

struct worker {
	pthread_t thread;
	unsigned int number;
	uint64_t sent, received, opened, failed;
	char why[256];
};

static const char *node;
static uint64_t until_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void failed(struct worker *w, const char *what, struct skerry *h)
{
	w->failed++;
	if (!w->why[0])
		snprintf(w->why, sizeof(w->why), "%s: %s", what,
			 skerry_last_error(h));
}

/* What nobody owns just now, or nobody has room for, is no mistake. */
static int may_be(int err)
{
	return err == -EAGAIN || err == -ENOENT || err == -ETIMEDOUT ||
	       err == -ENOTCONN || err == -EHOSTUNREACH || err == -ENOBUFS ||
	       err == -ECONNRESET;
}

static void send_some(struct worker *w, struct skerry *h, unsigned int round)
{
	static const char payload[3000] = "from one of several threads";
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 200 };
	char endpoint[32];
	int i, err;

	for (i = 0; i < BURST; i++) {
		snprintf(endpoint, sizeof(endpoint), "thread/%u/%u",
			 (w->number + (unsigned int)i) % THREADS,
			 (round + (unsigned int)i) % HANDLES);
		err = skerry_forward(h, node, endpoint, payload,
				     (size_t)(i * 70), &opts);
		if (!err)
			w->sent++;
		else if (!may_be(err))
			failed(w, "forward", h);
	}
}

static void receive_some(struct worker *w, struct skerry *h)
{
	struct skerry_message message;

	while (!skerry_next(h, &message, 2)) {
		w->received++;
		skerry_release(h, &message);
	}
}

static struct skerry *open_one(struct worker *w, unsigned int place)
{
	struct skerry_open_opts opts = { .size = sizeof(opts),
					 .node = node,
					 .program = "threads" };
	struct skerry *h = NULL;
	char endpoint[32];

	if (skerry_open(&opts, &h)) {
		failed(w, "open", NULL);
		return NULL;
	}
	snprintf(endpoint, sizeof(endpoint), "thread/%u/%u", w->number, place);
	if (skerry_register(h, endpoint))
		failed(w, "register", h);
	w->opened++;
	return h;
}

static void *work(void *data)
{
	struct skerry *handles[HANDLES] = { NULL };
	struct worker *w = data;
	unsigned int round, i;

	for (round = 0; now_ns() < until_ns; round++) {
		for (i = 0; i < HANDLES; i++) {
			if (!handles[i])
				handles[i] = open_one(w, i);
			if (!handles[i])
				continue;
			send_some(w, handles[i], round);
			receive_some(w, handles[i]);
			skerry_dispatch(handles[i], 0);
		}
		if (round % 3 == 2) { /* whatever is under way */
			i = round / 3 % HANDLES;
			skerry_close(handles[i]);
			handles[i] = NULL;
		}
	}
	for (i = 0; i < HANDLES; i++)
		skerry_close(handles[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	uint64_t bad = 0, sent = 0, received = 0, opened = 0;
	unsigned int i;

	if (argc != 3) {
		fprintf(stderr, "usage: threads NODE SECONDS\n");
		return 2;
	}
	node = argv[1];
	until_ns = now_ns() + strtoull(argv[2], NULL, 10) * 1000000000;
	for (i = 0; i < THREADS; i++) {
		workers[i].number = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		sent += workers[i].sent;
		received += workers[i].received;
		opened += workers[i].opened;
		bad += workers[i].failed;
		if (workers[i].failed)
			fprintf(stderr, "thread %u: %s\n", i, workers[i].why);
	}
	printf("opened %llu\nsent %llu\nreceived %llu\nfailed %llu\n",
	       (unsigned long long)opened, (unsigned long long)sent,
	       (unsigned long long)received, (unsigned long long)bad);
	return bad != 0;
}
