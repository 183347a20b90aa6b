// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* judges.c - see judges.h. */
#include "judges.h"

#include <string.h>

/* Devices on top of each other; the kernel allows no more than 8. */
#define DEPTH_MAX 8

struct view {
	const struct links *links;
	judges_wanted_fn *wanted;
	void *data;
};

static const struct links_device *lower_of(const struct links *links,
					   const struct links_device *device)
{
	return device->lower ? links_device(links, device->lower) : NULL;
}

/* Whether upper lies on lower, with whatever in between. */
static bool lies_on(const struct links *links, const struct links_device *upper,
		    const struct links_device *lower)
{
	int depth;

	for (depth = 0; upper && depth < DEPTH_MAX; depth++) {
		upper = lower_of(links, upper);
		if (upper && upper->ifindex == lower->ifindex)
			return true;
	}
	return false;
}

static bool is_vrf(const struct links_device *device)
{
	return strcmp(device->kind, "vrf") == 0;
}

/* Fit to judge, were it not for the devices below it. */
static bool listed(const struct view *view, const struct links_device *device)
{
	const struct links_device *master = NULL;

	if (device->master) {
		master = links_device(view->links, device->master);
		if (!master || !is_vrf(master))
			return false;
	}
	return !is_vrf(device) && view->wanted(view->data, device->name);
}

/* The device below that sees all that this one carries, as its own. */
static const struct links_device *carrier_of(const struct view *view,
					     const struct links_device *device)
{
	const struct links_device *lower = lower_of(view->links, device);

	if (!lower || strcmp(device->kind, "ipvlan") == 0 ||
	    memcmp(lower->mac, device->mac, sizeof(device->mac)) != 0)
		return NULL;
	return lower;
}

/* Whether somebody judges what this device carries. */
static bool covered(const struct view *view, const struct links_device *device)
{
	int depth;

	for (depth = 0; device && depth < DEPTH_MAX; depth++) {
		if (listed(view, device))
			return true;
		device = carrier_of(view, device);
	}
	return false;
}

static bool judges(const struct view *view, const struct links_device *device)
{
	const struct links_device *carrier = carrier_of(view, device);

	return listed(view, device) && !(carrier && covered(view, carrier));
}

/* Where it is judged its frames carry more tags than one, and when a packet
 * comes in only the outermost is out of the way. */
static bool tagged_twice(const struct view *view,
			 const struct links_device *device)
{
	int depth, tags = 0;

	for (depth = 0; device && depth < DEPTH_MAX; depth++) {
		if (judges(view, device))
			break;
		tags += strcmp(device->kind, "vlan") == 0;
		device = carrier_of(view, device);
	}
	return tags > 1;
}

/* Whether a device on top of it judges frames that it sees as well. */
static bool shares(const struct view *view, const struct links_device *device)
{
	static const uint8_t none[sizeof(device->mac)];
	const struct links_device *upper;
	size_t i;

	if (memcmp(device->mac, none, sizeof(none)) == 0)
		return false;
	for (i = 0; (upper = links_nth(view->links, i)); i++) {
		if (upper->lower &&
		    memcmp(upper->mac, device->mac, sizeof(none)) != 0 &&
		    lies_on(view->links, upper, device) && judges(view, upper))
			return true;
	}
	return false;
}

enum skerry_dev_role judges_role(const struct links *links,
				 const struct links_device *device,
				 judges_wanted_fn *wanted, void *data)
{
	struct view view = { links, wanted, data };

	if (!judges(&view, device))
		return listed(&view, device) && tagged_twice(&view, device)
			       ? DEV_JUDGE_IN
			       : DEV_IGNORE;
	return shares(&view, device) ? DEV_JUDGE_OWN : DEV_JUDGE_BOTH;
}

bool judges_related(const struct links *links, const struct links_device *a,
		    const struct links_device *b)
{
	return a->ifindex == b->ifindex || lies_on(links, a, b) ||
	       lies_on(links, b, a);
}
