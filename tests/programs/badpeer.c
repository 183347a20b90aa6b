// SPDX-License-Identifier: GPL-2.0-only
/*
 * badpeer - a node that has the cluster's key and nothing else to recommend
 * it: shakes hands as the protocol says, and then sends random and half-right
 * frames on its lanes, and sealed datagrams with such bodies to the heartbeat
 * and partition ports. Whenever a lane is closed it comes again.
 *
 *   badpeer KEY CLUSTER NAME OWN-IP PEER-IP SECONDS SEED
 *
 * It names no node but itself and some that do not exist, and its partitions
 * cannot be decoded: what others lose they lose by a mistake of the peer's.
 * At the end: `up N`, `closed N` (of those that were up), `refused N`,
 * `frames N`, `granted N` (credit that it was given) and `datagrams N`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "dgram.h"
#include "lane/lanefsm.h"
#include "run/hmac.h"
#include "spec.h"

#define QUEUE_BYTES 65536U
#define INBOX_BYTES (256U << 10)
#define BODY_BYTES 4096U
#define LANES 2U

static const char *const channels[LANES] = { "membership", "default" };

static uint64_t seed;

static uint64_t chance(uint64_t bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % bound;
}

struct bad;

struct conn {
	struct bad *bad;
	const char *channel;
	int fd; /* -1: none */
	bool up, over, flipped;
	struct lanefsm *fsm;
	struct lane_queue queue;
	uint8_t queue_data[QUEUE_BYTES];
	uint8_t inbox[INBOX_BYTES];
	size_t inbox_bytes;
	uint32_t flow; /* the last one of theirs */
	uint32_t opened; /* ours so far */
	uint32_t resumed; /* the last of ours that was accepted */
	uint64_t next, granted; /* of that one */
};

struct bad {
	const char *cluster, *own_ip, *peer_ip;
	struct core_config config;
	struct core_hmac hmac;
	uint64_t incarnation, told, generation;
	bool anew; /* a new incarnation at the next visit */
	struct dgram_self self;
	struct dgram_peer ports[2]; /* partition, heartbeat */
	int udp;
	struct conn conns[LANES];
	unsigned long ups, closed, refused, frames, grants, datagrams;
};

/* ---- what it is ----------------------------------------------------------- */

static int read_key(const char *path, uint8_t key[32])
{
	char text[64];
	FILE *f = fopen(path, "r");
	size_t got = f ? fread(text, 1, sizeof(text), f) : 0;

	if (f)
		fclose(f);
	return got == sizeof(text) && skerry_hex_decode(text, got, key, 32)
		       ? 0
		       : -1;
}

static void put_spec(const struct bad *bad, struct tlv_writer *w)
{
	size_t mark = tlv_begin(w, SKERRY_K_SPEC);

	spec_write(w, &bad->config, bad->incarnation, bad->self.boot_nonce, 1);
	tlv_end(w, mark);
}

/* The generation ever larger: each lane replaces the one before. */
static size_t details(struct bad *bad, const char *channel, uint8_t *out)
{
	struct tlv_writer w;
	struct timespec now;

	bad->generation++;
	if (bad->anew) {
		clock_gettime(CLOCK_REALTIME, &now);
		bad->incarnation = (uint64_t)now.tv_sec * 1000000 +
				   (uint64_t)now.tv_nsec / 1000;
		if (bad->incarnation <= bad->told)
			bad->incarnation = bad->told + 1;
		bad->self.incarnation = bad->incarnation;
		bad->anew = false;
	}
	tlv_writer_init(&w, out, SKERRY_SPEC_MAX_BYTES);
	tlv_put_str(&w, SKERRY_K_CLUSTER, bad->cluster);
	put_spec(bad, &w);
	tlv_put_str(&w, SKERRY_K_CHANNEL, channel);
	tlv_put_u64(&w, SKERRY_K_LANE, 0);
	tlv_put_u64(&w, SKERRY_K_GENERATION, bad->generation);
	tlv_put_bool(&w, SKERRY_K_PENDING, true);
	return w.used_bytes;
}

