// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* dgram.c - authenticated datagrams; see dgram.h. */
#include "dgram.h"

#include <errno.h>
#include <string.h>

#include "codec.h"

#define NONCE_TOKENS_MAX 10U
#define NONCE_REFILL_NS (1000000000ULL / NONCE_TOKENS_MAX)
#define WINDOW_BITS 64U

/* The fields that come before the body. */
struct sender {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation;
	uint64_t receiver_nonce; /* as the sender believes */
	struct core_bytes rest; /* the body */
};

/* What the MAC covers beyond the bytes sent. */
struct mac_tail {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation;
	uint64_t receiver_nonce;
};
SKERRY_ASSERT(sizeof(struct mac_tail) == 80, mac_tail_size);

static void compute_mac(const struct core_hmac *hmac, struct core_bytes covered,
			const char *name, uint64_t incarnation,
			uint64_t receiver_nonce,
			uint8_t ret_mac[SKERRY_MAC_BYTES])
{
	struct mac_tail tail;
	struct core_bytes parts[2];
	uint8_t full[32];

	if (!hmac) {
		memset(ret_mac, 0, SKERRY_MAC_BYTES);
		return;
	}
	memset(&tail, 0, sizeof(tail));
	memcpy(tail.name, name, strlen(name));
	tail.incarnation = incarnation;
	tail.receiver_nonce = receiver_nonce;
	parts[0] = covered;
	parts[1] = (struct core_bytes) { &tail, sizeof(tail) };
	hmac->function(hmac->data, parts, 2, full);
	memcpy(ret_mac, full, SKERRY_MAC_BYTES);
}

