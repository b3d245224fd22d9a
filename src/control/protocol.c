/* SPDX-License-Identifier: MIT */
#include "control/protocol.h"

#include <stddef.h>
#include <string.h>

#include "base/count.h"
#include "control/control.h"
#include "control/fields.h"
#include "definition/schema.h"
#include "definition/units.h"

/* clang-format off */
#define AT(body, member) (((struct body *)NULL)->member)
#define PLACE(tag, member, what, ...)                          \
	.kind = BODY_##what, .name = #member, .key = "" __VA_ARGS__, \
	.offset = offsetof(struct tag, member),                \
	.bytes = sizeof(AT(tag, member))
#define INTEGER(tag, member, what, from, to, ...)              \
	{ PLACE(tag, member, what, __VA_ARGS__),               \
	  .is_signed = (__typeof__(AT(tag, member)))-1 < 1,    \
	  .least = (from), .most = (to) },

/* NULL, or an error of the compiler: text has an end to check. */
#define NO_TEXT(tag, member)                                   \
	_Generic(&AT(tag, member)[0], char *: (void)0, default: NULL)

/* The table of a body is a constant of its struct's name, and ends with a
 * field without a name. */
#define BODY(tag) { 0 } }; static const struct body_field tag[] = {
#define NUMBER(tag, member, least, most, ...) INTEGER(tag, member, NUMBER, least, most, __VA_ARGS__)
#define ENGINE(tag, member, least, most, ...) INTEGER(tag, member, ENGINE, least, most, __VA_ARGS__)
#define LEVEL(tag, member, least, most, ...)  INTEGER(tag, member, LEVEL, least, most, __VA_ARGS__)
#define FLAG(tag, member, ...) INTEGER(tag, member, FLAG, 0, 1, __VA_ARGS__)
#define ZERO(tag, member)      INTEGER(tag, member, ZERO, 0, 0)
#define ANY(tag, member, ...)                                  \
	INTEGER(tag, member, NUMBER,                           \
		(__typeof__(AT(tag, member)))-1 < 1 ? INT64_MIN : 0, \
		(__typeof__(AT(tag, member)))-1 < 1 ? INT64_MAX : UINT64_MAX, \
		__VA_ARGS__)
#define LAYERS(tag, member, ...) INTEGER(tag, member, LAYERS, 0, UINT32_MAX, __VA_ARGS__)
#define COUNT(tag, member, list) INTEGER(tag, member, NUMBER, 0, ARRAY_COUNT(AT(tag, list)))
#define TEXT(tag, member, ...)   { PLACE(tag, member, TEXT, __VA_ARGS__) },
#define NAME(tag, member, ...)   { PLACE(tag, member, NAME, __VA_ARGS__) },
#define MAC(tag, member, ...)    { PLACE(tag, member, MAC, __VA_ARGS__) },
#define BYTES(tag, member)       { PLACE(tag, member, BYTES), .nested = NO_TEXT(tag, member) },
#define DROPS(tag, member, ...)  { PLACE(tag, member, DROPS, __VA_ARGS__) },
#define LIST(tag, member, count, ...)                          \
	{ PLACE(tag, member, LIST, __VA_ARGS__), .count_offset = offsetof(struct tag, count) },
#define ATTRIBUTES(tag, of)                                    \
	INTEGER(tag, attribute_bytes, NUMBER, 0, CONTROL_BODY_MAX - sizeof(struct tag)) \
	{ PLACE(tag, attributes, ATTRIBUTES), .record = &of,   \
	  .count_offset = offsetof(struct tag, attribute_bytes) },
#define NESTED(tag, member, other)                             \
	{ PLACE(tag, member, NESTED), .nested = other, .nested_bytes = sizeof(struct other) },

static const struct body_field no_fields[] __attribute__((unused)) = {
#include "control/fields.def"
{ 0 } };
/* clang-format on */

/* Every body fits a message. */
#define MESSAGE(number, name, from, to, body, fd_count, text)    \
	_Static_assert(sizeof(body) <= CONTROL_BODY_MAX, #name); \
	_Static_assert((fd_count) <= CONTROL_FD_MAX, #name);
#include "control/protocol.def"
#undef MESSAGE

/* Of "struct disk_row" in protocol.def only the name is left. */
#define TABLE_OF_struct

static const struct message_shape shapes[] = {
#define MESSAGE(number, name, from, to, body, fd_count, text) \
	{ number, sizeof(body), fd_count, #name, TABLE_OF_##body },
#include "control/protocol.def"
#undef MESSAGE
};

const struct message_shape *message_shape(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

static const char *const roles[] = { [ROLE_NONE] = "",
#define ROLE_ID(id, name) [ROLE_##id] = name,
				     ROLES(ROLE_ID)
#undef ROLE_ID
};

const char *role_name(uint32_t role)
{
	return role < ROLE_COUNT ? roles[role] : "";
}

uint32_t role_find(const char *name)
{
	uint32_t role = ROLE_LAST;

	while (role != ROLE_NONE && strcmp(roles[role], name) != 0)
		role--;
	return role;
}
