// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* reserve.c - see reserve.h. */
#include "reserve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core_state.h"
#include "identity.h"

/* Different tags that count, of all members together; further ones do not. */
#define TALLY_MAX 64U

struct tally {
	struct {
		char tag[SKERRY_TAG_MAX_BYTES + 1];
		uint32_t reserved, there;
	} list[TALLY_MAX];
	uint32_t count;
	uint32_t used; /* places taken, ours too */
};

/* ---- counting ---------------------------------------------------------------- */

static void add_reserved(struct tally *tally,
			 const struct spec_reserved *reserved)
{
	uint32_t i;

	for (i = 0; i < tally->count; i++) {
		if (!strcmp(tally->list[i].tag, reserved->tag))
			break;
	}
	if (i == TALLY_MAX)
		return;
	if (i == tally->count) {
		memset(&tally->list[i], 0, sizeof(tally->list[i]));
		memcpy(tally->list[i].tag, reserved->tag,
		       sizeof(tally->list[i].tag));
		tally->count++;
	}
	tally->list[i].reserved += reserved->count;
}

static bool takes_place(const struct member *member)
{
	return member->status == MEMBER_LIVE || member->status == MEMBER_GUEST;
}

static void read_reserved(struct core *core, struct tally *tally)
{
	struct members *m = &core->members;
	struct spec_reserved reserved;
	struct tlv_reader r;
	uint32_t i;

	for (i = 0; i < m->touched; i++) {
		struct core_bytes raw = members_spec(m, &m->slots[i]);

		if (!takes_place(&m->slots[i]))
			continue;
		tally->used++;
		tlv_reader_init(&r, raw.data, raw.size_bytes);
		while (tlv_next(&r)) {
			if (r.key == SKERRY_K_RESERVED &&
			    !spec_reserved_parse(&r, &reserved))
				add_reserved(tally, &reserved);
		}
	}
}

static bool reserves_itself(struct core_bytes raw, const char *tag)
{
	struct spec_reserved reserved;
	struct tlv_reader r;

	tlv_reader_init(&r, raw.data, raw.size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_RESERVED &&
		    !spec_reserved_parse(&r, &reserved) &&
		    !strcmp(reserved.tag, tag))
			return true;
	}
	return false;
}

static void count_there(struct tally *tally, struct core_bytes raw)
{
	char tag[SKERRY_TAG_MAX_BYTES + 1];
	struct tlv_reader r;
	uint32_t i;

	tlv_reader_init(&r, raw.data, raw.size_bytes);
	while (tlv_next(&r)) {
		if (r.key != SKERRY_K_TAG || tlv_str(&r, tag, sizeof(tag)))
			continue;
		for (i = 0; i < tally->count; i++) {
			if (!strcmp(tally->list[i].tag, tag) &&
			    !reserves_itself(raw, tag))
				tally->list[i].there++;
		}
	}
}

static void take_tally(struct core *core, struct tally *tally)
{
	struct members *m = &core->members;
	uint32_t i;

	tally->count = 0;
	tally->used = 0;
	read_reserved(core, tally);
	for (i = 0; tally->count && i < m->touched; i++) {
		if (takes_place(&m->slots[i]))
			count_there(tally, members_spec(m, &m->slots[i]));
	}
}

/* Places kept for nodes that are not there, and one tag of them. */
static uint32_t kept(const struct tally *tally, const char **ret_tag)
{
	uint32_t sum = 0, i;

	for (i = 0; i < tally->count; i++) {
		if (tally->list[i].reserved <= tally->list[i].there)
			continue;
		sum += tally->list[i].reserved - tally->list[i].there;
		*ret_tag = tally->list[i].tag;
	}
	return sum;
}

