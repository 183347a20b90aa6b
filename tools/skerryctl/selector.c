// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* selector.c - nodes and references as people write them; see ctl.h. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

const char *selector_node(const char *text)
{
	return strcmp(text, ".") == 0 ? "" : text;
}

bool selector_reference(const char *text, uint8_t ret_id[16])
{
	unsigned int byte;
	uint8_t id[16];
	int i;

	if (strlen(text) != 32 || strspn(text, "0123456789abcdefABCDEF") != 32)
		return false;
	for (i = 0; i < 16; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		id[i] = (uint8_t)byte;
	}
	memcpy(ret_id, id, sizeof(id));
	return true;
}

void selector_reference_text(const uint8_t id[16], char out[33])
{
	int i;

	for (i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
}
