// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* record.c - what the core was told and what it said; see record.h. */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace/trace.h"
#include "log.h"

/* One step: an event with a whole state file, and a full update. */
#define STEP_BYTES (16U << 20)

struct record {
	FILE *file;
	uint8_t *bytes; /* STEP_BYTES */
	bool failed;
};

static void record_fail(struct record *record, const char *why)
{
	record->failed = true;
	log_text(CORE_LOG_WARNING, "record_ended",
		 "the recording ends here: %s", why);
}

static void record_write(struct record *record, const struct tlv_writer *w)
{
	if (w->full)
		record_fail(record, "a step is too large");
	else if (fwrite(w->data, 1, w->used_bytes, record->file) !=
		 w->used_bytes)
		record_fail(record, strerror(errno));
}

int record_open(const char *path, const struct core_limits *limits,
		const struct core_hmac *hmac, struct record **ret_record)
{
	struct record *record = calloc(1, sizeof(*record));
	struct tlv_writer w;
	size_t mark;
	int err;

	if (!record)
		return -ENOMEM;
	record->bytes = malloc(STEP_BYTES);
	if (!record->bytes) {
		err = -ENOMEM;
		goto err;
	}
	record->file = fopen(path, "we");
	if (!record->file) {
		err = -errno;
		goto err;
	}
	if (fwrite(TRACE_MAGIC, 1, TRACE_MAGIC_BYTES, record->file) !=
	    TRACE_MAGIC_BYTES) {
		err = -EIO;
		goto err;
	}
	tlv_writer_init(&w, record->bytes, STEP_BYTES);
	mark = trace_record_begin(&w, TRACE_SETUP);
	trace_setup(&w, limits, hmac);
	trace_record_end(&w, mark);
	record_write(record, &w);
	*ret_record = record;
	return 0;
err:
	record_close(record);
	return err;
}

void record_close(struct record *record)
{
	if (!record)
		return;
	if (record->file)
		fclose(record->file);
	free(record->bytes);
	free(record);
}

void record_step(struct record *record, const struct core_event *event,
		 int error, const struct core_update *update)
{
	struct tlv_writer w;

	if (!record || record->failed)
		return;
	tlv_writer_init(&w, record->bytes, STEP_BYTES);
	trace_step(&w, event, error, update);
	record_write(record, &w);
}

void record_flush(struct record *record)
{
	if (record && record->file)
		fflush(record->file);
}
