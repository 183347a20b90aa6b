/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The message rings of a channel. Each record read becomes a view; views are
 * given back to the agent in order, a message's once it is released, the
 * others' at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "outgoing.h"

struct lib_channel *lib_channel_find(struct skerry *h, const char *name)
{
	for (struct lib_channel *c = h->channels; c; c = c->next)
		if (c->name == name || !strcmp(c->name, name))
			return c;
	return NULL;
}

int lib_channel_add(struct skerry *h, uint32_t index, const char *name,
		    uint32_t options, struct lib_map *map)
{
	struct lib_channel *c = NULL;
	const char *copy = lib_intern(h, name);

	if (copy && !lib_channel_find(h, name))
		c = calloc(1, sizeof(*c));
	if (c)
		c->views = calloc(LIB_VIEWS, sizeof(*c->views));
	if (!c || !c->views) {
		free(c);
		lib_unmap(map->mapping, map->out_data, map->in_data);
		return -ENOMEM;
	}
	c->handle = h;
	c->index = index;
	c->name = copy;
	c->options = options;
	c->mapping = map->mapping;
	c->out_data = map->out_data;
	c->in_data = map->in_data;
	c->out = map->out;
	c->in = map->in;
	c->next = h->channels;
	h->channels = c;
	c->fast = lib_fast_claim(h, copy);
	lib_casts_publish(c);
	return 0;
}

/* ---- giving back ---------------------------------------------------------- */

void lib_tell_space(struct skerry *h)
{
	struct skerry_mapping *m = h->control;

	if (!m)
		return;
	/* Our head before their flag; pairs with the agent's store of the
	 * flag before it looks at the head once more. */
	skerry_fence();
	if (skerry_load_relaxed(&m->agent_wants_space) &&
	    skerry_exchange(&m->agent_wants_space, 0)) {
		skerry_exchange(&m->agent_sleeps, 0);
		eventfd_write(h->wake_agent_fd, 1);
	}
}

void lib_reassembly_freed(struct skerry *h, uint64_t bytes)
{
	if (!h->control)
		return;
	h->freed_bytes += bytes;
	skerry_store_release(&h->control->reassembly_freed_bytes,
			     h->freed_bytes);
	lib_tell_space(h);
}

/* Views at the front that are released go back. */
static void give_back(struct lib_channel *c)
{
	uint64_t bytes = 0;

	while (c->view_first != c->view_next) {
		struct lib_view *view = &c->views[c->view_first % LIB_VIEWS];

		if (!view->released)
			break;
		bytes += view->cost_bytes;
		c->view_first++;
	}
	if (!bytes)
		return;
	ringbuf_advance(&c->in, bytes);
	c->read_bytes -= bytes;
	lib_tell_space(c->handle);
}

static uint64_t add_view(struct lib_channel *c, uint32_t cost_bytes,
			 bool released)
{
	struct lib_view *view = &c->views[c->view_next % LIB_VIEWS];

	view->cost_bytes = cost_bytes;
	view->released = released;
	return c->view_next++;
}

static void let_go(struct lib_channel *c)
{
	struct lib_channel **p = &c->handle->retired;

	if (--c->held)
		return;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	lib_channel_free(c);
}

void lib_channel_release(struct lib_channel *c, uint64_t view)
{
	if (c->retired) {
		let_go(c);
		return;
	}
	c->views[view % LIB_VIEWS].released = true;
	if (view == c->view_first)
		give_back(c);
}

/* ---- reading ---------------------------------------------------------------- */

static void fill(struct lib_channel *c, const struct lib_inflow *inflow,
		 const struct ringbuf_record *r, struct skerry_message *m)
{
	m->endpoint = inflow->endpoint;
	m->node = inflow->node;
	m->channel = c->name;
	m->number = r->frame.sequence;
	m->flags = r->frame.flags & SKERRY_DATA_CAST ? SKERRY_MESSAGE_CAST : 0;
	m->reserved = 0;
	m->call = 0;
	memcpy(m->program, inflow->program, sizeof(m->program));
	m->internal[LIB_MSG_CHANNEL] = (uintptr_t)c;
}

