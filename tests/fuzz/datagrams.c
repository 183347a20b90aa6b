// SPDX-License-Identifier: GPL-2.0-only
/* datagrams.c - datagrams of the heartbeat and partition ports, through the core that hears them. */
#include "core_script.h"

static const uint8_t types[] = {
	SCRIPT_HEARTBEAT,
	SCRIPT_PARTITION,
	SCRIPT_RAW,
	SCRIPT_TIME,
};

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_RECORDS,
	.types = types,
	.type_count = sizeof(types),
	.words = script_words,
	.word_count = 46,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script_run(data, size);
	return 0;
}
