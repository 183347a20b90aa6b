// SPDX-License-Identifier: GPL-2.0-only
/* Authenticated datagrams: who is believed, and who is not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"

#include "codec.h"
#include "dgram.h"
#include "rng.h"

/* A keyed hash: enough to tell right from wrong. */
static void hash_parts(void *data, const struct core_bytes *parts, size_t count,
		       uint8_t ret_mac[32])
{
	uint64_t lane[4] = { *(const uint64_t *)data, 2, 3, 4 };
	size_t i, n;

	for (i = 0; i < count; i++) {
		const uint8_t *at = parts[i].data;

		for (n = 0; n < parts[i].size_bytes; n++) {
			lane[n & 3] = (lane[n & 3] ^ at[n]) * 0x100000001b3ULL;
			lane[(n + 1) & 3] ^= lane[n & 3] >> 29;
		}
	}
	for (i = 0; i < 8; i++)
		lane[i & 3] ^= lane[(i + 1) & 3] * 0x9e3779b97f4a7c15ULL;
	memcpy(ret_mac, lane, 32);
}

static uint64_t key = 11;
static uint64_t other_key = 12;
static const struct core_hmac hmac = { &key, hash_parts };
static const struct core_hmac other_hmac = { &other_key, hash_parts };

struct side {
	struct dgram_self self;
	struct dgram_peer peer; /* what we believe of the other */
};

static void begin(struct side *side, const char *name, uint64_t incarnation,
		  uint64_t nonce)
{
	memset(side, 0, sizeof(*side));
	side->self.hmac = &hmac;
	side->self.name = name;
	side->self.incarnation = incarnation;
	side->self.boot_nonce = nonce;
}

struct packet {
	uint8_t bytes[256];
	size_t size_bytes;
};

static void seal(struct side *from, struct packet *packet, const char *text)
{
	struct core_bytes body = { text, strlen(text) };
	int size;

	size = dgram_seal(&from->self, &from->peer, SKERRY_DGRAM_PARTITION,
			  body, packet->bytes, sizeof(packet->bytes), NULL);
	if (size < 0)
		abort();
	packet->size_bytes = (size_t)size;
}

static struct core_bytes opened;
static uint64_t opened_sequence;

static enum dgram_verdict receive(struct side *to, const struct packet *packet)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation;
	struct core_bytes bytes = { packet->bytes, packet->size_bytes };

	if (dgram_sender(bytes, name, sizeof(name), &incarnation))
		return DGRAM_MALFORMED;
	return dgram_open(&to->self, name, &to->peer, bytes, &opened,
			  &opened_sequence);
}

FIXTURE(pair)
{
	struct side a, b;
	struct packet packet;
};

/* Each knows the other's nonce, as from a handshake. */
FIXTURE_SETUP(pair)
{
	begin(&self->a, "a", 100, 0xaaaa);
	begin(&self->b, "b", 200, 0xbbbb);
	dgram_peer_reset(&self->a.peer, 200, 0xbbbb);
	dgram_peer_reset(&self->b.peer, 100, 0xaaaa);
}

FIXTURE_TEARDOWN(pair)
{
}

TEST_F(pair, arrives_once)
{
	struct skerry_dgram header;

	seal(&self->a, &self->packet, "hello");
	memcpy(&header, self->packet.bytes, sizeof(header));
	ASSERT_EQ(SKERRY_DGRAM_MAGIC, header.magic);
	ASSERT_EQ(SKERRY_DGRAM_PARTITION, header.type);
	ASSERT_EQ(0xaaaa, header.id);
	ASSERT_EQ(1, header.sequence);
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	ASSERT_EQ(5, opened.size_bytes);
	ASSERT_EQ(0, memcmp("hello", opened.data, 5));
	ASSERT_EQ(1, opened_sequence);
	ASSERT_EQ(DGRAM_REPLAYED, receive(&self->b, &self->packet));
	/* an empty body is one too */
	seal(&self->a, &self->packet, "");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	ASSERT_EQ(0, opened.size_bytes);
	ASSERT_GE(DGRAM_OVERHEAD_MAX_BYTES, self->packet.size_bytes);
}

