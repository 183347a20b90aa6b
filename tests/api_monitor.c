// SPDX-License-Identifier: GPL-2.0-only
/*
 * Monitors through real agents: told once when it goes, with the reason, and
 * not before.
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

FIXTURE(monitor)
{
	struct nodes nodes;
	struct skerry *a; /* on n0 */
	struct skerry *admin; /* on n0 */
	pid_t server; /* on n1, owns "server" */
};

FIXTURE_SETUP(monitor)
{
	ASSERT_EQ(0, nodes_start_joined(&self->nodes, 2));
	self->a = nodes_open(&self->nodes, 0, SKERRY_OPEN_NONBLOCK);
	self->admin = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	self->server = answerer_start(&self->nodes, 1, "server", 0);
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->admin);
	ASSERT_LT(0, self->server);
}

FIXTURE_TEARDOWN(monitor)
{
	skerry_close(self->a);
	skerry_close(self->admin);
	answerer_kill(self->server);
	nodes_stop(&self->nodes);
}

struct told {
	int count, error, id;
	char where[256];
	char reason[256];
	double at;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_gone(void *data, const struct skerry_gone *gone)
{
	struct told *t = data;

	t->count++;
	t->error = gone->error;
	t->id = gone->monitor;
	t->at = now();
	snprintf(t->where, sizeof(t->where), "%s/%s", gone->node,
		 gone->endpoint ? gone->endpoint : "");
	snprintf(t->reason, sizeof(t->reason), "%s", gone->reason);
}

/* Until so many have been told. */
static void run(struct skerry *h, const struct told *t, int count,
		int timeout_ms)
{
	struct pollfd p = { .fd = skerry_fd(h), .events = POLLIN };
	double end = now() + timeout_ms / 1e3;

	while (now() < end && t->count < count) {
		poll(&p, 1, 100);
		skerry_dispatch(h, 0);
	}
}

/* Told so, once, and never again. */
static bool was(struct skerry *h, const struct told *t, int error)
{
	run(h, t, 2, 300);
	if (t->count == 1 && t->error == error)
		return true;
	printf("# told %d times, %d: %s\n", t->count, t->error, t->reason);
	return false;
}

TEST_F(monitor, an_endpoint_is_given_up)
{
	struct told t = { 0 }, own = { 0 }, dropped = { 0 };
	int id, other;

	ASSERT_EQ(0, skerry_register(self->admin, "mine"));
	id = skerry_monitor(self->a, "skerry:n1/server", on_gone, &t);
	ASSERT_LT(0, id);
	ASSERT_LT(id, skerry_monitor(self->a, "mine", on_gone, &own));
	other = skerry_monitor(self->a, "skerry:n1/server", on_gone, &dropped);
	ASSERT_LT(id, other);
	run(self->a, &t, 1, 500);
	EXPECT_EQ(0, t.count);
	EXPECT_EQ(0, own.count);
	EXPECT_EQ(0, skerry_demonitor(self->a, other));
	EXPECT_EQ(-ENOENT, skerry_demonitor(self->a, other));
	ASSERT_EQ(0, skerry_call(self->admin, "n1", "server", "unregister", 10,
				 NULL, NULL));
	run(self->a, &t, 1, 3000);
	EXPECT_TRUE(was(self->a, &t, -ENOENT));
	EXPECT_EQ(id, t.id);
	EXPECT_STREQ("n1/server", t.where);
	EXPECT_EQ(0, own.count);
	ASSERT_EQ(0, skerry_unregister(self->admin, "mine"));
	run(self->a, &own, 1, 3000);
	EXPECT_TRUE(was(self->a, &own, -ENOENT));
	EXPECT_STREQ("n0/mine", own.where);
	EXPECT_EQ(0, dropped.count);
	EXPECT_EQ(-ENOENT, skerry_demonitor(self->a, id));
	EXPECT_EQ(-ENOENT, skerry_demonitor(self->a, 0));
}

TEST_F(monitor, a_program_ends)
{
	struct told endpoint = { 0 }, program = { 0 };
	struct skerry *b = nodes_open(&self->nodes, 1, 0);
	char ref[SKERRY_REF_BYTES];
	double began;

	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, skerry_self_ref(b, ref, sizeof(ref)));
	ASSERT_LT(0, skerry_monitor(self->a, ref, on_gone, &program));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone,
				    &endpoint));
	run(self->a, &program, 1, 300);
	EXPECT_EQ(0, program.count);
	began = now();
	answerer_kill(self->server);
	self->server = 0;
	run(self->a, &endpoint, 1, 3000);
	EXPECT_TRUE(was(self->a, &endpoint, -ECONNRESET));
	EXPECT_GT(2.0, endpoint.at - began);
	EXPECT_EQ(0, program.count);
	skerry_close(b);
	run(self->a, &program, 1, 3000);
	EXPECT_TRUE(was(self->a, &program, -ECONNRESET));
}

