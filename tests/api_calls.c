// SPDX-License-Identifier: GPL-2.0-only
/* The client API against real agents: every call's answer and errors. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"
#include "nodes.h"
#include "skerry/limits.h"
#include "skerry/ring.h"
#include "kselftest_harness.h"

FIXTURE(calls)
{
	struct nodes nodes;
	struct skerry *a; /* on n0 */
	struct skerry *b; /* on n1 */
};

FIXTURE_SETUP(calls)
{
	ASSERT_EQ(0, nodes_pair(&self->nodes, SKERRY_OPEN_ADMIN, &self->a,
				&self->b));
}

FIXTURE_TEARDOWN(calls)
{
	skerry_close(self->a);
	skerry_close(self->b);
	nodes_stop(&self->nodes);
}

static int open_with(const char *run_dir, const char *node,
		     struct skerry **ret_handle)
{
	struct skerry_open_opts opts = {
		.size = sizeof(opts),
		.node = node,
		.run_dir = run_dir,
	};

	return skerry_open(&opts, ret_handle);
}

TEST_F(calls, open_finds_the_agent)
{
	const char *run_dir = nodes_run_dir(&self->nodes);
	struct skerry_open_opts opts = { .size = 3 };
	struct skerry *h = NULL;

	unsetenv("SKERRY_NODE");
	EXPECT_EQ(-ENOTUNIQ, open_with(run_dir, NULL, &h));
	EXPECT_NE(NULL, strstr(skerry_last_error(NULL), "n0"));
	EXPECT_NE(NULL, strstr(skerry_last_error(NULL), "n1"));
	EXPECT_EQ(-ENOENT, open_with(run_dir, "n7", &h));
	EXPECT_NE(NULL, strstr(skerry_last_error(NULL), "n7"));
	EXPECT_EQ(-EINVAL, open_with(run_dir, "no/name", &h));
	EXPECT_EQ(-ENOENT, open_with("/tmp/no-such-directory", NULL, &h));
	EXPECT_EQ(-EINVAL, skerry_open(&opts, &h));
	EXPECT_EQ(NULL, h);
	setenv("SKERRY_NODE", "n1", 1);
	setenv("SKERRY_RUN_DIR", run_dir, 1);
	ASSERT_EQ(0, skerry_open(NULL, &h));
	EXPECT_STREQ("n1", skerry_mynode(h));
	skerry_close(h);
	skerry_close(NULL);
	EXPECT_NE(0, strlen(skerry_version()));
}

/* A directory of any depth, and one agent in it needs no name. */
TEST_F(calls, open_deep_directory)
{
	char path[4096], target[160];
	struct skerry *h = NULL;
	size_t used;

	used = (size_t)snprintf(path, sizeof(path), "%s",
				self->nodes.directory);
	for (int i = 0; i < 6; i++) {
		used += (size_t)snprintf(path + used, sizeof(path) - used,
					 "/a-directory-with-a-long-name-%d", i);
		ASSERT_EQ(0, mkdir(path, 0700));
	}
	snprintf(target, sizeof(target), "%s/n0", nodes_run_dir(&self->nodes));
	strcpy(path + used, "/n0");
	ASSERT_EQ(0, symlink(target, path));
	path[used] = '\0';
	unsetenv("SKERRY_NODE");
	ASSERT_EQ(0, open_with(path, NULL, &h))
	{
		TH_LOG("%s", skerry_last_error(NULL));
	}
	EXPECT_STREQ("n0", skerry_mynode(h));
	skerry_close(h);
}

