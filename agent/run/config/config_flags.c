// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_flags.c - flags of skerryd; see config_impl.h. */
#include <string.h>
#include <strings.h>

#include "config_impl.h"

/* A walk through argv: one flag, its value if written with "=". */
struct flag_walk {
	int argc, at;
	char **argv;
	char name[64]; /* without "--" and "=..." */
	const char *value; /* NULL: none with "=" */
};

/* 1: a flag; 0: the end; -1: not a flag (reported). */
static int flag_next(struct config_load *load, struct flag_walk *walk)
{
	const char *arg, *equals;
	size_t length;

	if (++walk->at >= walk->argc)
		return 0;
	arg = walk->argv[walk->at];
	load->line = 0;
	load->label = arg;
	load->value = NULL;
	equals = strchr(arg, '=');
	length = equals ? (size_t)(equals - arg) : strlen(arg);
	if (strcmp(arg, "-h") == 0) {
		strcpy(walk->name, "help");
		walk->value = NULL;
		return 1;
	}
	if (strncmp(arg, "--", 2) || length < 3 ||
	    length - 2 >= sizeof(walk->name)) {
		config_error(load, "not a flag; see skerryd --help");
		return -1;
	}
	memcpy(walk->name, arg + 2, length - 2);
	walk->name[length - 2] = 0;
	walk->value = equals ? equals + 1 : NULL;
	return 1;
}

/* The value of a flag that must have one; NULL, and reported, without. */
static const char *flag_value(struct config_load *load, struct flag_walk *walk)
{
	if (walk->value)
		return walk->value;
	if (walk->at + 1 < walk->argc)
		return walk->argv[++walk->at];
	config_error(load, "needs a value");
	return NULL;
}

/* A yes-or-no key without a value means yes. */
static const char *bool_value(struct flag_walk *walk)
{
	char why[CONFIG_WHY_BYTES];
	bool ignored;

	if (walk->value)
		return walk->value;
	if (walk->at + 1 < walk->argc &&
	    config_bool(walk->argv[walk->at + 1], &ignored, why) == 0)
		return walk->argv[++walk->at];
	return "yes";
}

static void record_flag(struct config_load *load, const char *value)
{
	char why[CONFIG_WHY_BYTES];

	if (!value || load->dry)
		return;
	load->value = value;
	if (config_string(value, load->config->record,
			  sizeof(load->config->record), why))
		config_error(load, "%s", why);
}

/* "x:k=v" */
static void channel_flag(struct config_load *load, const char *text)
{
	char name[SKERRY_CHANNEL_MAX_BYTES + 2], key[32];
	const char *colon = text ? strchr(text, ':') : NULL;
	const char *equals = colon ? strchr(colon, '=') : NULL;

	if (!text || load->dry)
		return;
	if (!equals || (size_t)(colon - text) >= sizeof(name) ||
	    (size_t)(equals - colon) > sizeof(key)) {
		load->value = text;
		config_error(load, "not NAME:KEY=VALUE");
		return;
	}
	memcpy(name, text, (size_t)(colon - text));
	name[colon - text] = 0;
	memcpy(key, colon + 1, (size_t)(equals - colon - 1));
	key[equals - colon - 1] = 0;
	load->label = text;
	config_set(load, "channel", name, key, equals + 1);
}

/* --section-key */
static void key_flag(struct config_load *load, struct flag_walk *walk)
{
	char section[64];
	char *dash;
	int i;

	strcpy(section, walk->name);
	dash = strchr(section, '-');
	i = -1;
	if (dash) {
		*dash = 0;
		if (strcmp(section, "channel"))
			i = config_key_find(section, dash + 1);
	}
	if (i < 0) {
		config_error(load, "no such flag; see skerryd --help");
		return;
	}
	load->value = config_keys[i].boolean ? bool_value(walk)
					     : flag_value(load, walk);
	if (load->value && !load->dry)
		config_set(load, section, NULL, config_keys[i].key,
			   load->value);
}

static void walk_flags(struct config_load *load, int argc, char **argv,
		       const char **path)
{
	struct flag_walk walk = { .argc = argc, .argv = argv };
	const char *value;
	int more;

	load->origin = CONFIG_FLAG;
	while ((more = flag_next(load, &walk)) != 0) {
		if (more < 0)
			continue;
		if (strcmp(walk.name, "help") == 0) {
			load->help = true;
		} else if (strcmp(walk.name, "version") == 0) {
			load->version = true;
		} else if (strcmp(walk.name, "check-config") == 0) {
			load->check = true;
		} else if (strcmp(walk.name, "no-kernel") == 0) {
			load->config->kernel.none = true;
		} else if (strcmp(walk.name, "config") == 0) {
			value = flag_value(load, &walk);
			if (value)
				*path = value;
		} else if (strcmp(walk.name, "record") == 0) {
			record_flag(load, flag_value(load, &walk));
		} else if (strcmp(walk.name, "channel") == 0) {
			channel_flag(load, flag_value(load, &walk));
		} else {
			key_flag(load, &walk);
		}
	}
}

/* The file comes before the flags, and a flag says which file: the first
 * walk sets nothing and leaves mistakes to the second. */
const char *config_flags_path(struct config_load *load, int argc, char **argv)
{
	const char *path = NULL;

	load->dry = true;
	walk_flags(load, argc, argv, &path);
	load->dry = false;
	return path;
}

void config_flags(struct config_load *load, int argc, char **argv)
{
	const char *path;

	walk_flags(load, argc, argv, &path);
}

void config_help(FILE *out)
{
	size_t i;

	fputs("usage: skerryd [FLAG...]\n\n"
	      "The agent of one node. Settings come from defaults, then the "
	      "file, then\n"
	      "flags. Units: 200ms 30s 5m 1h; see skerry.conf(5).\n\n"
	      "  --config FILE          instead of /etc/skerry/skerry.conf\n"
	      "  --check-config         read the settings, report every "
	      "mistake, end\n"
	      "  --no-kernel            load no BPF; the same as "
	      "--kernel-none\n"
	      "  --record FILE          write every event and operation to "
	      "FILE\n"
	      "  --channel NAME:KEY=VALUE\n"
	      "  --help, --version\n\n"
	      "Key k of section [s] is flag --s-k VALUE:\n\n",
	      out);
	for (i = 0; i < config_key_count; i++) {
		char flag[64];

		if (config_keys[i].channel_set)
			snprintf(flag, sizeof(flag),
				 "--channel NAME:%s=", config_keys[i].key);
		else
			snprintf(flag, sizeof(flag), "--%s-%s",
				 config_keys[i].section, config_keys[i].key);
		fprintf(out, "  %-30s %s\n", flag, config_keys[i].allowed);
	}
}
