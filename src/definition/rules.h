/* SPDX-License-Identifier: MIT */
/* The rules of a document that concern more than one field. */
#ifndef DEFINITION_RULES_H
#define DEFINITION_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "definition/schema.h"

/* The first required row of the owner whose bit is not in `seen`; NULL when none
 * is missing. */
const struct field *rules_find_missing(uint64_t seen, enum field_owner owner);

/*
 * Check the VLANs of one interface against each other; `seen` has its bits.
 * Without any it is in VLAN 1. `name` is what the refusal calls the interface.
 */
int rules_check_nic(struct nic_definition *nic, uint64_t seen, const char *name,
		    struct refusal *refusal);

/*
 * Check a whole definition; `seen` has a bit for each row that was given.
 * Fields that a foreign engine does not have are set to nothing.
 *
 * -EINVAL  refused
 */
int rules_check(struct partition_document *document, uint64_t seen,
		struct refusal *refusal);

#endif
