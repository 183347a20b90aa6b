// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * links.c - see links.h. libnl reads and parses; the tables are ours:
 * libnl's link cache mixes what bridges and IPv6 tell of a device under
 * their own families with the device itself.
 */
#include "links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links_impl.h"

static int nl_to_errno(int error)
{
	switch (-error) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_AF_NOSUPPORT:
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/* ---- devices ----------------------------------------------------------- */

/* IFLA_LINK of a veth is its other end, maybe of another namespace; only of
 * these is it the device that carries the packets. */
static bool rides_on_another(const char *kind)
{
	return strcmp(kind, "vlan") == 0 || strcmp(kind, "macvlan") == 0 ||
	       strcmp(kind, "macvtap") == 0 || strcmp(kind, "ipvlan") == 0;
}

static void copy_string(char *out, size_t room, struct nlattr *attr)
{
	if (attr)
		nla_strlcpy(out, attr, room);
}

static int describe(struct nlmsghdr *message, struct links_device *device)
{
	struct nlattr *attrs[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct ifinfomsg *header = nlmsg_data(message);

	if (nlmsg_parse(message, sizeof(*header), attrs, IFLA_MAX, NULL) < 0)
		return -EPROTO;
	memset(device, 0, sizeof(*device));
	device->ifindex = (uint32_t)header->ifi_index;
	device->up = (header->ifi_flags & IFF_UP) != 0;
	device->loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
	copy_string(device->name, sizeof(device->name), attrs[IFLA_IFNAME]);
	if (attrs[IFLA_LINKINFO] &&
	    nla_parse_nested(info, IFLA_INFO_MAX, attrs[IFLA_LINKINFO], NULL) ==
		    0)
		copy_string(device->kind, sizeof(device->kind),
			    info[IFLA_INFO_KIND]);
	if (attrs[IFLA_MASTER])
		device->master = nla_get_u32(attrs[IFLA_MASTER]);
	if (attrs[IFLA_ADDRESS] && header->ifi_type == ARPHRD_ETHER &&
	    nla_len(attrs[IFLA_ADDRESS]) == sizeof(device->mac))
		memcpy(device->mac, nla_data(attrs[IFLA_ADDRESS]),
		       sizeof(device->mac));
	if (attrs[IFLA_LINK] && !attrs[IFLA_LINK_NETNSID] &&
	    rides_on_another(device->kind))
		device->lower = nla_get_u32(attrs[IFLA_LINK]);
	return 0;
}

static struct links_entry *find_device(const struct links *links,
				       uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < links->device_count; i++)
		if (links->devices[i].device.ifindex == ifindex)
			return &links->devices[i];
	return NULL;
}

const struct links_device *links_device(const struct links *links,
					uint32_t ifindex)
{
	const struct links_entry *entry = find_device(links, ifindex);

	return entry ? &entry->device : NULL;
}

const struct links_device *links_nth(const struct links *links, size_t i)
{
	return i < links->device_count ? &links->devices[i].device : NULL;
}

static void device_gone(struct links *links, struct links_entry *entry)
{
	uint32_t ifindex = entry->device.ifindex;

	*entry = links->devices[--links->device_count];
	links->addresses_changed = true;
	links->handler.device_gone(links->data, ifindex);
}

static void on_link(struct links *links, struct nlmsghdr *message)
{
	struct ifinfomsg *header = nlmsg_data(message);
	struct links_device device;
	struct links_entry *entry;

	if (!nlmsg_valid_hdr(message, sizeof(*header)) ||
	    header->ifi_family != AF_UNSPEC || describe(message, &device) != 0)
		return;
	entry = find_device(links, device.ifindex);
	if (message->nlmsg_type == RTM_DELLINK) {
		if (entry)
			device_gone(links, entry);
		return;
	}
	if (!entry) {
		entry = links_grow((void **)&links->devices,
				   &links->device_count, &links->device_room,
				   sizeof(*entry));
		if (!entry)
			return;
		memset(entry, 0, sizeof(*entry));
	}
	entry->round = links->round;
	if (memcmp(&entry->device, &device, sizeof(device)) == 0)
		return;
	entry->device = device;
	/* One that goes up or down brings or takes its addresses. */
	links->addresses_changed = true;
	links->handler.device(links->data, &device);
}

/* ---- listening --------------------------------------------------------- */

static int on_message(struct nl_msg *msg, void *data)
{
	struct nlmsghdr *message = nlmsg_hdr(msg);
	struct links *links = data;

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(links, message);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		links_on_address(links, message);
		break;
	}
	return NL_OK;
}

