// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* Rules: staged, written, put in force by a swap, taken over, swept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel_impl.h"

#define TIMER_PAUSE_US 500
#define TIMER_PAUSES 20
#define LOSS_ALL_PPM 1000000U

struct kernel_rule_entry *kernel_rule_by_handle(const struct kernel *k,
						uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < k->rule_count; i++) {
		if (k->rules[i].has_handle && k->rules[i].handle == handle &&
		    k->rules[i].wanted)
			return &k->rules[i];
	}
	return NULL;
}

/*
 * The kernel takes a timer's memory without waiting and often finds none
 * when many are made in a row (-ENOMEM, on a host with plenty). So a few
 * pauses a commit are allowed for; what has no timer then ends as punctually,
 * and the sweep tries again.
 */
static void timer_start(struct kernel *k, struct kernel_rule_entry *rule)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &rule->id,
		    .ctx_size_in = sizeof(rule->id));

	if (!k->supported[KERNEL_TIMER])
		return;
	for (;;) {
		rule->armed = !bpf_prog_test_run_opts(k->prog_expire, &opts) &&
			      !opts.retval;
		if (rule->armed || (int)opts.retval != -ENOMEM ||
		    !k->timer_pauses)
			return;
		k->timer_pauses--;
		usleep(TIMER_PAUSE_US);
	}
}

int kernel_rule_write(struct kernel *k, struct kernel_rule_entry *rule)
{
	struct skerry_drop nothing = {};
	int ret;

	ret = kernel_map_write(k->fd[KMAP_DROPS], &rule->id, &nothing,
			       BPF_NOEXIST);
	if (ret && ret != -EEXIST)
		return ret;
	ret = kernel_map_write(k->fd[KMAP_RULES], &rule->id, &rule->value,
			       BPF_ANY);
	if (ret)
		return ret;
	rule->written = true;
	rule->stale = false;
	timer_start(k, rule);
	return 0;
}

static uint64_t deadline_of(const struct core_cut *cut, uint64_t now_mono_ns,
			    uint64_t now)
{
	if (!cut->deadline_ns)
		return 0;
	if (cut->deadline_ns <= now_mono_ns)
		return now;
	return now + (cut->deadline_ns - now_mono_ns);
}

/* What a cut is about; the rest of it may change. */
static int subject_of(const struct kernel *k, const struct core_cut *cut,
		      struct skerry_rule *ret_rule)
{
	struct skerry_rule rule = { .scope = SCOPE_NODE,
				    .direction = cut->direction };

	memcpy(rule.reference, cut->reference, sizeof(rule.reference));
	switch (cut->peer) {
	case CORE_PEER_EVERYBODY:
		break;
	case CORE_PEER_ADDRESS:
		rule.scope = SCOPE_HOST;
		rule.prefix_bits = cut->prefix_bits;
		rule.protocol = cut->protocol;
		rule.port_low = rule.port_high = cut->address.port;
		memcpy(rule.ip, cut->address.ip, sizeof(rule.ip));
		kernel_address_mask(rule.ip, rule.prefix_bits);
		break;
	default:
		rule.peer = kernel_peer_id(k, cut->peer);
		if (!rule.peer)
			return -ENOENT;
	}
	*ret_rule = rule;
	return 0;
}

static bool same_subject(const struct skerry_rule *a,
			 const struct skerry_rule *b)
{
	return a->scope == b->scope && a->peer == b->peer &&
	       a->direction == b->direction &&
	       a->prefix_bits == b->prefix_bits && a->protocol == b->protocol &&
	       a->port_low == b->port_low && !memcmp(a->ip, b->ip, 16) &&
	       !memcmp(a->reference, b->reference, 16);
}

static struct kernel_rule_entry *adopted_twin(const struct kernel *k,
					      const struct skerry_rule *subject)
{
	struct kernel_rule_entry *rule;
	uint32_t i;

	for (i = 0; i < k->rule_count; i++) {
		rule = &k->rules[i];
		if (!rule->has_handle && rule->wanted && !rule->expired &&
		    same_subject(&rule->value, subject))
			return rule;
	}
	return NULL;
}

static int peer_fits(const struct kernel *k, uint32_t peer)
{
	uint32_t i, same = 0;

	for (i = 0; i < k->rule_count; i++) {
		if (k->rules[i].wanted && k->rules[i].value.peer == peer &&
		    !kernel_rule_is_address(&k->rules[i].value))
			same++;
	}
	return same >= SKERRY_RULES_PER_PEER_MAX ? -ENOSPC : 0;
}

static int rule_new(struct kernel *k, const struct skerry_rule *subject,
		    struct kernel_rule_entry **ret_rule)
{
	struct kernel_rule_entry *rule;
	int ret;