/* ---- rubbish -------------------------------------------------------------- */

static void flip(uint8_t *bytes, size_t size_bytes)
{
	uint64_t n = 1 + chance(4);

	while (size_bytes && n--)
		bytes[chance(size_bytes)] = (uint8_t)chance(256);
}

static void put_number(struct tlv_writer *w, uint16_t key)
{
	tlv_put_u64(w, key, chance(3) ? chance(6) : seed);
}

static const char *word(void)
{
	static const char *const words[] = { "ghost0", "ghost1", "ghost2", "",
					     "a b",    "bait",	 "default" };

	return words[chance(7)];
}

/* Fields of any kind under keys from that range. */
static void put_fields(struct tlv_writer *w, uint16_t low, uint16_t high)
{
	uint64_t n = chance(6);
	uint8_t bytes[40];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)chance(256);
	while (n--) {
		uint16_t key = (uint16_t)(low + chance(high - low + 1U));

		if (chance(40) == 0)
			key |= SKERRY_TLV_CRITICAL;
		switch (chance(4)) {
		case 0:
			tlv_put_str(w, key, word());
			break;
		case 1:
			tlv_put(w, key, bytes, chance(sizeof(bytes)));
			break;
		case 2:
			tlv_put(w, key, bytes, 16);
			break;
		default:
			put_number(w, key);
		}
	}
}

static void put_member(struct bad *bad, struct tlv_writer *w)
{
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);

	if (chance(2)) {
		put_spec(bad, w);
	} else {
		tlv_put_str(w, SKERRY_K_NAME, word());
		put_number(w, SKERRY_K_INCARNATION);
		tlv_put_bool(w, SKERRY_K_REMOVED, chance(2));
		tlv_put_str(w, SKERRY_K_KNOWS, word());
	}
	put_fields(w, SKERRY_K_SPEC, SKERRY_K_DIGEST);
	tlv_end(w, mark);
}

static size_t member_body(struct bad *bad, uint8_t *out)
{
	static const char *const kinds[] = { "table", "delta", "digest",
					     "notice", "other" };
	struct tlv_writer w;

	tlv_writer_init(&w, out, BODY_BYTES);
	tlv_put_str(&w, SKERRY_K_KIND, kinds[chance(5)]);
	for (uint64_t n = chance(3); n; n--)
		put_member(bad, &w);
	put_fields(&w, SKERRY_K_DIGEST, SKERRY_K_SINCE);
	if (chance(2))
		tlv_put_str(&w, SKERRY_K_REASON, "\x1b[2J\n\xff");
	return w.used_bytes;
}

static size_t partition_body(uint8_t *out)
{
	static const char *const kinds[] = { "entry",  "part",	 "ack",	 "ask",
					     "answer", "forget", "other" };
	uint8_t reference[16] = { 0xbb };
	uint8_t blob[900];
	struct tlv_writer w;

	reference[1] = (uint8_t)chance(4);
	for (size_t i = 0; i < sizeof(blob); i++)
		blob[i] = (uint8_t)chance(256);
	tlv_writer_init(&w, out, BODY_BYTES);
	tlv_put_str(&w, SKERRY_K_KIND, kinds[chance(7)]);
	tlv_put(&w, SKERRY_K_REFERENCE, reference, sizeof(reference));
	if (chance(2))
		tlv_put_bool(&w, SKERRY_K_RESOLVED, chance(2));
	if (chance(2)) {
		put_number(&w, SKERRY_K_DIGEST);
		put_number(&w, SKERRY_K_CHUNK);
		put_number(&w, SKERRY_K_CHUNKS);
		tlv_put(&w, SKERRY_K_BLOB, blob, chance(sizeof(blob)));
	}
	put_fields(&w, SKERRY_K_REFERENCE, SKERRY_K_BLOB);
	return w.used_bytes;
}

