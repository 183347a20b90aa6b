// SPDX-License-Identifier: GPL-2.0-only
/* The registry of partitions and bodies that no registry has made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "partcmd.h"

static struct {
	uint8_t bytes[PARTITION_BODY_MAX_BYTES];
	size_t size_bytes;
} caught[64];
static size_t caught_count;

static int catch_datagram(void *data, const char *name, struct core_bytes body)
{
	size_t i = caught_count++ % 64;

	memcpy(caught[i].bytes, body.data, body.size_bytes);
	caught[i].size_bytes = body.size_bytes;
	return 0;
}

static bool env_node(void *data, size_t i, const char **ret_name,
		     uint32_t *ret_peer)
{
	static const char *const names[] = { "a", "b", "c" };

	if (i >= 3)
		return false;
	*ret_name = names[i];
	*ret_peer = i ? (uint32_t)i : CORE_PEER_SELF;
	return true;
}

static bool env_within(void *data, const char *origin, uint32_t ttl,
		       const char *name)
{
	return true;
}

static uint32_t cut_operations;

static void env_cut_add(void *data, const struct core_cut *cut)
{
	cut_operations++;
}

static void env_cut_del(void *data, uint32_t handle)
{
	cut_operations++;
}

static uint64_t committed;

static void env_cut_commit(void *data, uint64_t generation)
{
	committed = generation;
}

static void env_answer(void *data, uint32_t program, uint32_t correlation,
		       int error, const char *reason, struct core_bytes tlvs)
{
}

static void env_part(void *data, uint32_t program, uint32_t correlation,
		     struct core_bytes tlvs)
{
}

static uint64_t ledger_token;

static void env_ledger(void *data, uint64_t token, const uint8_t reference[16])
{
	ledger_token = token;
}

static void env_log(void *data, enum core_log_level level, const char *event,
		    const char *log_text, struct core_bytes tlvs)
{
}

static const struct partition_env hostile_env = {
	.node = env_node,
	.within = env_within,
	.datagram = catch_datagram,
	.cut_add = env_cut_add,
	.cut_del = env_cut_del,
	.cut_commit = env_cut_commit,
	.answer = env_answer,
	.part = env_part,
	.ledger = env_ledger,
	.log = env_log,
};

/* Of what the registry itself says, something is mutated. */
static void command_now(struct partition *p, uint32_t number, uint64_t now)
{
	struct core_event event = { .type = EV_COMMAND, .now_ns = now };

	event.command.admin = true;
	event.command.command = number;
	event.command.tlvs =
		(struct core_bytes) { command.data, command.used_bytes };
	partition_command(p, &event);
}

static void answer_ledger(struct partition *p, uint64_t now)
{
	static const struct core_ledger list[40] = {
		{ .peer = 1, .in_force = true, .out_dropped = 7 },
		{ .peer = CORE_PEER_EVERYBODY, .user_space = true },
	};
	struct core_event event = { .type = EV_LEDGER,
				    .now_ns = now,
				    .token = ledger_token,
				    .ledger = { list, 40 } };

	if (!ledger_token)
		return;
	ledger_token = 0;
	partition_ledger(p, &event);
}

static size_t all_rows(struct partition *p, uint8_t *out, size_t room)
{
	struct tlv_writer w;
	size_t cursor = 0;

	tlv_writer_init(&w, out, room);
	partition_rows(p, &w, &cursor, 1);
	return w.used_bytes;
}

static void settle(struct partition *p, uint64_t now_ns)
{
	while (partition_tick(p, now_ns, 0) <= now_ns)
		continue;
	if (committed) {
		partition_cuts_applied(p, committed, 0, now_ns);
		committed = 0;
		while (partition_tick(p, now_ns, 0) <= now_ns)
			continue;
	}
}

static void mutate(struct rng *rng, uint8_t *bytes, size_t *size)
{
	uint64_t changes = 1 + rng_below(rng, 4);

	while (changes--) {
		if (*size && rng_below(rng, 4))
			bytes[rng_below(rng, *size)] = (uint8_t)rng_u64(rng);
		else if (*size)
			*size = rng_below(rng, *size + 1);
	}
}

