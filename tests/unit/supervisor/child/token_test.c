/* SPDX-License-Identifier: MIT */
#include "supervisor/child/token.h"

#include <string.h>

#include "base/text.h"
#include "lib/harness.h"

static const uint8_t key[TOKEN_KEY_BYTES] = { 0, 1, 2,  3,  4,  5,  6,  7,
					      8, 9, 10, 11, 12, 13, 14, 15 };

TEST(the_hash_is_the_published_one)
{
	uint8_t data[15];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	CHECK(token_hash(key, data, 0) == 0x726fdb47dd0e0e31);
	CHECK(token_hash(key, data, 15) == 0xa129ca6149be45e5);
}

static struct token_owner owner_of(const char *name, uint32_t role)
{
	struct token_owner owner = { .instance = 7, .role = role };

	(void)text_copy(owner.name, sizeof(owner.name), name);
	return owner;
}

TEST(a_token_proves_number_role_and_name)
{
	struct token_owner owner = owner_of("web1", ROLE_MONITOR);
	struct token_owner back = owner_of("web1", ROLE_MONITOR);
	uint8_t token[TOKEN_BYTES];

	token_make(key, &owner, token);
	back.instance = 0;

	CHECK(token_is_ours(key, &back, token));
	CHECK_EQ(back.instance, 7);
}

TEST(a_hostile_child_cannot_make_a_token_of_another)
{
	const uint8_t other_key[TOKEN_KEY_BYTES] = { 1 };
	struct token_owner owner = owner_of("web1", ROLE_MONITOR);
	struct token_owner name = owner_of("web2", ROLE_MONITOR);
	struct token_owner role = owner_of("web1", ROLE_DISK);
	uint8_t token[TOKEN_BYTES], none[TOKEN_BYTES] = { 0 };

	token_make(key, &owner, token);
	CHECK(!token_is_ours(key, &name, token));
	CHECK(!token_is_ours(key, &role, token));
	CHECK(!token_is_ours(other_key, &owner, token));
	CHECK(!token_is_ours(key, &owner, none));
	token[0] ^= 1;
	CHECK(!token_is_ours(key, &owner, token));
}
