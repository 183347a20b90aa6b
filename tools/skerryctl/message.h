/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* message.h - what the verbs of skerryctl message share. */
#ifndef SKERRYCTL_MESSAGE_H
#define SKERRYCTL_MESSAGE_H

#include "print.h"

struct payload {
	char *data;
	size_t size_bytes;
};

/* From the words, else from the file, else from stdin; to be freed. */
int message_payload(const char *what, int argc, char **argv, const char *file,
		    struct payload *payload);

struct target { /* NODE ENDPOINT, or a reference in one word */
	int words;
	const char *node;
	const char *endpoint;
	char text[256]; /* for people */
};

/* From argv[2] on. */
int message_target(const char *what, int argc, char **argv,
		   struct target *ret_target);
void message_target_json(json_t *object, char **argv,
			 const struct target *target);
/* Adds data, or data_hex when it is no text. */
json_t *message_data_json(json_t *object, const struct skerry_message *message);

/* call.c */
int message_call(struct ctl *ctl, int argc, char **argv);
/* Reply with the same bytes, or what the command prints when it is given
 * them. What goes wrong is said on stderr. */
void message_answer(struct ctl *ctl, const struct skerry_message *message,
		    const char *command);

#endif
