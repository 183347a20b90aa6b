// SPDX-License-Identifier: GPL-2.0-only
/* The registry of partitions: grudges drawn by chance, matrices, loss. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "partcmd.h"

#define NODES_MAX 12

/* Who drops whose packets, as the kernels have it. */
struct picture {
	int count;
	bool dropped[NODES_MAX][NODES_MAX];
};

static void look(const struct partnet *net, struct picture *picture)
{
	int i, k;

	memset(picture, 0, sizeof(*picture));
	picture->count = net->count;
	for (i = 0; i < net->count; i++)
		for (k = 0; k < net->count; k++)
			picture->dropped[i][k] =
				i != k && partnet_dropped(net, i, k);
}

/* The set of nodes whose packets reach `to`, itself included. */
static uint32_t seen_by(const struct picture *p, int to)
{
	uint32_t set = 0;
	int i;

	for (i = 0; i < p->count; i++)
		if (!p->dropped[i][to])
			set |= 1U << i;
	return set;
}

static bool symmetric(const struct picture *p)
{
	int i, k;

	for (i = 0; i < p->count; i++)
		for (k = 0; k < i; k++)
			if (p->dropped[i][k] != p->dropped[k][i])
				return false;
	return true;
}

/* Two groups that are cut from each other and whole in themselves: the size
 * of the smaller; -1 when it is anything else. `except` sees all (-1: none). */
static int smaller_group(const struct picture *p, int except)
{
	int first = except == 0 ? 1 : 0;
	uint32_t group = seen_by(p, first), all = (1U << p->count) - 1;
	int i, size, others;

	if (except >= 0 && seen_by(p, except) != all)
		return -1;
	if (except >= 0)
		group &= ~(1U << except);
	for (i = 0; i < p->count; i++) {
		uint32_t seen = seen_by(p, i);

		if (i == except)
			continue;
		if (except >= 0 && !(seen >> except & 1))
			return -1;
		if (except >= 0)
			seen &= ~(1U << except);
		if (seen !=
		    (group >> i & 1
			     ? group
			     : all & ~group &
				       (except < 0 ? all : ~(1U << except))))
			return -1;
	}
	size = __builtin_popcount(group);
	others = p->count - size - (except >= 0);
	return size < others ? size : others;
}

static struct partnet_answer *draw(struct partnet *net, const char *shape,
				   const char *origin, uint64_t seed)
{
	begin(shape, origin);
	tlv_put_u64(&command, SKERRY_K_SEED, seed);
	tlv_put_bool(&command, SKERRY_K_FORCE, true);
	return inject(net, 0, 1);
}

TEST(majorities_ring)
{
	uint64_t seed;
	int n, i, k;

	for (n = 3; n <= 9; n++) {
		struct partnet net;
		struct picture p;

		partnet_open(&net, n, 1, 0);
		for (seed = 1; seed <= 20; seed++) {
			ASSERT_EQ(0, draw(&net, "majorities-ring", NULL, seed)
					     ->error);
			look(&net, &p);
			ASSERT_TRUE(symmetric(&p));
			for (i = 0; i < n; i++) {
				ASSERT_LT(n / 2,
					  __builtin_popcount(seen_by(&p, i)));
				for (k = 0; k < i; k++)
					ASSERT_NE(seen_by(&p, k),
						  seen_by(&p, i));
			}
			/* Nobody is alone with it: not even a safeguard. */
			ASSERT_EQ(0, resolve(&net, 0, 2, NULL)->missing);
		}
		/* Of five each sees itself and two. */
		for (i = 0; n == 5 && i < n; i++)
			ASSERT_EQ(3, __builtin_popcount(seen_by(&p, i)));
		partnet_close(&net);
	}
}