TEST_F(calls, who)
{
	struct skerry_member members[4];
	struct skerry_spec spec;
	int self_seen = 0;

	ASSERT_EQ(0, skerry_myself(self->b, &spec));
	EXPECT_STREQ("n1", spec.name);
	EXPECT_EQ(17280 + 128, spec.port_block);
	EXPECT_STREQ("full", spec.overlay);
	EXPECT_NE(0, spec.incarnation);
	EXPECT_NE(0, spec.boot_nonce);
	EXPECT_LE(1, spec.address_count);
	ASSERT_EQ(2, skerry_members(self->b, members, 4));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(SKERRY_STATE_UP, members[i].state);
		if (members[i].self) {
			self_seen++;
			EXPECT_STREQ("n1", members[i].name);
		}
	}
	EXPECT_EQ(1, self_seen);
	EXPECT_EQ(2, skerry_members(self->b, NULL, 0));
	EXPECT_EQ(1, skerry_supports(self->a, NULL, "partitions"));
	EXPECT_EQ(1, skerry_supports(self->a, "full", "partitions"));
	EXPECT_EQ(0, skerry_supports(self->a, "hyparview", "partitions"));
	EXPECT_EQ(0, skerry_supports(self->a, NULL, "kernel-cuts"));
	EXPECT_EQ(0, skerry_supports(self->a, NULL, "no-such-thing"));
}

static void count_row(void *data, const void *row, size_t size_bytes)
{
	(*(int *)data)++;
}

TEST_F(calls, tables)
{
	static const char *const tables[] = {
		"members",     "known",	   "peers",    "status",
		"events",      "myself",   "features", "channels",
		"connections", "programs", "limits",
	};
	struct tlv_writer w;
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		int rows = 0;
		int n = skerry_query(self->a, tables[i], count_row, &rows);

		EXPECT_LE(1, n)
		{
			TH_LOG("%s: %d %s", tables[i], n,
			       skerry_last_error(self->a));
		}
		EXPECT_EQ(n, rows);
	}
	EXPECT_EQ(0, skerry_query(self->a, "joins", NULL, NULL));
	EXPECT_EQ(0, skerry_query(self->a, "partitions", NULL, NULL));
	EXPECT_EQ(-ENOENT, skerry_query(self->a, "nothing", NULL, NULL));
	EXPECT_EQ(-ENOENT, skerry_query(self->a, NULL, NULL, NULL));
	/* The same through the plain command. */
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_QUERY, "members");
	EXPECT_EQ(0, skerry_command(self->a, SKERRY_CMD_QUERY, bytes,
				    w.used_bytes, 0, NULL, NULL));
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_command(self->a, 9999, NULL, 0, 0, NULL, NULL));
}

TEST_F(calls, endpoints)
{
	struct skerry *other = nodes_open(&self->nodes, 0, 0);
	char name[SKERRY_ENDPOINT_MAX_BYTES + 2];

	ASSERT_NE(NULL, other);
	memset(name, 'e', sizeof(name));
	name[SKERRY_ENDPOINT_MAX_BYTES + 1] = '\0';
	EXPECT_EQ(-EINVAL, skerry_register(self->a, name));
	EXPECT_EQ(-EINVAL, skerry_register(self->a, ""));
	EXPECT_EQ(-EINVAL, skerry_register(self->a, NULL));
	name[SKERRY_ENDPOINT_MAX_BYTES] = '\0';
	EXPECT_EQ(0, skerry_register(self->a, name));
	EXPECT_EQ(0, skerry_register(self->a, "x"));
	EXPECT_EQ(-EADDRINUSE, skerry_register(self->a, "x"));
	EXPECT_EQ(-EADDRINUSE, skerry_register(other, "x"));
	EXPECT_NE(NULL, strstr(skerry_last_error(other), "x"));
	EXPECT_EQ(-ENOENT, skerry_unregister(other, "x"));
	EXPECT_EQ(0, skerry_unregister(self->a, "x"));
	EXPECT_EQ(-ENOENT, skerry_unregister(self->a, "x"));
	EXPECT_EQ(0, skerry_register(other, "x"));
	/* A program's endpoints go with it. */
	skerry_close(other);
	for (int i = 0; i < 100 && skerry_register(self->a, "x"); i++)
		usleep(10000);
	EXPECT_EQ(-EADDRINUSE, skerry_register(self->a, "x"));
}

