// SPDX-License-Identifier: GPL-2.0-only
/*
 * decode.c - the state of an overlay as one program gives it to another, out
 * of whatever file or message it came in. What is read is within its bounds,
 * and is the same the second time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "spec.h"
#include "state.h"

static const char *const words[] = {
	"n1",	     "n2",	"a.example", "full",
	"hyparview", "default", "bulk",	     "rack=1",
};

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_TLVS,
	.words = words,
	.word_count = sizeof(words) / sizeof(words[0]),
};

static bool ends_within(const char *text, size_t room)
{
	return memchr(text, 0, room) != NULL;
}

static void check_spec(const struct spec *spec)
{
	uint32_t i;

	FUZZ_CHECK(ends_within(spec->name, sizeof(spec->name)));
	FUZZ_CHECK(skerry_name_valid(spec->name));
	FUZZ_CHECK(spec->incarnation &&
		   spec->incarnation <= SPEC_INCARNATION_MAX);
	FUZZ_CHECK(ends_within(spec->overlay, sizeof(spec->overlay)));
	FUZZ_CHECK(spec->address_count <= SKERRY_ADDRS_MAX);
	FUZZ_CHECK(spec->tag_count <= SKERRY_TAGS_MAX);
	for (i = 0; i < spec->tag_count; i++)
		FUZZ_CHECK(ends_within(spec->tags[i], sizeof(spec->tags[i])));
	FUZZ_CHECK(spec->reserved_count <= SKERRY_RESERVED_TAGS_MAX);
	FUZZ_CHECK(spec->channel_count <= SKERRY_CHANNELS_MAX);
	for (i = 0; i < spec->channel_count; i++)
		FUZZ_CHECK(ends_within(spec->channels[i].name,
				       sizeof(spec->channels[i].name)));
}

/* How many there are, or -EPROTO. */
static int read_all(const uint8_t *input, size_t size)
{
	struct tlv_reader r;
	struct spec spec;
	int count = 0, more;

	if (state_parse(&r, input, size))
		return -EPROTO;
	while ((more = state_next(&r, &spec)) > 0) {
		check_spec(&spec);
		count++;
	}
	FUZZ_CHECK(!more || more == -EPROTO);
	return more ? more : count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *input = malloc(size);
	int count;

	if (size && !input)
		abort();
	if (size)
		memcpy(input, data, size);
	count = read_all(input, size);
	FUZZ_CHECK(read_all(input, size) == count);
	free(input);
	return 0;
}
