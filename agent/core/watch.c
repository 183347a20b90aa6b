// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* watch.c - see watch.h. */
#include "watch.h"

#include <errno.h>
#include <string.h>

#include "core_state.h"

size_t watches_size(uint32_t watches_max)
{
	return (watches_max * sizeof(struct watch) + 15) & ~(size_t)15;
}

void watches_init(struct watches *w, void *memory, uint32_t watches_max)
{
	memset(w, 0, sizeof(*w));
	w->list = memory;
	w->max = watches_max;
}

static struct watch *watch_find(const struct watches *w, uint32_t program,
				uint32_t id)
{
	uint32_t i;

	for (i = 0; i < w->touched; i++) {
		struct watch *watch = &w->list[i];

		if (watch->used && watch->program == program && watch->id == id)
			return watch;
	}
	return NULL;
}

static struct watch *watch_slot(struct watches *w, uint32_t program)
{
	struct watch *found = NULL;
	uint32_t i, owned = 0;

	for (i = 0; i < w->touched; i++) {
		if (!w->list[i].used && !found)
			found = &w->list[i];
		else if (w->list[i].used && w->list[i].program == program)
			owned++;
	}
	if (owned >= SKERRY_WATCHES_PER_PROGRAM_MAX)
		return NULL;
	if (!found && w->touched < w->max)
		found = &w->list[w->touched++];
	return found;
}

/* What holds now for this watch at that node. */
static bool node_up(const struct watch *watch, const struct member *member)
{
	if (!member || !member_counts(member))
		return false;
	if (watch->channel >= 0)
		return (member->channels_up & 1U << watch->channel) != 0;
	return detector_state_up(member->state);
}

static bool wants(const struct watch *watch, bool up)
{
	return up ? watch->up_too : watch->down_too;
}

/* The state at subscription counts as news. */
static void watch_begin(struct core *core, struct watch *watch)
{
	struct members *m = &core->members;
	uint32_t i;

	if (!watch->any) {
		struct member *member = members_find(m, watch->node);

		watch->dirty = wants(watch, node_up(watch, member));
		return;
	}
	for (i = 0; i < m->touched; i++) {
		if (member_counts(&m->slots[i]) &&
		    wants(watch, node_up(watch, &m->slots[i])))
			watch->news[i / 64] |= 1ULL << i % 64;
	}
}

static int watch_read(struct core *core, struct core_bytes tlvs,
		      struct watch *watch)
{
	char channel[SKERRY_CHANNEL_MAX_BYTES + 1];
	struct tlv_reader r;
	bool up;
	int rv;

	watch->up_too = watch->down_too = true;
	if (tlv_find(tlvs.data, tlvs.size_bytes, SKERRY_K_UP, &r)) {
		rv = tlv_bool(&r, &up);
		if (rv)
			return rv;
		watch->up_too = up;
		watch->down_too = !up;
	}
	rv = tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_NODE,
			  watch->node, sizeof(watch->node));
	if (rv && rv != -ENOENT)
		return rv;
	watch->any = !watch->node[0];
	watch->channel = -1;
	rv = tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_CHANNEL, channel,
			  sizeof(channel));
	if (rv == -ENOENT || (!rv && !channel[0]))
		return 0;
	if (rv)
		return rv;
	watch->channel = spec_channel(core->config.channels,
				      core->config.channel_count, channel);
	return watch->channel < 0 ? -ENOENT : 0;
}

int watch_command(struct core *core, const struct core_event *event,
		  bool follow)
{
	struct watches *w = &core->watches;
	struct core_bytes tlvs = event->command.tlvs;
	struct watch fresh = { .used = true, .follow = follow };
	struct watch *watch;
	uint64_t id;
	int rv;

	id = tlv_find_u64(tlvs.data, tlvs.size_bytes, SKERRY_K_WATCH, 0);
	if (!id || id > UINT32_MAX)
		return -EINVAL;
	fresh.program = event->command.program;
	fresh.id = (uint32_t)id;
	if (watch_find(w, fresh.program, fresh.id))
		return -EEXIST;
	rv = watch_read(core, tlvs, &fresh);
	if (rv)
		return rv;
	watch = watch_slot(w, fresh.program);
	if (!watch)
		return -ENOSPC;
	*watch = fresh;
	if (follow)
		watch->next = watch->acked = core->notices.next;
	else
		watch_begin(core, watch);
	w->news = true;
	core_due(core, core->now_ns);
	return 0;
}

int watch_remove(struct core *core, uint32_t program, uint32_t id)
{
	struct watch *watch = watch_find(&core->watches, program, id);

	if (!watch)
		return -ENOENT;
	watch->used = false;
	return 0;
}

void watch_ack(struct core *core, uint32_t program, uint32_t id, uint64_t count)
{
	struct watch *watch = watch_find(&core->watches, program, id);

	if (!watch)
		return;
	if (watch->follow) {
		if (count + 1 > watch->acked && count < watch->next)
			watch->acked = count + 1;
	} else if (watch->outstanding && count == watch->outstanding_count) {
		watch->outstanding = false;
	}
	core->watches.news = true;
	core_due(core, core->now_ns);
}

void watch_program_gone(struct core *core, uint32_t program)
{
	struct watches *w = &core->watches;
	uint32_t i;

	for (i = 0; i < w->touched; i++) {
		if (w->list[i].program == program)
			w->list[i].used = false;
	}
}