/* Counted in the channel's mapping, for people. */
static int unreadable(struct lib_channel *c)
{
	skerry_store_relaxed(&c->mapping->unreadable_messages,
			     c->mapping->unreadable_messages + 1);
	return 0;
}

/*
 * What is packed here is plain in the program's hands: as much of that as of
 * reassembly. -ENOBUFS: not before something is released. In a ring that is
 * left nothing can wait.
 */
static int plain_room(const struct lib_channel *c, uint64_t plain_bytes)
{
	const struct skerry *h = c->handle;

	if (!plain_bytes || plain_bytes > SKERRY_MESSAGE_MAX_BYTES ||
	    h->plain_bytes + plain_bytes <= SKERRY_REASSEMBLY_BYTES)
		return 0;
	return c->retired ? -EPROTO : -ENOBUFS;
}

/* 1; 0: dropped. m is filled but for its bytes. */
static int take_plain(struct lib_channel *c, const void *packed,
		      size_t packed_bytes, uint64_t plain_bytes,
		      struct skerry_message *m)
{
	struct skerry *h = c->handle;
	uint8_t *plain;

	if (plain_room(c, plain_bytes) ||
	    lib_unpack(h, packed, packed_bytes, plain_bytes, &plain))
		return unreadable(c);
	h->plain_bytes += plain_bytes;
	m->data = plain;
	m->size_bytes = plain_bytes;
	m->internal[LIB_MSG_VIEW] = 0;
	m->internal[LIB_MSG_BUFFER] = (uintptr_t)plain;
	m->internal[LIB_MSG_KIND] = LIB_MSG_PLAIN;
	return 1;
}

static uint64_t plain_of(const void *extensions, size_t size_bytes)
{
	return tlv_find_u64(extensions, size_bytes, SKERRY_K_PLAIN_BYTES, 0);
}

/* A whole message: stays where it is until released. */
static int take_whole(struct lib_channel *c, struct lib_inflow *inflow,
		      const struct ringbuf_record *r, struct skerry_message *m)
{
	bool packed = r->frame.flags & SKERRY_DATA_PACKED;
	uint64_t plain_bytes = plain_of(r->extensions, r->extension_bytes);

	if (packed && plain_room(c, plain_bytes) == -ENOBUFS)
		return -ENOBUFS;
	lib_inflow_drop_partial(c->handle, inflow, true);
	inflow->next_number = r->frame.sequence + 1;
	fill(c, inflow, r, m);
	m->data = r->payload;
	m->size_bytes = r->payload_bytes;
	m->internal[LIB_MSG_BUFFER] = 0;
	m->internal[LIB_MSG_KIND] = LIB_MSG_RING;
	if (r->extension_bytes &&
	    lib_extension_read(inflow, r->extensions, r->extension_bytes, m))
		return unreadable(c);
	if (packed != (plain_bytes != 0))
		return unreadable(c);
	if (packed)
		return take_plain(c, r->payload, r->payload_bytes, plain_bytes,
				  m);
	m->internal[LIB_MSG_VIEW] = add_view(c, r->cost_bytes, false);
	return 1;
}

static void begin_partial(struct lib_channel *c, struct lib_inflow *inflow,
			  const struct ringbuf_record *r)
{
	uint64_t total = tlv_find_u64(r->extensions, r->extension_bytes,
				      SKERRY_K_TOTAL_BYTES, 0);

	lib_inflow_drop_partial(c->handle, inflow, true);
	if (total <= r->payload_bytes || total > SKERRY_MESSAGE_MAX_BYTES ||
	    r->extension_bytes > sizeof(inflow->partial_extensions))
		return;
	inflow->partial_flags = r->frame.flags;
	inflow->partial_extension_bytes = r->extension_bytes;
	memcpy(inflow->partial_extensions, r->extensions, r->extension_bytes);
	inflow->partial = lib_buffer_get(c->handle, total);
	inflow->partial_bytes = 0;
	inflow->total_bytes = total;
	inflow->partial_number = r->frame.sequence;
	if (!inflow->partial)
		lib_reassembly_freed(c->handle, total);
}

