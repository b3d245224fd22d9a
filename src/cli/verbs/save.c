/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_SAVE, "saving");
}

const struct verb verb_save = {
	.name = "save",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Write a partition's guest to disk and end its processes.",
	.run = run,
};