void watch_changed(struct core *core, const struct member *member, int channel,
		   bool up)
{
	struct watches *w = &core->watches;
	uint32_t slot = members_slot(&core->members, member);
	uint32_t i;

	for (i = 0; i < w->touched; i++) {
		struct watch *watch = &w->list[i];

		if (!watch->used || watch->follow || watch->channel != channel)
			continue;
		if (!watch->any && strcmp(watch->node, member->name))
			continue;
		watch->transitions++;
		if (!wants(watch, up))
			continue;
		if (watch->any)
			watch->news[slot / 64] |= 1ULL << slot % 64;
		else
			watch->dirty = true;
		w->news = true;
		core_due(core, core->now_ns);
	}
}

void watch_followed(struct core *core)
{
	core->watches.news = true;
}

bool watch_has_news(const struct core *core, uint32_t slot)
{
	const struct watches *w = &core->watches;
	uint32_t i;

	for (i = 0; i < w->touched; i++) {
		if (w->list[i].used &&
		    w->list[i].news[slot / 64] & 1ULL << slot % 64)
			return true;
	}
	return false;
}

void watch_forget(struct core *core, uint32_t slot)
{
	struct watches *w = &core->watches;
	uint32_t i;

	for (i = 0; i < w->touched; i++)
		w->list[i].news[slot / 64] &= ~(1ULL << slot % 64);
}

static void send_event(struct core *core, struct watch *watch, const char *node,
		       const struct member *member, bool up)
{
	struct update *u = &core->update;
	uint8_t bytes[640];
	struct tlv_writer w;
	struct core_op *op;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_NODE, node);
	if (watch->channel >= 0)
		tlv_put_str(&w, SKERRY_K_CHANNEL,
			    core->config.channels[watch->channel].name);
	tlv_put_bool(&w, SKERRY_K_UP, up);
	tlv_put_u64(&w, SKERRY_K_COUNT, watch->transitions);
	tlv_put_str(&w, SKERRY_K_STATE,
		    member ? detector_state_name(member->state) : "unknown");
	tlv_put_str(&w, SKERRY_K_REASON,
		    member ? member->reason : "no node of this name is known");
	tlv_put_str(&w, SKERRY_K_SOURCE, core->config.name);
	tlv_put_u64(&w, SKERRY_K_TIME, core->wall_us);
	/* Who restarted, or whom a restarted agent remembers, is down until
	 * it is heard; that is another thing than silence. */
	if (member && member->pulse.heard_ns)
		tlv_put_u64(&w, SKERRY_K_HEARD_AGE_MS,
			    (core->now_ns - member->pulse.heard_ns) / 1000000);
	op = update_op(u, OP_EVENT);
	op->answer.program = watch->program;
	op->answer.watch = watch->id;
	op->bytes = update_copy(u, bytes, w.used_bytes);
	watch->outstanding = true;
	watch->outstanding_count = watch->transitions;
}

/* The next node there is news of that this watch still wants. */
static void watch_send(struct core *core, struct watch *watch)
{
	struct members *m = &core->members;
	struct member *member;
	uint32_t i;
	bool up;

	if (!watch->any) {
		member = members_find(m, watch->node);
		up = node_up(watch, member);
		watch->dirty = false;
		if (wants(watch, up))
			send_event(core, watch, watch->node, member, up);
		return;
	}
	for (i = 0; i < m->touched && !watch->outstanding; i++) {
		if (!(watch->news[i / 64] & 1ULL << i % 64))
			continue;
		watch->news[i / 64] &= ~(1ULL << i % 64);
		up = node_up(watch, &m->slots[i]);
		if (wants(watch, up))
			send_event(core, watch, m->slots[i].name, &m->slots[i],
				   up);
	}
}

static bool watch_ready(const struct watch *watch)
{
	uint32_t i;

	if (watch->outstanding)
		return false;
	if (watch->dirty)
		return true;
	for (i = 0; i < MEMBERS_WORDS; i++) {
		if (watch->news[i])
			return true;
	}
	return false;
}

static void follow_send(struct core *core, struct watch *watch)
{
	struct notices *n = &core->notices;
	struct update *u = &core->update;

	while (watch->next != n->next &&
	       watch->next - watch->acked < WATCH_FOLLOW_WINDOW) {
		const struct notice *at = notice_at(n, watch->next);
		uint8_t bytes[NOTICE_TLVS_BYTES + NOTICE_TEXT_BYTES + 128];
		struct tlv_writer w;
		struct core_op *op;

		if (!update_fits(u, 1, sizeof(bytes))) {
			u->more = true;
			return;
		}
		tlv_writer_init(&w, bytes, sizeof(bytes));
		if (!at) {
			/* Too slow: the oldest kept comes next. */
			uint64_t oldest = n->next - NOTICES_MAX;

			tlv_put_u64(&w, SKERRY_K_DROPPED_MESSAGES,
				    oldest - watch->next);
			watch->next = watch->acked = oldest;
			at = notice_at(n, oldest);
		}
		notice_write(at, watch->next, &w);
		op = update_op(u, OP_EVENT);
		op->answer.program = watch->program;
		op->answer.watch = watch->id;
		op->bytes = update_copy(u, bytes, w.used_bytes);
		watch->next++;
	}
}

void watch_flush(struct core *core)
{
	struct watches *w = &core->watches;
	struct update *u = &core->update;
	uint32_t i;

	if (!w->news)
		return;
	w->news = false;
	for (i = 0; i < w->touched; i++) {
		struct watch *watch = &w->list[i];

		if (!watch->used)
			continue;
		if (!update_fits(u, 1, 1024)) {
			u->more = true;
			w->news = true;
			return;
		}
		if (watch->follow)
			follow_send(core, watch);
		else if (watch_ready(watch))
			watch_send(core, watch);
	}
	if (u->more)
		w->news = true;
}