static int dump(struct links *links, int type)
{
	struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
	int error, tries;

	/* A change in the middle of a dump spoils it. */
	for (tries = 0; tries < 10; tries++) {
		error = nl_send_simple(links->dump_sock, type, NLM_F_DUMP,
				       &header, sizeof(header));
		if (error >= 0)
			error = nl_recvmsgs_default(links->dump_sock);
		if (error != -NLE_DUMP_INTR)
			break;
	}
	return error;
}

/* Compare all with what is there; what the dump does not show is gone. */
static int resync(struct links *links)
{
	int error;
	size_t i;

	links->round++;
	error = dump(links, RTM_GETLINK);
	if (error >= 0)
		error = dump(links, RTM_GETADDR);
	if (error < 0)
		return error;
	for (i = links->device_count; i > 0; i--)
		if (links->devices[i - 1].round != links->round)
			device_gone(links, &links->devices[i - 1]);
	links_sweep_addresses(links);
	return 0;
}

static int open_socket(struct links *links, struct nl_sock **ret_sock)
{
	struct nl_sock *sock = nl_socket_alloc();
	int error;

	if (!sock)
		return -NLE_NOMEM;
	*ret_sock = sock;
	error = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_message,
				    links);
	if (error >= 0)
		error = nl_connect(sock, NETLINK_ROUTE);
	return error;
}

static int subscribe(struct links *links)
{
	int error;

	nl_socket_disable_seq_check(links->event_sock);
	/* A burst of changes should not need a dump. */
	error = nl_socket_set_buffer_size(links->event_sock, 1 << 20, 0);
	if (error >= 0)
		error = nl_socket_set_nonblocking(links->event_sock);
	if (error >= 0)
		error = nl_socket_add_memberships(links->event_sock,
						  RTNLGRP_LINK,
						  RTNLGRP_IPV4_IFADDR,
						  RTNLGRP_IPV6_IFADDR,
						  RTNLGRP_NONE);
	return error;
}

int links_open(const struct links_handler *handler, void *data,
	       struct links **ret_links)
{
	struct links *links = calloc(1, sizeof(*links));
	int error;

	if (!links)
		return -ENOMEM;
	links->handler = *handler;
	links->data = data;
	error = open_socket(links, &links->event_sock);
	if (error >= 0)
		error = open_socket(links, &links->dump_sock);
	/* Listening before the dump: what changes in between is heard. */
	if (error >= 0)
		error = subscribe(links);
	if (error >= 0)
		error = resync(links);
	if (error < 0) {
		links_close(links);
		return nl_to_errno(error);
	}
	*ret_links = links;
	return 0;
}

void links_close(struct links *links)
{
	if (!links)
		return;
	nl_socket_free(links->event_sock);
	nl_socket_free(links->dump_sock);
	free(links->devices);
	free(links->addresses);
	free(links);
}

int links_fd(const struct links *links)
{
	return nl_socket_get_fd(links->event_sock);
}

int links_read(struct links *links)
{
	int error = 0, batches;

	links->addresses_changed = false;
	/* Bounded: who polls comes back for more. */
	for (batches = 0; batches < 64 && error >= 0; batches++)
		error = nl_recvmsgs_default(links->event_sock);
	/* ENOBUFS: the kernel has dropped events. */
	if (error == -NLE_NOMEM)
		error = resync(links);
	if (links->addresses_changed)
		links->handler.addresses(links->data);
	return error < 0 && error != -NLE_AGAIN ? nl_to_errno(error) : 0;
}
