// SPDX-License-Identifier: GPL-2.0-only
/*
 * Agents die and come back under load: the library attaches again, endpoints
 * are back, nothing comes twice or out of order, and exactly what did not
 * arrive is reported.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nodes.h"
#include "kselftest_harness.h"

#define MESSAGES_MAX 4000000U
#define LOSSES_MAX 1024

/* What both processes write into. */
struct ledger {
	volatile int stop; /* the sender: send no more */
	volatile int quit;
	volatile uint64_t sent; /* highest number, plus one */
	volatile uint64_t errors;
	volatile uint64_t twice, disorder, got;
	volatile uint32_t losses;
	volatile uint32_t uncertain;
	struct {
		uint64_t from, to;
	} lost[LOSSES_MAX];
	uint8_t arrived[MESSAGES_MAX];
};

FIXTURE(restart)
{
	struct nodes nodes;
	struct ledger *ledger;
	pid_t sender, receiver;
};

FIXTURE_SETUP(restart)
{
	ASSERT_EQ(0, nodes_start_joined(&self->nodes, 2));
	self->ledger = mmap(NULL, sizeof(*self->ledger), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->ledger);
}

FIXTURE_TEARDOWN(restart)
{
	nodes_stop(&self->nodes);
}

static void on_lost(void *data, const struct skerry_lost *lost)
{
	struct ledger *l = data;

	if (l->losses < LOSSES_MAX) {
		l->lost[l->losses].from = lost->from_number;
		l->lost[l->losses].to = lost->to_number;
		l->losses++;
	}
	l->uncertain += lost->uncertain != 0;
}

static void send_on(const struct nodes *nodes, struct ledger *l, size_t size)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 1000 };
	struct skerry *h = nodes_open(nodes, 0, 0);
	uint8_t *bytes = calloc(1, size);
	uint64_t number;

	opts.ret_number = &number;
	skerry_on_lost(h, on_lost, l);
	while (!l->quit) {
		/* A number that is refused is used again. */
		uint64_t next = l->sent ? l->sent : 1;
		int r = -EAGAIN;

		memcpy(bytes, &next, sizeof(next));
		if (!l->stop && next < MESSAGES_MAX)
			r = skerry_forward(h, "n1", "sink", bytes, size, &opts);
		if (r == 0) {
			if (number != next)
				l->disorder++;
			l->sent = number + 1;
		}
		if (r && r != -EAGAIN)
			l->errors++;
		if (r || l->sent % 100 == 0)
			skerry_dispatch(h, r ? 10 : 0);
	}
	skerry_close(h);
}

static void receive_on(const struct nodes *nodes, struct ledger *l)
{
	struct skerry *h = nodes_open(nodes, 1, 0);
	uint64_t highest = 0, number;
	struct skerry_message m;

	if (skerry_register(h, "sink"))
		_exit(1);
	while (!l->quit) {
		if (skerry_next(h, &m, 50))
			continue;
		memcpy(&number, m.data, sizeof(number));
		if (number != m.number || number >= MESSAGES_MAX)
			l->disorder++;
		else if (l->arrived[number]++)
			l->twice++;
		else if (number < highest)
			l->disorder++;
		highest = number;
		l->got++;
		skerry_release(h, &m);
	}
	skerry_close(h);
}

static void start(FIXTURE_DATA(restart) * self, size_t size)
{
	fflush(NULL);
	self->receiver = fork();
	if (!self->receiver) {
		receive_on(&self->nodes, self->ledger);
		_exit(0);
	}
	self->sender = fork();
	if (!self->sender) {
		send_on(&self->nodes, self->ledger, size);
		_exit(0);
	}
}

static bool reported(const struct ledger *l, uint64_t number)
{
	for (uint32_t i = 0; i < l->losses; i++)
		if (number >= l->lost[i].from && number < l->lost[i].to)
			return true;
	return false;
}

/* Wait until more messages arrive than have so far. */
static bool flowing(const struct ledger *l, int timeout_ms)
{
	uint64_t before = l->got;

	for (int ms = 0; ms < timeout_ms; ms += 20) {
		if (l->got > before + 100)
			return true;
		usleep(20000);
	}
	return false;
}

