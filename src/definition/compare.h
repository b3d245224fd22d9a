/* SPDX-License-Identifier: MIT */
/*
 * What one definition has otherwise than another, field by field of the schema.
 *
 * Elements of a list belong together by their names. A field that says nothing
 * where the other says something differs, but for a MAC address: one that is not
 * given stays what it is.
 *
 * Trust      Counts and texts are bounded by what there is room for; a definition
 *            need not be valid otherwise.
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

/* Visit every difference in the order of the schema. 0, or what a visitor
 * returned that is not. */
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
