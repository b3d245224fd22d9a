/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	const char *deadline = invocation_option(invocation, "deadline");
	struct partition_stop body = {
		.is_forced = invocation_option(invocation, "force") != NULL,
	};
	const struct request request = {
		.type = MSG_PARTITION_STOP,
		.body = &body,
	};
	char doing[NAME_SIZE * 2];
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE && deadline)
		status = cli_take_time(cli, "--deadline", deadline,
				       &body.deadline_ms);
	if (status != EXIT_DONE)
		return status;
	(void)snprintf(doing, sizeof(doing), "stopping %s", body.name);
	status = cli_call(cli, &request, doing);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_stop = {
	.name = "stop",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Press the power button; after the deadline, force off.",
	.options = {
		{ "deadline", "S", "seconds the guest may take (otherwise the "
				   "definition's stop.deadline)" },
		{ "force", NULL, "force off at once" },
	},
	.run = run,
};
