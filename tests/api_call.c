// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests and replies through real agents: what comes back, and what is said
 * instead when nothing can.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answerer.h"
#include "skerry/limits.h"
#include "kselftest_harness.h"

FIXTURE(call)
{
	struct nodes nodes;
	struct skerry *a; /* on n0 */
	struct skerry *n; /* on n0, without waiting */
	pid_t server; /* on n1, owns "server" */
};

FIXTURE_SETUP(call)
{
	ASSERT_EQ(0, nodes_start_joined(&self->nodes, 2));
	self->a = nodes_open(&self->nodes, 0, 0);
	self->n = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	self->server = answerer_start(&self->nodes, 1, "server", 0);
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->n);
	ASSERT_LT(0, self->server);
}

FIXTURE_TEARDOWN(call)
{
	skerry_close(self->a);
	skerry_close(self->n);
	answerer_kill(self->server);
	nodes_stop(&self->nodes);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int ask(struct skerry *h, const char *text, struct skerry_message *m)
{
	return skerry_call(h, "n1", "server", text, strlen(text), NULL, m);
}

static uint64_t dropped(struct skerry *h)
{
	struct skerry_counters c = { .size = sizeof(c) };

	return skerry_counters(h, &c) ? UINT64_MAX : c.replies_dropped;
}

TEST_F(call, is_answered)
{
	struct skerry_message m;

	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, ask(self->a, "echo this", &m))
		{
			TH_LOG("%s", skerry_last_error(self->a));
		}
		ASSERT_EQ(9, m.size_bytes);
		EXPECT_EQ(0, memcmp("echo this", m.data, 9));
		EXPECT_STREQ("n1", m.node);
		EXPECT_STREQ("default", m.channel);
		EXPECT_EQ(0, m.flags);
		EXPECT_EQ(0, m.call);
		skerry_release(self->a, &m);
	}
	/* By reference, to a program, and without looking at the reply. */
	EXPECT_EQ(0, skerry_call(self->a, NULL, "skerry:n1/server", "echo", 4,
				 NULL, NULL));
	EXPECT_EQ(0, dropped(self->a));
}

TEST_F(call, on_its_channel)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "other",
					    .flags = SKERRY_FORWARD_KEY,
					    .partition_key = 7 };
	struct skerry_message m;
	uint64_t number = 0;

	opts.ret_number = &number;
	ASSERT_EQ(0,
		  skerry_call(self->a, "n1", "server", "echo x", 6, &opts, &m));
	EXPECT_STREQ("other", m.channel);
	EXPECT_EQ(1, number);
	skerry_release(self->a, &m);
	opts.channel = "ticks";
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_call(self->a, "n1", "server", "echo", 4, &opts, &m));
	opts.channel = "none";
	EXPECT_EQ(-ENOENT,
		  skerry_call(self->a, "n1", "server", "echo", 4, &opts, &m));
}

TEST_F(call, large_both_ways)
{
	static const size_t sizes[] = { 0, 65536, 65537, 8U << 20 };
	uint8_t *bytes = calloc(1, 8U << 20);
	struct skerry_message m;
	char text[32];

	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "size %zu", sizes[i]);
		ASSERT_EQ(0, ask(self->a, text, &m));
		ASSERT_EQ(sizes[i], m.size_bytes);
		for (size_t k = 0; k < m.size_bytes; k++)
			if (((const uint8_t *)m.data)[k] != (uint8_t)k)
				ASSERT_EQ(-1, k);
		skerry_release(self->a, &m);
	}
	memcpy(bytes, "echo", 4);
	bytes[(8U << 20) - 1] = 77;
	ASSERT_EQ(0, skerry_call(self->a, "n1", "server", bytes, 8U << 20, NULL,
				 &m));
	ASSERT_EQ(8U << 20, m.size_bytes);
	EXPECT_EQ(0, memcmp(bytes, m.data, m.size_bytes));
	skerry_release(self->a, &m);
	free(bytes);
}

TEST_F(call, refused)
{
	struct skerry_forward_opts opts = { .size = 3 };
	struct skerry_message m = { 0 };

	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_call(self->a, "n9", "server", "x", 1, NULL, &m));
	EXPECT_EQ(-EINVAL,
		  skerry_call(self->a, NULL, "skerry:n1", "x", 1, NULL, &m));
	EXPECT_EQ(-EINVAL, skerry_call(self->a, "n1", NULL, "x", 1, NULL, &m));
	EXPECT_EQ(-EINVAL,
		  skerry_call(self->a, "n1", "server", "x", 1, &opts, &m));
	EXPECT_EQ(-EINVAL,
		  skerry_call(self->n, "n1", "server", "x", 1, NULL, &m));
	EXPECT_EQ(-EINVAL, skerry_reply(self->a, &m, "x", 1));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "request"));
	EXPECT_EQ(-EINVAL, skerry_reply_error(self->a, &m, 5));
}