/* A program that waits for nothing else hears of it. */
TEST_F(monitor, in_a_program_that_sleeps)
{
	struct told t = { 0 };
	pid_t pid;

	ASSERT_LT(0,
		  skerry_monitor(self->admin, "skerry:n1/server", on_gone, &t));
	pid = fork();
	if (!pid) {
		usleep(500000);
		kill(self->server, SIGKILL);
		_exit(0);
	}
	while (!t.count)
		ASSERT_LE(0, skerry_dispatch(self->admin, -1));
	EXPECT_EQ(-ECONNRESET, t.error);
	waitpid(pid, NULL, 0);
}

TEST_F(monitor, what_makes_no_sense)
{
	struct told t = { 0 };
	int r = 1, made = 0;

	EXPECT_EQ(-EINVAL, skerry_monitor(self->a, "skerry:", on_gone, &t));
	EXPECT_EQ(-EINVAL, skerry_monitor(self->a, "", on_gone, &t));
	EXPECT_EQ(-EINVAL, skerry_monitor(self->a, NULL, on_gone, &t));
	EXPECT_EQ(-EINVAL, skerry_monitor(self->a, "skerry:n1", NULL, &t));
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_monitor(self->a, "global:x", on_gone, &t));
	while (r > 0 && made < 1000) {
		r = skerry_monitor(self->a, "skerry:n1/server", on_gone, &t);
		made += r > 0;
	}
	EXPECT_EQ(-ENOSPC, r);
	EXPECT_EQ(SKERRY_MONITORS_PER_PROGRAM_MAX, made);
	run(self->a, &t, 1, 500);
	EXPECT_EQ(0, t.count);
	answerer_kill(self->server);
	self->server = 0;
	run(self->a, &t, made, 5000);
	EXPECT_EQ(made, t.count);
	run(self->a, &t, made + 1, 300);
	EXPECT_EQ(made, t.count);
}

/* ---- nodes ------------------------------------------------------------------- */

TEST_F(monitor, a_node_dies)
{
	struct told node = { 0 }, endpoint = { 0 }, self_node = { 0 };
	double began;

	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1", on_gone, &node));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n0", on_gone, &self_node));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone,
				    &endpoint));
	run(self->a, &node, 1, 500);
	EXPECT_EQ(0, node.count);
	EXPECT_EQ(0, endpoint.count);
	began = now();
	nodes_signal(&self->nodes, 1, SIGKILL);
	run(self->a, &node, 1, 9000);
	EXPECT_TRUE(was(self->a, &node, -ENOTCONN));
	EXPECT_STREQ("n1/", node.where);
	EXPECT_NE(NULL, strstr(node.reason, "silent"));
	EXPECT_LT(1.0, node.at - began);
	run(self->a, &endpoint, 1, 1000);
	EXPECT_TRUE(was(self->a, &endpoint, -ENOTCONN));
	EXPECT_EQ(0, self_node.count);
	/* Down is gone, too. */
	node.count = endpoint.count = 0;
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1", on_gone, &node));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone,
				    &endpoint));
	run(self->a, &node, 1, 1000);
	EXPECT_TRUE(was(self->a, &node, -ENOTCONN));
	run(self->a, &endpoint, 1, 3000);
	EXPECT_TRUE(was(self->a, &endpoint, -ENOTCONN));
}

TEST_F(monitor, a_node_is_cut_off)
{
	struct told node = { 0 }, endpoint = { 0 };
	struct skerry_reference reference;

	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1", on_gone, &node));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone,
				    &endpoint));
	run(self->a, &node, 1, 500);
	ASSERT_EQ(0, endpoint.count + node.count);
	struct skerry_partition_opts opts = { .size = sizeof(opts),
					      .shape = "isolate",
					      .duration_ms = 20000,
					      .flags = SKERRY_PARTITION_FORCE };
	ASSERT_LE(0, skerry_inject_partition(self->admin, "n1", 0, &opts,
					     &reference))
	{
		TH_LOG("%s", skerry_last_error(self->admin));
	}
	run(self->a, &node, 1, 9000);
	EXPECT_TRUE(was(self->a, &node, -ENOTCONN));
	run(self->a, &endpoint, 1, 1000);
	EXPECT_TRUE(was(self->a, &endpoint, -ENOTCONN));
	EXPECT_LE(0, skerry_resolve_partition(self->admin, NULL));
}

