/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's own check of switches and interfaces that a client sent, as
 * check.h has it for partitions.
 *
 * Trust      The client may be hostile; any bytes may be handed in.
 * Errors     0, or -EINVAL with the refusal filled in.
 */
#ifndef SUPERVISOR_CHECK_NETWORK_H
#define SUPERVISOR_CHECK_NETWORK_H

#include <stdbool.h>

#include "base/refusal.h"
#include "definition/network.h"

int check_switch(const struct switch_definition *definition,
		 struct refusal *ret_refusal);

/* One interface; `prefix` ("nics[1]." or "") goes before a field's name. */
int check_nic(const struct nic_definition *definition, const char *prefix,
	      struct refusal *ret_refusal);

/* All interfaces of a document, each and against each other. */
int check_nics(const struct partition_document *document,
	       struct refusal *ret_refusal);

/* True if both use one MAC address in one VLAN of one switch. */
bool check_nics_collide(const struct nic_definition *a,
			const struct nic_definition *b);

#endif
