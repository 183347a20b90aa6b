// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* update.c - see update.h. */
#include "update.h"

#include <assert.h>
#include <string.h>

void update_reset(struct update *u)
{
	u->count = 0;
	u->more = false;
	u->used_bytes = 0;
}

size_t update_room(const struct update *u)
{
	return CORE_OPS_MAX - u->count;
}

size_t update_space(const struct update *u)
{
	return UPDATE_ARENA_BYTES - u->used_bytes;
}

bool update_fits(const struct update *u, size_t ops, size_t bytes)
{
	return update_room(u) >= ops + UPDATE_RESERVE &&
	       update_space(u) >= bytes + UPDATE_RESERVE * 512U;
}

struct core_op *update_op(struct update *u, enum core_op_type type)
{
	struct core_op *op;

	assert(u->count < CORE_OPS_MAX);
	op = &u->ops[u->count++];
	memset(op, 0, sizeof(*op));
	op->type = type;
	return op;
}

void *update_alloc(struct update *u, size_t size_bytes)
{
	size_t rounded = (size_bytes + 7) & ~(size_t)7;
	void *at;

	if (rounded < size_bytes || update_space(u) < rounded)
		return NULL;
	at = u->arena + u->used_bytes;
	u->used_bytes += rounded;
	return at;
}

void update_trim(struct update *u, const void *last, size_t used_bytes)
{
	const uint8_t *at = last;

	assert(at >= u->arena && at <= u->arena + u->used_bytes);
	u->used_bytes = ((size_t)(at - u->arena) + used_bytes + 7) & ~(size_t)7;
}

struct core_bytes update_copy(struct update *u, const void *data,
			      size_t size_bytes)
{
	struct core_bytes bytes = { 0 };
	void *at;

	if (!size_bytes)
		return bytes;
	at = update_alloc(u, size_bytes);
	if (!at)
		return bytes;
	memcpy(at, data, size_bytes);
	bytes.data = at;
	bytes.size_bytes = size_bytes;
	return bytes;
}

const char *update_text(struct update *u, const char *text)
{
	struct core_bytes bytes = update_copy(u, text, strlen(text) + 1);

	return bytes.data ? bytes.data : "";
}
