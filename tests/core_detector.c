// SPDX-License-Identifier: GPL-2.0-only
/* The detector's judgement at each boundary, and heartbeats. */
#include <errno.h>
#include <string.h>

#include "detector.h"
#include "kselftest_harness.h"

#define MS 1000000ULL
#define T0 (1000000 * MS)

FIXTURE(detector)
{
	struct detector d;
	struct pulse p;
	char reason[DETECTOR_REASON_BYTES];
	uint64_t again_ns;
};

FIXTURE_SETUP(detector)
{
	const struct detector_settings settings = { 500, 1500, 3000 };

	detector_init(&self->d, &settings, T0);
	pulse_reset(&self->p, T0);
}

FIXTURE_TEARDOWN(detector)
{
}

#define judge(before, lane, at)                                    \
	detector_judge(&self->d, &self->p, (before), (lane), (at), \
		       self->reason, &self->again_ns)

TEST_F(detector, from_first_contact_to_silence)
{
	EXPECT_EQ(DETECTOR_DOWN, judge(DETECTOR_DOWN, false, T0));
	EXPECT_STREQ("not heard yet", self->reason);
	pulse_lane(&self->p, true, T0);
	EXPECT_EQ(DETECTOR_UP, judge(DETECTOR_DOWN, true, T0));
	EXPECT_EQ(T0 + 1500 * MS, self->again_ns);
	EXPECT_EQ(DETECTOR_UP, judge(DETECTOR_UP, true, T0 + 1499 * MS));
	EXPECT_EQ(DETECTOR_SUSPECT, judge(DETECTOR_UP, true, T0 + 1500 * MS));
	EXPECT_STREQ("silent for 1.5 s", self->reason);
	EXPECT_EQ(T0 + 3000 * MS, self->again_ns);
	EXPECT_EQ(DETECTOR_SUSPECT,
		  judge(DETECTOR_SUSPECT, true, T0 + 2999 * MS));
	EXPECT_EQ(DETECTOR_DOWN, judge(DETECTOR_SUSPECT, true, T0 + 3000 * MS));
	pulse_heard(&self->p, T0 + 2999 * MS);
	EXPECT_EQ(DETECTOR_UP, judge(DETECTOR_SUSPECT, true, T0 + 3000 * MS));
}

TEST_F(detector, health_stretches_the_limit)
{
	pulse_lane(&self->p, true, T0);
	EXPECT_EQ(0, detector_woken(&self->d, T0, T0 + 100 * MS));
	EXPECT_EQ(3000 * MS, detector_limit_ns(&self->d));
	EXPECT_EQ(300 * MS, detector_woken(&self->d, T0, T0 + 300 * MS));
	EXPECT_EQ(6000 * MS, detector_limit_ns(&self->d));
	EXPECT_EQ(DETECTOR_SUSPECT, judge(DETECTOR_UP, true, T0 + 4000 * MS));
	/* A long sleep counts for as much as there is. */
	detector_woken(&self->d, T0, T0 + 60000 * MS);
	EXPECT_EQ(3000 * MS * (1 + DETECTOR_HEALTH_MAX),
		  detector_limit_ns(&self->d));
	/* And gets better with each period in time. */
	detector_woken(&self->d, T0 + 60600 * MS, T0 + 60600 * MS);
	EXPECT_EQ(DETECTOR_HEALTH_MAX - 1, self->d.health);
	detector_woken(&self->d, T0 + 60601 * MS, T0 + 60601 * MS);
	EXPECT_EQ(DETECTOR_HEALTH_MAX - 1, self->d.health);
}

TEST_F(detector, sleep_excuses_silence)
{
	pulse_lane(&self->p, true, T0);
	EXPECT_EQ(DETECTOR_DOWN, judge(DETECTOR_UP, true, T0 + 9000 * MS));
	pulse_excuse(&self->p, 8000 * MS, T0 + 9000 * MS);
	EXPECT_EQ(DETECTOR_UP, judge(DETECTOR_UP, true, T0 + 9000 * MS));
	pulse_excuse(&self->p, 8000 * MS, T0 + 9000 * MS);
	EXPECT_EQ(T0 + 9000 * MS, self->p.heard_ns);
}

static void beat(struct pulse *p, uint64_t sequence, uint64_t age_ms,
		 uint64_t at_ns)
{
	uint8_t bytes[64];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	if (age_ms != UINT64_MAX)
		tlv_put_u64(&w, SKERRY_K_HEARD_AGE_MS, age_ms);
	pulse_beat(p, bytes, w.used_bytes, sequence, at_ns);
}