TEST(two_groups)
{
	uint64_t seed;
	int n;

	for (n = 2; n <= 9; n++) {
		struct partnet net;
		struct picture p;

		partnet_open(&net, n, 1, 0);
		for (seed = 1; seed <= 8; seed++) {
			ASSERT_EQ(0, draw(&net, "halves", NULL, seed)->error);
			look(&net, &p);
			ASSERT_EQ(n / 2, smaller_group(&p, -1));
			resolve(&net, 0, 2, NULL);

			ASSERT_EQ(0, draw(&net, "random", NULL, seed)->error);
			look(&net, &p);
			ASSERT_LE(1, smaller_group(&p, -1));
			resolve(&net, 0, 2, NULL);

			ASSERT_EQ(n < 3 ? -EINVAL : 0,
				  draw(&net, "majority", NULL, seed)->error);
			look(&net, &p);
			ASSERT_EQ(n < 3 ? 0 : (n - 1) / 2,
				  n < 3 ? 0 : smaller_group(&p, -1));
			resolve(&net, 0, 2, NULL);

			ASSERT_EQ(n < 4 ? -EINVAL : 0,
				  draw(&net, "minority-third", NULL, seed)
					  ->error);
			look(&net, &p);
			if (n >= 4) {
				/* Less than a third, and not by more. */
				ASSERT_GT(n, 3 * smaller_group(&p, -1));
				ASSERT_LE(n, 3 * (smaller_group(&p, -1) + 1));
			}
			resolve(&net, 0, 2, NULL);

			ASSERT_EQ(n < 3 ? -EINVAL : 0,
				  draw(&net, "bridge", "n001", seed)->error);
			look(&net, &p);
			if (n >= 3)
				ASSERT_EQ((n - 1) / 2, smaller_group(&p, 1));
			resolve(&net, 0, 2, NULL);
		}
		partnet_close(&net);
	}
}

static const char *const drawn[] = { "halves", "majority", "minority-third",
				     "random", "majorities-ring" };

TEST(the_seed_decides)
{
	struct picture first, again, other;
	struct partnet net;
	size_t i;

	partnet_open(&net, 9, 1, 0);
	for (i = 0; i < sizeof(drawn) / sizeof(drawn[0]); i++) {
		bool differs = false;
		uint64_t seed;

		draw(&net, drawn[i], NULL, 42);
		look(&net, &first);
		ASSERT_TRUE(net.nodes[0].answers[1].has_seed);
		ASSERT_EQ(42, net.nodes[0].answers[1].seed);
		resolve(&net, 0, 2, NULL);
		for (seed = 1; seed <= 6; seed++) {
			draw(&net, drawn[i], NULL, seed);
			look(&net, &other);
			differs |= memcmp(&first, &other, sizeof(first)) != 0;
			resolve(&net, 0, 2, NULL);
		}
		ASSERT_TRUE(differs);
		/* Injected elsewhere, and after others, it is the same. */
		begin(drawn[i], NULL);
		tlv_put_u64(&command, SKERRY_K_SEED, 42);
		tlv_put_bool(&command, SKERRY_K_FORCE, true);
		ASSERT_EQ(0, inject(&net, 5, 1)->error);
		look(&net, &again);
		ASSERT_EQ(0, memcmp(&first, &again, sizeof(first)));
		resolve(&net, 0, 2, NULL);
	}
	partnet_close(&net);
}

TEST(a_seed_is_drawn_and_told)
{
	struct picture first, again;
	struct partnet net;
	uint64_t seed;

	partnet_open(&net, 9, 3, 0);
	begin("halves", NULL);
	ASSERT_EQ(0, inject(&net, 2, 1)->error);
	ASSERT_TRUE(net.nodes[2].answers[1].has_seed);
	seed = net.nodes[2].answers[1].seed;
	look(&net, &first);
	resolve(&net, 0, 2, NULL);
	draw(&net, "halves", NULL, seed);
	look(&net, &again);
	ASSERT_EQ(0, memcmp(&first, &again, sizeof(first)));
	partnet_close(&net);
}

/* The names' order in the command is no chance. */
TEST(drawn_from_some)
{
	struct picture first, again;
	struct partnet net;
	int i;

	partnet_open(&net, 7, 3, 0);
	begin("halves", NULL);
	component("n001,n004,n005,n006");
	tlv_put_u64(&command, SKERRY_K_SEED, 7);
	ASSERT_EQ(0, inject(&net, 2, 1)->error);
	ASSERT_EQ(4, net.nodes[2].answers[1].participants);
	look(&net, &first);
	for (i = 0; i < 7; i++)
		ASSERT_EQ(i == 0 || i == 2 || i == 3 ? 7 : 5,
			  __builtin_popcount(seen_by(&first, i)));
	resolve(&net, 0, 2, NULL);
	begin("halves", NULL);
	component("n006,n001,n005,n004");
	tlv_put_u64(&command, SKERRY_K_SEED, 7);
	ASSERT_EQ(0, inject(&net, 2, 1)->error);
	look(&net, &again);
	ASSERT_EQ(0, memcmp(&first, &again, sizeof(first)));
	resolve(&net, 0, 2, NULL);

	begin("halves", NULL);
	component("n001");
	component("n002");
	ASSERT_EQ(-EINVAL, inject(&net, 2, 1)->error);
	begin("halves", NULL);
	component("n001");
	ASSERT_EQ(-EINVAL, inject(&net, 2, 1)->error);
	ASSERT_NE(NULL, strstr(net.nodes[2].answers[1].reason, "needs 2"));
	begin("bridge", NULL);
	ASSERT_EQ(-EINVAL, inject(&net, 2, 1)->error);
	begin("bridge", "n009");
	ASSERT_EQ(-EHOSTUNREACH, inject(&net, 2, 1)->error);
	partnet_close(&net);
}

