/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * program.h - programs on this host: the socket they attach through, their
 * rings, and the commands of the data plane. What a program writes is
 * hostile; the worst it can do is to be detached, alone.
 *
 * Life: accepted - attached - doomed. A doomed program stays until
 * programs_settle(), so that the flow table, which may be at work on it, is
 * told when it has returned.
 */
#ifndef SKERRY_PROGRAM_H
#define SKERRY_PROGRAM_H

#include <uv.h>

#include "core/event.h"
#include "core/flow/flow.h"
#include "core/ringbuf.h"
#include "run/shm.h"

struct agent;
struct program_poll;

struct program_channel {
	struct shm shm;
	uint8_t index;
	bool dirty; /* records not published yet */
	bool wants_space; /* flow_ring_space() when it grows */
	uint64_t head_seen; /* program's position in `out` then */
	uint64_t taken_bytes; /* of `in`: handled, not given back yet */
	int64_t deficit; /* bytes it may still take in this round */
};

/* What the agent remembers of a slot. */
struct program_slot {
	uint32_t epoch;
	uint32_t peer;
	uint8_t channel;
};

struct program {
	struct agent *agent;
	uint32_t number; /* 1 .. SKERRY_PROGRAMS_MAX */
	bool attached, doomed;
	bool admin;
	bool dirty; /* in the list of programs to publish */
	bool control_dirty; /* records not published yet */
	bool credit_moved; /* wake it if it waits for credit or space */
	uint8_t instance[16];
	char name[64];
	uint32_t uid, pid;
	uint64_t since_us, deadline_ns; /* to attach */
	int socket, wake_agent, wake_program;
	struct program_poll *socket_poll, *wake_poll;
	struct program *dirty_next;
	struct shm control;
	struct program_channel *channels[SKERRY_CHANNELS_MAX];
	uint16_t fast_ports[SKERRY_CHANNELS_MAX]; /* 0: none */
	uint64_t freed_seen; /* reassembly memory, when space was wanted */
	/* Control records that found no room. */
	uint8_t *waiting;
	size_t waiting_bytes, waiting_head;
	/* Why it is detached; error 0: it went by itself. */
	int doom_error;
	char doom_text[160];
	struct program_slot slots[SKERRY_FLOWS_PER_PROGRAM_MAX];
};

struct programs {
	struct program *list[SKERRY_PROGRAMS_MAX + 1];
	uint32_t count;
	uint32_t turn; /* whose rings come first in this round */
	struct program *dirty;
	bool doomed; /* somebody is */
	uint32_t fast_sockets;
	int listener;
	bool listening;
	uv_poll_t poll;
	char path[512]; /* of the directory */
	int directory;
	uint64_t detached; /* for what they wrote */
	uint64_t casts_dropped[SKERRY_CHANNELS_MAX]; /* of those that went */
	/* A FLOW_OPEN under way, whose slot is not known yet. */
	const struct program_slot *opening;
	uint32_t opening_program, opening_correlation;
};

/* ---- program.c -------------------------------------------------------- */

struct program *program_find(const struct agent *agent, uint32_t number);
/* Detach it as soon as nobody is at work on it. error 0: it has gone. */
void program_doom(struct program *program, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Let doomed ones go. True when there was one. */
bool programs_settle(struct agent *agent);
void program_mark_dirty(struct program *program);
/* Publish what was written for programs and wake those that sleep. */
void programs_publish(struct agent *agent);
/* The rings of that channel, made and offered at first use; NULL: no
 * memory. */
struct program_channel *program_channel(struct program *program,
					uint32_t channel);
/* The casts that its library says it has dropped there. */
uint64_t program_channel_casts(const struct program_channel *channel);

/* ---- program_control.c ------------------------------------------------ */

/* A record into the control ring, or behind it while it is full. */
void program_put(struct program *program, const struct skerry_frame *record,
		 struct core_bytes payload);
/* Try again what found no room. */
void program_put_waiting(struct program *program);
void program_answer(struct agent *agent, uint32_t number, uint32_t correlation,
		    bool more, int error, const char *reason,
		    struct core_bytes tlvs);
void program_event(struct agent *agent, uint32_t number, uint32_t watch,
		   struct core_bytes tlvs);
/* Send a descriptor, announced by an OFFER record. */
int program_offer(struct program *program, uint32_t kind, uint32_t channel,
		  uint32_t mapping_bytes, int fd);

/* ---- program_attach.c ------------------------------------------------- */

/* -errno with a sentence in text. */
int programs_open(struct agent *agent, char text[256]);
void programs_close(struct agent *agent);
/* Those that were accepted and say nothing. */
void programs_tick(struct agent *agent, uint64_t now_ns);
void program_close_handles(struct program *program);

/* ---- program_ring.c --------------------------------------------------- */

/* Give what is in that ring to the flow table now, also from within one of
 * its calls: up to `bytes`. True when that emptied the ring. */
bool program_take(struct program *program, struct program_channel *channel,
		  int64_t bytes);
/* What a program wrote before it went is taken all the same. */
void program_last_words(struct program *program);
/* A turn for each ring. True when there is more to do at once. */
bool programs_serve(struct agent *agent);
/* About to sleep: tell the programs, and look once more. True: something
 * came meanwhile, do not sleep. */
bool programs_sleep(struct agent *agent);
void programs_awake(struct agent *agent);

/* ---- program_command.c, program_rows.c -------------------------------- */

/* '#' and its instance in hex: the endpoint every program has. */
#define PROGRAM_OWN_BYTES 34U
void program_own_endpoint(const struct program *program,
			  char ret_name[PROGRAM_OWN_BYTES]);

void program_command(struct program *program,
		     const struct ringbuf_record *record);
/* The rows of a DATA_QUERY; -ENOENT: no such table. */
int program_rows(struct program *program, uint32_t correlation,
		 const char *query);

/* ---- program_fast.c --------------------------------------------------- */

/* The program's own socket on a fast channel, towards `to`: its port, or
 * -errno. */
int program_fast_socket(struct program *program, uint32_t channel,
			const struct skerry_addr *to);
/* Where fast datagrams for that peer go, and from where ours come. */
int program_fast_way(const struct agent *agent, uint32_t peer,
		     struct skerry_addr *ret_to, struct skerry_addr *ret_from,
		     uint32_t *ret_payload_max_bytes);

/* ---- program_flow.c --------------------------------------------------- */

extern const struct flow_ops program_flow_ops; /* data: struct agent */

#endif