/* The time it takes must not depend on where the first difference is. */
static bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	volatile uint8_t difference = 0;
	size_t i;

	for (i = 0; i < SKERRY_MAC_BYTES; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

void dgram_peer_reset(struct dgram_peer *peer, uint64_t incarnation,
		      uint64_t boot_nonce)
{
	peer->suggested_nonce = 0;
	peer->suggested_last = false;
	if (boot_nonce && boot_nonce == peer->boot_nonce) {
		if (incarnation > peer->incarnation)
			peer->incarnation = incarnation;
		return;
	}
	peer->incarnation = incarnation;
	peer->boot_nonce = boot_nonce;
	peer->seen_sequence = 0;
	peer->window = 0;
}

/* Write header, sender, body and MAC; the size, or 0 when there is no room. */
static size_t build(const struct dgram_self *self, uint8_t type,
		    uint64_t sequence, uint64_t receiver_nonce,
		    struct core_bytes body, uint8_t *out, size_t room_bytes)
{
	struct skerry_dgram header = {
		.magic = SKERRY_DGRAM_MAGIC,
		.version = SKERRY_WIRE_VERSION,
		.type = type,
		.header_length = sizeof(header),
		.id = self->boot_nonce,
		.sequence = sequence,
	};
	struct tlv_writer w;
	size_t used;

	if (room_bytes < sizeof(header) + SKERRY_MAC_BYTES)
		return 0;
	memcpy(out, &header, sizeof(header));
	tlv_writer_init(&w, out + sizeof(header),
			room_bytes - sizeof(header) - SKERRY_MAC_BYTES);
	tlv_put_str(&w, SKERRY_K_NAME, self->name);
	tlv_put_u64(&w, SKERRY_K_INCARNATION, self->incarnation);
	tlv_put_u64(&w, SKERRY_K_BOOT_NONCE, receiver_nonce);
	if (w.full || w.size_bytes - w.used_bytes < body.size_bytes)
		return 0;
	used = sizeof(header) + w.used_bytes;
	if (body.size_bytes)
		memcpy(out + used, body.data, body.size_bytes);
	used += body.size_bytes;
	compute_mac(self->hmac, (struct core_bytes) { out, used }, self->name,
		    self->incarnation, receiver_nonce, out + used);
	return used + SKERRY_MAC_BYTES;
}

static bool try_suggestion(const struct dgram_peer *peer)
{
	if (!peer->suggested_nonce)
		return false;
	return !peer->boot_nonce || !peer->suggested_last;
}

int dgram_seal(struct dgram_self *self, struct dgram_peer *peer, uint8_t type,
	       struct core_bytes body, void *out, size_t room_bytes,
	       uint64_t *ret_sequence)
{
	bool suggested = try_suggestion(peer);
	uint64_t sequence = peer->sent_sequence;
	size_t size;

	if (!sequence)
		sequence = self->sent_high;
	sequence++;
	size = build(self, type, sequence,
		     suggested ? peer->suggested_nonce : peer->boot_nonce, body,
		     out, room_bytes);
	if (!size)
		return -EMSGSIZE;
	peer->sent_sequence = sequence;
	peer->suggested_last = suggested;
	if (sequence > self->sent_high)
		self->sent_high = sequence;
	if (ret_sequence)
		*ret_sequence = sequence;
	return (int)size;
}

static int parse_header(struct core_bytes datagram,
			struct skerry_dgram *ret_header)
{
	struct skerry_dgram header;

	if (datagram.size_bytes < sizeof(header) + SKERRY_MAC_BYTES)
		return -EPROTO;
	memcpy(&header, datagram.data, sizeof(header));
	if (header.magic != SKERRY_DGRAM_MAGIC ||
	    header.version != SKERRY_WIRE_VERSION ||
	    header.header_length < sizeof(header) ||
	    header.header_length > datagram.size_bytes - SKERRY_MAC_BYTES ||
	    !header.id)
		return -EPROTO;
	if (header.type != SKERRY_DGRAM_HEARTBEAT &&
	    header.type != SKERRY_DGRAM_PARTITION &&
	    header.type != SKERRY_DGRAM_NONCE)
		return -EPROTO;
	*ret_header = header;
	return 0;
}

static int next_u64(struct tlv_reader *r, uint16_t key, uint64_t *ret_value)
{
	if (!tlv_next(r) || r->key != key)
		return -EPROTO;
	return tlv_u64(r, ret_value);
}

static int parse_sender(struct core_bytes datagram,
			const struct skerry_dgram *header,
			struct sender *ret_sender)
{
	const uint8_t *bytes = datagram.data;
	struct sender sender;
	struct tlv_reader r;
	int error;

	tlv_reader_init(&r, bytes + header->header_length,
			datagram.size_bytes - header->header_length -
				SKERRY_MAC_BYTES);
	if (!tlv_next(&r) || r.key != SKERRY_K_NAME)
		return -EPROTO;
	error = tlv_str(&r, sender.name, sizeof(sender.name));
	if (error)
		return error;
	if (!skerry_name_valid(sender.name))
		return -EPROTO;
	error = next_u64(&r, SKERRY_K_INCARNATION, &sender.incarnation);
	if (error)
		return error;
	error = next_u64(&r, SKERRY_K_BOOT_NONCE, &sender.receiver_nonce);
	if (error)
		return error;
	sender.rest.data = r.at;
	sender.rest.size_bytes = (size_t)(r.end - r.at);
	*ret_sender = sender;
	return 0;
}

int dgram_sender(struct core_bytes datagram, char *ret_name, size_t room_bytes,
		 uint64_t *ret_incarnation)
{
	struct skerry_dgram header;
	struct sender sender;
	size_t length;
	int error;

	error = parse_header(datagram, &header);
	if (error)
		return error;
	error = parse_sender(datagram, &header, &sender);
	if (error)
		return error;
	length = strlen(sender.name);
	if (length >= room_bytes)
		return -EPROTO;
	memcpy(ret_name, sender.name, length + 1);
	*ret_incarnation = sender.incarnation;
	return 0;
}

static bool mac_valid(const struct dgram_self *self, struct core_bytes datagram,
		      const struct sender *sender)
{
	const uint8_t *bytes = datagram.data;
	size_t covered = datagram.size_bytes - SKERRY_MAC_BYTES;
	uint8_t mac[SKERRY_MAC_BYTES];

	compute_mac(self->hmac, (struct core_bytes) { bytes, covered },
		    sender->name, sender->incarnation, sender->receiver_nonce,
		    mac);
	return mac_equal(mac, bytes + covered);
}

static enum dgram_verdict take_suggestion(struct dgram_peer *peer,
					  const struct skerry_dgram *header,
					  const struct sender *sender)
{
	if (sender->incarnation < peer->incarnation)
		return DGRAM_REPLAYED;
	if (header->id != peer->boot_nonce)
		peer->suggested_nonce = header->id;
	return DGRAM_NONCE;
}

/* Sequence 0 is never sent. */
static bool window_has(const struct dgram_peer *peer, uint64_t sequence)
{
	uint64_t behind;

	if (!sequence)
		return true;
	if (sequence > peer->seen_sequence)
		return false;
	behind = peer->seen_sequence - sequence;
	return behind >= WINDOW_BITS || (peer->window >> behind & 1);
}

static void window_add(struct dgram_peer *peer, uint64_t sequence)
{
	uint64_t ahead;

	if (sequence <= peer->seen_sequence) {
		peer->window |= 1ULL << (peer->seen_sequence - sequence);
		return;
	}
	ahead = sequence - peer->seen_sequence;
	peer->window = ahead < WINDOW_BITS ? peer->window << ahead : 0;
	peer->window |= 1;
	peer->seen_sequence = sequence;
}

enum dgram_verdict dgram_open(const struct dgram_self *self, const char *sender,
			      struct dgram_peer *peer,
			      struct core_bytes datagram,
			      struct core_bytes *ret_body,
			      uint64_t *ret_sequence)
{
	struct skerry_dgram header;
	struct sender claimed;

	if (parse_header(datagram, &header) ||
	    parse_sender(datagram, &header, &claimed) ||
	    strcmp(claimed.name, sender) != 0)
		return DGRAM_MALFORMED;
	if (!mac_valid(self, datagram, &claimed))
		return DGRAM_BAD_MAC;
	if (header.type == SKERRY_DGRAM_NONCE)
		return take_suggestion(peer, &header, &claimed);
	if (claimed.receiver_nonce != self->boot_nonce)
		return DGRAM_UNKNOWN_NONCE;
	if (claimed.incarnation < peer->incarnation)
		return DGRAM_REPLAYED;
	if (header.id == peer->boot_nonce) {
		if (window_has(peer, header.sequence))
			return DGRAM_REPLAYED;
	} else if (!header.sequence ||
		   (peer->boot_nonce &&
		    claimed.incarnation == peer->incarnation)) {
		return DGRAM_REPLAYED;
	}
	dgram_peer_reset(peer, claimed.incarnation, header.id);
	window_add(peer, header.sequence);
	*ret_body = claimed.rest;
	if (ret_sequence)
		*ret_sequence = header.sequence;
	return DGRAM_OK;
}

size_t dgram_nonce(struct dgram_self *self, uint64_t now_ns, void *out,
		   size_t room_bytes)
{
	uint64_t fresh;
	size_t size;

	if (!self->nonce_refilled_ns || now_ns < self->nonce_refilled_ns) {
		self->nonce_tokens = NONCE_TOKENS_MAX;
		self->nonce_refilled_ns = now_ns;
	}
	fresh = (now_ns - self->nonce_refilled_ns) / NONCE_REFILL_NS;
	self->nonce_refilled_ns += fresh * NONCE_REFILL_NS;
	if (fresh > NONCE_TOKENS_MAX - self->nonce_tokens)
		self->nonce_tokens = NONCE_TOKENS_MAX;
	else
		self->nonce_tokens += fresh;
	if (!self->nonce_tokens)
		return 0;
	size = build(self, SKERRY_DGRAM_NONCE, 0, 0, (struct core_bytes) { 0 },
		     out, room_bytes);
	if (size)
		self->nonce_tokens--;
	return size;
}
