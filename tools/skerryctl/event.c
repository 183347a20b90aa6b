// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* event.c - skerryctl event: what happened, and what happens. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "print.h"
#include "run/field.h"

struct following {
	const struct ctl *ctl;
	uint64_t left; /* UINT64_MAX: for ever */
};

static void show_line(const void *row, size_t size_bytes)
{
	static const uint16_t keys[] = { SKERRY_K_EVENT, SKERRY_K_NODE,
					 SKERRY_K_CHANNEL, SKERRY_K_REASON };
	char text[FIELD_TEXT_BYTES];
	struct tlv_reader r;
	size_t i;

	if (tlv_find(row, size_bytes, SKERRY_K_TIME, &r)) {
		field_text(&r, SKERRY_T_TIME, text);
		printf("%.19sZ", text);
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (tlv_find_str(row, size_bytes, keys[i], text,
				 sizeof(text)) != 0 ||
		    !text[0])
			continue;
		field_printable(text);
		printf(" %s", text);
	}
	putchar('\n');
	fflush(stdout);
}

static void on_event(void *data, const void *row, size_t size_bytes)
{
	struct following *f = data;
	json_t *object;

	if (!f->left)
		return;
	if (f->left != UINT64_MAX)
		f->left--;
	if (!f->ctl->json) {
		show_line(row, size_bytes);
		return;
	}
	object = json_begin();
	json_object_update_new(object, json_fields(row, size_bytes));
	json_end(object, true);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int follow(struct ctl *ctl, uint64_t count)
{
	struct following f = { .ctl = ctl, .left = count };
	uint64_t end = ctl->timeout_ms ? now_ms() + ctl->timeout_ms : 0;
	int error;

	error = skerry_follow(ctl->handle, on_event, &f);
	if (error < 0)
		return ctl_error(ctl, error, "event --follow", NULL);
	while (f.left && !ferror(stdout)) {
		int wait = -1;

		if (end) {
			uint64_t now = now_ms();

			if (now >= end)
				return ctl_error_text(-ETIMEDOUT,
						      "event --follow", NULL,
						      "no more events came");
			wait = (int)(end - now);
		}
		error = skerry_dispatch(ctl->handle, wait);
		if (error == -ECONNRESET || error == -ESTALE) {
			/* The agent restarted: the library attaches again. */
			fprintf(stderr, "skerryctl: event --follow: %s\n",
				skerry_last_error(ctl->handle));
			usleep(200000);
			continue;
		}
		if (error < 0 && error != -EAGAIN && error != -ETIMEDOUT)
			return ctl_error(ctl, error, "event --follow", NULL);
	}
	return 0;
}

static int list(struct ctl *ctl, uint64_t count)
{
	struct rows rows = { 0 }, last;
	json_t *object;
	size_t i;
	int code;

	code = rows_query(ctl, "events", &rows);
	if (code)
		goto out;
	last = rows;
	if (count < rows.count) {
		last.list += rows.count - count;
		last.count = count;
	}
	if (ctl->json) {
		object = json_begin();
		json_object_set_new(object, "events", json_rows(&last));
		json_end(object, false);
		goto out;
	}
	for (i = 0; i < last.count; i++)
		show_line(last.list[i].data, last.list[i].size_bytes);
out:
	rows_free(&rows);
	return code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	bool following = false;
	uint64_t count = UINT64_MAX;
	const struct arg args[] = {
		{ "--follow", ARG_FLAG, &following },
		{ "-f", ARG_FLAG, &following },
		{ "--count", ARG_COUNT, &count },
		{ NULL, ARG_FLAG, NULL },
	};
	int code = args_take("event", &argc, argv, args, false);

	if (code)
		return code;
	if (argc > 1)
		return ctl_usage("event", argv[1],
				 "no such verb; --follow goes on");
	code = ctl_open(ctl, false);
	if (code)
		return code;
	return following ? follow(ctl, count) : list(ctl, count);
}

const struct noun noun_event = {
	.name = "event",
	.summary = "what happened on this node; --follow goes on",
	.help = "usage: skerryctl event [--count N]           the last events "
		"kept\n"
		"       skerryctl event --follow [--count N]  each as it "
		"comes\n\n"
		"With --json each followed event is an object on a line of its "
		"own.\n",
	.run = run,
};
