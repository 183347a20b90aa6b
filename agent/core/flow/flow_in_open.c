// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_in_open.c - FLOW_OPEN: which inflow it is, or that it is none. */
#include "flow_tab.h"

#include <errno.h>
#include <string.h>

static uint64_t key_hash(const struct flowtab *tab, const uint8_t instance[16],
			 uint64_t flow_id)
{
	return hash_mix(hash_u64(hash_bytes(tab->seed, instance, 16), flow_id));
}

/* 0 stands for "any node". */
static uint64_t node_hash(struct flowtab *tab,
			  const struct flow_in_request *request)
{
	const char *name = request->source;
	uint64_t hash;

	if (!name[0])
		name = tab->ops->peer_name(tab->ops_data, request->lane->peer);
	hash = hash_mix(hash_str(tab->seed, name ? name : ""));

	return hash ? hash : 1;
}

static struct flow_in *key_find(struct flowtab *tab, const uint8_t instance[16],
				uint64_t flow_id, uint64_t node)
{
	uint64_t hash = key_hash(tab, instance, flow_id);
	struct flow_chain *at = flow_hash_first(&tab->keys, hash);
	struct flow_in *in;

	for (; at; at = flow_hash_next(at->next, hash)) {
		in = list_object(at, struct flow_in, key_chain);
		if (in->flow_id == flow_id &&
		    (in->node_hash == node || !in->node_hash) &&
		    !memcmp(in->instance, instance, 16))
			return in;
	}
	return NULL;
}

/* ---- refused, or waiting ------------------------------------------------------ */

static int full(void)
{
	return -EPROTO;
}

static int request_refuse(struct flowtab *tab,
			  const struct flow_in_request *request, int error)
{
	struct flow_in *in = flow_in_new(tab);

	if (!in)
		return full();
	if (flow_lane_map(tab, request->lane, in, request->number)) {
		flow_in_free(tab, in);
		return full();
	}
	in->error = error;
	flow_in_due(tab, in, IN_DUE_REFUSE);
	tab->counters.refused++;
	return 0;
}

static int request_wait(struct flowtab *tab,
			const struct flow_in_request *request)
{
	struct flow_in *in = flow_in_new(tab);

	if (!in)
		return full();
	if (flow_lane_map(tab, request->lane, in, request->number)) {
		flow_in_free(tab, in);
		return full();
	}
	in->state = IN_WAITING;
	in->expected = request->sequence;
	in->flow_id = request->flow_id;
	in->want = request->want;
	in->from_sequence = request->from_sequence;
	in->channel = request->channel;
	in->datagram = request->datagram;
	in->fast_source = request->fast_source;
	in->peer = request->lane->peer;
	memcpy(in->instance, request->instance, sizeof(in->instance));
	memcpy(in->name, request->endpoint, sizeof(in->name));
	memcpy(in->source, request->source, sizeof(in->source));
	in->deadline_ns = tab->start_ns + FLOW_START_NS;
	list_add_tail(&tab->waiting, &in->time_link);
	tab->waiting_count++;
	flow_wake_by(tab, in->deadline_ns);
	return 0;
}

void flow_in_waiting_again(struct flowtab *tab, const char *endpoint)
{
	struct flow_in_request request;
	struct list *at, *after;

	list_for_each_safe (at, after, &tab->waiting) {
		struct flow_in *in = list_object(at, struct flow_in, time_link);

		if (strcmp(in->name, endpoint))
			continue;
		memset(&request, 0, sizeof(request));
		request.lane = in->lane;
		request.number = in->number;
		request.sequence = in->expected;
		request.flow_id = in->flow_id;
		request.want = in->want;
		request.from_sequence = in->from_sequence;
		request.channel = in->channel;
		request.datagram = in->datagram;
		request.fast_source = in->fast_source;
		memcpy(request.instance, in->instance, 16);
		memcpy(request.endpoint, in->name, sizeof(in->name));
		memcpy(request.source, in->source, sizeof(in->source));
		tab->waiting_count--;
		flow_in_free(tab, in);
		/* There is place for it: it has just had one. */
		flow_in_request(tab, &request);
	}
}

/* ---- accepted ----------------------------------------------------------------- */

static int fast_agree(struct flowtab *tab, struct flow_in *in)
{
	uint64_t fast_id;
	int r;

	do {
		fast_id = tab->ops->random(tab->ops_data);
	} while (!fast_id ||
		 flow_hash_first(&tab->fast_ids, hash_mix(fast_id)));
	r = tab->ops->fast_open(tab->ops_data, fast_id, in->program->number,
				in->channel, in->index, in->peer,
				&in->fast_source);
	if (r)
		return r;
	in->fast_id = fast_id;
	flow_hash_add(&tab->fast_ids, &in->fast_chain, hash_mix(fast_id));
	return 0;
}

