// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * flow_share.c - nobody takes everything: what one program may have of the
 * tables, and all programs of one owner together; see flow.h.
 *
 * A flow's own number bounds a program's live flows; what is only remembered
 * of them has none, and is bounded by its count.
 */
#include "flow_tab.h"

#include <errno.h>

void flow_program_owner(struct flowtab *tab, uint32_t program, uint32_t owner)
{
	struct flow_program *p = flow_program_find(tab, program);

	if (p)
		p->owner = owner;
}

struct tally {
	uint64_t outs, ins, endpoints;
};

static struct tally tally_of(const struct flowtab *tab, uint32_t owner)
{
	struct tally sum = { 0 };
	uint32_t i;

	for (i = 0; i < tab->limits.programs_max; i++) {
		const struct flow_program *p = &tab->programs[i];

		if (!p->used || p->owner != owner)
			continue;
		sum.outs += p->out_count;
		sum.ins += p->in_count;
		sum.endpoints += p->endpoint_count;
	}
	return sum;
}

int flow_share_out(const struct flowtab *tab, const struct flow_program *p)
{
	uint32_t share = tab->limits.flows_max / 2;

	/* As long as all have less than that, each has. */
	if (!p->owner || tab->outs.used < share)
		return 0;
	return tally_of(tab, p->owner).outs < share ? 0 : -ENOSPC;
}

int flow_share_in(const struct flowtab *tab, const struct flow_program *p)
{
	uint32_t share = tab->limits.flows_max / 2;

	if (p->in_count >= SKERRY_INFLOWS_PER_PROGRAM_MAX)
		return -ENOSPC;
	if (!p->owner || tab->ins.used < share)
		return 0;
	return tally_of(tab, p->owner).ins < share ? 0 : -ENOSPC;
}

int flow_share_endpoint(const struct flowtab *tab, const struct flow_program *p)
{
	uint32_t share = tab->limits.endpoints_max / 2;

	if (p->endpoint_count >= SKERRY_ENDPOINTS_PER_PROGRAM_MAX)
		return -ENOSPC;
	if (!p->owner || tab->endpoints.used < share)
		return 0;
	return tally_of(tab, p->owner).endpoints < share ? 0 : -ENOSPC;
}
