/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* node.h - nodes as people write them for the membership's calls. The
 * agent's core makes no look-ups: what it gets is a number. */
#ifndef SKERRYCTL_NODE_H
#define SKERRYCTL_NODE_H

#include <stddef.h>

#include "skerry/keys.h"
#include "skerry/limits.h"

/* [NAME=]HOST[:PORT] with HOST as a number, as text. 0 or the exit code. */
int node_resolve(const char *what, const char *text, char *out, size_t room);
/* NAME or NAME=HOST[:PORT]; ret_address has port 0 when none was given. */
int node_spec(const char *what, const char *text,
	      char ret_name[SKERRY_NAME_MAX_BYTES + 1],
	      struct skerry_addr *ret_address);

/* member set, member export, member reserve. */
struct ctl;
int member_set(struct ctl *ctl, int argc, char **argv);
int member_export(struct ctl *ctl, int argc, char **argv);
int member_reserve(struct ctl *ctl, int argc, char **argv);

#endif
