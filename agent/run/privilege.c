// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* privilege.c - capabilities given up; see privilege.h. */
#include "privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>

/* Devices come and go: attaching to a new one, larger socket buffers, pins
 * that belong to the group. */
static const unsigned int always[] = { CAP_NET_ADMIN, CAP_NET_RAW };
static const unsigned int for_kernel[] = { CAP_BPF, CAP_PERFMON, CAP_CHOWN };

int privilege_drop(bool kernel)
{
	size_t i;

	if (capng_get_caps_process())
		return -EPERM;
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) <= CAPNG_NONE)
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			     always[i]);
	for (i = 0; kernel && i < sizeof(for_kernel) / sizeof(for_kernel[0]);
	     i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			     for_kernel[i]);
	if (capng_apply(CAPNG_SELECT_BOTH))
		return -EPERM;
	/* Nothing we might start could get them back. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}
