/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * golden.h - bytes as the product writes them, against the files under
 * tests/golden. With UPDATE_GOLDEN=1 in the environment the files are
 * rewritten instead.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOLDEN_MAX 128U

struct golden_entry {
	char name[40]; /* KIND-NAME: the file without .bin */
	uint8_t *bytes;
	size_t size_bytes;
};

struct golden {
	struct golden_entry entries[GOLDEN_MAX];
	size_t count;
};

/* Copies the bytes. */
void golden_add(struct golden *g, const char *name, const void *bytes,
		size_t size_bytes);
void golden_free(struct golden *g);
/* Number of entries that differ from their file; each is named on stderr. */
unsigned int golden_compare(const struct golden *g);
/* Number of files KIND-*.bin without an entry; each is named on stderr. */
unsigned int golden_strays(const struct golden *g, const char *kind);

#endif
