// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* program_control.c - what the agent says to a program; see program.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/codec.h"
#include "run/agent.h"
#include "program.h"
#include "skerry/barrier.h"

/* Answers that wait for a program which does not read. */
#define WAITING_MAX_BYTES (1U << 20)
#define PAYLOAD_MAX_BYTES (CORE_OP_BYTES_MAX + 1024U)

static void wait_behind(struct program *program,
			const struct skerry_frame *record,
			struct core_bytes payload)
{
	size_t need = sizeof(*record) + payload.size_bytes;
	struct skerry_frame header = *record;
	uint8_t *bytes;

	if (program->waiting_bytes - program->waiting_head + need >
	    WAITING_MAX_BYTES) {
		program_doom(program, -ENOBUFS,
			     "does not read its control ring");
		return;
	}
	if (program->waiting_head) {
		memmove(program->waiting,
			program->waiting + program->waiting_head,
			program->waiting_bytes - program->waiting_head);
		program->waiting_bytes -= program->waiting_head;
		program->waiting_head = 0;
	}
	bytes = realloc(program->waiting, program->waiting_bytes + need);
	if (!bytes) {
		program_doom(program, -ENOMEM, "no memory for its answers");
		return;
	}
	header.length = (uint32_t)need;
	memcpy(bytes + program->waiting_bytes, &header, sizeof(header));
	if (payload.size_bytes)
		memcpy(bytes + program->waiting_bytes + sizeof(header),
		       payload.data, payload.size_bytes);
	program->waiting = bytes;
	program->waiting_bytes += need;
	/* It wakes us when it has read some. */
	skerry_exchange(&program->control.map->agent_wants_space, 1);
}

/* -ENOSPC: not now. */
static int put_now(struct program *program, const struct skerry_frame *record,
		   struct core_bytes payload)
{
	int err = ringbuf_write(&program->control.out, record, NULL, 0,
				payload.data, payload.size_bytes);

	if (err && err != -ENOSPC) {
		program_doom(program, -EPROTO,
			     "wrote an impossible position into its control "
			     "ring");
		return 0;
	}
	if (!err) {
		program->control_dirty = true;
		program_mark_dirty(program);
	}
	return err;
}

void program_put(struct program *program, const struct skerry_frame *record,
		 struct core_bytes payload)
{
	if (program->doomed)
		return;
	if (program->waiting_bytes || put_now(program, record, payload))
		wait_behind(program, record, payload);
}

void program_put_waiting(struct program *program)
{
	struct skerry_frame record;
	struct core_bytes payload;

	while (program->waiting_head < program->waiting_bytes) {
		memcpy(&record, program->waiting + program->waiting_head,
		       sizeof(record));
		payload.data = program->waiting + program->waiting_head +
			       sizeof(record);
		payload.size_bytes = record.length - sizeof(record);
		if (put_now(program, &record, payload)) {
			skerry_exchange(
				&program->control.map->agent_wants_space, 1);
			return;
		}
		program->waiting_head += record.length;
	}
	free(program->waiting);
	program->waiting = NULL;
	program->waiting_bytes = 0;
	program->waiting_head = 0;
}

void program_answer(struct agent *agent, uint32_t number, uint32_t correlation,
		    bool more, int error, const char *reason,
		    struct core_bytes tlvs)
{
	struct program *program = program_find(agent, number);
	struct skerry_frame record = {
		.type = SKERRY_REC_ANSWER,
		.flags = more ? SKERRY_ANSWER_MORE : 0,
		.correlation = correlation,
	};
	static uint8_t payload[PAYLOAD_MAX_BYTES];
	struct tlv_writer w;

	if (!program)
		return;
	tlv_writer_init(&w, payload, sizeof(payload));
	if (error) {
		tlv_put_s64(&w, SKERRY_K_ERROR, error);
		tlv_put_str(&w, SKERRY_K_REASON,
			    reason && *reason ? reason : strerror(-error));
	}
	if (tlvs.size_bytes > sizeof(payload) - w.used_bytes)
		tlvs.size_bytes = 0; /* never: CORE_OP_BYTES_MAX */
	if (tlvs.size_bytes)
		memcpy(payload + w.used_bytes, tlvs.data, tlvs.size_bytes);
	program_put(program, &record,
		    (struct core_bytes) { payload,
					  w.used_bytes + tlvs.size_bytes });
}

void program_event(struct agent *agent, uint32_t number, uint32_t watch,
		   struct core_bytes tlvs)
{
	struct program *program = program_find(agent, number);
	struct skerry_frame record = { .type = SKERRY_REC_EVENT,
				       .flow = watch };

	if (program)
		program_put(program, &record, tlvs);
}

static int send_fd(int socket, const void *data, size_t size_bytes, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)data, size_bytes };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0
		       ? -errno
		       : 0;
}

int program_offer(struct program *program, uint32_t kind, uint32_t channel,
		  uint32_t mapping_bytes, int fd)
{
	const struct core_channel *options =
		&program->agent->settings.channels[channel];
	struct skerry_frame record = { .type = SKERRY_REC_OFFER };
	struct skerry_offer offer = { .magic = SKERRY_RING_MAGIC,
				      .kind = kind,
				      .channel = channel,
				      .mapping_bytes = mapping_bytes };
	int err;

	memcpy(offer.name, options->name, sizeof(offer.name));
	if (options->monotonic)
		offer.flags |= SKERRY_CHANNEL_MONOTONIC;
	if (options->compression)
		offer.flags |= SKERRY_CHANNEL_COMPRESSION;
	err = send_fd(program->socket, &offer, sizeof(offer), fd);
	if (err)
		return err;
	program_put(program, &record, (struct core_bytes) { 0 });
	return 0;
}
