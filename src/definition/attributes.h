/* SPDX-License-Identifier: MIT */
/*
 * A definition as bytes, as it is stored and sent: a stream of attributes, the
 * pattern of netlink.
 *
 *   u16 number   of the field in its record (schema.h), and two flags
 *   u16 bytes    of the payload
 *   payload, and zeros up to a multiple of 4
 *
 * Everything is little-endian. A text is its bytes without an end. Of a list
 * there is an attribute for each element, nested: its payload are the attributes
 * of the element. So no list has a greatest length in the format, and no field a
 * place. Every value is there, also one that is a default, but for texts and
 * lists that are empty: what a definition means changes with no release. A field
 * that is not there has its fallback, as it did before there was that field.
 *
 * A number that this release does not know is refused, unless its sender said
 * that it may be ignored.
 *
 * Trust      Any bytes may be decoded. What comes out has texts that end and
 *            counts within their room; definition_check() says whether it can be.
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
