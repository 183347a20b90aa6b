// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* hmac.c - the cluster key at work; see hmac.h. */
#include "hmac.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* EVP_MAC_init() without a key starts over with the one given first. */
static void hmac_compute(void *data, const struct core_bytes *parts,
			 size_t count, uint8_t ret_mac[32])
{
	EVP_MAC_CTX *ctx = data;
	size_t i, size_bytes = 0;

	if (EVP_MAC_init(ctx, NULL, 0, NULL) != 1)
		abort();
	for (i = 0; i < count; i++) {
		if (parts[i].size_bytes &&
		    EVP_MAC_update(ctx, parts[i].data, parts[i].size_bytes) !=
			    1)
			abort();
	}
	if (EVP_MAC_final(ctx, ret_mac, &size_bytes, 32) != 1 ||
	    size_bytes != 32)
		abort();
}

int hmac_open(const void *key, size_t key_bytes, struct core_hmac *ret_hmac)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char[]) { "SHA256" }, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx;

	if (!mac)
		return -EOPNOTSUPP;
	ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (!ctx)
		return -ENOMEM;
	if (EVP_MAC_init(ctx, key, key_bytes, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return -EOPNOTSUPP;
	}
	ret_hmac->data = ctx;
	ret_hmac->function = hmac_compute;
	return 0;
}

void hmac_close(struct core_hmac *hmac)
{
	EVP_MAC_CTX_free(hmac->data);
	memset(hmac, 0, sizeof(*hmac));
}
