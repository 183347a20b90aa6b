/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What messages carry beside their bytes. The agents pass it on unread, so
 * here is the first who understands it, and the last who can be lied to.
 */
#include <errno.h>

#include "internal.h"

int lib_extension_read(struct lib_inflow *inflow, const void *extensions,
		       size_t size_bytes, struct skerry_message *m)
{
	uint8_t copy[SKERRY_MESSAGE_EXT_MAX_BYTES + 12];
	uint64_t reply = 0, error = 0;
	struct tlv_reader r;

	if (size_bytes > sizeof(copy))
		return -EPROTO;
	/* The ring can be written to by the agent at any time. */
	if (size_bytes)
		memcpy(copy, extensions, size_bytes);
	tlv_reader_init(&r, copy, size_bytes);
	while (tlv_next(&r)) {
		switch (r.key) {
		case SKERRY_K_TOTAL_BYTES:
		case SKERRY_K_PLAIN_BYTES: /* is unpacked by now */
			break;
		case SKERRY_K_CALL:
			if (tlv_u64(&r, &m->call))
				return -EPROTO;
			m->flags |= SKERRY_MESSAGE_CALL;
			break;
		case SKERRY_K_REPLY:
			if (tlv_u64(&r, &m->call))
				return -EPROTO;
			reply = 1;
			break;
		case SKERRY_K_REPLY_ERROR:
			if (tlv_u64(&r, &error) || !error || error > 4095)
				return -EPROTO;
			break;
		default:
			if (r.critical)
				return -EPROTO;
		}
	}
	if (r.bad || (error && !reply))
		return -EPROTO;
	if (reply)
		m->reserved = (uint32_t)(reply + error);
	return 0;
}