void flow_in_resume(struct flowtab *tab, struct flow_in *in)
{
	uint64_t want = in->want;

	if (in->state != IN_LIVE || in->resumed || in->records)
		return;
	in->resumed = true;
	in->want = 0;
	flow_in_due(tab, in, IN_DUE_RESUME);
	if (!in->datagram)
		flow_in_initial(tab, in, want);
}

/* Whether what we remember is what the request means. */
static bool same_flow(const struct flow_in *in,
		      const struct flow_in_request *request,
		      const struct flow_endpoint *endpoint)
{
	if (in->program != endpoint->program)
		return false;
	if (!in->ring) /* from a frontier */
		return true;
	return in->endpoint == endpoint && in->channel == request->channel &&
	       in->datagram == request->datagram;
}

static struct flow_in *request_create(struct flowtab *tab,
				      const struct flow_in_request *request,
				      struct flow_endpoint *endpoint,
				      uint64_t node)
{
	struct flow_in *in = flow_in_new(tab);

	if (!in)
		return NULL;
	in->program = endpoint->program;
	in->expected = request->sequence;
	in->flow_id = request->flow_id;
	in->node_hash = node;
	memcpy(in->instance, request->instance, sizeof(in->instance));
	list_add_tail(&in->program->ins, &in->program_link);
	in->program->in_count++;
	flow_hash_add(&tab->keys, &in->key_chain,
		      key_hash(tab, in->instance, in->flow_id));
	in->keyed = true;
	return in;
}

/* Give it what it needs to be announced. */
static int request_place(struct flow_in *in,
			 const struct flow_in_request *request,
			 struct flow_endpoint *endpoint, uint64_t node)
{
	int r;

	if (in->ring)
		return 0;
	in->ring = &in->program->rings[request->channel];
	in->channel = request->channel;
	r = flow_in_index(in);
	if (r) {
		in->ring = NULL;
		return r;
	}
	in->node_hash = node;
	in->endpoint = endpoint;
	endpoint->flows++;
	in->datagram = request->datagram;
	memcpy(in->name, request->endpoint, sizeof(in->name));
	memcpy(in->source, request->source, sizeof(in->source));
	return 0;
}

static int request_attach(struct flowtab *tab, struct flow_in *in,
			  const struct flow_in_request *request)
{
	int r;

	if (in->state == IN_LIVE)
		flow_in_detach(tab, in);
	list_del(&in->time_link);
	r = flow_lane_map(tab, request->lane, in, request->number);
	if (r) {
		in->state = IN_LIVE;
		flow_in_end(tab, in, 0);
		return full();
	}
	in->state = IN_LIVE;
	in->peer = request->lane->peer;
	in->received = 0;
	in->granted = 0;
	in->want = request->want;
	in->active_ns = tab->now_ns;
	in->fast_source = request->fast_source;
	if (in->datagram && !in->fast_id) {
		r = fast_agree(tab, in);
		if (r) {
			flow_in_end(tab, in, r);
			return 0;
		}
	}
	if (!in->announced)
		flow_in_record(tab, in, IN_REC_INFLOW);
	flow_in_resume(tab, in);
	return 0;
}

int flow_in_request(struct flowtab *tab, const struct flow_in_request *request)
{
	struct flow_endpoint *e = flow_endpoint_find(tab, request->endpoint);
	uint64_t node = node_hash(tab, request);
	struct flow_in *in;
	int r;

	if (!e && tab->now_ns - tab->start_ns < FLOW_START_NS &&
	    tab->waiting_count < FLOW_WAITING_MAX)
		return request_wait(tab, request);
	if (!e)
		return request_refuse(tab, request, -ENOENT);
	in = key_find(tab, request->instance, request->flow_id, node);
	/*
	 * Late: since it was said this lane has lost its place to another,
	 * and there the flow is open. Nobody sends on this one any more.
	 */
	if (in && in->state == IN_LIVE && in->lane != request->lane &&
	    request->lane->leaving) {
		tab->counters.late_frames++;
		return 0;
	}
	if (in && !same_flow(in, request, e)) {
		flow_in_end(tab, in, -ECONNRESET);
		in = NULL;
	}
	if (in && in->expected > request->sequence) {
		flow_in_end(tab, in, -EPROTO);
		return request_refuse(tab, request, -EPROTO);
	}
	if (!in && request->from_sequence != request->sequence)
		return request_refuse(tab, request, -ECONNRESET);
	if (!in && flow_share_in(tab, e->program))
		return request_refuse(tab, request, -ENOSPC);
	if (!in)
		in = request_create(tab, request, e, node);
	if (!in)
		return full();
	r = request_place(in, request, e, node);
	if (r) {
		flow_in_end(tab, in, 0);
		return request_refuse(tab, request, r);
	}
	return request_attach(tab, in, request);
}

/* ---- FLOW_OPEN ---------------------------------------------------------------- */

