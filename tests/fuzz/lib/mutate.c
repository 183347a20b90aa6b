// SPDX-License-Identifier: GPL-2.0-only
/*
 * mutate.c - libFuzzer's mutator, told what inputs look like: records are
 * inserted, taken out, doubled and moved; fields get other keys, values of
 * their type, and other places; lengths are made true again, mostly.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "fuzz.h"
#include "trace/trace.h"

#define DEPTH_MAX 4
#define VALUE_BYTES (70U << 10)
#define HEADER sizeof(struct skerry_frame)

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room,
			       unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes,
				 const uint8_t *b, size_t b_bytes, uint8_t *out,
				 size_t room, unsigned int seed);

static uint64_t state;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t n)
{
	return n ? draw() % n : 0;
}

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0,	    1,		2,
		7,	    8,		24,
		64,	    127,	128,
		255,	    1000,	5000,
		65535,	    65536,	65537,
		69632,	    262144,	1u << 31,
		UINT32_MAX, 1ULL << 32, 60000,
		17280,	    17281,	1ULL << 61,
		1ULL << 62, 1ULL << 63, UINT64_MAX - 1,
		UINT64_MAX,
	};

	switch (below(4)) {
	case 0:
		return below(16);
	case 1:
		return below(100000);
	default:
		return odd[below(sizeof(odd) / sizeof(odd[0]))];
	}
}

/* `old` bytes at `at` give way to `bytes`; unchanged when it would not fit. */
static size_t splice(uint8_t *data, size_t size, size_t room, size_t at,
		     size_t old, const void *bytes, size_t size_bytes)
{
	if (size - old + size_bytes > room)
		return size;
	memmove(data + at + size_bytes, data + at + old, size - at - old);
	if (size_bytes)
		memcpy(data + at, bytes, size_bytes);
	return size - old + size_bytes;
}

/* ---- fields --------------------------------------------------------------- */

static const uint16_t *known_keys(size_t *ret_count)
{
	static const uint16_t keys[] = {
#define FUZZ_KEY(number, name, json, type, list) number,
		SKERRY_KEYS(FUZZ_KEY)
#undef FUZZ_KEY
	};

	*ret_count = sizeof(keys) / sizeof(keys[0]);
	return keys;
}

static uint16_t some_key(void)
{
	size_t count;
	const uint16_t *keys = known_keys(&count);

	if (fuzz_format.kind == FUZZ_TRACE)
		return (uint16_t)below(128);
	return keys[below(count)];
}

static size_t mutate_tlvs(uint8_t *data, size_t size, size_t room, int depth);

static enum skerry_key_type type_of(uint16_t key, size_t length)
{
	enum skerry_key_type type = SKERRY_T_BYTES;
	bool list;

	if (fuzz_format.kind == FUZZ_TRACE)
		return length == 8 ? SKERRY_T_U64 : SKERRY_T_BYTES;
	skerry_key_name(key & (uint16_t)~SKERRY_TLV_CRITICAL, &type, &list);
	return type;
}

/* A value of that type into out; its size. */
static size_t make_value(enum skerry_key_type type, uint8_t *out)
{
	struct skerry_addr addr = { .port = 17280 };
	uint64_t number = odd_number();
	const char *word;

	switch (type) {
	case SKERRY_T_BOOL:
		out[0] = (uint8_t)below(2);
		return 1;
	case SKERRY_T_STR:
		if (!fuzz_format.word_count)
			return 0;
		word = fuzz_format.words[below(fuzz_format.word_count)];
		memcpy(out, word, strlen(word));
		return strlen(word);
	case SKERRY_T_ID:
		memset(out, (int)below(4), 16);
		return 16;
	case SKERRY_T_ADDR:
		addr.ip[10] = addr.ip[11] = below(2) ? 0xff : 0;
		addr.ip[15] = (uint8_t)below(8);
		memcpy(out, &addr, sizeof(addr));
		return sizeof(addr);
	case SKERRY_T_BYTES:
	case SKERRY_T_NEST:
		return 0;
	default:
		if (below(4) == 0)
			number = -number;
		memcpy(out, &number, sizeof(number));
		return sizeof(number);
	}
}

