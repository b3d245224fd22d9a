/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_START, "starting");
}

const struct verb verb_start = {
	.name = "start",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Start a partition; returns when its guest runs.",
	.run = run,
};
