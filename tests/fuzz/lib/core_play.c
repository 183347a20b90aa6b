// SPDX-License-Identifier: GPL-2.0-only
/* core_play.c - records of a script as events; see core_script.h. */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core_script_impl.h"
#include "partition/partition_private.h"

#define RECORDS_MAX 100
#define MS_MAX 12000

static void feed_datagram(uint8_t port, const struct speaker *from,
			  struct core_bytes bytes)
{
	struct core_event event = { .type = EV_DATAGRAM };

	event.datagram.port = port;
	event.datagram.from.ip[15] = from->last_byte;
	event.datagram.from.port = (uint16_t)(SKERRY_PORT_BASE + port);
	event.datagram.bytes = bytes;
	script_step(&world.script, &event);
}

/* An entry's digest is over its bytes: what is behind is to be reached. */
static void true_digest(const struct fuzz_record *r)
{
	struct tlv_reader digest, blob;
	uint64_t hash;

	if (!tlv_find(r->payload.data, r->payload.size_bytes, SKERRY_K_DIGEST,
		      &digest) ||
	    !tlv_find(r->payload.data, r->payload.size_bytes, SKERRY_K_BLOB,
		      &blob) ||
	    digest.length != sizeof(hash))
		return;
	hash = partition_hash(blob.value, blob.length);
	memcpy((void *)digest.value, &hash, sizeof(hash));
}

/* What a node with the key says; or nearly. */
static void say(const struct fuzz_record *r, uint8_t port)
{
	bool beat = port == SKERRY_PORT_HEARTBEAT;
	struct speaker *speaker =
		&world.speakers[!!(r->frame.flags & SCRIPT_OTHER)];
	struct dgram_peer *peer = beat ? &speaker->beat : &speaker->partition;
	struct dgram_peer believed = *peer;
	struct dgram_self self = speaker->self;
	size_t room = r->payload.size_bytes + DGRAM_OVERHEAD_MAX_BYTES;
	uint8_t *bytes = malloc(room);
	int size;

	if (!bytes)
		abort();
	if (!(r->frame.flags & SCRIPT_DIGEST))
		true_digest(r);
	if (r->frame.flags & SCRIPT_WRONG_NONCE)
		believed.boot_nonce ^= 1;
	if (r->frame.flags & SCRIPT_NO_NONCE)
		believed.boot_nonce = 0;
	if (r->frame.flags & SCRIPT_AGAIN && believed.sent_sequence)
		believed.sent_sequence--;
	if (r->frame.flags & SCRIPT_OLD)
		self.incarnation--;
	if (r->frame.flags & SCRIPT_NONCE) {
		self.nonce_refilled_ns = 0;
		size = (int)dgram_nonce(&self, world.script.now_ns + 1, bytes,
					room);
	} else {
		size = dgram_seal(&self, &believed,
				  beat ? SKERRY_DGRAM_HEARTBEAT
				       : SKERRY_DGRAM_PARTITION,
				  r->payload, bytes, room, NULL);
	}
	if (size > 0) {
		peer->sent_sequence = believed.sent_sequence;
		if (r->frame.flags & SCRIPT_BAD_MAC)
			bytes[size - 1 - (int)(r->frame.sequence % 16)] ^= 1;
		bytes = realloc(bytes, (size_t)size);
		feed_datagram(port, speaker,
			      (struct core_bytes) { bytes, (size_t)size });
	}
	free(bytes);
}

struct mac_tail { /* what the MAC covers beyond the bytes, see wire.h */
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation, receiver_nonce;
};

/* The MAC such a datagram would have. */
static void sign(uint8_t *bytes, size_t size)
{
	struct core_bytes parts[2];
	struct mac_tail tail = { 0 };
	struct tlv_reader r;
	uint16_t header;
	uint8_t mac[32];

	if (dgram_sender((struct core_bytes) { bytes, size }, tail.name,
			 sizeof(tail.name), &tail.incarnation))
		return;
	memcpy(&header, bytes + offsetof(struct skerry_dgram, header_length),
	       sizeof(header));
	if (tlv_find(bytes + header, size - header - SKERRY_MAC_BYTES,
		     SKERRY_K_BOOT_NONCE, &r))
		tlv_u64(&r, &tail.receiver_nonce);
	parts[0] = (struct core_bytes) { bytes, size - SKERRY_MAC_BYTES };
	parts[1] = (struct core_bytes) { &tail, sizeof(tail) };
	script_hmac.function(script_hmac.data, parts, 2, mac);
	memcpy(bytes + size - SKERRY_MAC_BYTES, mac, SKERRY_MAC_BYTES);
}

static void say_raw(const struct fuzz_record *r)
{
	size_t size = r->payload.size_bytes;
	uint8_t *bytes = malloc(size);

	if (size && !bytes)
		abort();
	if (size)
		memcpy(bytes, r->payload.data, size);
	if (!(r->frame.flags & 2) && size >= SKERRY_MAC_BYTES)
		sign(bytes, size);
	feed_datagram(r->frame.flags & 1 ? SKERRY_PORT_PARTITION
					 : SKERRY_PORT_HEARTBEAT,
		      &world.speakers[0], (struct core_bytes) { bytes, size });
	free(bytes);
}

