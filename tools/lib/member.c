/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* This node, the others, joining and leaving. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* ---- specs -------------------------------------------------------------------- */

static void myself_row(void *data, const void *row, size_t size_bytes)
{
	lib_spec_read(row, size_bytes, data);
}

SKERRY_API int skerry_myself(struct skerry *h, struct skerry_spec *ret_spec)
{
	struct skerry_spec spec;
	int r;

	r = skerry_query(h, "myself", myself_row, &spec);
	if (r < 0)
		return r;
	if (r == 0)
		return lib_fail_fast(h, -EPROTO,
				     "the agent does not know itself");
	*ret_spec = spec;
	return 0;
}

/* ---- joining and leaving --------------------------------------------------------- */

/* "HOST:PORT" or "NAME=HOST:PORT". */
static int put_address(struct skerry *h, struct tlv_writer *w,
		       const char *address)
{
	char name[SKERRY_NAME_MAX_BYTES + 1];
	const char *equals;

	if (!address || !*address || strlen(address) > 400)
		return lib_fail(h, -EINVAL,
				"join %.80s: not an address; give HOST:PORT "
				"or NAME=HOST:PORT",
				address ? address : "(none)");
	equals = strchr(address, '=');
	if (equals) {
		size_t bytes = (size_t)(equals - address);

		if (bytes > SKERRY_NAME_MAX_BYTES)
			bytes = 0;
		memcpy(name, address, bytes);
		name[bytes] = '\0';
		if (!skerry_name_valid(name))
			return lib_fail(h, -EINVAL,
					"join %.80s: the name is not valid; "
					"1 to 63 of A-Z a-z 0-9 . _ - : @",
					address);
		tlv_put_str(w, SKERRY_K_NAME, name);
		address = equals + 1;
	}
	tlv_put_str(w, SKERRY_K_JOIN_ADDRESS, address);
	return 0;
}

static int join(struct skerry *h, const char *address, uint32_t command,
		uint32_t timeout_ms)
{
	struct tlv_writer w;
	uint8_t bytes[600];
	int r;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	r = put_address(h, &w, address);
	if (r)
		return r;
	if (command == SKERRY_CMD_JOIN_WAIT)
		tlv_put_u64(&w, SKERRY_K_TIMEOUT_MS,
			    timeout_ms ? timeout_ms : h->timeout_ms);
	/* The agent's own time-out answers first, with the better reason. */
	return lib_call(h, command, &w,
			lib_deadline(h, timeout_ms) + 1000000000, NULL, NULL);
}

SKERRY_API int skerry_join(struct skerry *h, const char *address)
{
	return join(h, address, SKERRY_CMD_JOIN, 0);
}

SKERRY_API int skerry_sync_join(struct skerry *h, const char *address,
				uint32_t timeout_ms)
{
	return join(h, address, SKERRY_CMD_JOIN_WAIT, timeout_ms);
}

SKERRY_API int skerry_leave(struct skerry *h)
{
	struct tlv_writer w;
	uint8_t none[1];

	tlv_writer_init(&w, none, sizeof(none));
	return lib_call(h, SKERRY_CMD_LEAVE, &w, lib_deadline(h, 0), NULL,
			NULL);
}

SKERRY_API int skerry_leave_node(struct skerry *h, const char *node)
{
	struct tlv_writer w;
	uint8_t bytes[600];

	if (!node || !*node || strlen(node) > 400)
		return lib_fail_fast(h, -EINVAL, "leave: which node?");
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, node);
	return lib_call(h, SKERRY_CMD_REMOVE, &w, lib_deadline(h, 0), NULL,
			NULL);
}

/* ---- members ------------------------------------------------------------------------ */

static int state_of(const char *text)
{
	static const struct {
		const char *text;
		int state;
	} states[] = {
		{ "up", SKERRY_STATE_UP },
		{ "suspect", SKERRY_STATE_SUSPECT },
		{ "one-way", SKERRY_STATE_ONE_WAY },
		{ "down", SKERRY_STATE_DOWN },
		{ "leaving", SKERRY_STATE_LEAVING },
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(states[i].text, text))
			return states[i].state;
	return SKERRY_STATE_UNKNOWN;
}

struct list {
	struct skerry_member *members;
	size_t room;
	size_t count;
};

static void member_row(void *data, const void *row, size_t size_bytes)
{
	struct skerry_member member = { .name = "" };
	struct list *list = data;
	char state[32] = "";

	if (tlv_find_str(row, size_bytes, SKERRY_K_NAME, member.name,
			 sizeof(member.name)))
		return;
	tlv_find_str(row, size_bytes, SKERRY_K_STATE, state, sizeof(state));
	tlv_find_str(row, size_bytes, SKERRY_K_REASON, member.reason,
		     sizeof(member.reason));
	tlv_find_str(row, size_bytes, SKERRY_K_SOURCE, member.source,
		     sizeof(member.source));
	member.state = state_of(state);
	member.self = tlv_find_bool(row, size_bytes, SKERRY_K_SELF);
	if (list->count < list->room)
		list->members[list->count] = member;
	list->count++;
}

SKERRY_API int skerry_members(struct skerry *h,
			      struct skerry_member *ret_members, size_t room)
{
	struct list list = { .members = ret_members, .room = room };
	int r;

	r = skerry_query(h, "members", member_row, &list);
	return r < 0 ? r : (int)list.count;
}
