// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bytes of a handshake: each field wrong in each way, every split, every
 * truncation, every changed byte, and chance.
 */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "kselftest_harness.h"
#include "lane_pair.h"
#include "rng.h"

static struct lane_key key;

static __attribute__((constructor)) void make_key(void)
{
	lane_key_init(&key, 0xa1);
}

/* ---- fields ----------------------------------------------------------- */

enum {
	END,
	DETAILS,
	DETAILS_LONGEST,
	DETAILS_TOO_LONG,
	PROOF,
	PROOF_OF_ONE,
	UNKNOWN,
	CRITICAL,
	NONCE,
	CUT,
	STRAY
};

static void put_field(struct tlv_writer *w, int field)
{
	static const uint8_t zeros[SKERRY_SPEC_MAX_BYTES + 513];

	switch (field) {
	case DETAILS:
		tlv_put_str(w, SKERRY_K_DETAILS, "d");
		break;
	case DETAILS_LONGEST:
		tlv_put(w, SKERRY_K_DETAILS, zeros, sizeof(zeros) - 1);
		break;
	case DETAILS_TOO_LONG:
		tlv_put(w, SKERRY_K_DETAILS, zeros, sizeof(zeros));
		break;
	case PROOF:
		tlv_put(w, SKERRY_K_PROOF, NULL, 0);
		break;
	case PROOF_OF_ONE:
		tlv_put(w, SKERRY_K_PROOF, zeros, 1);
		break;
	case UNKNOWN:
		tlv_put_u64(w, 0x7123, 1);
		break;
	case CRITICAL:
		tlv_put_u64(w, 0x7123 | SKERRY_TLV_CRITICAL, 1);
		break;
	case NONCE:
		tlv_put(w, SKERRY_K_NONCE, zeros, 32);
		break;
	case CUT:
		w->used_bytes -= 1;
		break;
	case STRAY:
		memset(w->data + w->used_bytes, 0, 2);
		w->used_bytes += 2;
		break;
	}
}

FIXTURE(fields)
{
	struct lane_pair p;
};

FIXTURE_VARIANT(fields)
{
	bool good;
	int list[4];
};

FIXTURE_SETUP(fields)
{
	lane_pair_init(&self->p, NULL, NULL);
}

FIXTURE_TEARDOWN(fields)
{
	lane_pair_free(&self->p);
}

/* clang-format off */
#define FIELDS(name, ...) FIXTURE_VARIANT_ADD(fields, name) { __VA_ARGS__ }

FIELDS(as_they_should_be, true, { DETAILS, PROOF });
FIELDS(longest_details, true, { DETAILS_LONGEST, PROOF });
FIELDS(unknown_one, true, { DETAILS, UNKNOWN, PROOF });
FIELDS(details_too_long, false, { DETAILS_TOO_LONG, PROOF });
FIELDS(critical_one, false, { DETAILS, CRITICAL, PROOF });
FIELDS(details_twice, false, { DETAILS, DETAILS, PROOF });
FIELDS(proof_twice, false, { DETAILS, PROOF, PROOF });
FIELDS(proof_first, false, { PROOF, DETAILS });
FIELDS(something_after_the_proof, false, { DETAILS, PROOF, UNKNOWN });
FIELDS(no_details, false, { PROOF });
FIELDS(no_proof, false, { DETAILS });
FIELDS(nothing, false, { END });
FIELDS(proof_of_one_byte, false, { DETAILS, PROOF_OF_ONE });
FIELDS(what_belongs_elsewhere, false, { DETAILS, NONCE, PROOF });
FIELDS(cut_off, false, { DETAILS, PROOF, CUT });
FIELDS(half_a_field_at_the_end, false, { DETAILS, PROOF, STRAY });
/* clang-format on */

TEST_F(fields, of_a_proof)
{
	uint8_t bytes[4096], payload[4000];
	struct tlv_writer w;
	size_t size, i;

	lane_side_move(&self->p.dialler, &self->p.acceptor, SIZE_MAX);
	lane_side_take(&self->p.acceptor, bytes, sizeof(bytes));
	tlv_writer_init(&w, payload, sizeof(payload));
	for (i = 0; i < ARRAY_SIZE(variant->list) && variant->list[i]; i++)
		put_field(&w, variant->list[i]);
	size = lane_frame(bytes, SKERRY_FRAME_PROOF, NULL, 0, payload,
			  w.used_bytes);
	lane_side_feed(&self->p.acceptor, bytes, size);
	EXPECT_EQ(variant->good, self->p.acceptor.hellos);
	EXPECT_EQ(!variant->good, self->p.acceptor.closeds);
	if (variant->good)
		return;
	/* Nothing is said, but to a proof of the wrong length: `key`. */
	if (self->p.acceptor.end == LANE_END_REFUSED) {
		EXPECT_STREQ("key", self->p.acceptor.text);
	} else {
		EXPECT_EQ(0, lane_queue_used(&self->p.acceptor.queue));
	}
}

