// SPDX-License-Identifier: GPL-2.0-only
/* Loading, what is there and what is not, pins, adoption, the lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_node.h"
#include "kselftest_harness.h"
#include "netns.h"

#define BASE 17280

static const char *const features[] = { "tcx",	   "timer",	"sk_assign",
					"ringbuf", "iterators", "mmap_meta" };

static const char *const pins[] = {
	"skerry_meta",	"skerry_addrs",	 "skerry_peers",   "skerry_conns",
	"skerry_rules", "skerry_drops",	 "skerry_fast",	   "skerry_exempt",
	"skerry_devs",	"skerry_events", "skerry_reasons", "skerry_gen",
	"skerry_cidr",
};

FIXTURE(load)
{
	struct kernel *k;
	int net;
};

FIXTURE_SETUP(load)
{
	bpf_node_wipe();
	self->k = NULL;
	self->net = netns_make();
	ASSERT_GE(self->net, 0);
	ASSERT_EQ(0, netns_enter(self->net));
}

FIXTURE_TEARDOWN(load)
{
	kernel_close(self->k, false);
	bpf_node_wipe();
}

static bool pinned(const char *node, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/v1/%s", bpf_node_root(), node,
		 name);
	return access(path, F_OK) == 0;
}

TEST_F(load, pins_are_where_people_look)
{
	struct stat st;
	char path[256];
	size_t i;

	ASSERT_EQ(0, bpf_node_open(&self->k, "a.b", BASE, NULL));
	for (i = 0; i < ARRAY_SIZE(pins); i++)
		EXPECT_TRUE(pinned("a,b", pins[i]))
		{
			TH_LOG("%s", pins[i]);
		}
	snprintf(path, sizeof(path), "%s/a,b", bpf_node_root());
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0750, st.st_mode & 07777);
}

TEST_F(load, clean_close_leaves_nothing)
{
	struct stat st;
	char path[256];

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	ASSERT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
	kernel_close(self->k, true);
	self->k = NULL;
	snprintf(path, sizeof(path), "%s/n", bpf_node_root());
	EXPECT_EQ(-1, stat(path, &st));
}

TEST_F(load, each_feature_can_be_denied)
{
	enum kernel_feature feature;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, features[i]));
		ASSERT_EQ(0, kernel_feature_parse(features[i], &feature));
		EXPECT_STREQ(features[i], kernel_feature_name(feature));
		EXPECT_FALSE(kernel_supported(self->k, feature));
		EXPECT_TRUE(kernel_supported(self->k, KERNEL_BPF));
		EXPECT_EQ(feature == KERNEL_RINGBUF,
			  kernel_event_fd(self->k) < 0);
		EXPECT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
		EXPECT_EQ(0,
			  bpf_node_cut(self->k, 1, 1, CORE_PEER_EVERYBODY,
				       DIRECTION_BOTH, VISIBILITY_WIRE, 60000));
		EXPECT_EQ(0, bpf_node_commit(self->k));
		EXPECT_EQ(0, kernel_cut_del(self->k, 1));
		EXPECT_EQ(0, bpf_node_commit(self->k));
		kernel_close(self->k, true);
		self->k = NULL;
	}
	EXPECT_EQ(-ENOENT, kernel_feature_parse("tc", &feature));
}

TEST_F(load, all_denied_at_once)
{
	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE,
				   "tcx,timer,sk_assign,ringbuf,iterators,"
				   "mmap_meta"));
	EXPECT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
	EXPECT_FALSE(pinned("n", "skerry_events"));
	EXPECT_FALSE(pinned("n", "tables/rules"));
}

TEST_F(load, without_bpf_nothing_is_touched)
{
	struct skerry_addr addr = {};
	struct skerry_drop drop;
	struct kernel_config config = { .pin_root = bpf_node_root(),
					.node = "n",
					.none = true };
	char text[256];

	ASSERT_EQ(0, kernel_open(&config, &self->k, text));
	EXPECT_FALSE(kernel_supported(self->k, KERNEL_BPF));
	EXPECT_FALSE(kernel_supported(self->k, KERNEL_TCX));
	EXPECT_EQ(0, kernel_attach(self->k, 1, "lo", DEV_JUDGE_BOTH));
	EXPECT_EQ(0, kernel_peer(self->k, 1, "p", &addr, 1, PEER_UP));
	EXPECT_EQ(0, kernel_peer_id(self->k, 1));
	EXPECT_EQ(0, bpf_node_cut(self->k, 1, 1, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 0));
	EXPECT_EQ(0, bpf_node_commit(self->k));
	EXPECT_EQ(-ENOENT, kernel_drops(self->k, 1, &drop));
	EXPECT_FALSE(kernel_lease(self->k));
	EXPECT_EQ(-1, kernel_event_fd(self->k));
	EXPECT_EQ(-1, access(bpf_node_root(), F_OK));
}

TEST_F(load, one_agent_at_a_time)
{
	struct kernel_config config = { .pin_root = bpf_node_root(),
					.node = "n",
					.port_base = BASE };
	struct kernel *second;
	char text[256], pid[16];

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	ASSERT_EQ(-EBUSY, kernel_open(&config, &second, text));
	snprintf(pid, sizeof(pid), "%d", getpid());
	EXPECT_NE(NULL, strstr(text, pid))
	{
		TH_LOG("%s", text);
	}
	kernel_close(self->k, false);
	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
}

static int open_as_nobody(const char *root)
{
	struct kernel_config config = { .pin_root = root,
					.node = "n",
					.port_base = BASE };
	struct kernel *k;
	char text[256];
	int status;
	pid_t child;

	child = fork();
	if (child == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(1);
		if (kernel_open(&config, &k, text) != -EPERM)
			_exit(2);
		_exit(strstr(text, "CAP_BPF") ? 0 : 3);
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

TEST_F(load, without_privileges_it_says_what_is_missing)
{
	EXPECT_EQ(0, open_as_nobody(bpf_node_root()));
}

TEST_F(load, another_layout_is_refused_by_name)
{
	struct kernel_config config = { .pin_root = bpf_node_root(),
					.node = "n",
					.port_base = BASE };
	char text[256], path[256], out[256];
	int fd;

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	kernel_close(self->k, false);
	self->k = NULL;
	snprintf(path, sizeof(path), "%s/n/v1/skerry_rules", bpf_node_root());
	ASSERT_EQ(0, netns_read(out, sizeof(out), "rm %s", path));
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "skerry_rules", 8, 8, 1, NULL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, bpf_obj_pin(fd, path));
	close(fd);
	EXPECT_EQ(-EPROTO, kernel_open(&config, &self->k, text));
	EXPECT_NE(NULL, strstr(text, path))
	{
		TH_LOG("%s", text);
	}
}

static struct skerry_rule first_rule(const char *node, uint64_t *ret_id)
{
	int fd = bpf_node_map(node, "skerry_rules");
	struct skerry_rule rule = {};

	*ret_id = 0;
	if (!bpf_map_get_next_key(fd, NULL, ret_id))
		bpf_map_lookup_elem(fd, ret_id, &rule);
	close(fd);
	return rule;
}

static uint32_t active_rules(const char *node)
{
	int fd = bpf_node_map(node, "skerry_meta");
	struct skerry_meta meta = {};
	uint32_t zero = 0;

	bpf_map_lookup_elem(fd, &zero, &meta);
	close(fd);
	return meta.active_rules;
}

TEST_F(load, what_was_left_is_adopted)
{
	struct skerry_addr addr = netns_addr(1, false, BASE);
	struct skerry_rule rule;
	uint64_t id, again, now;
	uint32_t peer;

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	ASSERT_EQ(0, kernel_peer(self->k, 0, "other", &addr, 1, PEER_UP));
	addr = netns_addr(2, false, BASE);
	ASSERT_EQ(0, kernel_peer(self->k, 1, "p", &addr, 1, PEER_UP));
	peer = kernel_peer_id(self->k, 1);
	ASSERT_NE(0, peer);
	ASSERT_EQ(0, bpf_node_cut(self->k, 1, 42, 1, DIRECTION_IN,
				  VISIBILITY_LOCAL, 0));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	rule = first_rule("n", &id);
	EXPECT_EQ(0, rule.deadline_ns);
	EXPECT_EQ(42, rule.reference[0]);
	EXPECT_EQ(peer, rule.peer);
	kernel_close(self->k, true); /* not clean: a rule is in force */

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	now = bpf_node_boot_ns();
	rule = first_rule("n", &again);
	EXPECT_EQ(id, again);
	EXPECT_EQ(1, active_rules("n"));
	EXPECT_LT(now + 8000000000ULL, rule.deadline_ns);
	EXPECT_GT(now + 12000000000ULL, rule.deadline_ns);

	/* The same peer under another number, the same cut taken over. */
	ASSERT_EQ(0, kernel_peer(self->k, 5, "p", &addr, 1, PEER_UP));
	EXPECT_EQ(peer, kernel_peer_id(self->k, 5));
	ASSERT_EQ(0, bpf_node_cut(self->k, 9, 42, 5, DIRECTION_IN,
				  VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	rule = first_rule("n", &again);
	EXPECT_EQ(id, again);
	EXPECT_EQ(0, rule.deadline_ns);
	EXPECT_EQ(VISIBILITY_WIRE, rule.visibility);
	EXPECT_EQ(1, active_rules("n"));

	/* Lifted, and the next id is a new one. */
	ASSERT_EQ(0, kernel_cut_del(self->k, 9));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	first_rule("n", &again);
	EXPECT_EQ(0, again);
	EXPECT_EQ(0, active_rules("n"));
	ASSERT_EQ(0, bpf_node_cut(self->k, 10, 42, 5, DIRECTION_IN,
				  VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	first_rule("n", &again);
	EXPECT_LT(id, again);
}

TEST_F(load, a_lease_that_ran_out_is_not_given_back)
{
	struct skerry_meta meta;
	struct skerry_rule rule;
	uint32_t zero = 0;
	uint64_t id, past;
	int fd;

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->k, 1, 1, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	kernel_close(self->k, false);
	past = bpf_node_boot_ns() - 1;
	fd = bpf_node_map("n", "skerry_meta");
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &zero, &meta));
	meta.lease_end_ns = past;
	ASSERT_EQ(0, bpf_map_update_elem(fd, &zero, &meta, BPF_ANY));
	close(fd);
	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, "timer"));
	rule = first_rule("n", &id);
	EXPECT_EQ(past, rule.deadline_ns);
	EXPECT_FALSE(kernel_lease(self->k));
	first_rule("n", &id);
	EXPECT_EQ(0, id); /* swept */
	EXPECT_EQ(0, active_rules("n"));
}