/* All of it is there: hand it over, or what it is when unpacked. */
static int take_partial(struct lib_channel *c, struct lib_inflow *inflow,
			struct skerry_message *m)
{
	struct skerry *h = c->handle;
	bool packed = inflow->partial_flags & SKERRY_DATA_PACKED;
	uint64_t plain_bytes = plain_of(inflow->partial_extensions,
					inflow->partial_extension_bytes);
	int r;

	if (packed != (plain_bytes != 0) ||
	    lib_extension_read(inflow, inflow->partial_extensions,
			       inflow->partial_extension_bytes, m)) {
		lib_inflow_drop_partial(h, inflow, true);
		return unreadable(c);
	}
	if (packed) {
		r = take_plain(c, inflow->partial, inflow->total_bytes,
			       plain_bytes, m);
		lib_inflow_drop_partial(h, inflow, true);
		return r;
	}
	m->data = inflow->partial;
	m->size_bytes = inflow->total_bytes;
	m->internal[LIB_MSG_VIEW] = 0;
	m->internal[LIB_MSG_BUFFER] = (uintptr_t)inflow->partial;
	m->internal[LIB_MSG_KIND] = LIB_MSG_HEAP | (uint64_t)h->generation << 8;
	inflow->partial = NULL;
	return 1;
}

static int partial_room(const struct lib_channel *c,
			const struct lib_inflow *inflow)
{
	if (!inflow->partial || !(inflow->partial_flags & SKERRY_DATA_PACKED))
		return 0;
	return plain_room(c, plain_of(inflow->partial_extensions,
				      inflow->partial_extension_bytes));
}

/* 1 when the message is complete; -ENOBUFS: its last waits. */
static int take_fragment(struct lib_channel *c, struct lib_inflow *inflow,
			 const struct ringbuf_record *r,
			 struct skerry_message *m)
{
	struct skerry *h = c->handle;
	bool more = r->frame.flags & SKERRY_DATA_MORE;

	if (!more && partial_room(c, inflow) == -ENOBUFS)
		return -ENOBUFS;
	if (!(r->frame.flags & SKERRY_DATA_CONT))
		begin_partial(c, inflow, r);
	if (inflow->partial && inflow->partial_number == r->frame.sequence &&
	    r->payload_bytes <= inflow->total_bytes - inflow->partial_bytes) {
		memcpy(inflow->partial + inflow->partial_bytes, r->payload,
		       r->payload_bytes);
		inflow->partial_bytes += r->payload_bytes;
	} else {
		lib_inflow_drop_partial(h, inflow, true);
	}
	if (more)
		return 0;
	inflow->next_number = r->frame.sequence + 1;
	if (inflow->partial_bytes != inflow->total_bytes)
		lib_inflow_drop_partial(h, inflow, true);
	if (!inflow->partial)
		return 0;
	fill(c, inflow, r, m);
	return take_partial(c, inflow, m);
}

static int take_data(struct lib_channel *c, const struct ringbuf_record *r,
		     struct skerry_message *m)
{
	struct lib_inflow *inflow = lib_inflow_at(c, r->frame.flow);

	/* What came before an agent restarted is not taken twice; datagrams
	 * may overtake each other. */
	if (!inflow ||
	    (!inflow->fast_id && r->frame.sequence < inflow->next_number))
		return 0;
	if (r->frame.flags & (SKERRY_DATA_MORE | SKERRY_DATA_CONT))
		return take_fragment(c, inflow, r, m);
	return take_whole(c, inflow, r, m);
}

static void take_skip(struct lib_channel *c, const struct ringbuf_record *r)
{
	struct lib_inflow *inflow = lib_inflow_at(c, r->frame.flow);

	if (!inflow)
		return;
	lib_inflow_drop_partial(c->handle, inflow, true);
	if (r->frame.sequence > inflow->next_number)
		inflow->next_number = r->frame.sequence;
}

