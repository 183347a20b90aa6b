// SPDX-License-Identifier: GPL-2.0-only
/* gossip.c - what members say on lanes, and lanes that come and go. */
#include "core_script.h"

static const uint8_t types[] = {
	SCRIPT_FRAME,	   SCRIPT_FRAME,       SCRIPT_TIME,  SCRIPT_LANE_DOWN,
	SCRIPT_LANE_UP,	   SCRIPT_DIAL_FAILED, SCRIPT_HELLO, SCRIPT_ADDRESSES,
	SCRIPT_DISCOVERED, SCRIPT_BLOCKED,     SCRIPT_DISK,  SCRIPT_STOP,
};

const struct fuzz_format fuzz_format = SCRIPT_FORMAT(types);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script_run(data, size);
	return 0;
}
