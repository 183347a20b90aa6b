// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - recordings from anywhere, as skerry-replay takes them. What can
 * be read is written again as the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "replay.h"

/* A larger core is only slower. */
#define CORE_BYTES_MAX (4U << 20)
#define RECORD_BYTES (1U << 20)

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_TRACE,
	.prefix_bytes = TRACE_MAGIC_BYTES,
};

static uint8_t scratch[TRACE_SCRATCH_BYTES + RECORD_BYTES]
	__attribute__((aligned(16)));
static uint8_t other_scratch[sizeof(scratch)] __attribute__((aligned(16)));
static uint8_t first[RECORD_BYTES], second[RECORD_BYTES];

static bool same(const struct tlv_writer *a, const struct tlv_writer *b)
{
	return a->used_bytes == b->used_bytes &&
	       !memcmp(a->data, b->data, a->used_bytes);
}

static void check_event(struct core_bytes tlvs)
{
	struct core_event event, again;
	struct tlv_writer a, b;
	char text[2048];

	if (trace_event_decode(tlvs, scratch, sizeof(scratch), &event))
		return;
	FUZZ_CHECK(trace_event_text(&event, text, sizeof(text)) >= 0);
	tlv_writer_init(&a, first, sizeof(first));
	trace_event(&a, &event);
	FUZZ_CHECK(!a.full);
	FUZZ_CHECK(
		!trace_event_decode((struct core_bytes) { first, a.used_bytes },
				    other_scratch, sizeof(other_scratch),
				    &again));
	tlv_writer_init(&b, second, sizeof(second));
	trace_event(&b, &again);
	FUZZ_CHECK(same(&a, &b));
}

static void check_op(struct core_bytes tlvs)
{
	struct tlv_writer a, b;
	struct core_op op, again;
	char text[2048];

	if (trace_op_decode(tlvs, scratch, sizeof(scratch), &op))
		return;
	FUZZ_CHECK(trace_op_text(&op, text, sizeof(text)) >= 0);
	tlv_writer_init(&a, first, sizeof(first));
	trace_op(&a, &op);
	FUZZ_CHECK(!a.full);
	FUZZ_CHECK(!trace_op_decode((struct core_bytes) { first, a.used_bytes },
				    other_scratch, sizeof(other_scratch),
				    &again));
	tlv_writer_init(&b, second, sizeof(second));
	trace_op(&b, &again);
	FUZZ_CHECK(same(&a, &b));
}

/* True when it asks for a core that is small enough to be quick. */
static bool look(struct core_bytes left)
{
	struct trace_setup setup;
	struct core_bytes tlvs;
	enum trace_kind kind;
	bool quick = true;

	while (trace_record_next(&left, &kind, &tlvs) == 1) {
		if (kind == TRACE_EVENT)
			check_event(tlvs);
		else if (kind == TRACE_OP)
			check_op(tlvs);
		else if (kind == TRACE_SETUP &&
			 !trace_setup_decode(tlvs, &setup))
			quick &= setup.limits.members_max <= 64 &&
				 setup.limits.watches_max <= 1024 &&
				 setup.limits.partitions_max <= 16 &&
				 setup.limits.rules_max <= 256 &&
				 core_size(&setup.limits) <= CORE_BYTES_MAX;
	}
	return quick;
}

/* What skerry-replay says is for people. */
static void quietly(struct core_bytes trace)
{
	struct replay_options options = { .file = "input" };
	static FILE *nowhere;
	FILE *errors = stderr, *answers = stdout;
	int code;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!nowhere)
		abort();
	stderr = stdout = nowhere;
	code = replay_feed(&options, trace);
	stderr = errors;
	stdout = answers;
	FUZZ_CHECK(code >= REPLAY_SAME && code <= REPLAY_USAGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct core_bytes trace;
	uint8_t *copy;

	if (size < TRACE_MAGIC_BYTES ||
	    memcmp(data, TRACE_MAGIC, TRACE_MAGIC_BYTES))
		return 0;
	trace.size_bytes = size - TRACE_MAGIC_BYTES;
	copy = malloc(trace.size_bytes);
	if (trace.size_bytes && !copy)
		abort();
	if (trace.size_bytes)
		memcpy(copy, data + TRACE_MAGIC_BYTES, trace.size_bytes);
	trace.data = copy;
	if (look(trace))
		quietly(trace);
	free(copy);
	return 0;
}
