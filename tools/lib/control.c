/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The control rings: commands out; answers, events and offers in. */
#include <errno.h>
#include <stdlib.h>

#include "outgoing.h"

/* ---- commands --------------------------------------------------------- */

int lib_command(struct skerry *h, uint32_t command, const void *tlvs,
		size_t size_bytes, enum lib_call_kind kind, void *object,
		uint32_t *ret_correlation)
{
	struct skerry_frame record = {
		.type = SKERRY_REC_COMMAND,
		.flow = command,
	};
	struct lib_call *call;
	int r;

	call = malloc(sizeof(*call));
	if (!call)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	/* Zero is the correlation of what was not asked for. */
	if (!++h->correlation)
		h->correlation = 1;
	record.correlation = h->correlation;
	r = ringbuf_write(&h->control_out, &record, NULL, 0, tlvs, size_bytes);
	if (r) {
		free(call);
		if (r == -ENOSPC)
			return lib_fail_fast(h, -EAGAIN,
					     "the control ring is full");
		return lib_fail(h, r, "control ring: %s", strerror(-r));
	}
	call->correlation = record.correlation;
	call->kind = kind;
	call->object = object;
	call->next = h->calls;
	h->calls = call;
	ringbuf_publish(&h->control_out);
	lib_kick(h);
	if (ret_correlation)
		*ret_correlation = record.correlation;
	return 0;
}

void lib_command_unanswered(struct skerry *h, uint32_t command,
			    const struct tlv_writer *w)
{
	struct skerry_frame record = {
		.type = SKERRY_REC_COMMAND,
		.flow = command,
	};

	if (w->full || ringbuf_write(&h->control_out, &record, NULL, 0, w->data,
				     w->used_bytes))
		return;
	ringbuf_publish(&h->control_out);
	lib_kick(h);
}

static bool control_room(struct skerry *h, void *data)
{
	return h->state != LIB_ATTACHED ||
	       ringbuf_room(&h->control_out) > (int64_t) * (size_t *)data;
}

static bool sync_done(struct skerry *h, void *data)
{
	return ((struct lib_sync *)data)->done;
}

/* Nobody waits for it any more; its answer may still come. */
static void let_go(struct skerry *h, const void *object)
{
	for (struct lib_call *call = h->calls; call; call = call->next)
		if (call->object == object) {
			call->kind = LIB_CALL_QUIET;
			call->object = NULL;
		}
}

void lib_control_forget(struct skerry *h, const void *object)
{
	let_go(h, object);
}

int lib_call(struct skerry *h, uint32_t command, const struct tlv_writer *w,
	     uint64_t deadline_ns, skerry_row_fn *function, void *data)
{
	struct lib_sync sync = { .function = function, .data = data };
	size_t need = w->used_bytes + 64;
	int r;

	if (h->in_callback)
		return lib_fail_fast(
			h, -EDEADLK,
			"a call that waits was made in a callback");
	if (w->full)
		return lib_fail_fast(h, -EINVAL, "arguments are too long");
	r = lib_attach_wait(h, deadline_ns);
	if (r)
		return r;
	for (;;) {
		r = lib_command(h, command, w->data, w->used_bytes,
				LIB_CALL_SYNC, &sync, NULL);
		if (r != -EAGAIN)
			break;
		r = lib_wait(h, control_room, &need, deadline_ns,
			     LIB_WAIT_CREDIT);
		if (r)
			return lib_fail_fast(h, r,
					     "the agent takes no commands; is "
					     "it stopped?");
		if (h->state != LIB_ATTACHED)
			return -ECONNRESET;
	}
	if (r)
		return r;
	r = lib_wait(h, sync_done, &sync, deadline_ns, 0);
	if (r) {
		let_go(h, &sync);
		return lib_fail_fast(h, r,
				     "no answer in time; raise the time-out, "
				     "or see whether the agent is stopped");
	}
	return sync.error;
}

/* ---- what the agent says ----------------------------------------------- */

static struct lib_call **find_call(struct skerry *h, uint32_t correlation)
{
	for (struct lib_call **p = &h->calls; *p; p = &(*p)->next)
		if ((*p)->correlation == correlation)
			return p;
	return NULL;
}

