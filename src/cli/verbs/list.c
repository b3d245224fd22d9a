/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "cli/listing.h"
#include "cli/rows.h"
#include "cli/verbs.h"
#include "definition/units.h"

static int add_row(void *data, struct message *message)
{
	struct listing *listing = data;
	const struct partition_row *row = (const void *)message->body;
	char memory[UNIT_SIZE];

	if (message->type != MSG_PARTITION_ROW)
		return -EBADMSG;
	(void)json_array_append_new(listing->rows, json_partition(row));
	size_write(memory, row->memory_bytes);
	table_add(&listing->table, "%s", row->name);
	table_add(&listing->table, "%s", row->state_name);
	table_add(&listing->table, "%s", engine_name(row->engine));
	table_add(&listing->table, "%u", row->cpu_count);
	table_add(&listing->table, "%s", memory);
	table_add(&listing->table, "%u of %u", row->disks_up, row->disk_count);
	table_add(&listing->table, "%s", row->reason);
	return 0;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	static const char *const headings[] = { "NAME",   "STATE",  "ENGINE",
						"CPUS",   "MEMORY", "DISKS UP",
						"REASON", NULL };
	struct listing listing;

	table_init(&listing.table, headings);
	return listing_run(cli, &listing, MSG_PARTITION_LIST, add_row);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "List the partitions and their states.",
	.run = run,
};
