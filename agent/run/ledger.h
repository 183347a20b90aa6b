/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* ledger.h - OP_LEDGER carried out: what the cuts of a partition have done
 * on this node goes back to the core as EV_LEDGER. */
#ifndef SKERRY_LEDGER_H
#define SKERRY_LEDGER_H

#include "../core/event.h"

struct agent;

void ledger_read(struct agent *agent, const struct core_op *op);

#endif
