// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_endpoint.c - names that programs own; see flow.h. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

static uint64_t name_hash(const struct flowtab *tab, const char *name)
{
	return hash_mix(hash_str(tab->seed, name));
}

struct flow_endpoint *flow_endpoint_find(struct flowtab *tab, const char *name)
{
	uint64_t hash = name_hash(tab, name);
	struct flow_chain *at = flow_hash_first(&tab->names, hash);
	struct flow_endpoint *endpoint;

	for (; at; at = flow_hash_next(at->next, hash)) {
		endpoint = list_object(at, struct flow_endpoint, chain);
		if (!strcmp(endpoint->name, name))
			return endpoint;
	}
	return NULL;
}

static bool is_own(const char *name)
{
	return name[0] == '#';
}

static bool full(const struct flowtab *tab, const char *name)
{
	return !is_own(name) && tab->endpoints.used - tab->own_endpoints >=
					tab->limits.endpoints_max;
}

int flow_endpoint(struct flowtab *tab, uint32_t program, const char *endpoint,
		  uint64_t now_ns)
{
	struct flow_program *p = flow_program_find(tab, program);
	size_t length = strlen(endpoint);
	struct flow_endpoint *e;

	if (!p || !length || length > SKERRY_ENDPOINT_MAX_BYTES)
		return -EINVAL;
	flow_time(tab, now_ns);
	e = flow_endpoint_find(tab, endpoint);
	if (e)
		return e->program == p ? 0 : -EADDRINUSE;
	if (!is_own(endpoint) && flow_share_endpoint(tab, p))
		return -ENOSPC;
	e = full(tab, endpoint) ? NULL : flow_pool_get(&tab->endpoints);
	if (!e)
		return -ENOSPC;
	memset(e, 0, sizeof(*e));
	tab->own_endpoints += is_own(endpoint);
	p->endpoint_count += !is_own(endpoint);
	memcpy(e->name, endpoint, length + 1);
	e->program = p;
	list_add_tail(&p->endpoints, &e->link);
	flow_hash_add(&tab->names, &e->chain, name_hash(tab, endpoint));
	flow_in_waiting_again(tab, endpoint);
	flow_settle(tab);
	return 0;
}

void flow_endpoint_free(struct flowtab *tab, struct flow_endpoint *endpoint)
{
	list_del(&endpoint->link);
	flow_hash_del(&tab->names, &endpoint->chain);
	tab->own_endpoints -= is_own(endpoint->name);
	endpoint->program->endpoint_count -= !is_own(endpoint->name);
	flow_pool_put(&tab->endpoints, endpoint);
}

int flow_endpoint_gone(struct flowtab *tab, uint32_t program,
		       const char *endpoint, uint64_t now_ns)
{
	struct flow_program *p = flow_program_find(tab, program);
	struct flow_endpoint *e = p ? flow_endpoint_find(tab, endpoint) : NULL;
	struct list *at, *after;

	if (!e || e->program != p)
		return -ENOENT;
	flow_time(tab, now_ns);
	list_for_each_safe (at, after, &p->ins) {
		struct flow_in *in =
			list_object(at, struct flow_in, program_link);

		if (in->endpoint == e)
			flow_in_end(tab, in, -ENOENT);
	}
	flow_endpoint_free(tab, e);
	flow_settle(tab);
	return 0;
}

void flow_endpoints(const struct flowtab *tab, flow_row_fn *function,
		    void *data)
{
	uint8_t row[256];
	struct tlv_writer w;
	struct list *at;
	uint32_t i;

	for (i = 0; i < tab->limits.programs_max; i++) {
		const struct flow_program *p = &tab->programs[i];

		if (!p->used)
			continue;
		list_for_each (at, &p->endpoints) {
			const struct flow_endpoint *e =
				list_object(at, struct flow_endpoint, link);

			tlv_writer_init(&w, row, sizeof(row));
			tlv_put_str(&w, SKERRY_K_ENDPOINT, e->name);
			tlv_put(&w, SKERRY_K_PROGRAM, p->instance, 16);
			tlv_put_u64(&w, SKERRY_K_RECEIVED_MESSAGES,
				    e->received_messages);
			tlv_put_u64(&w, SKERRY_K_COUNT, e->flows);
			function(data, row, w.used_bytes);
		}
	}
}
