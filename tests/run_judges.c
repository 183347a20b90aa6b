// SPDX-License-Identifier: GPL-2.0-only
/* Which of the host's devices judge, in every way to put them together. */
#include <string.h>

#include "run/judges.h"
#include "run/links_impl.h"
#include "kselftest_harness.h"

enum {
	LO = 1,
	ETH,
	UP,
	TOP,
	SIDE,
	MASTER
};

static struct links_entry table[8];
static struct links links = { .devices = table };
static const char *unwanted;

/* mac: its last byte; 0: none. */
static void add(uint32_t ifindex, const char *kind, uint8_t mac, uint32_t lower,
		uint32_t master)
{
	struct links_device *device =
		&links.devices[links.device_count++].device;

	memset(device, 0, sizeof(*device));
	device->ifindex = ifindex;
	device->lower = lower;
	device->master = master;
	device->mac[5] = mac;
	strcpy(device->kind, kind);
	device->name[0] = '0' + ifindex;
}

static bool wanted(void *data, const char *name)
{
	return !unwanted || strcmp(name, unwanted) != 0;
}

static enum skerry_dev_role role(uint32_t ifindex)
{
	return judges_role(&links, links_device(&links, ifindex), wanted, NULL);
}

FIXTURE(judges)
{};

FIXTURE_SETUP(judges)
{
	links.device_count = 0;
	unwanted = NULL;
	add(LO, "", 0, 0, 0);
	add(ETH, "", 1, 0, 0);
}

FIXTURE_TEARDOWN(judges)
{
	/* lo and what has nothing to do with the rest */
	EXPECT_EQ(DEV_JUDGE_BOTH, role(LO));
}

TEST_F(judges, a_device_alone)
{
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	unwanted = "2";
	EXPECT_EQ(DEV_IGNORE, role(ETH));
}

TEST_F(judges, the_lower_one_for_its_vlan)
{
	add(UP, "vlan", 1, ETH, 0);
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	EXPECT_EQ(DEV_IGNORE, role(UP));
}

TEST_F(judges, the_vlan_when_the_lower_one_does_not)
{
	add(UP, "vlan", 1, ETH, 0);
	unwanted = "2";
	EXPECT_EQ(DEV_IGNORE, role(ETH));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
	/* Its lower one is of another namespace. */
	unwanted = NULL;
	links.devices[2].device.lower = 0;
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
	/* Or has gone. */
	links.devices[2].device.lower = 77;
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
}

TEST_F(judges, a_vlan_on_a_vlan)
{
	add(UP, "vlan", 1, ETH, 0);
	add(TOP, "vlan", 1, UP, 0);
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	EXPECT_EQ(DEV_IGNORE, role(UP));
	/* What comes in for it still has a tag when ETH sees it. */
	EXPECT_EQ(DEV_JUDGE_IN, role(TOP));
	/* One that is not wanted still carries to the one that is. */
	unwanted = "3";
	EXPECT_EQ(DEV_IGNORE, role(UP));
	EXPECT_EQ(DEV_JUDGE_IN, role(TOP));
	unwanted = "2";
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
	EXPECT_EQ(DEV_IGNORE, role(TOP));
}

TEST_F(judges, an_address_of_its_own)
{
	add(UP, "macvlan", 2, ETH, 0);
	EXPECT_EQ(DEV_JUDGE_OWN, role(ETH));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
	/* What lies on it has its address. */
	add(TOP, "vlan", 2, UP, 0);
	EXPECT_EQ(DEV_JUDGE_OWN, role(ETH));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
	EXPECT_EQ(DEV_IGNORE, role(TOP));
	/* Nobody judges on it: the lower one has no part in that. */
	unwanted = "3";
	EXPECT_EQ(DEV_JUDGE_OWN, role(ETH));
	EXPECT_EQ(DEV_IGNORE, role(UP));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(TOP));
}

TEST_F(judges, on_a_vlan_an_address_of_its_own)
{
	add(UP, "vlan", 1, ETH, 0);
	add(TOP, "macvlan", 2, UP, 0);
	EXPECT_EQ(DEV_JUDGE_OWN, role(ETH));
	EXPECT_EQ(DEV_IGNORE, role(UP));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(TOP));
}

TEST_F(judges, a_macvlan_that_passes_through)
{
	add(UP, "macvlan", 1, ETH, 0);
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	EXPECT_EQ(DEV_IGNORE, role(UP));
}

TEST_F(judges, ipvlan_and_its_siblings)
{
	add(UP, "ipvlan", 1, ETH, 0);
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
}

TEST_F(judges, the_bridge_for_its_ports)
{
	add(MASTER, "bridge", 1, 0, 0);
	links.devices[1].device.master = MASTER;
	EXPECT_EQ(DEV_IGNORE, role(ETH));
	EXPECT_EQ(DEV_JUDGE_BOTH, role(MASTER));
	/* Frames of a port's VLAN do not come to the bridge. */
	add(UP, "vlan", 1, ETH, 0);
	EXPECT_EQ(DEV_JUDGE_BOTH, role(UP));
	/* Those of the bridge's VLAN do. */
	add(TOP, "vlan", 1, MASTER, 0);
	EXPECT_EQ(DEV_IGNORE, role(TOP));
}

TEST_F(judges, the_ports_of_a_vrf)
{
	add(MASTER, "vrf", 9, 0, 0);
	links.devices[1].device.master = MASTER;
	EXPECT_EQ(DEV_JUDGE_BOTH, role(ETH));
	EXPECT_EQ(DEV_IGNORE, role(MASTER));
}

TEST_F(judges, who_has_to_do_with_whom)
{
	const struct links_device *eth = links_device(&links, ETH);
	const struct links_device *up, *top, *side;

	add(UP, "vlan", 1, ETH, 0);
	add(TOP, "vlan", 1, UP, 0);
	add(SIDE, "veth", 3, 0, 0);
	up = links_device(&links, UP);
	top = links_device(&links, TOP);
	side = links_device(&links, SIDE);
	EXPECT_TRUE(judges_related(&links, eth, eth));
	EXPECT_TRUE(judges_related(&links, eth, top));
	EXPECT_TRUE(judges_related(&links, top, eth));
	EXPECT_TRUE(judges_related(&links, up, top));
	EXPECT_FALSE(judges_related(&links, side, eth));
	EXPECT_FALSE(judges_related(&links, top, side));
}

/* The kernel makes none; it is not taken at its word. */
TEST_F(judges, a_circle_ends)
{
	add(UP, "macvlan", 1, TOP, 0);
	add(TOP, "macvlan", 1, UP, 0);
	EXPECT_EQ(DEV_IGNORE, role(UP));
	EXPECT_EQ(DEV_IGNORE, role(TOP));
}

TEST_HARNESS_MAIN
