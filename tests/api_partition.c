// SPDX-License-Identifier: GPL-2.0-only
/* Shapes, explain and verify through the client API, on agents that cut
 * without the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "nodes.h"
#include "kselftest_harness.h"

FIXTURE(three)
{
	struct nodes nodes;
	struct skerry *h; /* on n0 */
};

FIXTURE_SETUP(three)
{
	ASSERT_EQ(0, nodes_start_joined(&self->nodes, 3));
	self->h = nodes_open(&self->nodes, 0, SKERRY_OPEN_ADMIN);
	ASSERT_NE(NULL, self->h);
}

FIXTURE_TEARDOWN(three)
{
	skerry_close(self->h);
	nodes_stop(&self->nodes);
}

/* "n0>n1:cut n1>n0:cut ", and that all counters are there. */
static char edges[1024];

static void on_edge(void *data, const struct skerry_edge *edge)
{
	size_t used = strlen(edges);
	int *dropped = data;

	snprintf(edges + used, sizeof(edges) - used, "%s>%s:%s ", edge->from,
		 edge->to, edge->verdict);
	*dropped += edge->out_dropped + edge->in_dropped != 0;
}

static int verify(struct skerry *h, const struct skerry_reference *reference,
		  int expected, struct skerry_verification *ret_result)
{
	int dropped = 0, r;

	edges[0] = 0;
	r = skerry_verify_partition(h, reference, expected, 3000, on_edge,
				    &dropped, ret_result);
	return r < 0 ? r : dropped;
}

TEST_F(three, one_way_and_verified)
{
	const char *const components[] = { "n0", "n1", NULL };
	struct skerry_verification result;
	struct skerry_reference reference;
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "one-way",
		.components = components,
		.duration_ms = 60000,
	};

	ASSERT_EQ(0,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
	/* Heartbeats go on and are held back. */
	ASSERT_EQ(1, verify(self->h, &reference, 0, &result));
	EXPECT_STREQ("n0>n1:cut ", edges);
	EXPECT_EQ(SKERRY_EXPECT_CUT, result.expected);
	EXPECT_EQ(1, result.edges);
	EXPECT_EQ(0, result.wrong);
	EXPECT_EQ(0, result.missing);
	ASSERT_LE(0,
		  verify(self->h, &reference, SKERRY_EXPECT_HEALED, &result));
	EXPECT_LE(1, result.wrong);
	/* One that does not answer is missing; the other end still says. */
	nodes_signal(&self->nodes, 1, SIGSTOP);
	ASSERT_LE(0, verify(self->h, &reference, SKERRY_EXPECT_CUT, &result));
	EXPECT_EQ(1, result.missing);
	EXPECT_EQ(0, result.wrong);
	nodes_signal(&self->nodes, 1, SIGCONT);
	ASSERT_EQ(0, skerry_resolve_partition(self->h, &reference));
	ASSERT_EQ(0, verify(self->h, &reference, 0, &result));
	EXPECT_EQ(SKERRY_EXPECT_HEALED, result.expected);
	EXPECT_EQ(0, result.wrong);
	EXPECT_STREQ("", edges);
	ASSERT_LE(0, verify(self->h, &reference, SKERRY_EXPECT_CUT, &result));
	EXPECT_LE(1, result.wrong);
	EXPECT_EQ(-EINVAL, verify(self->h, NULL, 0, &result));
	EXPECT_EQ(-EINVAL, verify(self->h, &reference, 3, &result));
}

/* What is no agent's doing is seen by nobody but the ledgers. */
TEST_F(three, a_matrix)
{
	const char *const components[] = { "n2,n0,n1", NULL };
	const uint8_t bits[2] = { 1U << 1 | 1U << 5 }; /* n2>n0, n0>n1 */
	struct skerry_verification result;
	struct skerry_reference reference;
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "matrix",
		.components = components,
		.matrix = bits,
		.matrix_bytes = sizeof(bits),
		.flags = SKERRY_PARTITION_FORCE,
	};

	ASSERT_EQ(0,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
	ASSERT_LE(0, verify(self->h, &reference, 0, &result));
	EXPECT_EQ(2, result.edges);
	EXPECT_EQ(0, result.wrong);
	EXPECT_NE(NULL, strstr(edges, "n2>n0:"));
	EXPECT_NE(NULL, strstr(edges, "n0>n1:"));
	ASSERT_EQ(0, skerry_resolve_partition(self->h, &reference));
	opts.matrix_bytes = 1;
	EXPECT_EQ(-EINVAL,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
}

TEST_F(three, seeds)
{
	struct skerry_reference reference;
	uint64_t seed = 0, again = 0;
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "halves",
		.ret_seed = &seed,
	};

	ASSERT_EQ(0,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
	ASSERT_EQ(0, skerry_resolve_partition(self->h, NULL));
	opts.seed = seed;
	opts.flags = SKERRY_PARTITION_SEED;
	opts.ret_seed = &again;
	ASSERT_EQ(0,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
	EXPECT_EQ(seed, again);
	ASSERT_EQ(0, skerry_resolve_partition(self->h, NULL));
}

struct told {
	char shape[32];
	int participants, unable, safeguards;
};

static void on_part(void *data, const void *tlvs, size_t size_bytes)
{
	struct told *told = data;
	struct tlv_reader r;

	tlv_find_str(tlvs, size_bytes, SKERRY_K_SHAPE, told->shape,
		     sizeof(told->shape));
	tlv_reader_init(&r, tlvs, size_bytes);
	while (tlv_next(&r)) {
		told->participants += r.key == SKERRY_K_PARTICIPANT;
		told->unable += r.key == SKERRY_K_UNABLE;
		told->safeguards += r.key == SKERRY_K_SAFEGUARD;
	}
}

TEST_F(three, explained)
{
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "around",
		.visibility = "reject",
		.duration_ms = 7200000,
	};
	struct told told = { .participants = 0 };
	struct skerry_reference reference;

	ASSERT_EQ(0, skerry_explain_partition(self->h, "n0", 1, &opts, on_part,
					      &told));
	EXPECT_STREQ("around", told.shape);
	EXPECT_EQ(3, told.participants);
	EXPECT_EQ(3, told.unable); /* none of them has the kernel's part */
	EXPECT_EQ(2, told.safeguards);
	EXPECT_EQ(0, skerry_partitions(self->h, NULL, 0));
	EXPECT_EQ(-EHOSTUNREACH,
		  skerry_explain_partition(self->h, "n9", 1, &opts, on_part,
					   &told));
	/* And that is what comes of it. */
	EXPECT_EQ(-EDQUOT,
		  skerry_inject_partition(self->h, "n0", 1, &opts, &reference));
	opts.flags = SKERRY_PARTITION_FORCE;
	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_inject_partition(self->h, "n0", 1, &opts, &reference));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->h), "able"));
}

TEST_F(three, to_needs_the_kernel)
{
	struct skerry_partition_opts opts = {
		.size = sizeof(opts),
		.shape = "to",
		.target = "10.0.0.7/24:80",
		.protocol = "tcp",
		.host = "db",
	};
	struct skerry_reference reference;

	EXPECT_EQ(-EOPNOTSUPP,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
	opts.target = "db.example";
	EXPECT_EQ(-EINVAL,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
	EXPECT_NE(NULL, strstr(skerry_last_error(self->h), "db.example"));
	opts.target = NULL;
	EXPECT_EQ(-EINVAL,
		  skerry_inject_partition(self->h, NULL, 0, &opts, &reference));
}

TEST_HARNESS_MAIN