TEST_F(calls, forward_refused)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts) };
	uint64_t number = 77;
	char name[200];

	opts.ret_number = &number;
	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_forward(self->a, "n9", "x", "hi", 2, &opts));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "n9"));
	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_forward(self->a, "no/name", "x", "hi", 2, &opts));
	/* Unknown endpoints wait for some seconds after an agent's start. */
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-ENOENT, skerry_forward(self->a, i ? "n1" : NULL,
						  "nobody", "hi", 2, &opts))
		{
			TH_LOG("%d: %s", i, skerry_last_error(self->a));
		}
	}
	opts.channel = "nothing";
	EXPECT_EQ(-ENOENT, skerry_forward(self->a, "n1", "x", "hi", 2, &opts));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "nothing"));
	opts.channel = NULL;
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", "", "hi", 2, &opts));
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", NULL, "hi", 2, &opts));
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", name, "hi", 2, &opts));
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", "x", NULL, 2, &opts));
	EXPECT_EQ(-EMSGSIZE,
		  skerry_forward(self->a, "n1", "x", name,
				 SKERRY_MESSAGE_MAX_BYTES + 1UL, &opts));
	opts.flags = 1U << 20;
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", "x", "hi", 2, &opts));
	opts.flags = 0;
	opts.size = 8;
	EXPECT_EQ(-EINVAL, skerry_forward(self->a, "n1", "x", "hi", 2, &opts));
	EXPECT_EQ(77, number);
}

/* ---- being told ------------------------------------------------------------- */

struct seen {
	struct skerry *handle;
	int ups, downs, watch;
	int deadlock;
	char last[64];
};

static void on_change(void *data, const struct skerry_change *change)
{
	struct seen *seen = data;
	struct skerry_member members[1];

	if (change->up)
		seen->ups++;
	else
		seen->downs++;
	snprintf(seen->last, sizeof(seen->last), "%s", change->node);
	seen->deadlock = skerry_members(seen->handle, members, 1);
}

static void dispatch_until(struct skerry *h, const int *counter, int wanted,
			   int timeout_ms)
{
	while (*counter < wanted && timeout_ms > 0) {
		skerry_dispatch(h, 100);
		timeout_ms -= 100;
	}
}

TEST_F(calls, watches)
{
	struct seen any = { .handle = self->a }, gone = { .handle = self->a };
	int up, down;

	up = skerry_on_up(self->a, "n1", NULL, on_change, &any);
	ASSERT_LT(0, up);
	/* Level-triggered: it is up already. */
	dispatch_until(self->a, &any.ups, 1, 2000);
	EXPECT_EQ(1, any.ups);
	EXPECT_STREQ("n1", any.last);
	EXPECT_EQ(-EDEADLK, any.deadlock);
	down = skerry_on_down(self->a, "n1", "default", on_change, &gone);
	ASSERT_LT(0, down);
	EXPECT_EQ(-ENOENT,
		  skerry_on_up(self->a, NULL, "nothing", on_change, &any));
	EXPECT_EQ(-EINVAL, skerry_on_up(self->a, NULL, NULL, NULL, NULL));
	nodes_signal(&self->nodes, 1, SIGKILL);
	dispatch_until(self->a, &gone.downs, 1, 8000);
	EXPECT_EQ(1, gone.downs);
	EXPECT_EQ(0, gone.ups);
	EXPECT_EQ(0, skerry_unwatch(self->a, up));
	EXPECT_EQ(-ENOENT, skerry_unwatch(self->a, up));
	EXPECT_EQ(-ENOENT, skerry_unwatch(self->a, 12345));
}

static void unwatch_itself(void *data, const struct skerry_change *change)
{
	struct seen *seen = data;

	seen->ups++;
	seen->deadlock = skerry_unwatch(seen->handle, seen->watch);
}

