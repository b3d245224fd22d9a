/* SPDX-License-Identifier: MIT */
/* Options of verbs that are fields of a definition. */
#ifndef CLI_NIC_OPTIONS_H
#define CLI_NIC_OPTIONS_H

#include "cli/cli.h"
#include "definition/schema.h"

/*
 * Store the options that were given, by the rules of the document. A list is
 * written with commas and replaces what was there; `none` makes a list empty, a
 * rate unlimited, and a port without an untagged VLAN.
 *
 * Returns an exit status.
 */
int record_options_take(struct cli *cli, const struct invocation *invocation,
			const struct record_type *record, void *value);

/* A new record of this name with these options, which can be. */
int record_options_make(struct cli *cli, const struct invocation *invocation,
			const char *name, const struct record_type *record,
			void *ret_value);

/* One of them, by the name of its field ("vlan"). */
int record_option_take(struct cli *cli, const struct record_type *record,
		       const char *name, const char *given, void *value);

/* A port of a switch, PARTITION/NAME, of the option `field`; NULL: not given.
 * Returns an exit status. */
int nic_port_take(struct cli *cli, const char *field, const char *given,
		  char partition[NAME_SIZE], char nic[NAME_SIZE]);

#endif
