// SPDX-License-Identifier: GPL-2.0-only
/* The member table and the lane table: order, limits, digests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conntab.h"
#include "members.h"
#include "rng.h"
#include "kselftest_harness.h"

#define MAX 8U

FIXTURE(table)
{
	struct members m;
	void *memory;
};

FIXTURE_SETUP(table)
{
	self->memory = calloc(1, members_size(MAX));
	ASSERT_NE(NULL, self->memory);
	members_init(&self->m, self->memory, MAX);
}

FIXTURE_TEARDOWN(table)
{
	free(self->memory);
}

TEST_F(table, names_are_in_order)
{
	static const char *const names[] = { "m", "c", "x", "a", "mm" };
	struct members *m = &self->m;
	size_t i;

	for (i = 0; i < 5; i++)
		ASSERT_NE(NULL, members_add(m, names[i], MEMBER_LIVE, 1));
	EXPECT_STREQ("a", members_at(m, 0)->name);
	EXPECT_STREQ("c", members_at(m, 1)->name);
	EXPECT_STREQ("m", members_at(m, 2)->name);
	EXPECT_STREQ("mm", members_at(m, 3)->name);
	EXPECT_STREQ("x", members_at(m, 4)->name);
	EXPECT_EQ(NULL, members_at(m, 5));
	EXPECT_EQ(0, members_after(m, ""));
	EXPECT_EQ(3, members_after(m, "m"));
	EXPECT_EQ(2, members_after(m, "k"));
	EXPECT_EQ(5, m->live);
	members_free(m, members_find(m, "m"));
	EXPECT_EQ(NULL, members_find(m, "m"));
	EXPECT_STREQ("mm", members_at(m, 2)->name);
	EXPECT_EQ(4, m->live);
}

TEST_F(table, the_limit_spares_members)
{
	struct members *m = &self->m;
	char name[16];
	uint32_t i;

	for (i = 0; i < MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		ASSERT_NE(NULL,
			  members_add(m, name,
				      i == 3 ? MEMBER_CONTACT : MEMBER_LIVE,
				      1));
	}
	/* An unconfirmed contact gives way; a member never does. */
	EXPECT_NE(NULL, members_add(m, "late", MEMBER_LIVE, 1));
	EXPECT_EQ(NULL, members_find(m, "n3"));
	EXPECT_EQ(NULL, members_add(m, "later", MEMBER_LIVE, 1));
	members_set_status(m, members_find(m, "n5"), MEMBER_GHOST);
	EXPECT_NE(NULL, members_add(m, "later", MEMBER_LIVE, 1));
	EXPECT_EQ(NULL, members_find(m, "n5"));
	EXPECT_EQ(MAX, m->live);
}

TEST_F(table, removed_entries)
{
	struct members *m = &self->m;
	struct removed *removed;
	struct member *a, *b;
	char name[16];
	uint32_t i;

	a = members_add(m, "a", MEMBER_LIVE, 1);
	b = members_add(m, "b", MEMBER_LIVE, 1);
	removed = removed_add(m, "x", 10, 1);
	ASSERT_NE(NULL, removed);
	EXPECT_EQ(NULL, removed_add(m, "x", 10, 2));
	EXPECT_EQ(NULL, removed_add(m, "x", 9, 2));
	EXPECT_NE(NULL, removed_add(m, "x", 11, 2));
	EXPECT_EQ(1, m->removed_count);
	removed = removed_find(m, "x");
	EXPECT_EQ(11, removed->incarnation);
	removed_knows(m, removed, members_slot(m, a));
	EXPECT_FALSE(removed_all_know(m, removed));
	removed_knows(m, removed, members_slot(m, b));
	EXPECT_TRUE(removed_all_know(m, removed));
	/* The slot's next owner knows nothing. */
	members_free(m, b);
	members_add(m, "c", MEMBER_LIVE, 1);
	EXPECT_FALSE(removed_all_know(m, removed));
	/* The oldest gives way. */
	for (i = 0; i < m->removed_max; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		EXPECT_NE(NULL, removed_add(m, name, 1, 10 + i));
	}
	EXPECT_EQ(m->removed_max, m->removed_count);
	EXPECT_EQ(NULL, removed_find(m, "x"));
	EXPECT_NE(NULL, removed_find(m, "r0"));
	removed_del(m, removed_find(m, "r0"));
	EXPECT_EQ(NULL, removed_find(m, "r0"));
	EXPECT_EQ(m->removed_max - 1, m->removed_count);
}

