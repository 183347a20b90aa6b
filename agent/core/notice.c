// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* notice.c - see notice.h. */
#include "notice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core_state.h"
#include "hash.h"

void notice_tlvs(struct core *core, enum core_log_level level,
		 const char *event, const char *text, struct core_bytes tlvs)
{
	struct notices *n = &core->notices;
	struct notice *at = &n->ring[n->next % NOTICES_MAX];

	memset(at, 0, sizeof(*at));
	at->wall_us = core->wall_us;
	at->level = (uint8_t)level;
	snprintf(at->event, sizeof(at->event), "%s", event);
	snprintf(at->text, sizeof(at->text), "%s", text);
	if (tlvs.size_bytes && tlvs.size_bytes <= sizeof(at->tlvs)) {
		memcpy(at->tlvs, tlvs.data, tlvs.size_bytes);
		at->tlv_bytes = (uint16_t)tlvs.size_bytes;
	}
	n->next++;
	if (n->next - n->logged > NOTICES_MAX)
		n->logged = n->next - NOTICES_MAX;
	core_due(core, core->now_ns);
	watch_followed(core);
}

void notice(struct core *core, enum core_log_level level, const char *event,
	    const char *node, const char *text)
{
	uint8_t bytes[NOTICE_TLVS_BYTES];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (node)
		tlv_put_str(&w, SKERRY_K_NODE, node);
	tlv_put_str(&w, SKERRY_K_SOURCE, core->config.name);
	notice_tlvs(core, level, event, text,
		    (struct core_bytes) { bytes, w.used_bytes });
}

void notice_format(struct core *core, enum core_log_level level,
		   const char *event, const char *node, const char *format, ...)
{
	char text[NOTICE_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	notice(core, level, event, node, text);
}

void notice_once(struct core *core, enum core_log_level level,
		 const char *event, const char *node, const char *text)
{
	struct notices *n = &core->notices;
	uint64_t hash = hash_str(hash_str(HASH_START, event), text);
	size_t count = sizeof(n->said) / sizeof(n->said[0]);
	size_t i;

	for (i = 0; i < count; i++) {
		if (n->said[i].hash == hash &&
		    core->now_ns < n->said[i].until_ns)
			return;
	}
	i = n->said_next++ % count;
	n->said[i].hash = hash;
	n->said[i].until_ns = core->now_ns + 60 * CORE_SECOND;
	notice(core, level, event, node, text);
}

void notices_flush(struct core *core)
{
	struct notices *n = &core->notices;
	struct update *u = &core->update;

	for (; n->logged != n->next; n->logged++) {
		const struct notice *at = &n->ring[n->logged % NOTICES_MAX];
		uint8_t bytes[NOTICE_TLVS_BYTES + 64];
		struct tlv_writer w;
		struct core_op *op;

		if (!update_fits(u, 1, 1024)) {
			u->more = true;
			return;
		}
		tlv_writer_init(&w, bytes, sizeof(bytes));
		tlv_put_str(&w, SKERRY_K_EVENT, at->event);
		op = update_op(u, OP_LOG);
		op->level = (enum core_log_level)at->level;
		op->text = update_text(u, at->text);
		memcpy(bytes + w.used_bytes, at->tlvs, at->tlv_bytes);
		op->bytes = update_copy(u, bytes, w.used_bytes + at->tlv_bytes);
	}
}

const struct notice *notice_at(const struct notices *n, uint64_t number)
{
	if (number >= n->next || n->next - number > NOTICES_MAX)
		return NULL;
	return &n->ring[number % NOTICES_MAX];
}

void notice_write(const struct notice *notice, uint64_t number,
		  struct tlv_writer *w)
{
	tlv_put_u64(w, SKERRY_K_TIME, notice->wall_us);
	tlv_put_str(w, SKERRY_K_EVENT, notice->event);
	tlv_put_u64(w, SKERRY_K_COUNT, number);
	tlv_put_str(w, SKERRY_K_REASON, notice->text);
	if (w->full || w->size_bytes - w->used_bytes < notice->tlv_bytes) {
		w->full = true;
		return;
	}
	memcpy(w->data + w->used_bytes, notice->tlvs, notice->tlv_bytes);
	w->used_bytes += notice->tlv_bytes;
}
