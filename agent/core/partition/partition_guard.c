// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* partition_guard.c - safeguards: what is refused unless it is forced. Each
 * says which one it is, with its numbers. */
#include "partition_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool too_long(const struct partition *p, struct partition_order *in,
		     const struct partition_entry *e)
{
	if (e->duration_ms <= p->cut_max_ms)
		return false;
	snprintf(in->text, sizeof(in->text),
		 "duration: %llu ms: longer than max_for, %u ms; shorten it or "
		 "force it",
		 (unsigned long long)e->duration_ms, p->cut_max_ms);
	return true;
}

static bool too_many(const struct partition *p, struct partition_order *in,
		     uint16_t entry)
{
	uint64_t isolated = partition_isolated(p, entry);
	uint64_t known = partition_known_count(p);

	if (isolated * 100 <= known * p->cut_share_percent)
		return false;
	snprintf(in->text, sizeof(in->text),
		 "partition: %s: would part %llu of %llu nodes from the "
		 "majority, more than share, %u %%; force it",
		 in->shape, (unsigned long long)isolated,
		 (unsigned long long)known, p->cut_share_percent);
	return true;
}

static bool within(const struct partition_entry *e,
		   const struct skerry_addr *addr)
{
	unsigned int bit;

	for (bit = 0; bit < e->prefix_bits; bit++)
		if ((e->target.ip[bit / 8] ^ addr->ip[bit / 8]) >>
			    (7 - bit % 8) &
		    1)
			return false;
	return true;
}

static bool own_address(const struct partition *p,
			const struct partition_entry *e)
{
	static const struct skerry_addr loopback[] = {
		{ .ip = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 } },
		{ .ip = { [15] = 1 } },
	};
	uint32_t i;

	for (i = 0; i < p->address_count; i++)
		if (within(e, &p->addresses[i]))
			return true;
	/* All of 127.0.0.0/8 is this host. */
	if (partition_is_v4(&e->target) && e->target.ip[12] == 127)
		return true;
	return within(e, &loopback[0]) || within(e, &loopback[1]);
}

static bool refuse_to(struct partition_order *in,
		      const struct partition_entry *e, const char *why)
{
	snprintf(in->text, sizeof(in->text), "to: %s: %s; force it", e->origin,
		 why);
	return true;
}

static bool own(const struct partition *p, struct partition_order *in,
		const struct partition_entry *e)
{
	return own_address(p, e) &&
	       refuse_to(in, e, "holds an address of this host");
}

static bool gateway(struct partition_order *in, const struct partition_entry *e)
{
	return in->guards & CORE_GUARD_GATEWAY &&
	       refuse_to(in, e, "holds the next hop of a default route");
}

static bool ssh(struct partition_order *in, const struct partition_entry *e)
{
	return in->guards & CORE_GUARD_SSH &&
	       refuse_to(in, e, "somebody there is logged in here by SSH");
}

/* The registry's own way; it passes a cut anyway, and would look cut. */
static bool partition_port(const struct partition *p,
			   struct partition_order *in,
			   const struct partition_entry *e)
{
	return e->target.port == p->port_base + SKERRY_PORT_PARTITION &&
	       e->protocol != PARTITION_TCP &&
	       refuse_to(in, e, "the partition port always passes");
}

static bool looks(const struct partition *p, struct partition_order *in,
		  uint16_t entry, uint32_t index)
{
	const struct partition_entry *e = &p->entries[entry];

	switch (index) {
	case 0:
		return too_long(p, in, e);
	case 1:
		return too_many(p, in, entry);
	default:
		break;
	}
	if (partition_form(e) != FORM_ADDRESS)
		return false;
	switch (index) {
	case 2:
		return own(p, in, e);
	case 3:
		return gateway(in, e);
	case 4:
		return ssh(in, e);
	default:
		return partition_port(p, in, e);
	}
}

int partition_guard(const struct partition *p, struct partition_order *in,
		    uint16_t entry, uint32_t *index)
{
	for (; *index < 6; ++*index)
		if (looks(p, in, entry, *index))
			return -EDQUOT;
	return 0;
}
