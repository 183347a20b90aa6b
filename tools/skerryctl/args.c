// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* args.c - options of a verb; see ctl.h. */
#include <string.h>

#include "ctl.h"
#include "run/config/config_impl.h"

static const struct arg *find(const struct arg *list, const char *text,
			      const char **ret_value)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : strlen(text);

	for (; list->name; list++) {
		if (strlen(list->name) == length &&
		    strncmp(list->name, text, length) == 0) {
			*ret_value = equals ? equals + 1 : NULL;
			return list;
		}
	}
	return NULL;
}

static int store(const char *what, const struct arg *arg, const char *value)
{
	char why[CONFIG_WHY_BYTES];

	switch (arg->kind) {
	case ARG_FLAG:
		*(bool *)arg->value = true;
		return 0;
	case ARG_TEXT:
		*(const char **)arg->value = value;
		return 0;
	case ARG_DURATION:
		if (config_duration(value, 1, UINT32_MAX, arg->value, why) == 0)
			return 0;
		break;
	case ARG_COUNT:
		if (config_count(value, 0, UINT64_MAX, arg->value, why) == 0)
			return 0;
		break;
	}
	return ctl_usage(what, value, "%s: %s", arg->name, why);
}

int args_take(const char *what, int *argc, char **argv, const struct arg *list,
	      bool leave_unknown)
{
	int from, to = 1, error;

	for (from = 1; from < *argc; from++) {
		const struct arg *arg;
		const char *value;

		if (strcmp(argv[from], "--") == 0) {
			if (!leave_unknown)
				from++;
			break;
		}
		arg = argv[from][0] == '-' && argv[from][1]
			      ? find(list, argv[from], &value)
			      : NULL;
		if (!arg) {
			if (argv[from][0] == '-' && argv[from][1] &&
			    !leave_unknown)
				return ctl_usage(what, argv[from],
						 "no such option; see "
						 "skerryctl %s --help",
						 argv[0]);
			argv[to++] = argv[from];
			continue;
		}
		if (arg->kind == ARG_FLAG && value)
			return ctl_usage(what, argv[from],
					 "takes no value; write %s alone",
					 arg->name);
		if (arg->kind != ARG_FLAG && !value) {
			if (from + 1 == *argc)
				return ctl_usage(what, argv[from],
						 "needs a value; see skerryctl "
						 "%s --help",
						 argv[0]);
			value = argv[++from];
		}
		error = store(what, arg, value);
		if (error)
			return error;
	}
	for (; from < *argc; from++)
		argv[to++] = argv[from];
	*argc = to;
	return 0;
}
