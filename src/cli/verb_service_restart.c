/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct service_name body = { 0 };
	const struct request request = {
		.type = MSG_SERVICE_RESTART,
		.body = &body,
	};
	char doing[NAME_ROOM * 2];
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status != EXIT_DONE)
		return status;
	(void)snprintf(doing, sizeof(doing), "restarting %s", body.name);
	status = cli_call(cli, &request, doing);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_service_restart = {
	.name = "service restart",
	.positional = "NAME",
	.summary = "Replace a service's active instance, for an upgrade; "
		   "returns when its clients are served again.",
	.run = run,
};
