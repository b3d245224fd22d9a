/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "cli/disk_table.h"
#include "cli/listing.h"
#include "cli/rows.h"
#include "cli/verbs.h"

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
	struct listing listing;

	disk_table_init(&listing.table);
	return listing_run(cli, &listing, MSG_DISK_LIST, add_row);
}

const struct verb verb_disk_list = {
	.name = "disk list",
	.summary = "List the disks of all installed partitions.",
	.run = run,
};