/* One record. 1: it completes a message, whose view (if any) is added. */
static int take(struct lib_channel *c, const struct ringbuf_record *r,
		struct skerry_message *m)
{
	switch (r->frame.type) {
	case SKERRY_FRAME_DATA:
		return take_data(c, r, m);
	case SKERRY_REC_INFLOW:
		return lib_inflow_announce(c, r);
	case SKERRY_REC_INFLOW_GONE:
		lib_inflow_gone(c, r->frame.flow);
		return 0;
	case SKERRY_REC_INFLOW_SKIP:
		take_skip(c, r);
		return 0;
	}
	/* A newer agent may say more than we understand. */
	return 0;
}

/* The common case, a whole message, adds its view itself; all else is given
 * back at once. */
static int read_one(struct lib_channel *c, struct skerry_message *m)
{
	struct ringbuf_record record;
	uint64_t before = c->view_next;
	int r;

	if (c->view_next - c->view_first == LIB_VIEWS)
		return -ENOBUFS;
	r = ringbuf_read(&c->in, &c->read_bytes, &record);
	if (r <= 0)
		return r ? r : -EAGAIN;
	r = take(c, &record, m);
	if (r == -ENOBUFS) {
		c->read_bytes -= record.cost_bytes;
		return r;
	}
	if (c->view_next == before) {
		add_view(c, record.cost_bytes, true);
		if (!c->retired)
			give_back(c);
	}
	return r;
}

int lib_channel_next(struct lib_channel *c, struct skerry_message *m)
{
	int r;

	do
		r = read_one(c, m);
	while (r == 0);
	return r == -EAGAIN ? 0 : r;
}

/* ---- the end ------------------------------------------------------------------ */

static int keep(struct lib_channel *c, const struct skerry_message *m)
{
	if (c->backlog_count == c->backlog_room) {
		uint32_t room = c->backlog_room ? 2 * c->backlog_room : 64;
		void *grown = realloc(c->backlog, room * sizeof(*c->backlog));

		if (!grown)
			return -ENOMEM;
		c->backlog = grown;
		c->backlog_room = room;
	}
	c->backlog[c->backlog_count++] = *m;
	return 0;
}

static uint32_t held_views(const struct lib_channel *c)
{
	uint32_t n = 0;

	for (uint64_t i = c->view_first; i != c->view_next; i++)
		n += !c->views[i % LIB_VIEWS].released;
	return n;
}

static void read_tail(struct lib_channel *c)
{
	struct skerry_message m;
	int r;

	for (;;) {
		/* Views are only counted from here on, in c->held. */
		c->view_first = c->view_next;
		r = lib_channel_next(c, &m);
		if (r != 1)
			break;
		/* A heap message does not lie here, but its entry does. */
		m.internal[LIB_MSG_VIEW] = 1;
		if (keep(c, &m))
			break;
		c->held++;
	}
}

static void leave_inflows(struct lib_channel *c)
{
	lib_inflow_settle(c);
	for (uint32_t i = 0; i < c->inflow_room; i++) {
		struct lib_inflow *inflow = c->inflows[i];

		if (!inflow)
			continue;
		lib_inflow_drop_partial(c->handle, inflow, false);
		inflow->where = NULL;
		c->inflows[i] = NULL;
	}
}

void lib_channel_retire(struct lib_channel *c)
{
	struct skerry *h = c->handle;

	c->retired = true;
	c->held = held_views(c);
	/* Messages reassembled from here on count towards nobody. */
	read_tail(c);
	leave_inflows(c);
	if (c->fast)
		c->held += lib_fast_retire(c->fast);
	if (!c->held) {
		lib_channel_free(c);
		return;
	}
	c->next = h->retired;
	h->retired = c;
}

void lib_channel_free(struct lib_channel *c)
{
	if (!c)
		return;
	for (uint32_t i = c->backlog_next; i < c->backlog_count; i++) {
		struct skerry_message *m = &c->backlog[i];

		if ((m->internal[LIB_MSG_KIND] & 0xff) == LIB_MSG_PLAIN)
			c->handle->plain_bytes -= m->size_bytes;
		free((void *)(uintptr_t)m->internal[LIB_MSG_BUFFER]);
	}
	lib_unmap(c->mapping, c->out_data, c->in_data);
	lib_fast_free(c->fast);
	free(c->views);
	free(c->inflows);
	free(c->backlog);
	free(c);
}
