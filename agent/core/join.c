// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* join.c - see join.h. */
#include "join.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "link.h"

int join_parse(const char *text, struct core_contact *contact)
{
	const char *equals = strchr(text, '=');

	memset(contact, 0, sizeof(*contact));
	if (equals) {
		size_t length = (size_t)(equals - text);

		if (length > SKERRY_NAME_MAX_BYTES)
			return -EINVAL;
		memcpy(contact->name, text, length);
		if (!skerry_name_valid(contact->name))
			return -EINVAL;
		text = equals + 1;
	}
	return addr_parse(text, &contact->address);
}

bool join_is_self(const struct core *core, const struct core_contact *contact)
{
	const struct core_config *config = &core->config;
	uint32_t i;

	if (!strcmp(contact->name, config->name))
		return true;
	if (contact->address.port != config->port_base)
		return false;
	for (i = 0; i < config->address_count; i++) {
		if (addr_same_host(&contact->address, &config->addresses[i]))
			return true;
	}
	return false;
}

struct member *join_find_member(struct core *core,
				const struct core_contact *contact)
{
	struct members *m = &core->members;
	struct member *member;
	uint32_t i, j;

	for (i = 0; (member = members_at(m, i)); i++) {
		if (member->self || member->status != MEMBER_LIVE)
			continue;
		if (contact->name[0] && strcmp(contact->name, member->name))
			continue;
		for (j = 0; j < member->address_count; j++) {
			if (addr_equal(&contact->address,
				       &member->addresses[j]))
				return member;
		}
	}
	return NULL;
}

bool join_add(struct core *core, const struct core_contact *contact, bool asked,
	      uint32_t *ret_join)
{
	struct join *free = NULL;
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];

		if (!join->used && !free)
			free = join;
		if (join->used &&
		    addr_equal(&join->address, &contact->address) &&
		    !strcmp(join->name, contact->name)) {
			join->asked |= asked;
			join->pending |= asked;
			if (asked)
				join->since_ns = core->now_ns;
			join->discovered = false;
			*ret_join = i;
			return true;
		}
	}
	if (!free)
		return false;
	memset(free, 0, sizeof(*free));
	free->used = true;
	free->asked = asked;
	free->pending = asked || !core->belongs;
	memcpy(free->name, contact->name, sizeof(free->name));
	free->address = contact->address;
	free->since_ns = core->now_ns;
	free->at_ns = core->now_ns;
	snprintf(free->why, sizeof(free->why), "not tried yet");
	*ret_join = (uint32_t)(free - core->joins.list);
	core_due(core, core->now_ns);
	return true;
}

void join_contacts(struct core *core)
{
	uint32_t i, join;

	if (core->left)
		return;
	for (i = 0; i < core->config.contact_count; i++) {
		const struct core_contact *contact = &core->config.contacts[i];

		if (!join_is_self(core, contact) &&
		    !join_find_member(core, contact) &&
		    !stale_blocks(core, contact))
			join_add(core, contact, false, &join);
	}
}

/* ---- waiting programs ----------------------------------------------------- */

static void end_wait(struct core *core, struct join_wait *wait, int error,
		     const char *why)
{
	wait->used = false;
	core_answer(core, wait->program, wait->correlation, error, why);
}

static struct join_wait *add_wait(struct core *core,
				  const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	uint64_t timeout_ms;
	uint32_t i;

	timeout_ms = tlv_find_u64(tlvs.data, tlvs.size_bytes,
				  SKERRY_K_TIMEOUT_MS, JOIN_WAIT_MS);
	if (timeout_ms > 24 * 3600 * 1000)
		timeout_ms = 24 * 3600 * 1000;
	for (i = 0; i < JOIN_WAITS_MAX; i++) {
		struct join_wait *wait = &core->joins.waits[i];

		if (wait->used)
			continue;
		memset(wait, 0, sizeof(*wait));
		wait->used = true;
		wait->program = event->command.program;
		wait->correlation = event->command.correlation;
		wait->join = JOIN_NONE;
		wait->until_ns = core->now_ns + timeout_ms * CORE_MS;
		core_due(core, core->now_ns);
		return wait;
	}
	return NULL;
}

static void waits_of(struct core *core, uint32_t join, int error,
		     const char *why)
{
	uint32_t i;

	for (i = 0; i < JOIN_WAITS_MAX; i++) {
		struct join_wait *wait = &core->joins.waits[i];

		if (wait->used && wait->join == join)
			end_wait(core, wait, error, why);
	}
}

/* ---- commands ------------------------------------------------------------- */

static int read_command(struct core *core, const struct core_event *event,
			struct core_contact *contact, const char **ret_why)
{
	struct core_bytes tlvs = event->command.tlvs;
	char text[SKERRY_NAME_MAX_BYTES + ADDR_TEXT_BYTES + 2];
	int rv;

