/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_PARTITION_RESET, NOT_LONG);
}

const struct verb verb_reset = {
	.name = "reset",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Restart the guest, as its reset button would.",
	.run = run,
};
