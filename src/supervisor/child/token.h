/* SPDX-License-Identifier: MIT */
/*
 * What a child proves with that it is one of ours: its number, and a keyed hash
 * (SipHash-2-4) of that number, its role and its name. So a supervisor whose
 * store has its key, but lost or never had its row, still knows who it is.
 *
 * Trust      A child knows its own token alone, and can make no other from it.
 */
#ifndef SUPERVISOR_TOKEN_H
#define SUPERVISOR_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/protocol.h"

#define TOKEN_KEY_BYTES 16

struct token_owner {
	uint64_t instance;
	uint32_t role;
	char name[NAME_SIZE]; /* zeros to its end */
};

void token_make(const uint8_t key[TOKEN_KEY_BYTES],
		const struct token_owner *owner,
		uint8_t ret_token[TOKEN_BYTES]);

/* Was it made with this key for this role and name? Fills in the instance. */
bool token_is_ours(const uint8_t key[TOKEN_KEY_BYTES],
		   struct token_owner *owner, const uint8_t token[TOKEN_BYTES]);

/* SipHash-2-4, for token_make() and its test against the published values. */
uint64_t token_hash(const uint8_t key[TOKEN_KEY_BYTES], const void *data,
		    size_t bytes);

#endif
