// SPDX-License-Identifier: GPL-2.0-only
/*
 * References, and the ways to send that are not plain forwarding: to the
 * manager, to this node alone, in another node's name.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nodes.h"
#include "kselftest_harness.h"

FIXTURE(refs)
{
	struct nodes nodes;
	struct skerry *a; /* on n0 */
	struct skerry *b; /* on n1, owns "b" */
};

FIXTURE_SETUP(refs)
{
	ASSERT_EQ(0, nodes_pair(&self->nodes, SKERRY_OPEN_ADMIN, &self->a,
				&self->b));
	ASSERT_EQ(0, skerry_register(self->b, "b"));
}

FIXTURE_TEARDOWN(refs)
{
	skerry_close(self->a);
	skerry_close(self->b);
	nodes_stop(&self->nodes);
}

static bool next_is(struct skerry *h, const char *endpoint, const char *node,
		    const char *channel, const char *text)
{
	struct skerry_message m;
	bool good;

	if (skerry_next(h, &m, 3000)) {
		printf("# %s\n", skerry_last_error(h));
		return false;
	}
	good = !strcmp(m.endpoint, endpoint) && !strcmp(m.node, node) &&
	       !strcmp(m.channel, channel) && m.size_bytes == strlen(text) &&
	       !memcmp(m.data, text, m.size_bytes);
	if (!good)
		printf("# %s from %s on %s: %.*s\n", m.endpoint, m.node,
		       m.channel, (int)m.size_bytes, (const char *)m.data);
	skerry_release(h, &m);
	return good;
}

#define ID "0123456789abcdef0123456789abcdef"

TEST_F(refs, parsed)
{
	static const struct {
		const char *text, *node, *endpoint;
	} good[] = {
		{ "skerry:n1/b", "n1", "b" },
		{ "skerry:n1", "n1", "" },
		{ "skerry:a.b-c_d:9@x/y", "a.b-c_d:9@x", "y" },
		/* Behind the first slash everything is the endpoint. */
		{ "skerry:n1/skerry/manager", "n1", "skerry/manager" },
		{ "skerry:n1//", "n1", "/" },
		{ "skerry:n1/a b:@#%2f\xc3\xa9", "n1", "a b:@#%2f\xc3\xa9" },
		{ "skerry:n1/skerry:n2/x", "n1", "skerry:n2/x" },
		{ "skerry:n1/#" ID, "n1", "#" ID },
		{ "skerry:n1/#0123456789ABCDEF0123456789abcdef", "n1", "#" ID },
	};
	static const char *const bad[] = {
		"",
		"n1/b",
		"skerry:",
		"skerry:/b",
		"skerry:n1/",
		"skerry:n 1/b",
		"skerry:n1/#",
		"skerry:n1/#012345",
		"skerry:n1/#" ID "0",
		"skerry:n1/#0123456789abcdef0123456789abcdeg",
		"skerry:n234567890123456789012345678901234567890123456789012345"
		"6789012345/b",
	};
	struct skerry_ref ref;
	char text[400];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		EXPECT_EQ(0, skerry_ref_parse(self->a, good[i].text, &ref))
		{
			TH_LOG("%s", skerry_last_error(self->a));
		}
		EXPECT_STREQ(good[i].node, ref.node);
		EXPECT_STREQ(good[i].endpoint, ref.endpoint);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(-EINVAL, skerry_ref_parse(self->a, bad[i], &ref))
		{
			TH_LOG("%s", bad[i]);
		}
	}
	EXPECT_EQ(-EINVAL, skerry_ref_parse(self->a, NULL, &ref));
	EXPECT_EQ(-EOPNOTSUPP, skerry_ref_parse(self->a, "global:x", &ref));
	EXPECT_EQ(-EOPNOTSUPP, skerry_ref_parse(self->a, "via:x/y", &ref));
	/* The longest there are. */
	strcpy(text, "skerry:");
	memset(text + 7, 'n', 63);
	text[70] = '/';
	memset(text + 71, 'e', 127);
	text[198] = '\0';
	EXPECT_EQ(0, skerry_ref_parse(self->a, text, &ref));
	EXPECT_EQ(63, strlen(ref.node));
	EXPECT_EQ(127, strlen(ref.endpoint));
	EXPECT_EQ(SKERRY_REF_BYTES, strlen(text) + 2);
	text[198] = 'e';
	text[199] = '\0';
	EXPECT_EQ(-EINVAL, skerry_ref_parse(self->a, text, &ref));
}

