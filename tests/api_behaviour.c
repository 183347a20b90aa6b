// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the calls of behaviour.txt mean, where no other test shows it: a join
 * goes on until it succeeds, sync_join brings every lane, who leaves has not
 * failed, a region is cut.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "nodes.h"
#include "kselftest_harness.h"

#define WAIT_MS 15000
#define N0 "127.0.0.1:17280"
#define N2 "127.0.0.1:17536"

FIXTURE(behaviour)
{
	struct nodes nodes; /* n0 and n1 are a cluster, n2 is alone */
	struct skerry *a; /* on n0 */
	struct skerry *b; /* on n1 */
	struct skerry *c; /* on n2 */
};

FIXTURE_SETUP(behaviour)
{
	self->a = self->b = self->c = NULL;
	ASSERT_EQ(0, nodes_start(&self->nodes, 3));
	self->a = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	self->b = nodes_open(&self->nodes, 1, SKERRY_OPEN_ADMIN);
	self->c = nodes_open(&self->nodes, 2, SKERRY_OPEN_ADMIN);
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
	ASSERT_NE(NULL, self->c);
	ASSERT_EQ(0, skerry_sync_join(self->b, N0, WAIT_MS));
}

FIXTURE_TEARDOWN(behaviour)
{
	skerry_close(self->a);
	skerry_close(self->b);
	skerry_close(self->c);
	nodes_stop(&self->nodes);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool has_members(struct skerry *h, int count)
{
	uint64_t until = now_ms() + WAIT_MS;

	while (skerry_members(h, NULL, 0) != count && now_ms() < until)
		usleep(20000);
	return skerry_members(h, NULL, 0) == count;
}

static int state_of(struct skerry *h, const char *node)
{
	struct skerry_member list[NODES_MAX];
	int count = skerry_members(h, list, NODES_MAX);

	for (int i = 0; i < count && i < NODES_MAX; i++)
		if (!strcmp(list[i].name, node))
			return list[i].state;
	return -1;
}

static bool sees(struct skerry *h, const char *node, int state)
{
	uint64_t until = now_ms() + WAIT_MS;

	while (state_of(h, node) != state && now_ms() < until)
		usleep(20000);
	return state_of(h, node) == state;
}

/* ---- joining -------------------------------------------------------------------- */

TEST_F(behaviour, a_join_goes_on_until_it_succeeds)
{
	uint64_t began;

	EXPECT_EQ(-ELOOP, skerry_join(self->a, N0));
	/* Nobody is there yet, and nobody waits for him. */
	skerry_close(self->c);
	self->c = NULL;
	nodes_signal(&self->nodes, 2, SIGKILL);
	began = now_ms();
	ASSERT_EQ(0, skerry_join(self->a, N2));
	EXPECT_GT(began + 1000, now_ms());
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
	usleep(1500000);
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 2));
	EXPECT_TRUE(has_members(self->a, 3));
	EXPECT_TRUE(has_members(self->b, 3));
	/* A member already: no effect. */
	EXPECT_EQ(0, skerry_join(self->a, N2));
	EXPECT_EQ(3, skerry_members(self->a, NULL, 0));
}

TEST_F(behaviour, a_join_ends_when_it_is_withdrawn)
{
	skerry_close(self->c);
	self->c = NULL;
	nodes_signal(&self->nodes, 2, SIGKILL);
	ASSERT_EQ(0, skerry_join(self->a, N2));
	ASSERT_EQ(0, skerry_leave_node(self->a, N2));
	EXPECT_EQ(-EHOSTUNREACH, skerry_leave_node(self->a, N2));
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 2));
	usleep(3000000);
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
}

struct lanes {
	const char *peer;
	uint64_t up, wanted;
};

static void peer_row(void *data, const void *row, size_t size_bytes)
{
	struct lanes *lanes = data;
	struct tlv_reader field;
	char name[64];

	if (tlv_find_str(row, size_bytes, SKERRY_K_NAME, name, sizeof(name)) ||
	    strcmp(name, lanes->peer))
		return;
	if (tlv_find(row, size_bytes, SKERRY_K_LANES_UP, &field))
		tlv_u64(&field, &lanes->up);
	if (tlv_find(row, size_bytes, SKERRY_K_LANES_WANTED, &field))
		tlv_u64(&field, &lanes->wanted);
}

