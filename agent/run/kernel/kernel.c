// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* The kernel's part as a whole: opened, closed, kept alive by the lease. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "kernel_impl.h"

#define LEASE_MS 10000U

uint64_t kernel_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * KERNEL_SECOND_NS + now.tv_nsec;
}

int kernel_room(void **list, uint32_t count, uint32_t *room, size_t bytes)
{
	uint32_t wanted = *room ? *room * 2 : 16;
	void *bigger;

	if (count < *room)
		return 0;
	bigger = realloc(*list, wanted * bytes);
	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	*room = wanted;
	return 0;
}

static int collect_event(void *context, void *data, size_t size_bytes)
{
	struct kernel *k = context;

	if (size_bytes >= sizeof(struct skerry_kernel_event) &&
	    k->event_function)
		k->event_function(k->event_data, data);
	return 0;
}

static int start(struct kernel *k, const struct kernel_config *config,
		 char text[256])
{
	int ret;

	ret = kernel_pins_open(k, text);
	if (ret)
		return ret;
	ret = kernel_load(k, text);
	if (ret)
		return ret;
	ret = kernel_adopt(k, config);
	if (ret) {
		if (!text[0])
			snprintf(text, 256, "%.120s: cannot adopt: %s", k->dir,
				 strerror(-ret));
		return ret;
	}
	if (k->supported[KERNEL_RINGBUF]) {
		k->events = ring_buffer__new(k->fd[KMAP_EVENTS], collect_event,
					     k, NULL);
		if (!k->events)
			return -errno;
	}
	if (k->supported[KERNEL_ITERATORS])
		k->supported[KERNEL_ITERATORS] = !kernel_tables_pin(k);
	kernel_attach_adopt(k);
	kernel_pins_own(k);
	return 0;
}

int kernel_open(const struct kernel_config *config, struct kernel **ret_kernel,
		char text[256])
{
	struct kernel *k;
	int ret;

	text[0] = 0;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->lock_fd = -1;
	k->none = config->none || config->disabled[KERNEL_BPF];
	k->port_base = config->port_base;
	k->group = config->group;
	k->lease_ms = config->lease_ms ? config->lease_ms : LEASE_MS;
	ret = -ENAMETOOLONG;
	if (strlen(config->pin_root) >= sizeof(k->pin_root) ||
	    strlen(config->node) >= sizeof(k->node))
		goto fail;
	strcpy(k->pin_root, config->pin_root);
	strcpy(k->node, config->node);
	if (!k->none) {
		ret = kernel_probe(k, config->disabled);
		if (ret)
			goto fail;
		k->none = !k->supported[KERNEL_BPF];
	}
	if (!k->none) {
		ret = start(k, config, text);
		if (ret)
			goto fail;
	}
	*ret_kernel = k;
	return 0;
fail:
	if (ret == -EPERM && !text[0])
		snprintf(text, 256,
			 "loading BPF programs needs CAP_BPF, CAP_NET_ADMIN "
			 "and CAP_PERFMON: run as root, or with --no-kernel");
	kernel_close(k, false);
	return ret;
}

static bool idle(const struct kernel *k)
{
	uint32_t i;

	for (i = 0; i < k->rule_count; i++) {
		if (!k->rules[i].expired)
			return false;
	}
	return true;
}

void kernel_close(struct kernel *k, bool clean)
{
	if (!k)
		return;
	ring_buffer__free(k->events);
	if (clean && !k->none && idle(k)) {
		kernel_detach_all(k);
		kernel_pins_remove(k);
	}
	kernel_unload(k);
	if (k->lock_fd >= 0)
		close(k->lock_fd);
	free(k->peers);
	free(k->rules);
	free(k);
}

bool kernel_supported(const struct kernel *k, enum kernel_feature feature)
{
	return !k->none && k->supported[feature];
}

bool kernel_lease(struct kernel *k)
{
	uint64_t now;
	bool out;

	if (k->none)
		return false;
	now = kernel_boot_ns();
	out = now >= k->meta->lease_end_ns;
	if (out)
		kernel_rules_revive(k);
	skerry_store_release(&k->meta->lease_end_ns,
			     now + k->lease_ms * 1000000ULL);
	kernel_meta_flush(k);
	kernel_rules_sweep(k, now);
	return out;
}

int kernel_event_fd(const struct kernel *k)
{
	return k->events ? ring_buffer__epoll_fd(k->events) : -1;
}

int kernel_events(struct kernel *k, kernel_event_fn *function, void *data)
{
	int ret;

	if (!k->events)
		return 0;
	k->event_function = function;
	k->event_data = data;
	ret = ring_buffer__consume(k->events);
	k->event_function = NULL;
	return ret;
}