TEST_F(detector, one_way)
{
	uint64_t at;

	pulse_lane(&self->p, true, T0);
	for (at = 0; at < 3000; at += 500) {
		beat(&self->p, 1 + at / 500, at, T0 + at * MS);
		EXPECT_EQ(DETECTOR_UP, judge(DETECTOR_UP, true, T0 + at * MS));
	}
	beat(&self->p, 9, 3000, T0 + 3000 * MS);
	EXPECT_EQ(DETECTOR_ONE_WAY, judge(DETECTOR_UP, true, T0 + 3000 * MS));
	/* It hears us again. */
	beat(&self->p, 10, 20, T0 + 3500 * MS);
	pulse_lane(&self->p, false, T0 + 3500 * MS);
	EXPECT_EQ(DETECTOR_DOWN,
		  judge(DETECTOR_ONE_WAY, false, T0 + 3500 * MS));
	pulse_lane(&self->p, true, T0 + 3600 * MS);
	EXPECT_EQ(DETECTOR_UP, judge(DETECTOR_DOWN, true, T0 + 3600 * MS));
}

TEST_F(detector, the_first_heartbeat_after_a_cut_tells_nothing)
{
	uint64_t at;

	pulse_lane(&self->p, true, T0);
	beat(&self->p, 1, 0, T0);
	pulse_lane(&self->p, false, T0 + 4000 * MS);
	for (at = 10000; at < 11500; at += 500) {
		beat(&self->p, at, at, T0 + at * MS);
		EXPECT_EQ(DETECTOR_DOWN,
			  judge(DETECTOR_DOWN, false, T0 + at * MS));
	}
	beat(&self->p, at, at, T0 + at * MS);
	EXPECT_EQ(DETECTOR_ONE_WAY, judge(DETECTOR_DOWN, false, T0 + at * MS));
}

TEST_F(detector, a_lost_lane_is_a_suspicion_first)
{
	uint64_t at;

	pulse_lane(&self->p, true, T0);
	pulse_lane(&self->p, false, T0);
	for (at = 0; at < 3000; at += 500) {
		beat(&self->p, 1 + at, 0, T0 + at * MS);
		EXPECT_EQ(DETECTOR_SUSPECT,
			  judge(DETECTOR_SUSPECT, false, T0 + at * MS));
	}
	beat(&self->p, at, 0, T0 + at * MS);
	EXPECT_EQ(DETECTOR_DOWN, judge(DETECTOR_SUSPECT, false, T0 + at * MS));
	/* Heartbeats alone do not make it useful. */
	EXPECT_EQ(DETECTOR_DOWN, judge(DETECTOR_DOWN, false, T0 + at * MS));
}

TEST_F(detector, round_trips)
{
	struct pulse other;
	uint8_t bytes[128];
	struct tlv_writer w;

	pulse_reset(&other, T0);
	pulse_sent(&self->p, 1, T0);
	beat(&other, 1, UINT64_MAX, T0 + 4 * MS);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	pulse_write(&other, &w, T0 + 104 * MS);
	EXPECT_EQ(0,
		  pulse_beat(&self->p, bytes, w.used_bytes, 1, T0 + 110 * MS));
	EXPECT_EQ(10000, self->p.round_trip_us);
	EXPECT_EQ(T0 + 10 * MS, self->p.echoed_ns);
	/* What it claims to have heard and was never sent says nothing. */
	self->p.round_trip_us = 0;
	other.beat_sequence = 99;
	tlv_writer_init(&w, bytes, sizeof(bytes));
	pulse_write(&other, &w, T0 + 104 * MS);
	EXPECT_EQ(0,
		  pulse_beat(&self->p, bytes, w.used_bytes, 2, T0 + 110 * MS));
	EXPECT_EQ(0, self->p.round_trip_us);
}

TEST_F(detector, nonsense_changes_nothing)
{
	struct pulse before = self->p;
	static const uint8_t bad[] = { SKERRY_K_HEARD_AGE_MS, 0, 2, 0, 1, 1 };

	EXPECT_EQ(-EPROTO, pulse_beat(&self->p, bad, sizeof(bad), 1, T0));
	EXPECT_EQ(-EPROTO, pulse_beat(&self->p, bad, 3, 1, T0));
	EXPECT_EQ(0, memcmp(&before, &self->p, sizeof(before)));
}

TEST(words)
{
	EXPECT_STREQ("one-way", detector_state_name(DETECTOR_ONE_WAY));
	EXPECT_TRUE(detector_state_up(DETECTOR_SUSPECT));
	EXPECT_FALSE(detector_state_up(DETECTOR_ONE_WAY));
	EXPECT_FALSE(detector_state_up(DETECTOR_LEAVING));
}

TEST_HARNESS_MAIN
