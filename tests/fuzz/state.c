// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - a node's state file, damaged or made by somebody else. The node
 * starts whatever it holds; and what it then stores it reads back as the
 * same.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core_script.h"

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_TLVS,
	.words = script_words,
	.word_count = SCRIPT_WORDS,
};

/* All but the incarnation, which grows with each start. */
static bool same_state(struct core_bytes a, struct core_bytes b)
{
	struct tlv_reader x, y;
	bool more;

	tlv_reader_init(&x, a.data, a.size_bytes);
	tlv_reader_init(&y, b.data, b.size_bytes);
	while ((more = tlv_next(&x)) == tlv_next(&y) && more) {
		if (x.key != y.key || x.length != y.length)
			return false;
		if (x.key == SKERRY_K_INCARNATION)
			continue;
		/* Members first is oneself, with its incarnation. */
		if (x.key != SKERRY_K_MEMBER &&
		    memcmp(x.value, y.value, x.length))
			return false;
	}
	return !more && !x.bad && !y.bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *input = malloc(size);
	struct core_bytes stored, again;
	uint64_t first, second;
	uint8_t *kept;

	if (size && !input)
		abort();
	if (size)
		memcpy(input, data, size);
	FUZZ_CHECK(!script_start((struct core_bytes) { input, size }, &stored));
	FUZZ_CHECK(stored.size_bytes && fuzz_tlvs_whole(stored));
	first = tlv_find_u64(stored.data, stored.size_bytes,
			     SKERRY_K_INCARNATION, 0);
	kept = malloc(stored.size_bytes);
	if (!kept)
		abort();
	memcpy(kept, stored.data, stored.size_bytes);
	stored.data = kept;
	FUZZ_CHECK(!script_start(stored, &again));
	second = tlv_find_u64(again.data, again.size_bytes,
			      SKERRY_K_INCARNATION, 0);
	FUZZ_CHECK(second > first);
	FUZZ_CHECK(same_state(stored, again));
	free(kept);
	free(input);
	return 0;
}
