// SPDX-License-Identifier: GPL-2.0-only
/* The registry of partitions: shapes, and what is refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "partcmd.h"

FIXTURE(five)
{
	struct partnet net;
};

FIXTURE_SETUP(five)
{
	partnet_open(&self->net, 5, 1, 0);
}

FIXTURE_TEARDOWN(five)
{
	partnet_close(&self->net);
}

TEST_F(five, isolate_and_resolve)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	uint8_t reference[16];
	int i;

	tlv_put_str(begin("isolate", "n002"), SKERRY_K_NAME, "one");
	answer = inject(net, 0, 1);
	ASSERT_TRUE(answer->given);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(5, answer->participants);
	ASSERT_EQ(0, answer->missing);
	ASSERT_EQ(1, answer->references);
	memcpy(reference, answer->reference, 16);
	/* The answer came when all cuts were in force, not before. */
	for (i = 0; i < 5; i++)
		ASSERT_STREQ(i == 2 ? "everybody:both:wire" : "n002:both:wire",
			     cuts(net, i));
	for (i = 0; i < 5; i++)
		ASSERT_STREQ("one/n000=active one/n001=active one/n002=active "
			     "one/n003=active one/n004=active",
			     rows(net, i));

	/* Anybody may resolve it. */
	answer = resolve(net, 4, 2, reference);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(0, answer->missing);
	ASSERT_EQ(5, answer->participants);
	for (i = 0; i < 5; i++)
		ASSERT_STREQ("", cuts(net, i));
	partnet_run(net, 100);
	for (i = 0; i < 5; i++)
		ASSERT_STREQ("", rows(net, i));
	/* Again: nothing to do, no error. */
	ASSERT_EQ(0, resolve(net, 1, 3, reference)->error);
	reference[0] ^= 1;
	ASSERT_EQ(-ENOENT, resolve(net, 1, 4, reference)->error);
	ASSERT_EQ(0, resolve(net, 1, 5, NULL)->error);
}

TEST_F(five, every_shape)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;

	/* split: nodes in no component are left alone */
	begin("split", NULL);
	component("n000,n001");
	component("n003");
	tlv_put_str(&command, SKERRY_K_VISIBILITY, "local");
	answer = inject(net, 4, 1);
	ASSERT_EQ(0, answer->error);
	ASSERT_EQ(3, answer->participants);
	ASSERT_STREQ("n003:both:local", cuts(net, 0));
	ASSERT_STREQ("n003:both:local", cuts(net, 1));
	ASSERT_STREQ("", cuts(net, 2));
	ASSERT_STREQ("n000:both:local n001:both:local", cuts(net, 3));
	ASSERT_STREQ("", cuts(net, 4));
	ASSERT_EQ(0, resolve(net, 4, 1, NULL)->error);

	/* one way: from the first to the others, not between the others */
	begin("split", NULL);
	component("n000");
	component("n001");
	component("n002,n003");
	tlv_put_bool(&command, SKERRY_K_ONE_WAY, true);
	ASSERT_EQ(0, inject(net, 4, 1)->error);
	ASSERT_STREQ("n001:out:wire n002:out:wire n003:out:wire", cuts(net, 0));
	ASSERT_STREQ("n000:in:wire", cuts(net, 1));
	ASSERT_STREQ("n000:in:wire", cuts(net, 2));
	ASSERT_STREQ("n000:in:wire", cuts(net, 3));
	ASSERT_EQ(0, resolve(net, 4, 1, NULL)->error);

	begin("isolate", "n001");
	tlv_put_bool(&command, SKERRY_K_ONE_WAY, true);
	ASSERT_EQ(0, inject(net, 4, 1)->error);
	ASSERT_STREQ("everybody:out:wire", cuts(net, 1));
	ASSERT_STREQ("n001:in:wire", cuts(net, 0));
	ASSERT_EQ(0, resolve(net, 4, 1, NULL)->error);

	/* around, alone */
	tlv_put_u64(begin("around", "n001"), SKERRY_K_TTL, 0);
	ASSERT_EQ(0, inject(net, 4, 1)->error);
	ASSERT_STREQ("everybody:both:wire", cuts(net, 1));
	ASSERT_STREQ("n001:both:wire", cuts(net, 4));
	ASSERT_EQ(0, resolve(net, 4, 1, NULL)->error);

	/* around, everybody from everybody; shape is the default one */
	tlv_put_u64(begin(NULL, "n001"), SKERRY_K_TTL, 1);
	tlv_put_bool(&command, SKERRY_K_FORCE, true);
	ASSERT_EQ(0, inject(net, 4, 1)->error);
	ASSERT_STREQ("everybody:both:wire", cuts(net, 1));
	ASSERT_STREQ("everybody:both:wire", cuts(net, 4));
	ASSERT_EQ(0, resolve(net, 4, 1, NULL)->error);

	/* around with hops: a region, each node of it alone */
	net->hops = 1;
	tlv_put_u64(begin("around", "n000"), SKERRY_K_TTL, 1);
	ASSERT_EQ(0, inject(net, 4, 1)->error);
	ASSERT_STREQ("everybody:both:wire", cuts(net, 0));
	ASSERT_STREQ("everybody:both:wire", cuts(net, 1));
	ASSERT_STREQ("n000:both:wire n001:both:wire", cuts(net, 2));
	ASSERT_STREQ("n000:both:wire n001:both:wire", cuts(net, 4));
}

