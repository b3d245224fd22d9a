/* SPDX-License-Identifier: MIT */
#include "cli/columns.h"
#include "cli/listing.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return listing_run(cli, MSG_DISK_LIST, MSG_DISK_ROW, disk_columns);
}

const struct verb verb_disk_list = {
	.name = "disk list",
	.summary = "List the disks of all installed partitions.",
	.run = run,
};
