// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* detector.c - see detector.h. */
#include "detector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS 1000000ULL
/* A longer pause between heartbeats begins a new row of them. */
#define PULSE_PAUSE_NS (2000 * MS)

static const char *const state_names[] = {
	[DETECTOR_UNKNOWN] = "unknown", [DETECTOR_UP] = "up",
	[DETECTOR_SUSPECT] = "suspect", [DETECTOR_ONE_WAY] = "one-way",
	[DETECTOR_DOWN] = "down",	[DETECTOR_LEAVING] = "leaving",
};

const char *detector_state_name(enum detector_state state)
{
	return state_names[state];
}

bool detector_state_up(enum detector_state state)
{
	return state == DETECTOR_UP || state == DETECTOR_SUSPECT;
}

void detector_init(struct detector *d, const struct detector_settings *settings,
		   uint64_t now_ns)
{
	memset(d, 0, sizeof(*d));
	d->settings = *settings;
	d->checked_ns = now_ns;
}

uint64_t detector_woken(struct detector *d, uint64_t wanted_ns, uint64_t now_ns)
{
	uint64_t beat_ns = d->settings.heartbeat_ms * MS;
	uint64_t late_ns = now_ns > wanted_ns ? now_ns - wanted_ns : 0;

	if (late_ns >= beat_ns / 2) {
		uint64_t steps = 1 + late_ns / beat_ns;

		d->health = d->health + steps > DETECTOR_HEALTH_MAX
				    ? DETECTOR_HEALTH_MAX
				    : d->health + (uint32_t)steps;
		d->checked_ns = now_ns;
		return late_ns;
	}
	if (d->health && now_ns - d->checked_ns >= beat_ns) {
		d->health--;
		d->checked_ns = now_ns;
	}
	return 0;
}

uint64_t detector_limit_ns(const struct detector *d)
{
	return d->settings.down_after_ms * MS * (1 + d->health);
}

void pulse_reset(struct pulse *p, uint64_t now_ns)
{
	memset(p, 0, sizeof(*p));
	p->lane_lost_ns = now_ns;
}

void pulse_heard(struct pulse *p, uint64_t now_ns)
{
	p->heard_ns = now_ns;
}

void pulse_lane(struct pulse *p, bool up, uint64_t now_ns)
{
	p->lane_lost_ns = up ? 0 : now_ns;
	if (!up)
		return;
	p->heard_ns = now_ns;
	p->echoed_ns = now_ns;
}

static void excuse(uint64_t *at_ns, uint64_t blind_ns, uint64_t now_ns)
{
	if (!*at_ns)
		return;
	*at_ns = now_ns - *at_ns > blind_ns ? *at_ns + blind_ns : now_ns;
}

void pulse_excuse(struct pulse *p, uint64_t blind_ns, uint64_t now_ns)
{
	excuse(&p->heard_ns, blind_ns, now_ns);
	excuse(&p->beat_ns, blind_ns, now_ns);
	excuse(&p->beats_since_ns, blind_ns, now_ns);
	excuse(&p->echoed_ns, blind_ns, now_ns);
	excuse(&p->lane_lost_ns, blind_ns, now_ns);
}

void pulse_write(const struct pulse *p, struct tlv_writer *w, uint64_t now_ns)
{
	if (p->heard_ns)
		tlv_put_u64(w, SKERRY_K_HEARD_AGE_MS,
			    (now_ns - p->heard_ns) / MS);
	if (p->beat_ns) {
		tlv_put_u64(w, SKERRY_K_HEARD_SEQUENCE, p->beat_sequence);
		tlv_put_u64(w, SKERRY_K_ECHO_US, (now_ns - p->beat_ns) / 1000);
	}
}

void pulse_sent(struct pulse *p, uint64_t sequence, uint64_t now_ns)
{
	p->sent_sequence = sequence;
	p->sent_ns[sequence % DETECTOR_SENT_MAX] = now_ns;
}

/* It names a heartbeat of ours and for how long it has had it. */
static void measure(struct pulse *p, uint64_t sequence, uint64_t held_us,
		    uint64_t now_ns)
{
	uint64_t sent_ns = p->sent_ns[sequence % DETECTOR_SENT_MAX];
	uint64_t trip_us;

	if (!sent_ns || sequence > p->sent_sequence ||
	    p->sent_sequence - sequence >= DETECTOR_SENT_MAX)
		return;
	trip_us = (now_ns - sent_ns) / 1000;
	trip_us = trip_us > held_us ? trip_us - held_us : 1;
	if (trip_us < UINT32_MAX)
		p->round_trip_us = (uint32_t)trip_us;
}

