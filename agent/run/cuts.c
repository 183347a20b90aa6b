// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* cuts.c - cuts on their way to the kernel, or kept here; see cuts.h. */
#include "cuts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "driver.h"
#include "log.h"

void cuts_free(struct cuts *cuts)
{
	free(cuts->list);
	free(cuts->tokens);
	free(cuts->severs);
	memset(cuts, 0, sizeof(*cuts));
}

static bool by_kernel(const struct agent *agent)
{
	return agent->settings.kernel_cuts;
}

/* Some packets pass. */
static bool partial(const struct core_cut *cut)
{
	return cut->loss_ppm && cut->loss_ppm < 1000000;
}

static int keep(struct cuts *cuts, const struct core_cut *cut)
{
	uint32_t room;
	struct cut *list;

	/* Between bytes of a lane nothing can be lost, and nobody answered;
	 * and of other programs nothing is seen. */
	if (cut->peer == CORE_PEER_ADDRESS ||
	    cut->visibility == VISIBILITY_REJECT || partial(cut))
		return -EOPNOTSUPP;
	if (cuts->count >= SKERRY_RULES_MAX)
		return -ENOSPC;
	if (cuts->count == cuts->room) {
		room = cuts->room ? 2 * cuts->room : 16;
		list = realloc(cuts->list, room * sizeof(*list));
		if (!list)
			return -ENOMEM;
		cuts->list = list;
		cuts->room = room;
	}
	cuts->list[cuts->count++] = (struct cut) { .cut = *cut };
	return 0;
}

/* More than there is place for: those are seen like a pulled cable. */
static void tell(struct cuts *cuts, const struct core_cut *cut)
{
	if ((cut->visibility != VISIBILITY_LOCAL &&
	     cut->visibility != VISIBILITY_REJECT) ||
	    cut->peer == CORE_PEER_ADDRESS || partial(cut) ||
	    cut->direction == DIRECTION_IN || cuts->told_count == CUTS_TOLD_MAX)
		return;
	cuts->told[cuts->told_count++] =
		(struct cut_told) { .handle = cut->handle,
				    .peer = cut->peer,
				    .deadline_ns = cut->deadline_ns };
}

static void untell(struct cuts *cuts, uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < cuts->told_count; i++) {
		if (cuts->told[i].handle != handle)
			continue;
		cuts->told[i] = cuts->told[--cuts->told_count];
		return;
	}
}

bool cuts_told(const struct agent *agent, uint32_t peer)
{
	const struct cuts *cuts = &agent->cuts;
	uint32_t i;

	for (i = 0; i < cuts->told_count; i++) {
		const struct cut_told *told = &cuts->told[i];

		if (told->peer != peer && told->peer != CORE_PEER_EVERYBODY)
			continue;
		if (!told->deadline_ns || told->deadline_ns > agent->now_ns)
			return true;
	}
	return false;
}

void cuts_add(struct agent *agent, const struct core_cut *cut)
{
	int err;

	if (by_kernel(agent))
		err = kernel_cut_add(agent->kernel, cut, agent_now_ns());
	else
		err = keep(&agent->cuts, cut);
	if (!err && cut->visibility == VISIBILITY_SEVER)
		err = cuts_sever_stage(&agent->cuts, cut);
	if (!err) {
		tell(&agent->cuts, cut);
		return;
	}
	agent->cuts.staged_error = err;
	log_text(CORE_LOG_ERROR, "cut_failed", "a cut was not made: %s",
		 strerror(-err));
}

void cuts_del(struct agent *agent, uint32_t handle)
{
	struct cuts *cuts = &agent->cuts;
	uint32_t i;
	int err;

	untell(cuts, handle);
	cuts_sever_forget(cuts, handle);
	if (by_kernel(agent)) {
		err = kernel_cut_del(agent->kernel, handle);
		/* One that was never made, or has run out, is gone as well. */
		if (err && err != -ENOENT)
			cuts->staged_error = err;
		return;
	}
	for (i = 0; i < cuts->count; i++) {
		if (cuts->list[i].cut.handle == handle)
			cuts->list[i].gone = true;
	}
}

/* ---- in user space ----------------------------------------------------- */

static void find_next_deadline(struct cuts *cuts)
{
	uint32_t i;

	cuts->next_deadline_ns = UINT64_MAX;
	for (i = 0; i < cuts->count; i++) {
		uint64_t at = cuts->list[i].cut.deadline_ns;

		if (at && at < cuts->next_deadline_ns)
			cuts->next_deadline_ns = at;
	}
}

static void sweep(struct agent *agent, uint64_t now_ns, bool committing)
{
	struct cuts *cuts = &agent->cuts;
	bool changed = committing;
	uint32_t i, kept = 0;

	for (i = 0; i < cuts->count; i++) {
		struct cut *cut = &cuts->list[i];
		uint64_t at = cut->cut.deadline_ns;

		if ((committing && cut->gone) || (at && at <= now_ns)) {
			changed = true;
			continue;
		}
		if (committing)
			cut->active = true;
		cuts->list[kept++] = *cut;
	}
	cuts->count = kept;
	find_next_deadline(cuts);
	if (changed)
		lanes_cuts_changed(agent);
}

static bool names_peer(const struct core_cut *cut, uint32_t peer)
{
	return cut->peer == CORE_PEER_EVERYBODY || cut->peer == peer;
}

