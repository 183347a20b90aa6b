// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* config_set.c - finding a key, setting it, reporting; see config_impl.h. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "config_impl.h"

static bool same_key(const char *key, const char *written)
{
	for (; *key && *written; key++, written++)
		if (*key != *written && !(*key == '_' && *written == '-'))
			return false;
	return *key == *written;
}

int config_key_find(const char *section, const char *key)
{
	size_t i;

	for (i = 0; i < config_key_count; i++)
		if (strcmp(config_keys[i].section, section) == 0 &&
		    same_key(config_keys[i].key, key))
			return (int)i;
	return -1;
}

/* What a file holds must not command the terminal that shows it. */
static void put_printable(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?'
								   : *text,
		      out);
}

void config_error(struct config_load *load, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (load->dry)
		return;
	load->error_count++;
	if (load->line)
		fprintf(load->errors, "%s:%u: ", load->file, load->line);
	else
		fprintf(load->errors, "skerryd: ");
	if (load->label) {
		put_printable(load->errors, load->label);
		fputs(": ", load->errors);
	}
	if (load->value) {
		put_printable(load->errors, load->value);
		fputs(": ", load->errors);
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_printable(load->errors, text);
	fputc('\n', load->errors);
}

static void append(char *out, size_t room, const char *text)
{
	size_t used = strlen(out);

	if (used + 1 < room)
		snprintf(out + used, room - used, "%s%s", used ? ", " : "",
			 text);
}

void config_list_keys(const char *section, char *out, size_t room)
{
	size_t i;

	out[0] = 0;
	for (i = 0; i < config_key_count; i++)
		if (strcmp(config_keys[i].section, section) == 0)
			append(out, room, config_keys[i].key);
}

void config_list_sections(char *out, size_t room)
{
	char name[32];
	size_t i;

	out[0] = 0;
	for (i = 0; i < config_key_count; i++) {
		const char *section = config_keys[i].section;

		if (i && strcmp(section, config_keys[i - 1].section) == 0)
			continue;
		snprintf(name, sizeof(name),
			 strcmp(section, "channel") ? "[%s]" : "[%s \"NAME\"]",
			 section);
		append(out, room, name);
	}
}

static bool channel_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if (i == SKERRY_CHANNEL_MAX_BYTES ||
		    !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
			    "yz0123456789._-",
			    name[i]))
			return false;
	return i > 0;
}

struct core_channel *config_channel(struct config_load *load, const char *name)
{
	struct core_config *core = &load->config->core;
	struct core_channel *channel;
	uint32_t i;

	for (i = 0; i < core->channel_count; i++)
		if (strcmp(core->channels[i].name, name) == 0)
			return &core->channels[i];
	if (!channel_name_valid(name)) {
		config_error(load,
			     "\"%s\" is no channel name; 1 to %u of A-Z a-z "
			     "0-9 . _ -",
			     name, SKERRY_CHANNEL_MAX_BYTES);
		return NULL;
	}
	if (i == SKERRY_CHANNELS_MAX) {
		config_error(load,
			     "channel %s is one too many; at most %u, "
			     "membership and default among them",
			     name, SKERRY_CHANNELS_MAX);
		return NULL;
	}
	channel = &core->channels[core->channel_count++];
	memset(channel, 0, sizeof(*channel));
	strcpy(channel->name, name);
	channel->parallelism = 1;
	return channel;
}

static void unknown_key(struct config_load *load, const char *section)
{
	char keys[CONFIG_WHY_BYTES];

	config_list_keys(section, keys, sizeof(keys));
	load->value = NULL;
	if (keys[0]) {
		config_error(load, "no such key in [%s]; it has %s", section,
			     keys);
		return;
	}
	config_list_sections(keys, sizeof(keys));
	config_error(load, "no such section; there are %s", keys);
}

/* Whether the key may be set (again) from here; the first of a list that
 * outweighs what there is empties it. */
static bool claim(struct config_load *load, size_t i, unsigned int *line)
{
	const struct config_key *key = &config_keys[i];

	if (key->list) {
		if (load->set_by[i] < load->origin) {
			key->reset(load);
			load->set_by[i] = (uint8_t)load->origin;
		}
		return true;
	}
	if (load->origin == CONFIG_FILE && *line) {
		config_error(load, "set already at line %u; once is allowed",
			     *line);
		return false;
	}
	*line = load->line;
	return true;
}

void config_set(struct config_load *load, const char *section,
		const char *channel, const char *key, const char *value)
{
	char why[CONFIG_WHY_BYTES];
	struct core_channel *c;
	size_t channel_index;
	int i, error;

	i = config_key_find(section, key);
	if (i < 0) {
		unknown_key(load, section);
		return;
	}
	load->value = value;
	if (config_keys[i].channel_set) {
		c = config_channel(load, channel);
		if (!c)
			return;
		channel_index = (size_t)(c - load->config->core.channels);
		if (!claim(load, (size_t)i,
			   &load->channel_line[channel_index][i]))
			return;
		error = config_keys[i].channel_set(c, value, why);
	} else {
		if (!claim(load, (size_t)i, &load->set_line[i]))
			return;
		error = config_keys[i].set(load, value, why);
	}
	if (error)
		config_error(load, "%s; %s", why, config_keys[i].allowed);
}
