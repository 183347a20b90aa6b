// SPDX-License-Identifier: GPL-2.0-only
/* Rules in time: deadlines, the lease, timers and those without. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_pair.h"
#include "kselftest_harness.h"
#include "netsock.h"

#define MINUTE_MS 60000

FIXTURE(time)
{
	struct bpf_pair pair;
};

FIXTURE_SETUP(time)
{
	ASSERT_EQ(0, bpf_pair_make(&self->pair));
}

FIXTURE_TEARDOWN(time)
{
	bpf_pair_free(&self->pair);
}

static void set_lease(const char *node, int64_t from_now_ms)
{
	int fd = bpf_node_map(node, "skerry_meta");
	struct skerry_meta meta;
	uint32_t zero = 0;

	bpf_map_lookup_elem(fd, &zero, &meta);
	meta.lease_end_ns = bpf_node_boot_ns() + from_now_ms * 1000000;
	bpf_map_update_elem(fd, &zero, &meta, BPF_ANY);
	close(fd);
}

struct told {
	int first_drop, expired, lease_out;
	uint64_t rule;
};

static void on_event(void *data, const struct skerry_kernel_event *event)
{
	struct told *told = data;

	told->first_drop += event->kind == EVENT_FIRST_DROP;
	told->expired += event->kind == EVENT_RULE_EXPIRED;
	told->lease_out += event->kind == EVENT_LEASE_OUT;
	told->rule = event->rule;
}

TEST_F(time, the_timer_tidies_up_and_events_tell)
{
	struct told told = {};
	struct skerry_drop drop;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_TRUE(kernel_supported(self->pair.k, KERNEL_TIMER));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, time_scaled(300)));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_EQ(1, bpf_pair_rules("a"));
	netsock_burst(self->pair.sender, &self->pair.to, 5);
	ASSERT_GE(kernel_event_fd(self->pair.k), 0);
	ASSERT_EQ(1, kernel_events(self->pair.k, on_event, &told));
	EXPECT_EQ(1, told.first_drop);
	EXPECT_EQ(1, told.rule);
	bpf_node_sleep_ms(time_scaled(400));
	EXPECT_EQ(0, bpf_pair_rules("a"));
	ASSERT_EQ(1, kernel_events(self->pair.k, on_event, &told));
	EXPECT_EQ(1, told.expired);
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	/* The ledger is still there. */
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_EQ(5, drop.dropped);
}

TEST_F(time, without_timers_the_agent_sweeps)
{
	struct skerry_drop drop;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, "timer"));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 100));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	bpf_node_sleep_ms(150);
	EXPECT_EQ(1, bpf_pair_rules("a"));
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_EQ(5, drop.expired_seen);
	EXPECT_FALSE(kernel_lease(self->pair.k));
	EXPECT_EQ(0, bpf_pair_rules("a"));
	ASSERT_EQ(0, kernel_cut_del(self->pair.k, 1));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
}

static void lease_runs_out(struct __test_metadata *_metadata,
			   FIXTURE_DATA(time) * self)
{
	struct told told = {};
	struct skerry_drop drop;

	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	EXPECT_FALSE(kernel_lease(self->pair.k));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	bpf_node_sleep_ms(time_scaled(500));
	EXPECT_EQ(7, bpf_pair_arrive(&self->pair, 7));
	ASSERT_EQ(0, kernel_drops(self->pair.k, 1, &drop));
	EXPECT_EQ(5, drop.dropped);
	EXPECT_EQ(7, drop.leaked);
	if (kernel_supported(self->pair.k, KERNEL_RINGBUF)) {
		kernel_events(self->pair.k, on_event, &told);
		EXPECT_EQ(1, told.lease_out);
	}
}

TEST_F(time, the_lease_ends_what_has_no_deadline)
{
	bpf_node_lease_ms = time_scaled(400);
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	lease_runs_out(_metadata, self);
	/* The agent is back: it is told of the gap, and the cut holds. */
	EXPECT_TRUE(kernel_lease(self->pair.k));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
	EXPECT_FALSE(kernel_lease(self->pair.k));
}

TEST_F(time, the_lease_by_system_call)
{
	bpf_node_lease_ms = time_scaled(400);
	ASSERT_EQ(0, bpf_pair_begin(&self->pair, "mmap_meta,ringbuf"));
	lease_runs_out(_metadata, self);
	EXPECT_TRUE(kernel_lease(self->pair.k));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
}

TEST_F(time, taken_away_by_timers_they_come_back_with_the_lease)
{
	int fd;
	uint64_t id;

	ASSERT_EQ(0, bpf_pair_begin(&self->pair, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->pair.k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, bpf_node_commit(self->pair.k));
	set_lease("a", 0);
	/* As the timer would after the grace. */
	fd = bpf_node_map("a", "skerry_rules");
	ASSERT_EQ(0, bpf_map_get_next_key(fd, NULL, &id));
	ASSERT_EQ(0, bpf_map_delete_elem(fd, &id));
	close(fd);
	EXPECT_EQ(5, bpf_pair_arrive(&self->pair, 5));
	EXPECT_TRUE(kernel_lease(self->pair.k));
	EXPECT_EQ(1, bpf_pair_rules("a"));
	EXPECT_EQ(0, bpf_pair_arrive(&self->pair, 5));
}

TEST_HARNESS_MAIN