TEST_F(pair, no_byte_can_be_changed)
{
	struct packet changed;
	size_t i;
	int bit;

	seal(&self->a, &self->packet, "body");
	for (i = 0; i < self->packet.size_bytes; i++) {
		for (bit = 0; bit < 8; bit++) {
			changed = self->packet;
			changed.bytes[i] ^= (uint8_t)(1 << bit);
			ASSERT_NE(DGRAM_OK, receive(&self->b, &changed));
		}
	}
	for (i = 0; i < self->packet.size_bytes; i++) {
		changed = self->packet;
		changed.size_bytes = i;
		ASSERT_NE(DGRAM_OK, receive(&self->b, &changed));
	}
	/* It is still good: nothing above has been taken for it. */
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
}

TEST_F(pair, another_key)
{
	self->a.self.hmac = &other_hmac;
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_BAD_MAC, receive(&self->b, &self->packet));
	/* Without the key nobody is even told our nonce. */
	self->a.peer.boot_nonce = 0;
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_BAD_MAC, receive(&self->b, &self->packet));
	self->a.self.hmac = NULL;
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_BAD_MAC, receive(&self->b, &self->packet));
}

TEST_F(pair, no_key_at_all)
{
	self->a.self.hmac = self->b.self.hmac = NULL;
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	seal(&self->a, &self->packet, "x");
	self->packet.bytes[self->packet.size_bytes - 1] = 1;
	ASSERT_EQ(DGRAM_BAD_MAC, receive(&self->b, &self->packet));
}

TEST_F(pair, meant_for_another)
{
	struct side c;

	begin(&c, "c", 300, 0xcccc);
	dgram_peer_reset(&c.peer, 100, 0xaaaa);
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_UNKNOWN_NONCE, receive(&c, &self->packet));
	/* looked up under another name than it bears */
	ASSERT_EQ(DGRAM_MALFORMED,
		  dgram_open(&self->b.self, "c", &self->b.peer,
			     (struct core_bytes) { self->packet.bytes,
						   self->packet.size_bytes },
			     &opened, NULL));
}

TEST_F(pair, window_of_64)
{
	struct packet packets[70];
	int i;

	for (i = 0; i < 70; i++)
		seal(&self->a, &packets[i], "x");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &packets[69]));
	for (i = 0; i < 6; i++)
		ASSERT_EQ(DGRAM_REPLAYED, receive(&self->b, &packets[i]));
	for (i = 68; i >= 6; i--)
		ASSERT_EQ(DGRAM_OK, receive(&self->b, &packets[i]));
	for (i = 0; i < 70; i++)
		ASSERT_EQ(DGRAM_REPLAYED, receive(&self->b, &packets[i]));
}

/* Any order, any repetition: each once at most, and those that are not more
 * than 63 behind exactly once. */
TEST_F(pair, window_random)
{
	static struct packet packets[2000];
	static int taken[2000];
	int highest = -1;
	struct rng rng;
	int i;

	rng_init(&rng, 5, 5);
	memset(taken, 0, sizeof(taken));
	for (i = 0; i < 2000; i++)
		seal(&self->a, &packets[i], "x");
	for (i = 0; i < 20000; i++) {
		int at = i / 10 + (int)rng_below(&rng, 120) - 60;
		bool fresh;

		if (at < 0 || at >= 2000)
			continue;
		fresh = !taken[at] && at > highest - 64;
		ASSERT_EQ(fresh ? DGRAM_OK : DGRAM_REPLAYED,
			  receive(&self->b, &packets[at]));
		taken[at] |= fresh;
		if (at > highest)
			highest = at;
	}
}

