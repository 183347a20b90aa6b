// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_join.c - [join] dns, srv, dns_server, dns_period: names that are
 * looked up while the agent runs; see config_impl.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "config_impl.h"

#define LABEL_BYTES 63U

/* RFC 1035, with the underscores of RFC 2782. */
static const char *name_fault(const char *name)
{
	size_t label = 0, i;

	if (strlen(name) > DISCOVERY_NAME_BYTES)
		return "longer than the 253 bytes of a name";
	for (i = 0; name[i]; i++) {
		if (name[i] == '.') {
			if (!label)
				return "a name with an empty part";
			label = 0;
			continue;
		}
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
			    "yz0123456789-_",
			    name[i]))
			return "not a name of DNS";
		if (++label > LABEL_BYTES)
			return "a name with a part of more than 63 bytes";
	}
	return i ? NULL : "no name";
}

static int add_source(struct config_load *load, const char *name, bool srv,
		      uint16_t port, char why[CONFIG_WHY_BYTES])
{
	struct discovery_config *d = &load->config->discovery;
	struct discovery_source *source;
	const char *fault = name_fault(name);
	uint8_t ip[16];

	if (!fault && config_ip(name, ip, why) == 0)
		fault = "an address is no name; [join] contact takes it";
	if (!fault && d->source_count == SKERRY_DISCOVERY_MAX)
		fault = "too many names; dns and srv have 8 together";
	if (fault) {
		snprintf(why, CONFIG_WHY_BYTES, "%s", fault);
		return -EINVAL;
	}
	load->discovery_line[d->source_count] = load->line;
	source = &d->sources[d->source_count++];
	memset(source, 0, sizeof(*source));
	memcpy(source->name, name, strlen(name) + 1);
	source->srv = srv;
	source->port = port;
	return 0;
}

static void drop_sources(struct config_load *load, bool srv)
{
	struct discovery_config *d = &load->config->discovery;
	uint32_t i, kept = 0;

	for (i = 0; i < d->source_count; i++) {
		if (d->sources[i].srv == srv)
			continue;
		load->discovery_line[kept] = load->discovery_line[i];
		d->sources[kept++] = d->sources[i];
	}
	d->source_count = kept;
}

int config_set_dns(struct config_load *load, const char *value,
		   char why[CONFIG_WHY_BYTES])
{
	char name[CONFIG_LINE_BYTES + 1];
	uint64_t port = SKERRY_PORT_BASE;
	char *colon;

	if (config_string(value, name, sizeof(name), why))
		return -EINVAL;
	colon = strchr(name, ':');
	if (colon) {
		*colon = 0;
		if (config_count(colon + 1, 1024, 65535 - SKERRY_PORT_BLOCK + 1,
				 &port, why))
			return -EINVAL;
		if (port % SKERRY_PORT_BLOCK) {
			snprintf(why, CONFIG_WHY_BYTES,
				 "port %s is not the first of a block of %u",
				 colon + 1, SKERRY_PORT_BLOCK);
			return -EINVAL;
		}
	}
	return add_source(load, name, false, (uint16_t)port, why);
}

void config_reset_dns(struct config_load *load)
{
	drop_sources(load, false);
}

int config_set_srv(struct config_load *load, const char *value,
		   char why[CONFIG_WHY_BYTES])
{
	if (value[0] != '_') {
		snprintf(
			why, CONFIG_WHY_BYTES,
			"a service begins with _, as _skerry._tcp.example.org");
		return -EINVAL;
	}
	return add_source(load, value, true, 0, why);
}

void config_reset_srv(struct config_load *load)
{
	drop_sources(load, true);
}

int config_set_dns_server(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES])
{
	struct discovery_config *d = &load->config->discovery;
	struct skerry_addr server = { .port = 53 };

	if (d->server_count == SKERRY_DNS_SERVERS_MAX) {
		snprintf(why, CONFIG_WHY_BYTES, "at most %u servers",
			 SKERRY_DNS_SERVERS_MAX);
		return -EINVAL;
	}
	if (config_ip(value, server.ip, why) && addr_parse(value, &server)) {
		snprintf(why, CONFIG_WHY_BYTES, "not ADDRESS[:PORT]");
		return -EINVAL;
	}
	d->servers[d->server_count++] = server;
	return 0;
}

void config_reset_dns_servers(struct config_load *load)
{
	load->config->discovery.server_count = 0;
}

int config_set_dns_period(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES])
{
	return config_duration(value, 1000, 24 * 3600000ULL,
			       &load->config->discovery.period_ms, why);
}
