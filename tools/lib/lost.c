/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What did not arrive, kept until skerry_dispatch() says so. */
#include <errno.h>
#include <stdlib.h>

#include "outgoing.h"

void lib_lost_add(struct lib_flow *f, uint64_t from, uint64_t to,
		  bool uncertain)
{
	/* Older values are not missed, and the last is sent again. */
	if (lib_value_is(f)) {
		lib_value_lost(f, from);
		return;
	}
	lib_lost_report(f, from, to, uncertain);
}

void lib_lost_report(struct lib_flow *f, uint64_t from, uint64_t to,
		     bool uncertain)
{
	struct skerry *h = f->handle;
	struct lib_lost *lost;

	if (from >= to || h->lost_count >= LIB_LOST_MAX)
		return;
	lost = malloc(sizeof(*lost));
	if (!lost)
		return;
	lost->next = NULL;
	lost->node = *f->node ? f->node : h->node;
	lost->endpoint = lib_intern(h, f->endpoint);
	if (!lost->endpoint)
		lost->endpoint = "";
	lost->channel = f->channel_name;
	lost->from_number = from;
	lost->to_number = to;
	lost->uncertain = uncertain;
	*h->lost_tail = lost;
	h->lost_tail = &lost->next;
	h->lost_count++;
}

int lib_lost_run(struct skerry *h)
{
	struct lib_lost *list = h->lost;
	int n = 0;

	if (!h->lost_function)
		return 0;
	/* What the callback causes is for the next dispatch. */
	h->lost = NULL;
	h->lost_tail = &h->lost;
	h->lost_count = 0;
	while (list) {
		struct lib_lost *lost = list;
		struct skerry_lost told = {
			.node = lost->node,
			.endpoint = lost->endpoint,
			.channel = lost->channel,
			.from_number = lost->from_number,
			.to_number = lost->to_number,
			.uncertain = lost->uncertain,
		};

		list = lost->next;
		h->in_callback = true;
		h->lost_function(h->lost_data, &told);
		h->in_callback = false;
		free(lost);
		n++;
	}
	return n;
}

void lib_lost_free(struct skerry *h)
{
	while (h->lost) {
		struct lib_lost *lost = h->lost;

		h->lost = lost->next;
		free(lost);
	}
}

SKERRY_API int skerry_on_lost(struct skerry *h, skerry_lost_fn *function,
			      void *data)
{
	h->lost_function = function;
	h->lost_data = data;
	return 0;
}
