/* SPDX-License-Identifier: MIT */
/*
 * Another document for a partition that is defined.
 *
 * Which fields may differ in which state is the schema's to say (enum
 * field_change). The new definition is stored whole, in one transaction, and
 * then told to whoever has a part of it: monitor, console and network service.
 * They are told again at re-adoption, so a supervisor that dies in between
 * leaves nothing half applied.
 */
#ifndef SUPERVISOR_REDEFINE_H
#define SUPERVISOR_REDEFINE_H

#include "base/refusal.h"
#include "definition/network.h"

struct partition;

/*
 * Store and apply this one, which may be; also that of a partition that is being
 * defined. In an errand, and the caller has it occupied. Returns what the store
 * says.
 */
int partition_set_document(struct partition *partition,
			   const struct partition_document *document);

/* The document as it is: its interfaces have their MAC addresses. */
void partition_document(const struct partition *partition,
			struct partition_document *ret_document);

/* Interfaces that are there keep their MAC addresses where the document gives
 * none. It need not have been checked. */
void partition_keep_macs(const struct partition *partition,
			 struct partition_document *document);

/*
 * Take this one, which was checked as a new one is. In an errand.
 *
 * -EBUSY  a field cannot change in this state, or an operation is under way
 * others  of the store
 */
int partition_redefine(struct partition *partition,
		       const struct partition_document *document,
		       struct refusal *refusal);

#endif