TEST_F(refs, instead_of_node_and_endpoint)
{
	ASSERT_EQ(0, skerry_register(self->a, "here"));
	EXPECT_EQ(0,
		  skerry_forward(self->a, NULL, "skerry:n1/b", "1", 1, NULL));
	EXPECT_TRUE(next_is(self->b, "b", "n0", "default", "1"));
	EXPECT_EQ(0, skerry_cast(self->a, NULL, "skerry:n1/b", "2", 1, NULL));
	EXPECT_TRUE(next_is(self->b, "b", "n0", "default", "2"));
	EXPECT_EQ(0, skerry_forward(self->a, NULL, "skerry:n0/here", "3", 1,
				    NULL));
	EXPECT_TRUE(next_is(self->a, "here", "n0", "default", "3"));
	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_forward(self->a, NULL, "skerry:n9/b", "x", 1, NULL));
	EXPECT_EQ(-EINVAL,
		  skerry_forward(self->a, NULL, "skerry:n1", "x", 1, NULL));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "skerry:n1"));
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_forward(self->a, NULL, "global:b", "x", 1, NULL));
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_cast(self->a, NULL, "via:dns/b", "x", 1, NULL));
	/* With a node, also an empty one, it is a name like any other. */
	ASSERT_EQ(0, skerry_register(self->a, "skerry:n1/b"));
	EXPECT_EQ(0, skerry_forward(self->a, "", "skerry:n1/b", "4", 1, NULL));
	EXPECT_TRUE(next_is(self->a, "skerry:n1/b", "n0", "default", "4"));
}

TEST_F(refs, a_program)
{
	char ref[SKERRY_REF_BYTES], other[SKERRY_REF_BYTES];

	EXPECT_EQ(-ENOBUFS, skerry_self_ref(self->b, ref, 10));
	ASSERT_EQ(0, skerry_self_ref(self->b, ref, sizeof(ref)));
	ASSERT_EQ(0, skerry_self_ref(self->a, other, sizeof(other)));
	EXPECT_EQ(0, strncmp(ref, "skerry:n1/#", 11));
	EXPECT_EQ(43, strlen(ref));
	EXPECT_STRNE(ref + 10, other + 10);
	EXPECT_EQ(0, skerry_forward(self->a, NULL, ref, "to you", 6, NULL));
	EXPECT_TRUE(next_is(self->b, ref + 10, "n0", "default", "to you"));
	EXPECT_EQ(0, skerry_forward(self->b, NULL, other, "and you", 7, NULL));
	EXPECT_TRUE(next_is(self->a, other + 10, "n1", "default", "and you"));
	/* Nobody can have such a name but by being it. */
	EXPECT_EQ(-EINVAL, skerry_register(self->a, ref + 10));
	EXPECT_EQ(-EINVAL, skerry_register(self->a, "#mine"));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "#"));
	EXPECT_EQ(-ENOENT, skerry_unregister(self->b, ref + 10));
}

/* The agent restarts: the program is the same, and so is its reference. */
TEST_F(refs, a_program_whose_agent_restarts)
{
	char ref[SKERRY_REF_BYTES];
	struct skerry_message m;
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 100 };
	int r = -1;

	ASSERT_EQ(0, skerry_self_ref(self->b, ref, sizeof(ref)));
	ASSERT_EQ(0, skerry_forward(self->a, NULL, ref, "1", 1, NULL));
	EXPECT_TRUE(next_is(self->b, ref + 10, "n0", "default", "1"));
	nodes_signal(&self->nodes, 1, 9);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 1));
	for (int i = 0; i < 300 && r; i++) {
		skerry_forward(self->a, NULL, ref, "2", 1, &opts);
		skerry_dispatch(self->a, 20);
		r = skerry_next(self->b, &m, 20);
	}
	ASSERT_EQ(0, r);
	EXPECT_STREQ(ref + 10, m.endpoint);
	EXPECT_EQ('2', *(const char *)m.data);
	skerry_release(self->b, &m);
}

/* ---- to the manager -------------------------------------------------------------- */

