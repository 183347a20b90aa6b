// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* hello.c - see hello.h. */
#include "hello.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core_state.h"
#include "gossip.h"
#include "identity.h"
#include "link.h"

/* A dial of ours that is younger than this is expected to succeed. */
#define HELLO_DIAL_TRUST_NS CORE_SECOND
/* What a probe of the old incarnation found is good for so long. */
#define HELLO_PROBE_KEPT_NS (5 * CORE_SECOND)

struct hello {
	uint64_t lane_id;
	bool accepted;
	struct skerry_addr remote;
	char cluster[SKERRY_NAME_MAX_BYTES + 1];
	char channel[SKERRY_CHANNEL_MAX_BYTES + 1];
	char expect[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t index, generation, required;
	uint64_t meant; /* our incarnation, says a newcomer */
	bool pending, takeover, left;
	struct link_tell tell;
	char told[SKERRY_NAME_MAX_BYTES + 1]; /* by a dialler: about whom */
	struct core_bytes raw; /* the spec as it came */
	struct spec spec;
	char why[192];
	struct lane *lane; /* dialled ones */
	struct join *join;
	struct member *member;
	uint8_t place_channel, place_index;
};

static int parse_tell(const struct tlv_reader *nest, struct hello *h)
{
	struct link_tell *tell = &h->tell;
	struct tlv_reader r;
	int rv = 0;

	tlv_reader_init(&r, nest->value, nest->length);
	while (!rv && tlv_next(&r)) {
		if (r.key == SKERRY_K_INCARNATION)
			rv = tlv_u64(&r, &tell->incarnation);
		else if (r.key == SKERRY_K_REMOVED)
			rv = tlv_bool(&r, &tell->removed);
		else if (r.key == SKERRY_K_NODE)
			rv = tlv_str(&r, h->told, sizeof(h->told));
	}
	if (r.bad || tell->incarnation > SPEC_INCARNATION_MAX)
		rv = -EPROTO;
	return rv;
}

static int parse_field(const struct tlv_reader *r, struct hello *h)
{
	switch (r->key) {
	case SKERRY_K_CLUSTER:
		return tlv_str(r, h->cluster, sizeof(h->cluster));
	case SKERRY_K_SPEC:
		h->raw.data = r->value;
		h->raw.size_bytes = r->length;
		return spec_parse(r->value, r->length, &h->spec);
	case SKERRY_K_CHANNEL:
		return tlv_str(r, h->channel, sizeof(h->channel));
	case SKERRY_K_LANE:
		return tlv_u64(r, &h->index);
	case SKERRY_K_GENERATION:
		return tlv_u64(r, &h->generation);
	case SKERRY_K_FEATURES_REQUIRED:
		return tlv_u64(r, &h->required);
	case SKERRY_K_INCARNATION:
		return tlv_u64(r, &h->meant);
	case SKERRY_K_EXPECT:
		return tlv_str(r, h->expect, sizeof(h->expect));
	case SKERRY_K_PENDING:
		return tlv_bool(r, &h->pending);
	case SKERRY_K_TAKEOVER:
		return tlv_bool(r, &h->takeover);
	case SKERRY_K_LEFT:
		return tlv_bool(r, &h->left);
	case SKERRY_K_MEMBER:
		return parse_tell(r, h);
	default:
		return r->critical ? -EPROTO : 0;
	}
}

static int parse(struct core_bytes details, struct hello *h)
{
	struct tlv_reader r;
	int rv = 0;

	tlv_reader_init(&r, details.data, details.size_bytes);
	while (!rv && tlv_next(&r))
		rv = parse_field(&r, h);
	if (rv || r.bad || !h->spec.name[0] || !h->cluster[0] ||
	    h->generation >= UINT64_MAX / 2) {
		snprintf(h->why, sizeof(h->why), "malformed handshake");
		return -EPROTO;
	}
	return 0;
}

/* Of this cluster, meant for us, and with settings that fit? */
static int check_kind(struct core *core, struct hello *h)
{
	const struct core_config *config = &core->config;

	if (strcmp(h->cluster, config->cluster)) {
		snprintf(h->why, sizeof(h->why), "cluster: %s here, %s there",
			 config->cluster, h->cluster);
		return -EACCES;
	}
	if (h->required) {
		snprintf(h->why, sizeof(h->why), "features: unknown ones");
		return -EOPNOTSUPP;
	}
	if (h->expect[0] && strcmp(h->expect, config->name)) {
		snprintf(h->why, sizeof(h->why), "name: this is %s, not %s",
			 config->name, h->expect);
		return -ENODEV;
	}
	return spec_compatible(config, &h->spec, h->why, sizeof(h->why));
}

/* Somebody with our own name. */
static int check_self(struct core *core, struct hello *h)
{
	const struct spec *spec = &h->spec;

	if (spec->boot_nonce == core->boot_nonce) {
		snprintf(h->why, sizeof(h->why), "it is this node itself");
		return -ELOOP;
	}
	if (spec->incarnation == core->incarnation) {
		snprintf(h->why, sizeof(h->why),
			 "clone: another %s has the same incarnation",
			 spec->name);
		notice(core, CORE_LOG_ERROR, "clone", spec->name, h->why);
		return -EEXIST;
	}
	if (spec->incarnation < core->incarnation) {
		h->tell.incarnation = core->incarnation;
		snprintf(h->why, sizeof(h->why), "a newer %s runs here",
			 spec->name);
		return -ESTALE;
	}
	if (h->takeover) {
		identity_depose(core, spec->incarnation, false,
				"taken over by a newer incarnation");
		snprintf(h->why, sizeof(h->why), "giving way; try again");
		return -EAGAIN;
	}
	snprintf(h->why, sizeof(h->why), "%s runs already, at another place",
		 spec->name);
	notice(core, CORE_LOG_ERROR, "conflict", spec->name,
	       "a newer node with this name tried to come in");
	return -EEXIST;
}

/* The old incarnation counts as up: has it answered? */
static int probe(struct core *core, struct hello *h, struct member *member,
		 struct lane *lane)
{
	uint64_t age_ns = core->now_ns - member->probe_ns;
	struct core_op *op;

