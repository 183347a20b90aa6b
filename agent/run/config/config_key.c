// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_key.c - the table of keys and how each is set; see config_impl.h. */
#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/codec.h"
#include "config_impl.h"

/* ---- [node] [cluster] ------------------------------------------------ */

static int set_name(struct config_load *load, const char *value,
		    char why[CONFIG_WHY_BYTES])
{
	/* "." and ".." would be other directories than the node's own. */
	if (!skerry_name_valid(value) || value[0] == '.') {
		snprintf(why, CONFIG_WHY_BYTES, "no node name");
		return -EINVAL;
	}
	strcpy(load->config->core.name, value);
	return 0;
}

static int set_tag(struct config_load *load, const char *value,
		   char why[CONFIG_WHY_BYTES])
{
	struct core_config *core = &load->config->core;

	if (core->tag_count == SKERRY_TAGS_MAX) {
		snprintf(why, CONFIG_WHY_BYTES, "a node has at most %u tags",
			 SKERRY_TAGS_MAX);
		return -EINVAL;
	}
	if (config_string(value, core->tags[core->tag_count],
			  sizeof(core->tags[0]), why))
		return -EINVAL;
	core->tag_count++;
	return 0;
}

static void reset_tags(struct config_load *load)
{
	load->config->core.tag_count = 0;
}

static int set_on_stop(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	static const char *const words[] = { "stay", "leave", NULL };
	uint32_t i;

	if (config_word(value, words, &i, why))
		return -EINVAL;
	load->config->core.leave_on_stop = i == 1;
	return 0;
}

static int set_cluster(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	if (!skerry_name_valid(value)) {
		snprintf(why, CONFIG_WHY_BYTES, "no cluster name");
		return -EINVAL;
	}
	strcpy(load->config->core.cluster, value);
	return 0;
}

static int set_key_file(struct config_load *load, const char *value,
			char why[CONFIG_WHY_BYTES])
{
	if (config_string(value, load->key_file, sizeof(load->key_file), why))
		return -EINVAL;
	if (config_read_key(value, load->config->key, why))
		return -EINVAL;
	load->config->has_key = load->config->core.has_key = true;
	return 0;
}

/* ---- [listen] [join] [overlay] --------------------------------------- */

static int set_address(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	struct core_config *core = &load->config->core;
	uint8_t ip[16];
	uint32_t i;

	if (core->address_count == SKERRY_ADDRS_MAX) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "a node has at most %u addresses", SKERRY_ADDRS_MAX);
		return -EINVAL;
	}
	if (config_ip(value, ip, why))
		return -EINVAL;
	for (i = 0; i < core->address_count; i++) {
		if (memcmp(core->addresses[i].ip, ip, 16) == 0) {
			snprintf(why, CONFIG_WHY_BYTES, "given twice");
			return -EINVAL;
		}
	}
	memset(&core->addresses[i], 0, sizeof(core->addresses[i]));
	memcpy(core->addresses[i].ip, ip, 16);
	core->address_count++;
	load->config->listen_given = true;
	load->address_line[i] = load->line;
	return 0;
}

static void reset_addresses(struct config_load *load)
{
	load->config->core.address_count = 0;
	load->config->listen_given = false;
}

static int set_port(struct config_load *load, const char *value,
		    char why[CONFIG_WHY_BYTES])
{
	uint64_t number;

	if (config_count(value, 1024, 65535 - SKERRY_PORT_BLOCK + 1, &number,
			 why))
		return -EINVAL;
	if (number % SKERRY_PORT_BLOCK) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "not a multiple of %u; the nearest below is %llu",
			 SKERRY_PORT_BLOCK,
			 (unsigned long long)(number -
					      number % SKERRY_PORT_BLOCK));
		return -EINVAL;
	}
	load->config->core.port_base = (uint16_t)number;
	return 0;
}

static int set_contact(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	struct core_config *core = &load->config->core;

	if (core->contact_count == SKERRY_JOINS_MAX) {
		snprintf(why, CONFIG_WHY_BYTES, "at most %u contacts",
			 SKERRY_JOINS_MAX);
		return -EINVAL;
	}
	if (config_contact(value, &core->contacts[core->contact_count], why))
		return -EINVAL;
	load->contact_line[core->contact_count] = load->line;
	core->contact_count++;
	return 0;
}