static size_t beat_body(uint8_t *out)
{
	struct tlv_writer w;

	tlv_writer_init(&w, out, BODY_BYTES);
	put_fields(&w, SKERRY_K_HEARD_SEQUENCE, SKERRY_K_ROUND_TRIP_US);
	put_number(&w, SKERRY_K_HEARD_SEQUENCE);
	put_number(&w, SKERRY_K_HEARD_AGE_MS);
	return w.used_bytes;
}

static size_t open_body(uint8_t *out)
{
	uint8_t program[16] = { 0xbb };
	struct tlv_writer w;

	program[1] = (uint8_t)chance(3);
	tlv_writer_init(&w, out, BODY_BYTES);
	tlv_put(&w, SKERRY_K_PROGRAM, program, sizeof(program));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, chance(8) ? seed : chance(4));
	tlv_put_str(&w, SKERRY_K_ENDPOINT, chance(8) ? "bait" : word());
	tlv_put_u64(&w, SKERRY_K_FROM_SEQUENCE, 1);
	tlv_put_u64(&w, SKERRY_K_WANT_BYTES, chance(4) ? 65536 : seed);
	if (chance(12) == 0)
		put_fields(&w, SKERRY_K_PROGRAM, SKERRY_K_MTU_BYTES);
	return w.used_bytes;
}

/* ---- its lanes ------------------------------------------------------------- */

static void on_hello(void *data, struct core_bytes welcome)
{
	struct conn *c = data;
	struct tlv_reader r;
	uint64_t nonce = 0;

	/* Its own lies have made it an old one: above what it is told. */
	if (tlv_find(welcome.data, welcome.size_bytes, SKERRY_K_MEMBER, &r)) {
		c->bad->told = tlv_find_u64(r.value, r.length,
					    SKERRY_K_INCARNATION, 0);
		c->bad->anew = true;
	}
	if (tlv_find(welcome.data, welcome.size_bytes, SKERRY_K_SPEC, &r))
		nonce = tlv_find_u64(r.value, r.length, SKERRY_K_BOOT_NONCE, 0);
	for (int i = 0; i < 2; i++)
		c->bad->ports[i].boot_nonce = nonce;
	lanefsm_admit(c->fsm, (struct core_bytes) { 0 });
}

static void on_up(void *data)
{
	struct conn *c = data;

	c->up = true;
	c->bad->ups++;
}

static void on_frame(void *data, const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload)
{
	struct conn *c = data;

	if (frame->type == SKERRY_FRAME_FLOW_OPEN)
		c->flow = frame->flow;
	if (frame->type == SKERRY_FRAME_RESUME) {
		c->resumed = frame->flow;
		c->next = frame->sequence;
	}
	if (frame->type == SKERRY_FRAME_CREDIT &&
	    frame->flags == SKERRY_CREDIT_GRANT) {
		c->granted = frame->sequence;
		c->bad->grants++;
	}
}

static void on_closed(void *data, enum lane_end end, int error,
		      uint64_t generation_seen, const char *text)
{
	struct conn *c = data;

	c->over = true;
	if (end == LANE_END_DUPLICATE && generation_seen > c->bad->generation)
		c->bad->generation = generation_seen;
}

static const struct lanefsm_handler handler = {
	.hello = on_hello,
	.up = on_up,
	.frame = on_frame,
	.closed = on_closed,
};

static void hang_up(struct conn *c)
{
	if (c->up)
		c->bad->closed++;
	else
		c->bad->refused++;
	c->bad->anew |= (!c->up && !c->flipped) || chance(200) == 0;
	close(c->fd);
	c->fd = -1;
	c->up = false;
}

/* Write what waits, read what comes; false: the lane is over. */
static bool move(struct conn *c, int wait_ms)
{
	struct core_bytes pieces[2];
	struct pollfd p = { c->fd, POLLIN, 0 };
	ssize_t got;

	while (lane_queue_peek(&c->queue, pieces)) {
		got = send(c->fd, pieces[0].data, pieces[0].size_bytes,
			   MSG_NOSIGNAL);
		if (got < 0)
			return false;
		lane_queue_consume(&c->queue, (size_t)got);
	}
	if (poll(&p, 1, wait_ms) != 1)
		return true;
	got = recv(c->fd, c->inbox + c->inbox_bytes,
		   sizeof(c->inbox) - c->inbox_bytes, 0);
	if (got <= 0)
		return false;
	c->inbox_bytes += (size_t)got;
	got = lanefsm_receive(c->fsm, c->inbox, c->inbox_bytes);
	if (got < 0 || c->over)
		return false;
	c->inbox_bytes -= (size_t)got;
	memmove(c->inbox, c->inbox + got, c->inbox_bytes);
	return true;
}