TEST_F(behaviour, sync_join_brings_every_lane)
{
	struct lanes lanes = { .peer = "n0" };

	ASSERT_EQ(0, skerry_sync_join(self->c, N0, WAIT_MS));
	ASSERT_LE(1, skerry_query(self->c, "peers", peer_row, &lanes));
	/* membership, default, two of the other channel */
	EXPECT_EQ(4, lanes.wanted);
	EXPECT_EQ(4, lanes.up);
	EXPECT_EQ(SKERRY_STATE_UP, state_of(self->c, "n0"));
	/* Nobody there: it says so, and goes on. */
	EXPECT_EQ(-ETIMEDOUT,
		  skerry_sync_join(self->c, "127.0.0.1:20480", 300));
	EXPECT_EQ(0, skerry_leave_node(self->c, "127.0.0.1:20480"));
}

/* ---- leaving -------------------------------------------------------------------- */

struct told {
	int count, error;
};

static void on_gone(void *data, const struct skerry_gone *gone)
{
	struct told *told = data;

	told->count++;
	told->error = gone->error;
}

#define SENT 100

struct ledger { /* by number, from 1 */
	bool came[SENT + 1], lost[SENT + 1], certainly[SENT + 1];
};

static void on_lost(void *data, const struct skerry_lost *lost)
{
	struct ledger *ledger = data;

	for (uint64_t n = lost->from_number; n < lost->to_number && n <= SENT;
	     n++) {
		ledger->lost[n] = true;
		ledger->certainly[n] |= !lost->uncertain;
	}
}

static int missing(const struct ledger *ledger)
{
	int count = 0;

	for (int n = 1; n <= SENT; n++)
		count += !ledger->came[n];
	return count;
}

static void take_all(struct skerry *h, struct ledger *ledger)
{
	struct skerry_message m;

	while (!skerry_next(h, &m, 0)) {
		if (m.number <= SENT)
			ledger->came[m.number] = true;
		skerry_release(h, &m);
	}
}

TEST_F(behaviour, who_leaves_has_not_failed)
{
	struct ledger ledger = { 0 };
	struct told told = { 0 };
	uint64_t until;

	ASSERT_LT(0, skerry_monitor(self->b, "skerry:n0", on_gone, &told));
	ASSERT_EQ(0, skerry_register(self->b, "last"));
	ASSERT_EQ(0, skerry_on_lost(self->a, on_lost, &ledger));
	for (int i = 0; i < SENT; i++)
		ASSERT_EQ(0, skerry_forward(self->a, "n1", "last", &i,
					    sizeof(i), NULL));
	ASSERT_EQ(0, skerry_leave(self->a));
	/* What was said before has come. */
	until = now_ms() + WAIT_MS;
	while (now_ms() < until && (!told.count || missing(&ledger))) {
		skerry_dispatch(self->a, 0);
		skerry_dispatch(self->b, 20);
		take_all(self->b, &ledger);
	}
	EXPECT_EQ(0, missing(&ledger));
	for (int n = 1; n <= SENT; n++) {
		EXPECT_FALSE(ledger.certainly[n])
		{
			TH_LOG("message %d", n);
		}
	}
	/* Left, not down. */
	EXPECT_EQ(1, told.count);
	EXPECT_EQ(-EHOSTUNREACH, told.error);
	EXPECT_TRUE(has_members(self->b, 1));
	/* The agent goes on as a single node, and so does its program. */
	EXPECT_TRUE(has_members(self->a, 1));
	EXPECT_STREQ("n0", skerry_mynode(self->a));
	ASSERT_EQ(0, skerry_sync_join(self->a, "n1=127.0.0.1:17408", WAIT_MS));
	EXPECT_TRUE(has_members(self->b, 2));
}

/* ---- messages --------------------------------------------------------------------- */

static bool next_is(struct skerry *h, const char *text, const char *channel,
		    uint32_t flags)
{
	struct skerry_message m;
	bool good;

	if (skerry_next(h, &m, 3000))
		return false;
	good = m.flags == flags && !strcmp(m.channel, channel) &&
	       m.size_bytes == strlen(text) &&
	       !memcmp(m.data, text, m.size_bytes);
	skerry_release(h, &m);
	return good;
}

/* To a node and an endpoint, to a reference, and to an endpoint here; with
 * options and without. The receiver can tell a cast from the rest. */
