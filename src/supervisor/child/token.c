/* SPDX-License-Identifier: MIT */
#include "supervisor/child/token.h"

#include <string.h>

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
struct sip {
	uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_rounds(struct sip *sip, unsigned count)
{
	while (count--) {
		sip->a += sip->b;
		sip->c += sip->d;
		sip->b = rotate(sip->b, 13) ^ sip->a;
		sip->d = rotate(sip->d, 16) ^ sip->c;
		sip->a = rotate(sip->a, 32);
		sip->c += sip->b;
		sip->a += sip->d;
		sip->b = rotate(sip->b, 17) ^ sip->c;
		sip->d = rotate(sip->d, 21) ^ sip->a;
		sip->c = rotate(sip->c, 32);
	}
}

static void sip_word(struct sip *sip, uint64_t word)
{
	sip->d ^= word;
	sip_rounds(sip, 2);
	sip->a ^= word;
}

/* Little endian, as the host is. */
static uint64_t read_word(const uint8_t *data, size_t bytes)
{
	uint64_t word = 0;

	memcpy(&word, data, bytes);
	return word;
}

uint64_t token_hash(const uint8_t key[TOKEN_KEY_BYTES], const void *data,
		    size_t bytes)
{
	const uint64_t low = read_word(key, 8), high = read_word(key + 8, 8);
	struct sip sip = { low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d,
			   low ^ 0x6c7967656e657261,
			   high ^ 0x7465646279746573 };
	const uint8_t *at = data;
	size_t left = bytes;

	for (; left >= 8; left -= 8, at += 8)
		sip_word(&sip, read_word(at, 8));
	sip_word(&sip, (uint64_t)bytes << 56 | read_word(at, left));
	sip.c ^= 0xff;
	sip_rounds(&sip, 4);
	return sip.a ^ sip.b ^ sip.c ^ sip.d;
}

static uint64_t hash_owner(const uint8_t key[TOKEN_KEY_BYTES],
			   const struct token_owner *owner)
{
	uint8_t text[sizeof(owner->instance) + sizeof(owner->role) +
		     sizeof(owner->name)];

	memcpy(text, &owner->instance, sizeof(owner->instance));
	memcpy(text + 8, &owner->role, sizeof(owner->role));
	memcpy(text + 12, owner->name, sizeof(owner->name));
	return token_hash(key, text, sizeof(text));
}

void token_make(const uint8_t key[TOKEN_KEY_BYTES],
		const struct token_owner *owner, uint8_t ret_token[TOKEN_BYTES])
{
	uint64_t hash = hash_owner(key, owner);

	memcpy(ret_token, &owner->instance, 8);
	memcpy(ret_token + 8, &hash, 8);
}

bool token_is_ours(const uint8_t key[TOKEN_KEY_BYTES],
		   struct token_owner *owner, const uint8_t token[TOKEN_BYTES])
{
	owner->instance = read_word(token, 8);
	return owner->instance &&
	       hash_owner(key, owner) == read_word(token + 8, 8);
}
