/* SPDX-License-Identifier: MIT */
#include "cli/document.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "definition/compare.h"

/* As diff(1) has it. */
enum { DIFF_EQUAL, DIFF_DIFFERENT, DIFF_TROUBLE };

struct listing {
	struct table table;
	json_t *rows;
};

static int add(void *context, const struct difference *difference)
{
	struct listing *listing = context;
	const char *level = field_change_name(difference->field->change);
	json_t *row = json_object();

	table_add(&listing->table, "%s", difference->name);
	table_add(&listing->table, "%s",
		  difference->now[0] ? difference->now : "-");
	table_add(&listing->table, "%s",
		  difference->then[0] ? difference->then : "-");
	table_add(&listing->table, "%s", level);
	(void)json_object_set_new(row, "field", json_string(difference->name));
	(void)json_object_set_new(row, "now", json_foreign(difference->now));
	(void)json_object_set_new(row, "then", json_foreign(difference->then));
	(void)json_object_set_new(row, "change", json_string(level));
	(void)json_array_append_new(listing->rows, row);
	return 0;
}

static int list(const struct cli *cli, const struct partition_document *now,
		const struct partition_document *then)
{
	static const char *const headings[] = { "FIELD", "NOW", "THEN",
						"CHANGE", NULL };
	struct listing listing = { .rows = json_array() };
	bool is_equal;

	table_init(&listing.table, headings);
	(void)document_compare(now, then, add, &listing);
	is_equal = json_array_size(listing.rows) == 0;
	if (cli->is_json)
		cli_print_json(json_incref(listing.rows));
	else if (!is_equal)
		table_print(&listing.table);
	table_release(&listing.table);
	json_decref(listing.rows);
	return is_equal ? DIFF_EQUAL : DIFF_DIFFERENT;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document now;
	struct partition_document then;
	int status = document_read(cli, &partition_record, invocation->second,
				   &then);

	if (status == EXIT_DONE)
		status = document_fetch(cli, invocation->positional, &now);
	return status == EXIT_DONE ? list(cli, &now, &then) : DIFF_TROUBLE;
}

const struct verb verb_diff = {
	.name = "diff",
	.positional = "NAME",
	.second = "FILE",
	.summary = "Show what redefining a partition would change, and in "
		   "which state that is possible; exit status 1 if anything.",
	.run = run,
};
