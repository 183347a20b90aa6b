/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Outgoing flows: finding them, having the agent open them, and their ends.
 * What may be written when is in credit.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "outgoing.h"

#define REOPEN_PERIOD_NS 200000000ULL
#define REOPEN_FOR_NS 10000000000ULL
#define LOOK_PERIOD_NS 1000000U
#define SLOTS_SPARE 16U
#define SLOT_WAIT_NS 2000000000ULL
#define SLOT_LOOK_NS 50000000ULL

/* ---- the table -------------------------------------------------------------- */

struct wanted {
	const char *node, *endpoint, *channel, *source;
	uint64_t key;
	uint32_t monitor;
	bool keyed, any_lane;
};

static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	while (*text++);
	return hash;
}

static uint64_t hash_of(const struct wanted *w)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	hash = hash_text(hash, w->node);
	hash = hash_text(hash, w->endpoint);
	hash = hash_text(hash, w->channel);
	hash = hash_text(hash, w->source) + w->monitor;
	hash = (hash ^ w->key ^ w->keyed ^ (uint64_t)w->any_lane << 63) *
	       0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

static bool is(const struct lib_flow *f, const struct wanted *w)
{
	return f->keyed == w->keyed && f->partition_key == w->key &&
	       f->any_lane == w->any_lane && f->monitor == w->monitor &&
	       !strcmp(f->source, w->source) &&
	       !strcmp(f->endpoint, w->endpoint) && !strcmp(f->node, w->node) &&
	       !strcmp(f->channel_name, w->channel);
}

static int check(struct skerry *h, const struct wanted *w)
{
	size_t endpoint_bytes = strlen(w->endpoint);

	if (endpoint_bytes < 1 || endpoint_bytes > SKERRY_ENDPOINT_MAX_BYTES)
		return lib_fail(h, -EINVAL,
				"endpoint %.80s: %zu bytes; give 1 to %u",
				w->endpoint, endpoint_bytes,
				SKERRY_ENDPOINT_MAX_BYTES);
	if (*w->node && !skerry_name_valid(w->node))
		return lib_fail(h, -EHOSTUNREACH,
				"%.80s: not a node name; skerryctl member "
				"lists them",
				w->node);
	if (!*w->channel || strlen(w->channel) > SKERRY_CHANNEL_MAX_BYTES)
		return lib_fail(h, -ENOENT,
				"%.80s: no such channel; skerryctl channel "
				"lists them",
				w->channel);
	return 0;
}

/* Programs come and go, by the thousands: their names go with their flows. */
static const char *keep_endpoint(struct lib_flow *f, const char *endpoint)
{
	if (*endpoint != '#' || strlen(endpoint) >= sizeof(f->own_endpoint))
		return lib_intern(f->handle, endpoint);
	strcpy(f->own_endpoint, endpoint);
	return f->own_endpoint;
}

static int make(struct skerry *h, const struct wanted *w, uint64_t hash,
		struct lib_flow **ret_flow)
{
	struct lib_flow *f;
	int r;

	r = check(h, w);
	if (r)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	f->handle = h;
	f->node = lib_intern(h, w->node);
	f->endpoint = keep_endpoint(f, w->endpoint);
	f->channel_name = lib_intern(h, w->channel);
	f->source = lib_intern(h, w->source);
	if (!f->node || !f->endpoint || !f->channel_name || !f->source) {
		free(f);
		return lib_fail_fast(h, -ENOMEM, "no memory");
	}
	f->monitor = w->monitor;
	f->keyed = w->keyed;
	f->any_lane = w->any_lane;
	f->used_ns = lib_coarse_ns();
	f->partition_key = w->key;
	f->hash = hash;
	lib_flow_renew(f);
	f->next = h->flows[hash % LIB_FLOW_BUCKETS];
	h->flows[hash % LIB_FLOW_BUCKETS] = f;
	h->flow_count++;
	*ret_flow = f;
	return 0;
}

static bool is_for_values(struct skerry *h, const char *channel)
{
	const struct lib_channel *c = lib_channel_find(h, channel);

	return c && c->options & SKERRY_CHANNEL_MONOTONIC;
}