TEST_F(load, peers_keep_their_ids)
{
	struct skerry_addr addr[2] = { netns_addr(1, false, BASE),
				       netns_addr(1, true, BASE) };
	struct skerry_addr_key key = { .block = BASE };
	struct skerry_addr_value value;
	uint32_t first, second;
	int fd;

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	fd = bpf_node_map("n", "skerry_addrs");
	ASSERT_EQ(0, kernel_peer(self->k, 3, "p", addr, 2, PEER_UP));
	first = kernel_peer_id(self->k, 3);
	ASSERT_EQ(0, kernel_peer(self->k, 4, "q", addr, 1, PEER_UP));
	second = kernel_peer_id(self->k, 4);
	EXPECT_NE(first, second);
	/* The address is the second's now; the first takes only its own. */
	kernel_peer_gone(self->k, 3);
	EXPECT_EQ(0, kernel_peer_id(self->k, 3));
	memcpy(key.ip, addr[0].ip, 16);
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &key, &value));
	EXPECT_EQ(second, value.peer);
	memcpy(key.ip, addr[1].ip, 16);
	EXPECT_EQ(-ENOENT, bpf_map_lookup_elem(fd, &key, &value));
	/* Back again: never the old id. */
	ASSERT_EQ(0, kernel_peer(self->k, 3, "p", addr + 1, 1, PEER_UP));
	EXPECT_LT(second, kernel_peer_id(self->k, 3));
	/* A peer that is cut stays cut when it is gone. */
	first = kernel_peer_id(self->k, 3);
	ASSERT_EQ(0, bpf_node_cut(self->k, 1, 1, 3, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 60000));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	kernel_peer_gone(self->k, 3);
	ASSERT_EQ(0, bpf_map_lookup_elem(fd, &key, &value));
	EXPECT_EQ(first, value.peer);
	ASSERT_EQ(0, kernel_cut_del(self->k, 1));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	EXPECT_EQ(-ENOENT, bpf_map_lookup_elem(fd, &key, &value));
	close(fd);
}