static enum dgram_verdict answer_nonce(struct side *from, struct side *to,
				       uint64_t now_ns)
{
	struct packet packet;

	packet.size_bytes = dgram_nonce(&from->self, now_ns, packet.bytes,
					sizeof(packet.bytes));
	if (!packet.size_bytes)
		return DGRAM_MALFORMED;
	return receive(to, &packet);
}

TEST_F(pair, the_receiver_restarted)
{
	struct packet old;

	seal(&self->a, &old, "old");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &old));
	begin(&self->b, "b", 201, 0xb2b2);
	/* What was sent before is worthless now. */
	ASSERT_EQ(DGRAM_UNKNOWN_NONCE, receive(&self->b, &old));
	ASSERT_EQ(0, self->b.peer.boot_nonce);
	ASSERT_EQ(DGRAM_NONCE, answer_nonce(&self->b, &self->a, 1000));
	/* A suggestion: the confirmed one stays until it is answered. */
	ASSERT_EQ(0xbbbb, self->a.peer.boot_nonce);
	seal(&self->a, &self->packet, "new");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	seal(&self->b, &self->packet, "answer");
	ASSERT_EQ(DGRAM_OK, receive(&self->a, &self->packet));
	ASSERT_EQ(0xb2b2, self->a.peer.boot_nonce);
	ASSERT_EQ(201, self->a.peer.incarnation);
}

TEST_F(pair, nobody_knows_anything)
{
	begin(&self->a, "a", 100, 0xaaaa);
	begin(&self->b, "b", 200, 0xbbbb);
	seal(&self->a, &self->packet, "first");
	ASSERT_EQ(DGRAM_UNKNOWN_NONCE, receive(&self->b, &self->packet));
	ASSERT_EQ(DGRAM_NONCE, answer_nonce(&self->b, &self->a, 1000));
	seal(&self->a, &self->packet, "second");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	seal(&self->b, &self->packet, "answer");
	ASSERT_EQ(DGRAM_OK, receive(&self->a, &self->packet));
}

/* An old NONCE, heard again and again, takes half of the datagrams at most,
 * and none once the peer has spoken. */
TEST_F(pair, a_false_suggestion)
{
	struct side past;
	int i, arrived = 0;

	begin(&past, "b", 200, 0xdead);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(DGRAM_NONCE,
			  answer_nonce(&past, &self->a,
				       (uint64_t)(i + 1) * 1000000000));
		seal(&self->a, &self->packet, "x");
		arrived += receive(&self->b, &self->packet) == DGRAM_OK;
	}
	ASSERT_EQ(50, arrived);
	seal(&self->b, &self->packet, "x");
	ASSERT_EQ(DGRAM_OK, receive(&self->a, &self->packet));
	ASSERT_EQ(0xbbbb, self->a.peer.boot_nonce);
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	/* One of an earlier life is not even a suggestion. */
	past.self.incarnation = 199;
	ASSERT_EQ(DGRAM_REPLAYED, answer_nonce(&past, &self->a, 1));
}

TEST_F(pair, the_sender_restarted)
{
	struct packet old[3];
	int i;

	for (i = 0; i < 3; i++)
		seal(&self->a, &old[i], "old");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &old[0]));
	begin(&self->a, "a", 101, 0xa2a2);
	dgram_peer_reset(&self->a.peer, 200, 0xbbbb);
	seal(&self->a, &self->packet, "new");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	/* Datagrams of the earlier life come too late. */
	ASSERT_EQ(DGRAM_REPLAYED, receive(&self->b, &old[1]));
	/* A clone, same incarnation and other nonce, is not believed. */
	begin(&self->a, "a", 101, 0xa3a3);
	dgram_peer_reset(&self->a.peer, 200, 0xbbbb);
	seal(&self->a, &self->packet, "clone");
	ASSERT_EQ(DGRAM_REPLAYED, receive(&self->b, &self->packet));
}

