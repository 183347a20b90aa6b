// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* query.c - see query.h. */
#include "query.h"

#include <errno.h>
#include <string.h>

#include "addr.h"
#include "core_state.h"
#include "link.h"
#include "partition/partition.h"
#include "state.h"

/* One row from *cursor on: 1 written (cursor moved), 0 no more rows. */
typedef int row_fn(struct core *core, struct query *query,
		   struct tlv_writer *w);

/* ---- members, known, peers ------------------------------------------------ */

static void put_raw(struct tlv_writer *w, struct core_bytes raw)
{
	if (w->full || w->size_bytes - w->used_bytes < raw.size_bytes) {
		w->full = true;
		return;
	}
	memcpy(w->data + w->used_bytes, raw.data, raw.size_bytes);
	w->used_bytes += raw.size_bytes;
}

static void put_spec(struct core *core, const struct member *member,
		     struct tlv_writer *w)
{
	uint32_t i;

	if (member->spec_bytes) {
		put_raw(w, members_spec(&core->members, member));
		return;
	}
	tlv_put_str(w, SKERRY_K_NAME, member->name);
	tlv_put_u64(w, SKERRY_K_INCARNATION, member->incarnation);
	tlv_put_u64(w, SKERRY_K_PORT_BLOCK, member->port_block);
	for (i = 0; i < member->address_count; i++)
		tlv_put_addr(w, SKERRY_K_ADDRESS, &member->addresses[i]);
}

static void put_state(struct core *core, const struct member *member,
		      struct tlv_writer *w)
{
	bool self = member->self;

	tlv_put_bool(w, SKERRY_K_SELF, self);
	tlv_put_str(w, SKERRY_K_STATE,
		    self ? (core->leave == LEAVE_NO ? "up" : "leaving")
			 : detector_state_name(member->state));
	tlv_put_str(w, SKERRY_K_REASON, self ? "this node" : member->reason);
	tlv_put_str(w, SKERRY_K_SOURCE, core->config.name);
	tlv_put_u64(w, SKERRY_K_SINCE, member->since_us);
}

static void put_lanes(struct core *core, const struct member *member,
		      struct tlv_writer *w)
{
	uint32_t wanted, up;

	link_count(core, member, &wanted, &up);
	tlv_put_u64(w, SKERRY_K_LANES_UP, up);
	tlv_put_u64(w, SKERRY_K_LANES_WANTED, wanted);
}

static struct member *next_member(struct core *core, struct query *query,
				  bool self_too)
{
	struct members *m = &core->members;
	struct member *member;
	size_t i = query->after[0] ? members_after(m, query->after) : 0;

	while ((member = members_at(m, i++))) {
		if (member_counts(member) || (self_too && member->self)) {
			memcpy(query->after, member->name,
			       sizeof(query->after));
			return member;
		}
	}
	return NULL;
}

static int row_members(struct core *core, struct query *query,
		       struct tlv_writer *w)
{
	struct member *member = next_member(core, query, true);

	if (!member)
		return 0;
	put_spec(core, member, w);
	put_state(core, member, w);
	if (!member->self)
		put_lanes(core, member, w);
	return 1;
}

/* Whom a join is after is known by name and address, too. */
static int row_known_join(struct core *core, struct query *query,
			  struct tlv_writer *w)
{
	while (query->cursor < SKERRY_JOINS_MAX) {
		struct join *join = &core->joins.list[query->cursor++];
		struct member *member =
			members_find(&core->members, join->name);

		if (!join->used || !join->name[0] ||
		    (member && (member->self || member_counts(member))))
			continue;
		tlv_put_str(w, SKERRY_K_NAME, join->name);
		tlv_put_u64(w, SKERRY_K_PORT_BLOCK, join->address.port);
		tlv_put_addr(w, SKERRY_K_ADDRESS, &join->address);
		tlv_put_str(w, SKERRY_K_STATE, "joining");
		tlv_put_str(w, SKERRY_K_REASON, join->why);
		tlv_put_str(w, SKERRY_K_SOURCE, core->config.name);
		tlv_put_bool(w, SKERRY_K_KNOWN, true);
		tlv_put_bool(w, SKERRY_K_PENDING, true);
		return 1;
	}
	return 0;
}

static int row_known(struct core *core, struct query *query,
		     struct tlv_writer *w)
{
	struct member *member = next_member(core, query, true);

	if (!member)
		return row_known_join(core, query, w);
	put_spec(core, member, w);
	put_state(core, member, w);
	tlv_put_bool(w, SKERRY_K_KNOWN, true);
	/* Not confirmed by anybody since this node started. */
	tlv_put_bool(w, SKERRY_K_PENDING, member->status == MEMBER_CONTACT);
	return 1;
}

static int row_peers(struct core *core, struct query *query,
		     struct tlv_writer *w)
{
	struct member *member = next_member(core, query, false);
	uint32_t i;

