// SPDX-License-Identifier: GPL-2.0-only
/* commands.c - what programs ask of the core, as administrators mostly. */
#include "core_script.h"

static const uint8_t types[] = {
	SCRIPT_COMMAND, SCRIPT_COMMAND,	     SCRIPT_TIME,
	SCRIPT_CUTS,	SCRIPT_PROGRAM_GONE, SCRIPT_PARTITION,
};

const struct fuzz_format fuzz_format = SCRIPT_FORMAT(types);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script_run(data, size);
	return 0;
}
