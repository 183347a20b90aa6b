// SPDX-License-Identifier: GPL-2.0-only
/* The state file is replaced whole or not at all, and one agent has it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/state.h"
#include "kselftest_harness.h"

FIXTURE(state)
{
	char top[64];
	char dir[96];
	int fd;
};

FIXTURE_SETUP(state)
{
	int pid;

	strcpy(self->top, "/tmp/skerry-state-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->top));
	snprintf(self->dir, sizeof(self->dir), "%s/a/b", self->top);
	ASSERT_EQ(0, state_open(self->dir, "n@1", &self->fd, &pid));
}

FIXTURE_TEARDOWN(state)
{
	char path[128];

	close(self->fd);
	snprintf(path, sizeof(path), "rm -rf '%s'", self->top);
	ASSERT_EQ(0, system(path));
}

TEST_F(state, modes)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(0700, st.st_mode & 07777);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	ASSERT_EQ(0, state_write(self->fd, "x", 1));
	ASSERT_EQ(0, fstatat(self->fd, "state", &st, 0));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(-1, fstatat(self->fd, "state.new", &st, 0));
}

TEST_F(state, round_trip)
{
	char big[100000], back[100001];
	size_t i;

	EXPECT_EQ(0, state_read(self->fd, back, sizeof(back)));
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7);
	ASSERT_EQ(0, state_write(self->fd, big, sizeof(big)));
	EXPECT_EQ(sizeof(big), state_read(self->fd, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(big, back, sizeof(big)));
	EXPECT_EQ(sizeof(big), state_read(self->fd, back, sizeof(big)));
	EXPECT_EQ(-EFBIG, state_read(self->fd, back, sizeof(big) - 1));
	ASSERT_EQ(0, state_write(self->fd, "short", 5));
	EXPECT_EQ(5, state_read(self->fd, back, sizeof(back)));
}

TEST_F(state, a_second_agent_is_told_the_pid)
{
	int fd = -7, pid = 0, status;
	pid_t child;

	child = fork();
	if (child == 0)
		_exit(state_open(self->dir, "n@1", &fd, &pid) == -EBUSY &&
				      pid == getppid() && fd == -7
			      ? 0
			      : 1);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	/* Another node of the same host. */
	ASSERT_EQ(0, state_open(self->dir, "n@2", &fd, &pid));
	close(fd);
	/* The lock goes with its holder. */
	close(self->fd);
	EXPECT_EQ(0, state_open(self->dir, "n@1", &self->fd, &pid));
}

TEST_F(state, names_stay_inside)
{
	int fd = -7, pid;

	EXPECT_EQ(-EINVAL, state_open(self->dir, "..", &fd, &pid));
	EXPECT_EQ(-EINVAL, state_open(self->dir, ".", &fd, &pid));
	EXPECT_EQ(-EINVAL, state_open(self->dir, "a/b", &fd, &pid));
	EXPECT_EQ(-EINVAL, state_open(self->dir, "", &fd, &pid));
	EXPECT_EQ(-7, fd);
}

/* A full disk, as a limit on the file's size: the write fails in the middle. */
TEST_F(state, a_failed_write_keeps_the_old)
{
	struct rlimit old, small = { 4096, RLIM_INFINITY };
	static char big[65536];
	struct stat st;
	char back[16];
	int error;

	ASSERT_EQ(0, state_write(self->fd, "before", 6));
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, getrlimit(RLIMIT_FSIZE, &old));
	small.rlim_max = old.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &small));
	error = state_write(self->fd, big, sizeof(big));
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &old));
	EXPECT_EQ(-EFBIG, error);
	EXPECT_EQ(6, state_read(self->fd, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(back, "before", 6));
	EXPECT_EQ(-1, fstatat(self->fd, "state.new", &st, 0));
}

TEST_F(state, killed_at_any_moment)
{
	char back[9000];
	int round, status;
	long size;

	ASSERT_EQ(0, state_write(self->fd, "aaaa", 4));
	for (round = 0; round < 20; round++) {
		pid_t child = fork();

		if (child == 0) {
			char text[8192];

			for (;;) {
				memset(text, 'b', sizeof(text));
				state_write(self->fd, text, sizeof(text));
				memset(text, 'c', 4096);
				state_write(self->fd, text, 4096);
			}
		}
		usleep(1000 + 500 * round);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		size = state_read(self->fd, back, sizeof(back));
		ASSERT_TRUE(size == 4 || size == 4096 || size == 8192);
		for (long i = 1; i < size; i++)
			ASSERT_EQ(back[0], back[i]);
	}
}

TEST_HARNESS_MAIN
