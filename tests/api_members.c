// SPDX-License-Identifier: GPL-2.0-only
/* The membership's calls on real agents. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "nodes.h"
#include "kselftest_harness.h"

#define N0 17280
#define N1 (17280 + 128)
#define N2 (17280 + 256)
#define WAIT_MS 15000

FIXTURE(members)
{
	struct nodes nodes;
	struct skerry *a; /* on n0, administrator */
	struct skerry *b; /* on n1, administrator */
};

FIXTURE_SETUP(members)
{
	static const char *const flags[] = { "--node-tag", "blue", "--node-tag",
					     "ssd", NULL };

	nodes_flags(flags);
	ASSERT_EQ(0, nodes_start_joined(&self->nodes, 3));
	self->a = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	self->b = nodes_open(&self->nodes, 1, SKERRY_OPEN_ADMIN);
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
}

FIXTURE_TEARDOWN(members)
{
	skerry_close(self->a);
	skerry_close(self->b);
	nodes_stop(&self->nodes);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Until the node has so many members. */
static int has_members(struct skerry *h, int count)
{
	uint64_t until = now_ms() + WAIT_MS;

	while (now_ms() < until) {
		if (skerry_members(h, NULL, 0) == count)
			return 1;
		usleep(20000);
	}
	printf("# %s has %d members\n", skerry_mynode(h),
	       skerry_members(h, NULL, 0));
	return 0;
}

struct counted {
	int rows;
	char state[16];
};

static void count_row(void *data, const void *row, size_t size_bytes)
{
	struct counted *counted = data;

	counted->rows++;
	tlv_find_str(row, size_bytes, SKERRY_K_STATE, counted->state,
		     sizeof(counted->state));
}

static int joins(struct skerry *h)
{
	struct counted counted = { 0 };

	return skerry_query(h, "joins", count_row, &counted);
}

static int has_joins(struct skerry *h, int count)
{
	uint64_t until = now_ms() + WAIT_MS;

	while (now_ms() < until) {
		if (joins(h) == count)
			return 1;
		usleep(20000);
	}
	return 0;
}

/* ---- who is there ---------------------------------------------------------------- */

TEST_F(members, specs_tell_everything)
{
	struct skerry_spec specs[4], me;
	int count;

	ASSERT_EQ(3, skerry_member_specs(self->a, specs, 4));
	for (int i = 0; i < 3; i++) {
		EXPECT_STREQ(nodes_name(i), specs[i].name);
		EXPECT_EQ(N0 + 128 * i, specs[i].port_block);
		EXPECT_EQ(1, specs[i].address_count);
		EXPECT_EQ(N0 + 128 * i, specs[i].address[0].port);
		EXPECT_STREQ("full", specs[i].overlay);
		ASSERT_EQ(2, specs[i].tag_count);
		EXPECT_STREQ("blue", specs[i].tag[0]);
		EXPECT_STREQ("ssd", specs[i].tag[1]);
		ASSERT_EQ(4, specs[i].channel_count);
		EXPECT_STREQ("membership", specs[i].channel[0].name);
		EXPECT_STREQ("stream", specs[i].channel[0].transport);
		EXPECT_STREQ("other", specs[i].channel[2].name);
		EXPECT_EQ(2, specs[i].channel[2].parallelism);
		EXPECT_STREQ("datagram", specs[i].channel[3].transport);
		EXPECT_NE(0, specs[i].incarnation);
		EXPECT_NE(0, specs[i].boot_nonce);
	}
	ASSERT_EQ(0, skerry_myself(self->a, &me));
	EXPECT_EQ(0, memcmp(&me, &specs[0], sizeof(me)));
	EXPECT_EQ(3, skerry_member_specs(self->a, NULL, 0));
	EXPECT_EQ(3, skerry_known(self->a, NULL, 0));

	/* One that is being joined by name is known, and no member. */
	ASSERT_EQ(0, skerry_join(self->a, "late=127.0.0.1:20480"));
	count = skerry_known(self->a, specs, 4);
	ASSERT_EQ(4, count);
	EXPECT_STREQ("late", specs[3].name);
	EXPECT_EQ(0, specs[3].incarnation);
	EXPECT_EQ(20480, specs[3].address[0].port);
	EXPECT_EQ(3, skerry_member_specs(self->a, NULL, 0));
	EXPECT_EQ(0, skerry_leave_node(self->a, "late"));
	EXPECT_EQ(3, skerry_known(self->a, NULL, 0));
}

TEST_F(members, state_and_decode)
{
	static uint8_t state[65536], other[65536];
	struct skerry_spec specs[4], before[4];
	int size;

	size = skerry_local_state(self->a, state, sizeof(state));
	ASSERT_LT(0, size);
	/* No room is no failure; what does not fit is not touched. */
	EXPECT_EQ(size, skerry_local_state(self->a, NULL, 0));
	memset(other, 0xee, sizeof(other));
	EXPECT_EQ(size, skerry_local_state(self->a, other, 100));
	EXPECT_EQ(0, memcmp(state, other, 100));
	EXPECT_EQ(0xee, other[100]);
	ASSERT_EQ(3, skerry_decode(state, (size_t)size, specs, 4));
	ASSERT_EQ(3, skerry_member_specs(self->a, before, 4));
	EXPECT_EQ(0, memcmp(specs, before, 3 * sizeof(specs[0])));
	EXPECT_EQ(3, skerry_decode(state, (size_t)size, specs, 1));
	EXPECT_EQ(3, skerry_decode(state, (size_t)size, NULL, 0));
	/* Anybody's bytes. */
	memset(specs, 0x11, sizeof(specs));
	memcpy(before, specs, sizeof(specs));
	EXPECT_EQ(-EPROTO, skerry_decode("nonsense", 8, specs, 4));
	EXPECT_EQ(-EPROTO, skerry_decode(state, 0, specs, 4));
	EXPECT_EQ(-EPROTO, skerry_decode(NULL, 0, specs, 4));
	EXPECT_EQ(-EPROTO, skerry_decode(state, (size_t)size - 1, specs, 4));
	state[4] ^= 2; /* of the format word */
	EXPECT_EQ(-EPROTO, skerry_decode(state, (size_t)size, specs, 4));
	EXPECT_EQ(0, memcmp(specs, before, sizeof(specs)));
	/* The removed are in it, and no members. */
	ASSERT_EQ(0, skerry_leave_node(self->a, "n2"));
	size = skerry_local_state(self->a, state, sizeof(state));
	EXPECT_EQ(2, skerry_decode(state, (size_t)size, specs, 4));
	EXPECT_NE(NULL, memmem(state, (size_t)size, "n2", 2));
}

/* ---- who shall be there ----------------------------------------------------------- */

TEST_F(members, update_members)
{
	static const char *const two[] = { "n0", "n1" };
	static const char *const unknown[] = { "n1", "nobody", "n2", "no-one" };
	static const char *const all[] = { "n1=127.0.0.1:17408",
					   "n2=127.0.0.1:17536" };
	static const char *const bad[] = { "n1", "not a name" };
	struct skerry *d;

	EXPECT_EQ(-ENOENT, skerry_update_members(self->a, unknown, 4));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "nobody, no-one"));
	EXPECT_EQ(-EINVAL, skerry_update_members(self->a, bad, 2));
	ASSERT_EQ(3, skerry_members(self->a, NULL, 0));
	/* With a join that leads nowhere: it goes, too. */
	ASSERT_EQ(0, skerry_join(self->a, "127.0.0.1:20480"));
	ASSERT_EQ(0, skerry_update_members(self->a, two, 2));
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
	EXPECT_EQ(0, joins(self->a));
	EXPECT_TRUE(has_members(self->b, 2));
	d = nodes_open(&self->nodes, 2, 0);
	ASSERT_NE(NULL, d);
	EXPECT_TRUE(has_members(d, 1));
	/* And back again, by name and address. */
	ASSERT_EQ(0, skerry_update_members(self->a, all, 2));
	EXPECT_TRUE(has_members(self->a, 3));
	EXPECT_TRUE(has_members(d, 3));
	/* This node alone. */
	ASSERT_EQ(0, skerry_update_members(self->a, NULL, 0));
	EXPECT_EQ(1, skerry_members(self->a, NULL, 0));
	EXPECT_TRUE(has_members(d, 1));
	skerry_close(d);
}

