// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* links_address.c - the host's addresses; see links.h. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links_impl.h"

void *links_grow(void **table, size_t *count, size_t *room,
		 size_t element_bytes)
{
	size_t wanted = *room ? 2 * *room : 16;
	void *grown;

	if (*count == *room) {
		if (wanted > LINKS_ENTRIES_MAX)
			return NULL;
		grown = realloc(*table, wanted * element_bytes);
		if (!grown)
			return NULL;
		*table = grown;
		*room = wanted;
	}
	return (char *)*table + (*count)++ * element_bytes;
}

static int describe(struct nlmsghdr *message, struct links_address *address)
{
	struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attrs[IFA_MAX + 1], *local;
	int size;

	if (!nlmsg_valid_hdr(message, sizeof(*header)) ||
	    nlmsg_parse(message, sizeof(*header), attrs, IFA_MAX, NULL) < 0)
		return -EPROTO;
	/* On a point-to-point link IFA_ADDRESS is the other end. */
	local = attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS];
	size = header->ifa_family == AF_INET ? 4 : 16;
	if ((header->ifa_family != AF_INET && header->ifa_family != AF_INET6) ||
	    !local || nla_len(local) != size)
		return -EPROTO;
	memset(address, 0, sizeof(*address));
	address->ifindex = header->ifa_index;
	address->flags = attrs[IFA_FLAGS] ? nla_get_u32(attrs[IFA_FLAGS])
					  : header->ifa_flags;
	address->prefix_bits = header->ifa_prefixlen;
	address->v4 = size == 4;
	if (address->v4)
		address->ip[10] = address->ip[11] = 0xff;
	memcpy(address->ip + 16 - size, nla_data(local), (size_t)size);
	return 0;
}

static struct links_address *find(const struct links *links,
				  const struct links_address *wanted)
{
	size_t i;

	for (i = 0; i < links->address_count; i++) {
		struct links_address *address = &links->addresses[i];

		/* The same address may be there with two lengths. */
		if (address->ifindex == wanted->ifindex &&
		    address->prefix_bits == wanted->prefix_bits &&
		    memcmp(address->ip, wanted->ip, 16) == 0)
			return address;
	}
	return NULL;
}

static void forget(struct links *links, struct links_address *address)
{
	*address = links->addresses[--links->address_count];
	links->addresses_changed = true;
}

void links_on_address(struct links *links, struct nlmsghdr *message)
{
	struct links_address heard, *known;

	if (describe(message, &heard) != 0)
		return;
	known = find(links, &heard);
	if (message->nlmsg_type == RTM_DELADDR) {
		if (known)
			forget(links, known);
		return;
	}
	heard.round = links->round;
	if (known) {
		/* Lifetimes are told again and again. */
		if (known->flags != heard.flags)
			links->addresses_changed = true;
		*known = heard;
		return;
	}
	known = links_grow((void **)&links->addresses, &links->address_count,
			   &links->address_room, sizeof(*known));
	if (!known)
		return;
	*known = heard;
	links->addresses_changed = true;
}

void links_sweep_addresses(struct links *links)
{
	size_t i;

	for (i = links->address_count; i > 0; i--)
		if (links->addresses[i - 1].round != links->round)
			forget(links, &links->addresses[i - 1]);
}

/* Whether others can reach us there, now. */
static bool usable(const struct links *links,
		   const struct links_address *address, bool loopback)
{
	/* Not yet, no longer, or not for long fit to be told to others. */
	const uint32_t unfit = IFA_F_TENTATIVE | IFA_F_DADFAILED |
			       IFA_F_DEPRECATED | IFA_F_TEMPORARY;
	const uint8_t *ip = address->ip;
	size_t i;

	/* For IPv4 the bit of TEMPORARY means "secondary", which is fine. */
	if (address->v4) {
		if (ip[12] == 169 && ip[13] == 254)
			return false;
	} else if ((address->flags & unfit) ||
		   (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)) {
		return false;
	}
	for (i = 0; i < links->device_count; i++) {
		const struct links_device *device = &links->devices[i].device;

		if (device->ifindex == address->ifindex)
			return device->up && (loopback || !device->loopback);
	}
	return false;
}

static int order(const void *a, const void *b)
{
	const struct links_address *x = *(struct links_address *const *)a;
	const struct links_address *y = *(struct links_address *const *)b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	if (x->v4 != y->v4)
		return x->v4 ? -1 : 1;
	return memcmp(x->ip, y->ip, sizeof(x->ip));
}

static bool listed(const struct skerry_addr *list, uint32_t count,
		   const uint8_t ip[16])
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (memcmp(list[i].ip, ip, 16) == 0)
			return true;
	return false;
}

uint32_t links_addresses(const struct links *links, bool loopback,
			 struct skerry_addr *ret_list, uint32_t room)
{
	struct links_address **sorted;
	uint32_t count = 0;
	size_t i, fit = 0;

	sorted = calloc(links->address_count + 1,
			sizeof(struct links_address *));
	if (!sorted)
		return 0;
	for (i = 0; i < links->address_count; i++)
		if (usable(links, &links->addresses[i], loopback))
			sorted[fit++] = &links->addresses[i];
	qsort(sorted, fit, sizeof(struct links_address *), order);
	for (i = 0; i < fit && count < room; i++) {
		/* The same address on two devices is one place. */
		if (listed(ret_list, count, sorted[i]->ip))
			continue;
		memset(&ret_list[count], 0, sizeof(ret_list[count]));
		memcpy(ret_list[count].ip, sorted[i]->ip, 16);
		count++;
	}
	free(sorted);
	return count;
}

int links_port_range(uint16_t *ret_low, uint16_t *ret_high)
{
	unsigned int low, high;
	FILE *file;
	int fields;

	/* IPv6 uses the same range. */
	file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	if (!file)
		return -errno;
	fields = fscanf(file, "%u %u", &low, &high);
	fclose(file);
	if (fields != 2 || low > high || high > UINT16_MAX)
		return -EPROTO;
	*ret_low = (uint16_t)low;
	*ret_high = (uint16_t)high;
	return 0;
}
