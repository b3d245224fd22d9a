/* SPDX-License-Identifier: MIT */
/* Options of verbs that are fields of an interface in the document. */
#ifndef CLI_NIC_OPTIONS_H
#define CLI_NIC_OPTIONS_H

#include "cli/cli.h"
#include "definition/network.h"

/*
 * Store the options that were given, by the rules of the document. A list is
 * written with commas and replaces what was there; `none` makes a list empty, a
 * rate unlimited, and a port without an untagged VLAN.
 *
 * Returns an exit status.
 */
int nic_options_take(struct cli *cli, const struct invocation *invocation,
		     struct nic_definition *nic);

/* One of them, by the name of its field ("vlan"). */
int nic_option_take(struct cli *cli, const char *name, const char *given,
		    struct nic_definition *nic);

/* A port of a switch, PARTITION/NAME, of the option `field`; NULL: not given.
 * Returns an exit status. */
int nic_port_take(struct cli *cli, const char *field, const char *given,
		  char partition[NAME_SIZE], char nic[NAME_SIZE]);

#endif
