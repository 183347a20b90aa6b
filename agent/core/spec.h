/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * spec.h - what a node tells others of itself, read and written. On the
 * wire and in tables a spec is its owner's TLVs, passed on byte for byte;
 * struct spec is what this node understands of them.
 */
#ifndef SKERRY_SPEC_H
#define SKERRY_SPEC_H

#include "codec.h"
#include "event.h"

/* Incarnations are wall-clock microseconds; beyond this is nonsense. */
#define SPEC_INCARNATION_MAX (UINT64_MAX / 4)

/* Places kept free, by this node's programs, for nodes with that tag. */
struct spec_reserved {
	char tag[SKERRY_TAG_MAX_BYTES + 1];
	uint32_t count;
};

struct spec {
	char name[SKERRY_NAME_MAX_BYTES + 1];
	uint64_t incarnation;
	uint64_t boot_nonce;
	uint64_t version; /* grows with each change under one incarnation */
	uint16_t port_block;
	uint32_t address_count;
	struct skerry_addr addresses[SKERRY_ADDRS_MAX]; /* .port = block */
	char overlay[16];
	uint32_t tag_count;
	char tags[SKERRY_TAGS_MAX][SKERRY_TAG_MAX_BYTES + 1];
	uint32_t reserved_count;
	struct spec_reserved reserved[SKERRY_RESERVED_TAGS_MAX];
	uint32_t channel_count;
	struct core_channel channels[SKERRY_CHANNELS_MAX];
};

/*
 * Read the inside of a SKERRY_K_SPEC. -EPROTO: malformed, a bound exceeded,
 * or something essential missing; ret_spec is untouched then.
 */
int spec_parse(const void *data, size_t size_bytes, struct spec *ret_spec);

/* Write our own. */
void spec_write(struct tlv_writer *w, const struct core_config *config,
		uint64_t incarnation, uint64_t boot_nonce, uint64_t version);
/* One SKERRY_K_RESERVED of a spec. -EPROTO. */
int spec_reserved_parse(const struct tlv_reader *nest,
			struct spec_reserved *ret_reserved);
void spec_reserved_write(struct tlv_writer *w,
			 const struct spec_reserved *reserved);
/* Is it one of the tags? */
bool spec_has_tag(const struct spec *spec, const char *tag);

/*
 * Can a node with these settings and that one be in one cluster? 0, or
 * -EINVAL with the sentence in `why`.
 */
int spec_compatible(const struct core_config *config, const struct spec *other,
		    char *why, size_t room_bytes);
/* How many lanes (on a fast channel: not 0) each of our channels has. */
void spec_parallelism(const struct core_config *config,
		      const struct spec *other,
		      uint8_t ret_parallelism[SKERRY_CHANNELS_MAX]);
/* Index of a channel; -1. */
int spec_channel(const struct core_channel *channels, uint32_t count,
		 const char *name);

#endif
