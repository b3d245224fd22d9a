/* SPDX-License-Identifier: MIT */
/* One field of a definition given another value: "disks[data].hang=5s". */
#ifndef DEFINITION_ASSIGN_H
#define DEFINITION_ASSIGN_H

#include "base/refusal.h"
#include "definition/network.h"

/*
 * Carry out FIELD=VALUE. FIELD is a path of the schema with the name or the
 * number of an element in the brackets; VALUE is what a document takes, a list's
 * with commas between them. An empty one, or "none" where there may be none, is
 * what an absent field means. Rules of more than one field are not checked.
 *
 * -EINVAL  refused, and the document is untouched
 */
int document_assign(struct partition_document *document, const char *assignment,
		    struct refusal *ret_refusal);

#endif
