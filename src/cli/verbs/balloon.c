/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "definition/units.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_balloon body = { 0 };
	const struct request request = {
		.type = MSG_PARTITION_BALLOON,
		.body = &body,
	};
	char fault[SIZE_FAULT_SIZE];
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status != EXIT_DONE)
		return status;
	if (size_has_unknown_suffix(invocation->second, fault))
		return cli_complain(cli, EXIT_REFUSED, "size", "wants %s",
				    fault);
	if (text_parse_size(invocation->second, MEMORY_BYTES_MAX,
			    &body.memory_bytes) < 0)
		return cli_complain(cli, EXIT_REFUSED, "size",
				    "wants the memory that the guest keeps, "
				    "such as 512M");
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_balloon = {
	.name = "balloon",
	.positional = "NAME",
	.second = "SIZE",
	.summary = "Ask a guest to return memory, or let it have it again.",
	.run = run,
};
