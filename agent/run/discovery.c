// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* discovery.c - rounds of look-ups and what came of them; see discovery.h. */
#include "discovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "config/config_impl.h"
#include "core/codec.h"
#include "driver.h"
#include "log.h"
#include "netaddr.h"
#include "resolver.h"

/* A round that takes longer than this is over. */
#define ROUND_MS 15000U
#define WHY_BYTES 128

/* The smallest of what was found, in order and each once: who looks up the
 * same names tries the same nodes, however the answers are shuffled. */
struct found {
	struct skerry_addr list[SKERRY_JOINS_MAX];
	uint32_t count;
};

struct name;

/* The addresses of one host, of which an answer has told the port. */
struct host {
	struct name *name;
	uint16_t port;
};

struct name {
	struct discovery *discovery;
	const struct discovery_source *source;
	struct host hosts[SKERRY_JOINS_MAX];
	uint32_t host_count;

	/* Of the round under way. */
	struct found found;
	uint32_t outstanding;
	bool failed;
	char why[WHY_BYTES]; /* "" all is well */

	/* What stands. */
	struct found stands;
	uint64_t answered_us; /* the last complete answer; 0: none yet */
	bool last_failed;
	char last_why[WHY_BYTES];
};

struct discovery {
	struct agent *agent;
	struct resolver *resolver; /* NULL between rounds */
	uv_timer_t timer; /* the next round, or the end of this one */
	bool starting; /* not every question is put yet */
	uint64_t began_ns;
	struct name names[SKERRY_DISCOVERY_MAX];
	uint32_t count;
};

static void on_timer(uv_timer_t *timer);

/* ---- sets of addresses ----------------------------------------------------- */

static int compare(const struct skerry_addr *a, const struct skerry_addr *b)
{
	int order = memcmp(a->ip, b->ip, sizeof(a->ip));

	return order ? order : (int)a->port - (int)b->port;
}

static void found_add(struct found *set, const struct skerry_addr *address)
{
	uint32_t at = set->count, i;
	int order = -1;

	while (at && (order = compare(&set->list[at - 1], address)) > 0)
		at--;
	if ((at && !order) || at == SKERRY_JOINS_MAX)
		return;
	if (set->count < SKERRY_JOINS_MAX)
		set->count++;
	for (i = set->count - 1; i > at; i--)
		set->list[i] = set->list[i - 1];
	set->list[at] = *address;
}

static void found_merge(struct found *set, const struct found *more)
{
	uint32_t i;

	for (i = 0; i < more->count; i++)
		found_add(set, &more->list[i]);
}