static void finish(struct __test_metadata *_metadata,
		   FIXTURE_DATA(restart) * self)
{
	struct ledger *l = self->ledger;
	uint64_t missing = 0, wrong = 0;
	int status;

	l->stop = 1;
	usleep(800000);
	l->quit = 1;
	EXPECT_EQ(self->sender, waitpid(self->sender, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(self->receiver, waitpid(self->receiver, &status, 0));
	EXPECT_EQ(0, status);
	for (uint64_t i = 1; i < l->sent; i++) {
		missing += !l->arrived[i];
		if (!l->arrived[i] != reported(l, i) && wrong++ < 5)
			TH_LOG("%llu: arrived %d, reported %d",
			       (unsigned long long)i, l->arrived[i],
			       reported(l, i));
	}
	TH_LOG("sent %llu, missing %llu, reports %u, errors %llu",
	       (unsigned long long)l->sent - 1, (unsigned long long)missing,
	       l->losses, (unsigned long long)l->errors);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, l->twice);
	EXPECT_EQ(0, l->disorder);
	EXPECT_EQ(0, l->uncertain);
}

static void rounds(struct __test_metadata *_metadata,
		   FIXTURE_DATA(restart) * self, int node, size_t size)
{
	start(self, size);
	ASSERT_TRUE(flowing(self->ledger, 5000));
	for (int i = 0; i < 2; i++) {
		nodes_signal(&self->nodes, node, SIGKILL);
		usleep(100000);
		ASSERT_EQ(0, nodes_start_one(&self->nodes, node));
		EXPECT_TRUE(flowing(self->ledger, 15000))
		{
			TH_LOG("round %d", i);
		}
	}
	finish(_metadata, self);
}

TEST_F_TIMEOUT(restart, senders_agent, 60)
{
	rounds(_metadata, self, 0, 200);
}

TEST_F_TIMEOUT(restart, receivers_agent, 60)
{
	rounds(_metadata, self, 1, 200);
}

TEST_F_TIMEOUT(restart, large_messages, 60)
{
	rounds(_metadata, self, 1, 300000);
}

/* A call under way when the agent dies: nobody knows what came of it. */
TEST_F(restart, call_under_way)
{
	struct skerry *h = nodes_open(&self->nodes, 0, 0);
	struct skerry_member members[2];
	pid_t pid;

	ASSERT_NE(NULL, h);
	/* Stopped, so that it does not answer before it dies. */
	nodes_signal(&self->nodes, 0, SIGSTOP);
	fflush(NULL);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		usleep(300000);
		kill(self->nodes.pid[0], SIGKILL);
		_exit(0);
	}
	EXPECT_EQ(-ESTALE, skerry_members(h, members, 2));
	waitpid(pid, NULL, 0);
	/* Nobody there. */
	EXPECT_EQ(-ECONNRESET, skerry_members(h, members, 2));
	EXPECT_EQ(-ECONNRESET, skerry_forward(h, "n1", "x", "y", 1, NULL));
	nodes_signal(&self->nodes, 0, SIGKILL);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 0));
	EXPECT_LE(1, skerry_members(h, members, 2))
	{
		TH_LOG("%s", skerry_last_error(h));
	}
	skerry_close(h);
}

/* What was received before the agent died is still there, and stays as it
 * was while a new agent writes. */
TEST_F(restart, views_outlive_the_agent)
{
	struct skerry *a = nodes_open(&self->nodes, 0, 0);
	struct skerry_message m[10], last;
	char text[2000];

	ASSERT_NE(NULL, a);
	ASSERT_EQ(0, skerry_register(a, "self"));
	for (int i = 0; i < 10; i++) {
		memset(text, '0' + i, sizeof(text));
		ASSERT_EQ(0, skerry_forward(a, NULL, "self", text, sizeof(text),
					    NULL));
	}
	ASSERT_EQ(0, skerry_next(a, &m[0], 1000));
	/* The others are in the ring, not yet looked at. */
	usleep(200000);
	nodes_signal(&self->nodes, 0, SIGKILL);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 0));
	for (int i = 1; i < 10; i++)
		ASSERT_EQ(0, skerry_next(a, &m[i], 2000));
	/* A call notices that the agent is another one; a message alone may
	 * still be written for the old one, and be lost. */
	ASSERT_LE(1, skerry_members(a, NULL, 0));
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, skerry_forward(a, NULL, "self", text, sizeof(text),
					    NULL))
		{
			TH_LOG("%s", skerry_last_error(a));
		}
		ASSERT_EQ(0, skerry_next(a, &last, 5000));
		EXPECT_EQ('x', *(const char *)last.data);
		skerry_release(a, &last);
	}
	for (int i = 9; i >= 0; i--) {
		memset(text, '0' + i, sizeof(text));
		EXPECT_EQ(0, memcmp(text, m[i].data, sizeof(text)));
		EXPECT_EQ(i + 1, m[i].number);
		skerry_release(a, &m[i]);
	}
	skerry_close(a);
}

static void count_change(void *data, const struct skerry_change *change)
{
	(*(int *)data)++;
}

/* A program that sleeps in poll() notices, and its watches are back. */
TEST_F(restart, event_loop)
{
	struct skerry *h = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	struct pollfd p = { .events = POLLIN };
	struct skerry *other;
	int ups = 0;

	ASSERT_NE(NULL, h);
	ASSERT_EQ(0, skerry_register(h, "mine"));
	ASSERT_LT(0, skerry_on_up(h, "n1", NULL, count_change, &ups));
	p.fd = skerry_fd(h);
	for (int i = 0; i < 50 && ups < 1; i++) {
		poll(&p, 1, 100);
		skerry_dispatch(h, 0);
	}
	EXPECT_EQ(1, ups);
	nodes_signal(&self->nodes, 0, SIGKILL);
	usleep(300000);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 0));
	for (int i = 0; i < 100 && ups < 2; i++) {
		poll(&p, 1, 100);
		skerry_dispatch(h, 0);
	}
	EXPECT_LE(2, ups);
	/* The endpoint is ours again. */
	other = nodes_open(&self->nodes, 0, 0);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(-EADDRINUSE, skerry_register(other, "mine"));
	skerry_close(other);
	skerry_close(h);
}

TEST_HARNESS_MAIN
