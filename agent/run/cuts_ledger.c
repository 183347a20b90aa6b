// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* cuts_ledger.c - what the cuts of a reference have done, whoever makes them;
 * see cuts.h. */
#include "cuts.h"

#include <string.h>

#include "agent.h"

struct reading {
	cut_count_fn *function;
	void *data;
	int count;
};

static void give(struct reading *reading, const struct cut_count *count)
{
	reading->function(reading->data, count);
	reading->count++;
}

static void on_rule(void *data, uint32_t peer, bool in_force,
		    const struct skerry_rule *rule,
		    const struct skerry_drop *drop)
{
	struct cut_count count = { .peer = peer,
				   .unit = CUT_PACKETS,
				   .in_force = in_force };

	if (peer == CORE_PEER_ADDRESS) {
		memcpy(count.address.ip, rule->ip, sizeof(count.address.ip));
		count.address.port = rule->port_low;
		count.prefix_bits = (uint8_t)rule->prefix_bits;
	}
	if (rule->direction != DIRECTION_IN) {
		count.way = CUT_TO_PEER;
		count.seen = drop->seen - drop->seen_in;
		count.dropped = drop->dropped - drop->dropped_in;
		count.dropped_bytes =
			drop->dropped_bytes - drop->dropped_bytes_in;
		count.leaked = drop->leaked - drop->leaked_in;
		give(data, &count);
	}
	if (rule->direction != DIRECTION_OUT) {
		count.way = CUT_FROM_PEER;
		count.seen = drop->seen_in;
		count.dropped = drop->dropped_in;
		count.dropped_bytes = drop->dropped_bytes_in;
		count.leaked = drop->leaked_in;
		give(data, &count);
	}
}

static void give_held(struct reading *reading, const struct cut *cut,
		      enum cut_way way)
{
	struct cut_count count = {
		.peer = cut->cut.peer,
		.way = way,
		.unit = CUT_FRAMES,
		.in_force = true,
		.seen = cut->held[way],
		.dropped = cut->held[way],
		.dropped_bytes = cut->held_bytes[way],
	};

	give(reading, &count);
}

int cuts_ledger(const struct agent *agent, const uint8_t reference[16],
		cut_count_fn *function, void *data)
{
	struct reading reading = { .function = function, .data = data };
	const struct cuts *cuts = &agent->cuts;
	uint32_t i;

	if (agent->settings.kernel_cuts)
		kernel_ledger(agent->kernel, reference, on_rule, &reading);
	for (i = 0; i < cuts->count; i++) {
		const struct core_cut *cut = &cuts->list[i].cut;

		if (!cuts->list[i].active ||
		    memcmp(cut->reference, reference, sizeof(cut->reference)))
			continue;
		if (cut->direction != DIRECTION_IN)
			give_held(&reading, &cuts->list[i], CUT_TO_PEER);
		if (cut->direction != DIRECTION_OUT)
			give_held(&reading, &cuts->list[i], CUT_FROM_PEER);
	}
	return reading.count;
}
