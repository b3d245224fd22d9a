/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/rows.h"
#include "cli/verbs.h"

static void print_text(const struct event_row *row)
{
	time_t seconds = (time_t)(row->time_us / 1000000);
	char subject[256];
	char text[TEXT_ROOM * 4];
	char when[32] = "?";
	struct tm local;

	if (localtime_r(&seconds, &local))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	text_escape(subject, sizeof(subject), row->subject,
		    strlen(row->subject));
	text_escape(text, sizeof(text), row->text, strlen(row->text));
	(void)printf("%llu  %s.%03llu  %-7s  %s: %s\n",
		     (unsigned long long)row->sequence, when,
		     (unsigned long long)(row->time_us / 1000 % 1000),
		     event_level_name(row->level), subject, text);
	(void)fflush(stdout);
}

static int print_row(void *data, struct message *message)
{
	const struct cli *cli = data;
	const struct event_row *row = (const void *)message->body;

	if (message->type != MSG_EVENT_ROW)
		return -EBADMSG;
	if (cli->is_json)
		cli_print_json(json_event(row));
	else
		print_text(row);
	return ferror(stdout) ? -EIO : 0;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	const char *after = invocation_option(invocation, "after");
	struct event_query query = {
		.follow = invocation_option(invocation, "follow") != NULL,
	};
	const struct request request = {
		.type = MSG_EVENT_LIST,
		.body = &query,
		.on_row = print_row,
		.row_data = cli,
	};

	if (after && text_parse_u64(after, INT64_MAX, &query.after) < 0)
		return cli_complain(cli, EXIT_REFUSED, "--after",
				    "wants the number of an event");
	return cli_call(cli, &request, NOT_LONG);
}

const struct verb verb_events = {
	.name = "events",
	.summary = "Print what happened, oldest first.",
	.options = {
		{ "after", "N", "only events with a greater number" },
		{ "follow", NULL, "go on printing as events happen" },
	},
	.run = run,
};
