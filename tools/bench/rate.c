// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * rate - how fast messages go between two programs through their agents.
 *
 *   rate receive ENDPOINT                 until the sender says it is done
 *   rate send NODE ENDPOINT               one way; waits for the receiver
 *   rate echo ENDPOINT                    give back what comes
 *   rate trip NODE ENDPOINT               there and back, one at a time
 *
 * --node N --run-dir D --channel C --size B --count N --seconds S
 *
 * send prints one line of `key value` pairs, with CPU time of this process
 * for each message; receive prints its own share.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "skerry/skerry.h"

#define TRIPS_MAX 200000U
#define CLOCK_EVERY 256U

struct options {
	const char *channel;
	size_t size_bytes;
	uint64_t count;
	double seconds;
};

static int die(struct skerry *h, const char *what, int error)
{
	fprintf(stderr, "rate: %s: %s: %s\n", what, strerror(-error),
		skerry_last_error(h));
	return 1;
}

/* ---- one way ---------------------------------------------------------------- */

/* A message of no bytes is the end; it names nothing, so the answer goes to
 * an endpoint that both know. */
#define DONE "rate/done"

static int receive(struct skerry *h, const char *endpoint)
{
	uint64_t messages = 0, bytes = 0;
	struct skerry_message m;
	double began = 0, cpu_began = 0;
	int r;

	r = skerry_register(h, endpoint);
	if (r)
		return die(h, "register", r);
	printf("ready\n");
	fflush(stdout);
	while ((r = skerry_next(h, &m, -1)) == 0) {
		if (!messages) {
			began = now();
			cpu_began = cpu();
		}
		if (!m.size_bytes)
			break;
		messages++;
		bytes += m.size_bytes;
		skerry_release(h, &m);
	}
	if (r)
		return die(h, "next", r);
	report("receive", messages, bytes, now() - began, cpu() - cpu_began);
	r = skerry_forward(h, m.node, DONE, &messages, sizeof(messages), NULL);
	skerry_release(h, &m);
	return r ? die(h, "forward", r) : 0;
}

static int send_all(struct skerry *h, const struct options *o, const char *node,
		    const char *endpoint, uint64_t *ret_messages)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = o->channel };
	void *message = calloc(1, o->size_bytes);
	double end = now() + o->seconds;
	uint64_t n = 0;
	int r = 0;

	while (!r && (!o->count || n < o->count)) {
		if (n % CLOCK_EVERY == 0 && o->seconds > 0 && now() > end)
			break;
		r = skerry_forward(h, node, endpoint, message, o->size_bytes,
				   &opts);
		n += !r;
	}
	free(message);
	*ret_messages = n;
	return r;
}

static int send_one_way(struct skerry *h, const struct options *o,
			const char *node, const char *endpoint)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = o->channel };
	uint64_t sent, arrived = 0;
	struct skerry_message m;
	double began, cpu_began;
	int r;

	r = skerry_register(h, DONE);
	if (r)
		return die(h, "register", r);
	began = now();
	cpu_began = cpu();
	r = send_all(h, o, node, endpoint, &sent);
	if (!r)
		r = skerry_forward(h, node, endpoint, NULL, 0, &opts);
	if (r)
		return die(h, "forward", r);
	r = skerry_next(h, &m, 20000);
	if (r)
		return die(h, "the receiver did not confirm", r);
	if (m.size_bytes == sizeof(arrived))
		memcpy(&arrived, m.data, sizeof(arrived));
	skerry_release(h, &m);
	report("send", arrived, arrived * o->size_bytes, now() - began,
	       cpu() - cpu_began);
	if (arrived != sent)
		printf("missing %llu\n", (unsigned long long)(sent - arrived));
	return 0;
}

/* ---- there and back ------------------------------------------------------------ */

#define BACK "rate/back"