/* Questions of ours come to us as if another had asked: so the answers are
 * among what is mutated. */
static void hear_back(struct partition *p, size_t i, uint64_t now)
{
	struct core_bytes body = { caught[i].bytes, caught[i].size_bytes };
	char kind[16] = "";

	tlv_find_str(body.data, body.size_bytes, SKERRY_K_KIND, kind,
		     sizeof(kind));
	if (strcmp(kind, "ledger?") == 0 || strcmp(kind, "able?") == 0)
		partition_datagram(p, "b", body, now, 0);
	settle(p, now);
	answer_ledger(p, now);
}

TEST(hostile_bodies)
{
	static uint8_t before[65536], after[65536];
	struct partition_limits limits = { 16, 8, 128 };
	struct core_config config = { .name = "a",
				      .cut_max_ms = 1000,
				      .cut_share_percent = 100,
				      .cut_loss = true };
	void *memory = aligned_alloc(16, partition_size(&limits) + 16);
	uint64_t now = PARTNET_MS;
	struct partition *p;
	struct rng rng;
	uint32_t refused = 0;
	size_t n_before, n_after;
	int i;

	p = partition_init(memory, &limits, &hostile_env, &config, 1);
	rng_init(&rng, 99, 0);
	partition_node(p, "b", now);
	partition_node(p, "c", now);
	settle(p, now);
	begin("isolate", "b");
	tlv_put_str(&command, SKERRY_K_NAME, "x");
	tlv_put_u64(&command, SKERRY_K_DURATION_MS, 900);
	command_now(p, SKERRY_CMD_INJECT, now);
	settle(p, now);
	begin("majorities-ring", NULL);
	tlv_put_u64(&command, SKERRY_K_DURATION_MS, 900);
	command_now(p, SKERRY_CMD_INJECT, now);
	tlv_put_u64(begin("one-way", NULL), SKERRY_K_LOSS_PPM, 7);
	component("b");
	component("a,c");
	command_now(p, SKERRY_CMD_INJECT, now);
	tlv_put_str(begin(NULL, NULL), SKERRY_K_NAME, "x");
	command_now(p, SKERRY_CMD_VERIFY, now);
	begin("halves", NULL);
	command_now(p, SKERRY_CMD_EXPLAIN, now);
	settle(p, now);
	for (i = 0; i < 64 && i < (int)caught_count; i++)
		hear_back(p, (size_t)i, now);
	ASSERT_LE(12, caught_count);

	for (i = 0; i < 100000; i++) {
		uint8_t body[PARTITION_BODY_MAX_BYTES + 64];
		size_t size, n;
		int error;

		if (rng_below(&rng, 8)) {
			n = rng_below(&rng,
				      caught_count < 64 ? caught_count : 64);
			size = caught[n].size_bytes;
			memcpy(body, caught[n].bytes, size);
			mutate(&rng, body, &size);
		} else {
			size = rng_below(&rng, sizeof(body) + 1);
			for (n = 0; n < size; n++)
				body[n] = (uint8_t)rng_u64(&rng);
		}
		n_before = all_rows(p, before, sizeof(before));
		error = partition_datagram(p, i & 1 ? "b" : "c",
					   (struct core_bytes) { body, size },
					   now, 0);
		n_after = all_rows(p, after, sizeof(after));
		if (error) {
			ASSERT_TRUE(error == -EPROTO || error == -ENOSPC);
			ASSERT_EQ(n_before, n_after);
			ASSERT_EQ(0, memcmp(before, after, n_after));
			refused += error == -EPROTO;
		}
		now += PARTNET_MS / 4;
		if (i % 16 == 0)
			settle(p, now);
		answer_ledger(p, now);
	}
	/* Both sides of the coin have been seen. */
	ASSERT_LT(25000, refused);
	ASSERT_GT(95000, refused);
	ASSERT_LT(10, cut_operations);
	free(memory);
}

TEST_HARNESS_MAIN
