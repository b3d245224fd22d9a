/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	const char *deadline = invocation_option(invocation, "deadline");
	struct host_shutdown body = { 0 };
	const struct request request = {
		.type = MSG_HOST_SHUTDOWN,
		.body = &body,
	};
	int status = EXIT_DONE;

	if (deadline)
		status = cli_take_time(cli, "--deadline", deadline,
				       &body.deadline_ms);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, "shutting down");
	if (status == EXIT_DONE)
		cli_done(cli, invocation, NULL);
	return status;
}

const struct verb verb_shutdown = {
	.name = "shutdown",
	.summary = "Stop all partitions, all services and the supervisor.",
	.options = {
		{ "deadline", "S", "seconds after which what still runs is forced off" },
	},
	.run = run,
};
