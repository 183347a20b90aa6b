// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* member_export.c - skerryctl member export: the overlay's state as bytes, and
 * the members in such bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node.h"
#include "print.h"

/* As STATE_MAX_BYTES of the core: more is no state. */
#define STATE_BYTES (8U << 20)

static int write_state(struct ctl *ctl)
{
	size_t room = 64U << 10;
	uint8_t *state = NULL, *grown;
	int count, code;

	for (;;) {
		grown = realloc(state, room);
		if (!grown) {
			code = ctl_error_text(-ENOMEM, "member export", NULL,
					      strerror(ENOMEM));
			goto out;
		}
		state = grown;
		count = skerry_local_state(ctl->handle, state, room);
		if (count < 0) {
			code = ctl_error(ctl, count, "member export", NULL);
			goto out;
		}
		if ((size_t)count <= room)
			break;
		room = (size_t)count + (64U << 10);
	}
	/* main() looks whether it went out. */
	fwrite(state, 1, (size_t)count, stdout);
	code = 0;
out:
	free(state);
	return code;
}

/* ---- --decode ---------------------------------------------------------------- */

static int read_file(const char *name, uint8_t **ret_bytes, size_t *ret_count)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "rb") : stdin;
	uint8_t *bytes = malloc(STATE_BYTES + 1);
	int code = 0;

	if (!file || !bytes) {
		code = ctl_error_text(-errno, "member export --decode", name,
				      strerror(errno));
		goto out;
	}
	*ret_count = fread(bytes, 1, STATE_BYTES + 1, file);
	if (ferror(file)) {
		code = ctl_error_text(-errno, "member export --decode", name,
				      strerror(errno));
		goto out;
	}
	*ret_bytes = bytes;
	bytes = NULL;
out:
	if (file && file != stdin)
		fclose(file);
	free(bytes);
	return code;
}

static void add_row(struct rows *rows, const struct skerry_spec *spec)
{
	uint8_t bytes[2048];
	struct tlv_writer w;
	uint32_t i;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NAME, spec->name);
	tlv_put_u64(&w, SKERRY_K_INCARNATION, spec->incarnation);
	tlv_put_u64(&w, SKERRY_K_BOOT_NONCE, spec->boot_nonce);
	tlv_put_u64(&w, SKERRY_K_PORT_BLOCK, spec->port_block);
	for (i = 0; i < spec->address_count; i++) {
		struct skerry_addr addr = { .port = spec->address[i].port };

		memcpy(addr.ip, spec->address[i].ip, sizeof(addr.ip));
		tlv_put_addr(&w, SKERRY_K_ADDRESS, &addr);
	}
	if (spec->overlay[0])
		tlv_put_str(&w, SKERRY_K_OVERLAY, spec->overlay);
	for (i = 0; i < spec->tag_count; i++)
		tlv_put_str(&w, SKERRY_K_TAG, spec->tag[i]);
	for (i = 0; i < spec->channel_count; i++) {
		size_t mark = tlv_begin(&w, SKERRY_K_CHANNEL_SPEC);

		tlv_put_str(&w, SKERRY_K_CHANNEL, spec->channel[i].name);
		tlv_put_u64(&w, SKERRY_K_PARALLELISM,
			    spec->channel[i].parallelism);
		tlv_put_str(&w, SKERRY_K_TRANSPORT, spec->channel[i].transport);
		tlv_end(&w, mark);
	}
	rows_add(rows, bytes, w.used_bytes);
}

static int print_specs(const struct ctl *ctl, const struct skerry_spec *specs,
		       int count)
{
	static const struct column columns[] = {
		{ "NAME", SKERRY_K_NAME, COLUMN_PLAIN },
		{ "ADDRESSES", SKERRY_K_ADDRESS, COLUMN_PLAIN },
		{ "BLOCK", SKERRY_K_PORT_BLOCK, COLUMN_PLAIN },
		{ "OVERLAY", SKERRY_K_OVERLAY, COLUMN_PLAIN },
		{ "CHANNELS", SKERRY_K_CHANNEL_SPEC, COLUMN_PLAIN },
		{ "TAGS", SKERRY_K_TAG, COLUMN_PLAIN },
		{ "INCARNATION", SKERRY_K_INCARNATION, COLUMN_PLAIN },
		{ "NONCE", SKERRY_K_BOOT_NONCE, COLUMN_PLAIN },
		{ NULL, 0, COLUMN_PLAIN },
	};
	struct rows rows = { 0 };
	json_t *object;
	int code = 0, i;

	for (i = 0; i < count; i++)
		add_row(&rows, &specs[i]);
	if (rows.no_memory) {
		code = ctl_error_text(-ENOMEM, "member export --decode", NULL,
				      strerror(ENOMEM));
	} else if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "members", json_rows(&rows));
		json_end(object, false);
	} else {
		table_print(&rows, columns);
	}
	rows_free(&rows);
	return code;
}

static int decode(const struct ctl *ctl, const char *file)
{
	struct skerry_spec *specs = NULL;
	uint8_t *bytes = NULL;
	size_t size_bytes = 0;
	int count, code;

	code = read_file(file, &bytes, &size_bytes);
	if (code)
		return code;
	count = skerry_decode(bytes, size_bytes, NULL, 0);
	if (count < 0) {
		code = ctl_error_text(count, "member export --decode", file,
				      "not a node's state, or damaged; member "
				      "export writes one");
		goto out;
	}
	specs = calloc((size_t)count + 1, sizeof(*specs));
	if (!specs) {
		code = ctl_error_text(-ENOMEM, "member export --decode", file,
				      strerror(ENOMEM));
		goto out;
	}
	skerry_decode(bytes, size_bytes, specs, (size_t)count);
	code = print_specs(ctl, specs, count);
out:
	free(specs);
	free(bytes);
	return code;
}

int member_export(struct ctl *ctl, int argc, char **argv)
{
	const char *file = NULL;
	const struct arg args[] = {
		{ "--decode", ARG_TEXT, &file },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take("member export", &argc, argv, args, false);

	if (code)
		return code;
	if (argc > 2)
		return ctl_usage("member export", argv[2],
				 "not expected; bytes go to standard output");
	if (file)
		return decode(ctl, file);
	if (ctl->json)
		return ctl_usage("member export", "--json",
				 "the state is bytes; --decode FILE prints "
				 "them");
	if (isatty(STDOUT_FILENO))
		return ctl_usage("member export", NULL,
				 "the state is bytes, not for a terminal; "
				 "redirect it into a file");
	code = ctl_open(ctl, false);
	return code ? code : write_state(ctl);
}
