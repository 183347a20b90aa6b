// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* main.c - skerry-replay: options and the file; see replay.h. */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_help(void)
{
	printf("Usage: skerry-replay [--key FILE] [--text] FILE\n"
	       "\n"
	       "Give the events that `skerryd --record FILE` has recorded to"
	       " a core again and\n"
	       "compare what it does, byte for byte.\n"
	       "\n"
	       "  -k, --key FILE  the cluster key, when there was one\n"
	       "  -t, --text      print every event and operation\n"
	       "  -h, --help      this\n"
	       "  -V, --version\n"
	       "\n"
	       "Exit code: 0 all steps agree, 1 one does not, 2 cannot be"
	       " replayed.\n");
}

static int usage(const char *what)
{
	fprintf(stderr, "skerry-replay: %s; try --help\n", what);
	return REPLAY_USAGE;
}

static int replay_file(const struct replay_options *options)
{
	struct core_bytes trace;
	struct stat status;
	void *bytes;
	int code, fd;

	fd = open(options->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status)) {
		fprintf(stderr, "skerry-replay: %s: %s\n", options->file,
			strerror(errno));
		if (fd >= 0)
			close(fd);
		return REPLAY_USAGE;
	}
	bytes = MAP_FAILED;
	if (status.st_size >= TRACE_MAGIC_BYTES)
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ,
			     MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED ||
	    memcmp(bytes, TRACE_MAGIC, TRACE_MAGIC_BYTES) != 0) {
		fprintf(stderr,
			"skerry-replay: %s: is no recording of this version\n",
			options->file);
		code = REPLAY_USAGE;
		goto out;
	}
	trace.data = (const uint8_t *)bytes + TRACE_MAGIC_BYTES;
	trace.size_bytes = (size_t)status.st_size - TRACE_MAGIC_BYTES;
	code = replay_feed(options, trace);
out:
	if (bytes != MAP_FAILED)
		munmap(bytes, (size_t)status.st_size);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "text", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct replay_options replay = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "k:thV", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			replay.key_file = optarg;
			break;
		case 't':
			replay.text = true;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("skerry-replay %s\n", SKERRY_VERSION_STRING);
			return 0;
		default:
			return REPLAY_USAGE;
		}
	}
	if (optind + 1 != argc)
		return usage("one recording is needed");
	replay.file = argv[optind];
	return replay_file(&replay);
}
