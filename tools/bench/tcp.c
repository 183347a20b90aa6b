// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * tcp - the same messages over one plain TCP connection, to compare with.
 *
 *   tcp receive PORT                      one connection, then ends
 *   tcp send HOST PORT                    batches of --batch messages a write
 *   tcp echo PORT
 *   tcp trip HOST PORT                    there and back, one at a time
 *
 * --size B --count N --seconds S --batch N
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

#define BUFFER_BYTES (256U << 10)
#define TRIPS_MAX 200000U

struct options {
	size_t size_bytes;
	uint64_t count;
	uint64_t batch;
	double seconds;
};

static int die(const char *what)
{
	fprintf(stderr, "tcp: %s: %s\n", what, strerror(errno));
	return 1;
}

/* ---- connections ------------------------------------------------------------ */

static int no_delay(int fd)
{
	int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int accept_one(const char *port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	int on = 1, off = 0, fd, peer;

	at.sin6_port = htons((uint16_t)atoi(port));
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1))
		return -1;
	printf("ready\n");
	fflush(stdout);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close(fd);
	if (peer >= 0)
		no_delay(peer);
	return peer;
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int fd;

	if (getaddrinfo(host, port, &hints, &list))
		return -1;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen)) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd >= 0)
		no_delay(fd);
	return fd;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0)
			return -1;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = read(fd, data, bytes);

		if (n <= 0)
			return -1;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* ---- one way -------------------------------------------------------------------- */

static int receive(const struct options *o, const char *port)
{
	char *buffer = malloc(BUFFER_BYTES);
	uint64_t bytes = 0, messages;
	double began = 0, cpu_began = 0;
	int fd = accept_one(port);
	ssize_t n;

	if (fd < 0)
		return die("accept");
	while ((n = read(fd, buffer, BUFFER_BYTES)) > 0) {
		if (!bytes) {
			began = now();
			cpu_began = cpu();
		}
		bytes += (uint64_t)n;
	}
	messages = bytes / o->size_bytes;
	report("receive", messages, bytes, now() - began, cpu() - cpu_began);
	free(buffer);
	close(fd);
	return n < 0 ? die("read") : 0;
}

static int send_one_way(const struct options *o, const char *host,
			const char *port)
{
	size_t batch_bytes = o->size_bytes * o->batch;
	char *buffer = calloc(1, batch_bytes);
	char *message = calloc(1, o->size_bytes);
	double began, cpu_began, end;
	int fd = connect_to(host, port);
	uint64_t n = 0;

	if (fd < 0)
		return die("connect");
	began = now();
	cpu_began = cpu();
	end = began + o->seconds;
	while (!o->count || n < o->count) {
		if (o->seconds > 0 && n / o->batch % 16 == 0 && now() > end)
			break;
		/* A batch is put together as a user of TCP would. */
		for (uint64_t i = 0; o->batch > 1 && i < o->batch; i++)
			memcpy(buffer + i * o->size_bytes, message,
			       o->size_bytes);
		if (write_all(fd, buffer, batch_bytes))
			return die("write");
		n += o->batch;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, buffer, 1) < 0)
		return die("read");
	report("send", n, n * o->size_bytes, now() - began, cpu() - cpu_began);
	free(buffer);
	free(message);
	close(fd);
	return 0;
}

/* ---- there and back -------------------------------------------------------------- */

static int echo(const struct options *o, const char *port)
{
	char *buffer = malloc(o->size_bytes);
	int fd = accept_one(port);

	if (fd < 0)
		return die("accept");
	while (!read_all(fd, buffer, o->size_bytes))
		if (write_all(fd, buffer, o->size_bytes))
			break;
	free(buffer);
	close(fd);
	return 0;
}

static int trip(const struct options *o, const char *host, const char *port)
{
	uint64_t wanted = o->count ? o->count : 20000;
	char *buffer = calloc(1, o->size_bytes);
	int fd = connect_to(host, port);
	double *times, cpu_began, end = now() + o->seconds;
	uint64_t n;

	if (fd < 0)
		return die("connect");
	if (wanted > TRIPS_MAX)
		wanted = TRIPS_MAX;
	times = calloc(wanted, sizeof(*times));
	cpu_began = cpu();
	for (n = 0; n < wanted; n++) {
		double began = now();

		if (n && o->seconds > 0 && began > end)
			break;
		if (write_all(fd, buffer, o->size_bytes) ||
		    read_all(fd, buffer, o->size_bytes))
			return die("trip");
		times[n] = now() - began;
	}
	qsort(times, n, sizeof(*times), by_size);
	printf("trip messages %llu p50_us %.1f p99_us %.1f max_us %.1f "
	       "lost 0 cpu_ns_per_message %.0f\n",
	       (unsigned long long)n, times[n / 2] * 1e6,
	       times[n * 99 / 100] * 1e6, times[n - 1] * 1e6,
	       (cpu() - cpu_began) / (double)n * 1e9);
	free(times);
	free(buffer);
	close(fd);
	return 0;
}

/* ---- options ----------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr, "usage: tcp receive|echo PORT\n"
			"       tcp send|trip HOST PORT\n"
			"  --size B --count N --seconds S --batch N\n");
	return 2;
}

static int run(const struct options *o, char **args, int n)
{
	if (n == 2 && !strcmp(args[0], "receive"))
		return receive(o, args[1]);
	if (n == 2 && !strcmp(args[0], "echo"))
		return echo(o, args[1]);
	if (n == 3 && !strcmp(args[0], "send"))
		return send_one_way(o, args[1], args[2]);
	if (n == 3 && !strcmp(args[0], "trip"))
		return trip(o, args[1], args[2]);
	return usage();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", 1, NULL, 's' },    { "count", 1, NULL, 'k' },
		{ "seconds", 1, NULL, 't' }, { "batch", 1, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .size_bytes = 64, .batch = 1 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's':
			o.size_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			o.count = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o.seconds = strtod(optarg, NULL);
			break;
		case 'b':
			o.batch = strtoull(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	if (!o.size_bytes || !o.batch)
		return usage();
	if (!o.count && o.seconds <= 0)
		o.seconds = 3;
	return run(&o, argv + optind, argc - optind);
}
