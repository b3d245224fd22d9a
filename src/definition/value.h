/* SPDX-License-Identifier: MIT */
/* One value of a document, checked against its row and stored. */
#ifndef DEFINITION_VALUE_H
#define DEFINITION_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/refusal.h"
#include "definition/schema.h"

struct scalar {
	const char *text; /* terminated */
	size_t bytes;     /* without the terminator; a NUL may lie inside */
	bool is_quoted;
	size_t line; /* 0: not from a document */
};

/*
 * Store the scalar in the field of `base`, which is the definition of what owns
 * the field. A list's scalars come one by one. `name` is what the refusal calls
 * the field.
 *
 * -EINVAL  refused
 */
int value_store(const struct field *field, const char *name,
		const struct scalar *scalar, void *base,
		struct refusal *refusal);

/* Give every absent field of the owner at `base` its fallback. */
void value_set_fallbacks(void *base, enum field_owner owner);

#endif
