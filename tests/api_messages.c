// SPDX-License-Identifier: GPL-2.0-only
/* Messages through real agents: sizes, order, back-pressure, waiting. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nodes.h"
#include "skerry/limits.h"
#include "kselftest_harness.h"

/* Every call of the allocator in this process, which holds two programs. */
static unsigned long mallocs;

#ifndef SKERRY_SANITIZE
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *at, size_t size);

void *malloc(size_t size)
{
	mallocs++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	mallocs++;
	return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	mallocs++;
	return __libc_realloc(at, size);
}
#endif

FIXTURE(messages)
{
	struct nodes nodes;
	struct skerry *a; /* on n0 */
	struct skerry *b; /* on n1, owns "b" */
};

FIXTURE_SETUP(messages)
{
	ASSERT_EQ(0, nodes_pair(&self->nodes, 0, &self->a, &self->b));
	ASSERT_EQ(0, skerry_register(self->b, "b"));
}

FIXTURE_TEARDOWN(messages)
{
	skerry_close(self->a);
	skerry_close(self->b);
	nodes_stop(&self->nodes);
}

static void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

/* Large messages need both sides at once: this side in its own process. */
static pid_t sender(const struct nodes *nodes, const size_t *sizes, int count,
		    unsigned flags)
{
	struct skerry *h;
	uint8_t *bytes;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	h = nodes_open(nodes, 0, flags);
	bytes = malloc(SKERRY_MESSAGE_MAX_BYTES);
	for (int i = 0; h && i < count; i++) {
		int r;

		fill(bytes, sizes[i], (uint32_t)i);
		do {
			r = skerry_forward(h, "n1", "b", bytes, sizes[i], NULL);
			if (r == -EAGAIN)
				skerry_dispatch(h, 1000);
		} while (r == -EAGAIN);
		if (r) {
			printf("# %d: %s\n", i, skerry_last_error(h));
			fflush(stdout);
			_exit(1);
		}
	}
	/* The copies of a non-blocking handle go while it is closed. */
	for (int i = 0; i < 20; i++)
		skerry_dispatch(h, 10);
	skerry_close(h);
	_exit(0);
}

static const size_t sizes[] = {
	0,
	1,
	63,
	64,
	4096,
	SKERRY_FRAGMENT_BYTES - 1,
	SKERRY_FRAGMENT_BYTES,
	SKERRY_FRAGMENT_BYTES + 1,
	5,
	2 * SKERRY_FRAGMENT_BYTES,
	1000003,
	0,
	8U << 20,
	SKERRY_MESSAGE_MAX_BYTES,
	7,
};
#define SIZES ((int)(sizeof(sizes) / sizeof(*sizes)))

static void expect_all_sizes(struct __test_metadata *_metadata,
			     FIXTURE_DATA(messages) * self, unsigned flags)
{
	uint8_t *wanted = malloc(SKERRY_MESSAGE_MAX_BYTES);
	struct skerry_message m;
	pid_t pid;
	int status;

	pid = sender(&self->nodes, sizes, SIZES, flags);
	for (int i = 0; i < SIZES; i++) {
		ASSERT_EQ(0, skerry_next(self->b, &m, 20000))
		{
			TH_LOG("message %d", i);
		}
		fill(wanted, sizes[i], (uint32_t)i);
		ASSERT_EQ(sizes[i], m.size_bytes);
		EXPECT_EQ(0, memcmp(wanted, m.data, m.size_bytes));
		EXPECT_EQ(i + 1, m.number);
		EXPECT_EQ(0, m.flags);
		EXPECT_STREQ("b", m.endpoint);
		EXPECT_STREQ("n0", m.node);
		EXPECT_STREQ("default", m.channel);
		skerry_release(self->b, &m);
	}
	EXPECT_EQ(-EAGAIN, skerry_next(self->b, &m, 0));
	free(wanted);
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
}

TEST_F(messages, all_sizes)
{
	expect_all_sizes(_metadata, self, 0);
}

TEST_F(messages, all_sizes_without_waiting)
{
	expect_all_sizes(_metadata, self, SKERRY_OPEN_NONBLOCK);
}

