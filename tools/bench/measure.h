/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* measure.h - clocks, and the lines that the measuring programs print. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline double cpu(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static inline void report(const char *who, uint64_t messages, uint64_t bytes,
			  double seconds, double cpu_seconds)
{
	printf("%s messages %llu seconds %.3f per_second %.0f "
	       "mb_per_second %.1f cpu_ns_per_message %.0f\n",
	       who, (unsigned long long)messages, seconds,
	       (double)messages / seconds, (double)bytes / seconds / 1e6,
	       messages ? cpu_seconds / (double)messages * 1e9 : 0.0);
	fflush(stdout);
}

static inline int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#endif
