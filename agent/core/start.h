/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* start.h - the first event, and changed settings later. */
#ifndef SKERRY_START_H
#define SKERRY_START_H

#include "event.h"

struct core;

/* EV_START. -EINVAL settings that cannot be, -ENOSPC a spec too large: the
 * core can be started again. */
int start_event(struct core *core, const struct core_event *event);
/* EV_CONFIGURED: tags, times, contacts. -EINVAL: something that only a
 * restart changes. */
int start_configured(struct core *core, const struct core_event *event);

#endif
