// SPDX-License-Identifier: GPL-2.0-only
/*
 * mallocs - preloaded into a program, counts its calls of malloc, calloc and
 * realloc. SIGUSR2 writes the count so far to the file $MALLOCS_FILE.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_ulong calls;
static const char *path;

void *malloc(size_t size)
{
	atomic_fetch_add(&calls, 1);
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	atomic_fetch_add(&calls, 1);
	return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	atomic_fetch_add(&calls, 1);
	return __libc_realloc(old, size);
}

static void report(int number)
{
	char text[24], *at = text + sizeof(text);
	unsigned long value = atomic_load(&calls);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t ignored;

	*--at = '\n';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	ignored = write(fd, at, (size_t)(text + sizeof(text) - at));
	(void)ignored;
	close(fd);
}

__attribute__((constructor)) static void start(void)
{
	struct sigaction action = { .sa_handler = report,
				    .sa_flags = SA_RESTART };

	path = getenv("MALLOCS_FILE");
	if (path)
		sigaction(SIGUSR2, &action, NULL);
}
