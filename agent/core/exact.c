// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* exact.c - see exact.h. */
#include "exact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "core_state.h"

/* What came back is a list of names; they fit into one answer. */
#define ANSWER_BYTES (48U << 10)

struct exact {
	struct core *core;
	struct core_bytes tlvs;
	uint8_t keep[SKERRY_MEMBERS_MAX]; /* slots */
	bool keep_join[SKERRY_JOINS_MAX];
	struct core_contact joins[SKERRY_JOINS_MAX]; /* to be added */
	uint32_t join_count;
	bool too_many;
	bool cut_short; /* why */
	char why[SKERRY_REASON_MAX_BYTES + 1];
	struct tlv_writer w;
};

/* ---- reading ----------------------------------------------------------------- */

static int read_entry(const struct tlv_reader *r, struct core_contact *contact)
{
	char text[SKERRY_NAME_MAX_BYTES + ADDR_TEXT_BYTES + 2];

	memset(contact, 0, sizeof(*contact));
	if (tlv_str(r, text, sizeof(text)))
		return -EINVAL;
	if (!strchr(text, '=')) {
		if (!skerry_name_valid(text))
			return -EINVAL;
		memcpy(contact->name, text, strlen(text) + 1);
		return 0;
	}
	return join_parse(text, contact) || !contact->name[0] ? -EINVAL : 0;
}

/* The joins an entry speaks of stay. True: there is one. */
static bool keep_joins(struct exact *e, const struct core_contact *contact)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		const struct join *join = &e->core->joins.list[i];
		bool named, there;

		if (!join->used)
			continue;
		named = !strcmp(join->name, contact->name);
		there = contact->address.port &&
			addr_equal(&join->address, &contact->address);
		/* Without an address any join of that name is meant. */
		if (contact->address.port ? !there || (join->name[0] && !named)
					  : !named)
			continue;
		e->keep_join[i] = true;
		any |= named;
	}
	return any;
}

static bool at(const struct member *member, const struct skerry_addr *address)
{
	uint32_t i;

	for (i = 0; i < member->address_count; i++) {
		if (addr_equal(&member->addresses[i], address))
			return true;
	}
	return false;
}

static void want_join(struct exact *e, const struct core_contact *contact)
{
	uint32_t i;

	for (i = 0; i < e->join_count; i++) {
		if (!strcmp(e->joins[i].name, contact->name) &&
		    addr_equal(&e->joins[i].address, &contact->address))
			return;
	}
	if (e->join_count == SKERRY_JOINS_MAX)
		e->too_many = true;
	else
		e->joins[e->join_count++] = *contact;
}

static bool is_there(const struct member *member)
{
	return member && !member->self && member->status != MEMBER_FREE &&
	       member->status != MEMBER_GHOST;
}

/* 0, -ENOENT nobody of that name is known, -ELOOP. */
static int plan_entry(struct exact *e, const struct core_contact *contact)
{
	struct core *core = e->core;
	struct member *member = members_find(&core->members, contact->name);
	bool has_address = contact->address.port != 0;
	bool joining;

	if (!strcmp(contact->name, core->config.name))
		return 0;
	if (has_address && join_is_self(core, contact))
		return -ELOOP;
	joining = keep_joins(e, contact);
	if (is_there(member)) {
		e->keep[members_slot(&core->members, member)] = 1;
		if (has_address && !joining && !at(member, &contact->address) &&
		    !detector_state_up(member->state))
			want_join(e, contact);
		return 0;
	}
	if (!has_address)
		return joining ? 0 : -ENOENT;
	if (!joining)
		want_join(e, contact);
	return 0;
}

/* All the names that are not known: in the answer, and in the sentence as far
 * as it goes. */
static void add_missing(struct exact *e, const char *name, uint32_t count)
{
	size_t used = strlen(e->why);

	tlv_put_str(&e->w, SKERRY_K_MISSING, name);
	if (e->cut_short)
		return;
	e->cut_short = used + strlen(name) + 64 > sizeof(e->why);
	snprintf(e->why + used, sizeof(e->why) - used, "%s%s",
		 count ? ", " : "", e->cut_short ? "..." : name);
}

