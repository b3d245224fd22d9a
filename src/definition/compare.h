/* SPDX-License-Identifier: MIT */
/*
 * The differences between two definitions, field by field of the schema.
 *
 * Elements of a list are matched by their names. A value that is absent in one
 * of the two is a difference, except for a MAC address: one that is not given
 * stays as it is.
 *
 * Trust      Counts and texts must be within their arrays; otherwise a definition
 *            need not be valid.
 * Threads    Any; no state is kept.
 */
#ifndef DEFINITION_COMPARE_H
#define DEFINITION_COMPARE_H

#include <stdint.h>

#include "definition/network.h"
#include "definition/value.h"

#define FIELD_NAME_SIZE 64

/* A field with its two values as documents write them; "" where there is none.
 * Of a list that has other elements, or in another order: their names. */
struct difference {
	const struct field *field;
	char name[FIELD_NAME_SIZE]; /* "disks[0].hang", of the second one */
	char now[VALUE_SIZE];
	char then[VALUE_SIZE];
};

typedef int difference_visitor(void *context,
			       const struct difference *difference);

/* Visit every difference in the order of the schema. Stops at the first visitor
 * that does not return 0, and returns its value. */
int document_compare(const struct partition_document *now,
		     const struct partition_document *then,
		     difference_visitor *visit, void *context);

/* The element of this name; NULL when there is none. */
void *field_list_find(const struct field *list, const void *base,
		      const char *name);

/* "never", "uninstalled", "stopped", "running": as states are named. */
const char *field_change_name(enum field_change change);

/* A number that is another one when any field is, but for rare accidents; never
 * 0, unless memory is short. */
uint64_t document_digest(const struct partition_document *document);

#endif
