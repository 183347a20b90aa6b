/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * detector.h - is a member alive, and does it hear us? Judged from what is
 * heard (any byte on a lane, any authenticated heartbeat) and from what its
 * heartbeats say it has heard of us. Ours are late when we are slow: local
 * health (Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for
 * More Accurate Failure Detection", 2018) stretches the limit then.
 */
#ifndef SKERRY_DETECTOR_H
#define SKERRY_DETECTOR_H

#include "codec.h"

#define DETECTOR_HEALTH_MAX 8U
#define DETECTOR_SENT_MAX 8U
#define DETECTOR_REASON_BYTES 128

/* In the order of enum skerry_state. */
enum detector_state {
	DETECTOR_UNKNOWN,
	DETECTOR_UP,
	DETECTOR_SUSPECT,
	DETECTOR_ONE_WAY,
	DETECTOR_DOWN,
	DETECTOR_LEAVING,
};

const char *detector_state_name(enum detector_state state);
/* Can it be reached, as far as we know? */
bool detector_state_up(enum detector_state state);

/* What is known of one member. Times are 0 when it never happened. */
struct pulse {
	uint64_t heard_ns; /* last evidence of life */
	uint64_t beat_ns; /* last heartbeat */
	uint64_t beats_since_ns; /* first of those that came in a row */
	uint64_t beat_sequence; /* its number */
	uint64_t echoed_ns; /* newest time at which it heard us */
	uint64_t lane_lost_ns; /* since when the membership lane is missing */
	uint64_t sent_ns[DETECTOR_SENT_MAX]; /* by sequence */
	uint64_t sent_sequence;
	uint32_t round_trip_us; /* 0: not measured */
};

struct detector_settings {
	uint32_t heartbeat_ms;
	uint32_t ping_after_ms;
	uint32_t down_after_ms;
};

struct detector {
	struct detector_settings settings;
	uint32_t health; /* 0 is well */
	uint64_t checked_ns; /* when health changed last */
};

void detector_init(struct detector *d, const struct detector_settings *settings,
		   uint64_t now_ns);
/*
 * We ran at now_ns and had asked to run at wanted_ns. Returns for how long
 * nobody listened: silence of others during that time is no evidence.
 */
uint64_t detector_woken(struct detector *d, uint64_t wanted_ns,
			uint64_t now_ns);
/* Silence after which a member is down, now. */
uint64_t detector_limit_ns(const struct detector *d);

/* A new or restarted member: nothing of the old one counts. */
void pulse_reset(struct pulse *p, uint64_t now_ns);
void pulse_heard(struct pulse *p, uint64_t now_ns);
/* The membership lane: a handshake shows that both hear each other. */
void pulse_lane(struct pulse *p, bool up, uint64_t now_ns);
/* The clock stood still for us for this long. */
void pulse_excuse(struct pulse *p, uint64_t blind_ns, uint64_t now_ns);
/* The body of a heartbeat: what we have heard. */
void pulse_write(const struct pulse *p, struct tlv_writer *w, uint64_t now_ns);
void pulse_sent(struct pulse *p, uint64_t sequence, uint64_t now_ns);
/* Its heartbeat. -EPROTO: nothing changed. */
int pulse_beat(struct pulse *p, const void *body, size_t size_bytes,
	       uint64_t sequence, uint64_t now_ns);

/*
 * The state that follows from what is known, with a sentence why. before:
 * the state so far; lane_up: the membership lane stands. *ret_again_ns:
 * when the answer may change by time alone.
 */
enum detector_state
detector_judge(const struct detector *d, const struct pulse *p,
	       enum detector_state before, bool lane_up, uint64_t now_ns,
	       char reason[DETECTOR_REASON_BYTES], uint64_t *ret_again_ns);

#endif
