/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * watch.h - who wants to be told when a node (or a channel to it) goes up or
 * down, and who follows everything that happens.
 *
 * A watch is level-triggered: it remembers per node that there is news, not
 * the news, and says what holds when it is sent. One event of a watch is
 * under way at a time; the next comes after WATCH_ACK with its count. A
 * follower gets the kept events by number, FOLLOW_WINDOW at a time, and
 * learns how many it missed.
 */
#ifndef SKERRY_WATCH_H
#define SKERRY_WATCH_H

#include "event.h"
#include "members.h"

#define WATCH_FOLLOW_WINDOW 32U

struct core;

struct watch {
	bool used;
	bool follow;
	bool any; /* any node */
	bool up_too, down_too; /* which changes it wants */
	bool dirty; /* of a named node */
	uint32_t program;
	uint32_t id; /* the program's */
	int channel; /* index; -1: the node itself */
	char node[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t transitions;
	uint64_t news[MEMBERS_WORDS]; /* slots, when any */
	bool outstanding;
	uint64_t outstanding_count;
	uint64_t next, acked; /* numbers of notices, when following */
};

struct watches {
	struct watch *list;
	uint32_t max, touched;
	bool news; /* something may have to be sent */
};

size_t watches_size(uint32_t watches_max);
void watches_init(struct watches *w, void *memory, uint32_t watches_max);

/* -ENOENT no such channel, -EEXIST the id is taken, -ENOSPC, -EINVAL. */
int watch_command(struct core *core, const struct core_event *event,
		  bool follow);
int watch_remove(struct core *core, uint32_t program, uint32_t id);
void watch_ack(struct core *core, uint32_t program, uint32_t id,
	       uint64_t count);
void watch_program_gone(struct core *core, uint32_t program);

/* The node (channel -1) or its channel went up or down. */
void watch_changed(struct core *core, const struct member *member, int channel,
		   bool up);
/* There is a new notice. */
void watch_followed(struct core *core);
/* The slot is about to be used for another node: nobody has news of it. */
bool watch_has_news(const struct core *core, uint32_t slot);
void watch_forget(struct core *core, uint32_t slot);
void watch_flush(struct core *core);

#endif
