// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* error.c - sentences and exit codes; see ctl.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "run/field.h"

static const struct {
	int error;
	enum ctl_exit code;
	const char *hint; /* when the sentence has none */
} errors[] = {
	{ EACCES, EXIT_PERMISSION,
	  "run it as root or as a member of the agent's admin_group" },
	{ EPERM, EXIT_PERMISSION, "run it as root" },
	{ EOPNOTSUPP, EXIT_UNSUPPORTED,
	  "skerryctl status --features lists what works here" },
	{ EEXIST, EXIT_CONFLICT, "choose another name" },
	{ EADDRINUSE, EXIT_CONFLICT,
	  "skerryctl endpoint lists who owns which" },
	{ EBUSY, EXIT_CONFLICT, "try again" },
	{ EDQUOT, EXIT_SAFEGUARD, "--force goes beyond the safeguards" },
	{ ECONNRESET, EXIT_NO_AGENT, "look into the agent's log" },
	{ ECONNREFUSED, EXIT_NO_AGENT, "start skerryd" },
	{ ETIMEDOUT, EXIT_TIMED_OUT, "--timeout waits longer" },
	{ EINVAL, EXIT_USAGE, "see skerryctl --help" },
	{ ENOTUNIQ, EXIT_USAGE, "name one with --node" },
	{ EHOSTUNREACH, EXIT_FAILED, "skerryctl member --known lists nodes" },
	{ ENODEV, EXIT_FAILED, "another node lives there; leave the name out" },
	{ ESTALE, EXIT_FAILED,
	  "the outcome is unknown; look before repeating" },
};

int ctl_exit_code(int error)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == -error)
			return errors[i].code;
	return error ? EXIT_FAILED : EXIT_DONE;
}

static const char *hint(int error)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == -error)
			return errors[i].hint;
	return NULL;
}

static void begin(const char *what, const char *value)
{
	fprintf(stderr, "skerryctl: %s: ", what);
	if (value && value[0])
		fprintf(stderr, "%s: ", value);
}

int ctl_usage(const char *what, const char *value, const char *format, ...)
{
	va_list args;

	begin(what, value);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int ctl_error_text(int error, const char *what, const char *value,
		   const char *why)
{
	const char *try = hint(error);

	begin(what, value);
	/* A sentence with a semicolon says itself what to do. */
	if (!try || strchr(why, ';'))
		fprintf(stderr, "%s\n", why);
	else
		fprintf(stderr, "%s; %s\n", why, try);
	return ctl_exit_code(error);
}

int ctl_error(const struct ctl *ctl, int error, const char *what,
	      const char *value)
{
	const char *sentence = skerry_last_error(ctl->handle);
	char why[512];

	/* Parts of it may come from a peer. */
	snprintf(why, sizeof(why), "%s",
		 sentence && sentence[0] ? sentence : strerror(-error));
	field_printable(why);
	/* The library's sentence may begin with the value itself. */
	if (value && strncmp(why, value, strlen(value)) == 0)
		value = NULL;
	return ctl_error_text(error, what, value, why);
}