	if (k->rule_count >= SKERRY_RULES_MAX)
		return -ENOSPC;
	ret = kernel_rule_is_address(subject)
		      ? kernel_address_fits(k, subject->ip,
					    subject->prefix_bits)
		      : peer_fits(k, subject->peer);
	if (ret)
		return ret;
	ret = kernel_room((void **)&k->rules, k->rule_count, &k->rule_room,
			  sizeof(*k->rules));
	if (ret)
		return ret;
	rule = &k->rules[k->rule_count++];
	memset(rule, 0, sizeof(*rule));
	rule->id = k->meta->next_rule++;
	kernel_meta_flush(k);
	rule->wanted = true;
	rule->value = *subject;
	*ret_rule = rule;
	return 0;
}

/* Whether the kernel can do it, and whether it makes sense. */
static int check_cut(const struct kernel *k, const struct core_cut *cut)
{
	bool address = cut->peer == CORE_PEER_ADDRESS;

	if (cut->direction > DIRECTION_OUT ||
	    cut->visibility > VISIBILITY_SEVER ||
	    cut->loss_ppm > LOSS_ALL_PPM || cut->prefix_bits > 128)
		return -EINVAL;
	if (cut->channel[0] ||
	    (cut->loss_ppm && cut->loss_ppm < LOSS_ALL_PPM &&
	     !k->supported[KERNEL_LOSS]) ||
	    (cut->visibility == VISIBILITY_REJECT &&
	     !k->supported[KERNEL_REJECT]) ||
	    (address && !k->supported[KERNEL_ADDRESS]) ||
	    (address && cut->visibility == VISIBILITY_SEVER &&
	     !k->supported[KERNEL_SOCK_DESTROY]))
		return -EOPNOTSUPP;
	return kernel_rule_by_handle(k, cut->handle) ? -EEXIST : 0;
}

int kernel_cut_add(struct kernel *k, const struct core_cut *cut,
		   uint64_t now_mono_ns)
{
	uint64_t now = kernel_boot_ns();
	struct kernel_rule_entry *rule;
	struct skerry_rule subject;
	int ret;

	if (k->none)
		return 0;
	ret = check_cut(k, cut);
	if (!ret)
		ret = subject_of(k, cut, &subject);
	if (ret)
		return ret;
	rule = adopted_twin(k, &subject);
	if (!rule) {
		ret = rule_new(k, &subject, &rule);
		if (ret)
			return ret;
		rule->value.since_ns = now;
	}
	rule->has_handle = true;
	rule->handle = cut->handle;
	rule->stale = true;
	rule->value.visibility = cut->visibility;
	rule->value.loss_ppm = cut->loss_ppm ? cut->loss_ppm : LOSS_ALL_PPM;
	rule->value.seed = cut->seed;
	rule->value.deadline_ns = deadline_of(cut, now_mono_ns, now);
	return 0;
}

static void rule_remove(struct kernel *k, struct kernel_rule_entry *rule)
{
	uint32_t peer = rule->value.peer;

	if (rule->written) {
		bpf_map_delete_elem(k->fd[KMAP_RULES], &rule->id);
		kernel_ledger_retire(k, rule->id);
	}
	*rule = k->rules[--k->rule_count];
	if (peer)
		kernel_peer_tidy(k, peer);
}

int kernel_cut_del(struct kernel *k, uint32_t handle)
{
	struct kernel_rule_entry *rule;

	if (k->none)
		return 0;
	rule = kernel_rule_by_handle(k, handle);
	if (!rule)
		return -ENOENT;
	rule->wanted = false;
	if (!rule->written)
		rule_remove(k, rule);
	return 0;
}

static void set_active(struct kernel *k, uint32_t active)
{
	skerry_store_release(&k->meta->active_rules, active);
	kernel_meta_flush(k);
}

static uint32_t count_listed(const struct kernel *k)
{
	uint32_t i, count = 0;

	for (i = 0; i < k->rule_count; i++)
		count += k->rules[i].listed && !k->rules[i].expired;
	return count;
}