TEST_F(load, cuts_that_make_no_sense_are_refused)
{
	struct skerry_addr addr = netns_addr(1, false, BASE);
	struct core_cut channel = { .handle = 9,
				    .peer = CORE_PEER_EVERYBODY,
				    .channel = "default" };
	struct core_cut loss = { .handle = 9,
				 .peer = CORE_PEER_EVERYBODY,
				 .loss_ppm = 1000001 };
	struct core_cut prefix = { .handle = 9,
				   .peer = CORE_PEER_ADDRESS,
				   .prefix_bits = 129 };
	uint32_t i;

	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	ASSERT_EQ(0, kernel_peer(self->k, 1, "p", &addr, 1, PEER_UP));
	EXPECT_EQ(-ENOENT, bpf_node_cut(self->k, 1, 1, 2, DIRECTION_BOTH,
					VISIBILITY_WIRE, 0));
	EXPECT_EQ(-EINVAL, bpf_node_cut(self->k, 1, 1, 1, DIRECTION_BOTH,
					VISIBILITY_SEVER + 1, 0));
	EXPECT_EQ(-EINVAL, kernel_cut_add(self->k, &loss, 1));
	EXPECT_EQ(-EINVAL, kernel_cut_add(self->k, &prefix, 1));
	EXPECT_EQ(-EOPNOTSUPP, kernel_cut_add(self->k, &channel, 1));
	EXPECT_EQ(-ENOENT, kernel_cut_del(self->k, 1));
	for (i = 0; i < SKERRY_RULES_PER_PEER_MAX; i++)
		ASSERT_EQ(0, bpf_node_cut(self->k, i, i, 1, DIRECTION_BOTH,
					  VISIBILITY_WIRE, 0));
	EXPECT_EQ(-EEXIST, bpf_node_cut(self->k, 0, 0, 1, DIRECTION_BOTH,
					VISIBILITY_WIRE, 0));
	EXPECT_EQ(-ENOSPC, bpf_node_cut(self->k, i, i, 1, DIRECTION_BOTH,
					VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, kernel_cut_del(self->k, 3));
	EXPECT_EQ(0, bpf_node_cut(self->k, i, i, 1, DIRECTION_BOTH,
				  VISIBILITY_WIRE, 0));
	ASSERT_EQ(0, kernel_prepare(self->k));
	EXPECT_EQ(-EBUSY, kernel_prepare(self->k));
	kernel_settled(self->k, kernel_swap(self->k));
	EXPECT_EQ(8, active_rules("n"));
}

TEST_F(load, devices_that_are_not_there)
{
	ASSERT_EQ(0, bpf_node_open(&self->k, "n", BASE, NULL));
	EXPECT_EQ(-ENODEV,
		  kernel_attach(self->k, 4711, "eth9", DEV_JUDGE_BOTH));
	EXPECT_EQ(0, kernel_detach(self->k, 4711));
}

TEST_F(load, heal_without_an_agent)
{
	uint64_t id;

	ASSERT_EQ(0, bpf_node_open(&self->k, "n.1", BASE, NULL));
	ASSERT_EQ(0, bpf_node_cut(self->k, 1, 1, CORE_PEER_EVERYBODY,
				  DIRECTION_BOTH, VISIBILITY_WIRE, 60000));
	ASSERT_EQ(0, bpf_node_commit(self->k));
	kernel_close(self->k, false);
	self->k = NULL;
	EXPECT_EQ(-ENOENT, kernel_heal_local(bpf_node_root(), "m"));
	EXPECT_EQ(1, kernel_heal_local(bpf_node_root(), "n.1"));
	EXPECT_EQ(0, kernel_heal_local(bpf_node_root(), NULL));
	first_rule("n,1", &id);
	EXPECT_EQ(0, id);
	EXPECT_EQ(0, kernel_heal_local("/sys/fs/bpf/skerry-none", NULL));
}

TEST_HARNESS_MAIN
