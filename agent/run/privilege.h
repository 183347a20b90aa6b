/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* privilege.h - what the agent may do after it has started. */
#ifndef SKERRY_PRIVILEGE_H
#define SKERRY_PRIVILEGE_H

#include <stdbool.h>

/*
 * Give up every capability but those that new devices, rules and sockets
 * need; `kernel`: the BPF ones too. Root stays root, without its powers.
 * Nothing happens for a process that has none. -errno.
 */
int privilege_drop(bool kernel);

#endif
