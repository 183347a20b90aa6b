/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * record.h - `--record FILE`: each step of the core, for skerry-replay. A
 * record that cannot be written ends the recording with a warning, never
 * the agent.
 */
#ifndef SKERRY_RECORD_H
#define SKERRY_RECORD_H

#include "../core/core.h"

struct record;

/* -errno of opening the file. */
int record_open(const char *path, const struct core_limits *limits,
		const struct core_hmac *hmac, struct record **ret_record);
/* Takes NULL, as does record_step(). */
void record_close(struct record *record);
void record_step(struct record *record, const struct core_event *event,
		 int error, const struct core_update *update);
void record_flush(struct record *record);

#endif
