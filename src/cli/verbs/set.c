/* SPDX-License-Identifier: MIT */
#include "cli/document.h"
#include "cli/verbs.h"
#include "definition/assign.h"
#include "definition/compare.h"

static int assign_all(struct cli *cli, const struct invocation *invocation,
		      struct partition_document *document)
{
	struct refusal refusal;

	for (size_t i = 0; i < invocation->name_count; i++)
		if (document_assign(document, invocation->names[i], &refusal) <
		    0)
			return cli_refuse(cli, &refusal);
	return EXIT_DONE;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document document;
	uint64_t digest = 0;
	int status = document_fetch(cli, invocation->positional, &document);

	if (status == EXIT_DONE) {
		digest = document_digest(&document);
		status = assign_all(cli, invocation, &document);
	}
	if (status == EXIT_DONE)
		status = document_send(cli, MSG_PARTITION_REDEFINE, &document,
				       digest);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, document.partition.name);
	return status;
}

const struct verb verb_set = {
	.name = "set",
	.positional = "NAME",
	.second = "FIELD=VALUE",
	.repeats_second = true,
	.summary = "Change fields of a partition's document, all or none, also "
		   "while it runs.",
	.run = run,
};
