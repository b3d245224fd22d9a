/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	return cli_call_name(cli, invocation, MSG_SERVICE_RESTART,
			     "restarting");
}

const struct verb verb_service_restart = {
	.name = "service restart",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Replace a service's active instance, for an upgrade; "
		   "returns when its clients are served again.",
	.run = run,
};
