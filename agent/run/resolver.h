/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * resolver.h - questions to DNS servers on a libuv loop, by c-ares: nothing
 * here waits. One resolver is for one round of questions: it reads the
 * host's resolv.conf when it is made, so a changed one counts from the next.
 */
#ifndef SKERRY_RESOLVER_H
#define SKERRY_RESOLVER_H

#include <stdbool.h>

#include <uv.h>

#include "skerry/keys.h"
#include "skerry/limits.h"

struct resolver;

enum resolver_kind {
	RESOLVER_A,
	RESOLVER_AAAA,
	RESOLVER_SRV,
};

enum resolver_verdict {
	RESOLVER_FOUND,
	RESOLVER_NOTHING, /* a server says that there is none */
	RESOLVER_FAILED, /* nobody has said anything that can be used */
};

struct resolver_service {
	const char *host;
	uint16_t priority;
	uint16_t port;
};

/* Lists are borrowed for the call. */
struct resolver_answer {
	enum resolver_verdict verdict;
	const char *why; /* unless found */
	const struct skerry_addr *addresses; /* port 0 */
	const struct resolver_service *services; /* of RESOLVER_SRV */
	uint32_t count; /* at most RESOLVER_COUNT_MAX; the rest is left */
};
#define RESOLVER_COUNT_MAX 512U

typedef void resolver_answer_fn(void *data,
				const struct resolver_answer *answer);

/* server_count 0: those of the host. -ENOMEM, -EINVAL. */
int resolver_open(uv_loop_t *loop, const struct skerry_addr *servers,
		  uint32_t server_count, struct resolver **ret_resolver);
/*
 * Exactly one answer comes, unless the resolver is closed first; perhaps
 * before this returns. A name is tried with the host's search domains, but
 * not when it ends with a dot or is `absolute`.
 */
void resolver_ask(struct resolver *resolver, enum resolver_kind kind,
		  const char *name, bool absolute, resolver_answer_fn *function,
		  void *data);
/* What is outstanding is not answered. Takes NULL; from inside of an answer,
 * too. The loop must run once more for its handles to be gone. */
void resolver_close(struct resolver *resolver);

#endif