static struct lib_flow *find_flow(struct skerry *h, const struct wanted *w,
				  uint64_t hash)
{
	struct lib_flow *f = h->flows[hash % LIB_FLOW_BUCKETS];

	while (f && !(f->hash == hash && is(f, w)))
		f = f->next;
	return f;
}

bool lib_flow_rekey(struct lib_flow *f, uint64_t key)
{
	struct skerry *h = f->handle;
	struct wanted w = {
		.node = f->node,
		.endpoint = f->endpoint,
		.channel = f->channel_name,
		.source = f->source,
		.monitor = f->monitor,
		.keyed = f->keyed,
		.any_lane = f->any_lane,
		.key = key,
	};
	struct lib_flow **p = &h->flows[f->hash % LIB_FLOW_BUCKETS];
	uint64_t hash = hash_of(&w);

	if (key == f->partition_key)
		return true;
	if (find_flow(h, &w, hash))
		return false;
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	f->partition_key = key;
	f->hash = hash;
	f->next = h->flows[hash % LIB_FLOW_BUCKETS];
	h->flows[hash % LIB_FLOW_BUCKETS] = f;
	return true;
}

static int get(struct skerry *h, const char *node, const char *endpoint,
	       const struct skerry_forward_opts *opts, const char *source,
	       uint32_t monitor, uint32_t index, struct lib_flow **ret_flow)
{
	struct wanted w = {
		.node = node ? node : "",
		.endpoint = endpoint ? endpoint : "",
		.channel = opts && opts->channel ? opts->channel : "default",
		.source = source ? source : "",
		.monitor = monitor,
	};
	struct lib_flow *f = h->last_flow;
	struct skerry_ref ref;
	uint64_t hash;

	if (!node && lib_ref_is(w.endpoint)) {
		int r = lib_ref_resolve(h, &node, &endpoint, &ref);

		if (r)
			return r;
		w.node = node;
		w.endpoint = endpoint;
	}

	if (opts && opts->flags & SKERRY_FORWARD_KEY) {
		w.keyed = true;
		w.key = opts->partition_key;
	}
	/* A flow for each lane serves all keys that go there; of values each
	 * key has its own. */
	if (w.keyed && !is_for_values(h, w.channel)) {
		uint32_t lanes =
			lib_place_lanes(h,
					strcmp(w.node, h->node) ? w.node : "",
					w.channel);

		if (lanes)
			w.key %= lanes;
	}
	if (opts && opts->flags & SKERRY_FORWARD_ANY_LANE) {
		w.any_lane = true;
		w.key = index;
	}
	/* One's own name is the same place as none. */
	if (!strcmp(w.node, h->node))
		w.node = "";
	if (!f || !is(f, &w)) {
		hash = hash_of(&w);
		f = find_flow(h, &w, hash);
		if (!f) {
			int r = make(h, &w, hash, &f);

			if (r)
				return r;
		}
		h->last_flow = f;
	}
	*ret_flow = f;
	return 0;
}

int lib_flow_get(struct skerry *h, const char *node, const char *endpoint,
		 const struct skerry_forward_opts *opts,
		 struct lib_flow **ret_flow)
{
	return lib_flow_get_as(h, node, endpoint, opts, NULL, 0, ret_flow);
}

int lib_flow_get_as(struct skerry *h, const char *node, const char *endpoint,
		    const struct skerry_forward_opts *opts, const char *source,
		    uint32_t monitor, struct lib_flow **ret_flow)
{
	return get(h, node, endpoint, opts, source, monitor, 0, ret_flow);
}

int lib_flow_get_any(struct skerry *h, const char *node, const char *endpoint,
		     const struct skerry_forward_opts *opts, uint32_t index,
		     struct lib_flow **ret_flow)
{
	return get(h, node, endpoint, opts, NULL, 0, index, ret_flow);
}

void lib_flow_drop(struct lib_flow *f)
{
	struct skerry *h = f->handle;
	struct lib_flow **p = &h->flows[f->hash % LIB_FLOW_BUCKETS];

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	h->flow_count--;
	if (h->last_flow == f)
		h->last_flow = NULL;
	if (h->blocked == f)
		h->blocked = NULL;
	lib_control_forget(h, f);
	lib_value_drop(f);
	free(f);
}