static void reset_contacts(struct config_load *load)
{
	load->config->core.contact_count = 0;
}

static int set_takeover(struct config_load *load, const char *value,
			char why[CONFIG_WHY_BYTES])
{
	return config_bool(value, &load->config->core.takeover, why);
}

static int set_overlay(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	static const char *const words[] = { "full", NULL };
	uint32_t i;

	if (config_word(value, words, &i, why))
		return -EINVAL;
	strcpy(load->config->core.overlay, words[i]);
	return 0;
}

static int set_members_max(struct config_load *load, const char *value,
			   char why[CONFIG_WHY_BYTES])
{
	uint64_t number;

	if (config_count(value, 2, SKERRY_MEMBERS_MAX, &number, why))
		return -EINVAL;
	load->config->core.members_max = (uint32_t)number;
	return 0;
}

/* ---- [detector] [partition] ------------------------------------------ */

static int set_heartbeat(struct config_load *load, const char *value,
			 char why[CONFIG_WHY_BYTES])
{
	return config_duration(value, 50, 60000,
			       &load->config->core.heartbeat_ms, why);
}

static int set_ping_after(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES])
{
	return config_duration(value, 100, 600000,
			       &load->config->core.ping_after_ms, why);
}

static int set_down_after(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES])
{
	return config_duration(value, 200, 3600000,
			       &load->config->core.down_after_ms, why);
}

static int set_max_for(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	return config_duration(value, 1000, 7 * 24 * 3600000ULL,
			       &load->config->core.cut_max_ms, why);
}

static int set_share(struct config_load *load, const char *value,
		     char why[CONFIG_WHY_BYTES])
{
	size_t length = strlen(value);
	char digits[8];
	uint64_t number;

	if (length < 2 || length > 4 || value[length - 1] != '%') {
		snprintf(why, CONFIG_WHY_BYTES,
			 "a share is written with %%, as 50%%");
		return -EINVAL;
	}
	memcpy(digits, value, length - 1);
	digits[length - 1] = 0;
	if (config_count(digits, 0, 100, &number, why))
		return -EINVAL;
	load->config->core.cut_share_percent = (uint32_t)number;
	return 0;
}

/* ---- [kernel] -------------------------------------------------------- */

static int set_disable(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	char copy[CONFIG_LINE_BYTES + 1], *word, *rest;
	enum kernel_feature feature;
	bool disabled[KERNEL_FEATURE_MAX] = { 0 };
	size_t used = 0;
	int i;

	if (config_string(value, copy, sizeof(copy), why))
		return -EINVAL;
	for (word = strtok_r(copy, ", ", &rest); word;
	     word = strtok_r(NULL, ", ", &rest)) {
		if (kernel_feature_parse(word, &feature) == 0) {
			disabled[feature] = true;
			continue;
		}
		used = (size_t)snprintf(why, CONFIG_WHY_BYTES,
					"no such feature: %s; known are", word);
		for (i = 0; i < KERNEL_FEATURE_MAX && used < CONFIG_WHY_BYTES;
		     i++)
			used += (size_t)snprintf(
				why + used, CONFIG_WHY_BYTES - used, "%s %s",
				i ? "," : "",
				kernel_feature_name((enum kernel_feature)i));
		return -EINVAL;
	}
	for (i = 0; i < KERNEL_FEATURE_MAX; i++)
		load->config->kernel.disabled[i] |= disabled[i];
	return 0;
}

static void reset_disable(struct config_load *load)
{
	memset(load->config->kernel.disabled, 0,
	       sizeof(load->config->kernel.disabled));
}

/* A directory by its full name: the agent changes to none, yet says where
 * things are. */
static int set_path(const char *value, char out[CONFIG_PATH_BYTES],
		    char why[CONFIG_WHY_BYTES])
{
	if (value[0] != '/') {
		snprintf(why, CONFIG_WHY_BYTES,
			 "not a full path, which begins with /");
		return -EINVAL;
	}
	return config_string(value, out, CONFIG_PATH_BYTES, why);
}

