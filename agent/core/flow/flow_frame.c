// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* flow_frame.c - frames from lanes to the flows they are about; see flow.h. */
#include "flow_tab.h"

#include <errno.h>

/* An extension, tolerated in the payload of frames that carry none else. */
static uint64_t total_bytes(struct core_bytes extensions,
			    struct core_bytes payload)
{
	uint64_t total = tlv_find_u64(extensions.data, extensions.size_bytes,
				      SKERRY_K_TOTAL_BYTES, 0);

	if (total)
		return total;
	return tlv_find_u64(payload.data, payload.size_bytes,
			    SKERRY_K_TOTAL_BYTES, 0);
}

/* Frames of a flow's sender: flow names an inflow of this lane. */
static int handle_in(struct flowtab *tab, struct flow_lane *lane,
		     const struct skerry_frame *frame,
		     struct core_bytes extensions, struct core_bytes payload,
		     const char **ret_why)
{
	struct flow_in *in = flow_lane_in(lane, frame->flow);

	if (!in) {
		tab->counters.late_frames++;
		return 0;
	}
	switch (frame->type) {
	case SKERRY_FRAME_DATA:
		return flow_in_data(tab, in, frame, extensions, payload,
				    ret_why);
	case SKERRY_FRAME_FLOW_CLOSE:
		flow_lane_unmap(tab, in);
		flow_in_end(tab, in, 0);
		return 0;
	case SKERRY_FRAME_SKIP:
		return flow_in_skip(tab, in, frame->sequence, ret_why);
	default: /* CREDIT */
		if (frame->flags == SKERRY_CREDIT_KEPT)
			return flow_in_kept(tab, in, frame->sequence, ret_why);
		return flow_in_want(tab, in, frame->sequence,
				    total_bytes(extensions, payload), ret_why);
	}
}

/* Frames of a flow's receiver: flow names one of ours, bound to this lane. */
static int handle_out(struct flowtab *tab, struct flow_lane *lane,
		      const struct skerry_frame *frame,
		      struct core_bytes extensions, struct core_bytes payload,
		      const char **ret_why)
{
	struct flow_out *out = flow_out_find(tab, lane, frame->flow);

	if (!out) {
		tab->counters.late_frames++;
		return 0;
	}
	switch (frame->type) {
	case SKERRY_FRAME_FLOW_REFUSE:
		return flow_out_refused(tab, out, frame, payload, ret_why);
	case SKERRY_FRAME_RESUME:
		return flow_out_resumed(tab, out, frame, payload, ret_why);
	case SKERRY_FRAME_ACK:
		return flow_out_acked(tab, out, frame->sequence, ret_why);
	default: /* CREDIT */
		if (frame->flags == SKERRY_CREDIT_GRANT)
			return flow_out_granted(tab, out, frame->sequence,
						total_bytes(extensions,
							    payload),
						ret_why);
		if (out->state == OUT_OPEN)
			flow_out_revoke(tab, out, OUT_REVOKE_REMOTE);
		return 0;
	}
}

int flow_frame_handle(struct flowtab *tab, struct flow_lane *lane,
		      const struct skerry_frame *frame,
		      struct core_bytes extensions, struct core_bytes payload,
		      const char **ret_why)
{
	switch (frame->type) {
	case SKERRY_FRAME_DATA:
	case SKERRY_FRAME_FLOW_CLOSE:
	case SKERRY_FRAME_SKIP:
		return handle_in(tab, lane, frame, extensions, payload,
				 ret_why);
	case SKERRY_FRAME_FLOW_OPEN:
		return flow_in_open(tab, lane, frame, payload, ret_why);
	case SKERRY_FRAME_FLOW_REFUSE:
	case SKERRY_FRAME_RESUME:
	case SKERRY_FRAME_ACK:
		return handle_out(tab, lane, frame, extensions, payload,
				  ret_why);
	case SKERRY_FRAME_CREDIT:
		switch (frame->flags) {
		case SKERRY_CREDIT_WANT:
		case SKERRY_CREDIT_KEPT:
			return handle_in(tab, lane, frame, extensions, payload,
					 ret_why);
		case SKERRY_CREDIT_GRANT:
		case SKERRY_CREDIT_REVOKE:
			return handle_out(tab, lane, frame, extensions, payload,
					  ret_why);
		}
		*ret_why = "CREDIT of an unknown kind";
		return -EPROTO;
	}
	*ret_why = "not a frame about flows";
	return -EPROTO;
}

int flow_frame(struct flowtab *tab, uint64_t id, uint32_t peer, uint8_t channel,
	       const struct skerry_frame *frame, struct core_bytes extensions,
	       struct core_bytes payload, uint64_t now_ns, const char **ret_why)
{
	struct flow_lane *lane;
	int r;

	if (channel >= SKERRY_CHANNELS_MAX) {
		*ret_why = "a channel that does not exist";
		return -EPROTO;
	}
	flow_time(tab, now_ns);
	lane = flow_lane_get(tab, id, peer, channel);
	if (!lane) {
		*ret_why = "too many lanes";
		return -ENOSPC;
	}
	r = flow_frame_handle(tab, lane, frame, extensions, payload, ret_why);
	if (flow_unsettled(tab))
		flow_settle(tab);
	return r;
}