TEST_F(calls, unwatch_in_callback)
{
	struct seen seen = { .handle = self->a, .deadlock = -1 };

	seen.watch = skerry_on_up(self->a, NULL, NULL, unwatch_itself, &seen);
	ASSERT_LT(0, seen.watch);
	dispatch_until(self->a, &seen.ups, 1, 2000);
	EXPECT_EQ(0, seen.deadlock);
	dispatch_until(self->a, &seen.ups, 2, 300);
	EXPECT_EQ(1, seen.ups);
}

TEST_F(calls, follow)
{
	int rows = 0, watch;

	watch = skerry_follow(self->a, count_row, &rows);
	ASSERT_LT(0, watch);
	nodes_signal(&self->nodes, 1, SIGKILL);
	dispatch_until(self->a, &rows, 2, 8000);
	EXPECT_LE(1, rows);
	EXPECT_EQ(-EINVAL, skerry_follow(self->a, NULL, NULL));
}

/* ---- joining, leaving, cutting --------------------------------------------------- */

TEST_F(calls, join_and_leave)
{
	struct skerry_member members[2];

	EXPECT_EQ(-EINVAL, skerry_join(self->a, ""));
	EXPECT_EQ(-EINVAL, skerry_join(self->a, NULL));
	EXPECT_EQ(-EINVAL, skerry_join(self->a, "b@d/=127.0.0.1:17408"));
	EXPECT_GT(0, skerry_join(self->a, "nonsense"));
	/* A member already. */
	EXPECT_EQ(0, skerry_join(self->a, "127.0.0.1:17408"));
	EXPECT_EQ(-EHOSTUNREACH, skerry_leave_node(self->a, "n9"));
	EXPECT_EQ(-EINVAL, skerry_leave_node(self->a, ""));
	EXPECT_EQ(0, skerry_leave(self->a));
	for (int i = 0; i < 300 && skerry_members(self->a, members, 2) != 1;
	     i++)
		usleep(10000);
	EXPECT_EQ(1, skerry_members(self->a, members, 2));
	EXPECT_EQ(0, skerry_sync_join(self->a, "n1=127.0.0.1:17408", 5000))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	EXPECT_EQ(2, skerry_members(self->a, members, 2));
	/* Nobody listens there. */
	EXPECT_EQ(-ETIMEDOUT,
		  skerry_sync_join(self->a, "127.0.0.1:20480", 300));
}

TEST_F(calls, cut_and_heal)
{
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "isolate",
		.duration_ms = 20000,
		.flags = SKERRY_PARTITION_FORCE,
		.name = "test",
	};
	struct skerry_partition list[4];
	struct skerry_reference reference;
	struct seen seen = { .handle = self->a };

	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_inject_partition(self->a, "n9", 0, &opts, &reference));
	ASSERT_EQ(0,
		  skerry_inject_partition(self->a, "n1", 0, &opts, &reference))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	ASSERT_LE(1, skerry_partitions(self->a, list, 4));
	EXPECT_EQ(0, memcmp(&reference, &list[0].reference, sizeof(reference)));
	EXPECT_STREQ("test", list[0].name);
	EXPECT_STREQ("isolate", list[0].shape);
	EXPECT_STREQ("wire", list[0].visibility);
	EXPECT_LT(0, list[0].remaining_ms);
	EXPECT_GE(20000, list[0].remaining_ms);
	EXPECT_EQ('n', list[0].spec.name[0]);
	EXPECT_NE(0, list[0].spec.incarnation);
	ASSERT_LT(0, skerry_on_down(self->a, "n1", NULL, on_change, &seen));
	dispatch_until(self->a, &seen.downs, 1, 8000);
	EXPECT_EQ(1, seen.downs);
	EXPECT_EQ(0, skerry_resolve_partition(self->a, &reference))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	EXPECT_EQ(0, skerry_resolve_partition(self->a, &reference));
	EXPECT_EQ(0, skerry_resolve_partition(self->a, NULL));
	ASSERT_LT(0, skerry_on_up(self->a, "n1", NULL, on_change, &seen));
	dispatch_until(self->a, &seen.ups, 1, 15000);
	EXPECT_LE(1, seen.ups);
}

TEST_HARNESS_MAIN
