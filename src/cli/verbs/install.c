/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_INSTALL,
			     "installing");
}

const struct verb verb_install = {
	.name = "install",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Reserve and create the storage of a partition.",
	.run = run,
};