bool reserve_admits(struct core *core, const struct spec *newcomer, char *why,
		    size_t room_bytes)
{
	const char *tag = "";
	struct tally tally;
	uint32_t i, places;

	take_tally(core, &tally);
	for (i = 0; i < tally.count; i++)
		tally.list[i].there +=
			spec_has_tag(newcomer, tally.list[i].tag);
	places = kept(&tally, &tag);
	if (!places || tally.used + 1 + places <= core->members.max)
		return true;
	snprintf(why, room_bytes,
		 "the last %u of %u places are reserved, as for nodes with tag "
		 "%s",
		 places, core->members.max, tag);
	return false;
}

/* ---- ours ---------------------------------------------------------------------- */

static uint32_t collect(const struct core *core,
			struct spec_reserved list[SKERRY_RESERVES_MAX])
{
	const struct reserves *reserves = &core->reserves;
	uint32_t count = 0, i, j;

	for (i = 0; i < SKERRY_RESERVES_MAX; i++) {
		if (!reserves->list[i].tag[0])
			continue;
		for (j = 0; j < count; j++) {
			if (!strcmp(list[j].tag, reserves->list[i].tag))
				break;
		}
		if (j == count) {
			memcpy(list[j].tag, reserves->list[i].tag,
			       sizeof(list[j].tag));
			list[j].count = 0;
			count++;
		}
		list[j].count++;
	}
	return count;
}

void reserve_write(const struct core *core, struct tlv_writer *w)
{
	struct spec_reserved list[SKERRY_RESERVES_MAX];
	uint32_t count = collect(core, list), i;

	for (i = 0; i < count; i++)
		spec_reserved_write(w, &list[i]);
}

/* Our spec as it would be: 0, or -ENOSPC with the sentence. */
static int check_new(struct core *core, const char **ret_why)
{
	struct spec_reserved list[SKERRY_RESERVES_MAX];
	const char *tag = "";
	struct tally tally;

	*ret_why = "a node reserves for 8 different tags at most";
	if (collect(core, list) > SKERRY_RESERVED_TAGS_MAX)
		return -ENOSPC;
	*ret_why = "this node's spec has no room for another tag";
	if (identity_changed(core))
		return -ENOSPC;
	take_tally(core, &tally);
	*ret_why = "every place below the member limit is taken or reserved";
	return tally.used + kept(&tally, &tag) > core->members.max ? -ENOSPC
								   : 0;
}

static int reserve(struct core *core, uint32_t program, const char *tag,
		   const char **ret_why)
{
	struct reserves *reserves = &core->reserves;
	uint32_t i;
	int rv;

	for (i = 0; i < SKERRY_RESERVES_MAX; i++) {
		if (!reserves->list[i].tag[0])
			break;
	}
	*ret_why = "this node's programs reserve 64 places at most";
	if (i == SKERRY_RESERVES_MAX)
		return -ENOSPC;
	reserves->list[i].program = program;
	memcpy(reserves->list[i].tag, tag, sizeof(reserves->list[i].tag));
	rv = check_new(core, ret_why);
	if (!rv)
		return 0;
	reserves->list[i].tag[0] = 0;
	identity_changed(core);
	return rv;
}

void reserve_command(struct core *core, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	char tag[SKERRY_TAG_MAX_BYTES + 1] = "";
	const char *why = "a tag has 1 to 63 bytes";
	int rv = -EINVAL;

	if (!tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_TAG, tag,
			  sizeof(tag)) &&
	    tag[0])
		rv = reserve(core, event->command.program, tag, &why);
	core_answer(core, event->command.program, event->command.correlation,
		    rv, rv ? why : NULL);
}

void reserve_program_gone(struct core *core, uint32_t program)
{
	struct reserves *reserves = &core->reserves;
	bool any = false;
	uint32_t i;

	for (i = 0; i < SKERRY_RESERVES_MAX; i++) {
		if (reserves->list[i].tag[0] &&
		    reserves->list[i].program == program) {
			reserves->list[i].tag[0] = 0;
			any = true;
		}
	}
	if (any)
		identity_changed(core);
}
