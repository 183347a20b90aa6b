// SPDX-License-Identifier: GPL-2.0-only
/*
 * Agents that start together on a host without bpffs: one of them mounts it,
 * once, and what each pins is there. All in a mount namespace of its own.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "run/kernel/kernel_impl.h"

#define AGENTS 4
#define ROUNDS 50

FIXTURE(mount)
{
	char root[32];
};

FIXTURE_SETUP(mount)
{
	strcpy(self->root, "/tmp/skerry-mount-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->root));
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

FIXTURE_TEARDOWN(mount)
{
	umount2(self->root, MNT_DETACH);
	rmdir(self->root);
}

static int mounts(const char *path)
{
	FILE *list = fopen("/proc/self/mountinfo", "re");
	char line[1024], where[256];
	int count = 0;

	while (list && fgets(line, sizeof(line), list)) {
		if (sscanf(line, "%*s %*s %*s %*s %255s", where) == 1 &&
		    strcmp(where, path) == 0)
			count++;
	}
	if (list)
		fclose(list);
	return count;
}

/* Says nothing if all is well; starts when the other end of `go` closes. */
static void agent(const char *root, int number, int go)
{
	struct kernel k = { .lock_fd = -1 };
	char text[256] = "", byte;

	strcpy(k.pin_root, root);
	snprintf(k.node, sizeof(k.node), "n%d", number);
	if (read(go, &byte, 1))
		_exit(1);
	if (kernel_pins_open(&k, text)) {
		fprintf(stderr, "# %s\n", text);
		_exit(1);
	}
	_exit(0);
}

TEST_F(mount, by_one_of_many)
{
	int round, i, go[2], status;
	char dir[64];

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, pipe(go));
		for (i = 0; i < AGENTS; i++) {
			if (fork() == 0) {
				close(go[1]);
				agent(self->root, i, go[0]);
			}
		}
		close(go[0]);
		close(go[1]);
		for (i = 0; i < AGENTS; i++) {
			ASSERT_LT(0, wait(&status));
			EXPECT_EQ(0, status);
		}
		ASSERT_EQ(1, mounts(self->root));
		for (i = 0; i < AGENTS; i++) {
			snprintf(dir, sizeof(dir), "%s/n%d/v1/links",
				 self->root, i);
			EXPECT_EQ(0, access(dir, F_OK));
		}
		ASSERT_EQ(0, umount2(self->root, MNT_DETACH));
	}
}

TEST_HARNESS_MAIN
