// SPDX-License-Identifier: GPL-2.0-only
/* Cuts made without the kernel: what is refused, held back, counted and
 * told; and which addresses a prefix covers, whoever cuts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "run/agent.h"

#define MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff

FIXTURE(cuts)
{
	struct agent *agent;
};

FIXTURE_SETUP(cuts)
{
	self->agent = calloc(1, sizeof(*self->agent));
	ASSERT_NE(NULL, self->agent);
}

FIXTURE_TEARDOWN(cuts)
{
	cuts_free(&self->agent->cuts);
	free(self->agent);
}

static struct core_cut cut_of(uint32_t handle, uint8_t visibility)
{
	struct core_cut cut = { .handle = handle,
				.reference = { 7 },
				.peer = 3,
				.visibility = visibility };

	return cut;
}

/* Staged, and as a commit leaves it. */
static int add(FIXTURE_DATA(cuts) * self, struct core_cut cut)
{
	struct cuts *cuts = &self->agent->cuts;
	int error;

	cuts->staged_error = 0;
	cuts_add(self->agent, &cut);
	error = cuts->staged_error;
	if (!error)
		cuts->list[cuts->count - 1].active = true;
	return error;
}

TEST_F(cuts, what_cannot_be_done_is_refused)
{
	struct core_cut cut = cut_of(1, VISIBILITY_WIRE);

	cut.loss_ppm = 999999;
	EXPECT_EQ(-EOPNOTSUPP, add(self, cut));
	cut.loss_ppm = 1000000;
	EXPECT_EQ(0, add(self, cut));
	EXPECT_EQ(-EOPNOTSUPP, add(self, cut_of(2, VISIBILITY_REJECT)));
	cut = cut_of(3, VISIBILITY_WIRE);
	cut.peer = CORE_PEER_ADDRESS;
	EXPECT_EQ(-EOPNOTSUPP, add(self, cut));
	EXPECT_EQ(0, add(self, cut_of(4, VISIBILITY_SEVER)));
	EXPECT_EQ(2, self->agent->cuts.count);
}

TEST_F(cuts, programs_are_told_of_what_is_in_force)
{
	struct core_cut in = cut_of(2, VISIBILITY_LOCAL);

	EXPECT_EQ(0, add(self, cut_of(1, VISIBILITY_WIRE)));
	EXPECT_FALSE(cuts_told(self->agent, 3));
	EXPECT_NE(0, add(self, cut_of(3, VISIBILITY_REJECT)));
	EXPECT_FALSE(cuts_told(self->agent, 3));
	in.direction = DIRECTION_IN;
	EXPECT_EQ(0, add(self, in));
	EXPECT_FALSE(cuts_told(self->agent, 3));
	EXPECT_EQ(0, add(self, cut_of(4, VISIBILITY_LOCAL)));
	EXPECT_TRUE(cuts_told(self->agent, 3));
	EXPECT_FALSE(cuts_told(self->agent, 4));
	cuts_del(self->agent, 4);
	EXPECT_FALSE(cuts_told(self->agent, 3));
}

struct ledger {
	struct cut_count to, from;
	int calls;
};

static void on_count(void *data, const struct cut_count *count)
{
	struct ledger *ledger = data;

	*(count->way == CUT_TO_PEER ? &ledger->to : &ledger->from) = *count;
	ledger->calls++;
}

TEST_F(cuts, the_ledger_counts_what_was_held_back)
{
	struct core_cut out = cut_of(2, VISIBILITY_WIRE);
	const uint8_t reference[16] = { 7 }, other[16] = { 8 };
	struct ledger ledger = { .calls = 0 };

	out.reference[0] = 8;
	out.direction = DIRECTION_OUT;
	strcpy(out.channel, "bulk");
	ASSERT_EQ(0, add(self, cut_of(1, VISIBILITY_WIRE)));
	ASSERT_EQ(0, add(self, out));
	cuts_held(self->agent, 3, CUT_TO_PEER, "bulk", 100);
	cuts_held(self->agent, 3, CUT_TO_PEER, "default", 20);
	cuts_held(self->agent, 3, CUT_FROM_PEER, "bulk", 5);
	cuts_held(self->agent, 4, CUT_TO_PEER, "bulk", 1000);
	EXPECT_EQ(2, cuts_ledger(self->agent, reference, on_count, &ledger));
	EXPECT_EQ(2, ledger.calls);
	EXPECT_EQ(CUT_FRAMES, ledger.to.unit);
	EXPECT_EQ(3, ledger.to.peer);
	EXPECT_EQ(2, ledger.to.dropped);
	EXPECT_EQ(120, ledger.to.dropped_bytes);
	EXPECT_EQ(1, ledger.from.dropped);
	EXPECT_EQ(1, ledger.from.seen);
	EXPECT_EQ(0, ledger.from.leaked);
	EXPECT_EQ(1, cuts_ledger(self->agent, other, on_count, &ledger));
	EXPECT_EQ(1, ledger.to.dropped);
	EXPECT_EQ(100, ledger.to.dropped_bytes);
	EXPECT_EQ(0, cuts_ledger(self->agent, (const uint8_t[16]) { 9 },
				 on_count, &ledger));
}