static void command(const struct fuzz_record *r)
{
	struct core_event event = { .type = EV_COMMAND };
	static uint32_t correlation;

	event.command.program = 1 + r->frame.correlation % 4;
	event.command.command = r->frame.flow;
	event.command.correlation = ++correlation;
	event.command.admin = !(r->frame.flags & 1);
	event.command.tlvs = r->payload;
	script_step(&world.script, &event);
}

static uint64_t some_dial(uint32_t which)
{
	uint64_t known = world.dial_count < DIALS ? world.dial_count : DIALS;

	return known ? world.dials[which % known] : 2;
}

static uint64_t lane_of(const struct fuzz_record *r)
{
	return r->frame.flags & 1 ? LANE_DEFAULT : LANE_MEMBERSHIP;
}

static void lane_record(const struct fuzz_record *r)
{
	struct core_event event = { 0 };

	event.lane = lane_of(r);
	switch (r->frame.type) {
	case SCRIPT_FRAME:
		event.type = EV_FRAME;
		event.frame.type = (uint8_t)r->frame.flow;
		event.frame.sequence = r->frame.sequence;
		event.frame.payload = r->payload;
		break;
	case SCRIPT_LANE_DOWN:
		event.type = EV_LANE_DOWN;
		event.lane_down.end =
			(enum lane_end)(1 + r->frame.flow % LANE_END_DRAINED);
		event.lane_down.generation_seen = r->frame.sequence;
		if (r->frame.flags & 2)
			event.lane = some_dial(r->frame.correlation);
		break;
	case SCRIPT_LANE_UP:
		event.type = EV_LANE_UP;
		event.lane = r->frame.flags & 1 ? some_dial(r->frame.flow)
						: world.admitted;
		break;
	case SCRIPT_DIAL_FAILED:
		event.type = EV_DIAL_FAILED;
		event.lane = some_dial(r->frame.flow);
		event.error = -1 - (int)(r->frame.sequence % 133);
		break;
	case SCRIPT_HELLO:
		event.type = EV_LANE_HELLO;
		event.hello.accepted = !(r->frame.flags & 1);
		event.lane = world.next_lane;
		world.next_lane += 2;
		if (r->frame.flags & 1)
			event.lane = some_dial(r->frame.flow);
		event.hello.remote.ip[15] = 2;
		event.hello.details = r->payload;
		break;
	default:
		event.type =
			r->frame.flags & 1 ? EV_LANE_WRITABLE : EV_LANE_BLOCKED;
	}
	script_step(&world.script, &event);
}

static void address_record(const struct fuzz_record *r)
{
	struct skerry_addr list[32];
	struct core_contact contacts[32];
	struct core_event event = { 0 };
	uint32_t count = (uint32_t)(r->payload.size_bytes / sizeof(list[0]));
	uint32_t i;

	if (count > 32)
		count = 32;
	if (count)
		memcpy(list, r->payload.data, count * sizeof(list[0]));
	memset(contacts, 0, sizeof(contacts));
	for (i = 0; i < count; i++) {
		contacts[i].address = list[i];
		if (r->frame.flow)
			strcpy(contacts[i].name,
			       script_words[(r->frame.flow + i) % 4]);
	}
	if (r->frame.type == SCRIPT_ADDRESSES) {
		event.type = EV_ADDRESSES;
		event.addresses.list = list;
		event.addresses.count = count;
	} else {
		event.type = EV_DISCOVERED;
		event.discovered.list = contacts;
		event.discovered.count = count;
	}
	script_step(&world.script, &event);
}

static void play(const struct fuzz_record *r)
{
	struct core_event event = { 0 };

	switch (r->frame.type) {
	case SCRIPT_HEARTBEAT:
		say(r, SKERRY_PORT_HEARTBEAT);
		break;
	case SCRIPT_PARTITION:
		say(r, SKERRY_PORT_PARTITION);
		break;
	case SCRIPT_RAW:
		say_raw(r);
		break;
	case SCRIPT_TIME:
		script_time(r->frame.sequence % MS_MAX);
		break;
	case SCRIPT_COMMAND:
		command(r);
		break;
	case SCRIPT_FRAME ... SCRIPT_HELLO:
	case SCRIPT_BLOCKED:
		lane_record(r);
		break;
	case SCRIPT_PROGRAM_GONE:
		event.type = EV_PROGRAM_GONE;
		event.program.program = 1 + r->frame.correlation % 4;
		script_step(&world.script, &event);
		break;
	case SCRIPT_CUTS:
		world.cut_error = -(int)(r->frame.sequence % 133);
		break;
	case SCRIPT_DISK:
		world.disk_error = -(int)(r->frame.sequence % 133);
		break;
	case SCRIPT_ADDRESSES:
	case SCRIPT_DISCOVERED:
		address_record(r);
		break;
	case SCRIPT_STOP:
		event.type = EV_STOP;
		script_step(&world.script, &event);
		break;
	}
}

void script_run(const uint8_t *data, size_t size)
{
	struct core_bytes left = { data, size };
	struct fuzz_record r;
	int count = 0;

	script_begin();
	while (count++ < RECORDS_MAX && !world.stopped &&
	       fuzz_next(&left, &r)) {
		play(&r);
		fuzz_free(&r);
	}
	if (!world.stopped)
		script_time(1000);
}
