/* SPDX-License-Identifier: MIT */
/*
 * What can be done with the values of each type of field. `at` is the member
 * that the field is; a function that reads one takes any bytes.
 */
#ifndef DEFINITION_TYPE_H
#define DEFINITION_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "definition/schema.h"
#include "definition/value.h"

/* Room for the end of the sentence "wants ...". */
#define WHY_SIZE 120

struct type_ops {
	uint32_t bytes;    /* of the member; 0: the field's room */
	bool is_list;      /* of scalars, which are parsed one by one */
	bool may_be_none;  /* text may say so */
	const char *range; /* what it accepts, if that is always the same */
	void (*describe)(const struct field *field, char *to, size_t room);

	/* Both say in `why` what is wanted, unless it is the range. */
	bool (*parse)(const struct field *field, const struct scalar *scalar,
		      void *at, char why[WHY_SIZE]);
	bool (*check)(const struct field *field, const void *at,
		      char why[WHY_SIZE]);
	enum value_kind (*write)(const struct field *field, const void *at,
				 char text[VALUE_SIZE]);

	/* As an attribute's payload, if that is not the member itself. The
	 * payload is never longer than the member. */
	uint32_t (*encode)(const struct field *field, const void *at,
			   uint8_t *to);
	bool (*decode)(const struct field *field, void *at, const uint8_t *from,
		       uint32_t bytes);
};

/* NULL for groups, lists of records and what is refused. */
const struct type_ops *type_of(const struct field *field);

extern const struct type_ops type_mac, type_vlan, type_vlans, type_rate,
	type_addresses, type_uplink;

/* The member's size. */
uint32_t type_bytes(const struct field *field);

/* True if nothing is in the member, which is how an absent value is kept. */
bool type_is_zero(const void *at, size_t bytes);

/* Whether `why` or the range is what is wanted. */
void type_describe_want(const struct field *field, char why[WHY_SIZE]);

#endif
