/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * command.h - what programs ask of the control plane (enum skerry_command
 * of ring.h below 32).
 */
#ifndef SKERRY_COMMAND_H
#define SKERRY_COMMAND_H

#include "event.h"

struct core;

/* EV_COMMAND: answered now or later, errors included. */
void command_event(struct core *core, const struct core_event *event);

#endif