static int echo(struct skerry *h, const struct options *o, const char *endpoint)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = o->channel };
	struct skerry_message m;
	int r;

	r = skerry_register(h, endpoint);
	if (r)
		return die(h, "register", r);
	printf("ready\n");
	fflush(stdout);
	while ((r = skerry_next(h, &m, -1)) == 0) {
		r = skerry_forward(h, m.node, BACK, m.data, m.size_bytes,
				   &opts);
		if (r && r != -EAGAIN)
			fprintf(stderr, "rate: %s\n", skerry_last_error(h));
		skerry_release(h, &m);
	}
	return die(h, "next", r);
}

static int trip(struct skerry *h, const struct options *o, const char *node,
		const char *endpoint)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = o->channel };
	uint64_t wanted = o->count ? o->count : 20000, n, lost = 0;
	double *times, cpu_began, end = now() + o->seconds;
	struct skerry_message m;
	void *message;
	int r;

	if (wanted > TRIPS_MAX)
		wanted = TRIPS_MAX;
	times = calloc(wanted, sizeof(*times));
	message = calloc(1, o->size_bytes + 1);
	r = skerry_register(h, BACK);
	if (r)
		return die(h, "register", r);
	cpu_began = cpu();
	for (n = 0; n < wanted;) {
		double began = now();

		if (n && o->seconds > 0 && began > end)
			break;
		r = skerry_forward(h, node, endpoint, message, o->size_bytes,
				   &opts);
		if (r)
			return die(h, "forward", r);
		r = skerry_next(h, &m, 1000);
		if (r == -EAGAIN && lost++ < 100)
			continue;
		if (r)
			return die(h, "next", r);
		skerry_release(h, &m);
		times[n++] = now() - began;
	}
	qsort(times, n, sizeof(*times), by_size);
	printf("trip messages %llu p50_us %.1f p99_us %.1f max_us %.1f "
	       "lost %llu cpu_ns_per_message %.0f\n",
	       (unsigned long long)n, times[n / 2] * 1e6,
	       times[n * 99 / 100] * 1e6, times[n - 1] * 1e6,
	       (unsigned long long)lost, (cpu() - cpu_began) / (double)n * 1e9);
	free(times);
	free(message);
	return 0;
}

/* ---- options --------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr, "usage: rate receive|echo ENDPOINT\n"
			"       rate send|trip NODE ENDPOINT\n"
			"  --node N --run-dir D --channel C --size B "
			"--count N --seconds S\n");
	return 2;
}

static int run(struct skerry *h, const struct options *o, char **args, int n)
{
	if (n == 2 && !strcmp(args[0], "receive"))
		return receive(h, args[1]);
	if (n == 2 && !strcmp(args[0], "echo"))
		return echo(h, o, args[1]);
	if (n == 3 && !strcmp(args[0], "send"))
		return send_one_way(h, o, args[1], args[2]);
	if (n == 3 && !strcmp(args[0], "trip"))
		return trip(h, o, args[1], args[2]);
	return usage();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "node", 1, NULL, 'n' },    { "run-dir", 1, NULL, 'r' },
		{ "channel", 1, NULL, 'c' }, { "size", 1, NULL, 's' },
		{ "count", 1, NULL, 'k' },   { "seconds", 1, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	struct skerry_open_opts open = { .size = sizeof(open) };
	struct options o = { .size_bytes = 64 };
	struct skerry *h;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'n':
			open.node = optarg;
			break;
		case 'r':
			open.run_dir = optarg;
			break;
		case 'c':
			o.channel = optarg;
			break;
		case 's':
			o.size_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			o.count = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o.seconds = strtod(optarg, NULL);
			break;
		default:
			return usage();
		}
	}
	if (!o.count && o.seconds <= 0)
		o.seconds = 3;
	r = skerry_open(&open, &h);
	if (r)
		return die(NULL, "open", r);
	r = run(h, &o, argv + optind, argc - optind);
	skerry_close(h);
	return r;
}