TEST_F(messages, held_and_released_in_any_order)
{
	static const int order[] = { 3, 0, 9, 1, 8, 2, 7, 4, 6, 5 };
	struct skerry_message m[10];
	char text[16];

	/* Over and over, so that the ring goes around. */
	for (int round = 0; round < 300; round++) {
		uint8_t big[3000];

		memset(big, round, sizeof(big));
		for (int i = 0; i < 10; i++) {
			snprintf(text, sizeof(text), "%d %d", round, i);
			memcpy(big, text, sizeof(text));
			ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", big,
						    sizeof(big), NULL));
		}
		for (int i = 0; i < 10; i++)
			ASSERT_EQ(0, skerry_next(self->b, &m[i], 5000));
		for (int i = 0; i < 10; i++) {
			snprintf(text, sizeof(text), "%d %d", round, order[i]);
			ASSERT_EQ(sizeof(big), m[order[i]].size_bytes);
			ASSERT_STREQ(text, m[order[i]].data);
			skerry_release(self->b, &m[order[i]]);
			/* Once more does no harm. */
			skerry_release(self->b, &m[order[i]]);
		}
	}
}

TEST_F(messages, too_many_held)
{
	static struct skerry_message m[4096];
	struct skerry_message more;
	int r;

	for (int i = 0; i < 4096; i++) {
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", &i, 4, NULL));
		r = skerry_next(self->b, &m[i], 5000);
		ASSERT_EQ(0, r);
	}
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "x", 1, NULL));
	/* Until it is there. */
	for (int i = 0; i < 500; i++) {
		r = skerry_next(self->b, &more, 0);
		if (r != -EAGAIN)
			break;
		usleep(1000);
	}
	EXPECT_EQ(-ENOBUFS, r);
	EXPECT_NE(NULL, strstr(skerry_last_error(self->b), "release"));
	skerry_release(self->b, &m[0]);
	EXPECT_EQ(0, skerry_next(self->b, &more, 1000));
	EXPECT_EQ(1, more.size_bytes);
}

TEST_F(messages, to_this_node)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts) };
	struct skerry_message m;
	uint64_t number = 0;

	opts.ret_number = &number;
	opts.channel = "other";
	ASSERT_EQ(0, skerry_register(self->a, "here"));
	/* No name, an empty one and one's own are the same flow. */
	ASSERT_EQ(0, skerry_forward(self->a, NULL, "here", "1", 1, &opts));
	EXPECT_EQ(1, number);
	ASSERT_EQ(0, skerry_forward(self->a, "", "here", "2", 1, &opts));
	EXPECT_EQ(2, number);
	ASSERT_EQ(0, skerry_forward(self->a, "n0", "here", "3", 1, &opts));
	EXPECT_EQ(3, number);
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(0, skerry_next(self->a, &m, 1000));
		EXPECT_EQ(i, m.number);
		EXPECT_EQ('0' + i, *(const char *)m.data);
		EXPECT_STREQ("n0", m.node);
		EXPECT_STREQ("other", m.channel);
		skerry_release(self->a, &m);
	}
}

TEST_F(messages, keys_and_channels)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts) };
	uint64_t next[2][4] = { { 0 } }, numbers[2][2] = { { 0 } };
	const uint32_t lanes[2] = { 1, 2 };
	struct skerry_message m;

	opts.flags = SKERRY_FORWARD_KEY;
	for (int i = 0; i < 800; i++) {
		uint32_t what[3];

		what[0] = (uint32_t)i % 2;
		what[1] = (uint32_t)i / 2 % 4;
		what[2] = (uint32_t)i / 8;
		opts.channel = what[0] ? "other" : NULL;
		opts.partition_key = what[1];
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", what,
					    sizeof(what), &opts));
	}
	for (int i = 0; i < 800; i++) {
		uint32_t what[3];

		ASSERT_EQ(0, skerry_next(self->b, &m, 5000));
		memcpy(what, m.data, sizeof(what));
		ASSERT_EQ(next[what[0]][what[1]], what[2]);
		next[what[0]][what[1]]++;
		/* A flow for each lane serves its keys. */
		EXPECT_EQ(++numbers[what[0]][what[1] % lanes[what[0]]],
			  m.number);
		EXPECT_STREQ(what[0] ? "other" : "default", m.channel);
		skerry_release(self->b, &m);
	}
}

/* ---- back-pressure ---------------------------------------------------------- */