TEST_F(call, answered_with_an_error)
{
	struct skerry_message m;

	EXPECT_EQ(-EDOM, ask(self->a, "error 33", &m));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "answered"));
	EXPECT_EQ(0, ask(self->a, "echo", NULL));
}

TEST_F(call, times_out)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 200 };
	struct skerry_message m;
	double began = now();

	EXPECT_EQ(-ETIMEDOUT, skerry_call(self->a, "n1", "server", "later 500",
					  9, &opts, &m));
	EXPECT_LE(0.2, now() - began);
	EXPECT_GT(1.5, now() - began);
	/* Its reply comes too late, to nobody. */
	EXPECT_EQ(0, ask(self->a, "echo", NULL));
	EXPECT_EQ(1, dropped(self->a));
	EXPECT_EQ(0, ask(self->a, "twice", NULL));
	EXPECT_EQ(0, ask(self->a, "echo", NULL));
	EXPECT_EQ(2, dropped(self->a));
	EXPECT_EQ(-EAGAIN, skerry_next(self->a, &m, 0));
}

/* Requests as a program sees them. */
TEST_F(call, as_the_server_sees_it)
{
	struct skerry *b = nodes_open(&self->nodes, 1, 0);
	char ref[SKERRY_REF_BYTES], text[SKERRY_REF_BYTES];
	struct skerry_message m, copy;
	uint64_t id = 0;
	int outcome = 1;

	(void)outcome;
	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, skerry_register(b, "b"));
	ASSERT_EQ(0, skerry_self_ref(self->a, ref, sizeof(ref)));
	ASSERT_EQ(0, skerry_forward(self->a, "n1", "b", "plain", 5, NULL));
	ASSERT_EQ(0, skerry_next(b, &m, 2000));
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(0, m.call);
	EXPECT_EQ(-EINVAL, skerry_reply(b, &m, "x", 1));
	/* It names its sender. */
	strcpy(text, "skerry:n0/#");
	for (int i = 0; i < 16; i++)
		sprintf(text + 11 + 2 * i, "%02x", m.program[i]);
	EXPECT_STREQ(ref, text);
	skerry_release(b, &m);
	if (fork() == 0) {
		struct skerry *c = nodes_open(&self->nodes, 0, 0);
		int r = skerry_call(c, "n1", "b", "ask", 3, NULL, &m);

		_exit(!(r == 0 && m.size_bytes == 3));
	}
	ASSERT_EQ(0, skerry_next(b, &m, 5000));
	EXPECT_EQ(SKERRY_MESSAGE_CALL, m.flags);
	EXPECT_NE(0, m.call);
	copy = m;
	id = m.call;
	skerry_release(b, &m);
	/* Somebody else, who knows neither number nor place, cannot. */
	copy.call = id + 1;
	EXPECT_EQ(0, skerry_reply(b, &copy, "no", 2));
	copy.call = id;
	EXPECT_EQ(0, skerry_reply(b, &copy, "yes", 3));
	wait(&outcome);
	EXPECT_EQ(0, outcome);
	skerry_close(b);
}

/* One who was not asked but knows the number is on another node. */
TEST_F(call, only_who_was_asked_may_answer)
{
	struct skerry *b = nodes_open(&self->nodes, 1, 0);
	struct skerry *c = nodes_open(&self->nodes, 0, 0);
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 1500 };
	struct skerry_message m;
	int status, ends[2];

	ASSERT_NE(NULL, b);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, skerry_register(b, "b"));
	ASSERT_EQ(0, pipe(ends));
	if (fork() == 0) {
		struct skerry *d = nodes_open(&self->nodes, 0, 0);
		int r = skerry_call(d, "n1", "b", "ask", 3, &opts, &m);

		_exit(!(r == -ETIMEDOUT && dropped(d) == 1));
	}
	ASSERT_EQ(0, skerry_next(b, &m, 5000));
	/* The same bytes, from n0. */
	EXPECT_EQ(0, skerry_reply(c, &m, "no", 2));
	skerry_release(b, &m);
	wait(&status);
	EXPECT_EQ(0, status);
	skerry_close(b);
	skerry_close(c);
}

