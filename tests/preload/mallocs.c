// SPDX-License-Identifier: GPL-2.0-only
/*
 * mallocs - preloaded into a program, counts its calls of malloc, calloc and
 * realloc. SIGUSR2 writes the count so far to the file $MALLOCS_FILE; from
 * then on who calls is written to $MALLOCS_FILE.who.
 */
#define _GNU_SOURCE
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t items, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_ulong calls;
static const char *path;
static char who_path[512];
static int who_fd = -1;
static __thread int inside;

static void count(void)
{
	void *frames[12];

	atomic_fetch_add(&calls, 1);
	if (who_fd < 0 || inside)
		return;
	inside = 1;
	backtrace_symbols_fd(frames, backtrace(frames, 12), who_fd);
	if (write(who_fd, "\n", 1) < 0)
		who_fd = -1;
	inside = 0;
}

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t items, size_t size)
{
	count();
	return __libc_calloc(items, size);
}

void *realloc(void *old, size_t size)
{
	count();
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
	if (who_fd < 0)
		who_fd = open(who_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void start(void)
{
	struct sigaction action = { .sa_handler = report,
				    .sa_flags = SA_RESTART };

	void *frames[2];

	path = getenv("MALLOCS_FILE");
	if (!path)
		return;
	snprintf(who_path, sizeof(who_path), "%s.who", path);
	/* Its first call loads a library, which is not to be counted. */
	backtrace(frames, 2);
	sigaction(SIGUSR2, &action, NULL);
}
