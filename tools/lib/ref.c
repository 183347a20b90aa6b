/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * References: who is meant, as text. The name of a node holds no slash, so
 * the first one ends it; all behind it is the endpoint, as it is.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "asking.h"

#define SCHEME "skerry:"
#define ID_DIGITS 32U

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* "#" and an instance; digits of either case are the same program. */
static int parse_id(char *endpoint)
{
	size_t i;

	for (i = 0; i < ID_DIGITS; i++) {
		if (!isxdigit((unsigned char)endpoint[1 + i]))
			return -EINVAL;
		endpoint[1 + i] = (char)tolower(endpoint[1 + i]);
	}
	return endpoint[1 + i] ? -EINVAL : 0;
}

static int check(struct skerry *h, const char *reference,
		 struct skerry_ref *ref)
{
	if (!skerry_name_valid(ref->node))
		return lib_fail(h, -EINVAL,
				"%.100s: no node is called so; "
				"skerry:NODE/ENDPOINT",
				reference);
	if (ref->endpoint[0] == '#' && parse_id(ref->endpoint))
		return lib_fail(h, -EINVAL,
				"%.100s: a program is # and its 32 hexadecimal "
				"digits",
				reference);
	return 0;
}

static int parse(struct skerry *h, const char *reference,
		 struct skerry_ref *ret_ref)
{
	const char *node = reference + strlen(SCHEME);
	const char *slash = strchr(node, '/');
	size_t node_bytes = slash ? (size_t)(slash - node) : strlen(node);
	size_t endpoint_bytes = slash ? strlen(slash + 1) : 0;
	struct skerry_ref ref = { .node = "" };
	int r;

	if (node_bytes > SKERRY_NAME_MAX_BYTES ||
	    endpoint_bytes > SKERRY_ENDPOINT_MAX_BYTES)
		return lib_fail(h, -EINVAL,
				"%.100s: too long; names of nodes have at most "
				"%u bytes, of endpoints %u",
				reference, SKERRY_NAME_MAX_BYTES,
				SKERRY_ENDPOINT_MAX_BYTES);
	if (slash && !endpoint_bytes)
		return lib_fail(h, -EINVAL,
				"%.100s: no endpoint behind the slash; without "
				"it this names the node",
				reference);
	memcpy(ref.node, node, node_bytes);
	if (slash)
		memcpy(ref.endpoint, slash + 1, endpoint_bytes);
	r = check(h, reference, &ref);
	if (!r)
		*ret_ref = ref;
	return r;
}

SKERRY_API int skerry_ref_parse(struct skerry *h, const char *reference,
				struct skerry_ref *ret_ref)
{
	if (!reference)
		return lib_fail_fast(h, -EINVAL, "no reference");
	if (begins(reference, "global:") || begins(reference, "via:"))
		return lib_fail(h, -EOPNOTSUPP,
				"%.100s: this kind of reference does not work "
				"yet; give skerry:NODE/ENDPOINT",
				reference);
	if (!begins(reference, SCHEME))
		return lib_fail(h, -EINVAL,
				"%.100s: no reference; skerry:NODE/ENDPOINT",
				reference);
	return parse(h, reference, ret_ref);
}

bool lib_ref_is(const char *text)
{
	return begins(text, SCHEME) || begins(text, "global:") ||
	       begins(text, "via:");
}

int lib_ref_resolve(struct skerry *h, const char **node, const char **endpoint,
		    struct skerry_ref *ref)
{
	int r;

	if (*node || !*endpoint || !lib_ref_is(*endpoint))
		return 0;
	r = skerry_ref_parse(h, *endpoint, ref);
	if (r)
		return r;
	if (!ref->endpoint[0])
		return lib_fail(h, -EINVAL,
				"%.100s: a node takes no messages; give "
				"skerry:NODE/ENDPOINT",
				*endpoint);
	*node = ref->node;
	*endpoint = ref->endpoint;
	return 0;
}

void lib_ref_program(const uint8_t program[16],
		     char ret_endpoint[LIB_OWN_ENDPOINT_BYTES])
{
	ret_endpoint[0] = '#';
	for (size_t i = 0; i < 16; i++)
		snprintf(ret_endpoint + 1 + 2 * i, 3, "%02x", program[i]);
}

SKERRY_API int skerry_self_ref(struct skerry *h, char *ret_ref, size_t room)
{
	char ref[SKERRY_REF_BYTES], own[LIB_OWN_ENDPOINT_BYTES];
	size_t bytes;

	lib_ref_program(h->instance, own);
	bytes = (size_t)snprintf(ref, sizeof(ref), SCHEME "%s/%s", h->node,
				 own) +
		1;
	if (bytes > room)
		return lib_fail(h, -ENOBUFS,
				"a reference has up to %u bytes, there is room "
				"for %zu",
				SKERRY_REF_BYTES, room);
	memcpy(ret_ref, ref, bytes);
	return 0;
}