static int parse(const struct skerry_frame *frame, struct core_bytes payload,
		 struct flow_in_request *request, char *channel, size_t room)
{
	bool program = false, id = false, source = false;
	struct tlv_reader r;
	uint64_t self_channel = 0;
	int bad = 0;

	tlv_reader_init(&r, payload.data, payload.size_bytes);
	while (!bad && tlv_next(&r)) {
		switch (r.key) {
		case SKERRY_K_PROGRAM:
			bad = tlv_id(&r, request->instance);
			program = true;
			break;
		case SKERRY_K_FLOW_ID:
			bad = tlv_u64(&r, &request->flow_id);
			id = true;
			break;
		case SKERRY_K_ENDPOINT:
			bad = tlv_str(&r, request->endpoint,
				      sizeof(request->endpoint));
			break;
		case SKERRY_K_WANT_BYTES:
			bad = tlv_u64(&r, &request->want);
			break;
		case SKERRY_K_FROM_SEQUENCE:
			bad = tlv_u64(&r, &request->from_sequence);
			break;
		case SKERRY_K_CHANNEL:
			bad = tlv_str(&r, channel, room);
			break;
		case SKERRY_K_FAST_SOURCE:
			bad = tlv_addr(&r, &request->fast_source);
			source = true;
			break;
		case SKERRY_K_SLOT: /* between the ends of our own lane */
			bad = tlv_u64(&r, &self_channel);
			if (request->lane->self)
				request->channel = (uint8_t)self_channel;
			break;
		case SKERRY_K_SOURCE: /* there only, and of no peer */
			if (request->lane->self)
				bad = tlv_str(&r, request->source,
					      sizeof(request->source));
			break;
		default:
			bad = r.critical ? -EPROTO : 0;
		}
	}
	request->datagram = channel[0];
	if (bad || r.bad || !program || !id || !request->endpoint[0] ||
	    !frame->sequence || frame->sequence > FLOW_SEQUENCE_MAX ||
	    request->datagram != source)
		return -EPROTO;
	return 0;
}

int flow_in_open(struct flowtab *tab, struct flow_lane *lane,
		 const struct skerry_frame *frame, struct core_bytes payload,
		 const char **ret_why)
{
	char channel[SKERRY_CHANNEL_MAX_BYTES + 1] = "";
	struct flow_in_request request;
	const struct flow_page *page;
	struct flow_in *old;
	int r;

	memset(&request, 0, sizeof(request));
	request.lane = lane;
	request.number = frame->flow;
	request.sequence = frame->sequence;
	request.channel = lane->channel;
	*ret_why = "a malformed FLOW_OPEN";
	if (parse(frame, payload, &request, channel, sizeof(channel)))
		return -EPROTO;
	page = lane->pages[(frame->flow & 0xffffU) / FLOW_PAGE];
	old = page ? page->ins[(frame->flow & 0xffffU) % FLOW_PAGE] : NULL;
	if (old) {
		/* The same flow once more, or nothing that makes sense. */
		*ret_why = "FLOW_OPEN with a number that is in use";
		if (old->number == frame->flow ||
		    old->flow_id != request.flow_id ||
		    memcmp(old->instance, request.instance, 16))
			return -EPROTO;
		flow_in_keep(tab, old);
	}
	*ret_why = "more flows than there is place for";
	if (request.datagram) {
		r = tab->ops->channel_find(tab->ops_data, channel);
		if (r < 0 || r >= (int)SKERRY_CHANNELS_MAX)
			return request_refuse(tab, &request, -ENOENT);
		request.channel = (uint8_t)r;
	}
	return flow_in_request(tab, &request);
}

int flow_frontier(struct flowtab *tab, uint32_t program,
		  const uint8_t sender_instance[16], uint64_t flow_id,
		  uint64_t next_sequence, uint64_t now_ns)
{
	struct flow_program *p = flow_program_find(tab, program);
	struct flow_in *in;

	flow_time(tab, now_ns);
	if (!p || !next_sequence || next_sequence > FLOW_SEQUENCE_MAX)
		return -EINVAL;
	if (key_find(tab, sender_instance, flow_id, 0))
		return -EEXIST;
	in = flow_share_in(tab, p) ? NULL : flow_in_new(tab);
	if (!in)
		return -ENOSPC;
	in->state = IN_KEPT;
	in->program = p;
	in->expected = next_sequence;
	in->flow_id = flow_id;
	memcpy(in->instance, sender_instance, sizeof(in->instance));
	list_add_tail(&p->ins, &in->program_link);
	p->in_count++;
	flow_hash_add(&tab->keys, &in->key_chain,
		      key_hash(tab, sender_instance, flow_id));
	in->keyed = true;
	in->deadline_ns = tab->now_ns + FLOW_KEEP_NS;
	list_add_tail(&tab->kept, &in->time_link);
	flow_wake_by(tab, in->deadline_ns);
	return 0;
}
