// SPDX-License-Identifier: GPL-2.0-only
/*
 * gremlin - a program that follows ring.h only as far as it must: attaches,
 * then writes random bytes, half-right records and impossible positions into
 * its rings, for as many seconds as asked. Sometimes it first does what a
 * program does - sends to itself, asks - to have more to spoil. When it is
 * detached it comes again.
 *
 *   gremlin SOCKET SECONDS SEED
 *
 * At the end: `attached N` and `detached N`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "skerry/barrier.h"
#include "skerry/ring.h"

static uint64_t seed;

static uint64_t chance(uint64_t bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % bound;
}

struct area {
	struct skerry_mapping *map;
	uint8_t *data; /* to the agent, mapped twice */
	uint32_t size_bytes;
	size_t mapping_bytes;
	uint64_t tail;
};

struct gremlin {
	int fd, wake;
	struct area control, channel;
	/* The flow to itself, while it behaves. */
	const struct skerry_flow_slot *slot;
	uint32_t slot_index, epoch;
	uint64_t written, next;
};

static int receive(int fd, void *data, size_t size, int *fds, int room)
{
	char control[CMSG_SPACE(sizeof(int) * 3)];
	struct iovec iov = { data, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct pollfd p = { fd, POLLIN, 0 };
	ssize_t got;
	int n = 0;

	if (poll(&p, 1, 2000) != 1)
		return -1;
	got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return -1;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c),
		       sizeof(int) * (size_t)(n < room ? n : room));
	}
	return n;
}

