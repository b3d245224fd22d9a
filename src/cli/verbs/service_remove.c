/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_SERVICE_REMOVE, "removing");
}

const struct verb verb_service_remove = {
	.name = "service remove",
	.positional = "NAME",
	.takes_many = true,
	.summary = "End a service that nothing uses, and forget it.",
	.run = run,
};
