/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * needless.h - a test skipped by its set-up. Included behind the harness,
 * which until Linux 6.8 goes on with a test that SKIP() has left like that:
 * there the test's process has to end with the code that means it.
 */
#ifndef TEST_NEEDLESS_H
#define TEST_NEEDLESS_H

#include <unistd.h>

#ifdef FIXTURE_TEARDOWN_PARENT
#define NEEDLESS(...) SKIP(return, __VA_ARGS__)
#else
#define NEEDLESS(...) SKIP(_exit(255), __VA_ARGS__)
#endif

/* At the head of a set-up; see bpf_node_needless(). */
#define NEEDLESS_VARIANT(six, disabled)                                  \
	do {                                                             \
		const char *needless = bpf_node_needless(six, disabled); \
		if (needless)                                            \
			NEEDLESS("%s", needless);                        \
	} while (0)

#endif
