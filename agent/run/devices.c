// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* devices.c - devices and addresses at work; see devices.h. */
#include "devices.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "driver.h"
#include "judges.h"
#include "log.h"
#include "netaddr.h"

/* With a key and without [listen] address the node is wherever the host is. */
bool devices_everywhere(const struct agent *agent)
{
	return !agent->config->listen_given && agent->config->has_key;
}

static bool wanted(void *data, const char *name)
{
	const struct agent *agent = data;
	const struct agent_config *config = agent->config;
	uint32_t i;

	if (!config->device_count)
		return true;
	for (i = 0; i < config->device_count; i++) {
		if (!strcmp(config->devices[i], name))
			return true;
	}
	return false;
}

/* ---- devices ------------------------------------------------------------- */

static void attach(struct agent *agent, const struct links_device *device,
		   enum skerry_dev_role role)
{
	int err = kernel_attach(agent->kernel, device->ifindex, device->name,
				role);

	if (err && err != -ENODEV)
		log_text(CORE_LOG_WARNING, "device_not_attached",
			 "%s: %s; cuts do not work on this device",
			 device->name, strerror(-err));
}

/*
 * Everything that the device decides; NULL: all devices. What is to judge is attached before
 * anything is taken off: while devices are rearranged a packet may be judged
 * twice, but not by nobody.
 */
static void arrange(struct agent *agent, const struct links_device *changed)
{
	const struct links *links = agent->devices.links;
	const struct links_device *device;
	enum skerry_dev_role role;
	size_t i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; (device = links_nth(links, i)); i++) {
			if (changed && !judges_related(links, device, changed))
				continue;
			role = judges_role(links, device, wanted, agent);
			if (pass == 0 && role != DEV_IGNORE)
				attach(agent, device, role);
			if (pass == 0 || role != DEV_IGNORE)
				continue;
			kernel_detach(agent->kernel, device->ifindex);
			/* For people: that it was not forgotten. */
			if (device->lower && wanted(agent, device->name))
				attach(agent, device, role);
		}
	}
}

static void on_device(void *data, const struct links_device *device)
{
	struct agent *agent = data;

	/* While the list is being made, nothing can be said of the whole. */
	if (agent->devices.links)
		arrange(agent, device);
}

static void on_device_gone(void *data, uint32_t ifindex)
{
	const struct links_device *upper;
	struct agent *agent = data;
	size_t i;

	kernel_detach(agent->kernel, ifindex);
	if (!agent->devices.links)
		return;
	/* Gone to another namespace, it has left what lies on it. */
	for (i = 0; (upper = links_nth(agent->devices.links, i)); i++) {
		if (upper->lower == ifindex)
			arrange(agent, upper);
	}
}

/* ---- addresses ------------------------------------------------------------ */

static uint32_t find_addresses(const struct agent *agent,
			       struct skerry_addr list[SKERRY_ADDRS_MAX])
{
	uint32_t count, i;

	count = links_addresses(agent->devices.links, false, list,
				SKERRY_ADDRS_MAX);
	/* A host without a network still has itself. */
	if (!count)
		count = links_addresses(agent->devices.links, true, list,
					SKERRY_ADDRS_MAX);
	for (i = 0; i < count; i++)
		list[i].port = agent->settings.port_base;
	return count;
}

static void take_addresses(struct agent *agent)
{
	struct core_config *settings = &agent->settings;

	memset(settings->addresses, 0, sizeof(settings->addresses));
	settings->address_count = find_addresses(agent, settings->addresses);
}

static void on_addresses(void *data)
{
	struct agent *agent = data;
	struct core_event event = { .type = EV_ADDRESSES };

	if (!devices_everywhere(agent) || !agent->devices.told)
		return;
	take_addresses(agent);
	devices_tell_kernel(agent);
	event.addresses.list = agent->settings.addresses;
	event.addresses.count = agent->settings.address_count;
	driver_event(agent, &event);
}

static const struct links_handler handler = {
	.device = on_device,
	.device_gone = on_device_gone,
	.addresses = on_addresses,
};

