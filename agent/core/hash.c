// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* hash.c - see hash.h. */
#include "hash.h"

#include <string.h>

uint64_t hash_bytes(uint64_t hash, const void *data, size_t size_bytes)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < size_bytes; i++) {
		hash ^= bytes[i];
		hash *= 0x100000001b3ULL;
	}
	return hash;
}

uint64_t hash_str(uint64_t hash, const char *text)
{
	return hash_bytes(hash, text, strlen(text) + 1);
}

uint64_t hash_u64(uint64_t hash, uint64_t value)
{
	return hash_bytes(hash, &value, sizeof(value));
}

uint64_t hash_mix(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	return hash ^ (hash >> 33);
}