/* ---- opening ------------------------------------------------------------------ */

void lib_flow_renew(struct lib_flow *f)
{
	uint64_t old_id = f->flow_id, number = f->next_number;

	f->flow_id = ++f->handle->next_flow_id;
	f->state = LIB_FLOW_NEW;
	f->again = false;
	f->next_number = f->settled = 1;
	lib_flow_detach(f);
	lib_asking_renewed(f, old_id, number);
}

void lib_flow_detach(struct lib_flow *f)
{
	f->slot = NULL;
	f->channel = NULL;
	f->fast_id = 0;
	f->epoch = 0;
	f->written = f->wanted = f->granted_seen = f->gate = 0;
	f->large_asked = f->sent_bytes = 0;
	f->want_due = false;
}

static int refuse(struct lib_flow *f, int error, const char *reason)
{
	f->state = LIB_FLOW_REFUSED;
	f->error = error;
	snprintf(f->error_text, sizeof(f->error_text), "%s",
		 reason && *reason ? reason : strerror(-error));
	return error;
}

static int ask_rings(struct lib_flow *f)
{
	struct tlv_writer w;
	uint8_t bytes[64];
	int r;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_str(&w, SKERRY_K_CHANNEL, f->channel_name);
	r = lib_command(f->handle, SKERRY_CMD_CHANNEL, bytes, w.used_bytes,
			LIB_CALL_RINGS, f, NULL);
	if (!r)
		f->state = LIB_FLOW_RINGS;
	return r ? r : -EAGAIN;
}

void lib_flow_rings(struct lib_flow *f, int error, const char *reason)
{
	if (f->state != LIB_FLOW_RINGS)
		return;
	if (error)
		refuse(f, error, reason);
	else
		f->state = LIB_FLOW_NEW;
}

static int ask_flow(struct lib_flow *f)
{
	struct tlv_writer w;
	uint8_t bytes[512];
	int r;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, f->flow_id);
	tlv_put_str(&w, SKERRY_K_NODE, f->node);
	tlv_put_str(&w, SKERRY_K_ENDPOINT, f->endpoint);
	tlv_put_str(&w, SKERRY_K_CHANNEL, f->channel_name);
	if (f->keyed || f->any_lane)
		tlv_put_u64(&w, SKERRY_K_PARTITION_KEY, f->partition_key);
	if (f->any_lane)
		tlv_put_bool(&w, SKERRY_K_ANY_LANE, true);
	if (*f->source)
		tlv_put_str(&w, SKERRY_K_SOURCE, f->source);
	if (f->monitor)
		tlv_put_u64(&w, SKERRY_K_MONITOR, f->monitored ? 2 : 1);
	tlv_put_u64(&w, SKERRY_K_NEXT_SEQUENCE, f->next_number);
	r = lib_command(f->handle, SKERRY_CMD_FLOW_OPEN, bytes, w.used_bytes,
			LIB_CALL_FLOW, f, NULL);
	if (!r)
		f->state = LIB_FLOW_OPENING;
	return r ? r : -EAGAIN;
}

/* What arrived nobody can tell any more. */
static void give_up(struct lib_flow *f, int error)
{
	lib_asking_closed(f, error);
	lib_asking_lost(f, 0, error);
	lib_lost_add(f, f->settled, f->next_number, true);
	lib_flow_renew(f);
}

/* The receiving side may be on its way back, too: not at the first no. */
static void refused_again(struct lib_flow *f, int error, const char *reason)
{
	uint64_t now_ns = lib_now_ns();

	if (error != -ECONNRESET && now_ns < f->again_until_ns) {
		f->state = LIB_FLOW_NEW;
		f->retry_ns = now_ns + REOPEN_PERIOD_NS;
		lib_timer_set(f->handle, f->retry_ns);
		return;
	}
	give_up(f, error);
	if (error != -ECONNRESET)
		refuse(f, error, reason);
}

