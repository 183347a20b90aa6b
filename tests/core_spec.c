// SPDX-License-Identifier: GPL-2.0-only
/* Specs: what is written is read; every damage is refused or harmless. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rng.h"
#include "spec.h"
#include "kselftest_harness.h"

FIXTURE(spec)
{
	struct core_config config;
	uint8_t bytes[SKERRY_SPEC_MAX_BYTES];
	struct tlv_writer w;
	struct spec spec;
};

FIXTURE_SETUP(spec)
{
	struct core_config *config = &self->config;

	memset(config, 0, sizeof(*config));
	strcpy(config->name, "node@host");
	strcpy(config->overlay, "full");
	config->port_base = 17280;
	config->addresses[0].ip[15] = 1;
	config->address_count = 1;
	strcpy(config->tags[0], "rack-1");
	config->tag_count = 1;
	strcpy(config->channels[0].name, "membership");
	config->channels[0].parallelism = 1;
	strcpy(config->channels[1].name, "default");
	config->channels[1].parallelism = 4;
	config->channels[1].monotonic = true;
	strcpy(config->channels[2].name, "fast");
	config->channels[2].parallelism = 1;
	config->channels[2].datagram = true;
	config->channel_count = 3;
	tlv_writer_init(&self->w, self->bytes, sizeof(self->bytes));
	spec_write(&self->w, config, 77, 88, 3);
	ASSERT_FALSE(self->w.full);
	ASSERT_EQ(0, spec_parse(self->bytes, self->w.used_bytes, &self->spec));
}

FIXTURE_TEARDOWN(spec)
{
}

TEST_F(spec, there_and_back)
{
	const struct spec *spec = &self->spec;

	EXPECT_STREQ("node@host", spec->name);
	EXPECT_EQ(77, spec->incarnation);
	EXPECT_EQ(88, spec->boot_nonce);
	EXPECT_EQ(3, spec->version);
	EXPECT_EQ(17280, spec->port_block);
	EXPECT_STREQ("full", spec->overlay);
	ASSERT_EQ(1, spec->address_count);
	EXPECT_EQ(17280, spec->addresses[0].port);
	ASSERT_EQ(3, spec->channel_count);
	EXPECT_TRUE(spec->channels[1].monotonic);
	EXPECT_EQ(4, spec->channels[1].parallelism);
	EXPECT_TRUE(spec->channels[2].datagram);
	EXPECT_FALSE(spec->channels[1].datagram);
}

TEST_F(spec, every_truncation_is_refused_or_less)
{
	struct spec spec = { .incarnation = 5 };
	size_t cut, whole = 0;

	for (cut = 0; cut < self->w.used_bytes; cut++) {
		spec.incarnation = 5;
		if (!spec_parse(self->bytes, cut, &spec)) {
			whole++;
			continue;
		}
		EXPECT_EQ(5, spec.incarnation);
	}
	/* Only between fields, behind the essential ones. */
	EXPECT_GT(8, whole);
}

TEST_F(spec, random_damage_does_no_harm)
{
	struct rng rng;
	int round;

	rng_init(&rng, 5, 5);
	for (round = 0; round < 20000; round++) {
		uint8_t bytes[SKERRY_SPEC_MAX_BYTES];
		struct spec spec;
		int n = 1 + (int)rng_below(&rng, 4);

		memcpy(bytes, self->bytes, self->w.used_bytes);
		while (n--) {
			uint64_t at = rng_below(&rng, self->w.used_bytes);

			bytes[at] = (uint8_t)rng_u64(&rng);
		}
		if (spec_parse(bytes, self->w.used_bytes, &spec))
			continue;
		ASSERT_TRUE(skerry_name_valid(spec.name));
		ASSERT_GE(SKERRY_ADDRS_MAX, spec.address_count);
		ASSERT_GE(SKERRY_CHANNELS_MAX, spec.channel_count);
		ASSERT_NE(0, spec.port_block);
		ASSERT_GE(SPEC_INCARNATION_MAX, spec.incarnation);
	}
}

TEST_F(spec, limits)
{
	uint8_t bytes[SKERRY_SPEC_MAX_BYTES + 1] = { 0 };
	struct core_config config = self->config;
	struct tlv_writer w;
	struct spec spec;
	uint32_t i;

	EXPECT_EQ(-EPROTO, spec_parse(bytes, sizeof(bytes), &spec));
	/* One address more than fits. */
	memcpy(bytes, self->bytes, self->w.used_bytes);
	tlv_writer_init(&w, bytes, sizeof(bytes));
	w.used_bytes = self->w.used_bytes;
	for (i = 1; i < SKERRY_ADDRS_MAX; i++)
		tlv_put_addr(&w, SKERRY_K_ADDRESS, &config.addresses[0]);
	EXPECT_EQ(0, spec_parse(bytes, w.used_bytes, &spec));
	tlv_put_addr(&w, SKERRY_K_ADDRESS, &config.addresses[0]);
	EXPECT_EQ(-EPROTO, spec_parse(bytes, w.used_bytes, &spec));
	/* What must be known and is not. */
	w.used_bytes = self->w.used_bytes;
	tlv_put_u64(&w, 0x7f00 | SKERRY_TLV_CRITICAL, 1);
	EXPECT_EQ(-EPROTO, spec_parse(bytes, w.used_bytes, &spec));
	w.used_bytes = self->w.used_bytes;
	tlv_put_u64(&w, 0x7f00, 1);
	EXPECT_EQ(0, spec_parse(bytes, w.used_bytes, &spec));
}

TEST_F(spec, what_must_match)
{
	char why[128] = "";
	struct core_config other = self->config;

	EXPECT_EQ(0, spec_compatible(&self->config, &self->spec, why,
				     sizeof(why)));
	other.channels[1].monotonic = false;
	EXPECT_EQ(-EINVAL,
		  spec_compatible(&other, &self->spec, why, sizeof(why)));
	EXPECT_STREQ("channel default: option monotonic differs", why);
	other = self->config;
	other.channels[2].datagram = false;
	EXPECT_EQ(-EINVAL,
		  spec_compatible(&other, &self->spec, why, sizeof(why)));
	other = self->config;
	/* Each sender has its own; every receiver understands it. */
	other.channels[1].compression = true;
	other.channels[1].priority = 7;
	EXPECT_EQ(0, spec_compatible(&other, &self->spec, why, sizeof(why)));
	other = self->config;
	strcpy(other.overlay, "scamp1");
	EXPECT_EQ(-EINVAL,
		  spec_compatible(&other, &self->spec, why, sizeof(why)));
	/* A channel only one has is no conflict. */
	other = self->config;
	strcpy(other.channels[1].name, "mine");
	EXPECT_EQ(0, spec_compatible(&other, &self->spec, why, sizeof(why)));
}

TEST_F(spec, parallelism_is_agreed_by_name)
{
	uint8_t agreed[SKERRY_CHANNELS_MAX];
	struct core_config other = self->config;

	other.channels[1].parallelism = 2;
	spec_parallelism(&other, &self->spec, agreed);
	EXPECT_EQ(1, agreed[0]);
	EXPECT_EQ(2, agreed[1]);
	EXPECT_EQ(1, agreed[2]);
	strcpy(other.channels[1].name, "mine");
	spec_parallelism(&other, &self->spec, agreed);
	EXPECT_EQ(0, agreed[1]);
	EXPECT_EQ(1, spec_channel(other.channels, 3, "mine"));
	EXPECT_EQ(-1, spec_channel(other.channels, 3, "default"));
}

TEST_HARNESS_MAIN
