/* SPDX-License-Identifier: MIT */
/* A verb that asks for rows of one type and prints them all. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "cli/cli.h"
#include "cli/rows.h"

/*
 * Ask with the type `asked` and print the rows of type `type` that come.
 *
 * Returns an exit status.
 */
int listing_run(struct cli *cli, uint32_t asked, uint32_t type,
		const struct column *columns);

#endif