TEST_F(refs, to_the_manager)
{
	char path[160];
	int status;
	pid_t pid;

	ASSERT_EQ(0, skerry_register(self->b, "skerry/manager"));
	EXPECT_EQ(0, skerry_send(self->a, "n1", "hello", 5, NULL));
	EXPECT_TRUE(
		next_is(self->b, "skerry/manager", "n0", "default", "hello"));
	EXPECT_EQ(0, skerry_send(self->b, NULL, "self", 4, NULL));
	EXPECT_TRUE(
		next_is(self->b, "skerry/manager", "n1", "default", "self"));
	EXPECT_EQ(-EHOSTUNREACH, skerry_send(self->a, "n9", "x", 1, NULL));
	/* Not for everybody. */
	chmod(self->nodes.directory, 0755);
	snprintf(path, sizeof(path), "%s/n0/api.sock",
		 nodes_run_dir(&self->nodes));
	chmod(path, 0666);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		struct skerry *h;
		int r;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(2);
		h = nodes_open(&self->nodes, 0, 0);
		if (!h)
			_exit(3);
		r = skerry_register(h, "skerry/manager");
		if (r != -EACCES)
			_exit(4);
		r = skerry_receive_message(h, "n1", NULL, "x", "x", 1);
		if (r != -EACCES)
			_exit(5);
		_exit(skerry_register(h, "skerry") ? 6 : 0);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status >> 8);
}

/* ---- on this node alone ------------------------------------------------------------- */

TEST_F(refs, on_this_node_alone)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .channel = "other" };
	char ref[SKERRY_REF_BYTES];

	ASSERT_EQ(0, skerry_register(self->a, "here"));
	EXPECT_EQ(0, skerry_process_forward(self->a, "here", "1", 1, &opts));
	EXPECT_TRUE(next_is(self->a, "here", "n0", "other", "1"));
	EXPECT_EQ(0, skerry_process_forward(self->a, "skerry:n0/here", "2", 1,
					    NULL));
	EXPECT_TRUE(next_is(self->a, "here", "n0", "default", "2"));
	ASSERT_EQ(0, skerry_self_ref(self->a, ref, sizeof(ref)));
	EXPECT_EQ(0, skerry_process_forward(self->a, ref, "3", 1, NULL));
	EXPECT_TRUE(next_is(self->a, ref + 10, "n0", "default", "3"));
	/* Not here. */
	EXPECT_EQ(-EREMOTE,
		  skerry_process_forward(self->a, "skerry:n1/b", "x", 1, NULL));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "n1"));
	EXPECT_EQ(-EREMOTE,
		  skerry_process_forward(self->a, "skerry:n9/b", "x", 1, NULL));
	EXPECT_EQ(-EINVAL,
		  skerry_process_forward(self->a, "skerry:n0", "x", 1, NULL));
	EXPECT_EQ(-EINVAL, skerry_process_forward(self->a, NULL, "x", 1, NULL));
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_process_forward(self->a, "global:here", "x", 1, NULL));
}

/* ---- nobody there -------------------------------------------------------------------- */

/* An agent that has just started waits for who may come; once that is over it
 * says so at once. */
TEST_F_TIMEOUT(refs, nobody_there, 60)
{
	struct skerry_forward_opts opts = { .size = sizeof(opts),
					    .timeout_ms = 20000 };
	char ref[SKERRY_REF_BYTES];

	EXPECT_EQ(-ENOENT, skerry_forward(self->a, NULL, "skerry:n1/none", "x",
					  1, &opts));
	EXPECT_EQ(-ENOENT,
		  skerry_process_forward(self->a, "none", "x", 1, &opts));
	EXPECT_EQ(-ENOENT, skerry_process_forward(self->a, "skerry:n0/none",
						  "x", 1, NULL));
	EXPECT_EQ(-ENOENT, skerry_send(self->a, "n1", "x", 1, NULL));
	EXPECT_EQ(-ENOENT,
		  skerry_receive_message(self->a, "n1", NULL, "none", "x", 1));
	EXPECT_EQ(-ENOENT, skerry_forward(self->a, NULL, "skerry:n1/#" ID, "x",
					  1, NULL));
	/* A program is there as long as it lives. */
	ASSERT_EQ(0, skerry_self_ref(self->b, ref, sizeof(ref)));
	EXPECT_EQ(0, skerry_forward(self->a, NULL, ref, "x", 1, NULL));
	skerry_close(self->b);
	self->b = NULL;
	for (int i = 0; i < 100; i++) {
		if (skerry_forward(self->a, NULL, ref, "x", 1, NULL) == -ENOENT)
			break;
		usleep(20000);
		ASSERT_LT(i, 99);
	}
}

