/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's own check of what a client sent: every field again, as if
 * no parser had looked at it before. Field names in a refusal are those of the
 * document ("disks[0].hang").
 *
 * Trust      The client may be hostile; any bytes may be handed in.
 * Errors     0, or -EINVAL with the refusal filled in.
 */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

#include <stdbool.h>

#include "base/refusal.h"
#include "control/protocol.h"

/* Terminators, enums, ranges, unique names, reserved bytes, combinations. */
int check_definition(const struct partition_definition *definition,
		     struct refusal *ret_refusal);

/*
 * Does every disk's service exist? `has_service` is asked for each name.
 * For a definition that passed check_definition().
 */
int check_definition_services(const struct partition_definition *definition,
			      bool (*has_service)(void *context,
						  const char *name),
			      void *context, struct refusal *ret_refusal);

/* A name as it came in a message; `field` is what to call it. */
int check_name(const char name[NAME_SIZE], const char *field,
	       struct refusal *ret_refusal);

int check_service_settings(const struct service_settings *settings,
			   struct refusal *ret_refusal);

#endif
