/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/listing.h"
#include "cli/verbs.h"

static int list(struct cli *cli, const struct invocation *invocation)
{
	return listing_run(cli, MSG_QUARANTINE_LIST, MSG_QUARANTINE_ROW,
			   quarantine_columns);
}

const struct verb verb_quarantine_list = {
	.name = "quarantine list",
	.summary = "List Bulkhead processes that the store does not know.",
	.run = list,
};

static int end(struct cli *cli, const struct invocation *invocation)
{
	struct quarantine_end body = { 0 };
	const struct request request = {
		.type = MSG_QUARANTINE_END,
		.body = &body,
	};
	uint64_t pid;
	int status;

	if (text_parse_u64(invocation->positional, INT32_MAX, &pid) < 0)
		return cli_complain(cli, EXIT_REFUSED, "pid",
				    "wants a number of `quarantine list`");
	body.pid = (uint32_t)pid;
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, invocation->positional);
	return status;
}

const struct verb verb_quarantine_end = {
	.name = "quarantine end",
	.positional = "PID",
	.summary = "Kill one of them; a monitor's guest ends with it.",
	.run = end,
};
