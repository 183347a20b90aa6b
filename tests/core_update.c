// SPDX-License-Identifier: GPL-2.0-only
/* Updates, hashes and lists: small things others stand on. */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "list.h"
#include "update.h"
#include "kselftest_harness.h"

FIXTURE(update)
{
	struct update *u;
};

FIXTURE_SETUP(update)
{
	self->u = malloc(sizeof(*self->u));
	ASSERT_NE(NULL, self->u);
	update_reset(self->u);
}

FIXTURE_TEARDOWN(update)
{
	free(self->u);
}

TEST_F(update, operations_are_zeroed_and_counted)
{
	size_t i;

	memset(self->u->ops, 0xff, sizeof(self->u->ops));
	for (i = 0; i < CORE_OPS_MAX; i++) {
		struct core_op *op = update_op(self->u, OP_DIAL);

		EXPECT_EQ(OP_DIAL, op->type);
		EXPECT_EQ(0, op->lane);
		EXPECT_EQ(NULL, op->bytes.data);
		EXPECT_EQ(CORE_OPS_MAX - i - 1, update_room(self->u));
	}
	EXPECT_FALSE(update_fits(self->u, 0, 0));
}

TEST_F(update, the_reserve_is_kept)
{
	while (update_fits(self->u, 1, 0))
		update_op(self->u, OP_SEND);
	EXPECT_EQ(UPDATE_RESERVE, update_room(self->u));
}

TEST_F(update, memory_ends)
{
	struct core_bytes bytes;
	size_t before;
	char *last;

	bytes = update_copy(self->u, "abc", 3);
	EXPECT_EQ(3, bytes.size_bytes);
	EXPECT_EQ(0, memcmp(bytes.data, "abc", 3));
	EXPECT_STREQ("why", update_text(self->u, "why"));
	before = update_space(self->u);
	last = update_alloc(self->u, 1000);
	ASSERT_NE(NULL, last);
	update_trim(self->u, last, 10);
	EXPECT_EQ(before - 16, update_space(self->u));
	EXPECT_EQ(NULL, update_alloc(self->u, update_space(self->u) + 1));
	EXPECT_EQ(NULL, update_alloc(self->u, SIZE_MAX));
	EXPECT_NE(NULL, update_alloc(self->u, update_space(self->u)));
	EXPECT_EQ(0, update_space(self->u));
	EXPECT_EQ(NULL, update_copy(self->u, "abc", 3).data);
	EXPECT_STREQ("", update_text(self->u, "no room"));
}

TEST(hashes_tell_apart)
{
	uint64_t a = hash_str(hash_str(HASH_START, "a"), "b");
	uint64_t b = hash_str(hash_str(HASH_START, "ab"), "");

	EXPECT_NE(a, b);
	/* The published test vector of FNV-1a, 64 bits. */
	EXPECT_EQ(0x85944171f73967e8ULL, hash_bytes(HASH_START, "foobar", 6));
	EXPECT_EQ(hash_bytes(HASH_START, "\1\0\0\0\0\0\0\0", 8),
		  hash_u64(HASH_START, 1));
	EXPECT_NE(hash_mix(1), hash_mix(2));
}

TEST(lists_keep_their_order)
{
	struct item {
		int number;
		struct list link;
	} items[4];
	struct list head, *at, *after;
	int i, expected = 0;

	list_init(&head);
	EXPECT_TRUE(list_empty(&head));
	for (i = 0; i < 4; i++) {
		items[i].number = i;
		list_add_tail(&head, &items[i].link);
	}
	list_for_each (at, &head)
		EXPECT_EQ(expected++,
			  list_object(at, struct item, link)->number);
	EXPECT_EQ(4, expected);
	list_for_each_safe (at, after, &head) {
		if (list_object(at, struct item, link)->number % 2)
			list_del(at);
	}
	list_del(&items[1].link); /* again: harmless */
	expected = 0;
	list_for_each (at, &head) {
		EXPECT_EQ(expected, list_object(at, struct item, link)->number);
		expected += 2;
	}
	EXPECT_EQ(4, expected);
}

TEST_HARNESS_MAIN