static int dial(const struct bad *bad)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(SKERRY_PORT_BASE) };
	struct timeval soon = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, bad->own_ip, &from.sin_addr);
	inet_pton(AF_INET, bad->peer_ip, &to.sin_addr);
	/* Who does not read is not waited for either. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void come(struct conn *c)
{
	uint8_t bytes[SKERRY_SPEC_MAX_BYTES];
	struct lanefsm_config config = { .dialler = true,
					 .hmac = &c->bad->hmac };
	struct timespec now;
	time_t end;

	c->fd = dial(c->bad);
	if (c->fd < 0) {
		c->bad->refused++;
		usleep(20000);
		return;
	}
	config.details.data = bytes;
	config.details.size_bytes = details(c->bad, c->channel, bytes);
	c->flipped = chance(8) == 0;
	if (c->flipped)
		flip(bytes, config.details.size_bytes);
	for (size_t i = 0; i < sizeof(config.nonce); i++)
		config.nonce[i] = (uint8_t)chance(256);
	c->over = false;
	c->inbox_bytes = 0;
	c->opened = c->resumed = 0;
	c->next = c->granted = 0;
	lane_queue_init(&c->queue, c->queue_data, sizeof(c->queue_data));
	lanefsm_init(c->fsm, &config, &c->queue, &handler, c);
	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + 2;
	while (!c->up && now.tv_sec < end) {
		if (!move(c, 100))
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	/* READY is still to be written. */
	if (!c->up || !move(c, 0)) {
		hang_up(c);
		usleep(5000);
	}
}

static void say(struct conn *c, struct skerry_frame *f, const uint8_t *body,
		size_t size_bytes)
{
	uint8_t out[sizeof(*f) + BODY_BYTES];

	f->length = (uint32_t)(sizeof(*f) + size_bytes);
	f->header_length = sizeof(*f);
	/* As extensions, sometimes. */
	if (chance(60) == 0)
		f->header_length +=
			(uint16_t)(chance(2) ? size_bytes : chance(64));
	if (chance(200) == 0)
		f->length = (uint32_t)(chance(2) ? chance(64) : seed);
	memcpy(out, f, sizeof(*f));
	memcpy(out + sizeof(*f), body, size_bytes);
	if (chance(100) == 0)
		flip(out, sizeof(*f));
	c->bad->frames++;
	if (send(c->fd, out, sizeof(*f) + size_bytes, MSG_NOSIGNAL) < 0)
		hang_up(c);
}

