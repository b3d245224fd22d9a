/* SPDX-License-Identifier: MIT */
#include "cli/listing.h"

int listing_run(struct cli *cli, struct listing *listing, uint32_t type,
		int (*on_row)(void *data, struct message *message))
{
	const struct request request = {
		.type = type,
		.on_row = on_row,
		.row_data = listing,
	};
	int status;

	listing->rows = json_array();
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE && cli->is_json)
		cli_print_json(json_incref(listing->rows));
	else if (status == EXIT_DONE)
		table_print(&listing->table);
	json_decref(listing->rows);
	table_release(&listing->table);
	return status;
}
