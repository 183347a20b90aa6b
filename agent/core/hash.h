/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * hash.h - a fast 64-bit hash for tables and digests: FNV-1a with a final
 * mix. Not for secrets; the same everywhere, so digests may travel.
 */
#ifndef SKERRY_HASH_H
#define SKERRY_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START 0xcbf29ce484222325ULL

/* Go on from `hash` (HASH_START to begin) over more bytes. */
uint64_t hash_bytes(uint64_t hash, const void *data, size_t size_bytes);
/* The bytes and the terminating NUL, so that "a","b" is not "ab","". */
uint64_t hash_str(uint64_t hash, const char *text);
uint64_t hash_u64(uint64_t hash, uint64_t value);
/* Spread every input bit over the result. */
uint64_t hash_mix(uint64_t hash);

#endif
