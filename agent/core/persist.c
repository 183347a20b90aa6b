// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * persist.c - the state file: persist_format, machine_id, cluster,
 * incarnation, left, cuts of this node alone (registry.h), then members (name, incarnation, port_block,
 * addresses) as contacts, stale addresses, and removed ones (name,
 * incarnation, removed). What does not fit is left out, members first in: the
 * cluster has it all.
 */
#include <errno.h>
#include <string.h>

#include "core_state.h"
#include "identity.h"
#include "registry.h"

#define PERSIST_FORMAT 1U
#define PERSIST_MAX_BYTES (56U << 10)
/* Addresses of one contact that are remembered. */
#define PERSIST_ADDRESSES 4U
#define PERSIST_EVERY_NS CORE_SECOND
#define PERSIST_RETRY_NS (10 * CORE_SECOND)

struct entry {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation, port_block;
	bool removed;
	struct skerry_addr addresses[SKERRY_ADDRS_MAX];
	uint32_t address_count;
};

static int read_entry(const struct tlv_reader *nest, struct entry *entry)
{
	struct tlv_reader r;
	int rv = 0;

	memset(entry, 0, sizeof(*entry));
	tlv_reader_init(&r, nest->value, nest->length);
	while (!rv && tlv_next(&r)) {
		if (r.key == SKERRY_K_NAME)
			rv = tlv_str(&r, entry->name, sizeof(entry->name));
		else if (r.key == SKERRY_K_INCARNATION)
			rv = tlv_u64(&r, &entry->incarnation);
		else if (r.key == SKERRY_K_PORT_BLOCK)
			rv = tlv_u64(&r, &entry->port_block);
		else if (r.key == SKERRY_K_REMOVED)
			rv = tlv_bool(&r, &entry->removed);
		else if (r.key == SKERRY_K_ADDRESS &&
			 entry->address_count < SKERRY_ADDRS_MAX)
			rv = tlv_addr(
				&r, &entry->addresses[entry->address_count++]);
	}
	if (rv || r.bad || !skerry_name_valid(entry->name) ||
	    entry->incarnation > SPEC_INCARNATION_MAX)
		return -EPROTO;
	if (!entry->removed &&
	    (!entry->port_block || entry->port_block > UINT16_MAX))
		return -EPROTO;
	return 0;
}

static void add_contact(struct core *core, const struct entry *entry)
{
	struct member *member;
	uint32_t i;

	if (!strcmp(entry->name, core->config.name) ||
	    members_find(&core->members, entry->name))
		return;
	member = members_add(&core->members, entry->name, MEMBER_CONTACT,
			     core->now_ns);
	if (!member)
		return;
	member->incarnation = entry->incarnation;
	member->port_block = (uint16_t)entry->port_block;
	member->address_count = entry->address_count;
	for (i = 0; i < entry->address_count; i++) {
		member->addresses[i] = entry->addresses[i];
		member->addresses[i].port = member->port_block;
	}
	dgram_peer_reset(&member->heartbeat, entry->incarnation, 0);
	dgram_peer_reset(&member->partition, entry->incarnation, 0);
	/* Only what every node has, until it says more. */
	member->parallelism[0] = 1;
	strncpy(member->reason, "not reached since this node started",
		sizeof(member->reason) - 1);
	member->since_us = core->wall_us;
	member->missing_ns = core->now_ns;
	member->eager = true;
	member->peer_due = true;
	member->greet = true;
	core->belongs = true;
}

/* They stand there newest first, and the table wants the newest last. */
static void add_removed(struct core *core, struct core_bytes bytes,
			const uint32_t *places, uint32_t count)
{
	const uint8_t *first = bytes.data;
	struct tlv_reader r;
	struct entry entry;

	while (count--) {
		tlv_reader_init(&r,
				first + places[count] -
					sizeof(struct skerry_tlv),
				bytes.size_bytes - places[count] +
					sizeof(struct skerry_tlv));
		if (tlv_next(&r) && !read_entry(&r, &entry))
			removed_add(&core->members, entry.name,
				    entry.incarnation, core->now_ns);
	}
}

