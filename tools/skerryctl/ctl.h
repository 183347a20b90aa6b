/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * ctl.h - what the nouns of skerryctl share. Data goes to stdout, everything
 * else to stderr; each function that can fail says why itself and returns
 * the exit code.
 */
#ifndef SKERRYCTL_H
#define SKERRYCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skerry/skerry.h"

enum ctl_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_PERMISSION = 3,
	EXIT_UNSUPPORTED = 4,
	EXIT_CONFLICT = 5,
	EXIT_PARTLY = 6,
	EXIT_SAFEGUARD = 7,
	EXIT_NO_AGENT = 8,
	EXIT_TIMED_OUT = 9,
};

struct ctl {
	const char *node; /* --node */
	const char *run_dir; /* --run-dir */
	bool json;
	uint32_t timeout_ms; /* --timeout; 0: not given */
	struct skerry *handle; /* after ctl_open() */
};

struct noun {
	const char *name;
	const char *summary;
	const char *help;
	/* argv[0] is the noun; options that every noun has are taken out. */
	int (*run)(struct ctl *ctl, int argc, char **argv);
};

extern const struct noun noun_status, noun_member, noun_peer, noun_connection,
	noun_channel, noun_endpoint, noun_message, noun_partition, noun_event,
	noun_kernel, noun_cluster, noun_cut, noun_heal;

/* error.c */
/* `skerryctl: WHAT: VALUE: WHY; TRY`; value may be NULL. */
int ctl_usage(const char *what, const char *value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what a call returned: the library's sentence, or errno's. */
int ctl_error(const struct ctl *ctl, int error, const char *what,
	      const char *value);
/* For what did not come from the library. */
int ctl_error_text(int error, const char *what, const char *value,
		   const char *why);
int ctl_exit_code(int error);

/* main.c */
int ctl_open(struct ctl *ctl, bool admin);

/* args.c: options of one verb, anywhere among its words. */
enum arg_kind {
	ARG_FLAG, /* bool */
	ARG_TEXT, /* const char * */
	ARG_DURATION, /* uint32_t, milliseconds */
	ARG_COUNT, /* uint64_t */
};

struct arg {
	const char *name; /* with its dashes */
	enum arg_kind kind;
	void *value;
};

/*
 * Take the options (a list that ends with a NULL name) out of argv. *argc
 * counts what is left, argv[0] among it; "--" ends the options. With
 * `leave_unknown` options that are not in the list stay where they are.
 */
int args_take(const char *what, int *argc, char **argv, const struct arg *list,
	      bool leave_unknown);

/* selector.c */
/* A node as people write it: "." is this one, as "" is to the library. */
const char *selector_node(const char *text);
/* 32 hexadecimal digits. */
bool selector_reference(const char *text, uint8_t ret_id[16]);
void selector_reference_text(const uint8_t id[16], char out[33]);

#endif
