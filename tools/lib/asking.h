/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * asking.h - requests and their replies, monitors, and what both need:
 * messages read ahead of skerry_next(), letters that wait for credit, and
 * word of nodes that go.
 *
 * A request is one message with the extension `call`, a reply one with
 * `reply`; the agents know nothing of either. That a request will not be
 * answered shows in the flow it went through (closed, or its number lost), in
 * its node going down, or in time. All of that is noticed in lib_progress();
 * functions of the program run in skerry_dispatch() alone.
 */
#ifndef LIB_ASKING_H
#define LIB_ASKING_H

#include "outgoing.h"

#define LIB_REQUEST_BUCKETS 256U
#define LIB_IDS 32U /* random numbers fetched at once */
#define LIB_PLACES 64U /* without credit, before a round is given up */
/* Copied out of the rings while skerry_call() waits for what is behind. */
#define LIB_AHEAD_BYTES (16U << 20)
/* Replies: flows kept open to those who were answered last. */
#define LIB_REPLY_FLOWS 256U
/* A node that restarted, or that our agent has not heard since it did, is down
 * at first: it has so long to be up again. */
#define LIB_DOUBT_NS 10000000000ULL

struct lib_request {
	struct lib_request *next; /* in its bucket, or among those done */
	uint64_t id;
	uint64_t deadline_ns;
	uint64_t flow_id; /* 0: not sent yet */
	uint64_t number;
	const char *node; /* "" for this one */
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1];
	skerry_reply_fn *function; /* NULL: skerry_call() waits */
	void *data;
	bool done;
	bool answered; /* error is the receiver's */
	int error;
	struct skerry_message reply; /* when there is no error */
};

/* A request or a reply that waits for credit. */
struct lib_letter {
	struct lib_letter *next;
	uint64_t request; /* 0: it is a reply */
	uint32_t place; /* hash of where it goes */
	struct skerry_forward_opts opts;
	char node[SKERRY_NAME_MAX_BYTES + 1];
	char endpoint[SKERRY_ENDPOINT_MAX_BYTES + 1];
	char channel[SKERRY_CHANNEL_MAX_BYTES + 1];
	uint8_t extensions[32];
	size_t extension_bytes;
	size_t size_bytes;
	uint8_t data[];
};

struct lib_monitor {
	struct lib_monitor *next;
	int id;
	struct skerry_ref ref;
	struct lib_flow *flow; /* NULL: none yet, or it is about a node */
	int watch; /* about a node; -1: this one, which does not go */
	bool up_seen; /* the node was up */
	uint64_t doubt_ns; /* down by then, it is gone; or 0 */
	bool gone; /* told or not wanted */
	bool due; /* to be told */
	int error;
	char reason[SKERRY_REASON_MAX_BYTES + 1];
	skerry_gone_fn *function;
	void *data;
};

/* A node that may be coming back. */
struct lib_doubt {
	struct lib_doubt *next;
	const char *node;
	uint64_t until_ns;
};

struct lib_asking {
	/* Requests. */
	struct lib_request *requests[LIB_REQUEST_BUCKETS];
	struct lib_request *done, **done_tail;
	uint32_t request_count; /* in the buckets */
	uint32_t done_count;
	uint64_t ids[LIB_IDS];
	uint32_t ids_left;
	int watch; /* of all nodes; 0 none */
	struct lib_doubt *doubts;
	/* Read ahead of skerry_next(). */
	struct skerry_message *ahead;
	uint32_t ahead_first, ahead_count, ahead_room;
	uint64_t ahead_bytes;
	/* Waiting for credit. */
	struct lib_letter *letters, **letters_tail;
	bool sending;
	uint64_t turn; /* replies so far */
	/* Monitors. */
	struct lib_monitor *monitors;
	uint32_t monitor_count;
	int next_monitor;
	/* Time. */
	uint64_t next_ns; /* the next deadline */
	uint64_t armed_ns;
	int timer_fd;
	/* Counters. */
	uint64_t replies_dropped;
	uint64_t replies_lost;
};

/* ---- asking.c ----------------------------------------------------------- */

/* NULL: no memory, or no descriptor; the sentence is set. */
struct lib_asking *lib_asking_get(struct skerry *h);
void lib_asking_free(struct skerry *h);
/* lib_progress() is not called later than this. */
void lib_asking_by(struct lib_asking *a, uint64_t at_ns);
/* What an event of a node that is not up means. */
int lib_node_error(const void *tlvs, size_t size_bytes);
/* Nodes that go down are told to requests and monitors. */
int lib_asking_watch(struct skerry *h);

/* ---- call.c -------------------------------------------------------------- */

struct lib_request *lib_request_find(struct lib_asking *a, uint64_t id);
/* Over: error, or with 0 a reply that is set. */
void lib_request_done(struct skerry *h, struct lib_request *request, int error);
/* All that were asked of that node; "" is this one. */
void lib_requests_fail_node(struct skerry *h, const char *node, int error);
void lib_requests_tick(struct skerry *h, uint64_t now_ns);
int lib_requests_run(struct skerry *h);
void lib_requests_free(struct skerry *h);

/* ---- outbox.c ------------------------------------------------------------ */

/* Keep it; what comes of it its request is told. -EAGAIN: too much waits. */
int lib_letter_keep(struct skerry *h, const char *node, const char *endpoint,
		    const struct lib_message *message,
		    const struct skerry_forward_opts *opts, uint64_t request);
/* That error means: not now. */
bool lib_letter_better(const struct skerry *h, int error);
/* One to the same place waits already: another must not overtake it. */
bool lib_letter_waits(const struct skerry *h, const char *node,
		      const char *endpoint, const char *channel);
void lib_letters_send(struct skerry *h);
/* Its request is over. */
void lib_letter_drop(struct skerry *h, uint64_t request);
void lib_letters_free(struct skerry *h);

/* ---- ahead.c -------------------------------------------------------------- */

/* Read what is in the rings: replies to their requests, the rest is kept for
 * skerry_next(). copy: give the rings' space back meanwhile. */
void lib_ahead_read(struct skerry *h, bool copy);
/* There is something to read that way. */
bool lib_ahead_more(const struct skerry *h);
void lib_ahead_release(struct skerry *h, const struct skerry_message *message);
void lib_ahead_free(struct skerry *h);

/* ---- monitor.c ------------------------------------------------------------ */

void lib_monitors_node_down(struct skerry *h, const char *node, int error,
			    const char *reason);
void lib_monitors_step(struct skerry *h, uint64_t now_ns);
int lib_monitors_run(struct skerry *h);
void lib_monitors_free(struct skerry *h);

#endif