static int set_pin_root(struct config_load *load, const char *value,
			char why[CONFIG_WHY_BYTES])
{
	return set_path(value, load->config->pin_root, why);
}

static int set_device(struct config_load *load, const char *value,
		      char why[CONFIG_WHY_BYTES])
{
	struct agent_config *config = load->config;
	const uint32_t room =
		sizeof(config->devices) / sizeof(config->devices[0]);

	if (config->device_count == room) {
		snprintf(why, CONFIG_WHY_BYTES, "at most %u devices", room);
		return -EINVAL;
	}
	if (config_string(value, config->devices[config->device_count],
			  sizeof(config->devices[0]), why))
		return -EINVAL;
	config->device_count++;
	return 0;
}

static void reset_devices(struct config_load *load)
{
	load->config->device_count = 0;
}

static int set_none(struct config_load *load, const char *value,
		    char why[CONFIG_WHY_BYTES])
{
	return config_bool(value, &load->config->kernel.none, why);
}

/* ---- [api] [state] [log] --------------------------------------------- */

static int set_run_dir(struct config_load *load, const char *value,
		       char why[CONFIG_WHY_BYTES])
{
	return set_path(value, load->config->run_dir, why);
}

static int set_state_dir(struct config_load *load, const char *value,
			 char why[CONFIG_WHY_BYTES])
{
	return set_path(value, load->config->state_dir, why);
}

/* One that is named must exist: falling back in silence would open or close
 * the socket to others than was meant. */
static int set_group_name(const char *value, char out[64],
			  char why[CONFIG_WHY_BYTES])
{
	if (config_string(value, out, 64, why))
		return -EINVAL;
	if (!getgrnam(value)) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "no such group on this host; make it with groupadd");
		return -EINVAL;
	}
	return 0;
}

static int set_group(struct config_load *load, const char *value,
		     char why[CONFIG_WHY_BYTES])
{
	return set_group_name(value, load->config->group, why);
}

static int set_admin_group(struct config_load *load, const char *value,
			   char why[CONFIG_WHY_BYTES])
{
	return set_group_name(value, load->config->admin_group, why);
}

static int set_log_level(struct config_load *load, const char *value,
			 char why[CONFIG_WHY_BYTES])
{
	static const char *const words[] = { "error", "warning", "info",
					     "debug", NULL };
	uint32_t i;

	if (config_word(value, words, &i, why))
		return -EINVAL;
	load->config->log_level = (enum core_log_level)i;
	return 0;
}

static int set_log_format(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES])
{
	static const char *const words[] = { "text", "json", NULL };
	uint32_t i;

	if (config_word(value, words, &i, why))
		return -EINVAL;
	load->config->log_json = i == 1;
	return 0;
}

/* ---- [channel "x"] --------------------------------------------------- */

static int set_parallelism(struct core_channel *channel, const char *value,
			   char why[CONFIG_WHY_BYTES])
{
	uint64_t number;

	if (config_count(value, 1, SKERRY_PARALLELISM_MAX, &number, why))
		return -EINVAL;
	channel->parallelism = (uint8_t)number;
	return 0;
}

static int set_transport(struct core_channel *channel, const char *value,
			 char why[CONFIG_WHY_BYTES])
{
	static const char *const words[] = { "stream", "datagram", NULL };
	uint32_t i;

	if (config_word(value, words, &i, why))
		return -EINVAL;
	channel->datagram = i == 1;
	return 0;
}

static int set_priority(struct core_channel *channel, const char *value,
			char why[CONFIG_WHY_BYTES])
{
	uint64_t number;

	if (config_count(value, 0, 7, &number, why))
		return -EINVAL;
	channel->priority = (uint8_t)number;
	return 0;
}

static int set_monotonic(struct core_channel *channel, const char *value,
			 char why[CONFIG_WHY_BYTES])
{
	return config_bool(value, &channel->monotonic, why);
}

/* A word, so that there can be others; no and yes as everywhere. */
static int set_compression(struct core_channel *channel, const char *value,
			   char why[CONFIG_WHY_BYTES])
{
	if (!strcmp(value, "zstd") || !strcmp(value, "none")) {
		channel->compression = value[0] == 'z';
		return 0;
	}
	return config_bool(value, &channel->compression, why);
}

