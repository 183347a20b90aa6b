// SPDX-License-Identifier: GPL-2.0-only
/* Two hosts with a node to cut, for tests. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_pair.h"
#include "netsock.h"

int bpf_pair_make(struct bpf_pair *pair)
{
	int ret, tries;

	memset(pair, 0, sizeof(*pair));
	bpf_node_wipe();
	ret = netns_lan_make(&pair->lan, 2);
	if (ret)
		return ret;
	pair->from = netns_addr(0, false, BPF_PAIR_BASE + 10);
	pair->to = netns_addr(1, false, BPF_PAIR_BASE + 20);
	pair->sender = netsock_udp(pair->lan.host[0], &pair->from);
	pair->receiver = netsock_udp(pair->lan.host[1], &pair->to);
	if (pair->sender < 0 || pair->receiver < 0)
		return -EADDRNOTAVAIL;
	/* They have to find each other first. */
	for (tries = 0; tries < 10; tries++) {
		netsock_burst(pair->sender, &pair->to, 1);
		if (!netsock_arrived(pair->receiver, 1, 500))
			continue;
		netsock_drain(pair->receiver, tries ? BPF_PAIR_QUIET_MS : 0);
		return 0;
	}
	return -EHOSTUNREACH;
}

void bpf_pair_free(struct bpf_pair *pair)
{
	kernel_close(pair->k, false);
	bpf_node_wipe();
	netns_lan_free(&pair->lan);
}

int bpf_pair_start(struct kernel **k, const char *name, uint16_t base,
		   int netns, const char *disabled)
{
	int ret = netns_enter(netns);

	if (!ret)
		ret = bpf_node_open(k, name, base, disabled);
	if (!ret)
		ret = kernel_attach(*k, 1, "lo", DEV_JUDGE_BOTH);
	if (!ret)
		ret = kernel_attach(*k, 2, "eth0", DEV_JUDGE_BOTH);
	netns_home();
	return ret;
}

void bpf_pair_stop(struct kernel *k, int netns)
{
	if (!k)
		return;
	if (!netns_enter(netns)) {
		kernel_detach(k, 1);
		kernel_detach(k, 2);
	}
	netns_home();
	kernel_close(k, false);
}

int bpf_pair_begin(struct bpf_pair *pair, const char *disabled)
{
	struct skerry_addr peer = netns_addr(1, false, BPF_PAIR_BASE);
	int ret = bpf_pair_start(&pair->k, "a", BPF_PAIR_BASE,
				 pair->lan.host[0], disabled);

	return ret ? ret : kernel_peer(pair->k, 1, "b", &peer, 1, PEER_UP);
}

int bpf_pair_arrive(struct bpf_pair *pair, int count)
{
	netsock_burst(pair->sender, &pair->to, count);
	return netsock_drain(pair->receiver, BPF_PAIR_QUIET_MS);
}

int bpf_pair_rules(const char *node)
{
	int fd = bpf_node_map(node, "skerry_rules"), count = 0;
	uint64_t id, *last = NULL;

	while (!bpf_map_get_next_key(fd, last, &id)) {
		last = &id;
		count++;
	}
	close(fd);
	return count;
}

int bpf_pair_narrow(const char *node, uint64_t id, uint32_t protocol,
		    uint16_t port, uint32_t loss_ppm)
{
	int fd = bpf_node_map(node, "skerry_rules"), ret;
	struct skerry_rule rule;

	ret = bpf_map_lookup_elem(fd, &id, &rule);
	rule.protocol = protocol;
	rule.port_low = rule.port_high = port;
	rule.loss_ppm = loss_ppm;
	if (!ret)
		ret = bpf_map_update_elem(fd, &id, &rule, BPF_EXIST);
	close(fd);
	return ret;
}
