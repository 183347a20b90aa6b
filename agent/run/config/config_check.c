// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_check.c - the key file, and what only shows when all settings are
 * read; see config_impl.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/codec.h"
#include "config_impl.h"

/* ---- the key ----------------------------------------------------------- */

static int decode_key(const uint8_t *bytes, size_t size_bytes,
		      uint8_t ret_key[CONFIG_KEY_BYTES])
{
	uint8_t key[CONFIG_KEY_BYTES];

	if (size_bytes == CONFIG_KEY_BYTES) {
		memcpy(ret_key, bytes, CONFIG_KEY_BYTES);
		return 0;
	}
	while (size_bytes &&
	       (bytes[size_bytes - 1] == '\n' || bytes[size_bytes - 1] == '\r'))
		size_bytes--;
	if (!skerry_hex_decode((const char *)bytes, size_bytes, key,
			       sizeof(key)))
		return -EINVAL;
	memcpy(ret_key, key, CONFIG_KEY_BYTES);
	explicit_bzero(key, sizeof(key));
	return 0;
}

int config_read_key(const char *path, uint8_t ret_key[CONFIG_KEY_BYTES],
		    char why[CONFIG_WHY_BYTES])
{
	uint8_t bytes[2 * CONFIG_KEY_BYTES + 3];
	struct stat st;
	ssize_t size;
	int fd, error = -EINVAL;

	/* Non-blocking: the path may name a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		snprintf(why, CONFIG_WHY_BYTES, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, CONFIG_WHY_BYTES, "not a regular file");
		goto out;
	}
	if (st.st_mode & 0077) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "open to others (mode %04o); run chmod 0600 on it",
			 st.st_mode & 07777U);
		goto out;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		snprintf(why, CONFIG_WHY_BYTES,
			 "belongs to uid %u, neither root nor the agent's user",
			 st.st_uid);
		goto out;
	}
	size = read(fd, bytes, sizeof(bytes));
	if (size < 0) {
		snprintf(why, CONFIG_WHY_BYTES, "%s", strerror(errno));
		goto out;
	}
	if (decode_key(bytes, (size_t)size, ret_key) != 0) {
		snprintf(why, CONFIG_WHY_BYTES, "holds no key");
		goto out;
	}
	error = 0;
out:
	explicit_bzero(bytes, sizeof(bytes));
	if (fd >= 0)
		close(fd);
	return error;
}

/* ---- all together ------------------------------------------------------ */

static void point_at(struct config_load *load, unsigned int line,
		     const char *label)
{
	load->line = line;
	load->label = label;
	load->value = NULL;
}

/* Without a key anybody who reaches a port is believed: so nobody may. */
static void check_open(struct config_load *load)
{
	const struct core_config *core = &load->config->core;
	uint32_t i;

	if (load->config->has_key || load->key_file[0])
		return;
	for (i = 0; i < core->address_count; i++) {
		if (config_ip_loopback(core->addresses[i].ip))
			continue;
		point_at(load, load->address_line[i], "address");
		config_error(load, "without a key only loopback addresses are "
				   "listened on; set [cluster] key_file");
	}
	for (i = 0; i < core->contact_count; i++) {
		if (config_ip_loopback(core->contacts[i].address.ip))
			continue;
		point_at(load, load->contact_line[i], "contact");
		config_error(load, "without a key only nodes of this host can "
				   "be joined; set [cluster] key_file");
	}
	for (i = 0; i < load->config->discovery.source_count; i++) {
		const struct discovery_source *source =
			&load->config->discovery.sources[i];

		point_at(load, load->discovery_line[i],
			 source->srv ? "srv" : "dns");
		config_error(load, "without a key only nodes of this host can "
				   "be joined; set [cluster] key_file");
	}
}

static void check_times(struct config_load *load)
{
	const struct core_config *core = &load->config->core;

	point_at(load,
		 load->set_line[config_key_find("detector", "ping_after")],
		 "ping_after");
	if (core->ping_after_ms <= core->heartbeat_ms)
		config_error(load,
			     "%ums is not above heartbeat, %ums; three times "
			     "that is usual",
			     core->ping_after_ms, core->heartbeat_ms);
	point_at(load,
		 load->set_line[config_key_find("detector", "down_after")],
		 "down_after");
	if (core->down_after_ms <= core->ping_after_ms)
		config_error(load,
			     "%ums is not above ping_after, %ums; twice that "
			     "is usual",
			     core->down_after_ms, core->ping_after_ms);
}

static void check_channels(struct config_load *load)
{
	const struct core_config *core = &load->config->core;
	unsigned int lanes = 0;
	uint32_t i;

	point_at(load, 0, NULL);
	for (i = 0; i < core->channel_count; i++) {
		const struct core_channel *channel = &core->channels[i];
		char label[64];

		snprintf(label, sizeof(label), "[channel \"%s\"]",
			 channel->name);
		load->label = label;
		if (!channel->datagram)
			lanes += channel->parallelism;
		else if (i == 0)
			config_error(load,
				     "transport: datagram: it keeps the "
				     "cluster together and must be a stream");
		else if (channel->monotonic || channel->compression)
			config_error(load,
				     "%s: not on a datagram channel, where "
				     "programs send for themselves",
				     channel->monotonic ? "monotonic"
							: "compression");
		else if (channel->parallelism > 1)
			config_error(load,
				     "parallelism: %u: a datagram channel has "
				     "no lanes; leave it out",
				     channel->parallelism);
	}
	load->label = "[channel]";
	if (lanes > SKERRY_LANES_PER_PAIR_MAX)
		config_error(load,
			     "parallelism of all channels adds up to %u; at "
			     "most %u lanes lead to one peer",
			     lanes, SKERRY_LANES_PER_PAIR_MAX);
	load->label = NULL;
}

void config_check(struct config_load *load)
{
	struct core_config *core = &load->config->core;
	uint32_t i;

	check_open(load);
	check_times(load);
	check_channels(load);
	for (i = 0; i < core->address_count; i++)
		core->addresses[i].port = core->port_base;
}
