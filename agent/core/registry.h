/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * registry.h - the core's side of the registry of partitions: the functions
 * it is given, and when it is called.
 */
#ifndef SKERRY_REGISTRY_H
#define SKERRY_REGISTRY_H

#include "codec.h"
#include "core.h"

size_t registry_size(const struct core_limits *limits);
void registry_init(struct core *core, uint64_t seed);
void registry_configure(struct core *core);
bool registry_settled(const struct core *core);
int registry_datagram(struct core *core, const char *from,
		      struct core_bytes body);
void registry_cuts_applied(struct core *core, uint64_t generation, int error);
void registry_ledger(struct core *core, const struct core_event *event);
void registry_program_gone(struct core *core, uint32_t program);
/* Entries of this node alone, to the state file and back; see partition.h. */
void registry_write(struct core *core, struct tlv_writer *w);
int registry_read(struct core *core, struct core_bytes persisted);
/* Members that came and went, and what is due. */
void registry_flush(struct core *core);

#endif
