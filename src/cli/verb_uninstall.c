/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_uninstall body = {
		.is_scrubbed = invocation_option(invocation, "scrub") != NULL,
	};
	const struct request request = {
		.type = MSG_PARTITION_UNINSTALL,
		.body = &body,
	};
	char doing[NAME_ROOM * 2];
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status != EXIT_DONE)
		return status;
	(void)snprintf(doing, sizeof(doing), "uninstalling %s", body.name);
	status = cli_call(cli, &request, doing);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_uninstall = {
	.name = "uninstall",
	.positional = "NAME",
	.summary = "Release the storage of a partition and keep its definition.",
	.options = {
		{ "scrub", NULL, "overwrite the storage first" },
	},
	.run = run,
};