/* ---- others come meanwhile ---------------------------------------------------- */

TEST_F(call, other_messages_are_kept)
{
	struct skerry *b = nodes_open(&self->nodes, 1, 0);
	static char text[20000];
	struct skerry_message m;

	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, skerry_register(self->a, "inbox"));
	/* More than the ring holds, from a program that goes on and on. */
	if (fork() == 0) {
		struct skerry *c = nodes_open(&self->nodes, 1, 0);

		for (uint32_t i = 0; i < 300; i++) {
			memcpy(text, &i, 4);
			if (skerry_forward(c, "n0", "inbox", text, sizeof(text),
					   NULL))
				_exit(1);
		}
		skerry_close(c);
		_exit(0);
	}
	/* The ring is full, and stays so. */
	usleep(500000);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, ask(self->a, "echo", NULL))
		{
			TH_LOG("%s", skerry_last_error(self->a));
		}
	for (uint32_t i = 0; i < 300; i++) {
		ASSERT_EQ(0, skerry_next(self->a, &m, 5000));
		ASSERT_EQ(sizeof(text), m.size_bytes);
		ASSERT_EQ(0, memcmp(&i, m.data, 4));
		ASSERT_EQ(i + 1, m.number);
		ASSERT_STREQ("inbox", m.endpoint);
		skerry_release(self->a, &m);
	}
	EXPECT_EQ(-EAGAIN, skerry_next(self->a, &m, 0));
	wait(NULL);
	skerry_close(b);
}

/* ---- without waiting ------------------------------------------------------------- */

struct outcome {
	int calls, errors, error;
	size_t bytes;
	struct skerry *again; /* ask once more from within */
};

static void on_reply(void *data, int error, const struct skerry_message *m)
{
	struct outcome *o = data;

	o->calls++;
	o->errors += error != 0;
	o->error = error;
	if (m)
		o->bytes += m->size_bytes;
	if (o->again)
		skerry_call_async(o->again, "n1", "server", "echo", 4, NULL,
				  on_reply, o, NULL);
	o->again = NULL;
}

static void run_until(struct skerry *h, struct outcome *o, int calls,
		      int timeout_ms)
{
	struct pollfd p = { .fd = skerry_fd(h), .events = POLLIN };
	double end = now() + timeout_ms / 1e3;

	while (o->calls < calls && now() < end) {
		poll(&p, 1, 100);
		skerry_dispatch(h, 0);
	}
}

TEST_F(call, without_waiting)
{
	struct outcome o = { .again = self->n };
	static uint8_t big[200000] = "echo";
	uint64_t id = 0;

	for (int i = 0; i < 1000; i++) {
		int r = skerry_call_async(self->n, "n1", "server", big,
					  i % 100 ? 10 : sizeof(big), NULL,
					  on_reply, &o, &id);

		ASSERT_EQ(0, r)
		{
			TH_LOG("%d: %s", i, skerry_last_error(self->n));
		}
		EXPECT_NE(0, id);
	}
	EXPECT_EQ(0, o.calls);
	run_until(self->n, &o, 1001, 15000);
	EXPECT_EQ(1001, o.calls);
	EXPECT_EQ(0, o.errors);
	EXPECT_EQ(990 * 10 + 10 * sizeof(big) + 4, o.bytes);
	EXPECT_EQ(0, dropped(self->n));
	/* Nothing more comes, and it is quiet. */
	EXPECT_EQ(0, skerry_dispatch(self->n, 100));
	EXPECT_EQ(1001, o.calls);
	EXPECT_EQ(-ENOENT, skerry_call_cancel(self->n, id));
}

TEST_F(call, without_waiting_times_out)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 200 };
	struct outcome o = { 0 };
	double began = now();
	uint64_t id;

	EXPECT_EQ(-EINVAL, skerry_call_async(self->n, "n1", "server", "x", 1,
					     NULL, NULL, NULL, NULL));
	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "quiet", 5,
				       &opts, on_reply, &o, NULL));
	run_until(self->n, &o, 1, 3000);
	EXPECT_EQ(1, o.calls);
	EXPECT_EQ(-ETIMEDOUT, o.error);
	EXPECT_LE(0.2, now() - began);
	EXPECT_GT(1.5, now() - began);
	/* In a program that sleeps in skerry_dispatch() as well. */
	ASSERT_EQ(0, skerry_call_async(self->a, "n1", "server", "quiet", 5,
				       &opts, on_reply, &o, NULL));
	while (o.calls < 2)
		ASSERT_LE(0, skerry_dispatch(self->a, -1));
	EXPECT_EQ(2, o.errors);
	/* Cancelled is cancelled. */
	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "echo", 4, NULL,
				       on_reply, &o, &id));
	EXPECT_EQ(0, skerry_call_cancel(self->n, id));
	EXPECT_EQ(-ENOENT, skerry_call_cancel(self->n, id));
	for (int i = 0; i < 20; i++)
		skerry_dispatch(self->n, 20);
	EXPECT_EQ(2, o.calls);
	EXPECT_EQ(-ENOENT, skerry_call_cancel(self->n, 0));
}

