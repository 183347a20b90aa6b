// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * main.c - skerryctl NOUN VERB: look at a node and steer it. An ordinary
 * program: everything goes through libskerry.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"

static const struct noun *const nouns[] = {
	&noun_status,  &noun_member,   &noun_peer,    &noun_connection,
	&noun_channel, &noun_endpoint, &noun_message, &noun_partition,
	&noun_event,   &noun_kernel,   &noun_cluster, &noun_cut,
	&noun_heal,    NULL,
};

static void print_help(void)
{
	size_t i;

	fputs("usage: skerryctl [OPTION...] NOUN [VERB] [ARGUMENT...]\n\n",
	      stdout);
	for (i = 0; nouns[i]; i++)
		printf("  %-12s %s\n", nouns[i]->name, nouns[i]->summary);
	fputs("\n"
	      "Options, anywhere:\n"
	      "  --node NAME      which agent of this host; else $SKERRY_NODE, "
	      "else the\n"
	      "                   only one running\n"
	      "  --json           one JSON object instead of a table\n"
	      "  --timeout TIME   how long to wait, as 500ms or 30s\n"
	      "  --run-dir DIR    where agents' sockets are; else "
	      "$SKERRY_RUN_DIR, else\n"
	      "                   /run/skerry\n"
	      "  --help           of a noun: skerryctl NOUN --help\n"
	      "  --version\n\n"
	      "Exit codes: 0 done, 1 failed, 2 usage, 3 not permitted, 4 not "
	      "supported here,\n"
	      "5 conflict, 6 partly done, 7 refused by a safeguard, 8 no "
	      "agent, 9 timed out.\n",
	      stdout);
}

int ctl_open(struct ctl *ctl, bool admin)
{
	const struct skerry_open_opts opts = {
		.size = sizeof(opts),
		.node = ctl->node,
		.program = "skerryctl",
		.flags = admin ? SKERRY_OPEN_ADMIN : 0,
		.timeout_ms = ctl->timeout_ms,
		.run_dir = ctl->run_dir,
	};
	int error = skerry_open(&opts, &ctl->handle);

	if (!error)
		return 0;
	ctl->handle = NULL;
	ctl_error(ctl, error, "open", ctl->node);
	/* Here "no such" means: no such agent. */
	return error == -ENOENT ? EXIT_NO_AGENT : ctl_exit_code(error);
}

static const struct noun *find_noun(const char *name)
{
	size_t i;

	for (i = 0; nouns[i]; i++)
		if (strcmp(nouns[i]->name, name) == 0)
			return nouns[i];
	return NULL;
}

static int finish(int code)
{
	/* A full disk or a closed pipe behind stdout is a failure too. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "skerryctl: stdout: %s\n", strerror(errno));
		return code ? code : EXIT_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	bool help = false, version = false;
	const struct arg list[] = {
		{ "--node", ARG_TEXT, &ctl.node },
		{ "--json", ARG_FLAG, &ctl.json },
		{ "--timeout", ARG_DURATION, &ctl.timeout_ms },
		{ "--run-dir", ARG_TEXT, &ctl.run_dir },
		{ "--help", ARG_FLAG, &help },
		{ "-h", ARG_FLAG, &help },
		{ "--version", ARG_FLAG, &version },
		{ NULL, ARG_FLAG, NULL },
	};
	const struct noun *noun = NULL;
	int code;

	code = args_take("options", &argc, argv, list, true);
	if (code)
		return code;
	if (version) {
		printf("skerryctl %s\n", skerry_version());
		return finish(EXIT_DONE);
	}
	if (argc > 1) {
		noun = find_noun(argv[1]);
		if (!noun)
			return ctl_usage("noun", argv[1],
					 "no such noun; see skerryctl --help");
	}
	if (help || !noun) {
		if (!help) {
			fputs("skerryctl: a noun is missing; see skerryctl "
			      "--help\n",
			      stderr);
			return EXIT_USAGE;
		}
		if (noun)
			fputs(noun->help, stdout);
		else
			print_help();
		return finish(EXIT_DONE);
	}
	code = noun->run(&ctl, argc - 1, argv + 1);
	skerry_close(ctl.handle);
	return finish(code);
}
