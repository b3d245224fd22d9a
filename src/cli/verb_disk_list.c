/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "cli/cli.h"
#include "cli/disk_table.h"
#include "cli/rows.h"
#include "cli/verbs.h"

struct listing {
	struct table table;
	json_t *rows;
};

static int add_row(void *data, struct message *message)
{
	struct listing *listing = data;
	const struct disk_row *row = (const void *)message->body;

	if (message->type != MSG_DISK_ROW)
		return -EBADMSG;
	(void)json_array_append_new(listing->rows, json_disk(row));
	disk_table_add(&listing->table, row);
	return 0;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct listing listing = { .rows = json_array() };
	const struct request request = {
		.type = MSG_DISK_LIST,
		.on_row = add_row,
		.row_data = &listing,
	};
	int status;

	disk_table_init(&listing.table);
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE && cli->is_json)
		cli_print_json(json_incref(listing.rows));
	else if (status == EXIT_DONE)
		table_print(&listing.table);
	json_decref(listing.rows);
	table_release(&listing.table);
	return status;
}

const struct verb verb_disk_list = {
	.name = "disk list",
	.summary = "List the disks of all installed partitions.",
	.run = run,
};
