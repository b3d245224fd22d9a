/* SPDX-License-Identifier: MIT */
#include "cli/document.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document document;
	int status = document_read(cli, invocation->positional, &document);

	if (status == EXIT_DONE)
		status = document_send(cli, MSG_PARTITION_REDEFINE, &document,
				       0);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, document.partition.name);
	return status;
}

const struct verb verb_redefine = {
	.name = "redefine",
	.positional = "FILE",
	.takes_many = true,
	.summary = "Give a partition another document, also while it runs; "
		   "diff shows what that changes.",
	.run = run,
};