TEST_F(cuts, of_a_stranger_only_a_cut_from_everybody)
{
	const struct skerry_addr stranger = { .ip = { MAPPED, 192, 0, 2, 1 },
					      .port = 17282 };
	struct core_cut all = cut_of(2, VISIBILITY_WIRE);
	struct cuts *cuts = &self->agent->cuts;

	all.peer = CORE_PEER_EVERYBODY;
	ASSERT_EQ(0, add(self, cut_of(1, VISIBILITY_WIRE)));
	ASSERT_EQ(0, add(self, all));
	cuts_held_address(self->agent, &stranger, CUT_FROM_PEER, 9);
	EXPECT_EQ(0, cuts->list[0].held[CUT_FROM_PEER]);
	EXPECT_EQ(1, cuts->list[1].held[CUT_FROM_PEER]);
	EXPECT_EQ(9, cuts->list[1].held_bytes[CUT_FROM_PEER]);
}

TEST_F(cuts, one_that_is_lifted_before_it_is_in_force_severs_nothing)
{
	struct agent_config config = { .kernel = { .always_open_count = 1 } };
	struct core_cut address = cut_of(2, VISIBILITY_SEVER);
	struct cuts *cuts = &self->agent->cuts;
	void *bytes = NULL;
	size_t size;

	self->agent->config = &config;
	ASSERT_EQ(0, add(self, cut_of(1, VISIBILITY_SEVER)));
	EXPECT_EQ(1, cuts->sever_count);
	ASSERT_EQ(0, cuts_sever_targets(self->agent, 1, &bytes, &size));
	EXPECT_EQ(NULL, bytes);
	address.peer = CORE_PEER_ADDRESS;
	ASSERT_EQ(0, cuts_sever_stage(cuts, &address));
	ASSERT_EQ(0, cuts_sever_targets(self->agent, 2, &bytes, &size));
	EXPECT_NE(NULL, bytes);
	EXPECT_NE(0, size);
	free(bytes);
	cuts_sever_forget(cuts, 2);
	cuts_del(self->agent, 1);
	EXPECT_EQ(0, cuts->sever_count);
}

struct covering {
	uint8_t ip[16];
	uint8_t bits;
	uint8_t address[16];
	bool covers;
};

TEST(a_prefix_covers_its_own_range)
{
	static const struct covering rows[] = {
		{ { MAPPED, 10, 1, 2, 3 }, 128, { MAPPED, 10, 1, 2, 3 }, true },
		{ { MAPPED, 10, 1, 2, 3 },
		  128,
		  { MAPPED, 10, 1, 2, 4 },
		  false },
		{ { MAPPED, 10, 1, 2, 3 }, 120, { MAPPED, 10, 1, 2, 4 }, true },
		{ { MAPPED, 10, 1, 2, 3 }, 127, { MAPPED, 10, 1, 2, 2 }, true },
		{ { MAPPED, 10, 1, 2, 3 },
		  127,
		  { MAPPED, 10, 1, 2, 4 },
		  false },
		/* Everywhere is not here, and one family not the other. */
		{ { MAPPED }, 96, { MAPPED, 10, 1, 2, 3 }, true },
		{ { MAPPED }, 96, { MAPPED, 127, 0, 0, 1 }, false },
		{ { MAPPED, 127 }, 104, { MAPPED, 127, 0, 0, 1 }, true },
		{ { MAPPED, 127, 0, 0, 1 },
		  128,
		  { MAPPED, 127, 0, 0, 1 },
		  true },
		{ { 0 }, 0, { MAPPED, 10, 1, 2, 3 }, false },
		{ { 0 }, 0, { 0x20, 1, 0x0d, 0xb8 }, true },
		{ { 0 }, 0, { [15] = 1 }, false },
		{ { [15] = 1 }, 128, { [15] = 1 }, true },
		{ { 0xfd, 0x77 }, 16, { 0xfd, 0x77, [15] = 9 }, true },
		{ { 0xfd, 0x77 }, 16, { 0xfd, 0x78, [15] = 9 }, false },
		{ { 0xff, 0xff }, 9, { 0xff, 0x80 }, true },
		{ { 0xff, 0xff }, 9, { 0xff, 0x7f }, false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_EQ(rows[i].covers,
			  kernel_address_covers(rows[i].ip, rows[i].bits,
						rows[i].address))
		{
			TH_LOG("row %zu", i);
		}
}

TEST_HARNESS_MAIN
