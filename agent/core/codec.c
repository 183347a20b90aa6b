// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* codec.c - type-length-value fields; see codec.h. */
#include "codec.h"

#include <errno.h>
#include <string.h>

void tlv_writer_init(struct tlv_writer *w, void *data, size_t size_bytes)
{
	w->data = data;
	w->size_bytes = size_bytes;
	w->used_bytes = 0;
	w->full = false;
}

static bool put_header(struct tlv_writer *w, uint16_t key, size_t size_bytes)
{
	struct skerry_tlv tlv;

	if (w->full || size_bytes > UINT16_MAX ||
	    w->size_bytes - w->used_bytes < sizeof(tlv) + size_bytes) {
		w->full = true;
		return false;
	}
	tlv.key = key;
	tlv.length = (uint16_t)size_bytes;
	memcpy(w->data + w->used_bytes, &tlv, sizeof(tlv));
	w->used_bytes += sizeof(tlv);
	return true;
}

void tlv_put(struct tlv_writer *w, uint16_t key, const void *value,
	     size_t size_bytes)
{
	if (!put_header(w, key, size_bytes))
		return;
	if (size_bytes)
		memcpy(w->data + w->used_bytes, value, size_bytes);
	w->used_bytes += size_bytes;
}

void tlv_put_u64(struct tlv_writer *w, uint16_t key, uint64_t value)
{
	tlv_put(w, key, &value, sizeof(value));
}

void tlv_put_s64(struct tlv_writer *w, uint16_t key, int64_t value)
{
	tlv_put(w, key, &value, sizeof(value));
}

void tlv_put_bool(struct tlv_writer *w, uint16_t key, bool value)
{
	uint8_t byte = value;

	tlv_put(w, key, &byte, sizeof(byte));
}

void tlv_put_str(struct tlv_writer *w, uint16_t key, const char *value)
{
	tlv_put(w, key, value, value ? strlen(value) : 0);
}

void tlv_put_addr(struct tlv_writer *w, uint16_t key,
		  const struct skerry_addr *value)
{
	tlv_put(w, key, value, sizeof(*value));
}

size_t tlv_begin(struct tlv_writer *w, uint16_t key)
{
	size_t mark = w->used_bytes;

	put_header(w, key, 0);
	return mark;
}

void tlv_end(struct tlv_writer *w, size_t mark)
{
	struct skerry_tlv tlv;
	size_t inside;

	if (w->full)
		return;
	inside = w->used_bytes - mark - sizeof(tlv);
	if (inside > UINT16_MAX) {
		w->full = true;
		return;
	}
	memcpy(&tlv, w->data + mark, sizeof(tlv));
	tlv.length = (uint16_t)inside;
	memcpy(w->data + mark, &tlv, sizeof(tlv));
}

void tlv_reader_init(struct tlv_reader *r, const void *data, size_t size_bytes)
{
	memset(r, 0, sizeof(*r));
	r->at = data;
	r->end = size_bytes ? r->at + size_bytes : r->at;
}

bool tlv_next(struct tlv_reader *r)
{
	struct skerry_tlv tlv;

	if (r->bad || r->at == r->end)
		return false;
	if ((size_t)(r->end - r->at) < sizeof(tlv))
		goto bad;
	memcpy(&tlv, r->at, sizeof(tlv));
	if ((size_t)(r->end - r->at) - sizeof(tlv) < tlv.length)
		goto bad;
	r->key = tlv.key & (uint16_t)~SKERRY_TLV_CRITICAL;
	r->critical = (tlv.key & SKERRY_TLV_CRITICAL) != 0;
	r->value = r->at + sizeof(tlv);
	r->length = tlv.length;
	r->at = r->value + tlv.length;
	return true;
bad:
	r->bad = true;
	return false;
}

int tlv_u64(const struct tlv_reader *r, uint64_t *ret_value)
{
	if (r->length != sizeof(*ret_value))
		return -EPROTO;
	memcpy(ret_value, r->value, sizeof(*ret_value));
	return 0;
}

