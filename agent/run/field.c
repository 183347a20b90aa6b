// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* field.c - see field.h. */
#include "field.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_identifier(uint16_t key)
{
	switch (key) {
	case SKERRY_K_BOOT_NONCE:
	case SKERRY_K_DIGEST:
	case SKERRY_K_FAST_ID:
	case SKERRY_K_FEATURES_OFFERED:
	case SKERRY_K_FEATURES_REQUIRED:
	case SKERRY_K_FLOW_ID:
	case SKERRY_K_OVERLAY_DIGEST:
	case SKERRY_K_PARTITION_KEY:
		return true;
	default:
		return false;
	}
}

static enum field_kind hex_text(const struct tlv_reader *field,
				char out[FIELD_TEXT_BYTES])
{
	size_t i, used = 0;

	for (i = 0; i < field->length; i++) {
		if (used + 6 > FIELD_TEXT_BYTES) {
			memcpy(out + used, "...", 4);
			return FIELD_TEXT;
		}
		used += (size_t)snprintf(out + used, 3, "%02x",
					 field->value[i]);
	}
	out[used] = 0;
	return FIELD_TEXT;
}

static enum field_kind number_text(uint16_t key, uint64_t value,
				   char out[FIELD_TEXT_BYTES])
{
	snprintf(out, FIELD_TEXT_BYTES, is_identifier(key) ? "%016llx" : "%llu",
		 (unsigned long long)value);
	return is_identifier(key) || value > INT64_MAX ? FIELD_TEXT
						       : FIELD_NUMBER;
}

static void address_text(const struct skerry_addr *addr,
			 char out[FIELD_TEXT_BYTES])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	char ip[INET6_ADDRSTRLEN];
	bool is_v4 = memcmp(addr->ip, v4, 12) == 0;

	inet_ntop(is_v4 ? AF_INET : AF_INET6, addr->ip + (is_v4 ? 12 : 0), ip,
		  sizeof(ip));
	snprintf(out, FIELD_TEXT_BYTES, is_v4 ? "%s:%u" : "[%s]:%u", ip,
		 addr->port);
}

void field_time_text(uint64_t wall_us, char *out, size_t room)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	size_t used;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	used = strftime(out, room, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + used, room - used, ".%06uZ",
		 (unsigned int)(wall_us % 1000000));
}

void field_printable(char *text)
{
	unsigned char *at = (unsigned char *)text;

	for (; *at; at++) {
		if (*at < 0x20 || *at == 0x7f)
			*at = '?';
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
			at[0] = at[1] = '?';
	}
}

enum field_kind field_text(const struct tlv_reader *field,
			   enum skerry_key_type type,
			   char out[FIELD_TEXT_BYTES])
{
	struct skerry_addr addr;
	int64_t signed_value;
	uint64_t value;
	bool truth;

	switch (type) {
	case SKERRY_T_U64:
		if (tlv_u64(field, &value) != 0)
			break;
		return number_text(field->key, value, out);
	case SKERRY_T_S64:
		if (tlv_s64(field, &signed_value) != 0)
			break;
		snprintf(out, FIELD_TEXT_BYTES, "%lld",
			 (long long)signed_value);
		return FIELD_NUMBER;
	case SKERRY_T_STR:
		if (tlv_str(field, out, FIELD_TEXT_BYTES) != 0)
			break;
		return FIELD_TEXT;
	case SKERRY_T_BOOL:
		if (tlv_bool(field, &truth) != 0)
			break;
		strcpy(out, truth ? "true" : "false");
		return FIELD_TRUTH;
	case SKERRY_T_ADDR:
		if (tlv_addr(field, &addr) != 0)
			break;
		address_text(&addr, out);
		return FIELD_TEXT;
	case SKERRY_T_TIME:
		if (tlv_u64(field, &value) != 0)
			break;
		field_time_text(value, out, FIELD_TEXT_BYTES);
		return FIELD_TEXT;
	default:
		break;
	}
	return hex_text(field, out);
}