TEST_F(members, a_removed_node_becomes_single_and_may_join_again)
{
	struct skerry *d = nodes_open(&self->nodes, 2, SKERRY_OPEN_ADMIN);

	ASSERT_NE(NULL, d);
	ASSERT_EQ(0, skerry_leave_node(self->a, "n2"));
	EXPECT_TRUE(has_members(d, 1));
	EXPECT_TRUE(has_members(self->b, 2));
	EXPECT_EQ(-EHOSTUNREACH, skerry_leave_node(self->a, "n2"));
	ASSERT_EQ(0, skerry_sync_join(d, "127.0.0.1:17408", WAIT_MS));
	EXPECT_TRUE(has_members(self->a, 3));

	/* While it is not there to hear of it, over its restart. */
	skerry_close(d);
	nodes_signal(&self->nodes, 2, SIGSTOP);
	ASSERT_EQ(0, skerry_leave_node(self->a, "n2"));
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
	nodes_signal(&self->nodes, 2, SIGKILL);
	usleep(500000);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 2));
	d = nodes_open(&self->nodes, 2, 0);
	ASSERT_NE(NULL, d);
	EXPECT_TRUE(has_members(d, 1));
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
	EXPECT_EQ(2, skerry_members(self->b, NULL, 0));
	skerry_close(d);
}

