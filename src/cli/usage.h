/* SPDX-License-Identifier: MIT */
/* Reading the command line by the table of verbs, and explaining it. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include "cli/cli.h"

/*
 * Read the whole command line. Global options may stand anywhere.
 *
 * Returns EXIT_DONE with *ret_invocation filled, EXIT_REFUSED after saying
 * why, or, when help was asked for and given, EXIT_DONE with no verb.
 */
int usage_read(struct cli *cli, int count, char **words,
	       struct invocation *ret_invocation);

#endif