	*ret_why = "the address must be HOST:PORT or NAME=HOST:PORT with a "
		   "numeric host, as 192.0.2.1:17280 or [2001:db8::1]:17280";
	rv = tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_JOIN_ADDRESS,
			  text, sizeof(text));
	if (rv == -ENOENT)
		rv = tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_NODE,
				  text, sizeof(text));
	if (rv || join_parse(text, contact))
		return -EINVAL;
	rv = tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_NAME, text,
			  sizeof(text));
	if (!rv && text[0]) {
		if (!skerry_name_valid(text))
			return -EINVAL;
		memcpy(contact->name, text, sizeof(contact->name));
		contact->name[sizeof(contact->name) - 1] = 0;
	}
	*ret_why = "a node cannot join itself";
	return join_is_self(core, contact) ? -ELOOP : 0;
}

void join_command(struct core *core, const struct core_event *event, bool wait)
{
	struct core_bytes tlvs = event->command.tlvs;
	uint32_t program = event->command.program;
	uint32_t correlation = event->command.correlation;
	struct core_contact contact;
	struct join_wait *waiting = NULL;
	struct member *member;
	const char *why;
	uint32_t join;
	int rv;

	rv = read_command(core, event, &contact, &why);
	if (!rv && core->leave != LEAVE_NO) {
		why = "this node is leaving";
		rv = -EAGAIN;
	}
	if (!rv && wait) {
		waiting = add_wait(core, event);
		why = "too many programs wait for a join";
		rv = waiting ? 0 : -ENOSPC;
	}
	if (rv) {
		core_answer(core, program, correlation, rv, why);
		return;
	}
	member = join_find_member(core, &contact);
	if (member) {
		if (waiting)
			memcpy(waiting->node, member->name,
			       sizeof(waiting->node));
		else
			core_answer(core, program, correlation, 0, NULL);
		return;
	}
	if (!join_add(core, &contact, true, &join)) {
		if (waiting)
			waiting->used = false;
		core_answer(core, program, correlation, -ENOSPC,
			    "too many joins are being tried; withdraw one "
			    "with member remove");
		return;
	}
	core->joins.list[join].takeover |=
		tlv_find_bool(tlvs.data, tlvs.size_bytes, SKERRY_K_TAKEOVER);
	if (core->left) {
		core->left = false;
		core->persist_due = true;
		join_contacts(core);
	}
	if (waiting)
		waiting->join = join;
	else
		core_answer(core, program, correlation, 0, NULL);
}

void join_drop(struct core *core, uint32_t slot)
{
	struct join *join = &core->joins.list[slot];
	uint32_t i;

	join->used = false;
	/* A dial under way must not be taken for that of a later join. */
	for (i = 0; i < core->lanes.touched; i++) {
		if (core->lanes.lanes[i].used &&
		    core->lanes.lanes[i].join == slot)
			core->lanes.lanes[i].join = CONNTAB_NONE;
	}
}

void join_withdraw_slot(struct core *core, uint32_t slot, const char *why)
{
	waits_of(core, slot, -ECANCELED, why);
	join_drop(core, slot);
}

uint32_t join_withdraw(struct core *core, const char *what)
{
	struct core_contact contact;
	bool address = !join_parse(what, &contact);
	uint32_t i, count = 0;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];

		if (!join->used)
			continue;
		if (strcmp(join->name, what) &&
		    !(address && addr_equal(&join->address, &contact.address)))
			continue;
		join_withdraw_slot(core, i, "the join was withdrawn");
		count++;
	}
	return count;
}

void join_withdraw_name(struct core *core, const char *name)
{
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];

		if (!join->used || strcmp(join->name, name))
			continue;
		join_withdraw_slot(core, i,
				   "the node was removed, or left, since");
	}
}

void join_withdraw_at(struct core *core, const char *name,
		      const struct skerry_addr *address)
{
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];

		if (!join->used || !addr_equal(&join->address, address) ||
		    (join->name[0] && strcmp(join->name, name)))
			continue;
		join_withdraw_slot(
			core, i,
			"the address is stale: the node is at another");
	}
}

bool join_hurry(struct core *core, const char *name)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];

		if (!join->used || strcmp(join->name, name))
			continue;
		join->at_ns = core->now_ns;
		join->backoff_ms = 0;
		any = true;
	}
	return any;
}

void join_withdraw_all(struct core *core, bool asked_too)
{
	uint32_t i;

	core->joins.known_count = 0;
	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];

		if (!join->used || (join->asked && !asked_too))
			continue;
		join_withdraw_slot(core, i, "this node became single");
	}
}

/* ---- what became of a dial ------------------------------------------------ */

static void later(struct core *core, struct join *join)
{
	uint32_t max = core->config.redial_max_ms;

	if (!join->backoff_ms)
		join->backoff_ms = core->config.redial_min_ms;
	else
		join->backoff_ms =
			join->backoff_ms > max / 2 ? max : join->backoff_ms * 2;
	join->at_ns = core->now_ns + link_jitter_ns(core, join->backoff_ms);
	core_due(core, join->at_ns);
}

void join_failed(struct core *core, uint32_t slot, int error, const char *why)
{
	struct join *join = &core->joins.list[slot];

	if (!join->used)
		return;
	join->dialling = false;
	join->error = error;
	snprintf(join->why, sizeof(join->why), "%s", why);
	/* Somebody who is busy for a moment is not asked less often. */
	if (error == -EAGAIN)
		join->backoff_ms = 0;
	later(core, join);
}

