// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* discover.c - see discover.h. */
#include "discover.h"

#include <string.h>

#include "addr.h"
#include "core_state.h"

static bool among(const struct skerry_addr *list, uint32_t count,
		  const struct skerry_addr *address)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (addr_equal(&list[i], address))
			return true;
	}
	return false;
}

static bool is_tried(const struct core *core, const struct core_contact *found)
{
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		const struct join *join = &core->joins.list[i];

		if (join->used && addr_equal(&join->address, &found->address))
			return true;
	}
	return false;
}

/* True: nothing is left to be done about it. */
static bool take_up(struct core *core, const struct core_contact *found)
{
	uint32_t slot;

	if (join_is_self(core, found) || join_find_member(core, found) ||
	    is_tried(core, found))
		return true;
	if (!join_add(core, found, false, &slot))
		return false;
	core->joins.list[slot].discovered = true;
	return true;
}

static void drop_gone(struct core *core, const struct skerry_addr *list,
		      uint32_t count)
{
	uint32_t i;

	for (i = 0; i < SKERRY_JOINS_MAX; i++) {
		const struct join *join = &core->joins.list[i];

		if (join->used && join->discovered &&
		    !among(list, count, &join->address))
			join_drop(core, i);
	}
}

void discover_event(struct core *core, const struct core_event *event)
{
	struct joins *joins = &core->joins;
	struct skerry_addr before[SKERRY_JOINS_MAX], found[SKERRY_JOINS_MAX];
	uint32_t before_count = joins->known_count;
	uint32_t count = event->discovered.count, i;

	if (core->left) {
		joins->known_count = 0;
		return;
	}
	if (count > SKERRY_JOINS_MAX)
		count = SKERRY_JOINS_MAX;
	memcpy(before, joins->known, sizeof(before));
	for (i = 0; i < count; i++)
		found[i] = event->discovered.list[i].address;
	/* First those that are gone: they make room. */
	drop_gone(core, found, count);
	joins->known_count = 0;
	for (i = 0; i < count; i++) {
		if (among(before, before_count, &found[i]) ||
		    take_up(core, &event->discovered.list[i]))
			joins->known[joins->known_count++] = found[i];
	}
	core_due(core, core->now_ns);
}