	if (member->probe_incarnation != h->spec.incarnation ||
	    age_ns > HELLO_PROBE_KEPT_NS) {
		member->probe_incarnation = h->spec.incarnation;
		member->probe_ns = core->now_ns;
		member->probe_answered = false;
		member->probe_sequence = ++core->ping_sequence;
		op = update_op(&core->update, OP_SEND);
		op->lane = lane->id;
		op->frame.type = SKERRY_FRAME_PING;
		op->frame.sequence = member->probe_sequence;
		age_ns = 0;
	}
	if (member->probe_answered) {
		snprintf(h->why, sizeof(h->why),
			 "conflict: %s runs already and answers", member->name);
		notice(core, CORE_LOG_WARNING, "conflict", member->name,
		       "a newer node with the same name was refused");
		gossip_notice(core, member, -EEXIST,
			      "a newer node with your name was refused");
		return -EEXIST;
	}
	if (age_ns < CORE_PROBE_NS) {
		snprintf(h->why, sizeof(h->why),
			 "seeing whether the older %s answers", member->name);
		return -EAGAIN;
	}
	return 0;
}

/* A live or half-known node of that name is in our table. */
static int check_known(struct core *core, struct hello *h,
		       struct member *member)
{
	const struct spec *spec = &h->spec;
	struct lane *lane = link_membership(core, member);

