// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * transfer - what the demo's programs do.
 *
 *   transfer receive FILE            own the endpoint "transfer", write what
 *                                    comes to FILE, say what arrived
 *   transfer send NODE FILE          send FILE over the channels "default"
 *                                    and "bulk" in turn, then datagrams over
 *                                    the fast channel "ticks"
 *   transfer knock FROM PORT TO PORT connect by TCP from a chosen port: 0
 *                                    when something answers (also with a
 *                                    reset), 1 when nothing does
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "skerry/skerry.h"

#define BLOCK_BYTES (96 * 1024) /* more than a fragment */
#define TICKS 2000
#define TICK_BYTES 1000
#define QUIET_MS 3000

enum kind {
	KIND_BLOCK = 1,
	KIND_END,
	KIND_TICK
};

struct header {
	uint32_t kind;
	uint32_t sum; /* of what follows */
	uint64_t at; /* offset of the block, size of the file, tick */
};

static uint32_t sum_of(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint32_t a = 1, b = 0;

	while (size--) {
		a = (a + *p++) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static int fail(struct skerry *handle, const char *what)
{
	fprintf(stderr, "transfer: %s: %s\n", what, skerry_last_error(handle));
	return 1;
}

static int put(struct skerry *handle, const char *node, const char *channel,
	       struct header *header, const void *data, size_t size)
{
	static unsigned char message[sizeof(*header) + BLOCK_BYTES];
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = channel,
	};

	header->sum = sum_of(data, size);
	memcpy(message, header, sizeof(*header));
	memcpy(message + sizeof(*header), data, size);
	return skerry_forward(handle, node, "transfer", message,
			      sizeof(*header) + size, &opts);
}

static int send_file(struct skerry *handle, const char *node, const char *path)
{
	static const char *const channels[] = { "default", "bulk" };
	static unsigned char block[BLOCK_BYTES];
	struct header header = { .kind = KIND_BLOCK };
	int turn = 0, fd, err;
	ssize_t got;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	while ((got = read(fd, block, sizeof(block))) > 0) {
		err = put(handle, node, channels[turn++ % 2], &header, block,
			  (size_t)got);
		if (err) {
			close(fd);
			return fail(handle, "forward");
		}
		header.at += (uint64_t)got;
	}
	close(fd);
	header.kind = KIND_END;
	if (put(handle, node, "default", &header, "", 0))
		return fail(handle, "forward");
	return 0;
}

static int send_ticks(struct skerry *handle, const char *node)
{
	unsigned char tick[TICK_BYTES];
	struct header header = { .kind = KIND_TICK };

	for (header.at = 0; header.at < TICKS; header.at++) {
		memset(tick, (int)(header.at * 7), sizeof(tick));
		if (put(handle, node, "ticks", &header, tick, sizeof(tick)))
			return fail(handle, "forward on ticks");
		if (header.at % 16 == 15)
			usleep(2000); /* a datagram has no credit */
	}
	return 0;
}

struct progress {
	int fd;
	uint64_t file_bytes, wanted_bytes;
	unsigned int ticks, ticks_bad, on_default, on_bulk;
	bool ended;
};

static int take(struct progress *p, const struct skerry_message *message)
{
	const unsigned char *body;
	struct header header;
	size_t size;

	if (message->size_bytes < sizeof(header))
		return -EPROTO;
	memcpy(&header, message->data, sizeof(header));
	body = (const unsigned char *)message->data + sizeof(header);
	size = message->size_bytes - sizeof(header);
	switch (header.kind) {
	case KIND_BLOCK:
		if (header.sum != sum_of(body, size))
			return -EPROTO;
		if (pwrite(p->fd, body, size, (off_t)header.at) !=
		    (ssize_t)size)
			return -errno;
		p->file_bytes += size;
		if (!strcmp(message->channel, "bulk"))
			p->on_bulk++;
		else
			p->on_default++;
		return 0;
	case KIND_END:
		p->wanted_bytes = header.at;
		p->ended = true;
		return 0;
	case KIND_TICK:
		p->ticks++;
		p->ticks_bad += header.sum != sum_of(body, size);
		return 0;
	}
	return -EPROTO;
}

static int receive(struct skerry *handle, const char *path)
{
	struct progress p = { 0 };
	struct skerry_message message;
	int err;

	p.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (p.fd < 0) {
		perror(path);
		return 1;
	}
	if (skerry_register(handle, "transfer"))
		return fail(handle, "register");
	fprintf(stderr, "transfer: ready\n");
	while (!p.ended || p.file_bytes < p.wanted_bytes || p.ticks < TICKS) {
		err = skerry_next(handle, &message, p.ticks ? QUIET_MS : 30000);
		if (err)
			break;
		err = take(&p, &message);
		skerry_release(handle, &message);
		if (err) {
			fprintf(stderr, "transfer: bad message: %s\n",
				strerror(-err));
			return 1;
		}
	}
	close(p.fd);
	printf("file %llu of %llu bytes, %u blocks on default, %u on bulk; "
	       "%u of %u datagrams, %u damaged\n",
	       (unsigned long long)p.file_bytes,
	       (unsigned long long)p.wanted_bytes, p.on_default, p.on_bulk,
	       p.ticks, TICKS, p.ticks_bad);
	/* A datagram may be lost; one in a hundred is not chance. */
	return !(p.ended && p.file_bytes == p.wanted_bytes && !p.ticks_bad &&
		 p.ticks >= TICKS - TICKS / 100);
}

static int knock(char **argv)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = from;
	struct pollfd pollfd = { .events = POLLOUT };
	int one = 1;

	from.sin_port = htons((uint16_t)atoi(argv[1]));
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	if (inet_pton(AF_INET, argv[0], &from.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		return 2;
	pollfd.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(pollfd.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(pollfd.fd, (struct sockaddr *)&from, sizeof(from))) {
		perror("transfer: bind");
		return 2;
	}
	if (connect(pollfd.fd, (struct sockaddr *)&to, sizeof(to)) &&
	    errno != EINPROGRESS)
		return errno == ECONNREFUSED ? 0 : 1;
	return poll(&pollfd, 1, 1500) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct skerry_open_opts opts = {
		.size = sizeof(opts),
		.program = "transfer",
	};
	struct skerry *handle;
	int code = 2;

	if (argc == 6 && !strcmp(argv[1], "knock"))
		return knock(argv + 2);
	if (argc < 3)
		goto usage;
	if (skerry_open(&opts, &handle))
		return fail(NULL, "open");
	if (argc == 3 && !strcmp(argv[1], "receive")) {
		code = receive(handle, argv[2]);
	} else if (argc == 4 && !strcmp(argv[1], "send")) {
		code = send_file(handle, argv[2], argv[3]);
		if (!code)
			code = send_ticks(handle, argv[2]);
	}
	skerry_close(handle);
	if (code != 2)
		return code;
usage:
	fprintf(stderr, "usage: transfer receive FILE | send NODE FILE | "
			"knock FROM PORT TO PORT\n");
	return 2;
}