/* [listen] address, or loopback. */
static void fixed_addresses(struct agent *agent)
{
	static const struct skerry_addr loopback[] = {
		{ .ip = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } },
		{ .ip = { [15] = 1 } },
	};
	struct core_config *settings = &agent->settings;
	struct skerry_addr found[SKERRY_ADDRS_MAX];
	uint32_t i, k, count;

	if (!agent->config->listen_given) {
		count = links_addresses(agent->devices.links, true, found,
					SKERRY_ADDRS_MAX);
		settings->address_count = 0;
		for (i = 0; i < 2; i++) {
			for (k = 0; k < count; k++) {
				if (netaddr_same_ip(&found[k], &loopback[i]))
					break;
			}
			/* A host may have no ::1, but 127.0.0.1 it has. */
			if (k < count || i == 0)
				settings->addresses[settings->address_count++] =
					loopback[i];
		}
	}
	for (i = 0; i < settings->address_count; i++)
		settings->addresses[i].port = settings->port_base;
}

void devices_tell_kernel(const struct agent *agent)
{
	const struct core_config *settings = &agent->settings;
	int err = kernel_peer(agent->kernel, CORE_PEER_SELF, settings->name,
			      settings->addresses, settings->address_count,
			      PEER_SELF);

	if (err)
		log_text(CORE_LOG_ERROR, "peer_not_stored", "%s: %s",
			 settings->name, strerror(-err));
}

int devices_open(struct agent *agent)
{
	int err;

	err = links_open(&handler, agent, &agent->devices.links);
	if (err)
		return err;
	arrange(agent, NULL);
	if (devices_everywhere(agent))
		take_addresses(agent);
	else
		fixed_addresses(agent);
	devices_tell_kernel(agent);
	return 0;
}

void devices_close(struct agent *agent)
{
	if (agent->devices.links)
		links_close(agent->devices.links);
	agent->devices.links = NULL;
}

void devices_read(struct agent *agent)
{
	int err = links_read(agent->devices.links);

	if (err && log_once("links", "", agent_now_ns()))
		log_text(CORE_LOG_WARNING, "links_failed",
			 "devices and addresses cannot be followed: %s",
			 strerror(-err));
}

uint32_t devices_listen(const struct agent *agent,
			struct skerry_addr list[SKERRY_ADDRS_MAX])
{
	if (devices_everywhere(agent)) {
		list[0] = netaddr_any(true, 0);
		list[1] = netaddr_any(false, 0);
		return 2;
	}
	memcpy(list, agent->settings.addresses,
	       sizeof(agent->settings.addresses));
	return agent->settings.address_count;
}

struct skerry_addr devices_source(const struct agent *agent,
				  const struct skerry_addr *to)
{
	const struct core_config *settings = &agent->settings;
	bool v4 = netaddr_is_v4(to);
	struct skerry_addr best = netaddr_any(v4, 0);
	unsigned int bits, best_bits = 0;
	bool found = false;
	uint32_t i;

	if (devices_everywhere(agent))
		return best;
	for (i = 0; i < settings->address_count; i++) {
		const struct skerry_addr *own = &settings->addresses[i];

		if (netaddr_is_v4(own) != v4)
			continue;
		bits = netaddr_common_bits(own, to);
		if (!found || bits > best_bits) {
			best = *own;
			best_bits = bits;
			found = true;
		}
	}
	best.port = 0;
	return best;
}

/* ---- the block -------------------------------------------------------------- */

/* Dead ones (closing, waiting) belong to nobody any more; an open UDP socket
 * is told of as a closed one, 7. */
static bool is_open(unsigned int state)
{
	return state == TCP_ESTABLISHED || state == TCP_SYN_SENT ||
	       state == TCP_LISTEN || state == TCP_CLOSE;
}

static void warn_foreign_in(const struct agent *agent, const char *file)
{
	unsigned int base = agent->settings.port_base;
	unsigned int port, state;
	const char *name = strrchr(file, '/') + 1;
	FILE *table = fopen(file, "re");
	char line[512];

	if (!table)
		return;
	while (fgets(line, sizeof(line), table)) {
		if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &port,
			   &state) != 2 ||
		    !is_open(state) || port < base ||
		    port >= base + SKERRY_PORT_BLOCK)
			continue;
		log_text(CORE_LOG_WARNING, "foreign_socket",
			 "%s port %u is in this node's block %u-%u and used by "
			 "another process; its packets count as this node's",
			 name, port, base, base + SKERRY_PORT_BLOCK - 1);
	}
	fclose(table);
}

void devices_warn_foreign(const struct agent *agent)
{
	warn_foreign_in(agent, "/proc/net/tcp");
	warn_foreign_in(agent, "/proc/net/tcp6");
	warn_foreign_in(agent, "/proc/net/udp");
	warn_foreign_in(agent, "/proc/net/udp6");
}