int persist_read(struct core *core, struct core_bytes bytes,
		 uint64_t *ret_incarnation, bool *ret_same_machine)
{
	char cluster[SKERRY_NAME_MAX_BYTES + 1] = "";
	uint8_t machine_id[16] = { 0 };
	uint32_t places[SKERRY_REMOVED_MAX], removed = 0;
	const uint8_t *first = bytes.data;
	struct tlv_reader r;
	struct entry entry;
	int rv = 0;

	*ret_incarnation = 0;
	*ret_same_machine = true;
	if (!bytes.size_bytes)
		return 0;
	if (tlv_find_u64(bytes.data, bytes.size_bytes, SKERRY_K_PERSIST_FORMAT,
			 0) != PERSIST_FORMAT)
		return -EPROTO;
	if (tlv_find(bytes.data, bytes.size_bytes, SKERRY_K_MACHINE_ID, &r))
		tlv_id(&r, machine_id);
	*ret_incarnation = tlv_find_u64(bytes.data, bytes.size_bytes,
					SKERRY_K_INCARNATION, 0);
	if (*ret_incarnation > SPEC_INCARNATION_MAX)
		*ret_incarnation = 0;
	if (memcmp(machine_id, core->config.machine_id, sizeof(machine_id))) {
		/* A copied image: the original keeps the name's past. */
		*ret_same_machine = false;
		return 0;
	}
	tlv_find_str(bytes.data, bytes.size_bytes, SKERRY_K_CLUSTER, cluster,
		     sizeof(cluster));
	if (strcmp(cluster, core->config.cluster))
		return 0;
	core->left = tlv_find_bool(bytes.data, bytes.size_bytes, SKERRY_K_LEFT);
	tlv_reader_init(&r, bytes.data, bytes.size_bytes);
	while (tlv_next(&r)) {
		struct stale stale;

		if (r.key == SKERRY_K_STALE) {
			if (stale_read(&r, &stale))
				rv = -EPROTO;
			else
				stale_add(core, &stale);
			continue;
		}
		if (r.key != SKERRY_K_MEMBER)
			continue;
		if (read_entry(&r, &entry)) {
			rv = -EPROTO;
			continue;
		}
		if (!entry.removed)
			add_contact(core, &entry);
		else if (removed < SKERRY_REMOVED_MAX)
			places[removed++] = (uint32_t)(r.value - first);
	}
	add_removed(core, bytes, places, removed);
	return r.bad ? -EPROTO : rv;
}

static void write_member(struct tlv_writer *w, const struct member *member)
{
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);
	uint32_t i;

	tlv_put_str(w, SKERRY_K_NAME, member->name);
	tlv_put_u64(w, SKERRY_K_INCARNATION, member->incarnation);
	tlv_put_u64(w, SKERRY_K_PORT_BLOCK, member->port_block);
	for (i = 0; i < member->address_count && i < PERSIST_ADDRESSES; i++)
		tlv_put_addr(w, SKERRY_K_ADDRESS, &member->addresses[i]);
	tlv_end(w, mark);
}

static void write_removed(struct tlv_writer *w, const struct removed *removed)
{
	size_t mark = tlv_begin(w, SKERRY_K_MEMBER);

	tlv_put_str(w, SKERRY_K_NAME, removed->name);
	tlv_put_u64(w, SKERRY_K_INCARNATION, removed->incarnation);
	tlv_put_bool(w, SKERRY_K_REMOVED, true);
	tlv_end(w, mark);
}

static void write_state(struct core *core, struct tlv_writer *w)
{
	struct members *m = &core->members;
	struct removed *removed = NULL;
	struct tlv_writer before;
	struct member *member;
	uint32_t i;

	tlv_put_u64(w, SKERRY_K_PERSIST_FORMAT, PERSIST_FORMAT);
	tlv_put(w, SKERRY_K_MACHINE_ID, core->config.machine_id,
		sizeof(core->config.machine_id));
	tlv_put_str(w, SKERRY_K_CLUSTER, core->config.cluster);
	tlv_put_u64(w, SKERRY_K_INCARNATION, core->incarnation);
	tlv_put_bool(w, SKERRY_K_LEFT, core->left);
	registry_write(core, w);
	before = *w;
	for (i = 0; !w->full && (member = members_at(m, i)); i++) {
		before = *w;
		if (member_counts(member))
			write_member(w, member);
	}
	for (i = 0; !w->full && i < core->stales.count; i++) {
		before = *w;
		stale_write(&core->stales.list[i], w);
	}
	while (!w->full && (removed = removed_before(m, removed))) {
		before = *w;
		write_removed(w, removed);
	}
	if (w->full)
		*w = before;
}

void persist_flush(struct core *core)
{
	struct update *u = &core->update;
	struct tlv_writer w;
	struct core_op *op;
	void *at;

	if (!core->persist_due || core->persisting)
		return;
	if (core->now_ns < core->persist_at_ns) {
		core_due(core, core->persist_at_ns);
		return;
	}
	if (!update_fits(u, 1, PERSIST_MAX_BYTES)) {
		u->more = true;
		return;
	}
	at = update_alloc(u, PERSIST_MAX_BYTES);
	tlv_writer_init(&w, at, PERSIST_MAX_BYTES);
	write_state(core, &w);
	update_trim(u, at, w.used_bytes);
	op = update_op(u, OP_PERSIST);
	op->token = ++core->persist_token;
	op->bytes.data = at;
	op->bytes.size_bytes = w.used_bytes;
	core->persisting = true;
	core->persist_due = false;
	core->persisting_incarnation = core->incarnation;
	core->persist_at_ns = core->now_ns + PERSIST_EVERY_NS;
}

void persist_done(struct core *core, uint64_t token, int error)
{
	if (!core->persisting || token != core->persist_token)
		return;
	core->persisting = false;
	if (error) {
		notice_format(core, CORE_LOG_ERROR, "state", NULL,
			      "the state was not stored (error %d); the old "
			      "one is kept, and it is tried again",
			      -error);
		core->persist_due = true;
		core->persist_at_ns = core->now_ns + PERSIST_RETRY_NS;
	}
	core->stored_incarnation = core->persisting_incarnation;
	core_due(core, core->now_ns);
}
