/* SPDX-License-Identifier: MIT */
/*
 * Whether a definition can be: the one check of the parser, the command line and
 * the supervisor. Field by field from the tables, then the rules of more than
 * one field (rules.c). What depends on a host, such as whether a service is
 * there or a name taken, is not its business.
 *
 * Trust      Any bytes may be handed in.
 * Threads    Any; no state is kept.
 */
#ifndef DEFINITION_CHECK_H
#define DEFINITION_CHECK_H

#include "base/refusal.h"
#include "definition/schema.h"

/*
 * `prefix` goes before the name of a field: "", "nics[1].", "--".
 *
 * -EINVAL  refused; *ret_refusal names the first field at fault
 */
int definition_check(const struct record_type *record, const void *value,
		     const char *prefix, struct refusal *ret_refusal);

#endif