static void call_inside(void *data, int error, const struct skerry_message *m)
{
	struct skerry *h = *(struct skerry **)data;

	*(int *)((struct skerry **)data + 1) =
		skerry_call(h, "n1", "server", "echo", 4, NULL, NULL);
}

TEST_F(call, not_in_a_callback)
{
	struct {
		struct skerry *h;
		int r;
	} inside = { self->a, 0 };

	ASSERT_EQ(0, skerry_call_async(self->a, "n1", "server", "echo", 4, NULL,
				       call_inside, &inside, NULL));
	while (!inside.r)
		ASSERT_LE(0, skerry_dispatch(self->a, 5000));
	EXPECT_EQ(-EDEADLK, inside.r);
}

TEST_F(call, so_many_and_no_more)
{
	struct outcome o = { 0 };
	int r = 0, made = 0;

	while (!r && made < 5000) {
		r = skerry_call_async(self->n, "n1", "server", "echo", 4, NULL,
				      on_reply, &o, NULL);
		made += !r;
	}
	EXPECT_EQ(-ENOSPC, r);
	EXPECT_EQ(SKERRY_CALLS_PER_PROGRAM_MAX, made);
	run_until(self->n, &o, made, 15000);
	EXPECT_EQ(made, o.calls);
	EXPECT_EQ(0, o.errors);
}

/* ---- who was asked goes ------------------------------------------------------------ */

TEST_F(call, the_program_dies)
{
	double began = now();

	EXPECT_EQ(-ECONNRESET, ask(self->a, "die", NULL));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "n1/server"));
	EXPECT_GT(2.0, now() - began);
}

TEST_F(call, the_program_dies_without_waiting)
{
	struct outcome o = { 0 };
	double began;

	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "quiet", 5,
				       NULL, on_reply, &o, NULL));
	run_until(self->n, &o, 1, 300);
	EXPECT_EQ(0, o.calls);
	began = now();
	answerer_kill(self->server);
	self->server = 0;
	run_until(self->n, &o, 1, 5000);
	EXPECT_EQ(1, o.calls);
	EXPECT_EQ(-ECONNRESET, o.error);
	EXPECT_GT(2.0, now() - began);
}

TEST_F(call, the_program_dies_here)
{
	pid_t pid = answerer_start(&self->nodes, 0, "near", 0);

	ASSERT_LT(0, pid);
	EXPECT_EQ(0, skerry_call(self->a, NULL, "near", "echo", 4, NULL, NULL));
	EXPECT_EQ(-ECONNRESET,
		  skerry_call(self->a, "n0", "near", "die", 3, NULL, NULL));
	answerer_kill(pid);
}

/* It has the request, so it may answer still. */
TEST_F(call, the_endpoint_is_given_up)
{
	struct skerry_message m;

	ASSERT_EQ(0, ask(self->a, "unregister", &m))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	EXPECT_EQ(4, m.size_bytes);
	skerry_release(self->a, &m);
}

TEST_F(call, the_node_dies)
{
	struct outcome o = { 0 };
	double began;

	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "quiet", 5,
				       NULL, on_reply, &o, NULL));
	run_until(self->n, &o, 1, 300);
	EXPECT_EQ(0, o.calls);
	began = now();
	nodes_signal(&self->nodes, 1, SIGKILL);
	run_until(self->n, &o, 1, 9000);
	EXPECT_EQ(1, o.calls);
	EXPECT_EQ(-ENOTCONN, o.error);
	EXPECT_GT(8.0, now() - began);
}

TEST_F(call, the_node_is_removed)
{
	struct skerry *admin = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	struct outcome o = { 0 };

	ASSERT_NE(NULL, admin);
	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "quiet", 5,
				       NULL, on_reply, &o, NULL));
	run_until(self->n, &o, 1, 300);
	EXPECT_EQ(0, o.calls);
	ASSERT_EQ(0, skerry_leave_node(admin, "n1"));
	run_until(self->n, &o, 1, 8000);
	EXPECT_EQ(1, o.calls);
	EXPECT_TRUE(o.error == -ENOTCONN || o.error == -EHOSTUNREACH)
	{
		TH_LOG("%d", o.error);
	}
	skerry_close(admin);
}