TEST(a_nonce_has_32_bytes)
{
	static const uint8_t nonce[33];
	uint8_t bytes[256], payload[128];
	struct tlv_writer w;
	size_t size, length;

	for (length = 31; length <= 33; length++) {
		struct lane_pair p;

		lane_pair_init(&p, &key, &key);
		tlv_writer_init(&w, payload, sizeof(payload));
		tlv_put_u64(&w, SKERRY_K_VERSION_MIN, 1);
		tlv_put_u64(&w, SKERRY_K_VERSION_MAX, 1);
		tlv_put(&w, SKERRY_K_NONCE, nonce, length);
		size = lane_frame(bytes, SKERRY_FRAME_HELLO, NULL, 0, payload,
				  w.used_bytes);
		lane_side_feed(&p.acceptor, SKERRY_PREAMBLE, 8);
		lane_side_feed(&p.acceptor, bytes, size);
		EXPECT_EQ(length != 32, p.acceptor.closeds);
		EXPECT_EQ(length == 32, lane_queue_used(&p.acceptor.queue) > 0);
		lane_pair_free(&p);
	}
}

/* ---- every split, truncation and change ------------------------------- */

TEST(any_split)
{
	size_t step;

	for (step = 1; step < 300; step++) {
		struct lane_pair p;

		lane_pair_init(&p, &key, &key);
		while (lane_side_move(&p.dialler, &p.acceptor, step) ||
		       lane_side_move(&p.acceptor, &p.dialler, step))
			;
		ASSERT_EQ(1, p.dialler.ups);
		ASSERT_EQ(1, p.acceptor.ups);
		lane_pair_free(&p);
	}
}

/* What each side hears in an undisturbed handshake. */
struct recording {
	uint8_t to_dialler[4096], to_acceptor[4096];
	size_t to_dialler_bytes, to_acceptor_bytes;
};

static void record(struct recording *r)
{
	struct lane_pair p;

	lane_pair_up(&p, &key);
	r->to_dialler_bytes = p.dialler.heard_bytes;
	r->to_acceptor_bytes = p.acceptor.heard_bytes;
	memcpy(r->to_dialler, p.dialler.heard, r->to_dialler_bytes);
	memcpy(r->to_acceptor, p.acceptor.heard, r->to_acceptor_bytes);
	lane_pair_free(&p);
}

/* The nonces of lane_pair are always the same, so the recording fits. */
TEST(every_truncation_waits)
{
	struct recording r;
	struct lane_pair p;
	size_t cut;

	record(&r);
	for (cut = 0; cut < r.to_acceptor_bytes; cut++) {
		lane_pair_init(&p, &key, &key);
		lane_side_feed(&p.acceptor, r.to_acceptor, cut);
		ASSERT_EQ(0, p.acceptor.ups);
		ASSERT_EQ(0, p.acceptor.closeds);
		lane_side_feed(&p.acceptor, r.to_acceptor + cut,
			       r.to_acceptor_bytes - cut);
		ASSERT_EQ(1, p.acceptor.ups);
		lane_pair_free(&p);
	}
	for (cut = 0; cut < r.to_dialler_bytes; cut++) {
		lane_pair_init(&p, &key, &key);
		lane_side_feed(&p.dialler, r.to_dialler, cut);
		ASSERT_EQ(0, p.dialler.ups);
		ASSERT_EQ(0, p.dialler.closeds);
		lane_side_feed(&p.dialler, r.to_dialler + cut,
			       r.to_dialler_bytes - cut);
		ASSERT_EQ(1, p.dialler.ups);
		lane_pair_free(&p);
	}
}

/* Counts as right: closed, or waiting for bytes that never come. */
static void flip_all(struct __test_metadata *_metadata, bool to_dialler,
		     uint8_t mask)
{
	struct recording r;
	size_t i, size;

	record(&r);
	size = to_dialler ? r.to_dialler_bytes : r.to_acceptor_bytes;
	for (i = 0; i < size; i++) {
		struct lane_pair p;
		struct lane_side *side;
		uint8_t *bytes;

		lane_pair_init(&p, &key, &key);
		side = to_dialler ? &p.dialler : &p.acceptor;
		bytes = to_dialler ? r.to_dialler : r.to_acceptor;
		bytes[i] ^= mask;
		lane_side_feed(side, bytes, size);
		bytes[i] ^= mask;
		ASSERT_EQ(0, side->ups)
		{
			TH_LOG("byte %zu of %zu", i, size);
		}
		if (side->hellos == 0 && side->closeds &&
		    side->end == LANE_END_REFUSED) {
			ASSERT_TRUE(!strcmp(side->text, "key") ||
				    !strcmp(side->text, "version"));
		}
		lane_pair_free(&p);
	}
}

TEST(every_changed_byte_is_seen)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0xff, 0x20 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		flip_all(_metadata, false, masks[i]);
		flip_all(_metadata, true, masks[i]);
	}
}

TEST(random_bytes_after_any_prefix)
{
	struct recording r;
	struct rng rng;
	uint8_t bytes[600];
	int round;

	record(&r);
	rng_init(&rng, 2, 1);
	for (round = 0; round < 8000; round++) {
		struct lane_pair p;
		bool dialler = rng_below(&rng, 2);
		struct lane_side *side;
		size_t prefix, size, i;

		lane_pair_init(&p, &key, &key);
		side = dialler ? &p.dialler : &p.acceptor;
		prefix = rng_below(&rng, dialler ? r.to_dialler_bytes
						 : r.to_acceptor_bytes);
		lane_side_feed(side, dialler ? r.to_dialler : r.to_acceptor,
			       prefix);
		size = rng_below(&rng, sizeof(bytes));
		for (i = 0; i < size; i++)
			bytes[i] = (uint8_t)rng_u64(&rng);
		lane_side_feed(side, bytes, size);
		ASSERT_EQ(0, side->ups);
		ASSERT_LE(side->closeds, 1);
		lane_pair_free(&p);
	}
}

TEST_HARNESS_MAIN