static bool found_equal(const struct found *a, const struct found *b)
{
	uint32_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++) {
		if (compare(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

/* ---- the end of a round ----------------------------------------------------- */

static void say(const struct name *name)
{
	const struct found *stands = &name->stands;
	char text[1024] = "", address[NETADDR_TEXT_BYTES];
	size_t used = 0;
	uint32_t i;

	for (i = 0; i < stands->count && used + 80 < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s %s", i ? "," : "",
					 netaddr_text(&stands->list[i],
						      address));
	log_text(name->failed ? CORE_LOG_WARNING : CORE_LOG_INFO, "discovery",
		 "%s: %s%s%u address%s to join through%s%s%s",
		 name->source->name, name->why, name->why[0] ? "; " : "",
		 stands->count, stands->count == 1 ? "" : "es",
		 stands->count ? ":" : "", text,
		 i < stands->count ? ", ..." : "");
}

/* Once for each round, and only if nothing worse is to be said. */
static void remark(struct name *name, const char *why)
{
	if (!name->why[0])
		snprintf(name->why, sizeof(name->why), "%s", why);
}

/* What was found counts; only a complete answer takes something away. */
static void settle(struct name *name)
{
	struct found before = name->stands;

	if (name->failed) {
		found_merge(&name->stands, &name->found);
	} else {
		if (!name->found.count)
			remark(name, "no such name, or no address of it");
		name->stands = name->found;
		name->answered_us = agent_wall_us();
	}
	if (!found_equal(&before, &name->stands) ||
	    name->failed != name->last_failed ||
	    strcmp(name->why, name->last_why))
		say(name);
	name->last_failed = name->failed;
	memcpy(name->last_why, name->why, sizeof(name->last_why));
}

static void tell_core(struct discovery *d)
{
	struct core_contact contacts[SKERRY_JOINS_MAX];
	struct core_event event = { .type = EV_DISCOVERED };
	struct found all = { .count = 0 };
	bool any = false;
	uint32_t i;

	for (i = 0; i < d->count; i++) {
		any |= d->names[i].answered_us || d->names[i].stands.count;
		found_merge(&all, &d->names[i].stands);
	}
	/* Nobody has said anything yet. */
	if (!any)
		return;
	memset(contacts, 0, sizeof(contacts));
	for (i = 0; i < all.count; i++)
		contacts[i].address = all.list[i];
	event.discovered.list = contacts;
	event.discovered.count = all.count;
	driver_event(d->agent, &event);
}

static void end_round(struct discovery *d)
{
	uint64_t period_ms = d->agent->config->discovery.period_ms;
	uint64_t took_ms = (agent_now_ns() - d->began_ns) / 1000000;
	uint32_t i;

	resolver_close(d->resolver);
	d->resolver = NULL;
	for (i = 0; i < d->count; i++)
		settle(&d->names[i]);
	uv_timer_start(&d->timer, on_timer,
		       took_ms < period_ms ? period_ms - took_ms : 1, 0);
	tell_core(d);
}

/* ---- answers ------------------------------------------------------------------- */

static void fail(struct name *name, const char *why)
{
	name->failed = true;
	snprintf(name->why, sizeof(name->why), "%s", why);
}

static void answered(struct name *name)
{
	struct discovery *d = name->discovery;
	uint32_t i;

	name->outstanding--;
	for (i = 0; i < d->count; i++) {
		if (d->names[i].outstanding)
			return;
	}
	if (!d->starting)
		end_round(d);
}

static void on_addresses(void *data, const struct resolver_answer *answer)
{
	const struct host *host = data;
	struct name *name = host->name;
	uint32_t i;

	if (answer->verdict == RESOLVER_FAILED)
		fail(name, answer->why);
	for (i = 0; i < answer->count; i++) {
		struct skerry_addr address = answer->addresses[i];

		address.port = host->port;
		if (config_ip_unusable(address.ip))
			remark(name, "an address that leads nowhere is left "
				     "out");
		else
			found_add(&name->found, &address);
	}
	answered(name);
}

static void ask_host(struct name *name, const char *text, bool absolute,
		     uint16_t port)
{
	struct host *host = &name->hosts[name->host_count++];

	host->name = name;
	host->port = port;
	name->outstanding += 2;
	resolver_ask(name->discovery->resolver, RESOLVER_A, text, absolute,
		     on_addresses, host);
	resolver_ask(name->discovery->resolver, RESOLVER_AAAA, text, absolute,
		     on_addresses, host);
}

static bool port_is_base(uint16_t port)
{
	return port >= 1024 && port % SKERRY_PORT_BLOCK == 0;
}

static void on_services(void *data, const struct resolver_answer *answer)
{
	struct name *name = data;
	uint32_t i;

	if (answer->verdict == RESOLVER_FAILED)
		fail(name, answer->why);
	for (i = 0; i < answer->count; i++) {
		const struct resolver_service *service = &answer->services[i];

		if (!port_is_base(service->port)) {
			remark(name, "a port that is not the first of a block "
				     "of 128 is left out");
			continue;
		}
		if (name->host_count == SKERRY_JOINS_MAX)
			break;
		ask_host(name, service->host, true, service->port);
	}
	answered(name);
}

/* ---- rounds ---------------------------------------------------------------------- */

static void begin_name(struct name *name)
{
	name->host_count = 0;
	name->outstanding = 0;
	name->failed = false;
	name->why[0] = 0;
	name->found.count = 0;
}

static void ask_name(struct name *name)
{
	if (!name->source->srv) {
		ask_host(name, name->source->name, false, name->source->port);
		return;
	}
	name->outstanding++;
	resolver_ask(name->discovery->resolver, RESOLVER_SRV,
		     name->source->name, false, on_services, name);
}

static void begin_round(struct discovery *d)
{
	const struct discovery_config *config = &d->agent->config->discovery;
	bool waiting = false;
	uint32_t i;
	int err;

	d->began_ns = agent_now_ns();
	for (i = 0; i < d->count; i++)
		begin_name(&d->names[i]);
	err = resolver_open(&d->agent->loop.uv, config->servers,
			    config->server_count, &d->resolver);
	if (err) {
		for (i = 0; i < d->count; i++)
			fail(&d->names[i], strerror(-err));
		end_round(d);
		return;
	}
	uv_timer_start(&d->timer, on_timer, ROUND_MS, 0);
	d->starting = true;
	for (i = 0; i < d->count; i++)
		ask_name(&d->names[i]);
	d->starting = false;
	for (i = 0; i < d->count; i++)
		waiting |= d->names[i].outstanding != 0;
	if (!waiting)
		end_round(d);
}

static void on_timer(uv_timer_t *timer)
{
	struct discovery *d = timer->data;
	uint32_t i;

	if (!d->resolver) {
		begin_round(d);
		return;
	}
	for (i = 0; i < d->count; i++) {
		if (d->names[i].outstanding)
			fail(&d->names[i], "no answer in time");
		d->names[i].outstanding = 0;
	}
	end_round(d);
}

/* ---- opening, closing, showing ------------------------------------------------------ */

int discovery_open(struct agent *agent)
{
	const struct discovery_config *config = &agent->config->discovery;
	struct discovery *d;
	uint32_t i;

	if (!config->source_count)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->agent = agent;
	d->count = config->source_count;
	for (i = 0; i < d->count; i++) {
		d->names[i].discovery = d;
		d->names[i].source = &config->sources[i];
	}
	uv_timer_init(&agent->loop.uv, &d->timer);
	d->timer.data = d;
	uv_timer_start(&d->timer, on_timer, 0, 0);
	agent->discovery = d;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void discovery_close(struct agent *agent)
{
	struct discovery *d = agent->discovery;

	if (!d)
		return;
	resolver_close(d->resolver);
	uv_close((uv_handle_t *)&d->timer, on_closed);
	agent->discovery = NULL;
}

void discovery_rows(const struct agent *agent, discovery_row_fn *function,
		    void *data)
{
	const struct discovery *d = agent->discovery;
	uint8_t bytes[2048];
	struct tlv_writer w;
	uint32_t i, j;

	for (i = 0; d && i < d->count; i++) {
		const struct name *name = &d->names[i];

		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_NAME, name->source->name);
		tlv_put_str(&w, SKERRY_K_KIND,
			    name->source->srv ? "srv" : "dns");
		tlv_put_str(&w, SKERRY_K_STATE,
			    name->last_failed	? "failed"
			    : name->answered_us ? "answered"
						: "asking");
		tlv_put_u64(&w, SKERRY_K_COUNT, name->stands.count);
		if (name->answered_us)
			tlv_put_u64(&w, SKERRY_K_TIME, name->answered_us);
		tlv_put_str(&w, SKERRY_K_REASON, name->last_why);
		for (j = 0; j < name->stands.count; j++)
			tlv_put_addr(&w, SKERRY_K_ADDRESS,
				     &name->stands.list[j]);
		function(data, bytes, w.used_bytes);
	}
}
