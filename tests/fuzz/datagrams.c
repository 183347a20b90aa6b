// SPDX-License-Identifier: GPL-2.0-only
/* datagrams.c - datagrams of the heartbeat and partition ports, through the core that hears them. */
#include "core_script.h"

static const uint8_t types[] = {
	SCRIPT_HEARTBEAT,
	SCRIPT_PARTITION,
	SCRIPT_RAW,
	SCRIPT_TIME,
};

const struct fuzz_format fuzz_format = SCRIPT_FORMAT(types);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script_run(data, size);
	return 0;
}
