// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Ledgers: what each rule has seen and done, while it is there and after. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

/* The ledger outlives its rule, until many others have gone after it. */
void kernel_ledger_retire(struct kernel *k, uint64_t id)
{
	uint64_t *slot = &k->ledgers[k->ledger_next++ % SKERRY_LEDGERS_KEPT];

	if (*slot)
		bpf_map_delete_elem(k->fd[KMAP_DROPS], slot);
	*slot = id;
}

int kernel_drops(const struct kernel *k, uint32_t handle,
		 struct skerry_drop *ret_drop)
{
	struct kernel_rule_entry *rule;
	struct skerry_drop drop;
	int ret;

	if (k->none)
		return -ENOENT;
	rule = kernel_rule_by_handle(k, handle);
	if (!rule || !rule->written)
		return -ENOENT;
	ret = bpf_map_lookup_elem(k->fd[KMAP_DROPS], &rule->id, &drop);
	if (ret)
		return ret;
	*ret_drop = drop;
	return 0;
}

static uint32_t core_number(const struct kernel *k,
			    const struct skerry_rule *rule)
{
	const struct kernel_peer_entry *peer;

	if (kernel_rule_is_address(rule))
		return CORE_PEER_ADDRESS;
	if (!rule->peer)
		return CORE_PEER_EVERYBODY;
	peer = kernel_peer_by_id(k, rule->peer);
	return peer && peer->bound ? peer->number : CORE_PEER_SELF;
}

/* What a packet would find: not what this agent has written, and somebody
 * may have taken away since. */
static bool in_force(const struct kernel *k,
		     const struct kernel_rule_entry *rule)
{
	uint64_t now = kernel_boot_ns();
	struct skerry_rule value;

	if (bpf_map_lookup_elem(k->fd[KMAP_RULES], &rule->id, &value) ||
	    !kernel_rule_judges(k, rule->id, &value))
		return false;
	return now <
	       (value.deadline_ns ? value.deadline_ns : k->meta->lease_end_ns);
}

int kernel_ledger(const struct kernel *k, const uint8_t reference[16],
		  kernel_ledger_fn *function, void *data)
{
	const struct kernel_rule_entry *rule;
	struct skerry_drop drop;
	uint32_t i;
	int count = 0;

	if (k->none)
		return 0;
	for (i = 0; i < k->rule_count; i++) {
		rule = &k->rules[i];
		if (!rule->listed || memcmp(rule->value.reference, reference,
					    sizeof(rule->value.reference)))
			continue;
		if (bpf_map_lookup_elem(k->fd[KMAP_DROPS], &rule->id, &drop))
			continue;
		function(data, core_number(k, &rule->value), in_force(k, rule),
			 &rule->value, &drop);
		count++;
	}
	return count;
}
