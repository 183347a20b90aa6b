// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* ledger.c - see ledger.h. */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "agent.h"
#include "driver.h"

/* A cut for each member, and a few whose node has just gone. */
#define ROWS_MAX (SKERRY_MEMBERS_MAX + SKERRY_MEMBERS_MAX / 4)

/* The core reads one ledger at a time: the rows wait here for its event. */
static struct core_ledger rows[ROWS_MAX];

struct reading {
	uint32_t count;
	int error;
};

/* Both ways of a cut come in a row. */
static struct core_ledger *row_of(struct reading *reading,
				  const struct cut_count *count)
{
	struct core_ledger *row;
	uint32_t i;

	for (i = reading->count; i > 0; i--)
		if (rows[i - 1].peer == count->peer)
			return &rows[i - 1];
	if (reading->count == ROWS_MAX) {
		reading->error = -ENOSPC;
		return NULL;
	}
	row = &rows[reading->count++];
	*row = (struct core_ledger) { .peer = count->peer,
				      .in_force = count->in_force };
	return row;
}

static void on_count(void *data, const struct cut_count *count)
{
	struct core_ledger *row = row_of(data, count);

	if (!row)
		return;
	row->user_space = count->unit == CUT_FRAMES;
	if (count->way == CUT_TO_PEER) {
		row->out_seen += count->seen;
		row->out_dropped += count->dropped;
		row->out_leaked += count->leaked;
	} else {
		row->in_seen += count->seen;
		row->in_dropped += count->dropped;
		row->in_leaked += count->leaked;
	}
}

/* A core that asks twice finds the same rows in the same places. */
static int compare(const void *a, const void *b)
{
	const struct core_ledger *x = a, *y = b;

	return x->peer < y->peer ? -1 : x->peer > y->peer;
}

void ledger_read(struct agent *agent, const struct core_op *op)
{
	struct core_event event = { .type = EV_LEDGER, .token = op->token };
	struct reading reading = { .count = 0 };

	if (op->bytes.size_bytes != 16) {
		event.error = -EINVAL;
	} else {
		cuts_ledger(agent, op->bytes.data, on_count, &reading);
		qsort(rows, reading.count, sizeof(rows[0]), compare);
		event.error = reading.error;
		event.ledger.list = rows;
		event.ledger.count = reading.count;
	}
	driver_later(agent, &event);
}
