/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * config_impl.h - what the parts of config.c share: where a setting comes
 * from, the table of keys, and how values are read.
 */
#ifndef SKERRY_CONFIG_IMPL_H
#define SKERRY_CONFIG_IMPL_H

#include "config.h"

/* Longest line of a file: inih would split a longer one without a word. */
#define CONFIG_LINE_BYTES 199
#define CONFIG_KEYS_MAX 48
#define CONFIG_WHY_BYTES 320

/* Later ones replace what earlier ones set, lists as a whole. */
enum config_origin {
	CONFIG_DEFAULT,
	CONFIG_FILE,
	CONFIG_FLAG,
};

struct config_load {
	struct agent_config *config;
	FILE *errors;
	unsigned int error_count;
	/* The setting being read; line 0: a flag. */
	enum config_origin origin;
	const char *file;
	unsigned int line;
	const char *label; /* the key as it was written */
	const char *value;
	uint8_t set_by[CONFIG_KEYS_MAX];
	/* Where the file set it; 0: it did not. */
	unsigned int set_line[CONFIG_KEYS_MAX];
	unsigned int channel_line[SKERRY_CHANNELS_MAX][CONFIG_KEYS_MAX];
	unsigned int address_line[SKERRY_ADDRS_MAX]; /* 0: a flag */
	unsigned int contact_line[SKERRY_JOINS_MAX];
	unsigned int discovery_line[SKERRY_DISCOVERY_MAX];
	char key_file[CONFIG_PATH_BYTES];
	bool help, version, check;
	bool dry; /* look only: set nothing, report nothing */
};

struct config_key {
	const char *section;
	const char *key;
	/* 0, or -EINVAL with the reason in `why`. NULL: the key of a channel
	 * (`section` is "channel"), set by channel_set. */
	int (*set)(struct config_load *load, const char *value,
		   char why[CONFIG_WHY_BYTES]);
	int (*channel_set)(struct core_channel *channel, const char *value,
			   char why[CONFIG_WHY_BYTES]);
	const char *allowed;
	bool list; /* may be repeated; the flag replaces the file's list */
	bool boolean; /* as a flag it needs no value */
	void (*reset)(struct config_load *load); /* lists: empty it */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* -1: no such key. In `key` dashes count as underscores. */
int config_key_find(const char *section, const char *key);
/* Report what is wrong with the setting being read. */
void config_error(struct config_load *load, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Set one key; load->origin, file, line, label and value are filled. */
void config_set(struct config_load *load, const char *section,
		const char *channel, const char *key, const char *value);
/* An existing channel or a new one; NULL, and reported, when impossible. */
struct core_channel *config_channel(struct config_load *load, const char *name);
/* Names of a section's keys, or of all sections: "a, b, c". */
void config_list_keys(const char *section, char *out, size_t room);
void config_list_sections(char *out, size_t room);

/* config_file.c: 0, -ENOENT, -EACCES, -errno; mistakes inside are counted. */
int config_file(struct config_load *load, const char *path);
/* config_flags.c: first which file is named (NULL: none) and what else is
 * asked for, then, when the file is read, the settings. */
const char *config_flags_path(struct config_load *load, int argc, char **argv);
void config_flags(struct config_load *load, int argc, char **argv);
void config_help(FILE *out);
/* config_check.c: what only shows when all is read. */
void config_check(struct config_load *load);
/* Read a cluster key: 64 hex digits or 32 bytes, mode 0600 or less. */
int config_read_key(const char *path, uint8_t ret_key[CONFIG_KEY_BYTES],
		    char why[CONFIG_WHY_BYTES]);

/* config_open.c: [partition] always_open. */
int config_set_always_open(struct config_load *load, const char *value,
			   char why[CONFIG_WHY_BYTES]);
void config_reset_always_open(struct config_load *load);
void config_default_always_open(struct agent_config *config);

/* config_join.c: keys of [join] about DNS. */
int config_set_dns(struct config_load *load, const char *value,
		   char why[CONFIG_WHY_BYTES]);
int config_set_srv(struct config_load *load, const char *value,
		   char why[CONFIG_WHY_BYTES]);
int config_set_dns_server(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES]);
int config_set_dns_period(struct config_load *load, const char *value,
			  char why[CONFIG_WHY_BYTES]);
void config_reset_dns(struct config_load *load);
void config_reset_srv(struct config_load *load);
void config_reset_dns_servers(struct config_load *load);

/* config_value.c: each 0, or -EINVAL with the reason in why. */
int config_duration(const char *text, uint64_t min_ms, uint64_t max_ms,
		    uint32_t *ret_ms, char why[CONFIG_WHY_BYTES]);
int config_count(const char *text, uint64_t min, uint64_t max,
		 uint64_t *ret_value, char why[CONFIG_WHY_BYTES]);
int config_bool(const char *text, bool *ret_value, char why[CONFIG_WHY_BYTES]);
int config_word(const char *text, const char *const *words, uint32_t *ret_index,
		char why[CONFIG_WHY_BYTES]);
int config_string(const char *text, char *out, size_t room,
		  char why[CONFIG_WHY_BYTES]);
/* A number without port: "10.0.0.1", "fd00::1", "[fd00::1]". */
int config_ip(const char *text, uint8_t ret_ip[16], char why[CONFIG_WHY_BYTES]);
bool config_ip_loopback(const uint8_t ip[16]);
/* Why nobody can be reached there; NULL: somebody may. */
const char *config_ip_unusable(const uint8_t ip[16]);
/* "[NAME=]HOST[:PORT]"; looks HOST up unless it is a number. */
int config_contact(const char *text, struct core_contact *ret_contact,
		   char why[CONFIG_WHY_BYTES]);

#endif