static int compare_peers(const void *a, const void *b)
{
	const struct kernel_rule_entry *x =
		*(const struct kernel_rule_entry **)a;
	const struct kernel_rule_entry *y =
		*(const struct kernel_rule_entry **)b;

	if (x->value.peer != y->value.peer)
		return x->value.peer < y->value.peer ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* The idle inner map: for each peer the rules that name it. */
static int fill_idle(struct kernel *k, const struct kernel_rule_entry **list,
		     uint32_t count)
{
	int fd = k->fd[KMAP_GEN0 + k->idle];
	struct skerry_ruleset set;
	uint32_t i, n, peer;
	int ret;

	ret = kernel_map_clear(fd, sizeof(uint32_t));
	for (i = 0; !ret && i < count;) {
		memset(&set, 0, sizeof(set));
		peer = list[i]->value.peer;
		for (n = 0; i < count && list[i]->value.peer == peer; i++) {
			if (n < SKERRY_RULES_PER_PEER_MAX)
				set.rule[n++] = list[i]->id;
		}
		ret = kernel_map_write(fd, &peer, &set, BPF_ANY);
	}
	return ret;
}

int kernel_prepare(struct kernel *k)
{
	const struct kernel_rule_entry **list = NULL;
	struct kernel_rule_entry *rule;
	uint32_t i, count = 0, active = 0;
	int ret = 0;

	if (k->none)
		return 0;
	if (k->swapping)
		return -EBUSY;
	k->timer_pauses = TIMER_PAUSES;
	list = malloc((k->rule_count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; !ret && i < k->rule_count; i++) {
		rule = &k->rules[i];
		rule->next = rule->wanted && !rule->expired;
		if (!rule->next)
			continue;
		if (!rule->written || rule->stale)
			ret = kernel_rule_write(k, rule);
		active++;
		if (!kernel_rule_is_address(&rule->value))
			list[count++] = rule;
	}
	if (ret)
		goto out;
	qsort(list, count, sizeof(*list), compare_peers);
	ret = fill_idle(k, list, count);
	if (!ret)
		ret = kernel_address_prepare(k);
	if (ret)
		goto out;
	/* Before the swap, so that the first packet after it is judged. */
	if (k->cidr_swap && k->cidr_entries > k->meta->cidr_rules)
		skerry_store_release(&k->meta->cidr_rules, k->cidr_entries);
	if (active > k->meta->active_rules)
		set_active(k, active);
	kernel_meta_flush(k);
	k->swapped = k->cidr_swapped = false;
	k->swapping = true;
out:
	free(list);
	return ret;
}

/* The system call waits until no program runs with the old map. */
static int swap_in(const struct kernel *k, enum kernel_map outer,
		   enum kernel_map inner)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(k->fd[outer], &zero, &k->fd[inner], BPF_ANY);
}

int kernel_swap(struct kernel *k)
{
	int ret = 0;

	if (k->none)
		return 0;
	if (k->cidr_swap) {
		ret = swap_in(k, KMAP_CIDR, KMAP_CIDR0 + k->cidr_idle);
		k->cidr_swapped = !ret;
	}
	if (!ret) {
		ret = swap_in(k, KMAP_GEN, KMAP_GEN0 + k->idle);
		k->swapped = !ret;
	}
	return ret;
}

void kernel_settled(struct kernel *k, int error)
{
	struct kernel_rule_entry *rule;
	uint32_t i;

	if (k->none)
		return;
	k->swapping = false;
	if (k->swapped) {
		skerry_store_release(&k->meta->generation, k->idle);
		k->idle = !k->idle;
	}
	if (k->cidr_swapped) {
		skerry_store_release(&k->meta->cidr_rules, k->cidr_entries);
		k->cidr_idle = !k->cidr_idle;
	}
	for (i = 0; i < k->rule_count;) {
		rule = &k->rules[i];
		if (kernel_rule_is_address(&rule->value) ? k->cidr_swapped
							 : k->swapped)
			rule->listed = rule->next;
		if (!rule->wanted && !rule->listed)
			rule_remove(k, rule);
		else
			i++;
	}
	k->swapped = k->cidr_swapped = false;
	set_active(k, count_listed(k));
}

/*
 * The data path lets packets pass from the deadline on; this only takes away
 * what is left. With timers they have done it before.
 */
void kernel_rules_sweep(struct kernel *k, uint64_t now)
{
	uint64_t late = k->supported[KERNEL_TIMER] ? KERNEL_SECOND_NS : 0;
	struct kernel_rule_entry *rule;
	uint32_t i;

	for (i = 0; i < k->rule_count;) {
		rule = &k->rules[i++];
		if (rule->written && !rule->armed && !rule->expired)
			timer_start(k, rule);
		if (rule->expired || !rule->written ||
		    !rule->value.deadline_ns ||
		    rule->value.deadline_ns + late > now)
			continue;
		rule->expired = true;
		bpf_map_delete_elem(k->fd[KMAP_RULES], &rule->id);
		if (!rule->has_handle && !k->swapping) {
			rule_remove(k, rule);
			i--;
		}
	}
	if (!k->swapping && k->meta->active_rules != count_listed(k))
		set_active(k, count_listed(k));
}

/* The lease had run out, and timers may have taken rules by lease away. */
void kernel_rules_revive(struct kernel *k)
{
	struct kernel_rule_entry *rule;
	struct skerry_rule value;
	uint32_t i;

	for (i = 0; i < k->rule_count; i++) {
		rule = &k->rules[i];
		if (rule->written && rule->wanted && !rule->value.deadline_ns &&
		    bpf_map_lookup_elem(k->fd[KMAP_RULES], &rule->id, &value))
			kernel_rule_write(k, rule);
	}
}
