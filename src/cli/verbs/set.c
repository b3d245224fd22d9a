/* SPDX-License-Identifier: MIT */
#include "cli/document.h"
#include "cli/verbs.h"
#include "definition/assign.h"

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

const struct verb verb_set = {
	.name = "set",
	.positional = "NAME",
	.second = "FIELD=VALUE",
	.repeats_second = true,
	.summary = "Change fields of a partition's document, all or none, also "
		   "while it runs.",
	.run = document_change,
	.change = assign_all,
};
