/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* cut.h - what `partition`, `cut` and `heal` share. */
#ifndef SKERRYCTL_CUT_H
#define SKERRYCTL_CUT_H

#include "print.h"

/* argv[0] is the verb. default_for_ms: 0, as long as the agents live. */
int cut_inject(struct ctl *ctl, int argc, char **argv, const char *what,
	       uint32_t default_for_ms);
int cut_resolve(struct ctl *ctl, int argc, char **argv, const char *what);
/* The table of partitions, with this node's ledger in its rows. */
int cut_query(struct ctl *ctl, struct rows *rows);
/* Print an answer; EXIT_PARTLY, and who, when nodes are missing in it. */
int cut_answer(struct ctl *ctl, const char *what, struct rows *answer);

#endif
