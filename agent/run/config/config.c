// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config.c - defaults, and the order in which they are outweighed. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/codec.h"
#include "config_impl.h"

#define DEFAULT_FILE "/etc/skerry/skerry.conf"

/* skerry@HOSTNAME, with what a name may not hold replaced. */
static void default_name(char out[SKERRY_NAME_MAX_BYTES + 1])
{
	char host[256] = "";
	size_t i, used;

	if (gethostname(host, sizeof(host) - 1) != 0 || !host[0])
		strcpy(host, "localhost");
	strcpy(out, "skerry@");
	used = strlen(out);
	for (i = 0; host[i] && used < SKERRY_NAME_MAX_BYTES; i++) {
		char one[2] = { host[i], 0 };

		out[used++] = skerry_name_valid(one) ? host[i] : '-';
	}
	out[used] = 0;
}

/* Zeros when there is none: then a copied image is not recognised. */
static void read_machine_id(uint8_t out[16])
{
	char text[33] = "";
	uint8_t id[16];
	unsigned int byte;
	ssize_t size;
	int fd, i;

	memset(out, 0, 16);
	fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = read(fd, text, 32);
	close(fd);
	if (size != 32)
		return;
	for (i = 0; i < 16; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return;
		id[i] = (uint8_t)byte;
	}
	memcpy(out, id, 16);
}

static void default_core(struct core_config *core)
{
	static const char *const always[] = { "membership", "default" };
	uint32_t i;

	default_name(core->name);
	strcpy(core->cluster, "skerry");
	strcpy(core->overlay, "full");
	read_machine_id(core->machine_id);
	core->port_base = SKERRY_PORT_BASE;
	for (i = 0; i < 2; i++) {
		strcpy(core->channels[i].name, always[i]);
		core->channels[i].parallelism = 1;
	}
	core->channel_count = 2;
	core->heartbeat_ms = 500;
	core->ping_after_ms = 1500;
	core->down_after_ms = 3000;
	core->redial_min_ms = 100;
	core->redial_max_ms = 10000;
	core->gossip_collect_ms = 100;
	core->gossip_period_ms = 10000;
	core->cut_max_ms = 3600000;
	core->cut_share_percent = 50;
	core->members_max = SKERRY_MEMBERS_MAX;
}

static void default_config(struct agent_config *config)
{
	memset(config, 0, sizeof(*config));
	default_core(&config->core);
	strcpy(config->pin_root, "/sys/fs/bpf/skerry");
	strcpy(config->run_dir, "/run/skerry");
	strcpy(config->state_dir, "/var/lib/skerry");
	strcpy(config->group, "skerry");
	config->kernel.group = (gid_t)-1;
	config->kernel.lease_ms = 10000;
	config_default_always_open(config);
	config->log_level = CORE_LOG_INFO;
	config->discovery.period_ms = DISCOVERY_PERIOD_MS;
}

/* The file that was named must be there; the usual one may be. */
static int load_file(struct config_load *load, const char *path)
{
	const char *file = path ? path : DEFAULT_FILE;
	int error;

	if (strlen(file) >= sizeof(load->config->file)) {
		fprintf(load->errors,
			"skerryd: --config: %s: too long; at most %d bytes\n",
			file, CONFIG_PATH_BYTES - 1);
		return -EINVAL;
	}
	error = config_file(load, file);
	if (error == -ENOENT && !path)
		return 0;
	if (error) {
		fprintf(load->errors,
			"skerryd: --config: %s: %s; name a file that can be "
			"read\n",
			file, strerror(-error));
		return error;
	}
	strcpy(load->config->file, file);
	return 0;
}

int config_load(struct agent_config *config, int argc, char **argv,
		FILE *errors, bool *ret_check)
{
	struct config_load *load;
	const char *path;
	int error;

	load = calloc(1, sizeof(*load));
	if (!load)
		return -ENOMEM;
	load->config = config;
	load->errors = errors;
	default_config(config);

	path = config_flags_path(load, argc, argv);
	error = 1;
	if (load->help) {
		config_help(stdout);
		goto out;
	}
	if (load->version) {
		printf("skerryd %s\n", SKERRY_VERSION_STRING);
		goto out;
	}
	error = load_file(load, path);
	if (error)
		goto out;
	config_flags(load, argc, argv);
	config_check(load);
	error = load->error_count ? -EINVAL : 0;
	if (error)
		goto out;

	config->kernel.pin_root = config->pin_root;
	config->kernel.node = config->core.name;
	config->kernel.port_base = config->core.port_base;
	*ret_check = load->check;
out:
	free(load);
	return error;
}
