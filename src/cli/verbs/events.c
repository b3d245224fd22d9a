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
	char when[32] = "?";
	struct tm local;

	if (localtime_r(&seconds, &local))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	cli_print_line("%llu  %s.%03llu  %-7s  %s: %s",
		       (unsigned long long)row->sequence, when,
		       (unsigned long long)(row->time_us / 1000 % 1000),
		       event_level_name(row->level), row->subject, row->text);
	(void)fflush(stdout);
}

/* What came so far; the next page begins after it. */
struct reading {
	const struct cli *cli;
	struct event_query query;
	bool has_rows; /* of the page at hand */
};

static int take_row(void *data, struct message *message)
{
	const struct event_row *row = (const void *)message->body;
	struct reading *reading = data;

	if (message->type != MSG_EVENT_ROW)
		return -EBADMSG;
	reading->has_rows = true;
	reading->query.after = row->sequence;
	if (reading->cli->is_json)
		cli_print_json(json_row(MSG_EVENT_ROW, row));
	else
		print_text(row);
	return ferror(stdout) ? -EIO : 0;
}

/* Page by page, so that the supervisor never has to keep all of them for us. */
static int read_on(struct cli *cli, struct reading *reading)
{
	const struct request request = {
		.type = MSG_EVENT_LIST,
		.body = &reading->query,
		.on_row = take_row,
		.row_data = reading,
	};
	bool is_one_page =
		reading->query.wants_newest && !reading->query.follow;
	int status;

	do {
		reading->has_rows = false;
		status = cli_call(cli, &request, NOT_LONG);
		reading->query.wants_newest = 0;
	} while (status == EXIT_DONE && reading->has_rows && !is_one_page);
	return status;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	const char *after = invocation_option(invocation, "after");
	bool wants_all = invocation_option(invocation, "all") != NULL;
	struct reading reading = {
		.cli = cli,
		.query.follow = invocation_option(invocation, "follow") != NULL,
		.query.wants_newest = !after && !wants_all,
	};

	if (after && wants_all)
		return cli_complain(cli, EXIT_REFUSED, "--all",
				    "does not go with --after");
	if (after && text_parse_u64(after, INT64_MAX, &reading.query.after) < 0)
		return cli_complain(cli, EXIT_REFUSED, "--after",
				    "wants the number of an event");
	return read_on(cli, &reading);
}

const struct verb verb_events = {
	.name = "events",
	.summary = "Print recent events, the newest last.",
	.options = {
		{ "after", "N", "all events with a greater number" },
		{ "all", NULL, "all events that are kept" },
		{ "follow", NULL, "keep printing events as they happen" },
	},
	.run = run,
};
