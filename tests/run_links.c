// SPDX-License-Identifier: GPL-2.0-only
/* Devices and addresses as they come and go, in a namespace of our own. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/links.h"
#include "kselftest_harness.h"

FIXTURE(host)
{
	struct links *links;
	struct links_device devices[64];
	size_t count;
	unsigned int gone, address_calls;
};

static void on_device(void *data, const struct links_device *device)
{
	FIXTURE_DATA(host) *self = data;
	size_t i;

	for (i = 0; i < self->count; i++)
		if (self->devices[i].ifindex == device->ifindex)
			break;
	if (i == 64)
		return;
	if (i == self->count)
		self->count++;
	self->devices[i] = *device;
}

static void on_gone(void *data, uint32_t ifindex)
{
	FIXTURE_DATA(host) *self = data;
	size_t i;

	self->gone++;
	for (i = 0; i < self->count; i++)
		if (self->devices[i].ifindex == ifindex)
			self->devices[i] = self->devices[--self->count];
}

static void on_addresses(void *data)
{
	FIXTURE_DATA(host) *self = data;

	self->address_calls++;
}

static const struct links_handler handler = { on_device, on_gone,
					      on_addresses };

FIXTURE_SETUP(host)
{
	self->links = NULL;
	self->count = 0;
	self->gone = self->address_calls = 0;
	/* Each test runs in a process of its own. */
	if (unshare(CLONE_NEWNET) != 0)
		return;
	ASSERT_EQ(0, links_open(&handler, self, &self->links));
}

#define NEEDS_NAMESPACE()                                                    \
	do {                                                                 \
		if (!self->links)                                            \
			SKIP(return, "needs root, for a network namespace"); \
	} while (0)

FIXTURE_TEARDOWN(host)
{
	links_close(self->links);
}

static const struct links_device *find(const FIXTURE_DATA(host) * self,
				       const char *name)
{
	size_t i;

	for (i = 0; i < self->count; i++)
		if (strcmp(self->devices[i].name, name) == 0)
			return &self->devices[i];
	return NULL;
}

/* Read until nothing has come for a moment. */
static int settle(FIXTURE_DATA(host) * self)
{
	struct pollfd fd = { .fd = links_fd(self->links), .events = POLLIN };
	int error = 0;

	while (poll(&fd, 1, 100) == 1 && !error)
		error = links_read(self->links);
	return error;
}

TEST_F(host, devices)
{
	const struct links_device *device;
	uint32_t bridge;

	NEEDS_NAMESPACE();
	device = find(self, "lo");
	ASSERT_NE(NULL, device);
	EXPECT_TRUE(device->loopback);
	EXPECT_FALSE(device->up);
	ASSERT_EQ(0, system("ip link add va type veth peer name vb &&"
			    "ip link add name br type bridge &&"
			    "ip link set va master br up &&"
			    "ip link set lo up &&"
			    "ip link add link vb name mv type macvlan"));
	ASSERT_EQ(0, settle(self));
	EXPECT_EQ(5, self->count);
	EXPECT_TRUE(find(self, "lo")->up);
	EXPECT_STREQ("bridge", find(self, "br")->kind);
	bridge = find(self, "br")->ifindex;
	EXPECT_STREQ("veth", find(self, "va")->kind);
	EXPECT_EQ(bridge, find(self, "va")->master);
	EXPECT_EQ(0, find(self, "va")->lower);
	EXPECT_TRUE(find(self, "va")->up);
	EXPECT_STREQ("macvlan", find(self, "mv")->kind);
	EXPECT_EQ(find(self, "vb")->ifindex, find(self, "mv")->lower);

	/* Leaving a bridge is not going away. */
	ASSERT_EQ(0, system("ip link set va nomaster"));
	ASSERT_EQ(0, settle(self));
	EXPECT_EQ(0, self->gone);
	ASSERT_NE(NULL, find(self, "va"));
	EXPECT_EQ(0, find(self, "va")->master);
	EXPECT_STREQ("veth", find(self, "va")->kind);

	ASSERT_EQ(0, system("ip link del va"));
	ASSERT_EQ(0, settle(self));
	EXPECT_EQ(3, self->gone);
	EXPECT_EQ(2, self->count);
}

TEST_F(host, addresses)
{
	struct skerry_addr list[SKERRY_ADDRS_MAX];
	static const uint8_t want[][16] = {
		{ [10] = 0xff, 0xff, 10, 9, 0, 1 },
		{ [10] = 0xff, 0xff, 10, 9, 0, 2 },
		{ 0xfd, 9, [15] = 1 },
	};
	unsigned int i;

	NEEDS_NAMESPACE();
	EXPECT_EQ(0, links_addresses(self->links, true, list, 8));
	ASSERT_EQ(0, system("ip link add va type veth peer name vb &&"
			    "ip link set lo up && ip link set vb up &&"
			    "ip link set va up &&"
			    "ip addr add fd09::1/64 dev va nodad &&"
			    "ip addr add 10.9.0.2/24 dev va &&"
			    "ip addr add 169.254.3.3/16 dev va &&"
			    "ip addr add 10.9.0.1/32 dev va"));
	ASSERT_EQ(0, settle(self));
	EXPECT_NE(0, self->address_calls);
	memset(list, 0xff, sizeof(list));
	ASSERT_EQ(3, links_addresses(self->links, false, list, 8));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, memcmp(want[i], list[i].ip, 16));
		EXPECT_EQ(0, list[i].port);
	}
	EXPECT_EQ(5, links_addresses(self->links, true, list, 8));
	EXPECT_EQ(2, links_addresses(self->links, true, list, 2));
	EXPECT_EQ(127, list[0].ip[12]);

	ASSERT_EQ(0, system("ip addr del 10.9.0.2/24 dev va"));
	self->address_calls = 0;
	ASSERT_EQ(0, settle(self));
	EXPECT_NE(0, self->address_calls);
	EXPECT_EQ(2, links_addresses(self->links, false, list, 8));
	/* A device that is down has none. */
	ASSERT_EQ(0, system("ip link set va down"));
	ASSERT_EQ(0, settle(self));
	EXPECT_EQ(0, links_addresses(self->links, false, list, 8))
	{
		TH_LOG("still %u.%u.%u.%u", list[0].ip[12], list[0].ip[13],
		       list[0].ip[14], list[0].ip[15]);
	}
}

/* The kernel drops events when nobody reads; what is true is found out. */
TEST_F(host, overrun)
{
	struct skerry_addr list[SKERRY_ADDRS_MAX];

	NEEDS_NAMESPACE();
	ASSERT_EQ(0, system("ip link add d0 type veth peer name d1;"
			    "ip link set d0 up; ip link set d1 up;"
			    "for i in $(seq 1 2000); do"
			    "  echo addr add 10.8.$((i / 250)).$((i % 250))/32 "
			    "dev d0;"
			    "  echo addr del 10.8.$((i / 250)).$((i % 250))/32 "
			    "dev d0;"
			    "done | ip -batch - &&"
			    "ip addr add 10.9.9.9/32 dev d0"));
	ASSERT_EQ(0, settle(self));
	EXPECT_NE(NULL, find(self, "d0"));
	ASSERT_EQ(1, links_addresses(self->links, false, list, 8));
	EXPECT_EQ(9, list[0].ip[15]);
}

TEST(port_range)
{
	uint16_t low = 0, high = 0;

	ASSERT_EQ(0, links_port_range(&low, &high));
	EXPECT_GE(high, low);
	EXPECT_NE(0, low);
}

TEST_HARNESS_MAIN
