// SPDX-License-Identifier: GPL-2.0-only
/*
 * pump - a program under test's control: sends numbered messages, or receives
 * them and keeps a ledger.
 *
 *   pump receive ENDPOINT...         until SIGTERM or --count
 *   pump send NODE ENDPOINT          for --seconds or --count
 *
 * --size B --channel C --count N --seconds S --rate R (a second)
 * --nonblock --every MS (a line "second" each so often) --slow US (pause a
 * message) --mark N (in each message; a receiver counts others as bad)
 * --unordered (numbers may come in any order: datagrams between processors)
 * --rogue IP (a receiver connects its own datagram sockets there and sets what
 * options it can)
 *
 * At the end it prints, one a line:
 *   sent N / received N / again N / bad N / error TEXT
 *   missing FROM TO   (receiver: numbers that never came, TO excluded)
 *   lost FROM TO U    (sender: as reported; U 1 when uncertain)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "skerry/skerry.h"

struct options {
	size_t size;
	const char *channel;
	uint64_t count;
	double seconds;
	double rate;
	bool nonblock;
	unsigned int every_ms;
	unsigned int slow_us;
	unsigned char mark;
	bool unordered;
	const char *rogue;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct ticker {
	double next;
	uint64_t last;
};

static void tick(struct ticker *t, const struct options *o, uint64_t count)
{
	double at;

	if (!o->every_ms)
		return;
	at = now();
	if (at < t->next)
		return;
	printf("second %llu\n", (unsigned long long)(count - t->last));
	fflush(stdout);
	t->last = count;
	t->next = at + o->every_ms / 1e3;
}

static void on_lost(void *data, const struct skerry_lost *lost)
{
	printf("lost %llu %llu %d\n", (unsigned long long)lost->from_number,
	       (unsigned long long)lost->to_number, lost->uncertain);
	fflush(stdout);
}

static int pump_send(struct skerry *h, const struct options *o,
		     const char *node, const char *endpoint)
{
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = o->channel,
	};
	unsigned char *message = calloc(1, o->size);
	uint64_t sent = 0, again = 0, retries = 0, number = 0;
	struct ticker ticker = { now() + o->every_ms / 1e3, 0 };
	double began = now();
	int err = 0;

	opts.ret_number = &number;
	skerry_on_lost(h, on_lost, NULL);
	while (!stop && (!o->count || sent < o->count)) {
		if (o->seconds > 0 && (sent % 64 == 0 || again || retries) &&
		    now() - began > o->seconds)
			break;
		if (o->size >= sizeof(sent))
			memcpy(message, &sent, sizeof(sent));
		if (o->size > sizeof(sent))
			message[sizeof(sent)] = o->mark;
		err = skerry_forward(h, node, endpoint, message, o->size,
				     &opts);
		if (err == -EAGAIN) {
			again++;
			skerry_dispatch(h, 1);
			tick(&ticker, o, sent);
			continue;
		}
		if (err == -ENOTCONN || err == -ECONNRESET || err == -ESTALE ||
		    err == -ETIMEDOUT || err == -ENETUNREACH ||
		    err == -EHOSTUNREACH) {
			retries++;
			printf("retry %s\n", skerry_last_error(h));
			fflush(stdout);
			skerry_dispatch(h, 50);
			continue;
		}
		if (err)
			break;
		sent++;
		if (sent % 1024 == 0)
			skerry_dispatch(h, 0);
		if (o->rate > 0)
			while (now() - began < (double)sent / o->rate)
				skerry_dispatch(h, 1);
		tick(&ticker, o, sent);
	}
	/* What died with a lane is told when the lane is back. */
	for (began = now(); now() - began < 1.5 && !stop;)
		skerry_dispatch(h, 100);
	if (err && err != -EAGAIN)
		printf("error %s\n", skerry_last_error(h));
	printf("again %llu\nnumber %llu\nsent %llu\n",
	       (unsigned long long)again, (unsigned long long)number,
	       (unsigned long long)sent);
	free(message);
	return err && err != -EAGAIN;
}

