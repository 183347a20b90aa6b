// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* beat.c - see beat.h. */
#include "beat.h"

#include <errno.h>
#include <string.h>

#include "core_state.h"
#include "registry.h"

void beat_clock(struct core *core)
{
	uint64_t period_ns = core->config.heartbeat_ms * CORE_MS;
	uint32_t i;

	if (!core_visible(core))
		return;
	if (core->now_ns >= core->beat_ns) {
		/* A fixed grid, but never a burst after a pause. */
		core->beat_ns += period_ns;
		if (core->beat_ns <= core->now_ns)
			core->beat_ns = core->now_ns + period_ns;
		for (i = 0; i < core->members.touched; i++)
			core->members.slots[i].beat_due = true;
	}
	if (core->members.live > 1)
		core_due(core, core->beat_ns);
}

/* Where its lane goes; without one, its addresses by turns. */
static bool datagram_address(struct member *member, uint8_t port,
			     struct skerry_addr *ret_to)
{
	uint32_t count = member->address_count;

	if (member->reached && (!count || detector_state_up(member->state) ||
				++member->tries % (count + 1) == count))
		*ret_to = member->reach;
	else if (count)
		*ret_to = member->addresses[member->tries++ % count];
	else
		return false;
	ret_to->port = (uint16_t)(member->port_block + port);
	return true;
}

int datagram_send(struct core *core, struct member *member, uint8_t port,
		  struct core_bytes body, uint64_t *ret_sequence)
{
	struct update *u = &core->update;
	bool beat = port == SKERRY_PORT_HEARTBEAT;
	size_t room = body.size_bytes + DGRAM_OVERHEAD_MAX_BYTES;
	struct skerry_addr to;
	struct core_op *op;
	void *at;
	int size;

	if (!update_fits(u, 1, room))
		return -EAGAIN;
	if (!datagram_address(member, port, &to))
		return -EHOSTUNREACH;
	at = update_alloc(u, room);
	size = dgram_seal(&core->dgram_self,
			  beat ? &member->heartbeat : &member->partition,
			  beat ? SKERRY_DGRAM_HEARTBEAT
			       : SKERRY_DGRAM_PARTITION,
			  body, at, room, ret_sequence);
	update_trim(u, at, size < 0 ? 0 : (size_t)size);
	if (size < 0)
		return size;
	op = update_op(u, OP_DATAGRAM);
	op->datagram.port = port;
	op->datagram.to = to;
	op->bytes.data = at;
	op->bytes.size_bytes = (size_t)size;
	return 0;
}

void beat_scan(struct core *core, struct member *member)
{
	uint8_t bytes[64];
	struct tlv_writer w;
	uint64_t sequence;
	int rv;

	if (!member->beat_due)
		return;
	if (member->status != MEMBER_LIVE || member->self ||
	    !core_visible(core)) {
		member->beat_due = false;
		return;
	}
	tlv_writer_init(&w, bytes, sizeof(bytes));
	pulse_write(&member->pulse, &w, core->now_ns);
	rv = datagram_send(core, member, SKERRY_PORT_HEARTBEAT,
			   (struct core_bytes) { bytes, w.used_bytes },
			   &sequence);
	if (rv == -EAGAIN) {
		core->update.more = true;
		return;
	}
	member->beat_due = false;
	if (!rv)
		pulse_sent(&member->pulse, sequence, core->now_ns);
}

static void answer_nonce(struct core *core, const struct core_event *event)
{
	uint8_t bytes[DGRAM_OVERHEAD_MAX_BYTES];
	struct core_op *op;
	size_t size;

	size = dgram_nonce(&core->dgram_self, core->now_ns, bytes,
			   sizeof(bytes));
	if (!size)
		return;
	op = update_op(&core->update, OP_DATAGRAM);
	op->datagram.port = event->datagram.port;
	op->datagram.to = event->datagram.from;
	op->bytes = update_copy(&core->update, bytes, size);
}

static void opened(struct core *core, struct member *member, uint8_t port,
		   struct core_bytes body, uint64_t sequence)
{
	int rv;

	if (port == SKERRY_PORT_PARTITION) {
		/* This port passes cuts: it is never evidence of life. */
		rv = registry_datagram(core, member->name, body);
	} else {
		rv = pulse_beat(&member->pulse, body.data, body.size_bytes,
				sequence, core->now_ns);
		if (member->state != DETECTOR_UP)
			core_due(core, core->now_ns);
	}
	if (rv)
		core->malformed++;
}

int datagram_event(struct core *core, const struct core_event *event)
{
	uint8_t port = event->datagram.port;
	char name[SKERRY_NAME_MAX_BYTES + 1];
	struct core_bytes body;
	struct dgram_peer *peer;
	struct member *member;
	uint64_t incarnation, sequence;

	if (port != SKERRY_PORT_PARTITION && port != SKERRY_PORT_HEARTBEAT)
		return -EINVAL;
	if (!core_visible(core))
		return 0;
	if (dgram_sender(event->datagram.bytes, name, sizeof(name),
			 &incarnation)) {
		core->malformed++;
		return 0;
	}
	member = members_find(&core->members, name);
	if (!member || !member_counts(member)) {
		core->strangers++;
		return 0;
	}
	/* Only a handshake or gossip makes another incarnation alive. */
	if (port == SKERRY_PORT_HEARTBEAT && incarnation != member->incarnation)
		return 0;
	peer = port == SKERRY_PORT_HEARTBEAT ? &member->heartbeat
					     : &member->partition;
	switch (dgram_open(&core->dgram_self, name, peer, event->datagram.bytes,
			   &body, &sequence)) {
	case DGRAM_OK:
		opened(core, member, port, body, sequence);
		break;
	case DGRAM_UNKNOWN_NONCE:
		answer_nonce(core, event);
		break;
	case DGRAM_MALFORMED:
	case DGRAM_BAD_MAC:
		core->malformed++;
		break;
	default:
		break;
	}
	return 0;
}
