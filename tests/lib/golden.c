// SPDX-License-Identifier: GPL-2.0-only
/* golden.c - see golden.h. */
#include "golden.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void directory(char *out, size_t room)
{
	const char *source = getenv("SKERRY_SOURCE");

	snprintf(out, room, "%s/tests/golden", source ? source : ".");
}

static void path_of(const struct golden_entry *e, char *out, size_t room)
{
	char dir[512];

	directory(dir, sizeof(dir));
	snprintf(out, room, "%s/%s.bin", dir, e->name);
}

void golden_add(struct golden *g, const char *name, const void *bytes,
		size_t size_bytes)
{
	struct golden_entry *e = &g->entries[g->count];

	assert(g->count < GOLDEN_MAX);
	g->count++;
	assert(strlen(name) < sizeof(e->name));
	strcpy(e->name, name);
	e->bytes = malloc(size_bytes + !size_bytes);
	assert(e->bytes);
	memcpy(e->bytes, bytes, size_bytes);
	e->size_bytes = size_bytes;
}

void golden_free(struct golden *g)
{
	size_t i;

	for (i = 0; i < g->count; i++)
		free(g->entries[i].bytes);
	g->count = 0;
}

static bool update(const struct golden_entry *e)
{
	char path[600];
	FILE *file;
	bool good;

	path_of(e, path, sizeof(path));
	file = fopen(path, "wb");
	if (!file)
		return false;
	good = fwrite(e->bytes, 1, e->size_bytes, file) == e->size_bytes;
	return fclose(file) == 0 && good;
}

/* NULL: the same. */
static const char *difference(const struct golden_entry *e)
{
	static uint8_t bytes[256 << 10];
	char path[600];
	size_t size;
	FILE *file;

	path_of(e, path, sizeof(path));
	file = fopen(path, "rb");
	if (!file)
		return "no file";
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	if (size != e->size_bytes)
		return "another length";
	return memcmp(bytes, e->bytes, size) ? "other bytes" : NULL;
}

unsigned int golden_compare(const struct golden *g)
{
	unsigned int differ = 0;
	const char *why;
	size_t i;

	for (i = 0; i < g->count; i++) {
		if (getenv("UPDATE_GOLDEN")) {
			why = update(&g->entries[i]) ? NULL : "not written";
		} else {
			why = difference(&g->entries[i]);
		}
		if (!why)
			continue;
		fprintf(stderr, "# %s: %s\n", g->entries[i].name, why);
		differ++;
	}
	return differ;
}

static bool has_entry(const struct golden *g, const char *file)
{
	char name[64];
	size_t i;

	for (i = 0; i < g->count; i++) {
		snprintf(name, sizeof(name), "%s.bin", g->entries[i].name);
		if (!strcmp(name, file))
			return true;
	}
	return false;
}

unsigned int golden_strays(const struct golden *g, const char *kind)
{
	unsigned int strays = 0;
	struct dirent *entry;
	char dir[512];
	size_t length;
	DIR *d;

	directory(dir, sizeof(dir));
	d = opendir(dir);
	assert(d);
	while ((entry = readdir(d))) {
		length = strlen(entry->d_name);
		if (strncmp(entry->d_name, kind, strlen(kind)) ||
		    entry->d_name[strlen(kind)] != '-' || length < 4 ||
		    strcmp(entry->d_name + length - 4, ".bin") ||
		    has_entry(g, entry->d_name))
			continue;
		fprintf(stderr, "# %s: nobody writes it\n", entry->d_name);
		strays++;
	}
	closedir(d);
	return strays;
}
