// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* cluster.c - skerryctl cluster keygen: the key all nodes share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"
#include "run/config/config_impl.h"

#define DEFAULT_KEY_FILE "/etc/skerry/cluster.key"
#define KEY_TEXT_BYTES (2 * CONFIG_KEY_BYTES + 1) /* with a newline */

static int make_key(char out[KEY_TEXT_BYTES + 1])
{
	uint8_t key[CONFIG_KEY_BYTES];
	size_t i;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -errno;
	for (i = 0; i < sizeof(key); i++)
		snprintf(out + 2 * i, 3, "%02x", key[i]);
	out[2 * sizeof(key)] = '\n';
	out[2 * sizeof(key) + 1] = 0;
	explicit_bzero(key, sizeof(key));
	return 0;
}

/* Written beside and renamed, so that with --force there is a whole key at
 * any time; without it, linked, which fails when the name is taken. */
static int write_key(const char *path, const char *text, bool force)
{
	char beside[4096];
	int fd, error = 0;

	if (snprintf(beside, sizeof(beside), "%s.%d.new", path, getpid()) >=
	    (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, KEY_TEXT_BYTES) != KEY_TEXT_BYTES || fsync(fd) != 0)
		error = errno ? -errno : -EIO;
	if (close(fd) != 0 && !error)
		error = -errno;
	if (!error && force && rename(beside, path) != 0)
		error = -errno;
	if (!error && !force && link(beside, path) != 0)
		error = -errno;
	if (error || !force)
		unlink(beside);
	return error;
}

static int keygen(struct ctl *ctl, int argc, char **argv)
{
	bool force = false;
	const struct arg args[] = {
		{ "--force", ARG_FLAG, &force },
		{ NULL, ARG_FLAG, NULL },
	};
	const char *path = DEFAULT_KEY_FILE;
	char text[KEY_TEXT_BYTES + 1];
	int code, error;

	code = args_take("cluster keygen", &argc, argv, args, false);
	if (code)
		return code;
	if (argc > 3)
		return ctl_usage("cluster keygen", argv[3],
				 "not expected; one file");
	if (argc == 3)
		path = argv[2];
	error = make_key(text);
	if (!error && strcmp(path, "-") == 0) {
		fputs(text, stdout);
		goto out;
	}
	if (!error)
		error = write_key(path, text, force);
	if (error == -EEXIST)
		code = ctl_error_text(
			error, "cluster keygen", path,
			"there is a file already; --force replaces it, and "
			"nodes with the old key are strangers then");
	else if (error)
		code = ctl_error_text(error, "cluster keygen", path,
				      strerror(-error));
	else
		fprintf(stderr,
			"wrote %s; give a copy to each node and name it in "
			"[cluster] key_file\n",
			path);
out:
	explicit_bzero(text, sizeof(text));
	return code;
}

static int discovery(struct ctl *ctl, int argc, char **argv)
{
	static const struct arg none[] = { { NULL, ARG_FLAG, NULL } };
	static const struct column columns[] = {
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "KIND", SKERRY_K_KIND, COLUMN_PLAIN },
		{ "STATE", SKERRY_K_STATE, COLUMN_PLAIN },
		{ "ANSWERED", SKERRY_K_TIME, COLUMN_TIME },
		{ "ADDRESSES", SKERRY_K_ADDRESS, COLUMN_PLAIN },
		{ "REASON", SKERRY_K_REASON, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	int code = args_take("cluster discovery", &argc, argv, none, false);

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage("cluster discovery", argv[2],
				 "not expected; it shows every name");
	return print_query(ctl, "discovery", "discovery", columns);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "keygen") == 0)
		return keygen(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "discovery") == 0)
		return discovery(ctl, argc, argv);
	return ctl_usage("cluster", argc > 1 ? argv[1] : NULL,
			 "no such verb; keygen or discovery");
}

const struct noun noun_cluster = {
	.name = "cluster",
	.summary = "make the key all nodes share; what DNS says of it",
	.help = "usage: skerryctl cluster keygen [--force] [FILE]\n"
		"       skerryctl cluster discovery   names looked up for "
		"nodes to join\n\n"
		"Write a new key of 64 hexadecimal digits to FILE "
		"(" DEFAULT_KEY_FILE "),\n"
		"mode 0600; \"-\" is stdout. An existing file stays as it is "
		"without --force.\n",
	.run = run,
};