/* ---- lanes ---------------------------------------------------------------------------- */

/* Connected TCP sockets of one agent to another, as the kernel has them. */
static int sockets(int from, int to)
{
	FILE *file = fopen("/proc/self/net/tcp", "r");
	unsigned int local, remote, state;
	char line[256];
	int count = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*d: %*x:%x %*x:%x %x", &local, &remote,
			   &state) != 3)
			continue;
		count += local / 128 == (unsigned int)from / 128 &&
			 remote / 128 == (unsigned int)to / 128 &&
			 (state == 1 || state == 8);
	}
	fclose(file);
	return count;
}

struct closed {
	int calls, errors, open;
	char last[64];
};

static void on_closed(void *data, const char *node, int error)
{
	struct closed *closed = data;

	closed->calls++;
	closed->errors += error != 0;
	closed->open += error ? 0 : sockets(N0, N1);
	snprintf(closed->last, sizeof(closed->last), "%s", node);
}

static int connected(int from, int to)
{
	uint64_t until = now_ms() + WAIT_MS;

	/* membership, default, two of other */
	while (sockets(from, to) != 4 && now_ms() < until)
		usleep(20000);
	return sockets(from, to);
}

TEST_F(members, disconnect_closes_sockets)
{
	static const char *const one[] = { "n1" };
	static const char *const some[] = { "nobody", "n1", "n0" };
	struct skerry_member list[3];
	struct closed closed = { 0 };
	struct skerry_spec spec = { .name = "n1" };
	uint64_t began;

	ASSERT_EQ(4, connected(N0, N1));
	began = now_ms();
	ASSERT_EQ(0, skerry_disconnect(self->a, one, 1, on_closed, &closed));
	EXPECT_EQ(1, closed.calls);
	EXPECT_EQ(0, closed.errors);
	EXPECT_EQ(0, closed.open);
	EXPECT_STREQ("n1", closed.last);
	/* The others' are untouched, and so is membership. */
	EXPECT_EQ(4, sockets(N0, N2));
	ASSERT_EQ(3, skerry_members(self->a, list, 3));
	EXPECT_NE(SKERRY_STATE_DOWN, list[1].state);
	while (now_ms() < began + 1500) {
		ASSERT_EQ(0, sockets(N0, N1));
		usleep(50000);
	}
	EXPECT_EQ(4, connected(N0, N1));

	/* Each has its own outcome; the call says the first error. */
	memset(&closed, 0, sizeof(closed));
	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_disconnect(self->a, some, 3, on_closed, &closed));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->a), "nobody"));
	EXPECT_EQ(3, closed.calls);
	EXPECT_EQ(2, closed.errors);
	EXPECT_EQ(0, closed.open);
	began = now_ms();
	ASSERT_EQ(0, skerry_connect(self->a, &spec, 0, NULL, 0));
	EXPECT_EQ(4, connected(N0, N1));
	EXPECT_GT(began + WAIT_MS, now_ms());
	EXPECT_EQ(0, skerry_disconnect(self->a, NULL, 0, NULL, NULL));
}