/* The value at data, alone in its memory. */
static size_t mutate_value(uint16_t key, uint8_t *data, size_t size,
			   size_t room, int depth)
{
	enum skerry_key_type type = type_of(key, size);
	bool nest = type == SKERRY_T_NEST || key == SKERRY_K_BLOB ||
		    (fuzz_format.kind == FUZZ_TRACE && size > 12);

	if (nest && depth < DEPTH_MAX && below(8))
		return mutate_tlvs(data, size, room, depth + 1);
	if (below(3) && type != SKERRY_T_BYTES && type != SKERRY_T_NEST)
		return make_value(type, data);
	if (!size)
		return make_value(type, data);
	return LLVMFuzzerMutate(data, size, room);
}

struct place { /* of one field */
	size_t at;
	uint16_t key, length;
};

/* One of them by chance, each as likely; false when there is none. */
static bool some_field(const uint8_t *data, size_t size, struct place *ret)
{
	struct tlv_reader r;
	uint64_t seen = 0;

	tlv_reader_init(&r, data, size);
	while (tlv_next(&r)) {
		if (below(++seen))
			continue;
		ret->at = (size_t)(r.value - data) - sizeof(struct skerry_tlv);
		ret->key = r.key |
			   (uint16_t)(r.critical ? SKERRY_TLV_CRITICAL : 0);
		ret->length = r.length;
	}
	return seen > 0;
}

static size_t put_field(uint8_t *out, uint16_t key, const void *value,
			size_t size)
{
	struct skerry_tlv tlv = { .key = key, .length = (uint16_t)size };

	memcpy(out, &tlv, sizeof(tlv));
	if (size)
		memcpy(out + sizeof(tlv), value, size);
	return sizeof(tlv) + size;
}

static size_t insert_field(uint8_t *data, size_t size, size_t room, size_t at)
{
	uint8_t value[256], field[sizeof(value) + sizeof(struct skerry_tlv)];
	uint16_t key = some_key();
	size_t length = make_value(type_of(key, 8), value);

	if (below(32) == 0)
		key |= SKERRY_TLV_CRITICAL;
	length = put_field(field, key, value, length);
	return splice(data, size, room, at, 0, field, length);
}

static size_t change_value(uint8_t *data, size_t size, size_t room,
			   const struct place *p, int depth)
{
	static uint8_t values[DEPTH_MAX + 2][VALUE_BYTES];
	uint8_t *value = values[depth];
	size_t value_at = p->at + sizeof(struct skerry_tlv), length, most;
	struct skerry_tlv tlv = { .key = p->key };

	most = p->length + (room - size) + 64;
	if (most > UINT16_MAX)
		most = UINT16_MAX;
	memcpy(value, data + value_at, p->length);
	length = mutate_value(p->key, value, p->length, most, depth);
	if (length > UINT16_MAX || size - p->length + length > room)
		return size;
	size = splice(data, size, room, value_at, p->length, value, length);
	tlv.length = (uint16_t)length;
	memcpy(data + p->at, &tlv, sizeof(tlv));
	return size;
}

static size_t mutate_tlvs(uint8_t *data, size_t size, size_t room, int depth)
{
	uint8_t copy[4096];
	struct place p, q;
	size_t field;
	uint16_t key;

	if (!some_field(data, size, &p))
		return insert_field(data, size, room, 0);
	field = sizeof(struct skerry_tlv) + p.length;
	switch (below(10)) {
	case 0:
		return splice(data, size, room, p.at, field, NULL, 0);
	case 1: /* twice, or somewhere else */
		if (field > sizeof(copy) || !some_field(data, size, &q))
			return size;
		memcpy(copy, data + p.at, field);
		return splice(data, size, room, q.at, 0, copy, field);
	case 2:
		return insert_field(data, size, room, p.at);
	case 3:
		key = below(8) ? some_key() : p.key ^ SKERRY_TLV_CRITICAL;
		memcpy(data + p.at, &key, sizeof(key));
		return size;
	default:
		return change_value(data, size, room, &p, depth);
	}
}