TEST(same_name_of_a_draw)
{
	struct partnet net;
	uint8_t reference[16];

	partnet_open(&net, 5, 1, 0);
	tlv_put_str(begin("halves", NULL), SKERRY_K_NAME, "x");
	ASSERT_EQ(0, inject(&net, 0, 1)->error);
	memcpy(reference, net.nodes[0].answers[1].reference, 16);
	/* Asked for again, nothing is drawn again. */
	ASSERT_EQ(0, inject(&net, 3, 1)->error);
	ASSERT_EQ(0, memcmp(reference, net.nodes[3].answers[1].reference, 16));
	tlv_put_u64(&command, SKERRY_K_SEED, net.nodes[0].answers[1].seed);
	ASSERT_EQ(0, inject(&net, 3, 1)->error);
	tlv_put_str(begin("halves", NULL), SKERRY_K_NAME, "x");
	tlv_put_u64(&command, SKERRY_K_SEED, net.nodes[0].answers[1].seed + 1);
	ASSERT_EQ(-EEXIST, inject(&net, 3, 1)->error);
	tlv_put_str(begin("majority", NULL), SKERRY_K_NAME, "x");
	ASSERT_EQ(-EEXIST, inject(&net, 3, 1)->error);
	partnet_close(&net);
}

static void matrix(const struct partnet *net, const struct picture *p)
{
	uint8_t bits[(NODES_MAX * NODES_MAX + 7) / 8] = { 0 };
	size_t mark, bit = 0;
	int i, k;

	begin("matrix", NULL);
	tlv_put_bool(&command, SKERRY_K_FORCE, true);
	mark = tlv_begin(&command, SKERRY_K_COMPONENT);
	for (i = 0; i < p->count; i++)
		tlv_put_str(&command, SKERRY_K_NAME, net->nodes[i].name);
	tlv_end(&command, mark);
	for (i = 0; i < p->count; i++)
		for (k = 0; k < p->count; k++, bit++)
			if (p->dropped[i][k])
				bits[bit / 8] |= (uint8_t)(1U << bit % 8);
	tlv_put(&command, SKERRY_K_MATRIX, bits,
		(size_t)(p->count * p->count + 7) / 8);
}

static void random_picture(struct rng *rng, int count, struct picture *p)
{
	int i, k;

	memset(p, 0, sizeof(*p));
	p->count = count;
	for (i = 0; i < count; i++)
		for (k = 0; k < count; k++)
			p->dropped[i][k] = i != k && !rng_below(rng, 3);
	p->dropped[0][1] = true;
}

/* Any directed grudge whatsoever, two of them at once, each lifted alone. */
TEST(matrices)
{
	struct partnet net;
	uint8_t reference[16];
	struct rng rng;
	int round, i, k;

	partnet_open(&net, 7, 5, 0);
	net.loss_percent = 20;
	rng_init(&rng, 5, 0);
	for (round = 0; round < 12; round++) {
		struct picture a, b, is;

		random_picture(&rng, 7, &a);
		random_picture(&rng, 7, &b);
		matrix(&net, &a);
		ASSERT_EQ(0, inject(&net, round % 7, 1)->error);
		ASSERT_EQ(0, net.nodes[round % 7].answers[1].missing);
		memcpy(reference, net.nodes[round % 7].answers[1].reference,
		       16);
		look(&net, &is);
		ASSERT_EQ(0, memcmp(&a, &is, sizeof(is)));
		matrix(&net, &b);
		ASSERT_EQ(0, inject(&net, (round + 1) % 7, 1)->missing);
		look(&net, &is);
		for (i = 0; i < 7; i++)
			for (k = 0; k < 7; k++)
				ASSERT_EQ(a.dropped[i][k] || b.dropped[i][k],
					  is.dropped[i][k]);
		/* A restarted node has it from the others. */
		partnet_start(&net, round % 5);
		partnet_run(&net, 5000);
		look(&net, &is);
		for (i = 0; i < 7; i++)
			for (k = 0; k < 7; k++)
				ASSERT_EQ(a.dropped[i][k] || b.dropped[i][k],
					  is.dropped[i][k]);
		ASSERT_EQ(0, resolve(&net, 6, 2, reference)->missing);
		look(&net, &is);
		ASSERT_EQ(0, memcmp(&b, &is, sizeof(is)));
		ASSERT_EQ(0, resolve(&net, 6, 2, NULL)->missing);
		/* The 16 matrices would be used up by now. */
		partnet_run(&net, 40000);
	}
	partnet_close(&net);
}