int tlv_s64(const struct tlv_reader *r, int64_t *ret_value)
{
	if (r->length != sizeof(*ret_value))
		return -EPROTO;
	memcpy(ret_value, r->value, sizeof(*ret_value));
	return 0;
}

int tlv_bool(const struct tlv_reader *r, bool *ret_value)
{
	if (r->length != 1 || r->value[0] > 1)
		return -EPROTO;
	*ret_value = r->value[0] != 0;
	return 0;
}

int tlv_id(const struct tlv_reader *r, uint8_t ret_value[16])
{
	if (r->length != 16)
		return -EPROTO;
	memcpy(ret_value, r->value, 16);
	return 0;
}

int tlv_addr(const struct tlv_reader *r, struct skerry_addr *ret_value)
{
	if (r->length != sizeof(*ret_value))
		return -EPROTO;
	memcpy(ret_value, r->value, sizeof(*ret_value));
	return 0;
}

int tlv_str(const struct tlv_reader *r, char *ret_value, size_t size_bytes)
{
	if (r->length >= size_bytes)
		return -EPROTO;
	if (r->length && memchr(r->value, 0, r->length))
		return -EPROTO;
	if (r->length)
		memcpy(ret_value, r->value, r->length);
	ret_value[r->length] = 0;
	return 0;
}

bool tlv_find(const void *data, size_t size_bytes, uint16_t key,
	      struct tlv_reader *ret_field)
{
	struct tlv_reader r;

	tlv_reader_init(&r, data, size_bytes);
	while (tlv_next(&r)) {
		if (r.key == key) {
			*ret_field = r;
			return true;
		}
	}
	return false;
}

uint64_t tlv_find_u64(const void *data, size_t size_bytes, uint16_t key,
		      uint64_t fallback)
{
	struct tlv_reader r;
	uint64_t value = fallback;

	if (tlv_find(data, size_bytes, key, &r))
		tlv_u64(&r, &value);
	return value;
}

bool tlv_find_bool(const void *data, size_t size_bytes, uint16_t key)
{
	struct tlv_reader r;
	bool value = false;

	if (tlv_find(data, size_bytes, key, &r))
		tlv_bool(&r, &value);
	return value;
}

int tlv_find_str(const void *data, size_t size_bytes, uint16_t key,
		 char *ret_value, size_t room_bytes)
{
	struct tlv_reader r;

	if (!tlv_find(data, size_bytes, key, &r))
		return -ENOENT;
	return tlv_str(&r, ret_value, room_bytes);
}

struct key_info {
	uint16_t key;
	uint8_t type;
	uint8_t list;
	const char *name;
};

static const struct key_info key_table[] = {
#define KEY_INFO(number, id, json, type, list) \
	{ number, SKERRY_T_##type, list, json },
	SKERRY_KEYS(KEY_INFO)
#undef KEY_INFO
};

const char *skerry_key_name(uint16_t key, enum skerry_key_type *ret_type,
			    bool *ret_list)
{
	size_t i;

	for (i = 0; i < sizeof(key_table) / sizeof(key_table[0]); i++) {
		if (key_table[i].key != key)
			continue;
		if (ret_type)
			*ret_type = (enum skerry_key_type)key_table[i].type;
		if (ret_list)
			*ret_list = key_table[i].list != 0;
		return key_table[i].name;
	}
	return NULL;
}

int skerry_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool skerry_hex_decode(const char *text, size_t length, void *ret_bytes,
		       size_t size_bytes)
{
	uint8_t *bytes = ret_bytes;
	size_t i;

	if (length != 2 * size_bytes)
		return false;
	for (i = 0; i < size_bytes; i++) {
		int high = skerry_hex_digit(text[2 * i]);
		int low = skerry_hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool skerry_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		char c = name[i];

		if (i == SKERRY_NAME_MAX_BYTES)
			return false;
		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		    c == '-' || c == ':' || c == '@')
			continue;
		return false;
	}
	return i > 0;
}
