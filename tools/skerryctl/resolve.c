// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* resolve.c - skerryctl partition resolve and heal; see cut.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cut.h"
#include "run/kernel/kernel.h"
#include "skerry/ring.h"

#define RESOLVE_WAIT_MS 5000
#define ANSWER_SLACK_MS 3000
#define DEFAULT_PIN_ROOT "/sys/fs/bpf/skerry"

/* With no agent: the rules in this host's kernel, and nothing else. */
static int heal_local(struct ctl *ctl, const char *what, const char *pin_root)
{
	json_t *object;
	int count = kernel_heal_local(pin_root, ctl->node);

	if (count < 0)
		return ctl_error_text(count, what,
				      ctl->node ? ctl->node : pin_root,
				      strerror(-count));
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "count", json_integer(count));
		json_end(object, false);
	} else {
		fprintf(stderr, "%d rule%s lifted in this kernel\n", count,
			count == 1 ? "" : "s");
	}
	return 0;
}

static bool row_active(const struct row *row)
{
	char state[32];

	return tlv_find_str(row->data, row->size_bytes, SKERRY_K_STATE, state,
			    sizeof(state)) != 0 ||
	       strcmp(state, "resolved");
}

/*
 * The one reference whose first digits are `text` (all match "") and that
 * is still in force. 1: found; 0: none; -ENOTUNIQ.
 */
static int match(const struct rows *rows, const char *text, uint8_t ret_id[16])
{
	uint8_t found[16];
	int count = 0;
	size_t i;

	for (i = 0; i < rows->count; i++) {
		const struct row *row = &rows->list[i];
		struct tlv_reader r;
		char digits[33];

		if (!tlv_find(row->data, row->size_bytes, SKERRY_K_REFERENCE,
			      &r) ||
		    r.length != 16 || !row_active(row))
			continue;
		selector_reference_text(r.value, digits);
		if (strncasecmp(digits, text, strlen(text)))
			continue;
		if (count && memcmp(found, r.value, 16))
			return -ENOTUNIQ;
		memcpy(found, r.value, 16);
		count = 1;
	}
	if (count)
		memcpy(ret_id, found, 16);
	return count;
}

/* The reference that has this name; the one in force before one that is over. */
static bool named(const struct rows *rows, const char *text, uint8_t ret_id[16])
{
	struct tlv_reader r;
	bool found = false;
	char name[64];
	size_t i;

	for (i = 0; i < rows->count; i++) {
		const struct row *row = &rows->list[i];

		if (tlv_find_str(row->data, row->size_bytes, SKERRY_K_NAME,
				 name, sizeof(name)) != 0 ||
		    strcmp(name, text) != 0 || (found && !row_active(row)) ||
		    !tlv_find(row->data, row->size_bytes, SKERRY_K_REFERENCE,
			      &r) ||
		    tlv_id(&r, ret_id) != 0)
			continue;
		found = true;
	}
	return found;
}

int cut_which(struct ctl *ctl, const char *what, const char *text,
	      uint8_t ret_id[16], bool *ret_found)
{
	struct rows rows = { 0 };
	int code, found;

	*ret_found = true;
	if (text && selector_reference(text, ret_id))
		return 0;
	code = rows_query(ctl, "partitions", &rows);
	if (code)
		goto out;
	if (text && named(&rows, text, ret_id))
		goto out;
	found = match(&rows, text ? text : "", ret_id);
	*ret_found = found > 0;
	if (found == -ENOTUNIQ)
		code = ctl_error_text(
			found, what, text,
			"several cuts are meant; name one, or --all");
	else if (!found && text)
		code = ctl_error_text(-ENOENT, what, text,
				      "no such reference or name; skerryctl "
				      "partition lists them");
	else if (!found)
		fputs("nothing is cut\n", stderr);
out:
	rows_free(&rows);
	return code;
}

static int call(struct ctl *ctl, const char *what, const char *text,
		const struct tlv_writer *w)
{
	uint32_t wait_ms = ctl->timeout_ms ? ctl->timeout_ms : RESOLVE_WAIT_MS;
	struct rows answer = { 0 };
	int error, code;

	error = skerry_command(ctl->handle, SKERRY_CMD_RESOLVE, w->data,
			       w->used_bytes, wait_ms + ANSWER_SLACK_MS,
			       rows_add, &answer);
	if (error < 0)
		code = ctl_error(ctl, error, what, text);
	else
		code = cut_answer(ctl, what, &answer);
	rows_free(&answer);
	return code;
}

int cut_resolve(struct ctl *ctl, int argc, char **argv, const char *what)
{
	const char *pin_root = DEFAULT_PIN_ROOT, *reason = NULL;
	bool all = false, local = false, found = true;
	const struct arg args[] = {
		{ "--all", ARG_FLAG, &all },
		{ "--local", ARG_FLAG, &local },
		{ "--pin-root", ARG_TEXT, &pin_root },
		{ "--reason", ARG_TEXT, &reason },
		{ NULL, ARG_FLAG, NULL },
	};
	struct tlv_writer w;
	uint8_t bytes[512], id[16];
	int code;

	code = args_take(what, &argc, argv, args, false);
	if (code)
		return code;
	if (argc > 2 || (all && argc > 1))
		return ctl_usage(
			what, argv[argc - 1],
			"not expected; one reference or name, or --all");
	if (local && all)
		return heal_local(ctl, what, pin_root);
	code = ctl_open(ctl, true);
	if (code)
		return code;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (!all)
		code = cut_which(ctl, what, argc > 1 ? argv[1] : NULL, id,
				 &found);
	if (code || !found)
		return code;
	if (all)
		tlv_put_bool(&w, SKERRY_K_ALL, true);
	else
		tlv_put(&w, SKERRY_K_REFERENCE, id, sizeof(id));
	if (reason)
		tlv_put_str(&w, SKERRY_K_WHY, reason);
	if (local)
		tlv_put_bool(&w, SKERRY_K_LOCAL_ONLY, true);
	return call(ctl, what, argc > 1 ? argv[1] : NULL, &w);
}
