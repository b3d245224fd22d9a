/* SPDX-License-Identifier: MIT */
#include "cli/columns.h"
#include "cli/listing.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return listing_run(cli, MSG_SERVICE_LIST, MSG_SERVICE_ROW,
			   service_columns);
}

const struct verb verb_service_list = {
	.name = "service list",
	.summary = "List the running instances of all services.",
	.run = run,
};
