/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* cut.h - what `partition`, `cut` and `heal` share. */
#ifndef SKERRYCTL_CUT_H
#define SKERRYCTL_CUT_H

#include "print.h"

/* Addresses a host name may have; each is cut. */
#define CUT_TARGETS_MAX 16

/* What to cut, as fields for the agent. */
struct cut_shape {
	const char *what; /* for sentences: "cut", "partition inject" */
	const char *name, *visibility, *reason, *protocol, *loss;
	uint32_t for_ms;
	uint64_t ttl, seed;
	bool force, one_way;
	struct tlv_writer w;
	uint8_t bytes[56 * 1024];
	/* Shape `to`: the fields of each address, to be added to the others. */
	struct skerry_addr targets[CUT_TARGETS_MAX];
	uint8_t prefix_bits;
	int target_count;
};

/* shape.c. Words and options into fields; 0, or the exit code. */
void cut_shape_init(struct cut_shape *shape, const char *what,
		    uint32_t default_for_ms);
int cut_shape_take(const struct ctl *ctl, struct cut_shape *shape, int argc,
		   char **argv);
/* All of its fields with the i-th target, if it has some. */
struct tlv_writer cut_shape_fields(struct cut_shape *shape, int i);
/* target.c. ADDRESS[/PREFIX][:PORT] or HOST[:PORT]; says what HOST is. */
int cut_target(struct cut_shape *shape, const char *text);
/* matrix.c. The nodes and bits of a file. */
int cut_matrix(struct cut_shape *shape, const char *path);

/* argv[0] is the verb. default_for_ms: 0, as long as the agents live. */
int cut_inject(struct ctl *ctl, int argc, char **argv, const char *what,
	       uint32_t default_for_ms);
int cut_explain(struct ctl *ctl, int argc, char **argv, const char *what);
int cut_verify(struct ctl *ctl, int argc, char **argv, const char *what);
int cut_resolve(struct ctl *ctl, int argc, char **argv, const char *what);
/* `partition -o matrix` */
int cut_grid(struct ctl *ctl);
/*
 * Which one is meant: a whole reference, a name, first digits, or NULL: the
 * only one there is. 0 with ret_id; 0 and *ret_found false when text is NULL
 * and nothing is cut; else the exit code.
 */
int cut_which(struct ctl *ctl, const char *what, const char *text,
	      uint8_t ret_id[16], bool *ret_found);
/* The table of partitions, with this node's ledger in its rows. */
int cut_query(struct ctl *ctl, struct rows *rows);
/* Print an answer; EXIT_PARTLY, and who, when nodes are missing in it. */
int cut_answer(struct ctl *ctl, const char *what, struct rows *answer);

#endif
