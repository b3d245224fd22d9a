/* SPDX-License-Identifier: MIT */
#include "cli/columns.h"
#include "cli/listing.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return listing_run(cli, MSG_PARTITION_LIST, MSG_PARTITION_ROW,
			   partition_columns);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "List the partitions and their states.",
	.run = run,
};
