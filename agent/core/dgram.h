/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * dgram.h - authenticated datagrams of the heartbeat and partition ports:
 * header, body, 128-bit MAC, replay window. One struct dgram_peer for each
 * peer and port.
 *
 * The MAC covers header and body, the sender's name and incarnation, and the
 * receiver's boot nonce: a datagram recorded before the receiver restarted
 * is worthless. Who does not know the receiver's nonce yet sends with 0 and
 * is answered by NONCE; a NONCE datagram only ever suggests a nonce, which
 * the next authenticated datagram confirms. NONCE answers are limited to 10
 * a second in all.
 */
#ifndef SKERRY_DGRAM_H
#define SKERRY_DGRAM_H

#include "core.h"
#include "skerry/wire.h"

struct dgram_self {
	const struct core_hmac *hmac; /* NULL: no key, MAC is zero */
	const char *name;
	uint64_t incarnation;
	uint64_t boot_nonce;
	/* NONCE answers: a token bucket. */
	uint64_t nonce_tokens;
	uint64_t nonce_refilled_ns;
};

struct dgram_peer {
	uint64_t boot_nonce; /* of the peer, as we believe; 0 unknown */
	uint64_t incarnation;
	uint64_t sent_sequence;
	uint64_t seen_sequence; /* highest accepted */
	uint64_t window; /* bit i: seen_sequence - i was accepted */
};

/* Forget what was believed: the peer restarted or is new. */
void dgram_peer_reset(struct dgram_peer *peer, uint64_t incarnation,
		      uint64_t boot_nonce);

/*
 * Build a datagram into out (room_bytes). The header's sequence is returned.
 * Returns its size, -EMSGSIZE.
 */
int dgram_seal(const struct dgram_self *self, struct dgram_peer *peer,
	       uint8_t type, struct core_bytes body, void *out,
	       size_t room_bytes, uint64_t *ret_sequence);

enum dgram_verdict {
	DGRAM_OK,
	DGRAM_MALFORMED,
	DGRAM_UNKNOWN_NONCE, /* answer with dgram_nonce(), if it lets you */
	DGRAM_BAD_MAC,
	DGRAM_REPLAYED,
	DGRAM_NONCE, /* a suggestion was taken into peer */
};

/* The claimed sender of a datagram: what to look `peer` up by. Names travel
 * in the body as SKERRY_K_NAME. */
int dgram_sender(struct core_bytes datagram, char *ret_name, size_t room_bytes,
		 uint64_t *ret_incarnation);
/* Check and open. On DGRAM_OK *ret_body lies inside datagram. */
enum dgram_verdict dgram_open(const struct dgram_self *self, const char *sender,
			      struct dgram_peer *peer,
			      struct core_bytes datagram,
			      struct core_bytes *ret_body,
			      uint64_t *ret_sequence);
/* A NONCE answer into out: its size, or 0 when over the rate. */
size_t dgram_nonce(struct dgram_self *self, uint64_t now_ns, void *out,
		   size_t room_bytes);

#endif