int pulse_beat(struct pulse *p, const void *body, size_t size_bytes,
	       uint64_t sequence, uint64_t now_ns)
{
	uint64_t age_ms = UINT64_MAX, heard = 0, held_us = 0;
	struct tlv_reader r;
	int rv = 0;

	tlv_reader_init(&r, body, size_bytes);
	while (!rv && tlv_next(&r)) {
		if (r.key == SKERRY_K_HEARD_AGE_MS)
			rv = tlv_u64(&r, &age_ms);
		else if (r.key == SKERRY_K_HEARD_SEQUENCE)
			rv = tlv_u64(&r, &heard);
		else if (r.key == SKERRY_K_ECHO_US)
			rv = tlv_u64(&r, &held_us);
		else if (r.critical)
			rv = -EPROTO;
	}
	if (rv || r.bad)
		return -EPROTO;
	if (!p->beat_ns || now_ns - p->beat_ns > PULSE_PAUSE_NS)
		p->beats_since_ns = now_ns;
	p->heard_ns = now_ns;
	p->beat_ns = now_ns;
	if (sequence > p->beat_sequence)
		p->beat_sequence = sequence;
	if (age_ms < now_ns / MS && now_ns - age_ms * MS > p->echoed_ns)
		p->echoed_ns = now_ns - age_ms * MS;
	if (heard)
		measure(p, heard, held_us, now_ns);
	return 0;
}

static uint64_t since(uint64_t at_ns, uint64_t now_ns)
{
	return at_ns ? now_ns - at_ns : UINT64_MAX;
}

static void sooner(uint64_t *again_ns, uint64_t at_ns, uint64_t now_ns)
{
	if (at_ns > now_ns && at_ns < *again_ns)
		*again_ns = at_ns;
}

static void say(char *reason, const char *what, uint64_t for_ns)
{
	snprintf(reason, DETECTOR_REASON_BYTES, "%s for %u.%u s", what,
		 (unsigned int)(for_ns / 1000000000ULL),
		 (unsigned int)(for_ns / 100000000ULL % 10));
}

enum detector_state
detector_judge(const struct detector *d, const struct pulse *p,
	       enum detector_state before, bool lane_up, uint64_t now_ns,
	       char reason[DETECTOR_REASON_BYTES], uint64_t *ret_again_ns)
{
	uint64_t limit_ns = detector_limit_ns(d);
	uint64_t ping_ns = d->settings.ping_after_ms * MS;
	uint64_t silence_ns = since(p->heard_ns, now_ns);
	uint64_t deaf_ns = since(p->echoed_ns, now_ns);
	uint64_t lost_ns = lane_up ? 0 : since(p->lane_lost_ns, now_ns);
	/*
	 * Only its heartbeats can tell that it does not hear us; the first
	 * one after a pause is too early to tell.
	 */
	bool beats = since(p->beat_ns, now_ns) < ping_ns &&
		     since(p->beats_since_ns, now_ns) >= ping_ns;
	bool was_up = detector_state_up(before);

	*ret_again_ns = UINT64_MAX;
	sooner(ret_again_ns, p->heard_ns + ping_ns, now_ns);
	sooner(ret_again_ns, p->heard_ns + limit_ns, now_ns);
	sooner(ret_again_ns, p->echoed_ns + limit_ns, now_ns);
	sooner(ret_again_ns, p->lane_lost_ns + limit_ns, now_ns);
	sooner(ret_again_ns, p->beats_since_ns + ping_ns, now_ns);

	reason[0] = 0;
	if (beats && deaf_ns >= limit_ns && (was_up || !lane_up)) {
		if (p->echoed_ns)
			say(reason, "its heartbeats arrive, ours do not",
			    deaf_ns);
		else
			snprintf(reason, DETECTOR_REASON_BYTES,
				 "its heartbeats arrive, ours never have");
		/* Never echoed is only telling once it had the time. */
		if (p->echoed_ns || lost_ns >= limit_ns)
			return DETECTOR_ONE_WAY;
	}
	if (silence_ns >= limit_ns) {
		if (p->heard_ns)
			say(reason, "silent", silence_ns);
		else
			snprintf(reason, DETECTOR_REASON_BYTES,
				 "not heard yet");
		return DETECTOR_DOWN;
	}
	if (was_up && !lane_up && lost_ns >= limit_ns) {
		say(reason, "heard, but no membership lane", lost_ns);
		return DETECTOR_DOWN;
	}
	if (!was_up && !lane_up) {
		snprintf(reason, DETECTOR_REASON_BYTES,
			 "heard, but no membership lane yet");
		return DETECTOR_DOWN;
	}
	if (silence_ns >= ping_ns) {
		say(reason, "silent", silence_ns);
		return was_up ? DETECTOR_SUSPECT : DETECTOR_DOWN;
	}
	if (!lane_up) {
		snprintf(reason, DETECTOR_REASON_BYTES,
			 "its membership lane is lost");
		return DETECTOR_SUSPECT;
	}
	snprintf(reason, DETECTOR_REASON_BYTES, "heard");
	return DETECTOR_UP;
}
