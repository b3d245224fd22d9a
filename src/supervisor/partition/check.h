/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor checks of a request besides definitions, which have their
 * own check (definition/check.h).
 *
 * Trust      The client may be hostile; any bytes may be handed in.
 * Errors     0, or -EINVAL with the refusal filled in.
 */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

#include <stdbool.h>

#include "base/refusal.h"
#include "control/protocol.h"

/*
 * Does every disk's service exist? `has_service` is asked for each name.
 * For a definition that passed definition_check().
 */
int check_definition_services(const struct partition_definition *definition,
			      bool (*has_service)(void *context,
						  const char *name),
			      void *context, struct refusal *ret_refusal);

/* A name as it came in a message; `field` is what to call it. */
int check_name(const char name[NAME_SIZE], const char *field,
	       struct refusal *ret_refusal);

#endif