static int map_area(struct area *a, int fd, size_t size)
{
	uint8_t *two;

	a->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (a->map == MAP_FAILED)
		return -1;
	a->mapping_bytes = size;
	a->size_bytes = a->map->to_agent.size_bytes;
	two = mmap(NULL, 2UL * a->size_bytes, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (two == MAP_FAILED)
		return -1;
	for (int i = 0; i < 2; i++)
		mmap(two + (size_t)i * a->size_bytes, a->size_bytes,
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     a->map->to_agent.data_offset);
	a->data = two;
	a->tail = a->map->agent_ring.tail;
	close(fd);
	return 0;
}

/* The rest of the header as given; payload NULL: whatever is there. */
static void put_record(struct area *a, struct skerry_frame f,
		       const void *extensions, size_t extension_bytes,
		       const void *payload, size_t payload_bytes)
{
	uint8_t *at = a->data + (a->tail & (a->size_bytes - 1));

	f.header_length = (uint16_t)(sizeof(f) + extension_bytes);
	f.length = (uint32_t)(f.header_length + payload_bytes);
	memcpy(at, &f, sizeof(f));
	memcpy(at + sizeof(f), extensions, extension_bytes);
	if (payload)
		memcpy(at + f.header_length, payload, payload_bytes);
	a->tail += SKERRY_COST(f.length);
}

static void put(struct area *a, uint8_t type, uint32_t flow, uint32_t corr,
		const void *tlvs, size_t size)
{
	struct skerry_frame f = { .type = type,
				  .flow = flow,
				  .correlation = corr,
				  .sequence = chance(4) };

	put_record(a, f, "", 0, tlvs, size);
}

static size_t text(uint8_t *out, uint16_t key, const char *value)
{
	struct skerry_tlv tlv = { key, (uint16_t)strlen(value) };

	memcpy(out, &tlv, sizeof(tlv));
	memcpy(out + sizeof(tlv), value, tlv.length);
	return sizeof(tlv) + tlv.length;
}

static size_t number(uint8_t *out, uint16_t key, uint64_t value)
{
	struct skerry_tlv tlv = { key, sizeof(value) };

	memcpy(out, &tlv, sizeof(tlv));
	memcpy(out + sizeof(tlv), &value, sizeof(value));
	return sizeof(tlv) + sizeof(value);
}

static void publish(struct gremlin *g, struct area *a)
{
	uint64_t one = 1;

	skerry_store_release(&a->map->agent_ring.tail, a->tail);
	if (write(g->wake, &one, sizeof(one)) < 0)
		return;
}

static int attach(struct gremlin *g, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct skerry_attach hello = { .magic = SKERRY_RING_MAGIC,
				       .abi = SKERRY_RING_ABI,
				       .program = "gremlin" };
	struct skerry_attached reply;
	struct skerry_offer offer;
	uint8_t tlvs[256];
	int fds[3] = { -1, -1, -1 };

	memset(g, 0, sizeof(*g));
	for (int i = 0; i < 16; i++)
		hello.instance[i] = (uint8_t)chance(256);
	g->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(g->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    send(g->fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ||
	    receive(g->fd, &reply, sizeof(reply), fds, 3) != 3 || reply.error)
		goto fail;
	g->wake = fds[1];
	close(fds[2]);
	if (map_area(&g->control, fds[0], reply.mapping_bytes))
		goto fail;
	/* Some things done right, so that there is more to do wrong. */
	put(&g->control, SKERRY_REC_COMMAND, SKERRY_CMD_CHANNEL, 1, tlvs,
	    text(tlvs, SKERRY_K_CHANNEL, "default"));
	put(&g->control, SKERRY_REC_COMMAND, SKERRY_CMD_REGISTER, 2, tlvs,
	    text(tlvs, SKERRY_K_ENDPOINT, "gremlin"));
	publish(g, &g->control);
	if (receive(g->fd, &offer, sizeof(offer), fds, 1) != 1 ||
	    map_area(&g->channel, fds[0], offer.mapping_bytes))
		goto fail;
	return 0;
fail:
	close(g->fd);
	return -1;
}

static void detach(struct gremlin *g)
{
	struct area *areas[] = { &g->control, &g->channel };

	for (int i = 0; i < 2; i++) {
		if (areas[i]->data)
			munmap(areas[i]->data, 2UL * areas[i]->size_bytes);
		if (areas[i]->map)
			munmap(areas[i]->map, areas[i]->mapping_bytes);
	}
	close(g->wake);
	close(g->fd);
}

/* ---- behaving, for a while: what comes later is reached only so ------------ */

static bool room_for(const struct area *a, uint64_t cost)
{
	uint64_t head = skerry_load_acquire(&a->map->agent_ring.head);

	return a->tail - head + cost <= a->size_bytes;
}

/* Everything that the agent has written counts as read. */
static void read_all(struct gremlin *g, struct area *a)
{
	skerry_store_release(&a->map->program_ring.head,
			     skerry_load_acquire(&a->map->program_ring.tail));
	publish(g, a);
}

static const struct skerry_flow_slot *open_slot(struct gremlin *g)
{
	const struct skerry_mapping *map = g->control.map;
	const struct skerry_flow_slot *slots =
		(const void *)((const uint8_t *)map + map->slots_offset);

	for (int wait = 0; wait < 100; wait++) {
		for (uint32_t i = 0; i < 8; i++) {
			if (skerry_load_acquire(&slots[i].state) ==
			    SKERRY_SLOT_OPEN) {
				g->slot_index = i;
				return &slots[i];
			}
		}
		usleep(500);
	}
	return NULL;
}

/* A flow to its own endpoint. */
static bool open_flow(struct gremlin *g)
{
	struct skerry_frame sync = { .type = SKERRY_REC_SYNC, .sequence = 1 };
	uint8_t tlvs[128];
	size_t size = text(tlvs, SKERRY_K_CHANNEL, "default");

	size += text(tlvs + size, SKERRY_K_NODE, "");
	size += text(tlvs + size, SKERRY_K_ENDPOINT, "gremlin");
	size += number(tlvs + size, SKERRY_K_FLOW_ID, seed);
	size += number(tlvs + size, SKERRY_K_NEXT_SEQUENCE, 1);
	put(&g->control, SKERRY_REC_COMMAND, SKERRY_CMD_FLOW_OPEN, 3, tlvs,
	    size);
	publish(g, &g->control);
	g->slot = open_slot(g);
	if (!g->slot)
		return false;
	g->epoch = skerry_load_acquire(&g->slot->epoch);
	g->written = skerry_load_relaxed(&g->slot->base);
	g->next = 1;
	sync.flow = g->slot_index;
	sync.correlation = g->epoch;
	put_record(&g->channel, sync, "", 0, NULL, 0);
	publish(g, &g->channel);
	return true;
}

static void want(struct gremlin *g, uint64_t total)
{
	struct skerry_frame f = { .type = SKERRY_REC_WANT,
				  .flow = g->slot_index,
				  .correlation = g->epoch,
				  .sequence = g->written +
					      SKERRY_FLOW_CREDIT_BYTES };
	uint8_t tlv[16];
	size_t size = total ? number(tlv, SKERRY_K_TOTAL_BYTES, total) : 0;

	put_record(&g->channel, f, tlv, size, NULL, 0);
	publish(g, &g->channel);
}

/* One fragment, when there is credit for it within some milliseconds. */
static bool data(struct gremlin *g, uint8_t flags, uint64_t total, size_t size)
{
	struct skerry_frame f = { .type = SKERRY_FRAME_DATA,
				  .flags = flags,
				  .flow = g->slot_index,
				  .correlation = g->epoch,
				  .sequence = g->next };
	uint8_t tlv[16];
	size_t extra = total ? number(tlv, SKERRY_K_TOTAL_BYTES, total) : 0;
	uint64_t cost = SKERRY_COST(sizeof(f) + extra + size);

	for (int wait = 0; wait < 10; wait++) {
		if (room_for(&g->channel, cost) &&
		    g->written + cost <=
			    skerry_load_acquire(&g->slot->granted) &&
		    (!total ||
		     skerry_load_relaxed(&g->slot->large) == g->next)) {
			put_record(&g->channel, f, tlv, extra, NULL, size);
			publish(g, &g->channel);
			g->written += cost;
			g->next += !(flags & SKERRY_DATA_MORE);
			return true;
		}
		usleep(300);
	}
	return false;
}

static void large(struct gremlin *g)
{
	const size_t fragment = SKERRY_FRAGMENT_BYTES;

	want(g, 2 * fragment);
	if (data(g, SKERRY_DATA_MORE, 2 * fragment, fragment) && chance(3))
		data(g, SKERRY_DATA_CONT, 0, fragment);
}

/* Fills its own message ring, then lets the agent go on or lies about it. */
static void stream(struct gremlin *g)
{
	if (!open_flow(g))
		return;
	for (int round = 0; round < 3; round++) {
		if (chance(3) == 0)
			large(g);
		do
			want(g, 0);
		while (data(g, 0, 0, 30000) && data(g, 0, 0, 30000));
		if (chance(4) == 0)
			skerry_store_release(&g->channel.map->program_ring.head,
					     g->channel.map->program_ring.tail +
						     8);
		else
			read_all(g, &g->channel);
		publish(g, &g->channel);
	}
}

/* Asks for more answers than its control ring holds, then reads them. */
static void ask(struct gremlin *g)
{
	uint8_t tlvs[64];
	size_t size = text(tlvs, SKERRY_K_QUERY, "limits");

	for (int i = 0; i < 600 && room_for(&g->control, 64); i++) {
		put(&g->control, SKERRY_REC_COMMAND, SKERRY_CMD_DATA_QUERY, 4,
		    tlvs, size);
		publish(g, &g->control);
	}
	for (int wait = 0; wait < 100; wait++) {
		if (skerry_load_acquire(&g->control.map->agent_ring.head) ==
		    g->control.tail)
			break;
		usleep(1000);
	}
	read_all(g, &g->control);
	put(&g->control, SKERRY_REC_COMMAND, SKERRY_CMD_DATA_QUERY, 5, tlvs,
	    size);
	publish(g, &g->control);
	usleep(1000);
}

/* ---- misbehaving ------------------------------------------------------------ */

/* A record with a plausible type and command, and anything else. */
static void half_right(struct area *a)
{
	static const uint8_t types[] = {
		SKERRY_REC_COMMAND,
		SKERRY_REC_WANT,
		SKERRY_REC_SYNC,
		SKERRY_REC_CLOSE,
		SKERRY_FRAME_DATA,
		0x91,
		0xff,
		0x00,
	};
	static const char *const words[] = {
		"default", "bulk",	  "",	    "no such",	 "gremlin",
		"members", "connections", "kernel", "endpoints", "status",
	};
	uint8_t tlvs[512];
	size_t size = 0;
	uint64_t fields = chance(6);

	while (fields--) {
		if (chance(2)) {
			size += text(tlvs + size, (uint16_t)chance(200),
				     words[chance(10)]);
		} else {
			struct skerry_tlv tlv = { (uint16_t)chance(200), 8 };
			uint64_t value = chance(2) ? chance(8) : seed;

			memcpy(tlvs + size, &tlv, sizeof(tlv));
			memcpy(tlvs + size + sizeof(tlv), &value, 8);
			size += sizeof(tlv) + 8;
		}
	}
	put(a, types[chance(sizeof(types))],
	    (uint32_t)(chance(3) ? chance(48) : seed), (uint32_t)chance(3),
	    tlvs, size);
}

static void garbage(struct area *a)
{
	uint64_t n = 8 * (1 + chance(40));
	uint8_t *at = a->data + (a->tail & (a->size_bytes - 1));

	for (uint64_t i = 0; i < n; i++)
		at[i] = (uint8_t)chance(256);
	if (chance(2)) { /* a length that may fit, the rest nonsense */
		uint32_t length = (uint32_t)chance(400);

		memcpy(at, &length, sizeof(length));
	}
	a->tail += n;
}

static void prank(struct gremlin *g)
{
	struct area *a = chance(2) ? &g->control : &g->channel;
	uint64_t pick = chance(100);

	if (pick < 68) {
		half_right(a);
	} else if (pick < 70) { /* longer than any extensions are */
		static const uint8_t much[3000];
		struct skerry_frame f = { .type = SKERRY_REC_WANT,
					  .flow = g->slot_index,
					  .correlation = g->epoch };

		put_record(a, f, much, 900 + chance(2000), NULL, 0);
	} else if (pick < 90) {
		garbage(a);
	} else if (pick < 94) {
		a->tail += chance(2) ? chance(1 << 22) : seed;
	} else if (pick < 97) { /* the other ring's consumer position */
		skerry_store_release(&a->map->program_ring.head, seed);
	} else { /* everything the program can reach of the first page */
		uint8_t *page = (uint8_t *)a->map;

		for (int i = 0; i < 64; i++)
			page[chance(sizeof(*a->map))] = (uint8_t)chance(256);
	}
	publish(g, a);
}

int main(int argc, char **argv)
{
	unsigned long attached = 0, detached = 0, refused = 0;
	struct gremlin g;
	time_t end;

	if (argc != 4)
		return 2;
	end = time(NULL) + atoi(argv[2]);
	seed = strtoull(argv[3], NULL, 10) * 2654435761U + 88172645463325252ULL;
	while (time(NULL) < end) {
		if (attach(&g, argv[1])) {
			refused++;
			usleep(20000);
			continue;
		}
		attached++;
		if (chance(16) == 0)
			stream(&g);
		if (chance(64) == 0)
			ask(&g);
		for (;;) {
			struct pollfd p = { g.fd, POLLIN, 0 };

			prank(&g);
			if (poll(&p, 1, (int)chance(3)) == 1 &&
			    (p.revents & (POLLHUP | POLLERR))) {
				detached++;
				break;
			}
			if (chance(400) == 0 || time(NULL) >= end)
				break;
		}
		detach(&g);
	}
	printf("attached %lu\ndetached %lu\nrefused %lu\n", attached, detached,
	       refused);
	return attached == 0;
}