/* ---- in another node's name ----------------------------------------------------------- */

TEST_F(refs, in_another_nodes_name)
{
	static char large[300000];
	struct skerry_message m;

	ASSERT_EQ(0, skerry_register(self->a, "here"));
	EXPECT_EQ(0, skerry_receive_message(self->a, "n1", "other", "here",
					    "one", 3));
	EXPECT_TRUE(next_is(self->a, "here", "n1", "other", "one"));
	/* A node that nobody here knows; that is what bridges are for. */
	EXPECT_EQ(0, skerry_receive_message(self->a, "far@away", NULL, "here",
					    "two", 3));
	EXPECT_TRUE(next_is(self->a, "here", "far@away", "default", "two"));
	EXPECT_EQ(0, skerry_receive_message(self->a, "n0", NULL, "here",
					    "three", 5));
	EXPECT_TRUE(next_is(self->a, "here", "n0", "default", "three"));
	/* Each has its own order and numbers. */
	for (int i = 1; i < 10; i++) {
		ASSERT_EQ(0, skerry_receive_message(self->a, "x", NULL, "here",
						    &i, 4));
		ASSERT_EQ(0, skerry_next(self->a, &m, 1000));
		EXPECT_EQ(i, m.number);
		EXPECT_STREQ("x", m.node);
		EXPECT_EQ(0, m.flags);
		skerry_release(self->a, &m);
	}
	if (fork() == 0) {
		struct skerry *c =
			nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);

		_exit(skerry_receive_message(c, "x", NULL, "here", large,
					     sizeof(large)) != 0);
	}
	ASSERT_EQ(0, skerry_next(self->a, &m, 5000));
	EXPECT_EQ(sizeof(large), m.size_bytes);
	EXPECT_STREQ("x", m.node);
	skerry_release(self->a, &m);
	wait(NULL);
	EXPECT_EQ(0, skerry_receive_message(self->a, "x", "ticks", "here",
					    "tick", 4));
	EXPECT_TRUE(next_is(self->a, "here", "x", "ticks", "tick"));
	EXPECT_EQ(-ENOENT, skerry_receive_message(self->a, "n1", "none", "here",
						  "x", 1));
	EXPECT_EQ(-EINVAL, skerry_receive_message(self->a, "no name", NULL,
						  "here", "x", 1));
	EXPECT_EQ(-EINVAL,
		  skerry_receive_message(self->a, NULL, NULL, "here", "x", 1));
	EXPECT_EQ(-EINVAL,
		  skerry_receive_message(self->a, "", NULL, "here", "x", 1));
}

/* ---- casts ------------------------------------------------------------------------------ */

TEST_F(refs, casts_that_are_dropped_are_counted)
{
	struct skerry_counters c = { .size = sizeof(c) };
	static uint8_t bytes[1000];
	uint64_t dropped;

	ASSERT_EQ(0, skerry_counters(self->a, &c));
	EXPECT_EQ(0, c.casts_dropped);
	for (int i = 0; i < 3000; i++) {
		ASSERT_EQ(0, skerry_cast(self->a, "n1", "b", bytes,
					 sizeof(bytes), NULL));
		if (i % 100 == 0)
			skerry_dispatch(self->a, 1);
	}
	ASSERT_EQ(0, skerry_counters(self->a, &c));
	dropped = c.casts_dropped;
	EXPECT_LT(1000, dropped);
	EXPECT_GT(3000, dropped);
	/* All others have come. */
	for (uint64_t i = 0; i < 3000 - dropped; i++) {
		struct skerry_message m;

		ASSERT_EQ(0, skerry_next(self->b, &m, 3000));
		EXPECT_EQ(SKERRY_MESSAGE_CAST, m.flags);
		skerry_release(self->b, &m);
	}
	EXPECT_FALSE(next_is(self->b, "b", "n0", "default", ""));
	c.size = 1;
	EXPECT_EQ(-EINVAL, skerry_counters(self->a, &c));
}

TEST_HARNESS_MAIN
