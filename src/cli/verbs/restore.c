/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_RESTORE,
			     "restoring");
}

const struct verb verb_restore = {
	.name = "restore",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Go on where a saved partition was.",
	.run = run,
};