static int plan(struct exact *e)
{
	struct core_contact contact;
	struct tlv_reader r;
	uint32_t missing = 0;
	int rv = 0;

	tlv_reader_init(&r, e->tlvs.data, e->tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_NODE)
			continue;
		if (read_entry(&r, &contact)) {
			snprintf(e->why, sizeof(e->why),
				 "%.*s: neither NAME nor NAME=HOST:PORT with a "
				 "numeric host",
				 r.length < 128 ? (int)r.length : 128,
				 (const char *)r.value);
			return -EINVAL;
		}
		rv = plan_entry(e, &contact);
		if (rv == -ELOOP) {
			snprintf(e->why, sizeof(e->why),
				 "%s: its address is this node's own",
				 contact.name);
			return rv;
		}
		if (rv == -ENOENT)
			add_missing(e, contact.name, missing++);
	}
	if (r.bad)
		return -EINVAL;
	if (missing) {
		size_t used = strlen(e->why);

		snprintf(e->why + used, sizeof(e->why) - used,
			 ": not known; give NAME=HOST:PORT");
		return -ENOENT;
	}
	return 0;
}

/* Room for the new joins, those that go counted as gone. */
static int check_joins(struct exact *e)
{
	uint32_t kept = 0, i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++)
		kept += e->core->joins.list[i].used && e->keep_join[i];
	if (!e->too_many && kept + e->join_count <= SKERRY_JOINS_MAX)
		return 0;
	snprintf(e->why, sizeof(e->why), "%u joins at once are the limit",
		 SKERRY_JOINS_MAX);
	return -ENOSPC;
}

/* ---- doing --------------------------------------------------------------------- */

static void withdraw(struct exact *e)
{
	char text[SKERRY_NAME_MAX_BYTES + ADDR_TEXT_BYTES + 2];
	char address[ADDR_TEXT_BYTES];
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		const struct join *join = &e->core->joins.list[i];

		if (!join->used || e->keep_join[i])
			continue;
		addr_text(&join->address, address, sizeof(address));
		snprintf(text, sizeof(text), "%s%s%s", join->name,
			 join->name[0] ? "=" : "", address);
		tlv_put_str(&e->w, SKERRY_K_WITHDRAWN, text);
		join_withdraw_slot(e->core, i, "the membership was set anew");
	}
}

static void remove_others(struct exact *e)
{
	struct members *m = &e->core->members;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct member *member = &m->slots[i];

		if (!is_there(member) || e->keep[i])
			continue;
		tlv_put_str(&e->w, SKERRY_K_REMOVED_NODE, member->name);
		e->core->overlay->remove(e->core, member);
	}
}

static void join_new(struct exact *e)
{
	uint32_t i, slot;

	for (i = 0; i < e->join_count; i++) {
		if (join_add(e->core, &e->joins[i], true, &slot))
			tlv_put_str(&e->w, SKERRY_K_JOINED_NODE,
				    e->joins[i].name);
	}
	if (e->join_count && e->core->left) {
		e->core->left = false;
		e->core->persist_due = true;
	}
}

void exact_command(struct core *core, const struct core_event *event)
{
	struct exact e = { .core = core, .tlvs = event->command.tlvs };
	void *bytes = update_alloc(&core->update, ANSWER_BYTES);
	int rv = 0;

	tlv_writer_init(&e.w, bytes, ANSWER_BYTES);
	if (core->leave != LEAVE_NO) {
		snprintf(e.why, sizeof(e.why), "this node is leaving");
		rv = -EAGAIN;
	}
	if (!rv)
		rv = plan(&e);
	if (!rv)
		rv = check_joins(&e);
	if (!rv) {
		withdraw(&e);
		remove_others(&e);
		join_new(&e);
	}
	core_answer_tlvs(core, event->command.program,
			 event->command.correlation, rv, rv ? e.why : NULL,
			 (struct core_bytes) { bytes, e.w.used_bytes });
	core_due(core, core->now_ns);
}
