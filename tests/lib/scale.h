/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scale.h - bounds of time on slow machines: SKERRY_TIME_SCALE in the
 * environment says how many times as long they are. Included before every
 * test in C, so that it holds for the harness as well, which gives each test
 * 30 s.
 */
#ifndef TEST_SCALE_H
#define TEST_SCALE_H

#include <stdlib.h>
#include <unistd.h>

static inline int time_scaled(int bound)
{
	const char *scale = getenv("SKERRY_TIME_SCALE");
	int times = scale ? atoi(scale) : 1;

	return times > 1 ? bound * times : bound;
}

#define alarm(seconds) alarm(time_scaled(seconds))

#endif