static void flow_prank(struct conn *c)
{
	static const uint8_t types[] = {
		SKERRY_FRAME_FLOW_OPEN,	 SKERRY_FRAME_FLOW_OPEN,
		SKERRY_FRAME_FLOW_OPEN,	 SKERRY_FRAME_DATA,
		SKERRY_FRAME_DATA,	 SKERRY_FRAME_DATA,
		SKERRY_FRAME_CREDIT,	 SKERRY_FRAME_CREDIT,
		SKERRY_FRAME_FLOW_CLOSE, SKERRY_FRAME_FLOW_REFUSE,
		SKERRY_FRAME_ACK,	 SKERRY_FRAME_RESUME,
		SKERRY_FRAME_SKIP,
	};
	struct skerry_frame f = { .type = types[chance(sizeof(types))] };
	uint8_t body[BODY_BYTES] = { 0 };
	struct tlv_writer w;
	size_t size_bytes;

	f.flow = (uint32_t)(chance(3) ? chance(4) : c->flow);
	f.sequence = chance(30) ? chance(4) : seed;
	/* Mostly within what the protocol allows: it is to come far. */
	if (f.type == SKERRY_FRAME_FLOW_OPEN && chance(20)) {
		f.flow = c->opened++ % 64;
		f.sequence = 1;
	}
	if (f.type == SKERRY_FRAME_DATA && chance(8)) {
		f.flow = c->resumed;
		f.sequence = c->next++;
	}
	tlv_writer_init(&w, body, sizeof(body));
	put_fields(&w, SKERRY_K_PROGRAM, SKERRY_K_MTU_BYTES);
	size_bytes = f.type == SKERRY_FRAME_DATA ? chance(200) : w.used_bytes;
	if (f.type == SKERRY_FRAME_FLOW_OPEN)
		size_bytes = open_body(body);
	if (f.type == SKERRY_FRAME_DATA && chance(20) == 0)
		f.flags = (uint8_t)chance(8);
	if (f.type == SKERRY_FRAME_CREDIT) {
		f.flags = (uint8_t)chance(20) ? (uint8_t)(1 + chance(4)) : 9;
		if (chance(8))
			f.flow = f.flags == SKERRY_CREDIT_WANT ||
						 f.flags == SKERRY_CREDIT_KEPT
					 ? c->resumed
					 : c->flow;
		if (chance(4))
			f.sequence = c->granted + chance(4096);
	}
	if (chance(40) == 0)
		flip(body, size_bytes);
	say(c, &f, body, size_bytes);
}

static void control_prank(struct conn *c)
{
	static const uint8_t types[] = {
		SKERRY_FRAME_MEMBER,
		SKERRY_FRAME_MEMBER,
		SKERRY_FRAME_MEMBER,
		SKERRY_FRAME_MEMBER,
		SKERRY_FRAME_PARTITION,
		SKERRY_FRAME_OVERLAY,
		SKERRY_FRAME_RELAY,
		SKERRY_FRAME_BCAST,
		SKERRY_FRAME_PING,
		SKERRY_FRAME_PONG,
		0x90,
	};
	struct skerry_frame f = { .type = types[chance(sizeof(types))],
				  .sequence = chance(4) };
	uint8_t body[BODY_BYTES];
	size_t size_bytes;

	/* Anything at all, seldom: it ends the lane. */
	if (chance(30) == 0)
		f.type = (uint8_t)chance(256);
	if (f.type == SKERRY_FRAME_MEMBER)
		size_bytes = member_body(c->bad, body);
	else
		size_bytes = partition_body(body);
	if (chance(4) == 0)
		flip(body, size_bytes);
	if (chance(8) == 0)
		size_bytes = chance(size_bytes + 1);
	say(c, &f, body, size_bytes);
}

static void garbage(struct conn *c)
{
	uint8_t bytes[512];
	size_t size_bytes = 1 + chance(sizeof(bytes));

	for (size_t i = 0; i < size_bytes; i++)
		bytes[i] = (uint8_t)chance(256);
	c->bad->frames++;
	if (send(c->fd, bytes, size_bytes, MSG_NOSIGNAL) < 0)
		hang_up(c);
}

/* ---- its datagrams ---------------------------------------------------------- */

static void datagram(struct bad *bad)
{
	bool beat = chance(2);
	uint8_t body[BODY_BYTES], out[BODY_BYTES + DGRAM_OVERHEAD_MAX_BYTES];
	struct sockaddr_in to = { .sin_family = AF_INET };
	size_t size_bytes = beat ? beat_body(body) : partition_body(body);
	uint64_t sequence;
	int sealed;

	if (chance(4) == 0)
		flip(body, size_bytes);
	if (chance(8) == 0)
		size_bytes = chance(size_bytes + 1);
	sealed = dgram_seal(&bad->self, &bad->ports[beat],
			    beat ? SKERRY_DGRAM_HEARTBEAT
				 : SKERRY_DGRAM_PARTITION,
			    (struct core_bytes) { body, size_bytes }, out,
			    sizeof(out), &sequence);
	if (sealed < 0)
		return;
	/* Or what is around the body. */
	if (chance(10) == 0)
		flip(out, (size_t)sealed);
	if (chance(20) == 0)
		sealed = (int)chance((uint64_t)sealed + 1);
	to.sin_port = htons(
		(uint16_t)(SKERRY_PORT_BASE + (beat ? SKERRY_PORT_HEARTBEAT
						    : SKERRY_PORT_PARTITION)));
	inet_pton(AF_INET, bad->peer_ip, &to.sin_addr);
	if (sendto(bad->udp, out, (size_t)sealed, 0, (struct sockaddr *)&to,
		   sizeof(to)) >= 0)
		bad->datagrams++;
}