	if (!member)
		return 0;
	tlv_put_str(w, SKERRY_K_NAME, member->name);
	for (i = 0; i < member->address_count; i++)
		tlv_put_addr(w, SKERRY_K_ADDRESS, &member->addresses[i]);
	put_state(core, member, w);
	put_lanes(core, member, w);
	if (member->reached)
		tlv_put_addr(w, SKERRY_K_REMOTE_ADDRESS, &member->reach);
	if (member->pulse.heard_ns)
		tlv_put_u64(w, SKERRY_K_HEARD_AGE_MS,
			    (core->now_ns - member->pulse.heard_ns) / CORE_MS);
	if (member->pulse.round_trip_us)
		tlv_put_u64(w, SKERRY_K_ROUND_TRIP_US,
			    member->pulse.round_trip_us);
	return 1;
}

/* ---- the others ------------------------------------------------------------- */

static int row_joins(struct core *core, struct query *query,
		     struct tlv_writer *w)
{
	while (query->cursor < SKERRY_JOINS_MAX) {
		struct join *join = &core->joins.list[query->cursor++];
		char text[ADDR_TEXT_BYTES];

		if (!join->used)
			continue;
		tlv_put_str(w, SKERRY_K_JOIN_ADDRESS,
			    addr_text(&join->address, text, sizeof(text)));
		if (join->name[0])
			tlv_put_str(w, SKERRY_K_NAME, join->name);
		tlv_put_str(w, SKERRY_K_STATE,
			    join->dialling ? "dialling" : "waiting");
		tlv_put_bool(w, SKERRY_K_PENDING, true);
		tlv_put_u64(w, SKERRY_K_COUNT, join->attempts);
		tlv_put_str(w, SKERRY_K_SOURCE,
			    join->asked	       ? "asked"
			    : join->discovered ? "discovery"
					       : "configuration");
		tlv_put_s64(w, SKERRY_K_ERROR, join->error);
		tlv_put_str(w, SKERRY_K_REASON, join->why);
		return 1;
	}
	return 0;
}

static int row_status(struct core *core, struct query *query,
		      struct tlv_writer *w)
{
	struct members *m = &core->members;
	uint64_t members = 1;
	uint32_t i;

	if (query->cursor++)
		return 0;
	for (i = 0; i < m->touched; i++) {
		if (!member_counts(&m->slots[i]))
			continue;
		members++;
	}
	tlv_put_str(w, SKERRY_K_NAME, core->config.name);
	tlv_put_str(w, SKERRY_K_CLUSTER, core->config.cluster);
	tlv_put_str(w, SKERRY_K_OVERLAY, core->config.overlay);
	tlv_put_u64(w, SKERRY_K_INCARNATION, core->incarnation);
	tlv_put_u64(w, SKERRY_K_BOOT_NONCE, core->boot_nonce);
	tlv_put_u64(w, SKERRY_K_SPEC_VERSION, core->version);
	tlv_put_str(w, SKERRY_K_STATE,
		    core->leave != LEAVE_NO	   ? "leaving"
		    : core->phase == CORE_STARTING ? "starting"
		    : core->phase == CORE_SETTLING ? "settling"
						   : "running");
	tlv_put_u64(w, SKERRY_K_PORT_BLOCK, core->config.port_base);
	for (i = 0; i < core->self->address_count; i++)
		tlv_put_addr(w, SKERRY_K_ADDRESS, &core->self->addresses[i]);
	tlv_put_u64(w, SKERRY_K_COUNT, members);
	tlv_put_u64(w, SKERRY_K_LANES_UP, core->lanes.count);
	tlv_put_u64(w, SKERRY_K_UPTIME_MS,
		    (core->now_ns - core->started_ns) / CORE_MS);
	tlv_put_u64(w, SKERRY_K_REFUSED, core->malformed + core->strangers);
	tlv_put_bool(w, SKERRY_K_LEFT, core->left);
	return 1;
}

static int row_myself(struct core *core, struct query *query,
		      struct tlv_writer *w)
{
	if (query->cursor++)
		return 0;
	put_spec(core, core->self, w);
	return 1;
}

static int row_events(struct core *core, struct query *query,
		      struct tlv_writer *w)
{
	const struct notices *n = &core->notices;
	uint64_t oldest = n->next > NOTICES_MAX ? n->next - NOTICES_MAX : 0;

	if (query->cursor < oldest)
		query->cursor = oldest;
	if (query->cursor >= n->next)
		return 0;
	notice_write(notice_at(n, query->cursor), query->cursor, w);
	query->cursor++;
	return 1;
}

struct feature {
	const char *name;
	bool works;
	const char *why;
};

