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
 *
 * On the wire: header (id = sender's boot nonce), the fields name,
 * incarnation (the sender's) and boot_nonce (the receiver's, as the sender
 * believes; 0 unknown), the body, and the first half of
 *	HMAC(all so far, sender's name padded with zeros to 64 bytes,
 *	     sender's incarnation u64, receiver's boot nonce u64).
 * A NONCE datagram has no body, and 0 for the receiver's boot nonce. As the
 * nonce believed in is told, a datagram made for another nonce can still be
 * verified: who does not have the key is never answered.
 */
#ifndef SKERRY_DGRAM_H
#define SKERRY_DGRAM_H

#include "core.h"
#include "skerry/wire.h"

/* What dgram_seal() adds to a body at most. */
#define DGRAM_OVERHEAD_MAX_BYTES                                 \
	(sizeof(struct skerry_dgram) + SKERRY_MAC_BYTES +        \
	 3 * sizeof(struct skerry_tlv) + SKERRY_NAME_MAX_BYTES + \
	 2 * sizeof(uint64_t))

struct dgram_self {
	const struct core_hmac *hmac; /* NULL: no key, MAC is zero */
	const char *name;
	uint64_t incarnation;
	uint64_t boot_nonce;
	/* NONCE answers: a token bucket. */
	uint64_t nonce_tokens;
	uint64_t nonce_refilled_ns;
	/* Highest sequence used to anybody: a struct dgram_peer that was
	 * forgotten and made again goes on above it. */
	uint64_t sent_high;
};

struct dgram_peer {
	uint64_t boot_nonce; /* of the peer, as we believe; 0 unknown */
	uint64_t incarnation;
	uint64_t sent_sequence;
	uint64_t seen_sequence; /* highest accepted */
	uint64_t window; /* bit i: seen_sequence - i was accepted */
	uint64_t suggested_nonce; /* by a NONCE, not confirmed; 0 none */
	bool suggested_last; /* the last datagram was sealed for it */
};

/*
 * The peer restarted or is new; 0 for a boot nonce not known yet. What was
 * believed is forgotten unless the nonce says that it is the same life; our
 * own sequence goes on in any case. An all-zero struct is a peer nothing is
 * known of.
 */
void dgram_peer_reset(struct dgram_peer *peer, uint64_t incarnation,
		      uint64_t boot_nonce);

/*
 * Build a datagram into out (room_bytes). The header's sequence is returned.
 * Returns its size, -EMSGSIZE. A suggested nonce is tried, but while another
 * one is confirmed never twice in a row: a false suggestion cannot silence
 * us.
 */
int dgram_seal(struct dgram_self *self, struct dgram_peer *peer, uint8_t type,
	       struct core_bytes body, void *out, size_t room_bytes,
	       uint64_t *ret_sequence);

enum dgram_verdict {
	DGRAM_OK,
	DGRAM_MALFORMED,
	DGRAM_UNKNOWN_NONCE, /* answer with dgram_nonce(), if it lets you */
	DGRAM_BAD_MAC,
	DGRAM_REPLAYED,
	DGRAM_NONCE, /* a suggestion was taken into peer */
};

/*
 * The claimed sender of a datagram: what to look `peer` up by. Nothing is
 * verified yet. 0, -EPROTO.
 */
int dgram_sender(struct core_bytes datagram, char *ret_name, size_t room_bytes,
		 uint64_t *ret_incarnation);
/*
 * Check and open. On DGRAM_OK *ret_body lies inside datagram and is what the
 * sender gave to dgram_seal(). An older incarnation than known, or another
 * boot nonce under the same one, is DGRAM_REPLAYED. Only DGRAM_OK and
 * DGRAM_NONCE change peer.
 */
enum dgram_verdict dgram_open(const struct dgram_self *self, const char *sender,
			      struct dgram_peer *peer,
			      struct core_bytes datagram,
			      struct core_bytes *ret_body,
			      uint64_t *ret_sequence);
/* A NONCE answer into out: its size, or 0 when over the rate or too large. */
size_t dgram_nonce(struct dgram_self *self, uint64_t now_ns, void *out,
		   size_t room_bytes);

#endif