TEST_F(behaviour, every_form_of_message)
{
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = "other",
		.flags = SKERRY_FORWARD_KEY,
		.partition_key = 7,
	};
	const uint32_t cast = SKERRY_MESSAGE_CAST;

	ASSERT_EQ(0, skerry_register(self->a, "x"));
	ASSERT_EQ(0, skerry_register(self->b, "x"));
	EXPECT_EQ(0, skerry_forward(self->a, "n1", "x", "1", 1, NULL));
	EXPECT_TRUE(next_is(self->b, "1", "default", 0));
	EXPECT_EQ(0, skerry_forward(self->a, "n1", "x", "2", 1, &opts));
	EXPECT_TRUE(next_is(self->b, "2", "other", 0));
	EXPECT_EQ(0,
		  skerry_forward(self->a, NULL, "skerry:n1/x", "3", 1, &opts));
	EXPECT_TRUE(next_is(self->b, "3", "other", 0));
	EXPECT_EQ(0, skerry_forward(self->a, NULL, "x", "4", 1, NULL));
	EXPECT_TRUE(next_is(self->a, "4", "default", 0));
	EXPECT_EQ(0, skerry_cast(self->a, "n1", "x", "5", 1, NULL));
	EXPECT_TRUE(next_is(self->b, "5", "default", cast));
	EXPECT_EQ(0, skerry_cast(self->a, "n1", "x", "6", 1, &opts));
	EXPECT_TRUE(next_is(self->b, "6", "other", cast));
	EXPECT_EQ(0, skerry_cast(self->a, NULL, "skerry:n1/x", "7", 1, NULL));
	EXPECT_TRUE(next_is(self->b, "7", "default", cast));
	EXPECT_EQ(0, skerry_cast(self->a, NULL, "skerry:n1/x", "8", 1, &opts));
	EXPECT_TRUE(next_is(self->b, "8", "other", cast));
}

/* ---- a region ---------------------------------------------------------------------- */

/* On the full mesh every node is one hop away. */
TEST_F(behaviour, a_region_is_cut)
{
	struct skerry_partition_opts opts = { .size = sizeof(opts),
					      .duration_ms = 60000 };
	struct skerry_partition list[8];
	struct skerry_reference reference;

	ASSERT_EQ(0, skerry_sync_join(self->c, N0, WAIT_MS));
	ASSERT_TRUE(has_members(self->b, 3));
	ASSERT_TRUE(sees(self->b, "n2", SKERRY_STATE_UP));
	EXPECT_EQ(-EDQUOT,
		  skerry_inject_partition(self->a, "n0", 1, &opts, &reference));
	EXPECT_EQ(0, skerry_partitions(self->a, list, 8));
	opts.flags = SKERRY_PARTITION_FORCE;
	ASSERT_EQ(0,
		  skerry_inject_partition(self->a, "n0", 1, &opts, &reference))
	{
		TH_LOG("%s", skerry_last_error(self->a));
	}
	/* A pair of reference and spec for each participant, on every node. */
	EXPECT_EQ(3, skerry_partitions(self->c, list, 8));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, memcmp(&reference, &list[i].reference,
				    sizeof(reference)));
		EXPECT_STREQ("around", list[i].shape);
		EXPECT_STREQ("n0", list[i].origin);
		EXPECT_STREQ(nodes_name(i), list[i].spec.name);
		EXPECT_LT(0, list[i].remaining_ms);
	}
	EXPECT_TRUE(sees(self->a, "n1", SKERRY_STATE_DOWN));
	EXPECT_TRUE(sees(self->b, "n2", SKERRY_STATE_DOWN));
	EXPECT_TRUE(sees(self->c, "n0", SKERRY_STATE_DOWN));
	/* From another node than the one that was asked to cut. */
	EXPECT_EQ(0, skerry_resolve_partition(self->c, &reference))
	{
		TH_LOG("%s", skerry_last_error(self->c));
	}
	EXPECT_EQ(0, skerry_resolve_partition(self->a, &reference));
	EXPECT_EQ(0, skerry_partitions(self->a, NULL, 0));
	EXPECT_TRUE(sees(self->a, "n1", SKERRY_STATE_UP));
	EXPECT_TRUE(sees(self->b, "n2", SKERRY_STATE_UP));
	EXPECT_TRUE(sees(self->c, "n0", SKERRY_STATE_UP));
}

TEST_HARNESS_MAIN
