/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_UNDEFINE, NOT_LONG);
}

const struct verb verb_undefine = {
	.name = "undefine",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Forget the definition of an uninstalled partition.",
	.run = run,
};
