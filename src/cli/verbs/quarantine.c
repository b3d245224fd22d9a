/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/text.h"
#include "cli/listing.h"
#include "cli/rows.h"
#include "cli/verbs.h"

static int add_row(void *data, struct message *message)
{
	struct listing *listing = data;
	const struct quarantine_row *row = (const void *)message->body;

	if (message->type != MSG_QUARANTINE_ROW)
		return -EBADMSG;
	(void)json_array_append_new(listing->rows, json_quarantine(row));
	table_add(&listing->table, "%u", row->pid);
	table_add(&listing->table, "%s", row->kind);
	table_add(&listing->table, "%s", row->name);
	table_add(&listing->table, "%llu s",
		  (unsigned long long)(row->age_ms / 1000));
	return 0;
}

static int list(struct cli *cli, const struct invocation *invocation)
{
	static const char *const headings[] = { "PID", "KIND", "NAME", "SINCE",
						NULL };
	struct listing listing;

	table_init(&listing.table, headings);
	return listing_run(cli, &listing, MSG_QUARANTINE_LIST, add_row);
}

const struct verb verb_quarantine_list = {
	.name = "quarantine list",
	.summary = "List processes of ours that the store does not know.",
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