/* An agent that has just started waits for who may come; once that is over it
 * says so at once. */
TEST_F_TIMEOUT(call, nobody_there, 60)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 20000 };
	struct skerry *c = nodes_open(&self->nodes, 0, 0);
	struct outcome o = { 0 };
	struct skerry_message m;
	int r = 0;

	ASSERT_NE(NULL, c);
	EXPECT_EQ(-ENOENT,
		  skerry_call(self->a, "n1", "nobody", "x", 1, &opts, &m));
	EXPECT_EQ(0, skerry_call_async(self->n, "n1", "nobody", "x", 1, NULL,
				       on_reply, &o, NULL));
	run_until(self->n, &o, 1, 3000);
	EXPECT_EQ(-ENOENT, o.error);
	EXPECT_EQ(0, ask(self->a, "unregister", NULL));
	EXPECT_EQ(-ENOENT, ask(self->a, "echo", NULL));
	/* Who asked has ended. */
	ASSERT_EQ(0, skerry_register(self->a, "a"));
	opts.timeout_ms = 100;
	EXPECT_EQ(-ETIMEDOUT, skerry_call(c, NULL, "a", "x", 1, &opts, NULL));
	ASSERT_EQ(0, skerry_next(self->a, &m, 3000));
	EXPECT_EQ(SKERRY_MESSAGE_CALL, m.flags);
	EXPECT_EQ(0, skerry_reply(self->a, &m, "y", 1));
	skerry_close(c);
	for (int i = 0; i < 100 && !r; i++) {
		r = skerry_reply(self->a, &m, "y", 1);
		usleep(20000);
	}
	EXPECT_EQ(-ENOENT, r)
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	skerry_release(self->a, &m);
}

/* ---- agents restart under a call ----------------------------------------------------- */

static void restart_under(struct __test_metadata *_metadata,
			  FIXTURE_DATA(call) * self, int node)
{
	struct outcome o = { 0 };

	/* The flows both ways are open. */
	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "echo", 4, NULL,
				       on_reply, &o, NULL));
	run_until(self->n, &o, 1, 3000);
	ASSERT_EQ(0, o.errors);
	ASSERT_EQ(0, skerry_call_async(self->n, "n1", "server", "later 3000",
				       10, NULL, on_reply, &o, NULL));
	run_until(self->n, &o, 2, 300);
	nodes_signal(&self->nodes, node, SIGKILL);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, node));
	run_until(self->n, &o, 2, 15000);
	EXPECT_EQ(2, o.calls);
	EXPECT_EQ(0, o.error)
	{
		TH_LOG("%s", skerry_last_error(self->n));
	}
	/* And again, once all is as it was. */
	for (int i = 0; i < 50; i++) {
		o = (struct outcome) { 0 };
		if (!skerry_call_async(self->n, "n1", "server", "echo", 4, NULL,
				       on_reply, &o, NULL))
			run_until(self->n, &o, 1, 3000);
		if (o.calls && !o.errors)
			break;
		usleep(100000);
	}
	EXPECT_EQ(4, o.bytes);
}

TEST_F(call, the_agent_here_restarts)
{
	restart_under(_metadata, self, 0);
}

TEST_F(call, the_agent_there_restarts)
{
	restart_under(_metadata, self, 1);
}

/* ---- a server that never waits -------------------------------------------------------- */

TEST_F(call, a_server_without_waiting)
{
	pid_t pid =
		answerer_start(&self->nodes, 1, "quick", SKERRY_OPEN_NONBLOCK);
	struct skerry_message m;

	ASSERT_LT(0, pid);
	/* Many programs, each with its first request. */
	for (int i = 0; i < 20; i++) {
		struct skerry *c = nodes_open(&self->nodes, 0, 0);

		ASSERT_NE(NULL, c);
		ASSERT_EQ(0, skerry_call(c, "n1", "quick", "size 300000", 11,
					 NULL, &m))
		{
			TH_LOG("%d: %s", i, skerry_last_error(c));
		}
		EXPECT_EQ(300000, m.size_bytes);
		skerry_release(c, &m);
		ASSERT_EQ(0,
			  skerry_call(c, "n1", "quick", "echo", 4, NULL, &m));
		skerry_release(c, &m);
		skerry_close(c);
	}
	answerer_kill(pid);
}

TEST_HARNESS_MAIN