#define KEY(s, k, f, ...)                                                \
	{                                                                \
		.section = s, .key = k, .set = f, .allowed = __VA_ARGS__ \
	}
#define CHANNEL_KEY(k, f, ...)                                    \
	{                                                         \
		.section = "channel", .key = k, .channel_set = f, \
		.allowed = __VA_ARGS__                            \
	}

const struct config_key config_keys[] = {
	KEY("node", "name", set_name,
	    "1 to 63 of A-Z a-z 0-9 . _ - : @, not beginning with a dot"),
	KEY("node", "tag", set_tag, "1 to 63 bytes; may be repeated",
	    .list = true, .reset = reset_tags),
	KEY("node", "on_stop", set_on_stop, "stay or leave"),
	KEY("cluster", "name", set_cluster, "1 to 63 of A-Z a-z 0-9 . _ - : @"),
	KEY("cluster", "key_file", set_key_file,
	    "a file of mode 0600 with 64 hex digits or 32 bytes, as made by "
	    "skerryctl cluster keygen"),
	KEY("listen", "address", set_address,
	    "an IPv4 or IPv6 address of this host; may be repeated",
	    .list = true, .reset = reset_addresses),
	KEY("listen", "port", set_port,
	    "the first of a block of 128 ports: a multiple of 128 from 1024 to "
	    "65408"),
	KEY("join", "contact", set_contact,
	    "[NAME=]HOST[:PORT]; may be repeated", .list = true,
	    .reset = reset_contacts),
	KEY("join", "dns", config_set_dns, "NAME[:PORT]; may be repeated",
	    .list = true, .reset = config_reset_dns),
	KEY("join", "srv", config_set_srv,
	    "the full name of a service; may be repeated", .list = true,
	    .reset = config_reset_srv),
	KEY("join", "dns_period", config_set_dns_period, "1s to 24h"),
	KEY("join", "dns_server", config_set_dns_server,
	    "ADDRESS[:PORT]; may be repeated", .list = true,
	    .reset = config_reset_dns_servers),
	KEY("join", "takeover", set_takeover, "yes or no", .boolean = true),
	KEY("overlay", "name", set_overlay, "full"),
	KEY("overlay", "members_max", set_members_max, "2 to 512 members"),
	KEY("detector", "heartbeat", set_heartbeat, "50ms to 60s"),
	KEY("detector", "ping_after", set_ping_after, "100ms to 10m"),
	KEY("detector", "down_after", set_down_after, "200ms to 1h"),
	KEY("partition", "max_for", set_max_for, "1s to 168h"),
	KEY("partition", "share", set_share, "0% to 100%"),
	KEY("partition", "always_open", config_set_always_open,
	    "tcp:PORT, udp:PORT or none; may be repeated", .list = true,
	    .reset = config_reset_always_open),
	KEY("kernel", "disable", set_disable,
	    "features, with commas between; may be repeated", .list = true,
	    .reset = reset_disable),
	KEY("kernel", "pin_root", set_pin_root, "a directory on a bpffs"),
	KEY("kernel", "device", set_device, "a network device; may be repeated",
	    .list = true, .reset = reset_devices),
	KEY("kernel", "none", set_none, "yes or no", .boolean = true),
	KEY("api", "run_dir", set_run_dir, "a directory"),
	KEY("api", "group", set_group, "a group of this host"),
	KEY("api", "admin_group", set_admin_group, "a group of this host"),
	KEY("state", "dir", set_state_dir, "a directory"),
	KEY("log", "level", set_log_level, "error, warning, info or debug"),
	KEY("log", "format", set_log_format, "text or json"),
	CHANNEL_KEY("parallelism", set_parallelism, "1 to 16 lanes"),
	CHANNEL_KEY("transport", set_transport, "stream or datagram"),
	CHANNEL_KEY("priority", set_priority, "0 to 7; more is more urgent"),
	CHANNEL_KEY("monotonic", set_monotonic, "yes or no", .boolean = true),
	CHANNEL_KEY("compression", set_compression, "zstd (or yes), or no"),
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
	       "config_load has room for every key");