TEST(matrices_refused)
{
	struct picture p = { .count = 5 };
	struct partnet net;
	uint8_t bits[4] = { 0 };
	uint32_t i;

	partnet_open(&net, 5, 5, 0);
	matrix(&net, &p); /* nobody from anybody */
	ASSERT_EQ(-EINVAL, inject(&net, 0, 1)->error);
	p.dropped[3][3] = true;
	matrix(&net, &p);
	ASSERT_EQ(-EINVAL, inject(&net, 0, 1)->error);
	bits[0] = 2;
	begin("matrix", NULL);
	component("n000,n001");
	ASSERT_EQ(-EINVAL, inject(&net, 0, 1)->error);
	tlv_put(&command, SKERRY_K_MATRIX, bits, 2); /* 1 byte is right */
	ASSERT_EQ(-EINVAL, inject(&net, 0, 1)->error);
	begin("matrix", NULL);
	component("n000");
	component("n001");
	tlv_put(&command, SKERRY_K_MATRIX, bits, 1);
	ASSERT_EQ(-EINVAL, inject(&net, 0, 1)->error);

	/* As many at a time as limits.h says, and not one more. */
	memset(&p.dropped, 0, sizeof(p.dropped));
	for (i = 0; i <= SKERRY_PARTITION_MATRICES_MAX; i++) {
		memset(&p.dropped, 0, sizeof(p.dropped));
		p.dropped[i % 5][(i + 1 + i / 5) % 5] = true;
		matrix(&net, &p);
		ASSERT_EQ(i < SKERRY_PARTITION_MATRICES_MAX ? 0 : -ENOSPC,
			  inject(&net, 0, 1)->error);
	}
	ASSERT_EQ(0, resolve(&net, 0, 2, NULL)->missing);
	matrix(&net, &p);
	ASSERT_EQ(0, inject(&net, 0, 1)->error);
	partnet_close(&net);
}

/* 200 nodes of 60 bytes: 17 KiB, in 20 chunks, over a network that loses. */
TEST(a_large_matrix)
{
	static uint8_t bits[200 * 200 / 8];
	struct partnet net;
	size_t mark, bit = 0;
	int i, k;

	partnet_open(&net, 200, 3, 60);
	net.limits.rules_max = 512;
	net.loss_percent = 10;
	memset(bits, 0, sizeof(bits));
	begin("matrix", NULL);
	mark = tlv_begin(&command, SKERRY_K_COMPONENT);
	for (i = 0; i < 200; i++)
		tlv_put_str(&command, SKERRY_K_NAME, net.nodes[i].name);
	tlv_end(&command, mark);
	for (i = 0; i < 200; i++)
		for (k = 0; k < 200; k++, bit++)
			if ((i + 1) % 200 == k || (i + 7) % 200 == k)
				bits[bit / 8] |= (uint8_t)(1U << bit % 8);
	tlv_put(&command, SKERRY_K_MATRIX, bits, sizeof(bits));
	tlv_put_u64(&command, SKERRY_K_TIMEOUT_MS, 20000);
	ASSERT_FALSE(command.full);
	ASSERT_EQ(0, inject(&net, 17, 1)->error);
	ASSERT_EQ(0, net.nodes[17].answers[1].missing);
	for (i = 0; i < 200; i++) {
		for (k = 0; k < 200; k++)
			if (i != k)
				ASSERT_EQ((i + 1) % 200 == k ||
						  (i + 7) % 200 == k,
					  partnet_dropped(&net, i, k));
		ASSERT_GE(PARTITION_BODY_MAX_BYTES, net.nodes[i].largest_body);
	}
	partnet_close(&net);
}

