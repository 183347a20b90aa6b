// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* key.c - the cluster key and what is done with it; see replay.h. */
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "codec.h"

/* The digits, and perhaps the end of their line. */
static bool parse_hex(const char *text, size_t length,
		      uint8_t ret_key[REPLAY_KEY_BYTES])
{
	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	return skerry_hex_decode(text, length, ret_key, REPLAY_KEY_BYTES);
}

int replay_key_read(const char *path, uint8_t ret_key[REPLAY_KEY_BYTES])
{
	uint8_t key[REPLAY_KEY_BYTES];
	char text[2 * REPLAY_KEY_BYTES + 3];
	size_t length;
	FILE *file;
	int error;

	file = fopen(path, "re");
	if (!file) {
		error = -errno;
		fprintf(stderr, "skerry-replay: --key: %s: %s\n", path,
			strerror(errno));
		return error;
	}
	length = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (length == REPLAY_KEY_BYTES) {
		memcpy(key, text, sizeof(key));
	} else if (!parse_hex(text, length, key)) {
		fprintf(stderr,
			"skerry-replay: --key: %s: holds no key; 64 hex digits"
			" or 32 bytes\n",
			path);
		return -EINVAL;
	}
	memcpy(ret_key, key, sizeof(key));
	return 0;
}

void replay_hmac(void *data, const struct core_bytes *parts, size_t count,
		 uint8_t ret_mac[32])
{
	EVP_PKEY *key;
	EVP_MD_CTX *ctx;
	size_t length = 32;
	size_t i;

	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, data,
					   REPLAY_KEY_BYTES);
	ctx = EVP_MD_CTX_new();
	if (!key || !ctx ||
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1)
		abort();
	for (i = 0; i < count; i++)
		if (EVP_DigestSignUpdate(ctx, parts[i].data,
					 parts[i].size_bytes) != 1)
			abort();
	if (EVP_DigestSignFinal(ctx, ret_mac, &length) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}
