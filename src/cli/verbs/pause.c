/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_PAUSE, NOT_LONG);
}

const struct verb verb_pause = {
	.name = "pause",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Stop the virtual processors of a running partition.",
	.run = run,
};