void lib_flow_answer(struct skerry *h, struct lib_flow *f, int error,
		     const char *reason, const void *tlvs, size_t size_bytes)
{
	uint64_t slot;

	if (f->state != LIB_FLOW_OPENING)
		return;
	if (error && f->again) {
		refused_again(f, error, reason);
		return;
	}
	if (error) {
		refuse(f, error, reason);
		return;
	}
	slot = tlv_find_u64(tlvs, size_bytes, SKERRY_K_SLOT, UINT64_MAX);
	f->channel = lib_channel_find(h, f->channel_name);
	if (slot >= h->slot_count || !f->channel) {
		refuse(f, -EPROTO, "the agent's answer makes no sense");
		return;
	}
	f->slot_index = (uint32_t)slot;
	f->slot = &h->slots[slot];
	f->state = LIB_FLOW_OPEN;
	f->monitored = true;
	f->again = false;
	lib_fast_opened(f, tlvs, size_bytes);
}

/* ---- its life -------------------------------------------------------------------- */

bool lib_flow_down(const struct lib_flow *f)
{
	return f->state == LIB_FLOW_OPEN &&
	       skerry_load_acquire(&f->slot->state) == SKERRY_SLOT_DOWN;
}

/* Through the ring, behind the flow's data. */
static void close_in_ring(struct lib_flow *f)
{
	struct skerry_frame record = {
		.type = SKERRY_REC_CLOSE,
		.flow = f->slot_index,
		.correlation = f->epoch,
	};

	/* No room: the slot is freed when the program goes. */
	if (ringbuf_write(&f->channel->out, &record, NULL, 0, NULL, 0))
		return;
	ringbuf_publish(&f->channel->out);
	lib_kick(f->handle);
}

static void say_closed(struct lib_flow *f)
{
	struct tlv_writer w;
	uint8_t bytes[16];

	if (!f->fast_id) {
		close_in_ring(f);
		return;
	}
	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_SLOT, f->slot_index);
	lib_command(f->handle, SKERRY_CMD_FLOW_CLOSE, bytes, w.used_bytes,
		    LIB_CALL_QUIET, NULL, NULL);
}

void lib_flow_abandon(struct lib_flow *f)
{
	if (f->state == LIB_FLOW_OPEN)
		say_closed(f);
	lib_control_forget(f->handle, f);
	lib_flow_renew(f);
}

static void closed(struct lib_flow *f)
{
	uint64_t expected = skerry_load_relaxed(&f->slot->expected);
	uint32_t flags = skerry_load_relaxed(&f->slot->flags);
	int32_t error = skerry_load_relaxed(&f->slot->error);

	if (expected < f->settled)
		expected = f->settled;
	if (error >= 0)
		error = -ENOTCONN;
	lib_asking_closed(f, error);
	/* A program that has ended answers nothing any more; one that gave
	 * its endpoint up may. */
	if (error != -ENOENT || flags & SKERRY_SLOT_UNCERTAIN)
		lib_asking_lost(f, 0, error);
	else
		lib_asking_lost(f, expected, error);
	if (!f->fast_id)
		lib_lost_add(f, expected, f->next_number,
			     flags & SKERRY_SLOT_UNCERTAIN);
	say_closed(f);
	lib_flow_renew(f);
}

static int step_open(struct lib_flow *f)
{
	int32_t error;

	switch (skerry_load_acquire(&f->slot->state)) {
	case SKERRY_SLOT_CLOSED:
		closed(f);
		return -EAGAIN;
	case SKERRY_SLOT_DOWN:
		error = skerry_load_relaxed(&f->slot->error);
		if (error >= 0)
			error = -ENOTCONN;
		return lib_fail(f->handle, error,
				"%s: no lane of channel %s is up: %s", f->node,
				f->channel_name, strerror(-error));
	case SKERRY_SLOT_OPEN:
		if (skerry_load_acquire(&f->slot->epoch) == f->epoch)
			return 0;
		return lib_flow_epoch(f);
	}
	return -EAGAIN;
}