TEST_F(members, stale_specs_are_pruned)
{
	struct skerry_spec spec = { .name = "n1", .address_count = 1 };
	struct skerry_spec stale[2], real[3];
	struct skerry_address *address = &spec.address[0];

	address->ip[10] = address->ip[11] = 0xff;
	address->ip[12] = 127;
	address->ip[15] = 1;
	address->port = 20480; /* nobody listens */
	ASSERT_EQ(0, skerry_join(self->b, "n2=127.0.0.1:20480"));
	ASSERT_EQ(0, skerry_join(self->a, "n1=127.0.0.1:20480"));
	ASSERT_EQ(0, skerry_join(self->a, "n1=127.0.0.1:20608"));
	EXPECT_EQ(2, skerry_connect(self->a, &spec, SKERRY_CONNECT_PRUNE, stale,
				    2));
	EXPECT_STREQ("n1", stale[0].name);
	EXPECT_EQ(1, stale[0].address_count);
	EXPECT_EQ(20480, stale[0].address[0].port);
	EXPECT_EQ(20608, stale[1].address[0].port);
	EXPECT_EQ(0, joins(self->a));
	/* Another name at that address is another matter. */
	usleep(300000);
	EXPECT_EQ(1, joins(self->b));
	spec = (struct skerry_spec) { .name = "n2" };
	EXPECT_EQ(1, skerry_connect(self->b, &spec, SKERRY_CONNECT_PRUNE, stale,
				    2));
	EXPECT_TRUE(has_joins(self->b, 0));
	/* What it really has is not stale. */
	ASSERT_EQ(3, skerry_member_specs(self->a, real, 3));
	EXPECT_EQ(0, skerry_connect(self->a, &real[1], SKERRY_CONNECT_PRUNE,
				    stale, 2));
	EXPECT_EQ(4, connected(N0, N1));
	EXPECT_EQ(-EHOSTUNREACH, skerry_leave_node(self->a, "nobody"));
	strcpy(spec.name, "nobody");
	EXPECT_EQ(-EHOSTUNREACH, skerry_connect(self->a, &spec, 0, NULL, 0));
	strcpy(spec.name, "no name");
	EXPECT_EQ(-EINVAL, skerry_connect(self->a, &spec, 0, NULL, 0));
	strcpy(spec.name, "n1");
	EXPECT_EQ(-EINVAL, skerry_connect(self->a, &spec, 8, NULL, 0));
}

/* A place where nothing answers: a listener whose queue is full. */
static int black_hole(int fds[3], uint16_t *ret_port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(20480),
	};

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fds[0], (struct sockaddr *)&to, sizeof(to)) ||
	    listen(fds[0], 0))
		return -errno;
	for (int i = 1; i < 3; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&to, sizeof(to));
	}
	*ret_port = 20480;
	return 0;
}