	if (spec->incarnation < member->incarnation) {
		h->tell.incarnation = member->incarnation;
		snprintf(h->why, sizeof(h->why), "a newer %s is known",
			 spec->name);
		return -ESTALE;
	}
	if (spec->incarnation == member->incarnation) {
		if (!member->boot_nonce ||
		    spec->boot_nonce == member->boot_nonce)
			return 0;
		snprintf(h->why, sizeof(h->why),
			 "clone: another %s has the same incarnation",
			 spec->name);
		notice(core, CORE_LOG_ERROR, "clone", spec->name, h->why);
		gossip_notice(core, member, -EEXIST,
			      "a copy of this node was refused");
		return -EEXIST;
	}
	if (spec->boot_nonce == member->boot_nonce || h->takeover)
		return 0;
	if (lane && detector_state_up(member->state))
		return probe(core, h, member, lane);
	return 0;
}

/* Does the name's history let it in? */
static int check_identity(struct core *core, struct hello *h)
{
	const struct spec *spec = &h->spec;
	struct member *member = members_find(&core->members, spec->name);
	struct removed *removed = removed_find(&core->members, spec->name);
	/* It asks, or others have let it in since we were told last. */
	bool invited = h->pending || h->meant == core->incarnation;

	if (!strcmp(spec->name, core->config.name))
		return check_self(core, h);
	if (removed && (spec->incarnation <= removed->incarnation ||
			(h->accepted && !invited))) {
		h->tell.incarnation = removed->incarnation;
		h->tell.removed = true;
		snprintf(h->why, sizeof(h->why), "%s was removed", spec->name);
		return -ESTALE;
	}
	if (member && member->status == MEMBER_GHOST)
		member = NULL;
	if (member)
		return check_known(core, h, member);
	if (h->accepted && !invited && (core->members.live > 1 || core->left)) {
		snprintf(h->why, sizeof(h->why),
			 "%s is no member here; it may join", spec->name);
		h->left = true;
		return -ESTALE;
	}
	return 0;
}

static int check_place(struct core *core, struct hello *h)
{
	uint8_t agreed[SKERRY_CHANNELS_MAX];
	int at;

	at = spec_channel(core->config.channels, core->config.channel_count,
			  h->channel);
	if (at < 0) {
		snprintf(h->why, sizeof(h->why), "channel %s: not here",
			 h->channel);
		return -ENOENT;
	}
	spec_parallelism(&core->config, &h->spec, agreed);
	if (core->config.channels[at].datagram || h->index >= agreed[at]) {
		snprintf(h->why, sizeof(h->why),
			 "channel %s: %u lanes agreed, not lane %u", h->channel,
			 agreed[at], (unsigned int)h->index);
		return -EINVAL;
	}
	h->place_channel = (uint8_t)at;
	h->place_index = (uint8_t)h->index;
	return 0;
}

/* Is it not wanted for the moment, or is its place kept for another? */
static int check_room(struct core *core, struct hello *h)
{
	struct member *member = members_find(&core->members, h->spec.name);

	if (member && member->status != MEMBER_GHOST) {
		if (!h->accepted || core->now_ns >= member->hold_until_ns)
			return 0;
		snprintf(h->why, sizeof(h->why),
			 "it was disconnected a moment ago");
		return -EAGAIN;
	}
	return reserve_admits(core, &h->spec, h->why, sizeof(h->why)) ? 0
								      : -ENOSPC;
}

/* The slot for it, with what its spec says taken over. */
static int claim(struct core *core, struct hello *h)
{
	h->member = gossip_claim(core, &h->spec, h->raw);
	if (h->member)
		return 0;
	snprintf(h->why, sizeof(h->why),
		 "%u members are the limit of the full mesh; larger clusters "
		 "need overlay hyparview",
		 core->members.max);
	return -ENOSPC;
}

static void refuse(struct core *core, struct hello *h, int error)
{
	struct core_op *op = update_op(&core->update, OP_REFUSE);

	op->lane = h->lane_id;
	op->error = error;
	op->text = update_text(&core->update, h->why);
	if (error == -EPROTO)
		core->malformed++;
	if (h->lane) {
		h->lane->state = LANE_CLOSING;
		h->lane->since_ns = core->now_ns;
	}
	if (error == -EAGAIN || error == -EALREADY)
		return;
	notice_once(core, CORE_LOG_WARNING, "refused",
		    h->spec.name[0] ? h->spec.name : NULL, h->why);
}

static bool admit(struct core *core, struct hello *h)
{
	struct link_offer offer = {
		.channel = h->channel,
		.index = (uint8_t)h->index,
		.generation = h->generation,
		.tell = h->accepted ? h->tell : (struct link_tell) { 0 },
		.left = h->accepted && h->left,
	};
	struct core_op *op;

	op = update_op(&core->update, OP_ADMIT);
	op->lane = h->lane_id;
	if (h->accepted)
		op->bytes = link_details(core, &offer);
	return true;
}

/* ---- lanes that others dialled ------------------------------------------- */

/* Say what we know of its name: it decides what it is then. */
static void tell(struct core *core, struct hello *h)
{
	struct lane *lane = conntab_add(&core->lanes, h->lane_id);

	notice_once(core, CORE_LOG_INFO, "refused", h->spec.name, h->why);
	if (!lane) {
		refuse(core, h, -ESTALE);
		return;
	}
	lane->tells = true;
	lane->state = LANE_ADMITTED;
	lane->since_ns = core->now_ns;
	list_add_tail(&core->self->lanes, &lane->link);
	admit(core, h);
}

static bool is_duplicate(struct core *core, struct hello *h)
{
	struct lane *old =
		link_at(core, h->member, h->place_channel, h->place_index);
	struct core_op *op;

	if (!old || link_beats(core, h->member, h->generation, false, old))
		return false;
	if (old->state == LANE_DIALLING &&
	    core->now_ns > old->since_ns + HELLO_DIAL_TRUST_NS)
		return false;
	op = update_op(&core->update, OP_DUPLICATE);
	op->lane = h->lane_id;
	op->generation = old->generation;
	return true;
}

static void accept_lane(struct core *core, struct hello *h)
{
	struct lane *lane;

	if (is_duplicate(core, h))
		return;
	lane = conntab_add(&core->lanes, h->lane_id);
	if (!lane) {
		snprintf(h->why, sizeof(h->why), "too many lanes");
		refuse(core, h, -ENOSPC);
		return;
	}
	lane->member = members_slot(&core->members, h->member);
	lane->channel = h->place_channel;
	lane->index = h->place_index;
	lane->generation = h->generation;
	lane->state = LANE_ADMITTED;
	lane->since_ns = core->now_ns;
	list_add_tail(&h->member->lanes, &lane->link);
	gossip_reached(h->member, &h->remote);
	admit(core, h);
}

/* Who dials knows a newer one of our name, and found us in its place. */
static int check_told(struct core *core, struct hello *h)
{
	if (strcmp(h->told, core->config.name) || h->tell.removed ||
	    h->tell.incarnation <= core->incarnation)
		return 0;
	identity_told(core, &h->tell, h->spec.name, false);
	snprintf(h->why, sizeof(h->why), "understood");
	return -EAGAIN;
}

static int accepted(struct core *core, struct hello *h)
{
	int rv;

	if (conntab_find(&core->lanes, h->lane_id))
		return -EINVAL;
	rv = check_kind(core, h);
	if (!rv)
		rv = check_told(core, h);
	memset(&h->tell, 0, sizeof(h->tell));
	h->left = false;
	if (!rv)
		rv = check_identity(core, h);
	if (rv == -ESTALE && (h->tell.incarnation || h->left)) {
		tell(core, h);
		return 0;
	}
	if (!rv)
		rv = check_place(core, h);
	if (!rv)
		rv = check_room(core, h);
	if (!rv)
		rv = claim(core, h);
	if (rv)
		refuse(core, h, rv);
	else
		accept_lane(core, h);
	return 0;
}

/* ---- lanes that we dialled ------------------------------------------------- */

static int check_expected(struct core *core, struct hello *h)
{
	const char *expected = connect_expects(core, h->lane);

	if (!expected)
		expected = "";
	if (h->lane->member != CONNTAB_NONE)
		expected = core->members.slots[h->lane->member].name;
	else if (h->join)
		expected = h->join->name;
	if (!expected[0] || !strcmp(expected, h->spec.name))
		return 0;
	snprintf(h->why, sizeof(h->why), "name: %s answered, not %s",
		 h->spec.name, expected);
	return -ENODEV;
}

/* What was asked for before the node was removed is void. */
static int check_join(struct core *core, struct hello *h)
{
	struct removed *removed = removed_find(&core->members, h->spec.name);

	if (!removed || h->join->since_ns >= removed->since_ns)
		return 0;
	snprintf(h->why, sizeof(h->why),
		 "%s was removed, or left, since this join was asked for",
		 h->spec.name);
	return -ECANCELED;
}

/* Two lanes for one place: the peer decides by the same rule. */
static int check_needed(struct core *core, struct hello *h)
{
	struct list *at;

	list_for_each (at, &h->member->lanes) {
		struct lane *old = list_object(at, struct lane, link);

		if (old == h->lane || old->state == LANE_CLOSING ||
		    old->state == LANE_DIALLING ||
		    old->channel != h->lane->channel ||
		    old->index != h->lane->index)
			continue;
		if (link_beats(core, h->member, h->lane->generation, true, old))
			continue;
		snprintf(h->why, sizeof(h->why), "another lane is there");
		return -EALREADY;
	}
	return 0;
}

/* It is another one than we knew, and no member with us as such. */
static void learn_left(struct core *core, struct hello *h)
{
	struct member *member = members_find(&core->members, h->spec.name);

	snprintf(h->why, sizeof(h->why), "%s does not know us; ask to join",
		 h->spec.name);
	if (!member || !member_counts(member) ||
	    member->incarnation >= h->spec.incarnation)
		return;
	core->overlay->removed(core, h->spec.name, h->spec.incarnation - 1,
			       h->spec.name, "it left");
}

/*
 * Who answered is older than the one of its name that we know. It does not
 * see why its handshake ends here, and if we are no member there it never
 * dials: this join dials once more, and tells it.
 */
static int note_older(struct core *core, struct hello *h, int rv)
{
	struct member *member = members_find(&core->members, h->spec.name);

	if (rv != -ESTALE || !h->tell.incarnation || h->tell.removed ||
	    !member || !h->join || h->join->older)
		return rv;
	h->join->older = 1 + members_slot(&core->members, member);
	return -EAGAIN;
}

static int dialled(struct core *core, struct hello *h)
{
	int rv;

	h->lane = conntab_find(&core->lanes, h->lane_id);
	if (!h->lane || h->lane->state != LANE_DIALLING)
		return -EINVAL;
	if (h->lane->join != CONNTAB_NONE)
		h->join = &core->joins.list[h->lane->join];
	h->expect[0] = 0;
	rv = check_kind(core, h);
	if (!rv && h->spec.boot_nonce != core->boot_nonce)
		rv = check_expected(core, h);
	connect_met(core, h->lane, rv != -ENODEV && rv != -EACCES);
	if (!rv && h->tell.incarnation) {
		identity_told(core, &h->tell, h->spec.name,
			      h->join && h->join->pending);
		snprintf(h->why, sizeof(h->why), "understood");
		rv = -EAGAIN;
	}
	if (!rv && h->left) {
		learn_left(core, h);
		rv = -EAGAIN;
	}
	memset(&h->tell, 0, sizeof(h->tell));
	h->pending = h->join && h->join->pending;
	if (!rv && h->join)
		rv = check_join(core, h);
	if (!rv)
		rv = check_identity(core, h);
	rv = note_older(core, h, rv);
	if (!rv)
		rv = check_room(core, h);
	if (!rv)
		rv = claim(core, h);
	if (!rv && h->lane->member == CONNTAB_NONE) {
		h->lane->member = members_slot(&core->members, h->member);
		list_add_tail(&h->member->lanes, &h->lane->link);
	}
	if (!rv)
		rv = check_needed(core, h);
	if (rv && rv != -EAGAIN && h->join) {
		if (rv == -EALREADY)
			join_answered(core, h->lane->join, h->member);
		else
			join_refused(core, h->lane->join, rv, h->why);
		h->lane->join = CONNTAB_NONE;
	}
	if (rv) {
		refuse(core, h, rv);
		return 0;
	}
	gossip_reached(h->member, &h->remote);
	h->lane->state = LANE_ADMITTED;
	h->lane->since_ns = core->now_ns;
	admit(core, h);
	return 0;
}

int hello_event(struct core *core, const struct core_event *event)
{
	struct hello h = {
		.lane_id = event->lane,
		.accepted = event->hello.accepted,
		.remote = event->hello.remote,
	};
	int rv = parse(event->hello.details, &h);

	core_due(core, core->now_ns);
	if (!h.accepted && !conntab_find(&core->lanes, h.lane_id))
		return -EINVAL;
	if (rv) {
		if (!h.accepted)
			h.lane = conntab_find(&core->lanes, h.lane_id);
		refuse(core, &h, rv);
		return 0;
	}
	if (!core_open(core)) {
		if (!h.accepted)
			h.lane = conntab_find(&core->lanes, h.lane_id);
		snprintf(h.why, sizeof(h.why), "starting or leaving; later");
		refuse(core, &h, -EAGAIN);
		return 0;
	}
	return h.accepted ? accepted(core, &h) : dialled(core, &h);
}
