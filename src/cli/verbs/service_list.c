/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "cli/listing.h"
#include "cli/rows.h"
#include "cli/verbs.h"
#include "definition/units.h"

static int add_row(void *data, struct message *message)
{
	struct listing *listing = data;
	const struct service_row *row = (const void *)message->body;

	if (message->type != MSG_SERVICE_ROW)
		return -EBADMSG;
	(void)json_array_append_new(listing->rows, json_service(row));
	table_add(&listing->table, "%s", row->name);
	table_add(&listing->table, "%s", row->kind);
	table_add(&listing->table, "%s", row->state);
	table_add(&listing->table, "%u", row->pid);
	table_add(&listing->table, "%u", row->client_count);
	table_add(&listing->table, "%u", row->restarts);
	table_add(&listing->table, "%llu s",
		  (unsigned long long)(row->age_ms / 1000));
	table_add(&listing->table, "%llu.%llu ms",
		  (unsigned long long)(row->last_outage_us / 1000),
		  (unsigned long long)(row->last_outage_us % 1000 / 100));
	return 0;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	static const char *const headings[] = {
		"NAME",     "KIND", "ROLE",        "PID", "CLIENTS",
		"RESTARTS", "AGE",  "LAST OUTAGE", NULL
	};
	struct listing listing;

	table_init(&listing.table, headings);
	return listing_run(cli, &listing, MSG_SERVICE_LIST, add_row);
}

const struct verb verb_service_list = {
	.name = "service list",
	.summary = "List the running instances of all services.",
	.run = run,
};