TEST_F(messages, a_program_that_does_not_read)
{
	struct skerry *n = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct skerry *c = nodes_open(&self->nodes, 1, 0);
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 200 };
	static uint8_t bytes[1000];
	struct skerry_message m;
	uint64_t sent = 0, got = 0;
	int r;

	ASSERT_NE(NULL, n);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, skerry_register(c, "c"));
	/* Until there is no credit for half a second. */
	for (int quiet = 0; quiet < 50;) {
		r = skerry_forward(n, "n1", "b", bytes, sizeof(bytes), NULL);
		if (r == 0) {
			sent++;
			quiet = 0;
			continue;
		}
		ASSERT_EQ(-EAGAIN, r);
		skerry_dispatch(n, 10);
		quiet++;
	}
	EXPECT_LE(30, sent);
	EXPECT_GE(4000, sent);
	/* Who waits gives up; a cast is dropped in silence. */
	r = 0;
	while (!r)
		r = skerry_forward(self->a, "n1", "b", bytes, sizeof(bytes),
				   &opts);
	EXPECT_EQ(-ETIMEDOUT, r);
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "n1/b"));
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(0, skerry_cast(n, "n1", "b", bytes, sizeof(bytes),
					 NULL));
	/* Another program on that node is not concerned. */
	for (int i = 0; i < 2000; i++) {
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "c", bytes,
					    sizeof(bytes), NULL));
		ASSERT_EQ(0, skerry_next(c, &m, 2000));
		skerry_release(c, &m);
	}
	/* It reads again: all of it is there, and in order. */
	for (;;) {
		r = skerry_next(self->b, &m, 300);
		if (r)
			break;
		if (m.size_bytes == sizeof(bytes))
			got++;
		skerry_release(self->b, &m);
	}
	EXPECT_LE(sent, got);
	r = -EAGAIN;
	for (int i = 0; i < 200 && r == -EAGAIN; i++) {
		r = skerry_forward(n, "n1", "b", bytes, 1, NULL);
		if (r)
			skerry_dispatch(n, 10);
	}
	EXPECT_EQ(0, r);
	EXPECT_EQ(0, skerry_next(self->b, &m, 2000));
	skerry_release(self->b, &m);
	skerry_close(n);
	skerry_close(c);
}

/* What has begun goes on when the receiver does, behind its sender's back. */
TEST_F(messages, large_message_goes_on)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 200 };
	size_t size = 3U << 20;
	uint8_t *bytes = calloc(1, size);
	struct skerry_message m;
	int r;

	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", bytes, size, &opts));
	EXPECT_EQ(-ETIMEDOUT,
		  skerry_forward(self->a, "n1", "b", "x", 1, &opts));
	for (int i = 0; i < 1000; i++) {
		skerry_dispatch(self->a, 5);
		r = skerry_next(self->b, &m, 5);
		if (!r)
			break;
	}
	ASSERT_EQ(0, r);
	EXPECT_EQ(size, m.size_bytes);
	EXPECT_EQ(1, m.number);
	skerry_release(self->b, &m);
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "after", 5, &opts));
	ASSERT_EQ(0, skerry_next(self->b, &m, 1000));
	EXPECT_EQ(5, m.size_bytes);
	EXPECT_EQ(2, m.number);
	skerry_release(self->b, &m);
	free(bytes);
}

/* One that has not begun is given up, and nothing of it arrives. */
TEST_F(messages, large_message_given_up)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 200 };
	static uint8_t small[1000];
	size_t size = 3U << 20;
	uint8_t *bytes = calloc(1, size);
	struct skerry_message m;
	uint64_t sent = 0, got = 0;
	int r;

	while (!skerry_forward(self->a, "n1", "b", small, sizeof(small), &opts))
		sent++;
	EXPECT_EQ(-ETIMEDOUT,
		  skerry_forward(self->a, "n1", "b", bytes, size, &opts));
	for (int i = 0; i < 5;) {
		r = skerry_next(self->b, &m, 50);
		if (r) {
			i++;
			continue;
		}
		ASSERT_EQ(sizeof(small), m.size_bytes);
		got++;
		skerry_release(self->b, &m);
	}
	EXPECT_EQ(sent, got);
	opts.timeout_ms = 2000;
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "after", 5, &opts))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	ASSERT_EQ(0, skerry_next(self->b, &m, 1000));
	EXPECT_EQ(5, m.size_bytes);
	skerry_release(self->b, &m);
	free(bytes);
}

