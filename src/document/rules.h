/* SPDX-License-Identifier: MIT */
/* The rules of a document that concern more than one field. */
#ifndef DOCUMENT_RULES_H
#define DOCUMENT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "document/schema.h"

/* The first required row (of a disk, or of the document) whose bit is not in
 * `seen`; NULL when none is missing. */
const struct field *rules_find_missing(uint64_t seen, bool of_disk);

/*
 * Check a whole definition; `seen` has a bit for each row that was given.
 * Fields that a foreign engine does not have are set to nothing.
 *
 * -EINVAL  refused
 */
int rules_check(struct partition_definition *definition, uint64_t seen,
		struct refusal *refusal);

#endif