static int answer_error(const void *tlvs, size_t size_bytes)
{
	struct tlv_reader field;
	int64_t error = 0;

	if (tlv_find(tlvs, size_bytes, SKERRY_K_ERROR, &field))
		tlv_s64(&field, &error);
	return error < 0 && error > -4096 ? (int)error : 0;
}

static void answer_sync(struct skerry *h, struct lib_sync *sync, bool more,
			const void *tlvs, size_t size_bytes)
{
	char reason[SKERRY_REASON_MAX_BYTES + 1];
	int error = answer_error(tlvs, size_bytes);

	if (error) {
		if (tlv_find_str(tlvs, size_bytes, SKERRY_K_REASON, reason,
				 sizeof(reason)))
			strcpy(reason, strerror(-error));
		sync->error = lib_fail(h, error, "%s", reason);
	}
	if (sync->function) {
		h->in_callback = true;
		sync->function(sync->data, tlvs, size_bytes);
		h->in_callback = false;
	}
	sync->done = !more;
}

static void take_answer(struct skerry *h, const struct ringbuf_record *record,
			const void *tlvs, size_t size_bytes)
{
	bool more = record->frame.flags & SKERRY_ANSWER_MORE;
	struct lib_call **p = find_call(h, record->frame.correlation);
	char reason[SKERRY_REASON_MAX_BYTES + 1] = "";
	struct lib_call *call;
	int error;

	if (!p)
		return;
	call = *p;
	if (!more)
		*p = call->next;
	error = answer_error(tlvs, size_bytes);
	if (error)
		tlv_find_str(tlvs, size_bytes, SKERRY_K_REASON, reason,
			     sizeof(reason));
	switch (call->kind) {
	case LIB_CALL_SYNC:
		answer_sync(h, call->object, more, tlvs, size_bytes);
		break;
	case LIB_CALL_FLOW:
		lib_flow_answer(h, call->object, error, reason, tlvs,
				size_bytes);
		break;
	case LIB_CALL_RINGS:
		lib_flow_rings(call->object, error, reason);
		break;
	case LIB_CALL_REGISTER:
		lib_endpoint_answer(h, call->object, error, reason);
		break;
	case LIB_CALL_QUIET:
		break;
	}
	if (!more)
		free(call);
}

static void take_detach(struct skerry *h, const void *tlvs, size_t size_bytes)
{
	char reason[SKERRY_REASON_MAX_BYTES + 1];
	int error = answer_error(tlvs, size_bytes);

	if (tlv_find_str(tlvs, size_bytes, SKERRY_K_REASON, reason,
			 sizeof(reason)))
		strcpy(reason, "the agent detached this program");
	lib_attach_lost(h, error ? error : -ECONNRESET, reason);
}

int lib_control_read(struct skerry *h)
{
	struct ringbuf_record record;
	int n = 0;

	while (h->state == LIB_ATTACHED) {
		uint64_t offset = 0;
		const void *tlvs;
		size_t size_bytes;
		int r;

		r = ringbuf_read(&h->control_in, &offset, &record);
		if (r == 0)
			break;
		if (r < 0) {
			lib_attach_lost(h, r, "its control ring is damaged");
			break;
		}
		/* Fields may be extensions or payload: they are adjacent. */
		tlvs = record.extensions;
		size_bytes = record.extension_bytes + record.payload_bytes;
		switch (record.frame.type) {
		case SKERRY_REC_ANSWER:
			take_answer(h, &record, tlvs, size_bytes);
			break;
		case SKERRY_REC_EVENT:
			lib_watch_event(h, record.frame.flow, tlvs, size_bytes);
			break;
		case SKERRY_REC_OFFER:
			lib_attach_offer(h);
			break;
		case SKERRY_REC_DETACH:
			take_detach(h, tlvs, size_bytes);
			break;
		}
		n++;
		if (h->state != LIB_ATTACHED)
			break;
		ringbuf_advance(&h->control_in, offset);
		lib_tell_space(h);
	}
	return n;
}

void lib_control_lost(struct skerry *h)
{
	struct lib_call *call;

	while ((call = h->calls)) {
		h->calls = call->next;
		if (call->kind == LIB_CALL_SYNC) {
			struct lib_sync *sync = call->object;

			sync->error = lib_fail(h, -ESTALE,
					       "%s: the agent went away during "
					       "the call; its outcome is "
					       "unknown",
					       h->node);
			sync->done = true;
		}
		free(call);
	}
}