TEST_F(monitor, a_node_is_removed)
{
	struct told node = { 0 }, endpoint = { 0 }, unknown = { 0 };

	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1", on_gone, &node));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone,
				    &endpoint));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n9", on_gone, &unknown));
	run(self->a, &unknown, 1, 1000);
	EXPECT_TRUE(was(self->a, &unknown, -EHOSTUNREACH));
	unknown.count = 0;
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n9/x", on_gone, &unknown));
	run(self->a, &unknown, 1, 1000);
	EXPECT_TRUE(was(self->a, &unknown, -EHOSTUNREACH));
	EXPECT_EQ(0, node.count + endpoint.count);
	ASSERT_EQ(0, skerry_leave_node(self->admin, "n1"));
	run(self->a, &node, 1, 5000);
	EXPECT_TRUE(node.error == -ENOTCONN || node.error == -EHOSTUNREACH)
	{
		TH_LOG("%d %s", node.error, node.reason);
	}
	EXPECT_TRUE(was(self->a, &node, -EHOSTUNREACH));
	run(self->a, &endpoint, 1, 5000);
	EXPECT_TRUE(was(self->a, &endpoint, endpoint.error));
	EXPECT_TRUE(endpoint.error == -ENOTCONN ||
		    endpoint.error == -EHOSTUNREACH);
}

/* ---- agents restart -------------------------------------------------------------- */

/* Both live on: nothing is told until the program ends. */
static void restart(struct __test_metadata *_metadata,
		    FIXTURE_DATA(monitor) * self, int node)
{
	struct told endpoint = { 0 }, there = { 0 };

	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone,
				    &endpoint));
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1", on_gone, &there));
	run(self->a, &endpoint, 1, 500);
	nodes_signal(&self->nodes, node, SIGKILL);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, node));
	run(self->a, &endpoint, 1, 4000);
	EXPECT_EQ(0, endpoint.count)
	{
		TH_LOG("%s", endpoint.reason);
	}
	EXPECT_EQ(0, there.count)
	{
		TH_LOG("%s", there.reason);
	}
	answerer_kill(self->server);
	self->server = 0;
	run(self->a, &endpoint, 1, 12000);
	EXPECT_TRUE(was(self->a, &endpoint, -ECONNRESET));
	EXPECT_EQ(0, there.count);
}

TEST_F_TIMEOUT(monitor, the_agent_here_restarts, 60)
{
	restart(_metadata, self, 0);
}

TEST_F_TIMEOUT(monitor, the_agent_there_restarts, 60)
{
	restart(_metadata, self, 1);
}

/* Agents are gone for a moment; when they are back another program has the
 * endpoint. */
static void another_owner(struct __test_metadata *_metadata,
			  FIXTURE_DATA(monitor) * self, int node)
{
	struct told t = { 0 };

	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/server", on_gone, &t));
	run(self->a, &t, 1, 500);
	ASSERT_EQ(0, t.count);
	nodes_signal(&self->nodes, node, SIGKILL);
	answerer_kill(self->server);
	if (node == 0)
		self->server = answerer_start(&self->nodes, 1, "server", 0);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, node));
	if (node == 1)
		self->server = answerer_start(&self->nodes, 1, "server", 0);
	ASSERT_LT(0, self->server);
	run(self->a, &t, 1, 15000);
	EXPECT_TRUE(was(self->a, &t, -ECONNRESET));
}

TEST_F_TIMEOUT(monitor, another_owner_while_away_here, 60)
{
	another_owner(_metadata, self, 0);
}

TEST_F_TIMEOUT(monitor, another_owner_while_away_there, 60)
{
	another_owner(_metadata, self, 1);
}

/* ---- nobody there ---------------------------------------------------------------- */

static void again(void *data, const struct skerry_gone *gone)
{
	struct told *t = ((void **)data)[0];
	struct skerry *h = ((void **)data)[1];

	on_gone(t, gone);
	if (t->count < 3)
		t->id = skerry_monitor(h, "skerry:n1/none", again, data);
}

TEST_F_TIMEOUT(monitor, nobody_there, 60)
{
	struct told t = { 0 };
	void *both[] = { &t, self->a };

	/* An agent that has just started waits for who may come. */
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/none", on_gone, &t));
	run(self->a, &t, 1, 15000);
	EXPECT_TRUE(was(self->a, &t, -ENOENT));
	t.count = 0;
	ASSERT_LT(0,
		  skerry_monitor(self->a,
				 "skerry:n1/#0123456789abcdef0123456789abcdef",
				 on_gone, &t));
	run(self->a, &t, 1, 1000);
	EXPECT_TRUE(was(self->a, &t, -ENOENT));
	/* From within, again and again. */
	t.count = 0;
	ASSERT_LT(0, skerry_monitor(self->a, "skerry:n1/none", again, both));
	run(self->a, &t, 3, 3000);
	EXPECT_EQ(3, t.count);
}

TEST_HARNESS_MAIN
