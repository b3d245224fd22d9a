/* SPDX-License-Identifier: MIT */
#include "cli/listing.h"

#include <errno.h>

static int take_row(void *data, struct message *message)
{
	return rows_take(data, message) ? 0 : -EBADMSG;
}

int listing_run(struct cli *cli, uint32_t asked, uint32_t type,
		const struct column *columns)
{
	struct rows rows;
	const struct request request = {
		.type = asked,
		.on_row = take_row,
		.row_data = &rows,
	};
	int status;

	rows_init(&rows, type, columns);
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		rows_print(&rows, cli);
	rows_release(&rows);
	return status;
}