TEST_F(messages, casts)
{
	struct skerry_message m;

	/* The first opens the flow; none of these lacks credit. */
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, skerry_cast(self->a, "n1", "b", &i, 4, NULL));
		skerry_dispatch(self->a, 100);
		ASSERT_EQ(0, skerry_next(self->b, &m, 2000));
		EXPECT_EQ(SKERRY_MESSAGE_CAST, m.flags);
		EXPECT_EQ(0, memcmp(&i, m.data, 4));
		skerry_release(self->b, &m);
	}
	EXPECT_EQ(-EMSGSIZE, skerry_cast(self->a, "n1", "b", &m,
					 SKERRY_MESSAGE_MAX_BYTES + 1UL, NULL));
}

/* ---- waiting outside ----------------------------------------------------------- */

/* Two handles in one poll() loop, neither of which ever waits. */
TEST_F(messages, poll_loop)
{
	struct skerry *n = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct skerry *r = nodes_open(&self->nodes, 1, SKERRY_OPEN_NONBLOCK);
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	uint32_t sent = 0, got = 0, idle = 0;
	const uint32_t count = 20000;
	struct skerry_message m;
	uint8_t bytes[500];

	ASSERT_NE(NULL, n);
	ASSERT_NE(NULL, r);
	ASSERT_EQ(0, skerry_register(r, "r"));
	fds[0].fd = skerry_fd(n);
	fds[1].fd = skerry_fd(r);
	memset(bytes, 0, sizeof(bytes));
	while (got < count && idle < 3) {
		for (; sent < count; sent++) {
			memcpy(bytes, &sent, 4);
			if (skerry_forward(n, "n1", "r", bytes, sizeof(bytes),
					   NULL))
				break;
		}
		if (poll(fds, 2, 2000) == 0)
			idle++;
		skerry_dispatch(n, 0);
		skerry_dispatch(r, 0);
		/* Some at a time: the descriptor stays readable. */
		for (int i = 0; i < 7 && !skerry_next(r, &m, 0); i++) {
			ASSERT_EQ(0, memcmp(&got, m.data, 4));
			got++;
			skerry_release(r, &m);
		}
	}
	EXPECT_EQ(count, got);
	EXPECT_EQ(0, idle);
	/* Nothing to do: it is quiet. */
	while (!skerry_next(r, &m, 0))
		skerry_release(r, &m);
	for (int i = 0; i < 20; i++) {
		skerry_dispatch(n, 0);
		skerry_dispatch(r, 0);
		skerry_next(r, &m, 0);
		if (poll(fds, 2, 20) == 0)
			break;
		ASSERT_LT(i, 19);
	}
	skerry_close(n);
	skerry_close(r);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

TEST_F(messages, waits_as_long_as_asked)
{
	struct skerry_message m;
	double began = now();

	EXPECT_EQ(-EAGAIN, skerry_next(self->b, &m, 0));
	EXPECT_GT(0.05, now() - began);
	EXPECT_EQ(-EAGAIN, skerry_next(self->b, &m, 200));
	EXPECT_LE(0.2, now() - began);
	EXPECT_GT(1.0, now() - began);
	began = now();
	EXPECT_EQ(0, skerry_dispatch(self->b, 200));
	EXPECT_LE(0.2, now() - began);
	EXPECT_GT(1.0, now() - began);
}

/* ---- the receiver comes and goes -------------------------------------------------- */

struct losses {
	uint64_t from, to;
	int count, uncertain;
};

static void on_lost(void *data, const struct skerry_lost *lost)
{
	struct losses *l = data;

	if (!l->count++)
		l->from = lost->from_number;
	l->to = lost->to_number;
	l->uncertain |= lost->uncertain;
}

TEST_F(messages, receiver_restarts)
{
	struct losses losses = { 0 };
	struct skerry_message m;
	int r = 0;

	skerry_on_lost(self->a, on_lost, &losses);
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "1", 1, NULL));
	ASSERT_EQ(0, skerry_next(self->b, &m, 2000));
	skerry_release(self->b, &m);
	skerry_close(self->b);
	self->b = NULL;
	for (int i = 0; i < 200 && r != -ENOENT; i++) {
		r = skerry_forward(self->a, "n1", "b", "2", 1, NULL);
		usleep(10000);
	}
	EXPECT_EQ(-ENOENT, r);
	self->b = nodes_open(&self->nodes, 1, 0);
	ASSERT_NE(NULL, self->b);
	ASSERT_EQ(0, skerry_register(self->b, "b"));
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "3", 1, NULL))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	ASSERT_EQ(0, skerry_next(self->b, &m, 2000));
	EXPECT_EQ('3', *(const char *)m.data);
	EXPECT_EQ(1, m.number);
	skerry_release(self->b, &m);
}