TEST(loss_is_where_packets_leave)
{
	struct partnet net;
	int i;

	partnet_open(&net, 5, 1, 0);
	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_LOSS_PPM, 300000);
	ASSERT_EQ(0, inject(&net, 0, 1)->error);
	ASSERT_TRUE(net.nodes[0].answers[1].has_seed);
	for (i = 0; i < 5; i++)
		ASSERT_STREQ(i == 2 ? "everybody:out:wire:300000"
				    : "n002:out:wire:300000",
			     cuts(&net, i));
	ASSERT_EQ(0, resolve(&net, 0, 1, NULL)->missing);
	begin("one-way", NULL);
	component("n000");
	component("n001");
	tlv_put_u64(&command, SKERRY_K_LOSS_PPM, 1);
	ASSERT_EQ(0, inject(&net, 4, 1)->error);
	ASSERT_STREQ("n001:out:wire:1", cuts(&net, 0));
	ASSERT_STREQ("", cuts(&net, 1));
	ASSERT_EQ(0, resolve(&net, 0, 1, NULL)->missing);
	/* All of them is no loss but a cut; more than all is nonsense. */
	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_LOSS_PPM, 1000000);
	ASSERT_EQ(0, inject(&net, 0, 1)->error);
	ASSERT_STREQ("n002:both:wire", cuts(&net, 0));
	ASSERT_EQ(0, resolve(&net, 0, 1, NULL)->missing);
	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_LOSS_PPM, 1000001);
	ASSERT_EQ(-EINVAL, inject(&net, 0, 1)->error);
	partnet_close(&net);
}

static uint64_t seed_in_force(const struct partnet *net, int i)
{
	return net->nodes[i].cuts[0].cut.seed;
}

/* The same seed: each edge's packets meet the same chance again, and no two
 * edges the same. */
TEST(edges_have_their_seeds)
{
	uint64_t first[5];
	struct partnet net;
	int i, k;

	partnet_open(&net, 5, 1, 0);
	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_LOSS_PPM, 300000);
	tlv_put_u64(&command, SKERRY_K_SEED, 99);
	ASSERT_EQ(0, inject(&net, 0, 1)->error);
	for (i = 0; i < 5; i++) {
		first[i] = seed_in_force(&net, i);
		for (k = 0; k < i; k++)
			ASSERT_NE(first[k], first[i]);
	}
	ASSERT_EQ(0, resolve(&net, 0, 1, NULL)->missing);
	tlv_put_u64(begin("isolate", "n002"), SKERRY_K_LOSS_PPM, 300000);
	tlv_put_u64(&command, SKERRY_K_SEED, 99);
	ASSERT_EQ(0, inject(&net, 3, 1)->error);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(first[i], seed_in_force(&net, i));
	partnet_close(&net);
}

/* Who comes later is left alone by what is about the nodes there were. */
TEST(late_comers)
{
	struct partnet net;
	int i;

	partnet_open(&net, 5, 1, 0);
	for (i = 0; i < 4; i++) {
		net.nodes[i].unknown[4] = true;
		net.nodes[4].unknown[i] = true;
		partition_node_gone(net.nodes[i].p, "n004", net.now_ns);
	}
	partnet_start(&net, 4);
	draw(&net, "halves", NULL, 4);
	ASSERT_EQ(4, net.nodes[0].answers[1].participants);
	for (i = 0; i < 4; i++)
		net.nodes[i].unknown[4] = net.nodes[4].unknown[i] = false;
	for (i = 0; i < 4; i++)
		partnet_meet(&net, i, 4);
	partnet_run(&net, 3000);
	ASSERT_STREQ("", cuts(&net, 4));
	for (i = 0; i < 4; i++)
		ASSERT_FALSE(partnet_dropped(&net, i, 4));
	partnet_close(&net);
}

TEST(every_visibility)
{
	static const char *const words[] = { "wire", "local", "reject",
					     "sever" };
	struct partnet net;
	char want[64];
	size_t i;

	partnet_open(&net, 3, 1, 0);
	for (i = 0; i < 4; i++) {
		tlv_put_str(begin("isolate", "n002"), SKERRY_K_VISIBILITY,
			    words[i]);
		ASSERT_EQ(0, inject(&net, 0, 1)->error);
		snprintf(want, sizeof(want), "n002:both:%s", words[i]);
		ASSERT_STREQ(want, cuts(&net, 0));
		ASSERT_STREQ(want, cuts(&net, 1));
		ASSERT_EQ(0, resolve(&net, 1, 1, NULL)->missing);
	}
	partnet_close(&net);
}

TEST_HARNESS_MAIN