void join_answered(struct core *core, uint32_t slot, struct member *member)
{
	uint32_t i;

	if (!core->joins.list[slot].used)
		return;
	for (i = 0; i < JOIN_WAITS_MAX; i++) {
		struct join_wait *wait = &core->joins.waits[i];

		if (!wait->used || wait->join != slot)
			continue;
		wait->join = JOIN_NONE;
		memcpy(wait->node, member->name, sizeof(wait->node));
	}
	join_drop(core, slot);
	core_due(core, core->now_ns);
}

void join_refused(struct core *core, uint32_t slot, int error, const char *why)
{
	struct join *join = &core->joins.list[slot];
	char text[ADDR_TEXT_BYTES];

	if (!join->used)
		return;
	notice_format(core, CORE_LOG_WARNING, "join", NULL, "%s: %s",
		      addr_text(&join->address, text, sizeof(text)), why);
	waits_of(core, slot, error, why);
	/* A node that is found to be ourselves will never be another, and who
	 * was removed since is not brought back by what was asked before. */
	if (join->asked || error == -ELOOP || error == -ECANCELED)
		join_drop(core, slot);
	else
		join_failed(core, slot, error, why);
}

void join_program_gone(struct core *core, uint32_t program)
{
	uint32_t i;

	for (i = 0; i < JOIN_WAITS_MAX; i++) {
		if (core->joins.waits[i].program == program)
			core->joins.waits[i].used = false;
	}
}

/* ---- what is due ------------------------------------------------------------ */

/* The slot may be another one's by now: what is said is true all the same. */
static void tell_older(const struct core *core, const struct join *join,
		       struct link_offer *offer)
{
	const struct member *member = &core->members.slots[join->older - 1];

	if (!member_counts(member))
		return;
	offer->tell.incarnation = member->incarnation;
	offer->told = member->name;
}

static void dial(struct core *core, uint32_t slot)
{
	struct join *join = &core->joins.list[slot];
	struct update *u = &core->update;
	struct link_offer offer = {
		.channel = core->config.channels[0].name,
		.generation = join->generation ? join->generation : 1,
		.expect = join->name,
		/* Who has nobody to belong to can only ask. */
		.pending = join->pending || core->members.count == 1,
		.takeover =
			join->takeover || (core->config.takeover && !core->met),
	};
	struct skerry_addr address = join->address;
	struct lane *lane;
	struct core_op *op;

	if (join->older)
		tell_older(core, join, &offer);
	if (!update_fits(u, 1, SKERRY_SPEC_MAX_BYTES + 1024)) {
		u->more = true;
		return;
	}
	lane = conntab_add(&core->lanes, conntab_next_id(&core->lanes));
	if (!lane)
		return;
	lane->join = slot;
	lane->dialled = true;
	lane->generation = offer.generation;
	lane->since_ns = core->now_ns;
	join->dialling = true;
	join->attempts++;
	address.port = (uint16_t)(address.port + SKERRY_PORT_LANES);
	op = update_op(u, OP_DIAL);
	op->lane = lane->id;
	op->dial.addresses = update_copy(u, &address, sizeof(address)).data;
	op->dial.address_count = 1;
	op->dial.timeout_ms = CORE_DIAL_MS;
	op->bytes = link_details(core, &offer);
}

static void scan_wait(struct core *core, struct join_wait *wait)
{
	struct member *member;

	if (!update_fits(&core->update, 1, 512)) {
		core->update.more = true;
		return;
	}
	member =
		wait->node[0] ? members_find(&core->members, wait->node) : NULL;
	if (member && member_counts(member) && link_complete(core, member)) {
		end_wait(core, wait, 0, NULL);
	} else if (core->now_ns >= wait->until_ns) {
		char why[192];

		if (wait->join != JOIN_NONE)
			snprintf(why, sizeof(why),
				 "not joined in time: %s; it goes on trying",
				 core->joins.list[wait->join].why);
		else
			snprintf(why, sizeof(why),
				 "joined, but not every lane to %s is up",
				 wait->node);
		end_wait(core, wait, -ETIMEDOUT, why);
	} else {
		core_due(core, wait->until_ns);
	}
}

void joins_flush(struct core *core)
{
	uint32_t i;

	for (i = 0; i < JOIN_WAITS_MAX; i++) {
		if (core->joins.waits[i].used)
			scan_wait(core, &core->joins.waits[i]);
	}
	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		struct join *join = &core->joins.list[i];
		struct core_contact contact;

		if (!join->used || join->dialling)
			continue;
		memcpy(contact.name, join->name, sizeof(contact.name));
		contact.address = join->address;
		if (join_find_member(core, &contact)) {
			join_answered(core, i,
				      join_find_member(core, &contact));
			continue;
		}
		if (!core_open(core))
			continue;
		if (core->now_ns < join->at_ns)
			core_due(core, join->at_ns);
		else
			dial(core, i);
	}
}
