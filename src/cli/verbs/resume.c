/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_RESUME, NOT_LONG);
}

const struct verb verb_resume = {
	.name = "resume",
	.positional = "NAME",
	.takes_many = true,
	.summary =
		"Let the virtual processors of a paused partition run again.",
	.run = run,
};