/* What was sent before closing arrives. */
TEST_F(messages, send_and_close)
{
	struct skerry_message m;

	for (int i = 0; i < 20; i++) {
		struct skerry *h = nodes_open(&self->nodes, 0, 0);
		char bytes[20000];

		ASSERT_NE(NULL, h);
		memset(bytes, i, sizeof(bytes));
		for (int k = 0; k < 5; k++)
			ASSERT_EQ(0, skerry_forward(h, "n1", "b", bytes,
						    sizeof(bytes), NULL));
		skerry_close(h);
		for (int k = 0; k < 5; k++) {
			ASSERT_EQ(0, skerry_next(self->b, &m, 2000))
			{
				TH_LOG("round %d message %d", i, k);
			}
			ASSERT_EQ(i, *(const char *)m.data);
			skerry_release(self->b, &m);
		}
	}
}

/* ---- no memory, no system calls on the way ------------------------------------------- */

TEST_F(messages, a_million_without_malloc)
{
	const uint32_t count = 1000000, batch = 500;
	struct skerry_message m;
	uint8_t bytes[64] = { 0 };
	unsigned long before = 0;

	for (uint32_t i = 0; i < count + 10000; i += batch) {
		if (i == 10000)
			before = mallocs;
		for (uint32_t k = 0; k < batch; k++)
			if (skerry_forward(self->a, "n1", "b", bytes,
					   sizeof(bytes), NULL))
				ASSERT_TRUE(0);
		for (uint32_t k = 0; k < batch; k++) {
			if (skerry_next(self->b, &m, 5000))
				ASSERT_TRUE(0);
			skerry_release(self->b, &m);
		}
	}
#ifndef SKERRY_SANITIZE
	EXPECT_LT(0, before);
#endif
	EXPECT_EQ(before, mallocs);
}

/* ---- waiting ----------------------------------------------------------------------------- */

static void burn(int number)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec -
		       from.tv_nsec <
	       3000000);
}

/* Whatever holds the process up between looking at the clock and sleeping, a
 * wait of a millisecond is none of a minute. */
TEST_F_TIMEOUT(messages, short_waits_are_short, 50)
{
	struct sigaction action = { .sa_handler = burn };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec soon = { 0 };
	struct skerry_message m;
	struct timespec from, to;
	timer_t timer;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, &event, &timer));
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 500; i++) {
		soon.it_value.tv_nsec = 1000 + 211 * i;
		ASSERT_EQ(0, timer_settime(timer, 0, &soon, NULL));
		EXPECT_EQ(-EAGAIN, skerry_next(self->b, &m, 1));
	}
	timer_delete(timer);
	clock_gettime(CLOCK_MONOTONIC, &to);
	EXPECT_LT(to.tv_sec - from.tv_sec, 40);
}

/* ---- datagrams ------------------------------------------------------------------------- */

TEST_F(messages, fast_channel_through_the_ring)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "ticks" };
	static uint8_t bytes[70000];
	struct skerry_message m;
	int r, got = 0;

	for (int i = 0; i < 200; i++) {
		memset(bytes, i, 1000);
		r = skerry_forward(self->a, "n1", "b", bytes, 1000, &opts);
		ASSERT_EQ(0, r)
		{
			TH_LOG("%s", skerry_last_error(self->a));
		}
		r = skerry_next(self->b, &m, 1000);
		if (r)
			continue;
		got++;
		EXPECT_EQ(1000, m.size_bytes);
		EXPECT_EQ(0, memcmp(bytes, m.data, 1000));
		EXPECT_STREQ("ticks", m.channel);
		EXPECT_STREQ("n0", m.node);
		skerry_release(self->b, &m);
	}
	EXPECT_LE(190, got);
	EXPECT_EQ(-EMSGSIZE, skerry_forward(self->a, "n1", "b", bytes,
					    sizeof(bytes), &opts));
	EXPECT_EQ(-ENOENT,
		  skerry_forward(self->a, "n1", "nobody", "x", 1, &opts));
}

TEST_HARNESS_MAIN