/* What a program can do to sockets it was given. */
static void go_rogue(const char *ip)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd, one = 1, type, sockets = 0;
	socklen_t size;

	to.sin_port = htons(17280);
	inet_pton(AF_INET, ip, &to.sin_addr);
	for (fd = 3; fd < 256; fd++) {
		size = sizeof(type);
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
		    type != SOCK_DGRAM)
			continue;
		sockets++;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
		setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
		connect(fd, (struct sockaddr *)&to, sizeof(to));
	}
	printf("rogue %d\n", sockets);
	fflush(stdout);
}

static bool is_damaged(const struct skerry_message *m, const struct options *o,
		       uint64_t expected)
{
	const unsigned char *bytes = m->data;

	return m->size_bytes != o->size ||
	       (m->number < expected && !o->unordered) ||
	       (o->size > sizeof(uint64_t) &&
		bytes[sizeof(uint64_t)] != o->mark);
}

static int pump_receive(struct skerry *h, const struct options *o,
			char **endpoints)
{
	struct ticker ticker = { now() + o->every_ms / 1e3, 0 };
	uint64_t received = 0, bad = 0, expected = 1;
	struct skerry_message m;
	bool damaged;
	int err;

	for (; *endpoints; endpoints++) {
		err = skerry_register(h, *endpoints);
		if (err) {
			printf("error %s\n", skerry_last_error(h));
			return 1;
		}
	}
	printf("ready\n");
	fflush(stdout);
	while (!stop && (!o->count || received < o->count)) {
		err = skerry_next(h, &m, 100);
		tick(&ticker, o, received);
		if (err == -EAGAIN || err == -ETIMEDOUT || err == -ECONNRESET ||
		    err == -ESTALE || err == -EINTR)
			continue;
		if (err) {
			printf("error %s\n", skerry_last_error(h));
			return 1;
		}
		damaged = is_damaged(&m, o, expected);
		if (m.number > expected)
			printf("missing %llu %llu\n",
			       (unsigned long long)expected,
			       (unsigned long long)m.number);
		expected = m.number + 1;
		bad += damaged;
		received++;
		if (o->rogue && received == 100)
			go_rogue(o->rogue);
		skerry_release(h, &m);
		if (o->slow_us)
			usleep(o->slow_us);
	}
	printf("bad %llu\nexpected %llu\nreceived %llu\n",
	       (unsigned long long)bad, (unsigned long long)expected,
	       (unsigned long long)received);
	return bad != 0;
}

static const struct option long_options[] = {
	{ "size", 1, NULL, 's' },      { "channel", 1, NULL, 'c' },
	{ "count", 1, NULL, 'n' },     { "seconds", 1, NULL, 't' },
	{ "rate", 1, NULL, 'r' },      { "nonblock", 0, NULL, 'b' },
	{ "every", 1, NULL, 'e' },     { "slow", 1, NULL, 'w' },
	{ "mark", 1, NULL, 'm' },      { "rogue", 1, NULL, 'R' },
	{ "unordered", 0, NULL, 'u' }, { NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct options o = { .size = 64 };
	struct skerry_open_opts opts = {
		.size = sizeof(opts),
		.program = "pump",
		.timeout_ms = 5000,
	};
	struct sigaction action = { .sa_handler = on_signal };
	struct skerry *h;
	int c, code = 2;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 's':
			o.size = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			o.channel = optarg;
			break;
		case 'n':
			o.count = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o.seconds = atof(optarg);
			break;
		case 'r':
			o.rate = atof(optarg);
			break;
		case 'b':
			o.nonblock = true;
			break;
		case 'e':
			o.every_ms = (unsigned int)atoi(optarg);
			break;
		case 'w':
			o.slow_us = (unsigned int)atoi(optarg);
			break;
		case 'm':
			o.mark = (unsigned char)atoi(optarg);
			break;
		case 'u':
			o.unordered = true;
			break;
		case 'R':
			o.rogue = optarg;
			break;
		default:
			return 2;
		}
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (o.nonblock)
		opts.flags |= SKERRY_OPEN_NONBLOCK;
	if (skerry_open(&opts, &h)) {
		printf("error %s\n", skerry_last_error(NULL));
		return 1;
	}
	if (argc - optind == 3 && !strcmp(argv[optind], "send"))
		code = pump_send(h, &o, argv[optind + 1], argv[optind + 2]);
	else if (argc - optind >= 2 && !strcmp(argv[optind], "receive"))
		code = pump_receive(h, &o, argv + optind + 1);
	skerry_close(h);
	return code;
}
