// SPDX-License-Identifier: GPL-2.0-only
#include "build_dir.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

const char *build_dir(void)
{
	static char path[PATH_MAX];
	const char *named = getenv("SKERRY_BUILD");
	ssize_t length;

	if (named)
		return named;
	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length < 0)
		return "build";
	path[length] = 0;
	return dirname(dirname(path));
}