TEST_F(table, digests_do_not_depend_on_slots)
{
	struct members other;
	void *memory = calloc(1, members_size(MAX));
	struct member *member;
	uint64_t before;

	members_init(&other, memory, MAX);
	members_add(&self->m, "a", MEMBER_LIVE, 1)->incarnation = 5;
	members_add(&self->m, "b", MEMBER_LIVE, 1)->incarnation = 6;
	members_add(&self->m, "c", MEMBER_CONTACT, 1)->incarnation = 7;
	members_add(&other, "b", MEMBER_LIVE, 9)->incarnation = 6;
	members_add(&other, "a", MEMBER_LIVE, 9)->incarnation = 5;
	EXPECT_EQ(members_digest(&self->m), members_digest(&other));
	member = members_find(&other, "a");
	member->version = 1;
	EXPECT_NE(members_digest(&self->m), members_digest(&other));
	before = removed_digest(&other);
	removed_add(&other, "x", 3, 1);
	EXPECT_NE(before, removed_digest(&other));
	before = removed_digest(&other);
	removed_knows(&other, removed_find(&other, "x"),
		      members_slot(&other, member));
	EXPECT_NE(before, removed_digest(&other));
	free(memory);
}

TEST_F(table, a_spec_is_kept_byte_for_byte)
{
	struct spec spec = { .name = "a", .incarnation = 3, .boot_nonce = 4 };
	struct member *member = members_add(&self->m, "a", MEMBER_LIVE, 1);

	members_set_spec(&self->m, member, &spec,
			 (struct core_bytes) { "bytes", 5 });
	EXPECT_EQ(3, member->incarnation);
	EXPECT_EQ(5, members_spec(&self->m, member).size_bytes);
	EXPECT_EQ(0, memcmp(members_spec(&self->m, member).data, "bytes", 5));
	EXPECT_TRUE(member_counts(member));
	member->self = true;
	EXPECT_FALSE(member_counts(member));
}

TEST(lanes_against_a_plain_list)
{
	struct conntab tab;
	void *memory = calloc(1, conntab_size(200));
	uint64_t ids[200];
	size_t count = 0, i;
	struct rng rng;
	int round;

	conntab_init(&tab, memory, 200);
	rng_init(&rng, 9, 9);
	for (round = 0; round < 20000; round++) {
		if (count < 200 && rng_below(&rng, 2)) {
			uint64_t id = rng_below(&rng, 2)
					      ? conntab_next_id(&tab)
					      : 2 * (uint64_t)round + 1;

			ASSERT_NE(NULL, conntab_add(&tab, id));
			ids[count++] = id;
		} else if (count) {
			i = rng_below(&rng, count);
			conntab_del(&tab, conntab_find(&tab, ids[i]));
			EXPECT_EQ(NULL, conntab_find(&tab, ids[i]));
			ids[i] = ids[--count];
		}
		ASSERT_EQ(count, tab.count);
	}
	while (count < 200)
		ASSERT_NE(NULL,
			  conntab_add(&tab,
				      ids[count++] = conntab_next_id(&tab)));
	EXPECT_EQ(NULL, conntab_add(&tab, conntab_next_id(&tab)));
	for (i = 0; i < count; i++)
		EXPECT_EQ(ids[i], conntab_find(&tab, ids[i])->id);
	free(memory);
}

TEST_HARNESS_MAIN