/* A few are kept: the agent takes one back some time after it was closed. */
static bool must_wait_for_slot(struct lib_flow *f)
{
	struct skerry *h = f->handle;
	uint64_t now_ns = lib_now_ns();

	if (lib_slots_used(h) < h->slot_count - SLOTS_SPARE ||
	    lib_idle_close(h)) {
		f->full_ns = 0;
		return false;
	}
	/* Those in use now may be idle soon; else the agent says no. */
	if (!f->full_ns)
		f->full_ns = now_ns;
	if (now_ns - f->full_ns > SLOT_WAIT_NS)
		return false;
	f->retry_ns = now_ns + SLOT_LOOK_NS;
	lib_timer_set(h, f->retry_ns);
	return true;
}

static int step_new(struct lib_flow *f)
{
	if (f->handle->state != LIB_ATTACHED)
		return -EAGAIN;
	if (f->retry_ns && lib_now_ns() < f->retry_ns)
		return -EAGAIN;
	f->retry_ns = 0;
	if (!lib_channel_find(f->handle, f->channel_name))
		return ask_rings(f);
	if (f->handle->flow_count >= f->handle->slot_count - SLOTS_SPARE &&
	    must_wait_for_slot(f))
		return -EAGAIN;
	return ask_flow(f);
}

int lib_flow_step(struct lib_flow *f)
{
	switch (f->state) {
	case LIB_FLOW_OPEN:
		return step_open(f);
	case LIB_FLOW_NEW:
		return step_new(f);
	case LIB_FLOW_REFUSED:
		f->state = LIB_FLOW_NEW;
		return lib_fail(f->handle, f->error, "%s", f->error_text);
	case LIB_FLOW_RINGS:
	case LIB_FLOW_OPENING:
		break;
	}
	return -EAGAIN;
}

/* ---- all of them ------------------------------------------------------------------- */

#define for_each_flow(h, i, f)                          \
	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++) \
		for (struct lib_flow *f = (h)->flows[i]; f; f = f->next)

void lib_flows_lost(struct skerry *h)
{
	uint64_t until_ns = lib_now_ns() + REOPEN_FOR_NS;

	for_each_flow(h, i, f)
	{
		if (f->state == LIB_FLOW_REFUSED)
			continue;
		if (f->state == LIB_FLOW_OPEN && !f->fast_id)
			f->again = true;
		f->again_until_ns = until_ns;
		f->retry_ns = 0;
		f->state = LIB_FLOW_NEW;
		lib_flow_detach(f);
	}
}

int lib_flows_again(struct skerry *h)
{
	for_each_flow(h, i, f)
	{
		int r;

		if (!f->again || f->state != LIB_FLOW_NEW)
			continue;
		r = lib_flow_step(f);
		/* No room in the control ring: it is asked later. */
		if (f->state == LIB_FLOW_NEW && r == -EAGAIN && !f->retry_ns)
			return r;
	}
	return 0;
}

/* A copy nobody waits for: what becomes of it is said as a loss. */
static int pump_one(struct lib_flow *f)
{
	if (f->state == LIB_FLOW_REFUSED && f->pending && f->value) {
		if (lib_value_refused(f))
			lib_lost_report(f, f->next_number, f->next_number + 1,
					false);
		return 1;
	}
	if (f->last)
		lib_value_look(f);
	if (f->state == LIB_FLOW_REFUSED && f->pending) {
		lib_asking_lost(f, f->next_number, f->error);
		lib_lost_add(f, f->next_number, f->next_number + 1, false);
		lib_forward_drop_copy(f);
		f->sent_bytes = 0;
		return 1;
	}
	if (f->pending)
		return lib_forward_pump(f);
	if (f->state == LIB_FLOW_OPEN || f->again)
		lib_flow_step(f);
	return 0;
}

int lib_flows_pump(struct skerry *h)
{
	uint64_t now_ns = lib_now_ns();
	int n = 0;

	if (!h->pending_count && now_ns - h->looked_ns < LOOK_PERIOD_NS)
		return 0;
	h->looked_ns = now_ns;
	for_each_flow(h, i, f) n += pump_one(f);
	return n;
}

void lib_flows_free(struct skerry *h)
{
	for (uint32_t i = 0; i < LIB_FLOW_BUCKETS; i++)
		while (h->flows[i])
			lib_flow_drop(h->flows[i]);
}