TEST_F(members, the_agent_answers_while_it_dials)
{
	struct counted counted = { 0 };
	uint64_t began, worst = 0, dialling = 0, answered = 0;
	uint16_t port;
	int fds[3];

	ASSERT_EQ(0, black_hole(fds, &port));
	ASSERT_EQ(0, skerry_join(self->a, "127.0.0.1:20480"));
	began = now_ms();
	while (now_ms() < began + 2500) {
		uint64_t asked = now_ms(), took;

		ASSERT_EQ(1,
			  skerry_query(self->a, "joins", count_row, &counted));
		took = now_ms() - asked;
		worst = took > worst ? took : worst;
		dialling += !strcmp(counted.state, "dialling");
		answered++;
		usleep(10000);
	}
	/* One dial lasts 3 s; nothing waited for it. */
	EXPECT_LT(20, answered);
	EXPECT_LE(answered - answered / 4, dialling);
	EXPECT_GT(1500, worst);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* ---- watches ---------------------------------------------------------------------------- */

struct seen {
	int ups, downs;
	uint64_t transitions;
	char node[64], channel[32];
};

static void on_change(void *data, const struct skerry_change *change)
{
	struct seen *seen = data;

	seen->ups += change->up;
	seen->downs += !change->up;
	seen->transitions = change->transitions;
	snprintf(seen->node, sizeof(seen->node), "%s", change->node);
	snprintf(seen->channel, sizeof(seen->channel), "%s",
		 change->channel ? change->channel : "");
}

static int dispatch_until(struct skerry *h, const int *value, int wanted)
{
	uint64_t until = now_ms() + WAIT_MS;

	while (*value < wanted && now_ms() < until)
		skerry_dispatch(h, 50);
	return *value;
}

TEST_F(members, channel_watches_fire)
{
	static const char *const one[] = { "n1" };
	struct seen up = { 0 }, down = { 0 }, any = { 0 }, gone = { 0 };
	int any_watch, up_watch;

	up_watch = skerry_on_up(self->a, "n1", "other", on_change, &up);
	ASSERT_LT(0, up_watch);
	ASSERT_LT(0, skerry_on_down(self->a, "n1", "other", on_change, &down));
	any_watch = skerry_on_down(self->a, NULL, "default", on_change, &any);
	ASSERT_LT(0, any_watch);
	EXPECT_EQ(-ENOENT, skerry_on_up(self->a, NULL, "none", on_change, &up));
	/* What holds at first. */
	EXPECT_EQ(1, dispatch_until(self->a, &up.ups, 1));
	EXPECT_EQ(0, up.transitions);
	EXPECT_STREQ("other", up.channel);
	skerry_dispatch(self->a, 0);
	EXPECT_EQ(0, down.downs);
	EXPECT_EQ(0, any.downs);
	/* Its last lane goes, its first one comes. */
	ASSERT_EQ(0, skerry_disconnect(self->a, one, 1, NULL, NULL));
	EXPECT_EQ(1, dispatch_until(self->a, &down.downs, 1));
	EXPECT_EQ(1, dispatch_until(self->a, &any.downs, 1));
	EXPECT_EQ(1, down.transitions);
	EXPECT_STREQ("n1", any.node);
	EXPECT_STREQ("default", any.channel);
	EXPECT_EQ(2, dispatch_until(self->a, &up.ups, 2));
	EXPECT_EQ(2, up.transitions);
	EXPECT_EQ(0, up.downs);
	EXPECT_EQ(0, down.ups);
	/* Not any more. */
	EXPECT_EQ(0, skerry_unwatch(self->a, any_watch));
	EXPECT_EQ(-ENOENT, skerry_unwatch(self->a, any_watch));
	/* A node, any node, that goes for good. */
	ASSERT_LT(0, skerry_on_down(self->a, NULL, NULL, on_change, &gone));
	nodes_signal(&self->nodes, 1, SIGKILL);
	EXPECT_EQ(1, dispatch_until(self->a, &gone.downs, 1));
	EXPECT_STREQ("n1", gone.node);
	EXPECT_EQ(2, dispatch_until(self->a, &down.downs, 2));
	EXPECT_EQ(1, any.downs);
}

/* ---- places ------------------------------------------------------------------------------ */

FIXTURE(places)
{
	struct nodes nodes;
	struct skerry *a;
};

FIXTURE_SETUP(places)
{
	static const char *const flags[] = { "--overlay-members_max", "2",
					     NULL };

	nodes_flags(flags);
	ASSERT_EQ(0, nodes_start(&self->nodes, 3));
	self->a = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	ASSERT_NE(NULL, self->a);
}

FIXTURE_TEARDOWN(places)
{
	skerry_close(self->a);
	nodes_stop(&self->nodes);
}

TEST_F(places, reserve)
{
	static const char *const tagged[] = { "--overlay-members_max", "2",
					      "--node-tag", "db", NULL };
	struct skerry *b, *d;
	uint64_t until = now_ms() + WAIT_MS;

	EXPECT_EQ(-EINVAL, skerry_reserve(self->a, ""));
	EXPECT_EQ(-EINVAL, skerry_reserve(self->a, NULL));
	ASSERT_EQ(0, skerry_reserve(self->a, "db"));
	EXPECT_EQ(-ENOSPC, skerry_reserve(self->a, "db"));
	EXPECT_EQ(-ENOSPC, skerry_reserve(self->a, "other"));
	b = nodes_open(&self->nodes, 1, SKERRY_OPEN_ADMIN);
	ASSERT_NE(NULL, b);
	/* The last place is kept. */
	EXPECT_NE(0, skerry_sync_join(b, "127.0.0.1:17280", 1000));
	EXPECT_NE(NULL, strstr(skerry_last_error(b), "reserved"))
	{
		TH_LOG("%s", skerry_last_error(b));
	}
	EXPECT_EQ(1, skerry_members(self->a, NULL, 0));
	EXPECT_TRUE(skerry_leave_node(b, "127.0.0.1:17280") == 0 ||
		    joins(b) == 0);
	/* Also when the agent was restarted. */
	nodes_signal(&self->nodes, 0, SIGKILL);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 0));
	while (skerry_members(self->a, NULL, 0) < 0 && now_ms() < until)
		usleep(50000);
	EXPECT_NE(0, skerry_sync_join(b, "127.0.0.1:17280", 1000));
	EXPECT_EQ(1, skerry_members(self->a, NULL, 0));
	EXPECT_TRUE(skerry_leave_node(b, "127.0.0.1:17280") == 0 ||
		    joins(b) == 0);
	/* For one with the tag. */
	nodes_signal(&self->nodes, 2, SIGKILL);
	nodes_flags(tagged);
	ASSERT_EQ(0, nodes_start_one(&self->nodes, 2));
	d = nodes_open(&self->nodes, 2, SKERRY_OPEN_ADMIN);
	ASSERT_NE(NULL, d);
	ASSERT_EQ(0, skerry_sync_join(d, "127.0.0.1:17280", WAIT_MS))
	{
		TH_LOG("%s", skerry_last_error(d));
	}
	EXPECT_EQ(2, skerry_members(self->a, NULL, 0));
	/* It goes, and so does the handle: the place is anybody's. */
	ASSERT_EQ(0, skerry_leave_node(self->a, "n2"));
	EXPECT_NE(0, skerry_sync_join(b, "127.0.0.1:17280", 1000));
	EXPECT_TRUE(skerry_leave_node(b, "127.0.0.1:17280") == 0 ||
		    joins(b) == 0);
	skerry_close(self->a);
	self->a = NULL;
	EXPECT_EQ(0, skerry_sync_join(b, "127.0.0.1:17280", WAIT_MS))
	{
		TH_LOG("%s", skerry_last_error(b));
	}
	skerry_close(b);
	skerry_close(d);
}

TEST_HARNESS_MAIN