TEST_F(five, refusals)
{
	struct partnet *net = &self->net;
	struct partnet_answer *answer;
	struct core_event event = { .type = EV_COMMAND };
	uint8_t byte = 7;
	int i;

	answer = (begin("triangle", "n000"), inject(net, 0, 1));
	ASSERT_EQ(-EINVAL, answer->error);
	ASSERT_NE(NULL, strstr(answer->reason, "triangle"));
	ASSERT_NE(NULL, strstr(answer->reason, "around, isolate, split"));
	ASSERT_EQ(-EINVAL, (begin("isolate", NULL), inject(net, 0, 1))->error);
	ASSERT_EQ(-EINVAL, (begin("split", NULL), inject(net, 0, 1))->error);

	begin("split", NULL);
	component("n000,n001");
	component("n001");
	ASSERT_EQ(-EINVAL, inject(net, 0, 1)->error);
	begin("split", NULL);
	component("n000");
	component("");
	ASSERT_EQ(-EINVAL, inject(net, 0, 1)->error);
	begin("split", NULL);
	component("n000");
	component("n009");
	answer = inject(net, 0, 1);
	ASSERT_EQ(-EHOSTUNREACH, answer->error);
	ASSERT_NE(NULL, strstr(answer->reason, "n009"));
	answer = (begin("isolate", "nowhere"), inject(net, 0, 1));
	ASSERT_EQ(-EHOSTUNREACH, answer->error);
	ASSERT_NE(NULL, strstr(answer->reason, "nowhere"));

	tlv_put_str(begin("isolate", "n000"), SKERRY_K_VISIBILITY, "purple");
	answer = inject(net, 0, 1);
	ASSERT_EQ(-EOPNOTSUPP, answer->error);
	ASSERT_NE(NULL, strstr(answer->reason, "purple"));
	tlv_put_str(begin("isolate", "n000"), SKERRY_K_SCOPE, "cgroup");
	ASSERT_EQ(-EOPNOTSUPP, inject(net, 0, 1)->error);
	tlv_put_bool(begin("around", "n000"), SKERRY_K_ONE_WAY, true);
	ASSERT_EQ(-EINVAL, inject(net, 0, 1)->error);
	tlv_put_str(begin("isolate", "n000"), SKERRY_K_NAME, "a\nb");
	ASSERT_EQ(-EINVAL, inject(net, 0, 1)->error);
	tlv_put_u64(begin("isolate", "n000"), SKERRY_K_DURATION_MS, UINT64_MAX);
	ASSERT_EQ(-EINVAL, inject(net, 0, 1)->error);

	/* fields of the wrong size, fields cut off */
	tlv_put(begin("isolate", "n000"), SKERRY_K_TTL, &byte, 1);
	ASSERT_EQ(-EPROTO, inject(net, 0, 1)->error);
	begin("isolate", "n000");
	command.used_bytes--;
	ASSERT_EQ(-EPROTO, inject(net, 0, 1)->error);
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	partnet_command(net, 0, SKERRY_CMD_RESOLVE, 1, &command);
	ASSERT_EQ(-EINVAL, net->nodes[0].answers[1].error);
	tlv_put(&command, SKERRY_K_REFERENCE, &byte, 1);
	partnet_command(net, 0, SKERRY_CMD_RESOLVE, 1, &command);
	ASSERT_EQ(-EPROTO, net->nodes[0].answers[1].error);

	memset(&net->nodes[0].answers[1], 0, sizeof(*answer));
	event.command.command = SKERRY_CMD_INJECT;
	event.command.correlation = 1;
	event.now_ns = net->now_ns;
	partition_command(net->nodes[0].p, &event);
	ASSERT_EQ(-EACCES, net->nodes[0].answers[1].error);

	for (i = 0; i < 5; i++) {
		ASSERT_STREQ("", rows(net, i));
		ASSERT_STREQ("", cuts(net, i));
	}
}

