/* SPDX-License-Identifier: MIT */
/*
 * The encoding in which a definition is stored and sent: a stream of
 * type-length-value attributes, as in netlink.
 *
 *   u16 number   of the field in its record (schema.h), and two flags
 *   u16 bytes    of the payload
 *   payload, and zeros up to a multiple of 4
 *
 * Everything is little-endian. A text has no terminator. Each element of a list
 * is one nested attribute, whose payload are the attributes of the element; so
 * the format limits no list and fixes the place of no field. Default values are
 * written, too, and only empty texts and lists are left out, so a later release
 * with other defaults does not change what a stored definition means. A field
 * that is absent has its fallback: the meaning it had before it was introduced.
 *
 * An unknown number is refused, unless its sender set ATTRIBUTE_MAY_IGNORE.
 *
 * Trust      Any bytes may be decoded. The result has terminated texts and
 *            counts within their arrays; definition_check() validates it.
 * Threads    Any; no state is kept.
 */
#ifndef DEFINITION_ATTRIBUTES_H
#define DEFINITION_ATTRIBUTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/refusal.h"
#include "definition/schema.h"

enum attribute_flag {
	ATTRIBUTE_NESTED = 1u << 15,
	ATTRIBUTE_MAY_IGNORE = 1u << 14,
	ATTRIBUTE_NUMBER_MASK = ATTRIBUTE_MAY_IGNORE - 1,
};

struct attribute {
	uint16_t number;
	uint16_t bytes;
};

/* Room for every definition that this release can hold. */
#define ATTRIBUTES_MAX 8192

/* Returns the bytes used, or -EMSGSIZE: there is no room for it. */
int definition_encode(const struct record_type *record, const void *value,
		      void *to, size_t room);

/*
 * `value` is a struct of record->bytes; it is unspecified after a refusal.
 *
 * -EINVAL  refused; *ret_refusal names the field
 */
int definition_decode(const struct record_type *record, const void *from,
		      size_t bytes, void *ret_value,
		      struct refusal *ret_refusal);

#endif