static bool holds(const struct cut *cut, uint32_t peer, enum cut_way way,
		  const char *channel)
{
	uint8_t other = way == CUT_FROM_PEER ? DIRECTION_OUT : DIRECTION_IN;

	if (!cut->active || !names_peer(&cut->cut, peer) ||
	    cut->cut.direction == other)
		return false;
	return !cut->cut.channel[0] || !strcmp(cut->cut.channel, channel);
}

bool cuts_hold(const struct agent *agent, uint32_t peer, enum cut_way way,
	       const char *channel)
{
	const struct cuts *cuts = &agent->cuts;
	uint32_t i;

	for (i = 0; i < cuts->count; i++) {
		if (holds(&cuts->list[i], peer, way, channel))
			return true;
	}
	return false;
}

bool cuts_hold_address(const struct agent *agent,
		       const struct skerry_addr *addr, enum cut_way way)
{
	const struct peer *peer;

	if (!agent->cuts.count)
		return false;
	peer = peers_find_address(&agent->peers, addr);
	/* Of a stranger only a cut from everybody is asked. */
	return cuts_hold(agent, peer ? peer->number : CORE_PEER_SELF, way, "");
}

void cuts_held(struct agent *agent, uint32_t peer, enum cut_way way,
	       const char *channel, size_t size_bytes)
{
	struct cuts *cuts = &agent->cuts;
	uint32_t i;

	for (i = 0; i < cuts->count; i++) {
		if (!holds(&cuts->list[i], peer, way, channel))
			continue;
		cuts->list[i].held[way]++;
		cuts->list[i].held_bytes[way] += size_bytes;
	}
}

void cuts_held_address(struct agent *agent, const struct skerry_addr *addr,
		       enum cut_way way, size_t size_bytes)
{
	const struct peer *peer = peers_find_address(&agent->peers, addr);

	cuts_held(agent, peer ? peer->number : CORE_PEER_SELF, way, "",
		  size_bytes);
}

/* ---- commits ------------------------------------------------------------ */

void cuts_commit(struct agent *agent, uint64_t token)
{
	struct cuts *cuts = &agent->cuts;
	uint64_t *tokens;
	uint32_t room;

	if (cuts->token_count == cuts->token_room) {
		room = cuts->token_room ? 2 * cuts->token_room : 8;
		tokens = realloc(cuts->tokens, room * sizeof(*tokens));
		if (!tokens) {
			/* The core waits for it in vain and says so. */
			log_text(CORE_LOG_ERROR, "cut_failed", "no memory");
			return;
		}
		cuts->tokens = tokens;
		cuts->token_room = room;
	}
	cuts->tokens[cuts->token_count++] = token;
}

static void answer(struct agent *agent, uint32_t count, int error)
{
	struct cuts *cuts = &agent->cuts;
	uint64_t token;

	while (count--) {
		struct core_event event = { .type = EV_CUTS_APPLIED,
					    .error = error };

		token = cuts->tokens[0];
		cuts->token_count--;
		memmove(cuts->tokens, cuts->tokens + 1,
			cuts->token_count * sizeof(*cuts->tokens));
		event.token = token;
		driver_event(agent, &event);
	}
}

static int swap_work(void *data, const void *bytes, size_t size_bytes)
{
	struct agent *agent = data;
	int err = kernel_swap(agent->kernel);

	/* In force first: else what is severed would connect again. */
	return err || !size_bytes ? err : cuts_sever_sockets(bytes, size_bytes);
}

static void swap_done(void *data, uint64_t token, int error)
{
	struct agent *agent = data;
	struct cuts *cuts = &agent->cuts;
	uint32_t count = cuts->swapping;

	kernel_settled(agent->kernel, error);
	cuts->swapping = 0;
	cuts_sever_lanes(agent, cuts->severing);
	cuts->severing = 0;
	if (!error)
		error = (int)(int64_t)token;
	answer(agent, count, error);
}

static void settle_kernel(struct agent *agent)
{
	struct cuts *cuts = &agent->cuts;
	void *targets = NULL;
	size_t bytes = 0;
	int err, staged;

	if (cuts->swapping || !cuts->token_count)
		return;
	staged = cuts->staged_error;
	cuts->staged_error = 0;
	err = cuts_sever_targets(agent, cuts->sever_count, &targets, &bytes);
	if (!err)
		err = kernel_prepare(agent->kernel);
	if (!err) {
		cuts->swapping = cuts->token_count;
		cuts->severing = cuts->sever_count;
		/* What could not be staged is told when the rest is in
		 * force: the token carries it over. */
		err = helper_submit(agent->helper, swap_work, swap_done, agent,
				    (uint64_t)(int64_t)staged, targets, bytes);
		if (!err)
			goto out;
		cuts->swapping = cuts->severing = 0;
		kernel_settled(agent->kernel, err);
	}
	answer(agent, cuts->token_count, err);
out:
	free(targets);
}

void cuts_settle(struct agent *agent)
{
	struct cuts *cuts = &agent->cuts;
	uint32_t count = cuts->token_count;
	uint64_t now_ns;
	int err;

	if (by_kernel(agent)) {
		settle_kernel(agent);
		return;
	}
	if (count) {
		err = cuts->staged_error;
		cuts->staged_error = 0;
		sweep(agent, agent_now_ns(), true);
		cuts_sever_lanes(agent, cuts->sever_count);
		answer(agent, count, err);
	} else if (cuts->next_deadline_ns != UINT64_MAX) {
		now_ns = agent_now_ns();
		if (cuts->next_deadline_ns <= now_ns)
			sweep(agent, now_ns, false);
	}
}