/* ---- records -------------------------------------------------------------- */

/* Where records begin; how many. */
#define SPOTS_MAX 512
static size_t header_bytes(void)
{
	return fuzz_format.kind == FUZZ_TRACE ? TRACE_HEADER_BYTES : HEADER;
}

static size_t record_bytes(const uint8_t *data, size_t left)
{
	uint32_t length;
	size_t all;

	if (left < header_bytes())
		return left;
	memcpy(&length, data, sizeof(length));
	all = length;
	if (fuzz_format.kind == FUZZ_TRACE)
		all += sizeof(length);
	if (all < header_bytes())
		all = header_bytes();
	return all > left ? left : all;
}

static size_t find_spots(const uint8_t *data, size_t size,
			 size_t spots[SPOTS_MAX + 1])
{
	size_t at = fuzz_format.prefix_bytes, count = 0;

	while (at < size && count < SPOTS_MAX) {
		spots[count++] = at;
		at += record_bytes(data + at, size - at);
	}
	spots[count] = at < size ? at : size;
	return count;
}

static void true_length(uint8_t *record, size_t bytes)
{
	uint32_t length = (uint32_t)bytes;

	if (fuzz_format.kind == FUZZ_TRACE)
		length -= (uint32_t)sizeof(length);
	memcpy(record, &length, sizeof(length));
}

static size_t make_record(uint8_t out[HEADER])
{
	struct skerry_frame frame = { .length = HEADER,
				      .header_length = HEADER };

	if (fuzz_format.kind == FUZZ_TRACE) {
		true_length(out, TRACE_HEADER_BYTES);
		out[4] = (uint8_t)below(4);
		return TRACE_HEADER_BYTES;
	}
	frame.type = fuzz_format.type_count
			     ? fuzz_format.types[below(fuzz_format.type_count)]
			     : (uint8_t)draw();
	frame.flow = (uint32_t)below(4);
	frame.sequence = odd_number();
	memcpy(out, &frame, HEADER);
	return HEADER;
}

static void mutate_header(uint8_t *record, size_t bytes)
{
	struct skerry_frame frame;

	if (bytes < HEADER)
		return;
	memcpy(&frame, record, HEADER);
	switch (below(8)) {
	case 0:
		if (fuzz_format.type_count)
			frame.type =
				fuzz_format
					.types[below(fuzz_format.type_count)];
		break;
	case 1:
		frame.flags ^= (uint8_t)(1U << below(8));
		break;
	case 2:
		frame.flow =
			below(3) ? (uint32_t)below(8) : (uint32_t)odd_number();
		break;
	case 3:
		frame.flow ^= 1U << below(32);
		break;
	case 4:
		frame.correlation =
			below(3) ? (uint32_t)below(4) : (uint32_t)odd_number();
		break;
	case 5:
		frame.sequence += below(2) ? 1 : UINT64_MAX;
		break;
	case 6:
		frame.sequence = odd_number();
		break;
	default:
		frame.header_length = (uint16_t)(HEADER + below(bytes));
	}
	memcpy(record, &frame, HEADER);
}

/* Extensions or payload: an area [*at, *at + return value) of the record. */
static size_t some_area(const uint8_t *record, size_t bytes, size_t *ret_at,
			bool *ret_extensions)
{
	struct skerry_frame frame;
	size_t header;

	*ret_extensions = false;
	*ret_at = header_bytes();
	if (fuzz_format.kind == FUZZ_TRACE)
		return bytes - *ret_at;
	memcpy(&frame, record, HEADER);
	header = frame.header_length;
	if (header < HEADER || header > bytes)
		header = HEADER;
	*ret_extensions = below(header > HEADER ? 2 : 12) == 0;
	if (*ret_extensions)
		return header - HEADER;
	*ret_at = header;
	return bytes - header;
}

