/* SPDX-License-Identifier: MIT */
/* A verb that asks for rows of one type and prints them all. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include <jansson.h>

#include "cli/cli.h"
#include "cli/table.h"

struct listing {
	struct table table; /* for people */
	json_t *rows;       /* for scripts */
};

/*
 * Ask with this type; `on_row` gets each row with the listing as its data, and
 * adds it to both. The table has its headings already, and is released.
 *
 * Returns an exit status.
 */
int listing_run(struct cli *cli, struct listing *listing, uint32_t type,
		int (*on_row)(void *data, struct message *message));

#endif
