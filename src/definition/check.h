/* SPDX-License-Identifier: MIT */
/*
 * Validates a definition, for the parser, the command line and the supervisor
 * alike: first each field by its row of the schema, then the rules that concern
 * several fields (rules.c). What depends on the host, such as whether a service
 * exists or a name is taken, is not checked here.
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