/* The record at data + at has `bytes`; returns the new size of it all. */
static size_t mutate_inside(uint8_t *data, size_t size, size_t room, size_t at,
			    size_t bytes)
{
	static uint8_t area[VALUE_BYTES];
	struct skerry_frame frame = { 0 };
	size_t area_at, old, grown, most;
	bool extensions;

	old = some_area(data + at, bytes, &area_at, &extensions);
	if (old > sizeof(area) / 2)
		return size;
	most = old + (room - size);
	if (most > sizeof(area))
		most = sizeof(area);
	memcpy(area, data + at + area_at, old);
	memcpy(&frame, data + at, bytes < HEADER ? bytes : HEADER);
	if ((fuzz_format.payload_is_data && !extensions &&
	     frame.type == fuzz_format.data_type) ||
	    below(12) == 0)
		grown = old ? LLVMFuzzerMutate(area, old, most) : old;
	else
		grown = mutate_tlvs(area, old, most, 0);
	size = splice(data, size, room, at + area_at, old, area, grown);
	bytes = bytes - old + grown;
	if (below(64))
		true_length(data + at, bytes);
	if (extensions && frame.header_length + grown - old <= UINT16_MAX) {
		frame.header_length =
			(uint16_t)(frame.header_length + grown - old);
		memcpy(data + at + offsetof(struct skerry_frame, header_length),
		       &frame.header_length, sizeof(frame.header_length));
	}
	return size;
}

static size_t mutate_records(uint8_t *data, size_t size, size_t room)
{
	size_t spots[SPOTS_MAX + 1], count, i, j, bytes;
	static uint8_t copy[VALUE_BYTES];

	count = find_spots(data, size, spots);
	if (!count) {
		bytes = make_record(copy);
		return splice(data, size, room, size, 0, copy, bytes);
	}
	i = below(count);
	j = below(count + 1);
	bytes = spots[i + 1] - spots[i];
	switch (below(12)) {
	case 0:
		return splice(data, size, room, spots[i], bytes, NULL, 0);
	case 1: /* twice, or somewhere else */
		if (bytes > sizeof(copy))
			return size;
		memcpy(copy, data + spots[i], bytes);
		return splice(data, size, room, spots[j], 0, copy, bytes);
	case 2:
		bytes = make_record(copy);
		return splice(data, size, room, spots[j], 0, copy, bytes);
	case 3:
	case 4:
	case 5:
		if (fuzz_format.kind == FUZZ_RECORDS) {
			mutate_header(data + spots[i], bytes);
			return size;
		}
		/* fall through */
	default:
		if (bytes < header_bytes())
			return size;
		return mutate_inside(data, size, room, spots[i], bytes);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room,
			       unsigned int seed)
{
	int rounds;

	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	if (fuzz_format.kind == FUZZ_TEXT || below(16) == 0)
		return LLVMFuzzerMutate(data, size, room);
	if (fuzz_format.prefix_bytes && size > fuzz_format.prefix_bytes &&
	    below(16) == 0) {
		LLVMFuzzerMutate(data, fuzz_format.prefix_bytes,
				 fuzz_format.prefix_bytes);
		return size;
	}
	if (size > room)
		size = room;
	for (rounds = 1 + (int)below(4); rounds; rounds--)
		size = fuzz_format.kind == FUZZ_TLVS
			       ? mutate_tlvs(data, size, room, 0)
			       : mutate_records(data, size, room);
	return size;
}

/* The beginning of one and the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes,
				 const uint8_t *b, size_t b_bytes, uint8_t *out,
				 size_t room, unsigned int seed)
{
	size_t spots[SPOTS_MAX + 1], count, head = a_bytes, tail = 0;

	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	if (fuzz_format.kind == FUZZ_TEXT || fuzz_format.kind == FUZZ_TLVS) {
		head = below(a_bytes + 1);
		tail = below(b_bytes + 1);
	} else {
		count = find_spots(a, a_bytes, spots);
		if (count)
			head = spots[below(count + 1)];
		count = find_spots(b, b_bytes, spots);
		tail = count ? spots[below(count)] : b_bytes;
	}
	if (head > room)
		head = room;
	if (b_bytes - tail > room - head)
		tail = b_bytes - (room - head);
	memcpy(out, a, head);
	memcpy(out + head, b + tail, b_bytes - tail);
	return head + (b_bytes - tail);
}