static int row_features(struct core *core, struct query *query,
			struct tlv_writer *w)
{
	const struct core_config *config = &core->config;
	const struct feature features[] = {
		{ "members", true, "" },
		{ "reservations", true, "" },
		{ "discovery", true, "" },
		{ "monitoring", true, "" },
		{ "calls", true, "" },
		{ "compression", true, "" },
		{ "monotonic", true, "" },
		{ "priority", true, "" },
		{ "partitions", true, "" },
		{ "fast-channels", true,
		  config->fast_demux ? "" : "through the agent" },
		{ "kernel-cuts", config->kernel_cuts,
		  config->kernel_cuts
			  ? ""
			  : "the kernel's part is not loaded; cuts are made at "
			    "the lanes" },
		{ "loss", config->cut_loss,
		  config->cut_loss ? "" : "only whole cuts are made here" },
		{ "reject", config->cut_reject,
		  config->cut_reject ? "" : "not where cuts are made here" },
		{ "address-cuts", config->cut_address,
		  config->cut_address ? "" : "they need the kernel's part" },
		{ "kernel-demux", config->fast_demux,
		  config->fast_demux ? "" : "the kernel's part is not loaded" },
		{ "acks", false, "not built" },
		{ "causal", false, "not built" },
		{ "transitive", false, "not built" },
		{ "broadcast", false, "not built" },
	};
	size_t count = sizeof(features) / sizeof(features[0]);
	const struct feature *feature;

	if (query->cursor >= count)
		return 0;
	feature = &features[query->cursor++];
	tlv_put_str(w, SKERRY_K_FEATURE, feature->name);
	tlv_put_bool(w, SKERRY_K_SUPPORTED, feature->works);
	tlv_put_str(w, SKERRY_K_OVERLAY, config->overlay);
	if (feature->why[0])
		tlv_put_str(w, SKERRY_K_REASON, feature->why);
	return 1;
}

struct table {
	const char *name;
	row_fn *row;
};

static const struct table tables[] = {
	{ "members", row_members }, { "known", row_known },
	{ "peers", row_peers },	    { "joins", row_joins },
	{ "status", row_status },   { "myself", row_myself },
	{ "events", row_events },   { "features", row_features },
	{ "partitions", NULL }, /* its own writer */
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* ---- parts --------------------------------------------------------------------- */

#define KIND_STATE TABLES /* no table: bytes */

/* True: that was the last row. */
static bool write_rows(struct core *core, struct query *query,
		       struct tlv_writer *w)
{
	row_fn *row;

	if (query->kind == KIND_STATE)
		return state_part(core, w, &query->cursor, query->after);
	row = tables[query->kind].row;
	if (!row)
		return partition_rows(core->partition, w, &query->cursor,
				      core->now_ns);
	for (;;) {
		struct tlv_writer before = *w;
		struct query was = *query;
		size_t mark = tlv_begin(w, SKERRY_K_ROW);

		if (!row(core, query, w)) {
			*w = before;
			return true;
		}
		tlv_end(w, mark);
		if (w->full) {
			*w = before;
			*query = was;
			return false;
		}
	}
}

static void answer_part(struct core *core, struct query *query)
{
	struct update *u = &core->update;
	void *at = update_alloc(u, QUERY_PART_BYTES);
	struct tlv_writer w;
	struct core_op *op;
	bool last;

	tlv_writer_init(&w, at, QUERY_PART_BYTES);
	last = write_rows(core, query, &w);
	update_trim(u, at, w.used_bytes);
	op = update_op(u, OP_ANSWER);
	op->answer.program = query->program;
	op->answer.correlation = query->correlation;
	op->answer.more = !last;
	op->bytes.data = at;
	op->bytes.size_bytes = w.used_bytes;
	if (last) {
		query->used = false;
		core->queries.used--;
	}
}

void queries_flush(struct core *core)
{
	struct queries *q = &core->queries;
	uint32_t i;

	for (i = 0; i < QUERIES_MAX && q->used; i++) {
		while (q->list[i].used) {
			if (!update_fits(&core->update, 1, QUERY_PART_BYTES)) {
				core->update.more = true;
				return;
			}
			answer_part(core, &q->list[i]);
		}
	}
}

static int begin(struct core *core, const struct core_event *event,
		 uint8_t kind)
{
	struct queries *q = &core->queries;
	uint32_t i;

	for (i = 0; i < QUERIES_MAX; i++) {
		if (q->list[i].used)
			continue;
		memset(&q->list[i], 0, sizeof(q->list[i]));
		q->list[i].used = true;
		q->list[i].program = event->command.program;
		q->list[i].correlation = event->command.correlation;
		q->list[i].kind = kind;
		q->used++;
		core_due(core, core->now_ns);
		return 0;
	}
	return -EAGAIN;
}

int query_state(struct core *core, const struct core_event *event)
{
	return begin(core, event, KIND_STATE);
}

int query_command(struct core *core, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	char name[32];
	uint8_t kind;

	if (tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_QUERY, name,
			 sizeof(name)))
		return -ENOENT;
	for (kind = 0; kind < TABLES; kind++) {
		if (!strcmp(tables[kind].name, name))
			return begin(core, event, kind);
	}
	return -ENOENT;
}

void query_program_gone(struct core *core, uint32_t program)
{
	struct queries *q = &core->queries;
	uint32_t i;

	for (i = 0; i < QUERIES_MAX; i++) {
		if (q->list[i].used && q->list[i].program == program) {
			q->list[i].used = false;
			q->used--;
		}
	}
}
