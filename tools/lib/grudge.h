/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * grudge.h - an entry's fields as who is cut from whom, and addresses as
 * people write them. For the library and for skerryctl; needs no handle.
 */
#ifndef LIB_GRUDGE_H
#define LIB_GRUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "skerry/keys.h"

struct lib_grudge_node {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint32_t component; /* 0: none, or one of "everybody else" */
	bool participant; /* the agent that told knows it */
};

/*
 * Fields come part after part: lib_grudge_part() for each, then
 * lib_grudge_done(). Zeroed at first; lib_grudge_free() in any case.
 */
struct lib_grudge {
	char shape[32];
	char target[96]; /* shape to: what it is cut from */
	bool has_else;
	bool one_way;
	bool no_memory;
	uint32_t components;
	uint32_t loss_ppm;
	struct lib_grudge_node *nodes; /* in name order when done */
	size_t count, room;
	uint8_t *matrix; /* bits as they came */
	size_t matrix_bytes;
	char (*listed)[SKERRY_NAME_MAX_BYTES + 1]; /* what they are about */
	size_t listed_count;
	uint8_t *edges; /* [from * count + to]: 1 cut; when done */
};

void lib_grudge_part(struct lib_grudge *g, const void *tlvs, size_t size_bytes);
/* -ENOMEM; -EPROTO: they make no sense. */
int lib_grudge_done(struct lib_grudge *g);
void lib_grudge_free(struct lib_grudge *g);
/* -1: no such node. */
long lib_grudge_find(const struct lib_grudge *g, const char *name);
bool lib_grudge_cut(const struct lib_grudge *g, size_t from, size_t to);

struct lib_target {
	struct skerry_addr address; /* .port 0: all */
	uint8_t prefix_bits; /* 128: one address */
};
#define LIB_TARGET_TEXT_BYTES 64

/* "10.0.0.7", "10.0.0.0/8:5432", "[fd00::]/64:53", "fd00::7". -EINVAL. */
int lib_target_parse(const char *text, struct lib_target *ret_target);
void lib_target_put(struct tlv_writer *w, const struct lib_target *target);
const char *lib_target_text(const struct lib_target *target,
			    char out[LIB_TARGET_TEXT_BYTES]);

#endif
