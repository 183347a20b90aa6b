// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * config_file.c - the file, through inih. Its reader is ours: inih splits
 * lines over 199 bytes without a word, takes an indented line for more of
 * the value above, does not tell of sections without keys, and remembers
 * only the first line it does not understand.
 */
#include <errno.h>
#include <ini.h>
#include <string.h>

#include "config_impl.h"

struct file_reader {
	struct config_load *load;
	FILE *file;
	unsigned int line;
	/* Of the section we are in: "" before the first, NULL after one that
	 * was refused: its keys say nothing new. */
	const char *section;
	char section_text[64];
	char channel[64];
};

static void line_error(struct file_reader *r, const char *label,
		       const char *text)
{
	r->load->line = r->line;
	r->load->label = label;
	r->load->value = NULL;
	config_error(r->load, "%s", text);
}

/* One line without its end into out. Returns its length, -1 at the end of
 * the file; *ret_why when it cannot be used. */
static long read_line(struct file_reader *r, char *out, size_t room,
		      const char **ret_why)
{
	size_t length = 0;
	int c = getc(r->file), last = 0;

	*ret_why = NULL;
	if (c == EOF)
		return -1;
	r->line++;
	for (; c != EOF && c != '\n'; c = getc(r->file)) {
		if (c == 0)
			*ret_why = "a NUL byte; the file must be text";
		if (length < room)
			out[length] = (char)c;
		length++;
		last = c;
	}
	if (last == '\r')
		length--;
	if (length > room)
		*ret_why = "a line of more than 199 bytes; shorten it";
	return (long)length;
}

static void refuse_section(struct file_reader *r, const char *text)
{
	char sections[CONFIG_WHY_BYTES];

	config_list_sections(sections, sizeof(sections));
	r->load->line = r->line;
	r->load->label = text;
	r->load->value = NULL;
	config_error(r->load, "no such section; there are %s", sections);
	r->section = NULL;
}

/* "[name]" or "[channel "x"]", with a comment allowed behind it. */
static void begin_section(struct file_reader *r, char *text)
{
	char *close = strchr(text, ']'), *name = text + 1, *quote, keys[8];

	if (!close || close - name >= (long)sizeof(r->section_text) ||
	    (close[1 + strspn(close + 1, " \t")] &&
	     !strchr(";#", close[1 + strspn(close + 1, " \t")]))) {
		refuse_section(r, text);
		return;
	}
	*close = 0;
	if (strncmp(name, "channel \"", 9) == 0) {
		name += 9;
		quote = strchr(name, '"');
		if (!quote || quote[1]) {
			*close = ']';
			refuse_section(r, text);
			return;
		}
		*quote = 0;
		strcpy(r->channel, name);
		strcpy(r->section_text, "channel");
		r->section = r->section_text;
		r->load->line = r->line;
		r->load->label = "[channel]";
		r->load->value = NULL;
		if (!config_channel(r->load, name))
			r->section = NULL;
		return;
	}
	strcpy(r->section_text, name);
	config_list_keys(name, keys, sizeof(keys));
	*close = ']';
	if (!keys[0] || strcmp(r->section_text, "channel") == 0) {
		refuse_section(r, text);
		return;
	}
	r->section = r->section_text;
}

static char *reader(char *out, int size, void *data)
{
	char line[CONFIG_LINE_BYTES + 1], *text;
	struct file_reader *r = data;
	const char *why;
	long length;

	length = read_line(r, line, CONFIG_LINE_BYTES, &why);
	if (length < 0)
		return NULL;
	out[0] = 0;
	if (why) {
		line_error(r, NULL, why);
		return out;
	}
	line[length] = 0;
	text = line + strspn(line, " \t");
	if (r->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	if (text[0] == '[') {
		begin_section(r, text);
		return out;
	}
	if (text[0] && !strchr(";#", text[0])) {
		if (!strpbrk(text, "=:")) {
			line_error(r, text,
				   "not understood; write key = value, "
				   "[section] or # comment");
			return out;
		}
		snprintf(out, (size_t)size, "%s", text);
	}
	return out;
}

static int handler(void *data, const char *section, const char *name,
		   const char *value)
{
	struct file_reader *r = data;

	/* inih has not seen the sections: the reader keeps them. */
	(void)section;
	r->load->line = r->line;
	r->load->label = name;
	r->load->value = NULL;
	if (!r->section)
		return 1;
	if (!r->section[0])
		config_error(r->load, "outside of any section; begin with [%s]",
			     config_keys[0].section);
	else
		config_set(r->load, r->section, r->channel, name, value);
	return 1;
}

int config_file(struct config_load *load, const char *path)
{
	struct file_reader r = { .load = load, .section = "" };
	int error = 0;

	r.file = fopen(path, "re");
	if (!r.file)
		return -errno;
	load->origin = CONFIG_FILE;
	load->file = path;
	if (ini_parse_stream(reader, &r, handler, &r) < 0)
		error = -ENOMEM;
	if (ferror(r.file))
		error = -EIO;
	fclose(r.file);
	return error;
}