TEST_F(five, safeguards)
{
	struct partnet *net = &self->net;

	/* Everybody from everybody is always too much. */
	tlv_put_u64(begin("around", "n000"), SKERRY_K_TTL, 1);
	ASSERT_EQ(-EDQUOT, inject(net, 0, 1)->error);
	/* 3 of 5 are, 2 of 5 are not. */
	begin("split", NULL);
	component("n000,n001");
	component("n002");
	component("n003,n004");
	ASSERT_EQ(-EDQUOT, inject(net, 0, 1)->error);
	begin("split", NULL);
	component("n000,n001");
	component("n002,n003,n004");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->error);

	tlv_put_u64(begin("isolate", "n000"), SKERRY_K_DURATION_MS, 3600001);
	ASSERT_EQ(-EDQUOT, inject(net, 0, 1)->error);
	tlv_put_bool(&command, SKERRY_K_FORCE, true);
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	ASSERT_EQ(0, resolve(net, 0, 1, NULL)->error);
	tlv_put_u64(begin("isolate", "n000"), SKERRY_K_DURATION_MS, 3600000);
	ASSERT_EQ(0, inject(net, 0, 1)->error);

	net->config.cut_share_percent = 10;
	net->config.cut_max_ms = 1;
	partition_configure(net->nodes[0].p, &net->config);
	begin("isolate", "n001");
	ASSERT_EQ(-EDQUOT, inject(net, 0, 1)->error);
}

TEST_F(five, same_name)
{
	struct partnet *net = &self->net;
	uint8_t reference[16];
	uint64_t generation;
	int i;

	tlv_put_str(begin("isolate", "n001"), SKERRY_K_NAME, "x");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	memcpy(reference, net->nodes[0].answers[1].reference, 16);
	generation = net->nodes[3].sent;
	/* the same from another node: the same partition */
	ASSERT_EQ(0, inject(net, 3, 1)->error);
	ASSERT_EQ(0, memcmp(reference, net->nodes[3].answers[1].reference, 16));
	ASSERT_EQ(generation, net->nodes[3].sent);
	tlv_put_str(begin("isolate", "n002"), SKERRY_K_NAME, "x");
	ASSERT_EQ(-EEXIST, inject(net, 0, 1)->error);
	tlv_put_str(begin("isolate", "n001"), SKERRY_K_NAME, "x");
	tlv_put_u64(&command, SKERRY_K_DURATION_MS, 1000);
	ASSERT_EQ(-EEXIST, inject(net, 0, 1)->error);
	for (i = 0; i < 5; i++)
		ASSERT_STREQ(i == 1 ? "everybody:both:wire" : "n001:both:wire",
			     cuts(net, i));
	/* by name; afterwards the name is free */
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	tlv_put_str(&command, SKERRY_K_NAME, "x");
	partnet_command(net, 2, SKERRY_CMD_RESOLVE, 2, &command);
	ASSERT_TRUE(partnet_wait(net, 2, 2, 5000));
	ASSERT_EQ(0, net->nodes[2].answers[2].error);
	tlv_put_str(begin("isolate", "n002"), SKERRY_K_NAME, "x");
	ASSERT_EQ(0, inject(net, 0, 1)->error);
	ASSERT_NE(0, memcmp(reference, net->nodes[0].answers[1].reference, 16));
}

TEST_HARNESS_MAIN
