/* SPDX-License-Identifier: MIT */
/* One value of a document, checked against its row and stored. */
#ifndef DOCUMENT_VALUE_H
#define DOCUMENT_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/refusal.h"
#include "document/schema.h"

struct scalar {
	const char *text; /* terminated */
	size_t bytes;     /* without the terminator; a NUL may lie inside */
	bool is_quoted;
	size_t line;
};

/*
 * Store the scalar in the field of `definition` or, for a disk's field, of
 * `disk`. `name` is what the refusal calls the field.
 *
 * -EINVAL  refused
 */
int value_store(const struct field *field, const char *name,
		const struct scalar *scalar,
		struct partition_definition *definition,
		struct disk_definition *disk, struct refusal *refusal);

/* Give every absent field its fallback. */
void value_set_fallbacks(struct partition_definition *definition);
void value_set_disk_fallbacks(struct disk_definition *disk);

#endif
