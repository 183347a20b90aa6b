/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Other ways to send: to the manager, to this node alone, for another node. */
#include <errno.h>

#include "asking.h"

SKERRY_API int skerry_send(struct skerry *h, const char *node, const void *data,
			   size_t size_bytes,
			   const struct skerry_forward_opts *opts)
{
	struct lib_message message = { .data = data, .size_bytes = size_bytes };

	return lib_forward(h, node ? node : "", "skerry/manager", &message,
			   opts);
}

SKERRY_API int skerry_process_forward(struct skerry *h, const char *endpoint,
				      const void *data, size_t size_bytes,
				      const struct skerry_forward_opts *opts)
{
	struct lib_message message = { .data = data, .size_bytes = size_bytes };
	struct skerry_ref ref;
	const char *node = NULL;
	int r;

	r = lib_ref_resolve(h, &node, &endpoint, &ref);
	if (r)
		return r;
	if (node && strcmp(node, h->node))
		return lib_fail(h, -EREMOTE,
				"skerry:%s/%s: is not on this node, but %s; "
				"use skerry_forward",
				node, endpoint, h->node);
	return lib_forward(h, "", endpoint, &message, opts);
}

SKERRY_API int skerry_receive_message(struct skerry *h, const char *node,
				      const char *channel, const char *endpoint,
				      const void *data, size_t size_bytes)
{
	struct skerry_forward_opts opts = {
		.size = sizeof(opts),
		.channel = channel,
	};
	struct lib_message message = {
		.data = data,
		.size_bytes = size_bytes,
		.source = node,
	};

	if (!node || !skerry_name_valid(node))
		return lib_fail(h, -EINVAL,
				"%.80s: not a name that a node can have",
				node ? node : "(none)");
	return lib_forward(h, "", endpoint, &message, &opts);
}