/* Who forgot a peer and hears of it again does not begin at 1 again. */
TEST_F(pair, forgotten_and_found_again)
{
	int i;

	for (i = 0; i < 100; i++) {
		seal(&self->a, &self->packet, "x");
		ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	}
	memset(&self->a.peer, 0, sizeof(self->a.peer));
	dgram_peer_reset(&self->a.peer, 200, 0xbbbb);
	seal(&self->a, &self->packet, "x");
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &self->packet));
	ASSERT_EQ(101, opened_sequence);
	/* Hearing the same of a peer twice forgets nothing. */
	dgram_peer_reset(&self->b.peer, 100, 0xaaaa);
	ASSERT_EQ(DGRAM_REPLAYED, receive(&self->b, &self->packet));
}

TEST_F(pair, nonces_are_rationed)
{
	uint8_t bytes[256];
	uint64_t now = 5000000000ULL;
	int i, sent;

	for (i = 0, sent = 0; i < 1000; i++)
		sent += dgram_nonce(&self->a.self, now, bytes, sizeof(bytes)) >
			0;
	ASSERT_EQ(10, sent);
	for (i = 0; i < 1000; i++) {
		now += 10000000;
		sent += dgram_nonce(&self->a.self, now, bytes, sizeof(bytes)) >
			0;
	}
	ASSERT_EQ(110, sent);
	ASSERT_EQ(0, dgram_nonce(&self->a.self, now + 1000000000, bytes, 40));
}

TEST_F(pair, no_room)
{
	struct core_bytes body = { "0123456789", 10 };
	struct dgram_peer before = self->a.peer;
	uint8_t bytes[256];
	size_t room;
	int size;

	size = dgram_seal(&self->a.self, &before, SKERRY_DGRAM_HEARTBEAT, body,
			  bytes, sizeof(bytes), NULL);
	ASSERT_LT(0, size);
	before = self->a.peer;
	for (room = 0; room < (size_t)size; room++)
		ASSERT_EQ(-EMSGSIZE, dgram_seal(&self->a.self, &self->a.peer,
						SKERRY_DGRAM_HEARTBEAT, body,
						bytes, room, NULL));
	ASSERT_EQ(0, memcmp(&before, &self->a.peer, sizeof(before)));
	ASSERT_EQ(size, dgram_seal(&self->a.self, &self->a.peer,
				   SKERRY_DGRAM_HEARTBEAT, body, bytes,
				   (size_t)size, NULL));
}

TEST_F(pair, random_bytes)
{
	struct dgram_peer before = self->b.peer;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct packet good, packet;
	uint64_t incarnation;
	struct rng rng;
	size_t n;
	int i, senders = 0;

	rng_init(&rng, 77, 0);
	seal(&self->a, &good, "some body");
	for (i = 0; i < 200000; i++) {
		packet = good;
		if (i & 1) {
			packet.size_bytes = rng_below(&rng, 256);
			for (n = 0; n < packet.size_bytes; n++)
				packet.bytes[n] = (uint8_t)rng_u64(&rng);
			if (packet.size_bytes > 32 && i & 2)
				memcpy(packet.bytes, good.bytes, 32);
		} else {
			n = rng_below(&rng, packet.size_bytes);
			packet.bytes[n] ^= (uint8_t)(1 + rng_below(&rng, 255));
			if (!rng_below(&rng, 4))
				packet.size_bytes =
					rng_below(&rng, packet.size_bytes + 1);
		}
		senders +=
			!dgram_sender((struct core_bytes) { packet.bytes,
							    packet.size_bytes },
				      name, sizeof(name), &incarnation);
		ASSERT_NE(DGRAM_OK, receive(&self->b, &packet));
	}
	ASSERT_LT(1000, senders);
	ASSERT_EQ(0, memcmp(&before, &self->b.peer, sizeof(before)));
	ASSERT_EQ(DGRAM_OK, receive(&self->b, &good));
}

TEST_HARNESS_MAIN
