// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * log_limit.c - see log_limit.h. What is kept is bounded: when more are
 * talked about at once than there are slots, the rest share the last one.
 */
#include "log_limit.h"

#include <stdio.h>
#include <string.h>

#define SLOTS (2 * SKERRY_MEMBERS_MAX)

struct slot {
	uint64_t until_ns; /* 0: free */
	uint64_t lines;
	struct log_suppressed suppressed;
};

static struct {
	struct slot slots[SLOTS + 1];
	uint32_t used; /* none beyond has ever been */
	uint64_t suppressing; /* slots with lines to tell of */
} limit;

static bool is_about(const struct slot *slot, const char *event,
		     const char *node)
{
	const struct log_suppressed *s = &slot->suppressed;

	return !strncmp(s->event, event, sizeof(s->event) - 1) &&
	       !strncmp(s->node, node, sizeof(s->node) - 1);
}

static void begin(struct slot *slot, const char *event, const char *node,
		  uint64_t now_ns)
{
	memset(slot, 0, sizeof(*slot));
	slot->until_ns = now_ns + LOG_LIMIT_NS;
	snprintf(slot->suppressed.event, sizeof(slot->suppressed.event), "%s",
		 event);
	snprintf(slot->suppressed.node, sizeof(slot->suppressed.node), "%s",
		 node);
}

/* One with lines to tell of is in use until they have been told. */
static bool is_free(const struct slot *slot, uint64_t now_ns)
{
	return slot->until_ns <= now_ns && !slot->suppressed.lines;
}

static struct slot *find(const char *event, const char *node, uint64_t now_ns)
{
	struct slot *unused = NULL;
	uint32_t i;

	for (i = 0; i < limit.used; i++) {
		struct slot *slot = &limit.slots[i];

		if (is_free(slot, now_ns)) {
			unused = unused ? unused : slot;
			continue;
		}
		if (is_about(slot, event, node))
			return slot;
	}
	if (!unused && limit.used < SLOTS)
		unused = &limit.slots[limit.used++];
	if (!unused) {
		unused = &limit.slots[SLOTS];
		event = "other";
		node = "";
		if (!is_free(unused, now_ns))
			return unused;
	}
	begin(unused, event, node, now_ns);
	return unused;
}

bool log_limit_pass(const char *event, const char *node, uint64_t now_ns)
{
	struct slot *slot = find(event, node, now_ns);

	if (++slot->lines <= LOG_LIMIT_LINES)
		return true;
	limit.suppressing += !slot->suppressed.lines++;
	return false;
}

bool log_limit_next(uint64_t now_ns, struct log_suppressed *ret_suppressed)
{
	uint32_t i;

	for (i = 0; limit.suppressing && i <= SLOTS; i++) {
		struct slot *slot = &limit.slots[i];

		if (!slot->suppressed.lines || slot->until_ns > now_ns)
			continue;
		*ret_suppressed = slot->suppressed;
		limit.suppressing--;
		memset(slot, 0, sizeof(*slot));
		return true;
	}
	return false;
}