/* ---- main -------------------------------------------------------------------- */

static void set_up(struct bad *bad, const char *name)
{
	struct core_config *config = &bad->config;
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct skerry_addr *address = &config->addresses[0];

	snprintf(config->name, sizeof(config->name), "%s", name);
	snprintf(config->overlay, sizeof(config->overlay), "full");
	config->port_base = SKERRY_PORT_BASE;
	config->address_count = 1;
	address->ip[10] = 0xff;
	address->ip[11] = 0xff;
	inet_pton(AF_INET, bad->own_ip, address->ip + 12);
	config->channel_count = LANES;
	for (unsigned int i = 0; i < LANES; i++) {
		snprintf(config->channels[i].name,
			 sizeof(config->channels[i].name), "%s", channels[i]);
		config->channels[i].parallelism = 1;
		bad->conns[i].bad = bad;
		bad->conns[i].channel = channels[i];
		bad->conns[i].fd = -1;
		bad->conns[i].fsm = aligned_alloc(16, lanefsm_size());
	}
	bad->anew = true;
	bad->self.hmac = &bad->hmac;
	bad->self.name = config->name;
	if (getrandom(&bad->self.boot_nonce, sizeof(bad->self.boot_nonce), 0) <
	    0)
		bad->self.boot_nonce = 1;
	bad->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, bad->own_ip, &from.sin_addr);
	if (bind(bad->udp, (struct sockaddr *)&from, sizeof(from)))
		perror("bind");
}

static void step(struct bad *bad)
{
	struct conn *c = &bad->conns[chance(8) != 0];
	uint64_t pick = chance(100);

	for (unsigned int i = 0; i < LANES; i++) {
		if (bad->conns[i].fd >= 0 && !move(&bad->conns[i], 0))
			hang_up(&bad->conns[i]);
		if (bad->conns[i].fd < 0)
			come(&bad->conns[i]);
	}
	if (c->fd < 0)
		return;
	if (pick < 10)
		datagram(bad);
	else if (pick == 99)
		garbage(c);
	else if (c == &bad->conns[0])
		control_prank(c);
	else
		flow_prank(c);
	/* Now and then it waits for what this brings. */
	if (chance(8) == 0)
		usleep(200);
}

int main(int argc, char **argv)
{
	static struct bad bad;
	uint8_t key[32];
	time_t end;

	if (argc != 8)
		return 2;
	if (read_key(argv[1], key) || hmac_open(key, sizeof(key), &bad.hmac)) {
		fprintf(stderr, "%s: no key\n", argv[1]);
		return 2;
	}
	bad.cluster = argv[2];
	bad.own_ip = argv[4];
	bad.peer_ip = argv[5];
	set_up(&bad, argv[3]);
	seed = strtoull(argv[7], NULL, 10) * 2654435761U + 88172645463325252ULL;
	end = time(NULL) + atoi(argv[6]);
	while (time(NULL) < end)
		step(&bad);
	for (unsigned int i = 0; i < LANES; i++) {
		if (bad.conns[i].fd >= 0)
			close(bad.conns[i].fd);
		free(bad.conns[i].fsm);
	}
	close(bad.udp);
	hmac_close(&bad.hmac);
	printf("up %lu\nclosed %lu\nrefused %lu\nframes %lu\ngranted %lu\n"
	       "datagrams %lu\n",
	       bad.ups, bad.closed, bad.refused, bad.frames, bad.grants,
	       bad.datagrams);
	return bad.ups == 0;
}
